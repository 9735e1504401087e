//! Creatives of the queue become ads: as many as keep testing supplied, the most promising first, none twice.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{CreativeSpec, Sender};
use dean::features::Gamma;
use dean::import::{creatives, creatives_of_rows};
use dean::mirror::Supabase;
use dean::pipeline::{Known, Options, RunReport, launch_order};
use dean::store::{QueueRow, QueueState, Store};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use tempfile::TempDir;

const ADSET: &str = "120210000000200000";

fn sender() -> Sender {
    Sender {
        page_id: Some("200000000000001".into()),
        instagram_user_id: Some("400000000000001".into()),
        store_url: Some("https://shop.example/".into()),
    }
}

async fn account(more: &[(&str, Value)]) -> TestAccount {
    let mut settings = vec![
        ("ids.testing_adset_id", json!(ADSET)),
        ("account.page_id", json!("200000000000001")),
        ("account.instagram_user_id", json!("400000000000001")),
        ("account.store_url", json!("https://shop.example/")),
        ("stages.testing.keep_ads_live", json!(1000)),
    ];
    settings.extend(more.iter().cloned());
    TestAccount::new(3, Params { ads: 30, rejected_share: 0.0, ..Params::default() }, &settings).await.unwrap()
}

fn named(name: &str) -> CreativeSpec {
    CreativeSpec { name: name.into(), ..CreativeSpec::default() }
}

/// A creative of every kind; the files lie in a folder.
fn every_kind(folder: &TempDir) -> Vec<CreativeSpec> {
    let file = |name: &str, size: usize| {
        let path = folder.path().join(name);
        std::fs::write(&path, vec![7u8; size]).unwrap();
        Some(path.display().to_string())
    };
    let text = |text: &str| Some(text.to_string());
    vec![
        CreativeSpec { post: text("200000000000001_77"), ..named("A post") },
        CreativeSpec { creative: text("120210000000900003"), ..named("A creative") },
        CreativeSpec {
            image: file("shoes.jpg", 40_000),
            text: text("Red shoes"),
            title: text("Now"),
            link: text("https://shop.example/red"),
            call_to_action: text("LEARN_MORE"),
            ..named("An image")
        },
        CreativeSpec { image_url: text("https://shop.example/b.jpg"), ..named("An image elsewhere") },
        // Larger than one piece.
        CreativeSpec { video: file("shoes.mp4", 700_000), text: text("Look"), ..named("A video") },
        CreativeSpec { video_url: text("https://shop.example/b.mp4"), ..named("A video elsewhere") },
    ]
}

async fn queue(account: &TestAccount) -> Vec<QueueRow> {
    account.store.queue(account.client.account_id()).await.unwrap()
}

async fn run(account: &TestAccount) -> RunReport {
    account.run(&Options::default()).await.unwrap()
}

/// A field of an object as the account shows it.
fn field(account: &TestAccount, id: &str, field: &str) -> Value {
    let request = dean_sim::Request {
        method: dean_sim::Method::Get,
        path: id.into(),
        parameters: vec![("fields".into(), field.into()), ("access_token".into(), "token".into())],
        base: String::new(),
    };
    let response = account.server.graph().handle(&request);
    serde_json::from_str::<Value>(&response.body).unwrap()[field].clone()
}

