//! Insights as Meta reports them: numbers in strings, spend in major units, one purchase under
//! several action types, days in the account's zone, and conversions that arrive late.

use crate::graph::{ApiError, Fields, Node, Query, filter};
use crate::world::{Ad, Day, World};
use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::Value;
use std::fmt::Write;

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

const CART_TYPES: [&str; 3] = ["omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart"];
const CHECKOUT_TYPES: [&str; 3] =
    ["omni_initiated_checkout", "initiate_checkout", "offsite_conversion.fb_pixel_initiate_checkout"];

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

struct View<'a> {
    world: &'a World,
    level: Level,
    fields: &'a Fields,
    windows: &'a [String],
    by_conversion: bool,
}

impl View<'_> {
    fn row(&self, ads: &[&Ad], from: Date, to: Date) -> Option<String> {
        let sums = self.sums(ads, from, to);
        let empty = sums.day.impressions == 0 && sums.windows.iter().all(|w| w.purchases == 0);
        if empty {
            return None;
        }
        let mut row = Json::object();
        for name in self.fields.names().filter(|n| !n.starts_with("date_")) {
            self.field(&mut row, name, ads[0], &sums);
        }
        row.text("date_start", format_args!("{from}"));
        row.text("date_stop", format_args!("{to}"));
        Some(row.close())
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

    fn field(&self, row: &mut Json, name: &str, ad: &Ad, sums: &Sums) {
        let world = self.world;
        let adset = &world.adsets[ad.adset];
        let campaign = &world.campaigns[adset.campaign];
        let day = &sums.day;
        let clicks = day.link_clicks + day.other_clicks;
        let minor = world.params.minor_units() as f64;
        let spend = day.spend as f64 / minor;
        let total = self.total(sums);
        let is_at = |level: Level| self.level as u8 >= level as u8;
        let ratio = |row: &mut Json, above: f64, below: f64| {
            if below > 0.0 {
                row.text(name, format_args!("{:.6}", above / below));
            }
        };
        match name {
            "account_id" => row.text(name, format_args!("{}", world.account)),
            "account_name" => row.text(name, format_args!("Simulated shop")),
            "account_currency" => row.text(name, format_args!("{}", world.params.currency)),
            "campaign_id" if is_at(Level::Campaign) => row.text(name, format_args!("{}", campaign.id)),
            "campaign_name" if is_at(Level::Campaign) => row.escaped(name, &campaign.name),
            "adset_id" if is_at(Level::AdSet) => row.text(name, format_args!("{}", adset.id)),
            "adset_name" if is_at(Level::AdSet) => row.escaped(name, &adset.name),
            "ad_id" if is_at(Level::Ad) => row.text(name, format_args!("{}", ad.id)),
            "ad_name" if is_at(Level::Ad) => row.escaped(name, &ad.name),
            "impressions" => row.text(name, format_args!("{}", day.impressions)),
            "reach" => row.text(name, format_args!("{:.0}", sums.reach)),
            "frequency" => ratio(row, day.impressions as f64, sums.reach),
            "clicks" => row.text(name, format_args!("{clicks}")),
            "unique_clicks" => row.text(name, format_args!("{:.0}", clicks as f64 * 0.97)),
            "inline_link_clicks" => row.text(name, format_args!("{}", day.link_clicks)),
            "outbound_clicks" => row.counts(name, &[("outbound_click", day.link_clicks)]),
            "spend" => row.text(name, format_args!("{spend:.*}", self.decimals())),
            "cpm" => ratio(row, spend * 1000.0, day.impressions as f64),
            "cpc" => ratio(row, spend, clicks as f64),
            "ctr" => ratio(row, clicks as f64 * 100.0, day.impressions as f64),
            "inline_link_click_ctr" => ratio(row, day.link_clicks as f64 * 100.0, day.impressions as f64),
            "actions" => self.actions(row, sums, &total),
            "action_values" => self.action_values(row, sums, &total),
            "cost_per_action_type" if total.purchases > 0 => {
                row.purchase(name, format_args!("{:.6}", spend / total.purchases as f64));
            }
            "purchase_roas" if total.purchases > 0 && spend > 0.0 => {
                row.purchase(name, format_args!("{:.6}", total.value as f64 / minor / spend));
            }
            "video_play_actions" => row.counts(name, &[("video_view", day.video_3s)]),
            "video_thruplay_watched_actions" => row.counts(name, &[("video_view", day.thruplay)]),
            "video_avg_time_watched_actions" if day.video_3s > 0 => {
                let seconds = (day.watch_seconds / day.video_3s as f64).round() as u64;
                row.counts(name, &[("video_view", seconds)]);
            }
            "attribution_setting" => row.text(name, format_args!("7d_click_1d_view")),
            "objective" if is_at(Level::Campaign) => row.text(name, format_args!("OUTCOME_SALES")),
            "optimization_goal" if is_at(Level::AdSet) => row.text(name, format_args!("OFFSITE_CONVERSIONS")),
            "buying_type" => row.text(name, format_args!("AUCTION")),
            _ => {}
        }
    }

    fn decimals(&self) -> usize {
        if self.world.params.minor_units() > 1 { 2 } else { 0 }
    }

    fn actions(&self, row: &mut Json, sums: &Sums, total: &WindowSum) {
        let day = &sums.day;
        let engaged = day.link_clicks + day.other_clicks + day.video_3s;
        let counts = [("link_click", day.link_clicks), ("video_view", day.video_3s), ("post_engagement", engaged)]
            .into_iter()
            .chain(CART_TYPES.map(|kind| (kind, day.carts)))
            .chain(CHECKOUT_TYPES.map(|kind| (kind, day.checkouts)));
        row.list("actions", |list| {
            for (kind, count) in counts.filter(|(_, count)| *count > 0) {
                list.action(kind, format_args!("{count}"));
            }
            if total.purchases > 0 {
                for kind in PURCHASE_TYPES {
                    self.windowed(list, kind, sums, total, &|w, out| {
                        let _ = write!(out, "{}", w.purchases);
                    });
                }
            }
        });
    }

    fn action_values(&self, row: &mut Json, sums: &Sums, total: &WindowSum) {
        if total.purchases == 0 {
            return;
        }
        let (minor, decimals) = (self.world.params.minor_units() as f64, self.decimals());
        row.list("action_values", |list| {
            for kind in PURCHASE_TYPES {
                self.windowed(list, kind, sums, total, &|w, out| {
                    let _ = write!(out, "{:.decimals$}", w.value as f64 / minor);
                });
            }
        });
    }

    /// One action with its total and, where windows were asked for, one key for each.
    fn windowed(
        &self,
        list: &mut Json,
        kind: &str,
        sums: &Sums,
        total: &WindowSum,
        show: &dyn Fn(&WindowSum, &mut String),
    ) {
        let mut value = String::new();
        list.next();
        list.0.push('{');
        list.text("action_type", format_args!("{kind}"));
        show(total, &mut value);
        list.text("value", format_args!("{value}"));
        for (name, sum) in self.windows.iter().zip(&sums.windows) {
            if name != "default" && sum.purchases > 0 {
                value.clear();
                show(sum, &mut value);
                list.text(name, format_args!("{value}"));
            }
        }
        list.0.push('}');
    }
}

