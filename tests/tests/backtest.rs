//! A backtest asks another policy about the runs of the past: the same one differs in nothing, another one where it says,
//! and what became of the ads in between is what the account's own days say.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::compare::{Comparison, Question, Tried, compare, page};
use dean::pipeline::Options;
use dean::policies::StagePolicy;
use dean::store::{LifecycleRow, Store};
use dean_sim::Params;
use dean_tests::account::TestAccount;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const COGS: f64 = 15.0;

async fn lived(hours: u32, step: u32, options: &Options) -> TestAccount {
    let settings = [("economics.cogs_per_purchase", json!(COGS))];
    let account = TestAccount::new(5, Params { ads: 40, ..Params::default() }, &settings).await.unwrap();
    for _ in (0..hours).step_by(step as usize) {
        account.run(options).await.unwrap();
        account.advance(step);
    }
    account
}

async fn asked(account: &TestAccount, tried: &[StagePolicy], against: Option<&[StagePolicy]>) -> Comparison {
    let question = Question {
        account: account.client.account_id(),
        client: "default",
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        tried: Tried::Policies(tried),
        against,
        attribution: &account.effective.config.attribution.to_string(),
        cogs_per_purchase: COGS,
        progress: &|_, _| {},
    };
    compare(&account.store, question).await.unwrap()
}

fn of_stage(stage: &str, account: &TestAccount, settings: &[(&str, Value)]) -> Vec<StagePolicy> {
    let mut stages = account.policies_with(settings).unwrap();
    stages.retain(|of| of.view.name == stage);
    stages
}

/// Whatever is counted adds up.
fn adds_up(report: &Comparison) {
    for line in &report.rules {
        assert_eq!(line.after, line.same + line.earlier + line.later + line.amount + line.new, "{line:?}");
    }
    let kills = &report.kills;
    assert_eq!(kills.before, kills.same + kills.earlier + kills.later + kills.gone, "{kills:?}");
    assert_eq!(kills.after, kills.same + kills.earlier + kills.later + kills.new, "{kills:?}");
    assert_eq!(report.differences.len(), report.changed);
    let days = |side: fn(&dean::compare::PauseDay) -> usize| report.pauses.iter().map(side).sum::<usize>();
    assert_eq!((days(|day| day.kills.before), days(|day| day.kills.after)), (kills.before, kills.after));
}

/// An ad with the copies that were made of it since a moment, and theirs.
fn family(lives: &[LifecycleRow], ad: &str, since: Timestamp) -> BTreeSet<String> {
    let of_it = |life: &&LifecycleRow| life.source_ad_id.as_deref() == Some(ad) && life.entered_at >= since;
    let copies = lives.iter().filter(of_it);
    copies.flat_map(|copy| family(lives, &copy.ad_id, since)).chain([ad.to_string()]).collect()
}

#[tokio::test]
async fn the_same_policies_over_their_own_runs_differ_in_nothing() {
    let account = lived(10 * 24, 2, &Options::default()).await;
    let report = asked(&account, &account.policies, None).await;
    assert_eq!((report.changed, report.runs), (0, 120), "{:#?}", report.differences);
    assert!(report.kills.before > 3 && report.budget.before.changes > 0, "{report:#?}");
    assert_eq!(report.budget.before, report.budget.after);
    adds_up(&report);
    // Nor do they where both sides are asked again.
    let report = asked(&account, &account.policies, Some(&account.policies)).await;
    assert_eq!(report.changed, 0, "{:#?}", report.differences);
    // What was paused is what the account was told to pause.
    let actions = account.store.actions_since(account.client.account_id(), Timestamp::MIN).await.unwrap();
    let paused: BTreeSet<&str> =
        actions.iter().filter(|a| a.kind == "pause" && a.rule != "promoted").map(|a| a.target_id.as_str()).collect();
    assert!(report.kills.before <= paused.len(), "{} of {paused:?}", report.kills.before);
}

/// Whoever decides while a stage only observes does not see what it would have done, and neither does what is tried.
#[tokio::test]
async fn nor_do_they_where_the_account_only_observed_at_first() {
    let rule = json!([{
        "id": "rest", "then": "budget", "amount": "budget * 0.9",
        "when": "!known(hours_since_budget_change) || hours_since_budget_change > 96"
    }]);
    let settings = [("stages.testing.policy", json!("cel")), ("rules.testing.rules", rule)];
    let account = TestAccount::new(3, Params { ads: 20, ..Params::default() }, &settings).await.unwrap();
    for (observes, dry_run) in [(true, false), (false, true), (false, false)] {
        for _ in (0..8 * 24).step_by(6) {
            account.run(&Options { observes, dry_run, ..Options::default() }).await.unwrap();
            account.advance(6);
        }
        let report = asked(&account, &account.policies, None).await;
        let rest = report.rules.iter().find(|line| line.rule == "rest").unwrap();
        assert!(rest.before > 2, "{report:#?}");
        assert_eq!(report.changed, 0, "observes: {observes}, dry: {dry_run}, {:#?}", report.differences);
    }
}

