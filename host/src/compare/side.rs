//! One side of a comparison: what it would have done, run by run, under the limits as they stood. What it did and the
//! account did not is remembered, so that an ad is paused once and not every hour again.

use super::history::Hour;
use crate::domain::{Money, Verb, hours};
use crate::guard::{self, Proposals, Situation};
use crate::pipeline::{self, Subjects};
use dean_policy::types::{Answer, Cohort, Plan};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};

/// Something that a side would have done, after the guard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// The position of the run.
    pub run: usize,
    pub at: Timestamp,
    pub day: Date,
    pub stage: String,
    /// The ad, or the owner of the budget.
    pub target: String,
    pub does: Does,
    pub rule: String,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Does {
    /// To an ad, with what a copy begins with.
    Ad(Verb, Money),
    /// To a daily budget.
    Budget { from: Money, to: Money },
}

impl Does {
    pub(super) fn word(self) -> &'static str {
        match self {
            Does::Ad(verb, _) => verb.as_str(),
            Does::Budget { .. } => "budget",
        }
    }
}

/// What a stage's policy answered in a run, and the names of its rules.
pub(super) struct Answered<'a> {
    pub stage: &'a str,
    pub answer: &'a Answer,
    pub plan: &'a Plan,
}

/// What a side did that the account need not have done.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Ads that it paused or replaced.
    left: HashMap<String, Left>,
    /// When it last changed an ad or a budget, and lowered a budget.
    changed: HashMap<String, Timestamp>,
    fell: HashMap<String, Timestamp>,
    copied: HashMap<String, Timestamp>,
    /// What a budget was and what was last made of it: where the account does not follow, that is decided again and again.
    budgets: HashMap<String, (Money, Money)>,
    /// Copies of an ad on the last day that it was copied on.
    copies: HashMap<String, (Date, f64)>,
    refreshed: HashMap<String, Timestamp>,
}

#[derive(Debug)]
struct Left {
    day: Date,
    daily_spend: f64,
}

