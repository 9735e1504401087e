//! `dean import`: history from Ads Manager, orders from the shop.

use super::context::Context;
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::{Clock, DayFacts};
use crate::import;
use crate::store::{OrderRow, Store};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// An Ads Manager export: CSV, English, broken down by day, with "Ad ID"
    #[arg(required = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Orders of the shop: a second truth beside what Meta attributes
    Orders {
        /// The shop's export: CSV with order, time and total
        file: PathBuf,
    },
}

pub(super) async fn import(global: &Global, args: ImportArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    match (args.what, args.file) {
        (Some(What::Orders { file }), _) => orders(global, &context, &file).await,
        (None, Some(file)) => history(global, &context, &file).await,
        (None, None) => Err(Usage("name a file".into()).into()),
    }
    .map(|()| Ended::Done)
}

async fn orders(global: &Global, context: &Context, file: &Path) -> anyhow::Result<()> {
    let (store, account) = (context.store()?, context.stored_account()?);
    let frame = context.frame(&store, &account).await?;
    let orders = import::orders(file, &frame)?;
    store.save_orders(&account, &orders.rows).await?;
    let count = |is: fn(&OrderRow) -> bool| orders.rows.iter().filter(|row| is(row)).count();
    let cancelled = count(|row| row.cancelled);
    let day = |row: Option<&OrderRow>| row.map(|row| row.placed_at.to_zoned(frame.zone.clone()).date().to_string());
    let (first, last) = (day(orders.rows.first()), day(orders.rows.last()));
    if global.json {
        output::json(&json!({
            "orders": orders.rows.len(), "cancelled": cancelled, "other_currency": orders.other_currency,
            "first": first, "last": last,
        }));
        return Ok(());
    }
    let span = first.zip(last).map(|(first, last)| format!(", {first} to {last}")).unwrap_or_default();
    output::line(&format!("{} orders{span}, {cancelled} of them never paid.", orders.rows.len()));
    if orders.other_currency > 0 {
        let code = frame.currency.code();
        output::line(&format!("{} of them are not in {code}: they count, without a value.", orders.other_currency));
    }
    Ok(())
}

async fn history(global: &Global, context: &Context, file: &Path) -> anyhow::Result<()> {
    let (store, account) = (context.store()?, context.stored_account()?);
    let frame = context.frame(&store, &account).await?;
    let history = import::history(file, &frame)?;
    let attribution = &context.effective.config.attribution;
    let known = |windows: &[String]| windows.iter().cloned().collect::<HashSet<String>>();
    if !history.windows.is_empty() && known(&history.windows) != known(&attribution.windows) {
        let reason = format!(
            "{} counts conversions of {}, and here those of {} count: rows of different attribution are never mixed\n  hint: \
             export it with that attribution, or set attribution.windows",
            file.display(),
            history.windows.join(" and "),
            attribution.windows.join(" and ")
        );
        return Err(Usage(reason).into());
    }
    let now = Clock::System.now();
    let today = now.to_zoned(frame.zone.clone()).date();
    let key = attribution.to_string();
    let first = history.rows.iter().map(|row| row.date).min().unwrap_or(today);
    // What Meta itself answered is newer, and counted one way.
    let stored = store.days_since(&account, &key, first).await?;
    let stored: HashSet<(&str, jiff::civil::Date)> = stored.iter().map(|day| (day.ad_id.as_str(), day.date)).collect();
    let is_new = |row: &&DayFacts| row.date < today && !stored.contains(&(row.ad_id.as_str(), row.date));
    let new: Vec<DayFacts> = history.rows.iter().filter(is_new).cloned().collect();
    store.save_days(&account, &key, now, &new).await?;
    let ads: HashSet<&str> = new.iter().map(|row| row.ad_id.as_str()).collect();
    let left = history.rows.len() - new.len();
    if global.json {
        output::json(&json!({"days": new.len(), "ads": ads.len(), "known_already": left, "attribution": key}));
        return Ok(());
    }
    output::line(&format!(
        "{} days of {} ads were added; {left} were known already or are not over.",
        new.len(),
        ads.len()
    ));
    if history.windows.is_empty() {
        output::line(&format!("The file names no attribution: it is taken as {key}, the configured one."));
    }
    Ok(())
}
