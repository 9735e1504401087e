//! The command line: one file a command, arguments in, text or `--json` out, no logic of its own.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or
//! configuration, 3 done in part.

mod apply;
mod approve;
mod background;
mod backtest;
mod config;
mod context;
mod demo;
mod doctor;
mod explain;
mod go_live;
mod gym;
mod import;
mod metrics;
mod model;
mod output;
mod policy;
mod queue;
mod record;
mod replay;
mod run;
mod sim;
mod train;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs Meta ad accounts by policy.
#[derive(Debug, Parser)]
#[command(name = "dean", version, about, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Folder of dean.toml, rules.toml, profiles/ and clients/
    #[arg(long, global = true, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Folder of the database and of everything else that is kept [env: DEAN_DATA_DIR] [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Lay profiles/NAME.toml over the configuration
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Lay clients/NAME.toml over the configuration
    #[arg(long, global = true, value_name = "NAME")]
    client: Option<String>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Log more to stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No colours, no progress bar
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run simulated accounts for some weeks and compare: needs no account
    Demo(demo::DemoArgs),
    /// Observe the account, decide, and do it: one run
    Run(run::RunArgs),
    /// Do what a dry run planned, save for what has changed since
    Apply(apply::ApplyArgs),
    /// Put back what a run changed, where it still is as the run left it
    Undo(apply::UndoArgs),
    /// What waits for a person's yes, and that yes
    Approve(approve::ApproveArgs),
    /// How what an observing stage would have done turned out, and the word that lets it act
    GoLive(go_live::GoLiveArgs),
    /// Read history from an Ads Manager export, or orders of the shop
    Import(import::ImportArgs),
    /// Keep the account's answers, without tokens and personal data, for run --recording
    Record(record::RecordArgs),
    /// Why an ad was treated as it was
    Explain(explain::ExplainArgs),
    /// Make the decisions of a run again and compare them byte for byte
    Replay(replay::ReplayArgs),
    /// Try another policy or other settings over the runs of the past
    Backtest(backtest::BacktestArgs),
    /// Any policy over versioned simulated worlds, in one table with the shipped ones; and what it has to stand
    Gym(gym::GymArgs),
    /// Creatives that wait to be launched: add, list, drop
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Policies: build, check, list, show
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// The configuration: what holds and where it comes from
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Models: list, show, check, import, activate, rollback
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// What models are trained on
    #[command(subcommand)]
    Train(train::TrainCommand),
    /// Every column that a policy may use, with unit and formula
    Metrics(metrics::MetricsArgs),
    /// Check everything and say how to mend it
    Doctor,
    /// A simulated account behind the Graph API
    #[command(subcommand)]
    Sim(sim::SimCommand),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was done.
    Done,
    /// Some of it was.
    InPart,
    /// It was done, and what it found is bad: a replay that differs.
    Failed,
}

/// Runs a command and maps how it ended to an exit code.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    output::start_logging(&global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::tell(&format!("error: no threads: {error}"));
            return ExitCode::from(1);
        }
    };
    let ended = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::demo(&global, args).await,
            Command::Run(args) => run::run(&global, args).await,
            Command::Apply(args) => apply::apply(&global, args).await,
            Command::Undo(args) => apply::undo(&global, args).await,
            Command::Approve(args) => approve::approve(&global, args).await,
            Command::GoLive(args) => go_live::go_live(&global, args).await,
            Command::Import(args) => import::import(&global, args).await,
            Command::Record(args) => record::record(&global, args).await,
            Command::Explain(args) => explain::explain(&global, args).await,
            Command::Replay(args) => replay::replay(&global, args).await,
            Command::Backtest(args) => backtest::backtest(&global, args).await,
            Command::Gym(args) => gym::gym(&global, args).await,
            Command::Queue(command) => queue::queue(&global, command).await,
            Command::Policy(command) => policy::policy(&global, command).await,
            Command::Config(command) => config::config(&global, command).await,
            Command::Model(command) => model::model(&global, command).await,
            Command::Train(command) => train::train(&global, command).await,
            Command::Metrics(args) => metrics::metrics(&global, &args),
            Command::Doctor => doctor::doctor(&global).await,
            Command::Sim(sim::SimCommand::Serve(args)) => sim::serve(&global, args).await,
        }
    });
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::from(1),
        Ok(Ended::InPart) => ExitCode::from(3),
        Err(error) => {
            output::error(&global, &error);
            ExitCode::from(output::exit_code(&error))
        }
    }
}
