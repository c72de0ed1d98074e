//! The elementwise ops. Each is a [`Rule`]: its formula, its value, its slopes; the method that applies it to tensors
//! stands beside it.
//!
//! Where a function has no derivative, its documentation says which slope is taken there. Functions that are equal
//! have equal slopes: `relu(x)`, `maximum(x, 0)` and `where(x > 0, x, 0)` all have 0 at 0.

mod activations;
mod functions;

pub use activations::*;
pub use functions::*;

use crate::context::{cutting, on_behalf_of};
use crate::num::{Float, Num};
use crate::once::{Native, native};
use crate::replay::is_input;
use crate::{CutKind, Operand, Place, Rule, Tensor};
use std::f64::consts::FRAC_2_SQRT_PI;

/// `x`, but 0 for −0, whose reciprocal would be −∞: at the end of a function's domain, slopes are taken from inside.
#[inline(always)]
fn not_negative_zero<V: Num>(x: V) -> V {
    x + V::lit(0.0)
}

/// `y = a + b`
#[derive(Clone, Copy)]
pub struct Add;
impl Rule<2> for Add {
    const NAME: &'static str = "add";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a + b
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 2], _: V) -> [V; 2] {
        [V::lit(1.0), V::lit(1.0)]
    }
}

/// `y = a − b`
#[derive(Clone, Copy)]
pub struct Sub;
impl Rule<2> for Sub {
    const NAME: &'static str = "sub";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a - b
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 2], _: V) -> [V; 2] {
        [V::lit(1.0), V::lit(-1.0)]
    }
}

/// `y = a · b`
#[derive(Clone, Copy)]
pub struct Mul;
impl Rule<2> for Mul {
    const NAME: &'static str = "mul";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a * b
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        [b, a]
    }
}

/// `y = a / b`
#[derive(Clone, Copy)]
pub struct Div;
impl Rule<2> for Div {
    const NAME: &'static str = "div";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a / b
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [_, b]: [V; 2], y: V) -> [V; 2] {
        [b.recip(), -y / b]
    }
}

/// `y = −x`
#[derive(Clone, Copy)]
pub struct Neg;
impl Rule<1> for Neg {
    const NAME: &'static str = "neg";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        -x
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(-1.0)]
    }
}

/// `b`, the slope of `a·b` in `a`; but 0 for a NaN where `a` is 0: there the strong zero has decided, and a branch that
/// was not taken must not come back in the next derivative.
#[inline(always)]
fn unless_dead<V: Num>(a: V, b: V) -> V {
    let zero = V::lit(0.0);
    V::select(a.eq(zero), V::select(b.eq(b), b, zero), b)
}

/// `y = a · b`, and 0 where either is exactly 0 (unless `a` is NaN): the chain rule's product of a cotangent `a` and a
/// slope `b`, see [`Num::chain`].
#[derive(Clone, Copy)]
pub struct Chain;
impl Rule<2> for Chain {
    const NAME: &'static str = "chain";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a.chain(b)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        [unless_dead(a, b), a]
    }
}

/// `y = a · b`, and 0 where either is exactly 0: the chain rule's product of a tangent `a` and a slope `b`, see
/// [`Num::carry`].
#[derive(Clone, Copy)]
pub struct Carry;
impl Rule<2> for Carry {
    const NAME: &'static str = "carry";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a.carry(b)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        [unless_dead(a, b), unless_dead(b, a)]
    }
}

/// `y = |x|`, with slope 0 at 0.
#[derive(Clone, Copy)]
pub struct Abs;
impl Rule<1> for Abs {
    const NAME: &'static str = "abs";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.abs()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        let zero = V::lit(0.0);
        [V::select(zero.lt(x), V::lit(1.0), V::select(x.lt(zero), V::lit(-1.0), zero))]
    }
}

/// `y = eˣ`
#[derive(Clone, Copy)]
pub struct Exp;
impl Rule<1> for Exp {
    const NAME: &'static str = "exp";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.exp()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [y]
    }
}

/// `y = ln x`, with slope +∞ at 0.
#[derive(Clone, Copy)]
pub struct Ln;
impl Rule<1> for Ln {
    const NAME: &'static str = "ln";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.ln()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [not_negative_zero(x).recip()]
    }
}

