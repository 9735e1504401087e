//! Unknown keys and values out of their bounds, found before anything runs.

use super::error::ConfigError;
use super::schema::Config;
use super::tree::{Node, Origin};
use serde_json::Value;

/// Refuses every key that nothing reads, each with the nearest known one.
pub(super) fn known_keys(tree: &Node) -> Result<(), ConfigError> {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap_or_default();
    let mut errors = Vec::new();
    walk(tree, &schema, &schema, "", &mut errors);
    ConfigError::from_many(errors).map_or(Ok(()), Err)
}

fn walk(node: &Node, schema: &Value, root: &Value, prefix: &str, errors: &mut Vec<ConfigError>) {
    let Node::Table(table, _) = node else { return };
    let schema = resolve(schema, root);
    let properties = schema["properties"].as_object();
    let others = &schema["additionalProperties"];
    for (key, child) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match properties.and_then(|p| p.get(key)) {
            Some(inner) => walk(child, inner, root, &path, errors),
            // A map, such as stages by name, or the open subtree of rules.
            None if others.is_object() => walk(child, others, root, &path, errors),
            None if others == &Value::Bool(true) || schema == &Value::Bool(true) => {}
            None => {
                let known = properties.into_iter().flatten().map(|(name, _)| name);
                let best = known.map(|name| (strsim::osa_distance(key, name), name)).min();
                let near = best.filter(|(distance, name)| *distance <= 2.max(name.len() / 3));
                let dotted = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
                errors.push(ConfigError::UnknownKey {
                    origin: child.origin().clone(),
                    key: path,
                    nearest: near.map(|(_, name)| dotted(name)),
                });
            }
        }
    }
}

/// Follows `$ref` and the `anyOf` that an optional value has.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return resolve(&root["$defs"][name], root);
    }
    schema
}

