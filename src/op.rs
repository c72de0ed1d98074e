//! What a node needs of its operation.

use crate::context::{Products, note_strong_zeros, on_behalf_of, products, unrecorded};
use crate::kernels::{Array, Error, Function, Indices, broadcast, map};
use crate::num::{Float, Formula, Style};
use crate::once::{Native, native};
use crate::ops::elementwise::{Carry, Chain};
use crate::rule::{Blockwise, Rule};
use crate::tensor::Tensor;
use crate::transform::transposed;
use smallvec::SmallVec;

/// A differentiable operation: how to compute it, and its derivative in both directions.
///
/// Most ops never meet this trait: an elementwise one is a [`Rule`](crate::Rule). Implement `Op` for what mixes
/// elements. The two derivatives are written with tensor operations, which makes them differentiable in turn: that is
/// how every order of derivative comes about.
///
/// ```
/// use femtograd::{Array, Error, Op, Tensor};
///
/// /// `y = x[::-1]`: a vector backwards.
/// #[derive(Clone)]
/// struct Reverse;
/// impl Op<f64> for Reverse {
///     fn name(&self) -> &'static str {
///         "reverse"
///     }
///     fn forward(&self, x: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
///         let n = x[0].data().len();
///         x[0].data().slice(0, n.saturating_sub(1), -1, n)
///     }
///     // Linear and its own transpose: both derivatives are the op again.
///     fn vjp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, g: &Tensor<f64>, _: usize) -> Tensor<f64> {
///         Tensor::apply(Reverse, [g])
///     }
///     fn jvp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
///         Tensor::apply(Reverse, [dx[0].as_ref().unwrap()])
///     }
/// }
///
/// let x = Tensor::new([1.0, 2.0, 4.0]);
/// (Tensor::apply(Reverse, [&x]) * Tensor::constant([1.0, 10.0, 100.0])).sum().backward();
/// assert_eq!(x.grad().unwrap().to_vec(), [100.0, 10.0, 1.0]);
/// ```
pub trait Op<T: Float>: Send + Sync + 'static {
    /// The name, as users call it: `"matmul"`.
    fn name(&self) -> &'static str;

    /// The value `y = f(x…)`.
    ///
    /// # Errors
    /// Whatever is wrong with the arguments, in words that make sense after the op's name: shapes, axes, indices.
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error>;

    /// The vector-Jacobian product `g·∂y/∂xᵢ`, recorded: what the cotangent `g` of `y` adds to that of `x[i]`.
    ///
    /// It may have the shape of `y` where `x[i]` was broadcast: the engine sums it down to the shape of `x[i]`.
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T>;

    /// [`vjp`](Self::vjp) for several arguments, in this order. Override it where one computation serves them all.
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        wanted.iter().map(|&i| self.vjp(x, y, g, i)).collect()
    }

    /// The Jacobian-vector product `Σᵢ ∂y/∂xᵢ·dxᵢ`, recorded: the tangent of `y`. At least one tangent is given; an
    /// argument without one does not change.
    ///
    /// By default it is the transpose of [`vjp`](Self::vjp), which is linear in `g`: the derivative of `Σᵢ ⟨vjpᵢ(g), dxᵢ⟩` by
    /// `g`. That takes a pass of its own, so override it where the product has a formula.
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        transposed(self, x, y, dx)
    }

    /// The first-order [`vjp`](Self::vjp) with bare numbers, for all arguments at once: adds to `sums[i]`, which has
    /// the shape of `x[i]`, for every `i` that [wants](Tensor::wants_grad) a gradient. The cotangent is the op's to keep: if
    /// nobody else has a share in it, its memory may become that of a sum.
    ///
    /// By default it runs `vjp` without recording. Override it where one pass over memory can do the work of several.
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        pull_by_vjp(self, x, y, g, sums);
    }

    /// The integers it was given, if any. Nothing differentiates by them, so a path may end there.
    fn indices(&self) -> Option<&Indices> {
        None
    }

    /// The same op on other indices of the same shape, where it was given indices: a [recorded](crate::record()) program
    /// puts those of each call in the place of those it was recorded with.
    fn with_indices(&self, _indices: Indices) -> Option<Box<dyn Op<T>>> {
        None
    }

    /// Whether its rules read nothing but what they are given: no tensor that the op itself holds, which somebody may
    /// differentiate by. If all ops of a function say so, its derivative need not be recorded when no argument asks for
    /// it; say so if it is true.
    fn is_closed(&self) -> bool {
        false
    }

    /// Whether the rules are the derivatives of [`forward`](Self::forward) in its arguments, which is what
    /// [`verify`](crate::inspect::verify) checks. Not so where they were replaced on purpose, or where a function depends
    /// on more than its arguments.
    fn is_exact(&self) -> bool {
        true
    }

    /// The same in other ops, where this one is a faster way to compute a composition of them.
    fn composition(&self, _x: &[Tensor<T>]) -> Option<Tensor<T>> {
        None
    }

    /// What a [recorded](crate::record()) program may do in its place.
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::None
    }

    /// The formulas of the op where it has some, written with symbols: see [`Rule`](crate::Rule).
    fn formula(&self, _style: Style) -> Option<Formula> {
        None
    }
}