/// `y = ln(1 + x)`, accurate near 0.
#[derive(Clone, Copy)]
pub struct Ln1p;
impl Rule<1> for Ln1p {
    const NAME: &'static str = "ln_1p";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.ln_1p()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [(V::lit(1.0) + x).recip()]
    }
}

/// `y = √x`, with slope +∞ at 0.
#[derive(Clone, Copy)]
pub struct Sqrt;
impl Rule<1> for Sqrt {
    const NAME: &'static str = "sqrt";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.sqrt()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [V::lit(0.5) / not_negative_zero(y)]
    }
}

/// `y = sin x`
#[derive(Clone, Copy)]
pub struct Sin;
impl Rule<1> for Sin {
    const NAME: &'static str = "sin";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.sin()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [x.cos()]
    }
}

/// `y = cos x`
#[derive(Clone, Copy)]
pub struct Cos;
impl Rule<1> for Cos {
    const NAME: &'static str = "cos";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.cos()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [-x.sin()]
    }
}

/// `y = tanh x`
#[derive(Clone, Copy)]
pub struct Tanh;
impl Rule<1> for Tanh {
    const NAME: &'static str = "tanh";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.tanh()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [V::lit(1.0) - y * y]
    }
}

/// `y = σ(x) = 1 / (1 + e⁻ˣ)`
#[derive(Clone, Copy)]
pub struct Sigmoid;
impl Rule<1> for Sigmoid {
    const NAME: &'static str = "sigmoid";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.sigmoid()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [y * (V::lit(1.0) - y)]
    }
}

/// `y = erf x = 2/√π ∫₀ˣ e^(−t²) dt`
#[derive(Clone, Copy)]
pub struct Erf;
impl Rule<1> for Erf {
    const NAME: &'static str = "erf";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.erf()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::lit(FRAC_2_SQRT_PI) * (-x * x).exp()]
    }
}

/// `y = aᵇ`, and 1 for `b = 0`, whatever `a`. The slope in `a` is 0 for `b = 0`. The slope in `b` is 0 at `a = 0` for
/// `b ≥ 0` and where `y = 0`, and NaN for a negative `a`. So both are 0 at `0⁰`, as those of `x⁰` and `0ˣ` are.
#[derive(Clone, Copy)]
pub struct Pow;
impl Rule<2> for Pow {
    const NAME: &'static str = "pow";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        a.pow(b)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], y: V) -> [V; 2] {
        let (zero, one) = (V::lit(0.0), V::lit(1.0));
        // The strong zero makes 0 of y·ln a where y is 0 and a infinite.
        let product = y.chain(a.ln());
        let by_b = V::select(zero.le(b), V::select(a.eq(zero), zero, product), product);
        [V::select(b.eq(zero), zero, b * a.pow(b - one)), by_b]
    }
}

/// `y = xⁿ` for a whole number `n`: `x·x·…·x`, exactly so for `|n| ≤ 64`; `x⁰ = 1` with slope 0.
#[derive(Clone, Copy)]
pub struct Powi(
    /// The exponent `n`.
    pub i32,
);
impl Rule<1> for Powi {
    const NAME: &'static str = "powi";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.powi(self.0)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        match self.0 {
            0 => [V::lit(0.0)],
            1 => [V::lit(1.0)],
            // In f64 arithmetic, so that the lowest exponent has a neighbour below.
            i32::MIN => [V::lit(self.0 as f64) * x.powi(self.0) / x],
            n => [V::lit(n as f64) * x.powi(n - 1)],
        }
    }
}

/// [`Powi`] of a number that is known when its loops are compiled, which makes vector code of them.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Whole<const N: i32>;
impl<const N: i32> Rule<1> for Whole<N> {
    const NAME: &'static str = "powi";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        Powi(N).value(x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; 1], y: V) -> [V; 1] {
        Powi(N).slopes(x, y)
    }
}

/// `y = max(a, b)`; where they are equal the slope is 0 in `a` and 1 in `b`; NaN if either is.
#[derive(Clone, Copy)]
pub struct Maximum;
impl Rule<2> for Maximum {
    const NAME: &'static str = "maximum";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(b.lt(a), a, V::select(a.eq(a), b, a))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        let (zero, one) = (V::lit(0.0), V::lit(1.0));
        [V::select(b.lt(a), one, zero), V::select(b.lt(a), zero, one)]
    }
}

