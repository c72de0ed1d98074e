//! Derivatives of functions, and rules written in Python. Functions here go from a list of tensors to a list of tensors; the
//! package around takes structures apart and puts them together.

use crate::any::{Any, Real, is_single};
use crate::convert;
use crate::guard;
use crate::objects;
use crate::ops::args::listed;
use crate::tensor::{PyTensor, Typed, argument, argument_or_constant, fresh, of_one_type};
use femtograd::{Array, During, Error, Mode, Op, Period, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

type List<T> = Vec<Tensor<T>>;
/// A Python object that Rust's closures share.
type Function = Arc<Py<PyAny>>;

/// The same for tensors of either type.
#[macro_export]
macro_rules! typed {
    ($xs:expr, $x:ident => $body:expr) => {
        match $xs {
            $crate::tensor::Typed::F32($x) => $body,
            $crate::tensor::Typed::F64($x) => $body,
        }
    };
}

/// The list of what Python gives, in one type: that of the variables, or else of the arrays; plain numbers go along.
pub fn arguments(op: &str, xs: &Bound<'_, PyAny>) -> PyResult<Typed> {
    let py = xs.py();
    let (mut all, mut numbers) = (vec![], vec![]);
    for x in xs.try_iter()? {
        let x = x?;
        if let Some(number) = convert::number(&x)? {
            numbers.push((all.len(), number));
            all.push(guard::call(py, || Any::F64(Tensor::constant(number)))?);
        } else {
            all.push(argument_or_constant(&x)?);
        }
    }
    let is_number = |i: usize| numbers.iter().any(|(k, _)| *k == i);
    let strong: Vec<&Any> = all.iter().enumerate().filter(|(i, _)| !is_number(*i)).map(|(_, x)| x).collect();
    if is_single(&strong) == Ok(true) {
        for &(i, number) in &numbers {
            all[i] = guard::call(py, || Any::F32(Tensor::constant(number as f32)))?;
        }
    }
    of_one_type(op, all)
}

/// A tensor or constant in a given type, which a variable must have.
pub fn tensor_of<T: Real>(what: &str, x: &Bound<'_, PyAny>) -> PyResult<Tensor<T>> {
    let x = argument_or_constant(x)?;
    T::find(&x)?.ok_or_else(|| {
        PyTypeError::new_err(format!(
            "{what} is a {} variable of shape {:?}, made at {}, in a computation of {} numbers",
            x.dtype(),
            x.shape(),
            x.location(),
            <T as Real>::NAME
        ))
    })
}

fn tensors_of<T: Real>(what: &str, xs: &Bound<'_, PyAny>) -> PyResult<List<T>> {
    xs.try_iter()?.map(|x| tensor_of(what, &x?)).collect()
}

/// New objects for results.
pub fn results<T: Real>(py: Python<'_>, xs: List<T>) -> PyResult<Bound<'_, PyList>> {
    PyList::new(py, xs.into_iter().map(|x| fresh(py, T::wrap(x))).collect::<PyResult<Vec<_>>>()?)
}

/// Lists of lists of results.
fn rows<T: Real>(py: Python<'_>, xs: Vec<List<T>>) -> PyResult<Bound<'_, PyList>> {
    PyList::new(py, xs.into_iter().map(|row| results(py, row)).collect::<PyResult<Vec<_>>>()?)
}

/// The objects of nodes that are there already.
fn known<'py, T: Real>(py: Python<'py>, xs: &[Tensor<T>]) -> PyResult<Bound<'py, PyTuple>> {
    let objects = xs.iter().map(|x| objects::object(py, T::wrap(x.clone())));
    PyTuple::new(py, objects.collect::<PyResult<Vec<_>>>()?)
}

/// Calls a Python function of a list that returns a list.
pub fn called<T: Real>(f: &Py<PyAny>, x: &List<T>) -> List<T> {
    guard::python(|py| tensors_of("a function's result", &f.bind(py).call1((results(py, x.clone())?,))?))
}

/// Calls one that returns a list of one.
pub fn called_for_one<T: Real>(f: &Py<PyAny>, x: &List<T>) -> Tensor<T> {
    called(f, x).pop().expect("the package returns a list of one")
}

/// How many numbers there are.
pub fn count<T: Real>(xs: &[Tensor<T>]) -> usize {
    xs.iter().map(|x| x.shape().iter().product::<usize>()).sum()
}

/// The value and the gradient of a function at a list.
#[pyfunction]
#[pyo3(name = "_value_and_grad")]
pub fn value_and_grad<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyTensor>, Bound<'py, PyList>)> {
    typed!(arguments("grad", xs)?, xs => {
        let (y, g) = guard::call_long(py, count(&xs), || femtograd::value_and_grad(|x| called_for_one(&f, x))(&xs))?;
        Ok((fresh(py, Real::wrap(y))?, results(py, g)?))
    })
}