/// A budget that is decided again and again where nobody follows is moved once.
#[tokio::test]
async fn a_move_that_nobody_follows_is_counted_once() {
    let rule = json!([{ "id": "halve", "then": "budget", "amount": "budget * 0.5", "when": "budget > 10.0" }]);
    let settings = [("stages.testing.policy", json!("cel")), ("rules.testing.rules", rule)];
    let account = TestAccount::new(3, Params { ads: 20, ..Params::default() }, &settings).await.unwrap();
    for _ in 0..6 {
        account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
        account.advance(24);
    }
    let testing = of_stage("testing", &account, &[]);
    let report = asked(&account, &testing, None).await;
    assert!(report.runs == 6 && report.budget.before.changes > 0, "{report:#?}");
    // Whatever the first day's learning phase held back is moved on the second, and nothing on the third.
    let once = asked_since(&account, &testing, 1).await;
    assert!((report.budget.before.lowered - once.budget.before.lowered).abs() < 1e-9, "{report:#?} {once:#?}");
}

/// The same over the newest runs only.
async fn asked_since(account: &TestAccount, tried: &[StagePolicy], runs: usize) -> Comparison {
    let of = account.store.journalled_runs(account.client.account_id(), Timestamp::MIN, Timestamp::MAX).await.unwrap();
    let question = Question {
        account: account.client.account_id(),
        client: "default",
        since: of[of.len() - runs].as_of,
        until: Timestamp::MAX,
        tried: Tried::Policies(tried),
        against: None,
        attribution: &account.effective.config.attribution.to_string(),
        cogs_per_purchase: COGS,
        progress: &|_, _| {},
    };
    compare(&account.store, question).await.unwrap()
}

#[tokio::test]
async fn a_stage_that_nobody_decided_for_is_said_to_be_left_out() {
    let nobody = [("stages.testing.policy", json!(""))];
    let account = TestAccount::new(3, Params { ads: 20, ..Params::default() }, &nobody).await.unwrap();
    for _ in 0..3 {
        account.run(&Options::default()).await.unwrap();
        account.advance(6);
    }
    let report =
        asked(&account, &of_stage("testing", &account, &[("stages.testing.policy", json!("testing"))]), None).await;
    assert_eq!((report.runs, report.decisions, report.ads), (3, 0, 0));
    assert!(
        report.unknown.iter().any(|line| line.starts_with("In 3 runs nobody decided for stage testing")),
        "{report:#?}"
    );
}

#[tokio::test]
async fn a_stricter_policy_pauses_more_and_what_became_of_the_ads_is_told() {
    let account = lived(12 * 24, 3, &Options::default()).await;
    let strict = [
        ("rules.testing.tiers.poor", json!(20.0)),
        ("rules.testing.tiers.decent_ctr", json!(25.0)),
        ("rules.testing.tiers.good_ctr", json!(30.0)),
        ("rules.testing.fairness.spend", json!(15.0)),
    ];
    let report = asked(&account, &of_stage("testing", &account, &strict), None).await;
    let (_, earlier) = told(&account, &report).await;
    assert!(earlier > 0, "{:#?}", report.differences);

    // Whoever pauses all that has spent a little pauses what the account made copies of.
    let rule = json!([{ "id": "any", "when": "spend_lifetime > 10.0", "then": "pause", "confidence": 0.95 }]);
    let rules = [("stages.testing.policy", json!("cel")), ("rules.testing.rules", rule)];
    let report = asked(&account, &of_stage("testing", &account, &rules), None).await;
    let (copies, _) = told(&account, &report).await;
    assert!(copies > 0 && report.kills.new > 0 && report.kills.sold_after > 0, "{:#?}", report.differences);
    // A person sees the same on a page.
    let page = page(&report);
    assert!(page.contains("<svg") && page.contains("What this cannot say"), "{page}");
}

