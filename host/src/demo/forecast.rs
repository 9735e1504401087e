//! `--simulate`: the account's present state goes into the simulated market, once as it is and once with
//! the plan done, and a week is lived through several times. All simulated, and said to be.

use crate::domain::{Currency, Verb};
use crate::pipeline::RunReport;
use dean_sim::{KnownAd, KnownOwner, Params, World};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Days that are shown.
const DAYS: i64 = 7;
/// Worlds that a week is lived through in: chance is large in one.
const WORLDS: u64 = 12;

/// A week ahead.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// Always true.
    pub simulated: bool,
    /// How many simulated worlds the means are over.
    pub worlds: u64,
    /// Day by day.
    pub days: Vec<ForecastDay>,
}

/// A day ahead.
#[derive(Clone, Debug, Serialize)]
pub struct ForecastDay {
    /// The day.
    pub date: String,
    /// Without the plan.
    pub as_it_is: Expected,
    /// With it.
    pub with_plan: Expected,
}

/// Means over the worlds, money in major units.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Expected {
    /// Spend.
    pub spend: f64,
    /// Purchases.
    pub purchases: f64,
    /// Revenue.
    pub revenue: f64,
    /// Revenue less goods and spend.
    pub profit: f64,
}

type Columns = BTreeMap<String, Option<Value>>;

fn number(columns: &Columns, name: &str) -> Option<f64> {
    columns.get(name)?.as_ref()?.as_f64()
}

/// The account as the simulator takes it, with the position of every ad.
struct Account<'a> {
    owners: Vec<KnownOwner>,
    ads: Vec<KnownAd>,
    positions: HashMap<&'a str, usize>,
    of_owner: HashMap<&'a str, usize>,
}

fn account(report: &RunReport) -> Account<'_> {
    let currency = Currency::new(&report.currency);
    let mut known =
        Account { owners: Vec::new(), ads: Vec::new(), positions: HashMap::new(), of_owner: HashMap::new() };
    let mut owners: HashMap<&str, usize> = HashMap::new();
    let decided = report.decisions.iter().map(|d| (&d.ad_id, &d.owner, &d.columns));
    let skipped = report.skipped.iter().map(|s| (&s.ad_id, &s.owner, &s.columns));
    for (id, owner, columns) in decided.chain(skipped) {
        let (Some(owner), Some(columns)) = (owner, columns) else { continue };
        if known.positions.contains_key(id.as_str()) {
            continue;
        }
        let position = *owners.entry(&owner.id).or_insert_with(|| {
            let daily_budget = number(columns, "budget").and_then(|b| currency.from_major(b)).map(|m| m.0);
            known.owners.push(KnownOwner { daily_budget, campaign: owner.kind == crate::domain::OwnerKind::Campaign });
            known.owners.len() - 1
        });
        let live = columns.get("status").and_then(Option::as_ref).and_then(Value::as_str) == Some("ACTIVE");
        let (ad, value) = (known.ads.len(), |name: &str| number(columns, name));
        // Rates that an ad has not shown yet are those of a plain ad.
        let ctr = value("link_ctr_7d").or_else(|| value("link_ctr_lifetime")).unwrap_or(0.01);
        let cpm = value("cpm_7d").or_else(|| value("cpm_lifetime")).unwrap_or(10.0);
        let rate = value("purchase_shape_in_stage").zip(value("purchase_rate_in_stage")).map_or(0.0, |(s, r)| s / r);
        let cvr = if ctr > 0.0 { (rate * cpm / 1_000.0 / ctr).min(0.5) } else { 0.0 };
        let order_value = value("aov_30d").or_else(|| value("aov_lifetime")).unwrap_or(0.0);
        known.ads.push(KnownAd { owner: position, live, ctr, cvr, order_value });
        known.positions.insert(id, ad);
        known.of_owner.entry(&owner.id).or_insert(ad);
    }
    let (sum, n) =
        known.ads.iter().filter(|a| a.order_value > 0.0).fold((0.0, 0.0), |(s, n), a| (s + a.order_value, n + 1.0));
    let mean = if n > 0.0 { sum / n } else { 0.0 };
    known.ads.iter_mut().filter(|a| a.order_value <= 0.0).for_each(|a| a.order_value = mean);
    known
}

