//! Memory for numbers: aligned to a cache line, always initialised, and used again.
//!
//! Asking the operating system for fresh memory costs more than most kernels: each new page is zeroed by the kernel
//! and faulted in. Training asks for the same sizes at every step, so a freed buffer goes to a free list of its
//! size class (four classes to each power of two, at most 25 % unused) and the next step takes it from there. The
//! list is the thread's own: no lock, no contention.
//!
//! Memory that there is not is a panic, never the end of the process: see [`NO_MEMORY`].
//!
//! A buffer may also borrow memory that somebody else owns. It is then read only, and none of the above is true of it
//! but that it is initialised.

use crate::{Float, poll};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How the message of a panic begins that says that memory is short, or that a shape has more elements than can be counted:
/// a buffer or a list as long as the arguments want it cannot be had. Nothing is harmed, and less may still fit.
///
/// ```
/// use femtograd_kernels::{Array, NO_MEMORY};
/// for shape in [[1 << 60], [usize::MAX]] {
///     let panic = std::panic::catch_unwind(|| Array::<f64>::zeros(&shape)).unwrap_err();
///     assert!(panic.downcast_ref::<String>().unwrap().starts_with(NO_MEMORY));
/// }
/// ```
pub const NO_MEMORY: &str = "no memory for ";

/// An empty vector with room for `n` values, as many as a user wants: where there is no memory for them, this panics,
/// and `Vec::with_capacity` would end the process.
///
/// ```
/// use femtograd_kernels::room;
/// let mut list = room(3);
/// list.extend(0..3);
/// assert_eq!(list, [0, 1, 2]);
/// assert!(std::panic::catch_unwind(|| room::<usize>(1 << 59)).is_err());
/// ```
///
/// # Panics
/// With [`NO_MEMORY`].
pub fn room<V>(n: usize) -> Vec<V> {
    let mut values = Vec::new();
    if values.try_reserve_exact(n).is_err() {
        panic!("{NO_MEMORY}a list of {n} values of {} bytes", size_of::<V>());
    }
    values
}

/// The unit of allocation: one cache line, which is also one AVX-512 register.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// `len` numbers of type `T`, aligned to 64 bytes, or [borrowed](Buffer::borrowed) from elsewhere.
pub struct Buffer<T> {
    /// The first number, in the memory that `memory` keeps: reading has no need to ask whose it is.
    start: NonNull<T>,
    len: usize,
    memory: Memory,
}

/// Whose memory it is.
enum Memory {
    Own(Vec<Line>),
    /// Kept alive by this, which nobody looks at before it is dropped: no panic can leave it half changed.
    Foreign(#[allow(dead_code)] AssertUnwindSafe<Box<dyn Any + Send + Sync>>),
}

// SAFETY: the numbers are the buffer's own, or are read only for as long as it lives; their owner crosses threads too.
unsafe impl<T: Send + Sync> Send for Buffer<T> {}
// SAFETY: as above; a shared buffer is only read.
unsafe impl<T: Sync> Sync for Buffer<T> {}

/// One number, as the bits of a whole word: either this or a pointer fits into two registers, where a floating-point number or a
/// pointer would be written to memory and read again in larger pieces, which the processor has to wait for.
#[derive(Clone, Copy)]
pub(crate) struct Word<T> {
    bits: u64,
    of: PhantomData<T>,
}

impl<T: Float> Word<T> {
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Word<T> {
        let mut bits = 0u64;
        // SAFETY: a word has the size and the alignment for a number (`Float` is sealed: f32 or f64).
        unsafe { (&raw mut bits).cast::<T>().write(value) };
        Word { bits, of: PhantomData }
    }
}

impl<T: Float> std::ops::Deref for Word<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: as in `new`, which wrote a number there; every bit pattern is one.
        unsafe { &*(&raw const self.bits).cast() }
    }
}

impl<T: Float> std::ops::DerefMut for Word<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { &mut *(&raw mut self.bits).cast() }
    }
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Bytes held by buffers in use, all threads together; what waits in free lists is not counted.
pub fn live_bytes() -> usize {
    LIVE.load(Relaxed)
}

/// The most bytes that were in use at once since the program began or since [`reset_peak`].
pub fn peak_bytes() -> usize {
    PEAK.load(Relaxed)
}

/// Starts a new measurement of [`peak_bytes`] from what is in use now.
pub fn reset_peak() {
    PEAK.store(live_bytes(), Relaxed);
}

/// Gives this thread's free list back to the system.
pub fn trim() {
    let _ = FREE.try_with(|free| *free.borrow_mut() = FreeList::new());
}

