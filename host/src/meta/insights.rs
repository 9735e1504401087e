//! Insights: what every ad did, by day and over windows. Attribution is stated on every call.

use super::client::Client;
use super::errors::{Class, Error};
use super::number::Number;
use crate::domain::{Attribution, Currency, DayFacts, Facts, Money, Unusable};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// The largest page of insight rows.
const ROWS_PAGE: usize = 500;

const FIELDS: &str = "ad_id,date_start,date_stop,impressions,clicks,inline_link_clicks,spend,reach,\
    actions,action_values,video_play_actions,video_thruplay_watched_actions,video_avg_time_watched_actions";

/// One purchase comes under up to six types; the first that is there counts, never their sum.
const PURCHASE: [&str; 3] = ["omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase"];
const ADD_TO_CART: [&str; 3] = ["omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"];
const INITIATE_CHECKOUT: [&str; 4] = [
    "omni_initiated_checkout",
    "omni_initiate_checkout",
    "initiate_checkout",
    "offsite_conversion.fb_pixel_initiate_checkout",
];

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Each day of a range, both ends included.
    Days(Date, Date),
    /// A range as one, both ends included: the only way to know its reach.
    Whole(Date, Date),
}

/// Rows of a question: by ad, and by day where days were asked for.
#[derive(Clone, Debug, Default)]
pub struct DayRows {
    /// The usable rows. For a span as one, `date` is its first day.
    pub rows: Vec<DayFacts>,
    /// Rows whose numbers make no sense: their ads are held.
    pub unusable: Vec<Unusable>,
    /// Rows that nobody asked for, by date: left out.
    pub stray: usize,
    /// Rows that came more than once, as pages that overlap bring them: counted once.
    pub duplicates: usize,
}

#[derive(Debug, Deserialize)]
struct Row {
    ad_id: Option<String>,
    date_start: Option<String>,
    date_stop: Option<String>,
    impressions: Option<Number>,
    clicks: Option<Number>,
    inline_link_clicks: Option<Number>,
    spend: Option<Number>,
    reach: Option<Number>,
    #[serde(default)]
    actions: Vec<Action>,
    action_values: Option<Vec<Action>>,
    #[serde(default)]
    video_play_actions: Vec<Action>,
    #[serde(default)]
    video_thruplay_watched_actions: Vec<Action>,
    #[serde(default)]
    video_avg_time_watched_actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Action {
    action_type: String,
    value: Option<Number>,
}

/// How many rows a question may have before it is asked as a report: Meta answers forty pages in a few minutes.
const MOST_AT_ONCE: usize = 40 * ROWS_PAGE;

impl Client {
    /// Reads insights of every ad over a span. `expected` is about how many rows there are: many are asked for as
    /// a report, and so is whatever Meta does not answer at once.
    ///
    /// # Errors
    /// When a page cannot be read. A row that makes no sense is [`Unusable`], not an error.
    pub async fn insights(
        &self,
        span: Span,
        attribution: &Attribution,
        currency: &Currency,
        expected: usize,
    ) -> Result<DayRows, Error> {
        let question = Question { span, attribution, campaigns: None };
        let rows = match expected > MOST_AT_ONCE {
            true => self.rows_by_report(question).await?,
            false => match self.rows(&question).await {
                Err(error) if matches!(error.class(), Class::TooLong | Class::TooMuch) => {
                    self.rows_by_report(question).await?
                }
                answer => answer?,
            },
        };
        Ok(gather(rows, span, currency))
    }

    async fn rows(&self, question: &Question<'_>) -> Result<Vec<Row>, Error> {
        self.list(&self.insights_path(), &question.params(), ROWS_PAGE).await
    }

    fn insights_path(&self) -> String {
        format!("{}/insights", self.account_id())
    }

