//! Every key of the configuration with its type, default and meaning. The doc comments are what
//! `dean config show --all` prints.

use crate::domain::{Attribution, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The effective configuration. Money is in major units of the account's currency.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The ad account.
    pub account: Account,
    /// The Graph API.
    pub api: Api,
    /// The campaigns and ad sets of the three stages, as the product page names them.
    pub ids: Ids,
    /// Stages by name: testing, validation, scaling, and a client's own.
    pub stages: BTreeMap<String, Stage>,
    /// What conversions count.
    pub attribution: Attribution,
    /// What a purchase is worth.
    pub economics: Economics,
    /// Limits on what a run may do, whatever a policy says.
    pub guard: Guard,
    /// Policies: whose are trusted.
    pub policies: Policies,
    /// Limits on what a policy may use.
    pub limits: Limits,
    /// Models.
    pub ml: Ml,
    /// The Supabase mirror.
    pub supabase: Supabase,
    /// `rules.toml`: `thresholds` for all stages and one table for each stage, read by its policy.
    pub rules: BTreeMap<String, serde_json::Value>,
}

/// The ad account.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// The ad account's id, with or without `act_` (FB_AD_ACCOUNT_ID).
    #[schemars(regex(pattern = "^ *(act_)*[0-9]+ *$"))]
    pub id: Option<String>,
    /// The pixel that reports purchases (FB_PIXEL_ID).
    pub pixel_id: Option<String>,
    /// The page that new ads speak for (FB_PAGE_ID).
    pub page_id: Option<String>,
    /// The Instagram account that new ads speak for (IG_ACTOR_ID).
    pub instagram_user_id: Option<String>,
    /// Where new ads lead unless they say otherwise (STORE_URL).
    pub store_url: Option<String>,
}

impl Account {
    /// Who new ads speak for, and where they lead.
    #[must_use]
    pub fn sender(&self) -> Sender {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        Sender {
            page_id: some(&self.page_id),
            instagram_user_id: some(&self.instagram_user_id),
            store_url: some(&self.store_url),
        }
    }
}

/// The Graph API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// The server (META_GRAPH_URL); another than Meta's serves simulations and recordings.
    #[schemars(regex(pattern = "^https?://"))]
    pub url: String,
    /// The API version (META_API_VERSION).
    #[schemars(regex(pattern = "^v[0-9]+([.][0-9]+)*$"))]
    pub version: String,
    /// The app's id (FB_APP_ID).
    pub app_id: Option<String>,
}

impl Default for Api {
    fn default() -> Self {
        Api { url: "https://graph.facebook.com".into(), version: "v26.0".into(), app_id: None }
    }
}

/// Campaigns and ad sets of the three stages.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ids {
    /// The campaign in which new creatives are tested.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub testing_campaign_id: Option<String>,
    /// The ad set within it that new creatives go into.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub testing_adset_id: Option<String>,
    /// The campaign of the validation stage.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub validation_campaign_id: Option<String>,
    /// The campaign of the scaling stage.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub scaling_campaign_id: Option<String>,
}

/// A stage.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stage {
    /// Campaigns whose ads belong to the stage, beside the one under `ids`. The first receives promotions.
    #[schemars(inner(regex(pattern = "^[0-9]+$")))]
    pub campaigns: Vec<String>,
    /// The policy: a name, or a path to a component. Empty: ads are observed and held.
    pub policy: Option<String>,
    /// The policy's SHA-256; another one is refused.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub policy_sha256: Option<String>,
    /// The stage that promotions go into.
    pub next: Option<String>,
    /// The most the stage may spend in a day. Meta may overspend a daily budget by 75 %: budgets are held so that even then the cap is kept.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub daily_cap: Option<f64>,
    /// The smallest daily budget of an owner.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub min_budget: Option<f64>,
    /// The largest daily budget of an owner.
    pub max_budget: Option<f64>,
    /// Of the first stage: ads that are kept live by launching creatives of the queue (`dean queue`) into `ids.testing_adset_id`.
    pub keep_ads_live: Option<u32>,
    /// Of the first stage: ads at which nothing more is launched.
    pub max_active_ads: Option<u32>,
}

/// What a purchase is worth.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Economics {
    /// The cost per purchase at which nothing is earned (BREAKEVEN_CPA). Unset: mean order value less cost of goods.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub breakeven_cpa: Option<f64>,
    /// Cost of goods of a purchase (COGS_PER_PURCHASE).
    #[schemars(range(min = 0.0))]
    pub cogs_per_purchase: f64,
}

