//! The workloads of `benches/` in other Rust libraries, as their documentation shows it.
//!
//! usage: `femtograd-bench-others LIBRARY WORKLOAD THREADS`, a worker (see `worker.rs`)
//!
//! The threads are those of the cores that this process may use: whoever starts it sees to that.

mod with_burn;
mod with_candle;
#[path = "../../src/worker.rs"]
mod worker;

use std::process::ExitCode;

/// As everywhere in these benchmarks: so slow that the networks stay as they are.
const LEARNING_RATE: f64 = 1e-10;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [library, work, _threads] = &arguments[..] else {
        eprintln!("usage: femtograd-bench-others candle|burn chain|mlp_s|mlp_l THREADS");
        return ExitCode::from(2);
    };
    let layers: &[usize] = match work.as_str() {
        "mlp_s" => &[784, 128, 10],
        _ => &[1024, 4096, 4096, 10],
    };
    let batch = if work == "mlp_s" { 64 } else { 128 };
    let result = match (library.as_str(), work.as_str()) {
        ("candle", "chain") => worker::serve("candle 0.11", with_candle::chain),
        ("candle", "mlp_s" | "mlp_l") => worker::serve("candle 0.11", || with_candle::mlp(layers, batch)),
        ("burn", "chain") => worker::serve("burn 0.21 (flex)", with_burn::chain),
        ("burn", "mlp_s" | "mlp_l") => worker::serve("burn 0.21 (flex)", || with_burn::mlp(layers, batch)),
        _ => Err(std::io::Error::other(format!("{library} has no workload {work} here"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Labels for a batch: which does not matter.
fn classes(batch: usize) -> impl Iterator<Item = usize> {
    (0..batch).map(|i| i * 7 % 10)
}
