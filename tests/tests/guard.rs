//! Laws of the guard: it holds and makes smaller, it never invents; its caps hold whatever is
//! proposed; its verdicts do not depend on the order of rows.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Currency, Money, Verb};
use dean::guard::{
    AdProposal, BudgetProposal, OVERSPEND, Promotion, Proposals, Situation, StageSituation, Stopped, judge,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const STAGES: [&str; 3] = ["testing", "validation", "scaling"];

fn situation() -> impl Strategy<Value = Situation> {
    let stage = (0u32..20, 0i64..100_000, prop::option::of(1_000i64..400_000));
    (
        prop::collection::vec(stage, 3),
        0.0f64..48.0,
        0.05f64..1.0,
        0u32..5,
        1.0f64..5_000.0,
        prop::option::of(1_000i64..900_000),
        0.1f64..3.0,
    )
        .prop_map(|(stages, cooldown, share, min_live, spend, account_cap, rise)| {
            let stages: BTreeMap<String, StageSituation> = STAGES
                .iter()
                .zip(&stages)
                .enumerate()
                .map(|(i, (name, (live, budgets, cap)))| {
                    let next = STAGES.get(i + 1).map(|s| (*s).to_string());
                    let stage = StageSituation {
                        ghost: false,
                        live_ads: *live,
                        budgets: Money(*budgets),
                        spend_today: Money(*budgets / 3),
                        cap: cap.map(Money),
                        min_budget: Money(100),
                        max_budget: Money(50_000),
                        next,
                        no_next: None,
                        campaign_holds_budget: *live % 3 == 0,
                        duplicates_today: *live % 3,
                        max_duplicates: 3,
                    };
                    ((*name).to_string(), stage)
                })
                .collect();
            Situation {
                currency: Currency::new("EUR"),
                stopped: None,
                growth_stopped: None,
                pauses_stopped: None,
                cooldown_hours: cooldown,
                max_spend_share: share,
                max_spend_share_day: (2.0 * share).min(1.0),
                paused_today: spend * share * f64::from(min_live) / 3.0,
                min_live_ads: min_live,
                last_ad_confidence: 0.9,
                approve_above: (min_live > 2).then_some(Money(2_000)),
                learning_step: 0.2,
                max_daily_rise: rise,
                account_daily_spend: spend,
                account_cap: account_cap.map(Money),
                account_budgets: stages.values().map(|s| s.budgets).sum(),
                account_spend_today: stages.values().map(|s| s.spend_today).sum(),
                elapsed: share,
                stages,
            }
        })
}

fn ad(id: usize) -> impl Strategy<Value = AdProposal> {
    let verb = prop::sample::select(vec![
        Verb::Hold,
        Verb::Pause,
        Verb::Resume,
        Verb::Promote,
        Verb::Duplicate,
        Verb::Refresh,
    ]);
    (
        0usize..3,
        verb,
        0i64..100_000,
        0.0f64..1.0,
        any::<bool>(),
        0.0f64..500.0,
        prop::option::of(0.0f64..72.0),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(stage, verb, amount, confidence, live, daily_spend, since, promoting, copyable)| {
            AdProposal {
                ad_id: format!("ad{id}"),
                stage: STAGES[stage].into(),
                verb,
                amount: Money(amount),
                confidence,
                live,
                daily_spend,
                hours_since_change: since.unwrap_or(f64::NAN),
                promotion: if promoting { Promotion::UnderWay } else { Promotion::None },
                copyable,
                in_shared_campaign: amount % 5 == 0,
                lifetime_budget: amount % 11 == 0,
                resumed: amount % 7 == 0,
                idle_budget: Money(amount % 1_000),
                hours_since_refresh: if amount % 2 == 0 { f64::NAN } else { (amount % 400) as f64 },
                approved: Money(if amount % 5 == 0 { 100_000 } else { 0 }),
                intended: false,
            }
        })
}

fn budget(id: usize) -> impl Strategy<Value = BudgetProposal> {
    (
        0usize..3,
        prop::option::of(100i64..60_000),
        0i64..200_000,
        prop::option::of(100i64..60_000),
        prop::option::of(0.0f64..72.0),
        0u32..6,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(stage, from, to, start, since, changes_1h, learning, shared)| BudgetProposal {
            owner_id: format!("owner{id}"),
            stage: STAGES[stage].into(),
            from: from.map(Money),
            to: Money(to),
            day_start: start.map(Money),
            hours_since_change: since.unwrap_or(f64::NAN),
            changes_1h,
            learning,
            joined: Money::ZERO,
            shared,
            kill: shared != learning,
            approved: Money::ZERO,
        })
}

fn proposals() -> impl Strategy<Value = Proposals> {
    let ads: Vec<_> = (0..12).map(ad).collect();
    let budgets: Vec<_> = (0..6).map(budget).collect();
    (ads, budgets).prop_map(|(ads, budgets)| Proposals { ads, budgets })
}

proptest! {
    #[test]
    fn it_never_invents(situation in situation(), proposals in proposals()) {
        let verdicts = judge(&situation, &proposals);
        for (p, v) in proposals.ads.iter().zip(&verdicts.ads) {
            prop_assert!(v.verb == p.verb || (v.verb == Verb::Hold && v.held.is_some()));
            if v.held.is_some() {
                prop_assert_eq!(v.amount, Money::ZERO);
            }
        }
        for (p, v) in proposals.budgets.iter().zip(&verdicts.budgets) {
            let Some(to) = v.to else {
                prop_assert!(v.held.is_some(), "what stays has its reason");
                continue;
            };
            let from = p.from.unwrap();
            prop_assert!(to == p.to || v.held.is_some());
            prop_assert!((to.0 - from.0).signum() == (p.to.0 - from.0).signum(), "never the other way");
        }
    }

    #[test]
    fn caps_hold_even_when_meta_overspends(situation in situation(), proposals in proposals()) {
        let verdicts = judge(&situation, &proposals);
        for (name, stage) in &situation.stages {
            let copies = proposals.ads.iter().zip(&verdicts.ads).filter_map(|(p, v)| {
                let into = match v.verb {
                    Verb::Promote => situation.stages[&p.stage].next.clone()?,
                    Verb::Duplicate => p.stage.clone(),
                    _ => return None,
                };
                (&into == name).then_some(v.amount)
            });
            let moves = proposals.budgets.iter().zip(&verdicts.budgets).filter_map(|(p, v)| {
                (&p.stage == name).then_some(v.to? - p.from?)
            });
            let added: Money = copies.chain(moves).sum();
            if let Some(cap) = stage.cap {
                let after = (stage.budgets + added).0 as f64 * OVERSPEND;
                prop_assert!(added <= Money::ZERO || after <= cap.0 as f64 + 1e-6, "{name}: {after} > {}", cap.0);
            }
        }
    }

    #[test]
    fn a_stage_keeps_its_live_ads_and_a_run_its_share(situation in situation(), proposals in proposals()) {
        let verdicts = judge(&situation, &proposals);
        let paused: Vec<_> = proposals.ads.iter().zip(&verdicts.ads).filter(|(_, v)| v.verb == Verb::Pause).map(|(p, _)| p).collect();
        for (name, stage) in &situation.stages {
            let of_stage = || paused.iter().filter(|p| p.live && &p.stage == name);
            // The surest go first, and only they may be the last ones.
            let unsure = of_stage().any(|p| p.confidence < situation.last_ad_confidence);
            let left = stage.live_ads.saturating_sub(of_stage().count() as u32);
            prop_assert!(!unsure || left >= situation.min_live_ads, "{left} left of {}", stage.live_ads);
        }
        let stopped: f64 = paused.iter().map(|p| p.daily_spend).sum();
        let most = situation.max_spend_share * situation.account_daily_spend;
        prop_assert!(paused.len() <= 1 || stopped <= most + 1e-9, "{stopped} > {most}");
        // Of a day the first pause alone may stop more, whichever run makes it.
        let most = situation.max_spend_share_day * situation.account_daily_spend;
        let first = paused.len() <= 1 && situation.paused_today <= 0.0;
        let of_day = situation.paused_today + stopped;
        prop_assert!(paused.is_empty() || first || of_day <= most + 1e-9, "{of_day} > {most}");
    }

    #[test]
    fn nothing_is_changed_within_its_cooldown(situation in situation(), proposals in proposals()) {
        let verdicts = judge(&situation, &proposals);
        for (p, v) in proposals.ads.iter().zip(&verdicts.ads) {
            prop_assert!(v.verb == Verb::Hold || p.hours_since_change.is_nan() || p.hours_since_change >= situation.cooldown_hours);
        }
        for (p, v) in proposals.budgets.iter().zip(&verdicts.budgets) {
            prop_assert!(v.to.is_none() || p.hours_since_change.is_nan() || p.hours_since_change >= situation.cooldown_hours);
        }
    }

    #[test]
    fn verdicts_on_ads_do_not_depend_on_their_order(situation in situation(), proposals in proposals(), seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..proposals.ads.len()).collect();
        order.sort_by_key(|i| (*i as u64 + 1).wrapping_mul(seed | 1));
        let shuffled = Proposals { ads: order.iter().map(|&i| proposals.ads[i].clone()).collect(), budgets: proposals.budgets.clone() };
        let (plain, other) = (judge(&situation, &proposals), judge(&situation, &shuffled));
        for (at, &i) in order.iter().enumerate() {
            prop_assert_eq!(&plain.ads[i], &other.ads[at]);
        }
    }

    #[test]
    fn when_everything_is_stopped_nothing_moves(situation in situation(), proposals in proposals()) {
        let stopped = Some(Stopped { by: "kill-switch".into(), reason: "the file exists".into() });
        let verdicts = judge(&Situation { stopped, ..situation }, &proposals);
        prop_assert!(verdicts.ads.iter().all(|v| v.verb == Verb::Hold));
        prop_assert!(verdicts.budgets.iter().all(|v| v.to.is_none()));
    }

    #[test]
    fn when_growth_is_stopped_nothing_is_made_to_spend_more(situation in situation(), proposals in proposals()) {
        let growth_stopped = Some("nobody buys".to_string());
        let verdicts = judge(&Situation { growth_stopped, ..situation }, &proposals);
        prop_assert!(verdicts.ads.iter().all(|v| matches!(v.verb, Verb::Hold | Verb::Pause | Verb::Refresh)));
        let rises = proposals.budgets.iter().zip(&verdicts.budgets).filter(|(p, v)| v.to.is_some() && v.to > p.from);
        prop_assert_eq!(rises.count(), 0);
    }
}

