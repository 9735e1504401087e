//! Ghost mode: a stage that nobody let act decides, is judged, and does nothing. What it would have done with an ad is
//! kept, the first time that it would have, so that a person can look how it turned out before letting it act.

use super::Runner;
use super::observe::Observation;
use super::report::RunReport;
use crate::domain::{Currency, Facts, Money, hours};
use crate::guard::GHOST;
use crate::health::Health;
use crate::store::{GhostIntentRow, StageModeRow, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Days that a stage observes until its report says something.
pub const GHOST_DAYS: f64 = 7.0;

/// What is known of stages that only observe.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    /// Their names, with since when they observe.
    pub stages: BTreeMap<String, Timestamp>,
    /// Ads that they would have done something with, with what.
    intended: BTreeSet<(String, String)>,
}

impl Ghosts {
    /// Whether the same was intended before: as far as a ghost knows it is done.
    pub(super) fn intended(&self, ad: &str, kind: &str) -> bool {
        self.intended.contains(&(ad.to_string(), kind.to_string()))
    }

    /// What a person should know of them.
    pub(super) fn health(&self) -> Vec<Health> {
        let line = |(stage, since): (&String, &Timestamp)| Health {
            source: "ghost".into(),
            level: "warning".into(),
            message: format!(
                "stage {stage} observes since {since} and changes nothing; `dean go-live --stage {stage}` shows how what it \
                 would have done turned out, and lets it act"
            ),
            stops: Some(format!("writes of stage {stage}")),
        };
        self.stages.iter().map(line).collect()
    }
}

impl Runner<'_> {
    /// The stages that only observe. One that is seen for the first time begins to.
    pub(super) async fn ghosts(&self, observation: &Observation, observes: bool) -> anyhow::Result<Ghosts> {
        let mut ghosts = Ghosts::default();
        if !observes {
            return Ok(ghosts);
        }
        let account = &observation.account.id;
        let modes = self.store.stage_modes(account).await?;
        for policy in self.policies {
            let stage = &policy.view.name;
            let known = modes.iter().find(|mode| mode.stage == *stage);
            if known.is_some_and(|mode| mode.live_since.is_some()) {
                continue;
            }
            let since = known.map_or(observation.at, |mode| mode.observed_since);
            if known.is_none() {
                let (account_id, stage) = (account.clone(), stage.clone());
                let row = StageModeRow { account_id, stage, observed_since: since, live_since: None };
                self.store.save_stage_mode(&row).await?;
            }
            ghosts.stages.insert(stage.clone(), since);
        }
        let intents = self.store.ghost_intents(account).await?;
        ghosts.intended = intents.into_iter().map(|intent| (intent.ad_id, intent.kind)).collect();
        Ok(ghosts)
    }

    /// Keeps what stages that only observe would have done.
    pub(super) async fn remember_intents(&self, observation: &Observation, report: &RunReport) -> anyhow::Result<()> {
        let mut today: HashMap<&str, Facts> = HashMap::new();
        for day in observation.days.iter().filter(|day| day.date == observation.today) {
            *today.entry(&day.ad_id).or_default() += &day.facts;
        }
        let held = |d: &&super::Decision| d.held.as_ref().is_some_and(|held| held.by == GHOST);
        let row = |d: &super::Decision| GhostIntentRow {
            account_id: report.account.clone(),
            ad_id: d.ad_id.clone(),
            kind: d.verb.as_str().into(),
            ad_name: d.ad_name.clone(),
            stage: d.stage.clone(),
            rule: d.rule.clone().unwrap_or_default(),
            why: wanted(d),
            at: observation.at,
            run_id: report.run_id.clone(),
            // Plain numbers always have a JSON form.
            today: serde_json::to_string(&today.get(d.ad_id.as_str()).copied().unwrap_or_default()).unwrap_or_default(),
        };
        let intents: Vec<GhostIntentRow> = report.decisions.iter().filter(held).map(row).collect();
        Ok(self.store.save_ghost_intents(&intents).await?)
    }
}

/// What the policy wanted and why, without who held it.
fn wanted(d: &super::Decision) -> String {
    let held = d.held.as_ref().map(|held| format!("Held by {}: {}. ", held.by, held.reason));
    d.why.strip_prefix(held.unwrap_or_default().as_str()).unwrap_or(&d.why).into()
}

/// How what a stage would have done turned out.
#[derive(Clone, Debug, Serialize)]
pub struct GhostReport {
    /// The account.
    pub account: String,
    /// The stage.
    pub stage: String,
    /// Since when it observes; null when it never ran.
    pub observed_since: Option<Timestamp>,
    /// Since when it acts; null while it only observes.
    pub live_since: Option<Timestamp>,
    /// Days that it observed.
    pub observed_days: f64,
    /// What it would have done, oldest first.
    pub intents: Vec<GhostOutcome>,
    /// What the ads lost, in what went on after they would have been paused, that spent enough to say; major units.
    pub saved: f64,
    /// What others of them earned, which pausing them would have cost.
    pub missed: f64,
}

