//! `dean train`: what models are trained on.

use super::context::{Context, data_dir_only};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::demo::Rules;
use crate::learn::{self, Dataset, Worlds};
use crate::scoring::Models;
use clap::{Args, Subcommand};
use dean_policy::{Limits, Registry, Runtime};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum TrainCommand {
    /// Write what was known of every ad once a day, with what followed, for models/train
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The folder that is written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Live through so many simulated worlds, each a market of its own, in place of the account
    #[arg(long, value_name = "N")]
    worlds: Option<u64>,
    /// The first world's seed; the others follow
    #[arg(long, default_value_t = 1, requires = "worlds")]
    seed: u64,
    /// Days of each world
    #[arg(long, default_value_t = 42, requires = "worlds")]
    days: u32,
}

pub(super) async fn train(global: &Global, command: TrainCommand) -> anyhow::Result<Ended> {
    let TrainCommand::Export(args) = command;
    let dataset = match args.worlds {
        Some(count) => {
            if count == 0 || !(1..=365).contains(&args.days) {
                return Err(Usage("--worlds has to be at least 1, --days 1 to 365".into()).into());
            }
            of_worlds(global, Worlds { seed: args.seed, count, days: args.days }).await?
        }
        None => of_account(global).await?,
    };
    if dataset.samples.is_empty() {
        let hint = "what models are trained on is kept from the first run of each day on: let it run for some weeks, or use --worlds";
        anyhow::bail!("nothing is known yet of any ad on any day\n  hint: {hint}");
    }
    let written = dataset.write(&args.out, args.worlds.is_some());
    written.map_err(|error| anyhow::anyhow!("{}: {error}", args.out.display()))?;
    let settled = dataset.samples.iter().filter(|s| !s.ahead[6][0].is_nan()).count();
    if global.json {
        output::json(&json!({
            "folder": args.out, "rows": dataset.samples.len(), "settled": settled, "left_out": dataset.left_out,
            "simulated": args.worlds.is_some(),
        }));
    } else {
        output::line(&format!(
            "{} rows in {}, {settled} of them with a settled week after them{}.",
            dataset.samples.len(),
            args.out.display(),
            if args.worlds.is_some() { ", all simulated" } else { "" }
        ));
        if dataset.left_out > 0 {
            output::line(&format!("{} rows were left out: their names are not known any more.", dataset.left_out));
        }
    }
    Ok(Ended::Done)
}

async fn of_worlds(global: &Global, worlds: Worlds) -> anyhow::Result<Dataset> {
    let cache = data_dir_only(global)?.join("cache");
    let registry = Registry::new(Runtime::new(Limits::default(), Some(&cache))?);
    let rules = Rules {
        folder: global.config.clone(),
        profile: global.profile.clone(),
        client: global.client.clone(),
        models: Models::none(),
        policies: Vec::new(),
    };
    let days = worlds.count * u64::from(worlds.days);
    let bar = if output::shows_progress(global) { ProgressBar::new(days) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} simulated days")?);
    bar.set_message("living through worlds");
    let dataset = learn::live(worlds, &rules, &registry, &|days| bar.inc(days)).await;
    bar.finish_and_clear();
    dataset
}

async fn of_account(global: &Global) -> anyhow::Result<Dataset> {
    let context = Context::load(global)?;
    let account = context.stored_account()?;
    let attribution = context.effective.config.attribution.to_string();
    learn::look_back(&context.store()?, &account, &attribution).await
}
