//! Looking up from long work.
//!
//! A program that embeds the kernels may want to stop them: an interpreter whose user has pressed a key, say. So every few
//! hundredths of a second of work, a thread calls a function of that program, which may unwind. Work is counted, not timed,
//! where that costs an addition.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

static HOOK: OnceLock<fn()> = OnceLock::new();

/// How much work is done between two looks: some 30 ms.
const EVERY: usize = if cfg!(test) { 1 << 20 } else { 1 << 28 };

/// Work done in a nanosecond: bytes passed over, roughly.
const PER_NANOSECOND: usize = 10;

thread_local! {
    /// The work since this thread last looked.
    static DONE: Cell<usize> = const { Cell::new(0) };
    /// How many [`Uninterrupted`] this thread has.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Calls `hook` from now on every few hundredths of a second of work, on the thread that called the kernel. It may unwind:
/// then the kernel's results are dropped, and everything else is as it was before. The first hook stays; without one,
/// nothing is counted.
///
/// Threads that help with a kernel do not call it. What is done in one piece is not interrupted: one pass over memory of an index
/// kernel. A long factorisation of `linalg` goes on to its end on a thread of its own, for nobody.
///
/// ```
/// use femtograd_kernels::{on_poll, poll};
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
///
/// static STOP: AtomicBool = AtomicBool::new(false);
/// on_poll(|| {
///     if STOP.load(Relaxed) {
///         std::panic::resume_unwind(Box::new("stopped"));
///     }
/// });
/// STOP.store(true, Relaxed);
/// let stopped = std::panic::catch_unwind(|| loop {
///     poll(1 << 20);
/// });
/// assert_eq!(*stopped.unwrap_err().downcast::<&str>().unwrap(), "stopped");
/// ```
pub fn on_poll(hook: fn()) {
    let _ = HOOK.set(hook);
}

/// Counts work that this thread has done, as many units as it takes tenths of a nanosecond, and calls the hook of
/// [`on_poll`] when it is time. For loops that call no kernel with arrays; those count for themselves.
///
/// # Panics
/// If the hook does.
#[inline]
pub fn poll(work: usize) {
    if let Some(hook) = HOOK.get() {
        let done = DONE.get().saturating_add(work);
        DONE.set(done);
        if done >= EVERY {
            look(hook);
        }
    }
}

#[cold]
fn look(hook: &fn()) {
    // A second unwinding would end the process.
    if HELD.get() == 0 && !is_helper() && !std::thread::panicking() {
        DONE.set(0);
        hook();
    }
}

/// Until it is dropped, this thread does not call the hook of [`on_poll`].
#[must_use]
pub struct Uninterrupted(PhantomData<*const ()>); // of this thread

/// Keeps this thread from calling the hook of [`on_poll`] as long as the result lives: what is changed meanwhile is changed
/// as a whole. The next [`poll`] after it makes up for it.
///
/// ```
/// use femtograd_kernels::{poll, uninterrupted};
/// let whole = uninterrupted();
/// poll(usize::MAX); // no hook would be called
/// drop(whole);
/// ```
#[inline]
pub fn uninterrupted() -> Uninterrupted {
    HELD.set(HELD.get() + 1);
    Uninterrupted(PhantomData)
}

impl Drop for Uninterrupted {
    #[inline]
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// Whether long work should be cut, since somebody may stop it between two pieces.
pub(crate) fn watched() -> bool {
    HOOK.get().is_some() && HELD.get() == 0 && !is_helper()
}

/// Counts work by the time that it took.
pub(crate) fn poll_for(time: Duration) {
    poll((time.as_nanos() as usize).saturating_mul(PER_NANOSECOND));
}

/// Whether this thread works for somebody else, who is not to be interrupted from here.
fn is_helper() -> bool {
    #[cfg(feature = "threads")]
    let helper = crate::team::is_helper();
    #[cfg(not(feature = "threads"))]
    let helper = false;
    helper
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Array, Convolution, Indices, Scores, affine, argsort, attention, attention_back, convolve,
        convolve_back, cumsum, matmul, matmul_to, sum,
    };
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    thread_local! {
        static CALLS: Cell<usize> = const { Cell::new(0) };
        /// At which of the calls to unwind.
        static LAST: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    fn hook() {
        CALLS.set(CALLS.get() + 1);
        if CALLS.get() == LAST.get() {
            resume_unwind(Box::new("stopped"));
        }
    }

    /// How often the hook is called.
    fn calls<R>(f: impl FnOnce() -> R) -> (R, usize) {
        on_poll(hook);
        CALLS.set(0);
        let result = f();
        (result, CALLS.get())
    }

    /// Stops `f` when the hook is called for the `n`th time.
    fn stop<R>(n: usize, f: impl FnOnce() -> R) {
        on_poll(hook);
        CALLS.set(0);
        LAST.set(n);
        let stopped = catch_unwind(AssertUnwindSafe(f)).err().expect("stopped");
        LAST.set(usize::MAX);
        assert_eq!(stopped.downcast_ref(), Some(&"stopped"));
    }

    fn numbers(shape: &[usize], seed: usize) -> Array<f32> {
        Array::from_fn(shape, |i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.0 - 1.0)
    }

    #[test]
    fn work_adds_up_to_a_call() {
        let ((), n) = calls(|| (0..8 * 16).for_each(|_| poll(EVERY / 16)));
        assert!((7..=9).contains(&n), "{n} calls");
        stop(2, || {
            loop {
                poll(EVERY / 3);
            }
        });
        let ((), n) = calls(|| {
            let whole = uninterrupted();
            let more = uninterrupted();
            drop(more);
            poll(usize::MAX);
            drop(whole);
        });
        assert_eq!(n, 0);
        assert_eq!(calls(|| poll(0)).1, 1, "what was put off");
    }

    #[test]
    #[cfg_attr(miri, ignore)] // too long
    fn a_chain_of_kernels_is_stopped() {
        let add = |mut x: Array<f32>| {
            for _ in 0..10_000 {
                x = x.broadcast_to(&[2, 3]).unwrap() + Array::ones(&[3]);
            }
            x
        };
        let x = numbers(&[3], 1);
        stop(3, || add(x.clone()));
        assert_eq!(add(x.clone()).at(&[1, 1]), (0..10_000).fold(x.at(&[1]), |v, _| v + 1.0));
    }

    #[test]
    #[cfg(feature = "threads")]
    fn helpers_do_not_call() {
        use crate::team::{helpers, share};
        use std::time::Instant;
        let seen = std::sync::Mutex::new([0; 2]);
        on_poll(hook);
        // The team may be busy, and a helper may come late: on a loaded machine, very late.
        let (begun, late) = (Instant::now(), Duration::from_secs(60));
        let mut rounds = 0;
        let nobody_came = || helpers() > 0 && seen.lock().unwrap()[1] == 0;
        while rounds < 1000 || nobody_came() && begun.elapsed() < late {
            share(1, &|| {
                let n = calls(|| poll(usize::MAX)).1;
                assert_eq!(n, usize::from(!is_helper()));
                seen.lock().unwrap()[usize::from(is_helper())] += 1;
                std::thread::yield_now();
            });
            rounds += 1;
        }
        let [own, others] = *seen.lock().unwrap();
        assert!(own == rounds && (others > 0 || helpers() == 0), "{own} calls here and {others} on helpers");
    }

    /// Runs `f` without cuts and with them, which is the same, stops it, and runs it again.
    #[track_caller]
    fn stoppable(what: &str, f: impl Fn() -> Vec<f32>) {
        let bits = || f().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let whole = uninterrupted();
        let want = bits();
        drop(whole);
        poll(usize::MAX);
        let (got, n) = calls(bits);
        assert!(got == want, "{what}: other bits");
        assert!(n >= 2, "{what}: {n} calls");
        for last in [1, 2] {
            stop(last, bits);
            assert!(bits() == want, "{what}: other bits after it was stopped");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)] // too long
    fn products_in_pieces_have_the_same_bits() {
        for (m, k, n) in
            [(600, 300, 700), (2000, 40, 1000), (1500, 300, 48), (30, 700, 2000), (257, 1024, 513)]
        {
            let turned = |x: Array<f32>| x.permute(&[1, 0]).unwrap();
            let (a, b, bias) = (numbers(&[m, k], 1), numbers(&[k, n], 2), numbers(&[n], 3));
            let (at, bt) = (turned(numbers(&[k, m], 4)), turned(numbers(&[n, k], 5)));
            for (a, b) in [(&a, &b), (&at, &b), (&a, &bt), (&at, &bt)] {
                let sum = numbers(&[m, n], 6);
                stoppable(&format!("{m}×{k}×{n}"), || matmul(a, b).unwrap().to_vec());
                stoppable("bias", || affine(a, b, &bias).unwrap().to_vec());
                stoppable("sum", || matmul_to(Some(sum.clone()), a, b, &[m, n]).unwrap().to_vec());
                assert_eq!(sum, numbers(&[m, n], 6), "what others hold is as it was");
            }
        }
        let (a, b) = (numbers(&[3, 400, 300], 1), numbers(&[300, 400], 2));
        stoppable("batch", || matmul(&a, &b).unwrap().to_vec());
    }

    #[test]
    #[cfg_attr(miri, ignore)] // too long
    fn other_long_kernels_are_stopped() {
        let x = numbers(&[1 << 21], 1);
        stoppable("map", || (x.clone() * x.clone()).to_vec());
        stoppable("sum", || sum(&x.broadcast_to(&[8, 1 << 21]).unwrap(), &[0, 1]).unwrap().to_vec());
        stoppable("from_fn", || Array::from_fn(&[1 << 18], |i| i as f32).to_vec());
        stoppable("cumsum", || cumsum(&x.reshape(&[1 << 11, 1 << 10]).unwrap(), 1, true).unwrap().to_vec());
        let places = |order: Indices| order.as_slice().iter().map(|&i| i as f32).collect::<Vec<_>>();
        stoppable("argsort", || places(argsort(&x, 0, x.len(), true).unwrap()));
        let rows = x.reshape(&[1 << 12, 1 << 9]).unwrap();
        stoppable("argsort of rows", || places(argsort(&rows, 1, 3, true).unwrap()));
        stoppable("softmax", || crate::softmax(&rows).to_vec());

        let how = Convolution { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
        for n in [1, 40] {
            let (x, w) = (numbers(&[n, 16, 60, 60], 1), numbers(&[24, 16, 3, 3], 2));
            let g = numbers(&[n, 24, 60, 60], 3);
            stoppable("convolve", || convolve(&x, &w, None, &how).to_vec());
            stoppable("convolve back", || {
                let [gx, gw] = convolve_back(&x, &w, &g, &how, [true; 2]);
                [gx.unwrap().to_vec(), gw.unwrap().to_vec()].concat()
            });
        }
        for heads in [1, 8] {
            let [q, k, v, g] = [1, 2, 3, 4].map(|seed| numbers(&[heads, 600, 32], seed));
            let scores = Scores { scale: 0.2, bias: None, mask: None, causal: true };
            stoppable("attention", || attention(&q, &k, &v, scores).unwrap().to_vec());
            stoppable("attention back", || {
                attention_back(&q, &k, &v, &g, scores).unwrap().map(|dx| dx.to_vec()).concat()
            });
        }
    }

    #[test]
    #[cfg(feature = "linalg")]
    #[cfg_attr(miri, ignore)] // nalgebra's own code
    fn batches_of_systems_are_stopped() {
        let a = numbers(&[200, 20, 20], 1) + Array::eye(20) * Array::scalar(30.0);
        let b = numbers(&[20, 20], 2);
        let square = matmul(&a, &a.permute(&[0, 2, 1]).unwrap()).unwrap();
        stoppable("solve", || crate::solve(&a, &b).unwrap().to_vec());
        stoppable("triangle", || crate::solve_triangular(&a, &b, crate::Triangle::Lower).unwrap().to_vec());
        stoppable("cholesky", || crate::cholesky(&square).unwrap().to_vec());
        stoppable("slogdet", || crate::slogdet(&a).unwrap().to_vec());
    }

    #[test]
    #[cfg(all(feature = "linalg", feature = "threads"))]
    #[cfg_attr(miri, ignore)] // nalgebra's own code
    fn a_large_system_is_stopped_amid_its_factorisation() {
        let a = numbers(&[1000, 1000], 1) + Array::eye(1000) * Array::scalar(1000.0);
        let (x, n) = calls(|| crate::solve(&a, &a).unwrap());
        assert!(n > 3, "{n} calls"); // two of which come before the factorisation and before the solution
        assert!((x.at(&[7, 7]) - 1.0).abs() < 1e-3 && x.at(&[7, 8]).abs() < 1e-3);
        stop(2, || crate::solve(&a, &a));
    }
}
