//! A policy on trial is asked beside the one that decides: a shadow changes nothing and is told apart rule by rule, a canary
//! decides about its share and no more, and what fails or earns less is withdrawn.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::compare::{Comparison, Question, Tried, compare};
use dean::domain::{Currency, DayFacts, Facts, Money, Verb};
use dean::pipeline::{CanaryEvidence, Counted, Options, RunReport, canary_evidence, explain, replay};
use dean::policies::{self, takes};
use dean::store::{LifecycleRow, PolicyCallsRow, PolicyTrialRow, Store};
use dean_policy::types::{Setting, Value};
use dean_policy::{Artifact, Identity, Package, shipped};
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A client's rules as a policy of their own.
fn rules(name: &str, rules: &[[&str; 3]]) -> Artifact {
    let setting = |path: String, value: &str| Setting { path, value: Value::Text(value.into()) };
    let settings = rules.iter().enumerate().flat_map(|(i, [id, when, then])| {
        [("id", id), ("when", when), ("then", then)].map(|(key, value)| setting(format!("rules.{i}.{key}"), value))
    });
    package(shipped::find("cel").unwrap().bytes, name, settings.collect())
}

fn package(component: &[u8], name: &str, settings: Vec<Setting>) -> Artifact {
    let identity = Identity {
        name: name.into(),
        version: "1.0.0".into(),
        doc: "A policy of this test.".into(),
        stages: vec!["testing".into()],
    };
    let package = Package { identity: Some(identity), settings, ..Package::default() };
    Artifact::new(format!("{name}.wasm"), package.put_into(component).unwrap())
}

/// Pauses whatever spent a little.
fn harsh() -> Artifact {
    rules("harsh", &[["any", "spend_lifetime > 25.0", "pause"]])
}

/// An account of one world and one history.
async fn account(settings: &[(&str, serde_json::Value)]) -> TestAccount {
    TestAccount::new(7, Params { ads: 40, ..Params::default() }, settings).await.unwrap()
}

async fn lived(account: TestAccount, hours: u32, step: u32) -> (TestAccount, Vec<RunReport>) {
    let mut account = account;
    let mut reports = Vec::new();
    for _ in (0..hours).step_by(step as usize) {
        account = account.with_stored_policies().await.unwrap();
        reports.push(account.run(&Options::default()).await.unwrap());
        account.advance(step);
    }
    (account, reports)
}

async fn trials(account: &TestAccount) -> Vec<PolicyTrialRow> {
    account.store.policy_trials().await.unwrap()
}

async fn report(account: &TestAccount, trials: &[PolicyTrialRow]) -> Comparison {
    let question = Question {
        account: account.client.account_id(),
        client: "default",
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        tried: Tried::Trials(trials),
        against: None,
        attribution: &account.effective.config.attribution.to_string(),
        cogs_per_purchase: 15.0,
        progress: &|_, _| {},
    };
    compare(&account.store, question).await.unwrap()
}

/// What is done, without ids of runs and what the clock of the machine says.
fn done(report: &RunReport) -> Vec<(String, String, String)> {
    report.actions.iter().map(|a| (a.kind.clone(), a.target.clone(), a.to.clone())).collect()
}

