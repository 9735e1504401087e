//! Everything measured of ads as named numbers, and a frame made of them again: what is kept so that a column can be
//! computed later that nobody asked for at the time.
//!
//! Days are named by their date and moments stand in place of the hours since, so that most numbers of one hour
//! are those of the hour before.

use super::frame::{DAYS, Frame, METRICS, Row};
use crate::domain::Currency;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use std::collections::HashMap;
use std::ops::Range;

/// Named numbers of ads, and the words that some of them count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// The names.
    pub names: Vec<String>,
    /// By name, ad after ad.
    pub values: Vec<f64>,
    /// What the numbers of a text stand for.
    pub words: Vec<String>,
}

/// The moment of a frame: what its hours count back from, and the account day that it ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment.
    pub at: Timestamp,
    /// The account day.
    pub today: Date,
}

/// In the order of the frame's metrics.
const METRIC_NAMES: [&str; METRICS] = [
    "spend",
    "impressions",
    "clicks",
    "link_clicks",
    "purchases",
    "revenue",
    "add_to_cart",
    "initiate_checkout",
    "video_3s",
    "thruplay",
    "watch_time",
];

/// A number of a row, by name.
type Number = (&'static str, fn(&mut Row) -> &mut f64);

const NUMBERS: [Number; 13] = [
    ("budget", |row| &mut row.budget),
    ("in_learning", |row| &mut row.in_learning),
    ("changes_24h", |row| &mut row.changes_24h),
    ("budget_day_start", |row| &mut row.budget_day_start),
    ("joined_budget", |row| &mut row.joined_budget),
    ("paused_by_dean", |row| &mut row.paused_by_dean),
    ("cpa_at_pause", |row| &mut row.cpa_at_pause),
    ("purchases_at_pause", |row| &mut row.purchases_at_pause),
    ("copies_today", |row| &mut row.copies_today),
    ("copyable", |row| &mut row.copyable),
    ("reach_7d", |row| &mut row.reach_7d),
    ("inherited_purchases", |row| &mut row.inherited_purchases),
    ("inherited_spend", |row| &mut row.inherited_spend),
];

/// Hours since something, kept as the second at which it was.
const SINCE: [Number; 8] = [
    ("created", |row| &mut row.age_hours),
    ("entered_stage", |row| &mut row.hours_in_stage),
    ("changed", |row| &mut row.hours_since_change),
    ("budget_changed", |row| &mut row.hours_since_budget_change),
    ("budget_fell", |row| &mut row.hours_since_budget_fall),
    ("paused", |row| &mut row.hours_since_pause),
    ("copied", |row| &mut row.hours_since_copy),
    ("refreshed", |row| &mut row.hours_since_refresh),
];

type Matrix = Vec<[f64; METRICS]>;

/// What is kept by metric and ad, but not by day: its name, and how it is read and written.
type Kept = (&'static str, fn(&Frame) -> &Matrix, fn(&mut Frame) -> &mut Matrix);

const MATRICES: [Kept; 3] = [
    ("before", |frame| &frame.before, |frame| &mut frame.before),
    ("before_stage", |frame| &frame.before_stage, |frame| &mut frame.before_stage),
    ("day_before_stage", |frame| &frame.before_stage_day, |frame| &mut frame.before_stage_day),
];

/// A text of a row, by name.
type Text = (&'static str, fn(&mut Row) -> &mut String);

const TEXTS: [Text; 4] = [
    ("status", |row| &mut row.status),
    ("ad_name", |row| &mut row.ad_name),
    ("adset_name", |row| &mut row.adset_name),
    ("campaign_name", |row| &mut row.campaign_name),
];

impl Moment {
    fn second(self) -> f64 {
        self.at.as_second() as f64
    }

    /// Hours are whole seconds by 3600, so the second comes back exactly.
    fn of_hours(self, hours: f64) -> f64 {
        self.second() - (hours * 3600.0).round()
    }

    fn hours_since(self, second: f64) -> f64 {
        (self.second() - second) / 3600.0
    }

    /// Days since 1970 of the account day so many days ago.
    fn day(self, ago: usize) -> f64 {
        let epoch = Date::constant(1970, 1, 1);
        f64::from((self.today - epoch).get_days()) - ago as f64
    }

    fn date(self, ago: usize) -> String {
        self.today.saturating_sub((ago as i64).days()).to_string()
    }
}

impl Fields {
    /// What several frames of one moment hold, one after the other.
    #[must_use]
    pub fn of(frames: &[&Frame], moment: Moment) -> Self {
        let mut fields = Fields::default();
        let dates: Vec<String> = (0..DAYS).map(|ago| moment.date(ago)).collect();
        for (metric, name) in METRIC_NAMES.iter().enumerate() {
            for (day, date) in dates.iter().enumerate() {
                fields.names.push(format!("{name}@{date}"));
                for frame in frames {
                    let at = (metric * DAYS + day) * frame.ads();
                    fields.values.extend(&frame.days[at..at + frame.ads()]);
                }
            }
            for (when, of, _) in MATRICES {
                fields.names.push(format!("{name}@{when}"));
                fields.values.extend(frames.iter().flat_map(|frame| of(frame).iter().map(|ad| ad[metric])));
            }
        }
        for (day, date) in dates.iter().enumerate() {
            fields.names.push(format!("reach@{date}"));
            for frame in frames {
                fields.values.extend(&frame.reach[day * frame.ads()..(day + 1) * frame.ads()]);
            }
        }
        fields.add("reach@before", frames.iter().flat_map(|frame| frame.reach_lifetime.iter().copied()));
        // An ad that is older than the days that are kept stays so.
        let born = |ago: usize| if ago == DAYS - 1 { f64::NAN } else { moment.day(ago) };
        fields.add("born_day", frames.iter().flat_map(|frame| frame.born.iter().map(|ago| born(*ago))));
        let rows = || frames.iter().flat_map(|frame| frame.rows());
        let entered = |ago: usize| if ago == DAYS { f64::NAN } else { moment.day(ago) };
        fields.add("entered_day", rows().map(|row| entered(row.stage_days)));
        let mut rows: Vec<Row> = rows().cloned().collect();
        for (name, of) in NUMBERS {
            fields.add(name, rows.iter_mut().map(|row| *of(row)));
        }
        for (name, of) in SINCE {
            fields.add(name, rows.iter_mut().map(|row| moment.of_hours(*of(row))));
        }
        let mut known: HashMap<String, usize> = HashMap::new();
        for (name, of) in TEXTS {
            fields.names.push(name.into());
            for row in &mut rows {
                let word = of(row);
                let next = known.len();
                let code = *known.entry(word.clone()).or_insert_with(|| {
                    fields.words.push(std::mem::take(word));
                    next
                });
                fields.values.push(code as f64);
            }
        }
        fields
    }

    fn add(&mut self, name: &str, values: impl Iterator<Item = f64>) {
        self.names.push(name.into());
        // One NaN, so that what is not known is written down the same every time.
        self.values.extend(values.map(|value| if value.is_nan() { f64::NAN } else { value }));
    }

    /// A text of one ad, by its name; `all` is how many ads there are.
    #[must_use]
    pub fn text(&self, name: &str, ad: usize, all: usize) -> Option<&str> {
        let place = self.names.iter().position(|known| known == name)?;
        let code = self.values.get(place * all + ad)?;
        self.words.get(*code as usize).map(String::as_str)
    }

    /// Where everything lies, for frames of a moment.
    #[must_use]
    pub fn places(&self, moment: Moment) -> Places {
        let known: HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let place = |name: &str| known.get(name).copied();
        let dates: Vec<String> = (0..DAYS).map(|ago| moment.date(ago)).collect();
        let days = |name: &str| dates.iter().map(|date| place(&format!("{name}@{date}"))).collect();
        Places {
            days: METRIC_NAMES.iter().map(|name| days(name)).collect(),
            reach: days("reach"),
            matrices: MATRICES.map(|(when, ..)| METRIC_NAMES.map(|name| place(&format!("{name}@{when}")))),
            reach_before: place("reach@before"),
            born: place("born_day"),
            entered: place("entered_day"),
            numbers: NUMBERS.map(|(name, _)| place(name)),
            since: SINCE.map(|(name, _)| place(name)),
            texts: TEXTS.map(|(name, _)| place(name)),
        }
    }

    /// The frame of some of the ads, without their texts; `all` is how many there are. What is not among the names is
    /// not known.
    #[must_use]
    pub fn frame(&self, places: &Places, ads: Range<usize>, all: usize, moment: Moment, currency: &Currency) -> Frame {
        let count = ads.len();
        let column = |place: Option<usize>| -> &[f64] {
            place.and_then(|place| self.values.get(place * all + ads.start..place * all + ads.end)).unwrap_or_default()
        };
        let mut frame = Frame::new(vec![Row::default(); count], currency);
        let of_metrics = places.days.iter().flatten();
        for (to, place) in frame.days.chunks_mut(count.max(1)).zip(of_metrics) {
            to.iter_mut().zip(column(*place)).for_each(|(to, value)| *to = *value);
        }
        for (to, place) in frame.reach.chunks_mut(count.max(1)).zip(&places.reach) {
            to.iter_mut().zip(column(*place)).for_each(|(to, value)| *to = *value);
        }
        for ((_, _, matrix), places) in MATRICES.iter().zip(&places.matrices) {
            for (metric, place) in places.iter().enumerate() {
                matrix(&mut frame).iter_mut().zip(column(*place)).for_each(|(ad, value)| ad[metric] = *value);
            }
        }
        frame.reach_lifetime.iter_mut().zip(column(places.reach_before)).for_each(|(to, value)| *to = *value);
        let ago = |day: f64| (moment.day(0) - day).max(0.0) as usize;
        for (born, day) in frame.born.iter_mut().zip(column(places.born)) {
            *born = if day.is_nan() { DAYS - 1 } else { ago(*day) };
        }
        for (row, day) in frame.rows.iter_mut().zip(column(places.entered)) {
            row.stage_days = if day.is_nan() { DAYS } else { ago(*day) };
        }
        for ((_, to), place) in NUMBERS.iter().zip(places.numbers) {
            frame.rows.iter_mut().zip(column(place)).for_each(|(row, value)| *to(row) = *value);
        }
        for ((_, to), place) in SINCE.iter().zip(places.since) {
            let values = column(place);
            frame.rows.iter_mut().zip(values).for_each(|(row, second)| *to(row) = moment.hours_since(*second));
        }
        frame
    }

    /// Gives a frame of some of the ads their texts.
    pub fn set_texts(&self, frame: &mut Frame, places: &Places, ads: Range<usize>, all: usize) {
        for ((_, to), place) in TEXTS.iter().zip(places.texts) {
            let codes = place.and_then(|place| self.values.get(place * all + ads.start..place * all + ads.end));
            for (row, code) in frame.rows.iter_mut().zip(codes.unwrap_or_default()) {
                *to(row) = self.words.get(*code as usize).cloned().unwrap_or_default();
            }
        }
    }
}

/// Where the fields of a frame lie among the names: worked out once for all frames of the same names and day.
#[derive(Clone, Debug)]
pub struct Places {
    /// By metric and day.
    days: Vec<Vec<Option<usize>>>,
    reach: Vec<Option<usize>>,
    matrices: [[Option<usize>; METRICS]; MATRICES.len()],
    reach_before: Option<usize>,
    born: Option<usize>,
    entered: Option<usize>,
    numbers: [Option<usize>; NUMBERS.len()],
    since: [Option<usize>; SINCE.len()],
    texts: [Option<usize>; TEXTS.len()],
}
