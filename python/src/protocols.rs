//! NumPy's protocols: its functions, and its arrays on the left of an operator, give tensors with a history.

use crate::tensor::PyTensor;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyNotImplemented, PyString, PyTuple};

/// NumPy's functions for `+ - * /`, which an array or number of NumPy's on the left calls.
fn operators(py: Python<'_>) -> PyResult<&[Py<PyAny>; 4]> {
    static OPERATORS: PyOnceLock<[Py<PyAny>; 4]> = PyOnceLock::new();
    OPERATORS.get_or_try_init(py, || {
        let np = crate::convert::numpy(py)?;
        let of = |name| np.getattr(name).map(Bound::unbind);
        Ok([of("add")?, of("subtract")?, of("multiply")?, of("divide")?])
    })
}

/// A function of the package's module that knows the rest of NumPy.
fn python<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("femtograd._numpy").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

#[pymethods]
impl PyTensor {
    #[pyo3(signature = (ufunc, method, /, *inputs, **kwargs))]
    fn __array_ufunc__<'py>(
        slf: &Bound<'py, Self>,
        ufunc: &Bound<'py, PyAny>,
        method: &Bound<'py, PyString>,
        inputs: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if kwargs.is_none_or(|kwargs| kwargs.is_empty())
            && inputs.len() == 2
            && let Some(op) = operators(py)?.iter().position(|op| op.is(ufunc))
            && method == "__call__"
        {
            let (left, right) = (inputs.get_borrowed_item(0)?, inputs.get_borrowed_item(1)?);
            let y = if let Ok(a) = left.cast::<PyTensor>() {
                let op = [PyTensor::__add__, PyTensor::__sub__, PyTensor::__mul__, PyTensor::__truediv__][op];
                op(&a, &right)?
            } else {
                let op =
                    [PyTensor::__radd__, PyTensor::__rsub__, PyTensor::__rmul__, PyTensor::__rtruediv__][op];
                op(&*right.cast::<PyTensor>()?, &left)?
            };
            if !y.is_instance_of::<PyNotImplemented>() {
                return Ok(y);
            }
            let kind = |x: &Bound<'_, PyAny>| super::ops::kind(x);
            return Err(PyTypeError::new_err(format!(
                "numpy.{}: {} and {} are not both numbers",
                ufunc.getattr("__name__")?,
                kind(&left),
                kind(&right)
            )));
        }
        let kwargs = kwargs.cloned().unwrap_or_else(|| PyDict::new(py));
        python(py, "array_ufunc")?.call1((ufunc, method, inputs, kwargs))
    }

    fn __array_function__<'py>(
        slf: &Bound<'py, Self>,
        func: &Bound<'py, PyAny>,
        types: &Bound<'py, PyAny>,
        args: &Bound<'py, PyAny>,
        kwargs: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        python(slf.py(), "array_function")?.call1((func, types, args, kwargs))
    }
}
