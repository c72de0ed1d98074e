//! The class `Tensor`: making one, what it tells, and what stands in its place.

use crate::any::{Any, Real, is_single};
use crate::convert::{self, Numbers};
use crate::{each, earlier, guard, objects, place};
use femtograd::{Array, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PySet, PyTuple};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

/// A value, its gradient, and how it was computed.
///
/// `data` is a number, a list of numbers (nested as deep as there are axes), a NumPy array, another tensor, or
/// anything with `__array__` or `__dlpack__`. float32 and float64 keep their type; integers and everything
/// else become float64. With `requires_grad=False` it is a constant: see `constant`.
///
/// >>> a, b = Tensor(2.0), Tensor(3.0)
/// >>> c = a * b + b**2
/// >>> c.backward()
/// >>> print(c, a.grad, b.grad)  # dc/da = b, dc/db = a + 2b
/// 15.0 3.0 8.0
#[pyclass(name = "Tensor", module = "femtograd", frozen, subclass, weakref)]
pub struct PyTensor {
    /// Whoever looks at it or replaces it has the interpreter's lock, and needs no other.
    now: UnsafeCell<Any>,
    /// But during an [update](PyTensor::update), which may go on without that lock.
    updating: AtomicBool,
    /// Where this object lies, once it is noted as its node's.
    pub address: AtomicUsize,
    /// The parents' objects, once somebody has asked for them: while this one is there, they stay the same. As of `now`.
    parents: UnsafeCell<Option<Py<PyTuple>>>,
}

// SAFETY: what lies in the cell may be sent and shared; it is reached as `now` and `updating` say.
unsafe impl Sync for PyTensor {}

impl Drop for PyTensor {
    fn drop(&mut self) {
        objects::forget(*self.address.get_mut(), self.now.get_mut().id());
    }
}

impl PyTensor {
    #[inline]
    pub fn new(x: Any) -> PyTensor {
        PyTensor {
            now: UnsafeCell::new(x),
            updating: AtomicBool::new(false),
            address: AtomicUsize::new(0),
            parents: UnsafeCell::new(None),
        }
    }
    /// Waits until nobody is updating it, and lets other threads go on meanwhile: whoever is may need the interpreter's lock.
    #[inline]
    fn wait(&self, py: Python<'_>) {
        #[cold]
        fn wait(py: Python<'_>) {
            py.detach(|| std::thread::sleep(Duration::from_micros(50)));
        }
        while self.updating.load(Acquire) {
            wait(py);
        }
    }
    /// What it stands for now.
    #[inline]
    pub fn any(&self, py: Python<'_>) -> Any {
        self.wait(py);
        // SAFETY: nobody changes it while this thread has the lock, which it does not let go in between.
        unsafe { (*self.now.get()).clone() }
    }
    /// Puts another leaf in its place, and gives what was there.
    pub fn put(&self, py: Python<'_>, new: Any) -> Any {
        self.wait(py);
        // SAFETY: as in `any`. What was there goes only afterwards, since whatever goes may run code.
        let (old, parents) =
            unsafe { (std::mem::replace(&mut *self.now.get(), new), (*self.parents.get()).take()) };
        objects::forget(self.address.swap(0, Relaxed), old.id());
        drop(parents);
        old
    }
    /// Changes what several different objects stand for, of so many numbers in all, each held by nobody but its object while
    /// `f` runs; what unwinds from `f` must have changed nothing.
    pub fn update(
        py: Python<'_>,
        of: &[&PyTensor],
        numbers: usize,
        f: impl FnOnce(Vec<&mut Any>) + Send,
    ) -> PyResult<()> {
        struct Updating<'a>(&'a [&'a PyTensor]);
        impl Drop for Updating<'_> {
            fn drop(&mut self) {
                self.0.iter().for_each(|object| object.updating.store(false, Release));
            }
        }
        // All at once, so that two threads never wait for each other.
        while let Some(object) = of.iter().find(|object| object.updating.load(Acquire)) {
            object.wait(py);
        }
        // SAFETY: as in `put`. They go when all is done, since whatever goes may run code.
        let _parents: Vec<_> = of.iter().map(|object| unsafe { (*object.parents.get()).take() }).collect();
        of.iter().for_each(|object| object.updating.store(true, Relaxed));
        let updating = Updating(of);
        guard::call_long(py, numbers, || {
            // What is called in the middle of it may be Python code that asks for one of these.
            let _whole = femtograd::kernels::uninterrupted();
            // SAFETY: the objects differ, and until the end everybody else waits.
            let mut now: Vec<_> = updating.0.iter().map(|object| unsafe { &mut *object.now.get() }).collect();
            let before: Vec<u64> = now.iter().map(|x| x.id()).collect();
            f(now.iter_mut().map(|x| &mut **x).collect());
            for ((object, now), before) in updating.0.iter().zip(&now).zip(before) {
                if now.id() != before {
                    objects::forget(object.address.swap(0, Relaxed), before);
                }
            }
        })
    }
}

