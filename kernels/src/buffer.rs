//! Memory for numbers: aligned to a cache line, always initialised, and used again.
//!
//! Asking the operating system for fresh memory costs more than most kernels: each new page is zeroed by the kernel
//! and faulted in. Training asks for the same sizes at every step, so a freed buffer goes to a free list of its
//! size class (four classes to each power of two, at most 25 % unused) and the next step takes it from there. The
//! list is the thread's own: no lock, no contention.

use crate::Float;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The unit of allocation: one cache line, which is also one AVX-512 register.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// `len` numbers of type `T`, aligned to 64 bytes.
pub struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

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
    /// If they do not fit into memory.
    pub fn scratch(len: usize) -> Buffer<T> {
        let bytes = len.checked_mul(size_of::<T>()).expect("a buffer that fits into memory");
        let lines = take(bytes.div_ceil(size_of::<Line>()));
        let bytes = lines.len() * size_of::<Line>();
        let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
        PEAK.fetch_max(live, Relaxed);
        Buffer { lines, len, of: PhantomData }
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
        // SAFETY: the lines hold at least `len` numbers' worth of initialised bytes, aligned to 64, and every bit
        // pattern is a number (`Float` is sealed: f32 or f64).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Float> std::ops::DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
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
        LIVE.fetch_sub(self.lines.len() * size_of::<Line>(), Relaxed);
        let lines = std::mem::take(&mut self.lines);
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

fn take(lines: usize) -> Vec<Line> {
    let (class, most) = class(lines);
    let kept = FREE.try_with(|free| free.borrow_mut().get(class)).ok().flatten();
    kept.unwrap_or_else(|| vec![Line([0; 64]); most])
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
    fn buffers_cross_threads() {
        let b = Buffer::<f32>::full(100, 2.0);
        let sum = std::thread::spawn(move || b.iter().sum::<f32>()).join().unwrap();
        assert_eq!(sum, 200.0);
    }
}