/// Stages with room for everything.
fn roomy() -> Situation {
    let stage = |next: Option<&str>| StageSituation {
        ghost: false,
        live_ads: 9,
        budgets: Money::ZERO,
        spend_today: Money::ZERO,
        cap: None,
        min_budget: Money(100),
        max_budget: Money(50_000),
        next: next.map(String::from),
        no_next: None,
        campaign_holds_budget: false,
        duplicates_today: 0,
        max_duplicates: 3,
    };
    let stages =
        [("testing", stage(Some("validation"))), ("validation", stage(Some("scaling"))), ("scaling", stage(None))];
    Situation {
        currency: Currency::new("EUR"),
        stopped: None,
        growth_stopped: None,
        pauses_stopped: None,
        cooldown_hours: 24.0,
        max_spend_share: 1.0,
        max_spend_share_day: 1.0,
        paused_today: 0.0,
        min_live_ads: 1,
        last_ad_confidence: 0.9,
        approve_above: None,
        learning_step: 0.2,
        max_daily_rise: 2.0,
        account_daily_spend: 1_000.0,
        account_cap: None,
        account_budgets: Money::ZERO,
        account_spend_today: Money::ZERO,
        elapsed: 0.5,
        stages: stages.map(|(name, stage)| (name.to_string(), stage)).into(),
    }
}

