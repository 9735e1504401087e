//! What a person sees when something is wrong: one clear message with how to mend it, the right exit
//! code, nothing written. Each case is set up in a folder of its own; the messages are snapshots.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program in a folder without any of this machine's variables for it.
fn dean(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dean"));
    command.current_dir(folder).args(arguments);
    for variable in dean::config::VARIABLES {
        command.env_remove(variable.name);
    }
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

const ACCOUNT: [(&str, &str); 3] = [
    ("FB_AD_ACCOUNT_ID", "act_1"),
    ("FB_ACCESS_TOKEN", "a-secret-token"),
    // Nothing listens on the discard port of this machine.
    ("META_GRAPH_URL", "http://127.0.0.1:9"),
];

/// Refused with a code; stderr is the snapshot.
fn refused(name: &str, files: &[(&str, &[u8])], variables: &[(&str, &str)], arguments: &[&str], code: i32) {
    let folder = folder(files);
    let said = dean(folder.path(), variables, arguments);
    assert_eq!(said.code, code, "{name}: {}", said.stderr);
    assert_eq!(said.stdout, "", "{name}: data is all that stdout carries");
    assert!(!said.stderr.contains("a-secret-token"), "{name}: a secret is never shown");
    insta::assert_snapshot!(name, said.stderr);
}

#[test]
fn malformed_toml() {
    refused(
        "malformed_toml",
        &[("config/dean.toml", b"[guard]\ncooldown_hours = = 3\n")],
        &[],
        &["config", "check"],
        2,
    );
}

#[test]
fn an_unknown_key() {
    let file = b"[guard]\ncooldown_hour = 3\n\n[stages.testing]\npolcy = \"testing\"\n";
    refused("unknown_key", &[("config/dean.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn an_unknown_rule() {
    let file = b"[testing.tiers]\npoor = 90.0\n\n[testing.quick_kil]\nspend = 30\n";
    refused("unknown_rule", &[("config/rules.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn a_setting_out_of_bounds() {
    let file = b"[testing.tiers]\npoor = 170.0\n\n[scaling.scale_up]\nstrong_step = 50.0\n\n[testing.quick_kill]\nctr = 0.1\nspend = -1.0\n";
    refused("out_of_bounds", &[("config/rules.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn a_value_of_another_type() {
    refused(
        "another_type",
        &[("config/dean.toml", b"[guard]\nmin_live_ads = \"one\"\n")],
        &[],
        &["config", "check"],
        2,
    );
}

#[test]
fn a_campaign_of_two_stages() {
    let file = b"[ids]\ntesting_campaign_id = \"7\"\nscaling_campaign_id = \"7\"\n";
    refused("two_stages", &[("config/dean.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn a_client_that_has_no_file() {
    refused("no_client", &[("config/clients/acme.toml", b"")], &[], &["--client", "acne", "config", "check"], 2);
}

#[test]
fn a_variable_that_is_no_number() {
    refused("no_number", &[], &[("BREAKEVEN_CPA", "27,50")], &["config", "check"], 2);
}

#[test]
fn a_missing_credential() {
    refused("no_account", &[], &[], &["run", "--dry-run"], 2);
    refused("no_token", &[], &[("FB_AD_ACCOUNT_ID", "act_1")], &["run", "--dry-run"], 2);
}

#[test]
fn a_policy_that_is_no_component_is_found_before_it_takes_its_stage_out() {
    let files: [(&str, &[u8]); 2] =
        [("config/dean.toml", b"[stages.testing]\npolicy = \"own.wasm\"\n"), ("config/own.wasm", b"#!/bin/sh\n")];
    refused("no_component", &files, &ACCOUNT, &["config", "check"], 2);
}

#[test]
fn a_policy_that_differs_from_its_pin() {
    let pin = format!("[stages.testing]\npolicy_sha256 = \"{}\"\n", "0".repeat(64));
    let folder = folder(&[("config/dean.toml", pin.as_bytes())]);
    let said = dean(folder.path(), &ACCOUNT, &["config", "check"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains(&format!("but {} is pinned", "0".repeat(64))), "{}", said.stderr);
}

#[test]
fn a_policy_that_is_not_there_or_decides_for_another_stage() {
    let missing = b"[stages.testing]\npolicy = \"gone.wasm\"\n";
    refused("policy_gone", &[("config/dean.toml", missing)], &ACCOUNT, &["config", "check"], 2);
    let other = b"[stages.testing]\npolicy = \"scaling\"\n";
    refused("policy_of_another_stage", &[("config/dean.toml", other)], &ACCOUNT, &["config", "check"], 2);
}

#[test]
fn a_stage_that_nobody_knows() {
    let file = b"[stages.scalling]\ndaily_cap = 50.0\n";
    refused("unknown_stage", &[("config/dean.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn promotions_in_a_circle() {
    let file = b"[stages.scaling]\nnext = \"testing\"\n\n[stages.own]\ncampaigns = [\"7\"]\nnext = \"own\"\n";
    refused("circle", &[("config/dean.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn ids_that_were_not_filled_in() {
    let file =
        b"[ids]\nscaling_campaign_id = \"YOUR_SCALING_CAMPAIGN\"\n\n[stages.testing]\ncampaigns = [\"spring\"]\n";
    refused("placeholder_ids", &[("config/dean.toml", file)], &[], &["config", "check"], 2);
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let damaged = b"SQLite format 3\0 and then something else altogether, much shorter than a page";
    let folder = folder(&[("data/dean.sqlite", damaged)]);
    let said = dean(folder.path(), &ACCOUNT, &["run", "--dry-run"]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    insta::assert_snapshot!("damaged_database", said.stderr);
    assert_eq!(std::fs::read(folder.path().join("data/dean.sqlite")).unwrap(), damaged);
}

#[test]
fn a_server_that_does_not_answer() {
    let folder = folder(&[]);
    let said = dean(folder.path(), &ACCOUNT, &["--json", "doctor"]);
    assert_eq!(said.code, 1);
    let findings: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let account = findings.as_array().unwrap().iter().find(|f| f["check"] == "account").unwrap();
    assert_eq!(account["level"], "problem");
    assert!(account["message"].as_str().unwrap().contains("no connection to 127.0.0.1"));
}

#[test]
fn a_moment_that_is_none() {
    refused("no_moment", &[], &ACCOUNT, &["run", "--dry-run", "--now", "yesterday"], 2);
}

#[test]
fn a_stage_that_is_none() {
    refused("no_stage", &[], &ACCOUNT, &["run", "--dry-run", "--stage", "testin"], 2);
}

#[test]
fn an_error_with_json_is_a_document() {
    let folder = folder(&[]);
    let said = dean(folder.path(), &[], &["--json", "run"]);
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, document["error"]["exit_code"].as_i64()), (2, Some(2)));
}

#[test]
fn the_shipped_configuration_is_right_and_says_where_values_come_from() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let shipped = shipped.to_str().unwrap();
    let folder = folder(&[]);
    for layers in [
        &[][..],
        &["--profile", "production"],
        &["--client", "example"],
        &["--profile", "production", "--client", "example"],
    ] {
        let mut arguments = vec!["--config", shipped, "config", "check"];
        arguments.extend(layers);
        let said = dean(folder.path(), &[], &arguments);
        assert_eq!(said.code, 0, "{layers:?}: {}", said.stderr);
    }
    let said = dean(
        folder.path(),
        &[("COGS_PER_PURCHASE", "15"), ("FB_ACCESS_TOKEN", "a-secret-token")],
        &["--config", shipped, "--client", "example", "--json", "config", "show"],
    );
    assert!(!said.stdout.contains("a-secret-token"));
    let shown: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let origin = |key: &str| {
        let values = shown["values"].as_array().unwrap();
        values.iter().find(|v| v["key"] == key).unwrap()["origin"].as_str().unwrap().to_string()
    };
    assert_eq!(origin("economics.cogs_per_purchase"), "COGS_PER_PURCHASE");
    assert!(origin("rules.thresholds.cpa.testing_max").contains("clients/example.toml:"));
    assert!(origin("rules.thresholds.roas.testing_min").contains("rules.toml:"));
    assert_eq!(shown["secrets_set"]["FB_ACCESS_TOKEN"], true);
}

#[test]
fn the_rules_file_holds_the_policies_own_defaults() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let folder = folder(&[]);
    let config = dean(folder.path(), &[], &["--config", shipped.to_str().unwrap(), "--json", "config", "show"]);
    let config: serde_json::Value = serde_json::from_str(&config.stdout).unwrap();
    let values = config["values"].as_array().unwrap();
    for stage in ["testing", "validation", "scaling"] {
        let policy = dean(folder.path(), &[], &["--json", "policy", "show", stage]);
        let policy: serde_json::Value = serde_json::from_str(&policy.stdout).unwrap();
        let params = policy["params"].as_array().unwrap();
        assert!(params.len() > 15);
        for param in params {
            let path = param["path"].as_str().unwrap();
            let key = match path.split('.').next() {
                Some("thresholds") => format!("rules.{path}"),
                Some("ml") => path.to_string(),
                _ => format!("rules.{stage}.{path}"),
            };
            let shown = values.iter().find(|v| v["key"] == key.as_str());
            let shown = shown.unwrap_or_else(|| panic!("rules.toml does not show {key}"));
            assert_eq!(shown["value"].as_f64(), param["kind"]["number"]["default"].as_f64(), "{key}");
        }
    }
}

#[test]
fn metrics_are_listed_and_an_unknown_one_has_its_nearest() {
    let folder = folder(&[]);
    let said = dean(folder.path(), &[], &["--json", "metrics"]);
    let listed: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let names: Vec<&str> = listed["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    for name in
        ["spend_today", "ctr_7d", "cpa_lifetime", "roas_d14", "frequency_7d", "spend_in_stage", "p_cpa_above_target"]
    {
        assert!(names.contains(&name), "{name}");
    }
    let said = dean(folder.path(), &[], &["metrics", "ctr_7dd"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("did you mean ctr_7d?"), "{}", said.stderr);
}

#[test]
fn models_are_listed_with_what_is_possible_and_a_version_of_ones_own_is_chosen_and_taken_back() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let manifest = std::fs::read_to_string(models.join("trend.json")).unwrap();
    let manifest = manifest.replacen("\"version\": \"1\"", "\"version\": \"mine-1\"", 1);
    let file = std::fs::read(models.join("trend.onnx")).unwrap();
    let folder = folder(&[("mine.onnx", &file), ("mine.json", manifest.as_bytes()), ("cut.onnx", &file[..900])]);
    let model = |arguments: &[&str]| dean(folder.path(), &[("COLUMNS", "140")], &[&["model"], arguments].concat());
    insta::assert_snapshot!("models", model(&["list"]).stdout);

    assert_eq!(model(&["check", "mine.onnx"]).code, 0);
    let imported = model(&["import", "mine.onnx"]).stdout;
    assert!(imported.contains("`dean model activate trend@mine-1` lets it score"), "{imported}");
    let active = || {
        let listed = dean(folder.path(), &[], &["--json", "model", "list"]).stdout;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let versions =
            listed["models"].as_array().unwrap().iter().filter(|m| m["model"] == "trend" && m["active"] == true);
        versions.map(|m| m["version"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(active(), ["1"], "an import does not score yet");
    assert_eq!(model(&["activate", "trend@mine-1"]).code, 0);
    assert_eq!(active(), ["mine-1"]);
    assert_eq!(model(&["rollback", "trend"]).code, 0);
    assert_eq!(active(), ["1"]);

    // A file without a manifest is wrong usage; one that does not fit fails and changes nothing.
    let said = model(&["import", "cut.onnx"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("the manifest lies beside the ONNX file"), "{}", said.stderr);
    std::fs::write(folder.path().join("cut.json"), manifest).unwrap();
    let said = model(&["import", "cut.onnx"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("the manifest is of another file"), "{}", said.stderr);
    assert_eq!(model(&["activate", "trend@mine-2"]).code, 1);
    assert_eq!(active(), ["1"]);
}

#[test]
fn in_the_background_a_run_that_fails_is_told_and_the_end_is_asked_for() {
    let folder = folder(&[]);
    // Without a token no run can begin.
    let mut child = Command::new(env!("CARGO_BIN_EXE_dean"))
        .current_dir(folder.path())
        .env_clear()
        .env("FB_AD_ACCOUNT_ID", "act_1")
        .args(["run", "--background", "--every", "30m"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("FB_ACCESS_TOKEN"), "{told}");
    assert!(child.try_wait().unwrap().is_none(), "it waits for the next run");
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let said = dean(folder.path(), &ACCOUNT, &["run", "--background", "--every", "1m"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--every has to be"), "{}", said.stderr);
}

#[test]
fn the_demo_runs_by_the_rules_that_it_is_given() {
    let profit = |files: &[(&str, &[u8])]| {
        let folder = folder(files);
        let said = dean(folder.path(), &[], &["--json", "demo", "--worlds", "1", "--days", "3", "--ads", "20"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let demo: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let kept = &demo["daily_caps"];
        (demo["worlds"][0]["profit"]["dean"].as_f64().unwrap(), kept["testing"].as_f64(), kept["scaling"].as_f64())
    };
    let (plain, testing, scaling) = profit(&[]);
    assert_eq!((testing, scaling), (Some(1_000.0), Some(5_000.0)));
    let own = b"[stages.testing]\ndaily_cap = 77.0\n\n[guard]\nmin_live_ads = 1000\nlast_ad_confidence = 2.0\n";
    let (held, testing, scaling) = profit(&[("config/dean.toml", own)]);
    assert_eq!((testing, scaling), (Some(77.0), Some(5_000.0)));
    assert!((plain - held).abs() > 1.0, "under a guard that pauses nothing: {plain}, {held}");

    let wrong = folder(&[("config/rules.toml", b"[testing.quick_kil]\nspend = 30\n")]);
    let said = dean(wrong.path(), &[], &["demo", "--worlds", "1", "--days", "1"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
}