/// What a report tells of ads that are let go is what the account's days say; how many copies are among it, and how many
/// ads that the account let go later.
async fn told(account: &TestAccount, report: &Comparison) -> (usize, usize) {
    adds_up(report);
    let kills = &report.kills;
    assert!(kills.new + kills.earlier > 0, "{kills:?}");
    assert!(report.rules.iter().all(|line| line.stage == "testing"));
    let key = account.effective.config.attribution.to_string();
    let days = account.store.days_since(account.client.account_id(), &key, Date::MIN).await.unwrap();
    let lives = account.store.lifecycle(account.client.account_id()).await.unwrap();
    let last = days.iter().map(|day| day.date).max().unwrap();
    let (mut known, mut copies, mut counted) = (0, 0, BTreeSet::new());
    for difference in report.differences.iter().filter(|d| d.does == "pause") {
        let Some(outcome) = &difference.outcome else { continue };
        let (from, to): (Date, Date) = (outcome.from.parse().unwrap(), outcome.to.parse().unwrap());
        // The account may have made copies of an ad that the stricter policy would have let go.
        let family = match difference.change.as_str() {
            "new" => family(&lives, difference.ad_id.as_deref().unwrap(), difference.at.parse().unwrap()),
            _ => BTreeSet::from([difference.ad_id.clone().unwrap()]),
        };
        let of_ad = |d: &&dean::domain::DayFacts| {
            let delivered = d.facts.impressions > 0.0 || d.facts.purchases > 0.0;
            delivered && family.contains(&d.ad_id) && (from..=to).contains(&d.date)
        };
        let delivered: BTreeSet<&str> = days.iter().filter(of_ad).map(|day| day.ad_id.as_str()).collect();
        let is_copy = |ad: &&&str| Some(**ad) != difference.ad_id.as_deref();
        assert_eq!(outcome.copies, delivered.iter().filter(is_copy).count(), "{difference:?}");
        copies += outcome.copies;
        counted.extend(days.iter().filter(of_ad).map(|day| (day.ad_id.clone(), day.date)));
        let newest = days.iter().filter(of_ad).map(|day| day.date).max().unwrap();
        assert!(difference.change == "earlier" || newest == to, "{difference:?}");
        assert_eq!(outcome.settled, (last - newest).get_days() >= 7);
        let spend: i64 = days.iter().filter(of_ad).map(|day| day.facts.spend.0).sum();
        let purchases: f64 = days.iter().filter(of_ad).map(|day| day.facts.purchases).sum();
        assert!(
            (outcome.spend * 100.0 - spend as f64).abs() < 0.5 && (outcome.purchases - purchases).abs() < 1e-9,
            "{difference:?}"
        );
        assert_eq!(outcome.profit, outcome.revenue.map(|r| r - COGS * purchases - outcome.spend));
        assert_eq!(outcome.sold, purchases > 0.0);
        assert!(difference.ad_name.as_ref().is_some_and(|name| name.starts_with("Ad ")), "{difference:?}");
        known += 1;
    }
    assert_eq!(known, kills.known);
    // Together every day of an ad counts once, whosever copy it is.
    let spent: i64 =
        days.iter().filter(|d| counted.contains(&(d.ad_id.clone(), d.date))).map(|d| d.facts.spend.0).sum();
    assert!((kills.spend_after * 100.0 - spent as f64).abs() < 0.5, "{kills:?} {spent}");
    (copies, kills.earlier)
}

#[tokio::test]
async fn rules_that_read_what_nobody_asked_for_then_see_what_was_measured_then() {
    let account = lived(5 * 24, 6, &Options { observes: true, ..Options::default() }).await;
    // No shipped policy of the stage reads yesterday's video views or the ad's name.
    let rule = json!([{
        "id": "seen", "when": "video_3s_d1 > 300.0 && ad_name.startsWith('Ad 0')", "then": "pause", "confidence": 0.95
    }]);
    let settings = [("stages.testing.policy", json!("cel")), ("rules.testing.rules", rule)];
    let report = asked(&account, &of_stage("testing", &account, &settings), None).await;
    adds_up(&report);
    let key = account.effective.config.attribution.to_string();
    let days = account.store.days_since(account.client.account_id(), &key, Date::MIN).await.unwrap();
    let paused: Vec<_> = report.differences.iter().filter(|d| d.after.is_some()).collect();
    assert!(!paused.is_empty(), "{report:#?}");
    for difference in paused {
        assert_eq!((difference.does.as_str(), difference.change.as_str()), ("pause", "new"));
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let today = difference.at.parse::<Timestamp>().unwrap().to_zoned(zone).date();
        let yesterday = today.yesterday().unwrap();
        let of_ad = days.iter().filter(|day| Some(&day.ad_id) == difference.ad_id.as_ref());
        let seen: f64 = of_ad.filter(|day| day.date == yesterday).map(|day| day.facts.video_3s).sum();
        assert!(seen > 300.0, "{seen} of {difference:?}");
    }
    assert!(!report.unknown.iter().any(|line| line.contains("not journalled")), "{:?}", report.unknown);
}

#[tokio::test]
async fn an_ad_is_paused_once_and_not_again_every_hour() {
    // Whoever only observes leaves an ad running that the policy wants paused in each run.
    let account = lived(4 * 24, 2, &Options { observes: true, ..Options::default() }).await;
    let report = asked(&account, &account.policies, None).await;
    assert_eq!(report.changed, 0, "{:#?}", report.differences);
    assert!(report.kills.before > 0, "{report:#?}");
    assert!(report.kills.before <= report.ads, "{report:#?}");
}
