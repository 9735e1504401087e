//! Cases asked of a policy: what differs from what was expected, and which rules some case makes fire.

use super::read::{Case, Names, Scene, When};
use crate::runtime::{Policy, PrepareError};
use crate::types::{Answer, Check, Comparison, Plan, stage_to_ask};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What cases found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files of cases.
    pub cases: usize,
    /// Questions in them.
    pub questions: usize,
    /// Where the policy answered otherwise than expected.
    pub differences: Vec<Difference>,
    /// Every rule that exists under default settings or fired, and how often it did.
    pub rules: Vec<RuleCoverage>,
}

/// An answer that is not the expected one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The file.
    pub file: String,
    /// The line of the `[[when]]`.
    pub line: usize,
    /// Its position in the file, from 1.
    pub when: usize,
    /// `then`, `amount`, `budget`, `refused`, or `case` where it could not be asked.
    pub what: String,
    /// What the case says.
    pub expected: String,
    /// What the policy says.
    pub found: String,
    /// The comparisons of the expected rule that did not hold.
    pub because: Vec<String>,
}

/// How often cases made a rule fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCoverage {
    /// The stage.
    pub stage: String,
    /// The rule's id.
    pub rule: String,
    /// Questions in whose answer it decided on something.
    pub fired: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.what == "then" { String::new() } else { format!("{}: ", self.what) };
        write!(f, "{}:{}: {what}expected {}, found {}", self.file, self.line, self.expected, self.found)?;
        self.because.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl Report {
    /// Whether everything came as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// Rules that no case makes fire.
    #[must_use]
    pub fn untested(&self) -> Vec<&RuleCoverage> {
        self.rules.iter().filter(|rule| rule.fired == 0).collect()
    }
}

/// What a policy says to one question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub then: String,
    pub amount: Option<f64>,
    pub budget: Option<String>,
    pub refused: Option<String>,
}

/// Why a question was not answered.
pub(super) enum Failed {
    /// It cannot be asked.
    Case(String),
    /// The policy failed.
    Policy(String),
}

/// What no budget decision is called.
const STAYS: &str = "stays";

/// All questions of a policy together. An interpreter answers one in some ten milliseconds; what needs longer than this
/// is no set of cases but an attempt to keep whoever loads it busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// Plans that are kept while a case is asked: its questions rarely have more than a few different settings.
const KEPT_PLANS: usize = 64;

/// Asks a policy every question of cases.
#[must_use]
pub fn run(policy: &Policy, cases: &[Case]) -> Report {
    let mut report = Report { cases: cases.len(), ..Report::default() };
    let mut asked = Asked::new(policy);
    for case in cases {
        if !asked.is_late() {
            asked.learn(case);
        }
        for (i, when) in case.whens.iter().enumerate() {
            report.questions += 1;
            let differs = |what: &str, expected: String, found: String, because: Vec<String>| Difference {
                file: case.file.clone(),
                line: when.line,
                when: i + 1,
                what: what.into(),
                expected,
                found,
                because,
            };
            match asked.ask(case, when) {
                Err(Failed::Case(reason)) => {
                    report.differences.push(differs("case", "an answer".into(), reason, Vec::new()));
                }
                // One that hangs would hang in every question.
                Err(Failed::Policy(reason)) => {
                    report.differences.push(differs("case", "an answer".into(), reason, Vec::new()));
                    report.rules = asked.coverage();
                    return report;
                }
                Ok(said) => {
                    let found = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.into());
                    if when.refused != said.refused {
                        let (expected, found) = (found(&when.refused, "accepted"), found(&said.refused, "accepted"));
                        report.differences.push(differs("refused", expected, found, Vec::new()));
                        continue;
                    }
                    if said.refused.is_none() && when.then != said.then {
                        let because = asked.because(case, when);
                        report.differences.push(differs("then", when.then.clone(), said.then, because));
                    }
                    if let Some(amount) = when.amount.filter(|amount| !is_near(Some(*amount), said.amount)) {
                        let found = said.amount.map_or("none".into(), |amount| amount.to_string());
                        report.differences.push(differs("amount", amount.to_string(), found, Vec::new()));
                    }
                    if when.budget != said.budget {
                        let (expected, found) = (found(&when.budget, STAYS), found(&said.budget, STAYS));
                        report.differences.push(differs("budget", expected, found, Vec::new()));
                    }
                }
            }
        }
    }
    report.rules = asked.coverage();
    report
}

