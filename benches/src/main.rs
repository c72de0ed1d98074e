//! Workloads timed from outside the library, as a user's crate runs them: default release profile, system allocator.
//!
//! ```console
//! $ cargo bench                             every workload, on one thread and on two: some minutes
//! $ cargo bench -- --quick chain digits     these two, each for less long
//! $ cargo xtask bench --quick chain         the same without the flags and profiles that the shell may carry
//! ```
//!
//! | workload | what is timed |
//! |---|---|
//! | `chain`, `ladder` | a node of a scalar graph, recorded, differentiated and dropped |
//! | `digits` | a training step of the network of the command line |
//! | `nonfinite`, `register`, `inspect` | looking for mistakes, beside the same work without |
//! | `checkpoint` | memory for time |
//! | `mul`, `tanh` | an elementwise op of the library's beside the same one written by a user |
//! | `neuron` | a user's formula with derived slopes |
//! | `mlp_s`, `mlp_l`, `cnn`, `gpt` | a training step of a network |
//! | `elem` | one formula on 2²⁰ numbers, value and gradient |
//!
//! Each line is a JSON object. `us` is the best of many repeats of the whole workload, in microseconds: a machine's other
//! work only ever adds to it. `ns_each` is the same for one of its nodes, elements or steps, in nanoseconds. The versions
//! of a workload (`nonfinite.off`, `nonfinite.on`) take turns, so that their ratio holds where neither number does.

mod chain;
mod checkpoint;
mod cnn;
mod elem;
mod gpt;
mod looking;
mod mlp;
mod rules;
mod training;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "\
cargo bench -- [--quick] [WORKLOAD…]

--quick     a sixth of the time for each
WORKLOAD    only these; `mul` stands for all that begin with `mul_`; one that is unknown gets you the list";

/// What a run of the benchmark was asked for, and what it has met.
struct Bench {
    /// How long to repeat each version of a workload, in seconds.
    seconds: f64,
    /// The workloads to time; all, if empty.
    only: Vec<String>,
    /// Every workload there was, timed or not.
    met: BTreeSet<String>,
}

impl Bench {
    /// Whether this workload is to be timed.
    fn wants(&mut self, work: &str) -> bool {
        self.met.insert(work.to_string());
        self.only.is_empty() || self.only.iter().any(|only| stands_for(only, work))
    }

    /// Times several versions of a workload of so many `elements` in turn, and prints a line for each.
    fn time(
        &mut self,
        work: &str,
        elements: usize,
        versions: &mut [(&str, &mut dyn FnMut())],
    ) -> io::Result<()> {
        if !self.wants(work) {
            return Ok(());
        }
        let mut best = vec![f64::INFINITY; versions.len()];
        versions.iter_mut().for_each(|(_, f)| (0..2).for_each(|_| f()));
        let begin = Instant::now();
        let mut rounds = 0;
        while rounds < 5 || begin.elapsed().as_secs_f64() < self.seconds * versions.len() as f64 {
            for ((_, f), best) in versions.iter_mut().zip(&mut best) {
                let start = Instant::now();
                f();
                *best = best.min(start.elapsed().as_secs_f64() * 1e6);
            }
            rounds += 1;
        }
        let (threads, simd) = (femtograd::kernels::threads(), femtograd::kernels::simd::level());
        for ((name, _), us) in versions.iter().zip(best) {
            let work = if name.is_empty() { work.to_string() } else { format!("{work}.{name}") };
            let each = us * 1e3 / elements as f64;
            writeln!(
                io::stdout(),
                "{{\"peer\": \"femtograd\", \"work\": \"{work}\", \"threads\": {threads}, \"us\": {us:.2}, \
                 \"ns_each\": {each:.3}, \"simd\": \"{simd:?}\"}}"
            )?;
        }
        Ok(())
    }
}

/// Whether a name on the command line means this workload.
fn stands_for(name: &str, work: &str) -> bool {
    work.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough (`cargo bench | head -1`): nobody is left to tell.
        Err(problem) if problem.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(problem) => {
            // If stderr is gone too, the exit code still says it.
            let _ = writeln!(io::stderr(), "{problem}");
            ExitCode::from(2)
        }
    }
}

/// Does what the arguments ask for.
fn run() -> io::Result<()> {
    let mut bench = Bench { seconds: 2.0, only: Vec::new(), met: BTreeSet::new() };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => bench.seconds /= 6.0,
            "--bench" => {} // cargo says so to every benchmark
            "-h" | "--help" => return writeln!(io::stdout(), "{USAGE}"),
            _ if argument.starts_with('-') => {
                return Err(io::Error::other(format!("no option `{argument}`\n\n{USAGE}")));
            }
            _ => bench.only.push(argument),
        }
    }
    for threads in [1, 2] {
        femtograd::set_threads(threads);
        chain::run(&mut bench)?;
        training::run(&mut bench)?;
        looking::run(&mut bench)?;
        checkpoint::run(&mut bench)?;
        rules::run(&mut bench)?;
        elem::run(&mut bench)?;
    }
    let unknown = |only: &&String| !bench.met.iter().any(|work| stands_for(only, work));
    bench.only.iter().find(unknown).map_or(Ok(()), |name| {
        let there_are = Vec::from_iter(bench.met.iter().map(String::as_str)).join("\n");
        Err(io::Error::other(format!("no workload `{name}`; there are\n{there_are}")))
    })
}
