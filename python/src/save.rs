//! Tensors in files, in the safetensors format.

use crate::any::{Any, Real};
use crate::ops::args::given;
use crate::tensor::fresh;
use crate::{each, guard};
use femtograd::{Array, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Files are read and written while other Python threads run.
const LONG: usize = usize::MAX;

/// `{name: tensor}` as a file in the safetensors format, which other libraries read too. The file is replaced as a whole, or,
/// if something goes wrong (OSError), left as it was.
///
/// Raises TypeError for what is no dict of tensors by name.
///
/// >>> import os, tempfile
/// >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
/// >>> femtograd.save(path, {"w": Tensor([1.0, 2.0])})
/// >>> femtograd.load(path)
/// {'w': Tensor([1., 2.], label='w')}
#[pyfunction]
pub fn save(py: Python<'_>, path: PathBuf, tensors: &Bound<'_, PyDict>) -> PyResult<()> {
    let mut parts = Vec::new();
    for (name, x) in tensors {
        let Ok(name) = name.cast::<PyString>() else {
            return Err(PyTypeError::new_err("save: the names are strings"));
        };
        if *name == "__metadata__" {
            return Err(PyValueError::new_err("save: the format keeps the name '__metadata__' for itself"));
        }
        parts.push((name.to_string(), given(&x)?));
    }
    guard::call_long(py, LONG, || write(&path, &parts))?.map_err(|problem| about(&path, &problem))
}

/// `{name: tensor}` from a file in the safetensors format: leaves that carry their names as labels, and want a gradient unless
/// `requires_grad` is False.
///
/// Raises ValueError if the file is no such file, is damaged, or holds other numbers than float32 and float64; OSError if it
/// cannot be read.
///
/// >>> import os, tempfile
/// >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
/// >>> femtograd.save(path, {"w": Tensor([1.0, 2.0])})
/// >>> print(femtograd.load(path, requires_grad=False)["w"].requires_grad)
/// False
#[pyfunction]
#[pyo3(signature = (path, *, requires_grad = true))]
pub fn load<'py>(py: Python<'py>, path: PathBuf, requires_grad: bool) -> PyResult<Bound<'py, PyDict>> {
    let bytes = guard::call_long(py, LONG, || fs::read(&path))?.map_err(|problem| about(&path, &problem))?;
    let found = guard::call_long(py, LONG, || read(&bytes, requires_grad))?;
    let found = found.map_err(|why| PyValueError::new_err(format!("load: {}: {why}", path.display())))?;
    let dict = PyDict::new(py);
    for (name, x) in found {
        dict.set_item(name, fresh(py, x)?)?;
    }
    Ok(dict)
}

/// The problem with the file's name.
fn about(path: &Path, problem: &io::Error) -> PyErr {
    io::Error::new(problem.kind(), format!("{}: {problem}", path.display())).into()
}

fn bytes_of<T: Real, const N: usize>(x: &Array<T>, bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    x.to_vec().into_iter().flat_map(bytes).collect()
}

fn write(path: &Path, parts: &[(String, Any)]) -> io::Result<()> {
    let held: Vec<(Dtype, &[usize], Vec<u8>)> = parts
        .iter()
        .map(|(_, x)| match x {
            Any::F32(x) => (Dtype::F32, x.shape(), bytes_of(x.data(), f32::to_le_bytes)),
            Any::F64(x) => (Dtype::F64, x.shape(), bytes_of(x.data(), f64::to_le_bytes)),
        })
        .collect();
    let view = |(dtype, shape, bytes)| {
        TensorView::new(dtype, shape, bytes).expect("as many bytes as its numbers have")
    };
    let views = held.iter().map(|(dtype, shape, bytes)| view((*dtype, shape.to_vec(), bytes)));
    let names = parts.iter().map(|(name, _)| name);
    let bytes = safetensors::serialize(names.zip(views), None).map_err(io::Error::other)?;
    let (place, temporary) = places(path);
    let written = create(&temporary)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, place));
    if written.is_err() {
        // Nothing is to be done where this fails too.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Where the file is to stand, and a new one in the same directory. A link stays a link: what it points to is replaced.
fn places(path: &Path) -> (PathBuf, PathBuf) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = std::ffi::OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".{}.{}.tmp", std::process::id(), COUNT.fetch_add(1, Relaxed)));
    let temporary = place.with_file_name(name);
    (place, temporary)
}

/// A file that was not there before.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn leaf<T: Real, const N: usize>(
    bytes: &[u8],
    shape: &[usize],
    number: fn([u8; N]) -> T,
    wanted: bool,
) -> Any {
    let numbers: Vec<T> = bytes.as_chunks().0.iter().copied().map(number).collect();
    let numbers = Array::from_vec(numbers, shape);
    T::wrap(if wanted { Tensor::new(numbers) } else { Tensor::constant(numbers) })
}

fn read(bytes: &[u8], wanted: bool) -> Result<Vec<(String, Any)>, String> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|problem| format!("no file in the safetensors format, or a damaged one ({problem})"))?;
    let mut found = Vec::new();
    let mut parts = tensors.tensors();
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, part) in parts {
        let x = match part.dtype() {
            Dtype::F32 => leaf(part.data(), part.shape(), f32::from_le_bytes, wanted),
            Dtype::F64 => leaf(part.data(), part.shape(), f64::from_le_bytes, wanted),
            other => return Err(format!("the tensor {name:?} holds {other}, and only F32 and F64 are read")),
        };
        let x = each!(x, x => x.named(name.as_str()));
        found.push((name, x));
    }
    Ok(found)
}