/// A linear function on lists of tensors: what `vjp` and `linearize` leave to be called.
#[pyclass(name = "_Linear", module = "femtograd._femtograd", frozen)]
pub struct Linear(
    #[allow(clippy::type_complexity)]
    Box<dyn for<'py> Fn(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> + Send + Sync>,
);

#[pymethods]
impl Linear {
    fn __call__<'py>(&self, xs: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        (self.0)(xs)
    }
}

impl Linear {
    fn new<T: Real>(what: &'static str, f: impl Fn(&List<T>) -> List<T> + Send + Sync + 'static) -> Linear {
        Linear(Box::new(move |xs| {
            let (py, xs) = (xs.py(), tensors_of::<T>(what, xs)?);
            results(py, guard::call_long(py, count(&xs), || f(&xs))?)
        }))
    }
}

/// The results of a function at a list, and what carries cotangents back.
#[pyfunction]
#[pyo3(name = "_vjp")]
pub fn vjp<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyList>, Linear)> {
    let f: Function = Arc::new(f);
    typed!(arguments("vjp", xs)?, xs => {
        let (y, pull) = guard::call_long(py, count(&xs), || femtograd::vjp(move |x: &List<_>| called(&f, x), &xs))?;
        Ok((results(py, y)?, Linear::new("a cotangent", pull)))
    })
}

/// The results of a function at a list, and what carries tangents forwards.
#[pyfunction]
#[pyo3(name = "_linearize")]
pub fn linearize<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyList>, Linear)> {
    let f: Function = Arc::new(f);
    typed!(arguments("linearize", xs)?, xs => {
        let (y, push) = guard::call_long(py, count(&xs), || femtograd::linearize(move |x: &List<_>| called(&f, x), &xs))?;
        Ok((results(py, y)?, Linear::new("a tangent", push)))
    })
}

/// The results of a function at a list, and their tangents.
#[pyfunction]
#[pyo3(name = "_jvp")]
pub fn jvp<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
    dxs: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
    typed!(arguments("jvp", xs)?, xs => {
        let dxs = tensors_of("a tangent", dxs)?;
        let (y, dy) = guard::call_long(py, count(&xs), || femtograd::jvp(|x| called(&f, x), &xs, &dxs))?;
        Ok((results(py, y)?, results(py, dy)?))
    })
}

/// For each result the derivative by each argument.
#[pyfunction]
#[pyo3(name = "_jacobian")]
pub fn jacobian<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
    mode: &str,
) -> PyResult<Bound<'py, PyList>> {
    let mode = match mode {
        "auto" => Mode::Auto,
        "forward" => Mode::Forward,
        "reverse" => Mode::Reverse,
        other => {
            let why = format!("jacobian: mode is \"auto\", \"forward\" or \"reverse\", not {other:?}");
            return Err(PyValueError::new_err(why));
        }
    };
    typed!(arguments("jacobian", xs)?, xs => {
        rows(py, guard::call_long(py, count(&xs), || femtograd::jacobian_by(mode, |x| called(&f, x))(&xs))?)
    })
}

/// For each pair of arguments the second derivative.
#[pyfunction]
#[pyo3(name = "_hessian")]
pub fn hessian<'py>(py: Python<'py>, f: Py<PyAny>, xs: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    typed!(arguments("hessian", xs)?, xs => {
        rows(py, guard::call_long(py, count(&xs), || femtograd::hessian(|x| called_for_one(&f, x))(&xs))?)
    })
}

/// The Hessian times a direction.
#[pyfunction]
#[pyo3(name = "_hvp")]
pub fn hvp<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
    vs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    typed!(arguments("hvp", xs)?, xs => {
        let vs = tensors_of("a direction", vs)?;
        results(py, guard::call_long(py, count(&xs), || femtograd::hvp(|x| called_for_one(&f, x), &xs, &vs))?)
    })
}