/// `y = min(a, b)`; where they are equal the slope is 0 in `a` and 1 in `b`; NaN if either is.
#[derive(Clone, Copy)]
pub struct Minimum;
impl Rule<2> for Minimum {
    const NAME: &'static str = "minimum";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(a.lt(b), a, V::select(a.eq(a), b, a))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        let (zero, one) = (V::lit(0.0), V::lit(1.0));
        [V::select(a.lt(b), one, zero), V::select(a.lt(b), zero, one)]
    }
}

/// `y = b` where `a` is not 0, `c` elsewhere; the slope in the condition `a` is 0.
#[derive(Clone, Copy)]
pub struct Where;
impl Rule<3> for Where {
    const NAME: &'static str = "where";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b, c]: [V; 3]) -> V {
        V::select(a.eq(V::lit(0.0)), c, b)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, _, _]: [V; 3], _: V) -> [V; 3] {
        let (zero, one, no) = (V::lit(0.0), V::lit(1.0), a.eq(V::lit(0.0)));
        [zero, V::select(no, zero, one), V::select(no, one, zero)]
    }
}

/// `y = 1` where `a < b`, 0 elsewhere and where either is NaN; slope 0.
#[derive(Clone, Copy)]
pub struct Lt;
impl Rule<2> for Lt {
    const NAME: &'static str = "lt";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(a.lt(b), V::lit(1.0), V::lit(0.0))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 2], _: V) -> [V; 2] {
        [V::lit(0.0), V::lit(0.0)]
    }
}

/// `y = 1` where `a ≤ b`, 0 elsewhere and where either is NaN; slope 0.
#[derive(Clone, Copy)]
pub struct Le;
impl Rule<2> for Le {
    const NAME: &'static str = "le";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(a.le(b), V::lit(1.0), V::lit(0.0))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 2], _: V) -> [V; 2] {
        [V::lit(0.0), V::lit(0.0)]
    }
}

/// `y = 1` where `a = b`, 0 elsewhere and where either is NaN; slope 0.
#[derive(Clone, Copy)]
pub struct Eq;
impl Rule<2> for Eq {
    const NAME: &'static str = "eq";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(a.eq(b), V::lit(1.0), V::lit(0.0))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 2], _: V) -> [V; 2] {
        [V::lit(0.0), V::lit(0.0)]
    }
}

/// A comparison as a constant at the caller's line.
#[track_caller]
fn compare<T: Float + Native<R>, R: Rule<2>>(rule: R, x: [Tensor<T>; 2]) -> Tensor<T> {
    on_behalf_of(Place::here(), R::NAME, || cutting(CutKind::Comparison, || native(rule, x)))
}

