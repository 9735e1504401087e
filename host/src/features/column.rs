//! How each column is computed, for all ads of a frame at once.

use super::basis::Basis;
use super::frame::{Frame, Metric, Row};
use super::posterior::Gamma;
use super::series::{self, Line, Wear};
use super::window::Window;

/// What a column is made of.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Something that has a value for every window.
    Of(Base, Window),
    /// Impressions by people reached, over a window whose reach is known as such.
    Frequency(Window),
    /// The share of purchases that is reported by now.
    Settled(Window),
    /// What the last seven complete days of something say.
    Week(Shape, Base),
    /// What longer series of the click-through rate say.
    Click(Click),
    /// A posterior.
    Posterior(Posterior),
    /// From 0, fresh, to 1, worn out.
    FatigueIndex,
    /// From 0 to 1, a half at par with target and account.
    PerformanceScore,
    /// Account days in the stage that brought a purchase.
    PurchaseDays,
    /// Something of the ad itself.
    OfTheAd(fn(&Row) -> f64),
    /// A text of the ad itself; empty where Meta says none.
    Text(fn(&Row) -> &str),
}

/// A sum of a metric, or one sum by another times a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// A sum.
    Sum(Metric),
    /// The first sum by the second, times the factor.
    Ratio(Metric, Metric, f64),
}

/// What is asked of seven days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The slope of a line through them, as a share of their mean.
    Trend,
    /// Their standard deviation by their mean.
    Volatility,
    /// The last three against the first three.
    Momentum,
    /// The second derivative of a parabola through them, as a share of their mean.
    Acceleration,
    /// 1 / (1 + volatility).
    Stability,
}

/// What is asked of the click-through rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    /// Its best three days of the last thirty.
    Peak,
    /// Its exponentially weighted mean.
    Ewma,
    /// How fast it dies.
    Decay,
    /// Days until it has halved.
    HalfLife,
}

/// What is asked of a posterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posterior {
    /// Shape of the posterior on purchases per spend, over a window.
    PurchaseShape(Window),
    /// Its rate.
    PurchaseRate(Window),
    /// How likely the true cost per purchase is above target.
    CostAboveTarget(Window),
    /// How likely it is above break-even.
    CostAboveBreakeven(Window),
    /// How likely it is above target as add-to-carts foretell it.
    CostAboveTargetByCarts,
    /// Alpha of the posterior on the click-through rate.
    ClickAlpha(Window),
    /// Its beta.
    ClickBeta(Window),
    /// How likely the true click-through rate is below the account's.
    ClicksBelowAccount,
}

/// Days of a week, and of the longer series of the click-through rate.
const WEEK: usize = 7;
const MONTH: usize = 30;
const DECAY_DAYS: usize = 14;
/// The original's weight of a new day.
const EWMA_WEIGHT: f64 = 0.25;
/// A peak is that of three days with a thousand impressions: one good hour is none.
const PEAK_DAYS: usize = 3;
const PEAK_IMPRESSIONS: f64 = 1_000.0;

const CTR: Base = Base::Ratio(Metric::Clicks, Metric::Impressions, 1.0);
const CPA: Base = Base::Ratio(Metric::Spend, Metric::Purchases, 1.0);
const ROAS: Base = Base::Ratio(Metric::Revenue, Metric::Spend, 1.0);
const ENGAGEMENT: Base = Base::Ratio(Metric::Video3s, Metric::Impressions, 1.0);

impl Base {
    /// The values over a window; a ratio is not known where its denominator is 0.
    fn values(self, frame: &Frame, window: Window) -> Vec<f64> {
        match self {
            Base::Sum(metric) => window.values(frame, metric),
            Base::Ratio(above, below, factor) => {
                let (above, below) = (window.values(frame, above), window.values(frame, below));
                let divide = |(a, b): (&f64, &f64)| if *b > 0.0 { a / b * factor } else { f64::NAN };
                above.iter().zip(&below).map(divide).collect()
            }
        }
    }

    /// What values of a day become once its late conversions are there.
    fn settling(self, settled: f64) -> f64 {
        let grows = |metric: Metric| {
            let late = matches!(metric, Metric::Purchases | Metric::Revenue);
            if late && settled > 0.0 { 1.0 / settled } else { 1.0 }
        };
        match self {
            Base::Sum(metric) => grows(metric),
            Base::Ratio(above, below, _) => grows(above) / grows(below),
        }
    }

    /// Complete days of every ad, oldest first, with conversions still to come accounted for.
    fn days(self, frame: &Frame, basis: &Basis, days: usize) -> Vec<Vec<f64>> {
        let mut series = vec![Vec::with_capacity(days); frame.ads()];
        for day in (1..=days).rev() {
            let factor = self.settling(basis.settled(day));
            for (series, value) in series.iter_mut().zip(self.values(frame, Window::Day(day))) {
                series.push(value * factor);
            }
        }
        series
    }
}

