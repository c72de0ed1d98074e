//! One formula on many numbers.

use crate::workload::Workload;
use femtograd::num::Num;
use femtograd::random::Rng;
use femtograd::{Rule, Tensor, record};
use std::hint::black_box;

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

/// The formula, written as separate operations.
pub fn eager([x, w, b]: [&Tensor; 3]) -> Tensor {
    ((x * w + b).tanh() - x).powi(2) * w.sigmoid()
}

/// The formula, written as one rule.
pub fn rule(arguments: [&Tensor; 3]) -> Tensor {
    Elem.on(arguments)
}

/// Arguments of the formula: of the first no gradient is wanted.
pub fn arguments(n: usize) -> [Tensor; 3] {
    let mut rng = Rng::new(0);
    let mut numbers = || rng.uniform_array(&[n]);
    [Tensor::constant(numbers()), Tensor::new(numbers()), Tensor::new(numbers())]
}

/// The mean of the formula and its gradients.
pub fn gradient(formula: fn([&Tensor; 3]) -> Tensor, n: usize) -> impl FnMut() {
    let arguments = arguments(n);
    move || {
        arguments.iter().for_each(Tensor::zero_grad);
        formula(arguments.each_ref()).mean().backward();
    }
}

/// The mean of the formula and its gradients, recorded from separate operations and replayed.
fn replayed(n: usize) -> impl FnMut() {
    let [x, w, b] = arguments(n);
    let f = record(move |(w, b): &(Tensor, Tensor)| eager([&x, w, b]).mean());
    let arguments = (w, b);
    move || drop(black_box(f.value_and_grad(&arguments)))
}

/// `elem`: the mean of the formula over 2²⁰ numbers and its gradients in `w` and `b`, written as separate operations, as
/// one rule, or recorded from the former.
pub fn workloads() -> Vec<Workload> {
    const N: usize = 1 << 20;
    let version = |name, formula| Workload::new(name, N, move || gradient(formula, N));
    vec![
        version("elem.eager", eager),
        version("elem.rule", rule),
        Workload::new("elem.replay", N, || replayed(N)),
    ]
}
