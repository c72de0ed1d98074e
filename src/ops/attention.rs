//! Attention, and dropout.

use crate::kernels::broadcast;
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
/// A query that sees no key gets 0, and no gradient flows through it, at any order. (What is masked is multiplied by an
/// exact 0: keys and values must still be finite there.)
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
    const NAME: &str = "scaled_dot_product_attention";
    let (&[.., t, d], &[.., s, of_keys], &[.., of_values, _]) =
        (queries.shape(), keys.shape(), values.shape())
    else {
        Tensor::refuse(
            NAME,
            "queries, keys and values are matrices or batches of them",
            &[queries, keys, values],
        )
    };
    if d != of_keys || s != of_values {
        let why = "queries […, t, d] need keys […, s, d] and values […, s, e]";
        Tensor::refuse(NAME, why, &[queries, keys, values])
    }
    let mut scores = (queries * T::of(1.0 / (d as f64).sqrt())).matmul(&keys.t());
    for extra in options.mask.into_iter().chain(options.bias) {
        if !broadcast(extra.shape(), scores.shape()).is_ok_and(|shape| shape[..] == *scores.shape()) {
            Tensor::refuse(
                NAME,
                "mask and bias must broadcast to the scores, and not beyond",
                &[extra, &scores],
            )
        }
    }
    if let Some(bias) = options.bias {
        scores = scores + bias;
    }
    if let Some(mask) = options.mask {
        scores = where_(mask, scores, T::NEG_INFINITY);
    }
    if options.causal {
        let seen = Array::from_fn(&[t, s], |i| if i % s <= i / s { T::ONE } else { T::ZERO });
        scores = where_(Tensor::constant(seen), scores, T::NEG_INFINITY);
    }
    scores.softmax(-1).matmul(values)
}
