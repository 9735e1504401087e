//! The way of somebody new, by the commands of the README: a simulated account behind the Graph API is looked at,
//! run, explained, replayed and stopped.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

mod walking;

use serde_json::{Value, json};
use walking::Walk;

#[test]
fn somebody_new_looks_runs_asks_why_replays_and_stops() {
    let walk = Walk::begin();
    let now = walk.facts["now"].as_str().unwrap();
    walk.done(&["config", "check"]);
    let doctor = walk.done(&["doctor"]);
    for check in ["configuration", "policies", "models", "store", "credentials", "account"] {
        assert!(doctor.as_array().unwrap().iter().any(|f| f["check"] == check && f["level"] == "ok"), "{doctor}");
    }

    // A dry run plans what the run after it does, and writes nothing.
    let before = walk.door("GET /sim/truth", "");
    let dry = walk.done(&["run", "--dry-run", "--now", now]);
    assert_eq!(walk.door("GET /sim/truth", ""), before);
    let run = walk.done(&["run", "--now", now]);
    let planned = |report: &Value| -> Vec<Value> {
        // A copy's ad set is made on the way.
        let actions = report["actions"].as_array().unwrap().iter().filter(|action| action["kind"] != "copy-adset");
        actions.map(|action| json!([action["kind"], action["target"]])).collect()
    };
    assert!(!planned(&dry).is_empty() && planned(&dry) == planned(&run), "{} {}", dry["actions"], run["actions"]);
    assert_ne!(walk.door("GET /sim/truth", ""), before);

    // Every ad has its reason, by id and by name.
    let decision = &run["decisions"][0];
    for name in ["ad_id", "ad_name"] {
        let explained = walk.done(&["explain", decision[name].as_str().unwrap()]);
        assert_eq!(explained["decision"]["why"], decision["why"]);
        assert!(!explained["rules"].as_array().unwrap().is_empty());
    }

    // What was decided comes out again, with what models said.
    let replay = walk.done(&["replay", run["run_id"].as_str().unwrap(), "--scores"]);
    assert_eq!((&replay["equal"], &replay["scores"]["equal"]), (&json!(true), &json!(true)));
    let columns = replay["scores"]["columns"].as_array().unwrap();
    assert!(columns.iter().any(|c| c["column"] == "score.purchase" && c["known"].as_u64() > Some(0)), "{columns:?}");

    // By rules alone no model is asked, and no score is known.
    let later = walk.advance(1);
    let without = walk.done(&["run", "--dry-run", "--no-ml", "--explain", "--now", &later]);
    assert_eq!(without["models"], json!([]));
    for decision in without["decisions"].as_array().unwrap() {
        let columns = decision["columns"].as_object().unwrap();
        assert!(columns.iter().filter(|(name, _)| name.starts_with("score.")).all(|(_, value)| value.is_null()));
    }
    let replay = walk.done(&["replay", without["run_id"].as_str().unwrap(), "--scores"]);
    assert_eq!(replay["scores"]["problem"], "no model scored in this run");
    assert_eq!(replay["scores"]["columns"], json!([]));

    // A file stops every write.
    let later = walk.advance(24);
    let before = walk.door("GET /sim/truth", "");
    std::fs::write(walk.folder.path().join("data/STOP"), "").unwrap();
    let stopped = walk.done(&["run", "--now", &later]);
    assert_eq!(stopped["api"]["writes"], 0);
    assert_eq!(walk.door("GET /sim/truth", ""), before);
    let held = stopped["decisions"].as_array().unwrap().iter().filter(|d| d["held"]["by"] == "kill-switch");
    assert!(held.count() > 0, "what would have been done is told with what held it");
}