/// Does what the plan says, all of it at once.
fn carry_out(world: &mut World, report: &RunReport, known: &Account<'_>) {
    let currency = Currency::new(&report.currency);
    let minor = |major: f64| currency.from_major(major).map_or(0, |m| m.0);
    for decision in &report.decisions {
        let Some(id) = known.positions.get(decision.ad_id.as_str()).map(|p| World::known_ad(*p)) else { continue };
        match decision.done.verb {
            Verb::Pause => world.pause(id),
            Verb::Resume => world.resume(id),
            Verb::Promote | Verb::Duplicate => {
                world.copy_alone(id, minor(decision.done.amount.unwrap_or(0.0)));
                if decision.done.verb == Verb::Promote {
                    world.pause(id);
                }
            }
            Verb::Hold | Verb::Refresh => {}
        }
    }
    for budget in &report.budgets {
        if let (Some(to), Some(ad)) = (budget.done, known.of_owner.get(budget.owner_id.as_str())) {
            world.set_budget_of(World::known_ad(*ad), minor(to));
        }
    }
}

/// A week ahead of a report that holds its columns. `cogs` is what goods of a purchase cost, major units.
///
/// # Errors
/// When the report's moment or time zone cannot be used.
pub fn forecast(report: &RunReport, timezone: &str, cogs: f64) -> anyhow::Result<Forecast> {
    let known = account(report);
    let currency = Currency::new(&report.currency);
    let units = currency.minor_units() as f64;
    let at: jiff::Timestamp = report.as_of.parse()?;
    let first = at.in_tz(timezone)?.date().tomorrow()?;
    let cpms: Vec<f64> = report.decisions.iter().filter_map(|d| number(d.columns.as_ref()?, "cpm_7d")).collect();
    let cpm = if cpms.is_empty() { Params::default().cpm } else { cpms.iter().sum::<f64>() / cpms.len() as f64 };
    let mut days = vec![(Expected::default(), Expected::default()); DAYS as usize];
    for seed in 0..WORLDS {
        let params = Params {
            currency: report.currency.clone(),
            timezone: timezone.into(),
            start: at.as_second() / 3_600 * 3_600,
            cpm,
            cogs,
            ..Params::default()
        };
        let as_it_is = World::seeded(seed, params, &known.owners, &known.ads);
        let mut with_plan = as_it_is.clone();
        carry_out(&mut with_plan, report, &known);
        for (mut world, planned) in [(as_it_is, false), (with_plan, true)] {
            while world.today() < first.checked_add(jiff::Span::new().days(DAYS))? {
                world.advance();
            }
            for (i, day) in days.iter_mut().enumerate() {
                let outcome = world.outcome_of(first.checked_add(jiff::Span::new().days(i as i64))?);
                let expected = if planned { &mut day.1 } else { &mut day.0 };
                let (spend, purchases) = (outcome.spend as f64 / units, outcome.purchases as f64);
                let revenue = outcome.revenue as f64 / units;
                expected.spend += spend / WORLDS as f64;
                expected.purchases += purchases / WORLDS as f64;
                expected.revenue += revenue / WORLDS as f64;
                expected.profit += (revenue - cogs * purchases - spend) / WORLDS as f64;
            }
        }
    }
    let day = |(i, (as_it_is, with_plan)): (usize, (Expected, Expected))| -> anyhow::Result<ForecastDay> {
        let date = first.checked_add(jiff::Span::new().days(i as i64))?.to_string();
        Ok(ForecastDay { date, as_it_is, with_plan })
    };
    Ok(Forecast {
        simulated: true,
        worlds: WORLDS,
        days: days.into_iter().enumerate().map(day).collect::<anyhow::Result<_>>()?,
    })
}
