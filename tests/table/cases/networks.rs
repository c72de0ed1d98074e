//! What networks are made of: normalisation, convolution, pooling, attention, losses.

use super::Case;
use femtograd::Float;

pub fn cases<T: Float>() -> Vec<Case<T>> {
    vec![]
}
