//! Recorded functions: run once, then replayed. Their arguments come as two lists, of tensors and of integers; the package around
//! takes structures apart.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use crate::any::Real;
use crate::convert;
use crate::ops::args;
use crate::tensor::PyTensor;
use crate::transform::{arguments, count, results, tensor_of};
use crate::{guard, ops, place, typed};
use femtograd::replay::{Tracing, indices_from, replays, stage};
use femtograd::{Array, Error, Indices, Op, Place, Replay, Tensor, record_with};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyNotImplemented, PyTuple};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

type List<T> = Vec<Tensor<T>>;
/// What a recorded function is not differentiated by.
type Others<T> = (List<T>, Vec<Indices>);
/// A function as it is written, of what it is differentiated by.
type Written<T> = Arc<dyn Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync>;
type Function<T> = dyn Fn(&List<T>, &Others<T>) -> Tensor<T> + Send + Sync;
type Recorded<T> = Replay<T, List<T>, Others<T>, Box<Function<T>>>;
/// By which arguments want a gradient.
type Programs<T> = Mutex<Vec<(Vec<bool>, Recorded<T>)>>;
/// Integers in row-major order, and their shape.
type Values = (Vec<i64>, Vec<usize>);

/// Keeps that many sets of programs: for the values alone, and for each choice of arguments that want a gradient.
const KEPT: usize = 8;

// -- integers

/// Whole numbers that a recorded function is given: they index, and do not show themselves, since a program would keep what they
/// are in the first call. What is computed from them with `+ - * // %`, by indexing and reshaping is such again.
#[pyclass(name = "_Indices", module = "femtograd._femtograd", frozen)]
pub struct PyIndices(Indices);

/// `i64` as Python has them, in the library's words.
fn packed(values: &[i64], shape: &[usize]) -> Indices {
    Indices::from_vec(values.iter().map(|&i| i as usize).collect::<Vec<_>>(), shape)
}

fn unpacked(of: &Indices) -> Values {
    (of.as_slice().iter().map(|&i| i as i64).collect(), of.shape().to_vec())
}

/// Indices computed from such integers, in each call of a recorded function anew. `how` gets the line that asked.
pub fn computed(
    py: Python<'_>,
    from: &[&Indices],
    how: impl Fn(Python<'_>, Option<Place>, &[Values]) -> PyResult<Indices> + Send + Sync + 'static,
) -> PyResult<Indices> {
    let place = place::here(py);
    if stage() == Tracing::Op {
        return Err(PyValueError::new_err(format!(
            "record: integers of an argument are used inside a rule of its own, which would keep them as they are now\n  at {place}"
        )));
    }
    guard::call(py, || {
        indices_from(from, move |from| {
            let values: Vec<Values> = from.iter().map(unpacked).collect();
            guard::python(|py| how(py, Some(place), &values))
        })
    })
}

impl PyIndices {
    pub fn indices(&self) -> &Indices {
        &self.0
    }

    /// [`computed`] from these alone.
    pub fn computed(
        &self,
        py: Python<'_>,
        how: impl Fn(Python<'_>, Option<Place>, &[Values]) -> PyResult<Indices> + Send + Sync + 'static,
    ) -> PyResult<Indices> {
        computed(py, &[&self.0], how)
    }

    /// What a function of NumPy's makes of some of these and of other things.
    fn by(py: Python<'_>, f: &Bound<'_, PyAny>, xs: &[&Bound<'_, PyAny>]) -> PyResult<PyIndices> {
        let given: Vec<Indices> =
            xs.iter().filter_map(|x| Some(x.cast::<PyIndices>().ok()?.get().0.clone())).collect();
        let kept: Vec<Option<Py<PyAny>>> = xs
            .iter()
            .map(|x| if x.is_instance_of::<PyIndices>() { None } else { Some((*x).clone().unbind()) })
            .collect();
        let f = f.clone().unbind();
        let of = computed(py, &given.iter().collect::<Vec<_>>(), move |py, _, from| {
            let mut from = from.iter();
            let mut all = Vec::with_capacity(kept.len());
            for kept in &kept {
                all.push(match kept {
                    Some(kept) => kept.bind(py).clone(),
                    None => {
                        let (values, shape) = from.next().expect("one for each that was given");
                        convert::positions(py, &packed(values, shape))?
                    }
                });
            }
            let (values, shape) =
                args::wholes("indices", &f.bind(py).call1(PyTuple::new(py, all)?)?, PyTypeError::new_err)?;
            Ok(packed(&values, &shape))
        })?;
        Ok(PyIndices(of))
    }

    /// An operator of NumPy's; what is no array of integers has its own.
    fn operate<'py>(
        name: &str,
        other: &Bound<'py, PyAny>,
        a: &Bound<'py, PyAny>,
        b: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = a.py();
        if other.is_instance_of::<PyTensor>() {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        }
        let result = PyIndices::by(py, &convert::numpy(py)?.getattr(name)?, &[a, b])?;
        Ok(Bound::new(py, result)?.into_any())
    }

    fn refused<R>(&self, py: Python<'_>, what: &str) -> PyResult<R> {
        Err(PyValueError::new_err(format!(
            "record: {what} the integers of an argument of shape {:?}, and a recorded program would keep them as they are \
             now: they index tensors, and may be reshaped, indexed and added to\n  at {}",
            self.0.shape(),
            place::here(py)
        )))
    }
}

/// Operators with integers and arrays of them.
macro_rules! operators {
    ($($name:literal $left:ident $right:ident;)*) => {
        #[pymethods]
        impl PyIndices {
            $(
                fn $left<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    PyIndices::operate($name, other, slf.as_any(), other)
                }
                fn $right<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                    PyIndices::operate($name, other, other, slf.as_any())
                }
            )*
        }
    };
}

