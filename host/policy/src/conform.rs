//! What every policy has to stand, whatever it decides: a public suite that asks a component about cohorts nobody would
//! wish for, and says in words what did not hold.

use crate::runtime::{Fault, Policy, PrepareError};
use crate::types::{Answer, Cohort, Kind, Plan, Setting, UNKNOWN_TEXT, Value, Verb, stage_to_ask};
use serde::Serialize;

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stage.
    pub stage: String,
    /// What has to hold.
    pub law: String,
    /// What did not, if so.
    pub broken: Option<String>,
}

/// A large account.
const MANY: u32 = 10_000;
/// Enough rows to be of many kinds, few enough to look at each.
const SOME: u32 = 300;

/// Asks a policy, in every stage that it decides for.
#[must_use]
pub fn examine(policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in policy.manifest().stages.iter().map(|stage| stage_to_ask(stage).to_string()) {
        let mut say = |law: &str, broken: Option<String>| {
            findings.push(Finding { stage: stage.clone(), law: law.into(), broken });
        };
        let settings = policy.settings(&[]);
        let plan = match policy.prepare(&stage, &settings) {
            Ok(plan) => plan,
            Err(error) => {
                say("it accepts its own defaults", Some(error.to_string()));
                continue;
            }
        };
        say("it accepts its own defaults", None);
        say("settings of another type or out of their bounds are refused by name", wrong_settings(policy, &stage));
        say("at either end of a setting's bounds it decides, or says what is wrong", bounds(policy, &stage));
        let asking = Asking { policy, stage: &stage, settings: &settings, plan: &plan };
        say("without ads it decides nothing", asking.nobody());
        say("of ads of which nothing is known it changes none", asking.unknown());
        say("it takes values that nobody would expect", asking.extreme());
        say("the same question has the same answer, to the last bit", asking.again());
        say("without every check it decides the same, and tells why", asking.untraced());
        say("the order of the ads changes nothing", asking.shuffled());
        say("it answers for 10,000 ads within the limits", asking.many());
    }
    findings
}

/// Settings that have to be refused.
fn wrong_settings(policy: &Policy, stage: &str) -> Option<String> {
    let mut wrong = Vec::new();
    for param in &policy.manifest().params {
        match &param.kind {
            Kind::Number(number) => {
                wrong.push((param, Value::Text("no number".into())));
                let beyond = [number.min - 1.0, number.max + 1.0];
                // Beyond 2^53 one more is no other number.
                let is_other = |value: &f64| value.is_finite() && !(number.min..=number.max).contains(value);
                wrong.extend(beyond.into_iter().filter(is_other).map(|value| (param, Value::Number(value))));
            }
            Kind::Flag(_) => wrong.push((param, Value::Text("neither".into()))),
            Kind::Text(_) => wrong.push((param, Value::Number(1.0))),
            Kind::Open => {}
        }
    }
    wrong.into_iter().find_map(|(param, value)| {
        let setting = Setting { path: param.path.clone(), value };
        let found = policy.prepare(stage, &policy.settings(std::slice::from_ref(&setting)));
        let at = |what: &str| Some(format!("{} = {:?}: {what}", setting.path, setting.value));
        match found {
            Err(PrepareError::Settings(problems)) if problems.iter().any(|problem| problem.path == setting.path) => {
                None
            }
            Err(PrepareError::Settings(_)) => at("it is refused, but not by its name"),
            Err(PrepareError::Fault(fault)) => at(&fault.to_string()),
            Ok(_) => at("it is accepted"),
        }
    })
}

