//! History out of an Ads Manager export: one row an ad and day, with English column names.

use super::sheet::Sheet;
use super::{Frame, ImportError, amount, number, wrong_lines};
use crate::domain::{DayFacts, Facts};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::path::Path;

/// What an export holds.
#[derive(Clone, Debug)]
pub struct History {
    /// Days of ads, each once.
    pub rows: Vec<DayFacts>,
    /// The attribution that it names, as windows (`7d_click`); empty where it names none.
    pub windows: Vec<String>,
}

const AD: [&str; 2] = ["Ad ID", "ad_id"];
const DAY: [&str; 3] = ["Day", "Date", "date_start"];
const STARTS: [&str; 1] = ["Reporting starts"];
const ENDS: [&str; 1] = ["Reporting ends"];
const IMPRESSIONS: [&str; 1] = ["Impressions"];
const SPENT: &str = "Amount spent";
const LANGUAGE: &str = "set the language of Ads Manager to English (US), break the report down by day, add the column, and \
                        export it again as CSV";

/// Optional columns: what they are called, and where their number goes.
type Put = fn(&mut Facts, f64);
const COUNTS: [(&[&str], Put); 9] = [
    (&["Clicks (all)"], |f, n| f.clicks = n),
    (&["Link clicks"], |f, n| f.link_clicks = n),
    (&["Purchases", "Website purchases"], |f, n| f.purchases = n),
    (&["Adds to cart", "Website adds to cart"], |f, n| f.add_to_cart = n),
    (&["Checkouts initiated", "Website checkouts initiated"], |f, n| f.initiate_checkout = n),
    (&["3-second video plays"], |f, n| f.video_3s = n),
    (&["ThruPlays"], |f, n| f.thruplay = n),
    (&["Reach"], |f, n| f.reach = n),
    (&["Impressions"], |f, n| f.impressions = n),
];
const REVENUE: [&str; 3] =
    ["Purchases conversion value", "Purchase conversion value", "Website purchases conversion value"];
const ATTRIBUTION: [&str; 1] = ["Attribution setting"];

/// Reads an export.
///
/// # Errors
/// When the file is no table, lacks a column (such as one in another language), is in another currency, or has lines
/// that make no sense: then nothing of it is taken.
pub fn history(file: &Path, frame: &Frame) -> Result<History, ImportError> {
    let sheet = Sheet::read(file)?;
    let ad = sheet.need("the ad", &AD, LANGUAGE)?;
    let spent = spent(&sheet, frame)?;
    sheet.need("impressions", &IMPRESSIONS, LANGUAGE)?;
    let (day, starts, ends) = (sheet.find(&DAY), sheet.find(&STARTS), sheet.find(&ENDS));
    let Some(date_column) = day.or(starts) else { return Err(sheet.lacks("the day", &DAY, LANGUAGE)) };
    let counts: Vec<(usize, Put)> = COUNTS.iter().filter_map(|(names, put)| Some((sheet.find(names)?, *put))).collect();
    let (revenue, attribution) = (sheet.find(&REVENUE), sheet.find(&ATTRIBUTION));
    let mut problems = Vec::new();
    let mut rows: BTreeMap<(String, Date), DayFacts> = BTreeMap::new();
    let mut windows: Option<Vec<String>> = None;
    for (line, row) in &sheet.rows {
        let wrong = |what: &str, found: &str| format!("line {line}: {found:?} is no {what}");
        // Ads Manager writes a line of totals, which is no ad's.
        if row[ad].is_empty() {
            continue;
        }
        let id = row[ad].trim_start_matches("ad:").to_string();
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            problems
                .push(format!("{}; spreadsheets round long ids: format the column as text", wrong("ad id", &row[ad])));
            continue;
        }
        let Ok(date) = Date::strptime("%Y-%m-%d", &row[date_column]) else {
            problems.push(wrong("day (2026-06-01 would be)", &row[date_column]));
            continue;
        };
        if let (None, Some(starts), Some(ends)) = (day, starts, ends)
            && row[starts] != row[ends]
        {
            problems
                .push(format!("line {line}: it covers {} to {}: break the report down by day", row[starts], row[ends]));
            continue;
        }
        let mut facts = Facts::default();
        match amount(if row[spent].is_empty() { "0" } else { &row[spent] }, &frame.currency) {
            Some(money) => facts.spend = money,
            None => problems.push(wrong("amount", &row[spent])),
        }
        for (at, put) in counts.iter().filter(|(at, _)| !row[*at].is_empty()) {
            match number(&row[*at]).filter(|count| *count >= 0.0) {
                Some(count) => put(&mut facts, count),
                None => problems.push(wrong("number", &row[*at])),
            }
        }
        facts.revenue = match revenue.map(|at| row[at].as_str()) {
            Some(text) if !text.is_empty() => amount(text, &frame.currency),
            _ if facts.purchases > 0.0 => None,
            _ => Some(crate::domain::Money::ZERO),
        };
        if let Some(text) = attribution.map(|at| row[at].as_str()).filter(|text| !text.is_empty()) {
            let found = windows_of(text);
            match &windows {
                Some(known) if *known != found => {
                    problems
                        .push(format!("line {line}: its attribution is {text:?}, and that of lines before is another"));
                }
                _ => windows = Some(found),
            }
        }
        if rows.insert((id.clone(), date), DayFacts { ad_id: id.clone(), date, facts }).is_some() {
            problems.push(format!("line {line}: ad {id} has {date} twice: export without further breakdowns"));
        }
    }
    match wrong_lines(sheet.file(), problems) {
        Some(error) => Err(error),
        None => Ok(History { rows: rows.into_values().collect(), windows: windows.unwrap_or_default() }),
    }
}

/// The column of spend, whose name carries the currency: `Amount spent (EUR)`.
fn spent(sheet: &Sheet, frame: &Frame) -> Result<usize, ImportError> {
    let found = sheet.header().iter().position(|name| name.starts_with(SPENT));
    let at = found.ok_or_else(|| sheet.lacks("spend", &["Amount spent (EUR)"], LANGUAGE))?;
    let name = &sheet.header()[at];
    let code = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or_default().trim();
    if !code.is_empty() && !code.eq_ignore_ascii_case(frame.currency.code()) {
        let reason = format!("its amounts are in {code}, and the account's are in {}", frame.currency.code());
        return Err(ImportError::Unreadable { file: sheet.file().into(), reason });
    }
    Ok(at)
}

/// Windows out of Ads Manager's words: `7-day click or 1-day view`.
fn windows_of(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut windows = Vec::new();
    for (words, window) in [
        ("28-day click", "28d_click"),
        ("7-day click", "7d_click"),
        ("1-day click", "1d_click"),
        ("1-day engaged-view", "1d_ev"),
        ("1-day view", "1d_view"),
    ] {
        if lower.contains(words) {
            windows.push(window.to_string());
        }
    }
    windows
}
