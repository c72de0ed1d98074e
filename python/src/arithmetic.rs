//! Operators.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::any::Any;
use crate::convert;
use crate::tensor::{PyTensor, Typed, argument, fresh, of_one_type};
use crate::{each, guard};
use femtograd::Tensor;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::PyNotImplemented;

/// The other side of an operator: a tensor, or what makes a constant. None if it is no number.
#[inline]
fn operand(x: &Bound<'_, PyAny>, like: &Any) -> PyResult<Option<Any>> {
    if let Ok(x) = x.cast::<PyTensor>() {
        return Ok(Some(argument(x)));
    }
    if let Some(number) = convert::number(x)? {
        // Of the other side's type; made where the op is, so that the constant has its line.
        return Ok(Some(match like {
            Any::F32(_) => Any::F32(guard::call(x.py(), || Tensor::constant(number as f32))?),
            Any::F64(_) => Any::F64(guard::call(x.py(), || Tensor::constant(number))?),
        }));
    }
    match convert::numbers(x, None) {
        Ok(numbers) => Ok(Some(guard::call(x.py(), || numbers.constant())?)),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyTypeError>(x.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An op of two tensors, which brings them to one type first.
pub fn binary<'py>(
    py: Python<'py>,
    name: &str,
    a: Any,
    b: Any,
    single: impl FnOnce(&Tensor<f32>, &Tensor<f32>) -> Tensor<f32> + Send,
    double: impl FnOnce(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64> + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    let numbers = a.len() + b.len();
    let y = match (&a, &b) {
        (Any::F64(a), Any::F64(b)) => Any::F64(guard::call_long(py, numbers, || double(a, b))?),
        (Any::F32(a), Any::F32(b)) => Any::F32(guard::call_long(py, numbers, || single(a, b))?),
        _ => match of_one_type(name, vec![a, b])? {
            Typed::F32(x) => Any::F32(guard::call_long(py, numbers, || single(&x[0], &x[1]))?),
            Typed::F64(x) => Any::F64(guard::call_long(py, numbers, || double(&x[0], &x[1]))?),
        },
    };
    fresh(py, y)
}

macro_rules! operators {
    ($($name:literal $left:ident $right:ident |$a:ident, $b:ident| $y:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                pub fn $left<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    let a = argument(slf);
                    match operand(other, &a)? {
                        Some(b) => Ok(binary(slf.py(), $name, a, b, |$a, $b| $y, |$a, $b| $y)?.into_any()),
                        None => Ok(PyNotImplemented::get(slf.py()).to_owned().into_any()),
                    }
                }
                pub fn $right<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    let b = argument(slf);
                    match operand(other, &b)? {
                        Some(a) => Ok(binary(slf.py(), $name, a, b, |$a, $b| $y, |$a, $b| $y)?.into_any()),
                        None => Ok(PyNotImplemented::get(slf.py()).to_owned().into_any()),
                    }
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
    "matmul" __matmul__ __rmatmul__ |a, b| a.matmul(b);
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
        match operand(other, &x)? {
            Some(p) => Ok(binary(py, "pow", x, p, |x, p| x.pow(p), |x, p| x.pow(p))?.into_any()),
            None => Ok(PyNotImplemented::get(py).to_owned().into_any()),
        }
    }

    fn __rpow__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        modulo: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let p = argument(slf);
        match operand(other, &p)? {
            Some(x) if modulo.is_none() => {
                Ok(binary(slf.py(), "pow", x, p, |x, p| x.pow(p), |x, p| x.pow(p))?.into_any())
            }
            _ => Ok(PyNotImplemented::get(slf.py()).to_owned().into_any()),
        }
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
        let (py, a) = (slf.py(), argument(slf));
        let Some(b) = operand(other, &a)? else {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        };
        macro_rules! compared {
            ($name:literal, |$a:ident, $b:ident| $y:expr) => {
                binary(py, $name, a, b, |$a, $b| $y, |$a, $b| $y)?.into_any()
            };
        }
        Ok(match op {
            CompareOp::Lt => compared!("lt", |a, b| a.lt(b)),
            CompareOp::Le => compared!("le", |a, b| a.le(b)),
            CompareOp::Gt => compared!("gt", |a, b| a.gt(b)),
            CompareOp::Ge => compared!("ge", |a, b| a.ge(b)),
            CompareOp::Eq => compared!("eq", |a, b| a.equals(b)),
            CompareOp::Ne => compared!("ne", |a, b| 1.0 - a.equals(b)),
        })
    }

    /// Whether the one number is not 0.
    fn __bool__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let x = slf.get().any();
        if x.len() != 1 {
            return Err(pyo3::exceptions::PyValueError::new_err(format!(
                "a tensor of shape {:?} is neither true nor false: reduce it first, with max() or min()",
                x.shape()
            )));
        }
        guard::call(slf.py(), || each!(&x, x -> x.item() != 0.0))
    }
}