    /// The rows of a question by reports: what comes to nothing is split by days, then by campaigns.
    async fn rows_by_report(&self, question: Question<'_>) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let mut open = vec![question];
        while let Some(question) = open.pop() {
            match self.report(&self.insights_path(), &question.params(), ROWS_PAGE).await {
                Ok(Some(more)) => rows.extend(more),
                Ok(None) => open.extend(self.split(question).await?),
                // A server without reports still answers questions at once.
                Err(error) if error.class() == Class::Invalid => rows.extend(self.rows(&question).await?),
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Two smaller questions, the earlier last, so that it is asked first.
    async fn split<'a>(&self, question: Question<'a>) -> Result<[Question<'a>; 2], Error> {
        let of_days = |span: Span| Question { span, ..question.clone() };
        if let Span::Days(from, to) = question.span
            && from < to
        {
            let middle = from.saturating_add((from.until(to).map_or(0, |span| span.get_days()) / 2).days());
            let after = middle.saturating_add(1.days());
            return Ok([of_days(Span::Days(after, to)), of_days(Span::Days(from, middle))]);
        }
        let mut campaigns = match question.campaigns.clone() {
            Some(campaigns) => campaigns,
            None => self.campaign_ids().await?,
        };
        if campaigns.len() < 2 {
            return Err(Error::NoReport { what: format!("POST {}", self.insights_path()) });
        }
        let others = campaigns.split_off(campaigns.len() / 2);
        let of_campaigns = |campaigns| Question { campaigns: Some(campaigns), ..question.clone() };
        Ok([of_campaigns(others), of_campaigns(campaigns)])
    }
}

/// What is asked.
#[derive(Clone, Debug)]
struct Question<'a> {
    span: Span,
    attribution: &'a Attribution,
    /// Only these, where not all are meant.
    campaigns: Option<Vec<String>>,
}

impl Question<'_> {
    fn params(&self) -> Vec<(&'static str, String)> {
        let mut params = vec![
            ("level", "ad".to_string()),
            ("fields", FIELDS.to_string()),
            ("action_report_time", self.attribution.report_time.clone()),
            ("action_attribution_windows", json!(self.attribution.windows).to_string()),
        ];
        let range = |from: Date, to: Date| json!({"since": from.to_string(), "until": to.to_string()}).to_string();
        match self.span {
            Span::Days(from, to) => {
                params.push(("time_range", range(from, to)));
                params.push(("time_increment", "1".into()));
            }
            Span::Whole(from, to) => params.push(("time_range", range(from, to))),
        }
        if let Some(campaigns) = &self.campaigns {
            let filter = json!([{"field": "campaign.id", "operator": "IN", "value": campaigns}]);
            params.push(("filtering", filter.to_string()));
        }
        params
    }
}

fn gather(rows: Vec<Row>, span: Span, currency: &Currency) -> DayRows {
    let mut out = DayRows::default();
    let mut seen: HashMap<(String, Date), usize> = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(ad_id) = row.ad_id.clone() else {
            out.stray += 1;
            continue;
        };
        let date = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<Date>().ok());
        let date = match (span, date(&row.date_start), date(&row.date_stop)) {
            (Span::Days(from, to), Some(start), stop) => {
                if start < from || start > to {
                    out.stray += 1;
                    continue;
                }
                if stop.is_some_and(|stop| stop != start) {
                    let reason = format!("a row asked for by day runs from {start} to {}", stop.unwrap_or(start));
                    out.unusable.push(Unusable { ad_id, date: Some(start), reason });
                    continue;
                }
                start
            }
            (Span::Days(from, _), None, _) => {
                out.unusable.push(Unusable { ad_id, date: Some(from), reason: "a row by day has no date".into() });
                continue;
            }
            (Span::Whole(from, _), ..) => from,
        };
        match facts(&row, currency) {
            Ok(facts) => {
                let day = DayFacts { ad_id: ad_id.clone(), date, facts };
                match seen.get(&(ad_id.clone(), date)) {
                    // The same row on two pages is one row.
                    Some(&at) => {
                        out.rows[at] = day;
                        out.duplicates += 1;
                    }
                    None => {
                        seen.insert((ad_id, date), out.rows.len());
                        out.rows.push(day);
                    }
                }
            }
            Err(reason) => {
                let (date, when) = match span {
                    Span::Days(..) => (Some(date), format!("on {date}")),
                    Span::Whole(from, to) => (None, format!("from {from} to {to}")),
                };
                out.unusable.push(Unusable { ad_id, date, reason: format!("{when} {reason}") });
            }
        }
    }
    out
}

