//! Several cores for one kernel.
//!
//! A kernel is cut into pieces by its size alone, never by the number of threads, and pieces write to places of
//! their own: the result has the same bits on one thread and on sixty-four.

use crate::poll::{poll_for, watched};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Whether this process is the child of a fork.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Lets kernels use at most `n` threads; 0 means as many as the machine has cores.
///
/// Results do not depend on the number: it is a matter of speed alone. Kernels called from a thread of a rayon pool, as
/// in a parallel loop of yours, run on that thread alone.
pub fn set_threads(n: usize) {
    LIMIT.store(n, Relaxed);
}

/// Says that this process is the child of a fork, to which the threads of the pool did not come along: a kernel would wait
/// for them for ever. From now on every kernel runs on the thread that calls it, whatever [`set_threads`] says. Results
/// are the same.
///
/// To be called in the child before any kernel (`pthread_atfork`). The parent must not be in the middle of one at the
/// time of the fork.
///
/// ```
/// use femtograd_kernels::{forked, set_threads, threads};
/// forked();
/// set_threads(8);
/// assert_eq!(threads(), 1);
/// ```
pub fn forked() {
    FORKED.store(true, Relaxed);
}

/// How many threads a large kernel called here uses.
pub fn threads() -> usize {
    // Before anybody asks for the pool.
    if FORKED.load(Relaxed) {
        return 1;
    }
    let most = available();
    match LIMIT.load(Relaxed) {
        0 => most,
        n => n.min(most),
    }
}

/// On a thread of a pool, one: while such a thread waits for others it takes up other work, which would then run in
/// the middle of this, under its settings and its locks.
#[cfg(feature = "threads")]
fn available() -> usize {
    if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() }
}
#[cfg(not(feature = "threads"))]
fn available() -> usize {
    1
}

/// Runs `f` on every job, on as many threads as [`threads`] says.
///
/// Where somebody may [stop](crate::on_poll) this, in rounds of some hundredths of a second, which make no difference to the
/// results.
pub(crate) fn each<J: Send>(jobs: Vec<J>, f: impl Fn(J) + Sync + Send) {
    const SHORT: Duration = Duration::from_millis(5);
    let mut round = threads();
    if jobs.len() <= round || !watched() {
        return all(jobs, f);
    }
    let mut jobs = jobs.into_iter();
    while jobs.len() > 0 {
        let start = Instant::now();
        all(jobs.by_ref().take(round).collect(), &f);
        let took = start.elapsed();
        poll_for(took);
        if took < SHORT {
            round = round.saturating_mul(4);
        }
    }
}

fn all<J: Send>(jobs: Vec<J>, f: impl Fn(J) + Sync + Send) {
    #[cfg(feature = "threads")]
    if jobs.len() > 1 && threads() > 1 {
        use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
        let share = jobs.len().div_ceil(threads());
        return jobs.into_par_iter().with_min_len(share).for_each(f);
    }
    jobs.into_iter().for_each(f);
}