#[tokio::test]
async fn a_shadow_never_acts_and_its_report_tells_where_it_differs_and_how_that_turned_out() {
    let (_, alone) = lived(account(&[]).await, 8 * 24, 2).await;
    let beside = account(&[]).await;
    beside.install(&harsh()).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.0).await.unwrap();
    let (beside, reports) = lived(beside, 8 * 24, 2).await;

    // The account is run to the last write as if nobody had been asked.
    let writes = |reports: &[RunReport]| reports.iter().map(done).collect::<Vec<_>>();
    assert_eq!(writes(&alone), writes(&reports));
    assert!(reports.iter().all(|r| r.decisions.iter().all(|d| d.canary.is_none())));
    let of_trial = reports[0].stages[0].trial.clone().unwrap();
    assert_eq!((of_trial.policy.as_str(), of_trial.share, of_trial.ads), ("harsh", 0.0, 0));

    // What it would have done is there again, byte for byte, and set beside what was.
    let last = &reports.last().unwrap().run_id;
    let again = replay(&beside.store, registry(), None, last, false).await.unwrap();
    assert!(again.equal && again.stages.iter().filter(|stage| stage.trial).count() == 1, "{again:#?}");
    let trials = trials(&beside).await;
    let found = report(&beside, &trials).await;
    assert_eq!((found.runs, found.stages[0].after.as_str()), (96, "harsh@1.0.0"));
    let new = |d: &&dean::compare::Difference| d.change == "new" && d.does == "pause";
    assert!(found.differences.iter().any(|d| new(&d) && d.outcome.is_some()), "{:#?}", found.differences);
    let line = found.rules.iter().find(|line| line.rule == "any").unwrap();
    assert!(line.before == 0 && line.after > 5, "{line:?}");
    assert!(found.kills.new + found.kills.earlier > 5 && found.budget.after.changes == 0, "{found:#?}");
}

#[tokio::test]
async fn a_shadow_finds_what_a_backtest_of_the_same_policy_finds() {
    // Both ask about the same cohorts; only that a backtest tells the policy what it did itself.
    let beside = account(&[]).await;
    let same = package(shipped::find("testing").unwrap().bytes, "same", Vec::new());
    beside.install(&same).await.unwrap();
    beside.put_on_trial(("same", "1.0.0"), 0.0).await.unwrap();
    let (beside, _) = lived(beside, 5 * 24, 3).await;
    let found = report(&beside, &trials(&beside).await).await;
    assert_eq!((found.runs, found.changed), (40, 0), "{:#?}", found.differences);
    assert!(found.decisions > 500, "{}", found.decisions);
}

#[tokio::test]
async fn a_canary_decides_about_its_share_and_no_more() {
    let beside = account(&[]).await;
    let artifact = harsh();
    beside.install(&artifact).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.4).await.unwrap();
    let (beside, reports) = lived(beside, 4 * 24, 2).await;
    let digest = artifact.digest().to_string();
    let lives = beside.store.lifecycle(beside.client.account_id()).await.unwrap();
    let copies: BTreeMap<&str, &str> =
        lives.iter().filter_map(|life| Some((life.ad_id.as_str(), life.source_ad_id.as_deref()?))).collect();
    let source = |ad: &'_ str| {
        let mut at = ad.to_string();
        while let Some(source) = copies.get(at.as_str()) {
            at = (*source).to_string();
        }
        at
    };
    let (mut by_canary, mut by_own) = (BTreeSet::new(), BTreeSet::new());
    for decision in reports.iter().flat_map(|report| &report.decisions).filter(|d| d.stage == "testing") {
        assert_eq!(decision.canary.is_some(), takes(&digest, &source(&decision.ad_id), 0.4), "{decision:?}");
        match (&decision.canary, &decision.rule) {
            (Some(canary), Some(rule)) => {
                assert_eq!((canary.as_str(), rule.as_str()), ("harsh@1.0.0", "any"));
                by_canary.insert(decision.ad_id.clone());
            }
            (None, Some(rule)) => {
                assert_ne!(rule, "any");
                by_own.insert(decision.ad_id.clone());
            }
            _ => {}
        }
    }
    assert!(by_canary.len() > 3 && by_own.len() > 3, "{by_canary:?} {by_own:?}");
    let decided = || reports[0].decisions.iter().filter(|d| d.stage == "testing");
    assert_eq!(reports[0].stages[0].trial.as_ref().unwrap().ads, decided().filter(|d| d.canary.is_some()).count());

    // Why is told by the policy that decided, and both are made again.
    let paused = reports.iter().flat_map(|r| &r.decisions).find(|d| d.canary.is_some() && d.rule.is_some()).unwrap();
    assert!(paused.why.contains("lifetime spend") || paused.why.contains("25"), "{}", paused.why);
    let account_id = beside.client.account_id();
    let why = explain(&beside.store, registry(), account_id, &paused.ad_id, None).await.unwrap();
    assert!(why.rules.iter().all(|rule| rule.id == "any"), "{:?}", why.rules);
    let last = &reports.last().unwrap().run_id;
    assert!(replay(&beside.store, registry(), None, last, false).await.unwrap().equal);
    // A backtest of what decides knows that a part of the ads was decided about by another.
    let asked = Tried::Policies(&beside.policies[..1]);
    let question = Question {
        account: account_id,
        client: "default",
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        tried: asked,
        against: None,
        attribution: &beside.effective.config.attribution.to_string(),
        cogs_per_purchase: 15.0,
        progress: &|_, _| {},
    };
    let found = compare(&beside.store, question).await.unwrap();
    assert_eq!(found.stages[0].before, ["harsh@1.0.0", "testing@0.1.0"]);
    assert!(
        found.rules.iter().any(|line| line.rule == "any" && line.before > 3 && line.after == 0),
        "{:?}",
        found.rules
    );
}