#[tokio::test]
async fn every_kind_of_creative_becomes_an_ad_that_is_reviewed_and_delivers() {
    let folder = TempDir::new().unwrap();
    let account = account(&[]).await;
    account.queue(&every_kind(&folder)).await.unwrap();
    let first = run(&account).await;
    assert!(first.complete(), "{:?}", first.actions);
    account.advance(1);
    let second = run(&account).await;
    let rows = queue(&account).await;
    assert!(rows.iter().all(|row| row.state == QueueState::Launched), "{rows:#?}");
    let of = |report: &RunReport, kind: &str| report.actions.iter().filter(|a| a.kind == kind).count();
    assert_eq!((of(&first, "create-creative"), of(&first, "create-ad")), (5, 1), "one creative was there");
    assert_eq!((of(&second, "create-creative"), of(&second, "create-ad")), (0, 5));
    assert_eq!(first.api.uploads, 1 + (1 + 3 + 1) + 1, "an image, a video in three pieces, one that is fetched");

    let of_name = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let story = field(&account, of_name("An image").creative_id.as_ref().unwrap(), "object_story_spec");
    assert_eq!(
        (&story["page_id"], &story["instagram_user_id"]),
        (&json!("200000000000001"), &json!("400000000000001"))
    );
    let link = &story["link_data"];
    assert_eq!(
        (&link["message"], &link["name"], &link["link"]),
        (&json!("Red shoes"), &json!("Now"), &json!("https://shop.example/red"))
    );
    assert_eq!(link["call_to_action"], json!({"type": "LEARN_MORE", "value": {"link": "https://shop.example/red"}}));
    assert!(link["image_hash"].as_str().is_some());
    let story = field(&account, of_name("A video").creative_id.as_ref().unwrap(), "object_story_spec");
    assert_eq!(story["video_data"]["call_to_action"]["value"]["link"], "https://shop.example/", "the store");
    let post = field(&account, of_name("A post").creative_id.as_ref().unwrap(), "effective_object_story_id");
    assert_eq!(post, "200000000000001_77", "the post keeps its likes");

    let ad = of_name("An image").ad_id.clone().unwrap();
    assert_eq!(account.effective_status(&ad), "PENDING_REVIEW");
    account.advance(9);
    assert_eq!(account.effective_status(&ad), "ACTIVE");
    account.advance(3);
    let report = run(&account).await;
    let decision = report.decisions.iter().find(|d| d.ad_id == ad).unwrap();
    assert_eq!(decision.stage, "testing", "{}", decision.why);
    assert_eq!(report.api.uploads, 0, "nothing is made twice");

    let undone = account.undo(&second.run_id).await.unwrap();
    assert!(undone.actions.iter().any(|a| a.kind == "pause" && a.target == ad && a.state == "done"), "{undone:?}");
}

#[tokio::test]
async fn no_more_are_launched_than_keep_testing_supplied_and_none_under_a_name_that_is_taken() {
    let fresh = account(&[]).await;
    let running = run(&fresh).await;
    let live = running.decisions.iter().filter(|d| d.stage == "testing").count();
    let account =
        account(&[("stages.testing.keep_ads_live", json!(live + 2)), ("stages.testing.policy", json!(""))]).await;
    let ads = account.client.ads().await.unwrap().value;
    let active = ads.iter().filter(|ad| ad.status == Some(dean::domain::Status::Active));
    let testing = account.effective.config.ids.testing_campaign_id.clone();
    let active = active.filter(|ad| ad.campaign_id == testing).count();
    let waiting: Vec<CreativeSpec> =
        (0..9).map(|i| CreativeSpec { post: Some(format!("1_{i}")), ..named(&format!("New {i}")) }).collect();
    let taken = CreativeSpec { post: Some("1_9".into()), ..named(&ads[0].name) };
    account.queue(&[waiting, vec![taken]].concat()).await.unwrap();
    for _ in 0..4 {
        run(&account).await;
        account.advance(1);
    }
    let rows = queue(&account).await;
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let room = live + 2 - active;
    assert!((1..=8).contains(&room), "{room}");
    assert_eq!(count(QueueState::Launched), room, "{rows:#?}");
    assert_eq!(count(QueueState::Waiting) + count(QueueState::Failed), 10 - room);
    for row in rows.iter().filter(|row| row.state == QueueState::Failed) {
        assert!(row.name == ads[0].name && row.reason.as_ref().unwrap().contains("has the same name"), "{row:?}");
    }
}

#[tokio::test]
async fn an_ad_set_that_is_not_there_or_is_nobodys_gets_nothing() {
    for (adset, words) in
        [("42", "is not in this account"), ("120210000000200009", "belongs to no campaign of stage testing")]
    {
        let account = account(&[("ids.testing_adset_id", json!(adset))]).await;
        account.queue(&[CreativeSpec { post: Some("1_1".into()), ..named("New") }]).await.unwrap();
        let report = run(&account).await;
        let line = report.health.iter().find(|line| line.stops.as_deref() == Some("launches")).unwrap();
        assert!(line.message.contains(words), "{}", line.message);
        assert_eq!(queue(&account).await[0].state, QueueState::Waiting);
        assert!(report.actions.iter().all(|a| !a.kind.starts_with("create")) && report.api.uploads == 0);
    }
}

