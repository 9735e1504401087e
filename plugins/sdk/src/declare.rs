//! The vocabulary of a policy: columns, context, derived facts and rules, each declared once and
//! from then on a typed constant that cannot be confused with one of another kind.

use crate::table::Table;

/// A numeric column, by its position in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(pub u32);

/// A text column, by its position in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextColumn(pub u32);

/// A number of the account or stage, by its position in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub u32);

/// The name of a fact that the policy computes, by its position in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived(pub u32);

impl Derived {
    /// The fact with the value that was computed for one ad. What is not finite, because it was divided by
    /// nothing, is not known.
    #[must_use]
    pub fn of(self, value: f64) -> Computed {
        Computed(self, if value.is_finite() { value } else { f64::NAN })
    }
}

/// A derived fact and its value for one ad.
#[derive(Clone, Copy, Debug)]
pub struct Computed(Derived, f64);

/// A rule, by its position in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(pub u32);

/// What a rule is called.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// A stable id, unique within the policy.
    pub id: &'static str,
    /// A few words for a table.
    pub title: &'static str,
    /// What it does and why.
    pub doc: &'static str,
}

/// Something a rule can compare: it has a value for a row and a position among all facts, which
/// run through columns, then context, then derived.
pub trait Fact: Copy {
    /// The fact's position.
    fn position(self, table: &Table<'_>) -> u32;
    /// The fact's value for a row; NaN when it is not known.
    fn value(self, table: &Table<'_>, row: u32) -> f64;
}

impl Fact for Column {
    fn position(self, _: &Table<'_>) -> u32 {
        self.0
    }
    #[inline]
    fn value(self, table: &Table<'_>, row: u32) -> f64 {
        table.number(self, row)
    }
}

impl Fact for Context {
    fn position(self, table: &Table<'_>) -> u32 {
        table.columns() + self.0
    }
    #[inline]
    fn value(self, table: &Table<'_>, _: u32) -> f64 {
        table.context(self)
    }
}

impl Fact for Computed {
    fn position(self, table: &Table<'_>) -> u32 {
        table.columns() + table.contexts() + self.0.0
    }
    #[inline]
    fn value(self, _: &Table<'_>, _: u32) -> f64 {
        self.1
    }
}

/// Declares constants of one kind with the names by which the host knows them:
/// `names! { Column: SPEND = "spend_in_stage"; }` makes `SPEND: Column` and `NAMES: &[&str]`.
#[macro_export]
macro_rules! names {
    ($kind:ident: $($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Position { $($name),* }
        $($(#[$meta])* pub const $name: $crate::$kind = $crate::$kind(Position::$name as u32);)*
        /// The names of all of them, in order.
        pub const NAMES: &[&str] = &[$($text),*];
    };
}

/// Declares rules: `rules! { KILL = "id", "title", "doc"; }` makes `KILL: Rule` and `RULES`.
#[macro_export]
macro_rules! rules {
    ($($(#[$meta:meta])* $name:ident = $id:literal, $title:literal, $doc:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Position { $($name),* }
        $($(#[$meta])* #[doc = $doc] pub const $name: $crate::Rule = $crate::Rule(Position::$name as u32);)*
        /// All rules, in order.
        pub const RULES: &[$crate::RuleInfo] =
            &[$($crate::RuleInfo { id: $id, title: $title, doc: $doc }),*];
    };
}
