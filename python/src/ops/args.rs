//! What ops take beside tensors: axes, sizes, shapes, indices, as Python writes them.

use super::kind;
use crate::any::Any;
pub use crate::tensor::argument_or_constant as given;
use crate::tensor::{PyTensor, argument};
use crate::{convert, place};
use femtograd::{Axes, Indices, Place};
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyList, PyTuple};

/// More elements than a process can address, and far below what would overflow a count of bytes.
const MOST: usize = 1 << 43;

/// A whole number, such as an axis. One that is too large for the machine is the largest: it names no axis either.
#[derive(Clone, Copy)]
pub struct Int(pub isize);

impl<'py> FromPyObject<'_, 'py> for Int {
    type Error = PyErr;
    fn extract(x: Borrowed<'_, 'py, PyAny>) -> PyResult<Int> {
        if x.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("a whole number is wanted, not a truth value"));
        }
        match x.extract::<isize>() {
            Ok(i) => Ok(Int(i)),
            Err(error) if error.is_instance_of::<PyOverflowError>(x.py()) => {
                Ok(Int(if x.lt(0)? { -isize::MAX } else { isize::MAX }))
            }
            Err(error) => Err(error),
        }
    }
}

/// How many there are of something: a whole number of 0 or more, and not more than memory could hold.
#[derive(Clone, Copy)]
pub struct Size(pub usize);

impl<'py> FromPyObject<'_, 'py> for Size {
    type Error = PyErr;
    fn extract(x: Borrowed<'_, 'py, PyAny>) -> PyResult<Size> {
        let Int(n) = x.extract()?;
        let why = match usize::try_from(n) {
            Ok(n) if n <= MOST => return Ok(Size(n)),
            Ok(_) => format!("{} is too large a number of elements", x.str()?),
            Err(_) => format!("a number of 0 or more is wanted, not {n}"),
        };
        Err(PyValueError::new_err(format!("{why}\n  at {}", place::here(x.py()))))
    }
}

/// An [`Int`] by its name.
pub fn whole(op: &str, name: &str, x: &Bound<'_, PyAny>) -> PyResult<isize> {
    let refused = |_| PyTypeError::new_err(format!("{op}: {name} is a whole number, not {}", kind(x)));
    x.extract::<Int>().map(|i| i.0).map_err(refused)
}

/// A whole number that counts something, by its name.
pub fn counted(op: &str, name: &str, x: &Bound<'_, PyAny>) -> PyResult<usize> {
    let n = whole(op, name, x)?;
    usize::try_from(n).map_err(|_| PyValueError::new_err(format!("{op}: {name} is at least 0, not {n}")))
}

/// The axes that `axis` names: all, one, or several.
pub fn axes(op: &str, axis: Option<&Bound<'_, PyAny>>, ndim: usize) -> PyResult<Vec<isize>> {
    let Some(axis) = axis else { return Ok((0..ndim as isize).collect()) };
    let refused = |_| {
        let why = "axis is a whole number, or a tuple of them";
        PyTypeError::new_err(format!("{op}: {why}, not {}", kind(axis)))
    };
    axis.extract::<AxisList>().map(|list| list.0).map_err(refused)
}

/// The number of elements in a shape, if they may fit into memory.
pub fn count(op: &str, shape: &[usize]) -> PyResult<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1usize, |n, &m| n.checked_mul(m).filter(|&n| n <= MOST));
    product.ok_or_else(|| PyMemoryError::new_err(format!("{op}: no memory has room for the shape {shape:?}")))
}

/// One axis, or several.
pub struct AxisList(pub Vec<isize>);

impl<'py> FromPyObject<'_, 'py> for AxisList {
    type Error = PyErr;
    fn extract(x: Borrowed<'_, 'py, PyAny>) -> PyResult<AxisList> {
        Ok(AxisList(match x.extract::<Vec<Int>>() {
            Ok(list) => list.into_iter().map(|i| i.0).collect(),
            Err(_) => vec![x.extract::<Int>()?.0],
        }))
    }
}

impl Axes for AxisList {
    fn list(&self, _: usize) -> Vec<isize> {
        self.0.clone()
    }
}

