//! Several cores for one kernel.
//!
//! A kernel is cut into pieces by its size alone, never by the number of threads, and pieces write to places of
//! their own: the result has the same bits on one thread and on sixty-four.

use crate::poll::{poll_for, watched};
#[cfg(feature = "threads")]
use crate::team;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
#[cfg(feature = "threads")]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Whether this process is the child of a fork.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Lets kernels use at most `n` threads; 0 means as many as the machine has cores.
///
/// Results do not depend on the number: it is a matter of speed alone. There is one team of threads, which works for one
/// kernel at a time: of several called at once from threads of yours, one has its help and the others run alone.
pub fn set_threads(n: usize) {
    LIMIT.store(n, Relaxed);
}

/// Says that this process is the child of a fork, to which the other threads did not come along. From now on every kernel
/// runs on the thread that calls it, whatever [`set_threads`] says. Results are the same.
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
    // Before anybody asks for other threads.
    if FORKED.load(Relaxed) {
        return 1;
    }
    let most = available();
    match LIMIT.load(Relaxed) {
        0 => most,
        n => n.min(most),
    }
}

/// One on a thread that helps another one: all others are at the same work.
#[cfg(feature = "threads")]
fn available() -> usize {
    if team::is_helper() { 1 } else { team::helpers() + 1 }
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
        let helpers = threads().min(jobs.len()) - 1;
        let jobs = Jobs(Mutex::new(jobs.into_iter()));
        return team::share(helpers, &|| {
            let _rest = Rest(&jobs);
            while let Some(job) = jobs.next() {
                f(job);
            }
        });
    }
    jobs.into_iter().for_each(f);
}

/// Jobs that several threads take from.
#[cfg(feature = "threads")]
struct Jobs<J>(Mutex<std::vec::IntoIter<J>>);

#[cfg(feature = "threads")]
impl<J> Jobs<J> {
    fn next(&self) -> Option<J> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// Where a job unwinds, those that nobody has begun are let go.
#[cfg(feature = "threads")]
struct Rest<'a, J>(&'a Jobs<J>);

#[cfg(feature = "threads")]
impl<J> Drop for Rest<'_, J> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            while self.0.next().is_some() {}
        }
    }
}