/// NumPy's names of these.
const OPERATORS: [&str; 5] = ["add", "subtract", "multiply", "floor_divide", "remainder"];

operators! {
    "add" __add__ __radd__;
    "subtract" __sub__ __rsub__;
    "multiply" __mul__ __rmul__;
    "floor_divide" __floordiv__ __rfloordiv__;
    "remainder" __mod__ __rmod__;
}

#[pymethods]
impl PyIndices {
    /// Operators with an array of NumPy's on the left.
    #[pyo3(signature = (ufunc, method, /, *inputs, **kwargs))]
    fn __array_ufunc__<'py>(
        &self,
        ufunc: &Bound<'py, PyAny>,
        method: &str,
        inputs: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = ufunc.py();
        let name: String = ufunc.getattr("__name__")?.extract()?;
        if method == "__call__" && kwargs.is_none() && OPERATORS.contains(&name.as_str()) && inputs.len() == 2
        {
            let (a, b) = (inputs.get_item(0)?, inputs.get_item(1)?);
            let other = if a.is_instance_of::<PyIndices>() { &b } else { &a };
            return PyIndices::operate(&name, other, &a, &b);
        }
        self.refused(py, &format!("numpy.{name} shows"))
    }

    fn __array_function__<'py>(
        &self,
        func: &Bound<'py, PyAny>,
        types: &Bound<'py, PyAny>,
        args: &Bound<'py, PyAny>,
        kwargs: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let _ = (types, args, kwargs);
        self.refused(func.py(), &format!("numpy.{} shows", func.getattr("__name__")?))
    }

    /// The length of each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }
    /// The number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.0.shape().len()
    }
    /// The number of integers.
    #[getter]
    fn size(&self) -> usize {
        self.0.as_slice().len()
    }
    /// `int64`.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::dtype(py, "int64")
    }

    fn __len__(&self) -> PyResult<usize> {
        self.0
            .shape()
            .first()
            .copied()
            .ok_or_else(|| PyTypeError::new_err("len: a single number has no elements"))
    }
    fn __getitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<PyIndices> {
        let py = slf.py();
        let take = py.import("operator")?.getattr("getitem")?;
        PyIndices::by(py, &take, &[slf.as_any(), key])
    }
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        let py = slf.py();
        let row = |i: usize| PyIndices::__getitem__(slf, i.into_pyobject(py)?.as_any());
        let rows = (0..slf.get().__len__()?).map(row).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, rows)?.try_iter()
    }
    /// The same integers in the same order under another shape, in which one length may be -1.
    #[pyo3(signature = (*shape))]
    fn reshape(slf: &Bound<'_, Self>, shape: &Bound<'_, PyTuple>) -> PyResult<PyIndices> {
        let (py, indices) = (slf.py(), &slf.get().0);
        let shape = if shape.len() == 1 { shape.get_item(0)? } else { shape.as_any().clone() };
        // Where NumPy has nothing against it, the numbers are the same in the same order.
        let dummy = convert::numpy(py)?.call_method1("empty", (indices.as_slice().len(), "bool"))?;
        let shape: Vec<usize> = dummy.call_method1("reshape", (shape,))?.getattr("shape")?.extract()?;
        Ok(PyIndices(indices.reshape(&shape).expect("as many elements")))
    }
    /// The same integers in a row.
    fn ravel(slf: &Bound<'_, Self>) -> PyResult<PyIndices> {
        let indices = &slf.get().0;
        Ok(PyIndices(indices.reshape(&[indices.as_slice().len()]).expect("as many elements")))
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__(&self, py: Python<'_>, dtype: Option<Py<PyAny>>, copy: Option<bool>) -> PyResult<()> {
        let _ = (dtype, copy);
        self.refused(py, "an array shows")
    }
    /// Raises ValueError: a program would keep what it shows.
    fn tolist(&self, py: Python<'_>) -> PyResult<()> {
        self.refused(py, "a list shows")
    }
    /// Raises ValueError: a program would keep what it shows.
    fn item(&self, py: Python<'_>) -> PyResult<()> {
        self.refused(py, "an int is asked for of")
    }
    fn __int__(&self, py: Python<'_>) -> PyResult<isize> {
        self.refused(py, "an int is asked for of")
    }
    fn __index__(&self, py: Python<'_>) -> PyResult<isize> {
        self.refused(py, "an int is asked for of")
    }
    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        self.refused(py, "a float is asked for of")
    }
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.refused(py, "a truth value is asked for of")
    }
    fn __richcmp__(&self, py: Python<'_>, other: Py<PyAny>, op: pyo3::pyclass::CompareOp) -> PyResult<bool> {
        let _ = (other, op);
        self.refused(py, "a comparison asks for")
    }
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }
    fn __repr__(&self) -> String {
        format!("<integers of shape {:?}, given to a recorded function>", self.0.shape())
    }
}

