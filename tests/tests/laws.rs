//! Laws of decisions, on random accounts measured as the host measures them: more purchases never
//! make a kill likelier, whatever models say, the order of rows decides nothing, and neither does the currency.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::{Currency, Facts};
use dean::features::{self, Basis, ContextValues, Frame, LagCurve, Marks, Row, Totals};
use dean::scoring::{Measured, Reading};
use dean_policy::types::{Answer, Cohort, Kind, Setting, Value, Verb};
use dean_policy::{Policy, shipped};
use dean_tests::account::{models, registry};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAYS: usize = 10;
const TARGET: f64 = 36.0;
const BREAKEVEN: f64 = 45.0;

/// A day in major units.
#[derive(Clone, Debug)]
struct Day {
    spend: i64,
    impressions: u32,
    clicks: u32,
    carts: u32,
    purchases: u32,
    order: i64,
}

#[derive(Clone, Debug)]
struct Ad {
    owner: u32,
    paused: bool,
    days: Vec<Day>,
}

fn day() -> impl Strategy<Value = Day> {
    (0i64..150, 500u32..30_000, 0.0f64..0.04, 0u32..4, 0u32..5, 20i64..120).prop_map(
        |(spend, impressions, ctr, carts, purchases, order)| {
            let clicks = (f64::from(impressions) * ctr) as u32;
            let purchases = purchases.min(clicks);
            Day { spend, impressions, clicks, carts: carts.max(purchases).min(clicks), purchases, order }
        },
    )
}

fn ads() -> impl Strategy<Value = Vec<Ad>> {
    let ad = (0u32..4, prop::bool::weighted(0.15), prop::collection::vec(day(), DAYS))
        .prop_map(|(owner, paused, days)| Ad { owner, paused, days });
    prop::collection::vec(ad, 2..10)
}

