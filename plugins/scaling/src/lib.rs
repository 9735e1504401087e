//! The scaling stage: budgets follow what earns, and leave what does not.
//!
//! Ads are paused after days of bad cost or return, brought back by late conversions, copied and
//! refreshed when they win. Budgets belong to owners, so they are judged on all live ads of an owner
//! together ([`budgets`]).

#![cfg_attr(target_arch = "wasm32", no_std)]
#![deny(missing_docs)]

extern crate alloc;

pub mod budgets;
mod settings;
mod vocabulary;

pub use settings::Settings;
pub use vocabulary::{column, context, derived, rule, text};

use alloc::vec::Vec;
use dean_policy_sdk::bindings::types::Problem;
use dean_policy_sdk::table::UNKNOWN;
use dean_policy_sdk::{Ad, Column, Evaluation, Rule, StagePolicy, Table, Verb, Vocabulary};

/// The scaling stage's policy.
#[derive(Debug)]
pub struct Scaling;

impl StagePolicy for Scaling {
    type Settings = Settings;
    const NAME: &'static str = "scaling";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DOC: &'static str = "Scales winners: budgets rise on stable profit and fall on loss, bad days pause, \
        winners are copied and refreshed, freed budget goes where it earns most.";
    const STAGES: &'static [&'static str] = &["scaling"];
    const VOCABULARY: Vocabulary = Vocabulary {
        columns: column::NAMES,
        text_columns: text::NAMES,
        context: context::NAMES,
        derived: derived::NAMES,
        rules: rule::RULES,
    };

    fn check(settings: &Settings) -> Vec<Problem> {
        settings.check()
    }

    fn decide(settings: &Settings, evaluation: &mut Evaluation<'_>) {
        let table = evaluation.table();
        let (active, paused) = (table.code_of("ACTIVE"), table.code_of("PAUSED"));
        let mut killed = Vec::new();
        let mut winners = Vec::new();
        for row in 0..table.rows() {
            match table.code(text::STATUS, row) {
                UNKNOWN => {}
                code if code == active => match judge(settings, evaluation, row) {
                    Judged::Ends => killed.push(row),
                    Judged::Wins { refresh } => winners.push((row, refresh)),
                    Judged::Stays => {}
                },
                code if code == paused && table.number(column::PAUSED_BY_DEAN, row) >= 1.0 => {
                    bring_back(settings, evaluation, row);
                }
                _ => {}
            }
        }
        copy_winners(settings, evaluation, winners);
        // An owner is judged on the ads that stay.
        let lives = |row: u32| table.code(text::STATUS, row) == active;
        budgets::decide(settings, evaluation, lives, &killed);
    }
}

fn or_zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// A day is bad on cost when its spend is at least the threshold for every purchase, so a day without
/// a purchase counts.
fn is_bad_on_cost(spend: f64, purchases: f64, threshold: f64) -> bool {
    !purchases.is_nan() && spend >= threshold * purchases.max(1.0)
}

struct Days<'a> {
    table: Table<'a>,
    row: u32,
}

impl Days<'_> {
    fn of(&self, columns: &[Column; 7], day: usize) -> f64 {
        self.table.number(columns[day], self.row)
    }

    /// Days in a row, from yesterday back, for which something holds. A day that hardly spent says
    /// nothing: it neither counts nor ends the row.
    fn in_a_row(&self, settings: &Settings, holds: impl Fn(f64, usize) -> bool) -> f64 {
        let spend = |day: usize| self.of(&column::SPEND_BY_DAY, day);
        let days = (0..column::SPEND_BY_DAY.len()).filter(|&day| spend(day) >= settings.min_day_spend);
        days.take_while(|&day| holds(spend(day), day)).count() as f64
    }

    fn bad_by_cost(&self, settings: &Settings) -> f64 {
        self.in_a_row(settings, |spend, day| {
            is_bad_on_cost(spend, self.of(&column::PURCHASES_BY_DAY, day), settings.kill_cpa)
        })
    }

    fn bad_by_return(&self, settings: &Settings) -> f64 {
        self.in_a_row(settings, |_, day| self.of(&column::ROAS_BY_DAY, day) < settings.kill_roas)
    }

    fn good(&self, settings: &Settings) -> f64 {
        self.in_a_row(settings, |spend, day| {
            let purchases = self.of(&column::PURCHASES_BY_DAY, day);
            purchases > 0.0 && spend <= settings.refresh_cpa * purchases
        })
    }
}

