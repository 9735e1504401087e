//! The pace: Meta says in the headers of every answer how much of its limits is used up. Calls slow
//! down before it says no, and what was heard is kept for the next process.

use crate::domain::{ApiLimit, NEARLY_USED_UP, Tier};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What connectors in use do: two minutes of rest where a limit is nearly used up, ten from 95 % on.
const SLOW_WAIT: i64 = 120;
const STOP_FROM: f64 = 95.0;
const STOP_WAIT: i64 = 600;
/// The share that calls whose cost is known may use up.
const ROOM: f64 = 90.0;
/// Seconds in which a full score fades, in both tiers (Meta's reference on rate limits).
const FADES_IN_S: f64 = 300.0;
/// How long a refusal that names no time is heeded: the block of an app in development, the longer of the two.
const REFUSED_S: i64 = 300;
/// No header makes a run wait longer than this: the next hourly run begins anyway.
pub(super) const LONGEST_REST: Duration = Duration::from_secs(1_800);

/// One limit in a header.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    r#type: String,
    call_count: f64,
    total_cputime: f64,
    total_time: f64,
    acc_id_util_pct: f64,
    app_id_util_pct: f64,
    /// Minutes until an exhausted limit is free again.
    estimated_time_to_regain_access: f64,
    /// Seconds until all of it is free again.
    reset_time_duration: Option<u32>,
    ads_api_access_tier: Option<String>,
}

impl Usage {
    fn limit(&self, name: &str, now: Timestamp) -> ApiLimit {
        let shares = [self.call_count, self.total_cputime, self.total_time, self.acc_id_util_pct, self.app_id_util_pct];
        let regain = (self.estimated_time_to_regain_access.clamp(0.0, 1e6) * 60.0) as i64;
        ApiLimit {
            name: format!("{name} {}", self.r#type).trim_end().to_string(),
            percent: shares.into_iter().fold(0.0, f64::max),
            heard_at: now,
            free_at: (regain > 0).then(|| now.saturating_add(SignedDuration::from_secs(regain)).unwrap_or(now)),
            resets_in_s: self.reset_time_duration,
            tier: self.ads_api_access_tier.as_deref().and_then(Tier::parse),
        }
    }
}

/// The limits that headers tell of. A header that makes no sense tells of none.
fn told(headers: &[(String, String)], now: Timestamp) -> Vec<ApiLimit> {
    let of_header = |(name, value): &(String, String)| -> Option<Vec<ApiLimit>> {
        let one = |name: &str| Some(vec![serde_json::from_str::<Usage>(value).ok()?.limit(name, now)]);
        match name.to_ascii_lowercase().as_str() {
            "x-business-use-case-usage" => {
                let of_accounts: BTreeMap<String, Vec<Usage>> = serde_json::from_str(value).ok()?;
                Some(of_accounts.values().flatten().map(|usage| usage.limit("business", now)).collect())
            }
            "x-app-usage" => one("app"),
            "x-ad-account-usage" => one("account"),
            "x-fb-ads-insights-throttle" => one("insights"),
            _ => None,
        }
    };
    headers.iter().filter_map(of_header).flatten().collect()
}

/// How long a limit asks to rest before calls of some points.
fn rest(limit: &ApiLimit, points: f64, now: Timestamp) -> SignedDuration {
    let passed = now.duration_since(limit.heard_at).as_secs_f64().max(0.0);
    if let Some(free_at) = limit.free_at {
        return free_at.duration_since(now).max(SignedDuration::ZERO);
    }
    let fixed = match limit.percent {
        percent if percent >= STOP_FROM => STOP_WAIT,
        percent if percent >= NEARLY_USED_UP => SLOW_WAIT,
        _ => 0,
    };
    let fixed = fixed as f64 - passed;
    // Where it is known how much there is and how it fades, the next calls must find room.
    let to_room = limit.tier.filter(|_| limit.resets_in_s.is_some()).map_or(0.0, |tier| {
        let faded = (limit.percent - 100.0 * passed / FADES_IN_S).max(0.0);
        (faded + 100.0 * points / tier.most() - ROOM).min(faded) * FADES_IN_S / 100.0
    });
    SignedDuration::from_secs(fixed.max(to_room).max(0.0).ceil() as i64)
}

/// What was heard of every limit.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<BTreeMap<String, ApiLimit>>);

impl Pace {
    fn limits(&self) -> MutexGuard<'_, BTreeMap<String, ApiLimit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the limits.
    pub(super) fn known(&self) -> Vec<ApiLimit> {
        self.limits().values().cloned().collect()
    }

    /// Learns what another process heard; what this one heard counts more.
    pub(super) fn learn(&self, limits: Vec<ApiLimit>) {
        let mut known = self.limits();
        for limit in limits {
            known.entry(limit.name.clone()).or_insert(limit);
        }
    }

