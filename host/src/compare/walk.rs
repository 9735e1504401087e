//! Both sides, walked through the runs, and what is told of them in the end.

use super::ask::Asked;
use super::differ::{Change, Pair, pairs};
use super::history::Hour;
use super::outcome::{Counted, Days};
use super::report::{Comparison, Difference, Done, Kills, Moved, PauseDay, RuleLine, Sides, StageSides};
use super::side::{Account, Answered, Does, Event, Side};
use super::{Question, Tried};
use crate::domain::{Currency, Verb, hours};
use crate::journal::Record;
use crate::pipeline::Share;
use crate::store::JournalledRun;
use dean_policy::types::{Answer, Plan};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(super) struct Walk<'a> {
    tried: Vec<Asked<'a>>,
    against: Option<Vec<Asked<'a>>>,
    account: Account,
    before: Side,
    after: Side,
    /// Who decided for each compared stage, by the journal.
    deciders: BTreeMap<String, BTreeSet<String>>,
    /// Ads of the compared stages.
    ads: HashSet<String>,
    /// Names of ads, as they were last seen.
    names: HashMap<String, String>,
    pub first: Option<Timestamp>,
    last: Option<Timestamp>,
    pub currency: Option<Currency>,
    compared: usize,
    decisions: usize,
    /// Runs of which nothing is there that can be asked again.
    pub without: usize,
    /// Runs in which nothing might be written.
    stopped: usize,
}

/// What was decided in a stage then, by its policy and by a canary, and the plan that this is in terms of.
fn journalled<'h>(stage: &str, record: &'h Record, hour: &'h Hour<'_>) -> (Cow<'h, Plan>, Answer) {
    let own = record.outcome.answer().unwrap_or_default();
    let canary = hour.trials.get(stage).filter(|trial| trial.share > 0.0);
    let said = canary.and_then(|trial| Some((*trial, trial.record.outcome.answer().ok()?)));
    let (plan, mut answer) = match said {
        Some((trial, said)) => {
            let (rows, groups, group_of) = (&*trial.rows, &*trial.groups, &*record.cohort.group_of);
            let share = Share { rows, groups, group_of };
            let (plan, answer) = share.merged((&record.plan, own), (&trial.record.plan, said));
            (Cow::Owned(plan), answer)
        }
        None => (Cow::Borrowed(&record.plan), own),
    };
    // What only says that nothing is done is no difference.
    answer.ads.retain(|ad| ad.verb != Verb::Hold);
    (plan, answer)
}

impl<'a> Walk<'a> {
    pub(super) fn new(question: &Question<'a>) -> Self {
        Walk {
            tried: match question.tried {
                Tried::Policies(stages) => Asked::of_policies(stages),
                Tried::Trials(trials) => Asked::of_trials(trials),
            },
            against: question.against.map(Asked::of_policies),
            account: Account::default(),
            before: Side { is_journal: question.against.is_none(), ..Side::default() },
            after: Side::default(),
            deciders: BTreeMap::new(),
            ads: HashSet::new(),
            names: HashMap::new(),
            first: None,
            last: None,
            currency: None,
            compared: 0,
            decisions: 0,
            without: 0,
            stopped: 0,
        }
    }

    /// Whether anything of a run is compared.
    pub(super) fn is_about(&self, hour: &Hour<'_>) -> bool {
        self.tried.iter().any(|asked| asked.is_about(hour))
    }