/// Amounts are money: half a thousandth of a unit is no difference.
fn is_near(a: Option<f64>, b: Option<f64>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if (a - b).abs() <= 5e-4)
}

/// A policy being asked: plans by settings, and what fired so far.
pub(super) struct Asked<'a> {
    policy: &'a Policy,
    plans: BTreeMap<String, Result<Plan, PrepareError>>,
    fired: BTreeMap<(String, String), usize>,
    names: Names,
    until: Instant,
}

impl<'a> Asked<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        let until = Instant::now() + DEADLINE;
        Asked { policy, plans: BTreeMap::new(), fired: BTreeMap::new(), names: Names::default(), until }
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.until
    }

    /// The stage of a case: its own, or the only one that the policy decides for.
    fn stage(&self, case: &Case) -> Result<String, String> {
        match (&case.stage, self.policy.manifest().stages.as_slice()) {
            (Some(stage), _) => Ok(stage.clone()),
            (None, [only]) => Ok(stage_to_ask(only).into()),
            (None, several) => Err(format!("the case names no stage; the policy decides for {}", several.join(", "))),
        }
    }

    fn plan(&mut self, stage: &str, scene: &Scene) -> Result<Plan, PrepareError> {
        let settings = self.policy.settings(&scene.settings());
        if self.plans.len() == KEPT_PLANS {
            self.plans.clear();
        }
        // Settings are few and small: their debug form tells them apart.
        let key = format!("{stage} {settings:?}");
        self.plans.entry(key).or_insert_with(|| self.policy.prepare(stage, &settings)).clone()
    }

    /// Learns which names a case may use: what the policy reads under the settings of any of its questions.
    pub(super) fn learn(&mut self, case: &Case) {
        self.names = Names::default();
        let Ok(stage) = self.stage(case) else { return };
        for when in &case.whens {
            if self.is_late() {
                return;
            }
            let Ok(plan) = self.plan(&stage, &case.scene(when)) else { continue };
            self.names.columns.extend(plan.columns);
            self.names.text_columns.extend(plan.text_columns);
            self.names.context.extend(plan.context);
        }
    }

    pub(super) fn ask(&mut self, case: &Case, when: &When) -> Result<Said, Failed> {
        if self.is_late() {
            let all = DEADLINE.as_secs();
            return Err(Failed::Policy(format!("its cases together take longer than {all} s; the rest was not asked")));
        }
        let stage = self.stage(case).map_err(Failed::Case)?;
        let scene = case.scene(when);
        let plan = match self.plan(&stage, &scene) {
            Ok(plan) => plan,
            Err(PrepareError::Settings(problems)) => {
                let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
                if when.refused.is_none() {
                    return Err(Failed::Case(PrepareError::Settings(problems).to_string()));
                }
                let refused = Some(paths.join(", "));
                return Ok(Said { then: String::new(), amount: None, budget: None, refused });
            }
            Err(error) => return Err(Failed::Policy(error.to_string())),
        };
        let answer = self.decide(&stage, &scene, &plan, false)?;
        // Runs ask for every check: what fails only then, or decides otherwise, would fail in each of them.
        let traced = self.decide(&stage, &scene, &plan, true)?;
        if (&traced.ads, &traced.budgets) != (&answer.ads, &answer.budgets) {
            return Err(Failed::Policy("it decides otherwise when it is asked for every check".into()));
        }
        let rules = answer.ads.iter().map(|d| d.rule).chain(answer.budgets.iter().map(|d| d.rule));
        let mut seen: Vec<u32> = rules.collect();
        seen.sort_unstable();
        seen.dedup();
        for rule in seen {
            *self.fired.entry((stage.clone(), plan.rules[rule as usize].id.clone())).or_default() += 1;
        }
        Ok(said(&plan, &answer, scene.group()))
    }

    fn decide(&self, stage: &str, scene: &Scene, plan: &Plan, trace: bool) -> Result<Answer, Failed> {
        if let Some(message) = scene.stranger(&self.names) {
            return Err(Failed::Case(message));
        }
        let settings = self.policy.settings(&scene.settings());
        let mut cohort = scene.cohort(plan);
        cohort.trace = trace;
        let called = self.policy.decide(stage, &settings, plan, &mut cohort);
        called.answer.map_err(|fault| Failed::Policy(format!("the policy failed: {fault}")))
    }

    /// What of the expected rule did not hold, read from a trace.
    fn because(&mut self, case: &Case, when: &When) -> Vec<String> {
        let Some((_, rule)) = when.then.split_once(" by ") else { return Vec::new() };
        let Ok(stage) = self.stage(case) else { return Vec::new() };
        let scene = case.scene(when);
        let Ok(plan) = self.plan(&stage, &scene) else { return Vec::new() };
        let Some(position) = plan.rules.iter().position(|r| r.id == rule) else {
            return vec![format!("there is no rule {rule} under these settings")];
        };
        let Ok(answer) = self.decide(&stage, &scene, &plan, true) else { return Vec::new() };
        let of_rule = |c: &&Check| c.row == 0 && c.rule as usize == position;
        let mut lines: Vec<String> =
            answer.checks.iter().filter(of_rule).filter(|c| !c.met).map(|c| line(&plan, c)).collect();
        if !answer.checks.iter().any(|c| of_rule(&c)) {
            lines.push(format!("{rule} was not looked at for this ad"));
        }
        lines
    }

    fn coverage(&mut self) -> Vec<RuleCoverage> {
        let mut rules = Vec::new();
        for stage in self.policy.manifest().stages.iter().map(|stage| stage_to_ask(stage).to_string()) {
            if self.is_late() {
                break;
            }
            let known = self.policy.prepare(&stage, &self.policy.settings(&[])).map(|plan| plan.rules);
            for rule in known.unwrap_or_default() {
                self.fired.entry((stage.clone(), rule.id.clone())).or_default();
                rules.push((stage.clone(), rule.id));
            }
        }
        // In the order of the plan; what exists under other settings only stands behind.
        let more: Vec<_> = self.fired.keys().filter(|key| !rules.contains(key)).cloned().collect();
        let counted = |(stage, rule): (String, String)| {
            let fired = self.fired[&(stage.clone(), rule.clone())];
            RuleCoverage { stage, rule, fired }
        };
        rules.into_iter().chain(more).map(counted).collect()
    }
}

