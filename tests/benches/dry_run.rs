//! What a dry run costs as a whole process, against a server that answers from memory.
//!
//! `cargo build --release && cargo bench -p dean-tests --bench dry_run` prints, for 1,000 and 10,000
//! ads, the median wall time from process start and the peak memory: cold (no compiled policy, no
//! history in the store) and warm. What counts is the ratio between the two sizes, in one run.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use dean_sim::{Credentials, Graph, Method, Params, Request, Stage, World};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const WARM_RUNS: usize = 9;
const TOKEN: &str = "token";

type Answers = Arc<Mutex<HashMap<String, Bytes>>>;

struct Account {
    id: String,
    now: String,
    campaigns: [String; 3],
    url: String,
}

fn main() -> anyhow::Result<()> {
    let program = program()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    println!("{:>7} {:>10} {:>12} {:>12} {:>10}", "ads", "first (ms)", "median (ms)", "spread (ms)", "peak (MB)");
    let mut medians = Vec::new();
    for ads in [1_000, 10_000] {
        let account = runtime.block_on(serve(ads))?;
        let folder = tempfile::TempDir::new()?;
        configure(folder.path(), &account)?;
        // The first fills the server's memory as well as the store and the cache: it is shown, and
        // shown again with a server that has its answers ready.
        run(&program, folder.path(), &account)?;
        std::fs::remove_dir_all(folder.path().join("data"))?;
        let cold = run(&program, folder.path(), &account)?.0;
        // The first run on a store with history asks for less: another answer to make ready.
        run(&program, folder.path(), &account)?;
        let mut times = Vec::new();
        let mut peak = 0;
        for _ in 0..WARM_RUNS {
            let (time, memory) = run(&program, folder.path(), &account)?;
            times.push(time);
            peak = peak.max(memory);
        }
        times.sort();
        let median = times[WARM_RUNS / 2];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{ads:>7} {:>10.0} {:>12.0} {:>5.0}-{:<6.0} {:>10.0}",
            ms(cold),
            ms(median),
            ms(times[0]),
            ms(times[WARM_RUNS - 1]),
            peak as f64 / 1024.0
        );
        medians.push(median);
    }
    println!("10,000 ads take {:.1} times what 1,000 take", medians[1].as_secs_f64() / medians[0].as_secs_f64());
    Ok(())
}

/// The program: `DEAN_BIN`, or the one beside this benchmark's own build.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("DEAN_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let beside = own.ancestors().nth(2).map(|folder| folder.join("dean"));
    match beside.filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => anyhow::bail!("build the program first: cargo build --release"),
    }
}

/// A server that computes each answer once.
async fn serve(ads: usize) -> anyhow::Result<Account> {
    let world = World::new(1, Params { ads, history_days: 10, ..Params::default() });
    let campaign = |stage| world.campaign(stage).to_string();
    let campaigns = [campaign(Stage::Testing), campaign(Stage::Validation), campaign(Stage::Scaling)];
    let (id, now) = (world.account().to_string(), jiff::Timestamp::from_second(world.now())?.to_string());
    let credentials = Credentials { token: TOKEN.into(), app_secret: String::new() };
    let graph = Arc::new(Mutex::new(Graph::new(world, "v26.0", credentials)));
    let answers: Answers = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let base = url.clone();
    let router = axum::Router::new().fallback(move |uri: Uri| {
        let (graph, answers, base) = (graph.clone(), answers.clone(), base.clone());
        async move { answer(&graph, &answers, &base, &uri) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Account { id, now, campaigns, url })
}

fn answer(graph: &Mutex<Graph>, answers: &Answers, base: &str, uri: &Uri) -> (StatusCode, HeaderMap, Bytes) {
    let key = uri.to_string();
    let known = answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let body = known.unwrap_or_else(|| {
        let parsed = uri.query().map(|query| format!("http://x/?{query}")).unwrap_or_default();
        let parameters = parse(&parsed);
        let request = Request { method: Method::Get, path: uri.path().into(), parameters, base: base.into() };
        let body: Bytes = graph.lock().unwrap_or_else(PoisonError::into_inner).handle(&request).body.into();
        answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, body.clone());
        body
    });
    (StatusCode::OK, HeaderMap::new(), body)
}

fn parse(query: &str) -> Vec<(String, String)> {
    let query = query.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn configure(folder: &Path, account: &Account) -> anyhow::Result<()> {
    let [testing, validation, scaling] = &account.campaigns;
    let text = format!(
        "[ids]\ntesting_campaign_id = \"{testing}\"\nvalidation_campaign_id = \"{validation}\"\nscaling_campaign_id = \"{scaling}\"\n"
    );
    std::fs::create_dir_all(folder.join("config"))?;
    Ok(std::fs::write(folder.join("config/dean.toml"), text)?)
}

/// One process: its wall time, and its peak memory in kilobytes where the system tells.
fn run(program: &Path, folder: &Path, account: &Account) -> anyhow::Result<(Duration, u64)> {
    let started = Instant::now();
    let mut child = Command::new(program)
        .current_dir(folder)
        .args(["run", "--dry-run", "--json", "--now", &account.now])
        .env("META_GRAPH_URL", &account.url)
        .env("FB_AD_ACCOUNT_ID", &account.id)
        .env("FB_ACCESS_TOKEN", TOKEN)
        .env_remove("FB_APP_SECRET")
        .stdout(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    let ended = loop {
        // The kernel keeps the peak: the last look before the end has it.
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(peak);
        }
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    anyhow::ensure!(ended.success(), "the program ended with {ended}");
    Ok((started.elapsed(), peak))
}
