//! Is the derivative of a whole function right?

use super::compare::{Precision, Worst};
use super::compare::{
    against_differences, close, coarseness, cotangent, direction, inner, largest, numbers, step,
};
use super::verify::{Verification, verify};
use crate::num::Float;
use crate::random::Rng;
use crate::{Array, Tensor, gradients, gradients_with, tangent};
use std::fmt;

/// Inputs of more elements are checked along a random direction, and not one by one.
const FEW: usize = 64;

/// A derivative that is not what it should be.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Which check failed: `"reverse mode against differences"`, …
    pub check: &'static str,
    /// By which input.
    pub input: usize,
    /// The worst element: an index of the input; for forward mode, of the output.
    pub index: Vec<usize>,
    /// The derivative as the ops' rules give it.
    pub analytic: f64,
    /// As it should be: by differences, or the other way round.
    pub numeric: f64,
    /// How much they may differ.
    pub allowed: f64,
}

impl Mismatch {
    fn size(&self) -> f64 {
        (self.analytic - self.numeric).abs() / self.allowed
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { check, input, index, analytic, numeric, allowed } = self;
        write!(
            f,
            "{check}, input {input}, at {index:?}: analytic {analytic:.9}, numeric {numeric:.9}, difference {:.1e}, \
             allowed {allowed:.1e}",
            (analytic - numeric).abs()
        )
    }
}

/// What [`gradcheck`] found.
#[derive(Clone, Debug)]
pub struct Gradcheck {
    /// How many comparisons were made.
    pub checks: usize,
    /// Those that failed, the worst first.
    pub wrong: Vec<Mismatch>,
    /// What differences could not tell, and why: kinks, infinities.
    pub unchecked: Vec<String>,
    /// Which ops are wrong, where [`verify`] finds them.
    pub blame: Option<Verification>,
}

impl Gradcheck {
    /// Whether nothing is wrong; there may be elements that could not be checked.
    pub fn is_ok(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The same as a `Result`, for `?` and `unwrap`.
    ///
    /// # Errors
    /// If a derivative is wrong.
    pub fn into_result(self) -> Result<Gradcheck, Gradcheck> {
        if self.is_ok() { Ok(self) } else { Err(self) }
    }

    /// Notes what a comparison gave; `weights` are those the elements of the input had in it.
    fn note<T: Float>(
        &mut self,
        check: &'static str,
        input: usize,
        weights: Option<&Array<T>>,
        outcome: Result<Option<String>, Worst>,
    ) {
        self.checks += 1;
        match outcome {
            Ok(None) => {}
            Ok(Some(why)) => self.unchecked.push(format!("{check}, input {input}: {why}")),
            Err(Worst { index, got, want, allowed }) => {
                let weight = weights.map_or(1.0, |w| w.at(&index).to_f64());
                let (analytic, numeric, allowed) = (got / weight, want / weight, allowed / weight.abs());
                self.wrong.push(Mismatch { check, input, index, analytic, numeric, allowed });
            }
        }
    }
}

impl fmt::Display for Gradcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gradcheck: of {} checks {} failed", self.checks, self.wrong.len())?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))?;
        self.unchecked.iter().try_for_each(|why| write!(f, "\n  not checked: {why}"))?;
        match &self.blame {
            Some(blame) => write!(f, "\n{blame}"),
            None => Ok(()),
        }
    }
}
impl std::error::Error for Gradcheck {}

