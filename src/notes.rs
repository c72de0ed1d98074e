//! What may still change after a tensor is made: its gradient and its label; and what few tensors have: a trace of
//! what they were cut off from.

use crate::cut::Cut;
use crate::{Array, Float};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// A gradient and a label, both optional.
///
/// The gradient is bare numbers: one with a history of its own would keep its node alive for ever. A single number is
/// kept as its bits in one atomic word, so that `backward` over a million scalars takes no lock; the rest is made when
/// it is first needed, which keeps the nodes of scalar graphs small.
pub(crate) struct Notes<T> {
    number: AtomicU64,
    rest: OnceLock<Box<Rest<T>>>,
    of: PhantomData<T>,
}

struct Rest<T> {
    array: Mutex<Option<Array<T>>>,
    label: Mutex<Option<Arc<str>>>,
    cut: OnceLock<Arc<Cut>>,
    /// Of a parameter that was updated, the id of the first leaf in its place.
    first_id: OnceLock<u64>,
}

/// No number: a NaN that no gradient is stored as.
const NONE: u64 = u64::MAX;

fn bits<T: Float>(v: T) -> u64 {
    let v = v.to_f64();
    if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() }
}

fn number<T: Float>(bits: u64) -> Option<T> {
    (bits != NONE).then(|| T::of(f64::from_bits(bits)))
}

impl<T: Float> Notes<T> {
    pub(crate) const fn new() -> Notes<T> {
        Notes { number: AtomicU64::new(NONE), rest: OnceLock::new(), of: PhantomData }
    }

    pub(crate) fn grad(&self) -> Option<Array<T>> {
        match number(self.number.load(Relaxed)) {
            Some(v) => Some(Array::scalar(v)),
            None => self.rest.get().and_then(|rest| lock(&rest.array).clone()),
        }
    }

    /// Puts `g` in the place of the gradient.
    #[inline]
    pub(crate) fn set_grad(&self, g: Array<T>) {
        match g.as_scalar() {
            Some(v) => self.number.store(bits(v), Relaxed),
            None => *lock(&self.rest().array) = Some(g),
        }
    }

    /// Adds `g` to the gradient, if there is one already.
    pub(crate) fn add_grad(&self, g: Array<T>) {
        match g.as_scalar() {
            Some(v) => {
                let add = |old| Some(bits(number(old).map_or(v, |old: T| old + v)));
                self.number.fetch_update(Relaxed, Relaxed, add).expect("never refused");
            }
            None => {
                // Added while the lock is free: a sum of arrays takes long.
                let (rest, mut sum) = (self.rest(), Some(g));
                while let Some(other) = put_or_take(&mut *lock(&rest.array), &mut sum) {
                    sum = sum.map(|sum| other + sum);
                }
            }
        }
    }

    pub(crate) fn clear_grad(&self) {
        self.number.store(NONE, Relaxed);
        if let Some(rest) = self.rest.get() {
            *lock(&rest.array) = None;
        }
    }

    pub(crate) fn label(&self) -> Option<Arc<str>> {
        self.rest.get().and_then(|rest| lock(&rest.label).clone())
    }

    pub(crate) fn set_label(&self, label: Arc<str>) {
        *lock(&self.rest().label) = Some(label);
    }

    #[inline]
    pub(crate) fn cut(&self) -> Option<Arc<Cut>> {
        self.rest.get().and_then(|rest| rest.cut.get().cloned())
    }

    /// Leaves a trace; a tensor has one at most.
    pub(crate) fn set_cut(&self, cut: Arc<Cut>) {
        self.rest().cut.get_or_init(|| cut);
    }

    pub(crate) fn first_id(&self) -> Option<u64> {
        self.rest.get().and_then(|rest| rest.first_id.get().copied())
    }

    pub(crate) fn set_first_id(&self, id: u64) {
        self.rest().first_id.get_or_init(|| id);
    }

    fn rest(&self) -> &Rest<T> {
        self.rest.get_or_init(|| {
            Box::new(Rest {
                array: Mutex::new(None),
                label: Mutex::new(None),
                cut: OnceLock::new(),
                first_id: OnceLock::new(),
            })
        })
    }
}

/// Puts `sum` down if the place is free; otherwise takes what lies there.
fn put_or_take<V>(place: &mut Option<V>, sum: &mut Option<V>) -> Option<V> {
    match place.take() {
        None => {
            *place = sum.take();
            None
        }
        other => other,
    }
}

fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().expect("nothing panics while it is held")
}
