//! Random numbers that repeat.

use crate::any::{Any, Real};
use crate::convert;
use crate::ops::args::{Shape, Size, count};
use crate::tensor::fresh;
use crate::{guard, place};
use femtograd::random::Rng;
use femtograd::{Array, Indices, Tensor, replay};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard};

/// `nth number = hash(seed, n)`: random numbers that repeat. A generator is a seed and a counter (SplitMix64: Steele, Lea &
/// Flood 2014); nothing is drawn from a global, and the same seed gives the same numbers on every machine, in Rust and here.
///
/// >>> a, b = femtograd.Rng(7), femtograd.Rng(7)
/// >>> a.uniform() == b.uniform()
/// True
#[pyclass(name = "Rng", module = "femtograd", frozen)]
pub struct PyRng(Mutex<Rng>);

impl PyRng {
    pub fn lock(&self) -> MutexGuard<'_, Rng> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Refuses to draw numbers that a recorded program would keep.
    pub fn check(&self, py: Python<'_>, op: &str) -> PyResult<()> {
        if replay::stage() != replay::Tracing::Function {
            return Ok(());
        }
        Err(PyValueError::new_err(format!(
            "{op}: random numbers are drawn, and a recorded program would keep them as they are now: draw them outside, and \
             give them to the recorded function as an argument\n  at {}",
            place::here(py)
        )))
    }

    /// One number as a float, or a constant of a shape.
    fn draw<'py>(
        &self,
        py: Python<'py>,
        op: &str,
        shape: Option<Shape>,
        dtype: Option<&Bound<'py, PyAny>>,
        f: fn(&mut Rng) -> f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.check(py, op)?;
        fn all<T: Real>(rng: &PyRng, shape: &[usize], f: fn(&mut Rng) -> f64) -> Any {
            let mut rng = rng.lock();
            T::wrap(Tensor::constant(Array::from_fn(shape, |_| T::of(f(&mut rng)))))
        }
        let single = dtype.map(convert::float_type).transpose()? == Some(f32::NAME);
        let Some(Shape(shape)) = shape else {
            let x = f(&mut self.lock());
            return Ok(if single { f64::from(x as f32) } else { x }.into_pyobject(py)?.into_any());
        };
        let n = count(op, &shape)?;
        let x = guard::call_long(py, n, || match single {
            true => all::<f32>(self, &shape, f),
            false => all::<f64>(self, &shape, f),
        })?;
        Ok(fresh(py, x)?.into_any())
    }
}

/// The generator that `__reduce__` took apart.
#[pyfunction]
#[pyo3(name = "_restore_rng")]
pub fn restore_rng(state: [u64; 2]) -> PyRng {
    PyRng(Mutex::new(Rng::from_state(state)))
}

#[pymethods]
impl PyRng {
    #[new]
    fn new(seed: &Bound<'_, PyAny>) -> PyResult<PyRng> {
        match seed.extract::<u64>() {
            Ok(seed) => Ok(PyRng(Mutex::new(Rng::new(seed)))),
            Err(error) if error.is_instance_of::<PyOverflowError>(seed.py()) => {
                Err(PyValueError::new_err(format!("Rng: the seed {seed} does not lie in 0..2**64")))
            }
            Err(error) => Err(error),
        }
    }

    /// `Rng(next 64 bits)`: a generator of its own, which this one determines.
    ///
    /// >>> rng = femtograd.Rng(0)
    /// >>> rng.split().uniform() == rng.split().uniform()
    /// False
    fn split(&self, py: Python<'_>) -> PyResult<PyRng> {
        self.check(py, "split")?;
        Ok(PyRng(Mutex::new(self.lock().split())))
    }

    /// `u ∈ [0, 1)`, uniformly: a float, or a constant of independent ones if a shape is given.
    ///
    /// >>> 0 <= femtograd.Rng(1).uniform() < 1
    /// True
    /// >>> femtograd.Rng(1).uniform((2, 3)).shape
    /// (2, 3)
    #[pyo3(signature = (shape = None, *, dtype = None))]
    fn uniform<'py>(
        &self,
        py: Python<'py>,
        shape: Option<Shape>,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.draw(py, "uniform", shape, dtype, Rng::uniform)
    }

    /// `√(−2 ln u) · cos 2πv`, of the standard normal distribution (Box & Muller 1958): a float, or a constant of
    /// independent ones if a shape is given.
    ///
    /// >>> weights = Tensor(0.1 * femtograd.Rng(1).normal((4, 8)))
    /// >>> weights.shape
    /// (4, 8)
    #[pyo3(signature = (shape = None, *, dtype = None))]
    fn normal<'py>(
        &self,
        py: Python<'py>,
        shape: Option<Shape>,
        dtype: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.draw(py, "normal", shape, dtype, Rng::normal)
    }

    /// `i ∈ {0, …, n − 1}`, uniformly: an int, or an array of int64 if a shape is given.
    ///
    /// >>> femtograd.Rng(1).below(10, (2,)).shape
    /// (2,)
    #[pyo3(signature = (n, shape = None))]
    fn below<'py>(&self, py: Python<'py>, n: Size, shape: Option<Shape>) -> PyResult<Bound<'py, PyAny>> {
        self.check(py, "below")?;
        if n.0 == 0 {
            let place = place::here(py);
            return Err(PyValueError::new_err(format!("below: there is no number below 0\n  at {place}")));
        }
        let Some(Shape(shape)) = shape else {
            return Ok(self.lock().below(n.0).into_pyobject(py)?.into_any());
        };
        let number = count("below", &shape)?;
        let places: Vec<usize> = guard::call_long(py, number, || {
            let mut rng = self.lock();
            (0..number).map(|_| rng.below(n.0)).collect()
        })?;
        convert::positions(py, &Indices::from_vec(places, &shape))
    }

    /// `0, 1, …, n − 1` in random order (Fisher & Yates): an array of int64.
    ///
    /// >>> sorted(femtograd.Rng(1).permutation(4).tolist())
    /// [0, 1, 2, 3]
    fn permutation<'py>(&self, py: Python<'py>, n: Size) -> PyResult<Bound<'py, PyAny>> {
        self.check(py, "permutation")?;
        count("permutation", &[n.0])?;
        let order = guard::call_long(py, n.0, || self.lock().permutation(n.0))?;
        convert::positions(py, &order.into())
    }

    /// Pickled as where it stands, it goes on from there.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, ([u64; 2],))> {
        let restore = py.import("femtograd._femtograd")?.getattr("_restore_rng")?;
        Ok((restore, (self.lock().state(),)))
    }

    fn __copy__(&self) -> PyRng {
        PyRng(Mutex::new(self.lock().clone()))
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> PyRng {
        self.__copy__()
    }
}