impl Shape {
    fn of(self, days: &[f64]) -> f64 {
        match self {
            Shape::Trend => Line::through(days).map_or(f64::NAN, |line| line.relative()),
            Shape::Volatility => series::volatility(days),
            Shape::Momentum => series::momentum(days),
            Shape::Acceleration => series::acceleration(days),
            Shape::Stability => 1.0 / (1.0 + series::volatility(days)),
        }
    }
}

/// The numbers of a stage that columns are measured against, in major units; NaN when not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marks {
    /// The cost per purchase aimed at.
    pub target_cpa: f64,
    /// The cost per purchase at which nothing is earned.
    pub breakeven_cpa: f64,
}

impl Column {
    /// The values of every ad in a frame; NaN where not known.
    ///
    /// Texts have no numbers: for [`Column::Text`] every value is NaN.
    #[must_use]
    pub fn values(self, frame: &Frame, basis: &Basis, marks: Marks) -> Vec<f64> {
        match self {
            Column::Of(base, window) => base.values(frame, window),
            Column::Settled(window) => window.settled(frame, basis),
            Column::Week(shape, base) => base.days(frame, basis, WEEK).iter().map(|days| shape.of(days)).collect(),
            Column::Click(click) => clicks(click, frame, basis),
            Column::Posterior(posterior) => posterior.values(frame, basis, marks),
            Column::Frequency(window) => frequency(frame, window),
            Column::FatigueIndex => {
                let [ctr, cpa, roas, engagement] =
                    [CTR, CPA, ROAS, ENGAGEMENT].map(|base| base.days(frame, basis, WEEK));
                let wear =
                    |ad: usize| Wear { ctr: &ctr[ad], cpa: &cpa[ad], roas: &roas[ad], engagement: &engagement[ad] };
                (0..frame.ads()).map(|ad| wear(ad).index()).collect()
            }
            Column::PerformanceScore => scores(frame, basis, marks),
            Column::PurchaseDays => {
                let mut counts = vec![0.0; frame.ads()];
                for day in 0..super::DAYS {
                    for (count, purchases) in counts.iter_mut().zip(frame.day_in_stage(Metric::Purchases, day)) {
                        *count += f64::from(purchases > 0.0);
                    }
                }
                counts
            }
            Column::OfTheAd(get) => frame.rows().iter().map(get).collect(),
            Column::Text(_) => vec![f64::NAN; frame.ads()],
        }
    }

    /// Whether its values change with the cost per purchase that is aimed at.
    #[must_use]
    pub fn rests_on_target(self, basis: &Basis) -> bool {
        match self {
            Column::PerformanceScore => true,
            Column::Posterior(Posterior::CostAboveTarget(_) | Posterior::CostAboveTargetByCarts) => true,
            // The target stands in for a prior that the account cannot say yet.
            Column::Posterior(
                Posterior::PurchaseShape(_) | Posterior::PurchaseRate(_) | Posterior::CostAboveBreakeven(_),
            ) => !basis.has_purchase_prior(),
            _ => false,
        }
    }

    /// Whether it is a text column.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Column::Text(_))
    }

    /// The text of an ad, where this is a text column.
    #[must_use]
    pub fn text(self, row: &Row) -> Option<&str> {
        match self {
            Column::Text(get) => Some(get(row)),
            _ => None,
        }
    }
}

fn frequency(frame: &Frame, window: Window) -> Vec<f64> {
    let mut impressions = window.values(frame, Metric::Impressions);
    if window == Window::Lifetime {
        // The reach of a life is that up to yesterday: today's people are not known to be others.
        let today = frame.day(Metric::Impressions, 0);
        impressions.iter_mut().zip(today).for_each(|(all, today)| *all -= today);
    }
    let reach = match window {
        Window::Today => frame.reach_on(0),
        Window::Day(day) => frame.reach_on(day),
        Window::Lifetime => frame.reach_lifetime(),
        _ => frame.rows().iter().map(|row| row.reach_7d).collect(),
    };
    let divide = |(i, r): (&f64, &f64)| if *r > 0.0 { i / r } else { f64::NAN };
    impressions.iter().zip(&reach).map(divide).collect()
}

