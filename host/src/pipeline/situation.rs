//! How things stand when the guard judges: budgets, caps, live ads and spend of every stage, and what stops what.

use super::account::AccountNumbers;
use super::ghost::Ghosts;
use super::health::Condition;
use super::observe::Observation;
use crate::config::Config;
use crate::domain::{Ad, Money};
use crate::guard::{Situation, StageSituation};
use crate::ledger::History;
use crate::policies::StagePolicy;
use crate::store::{ApprovalRow, CopyKind, PromotionRow, PromotionState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that the guard is told of a run.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub observation: &'a Observation,
    pub config: &'a Config,
    pub policies: &'a [StagePolicy],
    pub numbers: &'a AccountNumbers,
    pub history: &'a History,
    pub promotions: &'a [PromotionRow],
    pub condition: &'a Condition,
    pub ghosts: &'a Ghosts,
    pub approvals: &'a [ApprovalRow],
    /// What copies that joined a budget since its last change begin with, by owner.
    pub joined: &'a BTreeMap<String, Money>,
}

/// How things stand, for the guard.
#[must_use]
pub(super) fn situation(case: Case<'_>) -> Situation {
    let Case { observation, config, policies, numbers, history, promotions, condition, ghosts, .. } = case;
    let currency = &observation.account.currency;
    let money = |major: f64| currency.from_major(major).unwrap_or(Money::ZERO);
    let spend = Spend::new(observation);
    let of_runs = (2.0 * config.guard.max_spend_share_per_run).min(1.0);
    let share_of_day = config.guard.max_spend_share_per_day.unwrap_or(of_runs);
    let mut seen = BTreeSet::new();
    let mut budgets: BTreeMap<&str, Money> = BTreeMap::new();
    let mut live: BTreeMap<&str, u32> = BTreeMap::new();
    let mut account_budgets = Money::ZERO;
    // The source of a promotion is on its way out: it must not be counted as what stays.
    let leaving: BTreeSet<&str> =
        promotions.iter().filter(|p| p.state.is_open()).map(|p| p.source_ad_id.as_str()).collect();
    for ad in observation.ads.iter().filter(|ad| ad.effective_status.may_spend()) {
        let campaign = ad.campaign_id.as_deref().unwrap_or_default();
        let stage = policies.iter().find(|p| p.view.campaigns.iter().any(|c| c == campaign));
        let stage = stage.map(|p| p.view.name.as_str());
        if let Some(stage) = stage.filter(|_| ad.effective_status.is_active() && !leaving.contains(ad.id.as_str())) {
            *live.entry(stage).or_default() += 1;
        }
        // An owner counts once, whichever of its ads is seen first.
        if let Some(owner) = ad.budget_owner()
            && seen.insert(owner.id)
        {
            let daily = owner.daily.unwrap_or(Money::ZERO);
            account_budgets += daily;
            if let Some(stage) = stage {
                *budgets.entry(stage).or_default() += daily;
            }
        }
    }
    // A copy that does not run yet has its budget all the same.
    for p in promotions.iter().filter(|p| p.state.is_open()) {
        let counted = p.adset_id.as_ref().is_some_and(|id| seen.contains(id));
        // A campaign's budget is raised only after the copy has joined it.
        if !counted {
            account_budgets += Money(p.daily_budget);
            *budgets.entry(p.to_stage.as_str()).or_default() += Money(p.daily_budget);
        }
    }
    let duplicates = |stage: &str| {
        let made = |p: &&PromotionRow| p.kind == CopyKind::Duplicate && p.started_at >= observation.day_start;
        promotions.iter().filter(made).filter(|p| p.to_stage == stage).count() as u32
    };
    let stage = |p: &StagePolicy| {
        let name = p.view.name.as_str();
        let (next, no_next) = match leads_to(observation, policies, p) {
            Ok(next) => (Some(next), None),
            Err(why) => (None, Some(why)),
        };
        let situation = StageSituation {
            ghost: ghosts.stages.contains_key(name),
            live_ads: live.get(name).copied().unwrap_or(0),
            budgets: budgets.get(name).copied().unwrap_or(Money::ZERO),
            spend_today: spend.today_in(observation, &p.view.campaigns),
            cap: p.view.daily_cap.map(money),
            min_budget: money(p.view.min_budget).max(condition.least_budget),
            max_budget: money(p.view.max_budget),
            next,
            no_next,
            campaign_holds_budget: p.view.campaigns.first().is_some_and(|c| observation.holds_budget(c)),
            duplicates_today: duplicates(name),
            max_duplicates: config.guard.max_duplicates_per_day,
        };
        (p.view.name.clone(), situation)
    };
    Situation {
        currency: currency.clone(),
        stopped: condition.writes.clone(),
        growth_stopped: condition.growth.clone(),
        pauses_stopped: condition.pauses.clone(),
        cooldown_hours: config.guard.cooldown_hours,
        max_spend_share: config.guard.max_spend_share_per_run,
        max_spend_share_day: share_of_day,
        paused_today: spend.of_paused_today(observation, history, promotions),
        min_live_ads: config.guard.min_live_ads,
        last_ad_confidence: config.guard.last_ad_confidence,
        approve_above: config.guard.approve_above.map(money),
        learning_step: config.guard.learning_step,
        max_daily_rise: config.guard.max_daily_rise,
        account_daily_spend: numbers.daily_spend,
        account_cap: config.guard.account_daily_cap.map(money),
        account_budgets,
        account_spend_today: money(numbers.spend_today),
        elapsed: observation.elapsed(),
        stages: policies.iter().map(stage).collect(),
    }
}

