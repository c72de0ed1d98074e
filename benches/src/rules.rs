//! Elementwise ops: the library's own, a user's written out the same way, and a whole formula of which the user gives
//! the value alone.

use crate::Bench;
use femtograd::num::Num;
use femtograd::{Array, Elementwise, Float, Op, Rule, Tensor};
use std::hint::black_box;
use std::io;

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
        self.op.pull(&self.x, &self.y, &self.g, &mut self.sums);
    }
}

/// The library's rule and the user's, forward and back.
fn compare<T: Float, const N: usize>(
    bench: &mut Bench,
    name: &str,
    n: usize,
    own: impl Rule<N>,
    user: impl Rule<N>,
) -> io::Result<()> {
    let (mut own, mut user) = (Bound::<T, _, N>::new(own, n), Bound::<T, _, N>::new(user, n));
    bench.time(
        &format!("{name}_{}_{n}_forward", T::NAME),
        n,
        &mut [("own", &mut || own.forward()), ("user", &mut || user.forward())],
    )?;
    bench.time(
        &format!("{name}_{}_{n}_back", T::NAME),
        n,
        &mut [("own", &mut || own.back()), ("user", &mut || user.back())],
    )
}

/// A rule without slopes, forward and back.
fn derive<T: Float, const N: usize>(
    bench: &mut Bench,
    name: &str,
    n: usize,
    rule: impl Rule<N>,
) -> io::Result<()> {
    let (forward, mut back) = (Bound::<T, _, N>::new(rule, n), Bound::<T, _, N>::new(rule, n));
    bench.time(
        &format!("{name}_{}_{n}_value_only", T::NAME),
        n,
        &mut [("forward", &mut || forward.forward()), ("back", &mut || back.back())],
    )
}

fn every_rule<T: Float>(bench: &mut Bench, n: usize) -> io::Result<()> {
    use femtograd::ops::elementwise as own;
    compare::<T, 2>(bench, "mul", n, own::Mul, Mul)?;
    compare::<T, 1>(bench, "tanh", n, own::Tanh, Tanh)?;
    derive::<T, 3>(bench, "neuron", n, Neuron)
}

/// Every rule at two sizes, of which one fits the second-level cache.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    for n in [1 << 14, 1 << 20] {
        every_rule::<f32>(bench, n)?;
        every_rule::<f64>(bench, n)?;
    }
    Ok(())
}