/// What is told of a canary in a week, where it is withdrawn and widened at these probabilities of earning less.
async fn canary(
    tried: Artifact,
    lived_before: u32,
    (withdraw_above, widen_below): (f64, f64),
) -> (TestAccount, Vec<RunReport>, Vec<(String, String)>) {
    let settings = [
        ("policies.canary.step_days", json!(2)),
        ("policies.canary.withdraw_above", json!(withdraw_above)),
        ("policies.canary.widen_below", json!(widen_below)),
        // What it wants is done at once: the guard would spread it over more days than are lived here.
        ("guard.max_spend_share_per_run", json!(1.0)),
        ("guard.max_spend_share_per_day", json!(1.0)),
    ];
    let beside = TestAccount::new(3, Params { ads: 120, ..Params::default() }, &settings).await.unwrap();
    let name = dean_tests::account::registry().load(&tried).unwrap().manifest().name.clone();
    beside.install(&tried).await.unwrap();
    let (beside, _) = lived(beside, lived_before, 6).await;
    beside.put_on_trial((&name, "1.0.0"), 0.4).await.unwrap();
    let (beside, reports) = lived(beside, 8 * 24, 6).await;
    let health = reports.iter().flat_map(|report| &report.health).filter(|health| health.source == "policy");
    let told = health.map(|health| (health.level.clone(), health.message.clone())).collect();
    (beside, reports, told)
}

/// The shipped policy under another name.
fn same() -> Artifact {
    package(shipped::find("testing").unwrap().bytes, "same", Vec::new())
}

// What the ads of a share earn by chance is another thing for every digest: these bars are such that it does not matter.

#[tokio::test]
async fn a_canary_is_widened_step_by_step_while_nothing_speaks_against_it() {
    let (beside, reports, told) = canary(same(), 2 * 24, (0.9999, 0.9998)).await;
    let [(ok, widened), (still, held)] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!((ok.as_str(), still.as_str()), ("ok", "ok"));
    assert!(widened.contains("decides about 50 % of the ads from the next run on: over 2 days"), "{widened}");
    assert!(held.contains("held up on 50 % of the ads") && held.contains("dean policy activate same@1.0.0"), "{held}");
    let row = trials(&beside).await.pop().unwrap();
    assert!(row.ended_at.is_none() && (row.share - 0.5).abs() < 1e-9, "{row:?}");
    let of = |report: &RunReport| report.stages[0].trial.as_ref().map_or(0, |trial| trial.ads);
    let (first, last) = (of(&reports[0]), of(reports.last().unwrap()));
    assert!(first > 5 && last > 5, "{first} {last}");
}

