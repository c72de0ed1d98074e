//! Shape and arrangement.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use super::args::{AxisList, Int, Shape, Size, axis, count, given, ints, sizes};
use super::unary;
use crate::any::{Any, Real};
use crate::tensor::{PyTensor, argument, fresh, of_one_type};
use crate::{each, guard, methods, several};
use femtograd::{Padding, Tensor, kernels};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// A mistake in an argument, at the caller's line.
fn refuse(py: Python<'_>, op: &str, why: &str, shape: &[usize]) -> PyErr {
    let place = crate::place::here(py);
    PyValueError::new_err(format!("{op}: {why}\n  argument: shape {shape:?}\n  at {place}"))
}

/// The tensor as a vector.
fn flat<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    if x.shape().len() == 1 { x.clone() } else { x.reshape(&[x.shape().iter().product()]) }
}

/// Several results of one argument.
enum Parts {
    F32(Vec<Tensor<f32>>),
    F64(Vec<Tensor<f64>>),
}

/// [`each!`] for several results.
macro_rules! each_part {
    ($any:expr, $x:ident => $parts:expr) => {
        match $any {
            Any::F32($x) => Parts::F32($parts.collect()),
            Any::F64($x) => Parts::F64($parts.collect()),
        }
    };
}
methods! {
    /// `y[i₀, i₁, …] = x[i₁, i₀, …]`: axes `axis1` and `axis2` exchanged.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0]]).swapaxes(0, 1).shape
    /// (3, 1)
    swapaxes(axis1: Int, axis2: Int) => |x| x.transpose(axis1.0, axis2.0);

    /// `y[…, 0, …] = x[…]`: a new axis of length 1, which becomes axis `axis` of the result. See `expand_dims` for several.
    ///
    /// >>> Tensor([1.0, 2.0]).unsqueeze(-1).tolist()
    /// [[1.0], [2.0]]
    unsqueeze(axis: Int) => |x| x.unsqueeze(axis.0);

    /// `y[i] = x[n−1−i]` along these axes; along all of them if none is named.
    ///
    /// >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).flip(1).tolist()
    /// [[2.0, 1.0], [4.0, 3.0]]
    #[pyo3(signature = (axis = None))]
    flip(axis: Option<AxisList>) => |x| match axis {
        Some(axes) => x.flip(axes),
        None => x.flip(..),
    };

    /// `y[…, i] = x[…, i, …, i + offset, …]`: the diagonal of the matrices along two axes, which vanish; it is the last axis
    /// of the result. Empty where `offset` lies beyond the matrix.
    ///
    /// >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).diagonal().tolist()
    /// [1.0, 4.0]
    #[pyo3(signature = (offset = Int(0), axis1 = Int(0), axis2 = Int(1)), text_signature = "($self, offset=0, axis1=0, axis2=1)")]
    diagonal(offset: Int, axis1: Int, axis2: Int) => |x| x.diagonal(offset.0, axis1.0, axis2.0);

    /// `y[…, i, j] = x[…, i, j]` for `j − i ≤ k`, else 0: the lower triangle. What is put aside contributes nothing, NaN
    /// and ∞ included.
    ///
    /// >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).tril().tolist()
    /// [[1.0, 0.0], [3.0, 4.0]]
    #[pyo3(signature = (k = Int(0)), text_signature = "($self, k=0)")]
    tril(k: Int) => |x| x.tril(k.0);

    /// `y[…, i, j] = x[…, i, j]` for `j − i ≥ k`, else 0: the upper triangle. What is put aside contributes nothing, NaN
    /// and ∞ included.
    ///
    /// >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).triu(1).tolist()
    /// [[0.0, 2.0], [0.0, 0.0]]
    #[pyo3(signature = (k = Int(0)), text_signature = "($self, k=0)")]
    triu(k: Int) => |x| x.triu(k.0);

    /// `yⱼ = x₀ + … + xⱼ` along an axis; of all elements in a row if none is named.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).cumsum().tolist()
    /// [1.0, 3.0, 6.0]
    #[pyo3(signature = (axis = None))]
    cumsum(axis: Option<Int>) => |x| match axis {
        Some(axis) => x.cumsum(axis.0),
        None => flat(x).cumsum(0),
    };

    /// `yⱼ = x₀ · … · xⱼ` along an axis; of all elements in a row if none is named. Derivatives are exact at zeros too.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0, 4.0]).cumprod().tolist()
    /// [1.0, 2.0, 6.0, 24.0]
    #[pyo3(signature = (axis = None))]
    cumprod(axis: Option<Int>) => |x| match axis {
        Some(axis) => x.cumprod(axis.0),
        None => flat(x).cumprod(0),
    };
}

