//! Optimisers: those of the library, over Python's objects.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::any::{Any, Real};
use crate::convert;
use crate::tensor::{PyTensor, fresh};
use crate::{each, guard, place};
use femtograd::{Array, Tensor, optim};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Mutex, MutexGuard};

/// The tensors that an optimiser updates.
struct Parameters {
    objects: Vec<Py<PyTensor>>,
    /// How many numbers they have in all.
    numbers: usize,
}

impl Parameters {
    /// From a list of tensors, or a dict with tensors as its values. One that occurs twice is one parameter.
    fn new(op: &str, of: &Bound<'_, PyAny>) -> PyResult<Parameters> {
        let py = of.py();
        let line = || format!("\n  at {}", place::here(py));
        if of.is_instance_of::<PyTensor>() {
            let why = "a list of parameters is wanted, and this is one tensor";
            return Err(PyTypeError::new_err(format!("{op}: {why}{}", line())));
        }
        let list = match of.cast::<PyDict>() {
            Ok(dict) => dict.values().into_any(),
            Err(_) => of.clone(),
        };
        let mut found = Parameters { objects: Vec::new(), numbers: 0 };
        let mut seen = std::collections::HashSet::new();
        for (i, object) in list.try_iter()?.enumerate() {
            let object = object?;
            let Ok(object) = object.cast_into::<PyTensor>() else {
                return Err(PyTypeError::new_err(format!("{op}: parameter {i} is no Tensor{}", line())));
            };
            if !seen.insert(object.as_ptr() as usize) {
                continue;
            }
            let x = object.get().any(object.py());
            let what = each!(&x, x -> x.label())
                .map_or(format!("parameter {i}"), |label| format!("parameter {label:?}"));
            let made = format!("of shape {:?}, made at {}", x.shape(), x.location());
            if let Some(name) = each!(&x, x -> x.op().map(|op| op.name())) {
                let why = format!(
                    "{what} {made}, is computed, by {name}: give the leaves that it is computed from"
                );
                return Err(PyValueError::new_err(format!("{op}: {why}{}", line())));
            }
            if !x.wants_grad() {
                let why = format!("{what} {made}, is a constant: Tensor(…) makes one that wants a gradient");
                return Err(PyValueError::new_err(format!("{op}: {why}{}", line())));
            }
            found.numbers += x.len();
            found.objects.push(object.unbind());
        }
        if found.objects.is_empty() {
            let why = "there is no parameter here: a generator gives its own only once";
            return Err(PyValueError::new_err(format!("{op}: {why}{}", line())));
        }
        Ok(found)
    }

    /// One step over all, those of each type together. What unwinds has changed nothing.
    fn step(
        &self,
        py: Python<'_>,
        single: impl FnOnce(Vec<&mut Tensor<f32>>) + Send,
        double: impl FnOnce(Vec<&mut Tensor<f64>>) + Send,
    ) -> PyResult<()> {
        let objects: Vec<&PyTensor> = self.objects.iter().map(|object| object.get()).collect();
        PyTensor::update(py, &objects, self.numbers, |leaves| {
            let (mut singles, mut doubles) = (Vec::new(), Vec::new());
            for leaf in leaves {
                match leaf {
                    Any::F32(x) => singles.push(x),
                    Any::F64(x) => doubles.push(x),
                }
            }
            // Where a gradient is missing the step is refused before anything has changed: that one goes first.
            if doubles.iter().any(|x| x.grad().is_none()) {
                double(doubles);
                single(singles);
            } else {
                single(singles);
                double(doubles);
            }
        })
    }

    fn zero_grad(&self, py: Python<'_>) {
        self.objects.iter().for_each(|object| each!(object.get().any(py), x -> x.zero_grad()));
    }

