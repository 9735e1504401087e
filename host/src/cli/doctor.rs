//! `dean doctor`: checks everything and says how to mend it.

use super::context::Context;
use super::output;
use super::{Ended, Global};
use crate::domain::{Account, Clock, Money, NEARLY_USED_UP, hours};
use crate::health::{self, Facts};
use crate::meta::Client;
use crate::policies::StagePolicy;
use crate::store::Store;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    /// `ok`, `warning` or `problem`.
    level: &'static str,
    message: String,
}

pub(super) async fn doctor(global: &Global) -> anyhow::Result<Ended> {
    let mut findings = Vec::new();
    let mut say = |check: &'static str, level: &'static str, message: String| {
        findings.push(Finding { check, level, message });
    };
    let mut policies = Vec::new();
    match Context::load(global) {
        Err(error) => say("configuration", "problem", error.to_string()),
        Ok(context) => {
            let files = if context.folder.join("dean.toml").is_file() { "" } else { " (no dean.toml: defaults)" };
            say("configuration", "ok", format!("{}{files}", context.folder.display()));
            let scores = context.scores().await.unwrap_or_else(|_| crate::scoring::shipped_columns().clone());
            let prepared = match context.registry() {
                Ok(registry) => context.policies(&registry, &scores).await,
                Err(error) => Err(error),
            };
            match prepared {
                Err(error) => say("policies", "problem", error.to_string()),
                Ok(ready) => {
                    policies = ready;
                    let named = policies.iter().map(|p| {
                        let policy = p.ready().map_or("no policy".into(), |r| {
                            let manifest = r.policy.manifest();
                            format!("{}@{} ({})", manifest.name, manifest.version, r.chosen)
                        });
                        format!("{}: {policy}", p.view.name)
                    });
                    say("policies", "ok", named.collect::<Vec<_>>().join(", "));
                    for (stage, reason) in policies.iter().filter_map(|p| Some((&p.view.name, p.broken()?))) {
                        say("policies", "problem", format!("stage {stage}: {reason}"));
                    }
                    for (stage, ready) in policies.iter().filter_map(|p| Some((&p.view.name, p.ready()?))) {
                        if let Some(reason) = &ready.instead {
                            let last = &ready.policy.manifest().name;
                            let message = format!("stage {stage}: {last}, which decided last, goes on: {reason}");
                            say("policies", "problem", message);
                        }
                    }
                    if policies.iter().all(|p| p.view.campaigns.is_empty()) {
                        say(
                            "campaigns",
                            "warning",
                            "no stage has a campaign: set ids.testing_campaign_id and the others in dean.toml".into(),
                        );
                    }
                }
            }
            for sentence in context.effective.without_effect() {
                say("configuration", "warning", sentence.into());
            }
            let economics = &context.effective.config.economics;
            if economics.breakeven_cpa.is_none() && economics.cogs_per_purchase <= 0.0 {
                say(
                    "economics",
                    "warning",
                    "neither BREAKEVEN_CPA nor COGS_PER_PURCHASE is set: an order counts as if its goods cost nothing, \
                     so ads that lose money look as if they earned"
                        .into(),
                );
            }
            match context.store() {
                Err(error) => say("store", "problem", error.to_string()),
                Ok(store) => {
                    say("store", "ok", store.file().display().to_string());
                    models(&context, &store, &mut say).await;
                }
            }
            let switch = context.data_dir.join(&context.effective.config.guard.kill_switch_file);
            if switch.exists() {
                say(
                    "kill switch",
                    "warning",
                    format!("{} exists: nothing is written until it is removed", switch.display()),
                );
            } else {
                say("kill switch", "ok", format!("off; `touch {}` stops all writes", switch.display()));
            }
            account(&context, policies, &mut say).await;
        }
    }
    let bad = findings.iter().any(|f| f.level == "problem");
    if global.json {
        output::json(&findings);
    } else {
        let mut table = output::table(&["", "Check", "Found"]);
        for finding in &findings {
            let mark = match finding.level {
                "ok" => "✓",
                "warning" => "!",
                _ => "✗",
            };
            table.add_row([mark, finding.check, &finding.message]);
        }
        output::line(&table.to_string());
    }
    Ok(if bad { Ended::Failed } else { Ended::Done })
}

async fn models(context: &Context, store: &dyn Store, say: &mut impl FnMut(&'static str, &'static str, String)) {
    match context.models(store).await {
        Err(error) => say("models", "problem", error.to_string()),
        Ok(models) => {
            let manifests = models.active().iter().map(|active| active.model.manifest());
            let named: Vec<String> = manifests.map(|m| format!("{}@{}", m.model, m.version)).collect();
            let named = if named.is_empty() { "none: rules alone decide".into() } else { named.join(", ") };
            say("models", "ok", named);
            for left in models.left_out() {
                say("models", "warning", format!("{} is left out: {}", left.model, left.reason));
            }
        }
    }
}

