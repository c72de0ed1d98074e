//! What a thread is doing while it computes: recording or not, how it multiplies, and on behalf of which line of the
//! user's program.

use crate::cut::CutKind;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A place in the user's program: file and line, and the column where it is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(Source);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Rust(&'static Location<'static>),
    /// A line of a program in another language, which calls this library through a binding.
    Foreign(&'static (String, u32)),
}

impl Place {
    /// The caller's line; while a backward pass is being recorded, the line of the op it differentiates.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Place {
        let context = CONTEXT.get();
        match context.behalf {
            Some((place, _)) => place,
            None => caller().unwrap_or(Place(Source::Rust(Location::caller()))),
        }
    }
    /// A line of a program in another language, for [`called_from`]. Each such line is kept for ever, once.
    pub fn foreign(file: &str, line: u32) -> Place {
        static KNOWN: Mutex<BTreeSet<&'static (String, u32)>> = Mutex::new(BTreeSet::new());
        let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let source = (file.to_owned(), line);
        Place(Source::Foreign(known.get(&source).copied().unwrap_or_else(|| {
            let source = Box::leak(Box::new(source));
            known.insert(source);
            source
        })))
    }
    /// The path of the source file, as the compiler was given it.
    pub fn file(&self) -> &'static str {
        match self.0 {
            Source::Rust(location) => location.file(),
            Source::Foreign((file, _)) => file,
        }
    }
    /// The line, counted from 1.
    pub fn line(&self) -> u32 {
        match self.0 {
            Source::Rust(location) => location.line(),
            Source::Foreign((_, line)) => *line,
        }
    }
    /// The column, counted from 1; none of a line in another language.
    pub fn column(&self) -> Option<u32> {
        match self.0 {
            Source::Rust(location) => Some(location.column()),
            Source::Foreign(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.line())?;
        self.column().map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy)]
struct Context {
    recording: Recording,
    products: Products,
    /// The op whose derivative is being computed, and its line: what is recorded meanwhile belongs there.
    behalf: Option<(Place, &'static str)>,
    tracing: Tracing,
    /// The first [period](begin) that has a say in whether results are recorded: those before are overruled by [`recorded`].
    recording_since: u64,
    /// The first one that has a say in products: those before are overruled by [`strict`] or [`count_strong_zeros`].
    products_since: u64,
}

/// Whether a function is being recorded to be [replayed](crate::record()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// No.
    No,
    /// Yes: whatever is computed from an input is recorded.
    Function,
    /// Yes, and an op is at work on bare numbers: what it computes in between is its own affair.
    Op,
}

#[derive(Clone, Copy, PartialEq)]
enum Recording {
    Yes,
    /// No, and results say what they were cut off from.
    Cut(CutKind),
    /// No: an intermediate step of an op or a backward pass, which nobody will ask about.
    No,
}

/// How the chain rule multiplies.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Products {
    /// With the strong zero: see [`Num::chain`](crate::num::Num::chain).
    Guarded,
    /// So, and noting where the guard made a difference.
    Counted,
    /// As IEEE 754 says.
    Strict,
}

thread_local! {
    static CONTEXT: Cell<Context> = const {
        Cell::new(Context {
            recording: Recording::Yes,
            products: Products::Guarded,
            behalf: None,
            tracing: Tracing::No,
            recording_since: 0,
            products_since: 0,
        })
    };
    /// The line that called, where it is not Rust's to know. Apart from the rest: every call from another language sets it.
    static CALLER: Cell<Option<Place>> = const { Cell::new(None) };
    static USES: RefCell<Vec<StrongZero>> = const { RefCell::new(Vec::new()) };
    static PERIODS: RefCell<Periods> = const { RefCell::new(Periods { next: 1, open: Vec::new() }) };
}

/// What began on this thread and has not ended, by age.
struct Periods {
    next: u64,
    open: Vec<(u64, Arc<Shared>)>,
}

/// What a period and its thread know of each other.
struct Shared {
    what: During,
    over: AtomicBool,
    uses: Mutex<Vec<StrongZero>>,
}