#[tokio::test]
async fn what_review_rejects_is_said() {
    let account = account(&[]).await;
    let from_the_first_write =
        dean_sim::Faults { share: 1.0, kinds: vec![dean_sim::Fault::Rejected], ..Default::default() };
    account.server.graph().set_faults(from_the_first_write);
    account.queue(&[CreativeSpec { post: Some("1_1".into()), ..named("New") }]).await.unwrap();
    for _ in 0..2 {
        run(&account).await;
        account.advance(9);
    }
    let report = run(&account).await;
    let line = report.health.iter().find(|line| line.source == "queue").unwrap();
    assert!(
        line.message.contains("\"New\" was launched as ad") && line.message.contains("Meta rejected it"),
        "{}",
        line.message
    );
}

#[tokio::test]
async fn nothing_is_launched_where_nothing_may_be_made_to_spend_more() {
    let account = account(&[]).await;
    account.queue(&[CreativeSpec { post: Some("1_1".into()), ..named("New") }]).await.unwrap();
    account.server.graph().world_mut().standing_mut().funding = false;
    run(&account).await;
    assert_eq!(queue(&account).await[0].state, QueueState::Waiting, "nothing may be made to spend more");
    account.server.graph().world_mut().standing_mut().funding = true;
    account.set_status(ADSET, "PAUSED");
    run(&account).await;
    assert_eq!(queue(&account).await[0].state, QueueState::Waiting, "somebody rests the ad set");
    account.set_status(ADSET, "ACTIVE");
    account.run(&Options { stage: Some("scaling".into()), ..Options::default() }).await.unwrap();
    assert_eq!(queue(&account).await[0].state, QueueState::Waiting, "another stage was asked for");
    run(&account).await;
    assert_eq!(queue(&account).await[0].state, QueueState::Launching);
}

#[tokio::test]
async fn what_meta_refuses_ends_with_its_reason_and_is_not_asked_for_again() {
    let account = account(&[]).await;
    account.queue(&[CreativeSpec { creative: Some("42".into()), ..named("Nobody's") }]).await.unwrap();
    run(&account).await;
    let row = queue(&account).await.remove(0);
    assert_eq!(row.state, QueueState::Failed);
    assert!(row.reason.unwrap().contains("creative_id"), "Meta's words");
    account.advance(1);
    assert!(run(&account).await.actions.iter().all(|a| !a.kind.starts_with("create")));
}

proptest! {
    #[test]
    fn what_is_like_what_sells_comes_first_as_a_rule_and_what_nobody_tried_gets_its_turn(seed in any::<u32>()) {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_string()).collect::<BTreeSet<String>>();
        let known = [
            Known { likeness: words(&["red", "shoes"]), spend: 600.0, purchases: 30.0 },
            Known { likeness: words(&["blue", "hats"]), spend: 600.0, purchases: 3.0 },
        ];
        let waiting = [
            ("a".to_string(), words(&["blue", "hats"])),
            ("b".to_string(), words(&["red", "shoes"])),
            ("c".to_string(), words(&["green", "bags"])),
        ];
        let prior = Gamma::of_mean(1.0 / 40.0).unwrap();
        let order = |seed| launch_order(&waiting, &known, prior, seed);
        prop_assert_eq!(order(seed), order(seed));
        let first = |at: usize| (0..400).filter(|n| order(seed.wrapping_add(*n))[0] == at).count();
        let (hats, shoes, bags) = (first(0), first(1), first(2));
        prop_assert!(shoes > 220 && hats < 20 && bags > 20, "{hats} {shoes} {bags}");
    }
}