#[test]
fn a_plan_is_made_read_done_and_put_back() {
    let walk = Walk::begin();
    let now = walk.facts["now"].as_str().unwrap();
    walk.done(&["run", "--dry-run", "--now", now, "--out", "plan.json"]);
    let file = walk.folder.path().join("plan.json");
    let plan: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let planned = plan["actions"].as_array().unwrap().len();
    assert!(planned > 0, "{plan}");

    // Edited by hand it is refused, and nothing is sent.
    let before = walk.door("GET /sim/truth", "");
    let edited = std::fs::read_to_string(&file).unwrap().replacen("PAUSED", "ACTIVE", 1);
    std::fs::write(walk.folder.path().join("edited.json"), edited).unwrap();
    let (code, said) = walk.dean(&["apply", "edited.json", "--now", now]);
    assert_eq!(code, 1);
    assert!(said["error"].to_string().contains("it was edited"), "{said}");
    assert_eq!(walk.door("GET /sim/truth", ""), before);

    let applied = walk.done(&["apply", "plan.json", "--now", now]);
    assert!(applied["actions"].as_array().unwrap().iter().all(|action| action["state"] == "done"), "{applied}");
    assert_ne!(walk.door("GET /sim/truth", ""), before);
    let (code, said) = walk.dean(&["apply", "plan.json", "--now", now]);
    assert_eq!(code, 1);
    assert!(said["error"].to_string().contains("was applied already"), "{said}");

    let undone = walk.done(&["undo", applied["run_id"].as_str().unwrap(), "--now", now]);
    assert_eq!(undone["of"], applied["run_id"]);
    let live = |ads: &Value| ads.as_array().unwrap().iter().filter(|ad| ad["live"] == true).count();
    assert_eq!(live(&walk.door("GET /sim/truth", "")), live(&before), "everything runs as before");

    // Put back once: what was changed since is somebody's.
    let (code, again) = walk.dean(&["undo", applied["run_id"].as_str().unwrap(), "--now", now]);
    assert!(code == 3 && again["actions"] == json!([]), "{again}");
    let left = again["left"].as_array().unwrap();
    let by = format!("run {} changed it since", undone["run_id"].as_str().unwrap());
    assert!(!left.is_empty() && left.iter().all(|line| line.as_str().unwrap().contains(&by)), "{again}");
}

#[test]
fn a_new_account_observes_for_a_week_then_acts_stage_by_stage_and_asks_before_much() {
    let walk = Walk::begin();
    let config = walk.folder.path().join("config/dean.toml");
    let mut settings = std::fs::read_to_string(&config).unwrap();
    settings.push_str("\n[guard]\nghost = true\napprove_above = 10.0\n[stages.validation]\ndaily_cap = 5000.0\n");
    std::fs::write(&config, settings).unwrap();
    let mut now = walk.facts["now"].as_str().unwrap().to_string();
    let before = walk.door("GET /sim/truth", "");
    let live = |ads: &Value| ads.as_array().unwrap().iter().filter(|ad| ad["live"] == true).count();
    for day in 0..8 {
        let run = walk.done(&["run", "--now", &now]);
        assert_eq!((&run["api"]["writes"], &run["actions"]), (&json!(0), &json!([])));
        if day == 0 {
            let (code, said) = walk.dean(&["go-live", "--stage", "testing", "--now", &now]);
            assert_eq!(code, 2);
            assert!(said["error"].to_string().contains("has observed for 0.0 days"), "{said}");
        }
        now = walk.advance(24);
    }
    assert!(live(&walk.door("GET /sim/truth", "")) >= live(&before));

    let report = walk.done(&["go-live", "--stage", "testing", "--report", "--now", &now]);
    let intents = report["intents"].as_array().unwrap();
    assert!(!intents.is_empty() && report["live_since"].is_null(), "{report}");
    for intent in intents {
        assert!(intent["since"]["spend"].as_f64().unwrap() >= 0.0 && intent["why"].as_str().is_some(), "{intent}");
    }
    let went = walk.done(&["go-live", "--stage", "testing", "--now", &now]);
    assert_eq!(went["live_since"], json!(now));
    let modes = walk.done(&["go-live"]);
    let mode = |stage: &str| modes.as_array().unwrap().iter().find(|m| m["stage"] == stage).unwrap()["mode"].clone();
    assert_eq!((mode("testing"), mode("validation")), (json!("acts"), json!("observes")));
    let run = walk.done(&["run", "--now", &now]);
    assert!(run["api"]["writes"].as_u64() > Some(0), "{}", run["actions"]);

    // What adds more than ten a day waits for a yes.
    let asked = walk.done(&["approve", "--now", &now]);
    let asked = asked["waiting"].as_array().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|row| row["stage"] == "testing"), "{asked:?}");
    let target = asked[0]["target_id"].as_str().unwrap();
    let (code, said) = walk.dean(&["approve", "42", "--now", &now]);
    assert_eq!(code, 2, "{said}");
    let said = walk.done(&["approve", target, "--now", &now]);
    assert_eq!(said["approved"][0]["target_id"], target);
    let later = walk.advance(1);
    let run = walk.done(&["run", "--now", &later]);
    let promoted = run["decisions"].as_array().unwrap().iter().filter(|d| d["final"]["verb"] == "promote");
    assert_eq!(promoted.map(|d| d["ad_id"].as_str().unwrap()).collect::<Vec<_>>(), [target]);
}

