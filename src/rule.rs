//! Elementwise operations, each written once.

use crate::context::{Products, products};
use crate::frontier::add;
use crate::kernels::{
    self, Array, Buffer, Error, Function, Input, Shape, Sink, broadcast, count, map_over, sum_to,
};
use crate::num::{Dual, Float, Form, Formula, Num, Scratch, Style, Symbols, lane};
use crate::op::{Shortcut, pull_by_vjp};
use crate::{Op, Operand, Tensor};
use std::array::from_fn;

/// An elementwise operation of `N` arguments: what it computes, and its slope in each argument.
///
/// One `impl` gives the op everything: values and gradients of arrays in one pass over memory each, vectorised for
/// the processor at hand; forward mode; derivatives of every order; its formula as text and LaTeX. The rules of this
/// library ([`ops::elementwise`](crate::ops::elementwise)) have no privileges: yours, in your crate, are as fast.
///
/// Put `#[inline(always)]` on `value` and `slopes`. A kernel compiles its loop for AVX2 and AVX-512 as well as for the
/// smallest processor, and only what is inlined into the loop takes part: without the attribute an op can be several
/// times slower. It changes nothing else.
///
/// # Example
///
/// A whole formula as one op. Its slopes are left out, and come from running `value` on [`Dual`] numbers: the op is
/// one node, one pass over memory forward and one back.
///
/// ```
/// use femtograd::{Rule, Tensor, num::Num};
///
/// /// `y = tanh(x·w + b)`
/// #[derive(Clone, Copy)]
/// struct Neuron;
/// impl Rule<3> for Neuron {
///     const NAME: &'static str = "neuron";
///     #[inline(always)]
///     fn value<V: Num>(&self, [x, w, b]: [V; 3]) -> V {
///         (x * w + b).tanh()
///     }
/// }
///
/// let x = Tensor::constant([0.5, -1.0]);
/// let (w, b) = (Tensor::new(0.3), Tensor::new(0.1)); // they broadcast
/// Neuron.on([&x, &w, &b]).sum().backward();
///
/// let slope = |x: f64| 1.0 - (x * 0.3 + 0.1).tanh().powi(2);
/// assert!((w.grad().unwrap().item() - (0.5 * slope(0.5) - slope(-1.0))).abs() < 1e-15);
/// assert!((b.grad().unwrap().item() - (slope(0.5) + slope(-1.0))).abs() < 1e-15);
/// ```
pub trait Rule<const N: usize>: Copy + Send + Sync + 'static {
    /// The name, as users call it: `"tanh"`.
    const NAME: &'static str;

    /// `y`, from the arguments.
    fn value<V: Num>(&self, x: [V; N]) -> V;

    /// `∂y/∂xᵢ` for each `i`, from the arguments and the result. Left out, they come from running
    /// [`value`](Self::value) on [`Dual`] numbers.
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; N], _y: V) -> [V; N] {
        self.value(Dual::arguments(x)).1
    }

    /// The formula of the value and of every slope, as text or LaTeX.
    ///
    /// ```
    /// use femtograd::{Rule, num::Style, ops::elementwise::Div};
    /// assert_eq!(Div.formula(Style::Text).to_string(), "y = a / b, ∂a = 1 / b, ∂b = −y / b");
    /// ```
    fn formula(&self, style: Style) -> Formula {
        let symbols = Symbols::new();
        let (x, y) = (symbols.arguments::<N>(), symbols.name("y"));
        symbols.formula(style, self.value(x), &self.slopes(x, y))
    }

    /// The rule applied to tensors (or numbers), element by element under NumPy's broadcasting.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    fn on<T: Float>(self, x: [impl Operand<T>; N]) -> Tensor<T> {
        Tensor::apply(Elementwise::<Self, N>(self), x)
    }
}

/// A [`Rule`] as an [`Op`] on tensors of any shape.
#[derive(Clone, Copy)]
pub struct Elementwise<R, const N: usize>(pub R);

impl<R: Rule<N>, const N: usize> Elementwise<R, N> {
    /// What each slope is.
    fn forms(&self) -> [Form; N] {
        self.0.slopes(from_fn(Form::Argument), Form::Argument(N))
    }
}

/// The kernel of a rule's way back: from the arguments, the result and its cotangent. What surrounds it is compiled once for each
/// number of arguments, not for every rule.
type Pull<'a, T, const N: usize> =
    dyn for<'b> Fn([Input<'b, T>; N], [Input<'b, T>; 2], &[usize], [Sink<'b, T>; N]) + 'a;

