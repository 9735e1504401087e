//! The pace: Meta says in the headers of every answer how much of its limits is used up. Calls slow
//! down before it says no.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What connectors in use do: two minutes of rest from 85 % on, ten from 95 %.
const SLOW_FROM: f64 = 85.0;
const SLOW_WAIT: Duration = Duration::from_secs(120);
const STOP_FROM: f64 = 95.0;
const STOP_WAIT: Duration = Duration::from_secs(600);
/// No header makes a run wait longer than this: the next hourly run begins anyway.
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);

/// Shares of one limit, in percent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    call_count: f64,
    total_cputime: f64,
    total_time: f64,
    acc_id_util_pct: f64,
    app_id_util_pct: f64,
    /// Minutes until an exhausted limit is free again.
    estimated_time_to_regain_access: f64,
}

impl Usage {
    fn share(&self) -> f64 {
        let shares = [self.call_count, self.total_cputime, self.total_time, self.acc_id_util_pct, self.app_id_util_pct];
        shares.into_iter().fold(0.0, f64::max)
    }

    fn wait(&self) -> Option<Duration> {
        let regain = Duration::from_secs_f64(self.estimated_time_to_regain_access.clamp(0.0, 1e6) * 60.0);
        let rest = match self.share() {
            share if share >= STOP_FROM => STOP_WAIT,
            share if share >= SLOW_FROM => SLOW_WAIT,
            _ => Duration::ZERO,
        };
        let wait = rest.max(regain).min(LONGEST_WAIT);
        (wait > Duration::ZERO).then_some(wait)
    }
}

/// How long headers say to rest before the next call, if at all. A header that makes no sense says
/// nothing.
fn asked_by(headers: &[(String, String)]) -> Option<Duration> {
    let of_header = |(name, value): &(String, String)| -> Option<Duration> {
        match name.to_ascii_lowercase().as_str() {
            "x-business-use-case-usage" => {
                let of_accounts: BTreeMap<String, Vec<Usage>> = serde_json::from_str(value).ok()?;
                of_accounts.values().flatten().filter_map(Usage::wait).max()
            }
            "x-app-usage" | "x-ad-account-usage" | "x-fb-ads-insights-throttle" => {
                serde_json::from_str::<Usage>(value).ok()?.wait()
            }
            _ => None,
        }
    };
    headers.iter().filter_map(of_header).max()
}

/// What the last answers said, until it is heeded.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Duration>>);

impl Pace {
    /// Hears the headers of an answer.
    pub(super) fn hear(&self, headers: &[(String, String)]) {
        if let Some(wait) = asked_by(headers) {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *asked = Some(asked.map_or(wait, |before| before.max(wait)));
        }
    }

    /// How long to rest now; asked once, it is forgotten.
    pub(super) fn take(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, value: &str) -> Option<u64> {
        asked_by(&[(name.into(), value.into())]).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_fuller_a_limit_the_longer_the_rest() {
        for (share, wait) in [(0.0, None), (84.9, None), (85.0, Some(120)), (94.9, Some(120)), (95.0, Some(600))] {
            let account = format!(r#"{{"acc_id_util_pct": {share}}}"#);
            assert_eq!(asked("X-Ad-Account-Usage", &account), wait, "{share} %");
            let insights = format!(r#"{{"app_id_util_pct": {share}, "acc_id_util_pct": 1}}"#);
            assert_eq!(asked("x-fb-ads-insights-throttle", &insights), wait, "{share} %");
            let app = format!(r#"{{"call_count": 3, "total_time": {share}, "total_cputime": 1}}"#);
            assert_eq!(asked("X-App-Usage", &app), wait, "{share} %");
            let business =
                format!(r#"{{"1": [{{"type": "ads_insights", "call_count": 1}}, {{"total_cputime": {share}}}]}}"#);
            assert_eq!(asked("X-Business-Use-Case-Usage", &business), wait, "{share} %");
        }
    }

    #[test]
    fn an_exhausted_limit_is_waited_for_but_not_for_ever() {
        let regain =
            |minutes: u32| format!(r#"{{"1": [{{"call_count": 100, "estimated_time_to_regain_access": {minutes}}}]}}"#);
        assert_eq!(asked("x-business-use-case-usage", &regain(15)), Some(900));
        assert_eq!(asked("x-business-use-case-usage", &regain(600)), Some(1_800));
    }

    #[test]
    fn headers_that_make_no_sense_say_nothing() {
        for value in ["", "{", "[]", r#"{"call_count": "much"}"#, r#"{"1": 7}"#] {
            assert_eq!(asked("x-business-use-case-usage", value), None, "{value}");
            assert_eq!(asked("x-app-usage", value), None, "{value}");
        }
    }
}
