//! Scalar `f64` graphs: made anew, differentiated and dropped each time.

use crate::workload::Workload;
use femtograd::{Tensor, record};
use std::hint::black_box;

/// `chain`: `x ← tanh(x·b + a)`, a thousand times, which is 3,000 nodes; replayed, and recorded to be replayed. `ladder`: diamonds, `x ← (x + x) · ½`, with 2ⁿ
/// paths through n of them: the cost of a node should stay.
pub fn workloads() -> Vec<Workload> {
    let ladder_of = |n: usize| {
        Workload::new(format!("ladder_of_{n}"), 2 * n, move || move || ladder(n).backward())
            .large_from(1_000_000)
    };
    let recorded = || record(|(a, b): &(Tensor<f64>, Tensor<f64>)| chain_from(a, b, 1000));
    let numbers = || (Tensor::constant(2.0), Tensor::constant(3.0));
    let replay = move || {
        let (f, x) = (recorded(), numbers());
        move || drop(black_box(f.value_and_grad(&x)))
    };
    let prepare = move || {
        let x = numbers();
        move || drop(black_box(recorded().value_and_grad(&x)))
    };
    let mut all = vec![
        Workload::new("chain", 3000, || || chain(1000).backward()),
        Workload::new("chain.replay", 3000, replay),
        Workload::new("chain.prepare", 3000, prepare),
    ];
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
