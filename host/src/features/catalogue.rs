//! Names of columns, what they mean and when they are not known.

use super::column::{Base, Click, Column, Posterior, Shape};
use super::context::STAGE_CONTEXT;
use super::frame::{Metric, Row};
use super::window::Window;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A line of the catalogue.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The column's name.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Its formula, in words.
    pub formula: String,
    /// When it is not known.
    pub missing: &'static str,
    /// How it is computed.
    #[serde(skip)]
    pub column: Column,
}

const SUMS: [(&str, Metric, &str, &str); 11] = [
    ("spend", Metric::Spend, "currency", "spend"),
    ("impressions", Metric::Impressions, "count", "impressions"),
    ("clicks", Metric::Clicks, "count", "clicks, all of them, as Meta's `clicks`"),
    ("link_clicks", Metric::LinkClicks, "count", "clicks on the link"),
    (
        "purchases",
        Metric::Purchases,
        "count",
        "attributed purchases: omni_purchase, else purchase, else offsite_conversion.fb_pixel_purchase, never their sum",
    ),
    ("revenue", Metric::Revenue, "currency", "attributed revenue; not known when purchases came without a value"),
    ("add_to_cart", Metric::AddToCart, "count", "add-to-carts"),
    ("initiate_checkout", Metric::InitiateCheckout, "count", "checkouts begun"),
    ("video_3s", Metric::Video3s, "count", "views of at least three seconds"),
    ("thruplay", Metric::Thruplay, "count", "views to the end or of fifteen seconds"),
    ("watch_time", Metric::WatchTime, "seconds", "seconds watched"),
];