/// What is different during a [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// Nothing is recorded: see [`no_grad`].
    NoGrad,
    /// Derivatives multiply as IEEE 754 says: see [`strict`].
    Strict,
    /// Uses of the strong zero are counted: see [`count_strong_zeros`].
    Counting,
}

/// [`no_grad`], [`strict`] or [`count_strong_zeros`] from a beginning to an end, for languages that have no closures but
/// statements around a block: see [`begin`].
#[must_use = "it ends when it is dropped"]
pub struct Period(Arc<Shared>);

/// How many periods there are on all threads: while there are none, nobody need look for one.
static PERIODS_OPEN: AtomicUsize = AtomicUsize::new(0);

/// Begins a period on this thread, which ends when what is returned is dropped, wherever that is.
///
/// Periods may end in any order: during each, what it says holds. Closures have the last word within: a derivative is
/// recorded where it must be, as inside [`no_grad`]. Prefer the closures where you can.
///
/// ```
/// use femtograd::{During, Tensor, begin};
/// let x = Tensor::new(3.0);
/// let period = begin(During::NoGrad);
/// assert!(!(&x * &x).wants_grad());
/// drop(period);
/// assert!((&x * &x).wants_grad());
/// ```
pub fn begin(what: During) -> Period {
    let shared = Arc::new(Shared { what, over: AtomicBool::new(false), uses: Mutex::new(Vec::new()) });
    PERIODS.with_borrow_mut(|periods| {
        periods.open.push((periods.next, shared.clone()));
        periods.next += 1;
    });
    PERIODS_OPEN.fetch_add(1, Relaxed);
    if what != During::NoGrad {
        UNUSUAL.fetch_add(1, Relaxed);
    }
    Period(shared)
}