#[pymethods]
impl PyTensor {
    /// `y = x`, the same numbers in the same (row-major) order under another shape. One length may be −1: as long as it
    /// takes.
    ///
    /// >>> x = Tensor([1.0, 2.0, 3.0, 4.0])
    /// >>> x.reshape(2, -1).tolist()
    /// [[1.0, 2.0], [3.0, 4.0]]
    /// >>> x.reshape((4, 1)).shape
    /// (4, 1)
    #[pyo3(signature = (*shape))]
    fn reshape<'py>(slf: &Bound<'py, Self>, shape: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTensor>> {
        let (py, wanted) = (slf.py(), ints(shape)?);
        let any = slf.get().any(slf.py());
        let negative = |&&n: &&isize| n < 0;
        if let Some(&n) = wanted.iter().find(|n| **n < -1) {
            return Err(refuse(py, "reshape", &format!("{n} is no length of an axis"), any.shape()));
        }
        let mut shape: Vec<usize> = wanted.iter().map(|&n| n.max(0) as usize).collect();
        if let Some(open) = wanted.iter().position(|n| *n < 0) {
            if wanted.iter().filter(negative).count() > 1 {
                return Err(refuse(py, "reshape", "only one length can be −1", any.shape()));
            }
            shape[open] = 1;
            let (n, others) = (any.shape().iter().product::<usize>(), count("reshape", &shape)?);
            if others == 0 || n % others != 0 {
                let why = format!("{n} elements do not divide into the shape {wanted:?}");
                return Err(refuse(py, "reshape", &why, any.shape()));
            }
            shape[open] = n / others;
        }
        count("reshape", &shape)?;
        unary(slf, |x| each!(x, x => if x.shape() == shape { x.clone() } else { x.reshape(&shape) }))
    }

    /// `y[i₀, i₁, …] = x[…]`, axis `k` of `y` being axis `axes[k]` of `x`; the axes backwards if none is named.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0]]).transpose().tolist()
    /// [[1.0], [2.0], [3.0]]
    #[pyo3(signature = (*axes))]
    fn transpose<'py>(slf: &Bound<'py, Self>, axes: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTensor>> {
        let n = slf.get().any(slf.py()).shape().len() as isize;
        let order = match axes.len() {
            0 => (0..n).rev().collect(),
            1 if axes.get_item(0)?.is_none() => (0..n).rev().collect(),
            _ => ints(axes)?,
        };
        unary(slf, |x| each!(x, x => x.permute(&order)))
    }

    /// `transpose` under PyTorch's name; every axis must be named.
    ///
    /// >>> Tensor([[[1.0], [2.0]]]).permute(1, 0, 2).shape
    /// (2, 1, 1)
    #[pyo3(signature = (*axes))]
    fn permute<'py>(slf: &Bound<'py, Self>, axes: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTensor>> {
        let order = ints(axes)?;
        unary(slf, |x| each!(x, x => x.permute(&order)))
    }