    /// One run.
    pub(super) fn step(&mut self, position: usize, hour: &Hour<'_>) {
        self.first.get_or_insert(hour.run.as_of);
        self.last = Some(hour.run.as_of);
        self.compared += 1;
        self.stopped += usize::from(hour.guard.situation.stopped.is_some());
        self.currency.get_or_insert_with(|| hour.guard.situation.currency.clone());
        self.account.look(hour);
        // A stage whose policy was on trial in other runs only is not compared in this one.
        let apart: Vec<&str> =
            self.tried.iter().filter(|asked| !asked.is_about(hour)).map(|asked| asked.stage).collect();
        for asked in self.tried.iter_mut().filter(|asked| !apart.contains(&asked.stage)) {
            let Some(record) = hour.records.get(asked.stage) else {
                asked.absent += 1;
                continue;
            };
            for ad in &record.ads {
                if !self.ads.contains(ad) {
                    self.ads.insert(ad.clone());
                }
            }
            self.decisions += record.ads.len();
            let deciders = self.deciders.entry(asked.stage.into()).or_default();
            let canary = hour.trials.get(asked.stage).filter(|trial| trial.share > 0.0);
            for name in canary.map(|trial| &trial.record.policy_name).into_iter().chain([&record.policy_name]) {
                if !deciders.contains(name) {
                    deciders.insert(name.clone());
                }
            }
        }
        // What the other stages decided then uses up limits that all share.
        let journalled: Journalled<'_> =
            hour.records.iter().map(|(stage, record)| (*stage, journalled(stage, record, hour))).collect();
        // Beside what was decided then nobody knows more than whoever decided; two that are asked again know the same.
        let beside_journal = self.against.is_none();
        let against = self.against.as_deref_mut().unwrap_or_default();
        for (stage, (_, answer)) in &journalled {
            let resumed = answer.ads.iter().filter(|ad| ad.verb == Verb::Resume);
            resumed.for_each(|ad| self.account.resumes(&hour.records[stage].ads[ad.row as usize]));
        }
        judge(&mut self.before, &self.account, (against, beside_journal), hour, position, &journalled);
        judge(&mut self.after, &self.account, (&mut self.tried, beside_journal), hour, position, &journalled);
        for side in [&mut self.before, &mut self.after] {
            side.events.retain(|event| event.run != position || !apart.contains(&event.stage.as_str()));
        }
        for side in [&self.before, &self.after] {
            for event in side.events.iter().rev().take_while(|event| event.run == position) {
                let ads = &hour.measured.ads;
                if let Some(ad) = ads.iter().position(|ad| *ad == event.target)
                    && let Some(name) = hour.measured.fields.text("ad_name", ad, ads.len())
                {
                    self.names.insert(event.target.clone(), name.to_string());
                }
            }
        }
    }

    /// What was found.
    pub(super) fn report(
        self,
        question: &Question<'_>,
        runs: &[JournalledRun],
        days: &Days<'_>,
        currency: &Currency,
    ) -> Comparison {
        let unknown = self.unknown();
        let compared = |event: &&Event| self.tried.iter().any(|asked| asked.stage == event.stage);
        let of = |events: &[Event]| events.iter().filter(compared).cloned().collect::<Vec<_>>();
        let (before, after) = (of(&self.before.events), of(&self.after.events));
        let pairs = pairs(&before, &after);
        let mut report = Comparison {
            account: question.account.into(),
            client: question.client.into(),
            currency: currency.code().into(),
            since: self.first.map(|at| at.to_string()),
            until: self.last.map(|at| at.to_string()),
            runs: self.compared,
            ads: self.ads.len(),
            decisions: self.decisions,
            stages: self.tried.iter().map(|asked| self.sides(asked)).collect(),
            changed: pairs.iter().filter(|pair| pair.change() != Change::Same).count(),
            rules: rules(&pairs, currency),
            budget: Sides { before: moved(&before, currency), after: moved(&after, currency) },
            kills: Kills::default(),
            pauses: pauses(&before, &after),
            differences: Vec::new(),
            unknown,
            ms: 0.0,
        };
        let (mut counted, mut elsewhere) = (Counted::new(), Counted::new());
        for pair in pairs {
            let is_pause = pair.first().does.word() == Verb::Pause.as_str();
            let days_of = if is_pause { &mut counted } else { &mut elsewhere };
            let difference = self.difference(pair, runs, days, currency, days_of);
            if is_pause {
                count(&mut report.kills, pair.change(), &difference);
            }
            if pair.change() != Change::Same {
                report.differences.push(difference);
            }
        }
        let sum = days.sum(&counted);
        let kills = &mut report.kills;
        (kills.spend_after, kills.purchases_after) = (sum.spend, sum.purchases);
        kills.profit_after = sum.profit.filter(|_| kills.known > 0);
        let silent = kills.new + kills.earlier - kills.known;
        if days.is_empty() && silent > 0 {
            let key = question.attribution;
            report
                .unknown
                .push(format!("No days are stored under the attribution {key}: what ads went on to do is not known."));
        } else if silent > 0 {
            report.unknown.push(format!(
                "What {silent} of the ads went on to do that are paused earlier or only now is not known: they were \
                 delivered on no whole day between the pause and what the account did. The day of a decision itself \
                 counts for nobody."
            ));
        }
        report
    }

