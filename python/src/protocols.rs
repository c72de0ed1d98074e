//! NumPy's protocols: its functions, and its arrays on the left of an operator, give tensors with a history.

use crate::ops::kind;
use crate::tensor::PyTensor;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyNotImplemented, PyString, PyTuple};

/// NumPy's functions for operators, which an array or number of NumPy's on the left calls.
fn operators(py: Python<'_>) -> PyResult<&[Py<PyAny>; 10]> {
    static OPERATORS: PyOnceLock<[Py<PyAny>; 10]> = PyOnceLock::new();
    OPERATORS.get_or_try_init(py, || {
        let np = crate::convert::numpy(py)?;
        let of = |name| np.getattr(name).map(Bound::unbind);
        Ok([
            of("add")?,
            of("subtract")?,
            of("multiply")?,
            of("divide")?,
            of("less")?,
            of("less_equal")?,
            of("greater")?,
            of("greater_equal")?,
            of("equal")?,
            of("not_equal")?,
        ])
    })
}

/// The operator at this place in the list of [`operators`].
fn operate<'py>(op: usize, a: &Bound<'py, PyAny>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};
    if let Ok(a) = a.cast::<PyTensor>() {
        return match op {
            0 => PyTensor::__add__(a, b),
            1 => PyTensor::__sub__(a, b),
            2 => PyTensor::__mul__(a, b),
            3 => PyTensor::__truediv__(a, b),
            _ => PyTensor::__richcmp__(a, b, [Lt, Le, Gt, Ge, Eq, Ne][op - 4]),
        };
    }
    let b = b.cast::<PyTensor>()?;
    match op {
        0 => PyTensor::__radd__(b, a),
        1 => PyTensor::__rsub__(b, a),
        2 => PyTensor::__rmul__(b, a),
        3 => PyTensor::__rtruediv__(b, a),
        _ => PyTensor::__richcmp__(b, a, [Gt, Ge, Lt, Le, Eq, Ne][op - 4]),
    }
}

/// A function of the package's module that knows the rest of NumPy.
fn python<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("femtograd._numpy").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

/// What else of NumPy's elementwise functions tensors have.
fn functions(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static FUNCTIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let found = || Ok::<_, PyErr>(python(py, "_UFUNCS")?.cast_into::<PyDict>()?.unbind());
    Ok(FUNCTIONS.get_or_try_init(py, found)?.bind(py))
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
        if method == "__call__" && kwargs.is_none_or(|kwargs| kwargs.is_empty()) {
            if inputs.len() == 2
                && let Some(op) = operators(py)?.iter().position(|op| op.is(ufunc))
            {
                let (left, right) = (inputs.get_item(0)?, inputs.get_item(1)?);
                let y = operate(op, &left, &right)?;
                if !y.is_instance_of::<PyNotImplemented>() {
                    return Ok(y);
                }
                return Err(PyTypeError::new_err(format!(
                    "numpy.{}: {} and {} are not both numbers",
                    ufunc.getattr("__name__")?,
                    kind(&left),
                    kind(&right)
                )));
            }
            // Called from here, no line of the package's own lies between this and the user's.
            if let Some(meaning) = functions(py)?.get_item(ufunc)? {
                return meaning.call1(inputs);
            }
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