/// Limits on what a run may do, whatever a policy says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Whether stages only observe until `dean go-live` lets them act. Unset: on Meta's own server, and not on a simulated account.
    pub ghost: Option<bool>,
    /// While this file exists nothing is written to the account. Relative to the data folder.
    #[schemars(length(min = 1))]
    pub kill_switch_file: String,
    /// Hours between two changes of one ad or budget.
    #[schemars(range(min = 0.0, max = 720.0))]
    pub cooldown_hours: f64,
    /// The largest share of the account's daily spend that the pauses of one run may stop.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub max_spend_share_per_run: f64,
    /// The same for all pauses of an account day together. Unset: twice that of a run.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub max_spend_share_per_day: Option<f64>,
    /// What a copy or a raise may add to a day's spend without a person (`dean approve`). Unset: anything within the other limits.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub approve_above: Option<f64>,
    /// Ads of a stage that stay live whatever their numbers.
    pub min_live_ads: u32,
    /// How sure a policy has to be to pause one of them all the same; above 1 for never.
    #[schemars(range(min = 0.0))]
    pub last_ad_confidence: f64,
    /// The step of a daily budget, as a share of what it was, above which an owner that is learning waits.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub learning_step: f64,
    /// The largest rise of a daily budget within one account day, as a share of what it began the day with.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_daily_rise: f64,
    /// The most the account may spend in a day, Meta's overspend included. Unset: no cap beside the stages'.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub account_daily_cap: Option<f64>,
    /// Duplicates that a stage may make in an account day.
    pub max_duplicates_per_day: u32,
    /// While the account's cost per purchase of the last three days is above this times break-even, nothing is made to spend more.
    #[schemars(range(min = 1.0))]
    pub stop_cpa_ratio: f64,
    /// Neither of these two stops holds before the account has spent what so many purchases cost at break-even.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub stop_min_purchases: f64,
    /// Account days, today and this many before, after whose spend without a single purchase nothing is made to spend more.
    #[schemars(range(min = 1, max = 30))]
    pub stop_days_without_purchase: u32,
    /// Whether nothing is changed while events of ads stop being reported, and no ad paused for such a day afterwards.
    pub anomaly_hold: bool,
    /// The share by which Meta may attribute more purchases than the shop sold (`dean import orders`) before budgets rest.
    #[schemars(range(min = 0.0))]
    pub max_attribution_gap: f64,
    /// Hours after which the copy of a promoted ad that does not deliver is given up.
    #[schemars(range(min = 1.0))]
    pub promotion_timeout_hours: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            ghost: None,
            kill_switch_file: "STOP".into(),
            cooldown_hours: 24.0,
            max_spend_share_per_run: 0.3,
            max_spend_share_per_day: None,
            approve_above: None,
            min_live_ads: 1,
            last_ad_confidence: 0.9,
            learning_step: 0.2,
            max_daily_rise: 2.0,
            account_daily_cap: None,
            max_duplicates_per_day: 3,
            stop_cpa_ratio: 1.5,
            stop_min_purchases: 3.0,
            stop_days_without_purchase: 2,
            anomaly_hold: true,
            max_attribution_gap: 0.25,
            promotion_timeout_hours: 24.0,
        }
    }
}

/// Policies: whose are trusted.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Whether only signed policies may decide. The shipped ones are part of the program and need no signature.
    pub require_signed: bool,
    /// Public keys of minisign whose signatures count; two while one is replaced by the other.
    pub trusted_keys: Vec<String>,
    /// A folder for development, from that of the configuration: NAME.wasm in it stands in for the policy NAME, and is checked and swapped in as it is written.
    pub watch: Option<String>,
    /// By what a canary is widened or withdrawn.
    pub canary: Canary,
}

/// By what a canary is widened or withdrawn: what its ads earned is set beside what the other ads of the stage did.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Canary {
    /// The shares of the ads that it decides about, one after the other.
    #[schemars(length(min = 1), inner(range(min = 0.0, max = 1.0)))]
    pub steps: Vec<f64>,
    /// Complete days after which, again and again, a share is looked at whether it is widened.
    #[schemars(range(min = 1, max = 30))]
    pub step_days: u32,
    /// How sure it may become that its ads earn less than the others, however often one looks, before it is withdrawn.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub withdraw_above: f64,
    /// How probable that may be at most, looked at on that day alone, when it is widened.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub widen_below: f64,
}

impl Default for Canary {
    fn default() -> Self {
        Canary { steps: vec![0.1, 0.25, 0.5], step_days: 3, withdraw_above: 0.95, widen_below: 0.5 }
    }
}

/// Limits on what a policy may use in one call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds until a policy that does not answer is stopped.
    #[schemars(range(min = 100, max = 600_000))]
    pub deadline_ms: u64,
    /// Mebibytes of memory.
    #[schemars(range(min = 16, max = 2_048))]
    pub memory_mib: u64,
    /// Millions of WebAssembly instructions after which it is stopped, at the same place on every machine.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub million_instructions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { deadline_ms: 2_000, memory_mib: 128, million_instructions: 50_000 }
    }
}

/// Models.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ml {
    /// Whether models score ads (ML_MODE).
    pub mode: bool,
    /// How fast adaptive thresholds move (ML_LEARNING_RATE).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub learning_rate: f64,
    /// How sure a prediction has to be to count (ML_CONFIDENCE_THRESHOLD).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence_threshold: f64,
}