#[tokio::test]
async fn a_canary_is_withdrawn_once_its_ads_surely_earn_less() {
    // It pauses everything, also what sells, before anything of it is promoted.
    let worst = rules("worst", &[["any", "spend_lifetime > 0.0", "pause"]]);
    let (beside, reports, told) = canary(worst, 0, (0.2, 0.1)).await;
    let (critical, withdrawn) = told.last().unwrap();
    assert_eq!(critical, "critical", "{told:#?}");
    assert!(withdrawn.contains("is withdrawn") && withdrawn.contains("likely to earn less"), "{withdrawn}");
    let row = trials(&beside).await.pop().unwrap();
    assert!(row.ended_at.is_some() && (row.share - 0.4).abs() < 1e-9 && withdrawn.ends_with(&row.reason.unwrap()));
    let last = reports.last().unwrap();
    assert!(last.stages[0].trial.is_none() && last.decisions.iter().all(|d| d.canary.is_none()));
}

/// A canary of two fifths after five days, on each of which the first run is made with some options and the others with
/// others.
async fn after_days(first: &Options, then: &Options) -> PolicyTrialRow {
    let settings = [
        ("policies.canary.step_days", json!(1)),
        ("policies.canary.withdraw_above", json!(0.9999)),
        ("policies.canary.widen_below", json!(0.9998)),
    ];
    let mut account = TestAccount::new(3, Params { ads: 60, ..Params::default() }, &settings).await.unwrap();
    account.install(&same()).await.unwrap();
    account.put_on_trial(("same", "1.0.0"), 0.4).await.unwrap();
    for _ in 0..5 {
        for (hour, options) in [(0, first), (0, then), (8, then), (16, then)] {
            account = account.with_stored_policies().await.unwrap();
            account.run(options).await.unwrap();
            account.advance(if hour == 0 { 0 } else { 8 });
        }
        account.advance(8);
    }
    trials(&account).await.pop().unwrap()
}

#[tokio::test]
async fn a_canary_that_changes_nothing_proves_nothing_and_a_look_takes_no_step_away() {
    let acts = Options::default();
    let looks = Options { dry_run: true, ..Options::default() };
    let observes = Options { observes: true, ..Options::default() };
    assert!((after_days(&acts, &acts).await.share - 0.5).abs() < 1e-9);
    assert!((after_days(&looks, &acts).await.share - 0.5).abs() < 1e-9, "somebody who looks first each morning");
    let ghost = after_days(&observes, &observes).await;
    assert!((ghost.share - 0.4).abs() < 1e-9 && ghost.stepped_at > ghost.began_at, "{ghost:?}");
}

#[tokio::test]
async fn a_canary_has_the_budgets_of_its_own_ads_and_no_others() {
    let beside = account(&[]).await;
    let halve = {
        let texts = [("id", "halve"), ("when", "budget > 5.0"), ("then", "budget"), ("amount", "budget * 0.9")];
        let setting =
            |(key, value): (&str, &str)| Setting { path: format!("rules.0.{key}"), value: Value::Text(value.into()) };
        package(shipped::find("cel").unwrap().bytes, "halve", texts.map(setting).to_vec())
    };
    beside.install(&halve).await.unwrap();
    beside.put_on_trial(("halve", "1.0.0"), 0.7).await.unwrap();
    let (_, reports) = lived(beside, 3 * 24, 3).await;
    let mut owners: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for decision in reports[0].decisions.iter().filter(|d| d.stage == "testing") {
        let owner = decision.owner.as_ref().unwrap().id.clone();
        owners.entry(owner).or_default().insert(decision.canary.is_some());
    }
    assert!(owners.values().any(|sides| sides.len() == 2), "some budgets are shared: {owners:?}");
    let halved: Vec<_> = reports.iter().flat_map(|r| &r.budgets).filter(|b| b.canary.is_some()).collect();
    assert!(!halved.is_empty(), "{owners:?}");
    for report in &reports {
        for budget in report.budgets.iter().filter(|b| b.canary.is_some()) {
            let under = report.decisions.iter().filter(|d| d.owner.as_ref().is_some_and(|o| o.id == budget.owner_id));
            assert!(under.into_iter().all(|d| d.canary.is_some()), "{budget:?}");
        }
    }
}

