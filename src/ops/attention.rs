//! Attention.

use super::fused::{Fused, fused, pull_by_formula};
use crate::kernels::{self, Error, Scores};
use crate::num::Float;
use crate::{Array, Tensor, where_};

/// Which keys a query of [`scaled_dot_product_attention`] sees; all of them by default.
///
/// ```
/// use femtograd::{Attention, Tensor};
/// let present = Tensor::constant([[1.0, 1.0, 0.0]]); // the third key is padding
/// let options = Attention { mask: Some(&present), causal: true, ..Attention::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Attention<'a, T: Float = f32> {
    /// 0 where a query does not see a key, anything else where it does; broadcast to [queries, keys].
    pub mask: Option<&'a Tensor<T>>,
    /// Added to the scores, −∞ as good as a mask; broadcast to [queries, keys].
    pub bias: Option<&'a Tensor<T>>,
    /// Query `i` sees keys `0..=i` only, counted from the first of both even if their numbers differ.
    pub causal: bool,
}

impl<T: Float> Default for Attention<'_, T> {
    fn default() -> Self {
        Attention { mask: None, bias: None, causal: false }
    }
}

/// `softmax(q·kᵀ/√d)·v`: for each query a mean of the values, weighted by how well their keys match (Vaswani et al.
/// 2017). Queries [… , queries, d], keys [… , keys, d] and values [… , keys, e] give [… , queries, e], leading axes
/// broadcast.
///
/// A query that sees no key gets 0, and no gradient flows through it, at any order. (What is masked may be multiplied by
/// an exact 0: keys and values must still be finite there.) Scores of +∞ share their row equally, NaN makes it NaN.
///
/// The scores are never stored all at once, unless mask or bias want a gradient. Where queries, keys and values are heads
/// of one array, the result and the gradients lie as they do: `y.transpose(1, 2).reshape(…)` is no copy.
///
/// ```
/// use femtograd::{Attention, Tensor, scaled_dot_product_attention};
/// let (q, k) = (Tensor::new([[1.0], [1.0]]), Tensor::new([[0.0], [0.0]]));
/// let v = Tensor::new([[1.0], [3.0]]);
/// let causal = Attention { causal: true, ..Attention::default() };
/// assert_eq!(scaled_dot_product_attention(&q, &k, &v, &causal).to_string(), "[[1], [2]]");
/// ```
///
/// # Panics
/// If the shapes do not fit each other, or mask or bias do not broadcast to the scores.
#[track_caller]
pub fn scaled_dot_product_attention<T: Float>(
    queries: &Tensor<T>,
    keys: &Tensor<T>,
    values: &Tensor<T>,
    options: &Attention<'_, T>,
) -> Tensor<T> {
    let Attention { mask, bias, causal } = options;
    let op = ScaledDotProduct { mask: mask.is_some(), bias: bias.is_some(), causal: *causal };
    fused(op, [queries, keys, values].into_iter().chain(*mask).chain(*bias))
}

/// [`scaled_dot_product_attention`] of queries, keys, values, and a mask and a bias if there are any.
#[derive(Clone)]
struct ScaledDotProduct {
    mask: bool,
    bias: bool,
    causal: bool,
}

impl ScaledDotProduct {
    /// How scores come about: the factor `1/√d`, the mask and the bias.
    fn scores<'a, T: Float>(&self, x: &'a [Tensor<T>]) -> (T, [Option<&'a Tensor<T>>; 2]) {
        let d = x[0].shape().last().copied().unwrap_or(1);
        let [mask, bias] = [(self.mask, 3), (self.bias, x.len() - 1)].map(|(given, i)| given.then(|| &x[i]));
        (T::of(1.0 / (d as f64).sqrt()), [mask, bias])
    }
    fn for_kernel<'a, T: Float>(&self, x: &'a [Tensor<T>]) -> Scores<'a, T> {
        let (scale, extras) = self.scores(x);
        let [mask, bias] = extras.map(|extra| extra.map(Tensor::data));
        Scores { scale, bias, mask, causal: self.causal }
    }
}

impl<T: Float> Fused<T> for ScaledDotProduct {
    const NAME: &'static str = "scaled_dot_product_attention";

    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        let (scale, [mask, bias]) = self.scores(x);
        let mut scores = (&x[0] * scale).matmul(&x[1].t());
        if let Some(bias) = bias {
            scores = scores + bias;
        }
        if let Some(mask) = mask {
            scores = where_(mask, scores, T::NEG_INFINITY);
        }
        if self.causal {
            let &[.., t, s] = scores.shape() else { unreachable!("a product of matrices") };
            let seen = Array::from_fn(&[t, s], |i| if i % s <= i / s { T::ONE } else { T::ZERO });
            scores = where_(Tensor::constant(seen), scores, T::NEG_INFINITY);
        }
        scores.softmax(-1).matmul(&x[2])
    }

    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::attention(x[0].data(), x[1].data(), x[2].data(), self.for_kernel(x))
    }

    fn pull(&self, x: &[Tensor<T>], y: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        if x[3..].iter().any(Tensor::wants_grad) {
            // The gradient of a bias may be as large as the scores, which the kernel never stores.
            return pull_by_formula(self, x, y, g, sums);
        }
        let [q, k, v] = [&x[0], &x[1], &x[2]].map(Tensor::data);
        let parts = kernels::attention_back(q, k, v, g, self.for_kernel(x));
        for ((x, sum), part) in x.iter().zip(sums).zip(parts.expect("arguments of a result")) {
            if x.wants_grad() {
                let part = kernels::sum_to(&part, x.shape());
                *sum = Some(match sum.take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
        }
    }
}
