//! The limits on ads, in the order in which they are tried.

use super::{
    APPROVAL, AdProposal, AdVerdict, BudgetProposal, GHOST, Held, OVERSPEND, Promotion, Proposals, Situation, Verdicts,
    budgets, held,
};
use crate::domain::{Money, Verb};
use std::collections::BTreeMap;

/// A person is asked for the same thing once a week at most.
const REFRESH_HOURS: f64 = 7.0 * 24.0;

/// Judges all proposals of a run together.
#[must_use]
pub fn judge(situation: &Situation, proposals: &Proposals) -> Verdicts {
    let mut bench = Bench::new(situation);
    // What a stage that only observes would do uses up nothing that the others need.
    let mut ghosts = Bench::new(situation);
    let mut ads: Vec<Option<AdVerdict>> = vec![None; proposals.ads.len()];
    // The surest come first, so that a limit on what a run may move keeps the least sure waiting;
    // the id makes the order the same whatever the order of rows.
    let mut order: Vec<usize> = (0..proposals.ads.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&proposals.ads[a], &proposals.ads[b]);
        b.confidence.total_cmp(&a.confidence).then_with(|| a.ad_id.cmp(&b.ad_id)).then_with(|| a.verb.cmp(&b.verb))
    });
    for i in order {
        let proposal = &proposals.ads[i];
        let bench = if bench.is_ghost(&proposal.stage) { &mut ghosts } else { &mut bench };
        ads[i] = Some(bench.judge_ad(proposal));
    }
    let judge = |p: &BudgetProposal| {
        let bench = if bench.is_ghost(&p.stage) { &mut ghosts } else { &mut bench };
        budgets::judge(bench, p)
    };
    let budgets = proposals.budgets.iter().map(judge).collect();
    Verdicts { ads: ads.into_iter().flatten().collect(), budgets }
}

/// Whether something new may run in a stage, and with it a daily budget be spent again that nobody spends now.
/// Where that is none, what is new shares what others spend, and no cap is any nearer.
///
/// # Errors
/// The limit that holds it.
pub fn may_grow(situation: &Situation, stage: &str, idle_budget: Money) -> Result<(), Held> {
    let bench = Bench::new(situation);
    if let Some(stopped) = &situation.stopped {
        return Err(held(&stopped.by, stopped.reason.clone()));
    }
    bench.growth(stage, idle_budget)?;
    bench.fits(idle_budget, stage)
}

/// What holds what a stage that only observes would have done.
pub(super) fn ghost(stage: &str) -> Held {
    held(GHOST, format!("stage {stage} only observes: it would do this, and `dean go-live --stage {stage}` lets it"))
}

/// What the verdicts so far have used up.
pub(super) struct Bench<'a> {
    pub(super) situation: &'a Situation,
    live: BTreeMap<&'a str, u32>,
    pub(super) budgets: BTreeMap<&'a str, Money>,
    pub(super) account_budgets: Money,
    duplicates: BTreeMap<&'a str, u32>,
    stopped_spend: f64,
    pauses: u32,
}

impl<'a> Bench<'a> {
    fn new(situation: &'a Situation) -> Self {
        let stages = &situation.stages;
        Bench {
            situation,
            live: stages.iter().map(|(name, s)| (name.as_str(), s.live_ads)).collect(),
            budgets: stages.iter().map(|(name, s)| (name.as_str(), s.budgets)).collect(),
            account_budgets: situation.account_budgets,
            duplicates: stages.iter().map(|(name, s)| (name.as_str(), s.duplicates_today)).collect(),
            stopped_spend: 0.0,
            pauses: 0,
        }
    }

    fn judge_ad(&mut self, proposal: &AdProposal) -> AdVerdict {
        let done = |amount| AdVerdict { verb: proposal.verb, amount, held: None };
        if proposal.verb == Verb::Hold {
            return done(Money::ZERO);
        }
        // What a ghost intended before is done as far as it knows: it uses up nothing again.
        if proposal.intended && self.is_ghost(&proposal.stage) {
            return AdVerdict { verb: Verb::Hold, amount: Money::ZERO, held: Some(ghost(&proposal.stage)) };
        }
        match self.try_ad(proposal) {
            Ok(_) if self.is_ghost(&proposal.stage) => {
                AdVerdict { verb: Verb::Hold, amount: Money::ZERO, held: Some(ghost(&proposal.stage)) }
            }
            Ok(amount) => done(amount),
            Err(held) => AdVerdict { verb: Verb::Hold, amount: Money::ZERO, held: Some(held) },
        }
    }

    /// Whether a stage only observes.
    pub(super) fn is_ghost(&self, stage: &str) -> bool {
        self.situation.stages.get(stage).is_some_and(|stage| stage.ghost)
    }

