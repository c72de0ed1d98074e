//! The ops as methods of `Tensor` and functions of the package: one place for each, with its documentation.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

pub mod args;
mod elementwise;
pub mod index;
pub mod network;
pub mod order;
pub mod shape;

use crate::any::Any;
use crate::guard;
use crate::tensor::{PyTensor, argument, fresh};
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
    fresh(py, guard::call_long(py, x.len(), || f(&x))?)
}
