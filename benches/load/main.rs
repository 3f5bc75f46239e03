//! `load`: measures a ZooKeeper server, or two of them side by side.
//!
//! `load run` loads a server that already runs. `load compare` starts Apache's server and ours and prints a Markdown
//! report. The generator is one thread with non-blocking sockets and its own few lines of protocol, so that it costs a
//! fraction of what the servers do; `benches/README.md` says how to read the figures.

mod bulk;
mod compare;
mod conn;
mod drive;
mod error;
mod failover;
mod process;
mod report;
mod server;
mod stats;
mod wire;
mod workload;

use std::{
    env, fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    compare::Plan,
    error::{Doing as _, LoadError},
    server::{Cores, Installation},
    workload::{Subject, Timing, Workload},
};

#[derive(Parser)]
#[command(about = "Measures ZooKeeper servers")]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Load a server that already runs
    Run(RunArgs),
    /// Create small nodes on a server that already runs, to look at its memory or its restart
    Fill(FillArgs),
    /// Start Apache's server and ours, load both in turn, and print a Markdown report
    Compare(CompareArgs),
    /// The writes of `compare`, for three servers of each kind: their processor times are summed
    Ensemble(EnsembleArgs),
    /// Kill the leader of three servers of each kind again and again, and print how long nobody can write
    Failover(FailoverArgs),
}

#[derive(Args)]
struct RunArgs {
    /// Client address of the server; several for the members of an ensemble
    #[arg(long, value_delimiter = ',', required = true)]
    target: Vec<SocketAddr>,
    /// Process id of the server, whose processor time and memory are read; as many as there are servers
    #[arg(long, value_delimiter = ',', required = true)]
    pid: Vec<u32>,
    #[arg(long)]
    workload: Workload,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of the same load before measuring
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
}

#[derive(Args)]
struct FillArgs {
    /// Client address of the server; several for the members of an ensemble
    #[arg(long, value_delimiter = ',', required = true)]
    target: Vec<SocketAddr>,
    #[arg(long, default_value_t = 1_000_000)]
    nodes: usize,
}

/// Which servers, and where they come from.
#[derive(Args)]
struct ServerArgs {
    /// Which servers; the last is the one that others are compared with
    #[arg(long, value_delimiter = ',', default_value = "apache,gamekeeper")]
    servers: Vec<ServerKind>,
    /// Our binary; without it the one beside this program
    #[arg(long)]
    gamekeeper: Option<PathBuf>,
    /// Class path of Apache's server; without it Maven is asked
    #[arg(long)]
    apache_classpath: Option<String>,
    /// Heap of Apache's server; the default is that of its own start script
    #[arg(long, default_value_t = 1000)]
    apache_heap_mb: u32,
    /// Where the servers keep their data; a real disk, or fsync costs nothing
    #[arg(long, default_value = "target/load")]
    dir: PathBuf,
}

#[derive(Args)]
struct CompareArgs {
    #[command(flatten)]
    servers: ServerArgs,
    #[command(flatten)]
    load: LoadArgs,
    /// How many servers form one ensemble; the processor times of its members are summed
    #[arg(long, default_value_t = 1)]
    ensemble: usize,
    /// Only these workloads
    #[arg(long, value_delimiter = ',')]
    workloads: Option<Vec<Workload>>,
    /// None of the workloads, only memory and restart
    #[arg(long, conflicts_with = "workloads")]
    bulk_only: bool,
    /// Nodes for the memory and restart figures, 0 to leave them out
    #[arg(long, default_value_t = 1_000_000)]
    nodes: usize,
    #[arg(long, default_value_t = 3)]
    restarts: usize,
}

/// How to load them.
#[derive(Args)]
struct LoadArgs {
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds of the same load before the first measurement of each workload; without it 8, or 30 for an
    /// ensemble, whose members compile their code on one core
    #[arg(long)]
    warm_up: Option<f64>,
    /// Leave the scheduler free, instead of keeping servers on core 0 and the generator on core 1
    #[arg(long)]
    no_pin: bool,
}

#[derive(Args)]
struct EnsembleArgs {
    #[command(flatten)]
    servers: ServerArgs,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Args)]
