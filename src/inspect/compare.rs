//! Comparing derivatives: with each other, and with differences. In plain loops over `f64`s, so that the arithmetic
//! under test is not its own judge.

use super::graph::index;
use crate::Array;
use crate::num::Float;
use crate::random::Rng;
use std::collections::BTreeMap;
use std::fmt;

/// The worst of the numbers that should be equal and are not.
#[derive(Clone, Debug)]
pub(super) struct Worst {
    pub(super) index: Vec<usize>,
    pub(super) got: f64,
    pub(super) want: f64,
    pub(super) allowed: f64,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Worst { index, got, want, allowed } = self;
        let error = (got - want).abs();
        write!(
            f,
            "{got:.9} instead of {want:.9} at {index:?} (difference {error:.1e}, allowed {allowed:.1e})"
        )
    }
}

/// How closely numbers of a type can be compared.
pub(super) struct Precision {
    /// What another order of summation may change, relative to the largest number: 10⁻¹² in `f64`, 5·10⁻⁴ in `f32`.
    pub(super) rounding: f64,
    /// How closely differences approach a slope, relative to the largest one: 5·10⁻⁷ in `f64`, 2·10⁻³ in `f32`.
    pub(super) difference: f64,
    /// The distance of neighbouring points: 2·10⁻⁴ in `f64`, 10⁻² in `f32`. The error of differences of fourth order,
    /// `h⁴` by curvature and `ε/h` by rounding, is least for an `h` of about `ε^(1/5)`; a quarter of it crosses fewer
    /// kinks.
    step: f64,
    epsilon: f64,
}

impl Precision {
    pub(super) fn of<T: Float>() -> Precision {
        let epsilon = T::EPSILON.to_f64();
        Precision {
            rounding: 4096.0 * epsilon,
            difference: epsilon.powf(0.4),
            step: epsilon.powf(0.2) / 4.0,
            epsilon,
        }
    }
}

/// The size of the largest finite number.
pub(super) fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().filter(|v| v.is_finite()).fold(0.0, |m, v| v.abs().max(m))
}

/// The elements in row-major order, exactly.
pub(super) fn numbers<T: Float>(a: &Array<T>) -> Vec<f64> {
    a.to_vec().into_iter().map(T::to_f64).collect()
}

/// A number that does not come near 0, so that each one matters. Three of four are positive: where thousands are added
/// up, signs that cancel would leave only rounding to look at.
fn weight(rng: &mut Rng) -> f64 {
    let size = 0.5 + rng.uniform();
    if rng.uniform() < 0.75 { size } else { -size }
}

/// Random weights for the elements of `y`; 0 where one is not finite, so that the others can be looked at.
pub(super) fn cotangent<T: Float>(rng: &mut Rng, y: &Array<T>) -> Array<T> {
    let y_numbers = numbers(y);
    Array::from_fn(y.shape(), |k| T::of(if y_numbers[k].is_finite() { weight(rng) } else { 0.0 }))
}

/// A random direction to move `x` along, in proportion to each element's size: neither does a step lead out of the
/// domain of a logarithm, nor does it vanish beside a large number. Small sizes count as 10⁻⁴ (of the largest, if that is
/// below 1), 0 as the largest itself. What is not finite stays.
pub(super) fn direction<T: Float>(rng: &mut Rng, x: &Array<T>) -> Array<T> {
    let x_numbers = numbers(x);
    let most = Some(largest(&x_numbers)).filter(|most| *most > 0.0).unwrap_or(1.0);
    Array::from_fn(x.shape(), |k| {
        let size = match x_numbers[k].abs() {
            0.0 => most,
            size => size.max(1e-4 * most.min(1.0)),
        };
        T::of(if x_numbers[k].is_finite() { size * weight(rng) } else { 0.0 })
    })
}

/// `x + s·d`
pub(super) fn step<T: Float>(x: &Array<T>, d: &Array<T>, s: f64) -> Array<T> {
    let moved: Vec<T> = numbers(x)
        .into_iter()
        .zip(numbers(d))
        .map(|(x, d)| T::of(if d == 0.0 { x } else { x + s * d }))
        .collect();
    Array::from_vec(moved, x.shape())
}

/// How much rounding to `T` may change a step from `x` along `d`, relative to the step's length if that is 1.
pub(super) fn coarseness<T: Float>(x: &Array<T>, d: &Array<T>) -> f64 {
    let moving = numbers(x).into_iter().zip(numbers(d)).filter(|(_, d)| *d != 0.0);
    moving.fold(0.0, |m, (x, d)| (x / d).abs().max(m))
}

/// `⟨a, b⟩` of two lists of arrays, and the sum of the sizes of its terms. What is weighted by 0 does not count, NaN or
/// not.
pub(super) fn inner<'a, T: Float>(
    pairs: impl IntoIterator<Item = (&'a Array<T>, &'a Array<T>)>,
) -> (f64, f64) {
    let (mut sum, mut size) = (0.0, 0.0);
    for (a, b) in pairs {
        for (a, b) in numbers(a).into_iter().zip(numbers(b)).filter(|(a, b)| *a != 0.0 && *b != 0.0) {
            sum += a * b;
            size += (a * b).abs();
        }
    }
    (sum, size)
}

