//! Scalar `f64` graphs: made anew, differentiated and dropped each time.

use crate::Bench;
use femtograd::Tensor;
use std::io;

/// `chain`: `x ← tanh(x·b + a)`, a thousand times, which is 3,000 nodes. Then the same up to a thousand times as long,
/// and ladders of diamonds, `x ← (x + x) · ½`, with 2ⁿ paths through n of them: the cost of a node should stay.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    bench.time("chain", 3000, &mut [("", &mut || chain(1000).backward())])?;
    for n in [10_000, 100_000, 1_000_000] {
        bench.time(&format!("chain_of_{n}"), 3 * n, &mut [("", &mut || chain(n).backward())])?;
        bench.time(&format!("ladder_of_{n}"), 2 * n, &mut [("", &mut || ladder(n).backward())])?;
    }
    Ok(())
}

/// `3·n` nodes in a row.
pub fn chain(n: usize) -> Tensor<f64> {
    let (a, b) = (Tensor::new(2.0), Tensor::new(3.0));
    (0..n).fold(a.clone(), |x, _| (x * &b + &a).tanh())
}

fn ladder(n: usize) -> Tensor<f64> {
    (0..n).fold(Tensor::new(1.0), |x, _| (&x + &x) * 0.5)
}
