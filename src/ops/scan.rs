//! Running sums and products.

use super::linear::{Linear, linear};
use crate::kernels::{self, Error};
use crate::num::Float;
use crate::{Array, Tensor, concat};

/// `yⱼ = Σ x₀…xⱼ` along an axis; backwards `Σ xⱼ…`, its reverse.
#[derive(Clone)]
struct CumSum {
    axis: usize,
    backwards: bool,
}
impl<T: Float> Linear<T> for CumSum {
    const NAME: &'static str = "cumsum";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        kernels::cumsum(x, self.axis, self.backwards)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(CumSum { axis: self.axis, backwards: !self.backwards }, g)
    }
}

/// Running sums and products.
impl<T: Float> Tensor<T> {
    /// `yⱼ = x₀ + … + xⱼ` along an axis.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([1.0, 2.0, 3.0]).cumsum(0).to_string(), "[1, 3, 6]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Tensor<T> {
        linear(CumSum { axis: self.axis("cumsum", axis), backwards: false }, self)
    }

    /// `yⱼ = x₀ · … · xⱼ` along an axis. Derivatives are exact at zeros too: nothing is divided.
    ///
    /// The factors before each element double in number in each of `log₂ n` steps (Hillis & Steele 1986).
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([1.0, 2.0, 3.0, 4.0]).cumprod(0).to_string(), "[1, 2, 6, 24]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Tensor<T> {
        let k = self.axis("cumprod", axis);
        let n = self.shape()[k];
        let (mut y, mut done) = (self.clone(), 1);
        while done < n {
            let longer = y.slice(axis, done..) * y.slice(axis, ..n - done);
            y = concat([y.slice(axis, ..done), longer], axis);
            done *= 2;
        }
        y
    }
}
