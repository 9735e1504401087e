//! Policies swapped under a process that runs on, by somebody who writes files and somebody who types commands.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

mod walking;

use dean_policy::{Identity, Package, shipped};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use walking::{Walk, program};

/// A process in the background; ended with the test, whatever becomes of it.
struct Background {
    process: Child,
    said: std::io::Lines<BufReader<ChildStderr>>,
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Background {
    fn start(walk: &Walk) -> Self {
        let fact = |name: &str| walk.facts[name].as_str().unwrap();
        let mut process = program(walk.folder.path())
            .envs([("META_GRAPH_URL", fact("url")), ("FB_AD_ACCOUNT_ID", fact("account"))])
            .envs([("FB_ACCESS_TOKEN", fact("token")), ("FB_APP_SECRET", fact("app_secret"))])
            .args(["-v", "run", "--background", "--every", "24h", "--no-ml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap()).lines();
        Background { process, said }
    }

    /// Reads until a line says something.
    fn until(&mut self, what: &str) -> String {
        let mut all = Vec::new();
        for line in self.said.by_ref() {
            let line = line.unwrap();
            if line.contains(what) {
                return line;
            }
            all.push(line);
        }
        panic!("{what:?} was never said: {all:#?}");
    }
}

/// The shipped testing policy under another version.
fn version(version: &str) -> Vec<u8> {
    let stages = vec!["testing".to_string()];
    let identity = Identity { name: "testing".into(), version: version.into(), doc: "Another.".into(), stages };
    let package = Package { identity: Some(identity), ..Package::default() };
    package.put_into(shipped::find("testing").unwrap().bytes).unwrap()
}

fn write(file: &Path, bytes: &[u8]) {
    // Aside and renamed, as builds do it.
    let aside = file.with_extension("tmp");
    std::fs::write(&aside, bytes).unwrap();
    std::fs::rename(aside, file).unwrap();
}

#[test]
fn a_process_that_runs_on_takes_what_is_written_into_the_watched_folder() {
    let walk = Walk::begin();
    let config = walk.folder.path().join("config");
    let ids = std::fs::read_to_string(config.join("dean.toml")).unwrap();
    std::fs::write(config.join("dean.toml"), format!("{ids}[policies]\nwatch = \"dev\"\n")).unwrap();
    std::fs::create_dir(config.join("dev")).unwrap();
    let file = config.join("dev/testing.wasm");

    let mut background = Background::start(&walk);
    background.until("the next run begins");
    write(&file, &version("0.2.0"));
    let said = background.until("stage testing");
    assert!(said.contains("testing@0.2.0") && said.contains("in place of testing@0.1.0"), "{said}");
    write(&file, b"half a policy");
    let said = background.until("stage testing");
    assert!(said.contains("the chosen one cannot") && said.contains("not WebAssembly"), "{said}");
    write(&file, &version("0.3.0"));
    let said = background.until("stage testing: testing@0.3.0");
    assert!(said.contains("decides from the next run on"), "{said}");
    std::fs::write(config.join("rules.toml"), "[testing]\nno_such_key = 1\n").unwrap();
    write(&file, &version("0.4.0"));
    background.until("testing.no_such_key");
    background.until("the configuration and the policies that were good last go on");
    std::fs::remove_file(config.join("rules.toml")).unwrap();
    write(&file, &version("0.4.1"));
    background.until("stage testing: testing@0.4.1");
}

#[test]
fn an_activation_decides_from_the_next_run_on_and_is_taken_back() {
    let walk = Walk::begin();
    let folder = walk.folder.path();
    std::fs::write(folder.join("mine.wasm"), version("0.2.0")).unwrap();
    let decided = |walk: &Walk| {
        let now = walk.advance(1);
        let run = walk.done(&["run", "--now", &now]);
        let stage = &run["stages"][0];
        (stage["version"].as_str().unwrap().to_string(), stage["chosen"].as_str().unwrap().to_string())
    };
    assert_eq!(decided(&walk), ("0.1.0".into(), "shipped".into()));

    let keys = walk.done(&["policy", "keygen", "key"]);
    let trust = format!("[policies]\nrequire_signed = true\ntrusted_keys = [{}]\n", keys["key"]);
    let ids = std::fs::read_to_string(folder.join("config/dean.toml")).unwrap();
    std::fs::write(folder.join("config/dean.toml"), format!("{ids}{trust}")).unwrap();
    let (code, refused) = walk.dean(&["policy", "install", "mine.wasm"]);
    assert_eq!(code, 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("is not signed"), "{refused}");
    let signed = walk.done(&["policy", "sign", "mine.wasm", "--key", "key", "--serial", "4"]);
    assert_eq!(signed["statement"]["serial"], 4);
    assert_eq!(walk.done(&["policy", "verify", "mine.wasm"])["verified"], true);
    let installed = walk.done(&["policy", "install", "mine.wasm"]);
    assert_eq!((installed["version"].as_str(), installed["serial"].as_i64()), (Some("0.2.0"), Some(4)));

    let activated = walk.done(&["policy", "activate", "testing@0.2.0"]);
    assert_eq!(activated["decides_for"][0], "default/testing");
    let (version, chosen) = decided(&walk);
    assert_eq!(version, "0.2.0");
    assert!(chosen.starts_with("activated "), "{chosen}");
    let listed = walk.done(&["policy", "list"]);
    let mine = listed.as_array().unwrap().iter().find(|row| row["version"] == "0.2.0").unwrap();
    assert_eq!((&mine["from"], &mine["used_by"][0]), (&"installed".into(), &"testing".into()));
    let returned = walk.done(&["policy", "rollback"]);
    assert_eq!(returned["returned"][0]["to"], "testing@0.1.0");
    assert_eq!(decided(&walk).0, "0.1.0");
    assert_eq!(walk.dean(&["policy", "rollback"]).0, 2);
}

/// A registry of containers on this machine, for as long as it is held.
struct ContainerRegistry {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for ContainerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `name`, with the password `dean-test`, as htpasswd keeps it.
const PASSWORDS: &str = "name:$2a$04$Kf7WLWpRbwPST8RVrydQZe8Rh0ijIeIUhsr4OkMPaErg8Zgm/BrIq\n";

impl ContainerRegistry {
    /// Debian's docker-registry; nothing where it is not installed, unless everything is required.
    fn start(asks_who: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let root = folder.path().display();
        std::fs::write(folder.path().join("passwords"), PASSWORDS).unwrap();
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {root}/passwords\n");
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}\nhttp:\n  addr: {address}\n{}",
            if asks_who { auth } else { String::new() }
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = std::process::Command::new("docker-registry");
        let started = command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) if std::env::var_os("DEAN_REQUIRE_ALL").is_none() => {
                eprintln!("skipped: docker-registry: {error}");
                return None;
            }
            Err(error) => panic!("docker-registry: {error}"),
        };
        for _ in 0..200 {
            if std::net::TcpStream::connect(&address).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Some(ContainerRegistry { process, address, _folder: folder })
    }
}

#[test]
fn a_policy_travels_with_its_signature_through_a_registry_of_containers() {
    let Some(registry) = ContainerRegistry::start(false) else { return };
    let walk = Walk::begin();
    let folder = walk.folder.path();
    std::fs::write(folder.join("mine.wasm"), version("0.2.0")).unwrap();
    let key = walk.done(&["policy", "keygen", "key"])["key"].to_string();
    walk.done(&["policy", "sign", "mine.wasm", "--key", "key", "--serial", "9"]);
    let address = format!("oci://{}/policies/testing:0.2.0", registry.address);
    let pushed = walk.done(&["policy", "push", "mine.wasm", &address]);
    assert_eq!(pushed["signed"], true);
    let ids = std::fs::read_to_string(folder.join("config/dean.toml")).unwrap();
    let trust = format!("{ids}[policies]\nrequire_signed = true\ntrusted_keys = [{key}]\n");
    std::fs::write(folder.join("config/dean.toml"), trust).unwrap();
    let installed = walk.done(&["policy", "install", &address]);
    assert_eq!(installed["sha256"], pushed["sha256"], "the bytes are those that were pushed");
    assert_eq!((&installed["verified"], &installed["serial"]), (&true.into(), &9.into()));
    let (code, refused) = walk.dean(&["policy", "install", &address.replace("0.2.0", "9.9.9")]);
    assert_eq!(code, 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("check the repository and the tag"), "{refused}");
}

#[test]
fn a_registry_that_asks_who_is_told_by_the_environment() {
    let Some(registry) = ContainerRegistry::start(true) else { return };
    let walk = Walk::begin();
    std::fs::write(walk.folder.path().join("mine.wasm"), version("0.2.0")).unwrap();
    let address = format!("oci://{}/testing:1", registry.address);
    let (code, refused) = walk.dean(&["policy", "push", "mine.wasm", &address]);
    assert_eq!(code, 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("DEAN_REGISTRY_PASSWORD"), "{refused}");
    // Told to the registry that it is meant for, and to no other.
    let login = |host: &str| {
        let login = format!("DEAN_REGISTRY_HOST={host}\nDEAN_REGISTRY_USER=name\nDEAN_REGISTRY_PASSWORD=dean-test\n");
        std::fs::write(walk.folder.path().join(".env"), login).unwrap();
    };
    login("registry.example.com");
    assert_eq!(walk.dean(&["policy", "push", "mine.wasm", &address]).0, 2);
    login(&registry.address);
    walk.done(&["policy", "push", "mine.wasm", &address]);
    let installed = walk.done(&["policy", "install", &address]);
    assert_eq!(installed["signed"], false);
}

#[test]
fn an_address_is_asked_over_tls_or_on_this_machine_only() {
    let walk = Walk::begin();
    for (from, says) in [
        (
            "http://name:word@example.com/mine.wasm?token=word",
            "http://example.com/mine.wasm: it is not fetched from there",
        ),
        ("http://example.com/mine.wasm", "it is not fetched from there"),
        ("http://localhost@example.com/mine.wasm", "it is not fetched from there"),
        ("http://127.0.0.1.example.com/mine.wasm", "it is not fetched from there"),
        ("ftp://example.com/mine.wasm", "it is not fetched from there"),
        ("http://127.0.0.1:9/mine.wasm", "check the network"),
        ("oci://nothing at all", "it is no address of a registry"),
        ("gone.wasm", "No such file"),
    ] {
        let (code, refused) = walk.dean(&["policy", "install", from]);
        // Nobody there is a failure, everything else was asked wrongly.
        assert_eq!(code, if says == "check the network" { 1 } else { 2 }, "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(says), "{refused}");
    }
}

#[test]
fn somebody_with_nothing_but_the_program_writes_rules_that_decide() {
    let walk = Walk::begin();
    let folder = walk.folder.path();
    let created = walk.done(&["policy", "new", "no-carts"]);
    assert_eq!(created["files"][0], "no-carts/policy.toml");
    let tested = walk.done(&["policy", "test", "no-carts"]);
    assert_eq!((&tested["passed"], tested["untested"].as_array().unwrap().len()), (&true.into(), 0));

    // A mistake is told with its line and character.
    let written = std::fs::read_to_string(folder.join("no-carts/policy.toml")).unwrap();
    let wrong = written.replace("purchases_7d == 0", "purchase_7d == 0");
    std::fs::write(folder.join("no-carts/policy.toml"), wrong).unwrap();
    let (code, refused) = walk.dean(&["policy", "build", "no-carts"]);
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(code, 2);
    assert!(message.contains("no-carts/policy.toml:17: rules.0.when at character 40"), "{message}");
    assert!(message.contains("did you mean purchases_7d?"), "{message}");
    std::fs::write(folder.join("no-carts/policy.toml"), written).unwrap();

    walk.done(&["policy", "build", "no-carts"]);
    let key = walk.done(&["policy", "keygen", "key"])["key"].to_string();
    walk.done(&["policy", "sign", "no-carts.wasm", "--key", "key"]);
    let ids = std::fs::read_to_string(folder.join("config/dean.toml")).unwrap();
    let trust = format!("[policies]\nrequire_signed = true\ntrusted_keys = [{key}]\n");
    // Every ad that spent a euro in the week has to have sold: so that the simulated account has some that did not.
    let rules = "[rules.testing.params]\nwithout_purchase = 1.0\n";
    std::fs::write(folder.join("config/dean.toml"), format!("{ids}{trust}{rules}")).unwrap();
    walk.done(&["policy", "install", "no-carts.wasm"]);
    walk.done(&["policy", "activate", "no-carts@1.0.0"]);

    let now = walk.advance(1);
    let run = walk.done(&["run", "--dry-run", "--explain", "--now", &now]);
    assert_eq!(run["stages"][0]["policy"], "no-carts");
    let of_stage = |d: &&serde_json::Value| d["stage"] == "testing" && d["rule"] == "no-purchase";
    let decided: Vec<_> = run["decisions"].as_array().unwrap().iter().filter(of_stage).collect();
    assert!(!decided.is_empty(), "the rule found somebody");
    for decision in decided {
        let column = |name: &str| decision["columns"][name].as_f64();
        assert!(column("spend_7d") >= Some(1.0) && column("purchases_7d") == Some(0.0), "{decision}");
        assert!(decision["why"].as_str().unwrap().contains("No purchase in a week"), "{}", decision["why"]);
    }
    let replayed = walk.done(&["replay", "last"]);
    assert_eq!(replayed["equal"], true);
}
