//! How nodes are held, and how a graph goes: without recursion, since it can be deeper than the stack, and leaving its
//! nodes to be used again.
//!
//! A graph of scalars is nodes and nothing else; to ask the allocator for each and give it back is a tenth of its cost.
//! So every thread keeps a list of spare ones.

use crate::notes::Notes;
use crate::num::Float;
use crate::tensor::Node;
use crate::{Array, census};
use std::cell::RefCell;
use std::ops::Deref;
use triomphe::{Arc, UniqueArc};

/// One of those that share a node. The last one to go lets go of the graph behind it.
#[derive(Clone)]
pub(crate) struct Handle<T: Float>(
    /// There is none only while it goes.
    Option<Arc<Node<T>>>,
);

impl<T: Float> Handle<T> {
    /// The first handle of `node`, in the place of a spare one if there is any.
    #[inline(always)]
    pub(crate) fn new(node: Node<T>) -> Handle<T> {
        let spare = T::spares().try_with(|spares| spares.0.borrow_mut().pop()).ok().flatten();
        let Some(mut spare) = spare else { return Handle(Some(Arc::new(node))) };
        // Field by field: as a whole it would be put together elsewhere first.
        let Node { id, data, how, wanted, traced, place, notes, hint } = node;
        spare.id = id;
        spare.data = data;
        spare.how = how;
        spare.wanted = wanted;
        spare.traced = traced;
        spare.place = place;
        spare.notes = notes;
        spare.hint = hint;
        Handle(Some(spare.shareable()))
    }

    #[inline(always)]
    fn arc(&self) -> &Arc<Node<T>> {
        self.0.as_ref().expect("held until it goes")
    }

    /// How many share the node.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        Arc::count(self.arc())
    }

    /// The node, if nobody else holds it.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut Node<T>> {
        Arc::get_mut(self.0.as_mut()?)
    }

    /// The node, if this was the last handle of it, which is gone in any case.
    #[inline]
    fn last(&mut self) -> Option<UniqueArc<Node<T>>> {
        // Looking first spares the last one of all, mostly the only one, an atomic subtraction.
        Arc::try_unique(self.0.take()?).map_or_else(Arc::into_unique, Some)
    }

    /// Whether it is the same node.
    #[inline(always)]
    pub(crate) fn is(&self, other: &Handle<T>) -> bool {
        Arc::ptr_eq(self.arc(), other.arc())
    }
}

impl<T: Float> Deref for Handle<T> {
    type Target = Node<T>;
    #[inline(always)]
    fn deref(&self) -> &Node<T> {
        self.arc()
    }
}

impl<T: Float> Drop for Handle<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(node) = self.last() {
            release(node);
        }
    }
}

/// The spare nodes of a thread.
pub struct Spares<T: Float>(RefCell<Vec<UniqueArc<Node<T>>>>);

impl<T: Float> Spares<T> {
    /// None yet.
    pub(crate) const fn new() -> Spares<T> {
        Spares(RefCell::new(Vec::new()))
    }
}

/// How many are kept at most, a few megabytes: what is beyond goes back to the system. (None under Miri, which then sees
/// every use of a node that is gone.)
const KEEP: usize = if cfg!(miri) { 0 } else { 1 << 15 };

/// Lets go of a node: parents that nobody else holds hand over theirs before they go.
fn release<T: Float>(node: UniqueArc<Node<T>>) {
    let mut orphans = Vec::new();
    let mut next = Some(node);
    while let Some(mut node) = next {
        census::leave(node.id);
        if let Some((_, parents)) = &mut node.how {
            while let Some(mut x) = parents.pop() {
                orphans.extend(x.0.last());
            }
        }
        keep(node);
        next = orphans.pop();
    }
}

/// Keeps the memory of a node. What it held goes now: when it is used again, nothing is left to drop.
#[inline]
fn keep<T: Float>(mut node: UniqueArc<Node<T>>) {
    node.data = Array::scalar(T::ZERO);
    node.how = None;
    node.notes = Notes::new();
    let _ = T::spares().try_with(|spares| {
        let mut spares = spares.0.borrow_mut();
        if spares.len() < KEEP {
            spares.push(node);
        }
    });
}