impl Period {
    /// Where the strong zero was used so far, if this is about [counting](During::Counting).
    pub fn strong_zeros(&self) -> Vec<StrongZero> {
        self.0.uses.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Drop for Period {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
        PERIODS_OPEN.fetch_sub(1, Relaxed);
        if self.0.what != During::NoGrad {
            UNUSUAL.fetch_sub(1, Relaxed);
        }
        // The thread it began on forgets it; if that is another one, when it looks next.
        let _ = PERIODS.try_with(|periods| {
            if let Ok(mut periods) = periods.try_borrow_mut() {
                periods.open.retain(|(_, period)| !period.over.load(Relaxed));
            }
        });
    }
}

/// The last period of this thread, not before `since`, for which `found` has something.
fn period<R>(since: u64, mut found: impl FnMut(&Shared) -> Option<R>) -> Option<R> {
    PERIODS.with_borrow(|periods| {
        let open = periods.open.iter().rev().take_while(|(number, _)| *number >= since);
        open.filter(|(_, period)| !period.over.load(Relaxed)).find_map(|(_, period)| found(period))
    })
}

/// Whether a period on this thread says that nothing is recorded.
#[inline]
fn is_held(since: u64) -> bool {
    #[cold]
    fn look(since: u64) -> bool {
        period(since, |period| (period.what == During::NoGrad).then_some(())).is_some()
    }
    PERIODS_OPEN.load(Relaxed) > 0 && look(since)
}

/// The number that the next period will have.
fn from_now() -> u64 {
    if PERIODS_OPEN.load(Relaxed) == 0 { 0 } else { PERIODS.with_borrow(|periods| periods.next) }
}

/// How many threads multiply in an unusual way or record a function: others need not look closer.
static UNUSUAL: AtomicUsize = AtomicUsize::new(0);

/// Whether ops on this thread are recorded: not inside [`no_grad`].
#[inline]
pub fn recording() -> bool {
    let context = CONTEXT.get();
    context.recording == Recording::Yes && !is_held(context.recording_since)
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
    cutting(CutKind::NoGrad, f)
}

/// Runs `f` without recording; its results say that they were cut off so.
pub(crate) fn cutting<R>(kind: CutKind, f: impl FnOnce() -> R) -> R {
    let now = CONTEXT.get();
    let recording = if now.recording == Recording::No { now.recording } else { Recording::Cut(kind) };
    within(Context { recording, ..now }, f)
}

/// Runs `f` without recording and without a trace: the inside of an op.
pub(crate) fn unrecorded<R>(f: impl FnOnce() -> R) -> R {
    within(Context { recording: Recording::No, ..CONTEXT.get() }, f)
}

/// Runs `f` recording, whatever happens around it.
pub(crate) fn recorded<R>(f: impl FnOnce() -> R) -> R {
    within(Context { recording: Recording::Yes, recording_since: from_now(), ..CONTEXT.get() }, f)
}

/// What cuts results of this thread off from their arguments, if a trace of it is to be left.
pub(crate) fn cut_kind() -> Option<CutKind> {
    let context = CONTEXT.get();
    match context.recording {
        Recording::Cut(kind) => Some(kind),
        Recording::Yes if is_held(context.recording_since) => Some(CutKind::NoGrad),
        _ => None,
    }
}

/// Whether results that are not recorded should say where they come from.
pub(crate) fn leaves_traces() -> bool {
    CONTEXT.get().recording != Recording::No
}

/// Runs `f` so that what it records belongs to `op` at `place`.
pub(crate) fn on_behalf_of<R>(place: Place, op: &'static str, f: impl FnOnce() -> R) -> R {
    within(Context { behalf: Some((place, op)), ..CONTEXT.get() }, f)
}

/// Runs `f` on behalf of a program in another language: what `f` calls takes `place` for its caller's line, and a
/// [`Mistake`](crate::Mistake) unwinds as such, for [`catch_unwind`](std::panic::catch_unwind), without a message on stderr. For bindings.
///
/// ```
/// use femtograd::{Mistake, Place, Tensor, called_from};
/// let mistake = std::panic::catch_unwind(|| {
///     called_from(Place::foreign("train.py", 7), || Tensor::new([1.0, 2.0]).reshape(&[3]))
/// });
/// let mistake = mistake.unwrap_err().downcast::<Mistake>().unwrap();
/// assert_eq!((mistake.op(), mistake.place().to_string()), ("reshape", "train.py:7".into()));
/// ```
#[inline]
pub fn called_from<R>(place: Place, f: impl FnOnce() -> R) -> R {
    struct Restore<'a>(&'a Cell<Option<Place>>, Option<Place>);
    impl Drop for Restore<'_> {
        #[inline]
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    CALLER.with(|caller| {
        let _restore = Restore(caller, caller.replace(Some(place)));
        f()
    })
}

/// The line that is calling, inside of [`called_from`]. For bindings.
///
/// ```
/// use femtograd::{Place, called_from, caller};
/// let place = Place::foreign("train.py", 7);
/// assert_eq!((called_from(place, caller), caller()), (Some(place), None));
/// ```
#[inline]
pub fn caller() -> Option<Place> {
    CALLER.get()
}

/// Runs `f` without the [strong zero](crate::num::Num::chain): derivatives computed inside multiply as IEEE 754 says,
/// so a slope that is infinite or NaN shows even where nothing depends on it.
///
/// For comparing with other libraries, and for looking behind the guard. Elementwise ops take their recorded, slower
/// way meanwhile. Only this thread is affected.
///
/// ```
/// use femtograd::{Tensor, strict, where_};
/// let x: Tensor<f64> = Tensor::new(-4.0);
/// let y = where_(x.gt(0.0), x.sqrt(), &x);
/// strict(|| y.backward());
/// assert!(x.grad().unwrap().item().is_nan());
/// ```
pub fn strict<R>(f: impl FnOnce() -> R) -> R {
    multiplying(Products::Strict, f)
}

/// Where the strong zero made a difference: a product that would have been NaN was 0.
#[derive(Clone, Debug, PartialEq)]
pub struct StrongZero {
    /// The op whose derivative it was.
    pub op: &'static str,
    /// The line that applied the op.
    pub place: Place,
    /// How many products.
    pub count: usize,
}

