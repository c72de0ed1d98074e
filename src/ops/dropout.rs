//! Dropout.

use super::elementwise::Chain;
use crate::num::Float;
use crate::once::native;
use crate::random::Rng;
use crate::{Array, Tensor};

/// Noise against overfitting.
impl<T: Float> Tensor<T> {
    /// `x / (1 − p)` or, with probability `p` for each element, 0: on average `x` (Srivastava et al. 2014). For training
    /// only; in evaluation, leave it out.
    ///
    /// ```
    /// # use femtograd::{Tensor, random::Rng};
    /// let x = Tensor::new([1.0, 1.0, 1.0, 1.0]);
    /// let y = x.dropout(0.5, &mut Rng::new(3));
    /// y.sum().backward();
    /// assert_eq!(y.to_string(), "[2, 0, 0, 2]");
    /// assert_eq!(x.grad().unwrap().to_string(), "[2, 0, 0, 2]");
    /// ```
    ///
    /// # Panics
    /// If `p` does not lie in `0..=1`.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Tensor<T> {
        if !(0.0..=1.0).contains(&p) {
            Tensor::refuse("dropout", &format!("the probability {p} does not lie in 0..=1"), &[self])
        }
        let kept = T::of(1.0 / (1.0 - p));
        let factors = Array::from_fn(self.shape(), |_| if rng.uniform() < p { T::ZERO } else { kept });
        native(Chain, [&Tensor::constant(factors), self]) // so that what is dropped is 0, infinite or not
    }
}
