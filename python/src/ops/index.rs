//! Indexing as NumPy does it, and selection by indices.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use super::args::{Int, axis, given, inside_at, outside, plain, wholes};
use super::{result, unary};
use crate::any::Real;
use crate::replay::{self, PyIndices};
use crate::tensor::{PyTensor, argument, of_one_type};
use crate::{convert, each, guard, place, several};
use femtograd::{Indices, Place, Tensor, kernels};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

/// One step on the way from a tensor to what `x[key]` is: views first, the choice by arrays last.
#[derive(Default)]
struct Plan {
    /// Slices: axis of the tensor, first, step, number.
    slices: Vec<(usize, usize, isize, usize)>,
    /// The shape after slices, with new axes and without those of single numbers; the arrays' axes are still there.
    shape: Vec<usize>,
    /// The arrays, each with its axis of this shape.
    arrays: Vec<(usize, Integers, Vec<usize>)>,
    /// Whether the arrays stand next to each other, so that their common axes come where they stand; else in front.
    adjacent: bool,
}

/// Whole numbers of a key: there they are, or those of an argument of a recorded function.
enum Integers {
    Known(Vec<i64>),
    Given(Indices),
}

/// A part of a key, before it is known which axes it is about.
enum Part<'py> {
    New,
    Rest,
    Number(i64),
    Range(Bound<'py, PySlice>),
    /// Integers, and their shape.
    Array(Integers, Vec<usize>),
    /// The places of True of a mask, one list for each of its axes; and the mask's shape.
    Mask(Vec<Vec<i64>>, Vec<usize>),
}

fn wrong(py: Python<'_>, why: &str, shape: &[usize]) -> PyErr {
    let place = place::here(py);
    PyIndexError::new_err(format!("index: {why}\n  argument: shape {shape:?}\n  at {place}"))
}

/// Reads one part of a key.
fn part<'py>(x: &Bound<'py, PyAny>, shape: &[usize]) -> PyResult<Part<'py>> {
    let py = x.py();
    if x.is_none() {
        return Ok(Part::New);
    }
    if x.is_instance_of::<PyEllipsis>() {
        return Ok(Part::Rest);
    }
    if let Ok(range) = x.cast::<PySlice>() {
        return Ok(Part::Range(range.clone()));
    }
    if x.is_instance_of::<PyInt>() && !x.is_instance_of::<PyBool>() {
        return Ok(Part::Number(x.extract::<Int>()?.0 as i64));
    }
    if x.is_instance_of::<PyTensor>() {
        let why = "a tensor's numbers are no indices. For a mask: x[mask.numpy() != 0], or where(mask, x, 0), which \
                   keeps the shape; integers are a list or a NumPy array";
        return Err(wrong(py, why, shape));
    }
    if let Ok(given) = x.cast::<PyIndices>() {
        let indices = given.get().indices();
        return Ok(Part::Array(Integers::Given(indices.clone()), indices.shape().to_vec()));
    }
    if let Some((values, of)) = plain(x) {
        return Ok(Part::Array(Integers::Known(values), of));
    }
    let is_sequence = x.is_instance_of::<PyList>() || x.is_instance_of::<PyTuple>();
    if !is_sequence && !x.is_instance_of::<PyBool>() && !x.hasattr("dtype")? && !x.hasattr("__array__")? {
        if let Ok(Int(i)) = x.extract::<Int>() {
            return Ok(Part::Number(i as i64));
        }
        let name = x.get_type().qualname()?;
        let why = format!(
            "a {name} is no index: integers, slices, None, ..., lists and arrays of integers or truth values are"
        );
        return Err(wrong(py, &why, shape));
    }
    let array = match convert::numpy(py)?.call_method1("asarray", (x,)) {
        Ok(array) => array,
        Err(error) => return Err(wrong(py, &error.value(py).str()?.to_cow()?, shape)),
    };
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if kind == "b" {
        let of: Vec<usize> = array.getattr("shape")?.extract()?;
        if of.is_empty() {
            let places = if array.call_method0("item")?.extract()? { vec![0] } else { vec![] };
            return Ok(Part::Mask(vec![places], of));
        }
        let places = array
            .call_method0("nonzero")?
            .try_iter()?
            .map(|list| Ok(wholes("index", &list?, PyIndexError::new_err)?.0));
        return Ok(Part::Mask(places.collect::<PyResult<_>>()?, of));
    }
    let (values, of) = wholes("index", x, PyIndexError::new_err)?;
    if of.is_empty() {
        // An integer of NumPy, or an array without axes.
        return Ok(Part::Number(values[0]));
    }
    Ok(Part::Array(Integers::Known(values), of))
}