struct FailoverArgs {
    #[command(flatten)]
    servers: ServerArgs,
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum ServerKind {
    Apache,
    Gamekeeper,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Action::Run(args) => run(&args),
        Action::Fill(args) => bulk::fill(&args.target, args.nodes),
        Action::Compare(args) => compare(args),
        Action::Ensemble(args) => compare(args.into()),
        Action::Failover(args) => failover(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("load: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<(), LoadError> {
    let subject = Subject {
        targets: args.target.clone(),
        pids: args.pid.clone(),
    };
    workload::set_up(&subject.targets)?;
    let timing = timing(args.warm_up, args.seconds)?;
    let sample = workload::measure(&subject, args.workload, timing)?;
    print(&format!(
        "{}: {} requests, {:.0}/s, p50 {:?}, p99 {:?}\nserver CPU {:.2} us/request (generator {:.2}), resident {} MB\n",
        args.workload.title(),
        sample.requests,
        sample.requests_per_second,
        sample.p50,
        sample.p99,
        sample.cpu_micros_per_request,
        sample.load_cpu_micros_per_request,
        sample.resident_bytes / 1_000_000,
    ))
}

impl From<EnsembleArgs> for CompareArgs {
    fn from(args: EnsembleArgs) -> Self {
        Self {
            servers: args.servers,
            load: args.load,
            ensemble: 3,
            workloads: Some(vec![Workload::Set16x16, Workload::Create16x16]),
            bulk_only: false,
            nodes: 0,
            restarts: 0,
        }
    }
}

fn failover(args: &FailoverArgs) -> Result<(), LoadError> {
    let scratch = args.servers.scratch()?;
    let installations = installations(&args.servers, &scratch)?;
    let found = failover::run(&installations, args.rounds, &scratch, &mut |line| {
        note(&line)
    })?;
    print(&format!(
        "{}{}",
        provenance(),
        report::failover_markdown(&found)
    ))
}

fn compare(args: CompareArgs) -> Result<(), LoadError> {
    let warm_up = args.load.warm_up;
    let warm_up = warm_up.unwrap_or(if args.ensemble > 1 { 30.0 } else { 8.0 });
    let scratch = args.servers.scratch()?;
    let plan = Plan {
        installations: installations(&args.servers, &scratch)?,
        ensemble: args.ensemble.max(1),
        cores: cores(args.load.no_pin),
        timing: timing(warm_up, args.load.seconds)?,
        rounds: args.load.rounds,
        bulk_nodes: args.nodes,
        restarts: args.restarts,
        workloads: workloads(args.bulk_only, args.workloads),
    };
    let findings = compare::run(&plan, &scratch, &mut |line| note(&line))?;
    print(&format!(
        "{}{}",
        provenance(),
        report::markdown(&plan, &findings)
    ))
}

impl ServerArgs {
    /// The directory for data, made if it is not there.
    fn scratch(&self) -> Result<PathBuf, LoadError> {
        fs::create_dir_all(&self.dir).doing(format!("create {}", self.dir.display()))?;
        fs::canonicalize(&self.dir).doing("resolve the data directory")
    }
}

fn installations(args: &ServerArgs, scratch: &Path) -> Result<Vec<Installation>, LoadError> {
    let mut found = Vec::new();
    for kind in &args.servers {
        found.push(match kind {
            ServerKind::Apache => {
                let class_path = match &args.apache_classpath {
                    Some(class_path) => class_path.clone(),
                    None => server::apache_class_path(scratch)?,
                };
                Installation::apache(&class_path, args.apache_heap_mb)
            }
            ServerKind::Gamekeeper => {
                let binary = match &args.gamekeeper {
                    Some(binary) => binary.clone(),
                    None => env::current_exe()
                        .doing("find this program")?
                        .with_file_name("gamekeeper"),
                };
                Installation::gamekeeper(binary)
            }
        });
    }
    Ok(found)
}

fn workloads(none: bool, chosen: Option<Vec<Workload>>) -> Vec<Workload> {
    match chosen {
        Some(chosen) => chosen,
        None if none => Vec::new(),
        None => Workload::value_variants().to_vec(),
    }
}

/// With a single core there is nothing to keep apart.
fn cores(no_pin: bool) -> Option<Cores> {
    let several = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    (several && !no_pin).then_some(Cores { server: 0, load: 1 })
}

fn timing(warm_up: f64, measure: f64) -> Result<Timing, LoadError> {
    let duration = |seconds: f64| {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| LoadError::Failed(format!("{seconds} is not a duration")))
    };
    Ok(Timing {
        warm_up: duration(warm_up)?,
        measure: duration(measure)?,
    })
}

/// The machine, the command and the commit, without which a figure means nothing.
fn provenance() -> String {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let threads = cpu_info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let arguments = env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!(
        "Machine: {model}, {threads} hardware threads. Command: `load {arguments}`. Commit: {}.\n",
        commit.unwrap_or_else(|_| "unknown".to_owned()),
    )
}

fn print(text: &str) -> Result<(), LoadError> {
    io::stdout()
        .write_all(text.as_bytes())
        .doing("write the report")
}

/// Progress and complaints go to stderr, so that the report can be redirected; a closed stderr must not stop a run.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