fn facts(row: &Row, currency: &Currency) -> Result<Facts, String> {
    let count = |number: &Option<Number>, field: &str| match number {
        Some(number) => number.count(field),
        None => Ok(0.0),
    };
    let money = |major: f64, field: &str| currency.from_major(major).ok_or_else(|| format!("{field} is {major}"));
    // Meta sends these two with every row: one without them is no row of nothing.
    let sent = |number: &Option<Number>, field: &str| match number {
        Some(number) => number.count(field),
        None => Err(format!("{field} is missing")),
    };
    let impressions = sent(&row.impressions, "impressions")?;
    let spend = money(sent(&row.spend, "spend")?, "spend")?;
    let link_clicks = match &row.inline_link_clicks {
        Some(number) => number.count("inline_link_clicks")?,
        None => first(&row.actions, &["link_click"])?.unwrap_or(0.0),
    };
    // A server that leaves out `clicks` still counts those on the link, which are among them.
    let clicks = row.clicks.as_ref().map_or(Ok(link_clicks), |number| number.count("clicks"))?;
    let purchases = first(&row.actions, &PURCHASE)?;
    let revenue = match &row.action_values {
        Some(values) => first(values, &PURCHASE)?,
        None => None,
    };
    let revenue = match (purchases.unwrap_or(0.0) > 0.0, revenue) {
        (_, Some(value)) => Some(money(value, "revenue")?),
        (false, None) => Some(Money::ZERO),
        (true, None) => None,
    };
    let plays = total(&row.video_play_actions)?;
    let facts = Facts {
        spend,
        impressions,
        clicks,
        link_clicks,
        purchases: purchases.unwrap_or(0.0),
        revenue,
        add_to_cart: first(&row.actions, &ADD_TO_CART)?.unwrap_or(0.0),
        initiate_checkout: first(&row.actions, &INITIATE_CHECKOUT)?.unwrap_or(0.0),
        video_3s: first(&row.actions, &["video_view"])?.unwrap_or(0.0),
        thruplay: total(&row.video_thruplay_watched_actions)?,
        watch_time: plays * total(&row.video_avg_time_watched_actions)?,
        reach: count(&row.reach, "reach")?,
    };
    plausible(&facts).map(|()| facts)
}

/// Beyond so many, counts have to stand in a proportion; some follow from an impression of another day.
const FEW: f64 = 100.0;

/// Counts that no ad can have: each action follows from an impression, and few impressions have many.
fn plausible(facts: &Facts) -> Result<(), String> {
    let shown = facts.impressions;
    let too_many = |what: &str, count: f64, most: f64| {
        if count <= most { Ok(()) } else { Err(format!("{what} are {count} on {shown} impressions")) }
    };
    too_many("clicks", facts.clicks, 2.0 * shown + FEW)?;
    too_many("purchases", facts.purchases, shown + facts.clicks + FEW)?;
    let steps = 10.0 * (shown + facts.clicks) + FEW;
    too_many("add-to-carts", facts.add_to_cart, steps)?;
    too_many("checkouts", facts.initiate_checkout, steps)
}

/// The value of the first type that is there.
fn first(actions: &[Action], types: &[&str]) -> Result<Option<f64>, String> {
    for kind in types {
        if let Some(action) = actions.iter().find(|a| a.action_type == *kind) {
            let value = action.value.as_ref().map_or(Ok(0.0), |v| v.count(kind))?;
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn total(actions: &[Action]) -> Result<f64, String> {
    let value = |a: &Action| a.value.as_ref().map_or(Ok(0.0), |v| v.count(&a.action_type));
    actions.iter().map(value).sum()
}