#[tokio::test]
async fn a_canary_is_not_heard_where_nobody_decides_where_it_was_ended_or_where_it_decides_itself() {
    let heard = |report: &RunReport| report.decisions.iter().filter(|d| d.canary.is_some()).count();
    let beside = account(&[]).await;
    beside.install(&harsh()).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.5).await.unwrap();
    let beside = beside.with_stored_policies().await.unwrap();
    assert!(heard(&beside.run(&Options::default()).await.unwrap()) > 5);
    // A process that goes on with what it read before the trial was ended.
    policies::end_trials(&beside.store, None, None, beside.clock.now()).await.unwrap();
    beside.advance(1);
    assert_eq!(heard(&beside.run(&Options::default()).await.unwrap()), 0);
    assert!(trials(&beside).await[0].ended_at.is_some(), "it stays ended");

    // Activated, its trial is over, and taken back it is not heard again.
    beside.put_on_trial(("harsh", "1.0.0"), 0.5).await.unwrap();
    beside.advance(1);
    let (sources, now) = (&beside.sources, beside.clock.now());
    let named = ("harsh", "1.0.0");
    policies::activate(&beside.store, registry(), sources, named, None, Some("testing"), now).await.unwrap();
    assert_eq!(trials(&beside).await.pop().unwrap().reason.as_deref(), Some("it was activated"));
    policies::rollback(&beside.store, registry(), sources, None, None, now).await.unwrap();
    let beside = beside.with_stored_policies().await.unwrap();
    assert_eq!(heard(&beside.run(&Options::default()).await.unwrap()), 0);

    let mut nobody = account(&[]).await;
    nobody.install(&harsh()).await.unwrap();
    nobody.put_on_trial(("harsh", "1.0.0"), 0.5).await.unwrap();
    nobody = nobody.with_stored_policies().await.unwrap();
    nobody.policies[0].decider = dean::policies::Decider::Nobody;
    let report = nobody.run(&Options::default()).await.unwrap();
    let of_testing = || report.decisions.iter().filter(|d| d.stage == "testing");
    assert!(heard(&report) == 0 && of_testing().count() > 10 && of_testing().all(|d| d.done.verb == Verb::Hold));
    assert!(report.stages[0].trial.is_some(), "it is asked as a shadow");
}

/// Days of ads that spend 10 a day and earn so much, from a week before a canary began.
fn days(ads: usize, earns: impl Fn(&str, usize, bool) -> f64) -> (PolicyTrialRow, Vec<LifecycleRow>, Vec<DayFacts>) {
    let began: Timestamp = "2026-06-09T12:00:00Z".parse().unwrap();
    let row = PolicyTrialRow {
        client: "default".into(),
        stage: "testing".into(),
        began_at: began,
        name: "p".into(),
        version: "1.0.0".into(),
        digest: "d".into(),
        share: 0.4,
        stepped_at: began,
        failures: 0,
        ended_at: None,
        reason: None,
        steered_on: None,
        told: None,
        evidence: None,
    };
    let (mut lives, mut days) = (Vec::new(), Vec::new());
    for i in 0..ads {
        let ad = format!("ad{i}");
        lives.push(LifecycleRow {
            account_id: "act_1".into(),
            ad_id: ad.clone(),
            stage: "testing".into(),
            entered_at: began,
            before: None,
            source_ad_id: None,
        });
        for day in 2..=13 {
            let since = day >= 10;
            let facts = Facts {
                spend: Money(1_000),
                purchases: 1.0,
                revenue: Some(Money((100.0 * (10.0 + earns(&ad, i, since))).round() as i64)),
                ..Facts::default()
            };
            days.push(DayFacts { ad_id: ad.clone(), date: date(2026, 6, day), facts });
        }
    }
    (row, lives, days)
}

