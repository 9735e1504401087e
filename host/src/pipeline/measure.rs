//! Measure: from an observation to the columns of each stage.

use super::account::AccountNumbers;
use super::observe::Observation;
use super::plain_name;
use crate::domain::{Before, BudgetOwner, Currency, Evidence, Facts, Money, OwnerKind, hours};
use crate::features::{self, ContextValues, DAYS, Frame, Marks, Metric, Row};
use crate::ledger::History;
use crate::policies::{Ready, StagePolicy};
use crate::store::{CopyKind, LifecycleRow, PromotionRow, PromotionState};
use dean_policy::types::{Cohort, UNKNOWN_TEXT};
use std::collections::{BTreeMap, HashMap};

/// Ads that Dean paused stay in the cohort this long, so that late conversions can bring one back.
const PAUSED_STAY_DAYS: f64 = 14.0;

/// An ad that is not decided on, and why.
#[derive(Clone, Debug)]
pub(super) struct Skipped {
    /// Its position in the observation.
    pub ad: usize,
    /// The position of the stage that its campaign belongs to, if to any.
    pub stage: Option<usize>,
    /// For a person.
    pub reason: String,
}

/// The ads of a stage with everything measured of them.
#[derive(Debug)]
pub(super) struct StageCohort {
    /// Positions in the observation, by row.
    pub ads: Vec<usize>,
    /// Owners of budgets, by group.
    pub owners: Vec<BudgetOwner>,
    /// The group of each row.
    pub group_of: Vec<u32>,
    /// The matrices.
    pub frame: Frame,
    /// Numbers of the account and stage.
    pub context: ContextValues,
}

impl StageCohort {
    /// What its ads' columns are measured against.
    #[must_use]
    pub(super) fn marks(&self) -> Marks {
        self.context.marks()
    }

    /// What an ad has done in the stage, to be kept with an action on it.
    #[must_use]
    pub(super) fn evidence(&self, row: usize, currency: &Currency) -> Evidence {
        let spend = currency.from_major(self.frame.in_stage(Metric::Spend)[row]).unwrap_or(Money::ZERO);
        Evidence { spend, purchases: self.frame.in_stage(Metric::Purchases)[row] }
    }
}

/// Sorts the ads into stages; what belongs to none, or cannot be decided on, is skipped by name.
pub(super) fn assign(
    observation: &Observation,
    stages: &[StagePolicy],
    only: Option<&str>,
    history: &History,
    promotions: &[PromotionRow],
) -> (Vec<Vec<usize>>, Vec<Skipped>) {
    let replaced: HashMap<&str, &PromotionRow> = promotions
        .iter()
        .filter(|p| p.state == PromotionState::Done && p.kind == CopyKind::Promote)
        .map(|p| (p.source_ad_id.as_str(), p))
        .collect();
    let mut by_campaign: HashMap<&str, usize> = HashMap::new();
    for (i, stage) in stages.iter().enumerate() {
        stage.view.campaigns.iter().for_each(|c| {
            by_campaign.insert(c.as_str(), i);
        });
    }
    let mut members = vec![Vec::new(); stages.len()];
    let mut skipped = Vec::new();
    for (i, ad) in observation.ads.iter().enumerate() {
        let campaign = ad.campaign_id.as_deref();
        let stage = campaign.and_then(|c| by_campaign.get(c)).copied();
        let mut skip = |reason: String| skipped.push(Skipped { ad: i, stage, reason });
        let Some(stage) = stage else {
            let name = ad.campaign.as_ref().map(|c| format!(" ({})", c.name)).unwrap_or_default();
            skip(match campaign {
                Some(id) => format!("its campaign {id}{name} belongs to no stage"),
                None => "Meta did not say which campaign it belongs to".into(),
            });
            continue;
        };
        let name = &stages[stage].view.name;
        if only.is_some_and(|only| only != name) {
            skip(format!("stage {name} was not asked for"));
            continue;
        }
        let paused_recently = history.of(&ad.id).and_then(|c| c.paused_at).is_some_and(|at| {
            ad.status == Some(crate::domain::Status::Paused) && hours(at, observation.at) <= PAUSED_STAY_DAYS * 24.0
        });
        if let Some(p) = replaced.get(ad.id.as_str()).filter(|_| !ad.effective_status.is_active()) {
            let copy = p.ad_id.as_deref().unwrap_or_default();
            skip(format!("it was promoted: its copy {copy} in {} took its place", p.to_stage));
        } else if !ad.effective_status.is_active() && !paused_recently {
            skip(ad.effective_status.reason());
        } else if ad.adset.is_none() {
            skip(match &ad.adset_id {
                Some(id) => format!("its ad set {id} was not among what Meta sent"),
                None => "Meta sent no ad set for it".into(),
            });
        } else if let Some(problem) = observation.problems.get(&ad.id) {
            skip(format!("its numbers make no sense: {problem}"));
        } else {
            members[stage].push(i);
        }
    }
    (members, skipped)
}

