//! Operators.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::any::Any;
use crate::convert;
use crate::ops::several;
use crate::tensor::{PyTensor, argument, fresh, of_one_type};
use crate::transform::count;
use crate::{each, guard, place};
use femtograd::Tensor;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::PyNotImplemented;
use std::slice::from_ref;

/// The other side of an operator.
enum Other {
    Tensor(Any),
    /// A constant of this side's type, made where the op is, so that it has its line.
    Number(f64),
}

/// The other side of an operator: a tensor, or what makes a constant. None if it is no number.
#[inline]
fn operand(x: &Bound<'_, PyAny>) -> PyResult<Option<Other>> {
    if let Ok(x) = x.cast::<PyTensor>() {
        return Ok(Some(Other::Tensor(argument(x))));
    }
    if let Some(number) = convert::number(x)? {
        return Ok(Some(Other::Number(number)));
    }
    match convert::numbers(x, None) {
        Ok(numbers) => Ok(Some(Other::Tensor(guard::call(x.py(), || numbers.constant())?))),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyTypeError>(x.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An op of two tensors, which brings them to one type first; `NotImplemented` if the other one is no number.
#[inline]
fn binary<'py>(
    name: &str,
    slf: &Bound<'py, PyTensor>,
    other: &Bound<'py, PyAny>,
    single: impl FnOnce(Tensor<f32>, Tensor<f32>) -> Tensor<f32> + Send,
    double: impl FnOnce(Tensor<f64>, Tensor<f64>) -> Tensor<f64> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, x) = (slf.py(), argument(slf));
    let Some(other) = operand(other)? else {
        return Ok(PyNotImplemented::get(py).to_owned().into_any());
    };
    let n = x.len();
    let y = match (x, other) {
        (Any::F64(x), Other::Tensor(Any::F64(other))) => {
            Any::F64(guard::call_long(py, n + count(from_ref(&other)), || double(x, other))?)
        }
        (Any::F32(x), Other::Tensor(Any::F32(other))) => {
            Any::F32(guard::call_long(py, n + count(from_ref(&other)), || single(x, other))?)
        }
        (Any::F64(x), Other::Number(number)) => {
            Any::F64(guard::call_long(py, n, || double(x, Tensor::constant(number)))?)
        }
        (Any::F32(x), Other::Number(number)) => {
            Any::F32(guard::call_long(py, n, || single(x, Tensor::constant(number as f32)))?)
        }
        (x, Other::Tensor(other)) => return mixed(py, name, [x, other], single, double),
    };
    Ok(fresh(py, y)?.into_any())
}

/// [`binary`] of tensors of both types.
#[cold]
fn mixed<'py>(
    py: Python<'py>,
    name: &str,
    x: [Any; 2],
    single: impl FnOnce(Tensor<f32>, Tensor<f32>) -> Tensor<f32> + Send,
    double: impl FnOnce(Tensor<f64>, Tensor<f64>) -> Tensor<f64> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let y = several(
        py,
        of_one_type(name, x.into())?,
        |x| single(x[0].clone(), x[1].clone()),
        |x| double(x[0].clone(), x[1].clone()),
    )?;
    Ok(y.into_any())
}

macro_rules! operators {
    ($($name:literal $left:ident $right:ident |$a:ident, $b:ident| $y:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                pub fn $left<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    binary($name, slf, other, |$a, $b| $y, |$a, $b| $y)
                }
                pub fn $right<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    binary($name, slf, other, |$b, $a| $y, |$b, $a| $y)
                }
            )*
        }
    };
}

operators! {
    "add" __add__ __radd__ |a, b| a + b;
    "sub" __sub__ __rsub__ |a, b| a - b;
    "mul" __mul__ __rmul__ |a, b| a * b;
    "div" __truediv__ __rtruediv__ |a, b| a / b;
    "matmul" __matmul__ __rmatmul__ |a, b| a.matmul(&b);
}

#[pymethods]
impl PyTensor {
    fn __pow__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        modulo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !modulo.is_none() {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        }
        let x = argument(slf);
        let numbers = x.len();
        if let Some(n) = convert::integer(other).and_then(|n| i32::try_from(n).ok()) {
            return Ok(fresh(py, guard::call_long(py, numbers, || each!(&x, x => x.powi(n)))?)?.into_any());
        }
        if let Some(p) = convert::number(other)? {
            let y = guard::call_long(py, numbers, || match &x {
                Any::F32(x) => Any::F32(x.powf(p as f32)),
                Any::F64(x) => Any::F64(x.powf(p)),
            });
            return Ok(fresh(py, y?)?.into_any());
        }
        binary("pow", slf, other, |x, p| x.pow(p), |x, p| x.pow(p))
    }

    fn __rpow__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        modulo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !modulo.is_none() {
            return Ok(PyNotImplemented::get(slf.py()).to_owned().into_any());
        }
        binary("pow", slf, other, |p, x| x.pow(p), |p, x| x.pow(p))
    }

    fn __neg__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        let x = argument(slf);
        fresh(slf.py(), guard::call_long(slf.py(), x.len(), || each!(&x, x => -x))?)
    }

    fn __pos__<'py>(slf: Bound<'py, Self>) -> Bound<'py, PyTensor> {
        slf
    }

    fn __abs__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        let x = argument(slf);
        fresh(slf.py(), guard::call_long(slf.py(), x.len(), || each!(&x, x => x.abs()))?)
    }

    /// Element by element: constants of 1 and 0.
    pub fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        macro_rules! compared {
            ($name:literal, |$a:ident, $b:ident| $y:expr) => {
                binary($name, slf, other, |$a, $b| $y, |$a, $b| $y)
            };
        }
        match op {
            CompareOp::Lt => compared!("lt", |a, b| a.lt(b)),
            CompareOp::Le => compared!("le", |a, b| a.le(b)),
            CompareOp::Gt => compared!("gt", |a, b| a.gt(b)),
            CompareOp::Ge => compared!("ge", |a, b| a.ge(b)),
            CompareOp::Eq => compared!("eq", |a, b| a.equals(b)),
            CompareOp::Ne => compared!("ne", |a, b| 1.0 - a.equals(b)),
        }
    }

    /// Whether the one number is not 0.
    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let x = slf.get().any(slf.py());
        if x.len() != 1 {
            let (shape, line) = (x.shape(), place::here(slf.py()));
            return Err(PyValueError::new_err(format!(
                "a tensor of shape {shape:?} is neither true nor false: reduce it first, with max() or min()\n  at {line}"
            )));
        }
        guard::call(slf.py(), || each!(&x, x -> x.item() != 0.0))
    }
}
