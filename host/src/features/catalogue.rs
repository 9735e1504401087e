//! Names of columns, what they mean and how they are computed.

use super::context::STAGE_CONTEXT;
use super::frame::{Frame, Metric, Row};
use super::posterior::Gamma;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A span of time, counted in account days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The present account day, as far as it has come.
    Today,
    /// The last complete account days, today not among them: like Meta's `last_7d`.
    Days(usize),
    /// One complete account day; 1 is yesterday.
    Day(usize),
    /// The ad's whole life, today included.
    Lifetime,
    /// Since the ad entered its stage, today included.
    InStage,
}

/// The last day that has a column of its own.
const LAST_SINGLE_DAY: usize = 14;

impl Window {
    fn all() -> impl Iterator<Item = Window> {
        let days = (1..=LAST_SINGLE_DAY).map(Window::Day);
        let spans = [3, 7, 14, 30].map(Window::Days);
        [Window::Today].into_iter().chain(spans).chain([Window::Lifetime, Window::InStage]).chain(days)
    }

    fn suffix(self) -> String {
        match self {
            Window::Today => "today".into(),
            Window::Days(n) => format!("{n}d"),
            Window::Day(n) => format!("d{n}"),
            Window::Lifetime => "lifetime".into(),
            Window::InStage => "in_stage".into(),
        }
    }

    fn words(self) -> String {
        match self {
            Window::Today => "today so far".into(),
            Window::Days(n) => format!("the last {n} complete account days"),
            Window::Day(1) => "yesterday".into(),
            Window::Day(n) => format!("the complete account day {n} days ago"),
            Window::Lifetime => "the ad's whole life".into(),
            Window::InStage => "the time since it entered its stage".into(),
        }
    }

    fn values(self, frame: &Frame, metric: Metric) -> Vec<f64> {
        match self {
            Window::Today => frame.day(metric, 0),
            Window::Days(n) => frame.sum(metric, 1, n),
            Window::Day(n) => frame.day(metric, n),
            Window::Lifetime => frame.lifetime(metric),
            Window::InStage => frame.in_stage(metric),
        }
    }
}

/// What a column is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A sum over a window.
    Sum(Metric, Window),
    /// One sum by another over a window, times a factor.
    Ratio(&'static Ratio, Window),
    /// Impressions by people reached, over a window whose reach is known as such.
    Frequency(Window),
    /// Something of the ad itself, by its position in `OF_THE_AD`.
    OfTheAd(usize),
    /// The shape of the posterior on purchases per spend.
    PurchaseShape,
    /// The rate of the posterior on purchases per spend.
    PurchaseRate,
    /// How likely the true cost per purchase is above target.
    PCpaAboveTarget,
    /// A text: Meta's effective status.
    Status,
}

/// A ratio of two sums.
#[derive(Debug, PartialEq)]
pub struct Ratio {
    name: &'static str,
    above: Metric,
    below: Metric,
    factor: f64,
    unit: &'static str,
    doc: &'static str,
}

// Ratios are constants of this file; two are the same when they have the same name.
impl Eq for Ratio {}

const SUMS: [(&str, Metric, &str, &str); 11] = [
    ("spend", Metric::Spend, "currency", "spend"),
    ("impressions", Metric::Impressions, "count", "impressions"),
    ("clicks", Metric::Clicks, "count", "clicks, all of them, as Meta's `clicks`"),
    ("link_clicks", Metric::LinkClicks, "count", "clicks on the link"),
    ("purchases", Metric::Purchases, "count", "attributed purchases, one alias of Meta's six"),
    ("revenue", Metric::Revenue, "currency", "attributed revenue; not known when purchases came without a value"),
    ("add_to_cart", Metric::AddToCart, "count", "add-to-carts"),
    ("initiate_checkout", Metric::InitiateCheckout, "count", "checkouts begun"),
    ("video_3s", Metric::Video3s, "count", "views of at least three seconds"),
    ("thruplay", Metric::Thruplay, "count", "views to the end or of fifteen seconds"),
    ("watch_time", Metric::WatchTime, "seconds", "seconds watched"),
];

