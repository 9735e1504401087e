//! A promotion may be cut off anywhere: whatever call a process dies at, the next runs find out what
//! happened, nothing is made twice, and nothing is left behind.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::Verb;
use dean::pipeline::Options;
use dean::store::{PromotionState, Store};
use dean_sim::{Params, Stage, World};
use dean_tests::account::TestAccount;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SEED: u64 = 7;

fn params() -> Params {
    Params { ads: 12, history_days: 8, ..Params::default() }
}

/// Settings under which every testing ad with an add-to-cart is promoted, and the later stages only watch.
fn eager() -> Vec<(&'static str, Value)> {
    vec![
        ("rules.testing.promote.add_to_carts", json!(1)),
        ("rules.testing.promote.cost_per_add_to_cart", json!(1000.0)),
        ("rules.testing.promote.ctr", json!(0.0)),
        ("stages.validation.daily_cap", json!(20_000.0)),
        ("stages.validation.policy", json!("")),
        ("stages.scaling.policy", json!("")),
        ("guard.min_live_ads", json!(0)),
    ]
}

/// The same with promotions into the campaign that holds the budget for all of its ad sets.
fn into_shared() -> Vec<(&'static str, Value)> {
    let world = World::new(SEED, params());
    let mut settings = eager();
    settings.push(("ids.validation_campaign_id", json!(world.campaign(Stage::Scaling).to_string())));
    settings.push(("ids.scaling_campaign_id", json!(world.campaign(Stage::Validation).to_string())));
    settings
}

/// Lets promotions end, then holds the account against the store: each copy belongs to one promotion, each
/// promotion has one copy, and what came to nothing is put away.
async fn ends_well(account: TestAccount, what: &str) {
    let mut account = account;
    for _ in 0..60 {
        account.run(&Options::default()).await.unwrap();
        account.advance(1);
    }
    account.client = account.plain_client();
    let promotions = account.store.promotions(account.client.account_id()).await.unwrap();
    assert!(!promotions.is_empty(), "{what}");
    let ads = account.client.ads().await.unwrap().value;
    let copies = ads.iter().filter(|ad| ad.name.contains("[dean:"));
    let mut of_promotion: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for copy in copies {
        let mark = copy.name.split_once("[dean:").unwrap().1;
        let (promotion, _) = mark.split_once('.').unwrap();
        of_promotion.entry(promotion).or_default().push(&copy.id);
    }
    for (promotion, made) in &of_promotion {
        assert_eq!(made.len(), 1, "{what}: promotion {promotion} made {made:?}");
        assert!(promotions.iter().any(|p| p.promotion_id == *promotion), "{what}: a copy of nobody");
    }
    for p in &promotions {
        match p.state {
            PromotionState::Done => {
                let copy = p.ad_id.as_deref().unwrap();
                assert_eq!(of_promotion[p.promotion_id.as_str()], [copy], "{what}");
                assert_eq!(account.effective_status(&p.source_ad_id), "PAUSED", "{what}: its copy took its place");
            }
            PromotionState::Failed => {
                let left = p.ad_id.as_ref().map(|copy| account.effective_status(copy));
                assert!(left.is_none_or(|status| status == "ARCHIVED"), "{what}: {p:?}");
            }
            // Began lately, with a new moment of its own.
            _ => assert!((account.clock.now().as_second() - p.started_at.as_second()) < 49 * 3_600, "{what}: {p:?}"),
        }
    }
    assert!(promotions.iter().any(|p| p.state == PromotionState::Done), "{what}: {promotions:?}");
    assert!(account.store.open_actions(account.client.account_id()).await.unwrap().is_empty(), "{what}");
}

/// Kills the process at every write of its first runs, before and after the write arrives.
async fn dies_anywhere(settings: &[(&str, Value)]) {
    let mut deaths = 0;
    for arrives in [false, true] {
        for write in 1..=14 {
            let what = format!("dies at write {write}, which {}", if arrives { "arrives" } else { "is lost" });
            let account = TestAccount::new(SEED, params(), settings).await.unwrap();
            let account = account.dying_at_write(write, arrives);
            let mut died = false;
            for _ in 0..6 {
                died = account.run_or_die(&Options::default()).await;
                account.advance(1);
                if died {
                    break;
                }
            }
            deaths += usize::from(died);
            let mut account = account.reopen().unwrap();
            account.client = account.plain_client();
            ends_well(account, &what).await;
        }
    }
    assert!(deaths >= 20, "most of these writes were made: {deaths}");
}