/// A JSON text in the making. Values written with `text` are known to need no escape.
struct Json(String);

impl Json {
    fn object() -> Self {
        let mut text = String::with_capacity(1024);
        text.push('{');
        Json(text)
    }

    fn next(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    fn key(&mut self, name: &str) {
        self.next();
        let _ = write!(self.0, "\"{name}\":");
    }

    fn text(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.key(name);
        let _ = write!(self.0, "\"{value}\"");
    }

    fn escaped(&mut self, name: &str, value: &str) {
        self.key(name);
        self.0.push_str(&Value::from(value).to_string());
    }

    fn list(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.key(name);
        self.0.push('[');
        fill(self);
        self.0.push(']');
    }

    fn action(&mut self, kind: &str, value: std::fmt::Arguments<'_>) {
        self.next();
        let _ = write!(self.0, "{{\"action_type\":\"{kind}\",\"value\":\"{value}\"}}");
    }

    fn counts(&mut self, name: &str, counts: &[(&str, u64)]) {
        let some = || counts.iter().filter(|(_, count)| *count > 0);
        if some().next().is_some() {
            self.list(name, |list| some().for_each(|(kind, count)| list.action(kind, format_args!("{count}"))));
        }
    }

    fn purchase(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.list(name, |list| list.action("omni_purchase", value));
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
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
