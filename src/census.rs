//! How many nodes are alive, and, while a register is kept, which.

use crate::num::Float;
use crate::tensor::Node;
use crate::{Place, Shape, Tensor, kernels};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex};

static CREATED: AtomicU64 = AtomicU64::new(0);

/// A tally for each thread that drops nodes: written by that thread alone, which costs less than one counter shared
/// by all. Threads that end pass theirs on.
static TALLIES: Mutex<Vec<&'static AtomicU64>> = Mutex::new(Vec::new());
static VACANT: Mutex<Vec<&'static AtomicU64>> = Mutex::new(Vec::new());

/// Nodes dropped by threads about to end, after they have passed their tally on.
static LATE: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static TALLY: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
    static ENDING: PassOn = const { PassOn };
}

struct PassOn;
impl Drop for PassOn {
    fn drop(&mut self) {
        if let Some(tally) = TALLY.take() {
            lock(&VACANT).push(tally);
        }
    }
}

/// This thread's tally, when it drops its first node; none while the thread ends.
#[cold]
fn tally() -> &'static AtomicU64 {
    if ENDING.try_with(|_| ()).is_err() {
        return &LATE;
    }
    let vacant = lock(&VACANT).pop();
    let tally = vacant.unwrap_or_else(|| {
        let new: &AtomicU64 = Box::leak(Box::default());
        lock(&TALLIES).push(new);
        new
    });
    TALLY.set(Some(tally));
    tally
}

static REGISTERING: AtomicBool = AtomicBool::new(false);
static REGISTER: Mutex<BTreeMap<u64, Entry>> = Mutex::new(BTreeMap::new());

/// A living node.
struct Entry {
    label: Option<Arc<str>>,
    op: Option<&'static str>,
    shape: Shape,
    place: Place,
    parents: Vec<u64>,
}

fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The id of a new node.
#[inline]
pub(crate) fn next_id() -> u64 {
    CREATED.fetch_add(1, Relaxed)
}

/// No node made so far has this id or a larger one.
pub(crate) fn upcoming() -> u64 {
    CREATED.load(Relaxed)
}

/// A node was made.
#[inline]
pub(crate) fn enter<T: Float>(x: Tensor<T>) -> Tensor<T> {
    if REGISTERING.load(Relaxed) | x.0.id.is_multiple_of(SOME) {
        look_up(&x);
    }
    x
}

/// So many nodes are made without a look at anything else.
const SOME: u64 = 1 << 14;

/// Enters a node into the register, if there is one; or it is the last of some, which may be numbers, of whose work the
/// kernels know nothing.
#[cold]
fn look_up<T: Float>(x: &Tensor<T>) {
    if REGISTERING.load(Relaxed) {
        register(x);
    }
    if x.0.id.is_multiple_of(SOME) {
        kernels::poll(SOME as usize * (1 << 10));
    }
}

fn register<T: Float>(x: &Tensor<T>) {
    let entry = Entry {
        label: None,
        op: x.op().map(|op| op.name()),
        shape: x.shape().into(),
        place: x.location(),
        parents: x.parents().iter().map(Tensor::id).collect(),
    };
    let mut register = lock(&REGISTER);
    // Perhaps it has been closed meanwhile.
    if REGISTERING.load(Relaxed) {
        register.insert(x.id(), entry);
    }
}

/// A node was given a name.
#[inline]
pub(crate) fn name(id: u64, label: &Arc<str>) {
    if REGISTERING.load(Relaxed)
        && let Some(entry) = lock(&REGISTER).get_mut(&id)
    {
        entry.label = Some(label.clone());
    }
}

/// A node is being dropped.
#[inline]
pub(crate) fn leave(id: u64) {
    match TALLY.get() {
        Some(tally) => tally.store(tally.load(Relaxed) + 1, Release),
        None => drop(tally().fetch_add(1, Release)),
    }
    if REGISTERING.load(Relaxed) {
        lock(&REGISTER).remove(&id);
    }
}

/// Keeps a register of living tensors from now on, or stops and forgets it. [`live`] then says which they are and
/// what holds them. It costs a lock and an entry in a map for each tensor, so it is for looking for leaks.
pub fn keep_register(on: bool) {
    let mut register = lock(&REGISTER);
    REGISTERING.store(on, Relaxed);
    register.clear();
}