    /// `y = xᵀ`: the axes backwards, `transpose()`.
    ///
    /// >>> Tensor([[1.0, 2.0]]).T.shape
    /// (2, 1)
    #[getter]
    #[allow(non_snake_case)]
    fn T<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::transpose(slf, &PyTuple::empty(slf.py()))
    }

    /// `y = xᵀ` of the matrices along the last two axes.
    ///
    /// >>> Tensor([[[1.0, 2.0]]]).mT.shape
    /// (1, 2, 1)
    #[getter]
    #[allow(non_snake_case)]
    fn mT<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        unary(slf, |x| each!(x, x => x.t()))
    }

    /// `y = x`, repeated along new axes in front and axes of length 1, without copying.
    ///
    /// >>> x = Tensor([[1.0], [2.0]])
    /// >>> y = x.broadcast_to((2, 3))
    /// >>> y.backward([[1.0] * 3] * 2)
    /// >>> x.grad.tolist()
    /// [[3.0], [3.0]]
    #[pyo3(signature = (*shape))]
    fn broadcast_to<'py>(
        slf: &Bound<'py, Self>,
        shape: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let shape = sizes(shape)?;
        count("broadcast_to", &shape)?;
        unary(slf, |x| each!(x, x => x.broadcast_to(&shape)))
    }

    /// `y[…, 0, …] = x[…]`: new axes of length 1, which become the named axes of the result.
    ///
    /// >>> Tensor([1.0, 2.0]).expand_dims((0, 2)).shape
    /// (1, 2, 1)
    fn expand_dims<'py>(slf: &Bound<'py, Self>, axis: AxisList) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), slf.get().any(slf.py()));
        let n = x.shape().len() + axis.0.len();
        let mut new = vec![false; n];
        for &k in &axis.0 {
            let at = if k < 0 { k + n as isize } else { k };
            if at < 0 || at >= n as isize || std::mem::replace(&mut new[at as usize], true) {
                let why = format!("{:?} are no {} different axes of a result of {n}", axis.0, axis.0.len());
                return Err(refuse(py, "expand_dims", &why, x.shape()));
            }
        }
        let mut old = x.shape().iter();
        let shape: Vec<usize> = new
            .iter()
            .map(|&new| if new { 1 } else { *old.next().expect("as many as are not new") })
            .collect();
        unary(slf, |x| each!(x, x => x.reshape(&shape)))
    }

    /// `y = x` without these axes, which must have length 1; without all axes of length 1 if none is named.
    ///
    /// >>> Tensor([[[1.0], [2.0]]]).squeeze().shape
    /// (2,)
    /// >>> Tensor([[[1.0], [2.0]]]).squeeze(0).shape
    /// (2, 1)
    #[pyo3(signature = (axis = None))]
    fn squeeze<'py>(slf: &Bound<'py, Self>, axis: Option<AxisList>) -> PyResult<Bound<'py, PyTensor>> {
        let any = slf.get().any(slf.py());
        let all =
            || any.shape().iter().enumerate().filter(|(_, n)| **n == 1).map(|(k, _)| k as isize).collect();
        let axes: Vec<isize> = axis.map_or_else(all, |axes| axes.0);
        unary(slf, |x| each!(x, x => if axes.is_empty() { x.clone() } else { x.squeeze(&axes[..]) }))
    }

    /// `y = x` with axes `first` to `last`, this one included, made one: a vector, if nothing is said.
    ///
    /// >>> Tensor([[[1.0, 2.0]], [[3.0, 4.0]]]).flatten(1).tolist()
    /// [[1.0, 2.0], [3.0, 4.0]]
    #[pyo3(signature = (first = Int(0), last = Int(-1)), text_signature = "($self, first=0, last=-1)")]
    fn flatten<'py>(slf: &Bound<'py, Self>, first: Int, last: Int) -> PyResult<Bound<'py, PyTensor>> {
        unary(slf, |x| {
            each!(x, x => match x.shape().len() {
                0 if (first.0, last.0) == (0, -1) => x.reshape(&[1]),
                1 if (first.0, last.0) == (0, -1) => x.clone(),
                _ => x.flatten(first.0, last.0),
            })
        })
    }

    /// `y = x` as a vector: `flatten()`.
    ///
    /// >>> Tensor([[1.0, 2.0]]).ravel().tolist()
    /// [1.0, 2.0]
    fn ravel<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        unary(slf, |x| each!(x, x => flat(x)))
    }

    /// `y = x` with the axes `source` moved to where they are the axes `destination` of the result; the others keep their
    /// order.
    ///
    /// >>> Tensor([[[1.0, 2.0, 3.0]]]).moveaxis(-1, 0).shape
    /// (3, 1, 1)
    fn moveaxis<'py>(
        slf: &Bound<'py, Self>,
        source: AxisList,
        destination: AxisList,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, any) = (slf.py(), slf.get().any(slf.py()));
        let places = |axes: &[isize]| -> PyResult<Vec<usize>> {
            let mut places = Vec::new();
            for &k in axes {
                let k = axis(py, "moveaxis", Int(k), any.shape())?;
                if places.contains(&k) {
                    return Err(refuse(py, "moveaxis", &format!("axis {k} is named twice"), any.shape()));
                }
                places.push(k);
            }
            Ok(places)
        };
        let (from, to) = (places(&source.0)?, places(&destination.0)?);
        if from.len() != to.len() {
            let why = format!("{} axes cannot move to {} places", from.len(), to.len());
            return Err(refuse(py, "moveaxis", &why, any.shape()));
        }
        let mut order: Vec<isize> =
            (0..any.shape().len()).filter(|k| !from.contains(k)).map(|k| k as isize).collect();
        let mut moves: Vec<(usize, usize)> = to.into_iter().zip(from).collect();
        moves.sort_unstable();
        for (to, from) in moves {
            order.insert(to, from as isize);
        }
        unary(slf, |x| each!(x, x => x.permute(&order)))
    }

    /// `[y₀, y₁, …] = x` along an axis: as NumPy's `split`, into so many parts of equal size, or at these places.
    ///
    /// >>> a, b = Tensor([1.0, 2.0, 3.0, 4.0]).split(2)
    /// >>> a.tolist(), b.tolist()
    /// ([1.0, 2.0], [3.0, 4.0])
    /// >>> [y.tolist() for y in Tensor([1.0, 2.0, 3.0]).split([1])]
    /// [[1.0], [2.0, 3.0]]
    #[pyo3(signature = (indices_or_sections, axis = Int(0)), text_signature = "($self, indices_or_sections, axis=0)")]
    fn split<'py>(
        slf: &Bound<'py, Self>,
        indices_or_sections: &Bound<'py, PyAny>,
        axis: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        let (py, x) = (slf.py(), argument(slf));
        let k = self::axis(py, "split", axis, x.shape())?;
        let n = x.shape()[k];
        let places: Vec<isize> = if let Ok(Int(parts)) = indices_or_sections.extract() {
            let parts = usize::try_from(parts).unwrap_or(0);
            if parts == 0 || n % parts != 0 {
                let why =
                    format!("an axis of {n} does not divide into {parts} equal parts: chunk leaves a rest");
                return Err(refuse(py, "split", &why, x.shape()));
            }
            // An axis of 0 divides into as many as anybody likes.
            let mut places = guard::call(py, || kernels::room(parts))?;
            places.extend((1..parts).map(|i| (i * (n / parts)) as isize));
            places
        } else {
            indices_or_sections.extract::<Vec<Int>>()?.into_iter().map(|i| i.0).collect()
        };
        let n = n as isize;
        let inside = |i: isize| if i < 0 { i + n } else { i }.clamp(0, n);
        let starts = [0].into_iter().chain(places.iter().map(|&i| inside(i)));
        let stops: Vec<isize> = places.iter().map(|&i| inside(i)).chain([n]).collect();
        let ranges: Vec<_> = starts.zip(stops).map(|(a, b)| a as usize..b.max(a) as usize).collect();
        let parts = guard::call(
            py,
            || each_part!(&x, x => ranges.iter().map(|range| x.slice(k as isize, range.clone()))),
        )?;
        list(py, parts)
    }

    /// `[y₀, y₁, …] = x` along an axis: at most `n` parts of equal size, the last of what is left.
    ///
    /// >>> [y.tolist() for y in Tensor([1.0, 2.0, 3.0]).chunk(2)]
    /// [[1.0, 2.0], [3.0]]
    #[pyo3(signature = (n, axis = Int(0)), text_signature = "($self, n, axis=0)")]
    fn chunk<'py>(slf: &Bound<'py, Self>, n: Size, axis: Int) -> PyResult<Bound<'py, PyList>> {
        let (py, x) = (slf.py(), argument(slf));
        let parts = guard::call(py, || each_part!(&x, x => x.chunk(n.0, axis.0).into_iter()))?;
        list(py, parts)
    }

    /// `y[(i + shift) mod n] = x[i]` along an axis; of all elements in a row if none is named. Several shifts go with as
    /// many axes.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).roll(1).tolist()
    /// [3.0, 1.0, 2.0]
    #[pyo3(signature = (shift, axis = None))]
    fn roll<'py>(
        slf: &Bound<'py, Self>,
        shift: AxisList,
        axis: Option<AxisList>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, any) = (slf.py(), slf.get().any(slf.py()));
        if let Some(shift) = shift.0.iter().find(|shift| shift.unsigned_abs() == isize::MAX.unsigned_abs()) {
            return Err(refuse(py, "roll", &format!("a shift of {shift} or more is too large"), any.shape()));
        }
        let n = any.shape().iter().product::<usize>().max(1) as i128;
        let Some(axes) = axis else {
            let total = shift.0.iter().map(|&i| i as i128).sum::<i128>().rem_euclid(n) as isize;
            return unary(slf, |x| {
                each!(x, x => {
                    let y = flat(x).roll(total, 0);
                    if y.shape() == x.shape() { y } else { y.reshape(x.shape()) }
                })
            });
        };
        let pairs: Vec<(isize, isize)> = match (&shift.0[..], &axes.0[..]) {
            (&[shift], axes) => axes.iter().map(|&k| (shift, k)).collect(),
            (shifts, &[k]) => shifts.iter().map(|&shift| (shift, k)).collect(),
            (shifts, axes) if shifts.len() == axes.len() => {
                shifts.iter().copied().zip(axes.iter().copied()).collect()
            }
            _ => {
                let why = format!("{} shifts for {} axes", shift.0.len(), axes.0.len());
                return Err(refuse(py, "roll", &why, any.shape()));
            }
        };
        unary(slf, |x| each!(x, x => pairs.iter().fold(x.clone(), |y, &(shift, k)| y.roll(shift, k))))
    }

    /// `y = (x₀, x₀, …, x₁, x₁, …)`: each element so many times in a row along an axis; of all elements if none is named.
    /// A list says how often for each.
    ///
    /// >>> Tensor([1.0, 2.0]).repeat(2).tolist()
    /// [1.0, 1.0, 2.0, 2.0]
    /// >>> Tensor([1.0, 2.0]).repeat([1, 3]).tolist()
    /// [1.0, 2.0, 2.0, 2.0]
    #[pyo3(signature = (repeats, axis = None))]
    fn repeat<'py>(
        slf: &Bound<'py, Self>,
        repeats: Shape,
        axis: Option<Int>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, any) = (slf.py(), slf.get().any(slf.py()));
        let k = axis.map(|axis| self::axis(py, "repeat", axis, any.shape())).transpose()?;
        let n = k.map_or(any.shape().iter().product(), |k| any.shape()[k]);
        let mut shape = k.map_or(vec![n], |_| any.shape().to_vec());
        let k = k.unwrap_or(0);
        let flattened = axis.is_none();
        if let [times] = repeats.0[..] {
            shape[k] = count("repeat", &[n, times])?;
            count("repeat", &shape)?;
            return unary(slf, |x| {
                each!(x, x => {
                    if flattened { flat(x).repeat(times, 0) } else { x.repeat(times, k as isize) }
                })
            });
        }
        if repeats.0.len() != n {
            let why = format!("{} numbers of times for {n} elements", repeats.0.len());
            return Err(refuse(py, "repeat", &why, any.shape()));
        }
        shape[k] = repeats.0.iter().fold(0usize, |total, &n| total.saturating_add(n));
        count("repeat", &shape)?;
        let places: Vec<usize> =
            repeats.0.iter().enumerate().flat_map(|(i, &times)| std::iter::repeat_n(i, times)).collect();
        unary(slf, |x| {
            each!(x, x => {
                if flattened { flat(x).index_select(0, &places) } else { x.index_select(k as isize, &places) }
            })
        })
    }

    /// `y = (x, x, …)`: the whole so many times one after the other along each axis. Fewer numbers than axes count for
    /// the last ones; more make new axes in front.
    ///
    /// >>> Tensor([1.0, 2.0]).tile(2, 2).tolist()
    /// [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    #[pyo3(signature = (*times))]
    fn tile<'py>(slf: &Bound<'py, Self>, times: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTensor>> {
        let (times, any) = (sizes(times)?, slf.get().any(slf.py()));
        if !times.contains(&0) {
            count("tile", &[&times, any.shape()].concat())?;
        }
        unary(slf, |x| each!(x, x => x.tile(&times)))
    }

    /// `y = x`, continued beyond its ends by `widths`: a number, a pair (before, after), or such a pair for each axis.
    ///
    /// `mode` is NumPy's: "constant" puts `constant_values` there, "reflect" goes back from the end without repeating it,
    /// "edge" repeats it, "wrap" begins again at the other end.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).pad((1, 2)).tolist()
    /// [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]
    /// >>> Tensor([1.0, 2.0, 3.0]).pad(1, mode="reflect").tolist()
    /// [2.0, 1.0, 2.0, 3.0, 2.0]
    #[pyo3(signature = (widths, mode = "constant", *, constant_values = 0.0))]
    fn pad<'py>(
        slf: &Bound<'py, Self>,
        widths: &Bound<'py, PyAny>,
        mode: &str,
        constant_values: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, any) = (slf.py(), slf.get().any(slf.py()));
        let axes = any.shape().len();
        let widths: Vec<(usize, usize)> = if let Ok(list) = widths.extract::<Vec<Shape>>()
            && widths.extract::<Vec<Size>>().is_err()
        {
            let pair = |w: Shape| match w.0[..] {
                [a] => Ok((a, a)),
                [a, b] => Ok((a, b)),
                _ => {
                    Err(refuse(py, "pad", "the widths of an axis are a pair: before and after", any.shape()))
                }
            };
            let pairs = list.into_iter().map(pair).collect::<PyResult<Vec<_>>>()?;
            if pairs.len() == 1 { vec![pairs[0]; axes] } else { pairs }
        } else {
            match widths.extract::<Shape>()?.0[..] {
                [n] => vec![(n, n); axes],
                [a, b] => vec![(a, b); axes],
                _ => return Err(refuse(py, "pad", "the widths are a number, a pair, or pairs", any.shape())),
            }
        };
        if widths.len() == axes {
            let wide: Vec<usize> =
                any.shape().iter().zip(&widths).map(|(n, (a, b))| n.saturating_add(a + b)).collect();
            count("pad", &wide)?;
        }
        fn padding<T: Real>(mode: &str, value: f64) -> Option<Padding<T>> {
            Some(match mode {
                "constant" => Padding::Constant(T::of(value)),
                "reflect" => Padding::Reflect,
                "edge" => Padding::Replicate,
                "wrap" => Padding::Circular,
                _ => return None,
            })
        }
        if padding::<f64>(mode, 0.0).is_none() {
            let why = format!("the mode {mode:?} is none of 'constant', 'reflect', 'edge', 'wrap'");
            return Err(refuse(py, "pad", &why, any.shape()));
        }
        unary(slf, |x| each!(x, x => x.pad(&widths, padding(mode, constant_values).expect("a known mode"))))
    }

    /// Of a matrix diagonal `k`, `y[i] = x[i, i + k]`; of a vector the square matrix with `y[i, i + k] = x[i]`, 0 elsewhere.
    ///
    /// >>> Tensor([1.0, 2.0]).diag().tolist()
    /// [[1.0, 0.0], [0.0, 2.0]]
    #[pyo3(signature = (k = Int(0)), text_signature = "($self, k=0)")]
    fn diag<'py>(slf: &Bound<'py, Self>, k: Int) -> PyResult<Bound<'py, PyTensor>> {
        if let [n] = *slf.get().any(slf.py()).shape() {
            let n = n.saturating_add(k.0.unsigned_abs());
            count("diag", &[n, n])?;
        }
        unary(slf, |x| each!(x, x => x.diag(k.0)))
    }
}