impl<T: Float> Buffer<T> {
    /// A buffer of `len` numbers of unspecified (but initialised) value, for a kernel that writes them all.
    ///
    /// # Panics
    /// If there is no memory for them, with [`NO_MEMORY`].
    pub fn scratch(len: usize) -> Buffer<T> {
        const CALL: usize = 1 << 10; // what it takes to come here
        poll(len.saturating_mul(size_of::<T>()).saturating_add(CALL));
        let bytes = len.checked_mul(size_of::<T>());
        let Some(mut lines) = bytes.and_then(|bytes| take(bytes.div_ceil(size_of::<Line>()))) else {
            panic!("{NO_MEMORY}a buffer of {} bytes", len as u128 * size_of::<T>() as u128)
        };
        let bytes = lines.len() * size_of::<Line>();
        let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
        PEAK.fetch_max(live, Relaxed);
        let start = NonNull::new(lines.as_mut_ptr().cast()).expect("a vector's pointer");
        Buffer { start, len, memory: Memory::Own(lines) }
    }

    /// The `len` numbers from `start` on, in memory that belongs to `owner`, which is dropped with the buffer: an array of
    /// another library without a copy. Arrays over it are copied before they are written. It is not counted in
    /// [`live_bytes`].
    ///
    /// ```
    /// use femtograd_kernels::{Array, Buffer};
    /// let numbers = vec![1.0, 2.0, 3.0];
    /// // SAFETY: the numbers are the vector's, which keeps them where they are and does not write to them.
    /// let buffer = unsafe { Buffer::borrowed(numbers.as_ptr(), numbers.len(), Box::new(numbers)) };
    /// let mut x = Array::from_buffer(buffer, &[3]);
    /// assert!(x.as_own_slice().is_none());
    /// x.as_mut_slice()[0] = 4.0; // a copy
    /// assert_eq!(x.to_string(), "[4, 2, 3]");
    /// ```
    ///
    /// # Safety
    /// As long as `owner` lives, `len` initialised numbers lie at `start`, which is not null and is aligned for them (also
    /// if there are none), and nobody writes to them. Moving the owner leaves them where they are and lays no claim to them:
    /// a `Vec` or an `Arc` may be one, a `Box` of the numbers may not, since who moves it says that nobody else has them.
    pub unsafe fn borrowed(start: *const T, len: usize, owner: Box<dyn Any + Send + Sync>) -> Buffer<T> {
        let start = NonNull::new(start.cast_mut()).expect("numbers that lie somewhere");
        debug_assert!(start.is_aligned(), "numbers that are aligned");
        Buffer { start, len, memory: Memory::Foreign(AssertUnwindSafe(owner)) }
    }

    /// Whether the memory is the buffer's own, to be written.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.memory, Memory::Own(_))
    }

    /// A buffer of `len` times `value`.
    pub fn full(len: usize, value: T) -> Buffer<T> {
        let mut buffer = Buffer::scratch(len);
        buffer.fill(value);
        buffer
    }
}

impl<T: Float> std::ops::Deref for Buffer<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: own lines hold at least `len` numbers' worth of initialised bytes, aligned to 64, and every bit
        // pattern is a number (`Float` is sealed: f32 or f64); they do not move, since nobody touches the vector. Of
        // foreign memory whoever lent it said so.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

/// Panics if the numbers are borrowed.
impl<T: Float> std::ops::DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        assert!(self.is_own(), "a buffer: borrowed numbers are not written");
        // SAFETY: as in `deref`, and the memory is the buffer's own; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Float> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Buffer<T> {
        let mut buffer = Buffer::scratch(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<T: Float> Clone for Buffer<T> {
    fn clone(&self) -> Buffer<T> {
        Buffer::from(&**self)
    }
}

impl<T: Float> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        let Memory::Own(lines) = &mut self.memory else { return };
        LIVE.fetch_sub(lines.len() * size_of::<Line>(), Relaxed);
        let lines = std::mem::take(lines);
        // While a thread ends its free list may be gone already: then the memory goes back to the system.
        let _ = FREE.try_with(|free| free.borrow_mut().put(lines));
    }
}

/// What a thread keeps at most. Beyond it, freed memory goes back to the system.
const KEEP: usize = 512 << 20;

struct FreeList {
    classes: Vec<Vec<Vec<Line>>>,
    bytes: usize,
}

thread_local! {
    static FREE: RefCell<FreeList> = const { RefCell::new(FreeList::new()) };
}

/// The class of a size in lines, and the largest size in that class: 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, …
fn class(lines: usize) -> (usize, usize) {
    if lines <= 4 {
        return (lines, lines);
    }
    let shift = (lines - 1).ilog2() as usize - 2;
    let steps = ((lines - 1) >> shift) + 1; // 5 to 8 quarters of the power of two below
    (4 * shift + steps, steps << shift)
}

/// Memory of as many lines, if there is any.
fn take(lines: usize) -> Option<Vec<Line>> {
    let (class, most) = class(lines);
    let kept = FREE.try_with(|free| free.borrow_mut().get(class)).ok().flatten();
    kept.or_else(|| {
        let mut fresh = Vec::new();
        if fresh.try_reserve_exact(most).is_err() {
            trim(); // what this thread keeps may be enough
            fresh.try_reserve_exact(most).ok()?;
        }
        fresh.resize(most, Line([0; 64]));
        Some(fresh)
    })
}

