//! Leaves whose objects were given other numbers while graphs still held them. A gradient that reaches one afterwards belongs to
//! the variable, which is now another leaf.

use crate::any::Any;
use crate::guard;
use femtograd::kernels::uninterrupted;
use femtograd::{Float, Tensor};
use pyo3::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The earlier leaf, and the one that stands in its object's place now.
static MOVED: Mutex<Vec<(Any, Any)>> = Mutex::new(Vec::new());
/// How many there are, for all the programs that have none.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Hands the gradient of a leaf that was replaced on to its successor, and sees to it that those to come arrive there.
pub fn replaced(py: Python<'_>, old: Any, new: &Any) -> PyResult<()> {
    guard::call_quick(py, 0, || hand_on(&old, new))?;
    settle(py)?;
    if old.wants_grad() && is_shared(&old) {
        let mut moved = lock();
        // Nothing but the newest is kept on account of the ones before.
        for (_, last) in moved.iter_mut().filter(|(_, last)| last.id() == old.id()) {
            *last = new.clone();
        }
        moved.push((old, new.clone()));
        NUMBER.store(moved.len(), Relaxed);
    }
    Ok(())
}

/// Hands on the gradients that have arrived, and forgets the leaves that no graph holds any more.
#[inline]
pub fn settle(py: Python<'_>) -> PyResult<()> {
    if NUMBER.load(Relaxed) == 0 { Ok(()) } else { guard::call_quick(py, 0, settle_all) }
}

#[cold]
fn settle_all() {
    let mut moved = lock();
    moved.iter().for_each(|(old, new)| hand_on(old, new));
    let (kept, gone) = std::mem::take(&mut *moved).into_iter().partition(|(old, _)| is_shared(old));
    *moved = kept;
    NUMBER.store(moved.len(), Relaxed);
    drop(moved);
    drop::<Vec<_>>(gone); // which may run code that comes back here
}

fn lock() -> std::sync::MutexGuard<'static, Vec<(Any, Any)>> {
    MOVED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn is_shared(x: &Any) -> bool {
    crate::each!(x, x -> x.is_shared())
}

fn hand_on(old: &Any, new: &Any) {
    // No look for signals: their handlers let other threads go on, which may wait for what is locked here.
    let _whole = uninterrupted();
    fn add<T: Float>(old: &Tensor<T>, new: &Tensor<T>) {
        if let Some(g) = old.grad() {
            new.set_grad(match new.grad() {
                Some(sum) => sum + g,
                None => g,
            });
            old.zero_grad();
        }
    }
    match (old, new) {
        (Any::F32(old), Any::F32(new)) => add(old, new),
        (Any::F64(old), Any::F64(new)) => add(old, new),
        _ => unreachable!("a variable keeps its type"),
    }
}