impl Default for Ml {
    fn default() -> Self {
        Ml { mode: true, learning_rate: 0.1, confidence_threshold: 0.7 }
    }
}

/// The Supabase mirror.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Supabase {
    /// The project's address (SUPABASE_URL).
    pub url: Option<String>,
    /// The table of creatives (SUPABASE_TABLE).
    pub table: String,
}

impl Default for Supabase {
    fn default() -> Self {
        Supabase { url: None, table: "meta_creatives".into() }
    }
}

/// A stage with its defaults filled in.
#[derive(Clone, Debug, Serialize)]
pub struct StageView {
    /// Its name.
    pub name: String,
    /// Its campaigns; the first receives promotions.
    pub campaigns: Vec<String>,
    /// Its policy; `None` when its ads are only observed.
    pub policy: Option<String>,
    /// The policy's pinned digest.
    pub policy_sha256: Option<String>,
    /// Where promotions go.
    pub next: Option<String>,
    /// The most it may spend in a day.
    pub daily_cap: Option<f64>,
    /// The smallest daily budget of an owner.
    pub min_budget: f64,
    /// The largest daily budget of an owner.
    pub max_budget: f64,
    /// Ads that are kept live by launching creatives of the queue.
    pub keep_ads_live: u32,
    /// Ads at which nothing more is launched.
    pub max_active_ads: u32,
}

impl StageView {
    /// What stands for the ads of no stage.
    pub(crate) fn nowhere() -> Self {
        StageView {
            name: String::new(),
            campaigns: Vec::new(),
            policy: None,
            policy_sha256: None,
            next: None,
            daily_cap: None,
            min_budget: 0.0,
            max_budget: 0.0,
            keep_ads_live: 0,
            max_active_ads: 0,
        }
    }
}

/// What the product page's sample keeps live.
const KEEP_ADS_LIVE: u32 = 4;

/// A shipped stage's defaults.
struct Shipped {
    name: &'static str,
    policy: Option<&'static str>,
    next: Option<&'static str>,
    daily_cap: f64,
    budgets: (f64, f64),
}

/// The caps are the original's 100, 400 and 2,500 a day; the budgets the product page's.
const SHIPPED: [Shipped; 3] = [
    Shipped {
        name: "testing",
        policy: Some("testing"),
        next: Some("validation"),
        daily_cap: 100.0,
        budgets: (1.0, 500.0),
    },
    Shipped {
        name: "validation",
        policy: Some("validation"),
        next: Some("scaling"),
        daily_cap: 400.0,
        budgets: (50.0, 500.0),
    },
    Shipped { name: "scaling", policy: Some("scaling"), next: None, daily_cap: 2_500.0, budgets: (100.0, 5_000.0) },
];

impl Config {
    /// The stages in their order: the shipped ones, then a client's own by name.
    #[must_use]
    pub fn stages(&self) -> Vec<StageView> {
        let mut views = Vec::new();
        for Shipped { name, policy, next, daily_cap, budgets: (min, max) } in SHIPPED {
            let own = self.stages.get(name).cloned().unwrap_or_default();
            let id = match name {
                "testing" => &self.ids.testing_campaign_id,
                "validation" => &self.ids.validation_campaign_id,
                _ => &self.ids.scaling_campaign_id,
            };
            let mut campaigns: Vec<String> = id.iter().cloned().collect();
            campaigns.extend(own.campaigns.iter().filter(|c| Some(*c) != id.as_ref()).cloned());
            views.push(StageView {
                name: name.into(),
                campaigns,
                policy: own.policy.or_else(|| policy.map(String::from)).filter(|p| !p.is_empty()),
                policy_sha256: own.policy_sha256,
                next: own.next.or_else(|| next.map(String::from)).filter(|n| !n.is_empty()),
                daily_cap: own.daily_cap.or(Some(daily_cap)),
                min_budget: own.min_budget.unwrap_or(min),
                max_budget: own.max_budget.unwrap_or(max),
                keep_ads_live: own.keep_ads_live.unwrap_or(KEEP_ADS_LIVE),
                max_active_ads: own.max_active_ads.or(own.keep_ads_live).unwrap_or(KEEP_ADS_LIVE),
            });
        }
        for (name, own) in &self.stages {
            if SHIPPED.iter().any(|shipped| shipped.name == name) {
                continue;
            }
            views.push(StageView {
                name: name.clone(),
                campaigns: own.campaigns.clone(),
                policy: own.policy.clone().filter(|p| !p.is_empty()),
                policy_sha256: own.policy_sha256.clone(),
                next: own.next.clone().filter(|n| !n.is_empty()),
                daily_cap: own.daily_cap,
                min_budget: own.min_budget.unwrap_or(1.0),
                max_budget: own.max_budget.unwrap_or(5_000.0),
                keep_ads_live: own.keep_ads_live.unwrap_or(KEEP_ADS_LIVE),
                max_active_ads: own.max_active_ads.or(own.keep_ads_live).unwrap_or(KEEP_ADS_LIVE),
            });
        }
        views
    }
}
