//! The promise of reverse mode: a gradient costs a few times what its function costs, however many inputs there are.

use crate::chain::{chain, chain_from};
use crate::cnn::Cnn;
use crate::elem;
use crate::gpt::Gpt;
use crate::mlp::Classifier;
use crate::training::Model;
use crate::workload::Workload;
use femtograd::random::Rng;
use femtograd::{Float, Tensor, no_grad};

/// `promise_WORK`: what that workload differentiates, alone and with its gradient. `promise_inputs_N`: the same for
/// `tanh(Σ w·tanh(x))`, whose `N` inputs all depend on each other.
pub fn workloads() -> Vec<Workload> {
    // On constants: `no_grad` is no fair rival on single numbers, since it notes for each where it was cut off.
    let plain = || {
        let (a, b) = (Tensor::constant(2.0), Tensor::constant(3.0));
        move || drop(chain_from(&a, &b, 1000))
    };
    let mut all = vec![
        Workload::new("promise_chain.function", 1, plain),
        Workload::new("promise_chain.gradient", 1, || || chain(1000).backward()),
    ];
    all.extend(both("mlp_s", || loss(Classifier::small())));
    all.extend(both("mlp_l", || loss(Classifier::large())));
    all.extend(both("cnn", || loss(Cnn::new())));
    all.extend(both("gpt", || loss(Gpt::new())));
    all.extend(both("elem_eager", || formula(elem::eager)));
    all.extend(both("elem_rule", || formula(elem::rule)));
    for n in (1..=7).map(|exponent| 10_usize.pow(exponent)) {
        all.extend(both(&format!("inputs_{n}"), move || dense(n)));
    }
    all
}

/// A function without arguments and the leaves it depends on, from `prepare`: alone, and with its gradient.
fn both<T: Float, F: Fn() -> Tensor<T> + 'static>(
    name: &str,
    prepare: impl Fn() -> (F, Vec<Tensor<T>>) + Copy + 'static,
) -> [Workload; 2] {
    let function = move || {
        let (f, _) = prepare();
        move || drop(no_grad(&f))
    };
    let gradient = move || {
        let (f, leaves) = prepare();
        move || {
            leaves.iter().for_each(Tensor::zero_grad);
            f().backward();
        }
    };
    [
        Workload::new(format!("promise_{name}.function"), 1, function),
        Workload::new(format!("promise_{name}.gradient"), 1, gradient),
    ]
}

fn loss<M: Model>(mut model: M) -> (impl Fn() -> Tensor, Vec<Tensor>) {
    let leaves = model.parameters_mut().into_iter().map(|p| p.clone()).collect();
    (move || model.loss(), leaves)
}

fn formula(f: fn([&Tensor; 3]) -> Tensor) -> (impl Fn() -> Tensor, Vec<Tensor>) {
    let arguments = elem::arguments(1 << 20);
    let leaves = arguments.to_vec();
    (move || f(arguments.each_ref()).mean(), leaves)
}

fn dense(n: usize) -> (impl Fn() -> Tensor, Vec<Tensor>) {
    let mut rng = Rng::new(0);
    let (x, w) = (Tensor::new(rng.uniform_array(&[n])), Tensor::constant(rng.uniform_array(&[n])));
    let leaves = vec![x.clone()];
    (move || (&w * x.tanh()).sum().tanh(), leaves)
}
