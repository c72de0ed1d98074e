//! Functions of mathematics: exponentials and logarithms, roots, trigonometric and hyperbolic functions and their
//! inverses, rounding, and special functions.

use crate::kernels::special;
use crate::num::{Float, Num, Primitive};
use crate::once::native;
use crate::{Operand, Rule, Tensor};
use std::f64::consts::{FRAC_2_SQRT_PI, LOG2_E, LOG10_E};

/// `y = eˣ − 1`, accurate near 0.
#[derive(Clone, Copy)]
pub struct ExpM1;
impl Rule<1> for ExpM1 {
    const NAME: &'static str = "exp_m1";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.exp_m1()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [x.exp()]
    }
}

/// `y = log₂ x`, exact for powers of 2; slope +∞ at 0.
#[derive(Clone, Copy)]
pub struct Log2;
impl Rule<1> for Log2 {
    const NAME: &'static str = "log2";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::lit(LOG2_E) / super::not_negative_zero(x)]
    }
}
impl Primitive<1> for Log2 {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::log2(x)
    }
}

/// `y = log₁₀ x`; slope +∞ at 0.
#[derive(Clone, Copy)]
pub struct Log10;
impl Rule<1> for Log10 {
    const NAME: &'static str = "log10";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::lit(LOG10_E) / super::not_negative_zero(x)]
    }
}
impl Primitive<1> for Log10 {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::log10(x)
    }
}

/// `y = 1 / √x`: ∞ at 0, with slope −∞; −∞ at −0, as IEEE 754 has it.
#[derive(Clone, Copy)]
pub struct Rsqrt;
impl Rule<1> for Rsqrt {
    const NAME: &'static str = "rsqrt";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.sqrt().recip()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], y: V) -> [V; 1] {
        [V::lit(-0.5) * y / x]
    }
}

/// `y = tan x`
#[derive(Clone, Copy)]
pub struct Tan;
impl Rule<1> for Tan {
    const NAME: &'static str = "tan";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], y: V) -> [V; 1] {
        [V::lit(1.0) + y * y]
    }
}
impl Primitive<1> for Tan {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::tan(x)
    }
}

/// `√(1 − x²)`, with all its digits near ±1.
#[inline(always)]
fn other_side<V: Num>(x: V) -> V {
    ((V::lit(1.0) - x) * (V::lit(1.0) + x)).sqrt()
}

/// `y = arcsin x`, with slope ∞ at ±1; NaN beyond.
#[derive(Clone, Copy)]
pub struct Asin;
impl Rule<1> for Asin {
    const NAME: &'static str = "asin";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [other_side(x).recip()]
    }
}
impl Primitive<1> for Asin {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::asin(x)
    }
}

/// `y = arccos x`, with slope −∞ at ±1; NaN beyond.
#[derive(Clone, Copy)]
pub struct Acos;
impl Rule<1> for Acos {
    const NAME: &'static str = "acos";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [-other_side(x).recip()]
    }
}
impl Primitive<1> for Acos {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::acos(x)
    }
}

/// `y = arctan x`
#[derive(Clone, Copy)]
pub struct Atan;
impl Rule<1> for Atan {
    const NAME: &'static str = "atan";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [(V::lit(1.0) + x * x).recip()]
    }
}
impl Primitive<1> for Atan {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::atan(x)
    }
}

/// `a / h` for `h = √(a² + …)`: 0 at `h = 0`, ±1 for an infinite `a`.
#[inline(always)]
fn share<V: Num>(a: V, h: V) -> V {
    let zero = V::lit(0.0);
    let infinite = a.recip().eq(zero);
    V::select(h.eq(zero), zero, V::select(infinite, V::apply(Sign, [a]), a / h))
}