/// An array of integers as an argument, or those of a function around.
fn integers(x: &Bound<'_, PyAny>) -> PyResult<Indices> {
    if let Ok(given) = x.cast::<PyIndices>() {
        return Ok(given.get().0.clone());
    }
    let (values, shape) = args::wholes("record", x, PyTypeError::new_err)?;
    Ok(packed(&values, &shape))
}

// -- functions

/// A value that is known, of a function, whose derivatives are the function's.
struct Known<T: Real> {
    f: Written<T>,
    /// The arguments that it is known for.
    of: Vec<u64>,
    value: Array<T>,
}

impl<T: Real> Known<T> {
    fn is_at(&self, x: &[Tensor<T>]) -> bool {
        x.iter().map(Tensor::id).eq(self.of.iter().copied())
    }
}

impl<T: Real> Op<T> for Known<T> {
    fn name(&self) -> &'static str {
        "record"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        if self.is_at(x) {
            return Ok(self.value.clone());
        }
        Ok(femtograd::no_grad(|| (self.f)(x)).data().clone())
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        Op::<T>::vjps(self, x, y, g, &[i]).remove(0)
    }
    fn vjps(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> List<T> {
        let (_, pull) = femtograd::vjp(|x: &List<T>| (self.f)(x), &x.to_vec());
        let all = pull(g);
        wanted.iter().map(|&i| all[i].clone()).collect()
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let still = |x: &Tensor<T>| Tensor::constant(Array::full(x.shape(), T::ZERO));
        let dx: List<T> = dx.iter().zip(x).map(|(dx, x)| dx.clone().unwrap_or_else(|| still(x))).collect();
        femtograd::jvp(|x: &List<T>| (self.f)(x), &x.to_vec(), &dx).1
    }
    fn is_closed(&self) -> bool {
        true // what wants a gradient is an argument, which is checked
    }
}

/// The same where the gradient is known as well, of one number.
struct WithGradient<T: Real> {
    known: Known<T>,
    gradient: Vec<Array<T>>,
}