fn plan<'py>(key: &Bound<'py, PyAny>, of: &[usize]) -> PyResult<Plan> {
    let py = key.py();
    let parts: Vec<Part<'py>> = match key.cast::<PyTuple>() {
        Ok(key) => key.iter().map(|x| part(&x, of)).collect::<PyResult<_>>()?,
        Err(_) => vec![part(key, of)?],
    };
    let taken: usize = parts
        .iter()
        .map(|part| match part {
            Part::New | Part::Rest => 0,
            Part::Number(_) | Part::Range(_) | Part::Array(..) => 1,
            Part::Mask(_, shape) => shape.len(),
        })
        .sum();
    if taken > of.len() {
        return Err(wrong(py, &format!("too many indices: {taken} for {} axes", of.len()), of));
    }
    if parts.iter().filter(|part| matches!(part, Part::Rest)).count() > 1 {
        return Err(wrong(py, "there can be only one ellipsis ('...')", of));
    }
    // Beside arrays a number is one more array.
    let choosing = parts.iter().any(|part| matches!(part, Part::Array(..) | Part::Mask(..)));
    let mut plan = Plan { adjacent: true, ..Plan::default() };
    let (mut k, mut gap, mut rest) = (0, false, false);
    let array = |plan: &mut Plan, values: Integers, shape: Vec<usize>, n: usize, gap: &mut bool| {
        plan.adjacent &= plan.arrays.is_empty() || !*gap;
        *gap = false;
        plan.arrays.push((plan.shape.len(), values, shape));
        plan.shape.push(n);
    };
    for part in parts {
        match part {
            Part::New => {
                plan.shape.push(1);
                gap = true;
            }
            Part::Rest => {
                let more = of.len() - taken;
                plan.shape.extend(&of[k..k + more]);
                k += more;
                (gap, rest) = (true, true);
            }
            Part::Range(range) => {
                let n = of[k];
                let at = range.indices(n as isize).map_err(|error| {
                    let why = error.value(py).str().map_or(String::new(), |text| text.to_string());
                    wrong(py, &why, of)
                })?;
                let len = at.slicelength;
                if (at.start, at.step, len) != (0, 1, n) {
                    // A single element, or none, has no step that could lead outside.
                    let (start, step) = match len {
                        0 => (0, 1),
                        1 => (at.start as usize, 1),
                        _ => (at.start as usize, at.step),
                    };
                    plan.slices.push((k, start, step, len));
                }
                plan.shape.push(len);
                k += 1;
                gap = true;
            }
            Part::Number(i) => {
                let n = of[k];
                let at = if i < 0 { i + n as i64 } else { i };
                if !(0..n as i64).contains(&at) {
                    return Err(outside(py, "index", i, n));
                }
                if choosing {
                    array(&mut plan, Integers::Known(vec![at]), vec![], n, &mut gap);
                } else {
                    plan.slices.push((k, at as usize, 1, 1));
                }
                k += 1;
            }
            Part::Array(values, shape) => {
                array(&mut plan, values, shape, of[k], &mut gap);
                k += 1;
            }
            Part::Mask(mut places, shape) => {
                if shape.is_empty() {
                    let values = places.remove(0);
                    let n = values.len();
                    array(&mut plan, Integers::Known(values), vec![n], 1, &mut gap);
                    continue;
                }
                // Of length 0 it chooses nothing, whatever the axis, as in NumPy.
                if shape.iter().zip(&of[k..]).any(|(&mask, &n)| mask != n && mask != 0) {
                    let why =
                        format!("a mask of shape {shape:?} does not fit axes {k} to {}", k + shape.len() - 1);
                    return Err(wrong(py, &why, of));
                }
                for values in places {
                    let n = values.len();
                    array(&mut plan, Integers::Known(values), vec![n], of[k], &mut gap);
                    k += 1;
                }
            }
        }
    }
    if !rest {
        plan.shape.extend(&of[k..]);
    }
    Ok(plan)
}