/// A currency with the price level of its country: so many of it buy what a euro does.
type Prices = (&'static str, i64);

const EUROS: Prices = ("EUR", 1);
/// Without minor units, with two and with three.
const OTHERS: [Prices; 4] = [("JPY", 160), ("CLP", 1_010), ("BRL", 6), ("KWD", 3)];

/// Facts of a day, at the prices of a currency.
fn facts(day: &Day, (currency, scale): Prices) -> Facts {
    let currency = Currency::new(currency);
    let money = |euros: i64| currency.from_major((euros * scale) as f64).unwrap();
    Facts {
        spend: money(day.spend),
        impressions: f64::from(day.impressions),
        clicks: f64::from(day.clicks),
        purchases: f64::from(day.purchases),
        revenue: Some(money(i64::from(day.purchases) * day.order)),
        add_to_cart: f64::from(day.carts),
        ..Facts::default()
    }
}

fn row(ad: &Ad, scale: i64) -> Row {
    let never = f64::NAN;
    Row {
        age_hours: 240.0,
        hours_in_stage: 240.0,
        stage_days: DAYS,
        status: if ad.paused { "PAUSED" } else { "ACTIVE" }.into(),
        budget: (50 * (i64::from(ad.owner) + 1) * scale) as f64,
        in_learning: f64::from(ad.owner % 2),
        budget_day_start: (50 * (i64::from(ad.owner) + 1) * scale) as f64,
        paused_by_dean: f64::from(ad.paused),
        hours_since_pause: if ad.paused { 30.0 } else { never },
        purchases_at_pause: if ad.paused { 1.0 } else { never },
        ..Row::default()
    }
}

/// What is known of the account: it does not change with one ad.
fn basis(ads: &[Ad], scale: i64) -> Basis {
    let totals = |ad: &Ad| {
        let mut total = Totals::default();
        for day in &ad.days {
            total.spend += (day.spend * scale) as f64;
            total.settled_spend += (day.spend * scale) as f64;
            total.impressions += f64::from(day.impressions);
            total.clicks += f64::from(day.clicks);
            total.add_to_cart += f64::from(day.carts);
            total.purchases += f64::from(day.purchases);
            total.revenue += (i64::from(day.purchases) * day.order * scale) as f64;
        }
        total
    };
    Basis::fit(&ads.iter().map(totals).collect::<Vec<_>>(), &LagCurve::default(), 0.5)
}

fn context(basis: &Basis, marks: Marks) -> ContextValues {
    let prior = basis.purchase_prior(marks.target_cpa);
    ContextValues {
        account_spend_today: 0.0,
        stage_spend_today: 0.0,
        stage_cap: f64::NAN,
        live_ads: 1.0,
        freed_budget: 0.0,
        hour: 12.0,
        weekday: 2.0,
        hours_left_today: 12.0,
        target_cpa: marks.target_cpa,
        breakeven_cpa: marks.breakeven_cpa,
        account_ctr: basis.ctr,
        account_cpm: basis.cpm,
        account_atc_rate: basis.atc_rate,
        account_aov: basis.aov,
        account_roas: basis.roas,
        purchase_prior_shape: prior.map_or(f64::NAN, |prior| prior.shape),
        purchase_prior_rate: prior.map_or(f64::NAN, |prior| prior.rate),
    }
}

struct Asked {
    policy: Policy,
    stage: &'static str,
}

impl Asked {
    fn all() -> Vec<Asked> {
        let asked = |s: &shipped::Shipped| Asked {
            policy: registry().resolve(&s.name.parse().unwrap()).unwrap(),
            stage: s.name,
        };
        shipped::of_stages().map(asked).collect()
    }

    /// The settings' defaults with every amount of money times `scale`.
    fn settings(&self, scale: f64) -> Vec<Setting> {
        let params = self.policy.manifest().params.iter();
        let money = params.filter_map(|p| match &p.kind {
            Kind::Number(number) if number.unit == "currency" => {
                Some(Setting { path: p.path.clone(), value: Value::Number(number.default * scale) })
            }
            _ => None,
        });
        money.collect()
    }

    fn decide(&self, ads: &[Ad], basis: &Basis, prices: Prices) -> Answer {
        let (currency, scale) = prices;
        let settings = self.settings(scale as f64);
        let plan = self.policy.prepare(self.stage, &settings).unwrap();
        let mut frame = Frame::new(ads.iter().map(|ad| row(ad, scale)).collect(), &Currency::new(currency));
        for (i, ad) in ads.iter().enumerate() {
            ad.days.iter().enumerate().for_each(|(ago, day)| frame.set_day(i, ago, &facts(day, prices)));
        }
        let marks = Marks { target_cpa: TARGET * scale as f64, breakeven_cpa: BREAKEVEN * scale as f64 };
        let names: Vec<String> = (0..ads.len()).map(|ad| format!("{ad}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let context = context(basis, marks);
        let measured = Measured {
            stage: self.stage,
            frame: &frame,
            basis,
            marks,
            context: &context,
            ads: names.clone(),
            creatives: names,
        };
        // What models say of the same ads: a law holds for policy and model together.
        let scores = models().score(&Reading::of(models(), &[measured])).columns.remove(0);
        let measure = |name: &String| features::find(name).unwrap().values(&frame, basis, marks);
        let column = |name: &String| scores.get(name).cloned().unwrap_or_else(|| measure(name));
        let mut cohort = Cohort {
            rows: ads.len() as u32,
            groups: 4,
            values: plan.columns.iter().flat_map(column).collect(),
            words: vec!["ACTIVE".into(), "PAUSED".into()],
            codes: ads.iter().map(|ad| u32::from(ad.paused)).collect(),
            context: plan.context.iter().map(|_| 40.0 * scale as f64).collect(),
            group_of: ads.iter().map(|ad| ad.owner).collect(),
            ..Cohort::default()
        };
        self.policy.decide(self.stage, &settings, &plan, &mut cohort).answer.unwrap()
    }
}

fn is_paused(answer: &Answer, row: usize) -> bool {
    answer.ads.iter().any(|d| d.row as usize == row && d.verb == Verb::Pause)
}

/// What was decided: a verb and a rule, and an amount.
type Decided = BTreeMap<u32, (String, f64)>;

/// Decisions by ad and by owner.
fn by_ad(answer: &Answer, id: impl Fn(u32) -> u32, scale: f64) -> (Decided, Decided) {
    let ad = |d: &dean_policy::types::AdDecision| (id(d.row), (format!("{} by {}", d.verb, d.rule), d.amount / scale));
    let budget = |d: &dean_policy::types::BudgetDecision| (d.group, (d.rule.to_string(), d.amount / scale));
    (answer.ads.iter().map(ad).collect(), answer.budgets.iter().map(budget).collect())
}

/// Whether the same was decided, amounts but for what sums in another order round.
fn alike(one: &(Decided, Decided), other: &(Decided, Decided)) -> bool {
    let same = |a: &Decided, b: &Decided| {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(1.0);
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.0 == b.1.0 && close(a.1.1, b.1.1))
    };
    same(&one.0, &other.0) && same(&one.1, &other.1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn more_purchases_never_make_a_kill_likelier(ads in ads(), ago in 0..DAYS) {
        let basis = basis(&ads, 1);
        let mut more = ads.clone();
        more[0].paused = false;
        let fewer = more.clone();
        let day = &mut more[0].days[ago];
        day.purchases += 1;
        for asked in Asked::all() {
            let (before, after) = (asked.decide(&fewer, &basis, EUROS), asked.decide(&more, &basis, EUROS));
            prop_assert!(
                is_paused(&before, 0) || !is_paused(&after, 0),
                "{}: a purchase more {} days ago pauses {:?}", asked.stage, ago, fewer[0]
            );
        }
    }

    #[test]
    fn the_order_of_rows_decides_nothing((ads, order) in ads().prop_flat_map(|ads| {
        let order: Vec<usize> = (0..ads.len()).collect();
        (Just(ads), Just(order).prop_shuffle())
    })) {
        let basis = basis(&ads, 1);
        let shuffled: Vec<Ad> = order.iter().map(|&i| ads[i].clone()).collect();
        for asked in Asked::all() {
            let plain = by_ad(&asked.decide(&ads, &basis, EUROS), |row| row, 1.0);
            let other = by_ad(&asked.decide(&shuffled, &basis, EUROS), |row| order[row as usize] as u32, 1.0);
            prop_assert!(alike(&plain, &other), "{}: {plain:?} {other:?}", asked.stage);
        }
    }

    #[test]
    fn the_same_account_in_another_currency_decides_the_same(ads in ads(), prices in prop::sample::select(OTHERS.to_vec())) {
        let scale = prices.1;
        let (one, other) = (basis(&ads, 1), basis(&ads, scale));
        for asked in Asked::all() {
            let plain = by_ad(&asked.decide(&ads, &one, EUROS), |row| row, 1.0);
            let scaled = by_ad(&asked.decide(&ads, &other, prices), |row| row, scale as f64);
            // Settings in currency have a largest and smallest value, which no such account comes near.
            prop_assert!(alike(&plain, &scaled), "{} in {}: {plain:?} {scaled:?}", asked.stage, prices.0);
        }
    }
}
