//! Comparing numbers. In plain loops over vectors, so that the arithmetic under test is not its own judge.

use femtograd::random::Rng;
use femtograd::{Array, Float};

/// What is wrong, if anything is.
pub type Outcome = Result<(), String>;

/// What reordering a sum may change, relative to the largest number.
pub const ROUNDING: f64 = 1e-12;

/// How closely differences approach a slope, relative to the largest one.
pub const DIFFERENCE: f64 = 1e-7;

/// Random numbers that do not come near 0, so that each one matters.
pub fn weights<T: Float>(rng: &mut Rng, shape: &[usize]) -> Array<T> {
    Array::from_fn(shape, |_| {
        let size = 0.5 + rng.uniform();
        // Numbers that f32 holds exactly: both types then compute the same thing.
        T::of((if rng.uniform() < 0.5 { size } else { -size }) as f32 as f64)
    })
}

/// `x + s·d`
pub fn step(x: &Array<f64>, d: &Array<f64>, s: f64) -> Array<f64> {
    let moved: Vec<f64> = x.to_vec().iter().zip(d.to_vec()).map(|(x, d)| x + s * d).collect();
    Array::from_vec(moved, x.shape())
}

/// `⟨a, b⟩` of two lists of arrays, and the sum of the sizes of its terms.
pub fn inner<'a>(pairs: impl IntoIterator<Item = (&'a Array<f64>, &'a Array<f64>)>) -> (f64, f64) {
    let (mut sum, mut size) = (0.0, 0.0);
    for (a, b) in pairs {
        for (a, b) in a.to_vec().into_iter().zip(b.to_vec()) {
            sum += a * b;
            size += (a * b).abs();
        }
    }
    (sum, size)
}

/// All numbers of several arrays in one row.
pub fn flat<T: Float>(arrays: &[Array<T>]) -> Array<f64> {
    Array::from(arrays.iter().flat_map(|a| a.to_vec()).map(|v| v.to_f64()).collect::<Vec<f64>>())
}

/// The size of the largest number that is finite.
pub fn largest(a: &Array<f64>) -> f64 {
    a.to_vec().iter().filter(|v| v.is_finite()).fold(0.0, |m, v| v.abs().max(m))
}

/// `a` and `b` have equal shapes, and no element differs by more than `relative` of the largest one plus `absolute`.
pub fn close(what: &str, a: &Array<f64>, b: &Array<f64>, relative: f64, absolute: f64) -> Outcome {
    if a.shape() != b.shape() {
        return Err(format!("{what}: shape {:?} against {:?}", a.shape(), b.shape()));
    }
    let allowed = relative * largest(a).max(largest(b)) + absolute;
    let fits = |(a, b): (f64, f64)| (a - b).abs() <= allowed || a == b;
    if !a.to_vec().into_iter().zip(b.to_vec()).all(fits) {
        return Err(format!("{what}: {a:.12} against {b:.12}, allowed {allowed:.1e}"));
    }
    Ok(())
}

/// Two numbers, computed as sums of terms whose sizes add up to `size`, are equal to rounding.
pub fn equal(what: &str, (a, size): (f64, f64), (b, other): (f64, f64)) -> Outcome {
    let allowed = ROUNDING * size.max(other);
    let fits = (a - b).abs() <= allowed;
    if fits { Ok(()) } else { Err(format!("{what}: {a} against {b}, allowed {allowed:.1e}")) }
}

/// `slope` is the derivative of `f` at 0, by central differences of fourth order.
pub fn is_slope(what: &str, slope: &Array<f64>, f: impl Fn(f64) -> Array<f64>) -> Outcome {
    const H: f64 = 2e-4;
    let [a, b, c, d] = [-2.0 * H, -H, H, 2.0 * H].map(f);
    let minus = |a: f64, b: f64| if a == b { 0.0 } else { a - b }; // of −∞ that stays −∞, too
    let points = a.to_vec().into_iter().zip(b.to_vec()).zip(c.to_vec()).zip(d.to_vec());
    let quotients: Vec<f64> =
        points.map(|(((a, b), c), d)| (8.0 * minus(c, b) - minus(d, a)) / (12.0 * H)).collect();
    let noise = 100.0 * f64::EPSILON * largest(&a).max(largest(&d)) / H;
    close(what, slope, &Array::from_vec(quotients, a.shape()), DIFFERENCE, noise)
}