fn clicks(click: Click, frame: &Frame, basis: &Basis) -> Vec<f64> {
    let span = if matches!(click, Click::Decay | Click::HalfLife) { DECAY_DAYS } else { MONTH };
    if click == Click::Ewma {
        return CTR.days(frame, basis, span).iter().map(|days| series::ewma(days, EWMA_WEIGHT)).collect();
    }
    let clicks = Base::Sum(Metric::Clicks).days(frame, basis, span);
    let impressions = Base::Sum(Metric::Impressions).days(frame, basis, span);
    let of_ad = |(clicks, impressions): (&Vec<f64>, &Vec<f64>)| match click {
        Click::Decay => series::decay(clicks, impressions),
        Click::HalfLife => {
            let decay = series::decay(clicks, impressions);
            if decay > 0.0 { std::f64::consts::LN_2 / decay } else { f64::NAN }
        }
        _ => series::peak(clicks, impressions, PEAK_DAYS, PEAK_IMPRESSIONS),
    };
    clicks.iter().zip(&impressions).map(of_ad).collect()
}

/// Weights of the score's parts; one that is not known is left out of the mean.
const COST_WEIGHT: f64 = 0.5;
const RETURN_WEIGHT: f64 = 0.3;
const CLICK_WEIGHT: f64 = 0.2;

/// The weighted mean of x / (1 + x), where x is target by expected cost, return by the account's
/// return, and click-through by the account's: at par each is a half.
fn scores(frame: &Frame, basis: &Basis, marks: Marks) -> Vec<f64> {
    let (shape, rate) = (Posterior::PurchaseShape(Window::Days(WEEK)), Posterior::PurchaseRate(Window::Days(WEEK)));
    let (shape, rate) = (shape.values(frame, basis, marks), rate.values(frame, basis, marks));
    let roas = ROAS.values(frame, Window::Days(WEEK));
    let settled = Window::Days(WEEK).settled(frame, basis);
    let ctr = CTR.values(frame, Window::Days(WEEK));
    let of_ad = |ad: usize| {
        let parts = [
            (COST_WEIGHT, marks.target_cpa * shape[ad] / rate[ad]),
            (RETURN_WEIGHT, roas[ad] / settled[ad] / basis.roas),
            (CLICK_WEIGHT, ctr[ad] / basis.ctr),
        ];
        let known = || parts.iter().filter(|(_, x)| x.is_finite());
        // Without anything of its own the ad has no score: a prior alone is the account's.
        if ctr[ad].is_nan() {
            return f64::NAN;
        }
        known().map(|(w, x)| w * x / (1.0 + x)).sum::<f64>() / known().map(|(w, _)| w).sum::<f64>()
    };
    (0..frame.ads()).map(of_ad).collect()
}

impl Posterior {
    fn values(self, frame: &Frame, basis: &Basis, marks: Marks) -> Vec<f64> {
        let purchases = |window: Window, of: &dyn Fn(Gamma) -> f64| {
            let Some(prior) = basis.purchase_prior(marks.target_cpa) else { return vec![f64::NAN; frame.ads()] };
            let events = window.values(frame, Metric::Purchases);
            let spend = window.settled_spend(frame, basis);
            let of_ad = |(ad, row): (usize, &Row)| {
                let prior = prior.after(row.inherited_purchases, row.inherited_spend);
                of(prior.after(events[ad], spend[ad]))
            };
            frame.rows().iter().enumerate().map(of_ad).collect()
        };
        let clicks = |window: Window, of: &dyn Fn(super::posterior::Beta) -> f64| {
            let Some(prior) = basis.click_prior() else { return vec![f64::NAN; frame.ads()] };
            let clicks = window.values(frame, Metric::Clicks);
            let impressions = window.values(frame, Metric::Impressions);
            clicks.iter().zip(&impressions).map(|(c, i)| of(prior.after(*c, *i))).collect()
        };
        match self {
            Posterior::PurchaseShape(window) => purchases(window, &|p| p.shape),
            Posterior::PurchaseRate(window) => purchases(window, &|p| p.rate),
            Posterior::CostAboveTarget(window) => purchases(window, &|p| p.p_cost_above(marks.target_cpa)),
            Posterior::CostAboveBreakeven(window) => purchases(window, &|p| p.p_cost_above(marks.breakeven_cpa)),
            Posterior::CostAboveTargetByCarts => {
                let Some((prior, cost)) = basis.cart_prior(marks.target_cpa) else {
                    return vec![f64::NAN; frame.ads()];
                };
                let carts = Window::InStage.values(frame, Metric::AddToCart);
                let spend = Window::InStage.values(frame, Metric::Spend);
                carts.iter().zip(&spend).map(|(c, s)| prior.after(*c, *s).p_cost_above(cost)).collect()
            }
            Posterior::ClickAlpha(window) => clicks(window, &|p| p.alpha),
            Posterior::ClickBeta(window) => clicks(window, &|p| p.beta),
            Posterior::ClicksBelowAccount => clicks(Window::InStage, &|p| p.p_below(basis.ctr)),
        }
    }
}
