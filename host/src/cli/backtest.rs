//! `dean backtest`: another policy or other settings over the runs that the journal has.

use super::context::Context;
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::compare::{self, Comparison, Question, Tried};
use crate::config;
use crate::policies::{self, StagePolicy};
use crate::store::Store;
use anyhow::Context as _;
use clap::Args;
use dean_policy::Registry;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// The policy that is tried: NAME, NAME@VERSION, or a file or folder; without it the client's own, with other settings
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// What it is compared against; without it, with what was decided then
    #[arg(long, value_name = "POLICY")]
    against: Option<String>,
    /// Only for this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// A setting of the tried policy: KEY=VALUE as in the stage's table of rules.toml, or thresholds.KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// How far back from the newest run: days (90d), hours (48h), or a moment
    #[arg(long, default_value = "90d", value_name = "SPAN")]
    since: String,
    /// Where a page goes
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Where a value of the command line comes from.
const SET: &str = "--set";
const POLICY: &str = "--policy";
const AGAINST: &str = "--against";

/// Differences that are listed; the page has more, and --json all.
const LISTED: usize = 15;

pub(super) async fn backtest(global: &Global, args: BacktestArgs) -> anyhow::Result<Ended> {
    if args.policy.is_none() && args.settings.is_empty() {
        let hint = "name what is tried: --policy NAME, NAME@VERSION or a file, or other settings with --set KEY=VALUE";
        return Err(Usage(format!("there is nothing to try\n  hint: {hint}")).into());
    }
    let context = Context::load(global)?;
    let store = context.store()?;
    let account = context.account_with_runs(&store).await?;
    let registry = context.registry()?;
    let trying = Trying { global, context: &context, registry: &registry, stage: args.stage.as_deref() };
    let tried = trying.stages(args.policy.as_deref(), POLICY, &args.settings).await?;
    let against = match &args.against {
        Some(policy) => Some(trying.against(policy, &tried).await?),
        None => None,
    };
    // Better now than after minutes of work.
    if let Some(file) = &args.html {
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        opened.map_err(|error| Usage(format!("--html {}: {error}\n  hint: name another file", file.display())))?;
    }
    let newest = store.journalled_runs(&account, Timestamp::MIN, Timestamp::MAX).await?.pop();
    let Some(newest) = newest else {
        return Err(Usage(format!(
            "account {account} has no run yet: a backtest looks at what runs saw\n  hint: `dean run` every hour fills \
             the journal; `dean demo` makes one to try, then --data-dir DATA_DIR/demo"
        ))
        .into());
    };
    let frame = context.frame(&store, &account).await?;
    let since = since(&args.since, newest.as_of, &frame.zone)?;
    if since > newest.as_of {
        let message = format!("--since {}: the newest run is of {}", args.since, newest.as_of);
        return Err(Usage(message).into());
    }
    let bar = if output::shows_progress(global) { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} runs")?);
    bar.set_message("asking again");
    let progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let config = &context.effective.config;
    let question = Question {
        account: &account,
        client: &context.effective.client,
        since,
        until: Timestamp::MAX,
        tried: Tried::Policies(&tried),
        against: against.as_deref(),
        attribution: &config.attribution.to_string(),
        cogs_per_purchase: config.economics.cogs_per_purchase,
        progress: &progress,
    };
    let report = compare::compare(&store, question).await?;
    bar.finish_and_clear();
    if let Some(file) = &args.html {
        std::fs::write(file, compare::page(&report)).with_context(|| file.display().to_string())?;
    }
    if global.json {
        output::json(&report);
    } else {
        print(&report);
        args.html.iter().for_each(|file| output::line(&format!("\nThe page: {}", file.display())));
    }
    Ok(Ended::Done)
}

/// Since when, counted back from the newest run; a day is the account's.
fn since(text: &str, newest: Timestamp, zone: &TimeZone) -> Result<Timestamp, Usage> {
    let wrong = || {
        Usage(format!(
            "--since {text} is no span and no moment\n  hint: write 90d, 48h, 2026-06-01 (a day of the account) or \
             2026-06-01T12:00:00Z"
        ))
    };
    let span = |unit: char| text.strip_suffix(unit).and_then(|count| count.parse::<u32>().ok());
    if let Some(hours) = span('d').map(|days| i64::from(days) * 24).or(span('h').map(i64::from)) {
        let span = Span::new().try_hours(hours).map_err(|_| wrong())?;
        return newest.checked_sub(span).map_err(|_| wrong());
    }
    let is_day = text.len() == "2026-06-01".len();
    let day = || text.parse::<Date>().ok().filter(|_| is_day)?.to_zoned(zone.clone()).ok();
    text.parse().ok().or_else(|| day().map(|day| day.timestamp())).ok_or_else(wrong)
}

struct Trying<'a> {
    global: &'a Global,
    context: &'a Context,
    registry: &'a Registry,
    stage: Option<&'a str>,
}

