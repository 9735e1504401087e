//! Whom Dean is compared with. They play on the world directly, once an hour, with what a person
//! would have: except for the last, who has the truth.

use super::Profit;
use crate::config::Config;
use dean_sim::{Stage, World};
use jiff::civil::Date;

/// Somebody who runs a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    Untouched,
    Thresholds,
    Truth,
}

/// "Pause an ad that spent 50 in the last days and has no purchase, or pays more than 40 for one":
/// the automated rule that most accounts begin with. Major units.
const RULE_SPEND: f64 = 50.0;
const RULE_CPA: f64 = 40.0;

/// What the truth policy asks of an ad before it gives it a budget of its own, and that budget: the
/// same as a promotion by Dean.
const WORTH_PROMOTING: f64 = 0.15;
const STARTING_BUDGET: f64 = 50.0;
/// Margins above and below which it changes a budget once a day, and the step: the larger a budget the
/// dearer its people, so a thin margin says that there is too much of it.
const WORTH_DOUBLING: f64 = 0.6;
const WORTH_RAISING: f64 = 0.3;
const WORTH_LOWERING: f64 = 0.15;
const STEP: f64 = 0.2;

/// The most that stages may spend in a day, major units: the same limits as Dean's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    pub testing: f64,
    pub validation: f64,
    pub scaling: f64,
}

impl Caps {
    /// Those of a configuration; a stage without one has no end.
    pub(crate) fn of(config: &Config) -> Self {
        let stages = config.stages();
        let cap =
            |name: &str| stages.iter().find(|s| s.name == name).and_then(|s| s.daily_cap).unwrap_or(f64::INFINITY);
        Caps { testing: cap("testing"), validation: cap("validation"), scaling: cap("scaling") }
    }
}

/// Lives through hours, and gives the profit at the end of each day since `since`, major units.
pub(super) fn live(mut world: World, rival: Rival, days: u32, since: Date, caps: Caps) -> (World, Vec<f64>) {
    let minor = world.params().minor_units() as f64;
    let mut daily = Vec::new();
    for hour in 0..days * 24 {
        match rival {
            Rival::Untouched => {}
            Rival::Thresholds => thresholds(&mut world, minor),
            Rival::Truth => truth(&mut world, minor, caps, hour % 24 == 0),
        }
        world.advance();
        if hour % 24 == 23 {
            daily.push(world.profit_since(since) as f64 / minor);
        }
    }
    (world, daily)
}

fn thresholds(world: &mut World, minor: f64) {
    for ad in world.ads() {
        if !ad.live || ad.stage == Stage::Unmanaged {
            continue;
        }
        let spend = ad.spend_3d as f64 / minor;
        let costly = ad.purchases_3d == 0 || spend / ad.purchases_3d as f64 > RULE_CPA;
        if spend >= RULE_SPEND && costly {
            world.pause(ad.id);
        }
    }
}

fn truth(world: &mut World, minor: f64, caps: Caps, new_day: bool) {
    let room = |world: &World, stage, cap: f64| cap / crate::guard::OVERSPEND - world.budgets(stage) as f64 / minor;
    let mut scaling = Vec::new();
    for ad in world.ads() {
        let Some(truth) = world.truth(ad.id).filter(|_| ad.live && ad.stage != Stage::Unmanaged) else {
            continue;
        };
        if truth.margin < 0.0 {
            world.pause(ad.id);
        } else if ad.stage == Stage::Testing && truth.margin > WORTH_PROMOTING {
            if room(world, Stage::Validation, caps.validation) >= STARTING_BUDGET {
                world.promote(ad.id, Stage::Validation, (STARTING_BUDGET * minor) as i64);
            }
        } else if ad.stage == Stage::Validation && new_day {
            let room = room(world, Stage::Validation, caps.validation);
            step(world, ad.id, truth.margin, room);
        } else if ad.stage == Stage::Scaling {
            scaling.push((ad.id, truth.margin));
        }
    }
    // The campaign holds the scaling stage's budget for all of its ads.
    if let (true, Some((id, _))) = (new_day, scaling.first()) {
        let mean = scaling.iter().map(|(_, margin)| margin).sum::<f64>() / scaling.len() as f64;
        let room = room(world, Stage::Scaling, caps.scaling);
        step(world, *id, mean, room);
    }
}

/// Changes the budget that an ad spends from by how well it does.
fn step(world: &mut World, id: u64, margin: f64, room: f64) {
    if margin > WORTH_DOUBLING && room > 0.0 {
        world.scale_budget(id, 2.0);
    } else if margin > WORTH_RAISING && room > 0.0 {
        world.scale_budget(id, 1.0 + STEP);
    } else if margin < WORTH_LOWERING {
        world.scale_budget(id, 1.0 - STEP);
    }
}

/// What became of one world in other hands.
#[derive(Debug)]
pub(crate) struct Compared {
    /// The profit of each.
    pub profit: Profit,
    /// Day by day: untouched, thresholds, truth.
    pub daily: [Vec<f64>; 3],
    /// The world that was left alone, at its end.
    pub untouched: World,
}

/// Lives one world in the hands of the rivals.
pub(crate) fn compare(world: &World, days: u32, since: Date, caps: Caps) -> Compared {
    let run = |rival| live(world.clone(), rival, days, since, caps);
    let (untouched, alone) = run(Rival::Untouched);
    let daily = [alone, run(Rival::Thresholds).1, run(Rival::Truth).1];
    let last = |i: usize| daily[i].last().copied().unwrap_or(0.0);
    let profit = Profit { dean: 0.0, untouched: last(0), thresholds: last(1), truth: last(2) };
    Compared { profit, daily, untouched }
}
