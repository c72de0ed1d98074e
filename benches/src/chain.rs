//! 3,000 scalar `f64` nodes, forward, backward and dropped, made anew each time.

use crate::Bench;
use femtograd::Tensor;

/// `x ← tanh(x·b + a)`, a thousand times.
pub fn run(bench: &Bench) {
    let graph = || {
        let (a, b) = (Tensor::new(2.0), Tensor::new(3.0));
        let mut x = a.clone();
        for _ in 0..1000 {
            x = (x * &b + &a).tanh();
        }
        x
    };
    bench.time("chain", 3000, &mut [("", &mut || graph().backward())]);
}