/// What is known beside the observation, the same for all stages.
#[derive(Debug)]
pub(super) struct Background<'a> {
    /// The lives of ads.
    pub lifecycle: &'a [LifecycleRow],
    /// What Dean changed before.
    pub history: &'a History,
    /// Daily budgets with which copies joined campaigns.
    pub joined: BTreeMap<String, Money>,
    /// The account as a whole.
    pub numbers: &'a AccountNumbers,
    /// Today's spend by campaign, that of ads which are not decided on among it.
    spend_today: HashMap<&'a str, Money>,
    /// What every ad did so far; empty while no ad is a copy.
    lives: HashMap<&'a str, Facts>,
}

impl<'a> Background<'a> {
    /// Puts together what is known.
    #[must_use]
    pub(super) fn new(
        observation: &'a Observation,
        lifecycle: &'a [LifecycleRow],
        history: &'a History,
        joined: BTreeMap<String, Money>,
        numbers: &'a AccountNumbers,
    ) -> Self {
        let any_copy = lifecycle.iter().any(|row| row.source_ad_id.is_some());
        let lives = if any_copy { lives(observation) } else { HashMap::new() };
        let mut spend_today: HashMap<&str, Money> = HashMap::new();
        for day in observation.days.iter().filter(|day| day.date == observation.today) {
            let ad = observation.index.get(&day.ad_id).map(|&i| &observation.ads[i]);
            if let Some(campaign) = ad.and_then(|ad| ad.campaign_id.as_deref()) {
                *spend_today.entry(campaign).or_default() += day.facts.spend;
            }
        }
        Background { lifecycle, history, joined, numbers, spend_today, lives }
    }

    /// What the source of a copy did so far.
    fn source_of(&self, life: Option<&&LifecycleRow>) -> Option<&Facts> {
        self.lives.get(life?.source_ad_id.as_deref()?)
    }
}

