//! Workloads timed from outside the library, as a user's crate runs them: default release profile, system allocator.
//!
//! `cargo xtask bench [--quick] [WORK…]` prints one JSON object a line: `us` is the best of many repeats of the whole
//! workload, in microseconds.

mod chain;
mod nonfinite;
mod rules;

use std::time::Instant;

/// What a run of the benchmark was asked for.
struct Bench {
    /// How long to repeat each workload, in seconds.
    seconds: f64,
    /// The workloads to time; all, if empty.
    only: Vec<String>,
}

impl Bench {
    /// Times several versions of a work in turn, so that a change in the machine's speed meets them all alike, and
    /// prints a line for each with what else is to be said of it.
    fn time(&self, work: &str, elements: usize, versions: &mut [(&str, &mut dyn FnMut())]) {
        if !self.only.is_empty()
            && !self.only.iter().any(|only| work == only || work.starts_with(&format!("{only}_")))
        {
            return;
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
            println!(
                "{{\"peer\": \"femtograd\", \"work\": \"{work}\", \"threads\": {threads}, \"us\": {us:.2}, \
                 \"ns_each\": {each:.3}, \"simd\": \"{simd:?}\"}}"
            );
        }
    }
}

fn main() {
    let mut bench = Bench { seconds: 2.0, only: Vec::new() };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => bench.seconds = 0.3,
            _ => bench.only.push(argument),
        }
    }
    for threads in [1, 2] {
        femtograd::set_threads(threads);
        chain::run(&bench);
        nonfinite::run(&bench);
        rules::run(&bench);
    }
}
