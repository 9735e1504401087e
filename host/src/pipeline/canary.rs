//! A canary's share: of two policies that were asked about the same cohort, one is heard about some of the ads and budgets,
//! the other about the rest.

use dean_policy::types::{Answer, Check, Plan};

/// The part of a cohort that the policy on trial is heard about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    /// The rows, ascending.
    pub rows: &'a [u32],
    /// The groups, ascending.
    pub groups: &'a [u32],
    /// The group of each row.
    pub group_of: &'a [u32],
}

impl Share<'_> {
    /// What counts of both answers, and a plan that its rules and facts are positions in.
    pub(crate) fn merged(&self, own: (&Plan, Answer), tried: (&Plan, Answer)) -> (Plan, Answer) {
        let ((plan, own), (of_trial, tried)) = (own, tried);
        let both = both(plan, of_trial);
        let own = self.part(own, false);
        let mut tried = self.part(tried, true);
        let rules = plan.rules.len() as u32;
        tried.ads.iter_mut().for_each(|decision| decision.rule += rules);
        tried.budgets.iter_mut().for_each(|decision| decision.rule += rules);
        let own_fact = |fact: u32| {
            place(
                fact,
                plan,
                Before {
                    columns: 0,
                    context: of_trial.columns.len(),
                    derived: of_trial.columns.len() + of_trial.context.len(),
                },
            )
        };
        let tried_fact = |fact: u32| {
            let (columns, context) = (plan.columns.len(), plan.columns.len() + plan.context.len());
            place(fact, of_trial, Before { columns, context, derived: plan.facts() })
        };
        let checks = own.checks.into_iter().map(|check| Check { fact: own_fact(check.fact), ..check });
        let of_trial = tried.checks.into_iter().map(|c| Check { rule: c.rule + rules, fact: tried_fact(c.fact), ..c });
        let answer = Answer {
            ads: own.ads.into_iter().chain(tried.ads).collect(),
            budgets: own.budgets.into_iter().chain(tried.budgets).collect(),
            checks: checks.chain(of_trial).collect(),
        };
        (both, answer)
    }

    /// What one side is heard about.
    fn part(&self, answer: Answer, tried: bool) -> Answer {
        let heard_row = |row: u32| self.rows.binary_search(&row).is_ok() == tried;
        let heard_group = |group: u32| self.groups.binary_search(&group).is_ok() == tried;
        let Answer { mut ads, mut budgets, mut checks } = answer;
        ads.retain(|decision| heard_row(decision.row));
        budgets.retain(|decision| heard_group(decision.group));
        // What a budget rests on is checked on an ad that the other side may be heard about.
        let of_budget = |check: &Check| {
            let group = self.group_of.get(check.row as usize);
            budgets.iter().any(|decision| decision.rule == check.rule && Some(&decision.group) == group)
        };
        checks.retain(|check| heard_row(check.row) || of_budget(check));
        Answer { ads, budgets, checks }
    }
}

/// How many facts of the other plan stand before those of one, by their kind.
#[derive(Clone, Copy)]
struct Before {
    columns: usize,
    context: usize,
    derived: usize,
}

fn place(fact: u32, plan: &Plan, before: Before) -> u32 {
    let at = fact as usize;
    let before = match at {
        _ if at < plan.columns.len() => before.columns,
        _ if at < plan.columns.len() + plan.context.len() => before.context,
        _ => before.derived,
    };
    (at + before) as u32
}

/// Both plans, one after the other in each of their lists.
fn both(one: &Plan, other: &Plan) -> Plan {
    let names = |a: &[String], b: &[String]| a.iter().chain(b).cloned().collect();
    Plan {
        columns: names(&one.columns, &other.columns),
        text_columns: names(&one.text_columns, &other.text_columns),
        context: names(&one.context, &other.context),
        derived: names(&one.derived, &other.derived),
        rules: one.rules.iter().chain(&other.rules).cloned().collect(),
    }
}