async fn account(
    context: &Context,
    stages: Vec<StagePolicy>,
    say: &mut impl FnMut(&'static str, &'static str, String),
) {
    let client = match context.client(&Clock::System) {
        Ok(client) => client,
        Err(error) => return say("credentials", "problem", error.to_string()),
    };
    if context.effective.secrets.app_secret.is_none() {
        say("credentials", "warning", "FB_APP_SECRET is not set: calls are not signed with appsecret_proof".into());
    } else {
        say("credentials", "ok", "FB_ACCESS_TOKEN and FB_APP_SECRET are set".into());
    }
    // What an earlier process heard is heeded here too.
    if let Ok(store) = context.store()
        && let Ok(limits) = store.limits(client.account_id()).await
    {
        client.learn_limits(limits);
    }
    match client.account().await {
        Err(error) => say("account", "problem", error.to_string()),
        Ok(account) => {
            let (code, zone) = (account.currency.code(), &account.zone_name);
            say("account", "ok", format!("{} ({}), {code}, {zone}", account.name, account.id));
            health(context, &client, &account, &stages, say).await;
            campaigns(&client, &stages, say).await;
        }
    }
    limits(context, &client, say).await;
}

/// Hours of silence after which a pixel is worth a look, however few visitors there are.
const PIXEL_SILENT_HOURS: f64 = 24.0;

/// What keeps the account from delivering or from being changed, if anything.
async fn health(
    context: &Context,
    client: &Client,
    account: &Account,
    stages: &[StagePolicy],
    say: &mut impl FnMut(&'static str, &'static str, String),
) {
    let of_app = context.effective.config.api.app_id.is_some();
    let (vitals, left_out) = client.vitals(of_app).await;
    if !of_app {
        say("token", "warning", "FB_APP_ID is not set: what the token may do and when it ends is not known".into());
    }
    let pixel = match context.effective.config.account.pixel_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(client.pixel(id).await.map_err(|error| error.to_string())),
        None => None,
    };
    match &pixel {
        Some(Ok(pixel)) => {
            let last = pixel.last_fired.map_or("nothing yet".into(), |at| format!("something last at {at}"));
            let silent = pixel.last_fired.is_none_or(|at| hours(at, Clock::System.now()) > PIXEL_SILENT_HOURS);
            let level = if silent { "warning" } else { "ok" };
            say("pixel", level, format!("{} ({}) reported {last}", pixel.name, pixel.id));
        }
        Some(Err(_)) => {}
        None => say(
            "pixel",
            "warning",
            "FB_PIXEL_ID is not set: if the pixel falls silent, only sales that stay away tell".into(),
        ),
    }
    let money = |major: f64| account.currency.from_major(major).unwrap_or(Money::ZERO);
    let min_budgets: Vec<(&str, Money)> =
        stages.iter().map(|p| (p.view.name.as_str(), money(p.view.min_budget))).collect();
    let found = health::examine(&Facts {
        account,
        vitals: &vitals,
        pixel: pixel.as_ref(),
        clicks_today: 0.0,
        daily_spend: Money::ZERO,
        learning_limited: &[],
        min_budgets: &min_budgets,
        now: Clock::System.now(),
    });
    for line in found {
        let level = match line.level.as_str() {
            "ok" => "ok",
            "warning" => "warning",
            _ => "problem",
        };
        let stops = line.stops.map(|stops| format!(" (stops {stops})")).unwrap_or_default();
        say("health", level, format!("{}{stops}", line.message));
    }
    left_out.into_iter().for_each(|what| say("health", "warning", what));
    if let Some(token) = &vitals.token {
        let ends = token.expires_at.map_or("does not end".into(), |at| format!("ends at {at}"));
        say("token", "ok", format!("{ends}; it may do {}", token.scopes.join(", ")));
    }
}

/// How much of each of Meta's limits is used up, as the last answers said.
async fn limits(context: &Context, client: &Client, say: &mut impl FnMut(&'static str, &'static str, String)) {
    let Ok(store) = context.store() else { return };
    let account = client.account_id();
    let now = Clock::System.now();
    for limit in client.limits() {
        let tier = limit.tier.map(|tier| format!(", {}", tier.word().replace('_', " "))).unwrap_or_default();
        let blocked = limit.free_at.filter(|free_at| *free_at > now);
        let (level, rest) = match blocked {
            Some(free_at) => ("warning", format!(", free again at {free_at}")),
            None if limit.percent >= NEARLY_USED_UP => ("warning", ", so calls slow down".into()),
            None => ("ok", String::new()),
        };
        let heard = limit.heard_at;
        say("limits", level, format!("{}: {:.0} % used at {heard}{tier}{rest}", limit.name, limit.percent));
    }
    // What this look at the account cost is known to the next run.
    if let Err(error) = store.save_limits(account, &client.limits()).await {
        say("limits", "problem", error.to_string());
    }
}

/// Whether the account has the campaigns that stages name.
async fn campaigns(client: &Client, stages: &[StagePolicy], say: &mut impl FnMut(&'static str, &'static str, String)) {
    let ids: Vec<&str> = stages.iter().flat_map(|stage| stage.view.campaigns.iter().map(String::as_str)).collect();
    if ids.is_empty() {
        return;
    }
    let found = match client.campaigns(&ids).await {
        Ok(found) => found,
        Err(error) => return say("campaigns", "warning", error.to_string()),
    };
    for stage in stages {
        for id in &stage.view.campaigns {
            let name = &stage.view.name;
            match found.iter().find(|campaign| campaign.id == *id) {
                Some(campaign) => say("campaigns", "ok", format!("stage {name}: {} ({id})", campaign.name)),
                None => say("campaigns", "problem", format!("campaign {id} of stage {name} is not in this account")),
            }
        }
    }
}
