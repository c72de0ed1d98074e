//! Elementwise functions beyond arithmetic.

use super::Elementwise;
use femtograd::Float;

pub fn elementwise<T: Float>() -> Vec<Elementwise<T>> {
    vec![]
}