/// What becomes of a live ad.
enum Judged {
    /// It is paused.
    Ends,
    /// It deserves a copy, and perhaps a new creative.
    Wins { refresh: Option<Rule> },
    /// It goes on.
    Stays,
}

fn judge(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) -> Judged {
    let days = Days { table: evaluation.table(), row };
    let bad_cpa = derived::BAD_CPA_DAYS.of(days.bad_by_cost(settings));
    let bad_roas = derived::BAD_ROAS_DAYS.of(days.bad_by_return(settings));
    let good = derived::GOOD_DAYS.of(days.good(settings));
    let mut ad = evaluation.ad(row);
    let settled = derived::SETTLED_ROAS_3D.of(settled_roas(&ad));

    let costly = ad
        .when(rule::BAD_CPA)
        .at_least(bad_cpa, settings.kill_cpa_days)
        .at_least(column::P_BAD_3D, settings.kill_probability)
        .at_least_if_known(column::P_BAD_7D, settings.kill_week)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.min_spend)
        .fires();
    let unprofitable = ad
        .when(rule::BAD_ROAS)
        .at_least(bad_roas, settings.kill_roas_days)
        .below(settled, settings.kill_roas)
        .at_least_if_known(column::P_BAD_7D, settings.kill_week)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::SPEND, settings.min_spend)
        .fires();
    let losing = ad
        .when(rule::LOSING)
        .at_least(column::P_BAD_7D, settings.losing_probability)
        .at_least(column::SPEND_7D, settings.losing_spend * settings.kill_cpa)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .fires();
    let unlikely = ad
        .when(rule::UNLIKELY)
        .above(column::FORECAST_CPA, settings.unlikely_ratio * settings.kill_cpa)
        .at_least(column::P_BAD_7D, settings.unlikely_probability)
        .at_least(column::SPEND_7D, settings.losing_spend * settings.kill_cpa)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .fires();
    let winner = ad
        .when(rule::DUPLICATE)
        .at_least(column::PURCHASES_7D, settings.copy_purchases)
        .at_most(column::CPA_7D, settings.copy_cpa)
        .at_least_if_known(column::ROAS_7D, settings.good_roas)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::CLICKS, settings.min_clicks)
        .at_least(column::SPEND, settings.min_spend)
        .below_if_known(column::FATIGUE, settings.copy_fatigue)
        .below(bad_cpa, settings.kill_cpa_days)
        .at_least_if_known(column::COPYABLE, 1.0)
        .at_least_if_known(column::COPIED, settings.copy_days * HOURS_A_DAY)
        .fires();
    let refresh = ad
        .when(rule::REFRESH)
        .at_least(good, settings.refresh_days)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::CLICKS, settings.min_clicks)
        .at_least(column::SPEND, settings.min_spend)
        .at_least_if_known(column::REFRESHED, settings.refresh_every * HOURS_A_DAY)
        .fires();

    let refresh_ahead = ad
        .when(rule::REFRESH_AHEAD)
        .at_least(column::WORN_AHEAD, settings.sure)
        .below(column::P_LOSS_7D, 0.5)
        .at_least(column::IMPRESSIONS, settings.min_impressions)
        .at_least(column::CLICKS, settings.min_clicks)
        .at_least(column::SPEND, settings.min_spend)
        .at_least_if_known(column::REFRESHED, settings.refresh_every * HOURS_A_DAY)
        .fires();
    let refresh = match (refresh, refresh_ahead) {
        (true, _) => Some(rule::REFRESH),
        (false, true) => Some(rule::REFRESH_AHEAD),
        (false, false) => None,
    };

    if costly || unprofitable {
        let bad = or_even(ad.get(column::P_BAD_3D));
        ad.decide(Verb::Pause, if costly { rule::BAD_CPA } else { rule::BAD_ROAS }, bad);
        Judged::Ends
    } else if losing || unlikely {
        let bad = or_even(ad.get(column::P_BAD_7D));
        ad.decide(Verb::Pause, if losing { rule::LOSING } else { rule::UNLIKELY }, bad);
        Judged::Ends
    } else if winner {
        Judged::Wins { refresh }
    } else {
        ask_for_creative(evaluation, row, refresh);
        Judged::Stays
    }
}

