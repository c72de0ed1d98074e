//! One formula on many numbers.

use crate::Bench;
use femtograd::num::Num;
use femtograd::random::Rng;
use femtograd::{Rule, Tensor};
use std::io;

/// `(tanh(x·w + b) − x)² · σ(w)`, as a rule whose slopes are derived.
#[derive(Clone, Copy)]
struct Elem;
impl Rule<3> for Elem {
    const NAME: &'static str = "elem";
    #[inline(always)]
    fn value<V: Num>(&self, [x, w, b]: [V; 3]) -> V {
        let d = (x * w + b).tanh() - x;
        d * d * w.sigmoid()
    }
}

/// `elem`: the mean of the formula over 2²⁰ numbers and its gradients in `w` and `b`, written as separate operations or
/// as one rule.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    if !bench.wants("elem") {
        return Ok(());
    }
    let mut rng = Rng::new(0);
    let mut numbers = || rng.uniform_array(&[1 << 20]);
    let x = Tensor::constant(numbers());
    let (w, b): (Tensor, Tensor) = (Tensor::new(numbers()), Tensor::new(numbers()));
    let gradient = |y: Tensor| {
        w.zero_grad();
        b.zero_grad();
        y.mean().backward();
    };
    let mut eager = || gradient(((&x * &w + &b).tanh() - &x).powi(2) * w.sigmoid());
    let mut rule = || gradient(Elem.on([&x, &w, &b]));
    bench.time("elem", 1 << 20, &mut [("eager", &mut eager), ("rule", &mut rule)])
}
