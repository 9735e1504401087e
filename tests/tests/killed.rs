//! The program itself, killed (SIGKILL) at any moment of a run: the runs after it find out what happened.
//!
//! `DEAN_SOAK=1` kills it fifty times in place of six.

// A test that unwraps says what it expects by failing.
#![allow(clippy::unwrap_used)]

use dean::store::SqliteStore;
use dean_sim::Params;
use dean_tests::account::TestAccount;
use dean_tests::ends::{Compared, End};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const QUIET_RUNS: usize = 8;

/// The program beside this test's own.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("dean");
    assert!(program.is_file(), "{} is not there: run `cargo build` first", program.display());
    program
}

/// An account in a server, and a folder in which the program runs it.
struct Killed {
    account: TestAccount,
    folder: TempDir,
    begun: Timestamp,
}

impl Killed {
    async fn begin() -> Self {
        let params = Params { ads: 16, history_days: 8, ..Params::default() };
        let account = TestAccount::new(104, params, &[]).await.unwrap();
        let campaign = |stage| account.server.graph().world().campaign(stage).to_string();
        let text = format!(
            "[ids]\ntesting_campaign_id = \"{}\"\nvalidation_campaign_id = \"{}\"\nscaling_campaign_id = \"{}\"\n\
             [ml]\nmode = false\n[guard]\nmin_live_ads = 0\nmax_spend_share_per_run = 1.0\n\
             [rules.testing.promote]\nadd_to_carts = 1\ncost_per_add_to_cart = 1000.0\nctr = 0.0\n\
             [rules.testing.reinvest]\ndaily_budget = 0.0\n[rules.validation.reinvest]\nlargest_step = 0.0\nleast_step = 0.0\n\
             [stages.testing]\ndaily_cap = 100000.0\n[stages.validation]\ndaily_cap = 100000.0\n\
             [stages.scaling]\ndaily_cap = 100000.0\n",
            campaign(dean_sim::Stage::Testing),
            campaign(dean_sim::Stage::Validation),
            campaign(dean_sim::Stage::Scaling),
        );
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(folder.path().join("config/dean.toml"), text).unwrap();
        let begun = account.clock.now();
        Killed { account, folder, begun }
    }

    /// Starts the n-th run, a quarter of an hour after the one before.
    fn start(&self, run: usize) -> Child {
        let now = self.begun.saturating_add(SignedDuration::from_mins(15 * run as i64)).unwrap();
        let mut command = Command::new(program());
        for variable in dean::config::VARIABLES {
            command.env_remove(variable.name);
        }
        command
            .current_dir(self.folder.path())
            .env("META_GRAPH_URL", self.account.server.url())
            .env("META_API_VERSION", "v26.0")
            .env("FB_AD_ACCOUNT_ID", self.account.client.account_id())
            .env("FB_ACCESS_TOKEN", "token")
            .env("FB_APP_SECRET", "secret")
            .args(["--json", "run", "--now", &now.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Makes a run to its end.
    async fn run(&self, run: usize) {
        let child = self.start(run);
        let ended = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    async fn end(&self) -> End {
        let store = SqliteStore::open(&self.folder.path().join("data")).unwrap();
        End::of(&self.account.plain_client(), &store).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_nothing_twice_nothing_lost_and_nothing_unknown() {
    let kills = if std::env::var_os("DEAN_SOAK").is_some() { 50 } else { 6 };
    let whole = Killed::begin().await;
    let started = Instant::now();
    for run in 0..QUIET_RUNS {
        whole.run(run).await;
    }
    // A first run compiles the policies and is the longest.
    let longest = started.elapsed() / QUIET_RUNS as u32 * 2;
    let whole = whole.end().await;
    let (mut compared, mut killed) = (Compared::default(), 0);
    for kill in 0..kills {
        let killing = Killed::begin().await;
        // Kills lie evenly over the first two runs.
        for run in 0..2 {
            let mut child = killing.start(run);
            if run == kill % 2 {
                tokio::time::sleep(longest * (kill as u32 + 1) / kills as u32).await;
                killed += usize::from(child.try_wait().unwrap().is_none());
                child.kill().unwrap();
            }
            child.wait().unwrap();
        }
        for run in 2..QUIET_RUNS {
            killing.run(run).await;
        }
        compared.add(&killing.end().await.held_against(&whole, &format!("kill {kill}")));
    }
    println!("{kills} processes, {killed} killed under way: {compared:?}");
    assert!(killed * 3 >= kills, "{killed} of {kills} were under way");
    assert!(compared.alike > 10 * kills, "{compared:?}");
}
