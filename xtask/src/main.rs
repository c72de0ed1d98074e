//! The repository's own tasks: nobody needs a list of commands, and nothing but Rust has to be installed.
//!
//! ```console
//! $ cargo xtask test [--list] [STEP…]    every check there is, or only the steps named
//! $ cargo xtask bench [ARGUMENT…]        the workloads, timed as a user's own crate would run them; --help
//! $ cargo xtask count                    how many crates the library needs and how long they build
//! $ cargo xtask wheel                    the Python package as a wheel
//! ```

mod bench;
mod python;
mod readme;
mod shell;
mod steps;

use lexopt::prelude::*;
use shell::{Outcome, Repo};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;
use steps::{BESIDE, EXTRA, STEPS, Step};

const USAGE: &str = "\
cargo xtask test [--list] [STEP…]    every check there is, or only the steps named
cargo xtask bench [ARGUMENT…]        the workloads, timed as a user's own crate would run them; --help
cargo xtask count                    how many crates the library needs and how long they build
cargo xtask wheel                    the Python package as a wheel";

/// What `cargo build --release -p femtograd` may cost: crates, and seconds on two cores.
const LIMITS: (usize, f64) = (25, 40.0);

fn main() -> ExitCode {
    match task() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the task that the arguments ask for went well; an error where it could not even be tried.
fn task() -> Outcome<bool> {
    let repo = Repo::find();
    let mut arguments = lexopt::Parser::from_env();
    let usage = |error: lexopt::Error| format!("{error}\n\n{USAGE}");
    match arguments.next().map_err(usage)? {
        Some(Value(task)) if task == "test" => {
            let mut chosen = Vec::new();
            while let Some(argument) = arguments.next().map_err(usage)? {
                match argument {
                    Long("list") => return Ok(list()),
                    Value(name) => chosen.push(find(&name.to_string_lossy())?),
                    other => return Err(usage(other.unexpected())),
                }
            }
            Ok(test(&repo, if chosen.is_empty() { STEPS.iter().collect() } else { chosen }))
        }
        Some(Value(task)) if task == "bench" => {
            bench::run(&repo, arguments.raw_args().map_err(usage)?.collect())
        }
        Some(Value(task)) if task == "count" => match arguments.next().map_err(usage)? {
            None => count(&repo),
            Some(other) => Err(usage(other.unexpected())),
        },
        Some(Value(task)) if task == "wheel" => match arguments.next().map_err(usage)? {
            None => python::wheel(&repo).map(|path| {
                println!("{path}");
                true
            }),
            Some(other) => Err(usage(other.unexpected())),
        },
        None | Some(Short('h') | Long("help")) => {
            println!("{USAGE}");
            Ok(true)
        }
        Some(other) => Err(usage(other.unexpected())),
    }
}

fn find(name: &str) -> Outcome<&'static Step> {
    STEPS.iter().chain(&EXTRA).find(|step| step.name == name).ok_or_else(|| {
        let names: Vec<_> = STEPS.iter().chain(&EXTRA).map(|step| step.name).collect();
        format!("no step `{name}`; there are {}", names.join(", "))
    })
}

fn list() -> bool {
    STEPS.iter().for_each(|step| println!("{:<9} {}", step.name, step.what));
    EXTRA.iter().for_each(|step| println!("{:<9} {} (only when named)", step.name, step.what));
    true
}