#[test]
fn a_list_of_creatives_is_taken_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("shoes.jpg"), b"image").unwrap();
    let read = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        creatives(&path, &sender())
    };
    let toml = "[[creative]]\nname = \"One\"\nimage = \"shoes.jpg\"\ntext = \"Sand\"\ntags = [\"ugc\"]\n\n[[creative]]\nname = \"Two\"\npost = \"1_2\"\n";
    let of_toml = read("list.toml", toml).unwrap();
    let of_csv = read("list.csv", "text,Name,image,tags,post\nSand,One,shoes.jpg,ugc,\n,Two,,,1_2\n").unwrap();
    assert_eq!(of_toml, of_csv, "whatever form it has");
    assert!(of_toml[0].image.as_ref().unwrap().starts_with('/'), "the file is found from anywhere");
    let one = |rest: &str| format!("[[creative]]\nname = \"One\"\n{rest}\n");
    for (text, words) in [
        (
            one("post = \"1_2\"\n[[creative]]\nname = \"one \"\npost = \"1_3\""),
            "line 4: \"one \" is the name of another creative",
        ),
        (one(""), "line 1: \"One\": it does not say what is seen"),
        (one("post = \"1_2\"\nvideo_url = \"https://a.example/b.mp4\""), "and no two"),
        (one("post = \"12\""), "post has to be PAGE_POST"),
        (one("post = \"1_2\"\ntext = \"Sand\""), "brings its own text"),
        (one("image = \"gone.jpg\""), "gone.jpg: No such file"),
        (one("image_url = \"shoes.jpg\""), "begins with no https://"),
        (one("image = \"shoes.jpg\"\ncall_to_action = \"SHOP\""), "SHOP is no call to action; there are SHOP_NOW"),
        (one("image = \"shoes.jpg\"\nlink = \"shop\""), "its link begins with no https://"),
        (one("imge = \"shoes.jpg\""), "unknown field `imge`"),
        ("[[creatives]]\n".to_string(), "unknown field `creatives`"),
        (String::new(), "it has no [[creative]]"),
    ] {
        let said = read("bad.toml", &text).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("bad.toml"), "{text}: {said}");
    }
    for (text, words) in [
        ("title,post\nOne,1_2\n", "no column for the ad's name"),
        ("name,post,colour\nOne,1_2,red\n", "nothing reads its column \"colour\""),
        ("name,post\nOne,1_2\nOne,1_3\n", "line 3: \"One\" is the name of another creative"),
    ] {
        let said = read("bad.csv", text).unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("bad.csv"), "{text}: {said}");
    }
    let path = folder.path().join("list.toml");
    let said = creatives(&path, &Sender::default()).unwrap_err().to_string();
    assert!(said.contains("set FB_PAGE_ID") && said.contains("set STORE_URL"), "{said}");
}

/// A server that answers one request and tells what it was asked.
fn answering(status: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (url, asked)
}

#[tokio::test]
async fn rows_of_supabase_are_creatives_too() {
    let rows = json!([
        {"id": 1, "creative_name": "One", "image_url": "https://shop.example/a.jpg", "primary_text": "Sand", "headline": "Now",
         "cta": "shop now", "status": "queued", "tags": ["ugc"]},
        {"id": 2, "ad_name": "Two", "video_url": "https://shop.example/a.mp4", "destination_url": "https://shop.example/two"},
    ]);
    let (url, asked) = answering("200 OK", &rows.to_string());
    let supabase = Supabase::new(&url, SecretString::from("a-secret-key")).unwrap();
    let found = supabase.queued("meta_creatives").await.unwrap();
    let request = asked.join().unwrap().to_lowercase();
    assert!(
        request.starts_with("get /rest/v1/meta_creatives?select=*&status=eq.queued ")
            || request.contains("status=eq.queued"),
        "{request}"
    );
    assert!(
        request.contains("apikey: a-secret-key") && request.contains("authorization: bearer a-secret-key"),
        "{request}"
    );
    let read = creatives_of_rows("meta_creatives", &found, &sender()).unwrap();
    assert_eq!(
        (read[0].name.as_str(), read[0].title.as_deref(), read[0].call_to_action.as_deref()),
        ("One", Some("Now"), Some("SHOP_NOW"))
    );
    assert_eq!((read[0].text.as_deref(), read[0].tags.as_slice()), (Some("Sand"), ["ugc".to_string()].as_slice()));
    assert_eq!((read[1].name.as_str(), read[1].link.as_deref()), ("Two", Some("https://shop.example/two")));

    let (url, _asked) = answering("401 Unauthorized", r#"{"message": "Invalid API key"}"#);
    let supabase = Supabase::new(&url, SecretString::from("a-secret-key")).unwrap();
    let said = supabase.queued("meta_creatives").await.unwrap_err().to_string();
    assert!(
        said.contains("401") && said.contains("check SUPABASE_SERVICE_ROLE_KEY") && !said.contains("a-secret"),
        "{said}"
    );
}
