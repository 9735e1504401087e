//! The fault matrix: whatever goes wrong on the way to the account, and wherever the process dies, the runs after it
//! find out what happened. Nothing is done twice, nothing is lost, nothing stays unknown, and the account ends as it
//! does without faults, save for what the ledger says was failed or dropped.
//!
//! `DEAN_SOAK=1` passes a thousand seeds in place of forty.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::domain::CreativeSpec;
use dean::pipeline::Options;
use dean::scoring::Models;
use dean::store::ActionState;
use dean_sim::{Fault, Faults, Params};
use dean_tests::account::TestAccount;
use dean_tests::ends::{Compared, End};
use dean_tests::mortal::Life;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const WORLDS: u64 = 12;
/// Runs in which something goes wrong: long enough for a copy to be made, verified and switched on.
const FAULTY_RUNS: usize = 3;
/// Runs after them: time for two look-ups of a create, and for what was dropped.
const QUIET_RUNS: usize = 8;
/// The request of a first run at which writes begin.
const FIRST_WRITE: u64 = 9;

/// Settings under which decisions on one ad do not depend on what became of another.
fn alone() -> Vec<(&'static str, Value)> {
    vec![
        ("rules.testing.promote.add_to_carts", json!(1)),
        ("rules.testing.promote.cost_per_add_to_cart", json!(1000.0)),
        ("rules.testing.promote.ctr", json!(0.0)),
        // Freed budget is what the pauses of others left.
        ("rules.testing.reinvest.daily_budget", json!(0.0)),
        ("rules.validation.reinvest.largest_step", json!(0.0)),
        ("rules.validation.reinvest.least_step", json!(0.0)),
        ("stages.testing.daily_cap", json!(100_000.0)),
        ("stages.validation.daily_cap", json!(100_000.0)),
        ("stages.scaling.daily_cap", json!(100_000.0)),
        ("guard.min_live_ads", json!(0)),
        ("guard.max_spend_share_per_run", json!(1.0)),
        // The first ad set of testing, and what is launched into it.
        ("ids.testing_adset_id", json!("120210000000200000")),
        ("account.page_id", json!("200000000000001")),
        ("account.store_url", json!("https://shop.example/")),
        ("stages.testing.keep_ads_live", json!(1000)),
    ]
}

/// Creatives that wait: a post that is there, and media that are fetched.
fn creatives() -> [CreativeSpec; 3] {
    let text = |text: &str| Some(text.to_string());
    let named = |name: &str| CreativeSpec { name: name.into(), ..CreativeSpec::default() };
    [
        CreativeSpec { post: text("200000000000001_77"), ..named("Post") },
        CreativeSpec { image_url: text("https://shop.example/a.jpg"), text: text("Sand"), ..named("Image") },
        CreativeSpec { video_url: text("https://shop.example/a.mp4"), ..named("Video") },
    ]
}

async fn account(world: u64) -> TestAccount {
    let params = Params { ads: 16, history_days: 8, ..Params::default() };
    let mut account = TestAccount::new(100 + world, params, &alone()).await.unwrap();
    // Models look at the clock: what is decided a quarter of an hour later would be sized otherwise.
    account.models = Models::none();
    account.queue(&creatives()).await.unwrap();
    account
}

async fn ends(account: &TestAccount) -> End {
    End::of(&account.plain_client(), &account.store).await.unwrap()
}

/// Moves on by a quarter of an hour; the world itself stands still, so that all runs see the same numbers.
fn next_run(account: &TestAccount, begun: Timestamp, run: usize) {
    account.clock.set(begun.saturating_add(SignedDuration::from_mins(15 * run as i64)).unwrap());
}

async fn quiet(account: &TestAccount, begun: Timestamp) {
    for run in FAULTY_RUNS..FAULTY_RUNS + QUIET_RUNS {
        next_run(account, begun, run);
        account.run(&Options::default()).await.unwrap();
    }
}

/// What seeds did.
#[derive(Default)]
struct Counts {
    faults: BTreeMap<Fault, u64>,
    deaths: BTreeMap<String, usize>,
    compared: Compared,
}

/// Lives through a seed: faults by its dice, three times of five a death too.
async fn live(seed: u64, whole: &End, steps: &[u64], counts: &mut Counts) {
    let mut account = account(seed % WORLDS).await;
    let begun = account.clock.now();
    let mut dice = Dice(seed);
    let share = [0.0, 0.05, 0.15, 0.3][dice.below(4) as usize];
    // Half of the seeds leave the first run's reads alone, so that more writes are tried.
    let from = if dice.below(2) == 0 { FIRST_WRITE } else { 0 };
    let kinds = Fault::ALL.to_vec();
    account.server.graph().set_faults(Faults { seed, share, kinds, from, ..Faults::default() });
    let dies_in = dice.below(FAULTY_RUNS as u64 + 2) as usize;
    for (run, steps) in steps.iter().enumerate() {
        next_run(&account, begun, run);
        let life = Life::until((dies_in == run).then(|| 1 + dice.below(*steps)));
        // What ends the run, if it does, is known to whoever started it.
        drop(account.run_mortal(&life, &Options::default()).await);
        if let Some(step) = life.died_at() {
            *counts.deaths.entry(step).or_default() += 1;
            account = account.reopen().unwrap();
        }
    }
    for (fault, hits) in account.server.graph().hits() {
        *counts.faults.entry(*fault).or_default() += hits;
    }
    account.server.graph().set_faults(Faults::default());
    quiet(&account, begun).await;
    counts.compared.add(&ends(&account).await.held_against(whole, &format!("seed {seed}")));
}

/// The dice of a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[tokio::test]
async fn faults_and_deaths_leave_the_account_as_it_would_be_without_them() {
    let seeds = if std::env::var_os("DEAN_SOAK").is_some() { 1_000 } else { 40 };
    let mut wholes = Vec::new();
    for world in 0..WORLDS {
        let account = account(world).await;
        let begun = account.clock.now();
        let mut steps = Vec::new();
        for run in 0..FAULTY_RUNS {
            next_run(&account, begun, run);
            let life = Life::until(None);
            account.run_mortal(&life, &Options::default()).await.unwrap();
            steps.push(life.passed());
        }
        quiet(&account, begun).await;
        wholes.push((ends(&account).await, steps));
    }
    let done: usize =
        wholes.iter().map(|(end, _)| end.actions.iter().filter(|a| a.state == ActionState::Done).count()).sum();
    assert!(done > 10 * WORLDS as usize, "there is enough to go wrong: {done}");
    let mut counts = Counts::default();
    for seed in 0..seeds {
        let (whole, steps) = &wholes[(seed % WORLDS) as usize];
        live(seed, whole, steps, &mut counts).await;
    }
    let Compared { states, alike, set_aside } = &counts.compared;
    println!("{seeds} seeds; faults: {:?}\ndeaths by step: {:?}", counts.faults, counts.deaths);
    println!("rows of the ledger: {states:?}; objects that are alike: {alike}, of failed or dropped rows: {set_aside}");
    assert!(counts.faults.len() >= 12 && counts.deaths.len() >= 6, "{:?} {:?}", counts.faults, counts.deaths);
    assert!(alike > &(5 * set_aside), "{alike} alike, {set_aside} set aside");
}