static RATIOS: [Ratio; 9] = [
    ratio("ctr", Metric::Clicks, Metric::Impressions, 1.0, "fraction", "clicks / impressions"),
    ratio("link_ctr", Metric::LinkClicks, Metric::Impressions, 1.0, "fraction", "link clicks / impressions"),
    ratio("cpc", Metric::Spend, Metric::Clicks, 1.0, "currency", "spend / clicks"),
    ratio("cpm", Metric::Spend, Metric::Impressions, 1000.0, "currency", "1000 x spend / impressions"),
    ratio("cpa", Metric::Spend, Metric::Purchases, 1.0, "currency", "spend / purchases"),
    ratio("roas", Metric::Revenue, Metric::Spend, 1.0, "ratio", "revenue / spend"),
    ratio("aov", Metric::Revenue, Metric::Purchases, 1.0, "currency", "revenue / purchases"),
    ratio("atc_rate", Metric::AddToCart, Metric::Clicks, 1.0, "fraction", "add-to-carts / clicks"),
    ratio("ic_rate", Metric::InitiateCheckout, Metric::Clicks, 1.0, "fraction", "checkouts begun / clicks"),
];

const fn ratio(
    name: &'static str,
    above: Metric,
    below: Metric,
    factor: f64,
    unit: &'static str,
    doc: &'static str,
) -> Ratio {
    Ratio { name, above, below, factor, unit, doc }
}

/// Reach does not add up over days, so frequency exists only where its reach was read as such.
const FREQUENCY_WINDOWS: [Window; 3] = [Window::Today, Window::Days(7), Window::Lifetime];

