//! Order: places of elements, and the elements there.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use super::args::{Int, Size};
use super::unary;
use crate::any::{Any, Real};
use crate::tensor::{PyTensor, argument, fresh};
use crate::{convert, each, guard};
use femtograd::{Indices, Tensor};
use pyo3::prelude::*;

/// Elements and their places.
type Found<'py> = (Bound<'py, PyTensor>, Bound<'py, PyAny>);

/// Places as Python has them: an int for a single one, else an array of int64.
fn places<'py>(py: Python<'py>, found: &Indices) -> PyResult<Bound<'py, PyAny>> {
    match (found.shape(), found.as_slice()) {
        ([], &[i]) => Ok(i.into_pyobject(py)?.into_any()),
        _ => convert::positions(py, found),
    }
}

/// One place on each line along an axis, or one in all.
fn extreme<'py>(
    slf: &Bound<'py, PyTensor>,
    axis: Option<Int>,
    keepdims: bool,
    find: impl FnOnce(&Any, isize) -> Indices + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, x) = (slf.py(), argument(slf));
    let found = guard::call_long(py, x.len(), || match axis {
        Some(axis) => find(&x, axis.0),
        None => find(&each!(&x, x => x.detach().reshape(&[x.shape().iter().product()])), 0),
    })?;
    if !keepdims {
        return places(py, &found);
    }
    let shape: Vec<usize> = match axis {
        None => vec![1; x.shape().len()],
        Some(axis) => {
            let mut shape = x.shape().to_vec();
            let at = if axis.0 < 0 { axis.0 + shape.len() as isize } else { axis.0 };
            shape[at as usize] = 1;
            shape
        }
    };
    convert::positions(py, &found.reshape(&shape).expect("one place on each line"))
}

/// Elements with their places.
fn found<'py>(
    slf: &Bound<'py, PyTensor>,
    single: impl FnOnce(&Tensor<f32>) -> (Tensor<f32>, Indices) + Send,
    double: impl FnOnce(&Tensor<f64>) -> (Tensor<f64>, Indices) + Send,
) -> PyResult<Found<'py>> {
    fn wrapped<T: Real>((y, places): (Tensor<T>, Indices)) -> (Any, Indices) {
        (T::wrap(y), places)
    }
    let (py, x) = (slf.py(), argument(slf));
    let (y, at) = guard::call_long(py, x.len(), || match &x {
        Any::F32(x) => wrapped(single(x)),
        Any::F64(x) => wrapped(double(x)),
    })?;
    Ok((fresh(py, y)?, places(py, &at)?))
}

/// Both types with the same expression.
macro_rules! found {
    ($slf:expr, |$x:ident| $y:expr) => {
        found($slf, |$x| $y, |$x| $y)
    };
}

