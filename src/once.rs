//! What is compiled once, in this crate.
//!
//! A generic type is compiled where it is used: every program and every test would hold its own copies of all rules here,
//! as ops of `f32` and of `f64`, three instruction sets each. So the methods of tensors ask a type of numbers for its
//! [`Native`] op of a rule, which is compiled with this crate. Rules of other crates are compiled there, by
//! [`Rule::on`].

use crate::num::Float;
use crate::ops::elementwise::*;
use crate::ops::loss::{BceWithLogits, Huber, KlDiv};
use crate::rule::{Elementwise, Rule};
use crate::{Op, Operand, Place, Tensor};

/// The op of a rule of this crate.
#[doc(hidden)]
pub trait Native<R>: Sized {
    /// The rule, as an op.
    fn op(rule: R) -> Box<dyn Op<Self>>;
}

macro_rules! once {
    ($($R:ty: $N:literal),* $(,)?) => {
        /// A type of numbers that has the op of every rule here.
        #[doc(hidden)]
        pub trait Natives: $(Native<$R> +)* Sized {}
        impl Natives for f32 {}
        impl Natives for f64 {}
        $(
            once!(@for f32 $R: $N);
            once!(@for f64 $R: $N);
        )*
    };
    (@for $T:ident $R:ty: $N:literal) => {
        impl Native<$R> for $T {
            // Inlined, it would be compiled where it is called after all.
            #[inline(never)]
            fn op(rule: $R) -> Box<dyn Op<$T>> {
                Box::new(Elementwise::<$R, $N>(rule))
            }
        }
    };
}
once! {
    Add: 2, Sub: 2, Mul: 2, Div: 2, Neg: 1, Chain: 2, Carry: 2, Abs: 1, Exp: 1, Ln: 1, Ln1p: 1, Sqrt: 1,
    Sin: 1, Cos: 1, Tanh: 1, Sigmoid: 1, Erf: 1, Pow: 2, Powi: 1, Maximum: 2, Minimum: 2, Where: 3, Lt: 2,
    Le: 2, Eq: 2, ExpM1: 1, Log2: 1, Log10: 1, Rsqrt: 1, Tan: 1, Asin: 1, Acos: 1, Atan: 1, Atan2: 2,
    Hypot: 2, Sinh: 1, Cosh: 1, Asinh: 1, Acosh: 1, Atanh: 1, Sign: 1, Floor: 1, Ceil: 1, Round: 1,
    Trunc: 1, Logit: 1, Xlogy: 2, Erfc: 1, Lgamma: 1, Polygamma: 1, Relu: 1, Softplus: 1, Gelu: 1,
    LeakyRelu: 1, Elu: 1, LogSigmoid: 1, Silu: 1, Mish: 1, GeluTanh: 1, Huber: 1, BceWithLogits: 3,
    KlDiv: 2, Whole<2>: 1, Whole<3>: 1,
}

/// [`Rule::on`] for a rule of this crate.
#[inline]
#[track_caller]
pub(crate) fn native<T: Float + Native<R>, R: Rule<N>, const N: usize>(
    rule: R,
    x: [impl Operand<T>; N],
) -> Tensor<T> {
    let place = Place::here();
    Tensor::record(T::op(rule), x.into_iter().map(|x| x.into_tensor_at(place)).collect())
}
