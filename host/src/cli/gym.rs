//! `dean gym`: any policy over versioned simulated worlds, and what it has to stand.

use super::output::{self, Usage};
use super::{Ended, Global, policy};
use crate::gym::{self, GymReport, Interval, Question, SUITES, Suite};
use crate::scoring::Models;
use clap::Args;
use dean_policy::types::ANY_STAGE;
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Debug, Args)]
pub(super) struct GymArgs {
    /// A .wasm file, a folder, NAME@VERSION, or the name of a shipped policy
    policy: String,
    /// Only for this stage; the shipped policies decide for the others
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// The version of the worlds; the newest by default
    #[arg(long, value_name = "VERSION")]
    suite: Option<String>,
    /// Only so many worlds of the suite
    #[arg(long, value_name = "N")]
    worlds: Option<usize>,
    /// Decide by rules alone
    #[arg(long)]
    no_ml: bool,
}

/// The stages of the simulated account.
const STAGES: [&str; 3] = ["testing", "validation", "scaling"];

pub(super) async fn gym(global: &Global, args: GymArgs) -> anyhow::Result<Ended> {
    let suite = match &args.suite {
        Some(version) => Suite::find(version).ok_or_else(|| {
            let known: Vec<&str> = SUITES.iter().map(|suite| suite.version).collect();
            Usage(format!("there is no suite {version}\n  hint: there are {}", known.join(", ")))
        })?,
        None => SUITES[SUITES.len() - 1],
    };
    let worlds = args.worlds.unwrap_or(suite.seeds.len());
    if worlds == 0 || worlds > suite.seeds.len() {
        return Err(Usage(format!("--worlds has to be 1 to {}", suite.seeds.len())).into());
    }
    let (registry, tried, named) = policy::for_gym(global, &args.policy).await?;
    let decides = |stage: &&str| tried.manifest().decides_for(stage);
    let stages: Vec<String> = match &args.stage {
        Some(stage) if !STAGES.contains(&stage.as_str()) => {
            return Err(Usage(format!("there is no stage {stage}\n  hint: there are {}", STAGES.join(", "))).into());
        }
        Some(stage) if !decides(&stage.as_str()) => {
            let hint = format!("it decides for {}", tried.manifest().stages.join(", "));
            return Err(Usage(format!("it does not decide for stage {stage}\n  hint: {hint}")).into());
        }
        Some(stage) => vec![stage.clone()],
        None if tried.manifest().stages.iter().any(|stage| stage == ANY_STAGE) => {
            return Err(Usage("it decides for any stage\n  hint: say for which with --stage".into()).into());
        }
        None => STAGES.into_iter().filter(decides).map(String::from).collect(),
    };
    if stages.is_empty() {
        let hint = format!("a simulated account has {}", STAGES.join(", "));
        let of = tried.manifest().stages.join(", ");
        return Err(Usage(format!("it decides for {of}: there is no such stage\n  hint: {hint}")).into());
    }
    let models = if args.no_ml { Models::none() } else { Models::shipped() };
    let bar = if output::shows_progress(global) {
        ProgressBar::new(worlds as u64 * u64::from(suite.days) * 2)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} simulated days")?);
    bar.set_message("living through worlds");
    let question = Question {
        suite,
        worlds,
        policy: &tried,
        named: &named,
        stages: &stages,
        models: &models,
        registry: &registry,
        progress: &|days| bar.inc(days),
    };
    let report = gym::play(question)?;
    bar.finish_and_clear();
    if global.json {
        output::json(&report);
    } else {
        print(&report);
    }
    let answers = report.rows.iter().filter_map(|row| row.failures).sum::<usize>() == 0;
    let stands = answers && report.conformance.iter().all(|finding| finding.broken.is_none());
    Ok(if stands && report.unchanged != Some(false) { Ended::Done } else { Ended::Failed })
}

fn print(report: &GymReport) {
    let stages = report.stages.join(", ");
    output::line(&format!(
        "SIMULATED: suite {}, {} worlds of {} days. It decides for {stages}; the shipped policies for the rest.\n",
        report.suite, report.worlds, report.days
    ));
    let mut table = output::table(&[
        "Who",
        "Profit a world",
        "Beyond shipped",
        "Regret",
        "Wrong kills a world",
        "Flips a world",
        "ns an ad",
    ]);
    for row in &report.rows {
        let share = |kills: usize, wrong: f64| {
            let all = kills as f64 / report.worlds as f64;
            if all > 0.0 { format!("{} of {all:.1}", wrong_of(wrong)) } else { "0 of 0".into() }
        };
        let wrong = row
            .kills
            .zip(row.wrong_kills)
            .map(|(kills, wrong)| format!("{}\n{}", share(kills, wrong.mean), bounds(&wrong, 1)));
        table.add_row([
            row.who.clone(),
            shown(&row.profit, 0),
            if row.who == "shipped" { "-".into() } else { shown(&row.beyond_shipped, 0) },
            shown(&row.regret, 0),
            wrong.unwrap_or_else(|| "-".into()),
            row.flips.map_or_else(|| "-".into(), |flips| shown(&flips, 1)),
            row.ns_an_ad.map_or_else(|| "-".into(), |ns| format!("{ns:.0}")),
        ]);
    }
    output::line(&table.to_string());
    for row in report.rows.iter().filter(|row| row.failures.is_some_and(|failures| failures > 0)) {
        let failures = row.failures.unwrap_or_default();
        let calls = output::counted(failures, "call");
        output::line(&format!("{}: {calls} FAILED, and all ads of the stage were held for that hour.", row.who));
    }
    output::line("Beneath each mean its 95 % interval. Regret: what one who knows every ad's truth makes beyond it.");
    match (&report.fingerprint, report.unchanged) {
        (Some(fingerprint), Some(true)) => {
            output::line(&format!("The worlds are those of suite {} ({}).", report.suite, &fingerprint[..12]))
        }
        (Some(fingerprint), _) => output::line(&format!(
            "These are not the worlds of suite {} any more (their fingerprint is {fingerprint}): do not set this beside earlier figures.",
            report.suite
        )),
        (None, _) => output::line("A part of the suite: do not set this beside figures of all of it."),
    }
    output::line("\nWhat a policy has to stand:");
    for finding in &report.conformance {
        let (mark, why) = match &finding.broken {
            None => ("ok", String::new()),
            Some(why) => ("BROKEN", format!(": {why}")),
        };
        output::line(&format!("  {mark:<6} {}: {}{why}", finding.stage, finding.law));
    }
}

fn wrong_of(wrong: f64) -> String {
    format!("{wrong:.1}")
}

fn bounds(of: &Interval, digits: usize) -> String {
    match (of.low, of.high) {
        (Some(low), Some(high)) => format!("[{low:.digits$}, {high:.digits$}]"),
        _ => "(one world)".into(),
    }
}

fn shown(of: &Interval, digits: usize) -> String {
    format!("{:.digits$}\n{}", of.mean, bounds(of, digits))
}