/// What `object` stands for, as an argument of something: its node may be asked for as a parent from now on.
#[inline]
pub fn argument(object: &Bound<'_, PyTensor>) -> Any {
    let x = object.get().any(object.py());
    objects::note(object, x.id());
    x
}

/// An argument given as a tensor, or as what makes a constant, whose line is then the caller's.
pub fn argument_or_constant(x: &Bound<'_, PyAny>) -> PyResult<Any> {
    match x.cast::<PyTensor>() {
        Ok(x) => Ok(argument(x)),
        Err(_) => {
            let numbers = convert::numbers(x, None)?;
            guard::call(x.py(), || numbers.constant())
        }
    }
}

/// A new node as an object.
#[inline]
pub fn fresh<'py>(py: Python<'py>, x: Any) -> PyResult<Bound<'py, PyTensor>> {
    Bound::new(py, PyTensor::new(x))
}

/// The arguments in the one type that their graph has.
pub fn of_one_type(op: &str, xs: Vec<Any>) -> PyResult<Typed> {
    let single = is_single(&xs.iter().collect::<Vec<_>>()).map_err(|(a, b)| {
        let name = |x: &Any| {
            let label = each!(x, x -> x.label()).map_or(String::new(), |label| format!(" {label:?}"));
            format!("variable{label} of shape {:?}, made at {}", x.shape(), x.location())
        };
        PyTypeError::new_err(format!(
            "{op}: a float32 {} and a float64 {} do not mix: make both of one type, with dtype=",
            name(&xs[a]),
            name(&xs[b])
        ))
    })?;
    fn all<T: Real>(xs: &[Any]) -> PyResult<Vec<Tensor<T>>> {
        xs.iter().map(|x| Ok(T::find(x)?.expect("a variable of the type, or a constant"))).collect()
    }
    Ok(if single { Typed::F32(all(&xs)?) } else { Typed::F64(all(&xs)?) })
}

/// Tensors of one type.
pub enum Typed {
    F32(Vec<Tensor<f32>>),
    F64(Vec<Tensor<f64>>),
}

#[pymethods]
impl PyTensor {
    #[new]
    #[pyo3(signature = (data, requires_grad = true, *, dtype = None, label = None, copy = None))]
    fn py_new(
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        requires_grad: bool,
        dtype: Option<&Bound<'_, PyAny>>,
        label: Option<String>,
        copy: Option<bool>,
    ) -> PyResult<PyTensor> {
        let numbers = convert::numbers_as(data, dtype, copy)?;
        let x = guard::call(py, || if requires_grad { numbers.variable() } else { numbers.constant() })?;
        Ok(PyTensor::new(match label {
            Some(label) => each!(x, x => x.named(label)),
            None => x,
        }))
    }

