//! Activations: what networks put between their layers.

use crate::num::{Float, Num};
use crate::once::native;
use crate::{Operand, Rule, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `y = max(x, 0)`, with slope 0 at 0.
#[derive(Clone, Copy)]
pub struct Relu;
impl Rule<1> for Relu {
    const NAME: &'static str = "relu";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        V::select(x.le(V::lit(0.0)), V::lit(0.0), x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::select(x.le(V::lit(0.0)), V::lit(0.0), V::lit(1.0))]
    }
}

/// `y = ln(1 + eˣ)`, computed as `max(x, 0) + ln(1 + e^−|x|)`, which does not overflow.
#[derive(Clone, Copy)]
pub struct Softplus;
impl Rule<1> for Softplus {
    const NAME: &'static str = "softplus";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        V::select(x.le(V::lit(0.0)), V::lit(0.0), x) + (-x.abs()).exp().ln_1p()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [x.sigmoid()]
    }
}

/// `y = x · Φ(x) = x · (1 + erf(x/√2)) / 2`, with `Φ` the normal distribution (Hendrycks & Gimpel 2016).
#[derive(Clone, Copy)]
pub struct Gelu;
impl Rule<1> for Gelu {
    const NAME: &'static str = "gelu";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        // The strong zero makes 0 of −∞·Φ(−∞).
        x.chain(V::lit(0.5) + V::lit(0.5) * (x * V::lit(FRAC_1_SQRT_2)).erf())
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        let normal = V::lit(0.5) + V::lit(0.5) * (x * V::lit(FRAC_1_SQRT_2)).erf();
        // Φ + x·φ; the strong zero lets the density win over an infinite x.
        let density = V::lit(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2) * (x * x * V::lit(-0.5)).exp();
        [normal + x.chain(density)]
    }
}

/// `y = x` for positive `x`, `slope · x` elsewhere; at 0 the slope is `slope`, as for [`Relu`], which is `LeakyRelu(0)`.
#[derive(Clone, Copy)]
pub struct LeakyRelu(
    /// The slope for negative arguments.
    pub f64,
);
impl Rule<1> for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        // The strong zero makes 0 of −∞ times a slope of 0.
        V::select(V::lit(0.0).lt(x), x, x.chain(V::lit(self.0)))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::select(V::lit(0.0).lt(x), V::lit(1.0), V::lit(self.0))]
    }
}

/// `y = x` for positive `x`, `α · (eˣ − 1)` elsewhere; at 0 the slope is `α` (Clevert, Unterthiner & Hochreiter 2015).
#[derive(Clone, Copy)]
pub struct Elu(
    /// `α`, the size of the limit at −∞.
    pub f64,
);
impl Rule<1> for Elu {
    const NAME: &'static str = "elu";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        V::select(V::lit(0.0).lt(x), x, V::lit(self.0) * x.exp_m1())
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::select(V::lit(0.0).lt(x), V::lit(1.0), V::lit(self.0) * x.exp())]
    }
}

/// `y = ln σ(x) = −ln(1 + e⁻ˣ)`, without overflow.
#[derive(Clone, Copy)]
pub struct LogSigmoid;
impl Rule<1> for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        -V::apply(Softplus, [-x])
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [(-x).sigmoid()]
    }
}

// The next two have their slopes derived. In all three the strong zero in x times something makes the limits at −∞, 0 in
// value and slope, and lets a slope that vanishes win over an infinite x.

/// `y = x · σ(x)`, also called swish (Elfwing, Uchibe & Doya 2017; Ramachandran, Zoph & Le 2017).
#[derive(Clone, Copy)]
pub struct Silu;
impl Rule<1> for Silu {
    const NAME: &'static str = "silu";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.chain(x.sigmoid())
    }
}

/// `y = x · tanh(ln(1 + eˣ))` (Misra 2019).
#[derive(Clone, Copy)]
pub struct Mish;
impl Rule<1> for Mish {
    const NAME: &'static str = "mish";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.chain(V::apply(Softplus, [x]).tanh())
    }
}