/// `y` = the angle of the point `(b, a)`, first its ordinate, between −π and π; the slopes are 0 at the origin.
#[derive(Clone, Copy)]
pub struct Atan2;
impl Rule<2> for Atan2 {
    const NAME: &'static str = "atan2";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 2]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        // Divided twice, since a² + b² may overflow.
        let (zero, h) = (V::lit(0.0), V::apply(Hypot, [a, b]));
        let slope = |v| V::select(h.eq(zero), zero, share(v, h) / h);
        [slope(b), -slope(a)]
    }
}
impl Primitive<2> for Atan2 {
    fn number(&self, [a, b]: [f64; 2]) -> f64 {
        libm::atan2(a, b)
    }
}

/// `y = √(a² + b²)`, without overflow on the way; the slopes are 0 at the origin, and ±1 in an infinite argument.
#[derive(Clone, Copy)]
pub struct Hypot;
impl Rule<2> for Hypot {
    const NAME: &'static str = "hypot";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 2]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], y: V) -> [V; 2] {
        [share(a, y), share(b, y)]
    }
}
impl Primitive<2> for Hypot {
    fn number(&self, [a, b]: [f64; 2]) -> f64 {
        libm::hypot(a, b)
    }
}

/// `y = sinh x = (eˣ − e⁻ˣ) / 2`
#[derive(Clone, Copy)]
pub struct Sinh;
impl Rule<1> for Sinh {
    const NAME: &'static str = "sinh";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; 1], _: V) -> [V; 1] {
        [V::apply(Cosh, x)]
    }
}
impl Primitive<1> for Sinh {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::sinh(x)
    }
}

/// `y = cosh x = (eˣ + e⁻ˣ) / 2`
#[derive(Clone, Copy)]
pub struct Cosh;
impl Rule<1> for Cosh {
    const NAME: &'static str = "cosh";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; 1], _: V) -> [V; 1] {
        [V::apply(Sinh, x)]
    }
}
impl Primitive<1> for Cosh {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::cosh(x)
    }
}

/// `y = arsinh x = ln(x + √(x² + 1))`
#[derive(Clone, Copy)]
pub struct Asinh;
impl Rule<1> for Asinh {
    const NAME: &'static str = "asinh";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::apply(Hypot, [x, V::lit(1.0)]).recip()]
    }
}
impl Primitive<1> for Asinh {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::asinh(x)
    }
}

/// `y = arcosh x = ln(x + √(x² − 1))`, with slope ∞ at 1; NaN below.
#[derive(Clone, Copy)]
pub struct Acosh;
impl Rule<1> for Acosh {
    const NAME: &'static str = "acosh";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        // Two roots, since x² may overflow.
        [((x - V::lit(1.0)).sqrt() * (x + V::lit(1.0)).sqrt()).recip()]
    }
}
impl Primitive<1> for Acosh {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::acosh(x)
    }
}

/// `y = artanh x = ½ ln((1 + x) / (1 − x))`: ±∞ at ±1, with slope ∞; NaN beyond.
#[derive(Clone, Copy)]
pub struct Atanh;
impl Rule<1> for Atanh {
    const NAME: &'static str = "atanh";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        // Near ±1 the product keeps what 1 − x² loses; near 0 its own derivative, −x + x, would lose −2x.
        let (one, square) = (V::lit(1.0), x * x);
        [V::select(square.lt(V::lit(0.5)), one - square, (one - x) * (one + x)).recip()]
    }
}
impl Primitive<1> for Atanh {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::atanh(x)
    }
}

/// `y = −1`, 0 or 1, as `x` is negative, 0 or positive; NaN for NaN; slope 0.
#[derive(Clone, Copy)]
pub struct Sign;
impl Rule<1> for Sign {
    const NAME: &'static str = "sign";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        let zero = V::lit(0.0);
        V::select(zero.lt(x), V::lit(1.0), V::select(x.lt(zero), V::lit(-1.0), x))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(0.0)]
    }
}