/// Whole numbers given one by one, `f(2, 3)`, or as one tuple or list, `f((2, 3))`.
pub fn ints(args: &Bound<'_, PyTuple>) -> PyResult<Vec<isize>> {
    if args.len() == 1
        && let Ok(list) = args.get_item(0)?.extract::<Vec<Int>>()
    {
        return Ok(list.into_iter().map(|i| i.0).collect());
    }
    args.iter().map(|x| Ok(x.extract::<Int>()?.0)).collect()
}

/// [`ints`] as lengths of axes.
pub fn sizes(args: &Bound<'_, PyTuple>) -> PyResult<Vec<usize>> {
    if args.len() == 1
        && let Ok(list) = args.get_item(0)?.extract::<Shape>()
    {
        return Ok(list.0);
    }
    args.iter().map(|x| Ok(x.extract::<Size>()?.0)).collect()
}

/// Lengths of axes: one number, or a list of them.
pub struct Shape(pub Vec<usize>);

impl<'py> FromPyObject<'_, 'py> for Shape {
    type Error = PyErr;
    fn extract(x: Borrowed<'_, 'py, PyAny>) -> PyResult<Shape> {
        if x.hasattr("__len__")? && !x.is_instance_of::<PyTensor>() && x.hasattr("__iter__")? {
            let list = x.try_iter().and_then(|list| list.map(|x| Ok(x?.extract::<Size>()?.0)).collect());
            return Ok(Shape(list?));
        }
        Ok(Shape(vec![x.extract::<Size>()?.0]))
    }
}

/// One number for each of `D` axes: `2` for all, or `(2, 3)`.
#[derive(Clone, Copy)]
pub struct Each<const D: usize>(pub [usize; D]);

impl<'py, const D: usize> FromPyObject<'_, 'py> for Each<D> {
    type Error = PyErr;
    fn extract(x: Borrowed<'_, 'py, PyAny>) -> PyResult<Each<D>> {
        /// Windows do not lie further apart: positions can then be computed without overflow.
        const FAR: usize = 1 << 20;
        let Shape(list) = x.extract()?;
        if let Some(n) = list.iter().find(|&&n| n > FAR) {
            return Err(PyValueError::new_err(format!("{n} is too large: at most {FAR}")));
        }
        match list[..] {
            [n] => Ok(Each([n; D])),
            _ => match list.try_into() {
                Ok(each) => Ok(Each(each)),
                Err(list) => Err(PyValueError::new_err(format!(
                    "one number, or one for each of {D} axes is wanted, not {list:?}"
                ))),
            },
        }
    }
}

/// Methods of one tensor with further arguments.
#[macro_export]
macro_rules! methods {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $type:ty),*) => |$x:ident| $y:expr;)*) => {
        #[pymethods]
        impl $crate::tensor::PyTensor {
            $(
                $(#[$attribute])*
                fn $name<'py>(slf: &Bound<'py, Self>, $($arg: $type),*) -> PyResult<Bound<'py, $crate::tensor::PyTensor>> {
                    $crate::ops::unary(slf, |x| $crate::each!(x, $x => $y))
                }
            )*
        }
    };
}

/// A tensor and what further arguments of the op are given.
pub fn gathered(x: &Bound<'_, PyTensor>, more: &[Option<&Bound<'_, PyAny>>]) -> PyResult<Vec<Any>> {
    let mut all = vec![argument(x)];
    for x in more.iter().flatten() {
        all.push(given(x)?);
    }
    Ok(all)
}

/// A tensor and a list of others.
pub fn listed(x: &Bound<'_, PyTensor>, more: &Bound<'_, PyAny>) -> PyResult<Vec<Any>> {
    let mut all = vec![argument(x)];
    for x in more.try_iter()? {
        all.push(given(&x?)?);
    }
    Ok(all)
}

/// Whole numbers that need nobody's help to be read: a plain list of them, or the memory of an array of int64.
pub fn plain(x: &Bound<'_, PyAny>) -> Option<(Vec<i64>, Vec<usize>)> {
    if let Ok(list) = x.cast::<PyList>() {
        let values = list.iter().map(|x| convert::integer(&x)).collect::<Option<Vec<i64>>>()?;
        let shape = vec![values.len()];
        return Some((values, shape));
    }
    if x.is_instance_of::<PyTuple>() || x.is_instance_of::<PyInt>() {
        return None;
    }
    let numbers = pyo3::buffer::PyBuffer::<i64>::get(x).ok()?;
    Some((numbers.to_vec(x.py()).ok()?, numbers.shape().to_vec()))
}