fn plain(verb: Verb) -> AdProposal {
    AdProposal {
        ad_id: "ad".into(),
        stage: "validation".into(),
        verb,
        amount: Money(5_000),
        confidence: 0.9,
        live: verb != Verb::Resume,
        daily_spend: 10.0,
        hours_since_change: f64::NAN,
        promotion: Promotion::None,
        copyable: true,
        in_shared_campaign: false,
        lifetime_budget: false,
        resumed: false,
        idle_budget: Money::ZERO,
        hours_since_refresh: f64::NAN,
        approved: Money::ZERO,
        intended: false,
    }
}

fn held_by(situation: &Situation, proposal: AdProposal) -> Option<String> {
    let proposals = Proposals { ads: vec![proposal], budgets: Vec::new() };
    judge(situation, &proposals).ads[0].held.as_ref().map(|held| held.by.clone())
}

#[test]
fn each_limit_on_an_ad_holds_by_its_name_and_nothing_else_does() {
    let by = |proposal| held_by(&roomy(), proposal);
    for verb in [Verb::Pause, Verb::Resume, Verb::Promote, Verb::Duplicate, Verb::Refresh] {
        assert_eq!(by(plain(verb)), None, "{verb} goes through where nothing speaks against it");
    }
    let promote = || plain(Verb::Promote);
    assert_eq!(by(AdProposal { copyable: false, ..promote() }).as_deref(), Some("no-creative"));
    assert_eq!(by(AdProposal { lifetime_budget: true, ..promote() }).as_deref(), Some("lifetime-budget"));
    assert_eq!(by(AdProposal { live: false, ..promote() }).as_deref(), Some("not-live"));
    assert_eq!(by(AdProposal { promotion: Promotion::UnderWay, ..promote() }).as_deref(), Some("promotion"));
    assert_eq!(by(AdProposal { stage: "scaling".into(), ..promote() }).as_deref(), Some("no-next-stage"));
    assert_eq!(by(AdProposal { hours_since_change: 23.9, ..promote() }).as_deref(), Some("cooldown"));
    assert_eq!(by(AdProposal { hours_since_change: 24.0, ..promote() }), None);
    let resume = || plain(Verb::Resume);
    assert_eq!(by(AdProposal { resumed: true, ..resume() }).as_deref(), Some("resumed-before"));
    assert_eq!(by(AdProposal { promotion: Promotion::Done, ..resume() }).as_deref(), Some("promoted"));
    let copy = || plain(Verb::Duplicate);
    assert_eq!(by(AdProposal { in_shared_campaign: true, ..copy() }).as_deref(), Some("shared-budget"));
    let refresh = |hours| AdProposal { hours_since_refresh: hours, ..plain(Verb::Refresh) };
    assert_eq!(by(refresh(167.9)).as_deref(), Some("asked-lately"));
    assert_eq!(by(refresh(168.0)), None);

    let mut last = roomy();
    last.stages.get_mut("validation").unwrap().live_ads = 1;
    let sure = |confidence| AdProposal { confidence, ..plain(Verb::Pause) };
    assert_eq!(held_by(&last, sure(0.8999)).as_deref(), Some("last-live-ad"));
    assert_eq!(held_by(&last, sure(0.9)), None, "a loss that is all but certain ends");
    last.last_ad_confidence = 1.1;
    assert_eq!(held_by(&last, sure(1.0)).as_deref(), Some("last-live-ad"));

    let mut full = roomy();
    full.stages.get_mut("validation").unwrap().duplicates_today = 3;
    assert_eq!(held_by(&full, copy()).as_deref(), Some("copies-a-day"));
    full.stages.get_mut("validation").unwrap().duplicates_today = 2;
    assert_eq!(held_by(&full, copy()), None);
    full.stages.get_mut("scaling").unwrap().cap = Some(Money(8_749));
    assert_eq!(held_by(&full, promote()).as_deref(), Some("stage-cap"), "50 a day may become 87.50");
    full.stages.get_mut("scaling").unwrap().cap = Some(Money(8_750));
    assert_eq!(held_by(&full, promote()), None);
    full.approve_above = Some(Money(4_999));
    assert_eq!(held_by(&full, promote()).as_deref(), Some("approval"));
    assert_eq!(held_by(&full, AdProposal { approved: Money(5_000), ..promote() }), None);

    let mut ghost = roomy();
    ghost.stages.get_mut("validation").unwrap().ghost = true;
    assert_eq!(held_by(&ghost, promote()).as_deref(), Some("ghost"));
    assert_eq!(held_by(&ghost, AdProposal { live: false, ..promote() }).as_deref(), Some("not-live"), "it would not");
    assert_eq!(held_by(&ghost, AdProposal { stage: "testing".into(), ..promote() }), None, "the others act");
    let twice = AdProposal { intended: true, ..plain(Verb::Pause) };
    assert_eq!(held_by(&Situation { max_spend_share: 0.0, ..ghost }, twice).as_deref(), Some("ghost"));

    let doubted = Situation { pauses_stopped: Some("the pixel was silent".into()), ..roomy() };
    assert_eq!(held_by(&doubted, plain(Verb::Pause)).as_deref(), Some("anomaly"));
    assert_eq!(held_by(&doubted, plain(Verb::Promote)), None);

    // Half of an account of 1,000 a day may be paused in a day.
    let paused = |paused_today| Situation { max_spend_share_day: 0.5, paused_today, ..roomy() };
    let of = |daily_spend| AdProposal { daily_spend, ..plain(Verb::Pause) };
    assert_eq!(held_by(&paused(400.0), of(100.0)), None);
    assert_eq!(held_by(&paused(400.0), of(100.1)).as_deref(), Some("blast-radius"));
    assert_eq!(held_by(&paused(0.0), of(900.0)), None, "the first one is never held for its size");
}

