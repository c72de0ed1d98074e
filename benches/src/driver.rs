//! Starts workers and lets them take turns.

use crate::workload::{Workload, all};
use femtograd::kernels::simd;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// What a run was asked for.
pub struct Options {
    /// The workloads to time; all, if empty.
    pub only: Vec<String>,
    /// On how many threads.
    pub threads: Vec<usize>,
    /// How much time to take.
    pub effort: Effort,
    /// A Python with PyTorch and JAX, to be timed too.
    pub python: Option<PathBuf>,
    /// The binary of `benches/others`, to be timed too.
    pub others: Option<PathBuf>,
    /// A Python with this library's own package, to be timed too.
    pub package: Option<PathBuf>,
}

/// How much time to take.
#[derive(Clone, Copy, PartialEq)]
pub enum Effort {
    /// Some seconds for each workload.
    Full,
    /// A minute for all together, without the largest; with other libraries a second for each workload.
    Quick,
    /// Every workload once, without the largest: does it still run?
    Smoke,
}

/// What all workloads together may take if it is to be quick.
const QUICK: Duration = Duration::from_secs(54);
/// How often each worker gets its turn, and for how many seconds.
const ROUNDS: usize = 7;
const TURN: f64 = 0.3;

/// Which workloads other libraries are timed with, and which libraries have them.
const PEERS: [(&str, &[&str]); 7] = [
    ("chain", &["torch-eager", "jax-jit", "candle", "burn", PACKAGE]),
    ("mlp_s", &["torch-eager", "torch-compile", "jax-jit", "candle", "burn", PACKAGE]),
    ("mlp_l", &["torch-eager", "torch-compile", "jax-jit", "candle", "burn", PACKAGE]),
    ("cnn", &["torch-eager", "torch-compile", "jax-jit", PACKAGE]),
    ("gpt", &["torch-eager", "torch-compile", "jax-jit"]),
    ("elem", &["torch-eager", "torch-compile", "jax-jit", PACKAGE]),
    ("small_multiply", &["torch-eager", PACKAGE]),
];
/// This library as its Python package.
pub const PACKAGE: &str = "python";
/// The name of this library among its peers.
pub const OURS: &str = "femtograd";

/// How long a workload took in one library.
pub struct Timing {
    /// The library.
    pub peer: String,
    /// The library with its version.
    pub version: String,
    /// The workload, with its version if it is ours.
    pub name: String,
    /// On how many threads.
    pub threads: usize,
    /// How many nodes, elements or steps it is.
    pub each: usize,
    /// The shortest time in each round, in microseconds.
    pub best: Vec<f64>,
    /// The most memory it held, in bytes.
    pub peak: Option<u64>,
}

impl Timing {
    /// Its time in microseconds: the median over the rounds.
    pub fn us(&self) -> f64 {
        median(self.best.clone())
    }

    /// How many times as long it took as another: the median over the rounds, in which both took their turns.
    pub fn over(&self, other: &Timing) -> f64 {
        median(self.best.iter().zip(&other.best).map(|(a, b)| a / b).collect())
    }

    /// One line of the output.
    fn line(&self) -> String {
        let Timing { peer, name, threads, .. } = self;
        let us = self.us();
        let each = us * 1e3 / self.each as f64;
        let peak = self.peak.map_or("null".into(), |bytes| bytes.to_string());
        let simd = if peer == OURS { format!("\"{:?}\"", simd::level()) } else { "null".into() };
        format!(
            "{{\"peer\": \"{peer}\", \"work\": \"{name}\", \"threads\": {threads}, \"us\": {us:.2}, \
             \"ns_each\": {each:.3}, \"peak_bytes\": {peak}, \"simd\": {simd}}}"
        )
    }
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    x[x.len() / 2]
}

/// Times what was asked for and prints a line for each.
pub fn run(options: &Options) -> io::Result<Vec<Timing>> {
    let all = all();
    let meant = |name: &String| all.iter().any(|workload| workload.is_meant_by(name));
    if let Some(name) = options.only.iter().find(|name| !meant(name)) {
        let mut there_are: Vec<_> = all.iter().map(Workload::work).collect();
        there_are.dedup();
        return Err(io::Error::other(format!("no workload `{name}`; there are\n{}", there_are.join("\n"))));
    }
    let mut chosen = all;
    let wanted =
        |w: &Workload| options.only.is_empty() || options.only.iter().any(|name| w.is_meant_by(name));
    chosen.retain(|w| wanted(w) && (options.effort == Effort::Full || !w.large));
    let groups: Vec<_> = chosen.chunk_by(|a, b| a.work() == b.work()).collect();

    let mut timings = Vec::new();
    let begin = Instant::now();
    let mut left = chosen.len() * options.threads.len();
    for &threads in &options.threads {
        let cores = Cores::first(threads)?;
        for group in &groups {
            let end =
                begin.elapsed() + QUICK.saturating_sub(begin.elapsed()) * group.len() as u32 / left as u32;
            left -= group.len();
            timings.extend(take_turns(options, group, threads, &cores, begin + end)?);
        }
    }
    Ok(timings)
}