/// Values that have a type but make no sense.
pub(super) fn values(tree: &Node, config: &Config) -> Result<(), ConfigError> {
    let mut errors = Vec::new();
    let mut require = |holds: bool, key: &str, message: &str, hint: &str| {
        if !holds {
            let origin = tree.at(key).map_or(Origin::Default, |node| node.origin().clone());
            errors.push(ConfigError::Value { origin, key: key.into(), message: message.into(), hint: hint.into() });
        }
    };
    let share = |value: f64| value > 0.0 && value <= 1.0;
    let positive = |value: Option<f64>| value.is_none_or(|v| v.is_finite() && v > 0.0);
    let guard = &config.guard;
    require(
        guard.cooldown_hours >= 0.0 && guard.cooldown_hours <= 24.0 * 30.0,
        "guard.cooldown_hours",
        "has to be 0 to 720",
        "",
    );
    require(
        share(guard.max_spend_share_per_run),
        "guard.max_spend_share_per_run",
        "has to be above 0 and at most 1",
        "0.3 is 30 %",
    );
    require(
        guard.max_spend_share_per_day.is_none_or(share),
        "guard.max_spend_share_per_day",
        "has to be above 0 and at most 1",
        "0.6 is 60 %; leave it out for twice that of a run",
    );
    require(
        guard.max_attribution_gap.is_finite() && guard.max_attribution_gap >= 0.0,
        "guard.max_attribution_gap",
        "has to be at least 0",
        "0.25 is 25 % more than the shop sold",
    );
    require(
        positive(guard.approve_above),
        "guard.approve_above",
        "has to be above 0",
        "leave it out to ask for nothing",
    );
    require(guard.last_ad_confidence >= 0.0, "guard.last_ad_confidence", "has to be at least 0", "0.9 is 90 % sure");
    require(share(guard.learning_step), "guard.learning_step", "has to be above 0 and at most 1", "0.2 is 20 %");
    require(guard.max_daily_rise > 0.0, "guard.max_daily_rise", "has to be above 0", "2 is +200 %");
    require(
        positive(guard.account_daily_cap),
        "guard.account_daily_cap",
        "has to be above 0",
        "leave it out for no cap",
    );
    require(
        guard.stop_cpa_ratio >= 1.0,
        "guard.stop_cpa_ratio",
        "has to be at least 1",
        "1.5 is half above break-even",
    );
    require(
        guard.stop_min_purchases > 0.0,
        "guard.stop_min_purchases",
        "has to be above 0",
        "3 waits for the spend of three purchases at break-even",
    );
    require(
        (1..=30).contains(&guard.stop_days_without_purchase),
        "guard.stop_days_without_purchase",
        "has to be 1 to 30",
        "",
    );
    require(guard.promotion_timeout_hours >= 1.0, "guard.promotion_timeout_hours", "has to be at least 1", "");
    require(!guard.kill_switch_file.is_empty(), "guard.kill_switch_file", "is empty", "name a file, such as STOP");
    require(
        positive(config.economics.breakeven_cpa),
        "economics.breakeven_cpa",
        "has to be above 0",
        "leave it out to have it computed",
    );
    require(config.economics.cogs_per_purchase >= 0.0, "economics.cogs_per_purchase", "has to be at least 0", "");
    let canary = &config.policies.canary;
    require(
        !canary.steps.is_empty() && canary.steps.iter().all(|step| *step > 0.0 && *step <= 1.0),
        "policies.canary.steps",
        "has to be shares above 0 and at most 1",
        "0.1 is 10 % of the ads",
    );
    let risen = canary.steps.windows(2).all(|pair| pair[0] < pair[1]);
    require(risen, "policies.canary.steps", "has to rise from step to step", "[0.1, 0.25, 0.5]");
    require((1..=30).contains(&canary.step_days), "policies.canary.step_days", "has to be 1 to 30", "");
    for (key, value) in [("withdraw_above", canary.withdraw_above), ("widen_below", canary.widen_below)] {
        let key = format!("policies.canary.{key}");
        require((0.0..=1.0).contains(&value), &key, "is a probability: 0 to 1", "0.95 is 95 %");
    }
    require((100..=600_000).contains(&config.limits.deadline_ms), "limits.deadline_ms", "has to be 100 to 600000", "");
    let instructions = (1..=10_000_000).contains(&config.limits.million_instructions);
    require(instructions, "limits.million_instructions", "has to be 1 to 10000000", "50000 is more than two seconds");
    require((16..=2_048).contains(&config.limits.memory_mib), "limits.memory_mib", "has to be 16 to 2048", "");
    require((0.0..=1.0).contains(&config.ml.learning_rate), "ml.learning_rate", "has to be 0 to 1", "");
    require((0.0..=1.0).contains(&config.ml.confidence_threshold), "ml.confidence_threshold", "has to be 0 to 1", "");
    let report_times = ["impression", "conversion", "mixed"];
    require(
        report_times.contains(&config.attribution.report_time.as_str()),
        "attribution.report_time",
        "has to be impression, conversion or mixed",
        "",
    );
    let windows = ["1d_click", "7d_click", "28d_click", "1d_ev", "1d_view"];
    let served = config.attribution.windows.iter().all(|w| windows.contains(&w.as_str()));
    require(
        served && !config.attribution.windows.is_empty(),
        "attribution.windows",
        "has to be a list of 1d_click, 7d_click, 28d_click, 1d_ev, 1d_view",
        "",
    );
    let digits = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    let account = config.account.id.as_deref().is_none_or(|id| digits(id.trim().trim_start_matches("act_")));
    require(account, "account.id", "has to be digits, with or without act_ before them", "Ads Manager shows it");
    let url = ["http://", "https://"].iter().any(|scheme| config.api.url.starts_with(scheme));
    require(url, "api.url", "has to begin with http:// or https://", "leave it out for Meta's own");
    let version = config.api.version.strip_prefix('v').is_some_and(|v| v.split('.').all(|n| n.parse::<u32>().is_ok()));
    require(version, "api.version", "has to look like v26.0", "");

    let ids = [
        ("testing_campaign_id", &config.ids.testing_campaign_id),
        ("testing_adset_id", &config.ids.testing_adset_id),
        ("validation_campaign_id", &config.ids.validation_campaign_id),
        ("scaling_campaign_id", &config.ids.scaling_campaign_id),
    ];
    const ID_HINT: &str = "Ads Manager shows it in the column \"Campaign ID\" or \"Ad set ID\"";
    for (name, id) in ids {
        require(id.as_deref().is_none_or(digits), &format!("ids.{name}"), "has to be digits", ID_HINT);
    }

    let stages = config.stages();
    let shipped = Config::default().stages();
    for stage in &stages {
        let key = |name: &str| format!("stages.{}.{name}", stage.name);
        let own = config.stages.get(&stage.name).map(|own| own.campaigns.as_slice()).unwrap_or_default();
        require(
            own.iter().all(|id| digits(id)),
            &key("campaigns"),
            "has to be a list of ids, which are digits",
            ID_HINT,
        );
        // A stage that has neither is a name that somebody mistyped.
        if stage.campaigns.is_empty() && stage.policy.is_none() && !shipped.iter().any(|s| s.name == stage.name) {
            let near = shipped.iter().map(|s| (strsim::osa_distance(&s.name, &stage.name), &s.name)).min();
            let hint = match near {
                Some((distance, name)) if distance <= 3 => format!("did you mean stages.{name}?"),
                _ => "give it campaigns and a policy".into(),
            };
            let message = "has neither a campaign nor a policy, and is none of the shipped stages";
            require(false, &format!("stages.{}", stage.name), message, &hint);
        }
        require(positive(stage.daily_cap), &key("daily_cap"), "has to be above 0", "");
        require(
            stage.min_budget > 0.0 && stage.min_budget <= stage.max_budget,
            &key("min_budget"),
            "has to be above 0 and at most max_budget",
            "",
        );
        let next_exists = stage.next.as_ref().is_none_or(|next| stages.iter().any(|s| &s.name == next));
        require(next_exists, &key("next"), "names a stage that there is none of", "");
        let mut line = vec![stage.name.as_str()];
        while let Some(next) = stages.iter().find(|s| s.name == line[line.len() - 1]).and_then(|s| s.next.as_deref()) {
            if line.contains(&next) {
                break;
            }
            line.push(next);
        }
        let last = stages.iter().find(|s| s.name == line[line.len() - 1]);
        let circles = last.and_then(|s| s.next.as_ref()) == Some(&stage.name);
        // Of the stages of a circle those are told whose key somebody set.
        require(
            !circles || tree.at(&key("next")).is_none(),
            &key("next"),
            "leads back to the stage itself",
            "promotions go one way",
        );
        let digest = stage.policy_sha256.as_deref();
        let is_digest = digest.is_none_or(|d| dean_policy::Digest::parse(d).is_some());
        require(
            is_digest,
            &key("policy_sha256"),
            "has to be 64 hexadecimal digits",
            "`dean policy check FILE` prints it",
        );
    }
    // One campaign in two stages would give its ads two masters.
    for (i, stage) in stages.iter().enumerate() {
        for other in &stages[i + 1..] {
            if let Some(both) = stage.campaigns.iter().find(|c| other.campaigns.contains(c)) {
                let message = format!("holds campaign {both}, which stage {} holds too", other.name);
                let id = format!("ids.{}_campaign_id", stage.name);
                let list = format!("stages.{}.campaigns", stage.name);
                let key = if tree.at(&id).is_some() { id } else { list };
                require(false, &key, &message, "a campaign belongs to one stage");
            }
        }
    }
    ConfigError::from_many(errors).map_or(Ok(()), Err)
}