/// No element of `got` differs from that of `want`, which has the same shape, by more than `relative` of the largest one plus
/// `absolute`. NaN is NaN.
///
/// # Errors
/// The worst element.
pub(super) fn close<T: Float>(
    got: &Array<T>,
    want: &Array<T>,
    relative: f64,
    absolute: f64,
) -> Result<(), Worst> {
    let (a, b) = (numbers(got), numbers(want));
    let allowed = relative * largest(&a).max(largest(&b)) + absolute;
    let fits = |a: f64, b: f64| (a - b).abs() <= allowed || a == b || a.is_nan() && b.is_nan();
    let misfits = (0..a.len()).filter(|&k| !fits(a[k], b[k]));
    match misfits.max_by(|&j, &k| (a[j] - b[j]).abs().total_cmp(&(a[k] - b[k]).abs())) {
        Some(k) => Err(Worst { index: index(k, got.shape()), got: a[k], want: b[k], allowed }),
        None => Ok(()),
    }
}

/// Differences in which rounding may be more than this share of the largest slope are no evidence.
const DROWNED: f64 = 0.03;

/// What differences say about one element of a slope.
#[derive(Clone, Copy)]
enum Told {
    Right,
    /// They have another value, and may differ by this much.
    Wrong(f64, f64),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// `slope` is the derivative of `f` at 0, by central differences of fourth order. Returns what they cannot tell, in
/// words, if there is such.
///
/// They are taken at several distances. An element is right if they confirm it at one; wrong if they are smooth at all
/// and deny it. Where the slopes from the left and from the right disagree, or those over one step and over
/// two, there is a kink or a jump, and nothing to compare with. `f` rounds as numbers of the size `scale` do, if its own
/// are smaller; `coarseness` is that of the steps it takes.
///
/// # Errors
/// The worst element that is wrong.
pub(super) fn against_differences<T: Float>(
    slope: &Array<T>,
    scale: f64,
    coarseness: f64,
    f: impl Fn(f64) -> Array<T>,
) -> Result<Option<String>, Worst> {
    let precision = Precision::of::<T>();
    let (shape, slope, y) = (slope.shape(), numbers(slope), numbers(&f(0.0)));
    let (steepest, highest) = (largest(&slope), largest(&y).max(scale));
    let noise = |h: f64| 20.0 * precision.epsilon * (highest + coarseness * steepest) / h;
    let is_level = steepest <= precision.epsilon * highest;
    let is_evidence = |h: &f64| is_level || noise(*h) <= DROWNED * steepest;
    // The usual distance, or the least larger one that is any evidence; then smaller ones, for what is bent or near a
    // kink.
    let widest = [1.0, 8.0, 64.0].map(|k| k * precision.step).into_iter().find(is_evidence);
    let distances = widest.into_iter().flat_map(|h| [h, h / 8.0, h / 64.0]).filter(is_evidence);
    let mut told = vec![Told::Nothing("lost in rounding"); slope.len()];
    for (round, h) in distances.enumerate() {
        if told.iter().all(|told| matches!(told, Told::Right)) {
            break;
        }
        let [a, b, c, d] = [-2.0 * h, -h, h, 2.0 * h].map(|s| numbers(&f(s)));
        let allowed = precision.difference * steepest + noise(h);
        for (k, told) in told.iter_mut().enumerate() {
            if [a[k], b[k], c[k], d[k]] == [y[k]; 4] && slope[k] == 0.0 {
                *told = Told::Right; // infinite or not, it does not move
                continue;
            }
            let (near, far) = ((c[k] - b[k]) / (2.0 * h), (d[k] - a[k]) / (4.0 * h));
            let quotient = (4.0 * near - far) / 3.0;
            let error = (quotient - slope[k]).abs();
            let bend = (a[k] - 4.0 * b[k] + 6.0 * y[k] - 4.0 * c[k] + d[k]) / (2.0 * h);
            *told = match *told {
                Told::Right => Told::Right,
                _ if !bend.is_finite() => Told::Nothing("not finite"),
                _ if bend.abs() > allowed => Told::Nothing("a kink or a jump"),
                _ if (near - far).abs() > 0.01 * steepest + allowed => Told::Nothing("a kink or a jump"),
                // No confirmation, but noise: what comes from the curvature would have become 4096 times smaller.
                Told::Wrong(before, _) if error > 0.5 * (before - slope[k]).abs() => {
                    Told::Wrong(quotient, allowed)
                }
                _ if error <= allowed => Told::Right,
                Told::Nothing(why) if round > 0 => Told::Nothing(why),
                _ => Told::Wrong(quotient, allowed),
            };
        }
    }
    let mut worst: Option<Worst> = None;
    let mut untold: BTreeMap<&str, usize> = BTreeMap::new();
    for (k, told) in told.into_iter().enumerate() {
        match told {
            Told::Right => {}
            Told::Nothing(why) => *untold.entry(why).or_default() += 1,
            Told::Wrong(want, allowed) => {
                let error = |w: &Worst| (w.got - w.want).abs();
                let this = Worst { index: index(k, shape), got: slope[k], want, allowed };
                worst = worst.filter(|worst| error(worst) >= error(&this)).or(Some(this));
            }
        }
    }
    match worst {
        Some(worst) => Err(worst),
        None if untold.is_empty() => Ok(None),
        None => {
            let list: Vec<_> =
                untold.iter().map(|(why, n)| format!("{n} of {}: {why}", slope.len())).collect();
            Ok(Some(list.join(", ")))
        }
    }
}
