//! Meta's errors by what to do about them. The numbers are from Meta's error reference and from
//! connectors in use; nothing is decided by a message's text, save where Meta gives no number.

use super::http::TransportError;
use serde::Deserialize;
use thiserror::Error;

/// What an error means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Too many calls: wait.
    Throttled,
    /// Too many calls, and for longer than a run waits: nothing more is sent.
    Resting,
    /// Try a read again.
    Transient,
    /// The question was too large: ask for less.
    TooMuch,
    /// The question takes too long to be answered at once: ask for a report.
    TooLong,
    /// The token does not work: stop, tell.
    Token,
    /// Something is not allowed: stop, tell.
    Permission,
    /// The account is blocked for policy reasons: no writes.
    PolicyBlock,
    /// The call itself was wrong.
    Invalid,
}

impl Class {
    /// How to mend it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Class::Resting => "run again later; `dean doctor` shows each limit",
            Class::Throttled => "Meta asks to slow down: the next run goes on",
            Class::Transient => "Meta had a passing fault: the next run tries again",
            Class::TooMuch | Class::TooLong => {
                "Meta wants a smaller question than this one, which is the smallest there is"
            }
            Class::Token => "make a new token in the Business Suite and set FB_ACCESS_TOKEN",
            Class::Permission => {
                "give the token's user ads_read and ads_management on this account, and check FB_AD_ACCOUNT_ID"
            }
            Class::PolicyBlock => {
                "Meta blocked this account for a while: see Account Quality; nothing is written until then"
            }
            Class::Invalid => "this call was wrong: please report it with the message",
        }
    }
}

/// An error in Meta's envelope.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("Meta answered {what} with error {code}{}: {message}", with_subcode(.subcode))]
pub struct ApiError {
    /// What was asked: `GET act_1/ads`.
    pub what: String,
    /// What it means.
    pub class: Class,
    /// Meta's code.
    pub code: i64,
    /// Meta's subcode.
    pub subcode: Option<i64>,
    /// Meta's message.
    pub message: String,
    /// Meta's trace id, for its support.
    pub trace: Option<String>,
}

fn with_subcode(subcode: &Option<i64>) -> String {
    subcode.map(|s| format!("/{s}")).unwrap_or_default()
}

/// Why there is no usable answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// Nothing came back.
    #[error("{what}: {source}\n  hint: {}", .source.hint())]
    Transport {
        /// What was asked.
        what: String,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// What came back is not JSON of the expected form.
    #[error(
        "{what} was answered with HTTP {status} and no usable JSON ({reason}): {start:?}\n  hint: the answer was cut, or META_GRAPH_URL is no Graph API server"
    )]
    NotJson {
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the parser said, with line and column.
        reason: String,
        /// The first characters.
        start: String,
    },
    /// A report came to nothing, in the smallest parts that there are.
    #[error("{what}: the report of a single campaign and day came to nothing twice\n  hint: the next run asks again")]
    NoReport {
        /// What was asked.
        what: String,
    },
    /// Meta said no.
    #[error("{error}\n  hint: {}", .error.class.hint())]
    Api {
        /// Its error.
        #[from]
        error: ApiError,
    },
}

impl Error {
    /// What it means for us.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            // Nothing was sent, and nothing is to be sent before the time is over.
            Error::Transport { source: TransportError::Resting { .. }, .. } => Class::Resting,
            Error::Transport { source: TransportError::NotRecorded { .. }, .. } => Class::Invalid,
            Error::Transport { .. } => Class::Transient,
            // A cut or garbled answer of a read is asked for again; a page of HTML with status 200 is too.
            Error::NotJson { .. } => Class::Transient,
            Error::NoReport { .. } => Class::TooLong,
            Error::Api { error } => error.class,
        }
    }

    /// Whether a write that failed so may have had its effect all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Error::Transport { source, .. } => matches!(source, TransportError::NoAnswer { .. }),
            Error::NotJson { .. } => true,
            Error::NoReport { .. } => false,
            Error::Api { error } => matches!(error.class, Class::Transient),
        }
    }
}

/// The envelope.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub error: Body,
}

/// What is in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    pub message: String,
    pub code: i64,
    pub error_subcode: Option<i64>,
    pub is_transient: bool,
    pub error_user_msg: Option<String>,
    pub fbtrace_id: Option<String>,
}

impl Body {
    pub(super) fn into_error(self, what: &str) -> ApiError {
        let class = classify(&self);
        let message = match self.error_user_msg {
            Some(more) if !more.is_empty() && more != self.message => format!("{} ({more})", self.message),
            _ => self.message,
        };
        ApiError {
            what: what.to_string(),
            class,
            code: self.code,
            subcode: self.error_subcode,
            message,
            trace: self.fbtrace_id,
        }
    }
}

fn classify(body: &Body) -> Class {
    let subcode = body.error_subcode.unwrap_or(0);
    match (body.code, subcode) {
        (4 | 17 | 32 | 613, _) | (80_000..=80_006 | 80_008 | 80_009 | 80_014, _) => Class::Throttled,
        (100, 1_504_018) | (2, 1_504_038) => Class::TooLong,
        // Code 1 is "an unknown error", save when Meta asks in words to reduce the amount of data:
        // there is no number for that.
        (1, _) if body.message.to_ascii_lowercase().contains("reduce the amount of data") => Class::TooMuch,
        (190 | 102, _) => Class::Token,
        (10, _) | (200..=299, _) | (100, 33) => Class::Permission,
        (368, _) => Class::PolicyBlock,
        (1 | 2 | 104 | 500 | 503 | 960, _) => Class::Transient,
        // Negative codes are internal errors of Meta's: what they stopped, and when, is not known.
        (..=-1, _) => Class::Transient,
        _ if body.is_transient => Class::Transient,
        _ => Class::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_number_has_its_class() {
        let class = |code, subcode: i64, transient, message: &str| {
            classify(&Body {
                code,
                error_subcode: (subcode != 0).then_some(subcode),
                is_transient: transient,
                message: message.into(),
                ..Body::default()
            })
        };
        for (code, subcode) in [(4, 1_504_022), (17, 2_446_079), (32, 0), (613, 1_487_742), (80_000, 0), (80_014, 0)] {
            assert_eq!(class(code, subcode, false, ""), Class::Throttled, "{code}/{subcode}");
        }
        for (code, subcode) in [(1, 99), (2, 0), (500, 0), (503, 0), (104, 0), (960, 0), (2, 1_504_043)] {
            assert_eq!(class(code, subcode, false, ""), Class::Transient, "{code}/{subcode}");
        }
        assert_eq!(class(1, 0, false, "Please reduce the amount of data you're asking for"), Class::TooMuch);
        assert_eq!(class(100, 1_504_018, false, ""), Class::TooLong);
        assert_eq!(class(2, 1_504_038, false, ""), Class::TooLong);
        for subcode in [0, 458, 460, 463] {
            assert_eq!(class(190, subcode, false, ""), Class::Token);
        }
        assert_eq!(class(102, 0, false, ""), Class::Token);
        for code in [10, 200, 294] {
            assert_eq!(class(code, 0, false, ""), Class::Permission);
        }
        assert_eq!(class(100, 33, false, ""), Class::Permission);
        assert_eq!(class(368, 0, false, ""), Class::PolicyBlock);
        assert_eq!(class(100, 0, false, ""), Class::Invalid);
        assert_eq!(class(9999, 0, true, ""), Class::Transient);
        assert_eq!(class(-1, 0, false, ""), Class::Transient);
    }
}
