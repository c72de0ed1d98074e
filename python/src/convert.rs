//! Numbers from Python: of its own, of NumPy, and of whatever can show an array.

use crate::any::{Any, Real};
use crate::guard;
use crate::ops::args;
use crate::replay::PyIndices;
use crate::tensor::PyTensor;
use femtograd::{Array, Float, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::cell::Cell;

/// An array of either type.
#[derive(Clone)]
pub enum Numbers {
    F32(Array<f32>),
    F64(Array<f64>),
}

impl Numbers {
    /// The value of a tensor, which a function that is being recorded may not read.
    pub fn of(py: Python<'_>, x: &Any) -> PyResult<Numbers> {
        guard::call_quick(py, 0, || match x {
            Any::F32(x) => Numbers::F32(x.data().clone()),
            Any::F64(x) => Numbers::F64(x.data().clone()),
        })
    }
    /// A leaf that wants a gradient.
    pub fn variable(self) -> Any {
        match self {
            Numbers::F32(a) => Any::F32(Tensor::new(a)),
            Numbers::F64(a) => Any::F64(Tensor::new(a)),
        }
    }
    /// A leaf that wants none.
    pub fn constant(self) -> Any {
        match self {
            Numbers::F32(a) => Any::F32(Tensor::constant(a)),
            Numbers::F64(a) => Any::F64(Tensor::constant(a)),
        }
    }
    /// In another type, rounded.
    pub fn to<T: Real>(&self) -> Array<T> {
        match self {
            Numbers::F32(a) => T::converted(a),
            Numbers::F64(a) => T::converted(a),
        }
    }
    /// The same in memory of the library's own: for gradients, which go while they are locked, where nobody may wait for
    /// the interpreter to take its memory back.
    pub fn own<T: Real>(&self) -> Array<T> {
        let numbers = self.to::<T>();
        if numbers.as_scalar().is_some() { numbers } else { numbers.copied() }
    }
    /// The one number 0.
    pub fn is_zero(&self) -> bool {
        match self {
            Numbers::F32(a) => a.as_scalar() == Some(0.0),
            Numbers::F64(a) => a.as_scalar() == Some(0.0),
        }
    }
    pub fn shape(&self) -> &[usize] {
        match self {
            Numbers::F32(a) => a.shape(),
            Numbers::F64(a) => a.shape(),
        }
    }
}

/// The module `numpy`.
pub fn numpy(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(NUMPY.get_or_try_init(py, || py.import("numpy").map(Bound::unbind))?.bind(py))
}

/// NumPy's object for a type.
pub fn dtype<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    numpy(py)?.getattr("dtype")?.call1((name,))
}

/// Which of the two types is meant by whatever NumPy understands as a dtype.
pub fn float_type(of: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    let name = match of.cast::<PyString>().map(|name| name.to_string()) {
        Ok(name) if name == f32::NAME || name == f64::NAME => name,
        _ => numpy(of.py())?.getattr("dtype")?.call1((of,))?.getattr("name")?.extract()?,
    };
    match name.as_str() {
        "float32" => Ok(f32::NAME),
        "float64" => Ok(f64::NAME),
        _ => Err(PyTypeError::new_err(format!("a tensor is float32 or float64, not {name}"))),
    }
}