    fn list(&self, py: Python<'_>) -> Vec<Py<PyTensor>> {
        self.objects.iter().map(|object| object.clone_ref(py)).collect()
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What every optimiser has beside its step. `$lr` is the place of the learning rate, or those that hold the same one.
macro_rules! optimisers {
    ($($Name:ident |$state:ident| $lr:expr $(, $more:expr)*;)*) => { $(
        #[pymethods]
        impl $Name {
            /// Forgets every parameter's gradient.
            ///
            /// >>> w = Tensor(1.0)
            #[doc = concat!(">>> optimiser = femtograd.optim.", stringify!($Name), "([w], lr=0.5)")]
            /// >>> (3 * w).backward()
            /// >>> optimiser.zero_grad()
            /// >>> w.has_grad
            /// False
            fn zero_grad(&self, py: Python<'_>) {
                self.parameters.zero_grad(py);
            }

            /// The tensors that it updates, each once.
            ///
            /// >>> w = Tensor(1.0)
            #[doc = concat!(">>> optimiser = femtograd.optim.", stringify!($Name), "([w], lr=0.5)")]
            /// >>> optimiser.parameters[0] is w
            /// True
            #[getter]
            fn parameters(&self, py: Python<'_>) -> Vec<Py<PyTensor>> {
                self.parameters.list(py)
            }

            /// The learning rate; it may be changed between steps.
            ///
            /// >>> w = Tensor(1.0)
            #[doc = concat!(">>> optimiser = femtograd.optim.", stringify!($Name), "([w], lr=0.5)")]
            /// >>> optimiser.lr /= 10
            /// >>> optimiser.lr
            /// 0.05
            #[getter]
            fn lr(&self) -> f64 {
                let $state = lock(&self.state);
                $lr
            }
            #[setter]
            fn set_lr(&self, lr: f64) {
                let mut $state = lock(&self.state);
                $lr = lr;
                $($more = lr;)*
            }
        }
    )* };
}

optimisers! {
    Sgd |state| state.lr;
    Adam |state| state.single.lr, state.double.lr;
}

/// `p ← p − lr·g` for every parameter `p` and its gradient `g`: gradient descent.
///
/// `parameters` is a list of tensors, or a dict of them by name. With `allow_missing`, one without a gradient is left as it
/// is; else a step raises ValueError and changes nothing.
///
/// >>> w = Tensor([1.0, 2.0])
/// >>> sgd = femtograd.optim.Sgd([w], lr=0.25)
/// >>> (w @ w).backward()
/// >>> sgd.step()
/// >>> w.tolist()
/// [0.5, 1.0]
#[pyclass(module = "femtograd.optim", frozen)]
pub struct Sgd {
    parameters: Parameters,
    state: Mutex<optim::Sgd>,
}

#[pymethods]
impl Sgd {
    #[new]
    #[pyo3(signature = (parameters, lr, *, allow_missing = false))]
    fn new(parameters: &Bound<'_, PyAny>, lr: f64, allow_missing: bool) -> PyResult<Sgd> {
        let mut state = optim::Sgd::new(lr);
        state.allow_missing = allow_missing;
        Ok(Sgd { parameters: Parameters::new("Sgd", parameters)?, state: Mutex::new(state) })
    }

    /// `p ← p − lr·g`, one step over all parameters. Their gradients are used up. Raises ValueError if one has none; then
    /// nothing has changed.
    ///
    /// >>> w = Tensor(1.0)
    /// >>> (3 * w).backward()
    /// >>> femtograd.optim.Sgd([w], lr=0.5).step()
    /// >>> print(w)
    /// -0.5
    fn step(&self, py: Python<'_>) -> PyResult<()> {
        let state = lock(&self.state).clone();
        self.parameters.step(py, |p| state.clone().step(p), |p| state.clone().step(p))
    }

    /// Pickled with its parameters: in one pickle with a model it updates that one.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, SgdParts>> {
        let optim::Sgd { lr, allow_missing, .. } = *lock(&self.state);
        Ok((restorer(py, "_restore_sgd")?, (self.parameters.list(py), lr, allow_missing)))
    }
}

/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `p ← p − lr · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)`: Adam (Kingma & Ba 2015).
///
/// `parameters` is a list of tensors, or a dict of them by name. With `allow_missing`, one without a gradient is left as it
/// is, and so are its moments; else a step raises ValueError and changes nothing.
///
/// >>> x = Tensor([5.0, -3.0])
/// >>> adam = femtograd.optim.Adam([x], lr=0.3)
/// >>> for _ in range(200):
/// ...     x.mse([1.0, 1.0]).backward()
/// ...     adam.step()
/// >>> [round(v, 3) for v in x.tolist()]
/// [1.0, 1.0]
#[pyclass(module = "femtograd.optim", frozen)]
pub struct Adam {
    parameters: Parameters,
    state: Mutex<Moments>,
}

/// For the parameters of each type; the settings of both are the same.
struct Moments {
    single: optim::Adam<f32>,
    double: optim::Adam<f64>,
}

#[pymethods]
impl Adam {
    #[new]
    #[pyo3(signature = (parameters, lr = 1e-3, *, betas = (0.9, 0.999), epsilon = 1e-8, allow_missing = false), text_signature = "(parameters, lr=1e-3, *, betas=(0.9, 0.999), epsilon=1e-8, allow_missing=False)")]
    fn new(
        parameters: &Bound<'_, PyAny>,
        lr: f64,
        betas: (f64, f64),
        epsilon: f64,
        allow_missing: bool,
    ) -> PyResult<Adam> {
        let (mut single, mut double) = (optim::Adam::new(lr), optim::Adam::new(lr));
        (single.betas, single.epsilon, single.allow_missing) = (betas, epsilon, allow_missing);
        (double.betas, double.epsilon, double.allow_missing) = (betas, epsilon, allow_missing);
        let state = Mutex::new(Moments { single, double });
        Ok(Adam { parameters: Parameters::new("Adam", parameters)?, state })
    }

