//! Elementwise functions beyond arithmetic.

use super::{ANY, Distinct, Elementwise, NONZERO, POSITIVE, Signed, Values, Within, erf, op};
use femtograd::Float;
use std::f64::consts::PI;

/// `ln Γ(x)` for positive `x`: Stirling's series at `x + 30` (Abramowitz & Stegun, 6.1.41), and back.
fn lgamma(x: f64) -> f64 {
    let z = x + 30.0;
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1260.0 * z.powi(5));
    let far = (z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + series;
    far - (0..30).map(|k| (x + k as f64).ln()).sum::<f64>()
}

/// `ψ⁽ⁿ⁾(x)` for positive `x` and `n`: `(−1)ⁿ⁺¹ n! Σ 1/(x + k)ⁿ⁺¹`, whose far terms are an integral and its corrections
/// (Euler–Maclaurin).
fn polygamma(n: i32, x: f64) -> f64 {
    let (z, s) = (x + 1000.0, (n + 1) as f64);
    let near: f64 = (0..1000).map(|k| (x + k as f64).powi(-n - 1)).sum();
    let far = z.powi(-n) / (s - 1.0) + 0.5 * z.powi(-n - 1) + s / 12.0 * z.powi(-n - 2);
    let factorial: f64 = (1..=n).map(f64::from).product();
    let size = factorial * (near + far);
    if n % 2 == 1 { size } else { -size }
}

/// `ψ(x)` for positive `x`, by its asymptotic series at `x + 1000`, and back.
fn digamma(x: f64) -> f64 {
    let z = x + 1000.0;
    let far = z.ln() - 0.5 / z - 1.0 / (12.0 * z * z);
    far - (0..1000).map(|k| 1.0 / (x + k as f64)).sum::<f64>()
}

pub fn elementwise<T: Float>() -> Vec<Elementwise<T>> {
    const INNER: Values = Within(-0.8, 0.8);
    const FRACTION: Values = Within(0.2, 0.8);
    const BETWEEN: Values = Signed(0.55, 0.95);
    const ALPHA: f64 = 1.6732632423543772;
    const LAMBDA: f64 = 1.0507009873554805;
    vec![
        op("exp_m1", [ANY], |[x]| x.exp_m1(), |[x]| x.exp_m1()),
        op("log2", [POSITIVE], |[x]| x.log2(), |[x]| x.log2()),
        op("log10", [POSITIVE], |[x]| x.log10(), |[x]| x.log10()),
        op("rsqrt", [POSITIVE], |[x]| x.rsqrt(), |[x]| 1.0 / x.sqrt()),
        op("recip", [NONZERO], |[x]| x.recip(), |[x]| 1.0 / x),
        op("square", [ANY], |[x]| x.square(), |[x]| x * x),
        op("tan", [Within(-1.2, 1.2)], |[x]| x.tan(), |[x]| x.tan()),
        op("asin", [INNER], |[x]| x.asin(), |[x]| x.asin()),
        op("acos", [INNER], |[x]| x.acos(), |[x]| x.acos()),
        op("atan", [ANY], |[x]| x.atan(), |[x]| x.atan()),
        op("atan2", [NONZERO, NONZERO], |[a, b]| a.atan2(b), |[a, b]| a.atan2(b)),
        op("hypot", [NONZERO, NONZERO], |[a, b]| a.hypot(b), |[a, b]| (a * a + b * b).sqrt()),
        op("sinh", [ANY], |[x]| x.sinh(), |[x]| x.sinh()),
        op("cosh", [ANY], |[x]| x.cosh(), |[x]| x.cosh()),
        op("asinh", [ANY], |[x]| x.asinh(), |[x]| x.asinh()),
        op("acosh", [Within(1.2, 3.0)], |[x]| x.acosh(), |[x]| x.acosh()),
        op("atanh", [INNER], |[x]| x.atanh(), |[x]| x.atanh()),
        op("sign", [NONZERO], |[x]| x.sign(), |[x]| x.signum()),
        op("floor", [BETWEEN], |[x]| x.floor(), |[x]| if x < 0.0 { -1.0 } else { 0.0 }),
        op("ceil", [BETWEEN], |[x]| x.ceil(), |[x]| if x < 0.0 { 0.0 } else { 1.0 }),
        op("round", [BETWEEN], |[x]| x.round(), |[x]| x.signum()),
        op("trunc", [BETWEEN], |[x]| (x * T::of(2.0)).trunc(), |[x]| x.signum()),
        op("logit", [FRACTION], |[x]| x.logit(), |[x]| (x / (1.0 - x)).ln()),
        op("xlogy", [ANY, POSITIVE], |[a, b]| a.xlogy(b), |[a, b]| a * b.ln()),
        op("erfc", [ANY], |[x]| x.erfc(), |[x]| 1.0 - erf(x)),
        op("lgamma", [POSITIVE], |[x]| x.lgamma(), |[x]| lgamma(x)),
        op(
            "lgamma of negative numbers",
            [Within(-0.8, -0.2)],
            |[x]| x.lgamma(),
            |[x]| (PI / (PI * x).sin().abs()).ln() - lgamma(1.0 - x),
        ),
        op("digamma", [POSITIVE], |[x]| x.digamma(), |[x]| digamma(x)),
        op("polygamma 1", [POSITIVE], |[x]| x.polygamma(1), |[x]| polygamma(1, x)),
        op("polygamma 2", [POSITIVE], |[x]| x.polygamma(2), |[x]| polygamma(2, x)),
        op("leaky_relu", [NONZERO], |[x]| x.leaky_relu(T::of(0.25)), |[x]| x.max(0.25 * x)),
        op("elu", [NONZERO], |[x]| x.elu(T::of(0.75)), |[x]| if x > 0.0 { x } else { 0.75 * x.exp_m1() }),
        op("selu", [NONZERO], |[x]| x.selu(), |[x]| LAMBDA * if x > 0.0 { x } else { ALPHA * x.exp_m1() }),
        op("silu", [ANY], |[x]| x.silu(), |[x]| x / (1.0 + (-x).exp())),
        op("mish", [ANY], |[x]| x.mish(), |[x]| x * (1.0 + x.exp()).ln().tanh()),
        op("log_sigmoid", [NONZERO], |[x]| x.log_sigmoid(), |[x]| -(1.0 + (-x).exp()).ln()),
        op(
            "gelu_tanh",
            [ANY],
            |[x]| x.gelu_tanh(),
            |[x]| 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
        ),
        op("clamp", [Distinct, Distinct, Distinct], |[x, a, b]| x.clamp(a, b), |[x, a, b]| x.max(a).min(b)),
        op("clamp by numbers", [NONZERO], |[x]| x.clamp(T::of(-0.25), T::of(1e9)), |[x]| x.max(-0.25)),
    ]
}