/// [`Op::pull`] of arrays. Where a slope is 1 whatever the arguments, an argument gets the cotangent itself.
fn pull_arrays<T: Float, const N: usize>(
    slopes: [Form; N],
    pull: &Pull<'_, T, N>,
    x: &[Tensor<T>],
    y: &Array<T>,
    mut g: Array<T>,
    sums: &mut [Option<Array<T>>],
) {
    let mut left: [bool; N] = from_fn(|i| x[i].wants_grad());
    for i in (0..N).filter(|&i| slopes[i] == Form::Lit(1.0)) {
        if std::mem::take(&mut left[i]) {
            sums[i] = add(sums[i].take(), Some(sum_to(&g, x[i].shape())));
        }
    }
    if !left.contains(&true) {
        return;
    }
    // The others' in one pass: straight into a sum of the result's shape, or else into fresh memory, of which the first may be
    // the cotangent's if nobody shares it.
    let in_place: [bool; N] = from_fn(|i| left[i] && x[i].shape() == y.shape() && sums[i].is_some());
    let mut parts: [Option<Array<T>>; N] = [const { None }; N];
    let mut reused = None;
    for i in (0..N).filter(|&i| left[i] && !in_place[i]) {
        parts[i] = Some(match reused.is_none() && g.shape() == y.shape() && g.as_own_slice().is_some() {
            true => {
                reused = Some(i);
                std::mem::replace(&mut g, Array::scalar(T::ZERO))
            }
            false => Array::from_buffer(Buffer::scratch(count(y.shape())), y.shape()),
        });
    }
    let mut sinks = [const { Sink::Drop }; N];
    for (i, ((sink, sum), part)) in sinks.iter_mut().zip(&mut *sums).zip(&mut parts).enumerate() {
        *sink = match (part, sum) {
            (Some(part), _) => Sink::Write(part.as_mut_slice()),
            (None, Some(sum)) if in_place[i] => Sink::Add(sum.as_mut_slice()),
            _ => Sink::Drop,
        };
    }
    let given = [Input::Array(y), reused.map_or(Input::Array(&g), Input::Sink)];
    pull(data(x).map(Input::Array), given, y.shape(), sinks);
    for ((sum, part), x) in sums.iter_mut().zip(parts).zip(x) {
        if let Some(part) = part {
            *sum = add(sum.take(), Some(sum_to(&part, x.shape())));
        }
    }
}

/// The rule's value, for a kernel's loop.
#[derive(Clone, Copy)]
struct Forward<R>(R);
impl<T: Float, R: Rule<N>, const N: usize> Function<T, N, 0, 1> for Forward<R> {
    #[inline(always)]
    fn at(&self, x: [T; N], _: [T; 0]) -> [T; 1] {
        [self.0.value(x)]
    }
}

/// What the cotangent of the result adds to the cotangent of each argument, for a kernel's loop. `at` has the strong zero; `put`
/// has bare products (see `num/lane.rs`). Adding 0 takes the sign of a zero, in which they may differ.
#[derive(Clone, Copy)]
struct Backward<R>(R);
impl<T: Float, R: Rule<N>, const N: usize> Function<T, N, 2, N> for Backward<R> {
    const GUESSES: bool = true;
    #[inline(always)]
    fn at(&self, x: [T; N], [y, g]: [T; 2]) -> [T; N] {
        let mut gx = self.0.slopes(x, y);
        for gx in &mut gx {
            *gx = g.chain(*gx) + T::ZERO;
        }
        gx
    }
    #[inline(always)]
    fn put(&self, x: &[T; N], [y, g]: &[T; 2], gx: &mut [T; N]) {
        let slopes = self.0.slopes(x.map(lane), lane(*y));
        for (gx, slope) in gx.iter_mut().zip(&slopes) {
            *gx = *g * slope.value + T::ZERO;
        }
    }
}

/// The arrays of an op's arguments.
#[inline]
fn data<T: Float, const N: usize>(x: &[Tensor<T>]) -> [&Array<T>; N] {
    from_fn(|i| x[i].data())
}

/// The shape that the arguments broadcast to.
fn shape<T: Float>(x: &[&Array<T>]) -> Result<Shape, Error> {
    let mut shape = Shape::from(x[0].shape());
    for x in &x[1..] {
        shape = broadcast(&shape, x.shape())?;
    }
    Ok(shape)
}

/// Arguments as numbers, if they are single numbers all.
#[inline]
fn numbers<T: Float, const N: usize>(x: [&Array<T>; N]) -> Option<[T; N]> {
    let mut numbers = [T::ZERO; N];
    for (number, x) in numbers.iter_mut().zip(x) {
        *number = x.as_scalar()?;
    }
    Some(numbers)
}

/// [`Op::pull`] of single numbers.
#[inline]
fn add_numbers<T: Float, const N: usize>(gx: [T; N], x: &[Tensor<T>], sums: &mut [Option<Array<T>>]) {
    for i in (0..N).filter(|&i| x[i].wants_grad()) {
        let sum = sums[i].as_ref().and_then(Array::as_scalar);
        sums[i] = Some(Array::scalar(sum.map_or(gx[i], |sum| sum + gx[i])));
    }
}

