//! The numbers a [`Rule`] runs on.
//!
//! | a rule run on | gives |
//! |---|---|
//! | `f32`, `f64` | values and slopes; inside a kernel's loop the compiler runs sixteen or eight of them at once |
//! | [`Dual`] | values and slopes from the value alone: forward mode |
//! | [`Recorded`] | tensors, so that a derivative is recorded and can be differentiated again |
//! | [`Symbol`] | formulas, as text and LaTeX |
//! | [`Form`] | whether a slope is a number or an argument, which need not be computed |

mod dual;
mod form;
mod lane;
mod recorded;
mod symbol;

pub use dual::Dual;
pub use form::Form;
pub(crate) use lane::lane;
pub use recorded::{Recorded, Scratch};
pub use symbol::{Formula, Style, Symbol, Symbols};

use crate::Rule;
use crate::kernels;
use crate::once::Natives;
use crate::ops::elementwise as rules;
use crate::release::Spares;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::thread::LocalKey;

/// A number a [`Rule`] can be run on: arithmetic, elementary functions, comparison and selection.
///
/// The elementary functions are rules themselves; by default a number computes one by [applying](Num::apply) the
/// rule, so a new kind of number needs arithmetic, `apply`, `lit`, comparison and `select`, and gets the rest.
pub trait Num:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The answer to a comparison.
    type Mask: Copy;

    /// The number `v`.
    fn lit(v: f64) -> Self;
    /// The slope of what does not depend on an argument: 0.
    #[inline(always)]
    fn nothing() -> Self {
        Self::lit(0.0)
    }
    /// `rule` at `x`.
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self;
    /// `rule` at `x`, its value computed by [`Primitive::number`]. Only numbers that [apply](Num::apply) a rule by
    /// running its value need to override this.
    #[inline(always)]
    fn primitive<R: Primitive<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        Self::apply(rule, x)
    }
    /// `self < other`; false if either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self ≤ other`; false if either is NaN.
    fn le(self, other: Self) -> Self::Mask;
    /// `self = other`; false if either is NaN, so `x.eq(x)` says that `x` is a number.
    fn eq(self, other: Self) -> Self::Mask;
    /// `a` where the mask holds, `b` elsewhere; what is not selected does no harm, NaN or not.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// `self · slope`, the chain rule's product in reverse mode, with the **strong zero**: a cotangent of exactly 0 gives
    /// 0 whatever the slope, and a slope of exactly 0 gives 0 even for an infinite one; a NaN cotangent stays NaN.
    ///
    /// So a branch that was not taken contributes nothing even where its slope is infinite or undefined. The guard
    /// is right wherever "no dependence" is what the zero means; where it stands for a limit it can be wrong, as in
    /// the derivative of `(√x)²` at 0.
    #[inline(always)]
    fn chain(self, slope: Self) -> Self {
        Self::apply(rules::Chain, [self, slope])
    }
    /// `self · slope`, the same product in forward mode, of a tangent: 0 if either is exactly 0, whatever the other.
    ///
    /// In both modes the factor nearer the result decides: if that is exactly 0 the result does not depend on what lies
    /// behind, be it NaN. In reverse mode that factor is the cotangent, in forward mode the slope. (And what does not
    /// move, a tangent of 0, moves nothing.)
    #[inline(always)]
    fn carry(self, slope: Self) -> Self {
        Self::apply(rules::Carry, [self, slope])
    }
    /// `1 / x`
    #[inline(always)]
    fn recip(self) -> Self {
        Self::lit(1.0) / self
    }
    /// `|x|`
    #[inline(always)]
    fn abs(self) -> Self {
        Self::apply(rules::Abs, [self])
    }
    /// `eˣ`
    #[inline(always)]
    fn exp(self) -> Self {
        Self::apply(rules::Exp, [self])
    }
    /// `eˣ − 1`, accurate near 0
    #[inline(always)]
    fn exp_m1(self) -> Self {
        Self::apply(rules::ExpM1, [self])
    }
    /// `ln x`
    #[inline(always)]
    fn ln(self) -> Self {
        Self::apply(rules::Ln, [self])
    }
    /// `ln(1 + x)`
    #[inline(always)]
    fn ln_1p(self) -> Self {
        Self::apply(rules::Ln1p, [self])
    }
    /// `√x`
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::apply(rules::Sqrt, [self])
    }
    /// `sin x`
    #[inline(always)]
    fn sin(self) -> Self {
        Self::apply(rules::Sin, [self])
    }
    /// `cos x`
    #[inline(always)]
    fn cos(self) -> Self {
        Self::apply(rules::Cos, [self])
    }
    /// `tanh x`
    #[inline(always)]
    fn tanh(self) -> Self {
        Self::apply(rules::Tanh, [self])
    }
    /// `1 / (1 + e⁻ˣ)`
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::apply(rules::Sigmoid, [self])
    }
    /// `erf x`
    #[inline(always)]
    fn erf(self) -> Self {
        Self::apply(rules::Erf, [self])
    }
    /// `xʸ`
    #[inline(always)]
    fn pow(self, y: Self) -> Self {
        Self::apply(rules::Pow, [self, y])
    }
    /// `xⁿ`
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        Self::apply(rules::Powi(n), [self])
    }
}

