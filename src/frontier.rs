//! The priority queue of [`Tensor::backward`](crate::Tensor::backward): nodes by age, the newest first, each with the
//! sum of what has reached it.

use crate::{Float, Tensor};
use std::ops::Add;
use std::sync::atomic::Ordering::Relaxed;

/// Nodes whose cotangent is still being summed.
///
/// A binary heap orders them by id. Nodes where the way back ends need no order: they wait until the heap is empty. To
/// find a node's sum again without searching, its slot is noted in the node itself. That note is a hint: another pass
/// over the same graph, on another thread, may write its own over it. So a hint is believed only if the slot it names
/// holds that node; otherwise the node enters a second time, and [`pop`](Frontier::pop) adds up all sums of the same
/// node.
pub(crate) struct Frontier<'a, T: Float, G> {
    slots: Vec<Slot<'a, T, G>>,
    /// The slot vacated last; each of these names the one before in its place for `edges`.
    vacant: usize,
    /// A heap of ids and slots: each is newer than those at twice its place and one or two more.
    order: Vec<(u64, u32)>,
    /// The ends, and whether they are sorted.
    ends: (Vec<(u64, u32)>, bool),
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

impl<T: Float, G: Add<Output = G>> Slot<'_, T, G> {
    /// Adds to the sum.
    #[inline(always)]
    pub(crate) fn add(&mut self, more: Option<G>) {
        self.sum = add(self.sum.take(), more);
    }
}

/// No slot is vacant.
const NONE: usize = usize::MAX;

impl<'a, T: Float, G: Add<Output = G>> Frontier<'a, T, G> {
    /// No nodes yet. Nodes older than `floor` are ends, and so are leaves.
    pub(crate) fn new(floor: u64) -> Self {
        let ends = (Vec::with_capacity(4), false);
        Frontier { slots: Vec::with_capacity(4), vacant: NONE, order: Vec::with_capacity(4), ends, floor }
    }

    /// The slot of `node`, which enters if it is not there.
    #[inline(always)]
    pub(crate) fn enter(&mut self, node: &'a Tensor<T>) -> &mut Slot<'a, T, G> {
        let hint = node.0.hint.load(Relaxed) as usize;
        let i = match self.slots.get(hint) {
            Some(slot) if slot.node.0.is(&node.0) => hint,
            _ => self.insert(node),
        };
        &mut self.slots[i]
    }

    #[inline]
    fn insert(&mut self, node: &'a Tensor<T>) -> usize {
        let slot = Slot { node, sum: None, edges: 0 };
        let i = match self.slots.get_mut(self.vacant) {
            Some(vacant) => std::mem::replace(&mut self.vacant, std::mem::replace(vacant, slot).edges),
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        node.0.hint.store(i as u32, Relaxed);
        if node.0.how.is_some() && node.0.id >= self.floor {
            self.order.push((node.0.id, i as u32));
            rise(&mut self.order);
        } else {
            self.ends.0.push((node.0.id, i as u32));
        }
        i
    }

    /// The newest node leaves; once there are only ends, one of them.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Slot<'a, T, G>> {
        let (id, i) = self.next()?;
        let mut newest = self.vacate(i);
        while self.peek() == Some(id) {
            let (_, i) = self.next().expect("just seen");
            let other = self.vacate(i);
            newest.sum = add(newest.sum, other.sum);
            newest.edges += other.edges;
        }
        Some(newest)
    }

    /// The id of what is next.
    #[inline(always)]
    fn peek(&self) -> Option<u64> {
        self.order.first().or(self.ends.0.last()).map(|(id, _)| *id)
    }

    #[inline(always)]
    fn next(&mut self) -> Option<(u64, u32)> {
        if !self.order.is_empty() {
            let first = self.order.swap_remove(0);
            sink(&mut self.order);
            return Some(first);
        }
        if !std::mem::replace(&mut self.ends.1, true) {
            self.ends.0.sort_unstable(); // so that two entries of one node meet
        }
        self.ends.0.pop()
    }

    /// Empties slot `i`.
    #[inline(always)]
    fn vacate(&mut self, i: u32) -> Slot<'a, T, G> {
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
