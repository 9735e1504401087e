//! Settings declared once: a struct whose fields carry their path, unit, default and bounds. The
//! same declaration makes the manifest's parameters and reads what the client wrote.

use crate::bindings::types::{Kind, NumberKind, Param, Problem, Setting, Value};
use alloc::{format, string::String, string::ToString, vec::Vec};

/// A typed set of settings; made by the [`settings!`](crate::settings!) macro.
pub trait Settings: Sized {
    /// The parameters, for the manifest.
    fn params() -> Vec<Param>;
    /// Reads settings; every problem is reported, not just the first.
    fn read(settings: &[Setting]) -> Result<Self, Vec<Problem>>;
}

/// Unit, default and bounds of a number.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `currency`, `fraction`, `hours`, `days`, `count` or `ratio`.
    pub unit: &'static str,
    /// The value when a client says nothing.
    pub default: f64,
    /// The smallest accepted value.
    pub min: f64,
    /// The largest accepted value.
    pub max: f64,
    /// Whether the host may adapt it.
    pub adaptive: bool,
}

/// A numeric parameter for the manifest.
#[must_use]
pub fn number(path: &str, doc: &str, limits: Limits) -> Param {
    let Limits { unit, default, min, max, adaptive } = limits;
    let kind = Kind::Number(NumberKind { unit: unit.to_string(), default, min, max, adaptive });
    Param { path: path.to_string(), doc: doc.trim().to_string(), kind }
}

/// A switch for the manifest.
#[must_use]
pub fn flag(path: &str, doc: &str, default: bool) -> Param {
    Param { path: path.to_string(), doc: doc.trim().to_string(), kind: Kind::Flag(default) }
}

/// A text parameter for the manifest.
#[must_use]
pub fn text(path: &str, doc: &str, default: &str) -> Param {
    let kind = Kind::Text(default.to_string());
    Param { path: path.to_string(), doc: doc.trim().to_string(), kind }
}

/// Reads settings by their declaration and gathers what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: &'a [Setting],
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Begins to read.
    #[must_use]
    pub fn new(settings: &'a [Setting]) -> Self {
        Reader { settings, problems: Vec::new() }
    }

    fn find(&self, path: &str) -> Option<&'a Value> {
        self.settings.iter().rev().find(|s| s.path == path).map(|s| &s.value)
    }

    fn problem(&mut self, path: &str, message: String, hint: String) {
        self.problems.push(Problem { path: path.to_string(), message, hint });
    }

    /// A number within its bounds, or the default.
    pub fn number(&mut self, path: &str, limits: Limits) -> f64 {
        let Limits { unit, default, min, max, .. } = limits;
        match self.find(path) {
            None => default,
            Some(Value::Number(value)) if (min..=max).contains(value) => *value,
            Some(Value::Number(value)) => {
                let message = format!("{value} is outside of {min} to {max} ({unit})");
                self.problem(path, message, format!("the default is {default}"));
                default
            }
            Some(_) => {
                let message = format!("is not a number ({unit})");
                self.problem(path, message, format!("write a number, such as {default}"));
                default
            }
        }
    }

    /// A switch, or the default.
    pub fn flag(&mut self, path: &str, default: bool) -> bool {
        match self.find(path) {
            None => default,
            Some(Value::Flag(value)) => *value,
            Some(_) => {
                self.problem(path, "is neither true nor false".into(), String::new());
                default
            }
        }
    }

    /// A text, or the default.
    pub fn text(&mut self, path: &str, default: &str) -> String {
        match self.find(path) {
            None => default.to_string(),
            Some(Value::Text(value)) => value.clone(),
            Some(_) => {
                self.problem(path, "is not a text".into(), String::new());
                default.to_string()
            }
        }
    }

    /// Reports settings that no parameter declares, then answers with what was read or all problems.
    pub fn finish<T>(mut self, params: &[Param], read: T) -> Result<T, Vec<Problem>> {
        for setting in self.settings {
            if !params.iter().any(|p| p.path == setting.path) {
                let message = "is not a setting of this policy".into();
                self.problem(&setting.path, message, String::new());
            }
        }
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }
}

/// Declares a settings struct:
///
/// ```
/// dean_policy_sdk::settings! {
///     /// What can be set.
///     pub struct Settings {
///         /// Spend at which it ends.
///         allowance: number("tiers.poor", "currency", 90.0, 0.0, 10_000.0),
///         /// The highest cost of a purchase, which the host may adapt.
///         cpa_max: adaptive("thresholds.cpa.testing_max", "currency", 36.0, 0.01, 100_000.0),
///         /// Whether to promote at all.
///         promote: flag("promote", true),
///     }
/// }
/// ```
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[doc = $doc:literal])* $field:ident: $kind:ident($path:literal, $($rest:expr),*),)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $crate::__setting_type!($kind),)*
        }
        impl $crate::Settings for $name {
            fn params() -> $crate::__Vec<$crate::Param> {
                let mut params = $crate::__Vec::new();
                $(params.push($crate::__setting_param!($kind, $path, concat!($($doc),*), $($rest),*));)*
                params
            }
            fn read(settings: &[$crate::Setting]) -> Result<Self, $crate::__Vec<$crate::Problem>> {
                let mut reader = $crate::Reader::new(settings);
                let read = $name {
                    $($field: $crate::__setting_read!(reader, $kind, $path, $($rest),*),)*
                };
                reader.finish(&Self::params(), read)
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __setting_type {
    (number) => {
        f64
    };
    (adaptive) => {
        f64
    };
    (flag) => {
        bool
    };
    (text) => {
        $crate::__String
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __setting_limits {
    ($adaptive:literal, $unit:expr, $default:expr, $min:expr, $max:expr) => {
        $crate::Limits { unit: $unit, default: $default, min: $min, max: $max, adaptive: $adaptive }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __setting_param {
    (number, $path:literal, $doc:expr, $($rest:expr),*) => {
        $crate::number($path, $doc, $crate::__setting_limits!(false, $($rest),*))
    };
    (adaptive, $path:literal, $doc:expr, $($rest:expr),*) => {
        $crate::number($path, $doc, $crate::__setting_limits!(true, $($rest),*))
    };
    (flag, $path:literal, $doc:expr, $default:expr) => { $crate::flag($path, $doc, $default) };
    (text, $path:literal, $doc:expr, $default:expr) => { $crate::text($path, $doc, $default) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __setting_read {
    ($reader:ident, number, $path:literal, $($rest:expr),*) => {
        $reader.number($path, $crate::__setting_limits!(false, $($rest),*))
    };
    ($reader:ident, adaptive, $path:literal, $($rest:expr),*) => {
        $reader.number($path, $crate::__setting_limits!(true, $($rest),*))
    };
    ($reader:ident, flag, $path:literal, $default:expr) => { $reader.flag($path, $default) };
    ($reader:ident, text, $path:literal, $default:expr) => { $reader.text($path, $default) };
}