/// Elementwise functions. Those of one argument have its shape, those of two the shape both broadcast to.
impl<T: Float> Tensor<T> {
    /// `|x|`, with slope 0 at 0.
    #[track_caller]
    pub fn abs(&self) -> Tensor<T> {
        native(Abs, [self])
    }
    /// `eˣ`
    #[track_caller]
    pub fn exp(&self) -> Tensor<T> {
        native(Exp, [self])
    }
    /// `ln x`, the natural logarithm. (The elementary functions are called as those of `f64` are.)
    #[doc(alias = "log")]
    #[track_caller]
    pub fn ln(&self) -> Tensor<T> {
        native(Ln, [self])
    }
    /// `ln(1 + x)`, accurate near 0.
    #[doc(alias = "log1p")]
    #[track_caller]
    pub fn ln_1p(&self) -> Tensor<T> {
        native(Ln1p, [self])
    }
    /// `√x`, with slope +∞ at 0.
    #[track_caller]
    pub fn sqrt(&self) -> Tensor<T> {
        native(Sqrt, [self])
    }
    /// `sin x`, in radians.
    #[track_caller]
    pub fn sin(&self) -> Tensor<T> {
        native(Sin, [self])
    }
    /// `cos x`, in radians.
    #[track_caller]
    pub fn cos(&self) -> Tensor<T> {
        native(Cos, [self])
    }
    /// `tanh x`
    #[track_caller]
    pub fn tanh(&self) -> Tensor<T> {
        native(Tanh, [self])
    }
    /// `σ(x) = 1 / (1 + e⁻ˣ)`
    #[track_caller]
    pub fn sigmoid(&self) -> Tensor<T> {
        native(Sigmoid, [self])
    }
    /// `erf x = 2/√π ∫₀ˣ e^(−t²) dt`
    #[track_caller]
    pub fn erf(&self) -> Tensor<T> {
        native(Erf, [self])
    }
    /// `xⁿ` for a whole number `n`: exactly `x·x·…·x` for `|n| ≤ 64`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new(-3.0);
    /// let y = x.powi(3);
    /// y.backward();
    /// assert_eq!((y.item(), x.grad().unwrap().item()), (-27.0, 27.0));
    /// ```
    #[track_caller]
    pub fn powi(&self, n: i32) -> Tensor<T> {
        match n {
            2 => native(Whole::<2>, [self]),
            3 => native(Whole::<3>, [self]),
            _ => native(Powi(n), [self]),
        }
    }
    /// `xᵖ` for a number `p`. A whole one is computed as [`powi`](Self::powi), so that negative `x` are fine.
    #[track_caller]
    pub fn powf(&self, p: T) -> Tensor<T> {
        self.pow(p)
    }
    /// `xᵇ`, elementwise, the exponent a number or a tensor. A whole number is computed as [`powi`](Self::powi). NaN
    /// for a negative `x` with an exponent that is not whole.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, exponent: impl Operand<T>) -> Tensor<T> {
        let exponent = exponent.into_tensor();
        let fixed = !exponent.wants_grad() && !is_input(&exponent);
        let number = if fixed { exponent.data().as_scalar() } else { None };
        match number.map(|p| (p, p.to_f64() as i32)) {
            Some((p, whole)) if T::of(whole as f64) == p => self.powi(whole),
            _ => native(Pow, [self.clone(), exponent]),
        }
    }
    /// `max(x, b)`, elementwise; where they are equal the slope is 0 in `x` and 1 in `b`.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: impl Operand<T>) -> Tensor<T> {
        native(Maximum, [self.clone(), other.into_tensor()])
    }
    /// `min(x, b)`, elementwise; where they are equal the slope is 0 in `x` and 1 in `b`.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: impl Operand<T>) -> Tensor<T> {
        native(Minimum, [self.clone(), other.into_tensor()])
    }
    /// 1 where `x < b`, 0 elsewhere: a constant, for [`where_`].
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn lt(&self, other: impl Operand<T>) -> Tensor<T> {
        compare(Lt, [self.clone(), other.into_tensor()])
    }
    /// 1 where `x ≤ b`, 0 elsewhere: a constant, for [`where_`].
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn le(&self, other: impl Operand<T>) -> Tensor<T> {
        compare(Le, [self.clone(), other.into_tensor()])
    }
    /// 1 where `x > b`, 0 elsewhere: a constant, for [`where_`].
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn gt(&self, other: impl Operand<T>) -> Tensor<T> {
        compare(Lt, [other.into_tensor(), self.clone()])
    }
    /// 1 where `x ≥ b`, 0 elsewhere: a constant, for [`where_`].
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn ge(&self, other: impl Operand<T>) -> Tensor<T> {
        compare(Le, [other.into_tensor(), self.clone()])
    }
    /// 1 where `x = b`, 0 elsewhere: a constant, for [`where_`]. (Named apart from `==`, which compares whole values.)
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn equals(&self, other: impl Operand<T>) -> Tensor<T> {
        compare(Eq, [self.clone(), other.into_tensor()])
    }
}

/// `a` where the condition is not 0, `b` elsewhere; elementwise under broadcasting.
///
/// What is not chosen contributes nothing to a gradient, whatever its slope:
///
/// ```
/// use femtograd::{Tensor, where_};
/// let x = Tensor::new([-4.0, 4.0]);
/// where_(x.gt(0.0), x.sqrt(), &x).sum().backward(); // √−4 is NaN, and not chosen
/// assert_eq!(x.grad().unwrap().to_vec(), [1.0, 0.25]);
/// ```
///
/// # Panics
/// If the shapes do not broadcast.
#[track_caller]
pub fn where_<T: Float>(condition: impl Operand<T>, a: impl Operand<T>, b: impl Operand<T>) -> Tensor<T> {
    native(Where, [condition.into_tensor(), a.into_tensor(), b.into_tensor()])
}