    /// The value, as a constant tensor that shares the numbers. Assigning to it puts a new leaf with another value in this
    /// object: how a parameter is updated. The gradient stays. Graphs recorded earlier keep the old value, and what they give as a
    /// gradient arrives here.
    ///
    /// >>> p = Tensor(1.0)
    /// >>> (p * p).backward()
    /// >>> p.data -= 0.25 * p.grad
    /// >>> p
    /// Tensor(0.5)
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
        let x = self.any(py);
        fresh(py, guard::call(py, || each!(x, x => Tensor::constant(x.data().clone())))?)
    }
    #[setter]
    fn set_data(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let numbers = convert::numbers(value, None)?;
        let new = guard::call(py, || match self.any(py) {
            Any::F32(mut x) => {
                x.set_data(numbers.to::<f32>());
                Any::F32(x)
            }
            Any::F64(mut x) => {
                x.set_data(numbers.to::<f64>());
                Any::F64(x)
            }
        })?;
        let old = self.put(py, new.clone());
        earlier::replaced(py, old, &new)
    }

    /// The gradient: the derivative by this tensor of what `backward` was called on, a constant in this tensor's shape.
    /// Leaves add up those of all calls. Before there is one it is zeros named "no gradient yet", and `has_grad` is False.
    ///
    /// Assigning replaces it; None, or the number 0, forgets it.
    ///
    /// >>> a = Tensor(2.0)
    /// >>> a.grad
    /// constant(0.0, label='no gradient yet')
    /// >>> (3 * a).backward()
    /// >>> print(a.grad)
    /// 3.0
    #[getter]
    pub fn grad<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTensor>> {
        fn of<T: Real>(x: &Tensor<T>) -> Tensor<T> {
            match x.grad() {
                Some(g) => Tensor::constant(g),
                None => {
                    let zeros = Array::scalar(T::ZERO).broadcast_to(x.shape()).expect("a number broadcasts");
                    Tensor::constant(zeros).named("no gradient yet")
                }
            }
        }
        let x = self.any(py);
        fresh(py, guard::call(py, || each!(&x, x => of(x)))?)
    }
    #[setter]
    fn set_grad(&self, py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let x = self.any(py);
        let Some(value) = value else {
            each!(x, x -> x.zero_grad());
            return Ok(());
        };
        let numbers = convert::numbers(value, None)?;
        if numbers.is_zero() {
            each!(x, x -> x.zero_grad());
            return Ok(());
        }
        guard::call(py, || match &x {
            Any::F32(x) => x.set_grad(numbers.own::<f32>()),
            Any::F64(x) => x.set_grad(numbers.own::<f64>()),
        })
    }

    /// Whether it has a gradient.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> before = x.has_grad
    /// >>> (x * x).backward()
    /// >>> before, x.has_grad
    /// (False, True)
    #[getter]
    pub fn has_grad(&self, py: Python<'_>) -> bool {
        each!(self.any(py), x -> x.grad().is_some())
    }

    /// Forgets the gradient.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> (x * x).backward()
    /// >>> x.zero_grad()
    /// >>> x.has_grad
    /// False
    fn zero_grad(&self, py: Python<'_>) {
        each!(self.any(py), x -> x.zero_grad());
    }

    /// Computes the gradient of this number with respect to everything it was computed from, and adds it to each leaf's
    /// `grad`; every other tensor that is still held gets it as its `grad`.
    ///
    /// What is no single number needs a `cotangent` of its shape: then it is the gradient of the sum of their product.
    ///
    /// >>> x = Tensor([1.0, 2.0])
    /// >>> (x * x).backward([1.0, 10.0])
    /// >>> print(x.grad)
    /// [ 2. 40.]
    #[pyo3(signature = (cotangent = None))]
    fn backward(slf: &Bound<'_, Self>, cotangent: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (py, x) = (slf.py(), slf.get().any(slf.py()));
        let cotangent = cotangent.map(|g| convert::numbers(g, None)).transpose()?;
        let numbers = work_behind(&x);
        earlier::settle(py)?;
        match (x, cotangent) {
            (Any::F32(x), None) => guard::call_quick(py, numbers, move || x.backward()),
            (Any::F64(x), None) => guard::call_quick(py, numbers, move || x.backward()),
            (Any::F32(x), Some(g)) => guard::call_quick(py, numbers, move || x.backward_with(g.own::<f32>())),
            (Any::F64(x), Some(g)) => guard::call_quick(py, numbers, move || x.backward_with(g.own::<f64>())),
        }?;
        earlier::settle(py)
    }

    /// What it was computed from, in the op's order; empty for a leaf or a constant.
    ///
    /// >>> a, b = Tensor(2.0), Tensor(3.0)
    /// >>> (a * b).parents
    /// (Tensor(2.0), Tensor(3.0))
    /// >>> (a * b).parents[0] is a
    /// True
    #[getter]
    fn parents<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        // SAFETY: as in `any`; the tuple may change only once this borrow has ended.
        if let Some(known) = unsafe { &*self.parents.get() } {
            return Ok(known.bind(py).clone());
        }
        let now = self.any(py);
        let parents: Vec<_> =
            now.parents().into_iter().map(|x| objects::object(py, x)).collect::<PyResult<_>>()?;
        let parents = PyTuple::new(py, parents)?;
        if self.any(py).id() == now.id() && !parents.is_empty() {
            // SAFETY: as in `put`; nobody else has had the lock since `any`.
            let known = unsafe { (*self.parents.get()).get_or_insert_with(|| parents.clone().unbind()) };
            return Ok(known.bind(py).clone());
        }
        Ok(parents)
    }

    /// The parents as a set.
    #[getter]
    fn _prev<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        PySet::new(py, self.parents(py)?)
    }

    /// The name of the op that computed it; None for a leaf or a constant.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> x.op, (x * 3).op
    /// (None, 'mul')
    #[getter]
    fn op(&self, py: Python<'_>) -> Option<&'static str> {
        each!(self.any(py), x -> x.op().map(|op| op.name()))
    }

    /// The op as a drawing shows it: `+` for add, `**` for a power; empty for a leaf or a constant.
    #[getter]
    fn _op(&self, py: Python<'_>) -> &'static str {
        match self.op(py) {
            None => "",
            Some("add") => "+",
            Some("sub") => "-",
            Some("mul") => "*",
            Some("div") => "/",
            Some("powi" | "powf" | "pow") => "**",
            Some("relu") => "ReLU",
            Some("matmul") => "@",
            Some(name) => name,
        }
    }

    /// Its name in drawings, reports and error messages; empty if it has none.
    ///
    /// >>> w = Tensor([1.0, 2.0], label="w")
    /// >>> w.label
    /// 'w'
    #[getter]
    fn label(&self, py: Python<'_>) -> String {
        each!(self.any(py), x -> x.label().map_or(String::new(), |label| label.to_string()))
    }
    #[setter]
    fn set_label(&self, py: Python<'_>, label: &str) {
        each!(self.any(py), x -> drop(x.named(label)));
    }

    /// Gives it a name and returns it.
    ///
    /// >>> Tensor(2.0).named("a")
    /// Tensor(2.0, label='a')
    fn named<'py>(slf: Bound<'py, Self>, label: &str) -> Bound<'py, Self> {
        slf.get().set_label(slf.py(), label);
        slf
    }

    /// The line of the program that made it: "train.py:12".
    ///
    /// >>> file, line = Tensor(2.0).location.rsplit(":", 1)
    /// >>> int(line) >= 1
    /// True
    #[getter]
    fn location(&self, py: Python<'_>) -> String {
        self.any(py).location().to_string()
    }

    /// Whether a gradient flows to it or through it.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> (x * 3).requires_grad, constant(2.0).requires_grad, x.detach().requires_grad
    /// (True, False, False)
    #[getter]
    fn requires_grad(&self, py: Python<'_>) -> bool {
        self.any(py).wants_grad()
    }

    /// Whether it was given and not computed.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> x.is_leaf, (x * 3).is_leaf
    /// (True, False)
    #[getter]
    fn is_leaf(&self, py: Python<'_>) -> bool {
        each!(self.any(py), x -> x.op().is_none())
    }

    /// The length of each axis; empty for a single number.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0]]).shape, Tensor(1.0).shape
    /// ((1, 3), ())
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.any(py).shape())
    }
    /// The number of axes.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0]]).ndim
    /// 2
    #[getter]
    fn ndim(&self, py: Python<'_>) -> usize {
        self.any(py).shape().len()
    }
    /// The number of elements.
    ///
    /// >>> Tensor([[1.0, 2.0, 3.0]]).size
    /// 3
    #[getter]
    fn size(&self, py: Python<'_>) -> usize {
        self.any(py).shape().iter().product()
    }
    /// `float32` or `float64`, as NumPy's dtype.
    ///
    /// >>> Tensor(1.0).dtype, Tensor(1.0, dtype="float32").dtype
    /// (dtype('float64'), dtype('float32'))
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::dtype(py, self.any(py).dtype())
    }

    /// The same value as a constant, cut off from how it was computed: no gradient flows back from here.
    ///
    /// >>> x = Tensor(2.0)
    /// >>> (x * x.detach()).backward()
    /// >>> print(x.grad)  # of the one factor alone
    /// 2.0
    fn detach<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTensor>> {
        let x = argument(slf);
        fresh(slf.py(), guard::call(slf.py(), || each!(x, x => x.detach()))?)
    }

    /// The value, if it is one number: a float.
    ///
    /// >>> Tensor(2.5).item()
    /// 2.5
    fn item(&self, py: Python<'_>) -> PyResult<f64> {
        let x = self.any(py);
        if x.len() != 1 {
            let (shape, line) = (x.shape(), place::here(py));
            let why = format!("item: a tensor of shape {shape:?} is not one number\n  at {line}");
            return Err(PyValueError::new_err(why));
        }
        convert::note_read(&x);
        guard::call(py, || each!(&x, x -> convert::to_f64(x.item())))
    }

    /// A constant of another type; itself if it has that type. Variables keep theirs: a graph has one type.
    ///
    /// >>> constant(0.1).astype("float32")
    /// constant(0.1, dtype='float32')
    fn astype<'py>(slf: &Bound<'py, Self>, dtype: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x, to) = (slf.py(), argument(slf), convert::float_type(dtype)?);
        if x.dtype() == to {
            return Ok(slf.clone());
        }
        if x.wants_grad() {
            let why = format!("astype: a graph has one type, and this {} variable is part of one", x.dtype());
            return Err(PyTypeError::new_err(why));
        }
        let numbers = Numbers::of(py, &x)?;
        fresh(
            py,
            guard::call(py, || {
                if to == f32::NAME {
                    f32::wrap(Tensor::constant(numbers.to()))
                } else {
                    f64::wrap(Tensor::constant(numbers.to()))
                }
            })?,
        )
    }

    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }
}

/// Roughly how many numbers the graph behind this has; looks at a few nodes only, and takes a larger graph for long.
fn work_behind(x: &Any) -> usize {
    fn behind<T: femtograd::Float>(x: &Tensor<T>, few: &mut usize) -> Option<usize> {
        *few = few.checked_sub(1)?;
        let mut numbers = x.shape().iter().product();
        for parent in x.parents() {
            numbers += behind(parent, few)?;
        }
        Some(numbers)
    }
    each!(x, x -> behind(x, &mut 8)).unwrap_or(usize::MAX)
}