fn evidence(of: &(PolicyTrialRow, Vec<LifecycleRow>, Vec<DayFacts>)) -> CanaryEvidence {
    let (row, lives, days) = of;
    canary_evidence(row, lives, days, counted(date(2026, 6, 14), &[]))
}

fn counted(today: Date, settled: &[f64]) -> Counted<'_> {
    static IN: std::sync::OnceLock<(TimeZone, Currency)> = std::sync::OnceLock::new();
    let (zone, currency) = IN.get_or_init(|| (TimeZone::UTC, Currency::new("EUR")));
    Counted { zone, today, currency, settled, cogs_per_purchase: 0.0 }
}

#[test]
fn evidence_is_what_both_sides_earned_since_less_what_they_had_earned_before() {
    let taken = |ad: &str| takes("d", ad, 0.4);
    // Ads differ by far more than a canary does; but that they did before.
    let noise = |i: usize| (i * 37 % 101) as f64;
    let worse =
        evidence(&days(60, |ad, i, since| noise(i) - if since && taken(ad) { 3.0 + noise(i) / 50.0 } else { 0.0 }));
    assert_eq!((worse.days, worse.from.as_str(), worse.canary.ads + worse.others.ads), (4, "2026-06-10", 60));
    assert!((worse.others.profit - worse.canary.profit - 4.0).abs() < 0.6, "{worse:?}");
    assert!(worse.worse.unwrap() > 0.99, "{worse:?}");
    let better =
        evidence(&days(60, |ad, i, since| noise(i) + if since && taken(ad) { 3.0 + noise(i) / 50.0 } else { 0.0 }));
    assert!((worse.worse.unwrap() + better.worse.unwrap() - 1.0).abs() < 0.01, "{worse:?} {better:?}");
    // With a handful of ads nothing is said.
    assert_eq!(evidence(&days(6, |_, i, _| noise(i))).worse, None);
    assert_eq!(evidence(&days(0, |_, _, _| 0.0)).canary.ads, 0);
    // What a copy earns is its source's, wherever its own id would lie.
    let mut copied = days(60, |_, i, _| noise(i));
    let alone = evidence(&copied);
    let (source, copy) = (copied.1[0].ad_id.clone(), "copy".to_string());
    let of_source: Vec<DayFacts> = copied.2.iter().filter(|day| day.ad_id == source).cloned().collect();
    copied.2.extend(of_source.into_iter().map(|day| DayFacts { ad_id: copy.clone(), ..day }));
    let life = copied.1[0].clone();
    copied.1.push(LifecycleRow { ad_id: copy, stage: "validation".into(), source_ad_id: Some(source.clone()), ..life });
    let with_copy = evidence(&copied);
    let spent = |of: &CanaryEvidence| if taken(&source) { of.canary } else { of.others };
    let (before, after) = (spent(&alone), spent(&with_copy));
    assert_eq!(before.ads, after.ads);
    assert!((after.spend - before.spend - 10.0 / before.ads as f64).abs() < 1e-9, "{before:?} {after:?}");
}

/// Normal noise, the same each time: the sum of twelve uniforms of a linear congruence (Knuth).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / 2f64.powi(53)
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }
}

