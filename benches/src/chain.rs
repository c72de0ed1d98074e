//! Scalar `f64` graphs: made anew, differentiated and dropped each time.

use crate::workload::Workload;
use femtograd::Tensor;

/// `chain`: `x ← tanh(x·b + a)`, a thousand times, which is 3,000 nodes. `ladder`: diamonds, `x ← (x + x) · ½`, with 2ⁿ
/// paths through n of them: the cost of a node should stay.
pub fn workloads() -> Vec<Workload> {
    let ladder_of = |n: usize| {
        Workload::new(format!("ladder_of_{n}"), 2 * n, move || move || ladder(n).backward())
            .large_from(1_000_000)
    };
    let mut all = vec![Workload::new("chain", 3000, || || chain(1000).backward())];
    all.extend([10_000, 100_000, 1_000_000].map(ladder_of));
    all
}

/// `3·n` nodes in a row.
pub fn chain(n: usize) -> Tensor<f64> {
    chain_from(&Tensor::new(2.0), &Tensor::new(3.0), n)
}

/// The same from given numbers.
pub fn chain_from(a: &Tensor<f64>, b: &Tensor<f64>, n: usize) -> Tensor<f64> {
    (0..n).fold(a.clone(), |x, _| (x * b + a).tanh())
}

fn ladder(n: usize) -> Tensor<f64> {
    (0..n).fold(Tensor::new(1.0), |x, _| (&x + &x) * 0.5)
}
