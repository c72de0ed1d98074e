//! Elementwise ops: the library's own, a user's written out the same way, and whole formulas of which the user gives
//! the value alone.

use crate::Bench;
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

/// The formula of the workload `elem`: `(tanh(x·w + b) − x)² · σ(w)`, its slopes left out.
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

/// One rule's way forward and way back, apart, on arrays that fit the second-level cache and that do not.
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
        self.op.pull(&self.x, &self.y, &self.g, &mut self.sums);
    }
}

fn compare<T: Float>(bench: &Bench, n: usize) {
    use femtograd::ops::elementwise as own;
    let name = |op: &str, way: &str| format!("{op}_{}_{n}_{way}", T::NAME);
    let (mul, mul_again) = (Bound::<T, _, 2>::new(own::Mul, n), Bound::<T, _, 2>::new(Mul, n));
    let (tanh, tanh_again) = (Bound::<T, _, 1>::new(own::Tanh, n), Bound::<T, _, 1>::new(Tanh, n));
    bench.time(
        &name("mul", "forward"),
        n,
        &mut [("own", &mut || mul.forward()), ("user", &mut || mul_again.forward())],
    );
    bench.time(
        &name("tanh", "forward"),
        n,
        &mut [("own", &mut || tanh.forward()), ("user", &mut || tanh_again.forward())],
    );
    let (mut mul, mut mul_again, mut tanh, mut tanh_again) = (mul, mul_again, tanh, tanh_again);
    bench.time(
        &name("mul", "back"),
        n,
        &mut [("own", &mut || mul.back()), ("user", &mut || mul_again.back())],
    );
    bench.time(
        &name("tanh", "back"),
        n,
        &mut [("own", &mut || tanh.back()), ("user", &mut || tanh_again.back())],
    );

    let (forward, mut back) = (Bound::<T, _, 3>::new(Neuron, n), Bound::<T, _, 3>::new(Neuron, n));
    bench.time(
        &name("neuron", "value_only"),
        n,
        &mut [("forward", &mut || forward.forward()), ("back", &mut || back.back())],
    );
    let (forward, mut back) = (Bound::<T, _, 3>::new(Elem, n), Bound::<T, _, 3>::new(Elem, n));
    bench.time(
        &name("elem", "value_only"),
        n,
        &mut [("forward", &mut || forward.forward()), ("back", &mut || back.back())],
    );
}

/// Every rule at two sizes.
pub fn run(bench: &Bench) {
    for n in [1 << 14, 1 << 20] {
        compare::<f32>(bench, n);
        compare::<f64>(bench, n);
    }
}