/// Of so many canaries of 80 ads that earn so much more a day each, the part that is surely worse on some morning of two
/// weeks, and the part of which one of the looks says so.
fn withdrawn(canaries: u64, effect: f64) -> (f64, f64) {
    let (mut surely, mut once) = (0, 0);
    for seed in 1..=canaries {
        let mut noise = Noise(seed);
        let (row, lives, _) = days(80, |_, _, _| 0.0);
        // Ads differ from each other, and every day differs from the others.
        let own: Vec<f64> = (0..80).map(|_| 8.0 * noise.next()).collect();
        let mut facts = Vec::new();
        for day in 2..=23 {
            for (i, own) in own.iter().enumerate() {
                let ad = format!("ad{i}");
                let tried = day >= 10 && takes("d", &ad, 0.4);
                let profit = own + 15.0 * noise.next() + if tried { effect } else { 0.0 };
                let revenue = Some(Money((100.0 * (10.0 + profit)).round() as i64));
                let facts_of = Facts { spend: Money(1_000), purchases: 1.0, revenue, ..Facts::default() };
                facts.push(DayFacts { ad_id: ad, date: date(2026, 6, day), facts: facts_of });
            }
        }
        let looks = (1..=14).map(|day| {
            let today = date(2026, 6, 10).saturating_add(day.days());
            let known: Vec<DayFacts> = facts.iter().filter(|f| f.date < today).cloned().collect();
            canary_evidence(&row, &lives, &known, counted(today, &[]))
        });
        let looks: Vec<CanaryEvidence> = looks.collect();
        surely += u32::from(looks.iter().any(|look| look.surely_worse.unwrap() > 0.95));
        once += u32::from(looks.iter().any(|look| look.worse.unwrap() > 0.95));
    }
    (f64::from(surely) / canaries as f64, f64::from(once) / canaries as f64)
}

#[test]
fn whoever_looks_every_day_withdraws_no_more_of_what_earns_the_same() {
    let (surely, once) = withdrawn(200, 0.0);
    println!("of 200 that earn the same {surely} are surely worse on some day, and one look says so of {once}");
    assert!(surely <= 0.05 && once > 0.1, "{surely} {once}");
    let (surely, _) = withdrawn(30, -10.0);
    assert!(surely > 0.9, "what loses its spend is found: {surely}");
}

#[test]
fn what_is_still_to_be_reported_is_accounted_for_on_both_sides() {
    let of = days(60, |_, i, _| (i * 37 % 101) as f64);
    // Of the newest day half is reported.
    let (row, lives, mut late) = of.clone();
    for day in late.iter_mut().filter(|day| day.date == date(2026, 6, 13)) {
        day.facts.purchases *= 0.5;
        day.facts.revenue = day.facts.revenue.map(|revenue| Money(revenue.0 / 2));
    }
    let settled = [0.25, 0.5];
    let now = canary_evidence(&row, &lives, &late, counted(date(2026, 6, 14), &settled));
    let then = evidence(&of);
    assert!((now.canary.profit - then.canary.profit).abs() < 0.01, "{now:?} {then:?}");
}