    fn try_ad(&mut self, p: &AdProposal) -> Result<Money, Held> {
        self.common(p.hours_since_change)?;
        if p.promotion == Promotion::UnderWay {
            return Err(held("promotion", "it is on its way into the next stage; that is finished first"));
        }
        match p.verb {
            Verb::Hold => Ok(Money::ZERO),
            Verb::Pause => self.pause(p).map(|()| Money::ZERO),
            Verb::Promote => self.promote(p),
            Verb::Duplicate => self.duplicate(p),
            Verb::Resume => self.resume(p).map(|()| Money::ZERO),
            Verb::Refresh if p.hours_since_refresh < REFRESH_HOURS => Err(held(
                "asked-lately",
                format!("a new creative was asked for {:.0} h ago; it is asked for once a week", p.hours_since_refresh),
            )),
            Verb::Refresh => Ok(Money::ZERO),
        }
    }

    /// What holds everything that makes the account spend more, in a stage; `added` is the daily budget that comes with
    /// it. What shares a budget that is spent anyway takes no cap any nearer.
    pub(super) fn growth(&self, stage: &str, added: Money) -> Result<(), Held> {
        if let Some(reason) = &self.situation.growth_stopped {
            return Err(held("account-guard", reason.clone()));
        }
        if added <= Money::ZERO {
            return Ok(());
        }
        let s = self.situation;
        let of_stage = s.stages.get(stage).map(|of| (format!("stage {stage}"), of.spend_today, of.budgets, of.cap));
        let of_account = ("the account".to_string(), s.account_spend_today, s.account_budgets, s.account_cap);
        for (whose, spent, budgets, cap) in of_stage.into_iter().chain([of_account]) {
            let Some(cap) = cap else { continue };
            let rest = (budgets.0 as f64 * (1.0 - s.elapsed).clamp(0.0, 1.0)).round() as i64;
            // Meta may still overspend what is left of the day: that is what budgets are kept below the cap for.
            if spent + Money(rest) > cap {
                let shown = |money| s.currency.format(money);
                return Err(held(
                    "pacing",
                    format!(
                        "{whose} has spent {} today and would pass its cap of {} before the day ends, with the budgets as they are",
                        shown(spent),
                        shown(cap)
                    ),
                ));
            }
        }
        Ok(())
    }

    fn promote(&mut self, p: &AdProposal) -> Result<Money, Held> {
        if !p.live {
            return Err(held("not-live", "it is not delivered, so there is nothing to take further"));
        }
        if let Promotion::Failed(reason) = &p.promotion {
            return Err(held("promotion-failed", format!("its last promotion failed: {reason}; it waits 14 days")));
        }
        let stage = self.situation.stages.get(&p.stage);
        let next = stage.and_then(|s| s.next.as_deref());
        let next = next.ok_or_else(|| {
            let why = stage.and_then(|s| s.no_next.clone());
            held("no-next-stage", why.unwrap_or_else(|| format!("stage {} leads nowhere", p.stage)))
        })?;
        self.growth(next, p.amount)?;
        self.copy(p, next)
    }

    fn duplicate(&mut self, p: &AdProposal) -> Result<Money, Held> {
        if !p.live {
            return Err(held("not-live", "it is not delivered, so a copy would not be either"));
        }
        self.growth(&p.stage, p.amount)?;
        if let Promotion::Failed(reason) = &p.promotion {
            return Err(held("copy-failed", format!("its last copy failed: {reason}; it waits 14 days")));
        }
        let Some((name, stage)) = self.situation.stages.get_key_value(&p.stage) else {
            return Err(held("no-stage", format!("there is no stage {}", p.stage)));
        };
        if p.in_shared_campaign {
            return Err(held(
                "shared-budget",
                "its campaign holds the budget: a copy would take it from its source and learn anew",
            ));
        }
        let made = self.duplicates.get(name.as_str()).copied().unwrap_or(0);
        if made >= stage.max_duplicates {
            return Err(held(
                "copies-a-day",
                format!("stage {name} made {made} copies today, and may make {}", stage.max_duplicates),
            ));
        }
        let amount = self.copy(p, name)?;
        self.duplicates.insert(name, made + 1);
        Ok(amount)
    }

    fn resume(&mut self, p: &AdProposal) -> Result<(), Held> {
        if p.live {
            return Err(held("already-live", "it is delivered already"));
        }
        if p.promotion == Promotion::Done {
            return Err(held("promoted", "its copy in the next stage took its place"));
        }
        if p.resumed {
            return Err(held(
                "resumed-before",
                "it was brought back once and paused again; that is for a person to decide",
            ));
        }
        self.growth(&p.stage, p.idle_budget)?;
        let Some(name) = self.situation.stages.get_key_value(&p.stage).map(|(name, _)| name) else {
            return Err(held("no-stage", format!("there is no stage {}", p.stage)));
        };
        self.fits(p.idle_budget, name)?;
        self.take(name, p.idle_budget);
        Ok(())
    }

    /// What holds everything alike.
    pub(super) fn common(&self, hours_since_change: f64) -> Result<(), Held> {
        if let Some(stopped) = &self.situation.stopped {
            return Err(held(&stopped.by, stopped.reason.clone()));
        }
        let cooldown = self.situation.cooldown_hours;
        if hours_since_change < cooldown {
            let left = cooldown - hours_since_change;
            return Err(held(
                "cooldown",
                format!("it was changed {hours_since_change:.1} h ago; the next change may come in {left:.1} h"),
            ));
        }
        Ok(())
    }