/// A rule whose value is no formula of others but a function of plain numbers. Its `value` is
/// `V::primitive(*self, x)`; its slopes are formulas, like any rule's.
///
/// ```
/// use femtograd::{Rule, Tensor, num::{Num, Primitive}};
///
/// /// `y = ∛x`
/// #[derive(Clone, Copy)]
/// struct Cbrt;
/// impl Rule<1> for Cbrt {
///     const NAME: &'static str = "cbrt";
///     #[inline(always)]
///     fn value<V: Num>(&self, x: [V; 1]) -> V {
///         V::primitive(*self, x)
///     }
///     #[inline(always)]
///     fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
///         [V::lit(1.0 / 3.0) / (y * y)]
///     }
/// }
/// impl Primitive<1> for Cbrt {
///     fn number(&self, [x]: [f64; 1]) -> f64 {
///         x.cbrt()
///     }
/// }
///
/// let x = Tensor::new(8.0);
/// Cbrt.on([&x]).backward();
/// assert!((x.grad().unwrap().item() - 1.0 / 12.0).abs() < 1e-15);
/// ```
pub trait Primitive<const N: usize>: Rule<N> {
    /// The value. For `f32` it is computed in `f64` and rounded.
    fn number(&self, x: [f64; N]) -> f64;

    /// The rule's own numbers, which its formula shows before the arguments.
    ///
    /// ```
    /// use femtograd::{Rule, num::Style, ops::elementwise::Polygamma};
    /// let formula = Polygamma(1).formula(Style::Text);
    /// assert_eq!(formula.to_string(), "y = polygamma(1, x), ∂x = polygamma(2, x)");
    /// ```
    fn parameters(&self) -> Vec<f64> {
        vec![]
    }
}

/// The numbers a tensor is made of: `f32` and `f64`.
pub trait Float: kernels::Float + Num<Mask = bool> + Natives {
    /// Where a thread keeps dropped nodes.
    #[doc(hidden)]
    fn spares() -> &'static LocalKey<Spares<Self>>;
}

macro_rules! float {
    ($T:ident) => {
        impl Float for $T {
            fn spares() -> &'static LocalKey<Spares<$T>> {
                thread_local! {
                    static SPARES: Spares<$T> = const { Spares::new() };
                }
                &SPARES
            }
        }
        impl Num for $T {
            type Mask = bool;
            #[inline(always)]
            fn lit(v: f64) -> $T {
                v as $T
            }
            #[inline(always)]
            fn apply<R: Rule<N>, const N: usize>(rule: R, x: [$T; N]) -> $T {
                rule.value(x)
            }
            #[inline(always)]
            fn primitive<R: Primitive<N>, const N: usize>(rule: R, x: [$T; N]) -> $T {
                rule.number(x.map(f64::from)) as $T
            }
            #[inline(always)]
            fn lt(self, other: $T) -> bool {
                self < other
            }
            #[inline(always)]
            fn le(self, other: $T) -> bool {
                self <= other
            }
            #[inline(always)]
            fn eq(self, other: $T) -> bool {
                self == other
            }
            #[inline(always)]
            fn select(mask: bool, a: $T, b: $T) -> $T {
                if mask { a } else { b }
            }
            #[inline(always)]
            fn chain(self, slope: $T) -> $T {
                kernels::chain(self, slope)
            }
            #[inline(always)]
            fn carry(self, slope: $T) -> $T {
                if self == 0.0 || slope == 0.0 { 0.0 } else { self * slope }
            }
            #[inline(always)]
            fn pow(self, y: $T) -> $T {
                kernels::Float::powf(self, y)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> $T {
                kernels::Float::powi(self, n)
            }
            float!(@unary $T abs exp exp_m1 ln ln_1p sqrt sin cos tanh sigmoid erf);
        }
    };
    (@unary $T:ident $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> $T {
            kernels::Float::$f(self)
        }
    )* };
}
float!(f32);
float!(f64);

/// An operator through its rule, for the numbers that are computed from others.
macro_rules! by_rule {
    ([$($generics:tt)*] $Number:ty, $Op:ident $f:ident $($other:ident)?) => {
        impl<$($generics)*> std::ops::$Op for $Number {
            type Output = Self;
            #[inline(always)]
            fn $f(self $(, $other: Self)?) -> Self {
                <Self as $crate::num::Num>::apply($crate::ops::elementwise::$Op, [self $(, $other)?])
            }
        }
    };
}
pub(crate) use by_rule;