#[test]
fn what_the_shop_sold_is_imported_and_agrees() {
    let walk = Walk::begin();
    let now = walk.facts["now"].as_str().unwrap();
    walk.done(&["run", "--dry-run", "--now", now]);
    let csv = walk.text("GET /sim/orders", "");
    std::fs::write(walk.folder.path().join("orders.csv"), &csv).unwrap();
    let imported = walk.done(&["import", "orders", "orders.csv"]);
    assert_eq!(imported["orders"], json!(csv.lines().count() - 1));
    let run = walk.done(&["run", "--dry-run", "--now", now]);
    assert!(run["health"].as_array().unwrap().iter().all(|line| line["source"] != "orders"), "{}", run["health"]);
    std::fs::write(walk.folder.path().join("bad.csv"), "Anzeigen-ID,Tag\n1,2026-06-01\n").unwrap();
    let (code, said) = walk.dean(&["import", "bad.csv"]);
    assert_eq!(code, 1);
    assert!(said["error"].to_string().contains("set the language of Ads Manager to English"), "{said}");
}

#[test]
fn what_an_account_answered_is_decided_on_again_without_it() {
    let mut walk = Walk::begin();
    let now = walk.facts["now"].as_str().unwrap().to_string();
    let recorded = walk.done(&["record", "recording", "--now", &now]);
    assert!(recorded["calls"].as_u64() >= Some(5), "{recorded}");
    let live = walk.done(&["run", "--dry-run", "--now", &now]);
    let calls = std::fs::read_to_string(walk.folder.path().join("recording/calls.jsonl")).unwrap();
    for secret in ["simulated-token", "simulated-secret", "appsecret_proof", "Visa", "Simulated shop\",\"timezone"] {
        assert!(!calls.contains(secret), "{secret}");
    }
    walk.server.kill().unwrap();
    let again = walk.done(&["run", "--recording", "recording"]);
    for part in ["decisions", "budgets", "skipped", "ads", "as_of"] {
        assert_eq!(again[part], live[part], "{part}");
    }
    assert_eq!((&again["dry_run"], &again["api"]["writes"]), (&json!(true), &json!(0)));
    let (code, said) = walk.dean(&["run", "--recording", "nowhere"]);
    assert_eq!(code, 1);
    assert!(said["error"].to_string().contains("`dean record DIR` makes a recording"), "{said}");
}

#[test]
fn a_token_of_another_account_is_refused_with_what_to_do_and_nothing_is_sent() {
    let walk = Walk::begin();
    let now = walk.facts["now"].as_str().unwrap();
    let before = walk.door("GET /sim/truth", "");
    let (code, said) = walk.elsewhere(&["run", "--now", now]);
    assert_eq!(code, 1);
    let said = said["error"].to_string();
    assert!(said.contains("check FB_AD_ACCOUNT_ID") && said.contains("act_42"), "{said}");
    assert_eq!(walk.door("GET /sim/truth", ""), before);
    let (code, findings) = walk.elsewhere(&["doctor"]);
    let problem = findings.as_array().unwrap().iter().find(|f| f["level"] == "problem").unwrap();
    assert!(code == 1 && problem["message"].as_str().unwrap().contains("check FB_AD_ACCOUNT_ID"), "{findings}");
}