/// The return of the last three days with what is still to come of it.
fn settled_roas(ad: &Ad<'_, '_>) -> f64 {
    ad.get(column::REVENUE_3D) / ad.get(column::SPEND_3D) / ad.get(column::SETTLED_3D)
}

fn ask_for_creative(evaluation: &mut Evaluation<'_>, row: u32, refresh: Option<Rule>) {
    let mut ad = evaluation.ad(row);
    if let Some(rule) = refresh {
        let bad = or_even(ad.get(column::P_BAD_7D));
        let sure = if rule == rule::REFRESH_AHEAD { or_even(ad.get(column::WORN_AHEAD)) } else { 1.0 - bad };
        ad.decide(Verb::Refresh, rule, sure);
    }
}

/// The best winners are copied, as many as the day still allows, whatever the order of rows.
fn copy_winners(settings: &Settings, evaluation: &mut Evaluation<'_>, mut winners: Vec<(u32, Option<Rule>)>) {
    let table = evaluation.table();
    let made: f64 = (0..table.rows()).map(|row| or_zero(table.number(column::COPIES_TODAY, row))).sum();
    winners.sort_by(|(a, _), (b, _)| {
        let by = |column| table.number(column, *a).total_cmp(&table.number(column, *b));
        by(column::P_BAD_7D).then_with(|| by(column::CPA_7D)).then_with(|| by(column::PURCHASES_7D).reverse())
    });
    for (rank, (row, refresh)) in winners.into_iter().enumerate() {
        let mut ad = evaluation.ad(row);
        let within = ad
            .when(rule::DUPLICATE)
            .below(derived::COPIES_BEFORE.of(made + rank as f64), settings.copies_a_day)
            .fires();
        if within {
            let bad = or_even(ad.get(column::P_BAD_7D));
            ad.decide_amount(Verb::Duplicate, settings.copy_budget, rule::DUPLICATE, 1.0 - bad);
        } else {
            ask_for_creative(evaluation, row, refresh);
        }
    }
}

/// A chance that the account is too young to know is even.
fn or_even(chance: f64) -> f64 {
    if chance.is_nan() { 0.5 } else { chance }
}

const HOURS_A_DAY: f64 = 24.0;

/// A paused ad comes back when purchases that were reported since make its last week a good one.
fn bring_back(settings: &Settings, evaluation: &mut Evaluation<'_>, row: u32) {
    let days = Days { table: evaluation.table(), row };
    // What would pause it again keeps it paused: after so many bad days the return has to be good.
    let ends_by_return = days.bad_by_return(settings) >= settings.kill_roas_days;
    let mut ad = evaluation.ad(row);
    let settled = if ends_by_return { settled_roas(&ad) } else { f64::NAN };
    let settled = derived::SETTLED_ROAS_3D.of(settled);
    let late = derived::LATE_PURCHASES.of(ad.get(column::PURCHASES) - ad.get(column::PURCHASES_AT_PAUSE));
    let exonerated = ad
        .when(rule::EXONERATED)
        .at_least(late, 1.0)
        .below(column::CPA_7D, settings.kill_cpa)
        .at_least_if_known(column::ROAS_7D, settings.kill_roas)
        .below(column::P_BAD_7D, settings.kill_probability)
        .below(column::P_BAD_3D, settings.kill_probability)
        .at_least_if_known(settled, settings.kill_roas)
        .fires();
    if exonerated {
        let bad = ad.get(column::P_BAD_7D);
        ad.decide(Verb::Resume, rule::EXONERATED, 1.0 - bad);
    }
}

dean_policy_sdk::policy!(Scaling);