/// Settings that it says it takes.
fn bounds(policy: &Policy, stage: &str) -> Option<String> {
    let ends = |kind: &Kind| match kind {
        Kind::Number(number) => vec![Value::Number(number.min), Value::Number(number.max)],
        Kind::Flag(_) => vec![Value::Flag(false), Value::Flag(true)],
        Kind::Text(_) | Kind::Open => Vec::new(),
    };
    policy.manifest().params.iter().find_map(|param| {
        ends(&param.kind).into_iter().find_map(|value| {
            let at = |what: String| Some(format!("{} = {value:?}: {what}", param.path));
            let setting = Setting { path: param.path.clone(), value: value.clone() };
            let settings = policy.settings(std::slice::from_ref(&setting));
            let plan = match policy.prepare(stage, &settings) {
                Ok(plan) => plan,
                Err(PrepareError::Settings(problems)) if !problems.is_empty() => return None,
                Err(error) => return at(error.to_string()),
            };
            let asking = Asking { policy, stage, settings: &settings, plan: &plan };
            asking.ask(&mut asking.plausible(SOME)).err().and_then(|fault| at(fault.to_string()))
        })
    })
}

/// The next of a sequence of numbers that look random (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Within 0 and 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 2f64.powi(53)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

struct Asking<'a> {
    policy: &'a Policy,
    stage: &'a str,
    settings: &'a [Setting],
    plan: &'a Plan,
}

