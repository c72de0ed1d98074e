//! A team of threads: what one thread has to do for many, all of them do.
//!
//! Whoever has work hands it out, does it too, and waits until nobody is at it any more. So a helper that comes late costs
//! nothing but its help, and handing out costs a microsecond as long as the others are awake: they look for more work for
//! a while before they sleep. The team works for one thread at a time; another one that comes meanwhile works alone.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a helper looks for more work before it sleeps: longer than most kernels are apart, and far less than anybody
/// would notice.
const AWAKE: Duration = Duration::from_micros(100);

/// How often a thread looks for what another one is about to do, before it lets others run on its core.
const LOOKS: usize = 1 << 12;

/// A place at the work, in [`Team::state`], whose lower half counts those at it.
const PLACE: usize = 1 << (usize::BITS / 2);

/// Threads that help, and what they are at.
struct Team {
    /// Whether it works for somebody.
    taken: AtomicBool,
    /// How many more helpers may come to the work, in [`PLACE`]s, and how many are at it.
    state: AtomicUsize,
    /// Written by who has taken the team, while `state` is 0; read by who has come to the work.
    work: UnsafeCell<Option<*const (dyn Fn() + Sync)>>,
    /// What unwound from the work of a helper.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// How many helpers sleep, or are about to.
    asleep: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
    /// Whether helpers should go home.
    closed: AtomicBool,
}

// SAFETY: `work` is written by the thread that has set `taken`, while no helper can come to it. A helper reads it after it
// has taken a place, which it can only after the write (release, acquire) and which keeps `work` as it is until it leaves.
unsafe impl Sync for Team {}

thread_local! {
    /// Whether this thread is one of the helpers.
    static HELPER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread works for another one.
pub fn is_helper() -> bool {
    HELPER.get()
}

/// How many helpers there are: with the thread that has work, as many as there are cores.
pub fn helpers() -> usize {
    *members().1
}

/// Calls `work` here and on at most `most` helpers at once, which share what there is to do among them; returns when all
/// have returned.
///
/// # Panics
/// If `work` does on any of them.
pub fn share(most: usize, work: &(dyn Fn() + Sync)) {
    members().0.share(most, work);
}

/// The one team of this process, with its helpers, who come when it is first asked for.
fn members() -> (&'static Team, &'static usize) {
    static TEAM: Team = Team::new();
    static HELPERS: OnceLock<usize> = OnceLock::new();
    let helpers = HELPERS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let start = |i: &usize| {
            let helper = std::thread::Builder::new().name(format!("femtograd-{i}"));
            helper.spawn(|| TEAM.help()).is_ok()
        };
        (1..cores).take_while(start).count()
    });
    (&TEAM, helpers)
}

impl Team {
    const fn new() -> Team {
        Team {
            taken: AtomicBool::new(false),
            state: AtomicUsize::new(0),
            work: UnsafeCell::new(None),
            panic: Mutex::new(None),
            asleep: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
            closed: AtomicBool::new(false),
        }
    }