/// A raise of an owner in validation from 100 to 110 that nothing speaks against.
fn raise() -> BudgetProposal {
    BudgetProposal {
        owner_id: "owner".into(),
        stage: "validation".into(),
        from: Some(Money(10_000)),
        to: Money(11_000),
        day_start: None,
        hours_since_change: f64::NAN,
        changes_1h: 0,
        learning: false,
        joined: Money::ZERO,
        kill: false,
        approved: Money::ZERO,
        shared: false,
    }
}

#[test]
fn a_budget_is_changed_no_oftener_than_meta_takes() {
    let situation = Situation { cooldown_hours: 0.0, ..roomy() };
    let changed = |changes_1h| judged(&situation, BudgetProposal { hours_since_change: 0.2, changes_1h, ..raise() });
    assert_eq!(changed(3), (Some(11_000), None));
    assert_eq!(changed(4), (None, Some("meta-budget-changes".into())));
}

/// What becomes of a budget: its new amount if it changes, and the limit that had a say.
fn judged(situation: &Situation, proposal: BudgetProposal) -> (Option<i64>, Option<String>) {
    let proposals = Proposals { ads: Vec::new(), budgets: vec![proposal] };
    let verdict = judge(situation, &proposals).budgets[0].clone();
    (verdict.to.map(|to| to.0), verdict.held.map(|held| held.by))
}