/// What a [recorded](crate::record()) program may do in the place of an op, forwards and backwards, instead of calling it.
pub enum Shortcut<T> {
    /// Nothing: it is called.
    None,
    /// The op is elementwise: many such ops become one pass over memory.
    Elementwise(Box<dyn Blockwise<T>>),
    /// `y` has the numbers of `x` in the same order: there is nothing to do.
    Same,
    /// `y` is `x`, broadcast to another shape.
    Broadcast,
    /// `y` is `x`, summed down to a shape that it could have been broadcast from.
    Sum,
}

/// What an op's [`Op::vjps`] gives for a cotangent. What surrounds it is compiled once, not for every op.
type Vjps<'a, T> = dyn Fn(&Tensor<T>, &[usize]) -> Vec<Tensor<T>> + 'a;

/// One step of a recorded backward pass: every wanted parent's [`Op::vjp`], undone where the parent was broadcast,
/// and added to its sum.
pub(crate) fn pull_recorded<T: Float, O: Op<T> + ?Sized>(
    op: &O,
    x: &[Tensor<T>],
    y: &Tensor<T>,
    g: Tensor<T>,
    sums: &mut [Option<Tensor<T>>],
) {
    pull_vjps(op.name(), &|g, wanted| op.vjps(x, y, g, wanted), x, y, &g, sums);
}

fn pull_vjps<T: Float>(
    name: &'static str,
    vjps: &Vjps<'_, T>,
    x: &[Tensor<T>],
    y: &Tensor<T>,
    g: &Tensor<T>,
    sums: &mut [Option<Tensor<T>>],
) {
    on_behalf_of(y.location(), name, || {
        let wanted: SmallVec<[usize; 4]> = (0..x.len()).filter(|&i| x[i].wants_grad()).collect();
        for (&i, gx) in wanted.iter().zip(vjps(g, &wanted)) {
            let (to, from) = (x[i].shape(), gx.shape());
            if !broadcast(to, from).is_ok_and(|shape| shape[..] == *from) {
                let why = format!("its vjp gives a cotangent of shape {from:?} for argument {i} of {to:?}");
                Tensor::refuse(name, &why, &x.iter().collect::<Vec<_>>())
            }
            let (sum, gx) = (&mut sums[i], gx.sum_to(to));
            *sum = Some(match sum.take() {
                Some(sum) => sum + gx,
                None => gx,
            });
        }
    });
}

/// `g · slope` with the [strong zero](crate::num::Num::chain): the product of the chain rule in reverse mode, for vjps
/// that are written in tensor operations.
#[track_caller]
pub(crate) fn chain<T: Float>(g: &Tensor<T>, slope: &Tensor<T>) -> Tensor<T> {
    guarded(Chain, g, slope)
}

/// `dx · slope` with the [strong zero](crate::num::Num::carry): the product of the chain rule in forward mode, for jvps
/// that are written in tensor operations.
#[track_caller]
pub(crate) fn carry<T: Float>(dx: &Tensor<T>, slope: &Tensor<T>) -> Tensor<T> {
    guarded(Carry, dx, slope)
}

/// One of these products, as this thread multiplies.
#[track_caller]
pub(crate) fn guarded<T: Float + Native<R>, R: Rule<2>>(
    product: R,
    g: &Tensor<T>,
    slope: &Tensor<T>,
) -> Tensor<T> {
    match products() {
        Products::Guarded => native(product, [g, slope]),
        Products::Strict => g * slope,
        Products::Counted => {
            let shape = broadcast(g.shape(), slope.shape()).expect("a slope of the op's shape");
            let zeros = map(MadeZero(product), [g.data(), slope.data()], &shape).to_vec();
            note_strong_zeros(zeros.into_iter().filter(|&zero| zero == T::ONE).count());
            native(product, [g, slope])
        }
    }
}

/// Whether a guarded product is 0 where a plain one is NaN.
#[derive(Clone, Copy)]
struct MadeZero<R>(R);
impl<T: Float, R: Rule<2>> Function<T, 2, 0, 1> for MadeZero<R> {
    #[inline(always)]
    #[allow(clippy::eq_op)] // a NaN is what differs from itself
    fn at(&self, [g, slope]: [T; 2], _: [T; 0]) -> [T; 1] {
        let plain = g * slope;
        [if plain != plain && self.0.value([g, slope]) == T::ZERO { T::ONE } else { T::ZERO }]
    }
}

/// [`Op::pull`] by [`Op::vjp`]: recorded passes' step on constants, unrecorded.
pub(crate) fn pull_by_vjp<T: Float, O: Op<T> + ?Sized>(
    op: &O,
    x: &[Tensor<T>],
    y: &Tensor<T>,
    g: Array<T>,
    sums: &mut [Option<Array<T>>],
) {
    pull_vjps_unrecorded(op.name(), &|g, wanted| op.vjps(x, y, g, wanted), x, y, g, sums);
}

fn pull_vjps_unrecorded<T: Float>(
    name: &'static str,
    vjps: &Vjps<'_, T>,
    x: &[Tensor<T>],
    y: &Tensor<T>,
    g: Array<T>,
    sums: &mut [Option<Array<T>>],
) {
    let constant = |a: Array<T>| Tensor::node(a, None, false, y.location());
    let mut wrapped: Vec<_> = sums.iter_mut().map(|sum| sum.take().map(constant)).collect();
    unrecorded(|| pull_vjps(name, vjps, x, y, &constant(g), &mut wrapped));
    sums.iter_mut().zip(wrapped).for_each(|(sum, w)| *sum = w.map(|w| w.data().clone()));
}
