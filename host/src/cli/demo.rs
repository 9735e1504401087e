//! `dean demo`: simulated accounts, a summary, a page.

use super::context::data_dir_only;
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::demo::{self, DemoReport, Rules, Spread};
use crate::scoring::Models;
use clap::Args;
use dean_policy::{Limits, Registry, Runtime};
use dean_sim::Params;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Simulated days
    #[arg(long, default_value_t = 21)]
    days: u32,
    /// Worlds: the first through HTTP and the store, the others in process
    #[arg(long, default_value_t = 8)]
    worlds: u64,
    /// The first world's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ads of a world at its beginning
    #[arg(long, default_value_t = 40)]
    ads: usize,
    /// A market of its own for every world, drawn by its seed: other prices, shops, people
    #[arg(long, conflicts_with = "ads")]
    varied: bool,
    /// Decide by rules alone
    #[arg(long)]
    no_ml: bool,
    /// Where the page goes [default: DATA_DIR/demo/report.html]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn demo(global: &Global, args: DemoArgs) -> anyhow::Result<Ended> {
    if args.days == 0 || args.days > 365 || args.worlds == 0 || args.ads == 0 || args.ads > 10_000 {
        return Err(Usage("--days has to be 1 to 365, --worlds at least 1, --ads 1 to 10000".into()).into());
    }
    let data_dir = data_dir_only(global)?;
    let folder = data_dir.join("demo");
    // Each demo begins anew: what an earlier one left would be another history of the same account.
    for name in ["dean.sqlite", "dean.sqlite-wal", "dean.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    let registry = Registry::new(Runtime::new(Limits::default(), Some(&data_dir.join("cache")))?);
    let models = if args.no_ml { Models::none() } else { Models::shipped() };
    let rules = Rules {
        folder: global.config.clone(),
        profile: global.profile.clone(),
        client: global.client.clone(),
        models,
        policies: Vec::new(),
    };
    let market = |seed: u64| {
        if args.varied { Params::varied(seed) } else { Params { ads: args.ads, ..Params::default() } }
    };
    let hours = u64::from(args.days) * 24;
    let bar =
        if output::shows_progress(global) { ProgressBar::new(hours * args.worlds) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} simulated hours")?;
    bar.set_style(style);
    bar.set_message("living through worlds");
    let progress = |hours: u64| bar.inc(hours);

    let seeds = args.seed..args.seed + args.worlds;
    let report = demo::live(market, seeds, args.days, &folder, &rules, &registry, &progress).await?;
    bar.finish_and_clear();

    let page = args.html.unwrap_or_else(|| folder.join("report.html"));
    std::fs::write(&page, demo::page(&report)).map_err(|error| anyhow::anyhow!("{}: {error}", page.display()))?;
    if global.json {
        output::json(&report);
    } else {
        print(&report);
        output::line(&format!("\nThe page: {}", page.display()));
        output::line(&format!(
            "Why any ad was treated as it was: dean --data-dir {} explain \"Ad 001\"",
            folder.display()
        ));
    }
    Ok(Ended::Done)
}

fn print(report: &DemoReport) {
    let worlds = report.worlds.len();
    output::line(&format!(
        "SIMULATED: {} days, hourly, {} ads in {worlds} world(s). No real account, no real money.\n",
        report.days, report.ads
    ));
    output::line(&format!(
        "First world: {} runs, {} decisions, {} ads paused, {} promotions, {} budget changes; {} reads, {} writes.",
        report.runs,
        report.decisions,
        report.kills,
        report.promotions,
        report.budget_changes,
        report.api.reads,
        report.api.writes
    ));
    let caps = report.daily_caps.iter().filter_map(|(stage, cap)| Some(format!("{stage} {:.0}", (*cap)?)));
    let into = report.worlds.iter().flat_map(|w| &w.promoted_into);
    let into = into.fold(BTreeMap::<&str, usize>::new(), |mut sums, (stage, n)| {
        *sums.entry(stage).or_default() += n;
        sums
    });
    let into: Vec<String> = into.iter().map(|(stage, n)| format!("{n} into {stage}")).collect();
    output::line(&format!(
        "At most a day ({}): {}. Completed promotions, all worlds: {}.",
        report.currency,
        caps.collect::<Vec<_>>().join(", "),
        if into.is_empty() { "none".into() } else { into.join(", ") },
    ));
    let mean = |get: fn(&demo::WorldReport) -> f64| report.worlds.iter().map(get).sum::<f64>() / worlds as f64 * 100.0;
    output::line(&format!(
        "Of the last week's spend, ads that earn in truth had {:.0} % with Dean, {:.0} % left alone.",
        mean(|w| w.winners_share),
        mean(|w| w.winners_share_untouched)
    ));
    for example in &report.examples {
        output::line(&format!("  e.g. {example}"));
    }
    let code = &report.currency;
    let mut table = output::table(&[
        "Who runs it",
        &format!("Profit per world ({code})"),
        "95 % interval of the mean",
        "First world",
    ]);
    let first = report.worlds[0].profit;
    let firsts = [first.dean, first.untouched, first.thresholds, first.truth];
    for ((name, spread), first) in report.spreads().iter().zip(firsts) {
        table.add_row([(*name).to_string(), format!("{:.0}", spread.mean), interval(spread), format!("{first:.0}")]);
    }
    output::line(&format!("\n{table}"));
    for (name, gain) in
        [("untouched", report.gain(|p| p.untouched)), ("plain thresholds", report.gain(|p| p.thresholds))]
    {
        output::line(&format!(
            "Dean beyond {name}, world by world: {:+.0} {code} on average {}",
            gain.mean,
            interval(&gain)
        ));
    }
    let (flips, passed) = report.worlds.iter().fold((0, 0), |(f, c), w| (f + w.flips, c + w.caps_passed));
    output::line(&format!(
        "Changes taken back within 24 hours: {flips}. Days on which a stage passed its cap: {passed}."
    ));
    output::line("Profit = attributed revenue - cost of goods - spend, once everything has settled.");
}

fn interval(spread: &Spread) -> String {
    if spread.half_width.is_nan() {
        return "(one world: no interval)".into();
    }
    format!("[{:.0}, {:.0}]", spread.mean - spread.half_width, spread.mean + spread.half_width)
}