/// The Hessian's diagonal.
#[pyfunction]
#[pyo3(name = "_hessian_diagonal")]
pub fn hessian_diagonal<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    typed!(arguments("hessian_diagonal", xs)?, xs => {
        results(py, guard::call_long(py, count(&xs), || femtograd::hessian_diagonal(|x| called_for_one(&f, x))(&xs))?)
    })
}

/// The Hessian's trace.
#[pyfunction]
#[pyo3(name = "_laplacian")]
pub fn laplacian<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTensor>> {
    typed!(arguments("laplacian", xs)?, xs => {
        let y = guard::call_long(py, count(&xs), || femtograd::laplacian(|x| called_for_one(&f, x))(&xs))?;
        fresh(py, Real::wrap(y))
    })
}

/// The gradient of a recorded result, recorded.
#[pyfunction]
#[pyo3(name = "_gradients")]
pub fn gradients<'py>(
    py: Python<'py>,
    y: &Bound<'py, PyTensor>,
    xs: &Bound<'py, PyAny>,
    cotangent: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let all = listed(y, xs)?;
    typed!(of_one_type("gradients", all)?, all => {
        let cotangent = cotangent.map(|g| tensor_of("the cotangent", g)).transpose()?;
        let (y, xs) = (&all[0], all[1..].iter().collect::<Vec<_>>());
        let g = guard::call_long(py, count(&all), || match &cotangent {
            Some(cotangent) => femtograd::gradients_with(y, &xs, cotangent),
            None => femtograd::gradients(y, &xs),
        })?;
        results(py, g)
    })
}

/// The tangent of a recorded result, recorded.
#[pyfunction]
#[pyo3(name = "_tangent")]
pub fn tangent<'py>(
    py: Python<'py>,
    y: &Bound<'py, PyTensor>,
    xs: &Bound<'py, PyAny>,
    dxs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTensor>> {
    let all = listed(y, xs)?;
    typed!(of_one_type("tangent", all)?, all => {
        let dxs = tensors_of("a tangent", dxs)?;
        let along: Vec<_> = all[1..].iter().zip(&dxs).collect();
        let dy = guard::call_long(py, count(&all), || match along.is_empty() {
            true => Tensor::constant(Array::full(all[0].shape(), Default::default())),
            false => femtograd::tangent(&all[0], &along),
        })?;
        fresh(py, Real::wrap(dy))
    })
}

/// A function of a list that is run again on the way back.
#[pyfunction]
#[pyo3(name = "_checkpoint")]
pub fn checkpoint<'py>(
    py: Python<'py>,
    f: Py<PyAny>,
    xs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTensor>> {
    typed!(arguments("checkpoint", xs)?, xs => {
        let y = guard::call_long(py, count(&xs), || femtograd::checkpoint(move |x: &List<_>| called_for_one(&f, x))(&xs))?;
        fresh(py, Real::wrap(y))
    })
}

/// A rule written in Python. The functions take and return tensors of one type.
struct Rule {
    name: &'static str,
    /// `forward(xs)`: the value, as a tensor or numbers.
    forward: Py<PyAny>,
    /// `vjp(g, y, xs, wanted)`: a list of what `g` adds to the cotangents of those arguments; None for nothing.
    vjp: Py<PyAny>,
    exact: bool,
}

/// One that has a rule for forward mode as well: `jvp(dxs, y, xs)`, the tangent; None in `dxs` where nothing moves.
struct BothWays {
    rule: Rule,
    jvp: Py<PyAny>,
}

impl<T: Real> Op<T> for Rule {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let value = femtograd::no_grad(|| {
            guard::python(|py| tensor_of::<T>("a value", &self.forward.bind(py).call1((known(py, x)?,))?))
        });
        Ok(value.data().clone())
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        Op::<T>::vjps(self, x, y, g, &[i]).remove(0)
    }
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        guard::python(|py| {
            let g = fresh(py, T::wrap(g.clone()))?;
            let y = objects::object(py, T::wrap(y.clone()))?;
            let found = self.vjp.bind(py).call1((g, y, known(py, x)?, wanted.to_vec()))?;
            let one = |(i, found): (&usize, PyResult<Bound<'_, PyAny>>)| {
                let found = found?;
                match found.is_none() {
                    true => Ok(Tensor::constant(Array::full(x[*i].shape(), T::ZERO))),
                    false => tensor_of("a cotangent", &found),
                }
            };
            wanted.iter().zip(found.try_iter()?).map(one).collect()
        })
    }
    fn is_exact(&self) -> bool {
        self.exact
    }
}