/// Runs the steps in order and stops at the first that fails.
fn test(repo: &Repo, chosen: Vec<&Step>) -> bool {
    steps::remember(repo);
    let is_beside = |step: &&&Step| step.name == BESIDE && chosen.len() > 1;
    let mut beside = chosen.iter().find(is_beside).map(|step| Beside::start(repo, step.name));
    let mut times = Vec::new();
    let mut failure = None;
    for (i, step) in chosen.iter().enumerate() {
        println!("\n== {} of {}: {} ({})", i + 1, chosen.len(), step.name, step.what);
        let start = Instant::now();
        let outcome = match beside.take_if(|_| step.name == BESIDE) {
            Some(beside) => beside.and_then(|beside| beside.finish()),
            None => (step.run)(repo),
        };
        let seconds = start.elapsed().as_secs_f64();
        times.push((step.name, seconds, outcome.is_ok()));
        println!("   {} {} in {seconds:.1} s", step.name, if outcome.is_ok() { "passed" } else { "FAILED" });
        if let Err(error) = outcome {
            failure = Some((step.name, error));
            break;
        }
    }
    if let Some(Ok(beside)) = beside {
        beside.stop(repo);
    }
    println!();
    for (name, seconds, passed) in &times {
        println!("{name:<9} {seconds:>8.1} s  {}", if *passed { "passed" } else { "FAILED" });
    }
    println!("{:<9} {:>8.1} s", "all", times.iter().map(|(_, seconds, _)| seconds).sum::<f64>());
    if let Some((name, error)) = &failure {
        println!("\nFAILED {name}: {error}\nto repeat it alone: cargo xtask test {name}");
        let unrun: Vec<_> = chosen.iter().skip(times.len()).map(|step| step.name).collect();
        if !unrun.is_empty() {
            println!("not run after it: {}", unrun.join(", "));
        }
    }
    let failed = usize::from(failure.is_some());
    println!("\n{} passed, {failed} failed", times.len() - failed);
    failed == 0
}

/// A step in a process of its own.
struct Beside {
    process: Child,
    /// What it prints.
    log: PathBuf,
}

impl Beside {
    fn start(repo: &Repo, name: &str) -> Outcome<Beside> {
        let log = repo.root.join(&repo.target).join(format!("{name}.log"));
        let start = || {
            let file = File::create(&log)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["test", name]).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
            command.spawn()
        };
        println!("== {name} runs beside the other steps, into {}", log.display());
        let process = start().map_err(|error| format!("{name} cannot be started: {error}"))?;
        Ok(Beside { process, log })
    }

    /// Waits for it and shows what it printed.
    fn finish(mut self) -> Outcome {
        let status = self.process.wait().map_err(|error| error.to_string())?;
        print!("{}", std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string()));
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}, as shown above")) }
    }

    /// Ends it and what it has started.
    fn stop(mut self, repo: &Repo) {
        fn end(repo: &Repo, process: &str) {
            let children = repo.ask(&format!("pgrep -P {process}")).unwrap_or_default();
            let _ = repo.ask(&format!("kill {process}"));
            children.lines().for_each(|child| end(repo, child));
        }
        end(repo, &self.process.id().to_string());
        let _ = self.process.wait();
    }
}

/// The price of depending on the library, beside what it may cost.
fn count(repo: &Repo) -> Outcome<bool> {
    let tree = "cargo tree --package femtograd --edges normal --prefix none --no-dedupe --format {p}";
    // Only name and version: a folder follows them where a crate is one of this workspace.
    let names = repo.ask(tree)?;
    let crates: BTreeSet<_> = names.lines().filter_map(|line| line.split(" (").next()).collect();
    println!("{}", crates.iter().copied().collect::<Vec<_>>().join("\n"));

    // What is timed is building, so everything is downloaded before the clock starts.
    repo.run("cargo fetch --quiet")?;
    let folder = format!("{}/count", repo.target);
    let remove = || std::fs::remove_dir_all(repo.root.join(&folder));
    let _ = remove();
    let start = Instant::now();
    repo.run(&format!("CARGO_TARGET_DIR={folder} cargo build --release --package femtograd"))?;
    let seconds = start.elapsed().as_secs_f64();
    remove().map_err(|error| format!("{folder}: {error}"))?;

    println!("\ncrates        {:>5}    at most {}", crates.len(), LIMITS.0);
    println!("clean build   {seconds:>5.1} s  at most {} s on two cores", LIMITS.1);
    Ok(crates.len() <= LIMITS.0 && seconds <= LIMITS.1)
}
