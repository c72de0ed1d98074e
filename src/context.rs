//! What a thread is doing while it computes: recording or not, and on behalf of which line of the user's program.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

/// A place in the user's program: file, line and column.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(&'static Location<'static>);

impl Place {
    /// The caller's line; while a backward pass is being recorded, the line of the op it differentiates.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Place {
        CONTEXT.get().place.unwrap_or(Place(Location::caller()))
    }
    /// The path of the source file, as the compiler was given it.
    pub fn file(&self) -> &'static str {
        self.0.file()
    }
    /// The line, counted from 1.
    pub fn line(&self) -> u32 {
        self.0.line()
    }
    /// The column, counted from 1.
    pub fn column(&self) -> u32 {
        self.0.column()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy)]
struct Context {
    recording: bool,
    place: Option<Place>,
}

thread_local! {
    static CONTEXT: Cell<Context> = const { Cell::new(Context { recording: true, place: None }) };
}

/// Whether ops on this thread are recorded: not inside [`no_grad`].
#[inline]
pub fn recording() -> bool {
    CONTEXT.get().recording
}

/// Runs `f` without recording: what it computes are constants.
///
/// For the arithmetic around training: updates, accuracies, predictions. Only this thread is affected, and a panic
/// inside leaves recording as it was.
///
/// ```
/// use femtograd::{Tensor, no_grad};
/// let x = Tensor::new(3.0);
/// let y = no_grad(|| &x * &x);
/// assert!(!y.wants_grad() && y.parents().is_empty());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    within(Context { recording: false, ..CONTEXT.get() }, f)
}

/// Runs `f` so that what it records belongs to `place`.
pub(crate) fn on_behalf_of<R>(place: Place, f: impl FnOnce() -> R) -> R {
    within(Context { place: Some(place), ..CONTEXT.get() }, f)
}

fn within<R>(context: Context, f: impl FnOnce() -> R) -> R {
    struct Restore(Context);
    impl Drop for Restore {
        fn drop(&mut self) {
            CONTEXT.set(self.0);
        }
    }
    let _restore = Restore(CONTEXT.replace(context));
    f()
}
