//! The line of the Python program that calls.

use crate::objects::Ids;
use femtograd::Place;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

/// What is remembered at most: programs that compile code in a loop would fill the memory.
const MOST: usize = 1 << 16;

/// A place in compiled code: whose line it is, or none where it belongs to this package, which calls for somebody.
#[derive(Clone, Copy)]
enum Line {
    Users(Place),
    Ours,
}

type Lines = HashMap<(usize, i32), (Line, Py<PyAny>), BuildHasherDefault<Ids>>;

thread_local! {
    /// By code object and offset in it. The object is held, so that no other one comes to lie at its address.
    static LINES: RefCell<Lines> = const { RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())) };
}

/// An attribute of frames.
struct Attribute {
    name: &'static CStr,
    /// The function behind it: to call it spares the search for it.
    getter: PyOnceLock<Option<ffi::getter>>,
}

static OFFSET: Attribute = Attribute { name: c"f_lasti", getter: PyOnceLock::new() };
static BACK: Attribute = Attribute { name: c"f_back", getter: PyOnceLock::new() };

impl Attribute {
    #[inline]
    fn of<'py>(&self, frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.getter.get_or_init(frame.py(), || self.find(&frame.get_type())) {
            // SAFETY: a getter of the frame's own type, which asks for no closure; it returns a new reference, or null.
            Some(getter) => unsafe {
                Bound::from_owned_ptr_or_err(frame.py(), getter(frame.as_ptr(), std::ptr::null_mut()))
            },
            None => frame.getattr(self.name),
        }
    }

    /// The function that reads it, if there is one that asks for no closure.
    fn find(&self, of: &Bound<'_, PyType>) -> Option<ffi::getter> {
        // SAFETY: the slot is null or holds definitions, of which the last one has no name.
        unsafe {
            let mut next =
                ffi::PyType_GetSlot(of.as_type_ptr(), ffi::Py_tp_getset).cast::<ffi::PyGetSetDef>();
            while !next.is_null() && !(*next).name.is_null() {
                if CStr::from_ptr((*next).name) == self.name {
                    return (*next).get.filter(|_| (*next).closure.is_null());
                }
                next = next.add(1);
            }
        }
        None
    }
}

/// The line of the innermost frame that is not this package's own.
pub fn here(py: Python<'_>) -> Place {
    // SAFETY: attached to the interpreter; the frame is borrowed from this thread, which is running in it.
    let mut next = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    while let Some(frame) = next {
        match line(py, &frame) {
            Ok(Line::Users(place)) => return place,
            Ok(Line::Ours) => next = BACK.of(&frame).ok().filter(|back| !back.is_none()),
            Err(_) => break,
        }
    }
    nowhere()
}

/// The line where none is known, or where it is not worth looking for.
pub fn nowhere() -> Place {
    static NOWHERE: LazyLock<Place> = LazyLock::new(|| Place::foreign("<unknown>", 0));
    *NOWHERE
}

#[inline]
fn line<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> PyResult<Line> {
    // SAFETY: a frame has a code object, of which this is a new reference.
    let code = unsafe {
        Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(frame.as_ptr().cast()).cast::<ffi::PyObject>())
    };
    // SAFETY: an object; of one that is no number -1 comes, and an exception.
    let offset = unsafe { ffi::PyLong_AsLong(OFFSET.of(frame)?.as_ptr()) } as i32;
    if offset < 0
        && let Some(error) = PyErr::take(py)
    {
        return Err(error);
    }
    let key = (code.as_ptr() as usize, offset);
    if let Some(line) = LINES.with_borrow(|lines| lines.get(&key).map(|(line, _)| *line)) {
        return Ok(line);
    }
    find(frame, key, code)
}

/// [`line`] where it is not remembered.
#[cold]
fn find<'py>(frame: &Bound<'py, PyAny>, key: (usize, i32), code: Bound<'py, PyAny>) -> PyResult<Line> {
    let module = frame.getattr("f_globals")?.get_item("__name__").and_then(|name| name.extract::<String>());
    let ours = module.is_ok_and(|name| name == "femtograd" || name.starts_with("femtograd."));
    let line = if ours {
        Line::Ours
    } else {
        let file = code.getattr("co_filename")?.cast_into::<PyString>()?;
        // SAFETY: the frame is this thread's, and attached.
        let number = unsafe { ffi::PyFrame_GetLineNumber(frame.as_ptr().cast()) };
        Line::Users(Place::foreign(&file.to_cow()?, number.max(0) as u32))
    };
    // Let go of outside of the borrow: whatever goes may run code.
    let _old = LINES.with_borrow_mut(|lines| {
        let old = if lines.len() >= MOST { std::mem::take(lines) } else { Lines::default() };
        lines.insert(key, (line, code.unbind()));
        old
    });
    Ok(line)
}