#[test]
fn a_share_holds_so_many_and_a_wider_one_all_of_them() {
    let of = |digest: &str, share: f64| -> BTreeSet<usize> {
        (0..10_000).filter(|i| takes(digest, &format!("2385{i}"), share)).collect()
    };
    for share in [0.05, 0.25, 0.5] {
        let part = of("a", share).len() as f64 / 10_000.0;
        // Four standard deviations of the binomial.
        assert!((part - share).abs() < 4.0 * (share * (1.0 - share) / 10_000.0).sqrt(), "{share}: {part}");
    }
    assert!(of("a", 0.25).is_subset(&of("a", 0.5)) && of("a", 1.0).len() == 10_000 && of("a", 0.0).is_empty());
    let both = of("a", 0.5).intersection(&of("b", 0.5)).count() as f64 / 10_000.0;
    assert!((both - 0.25).abs() < 0.02, "another policy is tried on other ads: {both}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused_and_what_is_tried_already_gets_another_share() {
    let beside = account(&[]).await;
    let refused = |named: (&'static str, &'static str), share: f64| {
        let beside = &beside;
        async move { beside.put_on_trial(named, share).await.unwrap_err().to_string() }
    };
    assert!(refused(("harsh", "1.0.0"), 0.0).await.starts_with("no policy harsh@1.0.0 is installed"));
    let decides = refused(("testing", "0.1.0"), 0.0).await;
    assert!(decides.contains("default/testing: it decides there already"), "{decides}");
    assert!(refused(("scaling", "0.1.0"), 0.0).await.contains("does not decide for stage testing"));
    let wrong = rules("wrong", &[["any", "spend_lifetim > 25.0", "pause"]]);
    beside.install(&wrong).await.unwrap();
    let unknown = refused(("wrong", "1.0.0"), 0.0).await;
    assert!(unknown.contains("nothing was changed") && unknown.contains("did you mean spend_lifetime?"), "{unknown}");
    assert!(trials(&beside).await.is_empty());

    beside.install(&harsh()).await.unwrap();
    beside.put_on_trial(("harsh", "1.0.0"), 0.0).await.unwrap();
    beside.advance(1);
    beside.put_on_trial(("harsh", "1.0.0"), 0.2).await.unwrap();
    let [row] = trials(&beside).await.try_into().unwrap();
    assert!((row.share - 0.2).abs() < 1e-9 && row.stepped_at > row.began_at, "{row:?}");
    beside.advance(1);
    beside.install(&rules("mild", &[["any", "spend_lifetime > 250.0", "pause"]])).await.unwrap();
    beside.put_on_trial(("mild", "1.0.0"), 0.0).await.unwrap();
    let [harsh, mild] = trials(&beside).await.try_into().unwrap();
    assert_eq!(harsh.reason.as_deref(), Some("mild@1.0.0 is tried in its place"));
    assert!(harsh.ended_at == Some(mild.began_at) && mild.ended_at.is_none());
    let now = beside.clock.now();
    let ended = policies::end_trials(&beside.store, None, Some("testing"), now).await.unwrap();
    assert_eq!(ended.len(), 1);
    let none = policies::end_trials(&beside.store, None, None, now).await.unwrap_err().to_string();
    assert!(none.contains("no policy is on trial for all clients"), "{none}");
}

#[tokio::test]
async fn a_policy_on_trial_that_fails_takes_nothing_with_it_and_is_withdrawn() {
    let beside = account(&[]).await;
    let broken = dean_tests::guest::guest("panic").unwrap();
    let broken = package(broken.bytes(), "broken", Vec::new());
    beside.install(&broken).await.unwrap();
    beside.put_on_trial(("broken", "1.0.0"), 0.5).await.unwrap();
    let (_, alone) = lived(account(&[]).await, 12, 2).await;
    let (beside, reports) = lived(beside, 12, 2).await;
    // Its share is decided about by the one that it is tried beside.
    assert_eq!(alone.iter().map(done).collect::<Vec<_>>(), reports.iter().map(done).collect::<Vec<_>>());
    assert!(reports.iter().all(RunReport::complete));
    let faults = reports.iter().filter(|r| r.stages[0].trial.as_ref().is_some_and(|t| t.fault.is_some())).count();
    assert_eq!(faults, 3, "the third failure in a row ends it");
    let row = trials(&beside).await.pop().unwrap();
    assert!(row.ended_at.is_some() && row.reason.unwrap().contains("failed 3 times in a row"));

    // What both cost is counted, and that nothing was held for the one that failed.
    let calls = beside.store.policy_calls(beside.client.account_id(), date(2000, 1, 1)).await.unwrap();
    let of =
        |name: &str, get: fn(&PolicyCallsRow) -> i64| calls.iter().filter(|c| c.name == name).map(get).sum::<i64>();
    assert_eq!((of("broken", |c| c.calls), of("broken", |c| c.failures), of("broken", |c| c.held)), (3, 3, 0));
    assert_eq!((of("testing", |c| c.calls), of("testing", |c| c.failures)), (6, 0));
    let decided: usize = reports.iter().map(|r| r.decisions.iter().filter(|d| d.stage == "testing").count()).sum();
    assert_eq!(of("testing", |c| c.ads), decided as i64);
    assert!(of("testing", |c| c.instructions) > 1_000 * of("testing", |c| c.ads) / 10, "{calls:?}");
    let cost = reports[0].stages[0].cost.unwrap();
    assert!(cost.ms > 0.0 && cost.memory_bytes > 0 && cost.instructions > 0);
}