#[test]
fn each_limit_on_a_budget_holds_at_its_edge_by_its_name_and_nothing_else_does() {
    let by = |proposal| judged(&roomy(), proposal);
    let limited = |to: i64, by: &str| (Some(to), Some(by.to_string()));
    let held = |by: &str| (None, Some(by.to_string()));
    assert_eq!(by(raise()), (Some(11_000), None), "it goes through where nothing speaks against it");
    assert_eq!(by(BudgetProposal { to: Money(10_000), ..raise() }), held("no-change"));
    assert_eq!(by(BudgetProposal { from: None, ..raise() }), held("lifetime-budget"));
    assert_eq!(by(BudgetProposal { shared: true, ..raise() }), held("shared-owner"));
    assert_eq!(by(BudgetProposal { hours_since_change: 23.99, ..raise() }), held("cooldown"));
    assert_eq!(by(BudgetProposal { hours_since_change: 24.0, ..raise() }), (Some(11_000), None));

    // +200 % within an account day, counted from what the day began with.
    let rise = |to, day_start| BudgetProposal { to: Money(to), day_start: Some(Money(day_start)), ..raise() };
    assert_eq!(by(rise(30_000, 10_000)), (Some(30_000), None));
    assert_eq!(by(rise(30_001, 10_000)), limited(30_000, "daily-rise"));
    assert_eq!(by(rise(15_000, 4_000)), limited(12_000, "daily-rise"));
    assert_eq!(by(rise(15_000, 3_000)), held("daily-rise"), "it rose by more today already");

    // Smallest and largest of the stage.
    let sized = |from, to| BudgetProposal { from: Some(Money(from)), to: Money(to), ..raise() };
    assert_eq!(by(sized(40_000, 50_000)), (Some(50_000), None));
    assert_eq!(by(sized(40_000, 50_001)), limited(50_000, "max-budget"));
    assert_eq!(by(sized(60_000, 70_000)), held("max-budget"), "a larger one is not taken down by a wish for more");
    assert_eq!(by(sized(200, 100)), (Some(100), None));
    assert_eq!(by(sized(200, 99)), limited(100, "min-budget"));
    assert_eq!(by(sized(90, 50)), held("min-budget"), "nor is a smaller one raised by a wish for less");

    // A fifth while it learns: a larger rise waits, a larger fall is made smaller, one after a kill is not.
    let learning = |to| BudgetProposal { to: Money(to), learning: true, ..raise() };
    assert_eq!(by(learning(12_000)), (Some(12_000), None));
    assert_eq!(by(learning(12_001)), held("learning"));
    assert_eq!(by(BudgetProposal { joined: Money(5_000), ..learning(17_000) }), (Some(17_000), None));
    assert_eq!(by(BudgetProposal { joined: Money(5_000), ..learning(17_001) }), held("learning"));
    assert_eq!(by(learning(8_000)), (Some(8_000), None));
    assert_eq!(by(learning(7_999)), limited(8_000, "learning"));
    assert_eq!(by(BudgetProposal { kill: true, ..learning(5_000) }), (Some(5_000), None));

    // Caps, with the 75 % that Meta may overspend: 100 a day now, 17.50 more become 205.62.
    let capped = |stage: Option<i64>, account: Option<i64>| {
        let mut situation = roomy();
        let validation = situation.stages.get_mut("validation").unwrap();
        (validation.budgets, validation.cap) = (Money(10_000), stage.map(Money));
        (situation.account_budgets, situation.account_cap) = (Money(10_000), account.map(Money));
        judged(&situation, raise())
    };
    assert_eq!(capped(Some(19_250), None), (Some(11_000), None));
    assert_eq!(capped(Some(19_248), None), limited(10_998, "stage-cap"));
    assert_eq!(capped(Some(17_500), None), held("stage-cap"));
    assert_eq!(capped(None, Some(19_250)), (Some(11_000), None));
    assert_eq!(capped(None, Some(19_248)), limited(10_998, "stage-cap"));

    // The pace of the day: 40 spent by noon and 100 a day to come in its second half are 90.
    let paced = |spent, cap: i64| {
        let mut situation = roomy();
        let validation = situation.stages.get_mut("validation").unwrap();
        (validation.budgets, validation.cap) = (Money(2_000), Some(Money(cap)));
        validation.spend_today = Money(spent);
        judged(&situation, raise())
    };
    assert_eq!(paced(4_000, 5_250).1.as_deref(), None);
    assert_eq!(paced(4_251, 5_250).1.as_deref(), Some("pacing"));

    // An ad that shares what others spend comes back whatever the pace.
    let mut ahead = roomy();
    let validation = ahead.stages.get_mut("validation").unwrap();
    (validation.budgets, validation.cap, validation.spend_today) = (Money(20_000), Some(Money(5_000)), Money(6_000));
    assert_eq!(held_by(&ahead, plain(Verb::Resume)), None);
    let idle = AdProposal { idle_budget: Money(100), ..plain(Verb::Resume) };
    assert_eq!(held_by(&ahead, idle).as_deref(), Some("pacing"));

    // A person's yes: above 5.00 a day more it takes one, which holds for as much as was said.
    let asks = Situation { approve_above: Some(Money(500)), ..roomy() };
    let with = |approved| judged(&asks, BudgetProposal { approved: Money(approved), ..raise() });
    assert_eq!(with(0), held("approval"));
    assert_eq!(with(999), held("approval"));
    assert_eq!(with(1_000), (Some(11_000), None));
    assert_eq!(judged(&asks, sized(10_000, 10_500)), (Some(10_500), None));

    let dry = Situation { growth_stopped: Some("nobody buys".into()), ..roomy() };
    assert_eq!(judged(&dry, raise()), held("account-guard"));
    assert_eq!(judged(&dry, sized(10_000, 9_000)), (Some(9_000), None), "less may always be spent");
}
