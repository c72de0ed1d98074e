//! Arrays in and out by the buffer protocol, without copying where layouts allow.

use crate::any::{Any, Real};
use crate::convert::{self, DEEPEST, Numbers};
use crate::tensor::PyTensor;
use crate::{each, guard};
use femtograd::kernels::{Buffer, Layout};
use femtograd::{Array, Shape};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};

/// The numbers of an object that shows an array: by the buffer protocol, `__array__`, or `__dlpack__`. What may be written to
/// by others is copied, unless `copy` says otherwise.
pub fn numbers(x: &Bound<'_, PyAny>, copy: Option<bool>) -> PyResult<Numbers> {
    let np = convert::numpy(x.py())?;
    let array = if x.hasattr("__array__")? || x.hasattr("__array_interface__")? || !x.hasattr("__dlpack__")? {
        np.call_method1("asarray", (x,))?
    } else {
        np.call_method1("from_dlpack", (x,))?
    };
    // Few types have this method of masked arrays; the question itself takes longer.
    if x.get_type().hasattr("soften_mask")?
        && np.getattr("ma")?.call_method1("is_masked", (x,))?.is_truthy()?
    {
        return Err(PyTypeError::new_err(
            "a masked array: a tensor has no mask. Fill it first, with filled()",
        ));
    }
    let dtype = array.getattr("dtype")?;
    let kind: String = dtype.getattr("kind")?.extract()?;
    if !matches!(kind.as_str(), "f" | "i" | "u" | "b") {
        let name: String = dtype.getattr("name")?.extract()?;
        return Err(match kind.as_str() {
            "O" => convert::no_number(x),
            _ => PyTypeError::new_err(format!("numbers of type {name} are no float32 or float64")),
        });
    }
    let single = kind == "f" && dtype.getattr("itemsize")?.extract::<usize>()? <= 4;
    let name = if single { f32::NAME } else { f64::NAME };
    let (array, fresh) = match dtype.eq(convert::dtype(x.py(), name)?)? {
        true => (array, false),
        false => (array.call_method1("astype", (name,))?, true), // a copy that nobody else has
    };
    let copy = !fresh && copy.map_or_else(|| written(&array), Ok)?;
    Ok(if single { Numbers::F32(read(&array, copy)?) } else { Numbers::F64(read(&array, copy)?) })
}

/// Whether somebody may write to the memory of a NumPy array: through it, or through what it is a view of.
fn written(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    let mut next = array.clone();
    while let Ok(flags) = next.getattr("flags") {
        if flags.getattr("writeable")?.extract()? {
            return Ok(true);
        }
        next = next.getattr("base")?;
    }
    Ok(false)
}

/// The numbers where they lie, or copied.
fn read<T: Real + pyo3::buffer::Element>(array: &Bound<'_, PyAny>, copy: bool) -> PyResult<Array<T>> {
    if array.getattr("ndim")?.extract::<usize>()? == 0 {
        return Ok(Array::scalar(T::of(array.call_method0("item")?.extract()?)));
    }
    if !array.getattr("flags")?.getattr("aligned")?.extract::<bool>()? {
        return read(&array.call_method0("copy")?, false);
    }
    let view = PyBuffer::<T>::get(array)?;
    let size = size_of::<T>() as isize;
    let shape: Shape = view.shape().into();
    let start = view.buf_ptr().cast::<T>();
    let apart = |&bytes: &isize| bytes % size == 0;
    if shape.contains(&0) || !view.strides().iter().all(apart) {
        return Ok(Array::from_vec(view.to_vec(array.py())?, &shape));
    }
    // From the element that lies first in memory to the last one.
    let far = |(&n, &bytes): (&usize, &isize)| (n as isize - 1) * (bytes / size);
    let ends = || view.shape().iter().zip(view.strides()).map(far);
    let before: isize = ends().map(|far| far.min(0)).sum();
    let after: isize = ends().map(|far| far.max(0)).sum();
    let layout = Layout {
        shape,
        strides: view.strides().iter().map(|bytes| bytes / size).collect(),
        offset: before.unsigned_abs(),
    };
    // SAFETY: all elements of the view lie between these two, in one block of memory that is kept while `view` is, by the buffer
    // protocol; aligned as seen above. Nobody writes to it: so it was found, or the caller has said it.
    let buffer = unsafe {
        Buffer::borrowed(
            start.wrapping_offset(before).cast_const(),
            (after - before) as usize + 1,
            Box::new(view),
        )
    };
    let shared = Array::from_layout(buffer, layout).map_err(|why| PyBufferError::new_err(why.to_string()))?;
    Ok(if copy { shared.copied() } else { shared })
}

/// What a view of a tensor's numbers needs as long as it lives.
struct Export {
    /// Holds the memory; also where a single number lies.
    _numbers: Box<dyn std::any::Any>,
    shape: Vec<isize>,
    strides: Vec<isize>,
}

fn too_deep(x: &Any) -> String {
    format!("an array has {DEEPEST} axes at most, and this tensor {}", x.shape().len())
}