/// The arrays as one: where in the row of all their axes' elements each choice lies.
fn merged(py: Python<'_>, plan: &Plan, of: &[usize]) -> PyResult<(Indices, usize)> {
    let mut common = kernels::broadcast(&[], &[]).expect("no axes");
    for (_, _, shape) in &plan.arrays {
        common = kernels::broadcast(&common, shape).map_err(|why| wrong(py, &why.0, of))?;
    }
    super::args::count("index", &common)?;
    let row = plan.arrays.iter().map(|(axis, ..)| plan.shape[*axis]).product();
    let lengths: Vec<usize> = plan.arrays.iter().map(|(axis, ..)| plan.shape[*axis]).collect();
    let shapes: Vec<Vec<usize>> = plan.arrays.iter().map(|(.., shape)| shape.clone()).collect();
    let given: Vec<Indices> = plan.arrays.iter().filter_map(|(_, values, _)| values.given()).collect();
    let known: Vec<Option<Vec<i64>>> = plan.arrays.iter().map(|(_, values, _)| values.known()).collect();
    if given.is_empty() {
        let known: Vec<Vec<i64>> = known.into_iter().flatten().collect();
        return Ok((choose(py, None, &known, &shapes, &lengths, &common)?, row));
    }
    let common = common.to_vec();
    let indices = replay::computed(py, &given.iter().collect::<Vec<_>>(), move |py, place, from| {
        let mut from = from.iter().map(|(values, _)| values.clone());
        let all: Vec<Vec<i64>> = known
            .iter()
            .map(|values| values.clone().or_else(|| from.next()).expect("known or given"))
            .collect();
        choose(py, place, &all, &shapes, &lengths, &common)
    })?;
    Ok((indices, row))
}

impl Integers {
    fn given(&self) -> Option<Indices> {
        if let Integers::Given(indices) = self { Some(indices.clone()) } else { None }
    }
    fn known(&self) -> Option<Vec<i64>> {
        if let Integers::Known(values) = self { Some(values.clone()) } else { None }
    }
}

/// Where in the row of all elements of some axes each choice by one array for each axis lies.
fn choose(
    py: Python<'_>,
    place: Option<Place>,
    arrays: &[Vec<i64>],
    shapes: &[Vec<usize>],
    lengths: &[usize],
    common: &[usize],
) -> PyResult<Indices> {
    let (mut places, mut row) = (vec![0usize; common.iter().product()], 1);
    for ((values, shape), &axis_len) in arrays.iter().zip(shapes).zip(lengths).rev() {
        let values = inside_at(py, place, "index", values.clone(), shape, axis_len)?;
        let values = values.as_slice();
        // The strides of this array in the common shape, in which it may be repeated.
        let mut strides = vec![0; common.len()];
        let mut stride = 1;
        for (k, &n) in shape.iter().enumerate().rev() {
            strides[common.len() - shape.len() + k] = if n == 1 { 0 } else { stride };
            stride *= n;
        }
        let mut at = vec![0; common.len()];
        let mut from = 0;
        for place in &mut places {
            *place += values[from] * row;
            for k in (0..common.len()).rev() {
                at[k] += 1;
                from += strides[k];
                if at[k] < common[k] {
                    break;
                }
                from -= strides[k] * at[k];
                at[k] = 0;
            }
        }
        row *= axis_len;
    }
    Ok(Indices::from_vec(places, common))
}

fn carry_out<T: Real>(x: &Tensor<T>, plan: &Plan, choice: Option<&(Indices, usize)>) -> Tensor<T> {
    let mut y = x.clone();
    for &(axis, start, step, len) in &plan.slices {
        y = if step == 1 {
            y.slice(axis as isize, start..start + len)
        } else {
            let (first, last) = (start as isize, start as isize + step * (len as isize - 1));
            // Before the first element there is none to name as the end.
            let stop = Some(last + step.signum()).filter(|stop| *stop >= 0);
            y.slice_step(axis as isize, first, stop, step)
        };
    }
    if y.shape() != plan.shape {
        y = y.reshape(&plan.shape);
    }
    let Some((indices, row)) = choice else { return y };
    let first = plan.arrays[0].0;
    let axes: Vec<usize> = plan.arrays.iter().map(|(axis, ..)| *axis).collect();
    let together = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let at = if plan.adjacent { first } else { 0 };
    if !together || at != first {
        let others = (0..plan.shape.len()).filter(|k| !axes.contains(k));
        let order: Vec<isize> = axes.iter().copied().chain(others).map(|k| k as isize).collect();
        y = y.permute(&order);
    }
    if axes.len() > 1 {
        let shape = y.shape();
        let shape = [&shape[..at], &[*row], &shape[at + axes.len()..]].concat();
        y = y.reshape(&shape);
    }
    y.index_select(at as isize, indices)
}

