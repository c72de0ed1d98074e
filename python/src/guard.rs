//! Calls into the library: with the caller's Python line, without the interpreter's lock where they are long, and with what
//! unwinds turned into exceptions.

use crate::place;
use femtograd::{Mistake, Place, called_from, caller};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Numbers that a call reads and writes from which on other Python threads run meanwhile; letting go of the lock and taking
/// it again costs as much as a few thousand.
const LONG: usize = 1 << 14;

/// Keeps panics that become exceptions off stderr.
pub fn install() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if caller().is_none() {
            before(info);
        }
    }));
    femtograd::kernels::on_poll(interrupt);
}

/// Looks, in the middle of long work, whether the user wants it to end: Ctrl-C is the main thread's to hear.
fn interrupt() {
    if caller().is_some() {
        python(|py| py.check_signals());
    }
}

/// Calls the library from the caller's Python line.
pub fn call<R>(py: Python<'_>, f: impl FnOnce() -> R) -> PyResult<R> {
    caught(place::here(py), f).map_err(|what| exception(py, what))
}

/// [`call`], letting other Python threads run if `numbers` says that it takes long.
pub fn call_long<R: Send>(py: Python<'_>, numbers: usize, f: impl FnOnce() -> R + Send) -> PyResult<R> {
    if numbers < LONG {
        return call(py, f);
    }
    let place = place::here(py);
    py.detach(|| caught(place, f)).map_err(|what| exception(py, what))
}

/// [`call_long`] for what makes no nodes of its own: the line is looked for only if something is wrong.
pub fn call_quick<R: Send>(py: Python<'_>, numbers: usize, f: impl FnOnce() -> R + Send) -> PyResult<R> {
    let run = || caught(place::nowhere(), f);
    let result = if numbers < LONG { run() } else { py.detach(run) };
    result.map_err(|what| exception(py, what))
}

/// Runs a call from `place`; the library keeps its state consistent when something unwinds.
#[inline]
fn caught<R>(place: Place, f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| called_from(place, f)))
}

/// What came out of a call instead of a result, as an exception.
#[cold]
fn exception(py: Python<'_>, what: Box<dyn Any + Send>) -> PyErr {
    let what = match what.downcast::<PyErr>() {
        Ok(error) => return *error, // raised by Python code that the library called
        Err(what) => what,
    };
    let what = match what.downcast::<Mistake>() {
        Ok(mistake) => {
            let nowhere = mistake.place() == place::nowhere();
            let mistake = if nowhere { mistake.at(place::here(py)) } else { *mistake };
            let text = in_python(&mistake.to_string());
            return if mistake.is_foreign() {
                PyRuntimeError::new_err(text)
            } else {
                PyValueError::new_err(text)
            };
        }
        Err(what) => what,
    };
    let text = match (what.downcast_ref::<String>(), what.downcast_ref::<&str>()) {
        (Some(text), _) => text.as_str(),
        (_, Some(text)) => text,
        _ => "something unwound that is no message",
    };
    if text.starts_with(femtograd::kernels::NO_MEMORY) {
        return PyMemoryError::new_err(text.to_string());
    }
    let place = place::here(py);
    PyRuntimeError::new_err(format!("internal error at {place}: {text}. This is a fault of femtograd itself"))
}

/// A message of the library with the names that things have in Python.
#[cold]
fn in_python(message: &str) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("backward_with, gradients_with, vjp", "the cotangent of backward or gradients, vjp"),
        ("backward_with:", "backward:"),
        ("gradients_with:", "gradients:"),
        ("set_data:", "data:"),
        ("set_grad:", "grad:"),
        ("inverse:", "inv:"),
        ("pad: Reflect", "pad: \"reflect\""),
        ("pad: Circular", "pad: \"wrap\""),
        ("Tensor::new", "Tensor(…)"),
    ];
    NAMES.iter().fold(message.into(), |text, (rust, python)| text.replace(rust, python))
}

/// Calls Python from within the library; an exception unwinds through it.
pub fn python<R>(f: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    Python::attach(f).unwrap_or_else(|error| resume_unwind(Box::new(error)))
}