/// `y = ⌊x⌋`, the next whole number down; slope 0.
#[derive(Clone, Copy)]
pub struct Floor;
impl Rule<1> for Floor {
    const NAME: &'static str = "floor";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(0.0)]
    }
}
impl Primitive<1> for Floor {
    #[inline(always)]
    fn number(&self, [x]: [f64; 1]) -> f64 {
        x.floor()
    }
}

/// `y = ⌈x⌉`, the next whole number up; slope 0.
#[derive(Clone, Copy)]
pub struct Ceil;
impl Rule<1> for Ceil {
    const NAME: &'static str = "ceil";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(0.0)]
    }
}
impl Primitive<1> for Ceil {
    #[inline(always)]
    fn number(&self, [x]: [f64; 1]) -> f64 {
        x.ceil()
    }
}

/// `y` = the whole number nearest to `x`, the even one halfway between two; slope 0.
#[derive(Clone, Copy)]
pub struct Round;
impl Rule<1> for Round {
    const NAME: &'static str = "round";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(0.0)]
    }
}
impl Primitive<1> for Round {
    #[inline(always)]
    fn number(&self, [x]: [f64; 1]) -> f64 {
        x.round_ties_even()
    }
}

/// `y` = the next whole number towards 0; slope 0.
#[derive(Clone, Copy)]
pub struct Trunc;
impl Rule<1> for Trunc {
    const NAME: &'static str = "trunc";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, _: [V; 1], _: V) -> [V; 1] {
        [V::lit(0.0)]
    }
}
impl Primitive<1> for Trunc {
    #[inline(always)]
    fn number(&self, [x]: [f64; 1]) -> f64 {
        x.trunc()
    }
}

/// `y = ln(x / (1 − x))`, the inverse of the sigmoid: ∓∞ at 0 and 1, with slope ∞; NaN outside.
#[derive(Clone, Copy)]
pub struct Logit;
impl Rule<1> for Logit {
    const NAME: &'static str = "logit";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        x.ln() - (-x).ln_1p()
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        let x = super::not_negative_zero(x);
        [(x * (V::lit(1.0) - x)).recip()]
    }
}

/// `y = a · ln b`, and 0 at `a = 0` whatever `b` but NaN. The slopes at `a = 0` are 0 for `b ≤ 0`, `ln b` and 0 else.
#[derive(Clone, Copy)]
pub struct Xlogy;
impl Rule<2> for Xlogy {
    const NAME: &'static str = "xlogy";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        V::select(a.eq(V::lit(0.0)), V::select(b.eq(b), V::lit(0.0), b), a * b.ln())
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [a, b]: [V; 2], _: V) -> [V; 2] {
        // Only where there is no logarithm: for positive b, slopes at a = 0 have slopes of their own.
        let zero = V::lit(0.0);
        let none = |slope| V::select(a.eq(zero), V::select(b.le(zero), zero, slope), slope);
        [none(b.ln()), none(a / b)]
    }
}

/// `y = erfc x = 1 − erf x`, accurate where that is near 0.
#[derive(Clone, Copy)]
pub struct Erfc;
impl Rule<1> for Erfc {
    const NAME: &'static str = "erfc";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        [V::lit(-FRAC_2_SQRT_PI) * (-x * x).exp()]
    }
}
impl Primitive<1> for Erfc {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::erfc(x)
    }
}

/// `y = ln |Γ(x)|`: +∞ at 0 and the negative whole numbers, with the slopes of [`Polygamma`]`(0)`.
#[derive(Clone, Copy)]
pub struct Lgamma;
impl Rule<1> for Lgamma {
    const NAME: &'static str = "lgamma";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; 1], _: V) -> [V; 1] {
        [V::apply(Polygamma(0), x)]
    }
}
impl Primitive<1> for Lgamma {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        libm::lgamma(x)
    }
}