impl<T: Float, R: Rule<N>, const N: usize> Op<T> for Elementwise<R, N> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn is_closed(&self) -> bool {
        true
    }

    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let x: [&Array<T>; N] = data(x);
        if let Some(x) = numbers(x) {
            return Ok(Array::scalar(self.0.value(x)));
        }
        Ok(kernels::map(Forward(self.0), x, &shape(&x)?))
    }

    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        self.vjps(x, y, g, &[i]).remove(0)
    }

    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        let scratch = Scratch::new();
        let slopes = self.0.slopes(scratch.numbers::<N>(x), scratch.number(y));
        scratch.chained(g, &slopes, wanted)
    }

    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let scratch = Scratch::new();
        let slopes = self.0.slopes(scratch.numbers::<N>(x), scratch.number(y));
        scratch.carried(dx, &slopes).broadcast_to(y.shape())
    }

    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        if products() != Products::Guarded {
            return pull_by_vjp(self, x, y, g, sums);
        }
        if let (Some(values), Some([y, g])) = (numbers(data(x)), numbers([y.data(), &g])) {
            let gx = Backward(self.0).at(values, [y, g]);
            return add_numbers(gx, x, sums);
        }
        let slopes = self.forms();
        pull_arrays(
            slopes,
            &|x, given, shape, sinks| map_over(Backward(self.0), x, given, shape, sinks),
            x,
            y.data(),
            g,
            sums,
        );
    }

    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Elementwise(Box::new(*self))
    }
    fn formula(&self, style: Style) -> Option<Formula> {
        Some(self.0.formula(style))
    }
}

/// An elementwise op as a step of a [recorded](crate::record()) program: on blocks of its arguments, or on single numbers.
pub trait Blockwise<T>: Send + Sync {
    /// The value at blocks of the arguments.
    fn value(&self, x: &[&[T]], y: &mut [Sink<'_, T>]);

    /// What the cotangent adds to that of each argument, at blocks of the arguments, of the result and of its cotangent.
    fn pull(&self, x_y_g: &[&[T]], gx: &mut [Sink<'_, T>]);

    /// What the slope in an argument is.
    fn slope(&self, argument: usize) -> Form;

    /// [`value`](Self::value) of numbers in a list, whose places are given: of the arguments, and of the result.
    fn value_at(&self, numbers: &mut [T], places: &[u32]);

    /// [`pull`](Self::pull) of numbers in a list, whose places are given: of the arguments, the result and its cotangent, and
    /// for each argument of the sum so far and the new sum. Where the list ends there are none.
    fn pull_at(&self, numbers: &mut [T], places: &[u32]);
}

impl<T: Float, R: Rule<N>, const N: usize> Blockwise<T> for Elementwise<R, N> {
    fn value(&self, x: &[&[T]], y: &mut [Sink<'_, T>]) {
        let x = x.first_chunk().expect("the rule's arguments");
        kernels::map_blocks(Forward(self.0), *x, [], y);
    }
    fn pull(&self, x_y_g: &[&[T]], gx: &mut [Sink<'_, T>]) {
        let (x, y_g) = x_y_g.split_first_chunk::<N>().expect("the rule's arguments");
        let y_g = y_g.first_chunk::<2>().expect("the result and its cotangent");
        kernels::map_blocks(Backward(self.0), *x, *y_g, gx);
    }
    fn slope(&self, argument: usize) -> Form {
        self.forms()[argument]
    }
    fn value_at(&self, numbers: &mut [T], places: &[u32]) {
        numbers[places[N] as usize] = self.0.value(numbers_at::<T, N>(numbers, places));
    }
    fn pull_at(&self, numbers: &mut [T], places: &[u32]) {
        let gx = Backward(self.0).at(numbers_at::<T, N>(numbers, places), numbers_at(numbers, &places[N..]));
        add_at(gx, numbers, &places[N + 2..]);
    }
}

/// The numbers in these places of a list.
#[inline(always)]
fn numbers_at<T: Float, const N: usize>(numbers: &[T], places: &[u32]) -> [T; N] {
    from_fn(
        #[inline(always)]
        |i| numbers[places[i] as usize],
    )
}

/// Adds numbers to those in a list: the places of the sum so far and of the new one, for each.
#[inline(always)]
fn add_at<T: Float, const N: usize>(gx: [T; N], numbers: &mut [T], places: &[u32]) {
    for i in 0..N {
        let (sum, new) = (places[2 * i] as usize, places[2 * i + 1] as usize);
        if new < numbers.len() {
            numbers[new] = numbers.get(sum).map_or(gx[i], |&sum| sum + gx[i]);
        }
    }
}