#[pymethods]
impl PyTensor {
    /// `argmaxᵢ xᵢ`: the place of the largest element along an axis, or in the row of all elements. Of equal ones the
    /// first; NaN before every number. An int, or an array of int64.
    ///
    /// >>> Tensor([[1.0, 3.0, 3.0], [6.0, 5.0, 4.0]]).argmax(axis=1)
    /// array([1, 0])
    /// >>> Tensor([1.0, 3.0]).argmax()
    /// 1
    #[pyo3(signature = (axis = None, *, keepdims = false))]
    fn argmax<'py>(slf: &Bound<'py, Self>, axis: Option<Int>, keepdims: bool) -> PyResult<Bound<'py, PyAny>> {
        extreme(slf, axis, keepdims, |x, axis| each!(x, x -> x.argmax(axis)))
    }

    /// `argminᵢ xᵢ`: the place of the smallest element along an axis, or in the row of all elements. Of equal ones the
    /// first; NaN before every number. An int, or an array of int64.
    ///
    /// >>> Tensor([2.0, 1.0]).argmin()
    /// 1
    #[pyo3(signature = (axis = None, *, keepdims = false))]
    fn argmin<'py>(slf: &Bound<'py, Self>, axis: Option<Int>, keepdims: bool) -> PyResult<Bound<'py, PyAny>> {
        extreme(slf, axis, keepdims, |x, axis| each!(x, x -> x.argmin(axis)))
    }

    /// `(max x, argmax x)` along an axis, which vanishes. The gradient goes to these places alone; with `max` equal maxima
    /// share it.
    ///
    /// >>> largest, place = Tensor([1.0, 3.0, 3.0]).max_with_positions()
    /// >>> print(largest, place)
    /// 3.0 1
    #[pyo3(signature = (axis = Int(-1)), text_signature = "($self, axis=-1)")]
    fn max_with_positions<'py>(slf: &Bound<'py, Self>, axis: Int) -> PyResult<Found<'py>> {
        found!(slf, |x| x.max_with_positions(axis.0))
    }

    /// `(min x, argmin x)` along an axis, which vanishes. The gradient goes to these places alone; with `min` equal minima
    /// share it.
    ///
    /// >>> smallest, place = Tensor([2.0, 1.0]).min_with_positions()
    /// >>> print(smallest, place)
    /// 1.0 1
    #[pyo3(signature = (axis = Int(-1)), text_signature = "($self, axis=-1)")]
    fn min_with_positions<'py>(slf: &Bound<'py, Self>, axis: Int) -> PyResult<Found<'py>> {
        found!(slf, |x| x.min_with_positions(axis.0))
    }

    /// `y₀ ≤ y₁ ≤ …`, the elements of `x` in order along an axis (of all in a row for None). Equal ones stay in the order
    /// in which they are; NaN counts as larger than every number.
    ///
    /// >>> Tensor([2.0, 3.0, 1.0]).sort().tolist()
    /// [1.0, 2.0, 3.0]
    #[pyo3(signature = (axis = Some(Int(-1)), *, descending = false), text_signature = "($self, axis=-1, *, descending=False)")]
    fn sort<'py>(
        slf: &Bound<'py, Self>,
        axis: Option<Int>,
        descending: bool,
    ) -> PyResult<Bound<'py, PyTensor>> {
        unary(slf, |x| {
            each!(x, x => match axis {
                Some(axis) => x.sort(axis.0, descending).0,
                None => x.reshape(&[x.shape().iter().product()]).sort(0, descending).0,
            })
        })
    }

    /// The places with `x[places]` in order along an axis (of all in a row for None): an array of int64.
    ///
    /// >>> Tensor([2.0, 3.0, 1.0]).argsort()
    /// array([2, 0, 1])
    #[pyo3(signature = (axis = Some(Int(-1)), *, descending = false), text_signature = "($self, axis=-1, *, descending=False)")]
    fn argsort<'py>(
        slf: &Bound<'py, Self>,
        axis: Option<Int>,
        descending: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, x) = (slf.py(), argument(slf));
        let found = guard::call_long(py, x.len(), || {
            each!(&x, x -> match axis {
                Some(axis) => x.argsort(axis.0, descending),
                None => x.detach().reshape(&[x.shape().iter().product()]).argsort(0, descending),
            })
        })?;
        convert::positions(py, &found)
    }

    /// `y₀ ≥ y₁ ≥ … ≥ y₍ₖ₋₁₎`, the `k` largest elements of `x` along an axis, and their places.
    ///
    /// >>> largest, places = Tensor([2.0, 5.0, 1.0, 5.0]).topk(3)
    /// >>> largest.tolist(), places
    /// ([5.0, 5.0, 2.0], array([1, 3, 0]))
    #[pyo3(signature = (k, axis = Int(-1)), text_signature = "($self, k, axis=-1)")]
    fn topk<'py>(slf: &Bound<'py, Self>, k: Size, axis: Int) -> PyResult<Found<'py>> {
        found!(slf, |x| x.topk(k.0, axis.0))
    }
}