/// What is alive: see [`live`].
#[derive(Clone, Debug)]
pub struct Live {
    /// Tensors, named or not, leaves, constants and results, whoever holds them: all threads and both float types.
    pub nodes: u64,
    /// The bytes of their numbers and gradients and of the nodes themselves. What waits in free lists is not counted.
    pub bytes: usize,
    /// While a [register](keep_register) is kept: what the program holds (and no living graph does), those that keep
    /// the oldest tensors alive first.
    pub held: Vec<Held>,
}

/// A tensor that no other one was computed from, so it is the program that holds it; with it lives all it was computed
/// from.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its [number](Tensor::id).
    pub id: u64,
    /// Its name, if it was given one.
    pub label: Option<Arc<str>>,
    /// What computed it; none for a leaf or a constant.
    pub op: Option<&'static str>,
    /// Its shape.
    pub shape: Shape,
    /// The line that made it.
    pub place: Place,
    /// How many registered tensors live because it does, itself among them.
    pub keeps: usize,
    /// The line that made the oldest of those.
    pub oldest: Place,
}

/// How many tensors are alive, and how many bytes they hold; while a [register](keep_register) is kept, also who holds
/// the oldest.
///
/// A count that grows from one step of training to the next means that a graph is kept alive: a loss put into a list,
/// say, where its [`item`](Tensor::item) was meant.
///
/// ```
/// use femtograd::{Tensor, inspect::{keep_register, live}};
/// keep_register(true);
/// let x = Tensor::new(2.0).named("x");
/// let losses: Vec<Tensor<f64>> = (0..3).map(|_| (&x * &x).named("loss")).collect();
/// let live = live();
/// assert!(live.nodes >= 4);
/// assert_eq!((live.held.len(), live.held[0].label.as_deref(), live.held[0].keeps), (3, Some("loss"), 2));
/// keep_register(false);
/// ```
pub fn live() -> Live {
    // Deaths first: read the other way round, a node born and dropped in between would count as less than none.
    let gone = LATE.load(Acquire) + lock(&TALLIES).iter().map(|tally| tally.load(Acquire)).sum::<u64>();
    let nodes = CREATED.load(Relaxed) - gone;
    Live { nodes, bytes: kernels::live_bytes() + nodes as usize * size_of::<Node<f64>>(), held: held() }
}

fn held() -> Vec<Held> {
    let register = lock(&REGISTER);
    let inner: HashSet<u64> = register.values().flat_map(|entry| entry.parents.iter().copied()).collect();
    let mut held = vec![];
    for (&id, entry) in register.iter().filter(|(id, _)| !inner.contains(id)) {
        let (mut kept, mut waiting) = (HashSet::new(), vec![id]);
        while let Some(id) = waiting.pop() {
            if let Some(entry) = register.get(&id)
                && kept.insert(id)
            {
                waiting.extend(&entry.parents);
            }
        }
        let oldest = kept.iter().min().copied().unwrap_or(id);
        let Entry { label, op, shape, place, .. } = entry;
        held.push((
            oldest,
            Held {
                id,
                label: label.clone(),
                op: *op,
                shape: shape.clone(),
                place: *place,
                keeps: kept.len(),
                oldest: register[&oldest].place,
            },
        ));
    }
    held.sort_by_key(|(oldest, _)| *oldest);
    held.into_iter().map(|(_, held)| held).collect()
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.label {
            write!(f, "{label:?} ")?;
        }
        write!(f, "{} {:?} of {}", self.op.unwrap_or("leaf"), self.shape, self.place)?;
        if self.keeps > 1 {
            write!(f, ", keeps {} tensors, the oldest of {}", self.keeps, self.oldest)?;
        }
        Ok(())
    }
}

/// The number of tensors and bytes, and the first ten holders.
impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors alive, {} bytes", self.nodes, self.bytes)?;
        for held in self.held.iter().take(10) {
            write!(f, "\n  {held}")?;
        }
        match self.held.len().saturating_sub(10) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
