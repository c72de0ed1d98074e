//! Losses, and the functions they are made of that need care with large numbers.

use crate::context::unrecorded;
use crate::kernels::{self, Error};
use crate::num::Float;
use crate::op::{carry, chain};
use crate::ops::linear::linear;
use crate::ops::reduce::{Axes, Sum};
use crate::{Array, Op, Operand, Shape, Tensor};

/// `y = ln Σ eˣ` over axes that keep length 1, computed as `m + ln Σ e^(x−m)` with `m = max x`, which does not overflow.
#[derive(Clone)]
struct LogSumExp(Shape);
impl LogSumExp {
    /// `∂y/∂x = e^(x−y)`: the softmax. Where all of a row is −∞, so is `y`, and the slope is 0.
    fn softmax<T: Float>(x: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
        let nothing = y.equals(T::NEG_INFINITY);
        (x - super::where_(nothing, T::ZERO, y)).exp()
    }
}
impl<T: Float> Op<T> for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let m = kernels::max(x[0].data(), &self.0)?;
        unrecorded(|| {
            let m = Tensor::constant(m);
            // A maximum of ±∞ or NaN is the answer itself: subtracting it would make NaN of ±∞.
            let finite = m.abs().lt(T::of(f64::INFINITY));
            let shift = super::where_(&finite, &m, T::ZERO);
            let total = linear(Sum(self.0.clone()), &((&x[0] - &shift).exp()));
            Ok(super::where_(finite, total.ln() + shift, m).data().clone())
        })
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        chain(g, &LogSumExp::softmax(&x[0], y))
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        linear(Sum(self.0.clone()), &carry(dx, &LogSumExp::softmax(&x[0], y)))
    }
}

/// Losses and what they are made of.
impl<T: Float> Tensor<T> {
    /// `ln Σ eˣ` over some axes (`..`: all), which vanish; without overflow. −∞ of none and of −∞ alone.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([1000.0, 1000.0]).logsumexp(0).item(), 1000.0 + 2f64.ln());
    /// ```
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("logsumexp", axes);
        Tensor::apply(LogSumExp(axes.clone()), [self]).without(&axes)
    }

    /// `ln Σ eˣ` over some axes, which keep length 1; without overflow.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn logsumexp_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        Tensor::apply(LogSumExp(self.axes("logsumexp", axes)), [self])
    }

    /// `x − ln Σ eˣ` along an axis: the logarithms of the softmax.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor<T> {
        self - Tensor::apply(LogSumExp(self.axes("log_softmax", axis)), [self])
    }

    /// The cross entropy `−1/n Σᵢ ln softmax(xᵢ)[classes[i]]` of `n` rows of scores (logits) against the class each
    /// row belongs to: one number, in nats.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let scores = Tensor::new([[0.0, 0.0], [0.0, 0.0]]);
    /// let loss = scores.cross_entropy(&[0, 1]);
    /// loss.backward();
    /// assert_eq!(loss.item(), 2f64.ln());
    /// assert_eq!(scores.grad().unwrap().to_string(), "[[-0.25, 0.25], [0.25, -0.25]]"); // (softmax − one-hot) / n
    /// ```
    ///
    /// # Panics
    /// If the scores are not a matrix with a row for each class given, or a class is not one of its columns.
    #[track_caller]
    pub fn cross_entropy(&self, classes: &[usize]) -> Tensor<T> {
        let &[rows, columns] = self.shape() else {
            Tensor::refuse(
                "cross_entropy",
                "the scores are a matrix, one row for each example and one column for each class",
                &[self],
            )
        };
        if rows != classes.len() {
            Tensor::refuse(
                "cross_entropy",
                &format!("{rows} rows of scores against {} classes", classes.len()),
                &[self],
            )
        }
        if let Some(i) = classes.iter().position(|&class| class >= columns) {
            Tensor::refuse(
                "cross_entropy",
                &format!("class {} of row {i} is not one of the {columns} columns", classes[i]),
                &[self],
            )
        }
        let places: Vec<usize> = classes.iter().enumerate().map(|(i, &class)| i * columns + class).collect();
        -self.log_softmax(1).reshape(&[rows * columns]).gather_rows(&places).mean()
    }

    /// The mean squared error `1/n Σ (x − target)²` over all `n` elements: one number.
    ///
    /// # Panics
    /// If the shapes differ: broadcasting `[n, 1]` against `[n]` would compare everything with everything.
    #[track_caller]
    pub fn mse(&self, target: impl Operand<T>) -> Tensor<T> {
        let target = target.into_tensor();
        if self.shape() != target.shape() {
            Tensor::refuse("mse", "the target has another shape", &[self, &target])
        }
        (self - target).powi(2).mean()
    }
}