/// What a stage would have done with an ad, and what the ad did since.
#[derive(Clone, Debug, Serialize)]
pub struct GhostOutcome {
    /// The ad.
    pub ad_id: String,
    /// Its name.
    pub ad_name: String,
    /// `pause`, `promote`, `duplicate`, `resume` or `refresh`.
    pub kind: String,
    /// The rule.
    pub rule: String,
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// Why, in words.
    pub why: String,
    /// What the ad did since.
    pub since: Since,
    /// Whether that speaks for it; null while too little was spent to say.
    pub right: Option<bool>,
}

/// What an ad did since a moment; money in major units.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Since {
    /// Spend.
    pub spend: f64,
    /// Purchases.
    pub purchases: f64,
    /// Cost per purchase; null without one.
    pub cpa: Option<f64>,
    /// Revenue less cost of goods and spend; null where revenue is not known.
    pub profit: Option<f64>,
}

/// What numbers are meant in, and what an order costs.
#[derive(Clone, Debug)]
pub struct Economy {
    /// The currency.
    pub currency: Currency,
    /// The zone in which days are days.
    pub zone: TimeZone,
    /// Cost of goods of a purchase, major units.
    pub cogs: f64,
    /// What has to be spent before an ad says anything, major units: what a purchase may cost.
    pub enough: f64,
}

/// How what a stage would have done turned out so far.
///
/// # Errors
/// When the store fails.
pub async fn ghost_report(
    store: &dyn Store,
    account: &str,
    attribution: &str,
    stage: &str,
    economy: &Economy,
    now: Timestamp,
) -> anyhow::Result<GhostReport> {
    let mode = store.stage_modes(account).await?.into_iter().find(|mode| mode.stage == stage);
    let mut intents = store.ghost_intents(account).await?;
    intents.retain(|intent| intent.stage == stage);
    let day = |at: Timestamp| at.to_zoned(economy.zone.clone()).date();
    let first = intents.iter().map(|intent| day(intent.at)).min().unwrap_or(day(now));
    let mut facts: HashMap<String, Vec<(jiff::civil::Date, Facts)>> = HashMap::new();
    for row in store.days_since(account, attribution, first).await? {
        facts.entry(row.ad_id).or_default().push((row.date, row.facts));
    }
    let mut report = GhostReport {
        account: account.into(),
        stage: stage.into(),
        observed_since: mode.as_ref().map(|mode| mode.observed_since),
        live_since: mode.as_ref().and_then(|mode| mode.live_since),
        observed_days: mode
            .as_ref()
            .map_or(0.0, |mode| hours(mode.observed_since, mode.live_since.unwrap_or(now)) / 24.0),
        intents: Vec::new(),
        saved: 0.0,
        missed: 0.0,
    };
    for intent in intents {
        let before: Facts = serde_json::from_str(&intent.today).unwrap_or_default();
        let from = day(intent.at);
        let mut after = Facts::default();
        facts.get(&intent.ad_id).into_iter().flatten().filter(|(date, _)| *date >= from).for_each(|(_, f)| after += f);
        let since = since(&before, &after, economy);
        let right = (since.spend >= economy.enough).then_some(since.profit).flatten().map(|profit| {
            match intent.kind.as_str() {
                "pause" | "refresh" => profit < 0.0,
                _ => profit >= 0.0,
            }
        });
        if let (Some(right), Some(profit), "pause") = (right, since.profit, intent.kind.as_str()) {
            if right {
                report.saved -= profit;
            } else {
                report.missed += profit;
            }
        }
        report.intents.push(GhostOutcome {
            ad_id: intent.ad_id,
            ad_name: intent.ad_name,
            kind: intent.kind,
            rule: intent.rule,
            at: intent.at,
            run_id: intent.run_id,
            why: intent.why,
            since,
            right,
        });
    }
    Ok(report)
}

/// What an ad did after a moment: its days from that day on, less what the day had been until then.
fn since(before: &Facts, after: &Facts, economy: &Economy) -> Since {
    let major = |money: Money| economy.currency.to_major(money);
    let spend = major((after.spend - before.spend).max(Money::ZERO));
    let purchases = (after.purchases - before.purchases).max(0.0);
    let revenue = after.revenue.zip(before.revenue).map(|(after, before)| major(after - before));
    Since {
        spend,
        purchases,
        cpa: (purchases > 0.0).then(|| spend / purchases),
        profit: revenue.map(|revenue| revenue - purchases * economy.cogs - spend),
    }
}
