//! Running totals.

use crate::array::count;
use crate::{Array, Buffer, Error, Float, Result, poll};

/// The sum of each element and all before it along `axis`, or of all after it. Totals are kept in `f64`.
///
/// # Errors
/// If the axis does not exist.
pub fn cumsum<T: Float>(x: &Array<T>, axis: usize, backwards: bool) -> Result<Array<T>> {
    T::cumsum_here(x, axis, backwards)
}

pub(crate) fn cumsum_here<T: Float>(x: &Array<T>, axis: usize, backwards: bool) -> Result<Array<T>> {
    let shape = x.shape();
    let Some(&n) = shape.get(axis) else {
        return Err(Error(format!("there is no axis {axis} in the shape {shape:?}")));
    };
    let inner = count(&shape[axis + 1..]);
    let mut out = Buffer::scratch(x.len());
    if !out.is_empty() {
        let from = x.contiguous();
        let from = from.as_slice().expect("contiguous");
        for (out, from) in out.chunks_exact_mut(n * inner).zip(from.chunks_exact(n * inner)) {
            poll(from.len() * 16);
            let mut totals = vec![0.0; inner];
            for k in 0..n {
                let k = if backwards { n - 1 - k } else { k };
                for (i, total) in totals.iter_mut().enumerate() {
                    *total += from[k * inner + i].to_f64();
                    out[k * inner + i] = T::of(*total);
                }
            }
        }
    }
    Ok(Array::from_buffer(out, shape))
}