impl Asking<'_> {
    fn ask(&self, cohort: &mut Cohort) -> Result<Answer, Fault> {
        self.policy.decide(self.stage, self.settings, self.plan, cohort).answer
    }

    /// A cohort of some values, with words that an ad's status may be.
    fn cohort(&self, rows: u32, numbers: &mut Numbers, mut value: impl FnMut(&mut Numbers) -> f64) -> Cohort {
        let words: Vec<String> = ["ACTIVE", "PAUSED", "", "\u{1F4B6} \u{202E}"].map(String::from).to_vec();
        let groups = rows.div_ceil(3);
        let codes = (0..rows as usize * self.plan.text_columns.len()).map(|_| match numbers.below(10) {
            0 => UNKNOWN_TEXT,
            1 => numbers.below(words.len() as u64) as u32,
            _ => 0,
        });
        let codes = codes.collect();
        Cohort {
            now: 1_780_000_000.0,
            seed: 7,
            rows,
            groups,
            trace: true,
            values: (0..rows as usize * self.plan.columns.len()).map(|_| value(numbers)).collect(),
            words,
            codes,
            context: (0..self.plan.context.len()).map(|_| value(numbers)).collect(),
            group_of: (0..rows).map(|row| row / 3).collect(),
        }
    }

    /// Numbers as accounts have them: shares, counts, money; one in ten not known.
    fn plausible(&self, rows: u32) -> Cohort {
        self.cohort(rows, &mut Numbers(0x9E37_79B9_7F4A_7C15), |numbers| match numbers.below(10) {
            0 => f64::NAN,
            1 => 0.0,
            2 | 3 => numbers.part(),
            4 | 5 => numbers.below(5) as f64,
            _ => numbers.part() * 200.0,
        })
    }

    fn nobody(&self) -> Option<String> {
        let mut cohort = self.cohort(0, &mut Numbers(1), |_| f64::NAN);
        match self.ask(&mut cohort) {
            Ok(answer) if answer == Answer::default() => None,
            Ok(_) => Some("it answers something".into()),
            Err(fault) => Some(fault.to_string()),
        }
    }

    fn unknown(&self) -> Option<String> {
        let mut cohort = self.cohort(SOME, &mut Numbers(1), |_| f64::NAN);
        cohort.codes.fill(UNKNOWN_TEXT);
        match self.ask(&mut cohort) {
            Err(fault) => Some(fault.to_string()),
            Ok(answer) => {
                let changed = answer.ads.iter().find(|decision| decision.verb != Verb::Hold);
                let moved = answer.budgets.first().map(|decision| ("budget", decision.rule));
                let (what, rule) = changed.map(|decision| (decision.verb.as_str(), decision.rule)).or(moved)?;
                Some(format!("{what} by {}", self.rule(rule)))
            }
        }
    }

    fn rule(&self, rule: u32) -> &str {
        self.plan.rules.get(rule as usize).map_or("?", |rule| rule.id.as_str())
    }

    fn extreme(&self) -> Option<String> {
        // A budget of a billion, raised, is still an amount that the host takes.
        const VALUES: [f64; 8] = [0.0, -0.0, -1.0, -1e9, 1e-308, 1e9, 0.1 + 0.2, f64::NAN];
        let mut cohort = self.cohort(SOME, &mut Numbers(3), |numbers| VALUES[numbers.below(8) as usize]);
        self.ask(&mut cohort).err().map(|fault| fault.to_string())
    }

    fn again(&self) -> Option<String> {
        let (first, second) = (self.ask(&mut self.plausible(SOME)), self.ask(&mut self.plausible(SOME)));
        match (first, second) {
            // By their bits: an unknown value is equal to itself, and 0 is not -0.
            (Ok(a), Ok(b)) => (format!("{a:?}") != format!("{b:?}")).then(|| "the answers differ".into()),
            (Err(fault), _) | (_, Err(fault)) => Some(fault.to_string()),
        }
    }

    fn untraced(&self) -> Option<String> {
        let traced = self.ask(&mut self.plausible(SOME));
        let mut cohort = self.plausible(SOME);
        cohort.trace = false;
        match (traced, self.ask(&mut cohort)) {
            (Err(fault), _) | (_, Err(fault)) => Some(fault.to_string()),
            (Ok(traced), Ok(plain)) => {
                if (&traced.ads, &traced.budgets) != (&plain.ads, &plain.budgets) {
                    return Some("the decisions differ".into());
                }
                let changes = plain.ads.iter().filter(|decision| decision.verb != Verb::Hold);
                let told =
                    |row: u32, rule: u32| plain.checks.iter().any(|check| (check.row, check.rule) == (row, rule));
                let silent = changes.into_iter().find(|decision| !told(decision.row, decision.rule))?;
                Some(format!("{} by {} has no check that says why", silent.verb, self.rule(silent.rule)))
            }
        }
    }

    fn shuffled(&self) -> Option<String> {
        let mut cohort = self.plausible(SOME);
        let mut other = cohort.clone();
        let rows = SOME as usize;
        let from: Vec<usize> = (0..rows).rev().collect();
        other.group_of.reverse();
        for column in 0..self.plan.columns.len() {
            (0..rows).for_each(|row| other.values[column * rows + row] = cohort.values[column * rows + from[row]]);
        }
        for column in 0..self.plan.text_columns.len() {
            (0..rows).for_each(|row| other.codes[column * rows + row] = cohort.codes[column * rows + from[row]]);
        }
        match (self.ask(&mut cohort), self.ask(&mut other)) {
            (Err(fault), _) | (_, Err(fault)) => Some(fault.to_string()),
            (Ok(plain), Ok(shuffled)) => {
                let (one, two) = (Told::of(&plain, &|row| row), Told::of(&shuffled, &|row| from[row as usize] as u32));
                let only =
                    |a: &[Told], b: &[Told]| a.iter().find(|told| !b.iter().any(|other| told.is(other))).cloned();
                let differs = only(&one, &two).or_else(|| only(&two, &one))?;
                Some(format!("{} by {} is decided in one order only", differs.what, self.rule(differs.rule)))
            }
        }
    }

    fn many(&self) -> Option<String> {
        self.ask(&mut self.plausible(MANY)).err().map(|fault| fault.to_string())
    }
}

/// A decision of an answer, wherever its ad stood.
#[derive(Clone)]
struct Told {
    what: &'static str,
    whom: u32,
    rule: u32,
    amount: f64,
    confidence: f64,
}

impl Told {
    fn of(answer: &Answer, row: &dyn Fn(u32) -> u32) -> Vec<Told> {
        let ads = answer.ads.iter().map(|d| Told {
            what: d.verb.as_str(),
            whom: row(d.row),
            rule: d.rule,
            amount: d.amount,
            confidence: d.confidence,
        });
        let budgets = answer.budgets.iter().map(|d| Told {
            what: "budget",
            whom: d.group,
            rule: d.rule,
            amount: d.amount,
            confidence: d.confidence,
        });
        ads.chain(budgets).collect()
    }

    /// Whether it is the same decision. Sums of other orders differ in their last digits.
    fn is(&self, other: &Told) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
        (self.what, self.whom, self.rule) == (other.what, other.whom, other.rule)
            && near(self.amount, other.amount)
            && near(self.confidence, other.confidence)
    }
}
