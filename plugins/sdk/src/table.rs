//! Typed access to a cohort's columns. Reading checks the position once a call, never the type.

use crate::bindings::types::Cohort;
use crate::declare::{Column, Context, TextColumn};

/// The code of a text that is not known.
pub const UNKNOWN: u32 = u32::MAX;

/// A cohort whose shape agrees with the plan.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    cohort: &'a Cohort,
    columns: u32,
    contexts: u32,
    texts: u32,
}

impl<'a> Table<'a> {
    /// Wraps a cohort. Errors when its columns, texts or context do not have the plan's shape.
    pub fn new(cohort: &'a Cohort, columns: usize, texts: usize, contexts: usize) -> Result<Self, &'static str> {
        let rows = cohort.rows as usize;
        if cohort.values.len() != rows * columns {
            return Err("the cohort's values are not rows x columns of the plan");
        }
        if cohort.texts.codes.len() != rows * texts {
            return Err("the cohort's text codes are not rows x text columns of the plan");
        }
        if cohort.context.len() != contexts {
            return Err("the cohort's context is not as long as the plan's");
        }
        if cohort.group_of.len() != rows {
            return Err("the cohort names no group for some rows");
        }
        Ok(Table { cohort, columns: columns as u32, contexts: contexts as u32, texts: texts as u32 })
    }

    /// How many ads there are.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.cohort.rows
    }

    /// How many budget owners there are.
    #[must_use]
    pub fn groups(&self) -> u32 {
        self.cohort.groups
    }

    /// How many numeric columns the plan has.
    #[must_use]
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// How many context values the plan has.
    #[must_use]
    pub fn contexts(&self) -> u32 {
        self.contexts
    }

    /// Whether every check is to be kept.
    #[must_use]
    pub fn trace(&self) -> bool {
        self.cohort.trace
    }

    /// The moment decided for, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.cohort.now
    }

    /// The owner of a row's budget.
    #[must_use]
    pub fn group(&self, row: u32) -> u32 {
        self.cohort.group_of[row as usize]
    }

    /// A numeric value; NaN when it is not known.
    #[inline]
    #[must_use]
    pub fn number(&self, column: Column, row: u32) -> f64 {
        self.cohort.values[(column.0 * self.cohort.rows + row) as usize]
    }

    /// A numeric value, or another where it is not known.
    #[inline]
    #[must_use]
    pub fn number_or(&self, column: Column, row: u32, other: f64) -> f64 {
        let value = self.number(column, row);
        if value.is_nan() { other } else { value }
    }

    /// A number of the account or stage; NaN when it is not known.
    #[inline]
    #[must_use]
    pub fn context(&self, context: Context) -> f64 {
        self.cohort.context[context.0 as usize]
    }

    /// A text, if it is known.
    #[must_use]
    pub fn text(&self, column: TextColumn, row: u32) -> Option<&'a str> {
        debug_assert!(column.0 < self.texts);
        let code = self.cohort.texts.codes[(column.0 * self.cohort.rows + row) as usize];
        self.cohort.texts.words.get(code as usize).map(|w| w.as_str())
    }

    /// The code of a word in this cohort, to compare rows by number; [`UNKNOWN`] when no row has it.
    #[must_use]
    pub fn code_of(&self, word: &str) -> u32 {
        let found = self.cohort.texts.words.iter().position(|w| w == word);
        found.map_or(UNKNOWN, |p| p as u32)
    }

    /// The code of a row's text; [`UNKNOWN`] when it is not known.
    #[inline]
    #[must_use]
    pub fn code(&self, column: TextColumn, row: u32) -> u32 {
        self.cohort.texts.codes[(column.0 * self.cohort.rows + row) as usize]
    }
}
