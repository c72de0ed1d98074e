//! Which Python object stands for which node, so that a graph walked twice shows the same objects.

use crate::any::Any;
use crate::tensor::PyTensor;
use pyo3::ffi;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

/// Ids count up, and addresses lie apart: they are spread by an odd constant (Knuth, *The Art of Computer Programming* 3, 6.4).
/// Nobody chooses them to do harm.
#[derive(Default)]
pub struct Ids(u64);
impl Hasher for Ids {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed")
    }
    fn write_u64(&mut self, id: u64) {
        // The upper bits are the best of a product, and the lower ones choose the place.
        self.0 = (self.0 ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
    fn write_usize(&mut self, address: usize) {
        self.write_u64(address as u64);
    }
    fn write_i32(&mut self, offset: i32) {
        self.write_u64(offset as u64);
    }
}

/// The address of the object for each node that has been an argument of something. The objects are not held: each takes
/// itself out when it goes.
static OBJECTS: Mutex<HashMap<u64, usize, BuildHasherDefault<Ids>>> =
    Mutex::new(HashMap::with_hasher(BuildHasherDefault::new()));

fn objects() -> std::sync::MutexGuard<'static, HashMap<u64, usize, BuildHasherDefault<Ids>>> {
    OBJECTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Notes that this object stands for the node `id`, which may be found as a parent from now on.
#[inline]
pub fn note(object: &Bound<'_, PyTensor>, id: u64) {
    let known = &object.get().address;
    if known.load(Relaxed) == 0 {
        let address = object.as_ptr() as usize;
        known.store(address, Relaxed);
        objects().insert(id, address);
    }
}

/// Notes that the object at `address`, if it was noted at all, no longer stands for the node `id`.
#[inline]
pub fn forget(address: usize, id: u64) {
    if address != 0 {
        let mut objects = objects();
        if objects.get(&id) == Some(&address) {
            objects.remove(&id);
        }
    }
}

/// The object for a node: the one there is, or a new one.
pub fn object<'py>(py: Python<'py>, x: Any) -> PyResult<Bound<'py, PyTensor>> {
    if let Some(found) = find(py, x.id()) {
        return Ok(found);
    }
    let id = x.id();
    let object = Bound::new(py, PyTensor::new(x))?;
    note(&object, id);
    Ok(object)
}

fn find(py: Python<'_>, id: u64) -> Option<Bound<'_, PyTensor>> {
    let objects = objects();
    let address = (*objects.get(&id)?) as *mut ffi::PyObject;
    // SAFETY: the object takes itself out before its memory goes, under the interpreter's lock, which this thread has. One
    // whose count is 0 is about to go (a callback of a weak reference may ask meanwhile) and must not come back.
    unsafe {
        if ffi::Py_REFCNT(address) == 0 {
            return None;
        }
        Some(Bound::from_borrowed_ptr(py, address).cast_into_unchecked())
    }
}
