//! The priority queue of [`Tensor::backward`](crate::Tensor::backward): nodes by age, the newest first, each with the
//! sum of what has reached it.

use crate::few::Few;
use crate::{Float, Tensor};
use std::ops::Add;
use std::sync::atomic::Ordering::Relaxed;

/// Nodes whose cotangent is still being summed.
///
/// Nodes where the way back ends, leaves mostly, need no order: they wait until all others have left. One of the others is
/// held apart, which in a chain is the only one; a binary heap orders the rest by id. So a pass over a chain with a few
/// leaves allocates nothing here.
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
    ends: Few<Slot<'a, T, G>>,
    /// How many ends have left.
    left: usize,
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
        self.sum = match self.take() {
            None => more,
            sum => add(sum, more),
        };
    }

    /// Takes the sum out. If there is none, as mostly, it looks at nothing but that, which may just have been written: what has
    /// been written in part is waited for.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<G> {
        if self.sum.is_some() { self.sum.take() } else { None }
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

    /// What it holds goes elsewhere.
    #[inline(always)]
    fn empty(&mut self) -> Self {
        Slot { node: self.node, sum: self.sum.take(), edges: std::mem::replace(&mut self.edges, JOINED) }
    }

    /// Adds what another slot of the same node holds.
    fn join(&mut self, other: Self) {
        self.add(other.sum);
        self.edges += other.edges;
    }
}

/// In the place of an end's edges: it has left, or its sum is in another slot.
const JOINED: usize = usize::MAX;

/// No slot is vacant.
const NONE: usize = usize::MAX;

impl<'a, T: Float, G: Add<Output = G>> Frontier<'a, T, G> {
    /// No nodes yet. Nodes older than `floor` are ends, and so are leaves.
    #[inline(always)]
    pub(crate) fn new(floor: u64) -> Self {
        Frontier {
            apart: None,
            slots: Vec::new(),
            vacant: NONE,
            order: Vec::new(),
            ends: Few::new(),
            left: 0,
            floor,
        }
    }

    /// The slot of `node`, which enters if it is not there.
    #[inline(always)]
    pub(crate) fn enter(&mut self, node: &'a Tensor<T>) -> &mut Slot<'a, T, G> {
        let hint = node.0.hint.load(Relaxed) as usize;
        if node.0.how.is_none() || node.0.id < self.floor {
            let known = self.ends.get(hint).is_some_and(|slot| slot.holds(node));
            let i = if known { hint } else { self.insert_end(node) };
            return self.ends.get(i).expect("it is there");
        }
        let known = self.slots.get(hint).is_some_and(|slot| slot.holds(node));
        if !known && self.apart.as_ref().is_none_or(|slot| slot.holds(node)) {
            return self.apart.get_or_insert_with(|| Slot::new(node));
        }
        let i = if known { hint } else { self.insert(node) };
        &mut self.slots[i]
    }

    #[inline]
    fn insert_end(&mut self, node: &'a Tensor<T>) -> usize {
        let i = self.ends.len();
        node.0.hint.store(i as u32, Relaxed);
        self.ends.push(Slot::new(node));
        i
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

    /// The newest node leaves; once there are only ends, one of them.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Slot<'a, T, G>> {
        if !self.order.is_empty() {
            return Some(self.pop_ordered());
        }
        match self.apart.take() {
            Some(apart) => Some(apart),
            None => self.pop_end(),
        }
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

    /// The ends leave in the order in which they entered.
    #[inline(always)]
    fn pop_end(&mut self) -> Option<Slot<'a, T, G>> {
        if self.left == 0 && self.have_twins() {
            self.join_twins();
        }
        loop {
            let end = self.ends.get(self.left)?;
            self.left += 1;
            if end.edges != JOINED {
                return Some(end.empty());
            }
        }
    }

    /// Whether an end may have entered twice: not if there is just one, or two that differ.
    #[inline(always)]
    fn have_twins(&self) -> bool {
        match self.ends.first() {
            [Some(a), Some(b), None] => a.holds(b.node),
            [_, second, _] => second.is_some(),
        }
    }

    /// Of two entries of one end, the later one gets both sums.
    fn join_twins(&mut self) {
        let mut ids: Vec<(u64, usize)> = Vec::new();
        for i in 0..self.ends.len() {
            ids.extend(self.ends.get(i).map(|end| (end.id(), i)));
        }
        ids.sort_unstable();
        for twins in ids.windows(2).filter(|ids| ids[0].0 == ids[1].0) {
            let earlier = self.ends.get(twins[0].1).map(|end| end.empty());
            if let (Some(earlier), Some(later)) = (earlier, self.ends.get(twins[1].1)) {
                later.join(earlier);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As if another pass over the same graph had written its own hints meanwhile.
    #[test]
    fn nodes_that_enter_twice_leave_once() {
        for (n, computed) in (0..12).flat_map(|n| [(n, false), (n, true)]) {
            let leaves: Vec<Tensor<f64>> = (0..n).map(|_| Tensor::new(1.0)).collect();
            let nodes = if computed { leaves.iter().map(|x| x * x).collect() } else { leaves };
            let mut frontier = Frontier::new(0);
            for part in [1.0, 10.0, 100.0] {
                for (k, node) in nodes.iter().enumerate() {
                    let slot = frontier.enter(node);
                    slot.add(Some(part + k as f64));
                    slot.edges += 1;
                    node.0.hint.store(if part == 1.0 { 7 } else { k as u32 + 1 }, Relaxed);
                }
            }
            let mut left = Vec::new();
            while let Some(Slot { node, sum, edges }) = frontier.pop() {
                left.push((node.id(), sum, edges));
            }
            if !computed {
                left.sort_by_key(|(id, ..)| std::cmp::Reverse(*id));
            }
            let all = nodes.iter().enumerate().rev();
            assert_eq!(left, all.map(|(k, x)| (x.id(), Some(111.0 + 3.0 * k as f64), 3)).collect::<Vec<_>>());
        }
    }
    #[test]
    fn a_node_keeps_its_slot_when_none_is_held_apart() {
        let x: Tensor<f64> = Tensor::new(1.0);
        let (older, newer) = (&x * &x, &x * &x);
        let mut frontier = Frontier::new(0);
        frontier.enter(&newer).add(Some(1.0));
        frontier.enter(&older).add(Some(2.0));
        assert_eq!(frontier.pop().map(|slot| slot.node.id()), Some(newer.id()));
        assert_eq!(frontier.enter(&older).sum, Some(2.0));
    }
}
