//! How much may be called, as Meta counts it: every read is one point and every write three; points fade
//! evenly, and whoever reaches the most is blocked for a while. Every answer says how much is used up.

use super::error::ApiError;
use serde_json::json;

/// Points of a read and of a write.
pub(crate) const READ: f64 = 1.0;
pub(crate) const WRITE: f64 = 3.0;

/// What an app may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// 60 points that fade in 300 seconds; beyond, a block of 300.
    Development,
    /// 9,000 points that fade in 300 seconds; beyond, a block of 60.
    Standard,
}

impl Tier {
    fn most(self) -> f64 {
        match self {
            Tier::Development => 60.0,
            Tier::Standard => 9_000.0,
        }
    }

    fn block_s(self) -> f64 {
        match self {
            Tier::Development => 300.0,
            Tier::Standard => 60.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Tier::Development => "development_access",
            Tier::Standard => "standard_access",
        }
    }
}

/// Seconds in which a full score has faded.
const FADES_IN_S: f64 = 300.0;

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    tier: Tier,
    score: f64,
    at: f64,
    blocked_until: f64,
    /// Calls that were refused.
    pub refused: u64,
}

impl Limits {
    pub(crate) fn new(tier: Tier) -> Self {
        Limits { tier, score: 0.0, at: f64::NEG_INFINITY, blocked_until: f64::NEG_INFINITY, refused: 0 }
    }

    /// Fills the score to a share, in percent.
    pub(crate) fn fill(&mut self, percent: f64, now: f64) {
        self.score = self.tier.most() * percent / 100.0;
        self.at = now;
    }

    fn fade(&mut self, now: f64) {
        let passed = (now - self.at).clamp(0.0, FADES_IN_S);
        self.score = (self.score - passed * self.tier.most() / FADES_IN_S).max(0.0);
        self.at = now;
    }

    /// Counts a call, or refuses it.
    pub(crate) fn charge(&mut self, points: f64, now: f64) -> Result<(), ApiError> {
        self.fade(now);
        if now < self.blocked_until {
            self.refused += 1;
            return Err(ApiError::throttled());
        }
        self.score += points;
        if self.score > self.tier.most() {
            self.blocked_until = now + self.tier.block_s();
            self.refused += 1;
            return Err(ApiError::throttled());
        }
        Ok(())
    }

    /// The headers that tell of it.
    pub(crate) fn headers(&self, account: &str, now: f64, of_insights: bool) -> Vec<(String, String)> {
        let percent = (100.0 * self.score / self.tier.most()).min(100.0);
        let used = percent.ceil() as u64;
        let blocked_s = (self.blocked_until - now).max(0.0);
        let regain = (blocked_s / 60.0).ceil() as u64;
        let resets = if blocked_s > 0.0 { blocked_s } else { FADES_IN_S * percent / 100.0 };
        let kind = if of_insights { "ads_insights" } else { "ads_management" };
        let tier = self.tier.name();
        let business = json!({account: [{"type": kind, "call_count": used, "total_cputime": 1, "total_time": 1,
            "estimated_time_to_regain_access": regain, "ads_api_access_tier": tier}]});
        let of_account = json!({"acc_id_util_pct": (percent * 100.0).round() / 100.0,
            "reset_time_duration": resets.ceil() as u64, "ads_api_access_tier": tier});
        let mut headers = vec![
            ("x-business-use-case-usage".to_string(), business.to_string()),
            ("x-ad-account-usage".to_string(), of_account.to_string()),
            ("x-app-usage".to_string(), json!({"call_count": 1, "total_time": 1, "total_cputime": 1}).to_string()),
        ];
        if of_insights {
            let throttle = json!({"app_id_util_pct": 1, "acc_id_util_pct": used, "ads_api_access_tier": tier});
            headers.push(("x-fb-ads-insights-throttle".into(), throttle.to_string()));
        }
        headers
    }
}