type OfTheAd = (&'static str, &'static str, &'static str, fn(&Row) -> f64);

const OF_THE_AD: [OfTheAd; 12] = [
    ("age_hours", "hours", "hours since the ad was created", |r| r.age_hours),
    ("hours_in_stage", "hours", "hours since the ad entered its stage", |r| r.hours_in_stage),
    ("budget", "currency", "daily budget of its owner (ad set or campaign); not known for a lifetime budget", |r| {
        r.budget
    }),
    ("in_learning", "flag", "1 while Meta says that its ad set is learning", |r| r.in_learning),
    ("hours_since_change", "hours", "hours since Dean last changed the ad; not known when it never did", |r| {
        r.hours_since_change
    }),
    ("changes_24h", "count", "changes by Dean to the ad in the last 24 hours", |r| r.changes_24h),
    ("budget_day_start", "currency", "daily budget of its owner when the account day began", |r| r.budget_day_start),
    ("paused_by_dean", "flag", "1 when Dean paused it", |r| r.paused_by_dean),
    ("hours_since_pause", "hours", "hours since Dean paused it", |r| r.hours_since_pause),
    ("cpa_at_pause", "currency", "cost per purchase in its stage when Dean paused it", |r| r.cpa_at_pause),
    ("copies_today", "count", "copies that Dean made of it this account day", |r| r.copies_today),
    ("reach_7d", "count", "people reached in the last seven complete account days", |r| r.reach_7d),
];

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

const NEVER: &str = "never; 0 when nothing happened";
const BEFORE_IT_EXISTED: &str = "on days before the ad existed";
const NO_DENOMINATOR: &str = "when the denominator is 0";

/// Every column there is.
#[must_use]
pub fn catalogue() -> Vec<Entry> {
    let mut entries = Vec::new();
    for window in Window::all() {
        for (name, metric, unit, doc) in SUMS {
            let missing = match window {
                _ if metric == Metric::Revenue => "when purchases came without a value",
                Window::Day(_) => BEFORE_IT_EXISTED,
                _ => NEVER,
            };
            entries.push(Entry {
                name: format!("{name}_{}", window.suffix()),
                unit,
                formula: format!("{doc}, over {}", window.words()),
                missing,
                column: Column::Sum(metric, window),
            });
        }
        for ratio in &RATIOS {
            entries.push(Entry {
                name: format!("{}_{}", ratio.name, window.suffix()),
                unit: ratio.unit,
                formula: format!("{}, over {}", ratio.doc, window.words()),
                missing: NO_DENOMINATOR,
                column: Column::Ratio(ratio, window),
            });
        }
        let by_day = matches!(window, Window::Day(_));
        if by_day || FREQUENCY_WINDOWS.contains(&window) {
            entries.push(Entry {
                name: format!("frequency_{}", window.suffix()),
                unit: "ratio",
                formula: format!("impressions / people reached, over {}", window.words()),
                missing: "when the reach was not read",
                column: Column::Frequency(window),
            });
        }
    }
    for (position, (name, unit, doc, _)) in OF_THE_AD.iter().enumerate() {
        let entry = |column| Entry {
            name: (*name).to_string(),
            unit,
            formula: (*doc).to_string(),
            missing: "when Meta or the ledger does not say",
            column,
        };
        entries.push(entry(Column::OfTheAd(position)));
    }
    let mut other = |name: &str, unit, formula: &str, missing, column| {
        entries.push(Entry { name: name.into(), unit, formula: formula.into(), missing, column });
    };
    other("status", "text", "Meta's effective status", "never", Column::Status);
    other(
        "purchase_shape_7d",
        "count",
        "shape of the Gamma posterior on purchases per spend: the account's prior and the last 7 complete days",
        "when the account has no prior",
        Column::PurchaseShape,
    );
    other(
        "purchase_rate_7d",
        "currency",
        "rate of that posterior: the prior's spend and the ad's",
        "when the account has no prior",
        Column::PurchaseRate,
    );
    other(
        "p_cpa_above_target",
        "fraction",
        "P(true cost per purchase > target_cpa), given the account's prior and everything since the ad entered its stage; exactly: the regularised incomplete gamma function P(shape, rate / target_cpa)",
        "when the account has no prior",
        Column::PCpaAboveTarget,
    );
    entries
}

/// The column of a name.
#[must_use]
pub fn find(name: &str) -> Option<Column> {
    index().get(name).map(|(column, _)| *column)
}

/// The unit of a column or context; facts that a policy derives are named after the columns that
/// they are made of, so theirs is guessed from the beginning of the name.
#[must_use]
pub fn unit(name: &str) -> Option<&'static str> {
    let context = || STAGE_CONTEXT.iter().find(|c| c.name == name).map(|c| c.unit);
    let derived = || (name.starts_with("cost_per_")).then_some("currency");
    index().get(name).map(|(_, unit)| *unit).or_else(context).or_else(derived)
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

impl Column {
    /// The values of every ad in a frame; NaN where not known. `prior` is the account's, `target` the
    /// cost per purchase aimed at.
    ///
    /// Texts have no numbers: for [`Column::Status`] every value is NaN.
    #[must_use]
    pub fn values(self, frame: &Frame, prior: Option<Gamma>, target: f64) -> Vec<f64> {
        match self {
            Column::Sum(metric, window) => window.values(frame, metric),
            Column::Ratio(ratio, window) => {
                let above = window.values(frame, ratio.above);
                let below = window.values(frame, ratio.below);
                let divide = |(a, b): (&f64, &f64)| if *b > 0.0 { a / b * ratio.factor } else { f64::NAN };
                above.iter().zip(&below).map(divide).collect()
            }
            Column::Frequency(window) => {
                let impressions = window.values(frame, Metric::Impressions);
                let reach = match window {
                    Window::Today => frame.reach_on(0),
                    Window::Day(day) => frame.reach_on(day),
                    Window::Lifetime => frame.reach_lifetime(),
                    _ => frame.rows().iter().map(|row| row.reach_7d).collect(),
                };
                let divide = |(i, r): (&f64, &f64)| if *r > 0.0 { i / r } else { f64::NAN };
                impressions.iter().zip(&reach).map(divide).collect()
            }
            Column::OfTheAd(position) => frame.rows().iter().map(OF_THE_AD[position].3).collect(),
            Column::PurchaseShape => posterior(frame, prior, Window::Days(7), |p| p.shape),
            Column::PurchaseRate => posterior(frame, prior, Window::Days(7), |p| p.rate),
            Column::PCpaAboveTarget => posterior(frame, prior, Window::InStage, |p| p.p_cpa_above(target)),
            Column::Status => vec![f64::NAN; frame.ads()],
        }
    }

    /// Whether it is a text column.
    #[must_use]
    pub fn is_text(self) -> bool {
        self == Column::Status
    }
}

fn posterior(frame: &Frame, prior: Option<Gamma>, window: Window, of: impl Fn(Gamma) -> f64) -> Vec<f64> {
    let Some(prior) = prior else { return vec![f64::NAN; frame.ads()] };
    let purchases = window.values(frame, Metric::Purchases);
    let spend = window.values(frame, Metric::Spend);
    purchases.iter().zip(&spend).map(|(p, s)| of(prior.after(*p, *s))).collect()
}