/// `y = ψ⁽ⁿ⁾(x)`, the derivative number `n + 1` of `ln Γ(x)`; see [`special::polygamma`] for its poles.
#[derive(Clone, Copy)]
pub struct Polygamma(
    /// The order `n`.
    pub u32,
);
impl Rule<1> for Polygamma {
    const NAME: &'static str = "polygamma";
    #[inline(always)]
    fn value<V: Num>(&self, x: [V; 1]) -> V {
        V::primitive(*self, x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, x: [V; 1], _: V) -> [V; 1] {
        [V::apply(Polygamma(self.0 + 1), x)]
    }
}
impl Primitive<1> for Polygamma {
    fn number(&self, [x]: [f64; 1]) -> f64 {
        special::polygamma(self.0, x)
    }
    fn parameters(&self) -> Vec<f64> {
        vec![self.0 as f64]
    }
}

/// Functions of mathematics, elementwise.
impl<T: Float> Tensor<T> {
    /// `eˣ − 1`, accurate near 0.
    #[doc(alias = "expm1")]
    #[track_caller]
    pub fn exp_m1(&self) -> Tensor<T> {
        native(ExpM1, [self])
    }
    /// `log₂ x`, exact for powers of 2.
    #[track_caller]
    pub fn log2(&self) -> Tensor<T> {
        native(Log2, [self])
    }
    /// `log₁₀ x`
    #[track_caller]
    pub fn log10(&self) -> Tensor<T> {
        native(Log10, [self])
    }
    /// `1 / √x`: ∞ at 0, with slope −∞.
    #[track_caller]
    pub fn rsqrt(&self) -> Tensor<T> {
        native(Rsqrt, [self])
    }
    /// `1 / x`
    #[track_caller]
    pub fn recip(&self) -> Tensor<T> {
        T::ONE.into_tensor() / self
    }
    /// `x²`
    #[track_caller]
    pub fn square(&self) -> Tensor<T> {
        self.powi(2)
    }
    /// `tan x`, in radians.
    #[track_caller]
    pub fn tan(&self) -> Tensor<T> {
        native(Tan, [self])
    }
    /// `arcsin x`, in radians, with slope ∞ at ±1; NaN beyond.
    #[track_caller]
    pub fn asin(&self) -> Tensor<T> {
        native(Asin, [self])
    }
    /// `arccos x`, in radians, with slope −∞ at ±1; NaN beyond.
    #[track_caller]
    pub fn acos(&self) -> Tensor<T> {
        native(Acos, [self])
    }
    /// `arctan x`, in radians.
    #[track_caller]
    pub fn atan(&self) -> Tensor<T> {
        native(Atan, [self])
    }
    /// The angle of the point `(x, self)`, this tensor being its ordinate, between −π and π: `arctan(self / x)` in the
    /// right quadrant. At the origin the slopes are 0.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (y, x) = (Tensor::new(1.0), Tensor::new(-1.0));
    /// let angle = y.atan2(&x);
    /// angle.backward();
    /// assert_eq!(angle.item(), 0.75 * std::f64::consts::PI);
    /// assert!((y.grad().unwrap().item() + 0.5).abs() < 1e-15); // x / (x² + y²)
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn atan2(&self, x: impl Operand<T>) -> Tensor<T> {
        native(Atan2, [self.clone(), x.into_tensor()])
    }
    /// `√(x² + b²)`, without overflow on the way. At the origin the slopes are 0.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn hypot(&self, other: impl Operand<T>) -> Tensor<T> {
        native(Hypot, [self.clone(), other.into_tensor()])
    }
    /// `sinh x = (eˣ − e⁻ˣ) / 2`
    #[track_caller]
    pub fn sinh(&self) -> Tensor<T> {
        native(Sinh, [self])
    }
    /// `cosh x = (eˣ + e⁻ˣ) / 2`
    #[track_caller]
    pub fn cosh(&self) -> Tensor<T> {
        native(Cosh, [self])
    }
    /// `arsinh x = ln(x + √(x² + 1))`
    #[track_caller]
    pub fn asinh(&self) -> Tensor<T> {
        native(Asinh, [self])
    }
    /// `arcosh x = ln(x + √(x² − 1))`, with slope ∞ at 1; NaN below.
    #[track_caller]
    pub fn acosh(&self) -> Tensor<T> {
        native(Acosh, [self])
    }
    /// `artanh x = ½ ln((1 + x) / (1 − x))`: ±∞ at ±1, with slope ∞; NaN beyond.
    #[track_caller]
    pub fn atanh(&self) -> Tensor<T> {
        native(Atanh, [self])
    }
    /// −1, 0 or 1, as `x` is negative, 0 or positive; NaN for NaN. Its gradient is 0.
    #[track_caller]
    pub fn sign(&self) -> Tensor<T> {
        native(Sign, [self])
    }
    /// `⌊x⌋`, the next whole number down. Its gradient is 0.
    #[track_caller]
    pub fn floor(&self) -> Tensor<T> {
        native(Floor, [self])
    }
    /// `⌈x⌉`, the next whole number up. Its gradient is 0.
    #[track_caller]
    pub fn ceil(&self) -> Tensor<T> {
        native(Ceil, [self])
    }
    /// The whole number nearest to `x`, the even one halfway between two (Rust's own `round` takes the one away from
    /// 0). Its gradient is 0.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([0.5, 1.5, -2.6]).round().to_string(), "[0, 2, -3]");
    /// ```
    #[track_caller]
    pub fn round(&self) -> Tensor<T> {
        native(Round, [self])
    }
    /// The next whole number towards 0. Its gradient is 0.
    #[track_caller]
    pub fn trunc(&self) -> Tensor<T> {
        native(Trunc, [self])
    }
    /// `ln(x / (1 − x))`, the inverse of [`sigmoid`](Self::sigmoid): ∓∞ at 0 and 1, with slope ∞; NaN outside.
    #[track_caller]
    pub fn logit(&self) -> Tensor<T> {
        native(Logit, [self])
    }
    /// `x · ln b`, and 0 at `x = 0` whatever `b` but NaN: for entropies. Both slopes at `x = 0` are 0 for `b ≤ 0`, where
    /// there is no logarithm.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let p = Tensor::new([0.0, 0.5, 0.5]);
    /// let entropy = -p.xlogy(&p).sum();
    /// entropy.backward();
    /// assert_eq!(entropy.item(), 2f64.ln());
    /// assert_eq!(p.grad().unwrap().at(&[0]), 0.0);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn xlogy(&self, other: impl Operand<T>) -> Tensor<T> {
        native(Xlogy, [self.clone(), other.into_tensor()])
    }
    /// `erfc x = 1 − erf x`, accurate where that is near 0.
    #[track_caller]
    pub fn erfc(&self) -> Tensor<T> {
        native(Erfc, [self])
    }
    /// `ln |Γ(x)|`, whose derivative is [`digamma`](Self::digamma).
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new(5.0);
    /// assert!((x.lgamma().item() - 24f64.ln()).abs() < 1e-15); // Γ(5) = 4!
    /// ```
    #[track_caller]
    pub fn lgamma(&self) -> Tensor<T> {
        native(Lgamma, [self])
    }
    /// `ψ(x)`, the derivative of `ln Γ(x)`: [`polygamma`](Self::polygamma) of order 0. −∞ at 0; NaN at negative whole
    /// numbers, where it jumps from −∞ to ∞.
    #[track_caller]
    pub fn digamma(&self) -> Tensor<T> {
        self.polygamma(0)
    }
    /// `ψ⁽ⁿ⁾(x)`, the `n`-th derivative of [`digamma`](Self::digamma).
    #[track_caller]
    pub fn polygamma(&self, n: u32) -> Tensor<T> {
        native(Polygamma(n), [self])
    }
}