/// `x[i]` along the first axis, without reading a key.
fn item<'py>(slf: &Bound<'py, PyTensor>, i: usize) -> PyResult<Bound<'py, PyTensor>> {
    unary(slf, |x| {
        each!(x, x => {
            let row = x.slice(0, i..i + 1);
            let shape = row.shape()[1..].to_vec();
            row.reshape(&shape)
        })
    })
}

/// The length of the first axis.
fn rows(slf: &Bound<'_, PyTensor>, what: &str) -> PyResult<usize> {
    let any = slf.get().any(slf.py());
    any.shape().first().copied().ok_or_else(|| {
        let place = place::here(slf.py());
        PyTypeError::new_err(format!("{what}: a single number has no elements (shape [])\n  at {place}"))
    })
}

#[pymethods]
impl PyTensor {
    /// `x[key]` as in NumPy: integers, slices, None, `...`, lists and arrays of integers, masks; gradients flow back to
    /// the places that were taken.
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        let py = slf.py();
        if key.is_instance_of::<PyInt>() && !key.is_instance_of::<PyBool>() {
            let any = slf.get().any(slf.py());
            let Some(&n) = any.shape().first() else {
                return Err(wrong(py, "a single number has no elements", any.shape()));
            };
            let i = key.extract::<Int>()?.0;
            let at = if i < 0 { i + n as isize } else { i };
            if at < 0 || at >= n as isize {
                return Err(outside(py, "index", i as i64, n));
            }
            return item(slf, at as usize);
        }
        let x = argument(slf);
        let plan = plan(key, x.shape())?;
        let choice = if plan.arrays.is_empty() { None } else { Some(merged(py, &plan, x.shape())?) };
        let y = guard::call_long(py, x.len(), || each!(&x, x => carry_out(x, &plan, choice.as_ref())))?;
        result(py, x.id(), y)
    }

    /// Refused: a value never changes.
    fn __setitem__(
        slf: &Bound<'_, Self>,
        _key: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let shape = slf.get().any(slf.py()).shape().to_vec();
        let place = place::here(slf.py());
        Err(PyTypeError::new_err(format!(
            "setting elements of a tensor of shape {shape:?}: a tensor's value never changes, for gradients of what was \
             computed from it. where(mask, new, x) and x.scatter_add(axis, indices, source) make new tensors; \
             x.data = array puts a new leaf in a parameter's place\n  at {place}"
        )))
    }

    /// Refused: a value never changes.
    fn __delitem__(slf: &Bound<'_, Self>, _key: &Bound<'_, PyAny>) -> PyResult<()> {
        let place = place::here(slf.py());
        Err(PyTypeError::new_err(format!(
            "deleting elements: a tensor's value never changes; index what is to be left\n  at {place}"
        )))
    }

    /// The length of the first axis.
    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        rows(slf, "len")
    }

    /// `x[0], x[1], …` along the first axis.
    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Rows> {
        Ok(Rows { of: slf.clone().unbind(), n: rows(slf, "iteration")?, next: 0.into() })
    }

    /// Whether a number is among the elements.
    fn __contains__(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let numbers = convert::numbers(value, None)?;
        let x = slf.get().any(slf.py());
        let Ok(_) = kernels::broadcast(x.shape(), numbers.shape()) else { return Ok(false) };
        let value = guard::call(slf.py(), || numbers.constant())?;
        let equal = several!(slf.py(), of_one_type("in", vec![argument(slf), value])?, |x| x[0]
            .equals(&x[1])
            .detach())?;
        let any = equal.get().any(equal.py());
        guard::call_long(
            slf.py(),
            any.len(),
            || each!(&any, x -> x.data().to_vec().into_iter().any(|v| v != 0.0)),
        )
    }

    /// `y[…, j, …] = x[…, indices[j], …]`: the elements at these indices along an axis; of all elements in a row if none is
    /// named. Indices of several axes put theirs in place of this one.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).take([2, 0], axis=1).tolist()
    /// [[3.0, 1.0], [6.0, 4.0]]
    #[pyo3(signature = (indices, axis = None))]
    fn take<'py>(
        slf: &Bound<'py, Self>,
        indices: &Bound<'py, PyAny>,
        axis: Option<Int>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, any) = (slf.py(), slf.get().any(slf.py()));
        let k = axis.map(|k| self::axis(py, "take", k, any.shape())).transpose()?;
        let n = k.map_or(any.shape().iter().product(), |k| any.shape()[k]);
        let indices = convert::indices("take", indices, n)?;
        unary(slf, |x| {
            each!(x, x => match k {
                Some(k) => x.index_select(k as isize, &indices),
                None => x.reshape(&[n]).index_select(0, &indices),
            })
        })
    }

    /// `take` under PyTorch's name and with its order of arguments.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).index_select(0, [2, 2]).tolist()
    /// [3.0, 3.0]
    fn index_select<'py>(
        slf: &Bound<'py, Self>,
        axis: Int,
        indices: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let any = slf.get().any(slf.py());
        let k = self::axis(slf.py(), "index_select", axis, any.shape())?;
        let indices = convert::indices("index_select", indices, any.shape()[k])?;
        unary(slf, |x| each!(x, x => x.index_select(k as isize, &indices)))
    }

    /// `y[…, j, …] = x[…, indices[…, j, …], …]`: on each line along an axis the elements that the same line of the indices
    /// names.
    ///
    /// >>> x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    /// >>> x.take_along_axis([[2, 2], [0, 1]], axis=1).tolist()
    /// [[3.0, 3.0], [4.0, 5.0]]
    fn take_along_axis<'py>(
        slf: &Bound<'py, Self>,
        indices: &Bound<'py, PyAny>,
        axis: Int,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let any = slf.get().any(slf.py());
        let k = self::axis(slf.py(), "take_along_axis", axis, any.shape())?;
        let indices = convert::indices("take_along_axis", indices, any.shape()[k])?;
        unary(slf, |x| each!(x, x => x.take_along_axis(&indices, k as isize)))
    }

    /// `take_along_axis` under PyTorch's name and with its order of arguments.
    ///
    /// >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).gather(1, [[1, 1], [0, 1]]).tolist()
    /// [[2.0, 2.0], [3.0, 4.0]]
    fn gather<'py>(
        slf: &Bound<'py, Self>,
        axis: Int,
        indices: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::take_along_axis(slf, indices, axis)
    }

    /// `y = x`, then `y[…, indices[…, j, …], …] += source[…, j, …]` along an axis. An index may occur several times.
    ///
    /// >>> Tensor([10.0, 20.0, 30.0]).scatter_add(0, [2, 0, 2], [1.0, 2.0, 3.0]).tolist()
    /// [12.0, 20.0, 34.0]
    fn scatter_add<'py>(
        slf: &Bound<'py, Self>,
        axis: Int,
        indices: &Bound<'py, PyAny>,
        source: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let k = self::axis(py, "scatter_add", axis, x.shape())?;
        let indices = convert::indices("scatter_add", indices, x.shape()[k])?;
        let source = given(source)?;
        several!(py, of_one_type("scatter_add", vec![x, source])?, |x| x[0]
            .scatter_add(k as isize, &indices, &x[1]))
    }

    /// `y = value` where the mask is not 0, `x` elsewhere; elementwise under broadcasting. What is covered gets no gradient.
    ///
    /// >>> x = Tensor([1.0, -2.0, 3.0])
    /// >>> x.masked_fill(x < 0, float("-inf")).tolist()
    /// [1.0, -inf, 3.0]
    fn masked_fill<'py>(
        slf: &Bound<'py, Self>,
        mask: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (x, mask, value) = (argument(slf), given(mask)?, given(value)?);
        several!(slf.py(), of_one_type("masked_fill", vec![x, mask, value])?, |x| x[0]
            .masked_fill(&x[1], &x[2]))
    }
}

/// Goes through a tensor along its first axis.
#[pyclass(module = "femtograd", frozen)]
pub struct Rows {
    of: Py<PyTensor>,
    n: usize,
    next: std::sync::atomic::AtomicUsize,
}

#[pymethods]
impl Rows {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTensor>>> {
        let i = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if i < self.n { Ok(Some(item(self.of.bind(py), i)?)) } else { Ok(None) }
    }
    fn __length_hint__(&self) -> usize {
        self.n.saturating_sub(self.next.load(std::sync::atomic::Ordering::Relaxed))
    }
}