impl fmt::Display for StrongZero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × in {} at {}", self.count, self.op, self.place)
    }
}

/// Runs `f` and counts, for each op and line, how often the [strong zero](crate::num::Num::chain) made 0 of what would
/// have been NaN in the derivatives that `f` computes. They come out as ever.
///
/// ```
/// use femtograd::{Tensor, count_strong_zeros, where_};
/// let x = Tensor::new([-4.0, 4.0, -1.0]);
/// let y = where_(x.gt(0.0), x.sqrt(), &x).sum();
/// let ((), uses) = count_strong_zeros(|| y.backward());
/// assert_eq!((uses.len(), uses[0].op, uses[0].count), (1, "sqrt", 2));
/// ```
pub fn count_strong_zeros<R>(f: impl FnOnce() -> R) -> (R, Vec<StrongZero>) {
    struct Restore(Vec<StrongZero>);
    impl Drop for Restore {
        fn drop(&mut self) {
            USES.set(std::mem::take(&mut self.0));
        }
    }
    let restore = Restore(USES.take());
    let result = multiplying(Products::Counted, f);
    let uses = USES.take();
    drop(restore);
    // What somebody counts inside is counted outside as well.
    if products() == Products::Counted {
        uses.iter().for_each(|u| note(u.op, u.place, u.count));
    }
    (result, uses)
}

/// How the chain rule multiplies on this thread.
#[inline]
pub(crate) fn products() -> Products {
    #[cold]
    fn look() -> Products {
        let context = CONTEXT.get();
        let during = |period: &Shared| match period.what {
            During::NoGrad => None,
            During::Strict => Some(Products::Strict),
            During::Counting => Some(Products::Counted),
        };
        period(context.products_since, during).unwrap_or(context.products)
    }
    if UNUSUAL.load(Relaxed) == 0 { Products::Guarded } else { look() }
}

/// Notes that the guard made `count` zeros, for the op at work.
pub(crate) fn note_strong_zeros(count: usize) {
    if let Some((place, op)) = CONTEXT.get().behalf.filter(|_| count > 0) {
        note(op, place, count);
    }
}

fn note(op: &'static str, place: Place, count: usize) {
    let add = |uses: &mut Vec<StrongZero>| match uses.iter_mut().find(|u| (u.op, u.place) == (op, place)) {
        Some(noted) => noted.count += count,
        None => uses.push(StrongZero { op, place, count }),
    };
    let context = CONTEXT.get();
    let _: Option<()> = period(context.products_since, |period| {
        if period.what == During::Counting {
            add(&mut period.uses.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        }
        None // the others count as well
    });
    if context.products == Products::Counted {
        USES.with_borrow_mut(add);
    }
}

/// Whether this thread records a function, and is not inside an op.
#[inline]
pub(crate) fn tracing() -> bool {
    trace() == Tracing::Function
}

/// What this thread traces.
#[inline]
pub(crate) fn trace() -> Tracing {
    if UNUSUAL.load(Relaxed) == 0 { Tracing::No } else { CONTEXT.get().tracing }
}

/// Runs `f`, tracing so.
pub(crate) fn traced<R>(tracing: Tracing, f: impl FnOnce() -> R) -> R {
    unusually(Context { tracing, ..CONTEXT.get() }, f)
}

fn multiplying<R>(products: Products, f: impl FnOnce() -> R) -> R {
    let products_since = from_now();
    unusually(Context { products, products_since, ..CONTEXT.get() }, f)
}

fn unusually<R>(context: Context, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            UNUSUAL.fetch_sub(1, Relaxed);
        }
    }
    UNUSUAL.fetch_add(1, Relaxed);
    let _leave = Leave;
    within(context, f)
}

fn within<R>(context: Context, f: impl FnOnce() -> R) -> R {
    struct Restore<'a>(&'a Cell<Context>, Context);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    CONTEXT.with(|now| {
        let _restore = Restore(now, now.replace(context));
        f()
    })
}