impl<T: Real> Op<T> for BothWays {
    fn name(&self) -> &'static str {
        self.rule.name
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        self.rule.forward(x)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        self.rule.vjp(x, y, g, i)
    }
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        self.rule.vjps(x, y, g, wanted)
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        guard::python(|py| {
            let dx = dx.iter().map(|dx| dx.as_ref().map(|dx| fresh(py, T::wrap(dx.clone()))).transpose());
            let dx = PyTuple::new(py, dx.collect::<PyResult<Vec<_>>>()?)?;
            let y = objects::object(py, T::wrap(y.clone()))?;
            tensor_of("a tangent", &self.jvp.bind(py).call1((dx, y, known(py, x)?))?)
        })
    }
    fn is_exact(&self) -> bool {
        self.rule.exact
    }
}

/// A name that lives for ever, kept once.
fn for_ever(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match names.get(name) {
        Some(name) => name,
        None => {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(name);
            name
        }
    }
}

/// Applies a rule written in Python.
#[pyfunction]
#[pyo3(name = "_apply")]
pub fn apply<'py>(
    py: Python<'py>,
    name: &str,
    forward: Py<PyAny>,
    vjp: Py<PyAny>,
    jvp: Option<Py<PyAny>>,
    exact: bool,
    xs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTensor>> {
    let rule = Rule { name: for_ever(name), forward, vjp, exact };
    typed!(arguments(name, xs)?, xs => {
        let y = guard::call_long(py, count(&xs), || match jvp {
            Some(jvp) => Tensor::apply(BothWays { rule, jvp }, &xs),
            None => Tensor::apply(rule, &xs),
        });
        fresh(py, Real::wrap(y?))
    })
}

#[pymethods]
impl PyTensor {
    /// The same values, with a function on the way back: the cotangent `g` that arrives here goes on as `f(g)`, or as it is if
    /// `f` returns None. It is the result that has the hook: what is computed from this tensor itself does not pass it.
    ///
    /// >>> x = Tensor([1.0, 2.0])
    /// >>> h = (x * 10).hook(lambda g: 0.5 * g)  # halves what comes from above
    /// >>> seen = []
    /// >>> (h.hook(seen.append) * constant([1.0, 5.0])).backward([1.0, 1.0])
    /// >>> print(seen[0], x.grad)
    /// [1. 5.] [ 5. 25.]
    fn hook<'py>(slf: &Bound<'py, Self>, f: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        if !f.is_callable() {
            return Err(PyTypeError::new_err("hook: a function of the gradient is wanted"));
        }
        fn hooked<T: Real>(x: &Tensor<T>, f: Py<PyAny>) -> Tensor<T> {
            x.hook(move |g| {
                guard::python(|py| {
                    let new = f.bind(py).call1((fresh(py, T::wrap(g.clone()))?,))?;
                    if new.is_none() { Ok(g.clone()) } else { tensor_of("what a hook returned", &new) }
                })
            })
        }
        let (py, x, f) = (slf.py(), argument(slf), f.unbind());
        fresh(
            py,
            guard::call(py, || match &x {
                Any::F32(x) => Any::F32(hooked(x, f)),
                Any::F64(x) => Any::F64(hooked(x, f)),
            })?,
        )
    }
}

/// Whether what is computed now is recorded: not inside `no_grad`.
///
/// >>> femtograd.recording()
/// True
/// >>> with femtograd.no_grad():
/// ...     femtograd.recording()
/// False
#[pyfunction]
pub fn recording() -> bool {
    femtograd::recording()
}

/// What is different on a thread from its beginning to its end.
#[pyclass(name = "_Period", module = "femtograd._femtograd", frozen)]
pub struct PyPeriod(Mutex<Option<Period>>);

#[pymethods]
impl PyPeriod {
    #[new]
    fn new(what: &str) -> PyResult<PyPeriod> {
        let what = match what {
            "no_grad" => During::NoGrad,
            "strict" => During::Strict,
            "counting" => During::Counting,
            _ => return Err(PyValueError::new_err("no_grad, strict or counting")),
        };
        Ok(PyPeriod(Mutex::new(Some(femtograd::begin(what)))))
    }
    /// Ends it: for each op and line, how often the strong zero was used meanwhile, if that was counted.
    fn end(&self) -> Vec<(&'static str, String, usize)> {
        let period = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let uses = period.map_or(vec![], |period| period.strong_zeros());
        uses.into_iter().map(|zero| (zero.op, zero.place.to_string(), zero.count)).collect()
    }
}
