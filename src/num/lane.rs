//! A number in a kernel's loop.

use super::{Float, Num, Primitive};
use crate::Rule;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number with so much room around it that the compiler passes several of them by reference. Two bare `f32` it would
/// pack into one integer, and vector code would pack and unpack them: four times slower for the way back of a product.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Lane<T>(pub(crate) T);

macro_rules! unary {
    ($($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self {
            Lane(Num::$f(self.0))
        }
    )* };
}

impl<T: Float> Num for Lane<T> {
    type Mask = bool;
    #[inline(always)]
    fn lit(v: f64) -> Self {
        Lane(Num::lit(v))
    }
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        rule.value(x)
    }
    #[inline(always)]
    fn primitive<R: Primitive<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        Lane(T::primitive(rule, x.map(|x| x.0)))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn le(self, other: Self) -> bool {
        self.0 <= other.0
    }
    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn select(mask: bool, a: Self, b: Self) -> Self {
        Lane(T::select(mask, a.0, b.0))
    }
    #[inline(always)]
    fn chain(self, slope: Self) -> Self {
        Lane(self.0.chain(slope.0))
    }
    #[inline(always)]
    fn carry(self, slope: Self) -> Self {
        Lane(self.0.carry(slope.0))
    }
    #[inline(always)]
    fn pow(self, y: Self) -> Self {
        Lane(Num::pow(self.0, y.0))
    }
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        Lane(Num::powi(self.0, n))
    }
    unary!(abs exp exp_m1 ln ln_1p sqrt sin cos tanh sigmoid erf);
}

macro_rules! binary {
    ($($Op:ident $f:ident),*) => { $(
        impl<T: Float> $Op for Lane<T> {
            type Output = Self;
            #[inline(always)]
            fn $f(self, other: Self) -> Self {
                Lane(self.0.$f(other.0))
            }
        }
    )* };
}
binary!(Add add, Sub sub, Mul mul, Div div);

impl<T: Float> Neg for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Lane(-self.0)
    }
}