    fn pause(&mut self, p: &AdProposal) -> Result<(), Held> {
        if let Some(reason) = &self.situation.pauses_stopped {
            return Err(held("anomaly", reason.clone()));
        }
        let least = self.situation.min_live_ads;
        let live = self.live.get(p.stage.as_str()).copied().unwrap_or(0);
        // A loss that is all but certain goes on for nobody's sake.
        let sure = self.situation.last_ad_confidence;
        if p.live && live <= least && p.confidence < sure {
            return Err(held(
                "last-live-ad",
                format!(
                    "stage {} would be left with fewer than {least} live ad(s), which takes being {:.0} % sure",
                    p.stage,
                    sure * 100.0
                ),
            ));
        }
        let stopped = self.stopped_spend + p.daily_spend.max(0.0);
        let most = self.situation.max_spend_share * self.situation.account_daily_spend;
        // The first pause of a run is never held for its size, or an ad that spends most of an
        // account's money could never be stopped.
        if self.pauses > 0 && stopped > most {
            return Err(held(
                "blast-radius",
                format!(
                    "the pauses of one run may stop {:.0} % of the account's daily spend; surer ones came first, this one waits",
                    self.situation.max_spend_share * 100.0
                ),
            ));
        }
        let of_day = self.situation.paused_today + stopped;
        let most_of_day = self.situation.max_spend_share_day * self.situation.account_daily_spend;
        if of_day > most_of_day && self.situation.paused_today + self.stopped_spend > 0.0 {
            return Err(held(
                "blast-radius",
                format!(
                    "the pauses of one day may stop {:.0} % of the account's daily spend, and those of today stopped much of it; \
                     this one waits until tomorrow",
                    self.situation.max_spend_share_day * 100.0
                ),
            ));
        }
        self.stopped_spend = stopped;
        self.pauses += 1;
        if p.live
            && let Some(live) = self.live.get_mut(p.stage.as_str())
        {
            *live = live.saturating_sub(1);
        }
        Ok(())
    }

    /// A new owner in a stage, with a starting budget that its caps can take.
    fn copy(&mut self, p: &AdProposal, into: &str) -> Result<Money, Held> {
        if !p.copyable {
            return Err(held("no-creative", "Meta sent no creative for it, so it cannot be copied"));
        }
        if p.lifetime_budget {
            return Err(held(
                "lifetime-budget",
                "its ad set has a lifetime budget, which a copy would have too; lifetime budgets are never changed",
            ));
        }
        let stages = &self.situation.stages;
        let Some((name, stage)) = stages.get_key_value(into) else {
            return Err(held("no-next-stage", format!("there is no stage {into}")));
        };
        // What a copy brings along into a campaign's budget need not be as much as an owner's least.
        let least = if stage.campaign_holds_budget { Money::ZERO } else { stage.min_budget };
        let amount = p.amount.max(least).min(stage.max_budget);
        self.fits(amount, name)?;
        self.approved(amount, p.approved, &p.stage, &p.ad_id)?;
        self.take(name, amount);
        Ok(amount)
    }

    /// Whether a daily budget more stays within the caps.
    fn fits(&self, amount: Money, name: &str) -> Result<(), Held> {
        let room = self.room(name);
        if amount > room && amount > Money::ZERO {
            let currency = &self.situation.currency;
            return Err(held(
                "stage-cap",
                format!(
                    "a daily budget of {} more would take stage {name} or the account beyond its cap, counting Meta's overspend of 75 %; there is room for {}",
                    currency.format(amount),
                    currency.format(room.max(Money::ZERO))
                ),
            ));
        }
        Ok(())
    }

    /// Whether what is added to a day's spend needs nobody's approval, or has it.
    /// A stage that only observes asks nobody.
    pub(super) fn approved(&self, added: Money, approved: Money, stage: &str, target: &str) -> Result<(), Held> {
        let Some(most) = self.situation.approve_above else { return Ok(()) };
        if added <= most.max(approved) || self.is_ghost(stage) {
            return Ok(());
        }
        let shown = |money| self.situation.currency.format(money);
        Err(held(
            APPROVAL,
            format!(
                "it would add {} to what is spent in a day, and more than {} takes a person: `dean approve {target}` \
                 lets the next run do it",
                shown(added),
                shown(most)
            ),
        ))
    }

    /// What the budgets of a stage may still grow by.
    pub(super) fn room(&self, stage: &str) -> Money {
        let within = |cap: Option<Money>, used: Money| match cap {
            Some(cap) => Money((cap.0 as f64 / OVERSPEND).floor() as i64) - used,
            None => Money(i64::MAX),
        };
        let of_stage = self
            .situation
            .stages
            .get(stage)
            .map_or(Money(i64::MAX), |s| within(s.cap, self.budgets.get(stage).copied().unwrap_or(Money::ZERO)));
        of_stage.min(within(self.situation.account_cap, self.account_budgets))
    }

    /// Uses up room.
    pub(super) fn take(&mut self, stage: &'a str, amount: Money) {
        *self.budgets.entry(stage).or_default() += amount;
        self.account_budgets += amount;
    }
}
