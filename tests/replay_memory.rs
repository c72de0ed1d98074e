//! What a replay asks of the allocator: alone in its process, since all of it is counted.

use femtograd::{Array, Tensor, record, set_threads};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The bytes that `f` needs at most at a time, once it has run: the least of some runs, since the test's own threads ask for
/// memory as well.
fn needs<R>(f: impl Fn() -> R) -> usize {
    let run = || {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        drop(f());
        MEMORY.peak_usage() - before
    };
    drop(f());
    (0..5).map(|_| run()).min().expect("five runs")
}

#[test]
#[cfg_attr(miri, ignore)]
fn a_replay_needs_memory_for_its_results_alone() {
    set_threads(1);
    let chain =
        record(|(a, b): &(Tensor<f64>, Tensor<f64>)| (0..1000).fold(a.clone(), |x, _| (x * b + a).tanh()));
    let at = (Tensor::constant(2.0), Tensor::constant(3.0));
    let bytes = needs(|| chain.value_and_grad(&at));
    assert!(bytes < 2000, "{bytes} bytes for a chain");

    // Two passes, and an array between them.
    let formula = record(|(w, b): &(Tensor, Tensor)| {
        let y = (w * b).tanh();
        (&y - y.mean()).powi(2).mean()
    });
    let at = (Tensor::constant(Array::ones(&[100_000])), Tensor::constant(Array::ones(&[100_000])));
    let bytes = needs(|| formula.value_and_grad(&at)); // the gradients' arrays come from the free list
    assert!(bytes < 4000, "{bytes} bytes for a formula");
}
