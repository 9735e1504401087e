//! `dean config`: what holds, where it comes from, and whether it is right.

use super::context::Context;
use super::output::{self, Usage};
use super::{Ended, Global};
use crate::config::VARIABLES;
use crate::policies::{self, Ready};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Every value with its origin
    Show(ShowArgs),
    /// Check files, environment and the settings of every policy
    Check,
    /// JSON Schema for editors, with the settings of the client's policies
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The file that it is for: `settings` (dean.toml, profiles and clients) or `rules` (rules.toml)
    #[arg(value_enum, default_value_t = SchemaOf::Settings)]
    of: SchemaOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaOf {
    Settings,
    Rules,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Defaults too
    #[arg(long)]
    all: bool,
}

pub(super) async fn config(global: &Global, command: ConfigCommand) -> anyhow::Result<Ended> {
    let context = Context::load(global)?;
    match command {
        ConfigCommand::Show(args) => show(global, &context, args.all),
        ConfigCommand::Check => check(global, &context).await,
        ConfigCommand::Schema(args) => schema(&context, args.of).await,
    }
    .map(|()| Ended::Done)
}

fn show(global: &Global, context: &Context, all: bool) -> anyhow::Result<()> {
    let entries = context.effective.entries(all);
    let secrets = &context.effective.secrets;
    let is_set = |name: &str| match name {
        "FB_ACCESS_TOKEN" => secrets.access_token.is_some(),
        "FB_APP_SECRET" => secrets.app_secret.is_some(),
        "SUPABASE_SERVICE_ROLE_KEY" => secrets.supabase_key.is_some(),
        "SLACK_WEBHOOK_URL" => secrets.slack_webhook.is_some(),
        "DEAN_REGISTRY_PASSWORD" => secrets.registry_password.is_some(),
        "DEAN_KEY_PASSWORD" => secrets.key_password.is_some(),
        _ => secrets.database_url.is_some(),
    };
    let secret_names = || VARIABLES.iter().filter(|v| v.secret).map(|v| v.name);
    if global.json {
        let secrets: serde_json::Map<_, _> = secret_names().map(|n| (n.to_string(), json!(is_set(n)))).collect();
        output::json(&json!({
            "client": context.effective.client,
            "profile": context.effective.profile,
            "values": entries,
            "secrets_set": secrets,
            "data_dir": context.data_dir,
        }));
        return Ok(());
    }
    let mut table = output::table(&["Key", "Value", "From"]);
    for entry in &entries {
        table.add_row([entry.key.clone(), entry.value.to_string(), entry.origin.clone()]);
    }
    for name in secret_names() {
        table.add_row([name, if is_set(name) { "set" } else { "not set" }, "environment"]);
    }
    output::line(&table.to_string());
    Ok(())
}

async fn schema(context: &Context, of: SchemaOf) -> anyhow::Result<()> {
    let stages = context.policies(&context.registry()?, &context.scores().await?).await?;
    output::json(&match of {
        SchemaOf::Settings => policies::settings_schema(&context.effective, &stages),
        SchemaOf::Rules => policies::rules_schema(&context.effective, &stages),
    });
    Ok(())
}

async fn check(global: &Global, context: &Context) -> anyhow::Result<()> {
    let registry = context.registry()?;
    let policies = context.policies(&registry, &context.scores().await?).await?;
    for stage in &policies {
        let instead = stage.ready().and_then(|ready| Some((ready.instead.as_ref()?, ready.policy.manifest().named())));
        let goes_on = instead.as_ref().map(|(_, named)| format!("; {named}, which decided last, goes on meanwhile"));
        if let Some(reason) = stage.broken().or(instead.as_ref().map(|(reason, _)| reason.as_str())) {
            let (name, goes_on) = (&stage.view.name, goes_on.unwrap_or_default());
            return Err(Usage(format!("the policy of stage {name} cannot be used{goes_on}: {reason}")).into());
        }
    }
    let stages: Vec<_> = policies
        .iter()
        .map(|p| {
            json!({
                "stage": p.view.name,
                "campaigns": p.view.campaigns,
                "policy": p.ready().map(|r| r.policy.manifest().named()),
                "settings": p.ready().map_or(0, own_settings),
            })
        })
        .collect();
    if global.json {
        output::json(&json!({"ok": true, "stages": stages}));
        return Ok(());
    }
    let mut table = output::table(&["Stage", "Campaigns", "Policy", "Settings of your own"]);
    for p in &policies {
        let policy = p.ready().map(|r| r.policy.manifest().named());
        table.add_row([
            p.view.name.clone(),
            if p.view.campaigns.is_empty() { "none: nothing to do".into() } else { p.view.campaigns.join(", ") },
            policy.unwrap_or_else(|| "none: its ads are only observed".into()),
            p.ready().map_or(0, own_settings).to_string(),
        ]);
    }
    output::line(&format!("The configuration is right.\n{table}"));
    Ok(())
}

/// Settings that the configuration makes: those that a policy brings along are its own.
fn own_settings(ready: &Ready) -> usize {
    let brought = &ready.policy.package().settings;
    ready.settings.iter().filter(|setting| !brought.contains(setting)).count()
}