impl Trying<'_> {
    /// The stages as a policy would decide for them under the client's settings and some others.
    async fn stages(
        &self,
        policy: Option<&str>,
        flag: &'static str,
        settings: &[String],
    ) -> anyhow::Result<Vec<StagePolicy>> {
        let Context { effective, sources, folder, .. } = self.context;
        let policy = policy.map(|name| super::policy::built(&self.context.data_dir, name)).transpose()?;
        let policy = policy.as_deref();
        let stages: Vec<String> = effective.config.stages().into_iter().map(|stage| stage.name).collect();
        if let Some(stage) = self.stage.filter(|stage| !stages.iter().any(|known| known == stage)) {
            return Err(Usage(format!("there is no stage {stage}\n  hint: there are {}", stages.join(", "))).into());
        }
        let settings = settings.iter().map(|text| Setting::read(text, &stages)).collect::<Result<Vec<_>, Usage>>()?;
        let chosen: Vec<String> = match (policy, self.stage) {
            (_, Some(stage)) => vec![stage.into()],
            (Some(policy), None) => self.stages_of(policy, stages).await?,
            // Settings that name their stages are tried there.
            (None, None) if settings.iter().all(|setting| setting.stage.is_some()) => {
                stages.into_iter().filter(|stage| settings.iter().any(|s| s.stage == Some(stage))).collect()
            }
            (None, None) => stages,
        };
        for setting in &settings {
            if let Some(stage) = setting.stage.filter(|stage| !chosen.iter().any(|known| known == stage)) {
                let hint = format!("compared are {}; --stage {stage} compares that one", chosen.join(", "));
                let message = format!("--set {stage}.{}: stage {stage} is not compared\n  hint: {hint}", setting.key);
                return Err(Usage(message).into());
            }
        }
        let mut sources = sources.clone();
        for stage in policy.iter().flat_map(|_| &chosen) {
            sources.flags.push((format!("stages.{stage}.policy"), policy.into(), flag));
            // What is only asked writes nothing: neither pins nor signatures are in its way.
            sources.flags.push((format!("stages.{stage}.policy_sha256"), Value::Null, flag));
            sources.flags.push(("policies.require_signed".into(), false.into(), flag));
        }
        for setting in &settings {
            let key = match (setting.stage, chosen.as_slice()) {
                _ if setting.key.starts_with("thresholds.") => format!("rules.{}", setting.key),
                (Some(stage), _) => format!("rules.{stage}.{}", setting.key),
                (None, [only]) => format!("rules.{only}.{}", setting.key),
                (None, _) => {
                    let hint = format!("write --set STAGE.{}=..., or add --stage: {}", setting.key, chosen.join(", "));
                    return Err(Usage(format!("--set {}: for which stage?\n  hint: {hint}", setting.key)).into());
                }
            };
            sources.flags.push((key, setting.value.clone(), SET));
        }
        let effective = config::load(&sources)?;
        let store = self.context.store()?;
        let shelf = policies::Shelf::load(&store, &effective, folder).await?;
        let scores = self.context.scores().await?;
        let mut prepared = policies::prepare(&effective, self.registry, &shelf, folder, &scores)?;
        prepared.retain(|stage| chosen.contains(&stage.view.name));
        for stage in &prepared {
            let name = &stage.view.name;
            let problem = stage.broken().or_else(|| stage.ready()?.instead.as_deref());
            if let Some(problem) = problem {
                return Err(Usage(format!("stage {name}: {problem}")).into());
            }
        }
        let is_named = |stage: &str| self.stage == Some(stage) || settings.iter().any(|s| s.stage == Some(stage));
        let nobody = |stage: &&StagePolicy| stage.ready().is_none() && is_named(&stage.view.name);
        if let Some(nobody) = prepared.iter().find(nobody) {
            let (name, hint) = (&nobody.view.name, "name one with --policy");
            return Err(Usage(format!("stage {name} has no policy that could be set otherwise\n  hint: {hint}")).into());
        }
        prepared.retain(|stage| stage.ready().is_some());
        let unread = prepared.iter().filter_map(StagePolicy::ready).flat_map(|ready| &ready.unread);
        if let Some(key) = unread.into_iter().find(|key| key.ends_with(&format!("({SET})"))) {
            let hint = "`dean policy show` lists its settings";
            return Err(Usage(format!("{key} is no setting of the tried policy\n  hint: {hint}")).into());
        }
        if policy.is_none() {
            let present = policies::prepare(&self.context.effective, self.registry, &shelf, folder, &scores)?;
            prepared.retain(|stage| {
                let is_same = |now: &&StagePolicy| now.view.name == stage.view.name && same_settings(now, stage);
                !present.iter().any(|now| is_same(&now))
            });
            if prepared.is_empty() {
                return Err(Usage("these settings hold already: nothing would differ".into()).into());
            }
        }
        Ok(prepared)
    }

    /// The stages as another policy would decide for them that is tried.
    async fn against(&self, policy: &str, tried: &[StagePolicy]) -> anyhow::Result<Vec<StagePolicy>> {
        let mut against = self.stages(Some(policy), AGAINST, &[]).await?;
        let is_there =
            |stage: &StagePolicy, among: &[StagePolicy]| among.iter().any(|s| s.view.name == stage.view.name);
        if let Some(stage) = tried.iter().find(|stage| !is_there(stage, &against)) {
            let decides: Vec<&str> = against.iter().map(|stage| stage.view.name.as_str()).collect();
            return Err(Usage(format!(
                "--against {policy} does not decide for stage {}, where it is tried\n  hint: it decides for {}",
                stage.view.name,
                decides.join(", ")
            ))
            .into());
        }
        against.retain(|stage| is_there(stage, tried));
        Ok(against)
    }

    /// The configured stages that a policy decides for.
    async fn stages_of(&self, policy: &str, stages: Vec<String>) -> anyhow::Result<Vec<String>> {
        let policy = super::policy::named(self.global, policy).await?;
        let manifest = policy.manifest();
        let named: Vec<String> = stages.iter().filter(|stage| manifest.stages.contains(stage)).cloned().collect();
        if named.is_empty() {
            let hint = format!("say for which with --stage: {}", stages.join(", "));
            return Err(Usage(format!("{} decides for any stage\n  hint: {hint}", manifest.name)).into());
        }
        Ok(named)
    }
}