/// Checks the derivatives of a function at `inputs`: reverse mode, fused and recorded, forward mode, and the second
/// order of both, against each other and against differences, along random directions (always the same); inputs of
/// at most 64 elements are checked one by one too. `f` may return any shape: its elements are weighted at random. In
/// `f64` it finds errors of 10⁻⁶ of the largest derivative, in `f32` of a twentieth.
///
/// If something is wrong, [`verify`] looks for the op.
///
/// ```
/// use femtograd::{Array, inspect::gradcheck};
/// let (w, x) = (Array::from([[0.5, -1.0], [2.0, 0.25]]), Array::from([1.0, 3.0]));
/// gradcheck(|p| p[0].matmul(&p[1]).tanh().sum(), &[w, x]).into_result().unwrap();
/// ```
///
/// # Panics
/// If `f` panics; if it gives different values for the same inputs, as with random numbers that are drawn anew.
#[track_caller]
pub fn gradcheck<T: Float>(f: impl Fn(&[Tensor<T>]) -> Tensor<T>, inputs: &[Array<T>]) -> Gradcheck {
    let mut report = Gradcheck { checks: 0, wrong: Vec::new(), unchecked: Vec::new(), blame: None };
    let precision = Precision::of::<T>();
    let at = |x: &[Array<T>]| {
        let x: Vec<Tensor<T>> = x.iter().map(Tensor::new).collect();
        (f(&x), x)
    };
    let (y, x) = at(inputs);
    let again = at(inputs).0;
    if again.shape() != y.shape() || close(again.data(), y.data(), 0.0, 0.0).is_err() {
        let why = "the function gives another value when it is called again with the same inputs";
        Tensor::refuse("gradcheck", why, &[&y, &again])
    }
    let mut rng = Rng::new(12);
    let w = if y.data().len() == 1 { y.one("gradcheck") } else { cotangent(&mut rng, y.data()) };
    let v: Vec<Array<T>> = inputs.iter().map(|x| direction(&mut rng, x)).collect();
    let (w_constant, along): (_, Vec<_>) = (Tensor::constant(&w), v.iter().map(Tensor::constant).collect());
    let (xs, along): (Vec<_>, Vec<_>) = (x.iter().collect(), x.iter().zip(&along).collect());
    // The inputs, those in `moving` moved by `s` along their directions.
    let moved = |moving: &[usize], s: f64| -> Vec<Array<T>> {
        let place = |(i, x)| if moving.contains(&i) { step(x, &v[i], s) } else { Array::clone(x) };
        inputs.iter().enumerate().map(place).collect()
    };
    let all: Vec<usize> = (0..inputs.len()).collect();
    let coarse: Vec<f64> = inputs.iter().zip(&v).map(|(x, v)| coarseness(x, v)).collect();
    let coarsest = largest(&coarse);
    // `g` times the direction, element by element: how much of a change each stands for.
    let weighted = |g: &Array<T>, i: usize| {
        let (g, v) = (numbers(g), numbers(&v[i]));
        Array::from_fn(inputs[i].shape(), |k| T::of(if v[k] == 0.0 { 0.0 } else { g[k] * v[k] }))
    };
    let pulled = |x: &[Array<T>]| -> Vec<Array<T>> {
        let (y, x) = at(x);
        if y.wants_grad() {
            y.backward_with(&w);
        }
        x.iter().map(|x| x.grad().unwrap_or_else(|| Array::full(x.shape(), T::ZERO))).collect()
    };

    let gradient = gradients_with(&y, &xs, &w_constant);
    let fused = pulled(inputs);
    let scale = inner([(&w, y.data())]).1;
    let dust = precision.rounding * scale;
    for i in all.iter().copied() {
        let g = weighted(gradient[i].data(), i);
        let outcome = close(&weighted(&fused[i], i), &g, precision.difference, dust);
        report.note("backward against gradients", i, Some(&v[i]), outcome.map(|()| None));

        let dy = tangent(&y, &along[i..=i]);
        let outcome =
            against_differences(dy.data(), 0.0, coarse[i], |s| at(&moved(&[i], s)).0.data().clone());
        report.note::<T>("forward mode against differences", i, None, outcome);

        let ((want, size), (got, other)) = (inner([(&w, dy.data())]), inner([(gradient[i].data(), &v[i])]));
        let allowed = precision.difference * size.max(other) + dust;
        let outcome = if !(got.is_finite() && want.is_finite()) {
            Ok(Some("not finite".into()))
        } else if (got - want).abs() <= allowed {
            Ok(None)
        } else {
            Err(Worst { index: vec![], got, want, allowed })
        };
        report.note::<T>("reverse mode against forward mode, along a direction", i, None, outcome);

        if inputs[i].len() <= FEW {
            let one = |k: usize, s: f64| {
                let only = numbers(&v[i]);
                let only = Array::from_fn(inputs[i].shape(), |j| T::of(if j == k { only[k] } else { 0.0 }));
                let mut x = inputs.to_vec();
                x[i] = step(&x[i], &only, s);
                T::of(inner([(&w, at(&x).0.data())]).0)
            };
            let outcome =
                against_differences(&g, 0.0, coarse[i], |s| Array::from_fn(g.shape(), |k| one(k, s)));
            report.note("reverse mode against differences", i, Some(&v[i]), outcome);
        }
    }

    // The derivative of ⟨gradient, v⟩.
    let terms = gradient.iter().zip(&along).map(|(g, (_, v))| (g * *v).sum());
    let slope = terms.reduce(|a, b| a + b);
    if let Some(slope) = &slope {
        let second = gradients(slope, &xs);
        for i in all.iter().copied() {
            let h = weighted(second[i].data(), i);
            let outcome =
                against_differences(&h, scale, coarsest, |s| weighted(&pulled(&moved(&all, s))[i], i));
            report.note("second order, reverse over reverse against differences", i, Some(&v[i]), outcome);

            let over = weighted(tangent(&gradient[i], &along).data(), i);
            let outcome = close(&over, &h, precision.difference, dust).map(|()| None);
            report.note(
                "second order, forward over reverse against reverse over reverse",
                i,
                Some(&v[i]),
                outcome,
            );
        }
    }
    report.wrong.sort_by(|a, b| b.size().total_cmp(&a.size()));
    if !report.is_ok() {
        report.blame = std::iter::once(&y).chain(&slope).map(verify).find(|found| !found.is_ok());
    }
    report
}