    /// `p ← p − lr · m̂ / (√v̂ + ε)`, one step over all parameters. Their gradients are used up. Raises ValueError if one has
    /// none; then nothing has changed.
    ///
    /// >>> w = Tensor(1.0)
    /// >>> (3 * w).backward()
    /// >>> femtograd.optim.Adam([w], lr=0.5).step()
    /// >>> print(f"{w:.4f}")
    /// 0.5000
    fn step(&self, py: Python<'_>) -> PyResult<()> {
        self.parameters.step(
            py,
            |p| {
                if !p.is_empty() {
                    lock(&self.state).single.step(p)
                }
            },
            |p| {
                if !p.is_empty() {
                    lock(&self.state).double.step(p)
                }
            },
        )
    }

    /// Pickled with its parameters and their moments: in one pickle with a model it updates that one.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, Parts<'py>>> {
        // Let go of before NumPy is called, where another thread may ask for it.
        let (single, double) = {
            let state = lock(&self.state);
            (state.single.clone(), state.double.clone())
        };
        let optim::Adam { lr, betas, epsilon, allow_missing, .. } = double;
        let (single, double) = (states(py, &single)?, states(py, &double)?);
        let parts = (self.parameters.list(py), lr, betas, epsilon, allow_missing, single, double);
        Ok((restorer(py, "_restore_adam")?, parts))
    }

    /// `(β₁, β₂)`, how slowly the moments forget.
    ///
    /// >>> w = Tensor(1.0)
    /// >>> optimiser = femtograd.optim.Adam([w], lr=0.5)
    /// >>> optimiser.betas
    /// (0.9, 0.999)
    #[getter]
    fn betas(&self) -> (f64, f64) {
        lock(&self.state).single.betas
    }

    /// `ε`, which keeps the quotient finite.
    ///
    /// >>> w = Tensor(1.0)
    /// >>> optimiser = femtograd.optim.Adam([w], lr=0.5)
    /// >>> optimiser.epsilon
    /// 1e-08
    #[getter]
    fn epsilon(&self) -> f64 {
        lock(&self.state).single.epsilon
    }
}

/// How something is made again, and what of.
type Reduced<'py, A> = (Bound<'py, PyAny>, A);
/// What gradient descent is made of: parameters and settings.
type SgdParts = (Vec<Py<PyTensor>>, f64, bool);
/// What Adam is made of: parameters, settings, and the moments of those of each type.
type Parts<'py> = (Vec<Py<PyTensor>>, f64, (f64, f64), f64, bool, Vec<Moment<'py>>, Vec<Moment<'py>>);
/// Of a parameter: steps, and two arrays.
type Moment<'py> = (u32, Bound<'py, PyAny>, Bound<'py, PyAny>);

fn restorer<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("femtograd._femtograd")?.getattr(name)
}

/// What is kept of each parameter, as NumPy's arrays.
fn states<'py, T: Real>(py: Python<'py>, of: &optim::Adam<T>) -> PyResult<Vec<Moment<'py>>> {
    let array = |numbers: &Array<T>| {
        let x = guard::call_quick(py, 0, || T::wrap(Tensor::constant(numbers.clone())))?;
        PyTensor::numpy(&fresh(py, x)?)
    };
    of.state().map(|(steps, mean, square)| Ok((steps, array(mean)?, array(square)?))).collect()
}

fn set_states<T: Real>(py: Python<'_>, of: &mut optim::Adam<T>, states: &[Moment<'_>]) -> PyResult<()> {
    let numbers = |x: &Bound<'_, PyAny>| Ok::<_, PyErr>(convert::numbers(x, None)?.own::<T>());
    let states = states.iter().map(|(steps, mean, square)| Ok((*steps, numbers(mean)?, numbers(square)?)));
    let states = states.collect::<PyResult<Vec<_>>>()?;
    guard::call_quick(py, 0, || of.set_state(states))
}

/// The optimiser that `__reduce__` took apart.
#[pyfunction]
#[pyo3(name = "_restore_sgd")]
pub fn restore_sgd(parameters: &Bound<'_, PyAny>, lr: f64, allow_missing: bool) -> PyResult<Sgd> {
    Sgd::new(parameters, lr, allow_missing)
}

/// The optimiser that `__reduce__` took apart.
#[pyfunction]
#[pyo3(name = "_restore_adam")]
pub fn restore_adam(
    parameters: &Bound<'_, PyAny>,
    lr: f64,
    betas: (f64, f64),
    epsilon: f64,
    allow_missing: bool,
    single: Vec<Moment<'_>>,
    double: Vec<Moment<'_>>,
) -> PyResult<Adam> {
    let adam = Adam::new(parameters, lr, betas, epsilon, allow_missing)?;
    let mut state = lock(&adam.state);
    set_states(parameters.py(), &mut state.single, &single)?;
    set_states(parameters.py(), &mut state.double, &double)?;
    drop(state);
    Ok(adam)
}
