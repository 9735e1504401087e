//! Learn: what a run saw and did, as rows of the tables that the product's users know.

use super::account::AccountNumbers;
use super::decide::Decided;
use super::measure::lives;
use super::observe::Observation;
use super::report::RunReport;
use crate::domain::{Ad, Facts, Money};
use crate::features;
use crate::guard::Situation;
use crate::ledger::kind;
use crate::policies::StagePolicy;
use crate::scoring::Scored;
use crate::store::tables::{
    ACCOUNT_HEALTH, CREATIVE_INTELLIGENCE, CREATIVE_SIMILARITY, Cell, DAILY_SUMMARIES, FATIGUE_ANALYSIS,
    FEATURE_ENGINEERING, FEATURE_SCHEMAS, LEARNING_EVENTS, META_CREATIVES, ML_PREDICTIONS, PERFORMANCE_PATTERNS,
    SYSTEM_HEALTH, TEMPORAL_ANALYSIS, TIME_SERIES_DATA,
};
use crate::store::{ActionRow, ActionState, LifecycleRow, Store, StoreError, Table};
use jiff::civil::Date;
use std::collections::{BTreeMap, HashMap};

/// Complete days behind a look at weekdays: each weekday as often as the others.
const WEEKDAY_DAYS: i32 = 35;
/// Days whose summaries are written again, because late conversions change them.
const SUMMARY_DAYS: i32 = 7;

/// What the rows are made of.
pub(super) struct Learned<'a> {
    pub observation: &'a Observation,
    pub policies: &'a [StagePolicy],
    pub decided: &'a [Decided],
    pub lifecycle: &'a [LifecycleRow],
    pub numbers: &'a AccountNumbers,
    pub scored: &'a Scored,
    pub situation: &'a Situation,
    /// Actions of the last weeks, those of this run among them.
    pub actions: &'a [ActionRow],
    pub report: &'a RunReport,
}

pub(super) type Rows = Vec<Vec<Cell>>;