    fn share(&self, most: usize, work: &(dyn Fn() + Sync)) {
        if self.taken.swap(true, Acquire) {
            return work();
        }
        /// Lets nobody come to the work any more and waits until all have left it; also where it unwinds.
        struct Finish<'a>(&'a Team);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                self.0.state.fetch_and(PLACE - 1, Relaxed);
                look_until(|| self.0.state.load(Acquire) == 0);
                self.0.taken.store(false, Release);
            }
        }
        *lock(&self.panic) = None;
        // SAFETY: the team is taken and nobody is at its work, so nobody else looks at it. The lifetime ends with `Finish`,
        // after which nobody can come to it.
        unsafe {
            *self.work.get() = Some(std::mem::transmute::<
                *const (dyn Fn() + Sync + '_),
                *const (dyn Fn() + Sync + 'static),
            >(work));
        }
        // In one order with what a helper does that is about to sleep: either it sees the places, or it is seen here.
        self.state.store(most * PLACE, SeqCst);
        if self.asleep.load(SeqCst) > 0 {
            let _bed = lock(&self.bed);
            self.bell.notify_all();
        }
        let finish = Finish(self);
        work();
        drop(finish);
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    /// What a helper does all its life.
    fn help(&self) {
        HELPER.set(true);
        while self.wait() {
            let come = |state| (state >= PLACE).then(|| state - PLACE + 1);
            if self.state.fetch_update(Acquire, Relaxed, come).is_err() {
                continue; // others were faster
            }
            // SAFETY: written before the place was there, and nobody writes it, or lets go of what it points to, before
            // this helper has left.
            let work = unsafe { &*(*self.work.get()).expect("there is work where there are places") };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                *lock(&self.panic) = Some(panic);
            }
            self.state.fetch_sub(1, Release);
        }
    }

    /// Waits for work; false if there will be none.
    fn wait(&self) -> bool {
        let call = || self.state.load(SeqCst) >= PLACE || self.closed.load(SeqCst);
        let start = Instant::now();
        while !call() && start.elapsed() < AWAKE {
            (0..64).for_each(|_| std::hint::spin_loop());
        }
        if !call() {
            let mut bed = lock(&self.bed);
            self.asleep.fetch_add(1, SeqCst);
            while !call() {
                bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.fetch_sub(1, SeqCst);
        }
        !self.closed.load(Relaxed)
    }
}

/// Waits for what other threads are about to do.
fn look_until(done: impl Fn() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        if looks < LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` with a team of so many helpers, who go home after it.
    fn with_team(helpers: usize, f: impl FnOnce(&Team)) {
        let team = Team::new();
        std::thread::scope(|scope| {
            (0..helpers).for_each(|_| drop(scope.spawn(|| team.help())));
            let result = catch_unwind(AssertUnwindSafe(|| f(&team)));
            team.closed.store(true, SeqCst);
            drop(lock(&team.bed));
            team.bell.notify_all();
            result.unwrap_or_else(|panic| resume_unwind(panic));
        });
    }

    /// Counts to `n` with everybody's help.
    fn count(team: &Team, most: usize, n: usize) -> usize {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        team.share(most, &|| {
            while next.fetch_add(1, Relaxed) < n {
                done.fetch_add(1, Relaxed);
            }
        });
        done.into_inner()
    }

    #[test]
    fn everything_is_done_once() {
        let rounds = if cfg!(miri) { 5 } else { 2000 };
        for helpers in [0, 1, 3] {
            with_team(helpers, |team| {
                for n in 0..rounds {
                    assert_eq!(count(team, helpers, n % 50), n % 50);
                    if n % 500 == 3 {
                        std::thread::sleep(2 * AWAKE); // they fall asleep
                    }
                }
            });
        }
    }

    #[test]
    fn helpers_come_and_no_more_than_asked_for() {
        with_team(3, |team| {
            for most in 0..=3 {
                let (here, least) = (AtomicUsize::new(0), Mutex::new(0));
                team.share(most, &|| {
                    here.fetch_add(1, SeqCst);
                    look_until(|| here.load(SeqCst) == most + 1); // until all are here
                    *lock(&least) += 1;
                });
                assert_eq!((here.into_inner(), *lock(&least)), (most + 1, most + 1));
            }
        });
    }

    #[test]
    fn who_comes_second_works_alone() {
        with_team(1, |team| {
            let calls = AtomicUsize::new(0);
            team.share(0, &|| {
                // In the middle of this, as a kernel within a kernel would.
                team.share(1, &|| {
                    calls.fetch_add(1, Relaxed);
                });
                assert_eq!(calls.load(Relaxed), 1);
            });
            assert_eq!(count(team, 1, 7), 7);
        });
    }

    #[test]
    fn a_panic_comes_out_where_the_work_came_from() {
        with_team(2, |team| {
            for helper in [false, true] {
                let here = AtomicUsize::new(0);
                let result = catch_unwind(AssertUnwindSafe(|| {
                    team.share(2, &|| {
                        here.fetch_add(1, SeqCst);
                        look_until(|| here.load(SeqCst) == 3);
                        if is_helper() == helper {
                            resume_unwind(Box::new("a mistake"));
                        }
                    });
                }));
                assert_eq!(result.unwrap_err().downcast_ref(), Some(&"a mistake"));
                assert_eq!(count(team, 2, 20), 20, "and the team goes on");
            }
        });
    }
}