impl World {
    /// Says in a cohort what the side did itself after a moment: what it did until then nobody saw who decided.
    pub(super) fn overlay(
        &self,
        hour: &Hour<'_>,
        stage: &str,
        unseen: Option<Timestamp>,
        columns: &[String],
        cohort: &mut Cohort,
    ) {
        let Some(record) = hour.records.get(stage) else { return };
        let now = hour.run.as_of;
        let seen = |at: &Timestamp| unseen.is_none_or(|unseen| *at > unseen);
        let ads = |row: usize| record.ads[row].as_str();
        let owners = |row: usize| record.owners[record.cohort.group_of[row] as usize].as_str();
        for (place, name) in columns.iter().enumerate() {
            let values = &mut cohort.values[place * record.ads.len()..(place + 1) * record.ads.len()];
            match name.as_str() {
                "hours_since_change" => lower(values, &self.changed, now, seen, ads),
                "hours_since_budget_change" => lower(values, &self.changed, now, seen, owners),
                "hours_since_budget_fall" => lower(values, &self.fell, now, seen, owners),
                "hours_since_refresh" => lower(values, &self.refreshed, now, seen, ads),
                "hours_since_copy" => lower(values, &self.copied, now, seen, ads),
                "copies_today" => {
                    for (row, value) in values.iter_mut().enumerate() {
                        let own = self.copies.get(ads(row)).filter(|(day, _)| *day == hour.today);
                        let own = own.filter(|_| self.copied.get(ads(row)).is_some_and(seen));
                        *value = value.max(own.map_or(0.0, |(_, copies)| *copies));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Hours since something that was done at some moments, where that is less than what a column says.
fn lower<'k>(
    values: &mut [f64],
    done: &HashMap<String, Timestamp>,
    now: Timestamp,
    seen: impl Fn(&Timestamp) -> bool,
    key: impl Fn(usize) -> &'k str,
) {
    if done.is_empty() {
        return;
    }
    for (row, value) in values.iter_mut().enumerate() {
        if let Some(at) = done.get(key(row)).filter(|at| seen(at)) {
            // `min` takes the number where the other is not known.
            *value = value.min(hours(*at, now));
        }
    }
}

/// Which ads are out in the account itself: paused by Dean, or on their way to be replaced by a copy.
#[derive(Debug, Default)]
pub(super) struct Account {
    out: HashSet<String>,
    seen: HashSet<String>,
    /// Ads that the stages' own policies ever wanted to bring back.
    resumed: HashSet<String>,
    ads: HashMap<String, Vec<String>>,
    /// Since the last look, and whether the ad was never seen before.
    went_out: Vec<(String, bool)>,
    came_back: Vec<String>,
    /// By stage, the last run in which it only observed.
    observed: HashMap<String, Timestamp>,
}

impl Account {
    pub(super) fn look(&mut self, hour: &Hour<'_>) {
        self.went_out.clear();
        self.came_back.clear();
        // A dry run changes nothing either.
        for (stage, _) in hour.guard.situation.stages.iter().filter(|(_, limits)| limits.ghost || hour.run.dry_run) {
            self.observed.insert(stage.clone(), hour.run.as_of);
        }
        for standing in &hour.guard.standings {
            let Some(record) = hour.records.get(standing.stage.as_str()) else { continue };
            for (ad, standing) in record.ads.iter().zip(&standing.ads) {
                if standing.promoting || standing.promoted || standing.paused_by_dean {
                    if self.out.insert(ad.clone()) {
                        self.went_out.push((ad.clone(), !self.seen.contains(ad)));
                    }
                } else if self.out.remove(ad) {
                    self.came_back.push(ad.clone());
                }
            }
            let known = self.ads.entry(standing.stage.clone()).or_default();
            if *known != record.ads {
                known.clone_from(&record.ads);
                self.seen.extend(record.ads.iter().cloned());
            }
        }
    }

    /// When a stage last only observed: whoever decided for it saw nothing of what it would have done until then.
    pub(super) fn observed(&self, stage: &str) -> Option<Timestamp> {
        self.observed.get(stage).copied()
    }

    /// Notes an ad that the stage's own policy wants to bring back.
    pub(super) fn resumes(&mut self, ad: &str) {
        if !self.resumed.contains(ad) {
            self.resumed.insert(ad.to_string());
        }
    }
}

/// One side.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Whether its answers are those that the account was run by.
    pub is_journal: bool,
    pub world: World,
    pub events: Vec<Event>,
    /// Decisions about ads that the account had paused or replaced and this side had not: what they would have been
    /// cannot be known.
    pub blind: usize,
}

impl Side {
    /// Puts what the policies answered before the guard as it stood, and notes what would have been done.
    pub(super) fn judge(&mut self, hour: &Hour<'_>, account: &Account, position: usize, answered: &[Answered<'_>]) {
        self.follow(account);
        let situation = self.situation(hour);
        let mut proposals = Proposals::default();
        let mut rules: (Vec<&str>, Vec<&str>) = Default::default();
        for Answered { stage, answer, plan } in answered {
            let (Some(record), Some(standing)) = (hour.records.get(stage), hour.standing(stage)) else { continue };
            let subjects =
                Subjects { ads: &record.ads, owners: &record.owners, group_of: &record.cohort.group_of, standing };
            pipeline::propose(subjects, answer, &situation.currency, &mut proposals);
            let name = |rule: u32| plan.rules.get(rule as usize).map_or("", |rule| rule.id.as_str());
            rules.0.extend(answer.ads.iter().map(|decision| name(decision.rule)));
            rules.1.extend(answer.budgets.iter().map(|decision| name(decision.rule)));
        }
        self.adjust(hour, account, &mut proposals, &mut rules.0);
        let verdicts = guard::judge(&situation, &proposals);
        let (at, day) = (hour.run.as_of, hour.today);
        for ((proposal, verdict), rule) in proposals.ads.iter().zip(&verdicts.ads).zip(rules.0) {
            if verdict.verb == Verb::Hold {
                continue;
            }
            let target = proposal.ad_id.clone();
            match verdict.verb {
                Verb::Pause | Verb::Promote => {
                    self.world.left.insert(target.clone(), Left { day, daily_spend: proposal.daily_spend });
                }
                Verb::Resume => {
                    self.world.left.remove(&target);
                }
                Verb::Duplicate => {
                    self.world.copied.insert(target.clone(), at);
                    let copies = self.world.copies.entry(target.clone()).or_insert((day, 0.0));
                    *copies = (day, if copies.0 == day { copies.1 + 1.0 } else { 1.0 });
                }
                Verb::Refresh => {
                    self.world.refreshed.insert(target.clone(), at);
                }
                Verb::Hold => {}
            }
            if matches!(verdict.verb, Verb::Pause | Verb::Resume | Verb::Promote) {
                self.world.changed.insert(target.clone(), at);
            }
            let does = Does::Ad(verdict.verb, verdict.amount);
            let (stage, rule) = (proposal.stage.clone(), rule.to_string());
            self.events.push(Event { run: position, at, day, stage, target, does, rule });
        }
        for ((proposal, verdict), rule) in proposals.budgets.iter().zip(&verdicts.budgets).zip(rules.1) {
            let (Some(from), Some(to)) = (proposal.from, verdict.to) else { continue };
            let target = proposal.owner_id.clone();
            // Where the account stays as it was, this side's own budget is what it made of it.
            let own = self.world.budgets.insert(target.clone(), (from, to)).filter(|(known, _)| *known == from);
            let from = own.map_or(from, |(_, made)| made);
            self.world.changed.insert(target.clone(), at);
            if to < from {
                self.world.fell.insert(target.clone(), at);
            }
            if from == to {
                continue;
            }
            let does = Does::Budget { from, to };
            let (stage, rule) = (proposal.stage.clone(), rule.to_string());
            self.events.push(Event { run: position, at, day, stage, target, does, rule });
        }
    }

    /// The limits as they stood, for a stage that acts, and with what this side stopped itself.
    fn situation(&self, hour: &Hour<'_>) -> Situation {
        let mut situation = hour.guard.situation.clone();
        let mut paused = 0.0;
        for standing in &hour.guard.standings {
            let Some(record) = hour.records.get(standing.stage.as_str()) else { continue };
            let Some(stage) = situation.stages.get_mut(&standing.stage) else { continue };
            // Two policies are compared, not who lets them act.
            stage.ghost = false;
            if self.world.left.is_empty() {
                continue;
            }
            for (ad, standing) in record.ads.iter().zip(&standing.ads) {
                if let Some(left) = self.world.left.get(ad).filter(|_| standing.live) {
                    stage.live_ads = stage.live_ads.saturating_sub(1);
                    paused += if left.day == hour.today { left.daily_spend } else { 0.0 };
                }
            }
        }
        situation.paused_today += paused;
        situation
    }

    /// Takes over what happened in the account without this side: an ad that was out when it was first seen is out here
    /// too, one that came back is back, and whoever ran the account knows all of it.
    fn follow(&mut self, account: &Account) {
        let theirs = account.went_out.iter().filter(|(_, at_first)| *at_first || self.is_journal);
        for (ad, _) in theirs {
            self.world.left.entry(ad.clone()).or_insert(Left { day: Date::ZERO, daily_spend: 0.0 });
        }
        // What the policy brought back that decided then, this side need not have; what a person did holds for both.
        let is_back =
            |ad: &String| account.came_back.contains(ad) && (self.is_journal || !account.resumed.contains(ad));
        self.world.left.retain(|ad, _| !is_back(ad));
    }

    /// Leaves out what is about ads that this side has let go or cannot know, and tells the guard of its own changes.
    fn adjust(&mut self, hour: &Hour<'_>, account: &Account, proposals: &mut Proposals, rules: &mut Vec<&str>) {
        let now = hour.run.as_of;
        let since = |at: Option<&Timestamp>| at.map_or(f64::NAN, |at| hours(*at, now));
        // What a person approved then holds for whoever proposes the same.
        let approved = &hour.guard.proposals;
        let ads_approved: Vec<_> = approved.ads.iter().filter(|p| p.approved > Money::ZERO).collect();
        let budgets_approved: Vec<_> = approved.budgets.iter().filter(|p| p.approved > Money::ZERO).collect();
        let mut kept = Vec::with_capacity(rules.len());
        let mut ads = Vec::with_capacity(proposals.ads.len());
        for (mut p, rule) in proposals.ads.drain(..).zip(rules.drain(..)) {
            match (self.world.left.contains_key(&p.ad_id), account.out.contains(&p.ad_id)) {
                (true, false) => continue,
                (false, true) => {
                    self.blind += 1;
                    continue;
                }
                (true, true) | (false, false) => {}
            }
            p.hours_since_change = p.hours_since_change.min(since(self.world.changed.get(&p.ad_id)));
            p.hours_since_refresh = p.hours_since_refresh.min(since(self.world.refreshed.get(&p.ad_id)));
            let same = ads_approved.iter().find(|a| a.ad_id == p.ad_id && a.verb == p.verb);
            p.approved = same.map_or(Money::ZERO, |same| same.approved);
            ads.push(p);
            kept.push(rule);
        }
        proposals.ads = ads;
        *rules = kept;
        for p in &mut proposals.budgets {
            let own = since(self.world.changed.get(&p.owner_id));
            p.hours_since_change = p.hours_since_change.min(own);
            p.changes_1h = p.changes_1h.max(u32::from(own < 1.0));
            let same = budgets_approved.iter().find(|a| a.owner_id == p.owner_id);
            p.approved = same.map_or(Money::ZERO, |same| same.approved);
        }
    }
}