#[pymethods]
impl PyTensor {
    /// The numbers for reading, where they lie.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("a view is wanted"));
        }
        // SAFETY: the caller gives a view to fill, by the protocol.
        let view = unsafe { &mut *view };
        view.obj = std::ptr::null_mut();
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err("a tensor's numbers are read-only: copy them to write"));
        }
        let strided = flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES;
        let x = slf.get().any(slf.py());
        if x.shape().len() > DEEPEST {
            return Err(PyBufferError::new_err(too_deep(&x)));
        }
        convert::note_read(&x);
        fn fill<T: Real>(numbers: &Array<T>, strided: bool, view: &mut ffi::Py_buffer) -> Export {
            let mut layout = numbers.layout();
            let size = size_of::<T>();
            let numbers = Box::new(if strided { numbers.clone() } else { numbers.contiguous() });
            if !strided {
                layout = numbers.layout();
            }
            view.buf = numbers.storage()[layout.offset.min(numbers.storage().len())..]
                .as_ptr()
                .cast_mut()
                .cast::<c_void>();
            view.len = (numbers.len() * size) as isize;
            view.itemsize = size as isize;
            view.format = T::FORMAT.as_ptr().cast_mut();
            Export {
                _numbers: numbers,
                shape: layout.shape.iter().map(|&n| n as isize).collect(),
                strides: layout.strides.iter().map(|&s| s * size as isize).collect(),
            }
        }
        guard::call_quick(slf.py(), 0, || {
            each!(&x, x -> {
                x.data();
            })
        })?;
        let mut export = Box::new(match &x {
            Any::F32(x) => fill(x.data(), strided, view),
            Any::F64(x) => fill(x.data(), strided, view),
        });
        view.readonly = 1;
        view.ndim = export.shape.len() as c_int;
        let wants = |flag: c_int| flags & flag == flag;
        if !wants(ffi::PyBUF_FORMAT) {
            view.format = std::ptr::null_mut();
        }
        view.shape = if wants(ffi::PyBUF_ND) { export.shape.as_mut_ptr() } else { std::ptr::null_mut() };
        view.strides = if strided { export.strides.as_mut_ptr() } else { std::ptr::null_mut() };
        view.suboffsets = std::ptr::null_mut();
        view.internal = Box::into_raw(export).cast();
        view.obj = slf.into_ptr();
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: the view that `__getbuffer__` filled, given back once.
        drop(unsafe { Box::from_raw((*view).internal.cast::<Export>()) });
    }

    /// For NumPy, which takes the buffer, and this where there is none: to say why.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = PyTensor::numpy(slf)?;
        let array = match dtype {
            Some(dtype) if !array.getattr("dtype")?.eq(dtype)? => array.call_method1("astype", (dtype,))?,
            _ => array,
        };
        if copy == Some(true) { array.call_method0("copy") } else { Ok(array) }
    }

    /// The value as a NumPy array that shares the memory and is read-only.
    ///
    /// >>> Tensor([1.0, 2.0]).numpy()
    /// array([1., 2.])
    pub fn numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let x = slf.get().any(py);
        guard::call_quick(py, 0, || {
            each!(&x, x -> {
                x.data();
            })
        })?; // NumPy would not say why there is no buffer
        if x.shape().len() > DEEPEST {
            return Err(PyValueError::new_err(too_deep(&x)));
        }
        convert::numpy(py)?.call_method1("asarray", (slf,))
    }

    /// The value as a float, or as nested lists of floats.
    ///
    /// >>> Tensor([[1.0, 2.0]]).tolist()
    /// [[1.0, 2.0]]
    fn tolist<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PyTensor::numpy(slf)?.call_method0("tolist")
    }

    /// As `str` writes it; a single number takes the formats of a float.
    ///
    /// >>> f"{Tensor(1 / 3):.3f}"
    /// '0.333'
    fn __format__<'py>(slf: &Bound<'py, Self>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if spec.is_empty() {
            return Ok(PyTensor::__str__(slf)?.into_pyobject(py)?.into_any());
        }
        let x = slf.get().any(py);
        if x.len() != 1 {
            let why =
                format!("{spec:?} formats a single number, and this tensor has the shape {:?}", x.shape());
            return Err(PyTypeError::new_err(why));
        }
        slf.call_method0("item")?.call_method1("__format__", (spec,))
    }

    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let x = slf.get().any(slf.py());
        if !x.shape().is_empty() {
            return Ok(PyTensor::numpy(slf)?.str()?.to_string());
        }
        let py = slf.py();
        let number = guard::call_quick(py, 0, || each!(&x, x -> convert::to_f64(x.item())))?;
        Ok(match &x {
            // The shortest text that is this number in its own type.
            Any::F32(_) => convert::numpy(py)?.call_method1("float32", (number,))?.str()?.to_string(),
            Any::F64(_) => pyo3::types::PyFloat::new(py, number).repr()?.to_string(),
        })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let x = slf.get().any(slf.py());
        let mut text = PyTensor::__str__(slf)?;
        if !x.shape().is_empty() {
            let name = "       ";
            let options = pyo3::types::PyDict::new(slf.py());
            options.set_item("separator", ", ")?;
            options.set_item("prefix", name)?;
            let numbers = PyTensor::numpy(slf)?;
            text = convert::numpy(slf.py())?
                .call_method("array2string", (numbers,), Some(&options))?
                .to_string();
        }
        let op = each!(&x, x -> x.op().map(|op| op.name()));
        let mut out = format!("{}({text}", if x.wants_grad() { "Tensor" } else { "constant" });
        if let Any::F32(_) = x {
            out += ", dtype='float32'";
        }
        if let Some(label) = each!(&x, x -> x.label()) {
            out += &format!(", label={:?}", &*label).replace('"', "'");
        }
        if let Some(op) = op {
            out += &format!(", op='{op}'");
        }
        Ok(out + ")")
    }

    fn __float__(slf: &Bound<'_, Self>) -> PyResult<f64> {
        slf.call_method0("item")?.extract()
    }

    fn __int__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.call_method0("item")?.call_method0("__int__")
    }
}
