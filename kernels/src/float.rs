//! The numbers arrays are made of: `f32` and `f64`.

use crate::map::{self, BlockFn};
use crate::once::Kernels;
use crate::vector::Vectors;
use crate::{Input, Sink, math};
use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point type an array can hold: `f32` or `f64`.
///
/// The elementary functions are this crate's own ([`math`], where their error bounds stand): a loop over them becomes
/// vector code, and they give the same bits on every instruction set. Not so [`powf`](Self::powf), which is the
/// system's.
pub trait Float:
    sealed::Sealed
    + Kernels
    + Vectors
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + LowerExp
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞, the maximum of nothing.
    const NEG_INFINITY: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The name of the type: `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest number to `v`.
    fn of(v: f64) -> Self;
    /// This number as an `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `|x|`
    fn abs(self) -> Self;
    /// `√x`, correctly rounded.
    fn sqrt(self) -> Self;
    /// `eˣ`
    fn exp(self) -> Self;
    /// `eˣ − 1`, accurate near 0.
    fn exp_m1(self) -> Self;
    /// `ln x`
    fn ln(self) -> Self;
    /// `ln(1 + x)`, accurate near 0.
    fn ln_1p(self) -> Self;
    /// `sin x`
    fn sin(self) -> Self;
    /// `cos x`
    fn cos(self) -> Self;
    /// `tanh x`
    fn tanh(self) -> Self;
    /// `1 / (1 + e⁻ˣ)`
    fn sigmoid(self) -> Self;
    /// `erf x = 2/√π ∫₀ˣ e^(−t²) dt`
    fn erf(self) -> Self;
    /// `self·a + b`, rounded once. Only for loops compiled for processors that have it: elsewhere it is a slow function.
    #[doc(hidden)]
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The loop of [`map_into`](crate::map_into), compiled in this crate.
    #[doc(hidden)]
    fn each_block(
        f: &BlockFn<'_, Self>,
        inputs: [&[Input<'_, Self>]; 2],
        shape: &[usize],
        out: &mut [Sink<'_, Self>],
    );
    /// `xʸ`
    fn powf(self, y: Self) -> Self;
    /// `xⁿ` by repeated multiplication: exactly `x·x·…·x` for `|n| ≤ 64`, by squaring beyond; `1 / x⁻ⁿ` for negative `n`.
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        let size = n.unsigned_abs();
        let mut y = Self::ONE;
        if size <= 64 {
            for k in 0..size {
                y = if k == 0 { self } else { y * self };
            }
        } else {
            let (mut left, mut square) = (size, self);
            while left > 0 {
                y = if left & 1 == 1 { y * square } else { y };
                square = square * square;
                left >>= 1;
            }
        }
        if n < 0 { Self::ONE / y } else { y }
    }
}

/// `g · slope` with the strong zero: 0 where `g` is 0, and where `slope` is 0 and `g` not NaN.
///
/// ```
/// use femtograd_kernels::chain;
/// assert_eq!((chain(0.0, f64::NAN), chain(f64::INFINITY, 0.0), chain(2.0, 3.0)), (0.0, 0.0, 6.0));
/// assert!(chain(f64::NAN, 0.0).is_nan());
/// ```
#[inline(always)]
#[allow(clippy::eq_op)] // only a number equals itself
pub fn chain<T: Float>(g: T, slope: T) -> T {
    if g == T::ZERO || (slope == T::ZERO && g == g) { T::ZERO } else { g * slope }
}

macro_rules! float {
    ($T:ident, $math:ident) => {
        impl Float for $T {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $T::NEG_INFINITY;
            const EPSILON: Self = $T::EPSILON;
            const NAME: &'static str = stringify!($T);

            #[inline(always)]
            fn of(v: f64) -> Self {
                v as $T
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $T::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $T::sqrt(self)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $T::mul_add(self, a, b)
            }
            #[inline(always)]
            fn powf(self, y: Self) -> Self {
                $T::powf(self, y)
            }
            fn each_block(
                f: &BlockFn<'_, $T>,
                inputs: [&[Input<'_, $T>]; 2],
                shape: &[usize],
                out: &mut [Sink<'_, $T>],
            ) {
                map::each_block(f, inputs, shape, out);
            }
            float!(@math $T $math exp exp_m1 ln ln_1p sin cos tanh sigmoid erf);
        }
    };
    (@math $T:ident $math:ident $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self {
            math::$math::$f(self)
        }
    )* };
}
float!(f32, single);
float!(f64, double);