    fn sides(&self, asked: &Asked<'_>) -> StageSides {
        let (after, after_sha256) = asked.policy();
        let against = self.against.as_ref().and_then(|against| against.iter().find(|of| of.stage == asked.stage));
        let before = match against {
            Some(against) => vec![against.policy().0],
            None => self.deciders.get(asked.stage).into_iter().flatten().cloned().collect(),
        };
        StageSides { stage: asked.stage.into(), before, after, after_sha256 }
    }

    fn difference<'d>(
        &self,
        pair: Pair<'_>,
        runs: &[JournalledRun],
        days: &Days<'d>,
        currency: &Currency,
        counted: &mut Counted<'d>,
    ) -> Difference {
        let first = pair.first();
        let change = pair.change();
        let is_ad = matches!(first.does, Does::Ad(..));
        let lets_go = matches!(first.does, Does::Ad(Verb::Pause | Verb::Promote, _));
        // Until the account did the same, it is known what the ad did.
        let until = pair.before().filter(|_| change == Change::Earlier).map(|before| before.day);
        let tried = matches!(change, Change::New | Change::Earlier) && lets_go;
        let done = |event: &Event| {
            let (amount, from) = match event.does {
                Does::Ad(verb, amount) => (matches!(verb, Verb::Promote | Verb::Duplicate).then_some(amount), None),
                Does::Budget { from, to } => (Some(to), Some(from)),
            };
            let major = |money| currency.to_major(money);
            Done { rule: event.rule.clone(), amount: amount.map(major), from: from.map(major) }
        };
        Difference {
            at: first.at.to_string(),
            run_id: runs.get(first.run).map(|run| run.run_id.clone()).unwrap_or_default(),
            stage: first.stage.clone(),
            ad_id: is_ad.then(|| first.target.clone()),
            ad_name: self.names.get(&first.target).cloned(),
            owner_id: (!is_ad).then(|| first.target.clone()),
            does: first.does.word().into(),
            change: change.word().into(),
            hours: pair.before().zip(pair.after()).map(|(before, after)| hours(before.at, after.at)),
            before: pair.before().map(done),
            after: pair.after().map(done),
            outcome: if tried { days.after(&first.target, (first.at, first.day), until, counted) } else { None },
        }
    }

    /// What cannot be known from all this.
    fn unknown(&self) -> Vec<String> {
        let mut unknown = vec![
            "What an ad would have done after a decision that the account did not take is not in the history: each hour \
             is asked about the account as it was, and effects do not add up over time."
                .to_string(),
            "What the market would have paid for a budget that was not spent, and what other ads would have done with \
             it, cannot be known."
                .into(),
        ];
        let mut say = |count: usize, text: String| {
            if count > 0 {
                unknown.push(text);
            }
        };
        say(
            self.after.blind,
            format!(
                "{} decisions were about ads that the account had paused or replaced by then and the tried side had not: \
                 they are left out.",
                self.after.blind
            ),
        );
        say(
            self.before.blind,
            format!("{} decisions of the side that it is compared against were left out likewise.", self.before.blind),
        );
        say(self.without, format!("{} runs were journalled without what is needed, and are left out.", self.without));
        say(self.stopped, format!("In {} runs nothing might be written, so neither side does anything.", self.stopped));
        for asked in self.tried.iter().chain(self.against.iter().flatten()) {
            let name = format!("{}, stage {}", asked.policy().0, asked.stage);
            let missing: Vec<&str> = asked.missing.iter().map(String::as_str).collect();
            say(
                missing.len(),
                format!(
                    "{name} reads {}, which was not journalled: it was told that they are unknown.",
                    missing.join(", ")
                ),
            );
            say(
                asked.absent,
                format!(
                    "In {} runs nobody decided for stage {}: {} was not asked about them, although they count.",
                    asked.absent,
                    asked.stage,
                    asked.policy().0
                ),
            );
            let failure = asked.failure.as_deref().unwrap_or_default();
            say(asked.failed, format!("{name} failed in {} runs, which then decide nothing: {failure}", asked.failed));
        }
        unknown
    }
}