impl Learned<'_> {
    /// Writes all of it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn save(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut tables: Vec<(&'static Table, Rows)> = vec![
            (&META_CREATIVES, self.creatives()),
            (&TIME_SERIES_DATA, self.time_series()),
            (&DAILY_SUMMARIES, self.summaries()),
            (&ACCOUNT_HEALTH, vec![self.account_health()]),
            (&SYSTEM_HEALTH, self.system_health()),
            (&LEARNING_EVENTS, self.learning_events()),
        ];
        // These look at complete days, which are the same until the next one ends.
        if self.observation.new_day {
            tables.push((&FATIGUE_ANALYSIS, self.fatigue()));
            tables.push((&CREATIVE_INTELLIGENCE, self.creative_intelligence()));
            tables.push((&TEMPORAL_ANALYSIS, self.weekdays()));
            tables.push((&PERFORMANCE_PATTERNS, self.performance_patterns()));
            tables.push((&FEATURE_ENGINEERING, self.features()));
            tables.push((&FEATURE_SCHEMAS, vec![self.feature_names()]));
            tables.push((&ML_PREDICTIONS, self.predictions()));
            tables.push((&CREATIVE_SIMILARITY, self.similar_creatives()));
        }
        for (table, rows) in tables {
            store.upsert(table, &rows).await?;
        }
        Ok(())
    }

    pub(super) fn account(&self) -> Cell {
        self.observation.account.id.as_str().into()
    }

    pub(super) fn today(&self) -> Cell {
        self.observation.today.to_string().into()
    }

    /// The position of the stage that an ad's campaign belongs to.
    fn stage_of(&self, ad: &Ad) -> Option<usize> {
        let campaign = ad.campaign_id.as_ref()?;
        self.policies.iter().position(|p| p.view.campaigns.contains(campaign))
    }

    fn stage_name(&self, ad: &Ad) -> Option<&str> {
        self.stage_of(ad).map(|i| self.policies[i].view.name.as_str())
    }

    fn creatives(&self) -> Rows {
        let sources: HashMap<&str, &str> =
            self.lifecycle.iter().filter_map(|l| Some((l.ad_id.as_str(), l.source_ad_id.as_deref()?))).collect();
        let row = |ad: &Ad| {
            let creative = ad.creative.as_ref();
            vec![
                self.account(),
                ad.id.as_str().into(),
                ad.name.as_str().into(),
                creative.map(|c| c.id.as_str()).into(),
                creative.map(|c| c.name.as_str()).into(),
                creative.and_then(|c| c.story_id.as_deref()).into(),
                ad.adset_id.as_deref().into(),
                ad.campaign_id.as_deref().into(),
                self.stage_name(ad).into(),
                ad.effective_status.0.as_str().into(),
                sources.get(ad.id.as_str()).copied().into(),
                ad.created.map(|at| at.as_second()).into(),
            ]
        };
        self.observation.ads.iter().map(row).collect()
    }

    fn time_series(&self) -> Rows {
        let at = self.observation.at.as_second();
        // Ads that are not decided on spend too.
        let mut today: BTreeMap<&str, Facts> = BTreeMap::new();
        for day in self.observation.days.iter().filter(|day| day.date == self.observation.today) {
            let ad = self.observation.index.get(&day.ad_id).map(|&i| &self.observation.ads[i]);
            if let Some(stage) = ad.and_then(|ad| self.stage_name(ad)) {
                *today.entry(stage).or_default() += &day.facts;
            }
        }
        let row = |policy: &StagePolicy| {
            let name = policy.view.name.as_str();
            let stage = self.situation.stages.get(name);
            let today = today.get(name).copied().unwrap_or_default();
            vec![
                self.account(),
                name.into(),
                at.into(),
                stage.map(|s| i64::from(s.live_ads)).into(),
                stage.map(|s| s.budgets.0).into(),
                today.spend.0.into(),
                today.purchases.into(),
                today.revenue.map(|revenue| revenue.0).into(),
            ]
        };
        self.policies.iter().map(row).collect()
    }

    fn summaries(&self) -> Rows {
        let zone = &self.observation.account.zone;
        let mut days: BTreeMap<(Date, &str), Facts> = BTreeMap::new();
        for day in &self.observation.days {
            let ad = self.observation.index.get(&day.ad_id).map(|&i| &self.observation.ads[i]);
            let stage = ad.and_then(|ad| self.stage_name(ad));
            if let (Some(stage), 0..=SUMMARY_DAYS) = (stage, self.observation.days_ago(day.date)) {
                *days.entry((day.date, stage)).or_default() += &day.facts;
            }
        }
        let count = |date: Date, stage: &str, kind: &str| {
            let of_day = |a: &&ActionRow| a.planned_at.to_zoned(zone.clone()).date() == date;
            let done = self.actions.iter().filter(|a| a.state == ActionState::Done && a.kind == kind);
            done.filter(|a| a.stage == stage).filter(of_day).count() as i64
        };
        let row = |((date, stage), facts): (&(Date, &str), &Facts)| {
            let ago = self.observation.days_ago(*date).max(0) as usize;
            vec![
                self.account(),
                date.to_string().into(),
                (*stage).into(),
                facts.spend.0.into(),
                facts.impressions.into(),
                facts.clicks.into(),
                facts.add_to_cart.into(),
                facts.purchases.into(),
                facts.revenue.map(|m| m.0).into(),
                self.numbers.basis.settled(ago).into(),
                count(*date, stage, kind::PAUSE).into(),
                count(*date, stage, kind::RESUME).into(),
                count(*date, stage, kind::COPY_AD).into(),
                count(*date, stage, kind::SET_BUDGET).into(),
            ]
        };
        days.iter().map(row).collect()
    }

    fn account_health(&self) -> Vec<Cell> {
        let account = &self.observation.account;
        let minor = |money: Option<Money>| Cell::from(money.map(|m| m.0));
        vec![
            self.account(),
            self.observation.at.as_second().into(),
            format!("{:?}", account.status).into(),
            account.status.advice().into(),
            minor(account.balance),
            minor(account.amount_spent),
            minor(account.spend_cap),
            self.numbers.recent_cpa.into(),
            self.numbers.breakeven_cpa.into(),
            self.situation.stopped.as_ref().map(|s| s.by.as_str()).into(),
            self.situation.growth_stopped.as_deref().into(),
        ]
    }

    fn system_health(&self) -> Rows {
        let row = |component: String, ok: bool, message: Option<String>, value: f64| {
            let status = if ok { "ok" } else { "problem" };
            let run = self.report.run_id.as_str();
            vec![self.account(), run.into(), component.into(), status.into(), message.into(), value.into()]
        };
        let api = &self.report.api;
        let calls =
            format!("{} reads, {} writes, {} retries, {} throttled", api.reads, api.writes, api.retries, api.throttled);
        let problems = &self.observation.problems;
        let mut rows = vec![
            row("api".into(), api.throttled == 0, Some(calls), api.reads as f64),
            row("data".into(), problems.is_empty(), problems.values().next().cloned(), problems.len() as f64),
            row("run_ms".into(), true, None, self.report.timings_ms.get("total").copied().unwrap_or(f64::NAN)),
        ];
        for model in &self.report.models {
            let name = format!("model {}", model.model);
            let message = model.problem.clone().or_else(|| model.outside.clone());
            rows.push(row(name, model.problem.is_none(), message, model.ads as f64));
        }
        for stage in &self.report.stages {
            let name = format!("policy {}", stage.name);
            rows.push(row(name, stage.fault.is_none(), stage.fault.clone(), stage.ads as f64));
        }
        rows
    }

    fn fatigue(&self) -> Rows {
        const COLUMNS: [&str; 8] = [
            "fatigue_index",
            "decay_rate",
            "half_life_days",
            "ctr_7d",
            "ctr_peak",
            "ctr_ewma",
            "momentum_7d",
            "frequency_7d",
        ];
        let mut rows = Vec::new();
        for (policy, decided) in self.policies.iter().zip(self.decided) {
            let stage = &decided.stage;
            let values = COLUMNS.map(|name| {
                let column = features::find(name);
                column.map(|c| c.values(&stage.frame, &self.numbers.basis, stage.marks())).unwrap_or_default()
            });
            for (row, &ad) in stage.ads.iter().enumerate() {
                let ad = &self.observation.ads[ad];
                let mut cells = vec![self.account(), ad.id.as_str().into(), self.today()];
                cells.push(policy.view.name.as_str().into());
                cells.extend(values.iter().map(|column| Cell::from(column.get(row).copied())));
                rows.push(cells);
            }
        }
        rows
    }

    /// Creatives with what they did, best expected cost first.
    fn creative_intelligence(&self) -> Rows {
        struct Creative<'a> {
            name: &'a str,
            ads: i64,
            live: i64,
            stage: Option<usize>,
            facts: Facts,
            expected_cpa: f64,
        }
        let currency = &self.observation.account.currency;
        let lives = lives(self.observation);
        let mut creatives: BTreeMap<&str, Creative<'_>> = BTreeMap::new();
        for ad in &self.observation.ads {
            let Some(creative) = &ad.creative else { continue };
            let known = creatives.entry(&creative.id).or_insert_with(|| Creative {
                name: &creative.name,
                ads: 0,
                live: 0,
                stage: None,
                facts: Facts::default(),
                expected_cpa: f64::NAN,
            });
            known.ads += 1;
            known.live += i64::from(ad.effective_status.is_active());
            known.stage = known.stage.max(self.stage_of(ad));
            if let Some(facts) = lives.get(ad.id.as_str()) {
                known.facts += facts;
            }
        }
        let prior = self.numbers.basis.purchase_prior(self.numbers.breakeven_cpa);
        for creative in creatives.values_mut() {
            let spend = currency.to_major(creative.facts.spend);
            creative.expected_cpa = prior.map_or(f64::NAN, |p| 1.0 / p.after(creative.facts.purchases, spend).mean());
        }
        let mut order: Vec<(&str, &Creative<'_>)> = creatives.iter().map(|(id, c)| (*id, c)).collect();
        order.sort_by(|(a, x), (b, y)| x.expected_cpa.total_cmp(&y.expected_cpa).then_with(|| a.cmp(b)));
        let row = |(rank, (id, c)): (usize, &(&str, &Creative<'_>))| {
            vec![
                self.account(),
                (*id).into(),
                c.name.into(),
                c.ads.into(),
                c.live.into(),
                c.stage.map(|i| self.policies[i].view.name.as_str()).into(),
                c.facts.spend.0.into(),
                c.facts.impressions.into(),
                c.facts.clicks.into(),
                c.facts.add_to_cart.into(),
                c.facts.purchases.into(),
                c.facts.revenue.map(|m| m.0).into(),
                c.expected_cpa.into(),
                (rank as i64 + 1).into(),
                self.today(),
            ]
        };
        order.iter().enumerate().map(row).collect()
    }

    fn weekdays(&self) -> Rows {
        let mut slots: BTreeMap<i64, (Facts, std::collections::BTreeSet<Date>)> = BTreeMap::new();
        let mut all = Facts::default();
        for day in &self.observation.days {
            if (1..=WEEKDAY_DAYS).contains(&self.observation.days_ago(day.date)) {
                let slot = slots.entry(i64::from(day.date.weekday().to_monday_zero_offset())).or_default();
                slot.0 += &day.facts;
                slot.1.insert(day.date);
                all += &day.facts;
            }
        }
        let rate = |facts: &Facts| facts.purchases / facts.spend.0 as f64;
        let row = |(slot, (facts, days)): (&i64, &(Facts, std::collections::BTreeSet<Date>))| {
            vec![
                self.account(),
                "weekday".into(),
                (*slot).into(),
                (days.len() as i64).into(),
                facts.spend.0.into(),
                facts.purchases.into(),
                facts.revenue.map(|m| m.0).into(),
                (rate(facts) / rate(&all)).into(),
                self.today(),
            ]
        };
        slots.iter().map(row).collect()
    }
}
