//! A simulated account behind the Graph API, and the program in a folder of its own.

// Each test uses what it needs of it.
#![allow(dead_code, missing_docs, unreachable_pub)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A simulated account with a folder in which it is run.
pub struct Walk {
    /// The server.
    pub server: Child,
    /// What the simulated account said of itself.
    pub facts: Value,
    /// Where the program is started.
    pub folder: TempDir,
}

impl Drop for Walk {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The program, without what this machine's environment says.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dean"));
    command.current_dir(folder);
    for variable in dean::config::VARIABLES {
        command.env_remove(variable.name);
    }
    command
}

impl Walk {
    /// Starts the server and writes a configuration.
    pub fn begin() -> Self {
        let folder = TempDir::new().unwrap();
        let serve = ["--json", "sim", "serve", "--ads", "30", "--seed", "3"];
        let mut server = program(folder.path()).args(serve).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let facts: Value = serde_json::from_str(&ready).unwrap();
        let id = |stage: &str| facts["campaigns"][stage].as_str().unwrap();
        let ids = format!(
            "[ids]\ntesting_campaign_id = \"{}\"\nvalidation_campaign_id = \"{}\"\nscaling_campaign_id = \"{}\"\n",
            id("testing"),
            id("validation"),
            id("scaling"),
        );
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(folder.path().join("config/dean.toml"), ids).unwrap();
        Walk { server, facts, folder }
    }

    /// One document of the program, and its exit code.
    pub fn dean(&self, arguments: &[&str]) -> (i32, Value) {
        self.dean_of(&self.facts, arguments)
    }

    /// The same with other facts.
    pub fn dean_of(&self, facts: &Value, arguments: &[&str]) -> (i32, Value) {
        let fact = |name: &str| facts[name].as_str().unwrap();
        let variables = [
            ("META_GRAPH_URL", fact("url")),
            ("META_API_VERSION", fact("api_version")),
            ("FB_AD_ACCOUNT_ID", fact("account")),
            ("FB_ACCESS_TOKEN", fact("token")),
            ("FB_APP_SECRET", fact("app_secret")),
        ];
        let output = program(self.folder.path()).envs(variables).arg("--json").args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {stderr}"));
        (output.status.code().unwrap(), document)
    }

    /// The same with another account configured, which the token may not see.
    pub fn elsewhere(&self, arguments: &[&str]) -> (i32, Value) {
        let mut facts = self.facts.clone();
        facts["account"] = json!("act_42");
        self.dean_of(&facts, arguments)
    }

    /// The document of a command that succeeds.
    pub fn done(&self, arguments: &[&str]) -> Value {
        let (code, document) = self.dean(arguments);
        assert_eq!(code, 0, "{arguments:?}: {document}");
        document
    }

    /// Hours pass; the moment that it is then.
    pub fn advance(&self, hours: u64) -> String {
        let state = self.door("POST /sim/advance", &json!({"hours": hours}).to_string());
        state["now"].as_str().unwrap().into()
    }

    /// A request to the simulator's own doors, which answers JSON.
    pub fn door(&self, request: &str, body: &str) -> Value {
        serde_json::from_str(&self.text(request, body)).unwrap()
    }

    /// The same as text.
    pub fn text(&self, request: &str, body: &str) -> String {
        let address = self.facts["url"].as_str().unwrap().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!("{request} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 OK"), "{answer}");
        answer.split("\r\n\r\n").nth(1).unwrap().into()
    }
}
