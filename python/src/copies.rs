//! Tensors that leave: by pickle, by copy, by DLPack.

use crate::any::Any;
use crate::convert;
use crate::tensor::{PyTensor, fresh};
use crate::{each, guard};
use femtograd::Tensor;
use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

/// The tensor that `__reduce__` took apart.
#[pyfunction]
#[pyo3(name = "_restore")]
pub fn restore<'py>(
    class: &Bound<'py, PyType>,
    numbers: &Bound<'py, PyAny>,
    requires_grad: bool,
    label: Option<&str>,
    grad: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(class.py());
    options.set_item("label", label)?;
    let tensor = class.call_method("__new__", (class, numbers, requires_grad), Some(&options))?;
    if let Some(grad) = grad {
        tensor.setattr("grad", grad)?;
    }
    Ok(tensor)
}

/// What was computed has a history, which cannot leave the process.
fn leaf(slf: &Bound<'_, PyTensor>, what: &str) -> PyResult<Any> {
    let x = slf.get().any(slf.py());
    match each!(&x, x -> x.op().map(|op| op.name())) {
        None => Ok(x),
        Some(op) => Err(PyRuntimeError::new_err(format!(
            "{what}: a tensor computed by {op} at {} has a history, which stays here: detach() gives its value alone",
            x.location()
        ))),
    }
}

/// A leaf like this one, sharing its numbers.
fn twin(x: &Any) -> Any {
    fn of<T: femtograd::Float>(x: &Tensor<T>) -> Tensor<T> {
        let new =
            if x.wants_grad() { Tensor::new(x.data().clone()) } else { Tensor::constant(x.data().clone()) };
        if let Some(grad) = x.grad() {
            new.set_grad(grad);
        }
        match x.label() {
            Some(label) => new.named(label),
            None => new,
        }
    }
    each!(x, x => of(x))
}

#[pymethods]
impl PyTensor {
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let x = leaf(slf, "pickle")?;
        let grad = if slf.get().has_grad(py) { Some(PyTensor::numpy(&slf.get().grad(py)?)?) } else { None };
        let label = each!(&x, x -> x.label().map(|label| label.to_string()));
        let parts = (slf.get_type(), PyTensor::numpy(slf)?, x.wants_grad(), label, grad);
        let restore = py.import("femtograd._femtograd")?.getattr("_restore")?;
        // What a class derived from this one has of its own.
        let state = slf.getattr_opt("__dict__")?;
        (restore, parts, state).into_pyobject(py)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let copied = PyTensor::__deepcopy__(slf, None)?;
        if let Some(own) = slf.getattr_opt("__dict__")? {
            copied.getattr("__dict__")?.call_method1("update", (own,))?;
        }
        Ok(copied)
    }

    #[pyo3(signature = (memo))]
    fn __deepcopy__<'py>(
        slf: &Bound<'py, Self>,
        memo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let new = guard::call(py, || leaf(slf, "copy").map(|x| twin(&x)))??;
        let class = slf.get_type();
        if class.is(py.get_type::<PyTensor>()) {
            return Ok(fresh(py, new)?.into_any());
        }
        let copied = class.call_method1("__new__", (&class, 0.0))?;
        copied.cast::<PyTensor>()?.get().put(py, new);
        if let (Some(memo), Some(own)) = (memo, slf.getattr_opt("__dict__")?) {
            let own = py.import("copy")?.call_method1("deepcopy", (own, memo))?;
            copied.getattr("__dict__")?.call_method1("update", (own,))?;
        }
        Ok(copied)
    }

    /// The numbers by the DLPack protocol: `torch.from_dlpack(t)`, `jax.numpy.from_dlpack(t)`. They are shared and marked
    /// read-only; who asks by a version of the protocol that knows no such mark, as JAX does so far, gets a copy. PyTorch does
    /// not heed the mark: to write to its tensor, `clone()` it first, or this one's value changes, and the gradients of graphs
    /// that have it.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = PyTensor::numpy(slf)?;
        let version = options.map(|options| options.get_item("max_version")).transpose()?.flatten();
        let marks = match version {
            Some(version) if !version.is_none() => version.get_item(0)?.extract::<usize>()? >= 1,
            _ => false,
        };
        let array = if marks { array } else { array.call_method0("copy")? };
        array.call_method("__dlpack__", (), options)
    }

    /// Where the numbers lie by the DLPack protocol: `(1, 0)`, the memory of the processor.
    fn __dlpack_device__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        (1, 0).into_pyobject(slf.py())
    }
}

/// A tensor that shares the numbers of an array of another library, by the DLPack protocol. What may be written to there is
/// copied, unless `copy=False` says that nobody will.
///
/// >>> import numpy as np
/// >>> from_dlpack(np.ones(2)).tolist()
/// [1.0, 1.0]
#[pyfunction]
#[pyo3(signature = (x, *, requires_grad = true, copy = None))]
pub fn from_dlpack(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    requires_grad: bool,
    copy: Option<bool>,
) -> PyResult<PyTensor> {
    let array = convert::numpy(py)?.call_method1("from_dlpack", (x,)).map_err(|error| {
        match error.is_instance_of::<PyBufferError>(py) {
            true => PyTypeError::new_err(format!("from_dlpack: {}", error.value(py))), // what is there is no number
            false => error,
        }
    })?;
    let numbers = convert::numbers(&array, copy)?;
    let x = guard::call(py, || if requires_grad { numbers.variable() } else { numbers.constant() })?;
    Ok(PyTensor::new(x))
}