/// Measures the ads of a stage; the budget that it is offered is known once the stages behind it have decided.
#[must_use]
pub(super) fn measure(
    observation: &Observation,
    stage: &StagePolicy,
    members: Vec<usize>,
    background: &Background<'_>,
) -> StageCohort {
    let Background { lifecycle, history, joined, numbers, .. } = background;
    let currency = &observation.account.currency;
    let now = observation.at;
    let entered: HashMap<&str, &LifecycleRow> =
        lifecycle.iter().filter(|row| row.stage == stage.view.name).map(|row| (row.ad_id.as_str(), row)).collect();

    let mut owners: Vec<BudgetOwner> = Vec::new();
    let mut by_owner: BTreeMap<String, u32> = BTreeMap::new();
    let mut group_of = Vec::with_capacity(members.len());
    let mut rows = Vec::with_capacity(members.len());
    for &i in &members {
        let ad = &observation.ads[i];
        let owner = ad.budget_owner().unwrap_or_else(|| BudgetOwner {
            id: ad.adset_id.clone().unwrap_or_default(),
            kind: OwnerKind::AdSet,
            daily: None,
            lifetime: false,
        });
        let group = *by_owner.entry(owner.id.clone()).or_insert_with(|| {
            owners.push(owner.clone());
            owners.len() as u32 - 1
        });
        group_of.push(group);
        let life = entered.get(ad.id.as_str());
        let paused = history.of(&ad.id).and_then(|c| c.paused_at);
        let evidence = history.of(&ad.id).filter(|_| paused.is_some()).and_then(|c| c.at_pause);
        let major = |money: Option<Money>| money.map_or(f64::NAN, |m| currency.to_major(m));
        let mut row = Row {
            age_hours: ad.created.map_or(f64::NAN, |at| hours(at, now)),
            hours_in_stage: life.map_or(f64::NAN, |row| hours(row.entered_at, now)),
            stage_days: life.map_or(DAYS, |row| {
                let entered = row.entered_at.to_zoned(observation.account.zone.clone()).date();
                observation.days_ago(entered).max(0) as usize
            }),
            status: ad.effective_status.0.clone(),
            ad_name: plain_name(&ad.name),
            adset_name: ad.adset.as_ref().map(|adset| adset.name.clone()).unwrap_or_default(),
            campaign_name: ad.campaign.as_ref().map(|campaign| campaign.name.clone()).unwrap_or_default(),
            budget: major(owner.daily),
            in_learning: ad.adset.as_ref().and_then(|a| a.learning).map_or(f64::NAN, f64::from),
            hours_since_change: history.hours_since_change(&ad.id, now),
            hours_since_budget_change: history.hours_since_change(&owner.id, now),
            hours_since_budget_fall: history.hours_since_fall(&owner.id, now),
            changes_24h: history.changes_within(&ad.id, 24.0, now) as f64,
            budget_day_start: major(observation.morning_budgets.get(&owner.id).copied()),
            joined_budget: major(joined.get(&owner.id).copied().or(Some(Money::ZERO))),
            paused_by_dean: f64::from(paused.is_some()),
            hours_since_pause: paused.map_or(f64::NAN, |at| hours(at, now)),
            cpa_at_pause: evidence.filter(|e| e.purchases > 0.0).map_or(f64::NAN, |e| {
                currency.to_major(e.spend) / e.purchases //
            }),
            purchases_at_pause: evidence.map_or(f64::NAN, |e| e.purchases),
            copies_today: history.copies_since(&ad.id, observation.day_start) as f64,
            copyable: f64::from(ad.creative.is_some() && !ad.in_shared_campaign() && !ad.has_lifetime_adset()),
            hours_since_copy: history.last_copy(&ad.id).map_or(f64::NAN, |at| hours(at, now)),
            hours_since_refresh: history.last_refresh(&ad.id).map_or(f64::NAN, |at| hours(at, now)),
            reach_7d: observation.reach_7d.get(&ad.id).copied().unwrap_or(f64::NAN),
            inherited_purchases: 0.0,
            inherited_spend: 0.0,
        };
        if let Some(source) = background.source_of(life) {
            row.inherit(source.purchases, currency.to_major(source.spend));
        }
        rows.push(row);
    }

    let mut frame = Frame::new(rows, currency);
    let positions: HashMap<&str, usize> =
        members.iter().enumerate().map(|(row, &i)| (observation.ads[i].id.as_str(), row)).collect();
    for (row, &i) in members.iter().enumerate() {
        let before = entered.get(observation.ads[i].id.as_str()).and_then(|life| life.before.as_deref());
        if let Some(before) = before.and_then(|json| serde_json::from_str::<Before>(json).ok()) {
            frame.set_before_stage(row, &before);
        }
        if let Some(created) = observation.ads[i].created {
            let born = created.to_zoned(observation.account.zone.clone()).date();
            let ago = observation.days_ago(born);
            if (0..DAYS as i32).contains(&ago) {
                frame.born(row, ago as usize);
            }
        }
    }
    for day in &observation.days {
        let ago = observation.days_ago(day.date);
        if let (Some(&row), true) = (positions.get(day.ad_id.as_str()), (0..DAYS as i32).contains(&ago)) {
            frame.set_day(row, ago as usize, &day.facts);
        }
    }
    for life in &observation.lifetimes {
        if let Some(&row) = positions.get(life.ad_id.as_str()) {
            frame.set_lifetime(row, life);
        }
    }

    let campaigns = stage.view.campaigns.iter().filter_map(|c| background.spend_today.get(c.as_str()));
    let spend_today = campaigns.fold(Money::ZERO, |sum, spend| sum + *spend);
    let context = context(observation, stage, &members, spend_today, numbers);
    StageCohort { ads: members, owners, group_of, frame, context }
}

