//! The priority queue of [`Tensor::backward`](crate::Tensor::backward): nodes by age, the newest first, each with the
//! sum of what has reached it.

use crate::{Float, Tensor};
use smallvec::SmallVec;
use std::ops::Add;
use std::sync::atomic::Ordering::Relaxed;

/// Nodes whose cotangent is still being summed.
///
/// Nodes where the way back ends, leaves mostly, need no order: they wait until all others have left. Of those, one is held
/// apart, and in a chain there is no other; a binary heap orders the rest by id. So a chain of a few leaves allocates nothing.
///
/// To find a node's sum again without searching, its slot is noted in the node itself. That note is a hint: another pass
/// over the same graph, on another thread, may write its own over it. So a hint is believed only if the slot it names
/// holds that node; otherwise the node enters a second time, and [`pop`](Frontier::pop) adds up all sums of the same
/// node.
pub(crate) struct Frontier<'a, T: Float, G> {
    apart: Option<Slot<'a, T, G>>,
    slots: Vec<Slot<'a, T, G>>,
    /// The slot vacated last; each of these names the one before in its place for `edges`.
    vacant: usize,
    /// A heap of ids and slots: each is newer than those at twice its place and one or two more.
    order: Vec<(u64, u32)>,
    ends: SmallVec<[Slot<'a, T, G>; 4]>,
    /// Whether the ends are sorted, the newest last.
    sorted: bool,
    /// Where the way back ends even if there is more.
    floor: u64,
}

/// A node of the frontier.
pub(crate) struct Slot<'a, T: Float, G> {
    pub(crate) node: &'a Tensor<T>,
    /// The sum so far.
    pub(crate) sum: Option<G>,
    /// How many edges have led here.
    pub(crate) edges: usize,
}

impl<'a, T: Float, G: Add<Output = G>> Slot<'a, T, G> {
    /// Adds to the sum.
    #[inline(always)]
    pub(crate) fn add(&mut self, more: Option<G>) {
        self.sum = add(self.sum.take(), more);
    }

    #[inline(always)]
    fn new(node: &'a Tensor<T>) -> Self {
        Slot { node, sum: None, edges: 0 }
    }

    #[inline(always)]
    fn holds(&self, node: &Tensor<T>) -> bool {
        self.node.0.is(&node.0)
    }

    #[inline(always)]
    fn id(&self) -> u64 {
        self.node.0.id
    }

    /// Adds what another slot of the same node holds.
    fn join(&mut self, other: Self) {
        self.add(other.sum);
        self.edges += other.edges;
    }
}

/// No slot is vacant.
const NONE: usize = usize::MAX;

impl<'a, T: Float, G: Add<Output = G>> Frontier<'a, T, G> {
    /// No nodes yet. Nodes older than `floor` are ends, and so are leaves.
    #[inline(always)]
    pub(crate) fn new(floor: u64) -> Self {
        let (slots, order, ends) = (Vec::new(), Vec::new(), SmallVec::new());
        Frontier { apart: None, slots, vacant: NONE, order, ends, sorted: false, floor }
    }

    /// The slot of `node`, which enters if it is not there.
    #[inline(always)]
    pub(crate) fn enter(&mut self, node: &'a Tensor<T>) -> &mut Slot<'a, T, G> {
        let hint = node.0.hint.load(Relaxed) as usize;
        if node.0.how.is_none() || node.0.id < self.floor {
            if !self.ends.get(hint).is_some_and(|slot| slot.holds(node)) {
                node.0.hint.store(self.ends.len() as u32, Relaxed);
                self.ends.push(Slot::new(node));
                return self.ends.last_mut().expect("just pushed");
            }
            return &mut self.ends[hint];
        }
        if self.apart.as_ref().is_none_or(|slot| slot.holds(node)) {
            return self.apart.get_or_insert_with(|| Slot::new(node));
        }
        let i = match self.slots.get(hint) {
            Some(slot) if slot.holds(node) => hint,
            _ => self.insert(node),
        };
        &mut self.slots[i]
    }

    fn insert(&mut self, node: &'a Tensor<T>) -> usize {
        let slot = Slot::new(node);
        let i = match self.slots.get_mut(self.vacant) {
            Some(vacant) => std::mem::replace(&mut self.vacant, std::mem::replace(vacant, slot).edges),
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        node.0.hint.store(i as u32, Relaxed);
        self.order.push((node.0.id, i as u32));
        rise(&mut self.order);
        i
    }

    /// The newest node leaves; once there are only ends, the newest of them.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Slot<'a, T, G>> {
        if self.order.is_empty() {
            return self.apart.take().or_else(|| self.pop_end());
        }
        Some(self.pop_ordered())
    }

    /// The newest node of several.
    fn pop_ordered(&mut self) -> Slot<'a, T, G> {
        let next = self.order[0].0;
        let mut newest = match self.apart.take_if(|slot| slot.id() >= next) {
            Some(apart) => apart,
            None => self.vacate(),
        };
        while self.order.first().is_some_and(|(id, _)| *id == newest.id()) {
            let other = self.vacate();
            newest.join(other);
        }
        newest
    }

    fn pop_end(&mut self) -> Option<Slot<'a, T, G>> {
        if !std::mem::replace(&mut self.sorted, true) {
            self.ends.sort_unstable_by_key(Slot::id); // so that two entries of one node meet
        }
        let mut end = self.ends.pop()?;
        while self.ends.last().is_some_and(|other| other.id() == end.id()) {
            end.join(self.ends.pop()?);
        }
        Some(end)
    }

    /// Empties the slot of the newest in the heap.
    #[inline(always)]
    fn vacate(&mut self) -> Slot<'a, T, G> {
        let (_, i) = self.order.swap_remove(0);
        sink(&mut self.order);
        let slot = &mut self.slots[i as usize];
        let edges = std::mem::replace(&mut slot.edges, std::mem::replace(&mut self.vacant, i as usize));
        Slot { node: slot.node, sum: slot.sum.take(), edges }
    }
}

/// Moves the last of a heap to its place.
#[inline(always)]
fn rise(heap: &mut [(u64, u32)]) {
    let mut i = heap.len() - 1;
    let last = heap[i];
    while i > 0 && heap[(i - 1) / 2].0 < last.0 {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = last;
}

/// Moves the first of a heap to its place.
#[inline(always)]
fn sink(heap: &mut [(u64, u32)]) {
    let Some(&first) = heap.first() else { return };
    let mut i = 0;
    while let Some(&(mut child)) = heap.get(2 * i + 1) {
        let mut at = 2 * i + 1;
        if let Some(&other) = heap.get(at + 1)
            && other.0 > child.0
        {
            (at, child) = (at + 1, other);
        }
        if child.0 < first.0 {
            break;
        }
        heap[i] = child;
        i = at;
    }
    heap[i] = first;
}

/// The sum of what there is.
#[inline]
pub(crate) fn add<G: Add<Output = G>>(a: Option<G>, b: Option<G>) -> Option<G> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
