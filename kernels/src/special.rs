//! Special functions that are computed one number at a time: too long for a vectorised loop, or too rarely used.

use crate::math::double::{cos, ln, sin};
use std::f64::consts::PI;

/// The Bernoulli numbers `B₂, B₄, … B₂₄`.
const BERNOULLI: [f64; 12] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174611.0 / 330.0,
    854513.0 / 138.0,
    -236364091.0 / 2730.0,
];

/// `ψ⁽ⁿ⁾(x)`, the derivative number `n + 1` of `ln Γ(x)`: the digamma function for `n = 0`.
///
/// Error ≤ `(4 + 1.5·n)·ε` of `|ψ⁽ⁿ⁾(x)|` for positive `x` and `n > 0`, and of `1 + |ψ(x)|` for `n = 0`, of which 1.46… is a
/// root; for negative `x`, of `|ψ⁽ⁿ⁾(x)| + |ψ⁽ⁿ⁾(1 − x)|`, which cancel near a root. (`ε` is the distance from 1 to the
/// next number.) At 0 and the negative whole numbers, where there are poles: `+∞` for odd `n`; for even `n`, `−∞` at 0,
/// `+∞` at −0 and NaN elsewhere, where the two sides differ. Takes time in proportion to `(n + 12)·n`.
///
/// A positive `x` is moved up by the recurrence until the asymptotic series with Bernoulli numbers has all its digits;
/// a negative one is reflected (Abramowitz & Stegun, 6.3.5–7, 6.3.18, 6.4.6–7, 6.4.11; NIST DLMF, 5.5, 5.11, 5.15).
pub fn polygamma(n: u32, x: f64) -> f64 {
    let odd = n % 2 == 1;
    if x > 0.0 {
        return of_positive(n, x);
    }
    let fraction = x - x.round_ties_even();
    if fraction == 0.0 {
        return match (odd, x == 0.0) {
            (true, _) => f64::INFINITY,
            (false, true) => -1.0 / x,
            (false, false) => f64::NAN,
        };
    }
    let mirrored = of_positive(n, 1.0 - x);
    (if odd { -mirrored } else { mirrored }) - cotangent(n, fraction)
}

/// `(−1)ⁿ⁺¹ (n! Σ 1/(x + k)ⁿ⁺¹ + rest)`, the sum over the steps up to where the asymptotic series is the rest.
fn of_positive(n: u32, x: f64) -> f64 {
    // n! / zⁿ⁺¹, by factors of which no product leaves the exponents before the result does.
    let power = |n: u32, z: f64| (1..=n).fold(1.0 / z, |y, i| y * (i as f64 / z));
    let steps = (n as f64 + 12.0 - x).ceil().max(0.0) as u32;
    let sum: f64 = (0..steps).rev().map(|k| power(n, x + k as f64)).sum();

    let z = x + steps as f64;
    let lead = if n == 0 { -ln(z) } else { power(n - 1, z) };
    let (n_f, mut series) = (n as f64, 0.5);
    // B₂ₖ (2k + n − 1)! / (n! (2k)! z²ᵏ⁻¹), each factor from the one before.
    let mut factor = 0.5 * (n_f + 1.0) / z;
    for (k, b) in BERNOULLI.iter().enumerate() {
        series += b * factor;
        let even = 2.0 * (k + 1) as f64;
        factor *= (even + n_f) / ((even + 1.0) * z) * ((even + n_f + 1.0) / ((even + 2.0) * z));
    }
    let total = sum + (lead + power(n, z) * series);
    if n % 2 == 1 { total } else { -total }
}

/// The `n`-th derivative of `π cot πx`, for `|x| ≤ ½`: with `c = cot πx` a polynomial `π (−π)ⁿ Pₙ(c)`, where `P₀ = c` and
/// `Pₙ₊₁ = (1 + c²) Pₙ′`. All its coefficients are positive and of one parity: nothing cancels.
fn cotangent(n: u32, x: f64) -> f64 {
    let tangent = |angle: f64| sin(angle) / cos(angle);
    let size = x.abs();
    let c = if size < 0.25 { 1.0 / tangent(PI * size) } else { tangent(PI * (0.5 - size)) }.copysign(x);
    let mut p = vec![0.0, 1.0];
    for _ in 0..n {
        let slope: Vec<f64> = (1..p.len()).map(|k| k as f64 * p[k]).collect();
        p = vec![0.0; slope.len() + 2];
        for (k, slope) in slope.into_iter().enumerate() {
            p[k] += slope;
            p[k + 2] += slope;
        }
    }
    let value = p.into_iter().rev().reduce(|y, a| y * c + a).expect("coefficients");
    (0..n).fold(PI * value, |y, _| y * -PI)
}
