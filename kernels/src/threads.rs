//! Several cores for one kernel.
//!
//! A kernel is cut into pieces by its size alone, never by the number of threads, and pieces write to places of
//! their own: the result has the same bits on one thread and on sixty-four.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Lets kernels use at most `n` threads; 0 means as many as the machine has cores.
///
/// Results do not depend on the number: it is a matter of speed alone.
pub fn set_threads(n: usize) {
    LIMIT.store(n, Relaxed);
}

/// How many threads a large kernel uses.
pub fn threads() -> usize {
    let most = if cfg!(feature = "threads") { available() } else { 1 };
    match LIMIT.load(Relaxed) {
        0 => most,
        n => n.min(most),
    }
}

#[cfg(feature = "threads")]
fn available() -> usize {
    rayon::current_num_threads()
}
#[cfg(not(feature = "threads"))]
fn available() -> usize {
    1
}

/// Runs `f` on every job, on several threads where there are several jobs and threads.
pub(crate) fn each<J: Send>(jobs: Vec<J>, f: impl Fn(J) + Sync + Send) {
    #[cfg(feature = "threads")]
    if jobs.len() > 1 && threads() > 1 {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        return jobs.into_par_iter().for_each(f);
    }
    jobs.into_iter().for_each(f);
}