/// By stage, what was decided then.
type Journalled<'h> = BTreeMap<&'h str, (Cow<'h, Plan>, Answer)>;

/// Lets the policies answer that are asked, the journal for the other stages, and a side judge that.
fn judge<'h, 'a: 'h>(
    side: &mut Side,
    account: &Account,
    (asked, beside_journal): (&mut [Asked<'a>], bool),
    hour: &'h Hour<'_>,
    position: usize,
    journalled: &'h Journalled<'h>,
) {
    let mut own: Journalled<'h> = BTreeMap::new();
    for asked in asked.iter_mut().filter(|asked| asked.is_about(hour)) {
        let unseen = account.observed(asked.stage).filter(|_| beside_journal);
        let (plan, mut answer) = asked.answer(hour, &side.world, unseen).unwrap_or_default();
        answer.ads.retain(|ad| ad.verb != Verb::Hold);
        own.insert(asked.stage, (plan, answer));
    }
    let answered: Vec<Answered<'_>> = journalled
        .iter()
        .map(|(stage, of_journal)| {
            let (plan, answer) = own.get(stage).unwrap_or(of_journal);
            Answered { stage, answer, plan }
        })
        .collect();
    side.judge(hour, account, position, &answered);
}

fn rules(pairs: &[Pair<'_>], currency: &Currency) -> Vec<RuleLine> {
    let mut lines: BTreeMap<(String, String, &str), RuleLine> = BTreeMap::new();
    let mut line = |event: &Event, add: &mut dyn FnMut(&mut RuleLine)| {
        let does = event.does.word();
        let key = (event.stage.clone(), event.rule.clone(), does);
        add(lines.entry(key).or_insert_with(|| RuleLine {
            stage: event.stage.clone(),
            rule: event.rule.clone(),
            does: does.into(),
            before: 0,
            after: 0,
            same: 0,
            earlier: 0,
            later: 0,
            amount: 0,
            gone: 0,
            new: 0,
            budget: Sides::default(),
        }));
    };
    let moves = |event: &Event| match event.does {
        Does::Ad(..) => 0.0,
        Does::Budget { from, to } => currency.to_major(to - from).abs(),
    };
    for pair in pairs {
        let change = pair.change();
        if let Some(before) = pair.before() {
            line(before, &mut |line| {
                line.before += 1;
                line.gone += usize::from(change == Change::Gone);
                line.budget.before += moves(before);
            });
        }
        if let Some(after) = pair.after() {
            line(after, &mut |line| {
                line.after += 1;
                line.budget.after += moves(after);
                match change {
                    Change::Same => line.same += 1,
                    Change::Earlier => line.earlier += 1,
                    Change::Later => line.later += 1,
                    Change::Amount => line.amount += 1,
                    Change::New => line.new += 1,
                    Change::Gone => {}
                }
            });
        }
    }
    lines.into_values().collect()
}

fn pauses(before: &[Event], after: &[Event]) -> Vec<PauseDay> {
    let mut days: BTreeMap<String, Sides<usize>> = BTreeMap::new();
    let paused = |event: &&Event| matches!(event.does, Does::Ad(Verb::Pause, _));
    for event in before.iter().filter(paused) {
        days.entry(event.day.to_string()).or_default().before += 1;
    }
    for event in after.iter().filter(paused) {
        days.entry(event.day.to_string()).or_default().after += 1;
    }
    days.into_iter().map(|(date, kills)| PauseDay { date, kills }).collect()
}

fn moved(events: &[Event], currency: &Currency) -> Moved {
    let mut moved = Moved::default();
    for event in events {
        if let Does::Budget { from, to } = event.does {
            let by = currency.to_major(to - from);
            moved.changes += 1;
            moved.raised += by.max(0.0);
            moved.lowered += (-by).max(0.0);
        }
    }
    moved
}

fn count(kills: &mut Kills, change: Change, difference: &Difference) {
    kills.before += usize::from(difference.before.is_some());
    kills.after += usize::from(difference.after.is_some());
    match change {
        Change::Same | Change::Amount => kills.same += 1,
        Change::Earlier => kills.earlier += 1,
        Change::Later => kills.later += 1,
        Change::Gone => kills.gone += 1,
        Change::New => kills.new += 1,
    }
    if let Some(outcome) = &difference.outcome {
        kills.known += 1;
        kills.sold_after += usize::from(outcome.sold);
        kills.earned_after += usize::from(outcome.profit.is_some_and(|profit| profit > 0.0));
        kills.open += usize::from(!outcome.settled);
    }
}