fn list<'py>(py: Python<'py>, parts: Parts) -> PyResult<Bound<'py, PyList>> {
    let parts: Vec<_> = match parts {
        Parts::F32(parts) => parts.into_iter().map(|x| fresh(py, Any::F32(x))).collect::<PyResult<_>>()?,
        Parts::F64(parts) => parts.into_iter().map(|x| fresh(py, Any::F64(x))).collect::<PyResult<_>>()?,
    };
    PyList::new(py, parts)
}

/// Tensors, or what makes constants, from any iterable.
fn all<'py>(op: &str, tensors: &Bound<'py, PyAny>) -> PyResult<Vec<Any>> {
    if tensors.is_instance_of::<PyTensor>() {
        let why = format!("{op}: a list of tensors is wanted, and this is one tensor");
        return Err(PyTypeError::new_err(why));
    }
    tensors.try_iter()?.map(|x| given(&x?)).collect()
}

/// `y = [x₀, x₁, …]` along an axis: the tensors one after the other.
///
/// >>> femtograd.concat([Tensor([1.0]), [2.0, 3.0]]).tolist()
/// [1.0, 2.0, 3.0]
#[pyfunction]
#[pyo3(signature = (tensors, axis = Int(0)), text_signature = "(tensors, axis=0)")]
pub fn concat<'py>(
    py: Python<'py>,
    tensors: &Bound<'py, PyAny>,
    axis: Int,
) -> PyResult<Bound<'py, PyTensor>> {
    several!(py, of_one_type("concat", all("concat", tensors)?)?, |x| femtograd::concat(x, axis.0))
}

/// `y = [x₀, x₁, …]` along an axis: `concat` under NumPy's older name.
///
/// >>> femtograd.concatenate([Tensor([[1.0]]), Tensor([[2.0]])], axis=1).tolist()
/// [[1.0, 2.0]]
#[pyfunction]
#[pyo3(signature = (tensors, axis = Int(0)), text_signature = "(tensors, axis=0)")]
pub fn concatenate<'py>(
    py: Python<'py>,
    tensors: &Bound<'py, PyAny>,
    axis: Int,
) -> PyResult<Bound<'py, PyTensor>> {
    concat(py, tensors, axis)
}

/// `y[…, i, …] = xᵢ[…]`: the tensors, all of one shape, along a new axis.
///
/// >>> femtograd.stack([Tensor(1.0), Tensor(2.0)]).tolist()
/// [1.0, 2.0]
#[pyfunction]
#[pyo3(signature = (tensors, axis = Int(0)), text_signature = "(tensors, axis=0)")]
pub fn stack<'py>(py: Python<'py>, tensors: &Bound<'py, PyAny>, axis: Int) -> PyResult<Bound<'py, PyTensor>> {
    several!(py, of_one_type("stack", all("stack", tensors)?)?, |x| femtograd::stack(x, axis.0))
}
