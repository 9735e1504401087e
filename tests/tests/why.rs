//! Why: what a person reads of every kind of decision, and of rules that did not fire. Snapshots.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::pipeline::{self, Options};
use dean_sim::Params;
use dean_tests::account::{TestAccount, registry};
use std::collections::BTreeMap;

type Said = BTreeMap<String, String>;

/// Runs an account for some days and keeps the first sentence of each kind of decision.
async fn live(account: &TestAccount, days: u32, said: &mut Said) {
    for _ in 0..days * 24 {
        let report = account.run(&Options::default()).await.unwrap();
        for d in &report.decisions {
            let rule = d.rule.as_deref().unwrap_or("no rule");
            let held = d.held.as_ref().map(|h| format!(", held by {}", h.by)).unwrap_or_default();
            let kind = format!("{}: {rule}: {}{held}", d.stage, d.done.verb);
            said.entry(kind).or_insert_with(|| format!("{}: {}", d.ad_name, d.why));
        }
        for b in &report.budgets {
            let held = b.held.as_ref().map(|h| format!(", held by {}", h.by)).unwrap_or_default();
            said.entry(format!("{}: budget: {}{held}", b.stage, b.rule)).or_insert_with(|| b.why.clone());
        }
        account.advance(1);
    }
}

/// An account with everything going on, after six days of hourly runs.
async fn lived(said: &mut Said) -> TestAccount {
    let settings = [("economics.cogs_per_purchase", 15.0.into()), ("stages.testing.daily_cap", 1_000.0.into())];
    let account = TestAccount::new(3, Params::default(), &settings).await.unwrap();
    live(&account, 6, said).await;
    account
}

/// An account with small allowances and weak ads, so that much is paused and some of it comes back, and
/// whose limits are tight.
async fn tight(said: &mut Said) {
    let mut settings = vec![
        ("economics.cogs_per_purchase", 15.0.into()),
        ("stages.testing.daily_cap", 1_000.0.into()),
        ("stages.validation.daily_cap", 500.0.into()),
        ("guard.max_spend_share_per_run", 0.05.into()),
        ("guard.min_live_ads", 3.into()),
        ("guard.cooldown_hours", 30.0.into()),
        ("rules.scaling.refresh.good_days", 2.into()),
        ("rules.scaling.duplicate.purchases", 2.into()),
    ];
    for tier in
        ["multi_add_to_cart", "two_add_to_carts", "one_add_to_cart", "high_ctr", "good_ctr", "decent_ctr", "poor"]
    {
        settings.push((Box::leak(format!("rules.testing.tiers.{tier}").into_boxed_str()), 60.0.into()));
    }
    let params = Params { ctr: 0.006, cvr: 0.02, ..Params::default() };
    let account = TestAccount::new(5, params, &settings).await.unwrap();
    live(&account, 9, said).await;
}

#[tokio::test]
async fn every_kind_of_decision_has_its_sentence() {
    let mut said = Said::new();
    let account = lived(&mut said).await;
    tight(&mut said).await;
    let text: Vec<String> = said.iter().map(|(kind, why)| format!("{kind}\n    {why}")).collect();
    insta::assert_snapshot!("decisions", text.join("\n"));

    let report = account.run(&Options { dry_run: true, ..Options::default() }).await.unwrap();
    let mut rules = Vec::new();
    for stage in ["testing", "validation", "scaling"] {
        let held = report.decisions.iter().find(|d| d.stage == stage && d.rule.is_none() && d.why.contains("next is"));
        let Some(held) = held else { continue };
        let id = account.client.account_id();
        let explained =
            pipeline::explain(&account.store, registry(), id, &held.ad_id, Some(&report.run_id)).await.unwrap();
        rules.push(format!("{stage}: {}", held.why));
        rules.extend(explained.rules.iter().map(|rule| format!("    {}", rule.why)));
    }
    insta::assert_snapshot!("rules", rules.join("\n"));
}
