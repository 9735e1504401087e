//! Account health and guardrails: what is wrong with the account is said with what to do, and stops what it has to stop.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Money, Verb};
use dean::health::Health;
use dean::pipeline::{Options, RunReport};
use dean::store::{OrderRow, Store};
use dean_sim::{Params, Standing};
use dean_tests::account::TestAccount;
use jiff::ToSpan;
use serde_json::{Value, json};

fn params() -> Params {
    Params { ads: 40, history_days: 14, ..Params::default() }
}

async fn account(settings: &[(&str, Value)]) -> TestAccount {
    let settings = [settings, &[("api.app_id", json!("500000000000001"))]].concat();
    TestAccount::new(3, params(), &settings).await.unwrap()
}

/// What an account that stands so is found to be, its usual lines left out.
async fn found(account: &TestAccount, change: impl Fn(&mut Standing)) -> (RunReport, Vec<Health>) {
    change(account.server.graph().world_mut().standing_mut());
    let report = account.run(&Options::default()).await.unwrap();
    let usual =
        |line: &Health| line.source != "health" || line.message.contains("learning limited") || line.level == "ok";
    let lines = report.health.iter().filter(|line| !usual(line)).cloned().collect();
    (report, lines)
}

type Change = fn(&mut Standing);

/// How an account stands, and what is found: the level, what it stops, and words of what to do.
const CASES: [(&str, Change, &str, Option<&str>, &str); 11] = [
    ("disabled", |s| s.account_status = 2, "critical", Some("writes"), "Account Quality"),
    (
        "disabled, with a reason",
        |s| (s.account_status, s.disable_reason) = (2, 3),
        "critical",
        Some("writes"),
        "payments look risky",
    ),
    ("grace period", |s| s.account_status = 9, "warning", Some("growth"), "settle it under Billing"),
    ("cap reached", |s| s.spend_cap = 1, "critical", Some("growth"), "raise or reset it"),
    ("no way to pay", |s| s.funding = false, "critical", Some("growth"), "add one under Billing"),
    ("prepaid and nearly out", |s| (s.prepay, s.balance) = (true, 500), "warning", None, "add funds"),
    ("token ends", |s| s.token_expires_at = 1_781_500_000, "warning", None, "make a new token"),
    ("data access ends", |s| s.data_access_expires_at = 1_781_500_000, "warning", None, "access to data ends"),
    ("token that ended", |s| s.token_expires_at = 1_780_000_000, "critical", Some("writes"), "make a new token"),
    ("only reads", |s| s.scopes = vec!["ads_read".into()], "critical", Some("writes"), "not ads_management"),
    ("no DSA", |s| s.dsa = false, "warning", Some("copies of them, which Meta refuses"), "European Union"),
];

#[tokio::test]
async fn what_is_wrong_with_the_account_is_found_and_stops_what_it_has_to_stop() {
    let (plain, none) = found(&account(&[]).await, |_| {}).await;
    assert!(none.is_empty() && plain.api.writes > 10, "{none:?}");
    for (name, change, level, stops, words) in CASES {
        let (report, lines) = found(&account(&[]).await, change).await;
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        assert_eq!((lines[0].level.as_str(), lines[0].stops.as_deref()), (level, stops), "{name}");
        assert!(lines[0].message.contains(words), "{name}: {}", lines[0].message);
        let grows = report.budget_changes().any(|b| Some(b.to) > b.from)
            || report.changes().any(|d| d.done.verb == Verb::Promote);
        match stops {
            Some("writes") => assert_eq!(report.api.writes, 0, "{name}"),
            Some("growth") => assert!(!grows && report.api.writes > 0, "{name}"),
            _ => assert_eq!(report.api.writes, plain.api.writes, "{name}"),
        }
    }
}

#[tokio::test]
async fn a_copy_begins_with_no_less_than_meta_takes() {
    let account = account(&[]).await;
    account.server.graph().world_mut().standing_mut().min_daily_budget = 12_300;
    let report = account.run(&Options::default()).await.unwrap();
    let amounts: Vec<f64> = report
        .changes()
        .filter(|d| d.done.verb == Verb::Promote && d.stage == "testing")
        .filter_map(|d| d.done.amount)
        .collect();
    assert!(!amounts.is_empty() && amounts.iter().all(|amount| *amount >= 123.0), "{amounts:?}");
}

