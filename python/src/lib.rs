//! The Python package `femtograd`: the engine of the library of the same name, as Python's own types.
//!
//! This is the extension module `femtograd._femtograd`; the package around it is Python, beside this crate.

mod any;
mod arithmetic;
mod buffer;
mod convert;
mod copies;
mod earlier;
mod graph;
mod guard;
mod inspect;
mod objects;
mod ops;
mod optim;
mod place;
mod protocols;
mod random;
mod replay;
mod save;
mod tensor;
mod transform;

use pyo3::prelude::*;
use std::ffi::OsString;

/// The engine: see the package `femtograd`. With the interpreter's lock: without it, an object that is about to go could be found.
#[pymodule(gil_used = true)]
mod _femtograd {
    use super::*;

    #[pymodule_export]
    use super::convert::values_read;
    #[pymodule_export]
    use super::copies::{from_dlpack, restore};
    #[pymodule_export]
    use super::tensor::PyTensor;

    #[pymodule_export]
    use super::ops::elementwise::{
        acos, acosh, asin, asinh, atan, atan2, atanh, ceil, choose, cos, cosh, digamma, erf, erfc, exp,
        expm1, floor, hypot, lgamma, log, log_sigmoid, log1p, log2, log10, logit, maximum, minimum, mish,
        reciprocal, relu, rsqrt, selu, sigmoid, sign, silu, sin, sinh, softplus, sqrt, square, tan, tanh,
        trunc, xlogy,
    };
    #[pymodule_export]
    use super::ops::products::{dot, einsum, matmul, outer};
    #[pymodule_export]
    use super::ops::{
        network::scaled_dot_product_attention,
        shape::{concat, concatenate, stack},
    };
    #[pymodule_export]
    use super::optim::{Adam, Sgd, restore_adam, restore_sgd};
    #[pymodule_export]
    use super::random::{PyRng, restore_rng};
    #[pymodule_export]
    use super::replay::{PyIndices, PyReplay};
    #[pymodule_export]
    use super::save::{load, save};

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

    /// Lets kernels use at most `n` threads; 0 means as many as the machine has cores. Results do not depend on it.
    ///
    /// >>> set_threads(1)
    /// >>> threads()
    /// 1
    /// >>> set_threads(0)
    #[pyfunction]
    fn set_threads(n: usize) {
        femtograd::set_threads(n);
    }

    /// How many threads a large kernel uses.
    ///
    /// >>> threads() >= 1
    /// True
    #[pyfunction]
    fn threads() -> usize {
        femtograd::kernels::threads()
    }

    /// The command line, with these arguments, the program's name first; gives the exit code.
    #[pyfunction]
    #[pyo3(name = "_main")]
    fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| femtograd_cli::main(arguments))
    }

    #[pymodule_export]
    use super::transform::{
        Linear, PyPeriod, apply, checkpoint, gradients, hessian, hessian_diagonal, hvp, jacobian, jvp,
        laplacian, linearize, recording, tangent, value_and_grad, vjp,
    };

    #[pymodule_export]
    use super::inspect::{
        diagnose, gradcheck, keep_register, live, nonfinite, report, trace_nonfinite, verify,
    };

    #[pymodule_export]
    use super::graph::Graph;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        guard::install();
        // Threads that help with kernels are not there in the child of a fork.
        let os = module.py().import("os")?;
        if os.hasattr("register_at_fork")? {
            let options = pyo3::types::PyDict::new(module.py());
            options.set_item("after_in_child", module.getattr("_forked")?)?;
            os.call_method("register_at_fork", (), Some(&options))?;
        }
        Ok(())
    }

    /// Called in the child of a fork.
    #[pyfunction(name = "_forked")]
    fn forked() {
        femtograd::kernels::forked();
    }
}
