//! Whom Dean is compared with. They play on the world directly, once an hour, with what a person
//! would have: except for the last, who has the truth.

use super::Profit;
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

/// Lives through hours, and gives the profit at the end of each day since `since`, major units.
pub(super) fn live(mut world: World, rival: Rival, days: u32, since: Date, validation_cap: f64) -> (World, Vec<f64>) {
    let minor = world.params().minor_units() as f64;
    let mut daily = Vec::new();
    for hour in 0..days * 24 {
        match rival {
            Rival::Untouched => {}
            Rival::Thresholds => thresholds(&mut world, minor),
            Rival::Truth => truth(&mut world, minor, validation_cap),
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

fn truth(world: &mut World, minor: f64, validation_cap: f64) {
    for ad in world.ads() {
        let Some(truth) = world.truth(ad.id).filter(|_| ad.live && ad.stage != Stage::Unmanaged) else {
            continue;
        };
        if truth.margin < 0.0 {
            world.pause(ad.id);
        } else if ad.stage == Stage::Testing && truth.margin > WORTH_PROMOTING {
            let room = validation_cap / crate::guard::OVERSPEND - world.budgets(Stage::Validation) as f64 / minor;
            if room >= STARTING_BUDGET {
                world.promote(ad.id, Stage::Validation, (STARTING_BUDGET * minor) as i64);
            }
        }
    }
}

/// The profit of the rivals in one world.
pub(super) fn compare(world: &World, days: u32, since: Date, validation_cap: f64) -> (Profit, [Vec<f64>; 3]) {
    let run = |rival| live(world.clone(), rival, days, since, validation_cap).1;
    let daily = [Rival::Untouched, Rival::Thresholds, Rival::Truth].map(run);
    let last = |i: usize| daily[i].last().copied().unwrap_or(0.0);
    (Profit { dean: 0.0, untouched: last(0), thresholds: last(1), truth: last(2) }, daily)
}
