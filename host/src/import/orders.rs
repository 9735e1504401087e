//! Orders of a shop, as Shopify, WooCommerce and others export them. Who bought is not read.

use super::sheet::Sheet;
use super::{Frame, ImportError, amount, wrong_lines};
use crate::domain::Money;
use crate::store::OrderRow;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use std::collections::BTreeMap;
use std::path::Path;

/// What a file of orders holds.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The orders, each once, by time.
    pub rows: Vec<OrderRow>,
    /// Orders in another currency, which count without a value.
    pub other_currency: usize,
}

/// `Name` is Shopify's word for it, and others' for the buyer: it comes last.
const ORDER: [&str; 8] = ["Order ID", "Order Number", "Order", "order_id", "order_number", "Number", "Id", "Name"];
const TIME: [&str; 8] =
    ["Created at", "Paid at", "created_at", "Order Date", "Date", "date_created", "placed_at", "Date created"];
const TOTAL: [&str; 7] = ["Total", "Order Total", "total", "Amount", "total_price", "Total Sales", "value"];
const CURRENCY: [&str; 3] = ["Currency", "Order Currency", "currency_code"];
const STATUS: [&str; 3] = ["Financial Status", "Status", "Order Status"];
/// Words of a status under which nothing was ever bought. What was paid back later was: Meta goes on attributing it.
const NOTHING_SOLD: [&str; 5] = ["voided", "failed", "trash", "pending payment", "expired"];
const HINT: &str = "export orders as CSV from the shop, with one of these columns";

/// Reads orders.
///
/// # Errors
/// When the file is no table, lacks a column, or has lines that make no sense: then nothing of it is taken.
pub fn orders(file: &Path, frame: &Frame) -> Result<Orders, ImportError> {
    let sheet = Sheet::read(file)?;
    let order = sheet.need("the order's number", &ORDER, HINT)?;
    let is_shopify = sheet.find(&["Financial Status", "Lineitem name", "Created at"]).is_some();
    if sheet.header()[order].eq_ignore_ascii_case("Name") && !is_shopify {
        return Err(sheet.lacks("the order's number", &ORDER[..7], HINT));
    }
    let time = sheet.need("the order's time", &TIME, HINT)?;
    let total = sheet.need("the order's total", &TOTAL, HINT)?;
    let (currency, status) = (sheet.find(&CURRENCY), sheet.find(&STATUS));
    let mut problems = Vec::new();
    let mut other_currency = 0;
    let mut rows: BTreeMap<String, OrderRow> = BTreeMap::new();
    for (line, row) in &sheet.rows {
        let field = |at: Option<usize>| at.map_or("", |at| row[at].as_str());
        let id = row[order].clone();
        // An order's further items have lines of their own, without a total.
        if row[total].is_empty() && rows.contains_key(&id) {
            continue;
        }
        let foreign = !field(currency).is_empty() && !field(currency).eq_ignore_ascii_case(frame.currency.code());
        other_currency += usize::from(foreign);
        let problem = |what: &str, found: &str| format!("line {line}: {found:?} is no {what}");
        // What was paid in another currency is an order all the same, worth nobody knows what.
        let value = if foreign { Some(Money::ZERO) } else { amount(&row[total], &frame.currency) };
        let read = (moment(&row[time], frame), value);
        match read {
            _ if id.is_empty() => problems.push(format!("line {line}: the order has no number")),
            (None, _) => {
                problems.push(problem("time that is certain (2026-06-01 13:05:00 +0200 would be)", &row[time]))
            }
            (_, None) => problems.push(problem("amount", &row[total])),
            (Some(placed_at), Some(value)) => {
                let word = field(status).to_ascii_lowercase();
                let cancelled = NOTHING_SOLD.contains(&word.as_str());
                rows.insert(id.clone(), OrderRow { order_id: id, placed_at, value, cancelled });
            }
        }
    }
    if let Some(error) = wrong_lines(sheet.file(), problems) {
        return Err(error);
    }
    let mut rows: Vec<OrderRow> = rows.into_values().collect();
    rows.sort_by(|a, b| a.placed_at.cmp(&b.placed_at).then_with(|| a.order_id.cmp(&b.order_id)));
    Ok(Orders { rows, other_currency })
}

/// A time as shops write it; without an offset it is in the account's zone, without an hour it is noon. Days that could
/// be months are refused.
fn moment(text: &str, frame: &Frame) -> Option<Timestamp> {
    const WITH_OFFSET: [&str; 3] = ["%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z"];
    const WITHOUT: [&str; 5] =
        ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"];
    const DAYS: [&str; 2] = ["%Y-%m-%d", "%d.%m.%Y"];
    let text = text.trim();
    let offset = |form: &&str| jiff::fmt::strtime::parse(form, text).ok()?.to_timestamp().ok();
    let local = |at: DateTime| at.to_zoned(frame.zone.clone()).ok().map(|zoned| zoned.timestamp());
    let parsed: Option<Timestamp> = text.parse().ok();
    parsed
        .or_else(|| WITH_OFFSET.iter().find_map(offset))
        .or_else(|| WITHOUT.iter().find_map(|form| DateTime::strptime(form, text).ok()).and_then(local))
        .or_else(|| {
            let day = DAYS.iter().find_map(|form| Date::strptime(form, text).ok())?;
            local(day.at(12, 0, 0, 0))
        })
}