#[tokio::test]
async fn a_pixel_that_fell_silent_stops_every_change_before_ads_look_as_if_they_sold_nothing() {
    let account = account(&[("account.pixel_id", json!("300000000000001"))]).await;
    account.advance(8);
    let since = account.clock.now().as_second();
    account.server.graph().world_mut().standing_mut().pixel_silent_since = Some(since);
    account.advance(5);
    let (early, none) = found(&account, |_| {}).await;
    assert!(none.is_empty() && early.api.writes > 0, "five hours may be a quiet night: {none:?}");
    account.advance(2);
    let (report, lines) = found(&account, |_| {}).await;
    assert_eq!((report.api.writes, lines[0].stops.as_deref()), (0, Some("writes")), "{lines:?}");
    assert!(lines[0].message.contains("has reported nothing for 7 h"), "{}", lines[0].message);

    let wrong = self::account(&[("account.pixel_id", json!("42"))]).await;
    let (report, lines) = found(&wrong, |_| {}).await;
    assert!(report.api.writes > 0 && lines[0].message.contains("is FB_PIXEL_ID right?"), "{lines:?}");
}

#[tokio::test]
async fn without_a_pixel_id_events_that_stay_away_tell_and_no_ad_is_paused_for_them_afterwards() {
    let account = account(&[]).await;
    let anomalies = |report: &RunReport| -> Vec<(String, String)> {
        let lines = report.health.iter().filter(|line| line.source == "anomaly");
        lines.map(|line| (line.stops.clone().unwrap(), line.message.clone())).collect()
    };
    // While nobody breaks anything no alarm is raised, in this market or in others.
    for seed in 0..5 {
        let other = TestAccount::new(seed, Params::varied(seed), &[]).await.unwrap();
        for account in if seed == 0 { vec![&account, &other] } else { vec![&other] } {
            for _ in 0..28 {
                let report = account.run(&Options::default()).await.unwrap();
                assert_eq!(anomalies(&report), [], "{seed}: {}", report.as_of);
                account.advance(6);
            }
        }
    }
    let midnight = account.clock.now().as_second();
    account.server.graph().world_mut().standing_mut().pixel_silent_since = Some(midnight);
    account.advance(10);
    let report = account.run(&Options::default()).await.unwrap();
    let said = anomalies(&report);
    assert_eq!((said.len(), said[0].0.as_str(), report.api.writes), (1, "writes", 0), "{said:?}");
    assert!(said[0].1.starts_with("today 0 add-to-carts were reported where "), "{}", said[0].1);
    // It is mended at the end of the day; the day stays what it was.
    account.advance(14);
    account.server.graph().world_mut().standing_mut().pixel_silent_since = None;
    let mut hours = 0;
    loop {
        account.advance(6);
        hours += 6;
        let report = account.run(&Options::default()).await.unwrap();
        let said = anomalies(&report);
        if said.is_empty() {
            break;
        }
        assert_eq!(said[0].0, "pauses", "{said:?}");
        assert!(report.changes().all(|d| d.done.verb != Verb::Pause), "no ad is paused for that day");
    }
    assert_eq!(hours, 3 * 24, "until the day is more than three days back");
}

#[tokio::test]
async fn a_shop_that_gives_up_its_add_to_cart_event_is_no_anomaly_while_purchases_arrive() {
    let account = account(&[]).await.altering(|call, body| {
        if call.path.ends_with("/insights") && call.params.iter().any(|(name, _)| name == "time_increment") {
            // From the 14th on no row has a cart.
            for row in body["data"].as_array_mut().into_iter().flatten() {
                if row["date_start"].as_str() >= Some("2026-06-14")
                    && let Some(actions) = row["actions"].as_array_mut()
                {
                    actions.retain(|action| !action["action_type"].as_str().unwrap_or_default().contains("cart"));
                }
            }
        }
    });
    for _ in 0..8 {
        let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
        assert!(report.health.iter().all(|line| line.source != "anomaly"), "{}: {:?}", report.as_of, report.health);
        account.advance(6);
    }
}

#[tokio::test]
async fn a_token_that_was_renewed_is_looked_at_anew() {
    let mut account = account(&[]).await;
    account.server.graph().world_mut().standing_mut().scopes = vec!["ads_read".into()];
    let report = account.run(&Options::default()).await.unwrap();
    assert_eq!(report.api.writes, 0);
    account.server.graph().world_mut().standing_mut().scopes = vec!["ads_management".into()];
    account.renew_token();
    account.advance(1);
    assert!(account.run(&Options::default()).await.unwrap().api.writes > 0, "within the same account day");
}