/// `y = x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`, an approximation of [`Gelu`] (Hendrycks & Gimpel 2016). Computed as
/// `x · σ(2√(2/π) (…))`, the same function with all its digits for negative `x`.
#[derive(Clone, Copy)]
pub struct GeluTanh;
impl GeluTanh {
    const SCALE: f64 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    const CUBIC: f64 = 0.044715 * GeluTanh::SCALE;

    #[inline(always)]
    fn share<V: Num>(x: V) -> V {
        (x * (V::lit(GeluTanh::SCALE) + V::lit(GeluTanh::CUBIC) * (x * x))).sigmoid()
    }
}
impl Rule<1> for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.chain(GeluTanh::share(x))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        // σ + x·σ·(1 − σ)·u′, where a σ at its end wins over an infinite u′ and x.
        let share = GeluTanh::share(x);
        let inner = V::lit(GeluTanh::SCALE) + V::lit(3.0 * GeluTanh::CUBIC) * (x * x);
        [share + x.chain((share * (V::lit(1.0) - share)).chain(inner))]
    }
}

/// Activations, elementwise.
impl<T: Float> Tensor<T> {
    /// `max(x, 0)`, with slope 0 at 0.
    #[track_caller]
    pub fn relu(&self) -> Tensor<T> {
        native(Relu, [self])
    }
    /// `ln(1 + eˣ)`, without overflow.
    #[track_caller]
    pub fn softplus(&self) -> Tensor<T> {
        native(Softplus, [self])
    }
    /// `x · Φ(x)`, with `Φ` the normal distribution: the exact form, through `erf`.
    #[track_caller]
    pub fn gelu(&self) -> Tensor<T> {
        native(Gelu, [self])
    }
    /// [`gelu`](Self::gelu) in its approximate form, `x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`, which GPT-2 was
    /// trained with.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor<T> {
        native(GeluTanh, [self])
    }
    /// `x` for positive `x`, `slope · x` elsewhere; at 0 the slope is `slope`.
    #[track_caller]
    pub fn leaky_relu(&self, slope: T) -> Tensor<T> {
        native(LeakyRelu(slope.to_f64()), [self])
    }
    /// `x` for positive `x`, `α · (eˣ − 1)` elsewhere; at 0 the slope is `α`.
    #[track_caller]
    pub fn elu(&self, alpha: T) -> Tensor<T> {
        native(Elu(alpha.to_f64()), [self])
    }
    /// `λ · elu(x)` with the `α` and `λ` that keep activations at mean 0 and variance 1 from layer to layer (Klambauer
    /// et al. 2017); at 0 the slope is `λ·α`.
    #[track_caller]
    pub fn selu(&self) -> Tensor<T> {
        self.elu(T::of(1.6732632423543772)) * T::of(1.0507009873554805)
    }
    /// `x · σ(x)`, also called swish.
    #[track_caller]
    pub fn silu(&self) -> Tensor<T> {
        native(Silu, [self])
    }
    /// `x · tanh(ln(1 + eˣ))`
    #[track_caller]
    pub fn mish(&self) -> Tensor<T> {
        native(Mish, [self])
    }
    /// `ln σ(x)`, without overflow.
    #[track_caller]
    pub fn log_sigmoid(&self) -> Tensor<T> {
        native(LogSigmoid, [self])
    }
    /// `min(max(x, low), high)`, elementwise, the bounds numbers or tensors: `high` where they cross. On a bound the
    /// slope is 0 in `x` and 1 in the bound, as for [`maximum`](Self::maximum) and [`minimum`](Self::minimum), which are
    /// also the way to give one bound only.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([-2.0, -1.0, 0.5, 3.0]);
    /// let y = x.clamp(-1.0, 1.0); // hardtanh
    /// y.sum().backward();
    /// assert_eq!(y.to_string(), "[-1, -1, 0.5, 1]");
    /// assert_eq!(x.grad().unwrap().to_string(), "[0, 0, 1, 0]");
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn clamp(&self, low: impl Operand<T>, high: impl Operand<T>) -> Tensor<T> {
        self.maximum(low).minimum(high)
    }
}
