//! `dean sim serve`: a simulated account behind the Graph API.

use super::output::{self, Usage};
use super::{Ended, Global};
use clap::{Args, Subcommand};
use dean_sim::{Credentials, Fault, Faults, Graph, Params, Tier, World};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, Subcommand)]
pub(super) enum SimCommand {
    /// Serve it on a loopback port until interrupted
    Serve(ServeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The world's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ads at the beginning
    #[arg(long, default_value_t = 40)]
    ads: usize,
    /// The account's currency
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// The account's time zone
    #[arg(long, default_value = "Europe/Berlin")]
    timezone: String,
    /// How much may be called: `development` allows 60 points in five minutes (a read is one, a write three)
    #[arg(long, value_enum, default_value = "standard")]
    tier: TierArg,
    /// What goes wrong, as JSON: seed, share of requests, kinds, at (request number to fault)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TierArg {
    Development,
    Standard,
}

pub(super) async fn serve(global: &Global, args: ServeArgs) -> anyhow::Result<Ended> {
    if jiff::tz::TimeZone::get(&args.timezone).is_err() {
        return Err(Usage(format!("there is no time zone {}", args.timezone)).into());
    }
    if args.ads == 0 || args.ads > 100_000 {
        return Err(Usage("--ads has to be 1 to 100000".into()).into());
    }
    let params = Params {
        ads: args.ads,
        currency: args.currency.to_ascii_uppercase(),
        timezone: args.timezone,
        ..Params::default()
    };
    let world = World::new(args.seed, params);
    // Fixed, so that a script can write them down; the server listens on loopback only.
    let credentials = Credentials { token: "simulated-token".into(), app_secret: "simulated-secret".into() };
    let version = "v26.0";
    let mut graph = Graph::new(world, version, credentials.clone());
    graph.set_tier(match args.tier {
        TierArg::Development => Tier::Development,
        TierArg::Standard => Tier::Standard,
    });
    let started = Instant::now();
    graph.set_time(Arc::new(move || started.elapsed().as_secs_f64()));
    if let Some(file) = &args.faults {
        graph.set_faults(faults(file)?);
    }
    let stage = |s| graph.world().campaign(s).to_string();
    let campaigns = json!({
        "testing": stage(dean_sim::Stage::Testing),
        "validation": stage(dean_sim::Stage::Validation),
        "scaling": stage(dean_sim::Stage::Scaling),
    });
    let (server, serving) = dean_sim::serve(graph, args.port).await.map_err(|error| {
        anyhow::anyhow!("port {} cannot be used: {error}\n  hint: --port 0 takes a free one", args.port)
    })?;
    let (account, now) = {
        let graph = server.graph();
        (format!("act_{}", graph.world().account()), jiff::Timestamp::from_second(graph.world().now())?)
    };
    if global.json {
        let ready = json!({
            "url": server.url(), "api_version": version, "account": account, "token": credentials.token,
            "app_secret": credentials.app_secret, "now": now.to_string(), "campaigns": campaigns,
        });
        output::line(&ready.to_string());
    } else {
        output::line(&format!("A simulated account at {}; in another shell:", server.url()));
        output::line(&format!("  export META_GRAPH_URL={} META_API_VERSION={version}", server.url()));
        output::line(&format!(
            "  export FB_AD_ACCOUNT_ID={account} FB_ACCESS_TOKEN={} FB_APP_SECRET={}",
            credentials.token, credentials.app_secret
        ));
        output::line(&format!("  dean run --dry-run --now {now}"));
        output::line(&format!(
            "Campaigns: {campaigns}; one hour on: curl -X POST {}/sim/advance -d '{{\"hours\": 1}}'",
            server.url()
        ));
    }
    tokio::select! {
        ended = serving => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(Ended::Done)
}

fn faults(file: &Path) -> anyhow::Result<Faults> {
    let wrong = |problem: String| {
        let kinds: Vec<String> = Fault::ALL.iter().map(|kind| json!(kind).to_string().replace('"', "")).collect();
        anyhow::anyhow!("{}: {problem}\n  hint: kinds are {}", file.display(), kinds.join(", "))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