/// A check that did not hold, in words.
fn line(plan: &Plan, check: &Check) -> String {
    let fact = plan.fact(check.fact).unwrap_or("?");
    let comparison = match check.comparison {
        Comparison::Below => "below",
        Comparison::AtMost => "at most",
        Comparison::AtLeast => "at least",
        Comparison::Above => "above",
    };
    let known = |value: f64| if value.is_nan() { "not known".to_string() } else { value.to_string() };
    match check.threshold.is_nan() {
        true => format!("{fact} is {}, and what it has to be {comparison} is not known", known(check.value)),
        false => format!("{fact} is {}, and has to be {comparison} {}", known(check.value), check.threshold),
    }
}

/// What an answer says of the first ad and of its owner.
fn said(plan: &Plan, answer: &Answer, group: u32) -> Said {
    let rule = |rule: u32| &plan.rules[rule as usize].id;
    let ad = answer.ads.iter().find(|d| d.row == 0);
    let then = ad.map_or("hold".into(), |d| format!("{} by {}", d.verb, rule(d.rule)));
    let budget = answer.budgets.iter().find(|d| d.group == group);
    let budget = budget.map(|d| format!("{} by {}", (d.amount * 100.0).round() / 100.0, rule(d.rule)));
    Said { then, amount: ad.map(|d| d.amount), budget, refused: None }
}
