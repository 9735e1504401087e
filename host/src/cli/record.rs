//! `dean record`: an account's answers, kept for `dean run --recording`.

use super::context::{Context, clock};
use super::output;
use super::{Ended, Global};
use crate::meta::RecordingTransport;
use crate::pipeline::{Options, Recent, Runner};
use crate::store::SqliteStore;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// The folder that is written
    folder: PathBuf,
    /// The moment that it is, instead of the machine's clock: for a simulated account
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

pub(super) async fn record(global: &Global, args: RecordArgs) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    let clock = clock(args.now.as_deref())?;
    let at = clock.now();
    let recording = Arc::new(RecordingTransport::new(context.transport()?));
    let client = context.client_by(Arc::clone(&recording) as Arc<_>, &clock)?;
    let registry = context.registry()?;
    // Nothing is remembered, so that everything is asked.
    let store = SqliteStore::in_memory()?;
    let models = context.models(&store).await?;
    let policies = context.policies(&registry, &models.columns()).await?;
    let runner = Runner {
        client: &client,
        store: &store,
        clock: &clock,
        effective: &context.effective,
        policies: &policies,
        models: &models,
        data_dir: &context.data_dir,
        progress: &|_| {},
        recent: &Recent::default(),
    };
    let report = runner.run(&Options { dry_run: true, ..Options::default() }).await?;
    let calls = recording.save(&args.folder, &report.account, &context.effective.config.api.version, at)?;
    if global.json {
        output::json(
            &json!({"folder": args.folder, "calls": calls, "account": report.account, "at": at, "ads": report.ads}),
        );
    } else {
        output::line(&format!(
            "{calls} answers of {} as of {at} ({} ads) are in {}, without tokens and personal data.",
            report.account,
            report.ads,
            args.folder.display()
        ));
        output::line(&format!("`dean run --recording {}` decides on them again, without Meta.", args.folder.display()));
    }
    Ok(Ended::Done)
}
