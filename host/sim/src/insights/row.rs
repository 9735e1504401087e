//! One row of insights: numbers of some ads over some days, and the JSON text that Meta makes of them.

use super::Level;
use crate::graph::Fields;
use crate::world::{Ad, Day, World};
use jiff::civil::Date;
use serde_json::Value;
use std::fmt::Write;

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

pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) level: Level,
    pub(super) fields: &'a Fields,
    pub(super) windows: &'a [String],
    pub(super) by_conversion: bool,
}

impl View<'_> {
    pub(super) fn row(&self, ads: &[&Ad], from: Date, to: Date) -> Option<String> {
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
