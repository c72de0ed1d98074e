//! `+ − × ÷` between tensors, owned or borrowed, and numbers, on either side.

use super::elementwise as rules;
use crate::num::Float;
use crate::{Operand, Tensor};
use smallvec::smallvec;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operator {
    ($($Op:ident $f:ident),*) => { $(
        impl<T: Float, R: Operand<T>> $Op<R> for Tensor<T> {
            type Output = Tensor<T>;
            #[inline]
            #[track_caller]
            fn $f(self, other: R) -> Tensor<T> {
                Tensor::record(T::op(rules::$Op), smallvec![self, other.into_tensor()])
            }
        }
        impl<T: Float, R: Operand<T>> $Op<R> for &Tensor<T> {
            type Output = Tensor<T>;
            #[inline]
            #[track_caller]
            fn $f(self, other: R) -> Tensor<T> {
                self.clone().$f(other)
            }
        }
        operator!(@number f32 $Op $f);
        operator!(@number f64 $Op $f);
    )* };
    (@number $T:ident $Op:ident $f:ident) => {
        impl $Op<Tensor<$T>> for $T {
            type Output = Tensor<$T>;
            #[inline]
            #[track_caller]
            fn $f(self, other: Tensor<$T>) -> Tensor<$T> {
                self.into_tensor().$f(other)
            }
        }
        impl $Op<&Tensor<$T>> for $T {
            type Output = Tensor<$T>;
            #[inline]
            #[track_caller]
            fn $f(self, other: &Tensor<$T>) -> Tensor<$T> {
                self.into_tensor().$f(other)
            }
        }
    };
}
operator!(Add add, Sub sub, Mul mul, Div div);

impl<T: Float> Neg for Tensor<T> {
    type Output = Tensor<T>;
    #[track_caller]
    fn neg(self) -> Tensor<T> {
        Tensor::record(T::op(rules::Neg), smallvec![self])
    }
}
impl<T: Float> Neg for &Tensor<T> {
    type Output = Tensor<T>;
    #[track_caller]
    fn neg(self) -> Tensor<T> {
        -self.clone()
    }
}