/// `g · slope`, with the strong zero.
fn chained<T: Real>(g: T, slope: &Array<T>) -> Array<T> {
    if g == T::ONE {
        return slope.clone();
    }
    let all: Vec<T> = slope.to_vec().into_iter().map(|slope| g.chain(slope)).collect();
    Array::from_vec(all, slope.shape())
}

impl<T: Real> Op<T> for WithGradient<T> {
    fn name(&self) -> &'static str {
        "record"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        self.known.forward(x)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        Op::<T>::vjps(self, x, y, g, &[i]).remove(0)
    }
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> List<T> {
        if !self.known.is_at(x) {
            return self.known.vjps(x, y, g, wanted);
        }
        let factor = g.item();
        let all: List<T> = x.iter().chain([g]).cloned().collect();
        let one = |&i: &usize| {
            let f = self.known.f.clone();
            let of: Written<T> = Arc::new(move |all| {
                let (g, x) = all.split_last().expect("the cotangent at least");
                femtograd::vjp(|x: &List<T>| f(x), &x.to_vec()).1(g).swap_remove(i)
            });
            let value = chained(factor, &self.gradient[i]);
            Tensor::apply(Known { f: of, of: all.iter().map(Tensor::id).collect(), value }, &all)
        };
        wanted.iter().map(one).collect()
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        self.known.jvp(x, y, dx)
    }
    fn pull(&self, _: &[Tensor<T>], _: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        let g = g.to_vec()[0];
        for (sum, slope) in sums.iter_mut().zip(&self.gradient) {
            let new = chained(g, slope);
            *sum = Some(match sum.take() {
                Some(sum) => sum + new,
                None => new,
            });
        }
    }
    fn is_closed(&self) -> bool {
        true
    }
}

/// All arguments in order: those that a function is differentiated by where the mask says so, and the others.
fn merged<T: Real>(mask: &[bool], x: &[Tensor<T>], others: &[Tensor<T>]) -> List<T> {
    let (mut x, mut others) = (x.iter(), others.iter());
    mask.iter()
        .map(|&wanted| if wanted { x.next() } else { others.next() }.expect("one for each").clone())
        .collect()
}

/// Calls the function as it is written.
fn call<T: Real>(f: &Py<PyAny>, xs: &List<T>, indices: &[Indices]) -> Tensor<T> {
    guard::python(|py| {
        let integers = indices.iter().map(|indices| Bound::new(py, PyIndices(indices.clone())));
        let integers = PyList::new(py, integers.collect::<PyResult<Vec<_>>>()?)?;
        let y = f.bind(py).call1((results(py, xs.clone())?, integers))?;
        tensor_of("a function's result", &y.get_item(0)?)
    })
}

/// The same, to make a program of what it does.
fn recorded<T: Real>(f: &Py<PyAny>, xs: &List<T>, indices: &[Indices]) -> Tensor<T> {
    let first = Tensor::constant(T::ZERO).id();
    let y = call(f, xs, indices);
    check_captured(&y, xs, first);
    y
}

/// Refuses a variable that is no argument: it will have changed in a later call, and no gradient would reach it.
fn check_captured<T: Real>(y: &Tensor<T>, xs: &[Tensor<T>], first: u64) {
    let (mut seen, mut waiting) = (HashSet::new(), vec![(y, y)]);
    while let Some((x, user)) = waiting.pop() {
        if x.id() >= first {
            if seen.insert(x.id()) {
                waiting.extend(x.parents().iter().map(|parent| (parent, x)));
            }
        } else if x.wants_grad() && xs.iter().all(|known| known.id() != x.id()) {
            let label = x.label().map_or(String::new(), |label| format!(" {label:?}"));
            let why = format!(
                "record: a variable{label} of shape {:?}, made at {}, is used and is no argument: a program would keep its \
                 value as it is now, and no gradient would reach it. Give it to the function (or the module that has it), or \
                 use its detach()\n  at {}",
                x.shape(),
                x.location(),
                user.location()
            );
            guard::python(|_| Err(PyValueError::new_err(why)))
        }
    }
}