    /// Hears the headers of an answer.
    pub(super) fn hear(&self, headers: &[(String, String)], now: Timestamp) {
        let mut known = self.limits();
        for limit in told(headers, now) {
            known.insert(limit.name.clone(), limit);
        }
    }

    /// Hears a refusal: without a time in its headers it is heeded for as long as Meta blocks at most.
    pub(super) fn refused(&self, now: Timestamp) {
        let mut known = self.limits();
        if known.values().any(|limit| limit.free_at.is_some_and(|free_at| free_at > now)) {
            return;
        }
        let free_at = now.saturating_add(SignedDuration::from_secs(REFUSED_S)).ok();
        let name = "refusal".to_string();
        known.insert(
            name.clone(),
            ApiLimit { name, percent: 100.0, heard_at: now, free_at, resets_in_s: None, tier: None },
        );
    }

    /// How long to rest before calls of some points, if at all.
    pub(super) fn rest(&self, points: f64, now: Timestamp) -> Option<Duration> {
        let longest = self.limits().values().map(|limit| rest(limit, points, now)).max()?;
        Duration::try_from(longest).ok().filter(|rest| !rest.is_zero())
    }

    /// Calls rested for a while that the clock does not show: what was heard is older by that.
    pub(super) fn rested(&self, time: Duration) {
        let earlier = |at: Timestamp| at.saturating_sub(time).unwrap_or(at);
        for limit in self.limits().values_mut() {
            limit.heard_at = earlier(limit.heard_at);
            limit.free_at = limit.free_at.map(earlier);
        }
    }

    /// How many writes may stand in one batch: in development all of fifty would be beyond the limit.
    pub(super) fn largest_batch(&self) -> usize {
        let tiers = self
            .limits()
            .values()
            .filter_map(|limit| limit.tier)
            .map(|tier| (tier.most() / 2.0 / WRITE) as usize)
            .min();
        tiers.unwrap_or(BATCH).clamp(1, BATCH)
    }
}

/// Points of a read and of a write (Meta's reference on rate limits).
pub(super) const READ: f64 = 1.0;
/// Points of a write.
pub(super) const WRITE: f64 = 3.0;
/// Writes that Meta takes in one batch.
pub(super) const BATCH: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn later(seconds: i64) -> Timestamp {
        NOW.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(NOW)
    }

    fn asked(name: &str, value: &str) -> Option<u64> {
        let pace = Pace::default();
        pace.hear(&[(name.into(), value.into())], NOW);
        pace.rest(READ, NOW).map(|rest| rest.as_secs())
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
    fn an_exhausted_limit_is_waited_for_until_it_is_free() {
        let regain =
            |minutes: u32| format!(r#"{{"1": [{{"call_count": 100, "estimated_time_to_regain_access": {minutes}}}]}}"#);
        assert_eq!(asked("x-business-use-case-usage", &regain(15)), Some(900));
        assert_eq!(asked("x-business-use-case-usage", &regain(600)), Some(36_000));
        let pace = Pace::default();
        pace.hear(&[("x-business-use-case-usage".into(), regain(15))], NOW);
        assert_eq!(pace.rest(READ, later(600)), Some(Duration::from_secs(300)));
        assert_eq!(pace.rest(READ, later(900)), None);
        pace.rested(Duration::from_secs(900));
        assert_eq!(pace.rest(READ, NOW), None, "a clock that stands still shows no rest");
    }

    #[test]
    fn in_development_calls_find_room_before_they_are_made() {
        let pace = Pace::default();
        let used =
            r#"{"acc_id_util_pct": 80, "reset_time_duration": 240, "ads_api_access_tier": "development_access"}"#;
        pace.hear(&[("x-ad-account-usage".into(), used.into())], NOW);
        assert_eq!(pace.largest_batch(), 10);
        assert_eq!(pace.rest(READ, NOW), None, "81.7 % of 60 points");
        assert_eq!(pace.rest(10.0 * WRITE, NOW), Some(Duration::from_secs(120)), "130 % less 40 %");
        assert_eq!(pace.rest(10.0 * WRITE, later(120)), None);
    }

    #[test]
    fn another_process_knows_what_was_heard() {
        let (one, other) = (Pace::default(), Pace::default());
        one.refused(NOW);
        other.learn(one.known());
        assert_eq!(other.rest(READ, later(100)), Some(Duration::from_secs(200)));
    }

    #[test]
    fn headers_that_make_no_sense_say_nothing() {
        for value in ["", "{", "[]", r#"{"call_count": "much"}"#, r#"{"1": 7}"#] {
            assert_eq!(asked("x-business-use-case-usage", value), None, "{value}");
            assert_eq!(asked("x-app-usage", value), None, "{value}");
        }
    }
}
