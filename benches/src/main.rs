//! Workloads timed from outside the library, as a user's crate runs them: default release profile, system allocator.
//!
//! ```console
//! $ cargo xtask bench                       every workload, on one thread and on two: some minutes
//! $ cargo xtask bench --quick               all of them in a minute
//! $ cargo xtask bench chain digits          these two
//! $ cargo xtask bench --peers               in turns with PyTorch, JAX, candle and burn: BENCHMARKS.md
//! ```
//!
//! | workload | what is timed |
//! |---|---|
//! | `chain`, `ladder` | a node of a scalar graph, recorded, differentiated and dropped |
//! | `digits`, `mlp_s`, `mlp_l`, `cnn`, `gpt` | a training step of a network |
//! | `elem` | one formula on 2²⁰ numbers, value and gradient |
//! | `small` | one multiplication, one tensor, the command line's start |
//! | `growth` | a node and an element, from 10³ to 10⁸ of them |
//! | `promise` | a function, and the same with its gradient |
//! | `nonfinite`, `register`, `inspect` | looking for mistakes, beside the same work without |
//! | `checkpoint` | memory for time |
//! | `mul`, `tanh` | an elementwise op of the library's beside the same one written by a user |
//! | `neuron` | a user's formula with derived slopes |
//! | `limit` | what the machine can do |
//!
//! Each line is a JSON object. `us` is the time of the whole workload in microseconds, the best of many runs in a turn and
//! the median over the turns: a machine's other work only ever adds to it. `ns_each` is the same for one of its nodes,
//! elements or steps, in nanoseconds. `peak_bytes` is how much memory the process held beyond what it began with. The
//! versions of a workload (`nonfinite.off`, `nonfinite.on`) take turns, each in a process of its own, so that their ratio
//! holds where neither number does.

mod chain;
mod checkpoint;
mod cnn;
mod driver;
mod elem;
mod gpt;
mod growth;
mod limits;
mod looking;
mod mlp;
mod promise;
mod report;
mod rules;
mod small;
mod training;
mod worker;
mod workload;

use driver::{Effort, Options};
use lexopt::prelude::*;
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "\
cargo bench -- [OPTION…] [WORKLOAD…]

WORKLOAD       only these; `mul` stands for all that begin with `mul_` or `mul.`; one that is unknown gets you the list
--quick        all of them in a minute, without the largest
--smoke        each once, without the largest: do they still run?
--threads N    on so many threads only, not on one and on two
--python FILE  in turns with PyTorch and JAX, which this Python has
--others FILE  in turns with candle and burn, which this binary of benches/others has
--package FILE in turns with this library's own package, which this Python has
--write FILE   the tables between the markers of this page";

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
    let mut options = Options {
        only: Vec::new(),
        threads: vec![1, 2],
        effort: Effort::Full,
        python: None,
        others: None,
        package: None,
    };
    let mut page = None;
    let usage = |error: lexopt::Error| io::Error::other(format!("{error}\n\n{USAGE}"));
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(usage)? {
        match argument {
            Long("worker") => return work(arguments).map_err(usage)?,
            Long("quick") => options.effort = Effort::Quick,
            Long("smoke") => options.effort = Effort::Smoke,
            Long("threads") => {
                let number = arguments.value().and_then(|number| number.parse());
                options.threads = vec![number.map_err(usage)?];
            }
            Long("python") => options.python = Some(arguments.value().map_err(usage)?.into()),
            Long("package") => options.package = Some(arguments.value().map_err(usage)?.into()),
            Long("others") => options.others = Some(arguments.value().map_err(usage)?.into()),
            Long("write") => page = Some(arguments.value().map_err(usage)?),
            Long("bench") => {} // cargo says so to every benchmark
            Short('h') | Long("help") => return writeln!(io::stdout(), "{USAGE}"),
            Value(name) => options.only.push(name.to_string_lossy().into_owned()),
            other => return Err(usage(other.unexpected())),
        }
    }
    let timings = driver::run(&options)?;
    if options.effort == Effort::Smoke {
        return Ok(());
    }
    let tables = report::tables(&timings);
    writeln!(io::stdout(), "\n{tables}")?;
    page.map_or(Ok(()), |page| report::write(page.as_ref(), &tables))
}

/// Is a worker: `--worker NAME THREADS`.
fn work(mut arguments: lexopt::Parser) -> Result<io::Result<()>, lexopt::Error> {
    let name = arguments.value()?.to_string_lossy().into_owned();
    femtograd::set_threads(arguments.value()?.parse()?);
    let workload = workload::all().into_iter().find(|workload| workload.name == name);
    let workload = workload.ok_or(lexopt::Error::from(format!("no workload `{name}`")))?;
    Ok(worker::serve(concat!("femtograd ", env!("CARGO_PKG_VERSION")), || workload.prepare()))
}
