//! A number in a kernel's loop.

use super::{Float, Num, Primitive};
use crate::Rule;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number in the loop of a way back.
///
/// It carries what the compiler knows while it builds the loop and nothing of that into the loop itself: whether this is
/// [`Num::nothing`], whose products and sums need no arithmetic. And its [`carry`](Num::carry) has no strong zero: the
/// guards would be most of the loop. Without them 0·∞ is NaN, and NaN stays NaN in the sums and products that tangents
/// go through; so where the result is no NaN it is right, and where it is, the block is computed again with guards.
///
/// The alignment makes the compiler pass several of them by reference. Two bare `f32` it would pack into one integer, and
/// vector code would pack and unpack them: four times slower for the way back of a product.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Lane<T> {
    pub(crate) value: T,
    nothing: bool,
}

#[inline(always)]
pub(crate) fn lane<T>(value: T) -> Lane<T> {
    Lane { value, nothing: false }
}

macro_rules! unary {
    ($($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self {
            lane(Num::$f(self.value))
        }
    )* };
}

impl<T: Float> Num for Lane<T> {
    type Mask = bool;
    #[inline(always)]
    fn lit(v: f64) -> Self {
        lane(Num::lit(v))
    }
    #[inline(always)]
    fn nothing() -> Self {
        Lane { value: T::ZERO, nothing: true }
    }
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        rule.value(x)
    }
    #[inline(always)]
    fn primitive<R: Primitive<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        lane(T::primitive(rule, x.map(|x| x.value)))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self.value < other.value
    }
    #[inline(always)]
    fn le(self, other: Self) -> bool {
        self.value <= other.value
    }
    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self.value == other.value
    }
    #[inline(always)]
    fn select(mask: bool, a: Self, b: Self) -> Self {
        Lane { value: T::select(mask, a.value, b.value), nothing: a.nothing && b.nothing }
    }
    #[inline(always)]
    fn chain(self, slope: Self) -> Self {
        lane(self.value.chain(slope.value))
    }
    #[inline(always)]
    fn carry(self, slope: Self) -> Self {
        if self.nothing { self } else { lane(self.value * slope.value) }
    }
    #[inline(always)]
    fn pow(self, y: Self) -> Self {
        lane(Num::pow(self.value, y.value))
    }
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        lane(Num::powi(self.value, n))
    }
    unary!(abs exp exp_m1 ln ln_1p sqrt sin cos tanh sigmoid erf);
}

impl<T: Float> Add for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        match (self.nothing, other.nothing) {
            (true, _) => other,
            (_, true) => self,
            _ => lane(self.value + other.value),
        }
    }
}
impl<T: Float> Sub for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        if other.nothing { self } else { lane(self.value - other.value) }
    }
}
impl<T: Float> Mul for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lane(self.value * other.value)
    }
}
impl<T: Float> Div for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        lane(self.value / other.value)
    }
}
impl<T: Float> Neg for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Lane { value: -self.value, nothing: self.nothing }
    }
}
