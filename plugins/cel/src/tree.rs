//! Expressions as trees: what is left of a rule's text once its names and types are known.

use alloc::{boxed::Box, string::String, vec::Vec};

/// A number of every ad.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Num {
    Const(f64),
    /// A column, by its position in the plan.
    Column(usize),
    /// A number of the account or stage, by its position in the plan.
    Context(usize),
    Of(Operation, Box<Num>, Box<Num>),
    /// Something of the whole cohort, told for each ad.
    Cohort(Whole, Box<Num>),
    If(Box<Bool>, Box<Num>, Box<Num>),
}

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    /// How far one is from the other.
    Distance,
    Least,
    Greatest,
}

/// What is told of a cohort: of its active ads of which the number is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// 1 for the highest, 2 for the next.
    Rank,
    /// 1 for the lowest, 2 for the next.
    RankLowest,
    /// The share of the others that are lower.
    Quantile,
    Mean,
    Sum,
    Count,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Below,
    AtMost,
    AtLeast,
    Above,
    Equal,
    Unequal,
}

impl Relation {
    /// What holds where this does not.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Relation::Below => Relation::AtLeast,
            Relation::AtMost => Relation::Above,
            Relation::AtLeast => Relation::Below,
            Relation::Above => Relation::AtMost,
            Relation::Equal => Relation::Unequal,
            Relation::Unequal => Relation::Equal,
        }
    }

    /// The same with its sides exchanged.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Relation::Below => Relation::Above,
            Relation::AtMost => Relation::AtLeast,
            Relation::AtLeast => Relation::AtMost,
            Relation::Above => Relation::Below,
            same => same,
        }
    }
}

/// What a comparison is about, for whoever reads it: a column, a number of the account, or something that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Column(usize),
    Context(usize),
    Derived(usize),
}

/// How a text is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    IsOneOf(Vec<String>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
}

/// Something that holds of an ad, does not, or is not known. There is no "not": it is worked into what it is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bool {
    /// What is written as true or false.
    Const {
        subject: Subject,
        value: bool,
    },
    /// `known` says whether the right side is, where that is not sure.
    Compare {
        subject: Subject,
        left: Num,
        relation: Relation,
        right: Num,
        known: Option<Subject>,
    },
    /// Whether a number is known; always known itself.
    Known {
        subject: Subject,
        of: Num,
        wanted: bool,
    },
    /// A question to a text column.
    Asks {
        subject: Subject,
        column: usize,
        question: Question,
        wanted: bool,
    },
    All(Vec<Bool>),
    Any(Vec<Bool>),
    If(Box<Bool>, Box<Bool>, Box<Bool>),
}

impl Bool {
    /// How many checks may say of one ad whether it holds.
    pub(crate) fn most_checks(&self) -> usize {
        match self {
            Bool::Const { .. } | Bool::Compare { .. } | Bool::Known { .. } | Bool::Asks { .. } => 1,
            Bool::All(parts) => parts.iter().map(Bool::most_checks).sum(),
            Bool::Any(parts) => parts.iter().map(Bool::most_checks).max().unwrap_or(0),
            Bool::If(condition, then, other) => (condition.most_checks() + then.most_checks()).max(other.most_checks()),
        }
    }

    /// What holds where this does not; what is not known stays so.
    pub(crate) fn negated(self) -> Self {
        match self {
            Bool::Const { subject, value } => Bool::Const { subject, value: !value },
            Bool::Compare { subject, left, relation, right, known } => {
                Bool::Compare { subject, left, relation: relation.opposite(), right, known }
            }
            Bool::Known { subject, of, wanted } => Bool::Known { subject, of, wanted: !wanted },
            Bool::Asks { subject, column, question, wanted } => {
                Bool::Asks { subject, column, question, wanted: !wanted }
            }
            Bool::All(parts) => Bool::Any(parts.into_iter().map(Bool::negated).collect()),
            Bool::Any(parts) => Bool::All(parts.into_iter().map(Bool::negated).collect()),
            Bool::If(condition, then, other) => {
                Bool::If(condition, Box::new(then.negated()), Box::new(other.negated()))
            }
        }
    }
}