fn context(
    observation: &Observation,
    stage: &StagePolicy,
    members: &[usize],
    spend_today: Money,
    numbers: &AccountNumbers,
) -> ContextValues {
    let local = observation.at.to_zoned(observation.account.zone.clone());
    let day_end = local.tomorrow().and_then(|t| t.start_of_day()).map(|t| t.timestamp());
    let target_cpa = stage.ready().and_then(|r| r.target_cpa).unwrap_or(numbers.breakeven_cpa);
    let prior = numbers.basis.purchase_prior(target_cpa);
    ContextValues {
        account_spend_today: numbers.spend_today,
        stage_spend_today: observation.account.currency.to_major(spend_today),
        stage_cap: stage.view.daily_cap.unwrap_or(f64::NAN),
        live_ads: members.iter().filter(|i| observation.ads[**i].effective_status.is_active()).count() as f64,
        freed_budget: 0.0,
        hour: f64::from(local.hour()),
        weekday: f64::from(local.weekday().to_monday_zero_offset()),
        hours_left_today: day_end.map_or(f64::NAN, |end| hours(observation.at, end)),
        target_cpa,
        breakeven_cpa: numbers.breakeven_cpa,
        account_ctr: numbers.basis.ctr,
        account_cpm: numbers.basis.cpm,
        account_atc_rate: numbers.basis.atc_rate,
        account_aov: numbers.basis.aov,
        account_roas: numbers.basis.roas,
        purchase_prior_shape: prior.map_or(f64::NAN, |prior| prior.shape),
        purchase_prior_rate: prior.map_or(f64::NAN, |prior| prior.rate),
    }
}

/// The cohort that a plan asks for.
#[must_use]
pub(super) fn cohort(
    observation: &Observation,
    ready: &Ready,
    stage: &StageCohort,
    context: &ContextValues,
    numbers: &AccountNumbers,
    seed: u32,
) -> Cohort {
    let frame = &stage.frame;
    let marks = context.marks();
    let mut values = Vec::with_capacity(frame.ads() * ready.plan.columns.len());
    for name in &ready.plan.columns {
        let measured = || features::find(name).map(|column| column.values(frame, &numbers.basis, marks));
        let column = frame.scores().get(name).cloned().or_else(measured);
        // Policies rely on one NaN: other bit patterns would make equal cohorts differ.
        let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value };
        values.extend(column.unwrap_or_else(|| vec![f64::NAN; frame.ads()]).into_iter().map(canonical));
    }
    let (words, codes) = texts(frame, &ready.plan.text_columns);
    Cohort {
        now: observation.at.as_second() as f64,
        seed,
        rows: frame.ads() as u32,
        groups: stage.owners.len() as u32,
        // Every ad gets its reason, so every check is wanted.
        trace: true,
        values,
        words,
        codes,
        context: ready.plan.context.iter().map(|n| context.get(n).unwrap_or(f64::NAN)).collect(),
        group_of: stage.group_of.clone(),
    }
}

/// The texts of a frame's ads, column after column: words, and which of them each ad has.
#[must_use]
pub(crate) fn texts(frame: &Frame, columns: &[String]) -> (Vec<String>, Vec<u32>) {
    let mut words: Vec<String> = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut codes = Vec::with_capacity(frame.ads() * columns.len());
    for name in columns {
        let column = features::find(name);
        for row in frame.rows() {
            codes.push(match column.and_then(|column| column.text(row)) {
                None => UNKNOWN_TEXT,
                Some(text) => *known.entry(text).or_insert_with(|| {
                    words.push(text.to_string());
                    words.len() as u32 - 1
                }),
            });
        }
    }
    (words, codes)
}