/// Name, what is divided by what, factor, unit, words.
type Ratio = (&'static str, Metric, Metric, f64, &'static str, &'static str);

const RATIOS: [Ratio; 9] = [
    ("ctr", Metric::Clicks, Metric::Impressions, 1.0, "fraction", "clicks / impressions"),
    ("link_ctr", Metric::LinkClicks, Metric::Impressions, 1.0, "fraction", "link clicks / impressions"),
    ("cpc", Metric::Spend, Metric::Clicks, 1.0, "currency", "spend / clicks"),
    ("cpm", Metric::Spend, Metric::Impressions, 1000.0, "currency", "1000 x spend / impressions"),
    ("cpa", Metric::Spend, Metric::Purchases, 1.0, "currency", "spend / purchases"),
    ("roas", Metric::Revenue, Metric::Spend, 1.0, "ratio", "revenue / spend"),
    ("aov", Metric::Revenue, Metric::Purchases, 1.0, "currency", "revenue / purchases"),
    ("atc_rate", Metric::AddToCart, Metric::Clicks, 1.0, "fraction", "add-to-carts / clicks"),
    ("ic_rate", Metric::InitiateCheckout, Metric::Clicks, 1.0, "fraction", "checkouts begun / clicks"),
];

/// Reach does not add up over days, so frequency exists only where its reach was read as such.
const FREQUENCY_WINDOWS: [Window; 3] = [Window::Today, Window::Days(7), Window::Lifetime];

type OfTheAd = (&'static str, &'static str, &'static str, fn(&Row) -> f64);

const OF_THE_AD: [OfTheAd; 19] = [
    ("age_hours", "hours", "hours since the ad was created", |r| r.age_hours),
    (
        "hours_in_stage",
        "hours",
        "hours since the ad entered its stage: was created in it, or was seen in it after another one",
        |r| r.hours_in_stage,
    ),
    ("budget", "currency", "daily budget of its owner (ad set or campaign); not known for a lifetime budget", |r| {
        r.budget
    }),
    ("in_learning", "flag", "1 while Meta says that its ad set is learning", |r| r.in_learning),
    ("hours_since_change", "hours", "hours since Dean last changed the ad; not known when it never did", |r| {
        r.hours_since_change
    }),
    ("changes_24h", "count", "changes by Dean to the ad in the last 24 hours", |r| r.changes_24h),
    (
        "hours_since_budget_change",
        "hours",
        "hours since Dean last changed the daily budget of its owner, or switched the owner on; not known when it never did",
        |r| r.hours_since_budget_change,
    ),
    (
        "hours_since_budget_fall",
        "hours",
        "hours since Dean last lowered the daily budget of its owner; not known when it never did",
        |r| r.hours_since_budget_fall,
    ),
    (
        "budget_day_start",
        "currency",
        "daily budget of its owner at the first run of the account day; not known for one that was made since",
        |r| r.budget_day_start,
    ),
    (
        "joined_budget",
        "currency",
        "daily budgets with which copies joined its owner, a campaign that holds the budget for all, in the last 168 hours, as far as that budget has not risen by them since; a copy joins when it delivers",
        |r| r.joined_budget,
    ),
    (
        "paused_by_dean",
        "flag",
        "1 when the last that Dean did to its status was to pause it, whoever switched it on since",
        |r| r.paused_by_dean,
    ),
    ("hours_since_pause", "hours", "hours since Dean paused it", |r| r.hours_since_pause),
    (
        "cpa_at_pause",
        "currency",
        "cost per purchase in its stage when a rule of Dean's paused it; not known when its copy took its place",
        |r| r.cpa_at_pause,
    ),
    (
        "purchases_at_pause",
        "count",
        "purchases in its stage that were reported when a rule of Dean's paused it; not known when its copy took its place",
        |r| r.purchases_at_pause,
    ),
    ("copies_today", "count", "copies that Dean made of it this account day", |r| r.copies_today),
    (
        "copyable",
        "flag",
        "1 when a copy of it can be made beside it: it has a creative, and its budget is a daily one of its own ad set",
        |r| r.copyable,
    ),
    ("hours_since_copy", "hours", "hours since Dean last made a copy of it; not known when it never did", |r| {
        r.hours_since_copy
    }),
    ("hours_since_refresh", "hours", "hours since Dean last asked for a new creative in its place", |r| {
        r.hours_since_refresh
    }),
    ("reach_7d", "count", "people reached in the last seven complete account days", |r| r.reach_7d),
];

/// What the ledger, or what Meta sent, always says of an ad.
const ALWAYS_KNOWN: [&str; 5] = ["changes_24h", "paused_by_dean", "copies_today", "copyable", "joined_budget"];

const NEVER: &str = "never; 0 when nothing happened";
const BEFORE_IT_EXISTED: &str = "on days before the ad existed";
const NO_DENOMINATOR: &str = "when the denominator is 0";
const NO_PRIOR: &str = "when the account has no purchase and no target";
const FEW_DAYS: &str = "with fewer than three known days, or a mean of 0";

/// Every column there is.
#[must_use]
pub fn catalogue() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: String, unit, formula: String, missing, column| {
        entries.push(Entry { name, unit, formula, missing, column });
    };
    let ratios =
        || RATIOS.map(|(name, above, below, factor, unit, doc)| (name, Base::Ratio(above, below, factor), unit, doc));
    for window in Window::all() {
        let suffix = window.suffix();
        for (name, metric, unit, doc) in SUMS {
            let missing = match window {
                _ if metric == Metric::Revenue => "when purchases came without a value",
                Window::Day(_) => BEFORE_IT_EXISTED,
                _ => NEVER,
            };
            let column = Column::Of(Base::Sum(metric), window);
            add(format!("{name}_{suffix}"), unit, format!("{doc}, over {}", window.words()), missing, column);
        }
        for (name, base, unit, doc) in ratios() {
            let formula = format!("{doc}, over {}", window.words());
            add(format!("{name}_{suffix}"), unit, formula, NO_DENOMINATOR, Column::Of(base, window));
        }
        let by_day = matches!(window, Window::Day(_));
        if by_day || FREQUENCY_WINDOWS.contains(&window) {
            let until = if window == Window::Lifetime { " up to yesterday" } else { "" };
            let formula = format!("impressions / people reached, over {}{until}", window.words());
            add(
                format!("frequency_{suffix}"),
                "ratio",
                formula,
                "when the reach was not read",
                Column::Frequency(window),
            );
        }
        let missing = if by_day || window == Window::Today { "never" } else { "when nothing was spent" };
        let formula = format!(
            "share of purchases that is reported by now, by the account's own lag curve, over {}: days weighted by spend",
            window.words()
        );
        add(format!("settled_{suffix}"), "fraction", formula, missing, Column::Settled(window));
    }
    let sums = [Metric::Spend, Metric::Impressions, Metric::Purchases, Metric::Revenue].map(|metric| {
        let (name, ..) = SUMS[metric as usize];
        (name, Base::Sum(metric))
    });
    for (name, base) in sums.into_iter().chain(ratios().map(|(name, base, ..)| (name, base))) {
        let late = "conversions still to come accounted for by settled_dN";
        let formula = format!("slope of the least-squares line through {name}_d7 ... {name}_d1 / their mean; {late}");
        add(format!("trend_{name}_7d"), "fraction a day", formula, FEW_DAYS, Column::Week(Shape::Trend, base));
        let formula = format!("sample standard deviation of {name}_d7 ... {name}_d1 / their mean; {late}");
        add(format!("volatility_{name}_7d"), "ratio", formula, FEW_DAYS, Column::Week(Shape::Volatility, base));
    }
    for (name, unit, doc, get) in OF_THE_AD {
        let missing = if ALWAYS_KNOWN.contains(&name) { "never" } else { "when Meta or the ledger does not say" };
        add(name.into(), unit, doc.into(), missing, Column::OfTheAd(get));
    }
    let mut text = |name: &str, formula: &str, get: fn(&Row) -> &str| {
        add(name.into(), "text", formula.into(), "never", Column::Text(get));
    };
    text("status", "Meta's effective status", |row| &row.status);
    text("ad_name", "the ad's name", |row| &row.ad_name);
    text("adset_name", "the name of its ad set", |row| &row.adset_name);
    text("campaign_name", "the name of its campaign", |row| &row.campaign_name);
    for (name, unit, formula, missing, column) in others() {
        add(name.into(), unit, formula.into(), missing, column);
    }
    entries
}

type Other = (&'static str, &'static str, &'static str, &'static str, Column);

const CTR: Base = Base::Ratio(Metric::Clicks, Metric::Impressions, 1.0);
const ROAS: Base = Base::Ratio(Metric::Revenue, Metric::Spend, 1.0);

fn others() -> [Other; 25] {
    let posterior = Column::Posterior;
    let (stage, week, three) = (Window::InStage, Window::Days(7), Window::Days(3));
    [
        (
            "purchase_days_in_stage",
            "days",
            "account days with a purchase since the ad entered its stage, of the last 38, today included",
            NEVER,
            Column::PurchaseDays,
        ),
        (
            "momentum_7d",
            "fraction",
            "(mean of ctr_d3, d2, d1 - mean of ctr_d7, d6, d5) / mean of ctr_d7, d6, d5",
            "with fewer than two known days at either end, or a first mean of 0",
            Column::Week(Shape::Momentum, CTR),
        ),
        (
            "acceleration_7d",
            "fraction a day a day",
            "second derivative of the least-squares parabola through ctr_d7 ... ctr_d1 / their mean",
            "with fewer than four known days, or a mean of 0",
            Column::Week(Shape::Acceleration, CTR),
        ),
        (
            "stability_7d",
            "fraction",
            "1 / (1 + volatility_roas_7d): 1 is the same return every day",
            FEW_DAYS,
            Column::Week(Shape::Stability, ROAS),
        ),
        (
            "ctr_peak",
            "fraction",
            "highest clicks / impressions over three complete days in a row with 1,000 impressions, of the last 30",
            "where no three days have them",
            Column::Click(Click::Peak),
        ),
        (
            "ctr_ewma",
            "fraction",
            "exponentially weighted mean of ctr_d30 ... ctr_d1: each day moves it by a quarter of the difference",
            "without a complete day with impressions",
            Column::Click(Click::Ewma),
        ),
        (
            "decay_rate",
            "fraction a day",
            "- slope of ln(ctr) over the last 14 complete days, each weighted by its clicks",
            "with fewer than four days with clicks",
            Column::Click(Click::Decay),
        ),
        (
            "half_life_days",
            "days",
            "ln 2 / decay_rate",
            "when the click-through rate does not fall",
            Column::Click(Click::HalfLife),
        ),
        (
            "fatigue_index",
            "fraction",
            "weighted mean of six signs over the last 7 complete days: what ctr (0.3), roas (0.2) and video_3s / impressions (0.1) lost and cpa (0.2) gained along their lines, each counted when the slope has p < 0.1; a negative momentum (0.1); volatility of ctr up by half from the first four days to the last four (0.1); a sign that is not known is left out of the mean",
            "while the click-through rate has no three days",
            Column::FatigueIndex,
        ),
        (
            "performance_score",
            "fraction",
            "weighted mean of x / (1 + x) for target_cpa / (purchase_rate_7d / purchase_shape_7d) (0.5), roas_7d / settled_7d / the account's settled return of the last 30 complete days (0.3) and ctr_7d / the account's click-through rate of those days (0.2): a half is par",
            "without impressions in the last 7 days",
            Column::PerformanceScore,
        ),
        (
            "purchase_shape_7d",
            "count",
            "shape of the Gamma posterior on purchases per spend: the account's prior and purchases_7d. The prior is fitted to the last 30 complete days of all ads (maximum marginal likelihood, shape held near 1.4); without a purchase in them its shape is 1.4 and its mean one purchase for target_cpa. A copy's prior holds half of its source's purchases and spend too, ten purchases at most",
            NO_PRIOR,
            posterior(Posterior::PurchaseShape(week)),
        ),
        (
            "purchase_rate_7d",
            "currency",
            "rate of that posterior: the prior's spend and spend_7d x settled_7d",
            NO_PRIOR,
            posterior(Posterior::PurchaseRate(week)),
        ),
        (
            "purchase_shape_in_stage",
            "count",
            "shape of the Gamma posterior on purchases per spend: the account's prior and purchases_in_stage",
            NO_PRIOR,
            posterior(Posterior::PurchaseShape(stage)),
        ),
        (
            "purchase_rate_in_stage",
            "currency",
            "rate of that posterior: the prior's spend and spend_in_stage x settled_in_stage",
            NO_PRIOR,
            posterior(Posterior::PurchaseRate(stage)),
        ),
        (
            "p_cpa_above_target",
            "fraction",
            "P(true cost per purchase > target_cpa), given the account's prior and everything since the ad entered its stage; exactly: the regularised incomplete gamma function P(purchase_shape_in_stage, purchase_rate_in_stage / target_cpa)",
            NO_PRIOR,
            posterior(Posterior::CostAboveTarget(stage)),
        ),
        (
            "p_cpa_above_target_3d",
            "fraction",
            "the same, given the last 3 complete days alone",
            NO_PRIOR,
            posterior(Posterior::CostAboveTarget(three)),
        ),
        (
            "p_cpa_above_target_7d",
            "fraction",
            "the same, given the last 7 complete days alone",
            NO_PRIOR,
            posterior(Posterior::CostAboveTarget(week)),
        ),
        (
            "p_cpa_above_breakeven",
            "fraction",
            "P(true cost per purchase > breakeven_cpa), given everything since the ad entered its stage",
            "when break-even is not known",
            posterior(Posterior::CostAboveBreakeven(stage)),
        ),
        (
            "p_cpa_above_breakeven_7d",
            "fraction",
            "the same, given the last 7 complete days alone",
            "when break-even is not known",
            posterior(Posterior::CostAboveBreakeven(week)),
        ),
        (
            "p_cpa_above_target_by_carts",
            "fraction",
            "P(true cost per add-to-cart > target_cpa x the account's purchases per add-to-cart of the last 30 complete days), given the account's prior on add-to-carts and those since the ad entered its stage",
            "when the account had no add-to-cart or no purchase in the last 30 complete days",
            posterior(Posterior::CostAboveTargetByCarts),
        ),
        (
            "ctr_alpha_7d",
            "count",
            "alpha of the Beta posterior on the click-through rate: the account's prior, fitted to the last 30 complete days of all ads with impressions (maximum marginal likelihood, alpha held near 4), and clicks_7d",
            "when the account had no click in the last 30 complete days",
            posterior(Posterior::ClickAlpha(week)),
        ),
        (
            "ctr_beta_7d",
            "count",
            "beta of that posterior: the prior's and impressions_7d - clicks_7d",
            "when the account had no click in the last 30 complete days",
            posterior(Posterior::ClickBeta(week)),
        ),
        (
            "ctr_alpha_in_stage",
            "count",
            "alpha of the Beta posterior on the click-through rate: the account's prior and clicks_in_stage",
            "when the account had no click in the last 30 complete days",
            posterior(Posterior::ClickAlpha(stage)),
        ),
        (
            "ctr_beta_in_stage",
            "count",
            "beta of that posterior: the prior's and impressions_in_stage - clicks_in_stage",
            "when the account had no click in the last 30 complete days",
            posterior(Posterior::ClickBeta(stage)),
        ),
        (
            "p_ctr_below_account",
            "fraction",
            "P(true click-through rate < that of the account's last 30 complete days), given everything since the ad entered its stage: the regularised incomplete beta function",
            "when the account had no click in the last 30 complete days",
            posterior(Posterior::ClicksBelowAccount),
        ),
    ]
}

/// The column of a name.
#[must_use]
pub fn find(name: &str) -> Option<Column> {
    index().get(name).map(|(column, _)| *column)
}

/// The unit of a column or context; facts that a policy derives are named after the columns that
/// they are made of, so theirs is guessed from the name.
#[must_use]
pub fn unit(name: &str) -> Option<&'static str> {
    let context = || STAGE_CONTEXT.iter().find(|c| c.name == name).map(|c| c.unit);
    index().get(name).map(|(_, unit)| *unit).or_else(context).or_else(|| derived_unit(name))
}

fn derived_unit(name: &str) -> Option<&'static str> {
    let has = |word: &str| name.split('_').any(|part| part == word);
    if has("ratio") || has("share") || has("purchases") {
        None
    } else if has("days") {
        Some("days")
    } else if has("cost") || has("cpa") || has("spend") || has("budget") {
        Some("currency")
    } else if has("ctr") || has("chance") || name.starts_with("p_") {
        Some("fraction")
    } else {
        None
    }
}

fn index() -> &'static HashMap<String, (Column, &'static str)> {
    static INDEX: OnceLock<HashMap<String, (Column, &'static str)>> = OnceLock::new();
    INDEX.get_or_init(|| catalogue().into_iter().map(|e| (e.name, (e.column, e.unit))).collect())
}

/// The known name that is nearest to an unknown one.
#[must_use]
pub fn nearest(name: &str) -> Option<String> {
    let best = index().keys().map(|known| (strsim::osa_distance(name, known), known)).min()?;
    (best.0 <= 4).then(|| best.1.clone())
}