#[tokio::test]
async fn a_process_that_dies_at_any_write_leaves_nothing_twice_and_nothing_behind() {
    dies_anywhere(&eager()).await;
}

#[tokio::test]
async fn nor_where_the_campaign_holds_the_budget() {
    dies_anywhere(&into_shared()).await;
}

/// A refusal as Meta sends it.
fn refusal(code: i64, message: &str) -> Value {
    json!({"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A"}})
}

#[tokio::test]
async fn a_copy_that_meta_refuses_ends_its_promotion_and_is_not_called_one() {
    let account = TestAccount::new(SEED, params(), &eager()).await.unwrap();
    let account = account.refusing(|call| {
        call.path.ends_with("/copies").then(|| refusal(100, "Invalid parameter: this ad set cannot be copied"))
    });
    let first = account.run(&Options::default()).await.unwrap();
    let wanted: Vec<_> = first.decisions.iter().filter(|d| d.verb == Verb::Promote).collect();
    assert!(!wanted.is_empty());
    for d in wanted {
        let held = d.held.as_ref().unwrap();
        assert!(d.done.verb == Verb::Hold && held.reason.contains("cannot be copied"), "{}", d.why);
    }
    assert!(first.promotions.iter().all(|p| p.state == "failed" && p.note.contains("no copy was made")));
    account.advance(1);
    let second = account.run(&Options::default()).await.unwrap();
    assert!(second.actions.iter().all(|a| !a.kind.starts_with("copy")), "it is not asked for again every hour");
}

#[tokio::test]
async fn a_passing_fault_delays_a_copy_and_no_more() {
    let account = TestAccount::new(SEED, params(), &eager()).await.unwrap();
    let account =
        account.refusing(|call| call.path.ends_with("/copies").then(|| refusal(17, "User request limit reached")));
    let first = account.run(&Options::default()).await.unwrap();
    assert!(first.promotions.iter().all(|p| p.state == "copying"), "{:?}", first.promotions);
    let begun = first.promotions.len();
    let mut account = account;
    account.client = account.plain_client();
    // Ad sets in one run; the ads that no batch of that run holds, in the next.
    for _ in 0..2 {
        account.advance(1);
        account.run(&Options::default()).await.unwrap();
    }
    let promotions = account.store.promotions(account.client.account_id()).await.unwrap();
    let made = promotions.iter().filter(|p| p.ad_id.is_some() && p.state != PromotionState::Failed).count();
    assert!(begun > 0 && made >= begun, "{promotions:?}");
}

#[tokio::test]
async fn a_silent_copy_is_given_up_after_its_time_and_the_source_goes_on() {
    let mut settings = eager();
    settings.push(("guard.promotion_timeout_hours", json!(24.0)));
    let account = TestAccount::new(SEED, params(), &settings).await.unwrap();
    let first = account.run(&Options::default()).await.unwrap();
    let promotion = first.promotions[0].clone();
    account.advance(1);
    account.run(&Options::default()).await.unwrap();
    // Somebody stops the copy's ad set: it never delivers.
    let ads = account.client.ads().await.unwrap().value;
    let copy = ads.iter().find(|ad| Some(&ad.id) == promotion.copy_id.as_ref()).unwrap();
    account.set_status(copy.adset_id.as_ref().unwrap(), "PAUSED");
    let mut ended = None;
    for hour in 2..40 {
        account.advance(1);
        let report = account.run(&Options::default()).await.unwrap();
        let failed = report.promotions.iter().find(|p| p.ad_id == promotion.ad_id && p.state == "failed");
        if let Some(p) = failed {
            assert!(p.note.contains("did not deliver within 24 h"), "{}", p.note);
            ended = Some(hour);
            break;
        }
    }
    assert_eq!(ended, Some(26), "25 hours after it was switched on, at the first run beyond the time");
    assert_eq!(account.effective_status(&promotion.ad_id), "ACTIVE");
    assert_eq!(account.effective_status(promotion.copy_id.as_ref().unwrap()), "ARCHIVED");
}
