//! Insights as Meta reports them: numbers in strings, spend in major units, one purchase under
//! several action types, days in the account's zone, and conversions that arrive late.

use crate::graph::{ApiError, Fields, Query};
use crate::world::{Ad, Day, World};
use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::{Map, Value, json};

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

/// Numbers of some ads over some days.
#[derive(Clone, Debug, Default)]
struct Sums {
    day: Day,
    reach: f64,
    windows: Vec<WindowSum>,
}

#[derive(Clone, Debug, Default)]
struct WindowSum {
    purchases: u64,
    value: i64,
}

/// The windows that Meta still serves; without a choice it reports 7-day click and 1-day view.
const WINDOWS: [&str; 6] = ["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev", "default"];

const PURCHASE_TYPES: [&str; 6] = [
    "omni_purchase",
    "purchase",
    "offsite_conversion.fb_pixel_purchase",
    "onsite_web_purchase",
    "onsite_web_app_purchase",
    "web_in_store_purchase",
];

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

/// Answers an insights question: all rows, before paging.
pub(crate) fn rows(world: &World, scope: Scope, query: &Query<'_>) -> Result<Vec<Value>, ApiError> {
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
    let only = query.id_filter()?;

    let mut groups: Vec<(u64, Vec<&Ad>)> = Vec::new();
    for ad in &world.ads {
        let adset = &world.adsets[ad.adset];
        let inside = match scope {
            Scope::Account => true,
            Scope::Campaign(i) => adset.campaign == i,
            Scope::AdSet(i) => ad.adset == i,
            Scope::Ad(i) => world.ads[i].id == ad.id,
        };
        if !inside || ad.created > world.now || only.as_ref().is_some_and(|ids| !ids.contains(&ad.id)) {
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

struct View<'a> {
    world: &'a World,
    level: Level,
    fields: &'a Fields,
    windows: &'a [String],
    by_conversion: bool,
}

impl View<'_> {
    fn row(&self, ads: &[&Ad], from: Date, to: Date) -> Option<Value> {
        let sums = self.sums(ads, from, to);
        let empty = sums.day.impressions == 0 && sums.windows.iter().all(|w| w.purchases == 0);
        if empty {
            return None;
        }
        let mut row = Map::new();
        for name in self.fields.names().chain(["date_start", "date_stop"]) {
            if let Some(value) = self.field(name, ads[0], &sums, from, to) {
                row.insert(name.to_string(), value);
            }
        }
        Some(Value::Object(row))
    }

    fn sums(&self, ads: &[&Ad], from: Date, to: Date) -> Sums {
        let windows = self.windows.len().max(1);
        let mut sums = Sums { windows: vec![WindowSum::default(); windows], ..Sums::default() };
        let mut unseen = 1.0;
        for ad in ads {
            // Days are in order: a question about today does not walk through history.
            let start = ad.days.partition_point(|d| d.date < from);
            let mut shown = 0.0;
            for day in ad.days[start..].iter().take_while(|d| d.date <= to) {
                sums.day.add(day);
                shown += day.impressions as f64;
            }
            let audience = self.world.adsets[ad.adset].audience;
            unseen *= (-shown / audience).exp();
            sums.reach = sums.reach.max(audience);
            for purchase in &ad.purchases {
                let date = if self.by_conversion { purchase.conversion_date } else { purchase.impression_date };
                if date < from || date > to || !purchase.counts_at(self.world.now) {
                    continue;
                }
                for (i, sum) in sums.windows.iter_mut().enumerate() {
                    let counts = match self.windows.get(i).map(String::as_str) {
                        Some("1d_click") => !purchase.by_view && purchase.within_a_day,
                        Some("7d_click" | "28d_click") => !purchase.by_view,
                        Some("1d_view" | "1d_ev") => purchase.by_view,
                        _ => true,
                    };
                    if counts {
                        sum.purchases += 1;
                        sum.value += purchase.value;
                    }
                }
            }
        }
        sums.reach = (sums.reach * (1.0 - unseen)).round().max(1.0).min(sums.day.impressions as f64);
        sums
    }

    /// The headline number of windows: all that were asked for, or the default.
    fn total(&self, sums: &Sums) -> WindowSum {
        let index = |name: &str| self.windows.iter().position(|w| w == name);
        let click = index("28d_click").or(index("7d_click")).or(index("1d_click"));
        let view = index("1d_view").or(index("1d_ev"));
        match index("default") {
            Some(i) => sums.windows[i].clone(),
            None if self.windows.is_empty() => sums.windows[0].clone(),
            None => [click, view].into_iter().flatten().fold(WindowSum::default(), |total, i| WindowSum {
                purchases: total.purchases + sums.windows[i].purchases,
                value: total.value + sums.windows[i].value,
            }),
        }
    }

    fn field(&self, name: &str, ad: &Ad, sums: &Sums, from: Date, to: Date) -> Option<Value> {
        let world = self.world;
        let adset = &world.adsets[ad.adset];
        let campaign = &world.campaigns[adset.campaign];
        let day = &sums.day;
        let clicks = day.link_clicks + day.other_clicks;
        let minor = world.params.minor_units() as f64;
        let spend = day.spend as f64 / minor;
        let ratio = |a: f64, b: f64| (b > 0.0).then(|| json!(format!("{:.6}", a / b)));
        let deep = |level: Level, value: Value| (self.level as u8 >= level as u8).then_some(value);
        match name {
            "account_id" => Some(json!(world.account.to_string())),
            "account_name" => Some(json!("Simulated shop")),
            "account_currency" => Some(json!(world.params.currency)),
            "campaign_id" => deep(Level::Campaign, json!(campaign.id.to_string())),
            "campaign_name" => deep(Level::Campaign, json!(campaign.name)),
            "adset_id" => deep(Level::AdSet, json!(adset.id.to_string())),
            "adset_name" => deep(Level::AdSet, json!(adset.name)),
            "ad_id" => deep(Level::Ad, json!(ad.id.to_string())),
            "ad_name" => deep(Level::Ad, json!(ad.name)),
            "date_start" => Some(json!(from.to_string())),
            "date_stop" => Some(json!(to.to_string())),
            "impressions" => Some(json!(day.impressions.to_string())),
            "reach" => Some(json!(format!("{:.0}", sums.reach))),
            "frequency" => ratio(day.impressions as f64, sums.reach),
            "clicks" => Some(json!(clicks.to_string())),
            "unique_clicks" => Some(json!((clicks as f64 * 0.97).round().to_string())),
            "inline_link_clicks" => Some(json!(day.link_clicks.to_string())),
            "outbound_clicks" => Some(json!([{"action_type": "outbound_click", "value": day.link_clicks.to_string()}])),
            "spend" => Some(json!(format!("{spend:.*}", if minor > 1.0 { 2 } else { 0 }))),
            "cpm" => ratio(spend * 1000.0, day.impressions as f64),
            "cpc" => ratio(spend, clicks as f64),
            "ctr" => ratio(clicks as f64 * 100.0, day.impressions as f64),
            "inline_link_click_ctr" => ratio(day.link_clicks as f64 * 100.0, day.impressions as f64),
            "actions" => Some(self.actions(sums)),
            "action_values" => self.action_values(sums),
            "cost_per_action_type" => ratio(spend, self.total(sums).purchases as f64)
                .map(|v| json!([{"action_type": "omni_purchase", "value": v}])),
            "purchase_roas" => {
                let total = self.total(sums);
                (total.purchases > 0).then(|| ratio(total.value as f64 / minor, spend)).flatten()
                    .map(|v| json!([{"action_type": "omni_purchase", "value": v}]))
            }
            "video_play_actions" => Some(json!([{"action_type": "video_view", "value": day.video_3s.to_string()}])),
            "video_thruplay_watched_actions" => Some(json!([{"action_type": "video_view", "value": day.thruplay.to_string()}])),
            "video_avg_time_watched_actions" => ratio(day.watch_seconds, day.video_3s as f64)
                .map(|_| json!([{"action_type": "video_view", "value": format!("{:.0}", day.watch_seconds / day.video_3s as f64)}])),
            "attribution_setting" => Some(json!("7d_click_1d_view")),
            "objective" => deep(Level::Campaign, json!("OUTCOME_SALES")),
            "optimization_goal" => deep(Level::AdSet, json!("OFFSITE_CONVERSIONS")),
            "buying_type" => Some(json!("AUCTION")),
            _ => None,
        }
    }

    fn actions(&self, sums: &Sums) -> Value {
        let day = &sums.day;
        let mut actions = Vec::new();
        let mut add = |kind: &str, count: u64| {
            if count > 0 {
                actions.push(json!({"action_type": kind, "value": count.to_string()}));
            }
        };
        add("link_click", day.link_clicks);
        add("video_view", day.video_3s);
        add("post_engagement", day.link_clicks + day.other_clicks + day.video_3s);
        for kind in ["omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"] {
            add(kind, day.carts);
        }
        for kind in ["omni_initiated_checkout", "initiate_checkout", "offsite_conversion.fb_pixel_initiate_checkout"] {
            add(kind, day.checkouts);
        }
        if self.total(sums).purchases > 0 {
            for kind in PURCHASE_TYPES {
                let text = |w: &WindowSum| w.purchases.to_string();
                actions.push(self.windowed(kind, sums, text));
            }
        }
        Value::Array(actions)
    }

    fn action_values(&self, sums: &Sums) -> Option<Value> {
        if self.total(sums).purchases == 0 {
            return None;
        }
        let minor = self.world.params.minor_units() as f64;
        let decimals = if minor > 1.0 { 2 } else { 0 };
        let text = |w: &WindowSum| format!("{:.*}", decimals, w.value as f64 / minor);
        Some(PURCHASE_TYPES.iter().map(|kind| self.windowed(kind, sums, text)).collect())
    }

    /// One action with its total and, where windows were asked for, one key for each.
    fn windowed(&self, kind: &str, sums: &Sums, text: impl Fn(&WindowSum) -> String) -> Value {
        let mut action = Map::new();
        action.insert("action_type".into(), json!(kind));
        action.insert("value".into(), json!(text(&self.total(sums))));
        for (name, sum) in self.windows.iter().zip(&sums.windows) {
            if name != "default" && sum.purchases > 0 {
                action.insert(name.clone(), json!(text(sum)));
            }
        }
        Value::Object(action)
    }
}

impl Day {
    fn add(&mut self, other: &Day) {
        self.spend += other.spend;
        self.impressions += other.impressions;
        self.link_clicks += other.link_clicks;
        self.other_clicks += other.other_clicks;
        self.carts += other.carts;
        self.checkouts += other.checkouts;
        self.video_3s += other.video_3s;
        self.thruplay += other.thruplay;
        self.watch_seconds += other.watch_seconds;
    }
}