/// Whole numbers, of lists or arrays of them, and their shape. `kind` is the exception for what is none.
pub fn wholes(
    op: &str,
    x: &Bound<'_, PyAny>,
    kind: impl Fn(String) -> PyErr,
) -> PyResult<(Vec<i64>, Vec<usize>)> {
    let py = x.py();
    let line = || format!("\n  at {}", place::here(py));
    if x.is_instance_of::<PyTensor>() {
        let why = "indices are whole numbers, not a tensor: give a list or a NumPy array";
        return Err(kind(format!("{op}: {why}{}", line())));
    }
    if let Some(numbers) = plain(x) {
        return Ok(numbers);
    }
    if let Ok(Int(i)) = x.extract::<Int>() {
        return Ok((vec![i as i64], vec![]));
    }
    let array = convert::numpy(py)?.call_method1("asarray", (x,))?;
    let dtype = array.getattr("dtype")?;
    let (letter, size): (String, usize) =
        (dtype.getattr("kind")?.extract()?, dtype.getattr("itemsize")?.extract()?);
    let empty = array.getattr("size")?.extract::<usize>()? == 0;
    let is_list = !x.hasattr("dtype")?;
    if !(matches!(letter.as_str(), "i" | "u") || empty && is_list) {
        let name: String = dtype.getattr("name")?.extract()?;
        return Err(kind(format!("{op}: indices are whole numbers, not {name}{}", line())));
    }
    let shape = array.getattr("shape")?.extract()?;
    let array = if letter == "u" && size == 8 {
        // What int64 cannot hold lies outside of every axis.
        convert::numpy(py)?.call_method1("minimum", (array, i64::MAX as u64))?
    } else {
        array
    };
    let options = pyo3::types::PyDict::new(py);
    options.set_item("order", "C")?;
    let array = array.call_method("astype", ("int64",), Some(&options))?.call_method0("ravel")?;
    Ok((pyo3::buffer::PyBuffer::<i64>::get(&array)?.to_vec(py)?, shape))
}

/// Places along an axis of `n`, negative ones counted from the end.
pub fn inside(py: Python<'_>, op: &str, indices: Vec<i64>, shape: &[usize], n: usize) -> PyResult<Indices> {
    inside_at(py, None, op, indices, shape, n)
}

/// [`inside`] on behalf of a line; the caller's, if none is given.
pub fn inside_at(
    py: Python<'_>,
    place: Option<Place>,
    op: &str,
    indices: Vec<i64>,
    shape: &[usize],
    n: usize,
) -> PyResult<Indices> {
    let mut places = Vec::with_capacity(indices.len());
    for i in indices {
        let at = if i < 0 { i + n as i64 } else { i };
        if !(0..n as i64).contains(&at) {
            return Err(outside_at(place.unwrap_or_else(|| place::here(py)), op, i, n));
        }
        places.push(at as usize);
    }
    Ok(Indices::from_vec(places, shape))
}

/// Index `i` is none of an axis of `n`.
pub fn outside(py: Python<'_>, op: &str, i: i64, n: usize) -> PyErr {
    outside_at(place::here(py), op, i, n)
}

fn outside_at(place: Place, op: &str, i: i64, n: usize) -> PyErr {
    PyIndexError::new_err(format!("{op}: index {i} lies outside an axis of {n} elements\n  at {place}"))
}

/// Axis `k` of a shape, counted from the first.
pub fn axis(py: Python<'_>, op: &str, k: Int, shape: &[usize]) -> PyResult<usize> {
    let n = shape.len() as isize;
    let at = if k.0 < 0 { k.0 + n } else { k.0 };
    if !(0..n).contains(&at) {
        let place = place::here(py);
        let why = format!("{op}: there is no axis {} in the shape {shape:?}\n  at {place}", k.0);
        return Err(PyValueError::new_err(why));
    }
    Ok(at as usize)
}