/// The numbers of `x`, in the type that is asked for if any is.
pub fn numbers_as(
    x: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Numbers> {
    let found = numbers(x, copy)?;
    Ok(match (dtype.map(float_type).transpose()?, &found) {
        (None, _) => found,
        (Some("float32"), _) => Numbers::F32(found.to()),
        _ => Numbers::F64(found.to()),
    })
}

/// The numbers of `x`. `copy`: None copies what may be written to by others, True everything, False nothing that
/// lies as it should.
pub fn numbers(x: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Numbers> {
    if let Some(number) = number(x)? {
        return Ok(Numbers::F64(Array::scalar(number)));
    }
    if let Ok(x) = x.cast::<PyTensor>() {
        return Numbers::of(x.py(), &x.get().any(x.py()));
    }
    if x.is_none() || x.is_instance_of::<PyString>() || x.is_instance_of::<PyComplex>() {
        return Err(no_number(x));
    }
    if let Some(list) = list(x)? {
        return Ok(list);
    }
    if let Some(number) = single(x)? {
        return Ok(number);
    }
    crate::buffer::numbers(x, copy)
}

/// The number of an array without axes, or of one of NumPy's scalars.
pub fn single(x: &Bound<'_, PyAny>) -> PyResult<Option<Numbers>> {
    let py = x.py();
    let Some(dtype) = x.getattr_opt(intern!(py, "dtype"))? else { return Ok(None) };
    let Some(kind) = dtype.getattr_opt(intern!(py, "kind"))? else { return Ok(None) };
    let Some(shape) = x.getattr_opt(intern!(py, "shape"))? else { return Ok(None) };
    if !matches!(kind.extract::<&str>(), Ok("f" | "i" | "u" | "b")) || !shape.is_empty()? {
        return Ok(None);
    }
    let number = x.call_method0(intern!(py, "item"))?.extract::<f64>()?;
    let narrow = kind.eq("f")? && dtype.getattr(intern!(py, "itemsize"))?.extract::<usize>()? <= 4;
    Ok(Some(match narrow {
        true => Numbers::F32(Array::scalar(number as f32)),
        false => Numbers::F64(Array::scalar(number)),
    }))
}

/// The number that `x` is, if it is one of Python's.
#[inline]
pub fn number(x: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(x) = x.cast::<PyFloat>() {
        return Ok(Some(x.value()));
    }
    if x.is_instance_of::<PyInt>() {
        return Ok(Some(x.extract()?));
    }
    Ok(None)
}

/// The whole number that `x` is, if it is one that is not a truth value.
#[inline]
pub fn integer(x: &Bound<'_, PyAny>) -> Option<i64> {
    if x.is_instance_of::<PyInt>() && !x.is_instance_of::<PyBool>() { x.extract().ok() } else { None }
}

pub fn no_number(x: &Bound<'_, PyAny>) -> PyErr {
    let name = x.get_type().qualname().map_or("this".into(), |name| name.to_string());
    PyTypeError::new_err(format!("numbers are wanted, or lists, arrays or tensors of them: {name} is none"))
}

/// A list or tuple of numbers, or of such lists of one length. None if something else is in it that NumPy may know.
fn list(x: &Bound<'_, PyAny>) -> PyResult<Option<Numbers>> {
    if !x.is_instance_of::<PyList>() && !x.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let (mut values, mut shape) = (Vec::new(), Vec::new());
    match gather(x, 0, &mut values, &mut shape)? {
        true => Ok(Some(Numbers::F64(Array::from_vec(values, &shape)))),
        false => Ok(None),
    }
}

/// The most axes of NumPy's arrays, and of what is made from lists.
pub const DEEPEST: usize = 64;

/// Adds the numbers in `x`, a list at this depth. Whether they were numbers, or rectangular lists of them.
fn gather(
    x: &Bound<'_, PyAny>,
    depth: usize,
    values: &mut Vec<f64>,
    shape: &mut Vec<usize>,
) -> PyResult<bool> {
    let n = x.len()?;
    match shape.get(depth) {
        None if depth < DEEPEST => shape.push(n),
        Some(&known) if known == n => {}
        None => return Err(PyValueError::new_err(format!("lists are nested more than {DEEPEST} deep"))),
        Some(known) => {
            return Err(PyValueError::new_err(format!(
                "lists of {known} and of {n} elements at depth {depth} make no array"
            )));
        }
    }
    for i in 0..n {
        let x = x.get_item(i)?;
        if let Some(number) = number(&x)? {
            if shape.len() != depth + 1 {
                return Err(PyValueError::new_err(format!(
                    "numbers beside lists at depth {depth} make no array"
                )));
            }
            values.push(number);
        } else if x.is_instance_of::<PyList>() || x.is_instance_of::<PyTuple>() {
            if !values.is_empty() && shape.len() == depth + 1 {
                return Err(PyValueError::new_err(format!(
                    "lists beside numbers at depth {depth} make no array"
                )));
            }
            if !gather(&x, depth + 1, values, shape)? {
                return Ok(false);
            }
        } else if let Ok(x) = x.cast::<PyTensor>() {
            if x.get().any(x.py()).wants_grad() {
                return Err(PyTypeError::new_err(
                    "a list of variables makes no new leaf, which would cut them off: stack(…) keeps their gradients",
                ));
            }
            return Ok(false);
        } else if x.is_none() || x.is_instance_of::<PyString>() {
            return Err(no_number(&x));
        } else {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whole numbers: an int, lists of them, an array; negative ones count from the end of an axis of `n`.
pub fn indices(op: &str, x: &Bound<'_, PyAny>, n: usize) -> PyResult<femtograd::Indices> {
    if let Ok(given) = x.cast::<PyIndices>() {
        let op = op.to_owned();
        return given.get().computed(x.py(), move |py, place, from| {
            let [(flat, shape)] = from else { unreachable!("from one array") };
            args::inside_at(py, place, &op, flat.clone(), shape, n)
        });
    }
    let (flat, shape) = args::wholes(op, x, PyTypeError::new_err)?;
    args::inside(x.py(), op, flat, &shape, n)
}

/// Indices as NumPy's array of int64.
pub fn positions<'py>(py: Python<'py>, x: &femtograd::Indices) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = x.as_slice().iter().flat_map(|&i| (i as i64).to_ne_bytes()).collect();
    let array =
        numpy(py)?.call_method1("frombuffer", (pyo3::types::PyByteArray::new(py, &bytes), "int64"))?;
    array.call_method1("reshape", (PyTuple::new(py, x.shape())?,))
}

thread_local! {
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// Notes that the value of a variable is about to leave the graph, as a number or an array.
#[inline]
pub fn note_read(x: &Any) {
    if x.wants_grad() {
        READ.set(READ.get() + 1);
    }
}

/// How often this thread has read the value of a variable.
#[pyfunction]
#[pyo3(name = "_values_read")]
pub fn values_read() -> u64 {
    READ.get()
}

/// The number as a float of Python.
pub fn to_f64<T: Float>(v: T) -> f64 {
    v.to_f64()
}