/// A type that functions are recorded for.
trait Stored: Real {
    fn programs(of: &PyReplay) -> &Programs<Self>;
}
impl Stored for f32 {
    fn programs(of: &PyReplay) -> &Programs<f32> {
        &of.single
    }
}
impl Stored for f64 {
    fn programs(of: &PyReplay) -> &Programs<f64> {
        &of.double
    }
}

/// A recorded function of two lists, of tensors and of integers, that returns a list of one.
#[pyclass(name = "_Replay", module = "femtograd._femtograd", frozen)]
pub struct PyReplay {
    f: Arc<Py<PyAny>>,
    /// A thread that runs some has taken them out.
    single: Programs<f32>,
    double: Programs<f64>,
}

impl PyReplay {
    fn run<T: Stored>(&self, mask: Vec<bool>, xs: List<T>, indices: Vec<Indices>) -> Tensor<T> {
        if !replays() {
            return call(&self.f, &xs, &indices);
        }
        let mut programs = Taken::of(self, mask);
        let (mask, recorded) = programs.taken.as_mut().expect("taken just now");
        let (mut x, mut others) = (vec![], vec![]);
        for (tensor, &wanted) in xs.into_iter().zip(&*mask) {
            if wanted { &mut x } else { &mut others }.push(tensor);
        }
        let others = (others, indices);
        if x.is_empty() {
            return recorded.value_with(&x, &others);
        }
        let (y, gradient) = recorded.try_value_and_grad_with(&x, &others);
        let (f, mask) = (self.f.clone(), mask.clone());
        let f: Written<T> = Arc::new(move |x| call(&f, &merged(&mask, x, &others.0), &others.1));
        let known = Known { f, of: x.iter().map(Tensor::id).collect(), value: y.data().clone() };
        match gradient {
            Some(gradient) => {
                let gradient = gradient.iter().map(|g| g.data().clone()).collect();
                Tensor::apply(WithGradient { known, gradient }, &x)
            }
            None => Tensor::apply(known, &x),
        }
    }
}

/// Programs that this thread runs: they go back when it is done, whatever happens.
struct Taken<'a, T: Stored> {
    from: &'a PyReplay,
    taken: Option<(Vec<bool>, Recorded<T>)>,
}

impl<'a, T: Stored> Taken<'a, T> {
    fn of(from: &'a PyReplay, mask: Vec<bool>) -> Taken<'a, T> {
        let mut all = T::programs(from).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let taken = match all.iter().position(|(other, _)| *other == mask) {
            Some(i) => all.remove(i),
            None => {
                let (f, order) = (from.f.clone(), mask.clone());
                let written: Box<Function<T>> =
                    Box::new(move |x, others| recorded(&f, &merged(&order, x, &others.0), &others.1));
                (mask, record_with(written))
            }
        };
        Taken { from, taken: Some(taken) }
    }
}

impl<T: Stored> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut all = T::programs(self.from).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.insert(0, self.taken.take().expect("given back once"));
        let old = if all.len() > KEPT { all.pop() } else { None };
        drop(all); // what goes may run code
        drop(old);
    }
}

#[pymethods]
impl PyReplay {
    #[new]
    fn new(f: Py<PyAny>) -> PyReplay {
        PyReplay { f: Arc::new(f), single: Mutex::default(), double: Mutex::default() }
    }

    /// For what refers to itself, as a function does that calls itself. Its function is this object's own only if nobody else
    /// has it: not where a graph's node does, or a thread that runs some programs.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let (Ok(single), Ok(double)) = (self.single.try_lock(), self.double.try_lock())
            && Arc::strong_count(&self.f) == 1 + single.len() + double.len()
        {
            visit.call(&*self.f)?;
        }
        Ok(())
    }

    fn __call__<'py>(
        &self,
        xs: &Bound<'py, PyAny>,
        indices: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let py = xs.py();
        let indices = indices.try_iter()?.map(|x| integers(&x?)).collect::<PyResult<Vec<_>>>()?;
        let recording = femtograd::recording();
        let (y, newest) = typed!(arguments("record", xs)?, xs => {
            let mask = xs.iter().map(|x| recording && x.wants_grad()).collect();
            let newest = xs.iter().map(Tensor::id).max();
            (Real::wrap(guard::call_long(py, count(&xs), || self.run(mask, xs, indices))?), newest)
        });
        ops::result(py, newest.unwrap_or(0), y)
    }
}