/// Orders of so many days before now, of which every `one_in` is left out.
async fn sold(account: &TestAccount, keep: impl Fn(i64, usize) -> bool) {
    let csv = account.server.graph().world().orders();
    let now = account.clock.now();
    let mut orders = Vec::new();
    for (n, line) in csv.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let placed_at = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", fields[1]).unwrap().to_timestamp().unwrap();
        let days = (now.as_second() - placed_at.as_second()) / 86_400;
        if keep(days, n) {
            let value = Money((fields[3].parse::<f64>().unwrap() * 100.0).round() as i64);
            orders.push(OrderRow { order_id: fields[0].into(), placed_at, value, cancelled: false });
        }
    }
    account.store.save_orders(account.client.account_id(), &orders).await.unwrap();
}

async fn gap(keep: impl Fn(i64, usize) -> bool) -> (RunReport, Option<Health>) {
    let account = TestAccount::new(3, Params { history_days: 30, ..params() }, &[]).await.unwrap();
    sold(&account, keep).await;
    let report = account.run(&Options::default()).await.unwrap();
    let line = report.health.iter().find(|line| line.source == "orders").cloned();
    (report, line)
}

#[tokio::test]
async fn a_lasting_gap_to_what_the_shop_sold_lets_no_budget_rise() {
    let (report, line) = gap(|_, _| true).await;
    assert_eq!(line, None, "the shop agrees");
    assert!(report.changes().any(|d| d.done.verb == Verb::Promote));
    // Half of what Meta attributes never was.
    let (report, line) = gap(|_, n| n % 2 == 0).await;
    let line = line.unwrap();
    assert_eq!(line.stops.as_deref(), Some("growth"));
    assert!(line.message.contains("seem to earn is too much"), "{}", line.message);
    assert!(
        report.changes().all(|d| d.done.verb != Verb::Promote) && report.budget_changes().all(|b| Some(b.to) < b.from)
    );
    // Organic orders beside them are none of Meta's, and no gap.
    let account = TestAccount::new(3, Params { history_days: 30, ..params() }, &[]).await.unwrap();
    sold(&account, |_, _| true).await;
    let known =
        account.store.orders_since(account.client.account_id(), account.clock.now() - (40 * 24).hours()).await.unwrap();
    let organic: Vec<OrderRow> =
        known.iter().map(|o| OrderRow { order_id: format!("{}-o", o.order_id), ..o.clone() }).collect();
    account.store.save_orders(account.client.account_id(), &organic).await.unwrap();
    let report = account.run(&Options::default()).await.unwrap();
    assert!(report.health.iter().all(|line| line.source != "orders"), "{:?}", report.health);
    // An export of three weeks ago says nothing of today.
    let (_, line) = gap(|days, _| days > 21).await;
    assert!(line.unwrap().message.contains("import newer ones"));
}

#[tokio::test]
async fn what_adds_much_waits_for_a_yes_and_is_done_by_the_next_run() {
    let account = account(&[("guard.approve_above", json!(10.0))]).await;
    let first = account.run(&Options::default()).await.unwrap();
    assert!(first.changes().all(|d| d.done.verb != Verb::Promote));
    let asked = account.store.approvals(account.client.account_id()).await.unwrap();
    let asked = asked.iter().find(|row| row.kind == "promote").unwrap();
    let held = first.decisions.iter().find(|d| d.ad_id == asked.target_id && d.verb == Verb::Promote).unwrap();
    assert!(held.held.as_ref().unwrap().reason.contains(&format!("`dean approve {}`", asked.target_id)), "{held:?}");
    assert!(asked.why.contains("The policy wanted to promote"), "{}", asked.why);
    assert!(account.store.approve(asked, account.clock.now()).await.unwrap());
    account.advance(1);
    let second = account.run(&Options::default()).await.unwrap();
    let promoted: Vec<&str> =
        second.changes().filter(|d| d.done.verb == Verb::Promote).map(|d| d.ad_id.as_str()).collect();
    assert_eq!(promoted, [asked.target_id.as_str()], "that one and no other");
}
