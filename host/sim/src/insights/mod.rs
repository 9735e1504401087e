//! Insights as Meta reports them: numbers in strings, spend in major units, one purchase under
//! several action types, days in the account's zone, and conversions that arrive late. Here is what
//! a question asks for; `row` answers it.

mod row;

use crate::graph::{ApiError, Fields, Node, Query, filter};
use crate::world::{Ad, World};
use jiff::civil::Date;
use jiff::{Span, ToSpan};
use row::View;
use serde_json::Value;

/// Which ads a question is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scope {
    Account,
    Campaign(usize),
    AdSet(usize),
    Ad(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Account,
    Campaign,
    AdSet,
    Ad,
}

/// The windows that Meta still serves; without a choice it reports 7-day click and 1-day view.
const WINDOWS: [&str; 6] = ["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev", "default"];

const FIELDS: [&str; 34] = [
    "account_id",
    "account_name",
    "account_currency",
    "campaign_id",
    "campaign_name",
    "adset_id",
    "adset_name",
    "ad_id",
    "ad_name",
    "date_start",
    "date_stop",
    "impressions",
    "reach",
    "frequency",
    "clicks",
    "inline_link_clicks",
    "outbound_clicks",
    "spend",
    "cpm",
    "cpc",
    "ctr",
    "inline_link_click_ctr",
    "actions",
    "action_values",
    "cost_per_action_type",
    "purchase_roas",
    "video_play_actions",
    "video_thruplay_watched_actions",
    "video_avg_time_watched_actions",
    "attribution_setting",
    "objective",
    "optimization_goal",
    "unique_clicks",
    "buying_type",
];

/// Answers an insights question: all rows as JSON texts, before paging. Texts and not trees, because
/// rows are most of what an account answers.
pub(crate) fn rows(world: &World, scope: Scope, query: &Query<'_>) -> Result<Vec<String>, ApiError> {
    let level = match query.get("level") {
        None => match scope {
            Scope::Account => Level::Account,
            Scope::Campaign(_) => Level::Campaign,
            Scope::AdSet(_) => Level::AdSet,
            Scope::Ad(_) => Level::Ad,
        },
        Some("account") => Level::Account,
        Some("campaign") => Level::Campaign,
        Some("adset") => Level::AdSet,
        Some("ad") => Level::Ad,
        Some(other) => {
            return Err(ApiError::parameter(&format!(
                "level must be one of account, campaign, adset, ad; got {other}"
            )));
        }
    };
    let breakdowns = query.list("breakdowns")?;
    if let Some(name) = breakdowns.first() {
        return Err(ApiError::parameter(&format!("breakdowns[0] must be one of the supported breakdowns; got {name}")));
    }
    match query.get("action_report_time") {
        None | Some("impression" | "mixed" | "conversion") => {}
        Some(other) => return Err(ApiError::parameter(&format!("action_report_time {other} is not supported"))),
    }
    let by_conversion = query.get("action_report_time") == Some("conversion");
    let windows = query.list("action_attribution_windows")?;
    if let Some(wrong) = windows.iter().find(|w| !WINDOWS.contains(&w.as_str())) {
        return Err(ApiError::parameter(&format!("action_attribution_windows: {wrong} is not available")));
    }
    let fields = match query.get("fields") {
        Some(text) => Fields::parse(text)?,
        None => Fields::parse("account_id,date_start,date_stop,impressions,spend")?,
    };
    if let Some(wrong) = fields.names().find(|n| !FIELDS.contains(n)) {
        return Err(ApiError::parameter(&format!("{wrong} is not valid for fields param")));
    }
    let filters = query.filters()?;

    let mut groups: Vec<(u64, Vec<&Ad>)> = Vec::new();
    for (index, ad) in world.ads.iter().enumerate() {
        let adset = &world.adsets[ad.adset];
        let inside = match scope {
            Scope::Account => true,
            Scope::Campaign(i) => adset.campaign == i,
            Scope::AdSet(i) => ad.adset == i,
            Scope::Ad(i) => world.ads[i].id == ad.id,
        };
        if !inside || ad.created > world.now {
            continue;
        }
        // What is put away has no row among its parents' ads, unless it is asked for; their totals
        // count it, and it answers for itself.
        let shown = if level == Level::Ad && !matches!(scope, Scope::Ad(_)) {
            filter::is_listed(world, Node::Ad(index), &filters)?
        } else {
            filter::holds(world, Node::Ad(index), &filters)?
        };
        if !shown {
            continue;
        }
        let key = match level {
            Level::Account => world.account,
            Level::Campaign => world.campaigns[adset.campaign].id,
            Level::AdSet => adset.id,
            Level::Ad => ad.id,
        };
        match groups.iter_mut().rev().find(|(k, _)| *k == key) {
            Some((_, ads)) if level != Level::Ad => ads.push(ad),
            _ => groups.push((key, vec![ad])),
        }
    }

    let view = View { world, level, fields: &fields, windows: &windows, by_conversion };
    let mut rows = Vec::new();
    for (from, to) in ranges(world, query)? {
        for (_, ads) in &groups {
            rows.extend(view.row(ads, from, to));
        }
    }
    Ok(rows)
}

/// The date ranges of a question: one, or one for each step of the time increment.
fn ranges(world: &World, query: &Query<'_>) -> Result<Vec<(Date, Date)>, ApiError> {
    let today = world.today();
    let first = world.local(world.params.start).date();
    let (from, to) = match (query.get("time_range"), query.get("date_preset")) {
        (Some(text), _) => {
            let value: Value = serde_json::from_str(text).map_err(|_| ApiError::parameter("time_range is not JSON"))?;
            let date = |key: &str| -> Result<Date, ApiError> {
                let text = value[key].as_str().unwrap_or_default();
                text.parse().map_err(|_| ApiError::parameter(&format!("time_range.{key} is no date: {text:?}")))
            };
            let (since, until) = (date("since")?, date("until")?);
            if since > until {
                return Err(ApiError::parameter("time_range: since is after until"));
            }
            (since, until.min(today))
        }
        (None, preset) => {
            let back = |days: i64| (today - Span::new().days(days), today - 1.day());
            match preset.unwrap_or("last_30d") {
                "today" => (today, today),
                "yesterday" => back(1),
                "last_3d" => back(3),
                "last_7d" => back(7),
                "last_14d" => back(14),
                "last_28d" => back(28),
                "last_30d" => back(30),
                "last_90d" => back(90),
                "maximum" | "data_maximum" => (first, today),
                other => {
                    return Err(ApiError::parameter(&format!(
                        "date_preset must be one of today, yesterday, last_7d, ..., maximum; got {other}"
                    )));
                }
            }
        }
    };
    let from = from.max(first);
    let step = match query.get("time_increment") {
        None | Some("all_days") => return Ok(if from <= to { vec![(from, to)] } else { Vec::new() }),
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|n| (1..=90).contains(n))
            .ok_or_else(|| ApiError::parameter("time_increment must be 1 to 90 or all_days"))?,
    };
    let mut ranges = Vec::new();
    let mut start = from;
    while start <= to {
        ranges.push((start, (start + (step - 1).days()).min(to)));
        start += step.days();
    }
    Ok(ranges)
}
