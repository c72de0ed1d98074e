//! The priority queue of [`Tensor::backward`](crate::Tensor::backward): nodes by age, the newest first, each with the
//! sum of what has reached it.

use crate::{Float, Tensor};
use std::collections::BinaryHeap;
use std::ops::Add;
use std::sync::atomic::Ordering::Relaxed;
use triomphe::Arc;

/// Nodes whose cotangent is still being summed.
///
/// A binary heap orders them by id. To find a node's sum again without searching, its slot is noted in the node
/// itself. That note is a hint: another pass over the same graph, on another thread, may write its own over it. So a
/// hint is believed only if the slot it names holds that node; otherwise the node enters a second time, and
/// [`pop`](Frontier::pop) adds up all sums of the same node.
pub(crate) struct Frontier<'a, T: Float, G> {
    slots: Vec<Slot<'a, T, G>>,
    vacant: Vec<u32>,
    order: BinaryHeap<(u64, u32)>,
}

/// A node of the frontier.
pub(crate) struct Slot<'a, T: Float, G> {
    pub(crate) node: &'a Tensor<T>,
    /// The sum so far.
    pub(crate) sum: Option<G>,
    /// How many edges have led here.
    pub(crate) edges: usize,
}

impl<'a, T: Float, G: Add<Output = G>> Frontier<'a, T, G> {
    pub(crate) fn new() -> Self {
        Frontier { slots: Vec::new(), vacant: Vec::new(), order: BinaryHeap::new() }
    }

    /// The slot of `node`, which enters if it is not there.
    #[inline]
    pub(crate) fn enter(&mut self, node: &'a Tensor<T>) -> &mut Slot<'a, T, G> {
        let hint = node.0.hint.load(Relaxed) as usize;
        let i = match self.slots.get(hint) {
            Some(slot) if Arc::ptr_eq(&slot.node.0, &node.0) => hint,
            _ => self.insert(node),
        };
        &mut self.slots[i]
    }

    #[inline]
    fn insert(&mut self, node: &'a Tensor<T>) -> usize {
        let slot = Slot { node, sum: None, edges: 0 };
        let i = self.vacant.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(i as usize) {
            Some(vacant) => *vacant = slot,
            None => self.slots.push(slot),
        }
        node.0.hint.store(i, Relaxed);
        self.order.push((node.0.id, i));
        i as usize
    }

    /// The newest node leaves.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Slot<'a, T, G>> {
        let (id, i) = self.order.pop()?;
        let mut newest = self.vacate(i);
        while let Some(&(same, i)) = self.order.peek()
            && same == id
        {
            self.order.pop();
            let other = self.vacate(i);
            newest.sum = add(newest.sum, other.sum);
            newest.edges += other.edges;
        }
        Some(newest)
    }

    #[inline]
    fn vacate(&mut self, i: u32) -> Slot<'a, T, G> {
        self.vacant.push(i);
        let slot = &mut self.slots[i as usize];
        Slot { node: slot.node, sum: slot.sum.take(), edges: slot.edges }
    }
}

/// The sum of what there is.
#[inline]
pub(crate) fn add<G: Add<Output = G>>(a: Option<G>, b: Option<G>) -> Option<G> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