/// Times the versions of one workload, and the same in other libraries.
fn take_turns(
    options: &Options,
    versions: &[Workload],
    threads: usize,
    cores: &Cores,
    end: Instant,
) -> io::Result<Vec<Timing>> {
    let mut contestants = Vec::new();
    for version in versions {
        let mut command = cores.command(&std::env::current_exe()?);
        command.args(["--worker", &version.name, &threads.to_string()]);
        contestants.push(Contestant::start(command, OURS, &version.name, threads, version.each)?);
    }
    let work = versions[0].work();
    for peer in PEERS.iter().filter(|peers| peers.0 == work).flat_map(|peers| peers.1) {
        let Some(mut command) = options.peer(peer, cores) else { continue };
        // candle starts as many threads as there are cores, allowed or not, unless it is told.
        let number = threads.to_string();
        command.env("RAYON_NUM_THREADS", &number).env("CANDLE_NUM_THREADS", &number);
        command.args([peer, work, &number]);
        match Contestant::start(command, peer, work, threads, versions[0].each) {
            Ok(contestant) => contestants.push(contestant),
            Err(error) => eprintln!("{work} in {peer}: {error}"),
        }
    }

    if options.effort != Effort::Smoke {
        contestants.iter_mut().try_for_each(|contestant| contestant.warm_up())?;
    }
    // How often everyone has a turn, and of how many seconds if that does not depend on what is left.
    let (rounds, seconds) = match options.effort {
        Effort::Full => (ROUNDS, Some(TURN)),
        Effort::Quick if contestants.len() > versions.len() => (3, Some(TURN / 3.0)),
        Effort::Quick => (ROUNDS, None),
        Effort::Smoke => (1, Some(0.0)),
    };
    let turns = contestants.len() * rounds;
    for turn in 0..turns {
        let left = end.saturating_duration_since(Instant::now()).as_secs_f64();
        if seconds.is_none() && left == 0.0 && turn >= contestants.len() {
            break;
        }
        let i = turn % contestants.len();
        contestants[i].run(seconds.unwrap_or(left / (turns - turn) as f64))?;
    }
    let complete = contestants.iter().map(|contestant| contestant.timing.best.len()).min().unwrap_or(0);
    let mut timings = Vec::new();
    for contestant in contestants {
        let mut timing = contestant.end()?;
        timing.best.truncate(complete);
        writeln!(io::stdout(), "{}", timing.line())?;
        timings.push(timing);
    }
    Ok(timings)
}

impl Options {
    /// The beginning of a command that starts a worker of another library, if that is to be timed.
    fn peer(&self, peer: &str, cores: &Cores) -> Option<Command> {
        let (program, script) = match peer {
            PACKAGE => (&self.package, Some("package.py")),
            "torch-eager" | "torch-compile" | "jax-jit" => (&self.python, Some("peers.py")),
            _ => (&self.others, None),
        };
        let mut command = cores.command(program.as_ref()?);
        command.args(script.map(|script| Path::new(env!("CARGO_MANIFEST_DIR")).join(script)));
        Some(command)
    }
}

/// A workload in one library, in a process of its own: see `worker.rs`.
struct Contestant {
    timing: Timing,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Contestant {
    fn start(
        mut command: Command,
        peer: &str,
        name: &str,
        threads: usize,
        each: usize,
    ) -> io::Result<Contestant> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (best, peak, version) = (Vec::new(), None, String::new());
        let timing = Timing { peer: peer.into(), version, name: name.into(), threads, each, best, peak };
        let mut contestant = Contestant { timing, child, input, output: BufReader::new(output) };
        contestant.timing.version = contestant.answer("ready")?.as_str().unwrap_or_default().into();
        Ok(contestant)
    }

    /// Caches and free lists are filled, what is compiled late is compiled.
    fn warm_up(&mut self) -> io::Result<()> {
        for _ in 0..2 {
            self.run(0.0)?;
        }
        self.timing.best.clear();
        Ok(())
    }

    /// A turn of so many seconds.
    fn run(&mut self, seconds: f64) -> io::Result<()> {
        writeln!(self.input, "run {seconds}")?;
        let us =
            self.answer("us")?.as_f64().ok_or_else(|| io::Error::other("a worker's time is no number"))?;
        self.timing.best.push(us);
        Ok(())
    }

    fn end(mut self) -> io::Result<Timing> {
        writeln!(self.input, "peak")?;
        self.timing.peak = self.answer("peak")?.as_u64();
        drop(self.input);
        self.child.wait()?;
        Ok(self.timing)
    }

    /// What the next line of the answers holds under this key.
    fn answer(&mut self, key: &str) -> io::Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            let (name, status) = (&self.timing.name, self.child.wait()?);
            return Err(io::Error::other(format!("the worker of {name} ended with {status}")));
        }
        Ok(serde_json::from_str::<Value>(&line)?[key].take())
    }
}

/// The cores that workers are pinned to: a library's pool of threads is as large as there are cores, whatever it is told.
struct Cores(Option<String>);

impl Cores {
    /// So many of those that this process may use.
    fn first(number: usize) -> io::Result<Cores> {
        let Some(allowed) = allowed_cores() else {
            eprintln!("workers are not pinned to cores: that takes Linux and its program taskset");
            return Ok(Cores(None));
        };
        if allowed.len() < number {
            let there_are = allowed.len();
            return Err(io::Error::other(format!("{number} threads on {there_are} cores: use --threads")));
        }
        let names: Vec<_> = allowed[..number].iter().map(usize::to_string).collect();
        Ok(Cores(Some(names.join(","))))
    }

    fn command(&self, program: &Path) -> Command {
        let Some(cores) = &self.0 else { return Command::new(program) };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).arg(program);
        command
    }
}

/// The numbers of the cores that this process may use; none if nobody says, or nothing can pin to them.
fn allowed_cores() -> Option<Vec<usize>> {
    Command::new("taskset").arg("--version").stdout(Stdio::null()).status().ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}
