//! `dean queue`: creatives that wait to be launched.

use super::context::{Context, clock};
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::domain::CreativeSpec;
use crate::import;
use crate::mirror::Supabase;
use crate::store::{QueueRow, QueueState, Store};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// Add creatives from a file, or from Supabase: a post or creative that is there, or media with text and link
    Add(AddArgs),
    /// What waits, and what became of others
    List(ListArgs),
    /// Take creatives out that are not launched yet
    Drop(DropArgs),
}

/// How a list of creatives is written.
const EXAMPLE: &str = r#"A TOML file has one [[creative]] each, a CSV file one line each with a header of the same names:

  [[creative]]
  name = "Red shoes, video 3"
  video = "red-shoes.mp4"          # or image, image_url, video_url; or post or creative, which are there
  text = "Sand proof."
  title = "Red shoes"
  call_to_action = "SHOP_NOW"      # the button
  tags = ["ugc", "shoes"]          # what it is like

and description, link (else STORE_URL), url_tags. FB_PAGE_ID names the page that speaks."#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct AddArgs {
    /// A .toml or .csv file
    #[arg(required_unless_present = "supabase", conflicts_with = "supabase")]
    file: Option<PathBuf>,
    /// Rows of the Supabase table (SUPABASE_TABLE) whose status is queued
    #[arg(long)]
    supabase: bool,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Those that were launched, failed or were dropped too
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct DropArgs {
    /// Names or ids
    #[arg(required = true)]
    creatives: Vec<String>,
}

pub(super) async fn queue(global: &Global, command: QueueCommand) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let (store, account) = (context.store()?, context.stored_account()?);
    // No run may launch from a queue that is being changed.
    let _lock = match command {
        QueueCommand::List(_) => None,
        _ => Some(store.lock_account(&account).await?),
    };
    match command {
        QueueCommand::Add(args) => add(global, &context, &store, &account, args).await,
        QueueCommand::List(args) => list(global, &store, &account, args.all).await,
        QueueCommand::Drop(args) => drop_some(global, &store, &account, &args.creatives).await,
    }
    .map(|()| Ended::Done)
}

async fn add(
    global: &Global,
    context: &Context,
    store: &dyn Store,
    account: &str,
    args: AddArgs,
) -> anyhow::Result<()> {
    let config = &context.effective.config;
    let sender = config.account.sender();
    let read = match &args.file {
        Some(file) => import::creatives(file, &sender)?,
        None => {
            let url = config.supabase.url.as_deref();
            let missing = |name: &str| Usage(format!("{name} is not set\n  hint: put it into the environment or .env"));
            let url = url.ok_or_else(|| missing("SUPABASE_URL"))?;
            let key = context.effective.secrets.supabase_key.clone();
            let key = key.ok_or_else(|| missing("SUPABASE_SERVICE_ROLE_KEY"))?;
            let table = &config.supabase.table;
            let rows = Supabase::new(url, key)?.queued(table).await?;
            import::creatives_of_rows(table, &rows, &sender)?
        }
    };
    let known = store.queue(account).await?;
    let name = |name: &str| name.trim().to_lowercase();
    let is_there = |spec: &&CreativeSpec| {
        // A table goes on listing what was dropped or failed here; a file that names it again means it.
        let gone = |row: &&QueueRow| args.supabase || !matches!(row.state, QueueState::Failed | QueueState::Dropped);
        known.iter().filter(gone).any(|row| name(&row.name) == name(&spec.name))
    };
    let (twice, new): (Vec<&CreativeSpec>, Vec<&CreativeSpec>) = read.iter().partition(is_there);
    // What a table still lists as queued may be here already; a file that names it again is a mistake.
    if let (Some(first), false) = (twice.first(), args.supabase) {
        let message = format!(
            "{:?} is in the queue already, and nothing was added\n  hint: no two ads of one name are made; `dean queue list --all` \
             shows what there is",
            first.name
        );
        return Err(Usage(message).into());
    }
    let now = clock(args.now.as_deref())?.now();
    let row =
        |(seq, spec): (usize, &&CreativeSpec)| QueueRow::waiting(id(account, &spec.name, now), account, spec, now, seq);
    let rows: Vec<QueueRow> = new.iter().enumerate().map(row).collect();
    store.save_queue(&rows).await?;
    let adset = config.ids.testing_adset_id.as_deref().filter(|id| !id.is_empty());
    if global.json {
        let added: Vec<_> = rows.iter().map(|row| json!({"id": row.queue_id, "name": row.name})).collect();
        output::json(&json!({"added": added, "known_already": twice.len(), "testing_adset_id": adset}));
        return Ok(());
    }
    output::line(&format!("{} creatives were added, {} were there already.", rows.len(), twice.len()));
    if adset.is_none() {
        output::line("They wait until ids.testing_adset_id names the ad set that they go into.");
    }
    Ok(())
}

/// An id that is the same for the same creative added at the same moment.
fn id(account: &str, name: &str, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{account}/{name}/{now}"));
    format!("q{}", digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect::<String>())
}

async fn list(global: &Global, store: &dyn Store, account: &str, all: bool) -> anyhow::Result<()> {
    let mut rows = store.queue(account).await?;
    rows.retain(|row| all || matches!(row.state, QueueState::Waiting | QueueState::Launching));
    if global.json {
        let line = |row: &QueueRow| {
            let spec: serde_json::Value = serde_json::from_str(&row.spec).unwrap_or_default();
            json!({
                "id": row.queue_id, "name": row.name, "state": row.state, "added_at": row.added_at, "spec": spec,
                "creative_id": row.creative_id, "ad_id": row.ad_id, "reason": row.reason,
            })
        };
        output::json(&rows.iter().map(line).collect::<Vec<_>>());
        return Ok(());
    }
    if rows.is_empty() {
        output::line("Nothing waits to be launched.");
        return Ok(());
    }
    let mut table = output::table(&["Name", "State", "Added", "Ad", ""]);
    for row in &rows {
        table.add_row([
            row.name.clone(),
            row.state.as_str().into(),
            row.added_at.to_string(),
            row.ad_id.clone().unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    output::line(&table.to_string());
    Ok(())
}

async fn drop_some(global: &Global, store: &dyn Store, account: &str, wanted: &[String]) -> anyhow::Result<()> {
    let mut rows = store.queue(account).await?;
    let mut dropped = Vec::new();
    for wanted in wanted {
        let is_it = |row: &&mut QueueRow| {
            row.state == QueueState::Waiting && (row.queue_id == *wanted || row.name.eq_ignore_ascii_case(wanted))
        };
        let Some(row) = rows.iter_mut().find(is_it) else {
            let message =
                format!("no creative {wanted:?} waits\n  hint: `dean queue list` shows what does; nothing was dropped");
            return Err(Usage(message).into());
        };
        row.state = QueueState::Dropped;
        dropped.push(row.clone());
    }
    store.save_queue(&dropped).await?;
    if global.json {
        output::json(&json!({"dropped": dropped.iter().map(|row| &row.name).collect::<Vec<_>>()}));
    } else {
        output::line(&format!("{} dropped.", dropped.len()));
    }
    Ok(())
}
