//! Elementwise ops: the library's own, a user's written out the same way, and a whole formula of which the user gives
//! the value alone.

use crate::workload::Workload;
use femtograd::num::Num;
use femtograd::{Array, Elementwise, Float, Op, Rule, Tensor};
use std::hint::black_box;

/// The library's `mul`, written again outside it.
#[derive(Clone, Copy)]
struct Mul;
impl Rule<2> for Mul {
    const NAME: &'static str = "mul again";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a * b
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        [b, a]
    }
}

/// The library's `tanh`, written again outside it.
#[derive(Clone, Copy)]
struct Tanh;
impl Rule<1> for Tanh {
    const NAME: &'static str = "tanh again";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.tanh()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [V::lit(1.0) - y * y]
    }
}

/// `tanh(x·w + b)`, its slopes left out.
#[derive(Clone, Copy)]
struct Neuron;
impl Rule<3> for Neuron {
    const NAME: &'static str = "neuron";
    #[inline(always)]
    fn value<V: Num>(&self, [x, w, b]: [V; 3]) -> V {
        (x * w + b).tanh()
    }
}

/// A rule and the arrays to run it on, forward and back apart.
struct Bound<T: Float, R: Rule<N>, const N: usize> {
    op: Elementwise<R, N>,
    x: Vec<Tensor<T>>,
    y: Tensor<T>,
    g: Array<T>,
    sums: Vec<Option<Array<T>>>,
}

impl<T: Float, R: Rule<N>, const N: usize> Bound<T, R, N> {
    fn new(rule: R, n: usize) -> Self {
        let number = |i: usize, k: usize| T::of(((i * 37 + k * 101) % 1000) as f64 / 1000.0);
        let x: Vec<_> = (0..N).map(|k| Tensor::new(Array::from_fn(&[n], |i| number(i, k)))).collect();
        let op = Elementwise::<R, N>(rule);
        let y = Tensor::constant(op.forward(&x).expect("equal shapes"));
        let sums = vec![Some(Array::full(&[n], T::ZERO)); N];
        Bound { op, x, y, g: Array::full(&[n], T::ONE), sums }
    }
    fn forward(&self) {
        black_box(self.op.forward(&self.x).expect("equal shapes"));
    }
    fn back(&mut self) {
        self.op.pull(&self.x, &self.y, self.g.clone(), &mut self.sums);
    }
}

/// A rule, forward and back, each a version of a workload.
fn versions<T: Float, const N: usize>(
    [forward, back]: [String; 2],
    n: usize,
    rule: impl Rule<N>,
) -> [Workload; 2] {
    let bound = move || Bound::<T, _, N>::new(rule, n);
    let run_forward = move || {
        let bound = bound();
        move || bound.forward()
    };
    let run_back = move || {
        let mut bound = bound();
        move || bound.back()
    };
    [Workload::new(forward, n, run_forward), Workload::new(back, n, run_back)]
}

/// The library's rule and the user's: forward, then back.
fn compare<T: Float, const N: usize>(
    name: &str,
    n: usize,
    own: impl Rule<N>,
    user: impl Rule<N>,
) -> [Workload; 4] {
    let names = |whose| ["forward", "back"].map(|way| format!("{name}_{}_{n}_{way}.{whose}", T::NAME));
    let [own_forward, own_back] = versions::<T, N>(names("own"), n, own);
    let [user_forward, user_back] = versions::<T, N>(names("user"), n, user);
    [own_forward, user_forward, own_back, user_back]
}

fn every_rule<T: Float>(n: usize) -> impl Iterator<Item = Workload> {
    use femtograd::ops::elementwise as own;
    let derived = ["forward", "back"].map(|way| format!("neuron_{}_{n}_value_only.{way}", T::NAME));
    let compared = [compare::<T, 2>("mul", n, own::Mul, Mul), compare::<T, 1>("tanh", n, own::Tanh, Tanh)];
    compared.into_iter().flatten().chain(versions::<T, 3>(derived, n, Neuron))
}

/// `mul`, `tanh`: the library's rule and a user's. `neuron`: a rule without slopes. Each at two sizes, of which one fits the
/// second-level cache.
pub fn workloads() -> Vec<Workload> {
    [1 << 14, 1 << 20].into_iter().flat_map(|n| every_rule::<f32>(n).chain(every_rule::<f64>(n))).collect()
}
