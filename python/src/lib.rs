//! The Python package `femtograd`: the engine of the library of the same name, as Python's own types.
//!
//! This is the extension module `femtograd._femtograd`; the package around it is Python, beside this crate.

mod any;
mod arithmetic;
mod buffer;
mod convert;
mod graph;
mod guard;
mod inspect;
mod objects;
mod ops;
mod place;
mod tensor;
mod transform;

use pyo3::prelude::*;

/// The engine: see the package `femtograd`.
#[pymodule]
mod _femtograd {
    use super::*;

    #[pymodule_export]
    use super::tensor::PyTensor;

    /// A leaf that wants no gradient: data. What is computed from constants alone is not recorded and is a constant too.
    ///
    /// >>> constant([1.0, 2.0]) * 3
    /// constant([3., 6.])
    #[pyfunction]
    #[pyo3(signature = (data, *, dtype = None, label = None, copy = None))]
    fn constant(
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        dtype: Option<&Bound<'_, PyAny>>,
        label: Option<String>,
        copy: Option<bool>,
    ) -> PyResult<PyTensor> {
        let numbers = convert::numbers_as(data, dtype, copy)?;
        let x = guard::call(py, || numbers.constant())?;
        Ok(PyTensor::new(match label {
            Some(label) => each!(x, x => x.named(label)),
            None => x,
        }))
    }

    #[pymodule_export]
    use super::transform::{
        Linear, PyPeriod, apply, checkpoint, gradients, hessian, hessian_diagonal, hvp, jacobian, jvp, laplacian,
        linearize, recording, tangent, value_and_grad, vjp,
    };

    #[pymodule_export]
    use super::inspect::{
        diagnose, gradcheck, keep_register, live, nonfinite, report, trace_nonfinite, verify,
    };

    #[pymodule_export]
    use super::graph::Graph;

    #[pymodule_init]
    fn init() {
        guard::install();
    }
}