impl FreeList {
    const fn new() -> FreeList {
        FreeList { classes: Vec::new(), bytes: 0 }
    }
    fn get(&mut self, class: usize) -> Option<Vec<Line>> {
        let lines = self.classes.get_mut(class)?.pop()?;
        self.bytes -= lines.len() * size_of::<Line>();
        Some(lines)
    }
    fn put(&mut self, lines: Vec<Line>) {
        let bytes = lines.len() * size_of::<Line>();
        if lines.is_empty() || self.bytes + bytes > KEEP {
            return;
        }
        let (class, _) = class(lines.len());
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, Vec::new);
        }
        self.classes[class].push(lines);
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_buffer_is_used_again() {
        let a = Buffer::<f32>::full(1000, 7.0);
        let place = a.as_ptr();
        drop(a);
        let b = Buffer::<f32>::scratch(990); // another length of the same class
        assert_eq!(b.as_ptr(), place);
        assert_eq!(b.len(), 990);
    }

    #[test]
    fn classes_hold_what_they_say_and_waste_a_quarter_at_most() {
        let mut last = (0, 0);
        for lines in 1..10_000 {
            let (class, most) = class(lines);
            assert!(most >= lines && most * 4 <= lines * 5 + 3, "{lines} lines in a class of {most}");
            assert!(
                (class, most) == last || (class > last.0 && most > last.1),
                "{lines}: {class} after {last:?}"
            );
            assert_eq!(super::class(most), (class, most));
            last = (class, most);
        }
    }

    #[test]
    fn buffers_are_aligned_and_empty_ones_are_fine() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let b = Buffer::<f64>::full(len, 1.0);
            assert_eq!(b.as_ptr() as usize % 64, 0);
            assert_eq!(b.iter().sum::<f64>(), len as f64);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)] // which ends where memory does
    fn memory_that_there_is_not_is_a_panic_and_costs_nothing() {
        let said = |f: fn()| {
            let panic = std::panic::catch_unwind(f).unwrap_err();
            panic.downcast_ref::<String>().unwrap().clone()
        };
        let want = "no memory for a buffer of 9223372036854775808 bytes";
        assert_eq!(said(|| drop(Buffer::<f64>::scratch(1 << 60))), want);
        let want = "no memory for a buffer of 147573952589676412920 bytes";
        assert_eq!(said(|| drop(Buffer::<f64>::scratch(usize::MAX))), want);
        assert!(said(|| drop(Buffer::<f32>::full(usize::MAX / 4, 1.0))).starts_with(NO_MEMORY));
        assert!(said(|| drop(room::<u8>(usize::MAX))).starts_with(NO_MEMORY));
        let live = |n: usize| n >= 1 << 50;
        assert!(!live(live_bytes()) && !live(peak_bytes()), "not counted");
    }

    /// Says when it is dropped.
    struct Lender(Vec<f64>, std::sync::mpsc::Sender<()>);
    impl Drop for Lender {
        fn drop(&mut self) {
            self.1.send(()).unwrap();
        }
    }

    /// The numbers, borrowed, and what hears of it when they are given back.
    fn lent(numbers: &[f64]) -> (Buffer<f64>, std::sync::mpsc::Receiver<()>) {
        let (tell, told) = std::sync::mpsc::channel();
        let lender = Lender(numbers.into(), tell);
        // SAFETY: a vector's numbers, which its owner keeps where they are and nobody writes to.
        (unsafe { Buffer::borrowed(lender.0.as_ptr(), lender.0.len(), Box::new(lender)) }, told)
    }

    #[test]
    fn borrowed_numbers_are_read_and_given_back() {
        for numbers in [&[][..], &[1.0], &[1.0, 2.0, 3.0]] {
            let (b, back) = lent(numbers);
            let place = b.as_ptr();
            assert_eq!(*b, *numbers);
            let copy = b.clone();
            assert!(copy.is_own() && copy.as_ptr() != place && *copy == *numbers);
            assert!(back.try_recv().is_err());
            std::thread::spawn(move || drop(b)).join().unwrap();
            back.try_recv().unwrap();
            let next = Buffer::<f64>::scratch(numbers.len());
            assert_ne!(next.as_ptr(), place, "foreign memory is on no free list");
        }
    }

    #[test]
    fn borrowed_numbers_are_not_written() {
        let (mut b, back) = lent(&[1.0, 2.0]);
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| b.fill(0.0)));
        assert!(written.is_err() && *b == [1.0, 2.0]);
        let mut x = crate::Array::from_buffer(b, &[2]);
        assert!(x.as_own_slice().is_none());
        x.as_mut_slice()[0] = 5.0;
        assert_eq!(x.to_vec(), [5.0, 2.0]);
        back.try_recv().expect("the copy holds it no longer");
        assert!(x.as_own_slice().is_some());
    }

    #[test]
    fn buffers_cross_threads() {
        let b = Buffer::<f32>::full(100, 2.0);
        let sum = std::thread::spawn(move || b.iter().sum::<f32>()).join().unwrap();
        assert_eq!(sum, 200.0);
    }
}