/// The ads of each stage, those that are skipped among them.
#[must_use]
pub(super) fn everybody(members: &[Vec<usize>], skipped: &[Skipped]) -> Vec<Vec<usize>> {
    let mut all = members.to_vec();
    for (stage, ad) in skipped.iter().filter_map(|s| Some((s.stage?, s.ad))) {
        all[stage].push(ad);
    }
    all
}

/// Rows for ads that are seen in a stage for the first time, or again after another one. An ad cannot change
/// its campaign, so it entered when it was created, unless its campaign was given to another stage
/// meanwhile: then it enters now, with a clean clock.
#[must_use]
pub(super) fn newcomers(
    observation: &Observation,
    stages: &[StagePolicy],
    members: &[Vec<usize>],
    lifecycle: &[LifecycleRow],
    promotions: &[PromotionRow],
) -> Vec<LifecycleRow> {
    let source_of: HashMap<&str, &str> =
        promotions.iter().filter_map(|p| Some((p.ad_id.as_deref()?, p.source_ad_id.as_str()))).collect();
    // Oldest first, so that the last one stays.
    let last_stage: HashMap<&str, &str> =
        lifecycle.iter().map(|row| (row.ad_id.as_str(), row.stage.as_str())).collect();
    let mut rows = Vec::new();
    let mut lives = None;
    for (stage, members) in stages.iter().zip(members) {
        for &i in members {
            let ad = &observation.ads[i];
            let last = last_stage.get(ad.id.as_str());
            if last == Some(&stage.view.name.as_str()) {
                continue;
            }
            let moved = last.is_some();
            rows.push(LifecycleRow {
                account_id: observation.account.id.clone(),
                ad_id: ad.id.clone(),
                stage: stage.view.name.clone(),
                entered_at: if moved { observation.at } else { ad.created.unwrap_or(observation.at) },
                // Plain numbers always have a JSON form.
                before: moved.then(|| {
                    let lives = lives.get_or_insert_with(|| self::lives(observation));
                    let life = lives.get(ad.id.as_str()).copied().unwrap_or_default();
                    let today = observation.days.iter().find(|d| d.ad_id == ad.id && d.date == observation.today);
                    let day = today.map(|day| day.facts).unwrap_or_default();
                    serde_json::to_string(&Before { life, day }).unwrap_or_default()
                }),
                source_ad_id: source_of.get(ad.id.as_str()).map(|source| (*source).to_string()),
            });
        }
    }
    rows
}

/// The ad that each copy goes back to, over copies of copies.
#[must_use]
pub(super) fn sources(lifecycle: &[LifecycleRow]) -> HashMap<&str, &str> {
    let direct: HashMap<&str, &str> =
        lifecycle.iter().filter_map(|life| Some((life.ad_id.as_str(), life.source_ad_id.as_deref()?))).collect();
    let first = |copy: &'_ str| {
        let mut at = direct.get(copy).copied()?;
        // No line of copies is longer than there are copies; a damaged store may have a circle.
        for _ in 0..direct.len() {
            match direct.get(at) {
                Some(source) => at = source,
                None => break,
            }
        }
        Some(at)
    };
    direct.keys().filter_map(|copy| Some((*copy, first(copy)?))).collect()
}

/// What every ad has done so far, by its id.
pub(super) fn lives(observation: &Observation) -> HashMap<&str, Facts> {
    let mut lives: HashMap<&str, Facts> = HashMap::new();
    for day in &observation.days {
        *lives.entry(day.ad_id.as_str()).or_default() += &day.facts;
    }
    for life in &observation.lifetimes {
        *lives.entry(life.ad_id.as_str()).or_default() += &life.facts;
    }
    lives
}