fn same_settings(a: &StagePolicy, b: &StagePolicy) -> bool {
    a.ready().map(|ready| &ready.settings) == b.ready().map(|ready| &ready.settings)
}

/// A setting of the command line.
struct Setting<'a> {
    /// The stage, where the key names it.
    stage: Option<&'a str>,
    key: &'a str,
    /// A number, a flag or a text.
    value: Value,
}

impl<'a> Setting<'a> {
    fn read(text: &'a str, stages: &[String]) -> Result<Self, Usage> {
        let wrong = || Usage(format!("--set {text}: it has no value\n  hint: write --set KEY=VALUE"));
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(wrong)?;
        let read: Option<Value> = serde_json::from_str(value).ok();
        let value = read.filter(|value| value.is_number() || value.is_boolean()).unwrap_or_else(|| value.into());
        Ok(match key.split_once('.').filter(|(stage, _)| stages.iter().any(|known| known == stage)) {
            Some((stage, key)) => Setting { stage: Some(stage), key, value },
            None => Setting { stage: None, key, value },
        })
    }
}

pub(super) fn print(report: &Comparison) {
    for stage in &report.stages {
        let before = if stage.before.is_empty() { "nobody".into() } else { stage.before.join(", ") };
        output::line(&format!("Stage {}: {} in place of {before}", stage.stage, stage.after));
    }
    report.headline().iter().for_each(|line| output::line(line));
    if !report.rules.is_empty() {
        let mut table = output::table(&[
            "Stage",
            "Rule",
            "Does",
            "Before",
            "After",
            "Same",
            "Earlier",
            "Later",
            "Amount",
            "Gone",
            "New",
            "Budget moved",
        ]);
        for line in &report.rules {
            let moved = |amount: f64| format!("{amount:.0}");
            let budget = match line.does.as_str() {
                "budget" => format!("{} -> {}", moved(line.budget.before), moved(line.budget.after)),
                _ => String::new(),
            };
            let counts =
                [line.before, line.after, line.same, line.earlier, line.later, line.amount, line.gone, line.new];
            let mut cells = vec![line.stage.clone(), line.rule.clone(), line.does.clone()];
            cells.extend(counts.iter().map(|count| if *count == 0 { "-".into() } else { count.to_string() }));
            cells.push(budget);
            table.add_row(cells);
        }
        output::line(&format!("\n{table}"));
    }
    if !report.differences.is_empty() {
        let shown = report.differences.len().min(LISTED);
        output::line(&format!(
            "\nWhere they differ ({shown} of {}, oldest first; --json has all):",
            report.differences.len()
        ));
    }
    for d in report.differences.iter().take(LISTED) {
        let by = d.hours.filter(|hours| *hours != 0.0).map(|hours| format!(" by {:.0} h", hours.abs()));
        let rule = d.after.as_ref().or(d.before.as_ref()).map(|done| done.rule.as_str()).unwrap_or_default();
        let outcome = d.outcome_words(&report.currency);
        let outcome = if outcome.is_empty() { outcome } else { format!("; it went on to make {outcome}") };
        output::line(&format!(
            "  {} {} {} {}: {}{} ({rule}){outcome}",
            d.at,
            d.stage,
            d.does,
            d.subject(),
            d.change,
            by.unwrap_or_default()
        ));
    }
    output::line("\nWhat this cannot say:");
    report.unknown.iter().for_each(|line| output::line(&format!("  - {line}")));
}
