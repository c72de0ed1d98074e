//! The ops as methods of `Tensor` and functions of the package: one place for each, with its documentation.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

pub mod args;
pub mod elementwise;
pub mod index;
mod linalg;
pub mod network;
pub mod order;
pub mod products;
mod reduce;
pub mod shape;

use crate::any::{Any, Real};
use crate::tensor::{PyTensor, Typed, argument, argument_or_constant, fresh, of_one_type};
use crate::{convert, guard, objects};
use femtograd::{Float, Tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Methods of one tensor without further arguments: `/// docs` and `name => |x| expression;` each.
#[macro_export]
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident => |$x:ident| $y:expr;)*) => {
        #[pymethods]
        impl $crate::tensor::PyTensor {
            $(
                $(#[$doc])*
                fn $name<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, $crate::tensor::PyTensor>> {
                    $crate::ops::unary(slf, |x| $crate::each!(x, $x => $y))
                }
            )*
        }
    };
}

/// An op of one tensor.
pub fn unary<'py>(
    x: &Bound<'py, PyTensor>,
    f: impl FnOnce(&Any) -> Any + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    let (py, x) = (x.py(), argument(x));
    result(py, x.id(), guard::call_long(py, x.len(), || f(&x))?)
}

/// The object of a result, which is an argument's where the op had nothing to do. `newest` is the largest id of an argument.
pub fn result<'py>(py: Python<'py>, newest: u64, y: Any) -> PyResult<Bound<'py, PyTensor>> {
    if y.id() > newest { fresh(py, y) } else { objects::object(py, y) }
}

/// Arguments given as tensors, numbers or what shows an array, in the one type that their graph has. Numbers of
/// Python's have no say in it.
pub fn together(op: &str, xs: &[&Bound<'_, PyAny>]) -> PyResult<Typed> {
    let mut all = Vec::with_capacity(xs.len());
    let (mut numbers, mut known) = (Vec::new(), 0);
    for (i, x) in xs.iter().enumerate() {
        match convert::number(x)? {
            Some(number) => {
                numbers.push((i, number));
                all.push(None);
            }
            None => {
                all.push(Some(argument_or_constant(x)?));
                known += 1;
            }
        }
    }
    let single = known > 0 && all.iter().flatten().all(|x| matches!(x, Any::F32(_)));
    for (i, number) in numbers {
        let constant = || {
            if single {
                Any::F32(Tensor::constant(number as f32))
            } else {
                Any::F64(Tensor::constant(number))
            }
        };
        all[i] = Some(guard::call(xs[i].py(), constant)?);
    }
    of_one_type(op, all.into_iter().flatten().collect())
}

/// An op of several arguments in one type: `several!(py, of_one_type("name", vec![…])?, |x| expression of the slice x)`.
#[macro_export]
macro_rules! several {
    ($py:expr, $arguments:expr, |$x:ident| $y:expr) => {
        $crate::ops::several($py, $arguments, |$x| $y, |$x| $y)
    };
}

/// An op of several arguments.
pub fn several<'py>(
    py: Python<'py>,
    x: Typed,
    single: impl FnOnce(&[Tensor<f32>]) -> Tensor<f32> + Send,
    double: impl FnOnce(&[Tensor<f64>]) -> Tensor<f64> + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    fn sizes<T: Real>(x: &[Tensor<T>]) -> (usize, u64) {
        (crate::transform::count(x), x.iter().map(|x| x.id()).max().unwrap_or(0))
    }
    let (newest, y) = match x {
        Typed::F32(x) => {
            let (numbers, newest) = sizes(&x);
            (newest, Any::F32(guard::call_long(py, numbers, || single(&x))?))
        }
        Typed::F64(x) => {
            let (numbers, newest) = sizes(&x);
            (newest, Any::F64(guard::call_long(py, numbers, || double(&x))?))
        }
    };
    result(py, newest, y)
}

/// An option that is a number and no argument: a variable is refused, whose gradient would be lost.
pub fn option(op: &str, name: &str, x: &Bound<'_, PyAny>) -> PyResult<f64> {
    if x.cast::<PyTensor>().is_ok_and(|x| x.get().any(x.py()).wants_grad()) {
        return Err(PyTypeError::new_err(format!(
            "{op}: {name} is a number, to which no gradient flows: a variable is given. \
             Its item() is the number; to learn it, write the formula in operations of tensors"
        )));
    }
    x.extract().map_err(|_| PyTypeError::new_err(format!("{op}: {name} is a number, not {}", kind(x))))
}

/// The number in the type that is asked for.
pub fn of<T: Float>(v: f64) -> T {
    T::of(v)
}

/// What an object is, for a message.
pub fn kind(x: &Bound<'_, PyAny>) -> String {
    x.get_type().qualname().map_or("this".into(), |name| name.to_string())
}