/// What ads spend in a day, and today.
struct Spend<'a> {
    today: HashMap<&'a str, Money>,
    week: HashMap<&'a str, Money>,
}

impl<'a> Spend<'a> {
    fn new(observation: &'a Observation) -> Self {
        let mut spend = Spend { today: HashMap::new(), week: HashMap::new() };
        for day in &observation.days {
            match observation.days_ago(day.date) {
                0 => *spend.today.entry(&day.ad_id).or_default() += day.facts.spend,
                1..=7 => *spend.week.entry(&day.ad_id).or_default() += day.facts.spend,
                _ => {}
            }
        }
        spend
    }

    /// What the ads of some campaigns spent today.
    fn today_in(&self, observation: &Observation, campaigns: &[String]) -> Money {
        let belongs = |ad: &&Ad| ad.campaign_id.as_ref().is_some_and(|id| campaigns.contains(id));
        observation.ads.iter().filter(belongs).filter_map(|ad| self.today.get(ad.id.as_str()).copied()).sum()
    }

    /// What the ads spent in a day that Dean paused this account day, major units.
    /// The source of a promotion is none of them: its copy spends in its place.
    fn of_paused_today(&self, observation: &Observation, history: &History, promotions: &[PromotionRow]) -> f64 {
        let went_on = |ad: &Ad| {
            promotions
                .iter()
                .any(|p| p.source_ad_id == ad.id && p.state == PromotionState::Done && p.kind == CopyKind::Promote)
        };
        let of_ad = |ad: &Ad| {
            let in_a_week = self.week.get(ad.id.as_str()).map_or(0, |m| m.0) as f64 / 7.0;
            in_a_week.max(self.today.get(ad.id.as_str()).map_or(0, |m| m.0) as f64)
        };
        let paused = |ad: &&Ad| {
            let at = history.of(&ad.id).and_then(|c| c.paused_at);
            at.is_some_and(|at| at >= observation.day_start) && !went_on(ad)
        };
        let minor: f64 = observation.ads.iter().filter(paused).map(of_ad).sum();
        minor / observation.account.currency.minor_units() as f64
    }
}

/// The stage that promotions out of a stage go into, or why there is none.
fn leads_to(observation: &Observation, policies: &[StagePolicy], from: &StagePolicy) -> Result<String, String> {
    let name = &from.view.name;
    let Some(next) = &from.view.next else {
        return Err(format!("stage {name} leads nowhere: set stages.{name}.next and the next stage's campaign"));
    };
    let campaign = policies.iter().find(|p| &p.view.name == next).and_then(|p| p.view.campaigns.first());
    let Some(campaign) = campaign else {
        return Err(format!("stage {next} has no campaign to promote into: set ids.{next}_campaign_id"));
    };
    match observation.empty_campaigns.get(campaign) {
        Some(None) => Err(format!("campaign {campaign} of stage {next} is not in this account: is its id right?")),
        _ => Ok(next.clone()),
    }
}
