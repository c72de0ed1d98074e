//! How a graph goes: without recursion, since it can be deeper than the stack, and leaving its nodes to be used again.
//!
//! A graph of scalars is nodes and nothing else; to ask the allocator for each and give it back is a tenth of its cost.
//! So every thread keeps a list of spare ones.

use crate::notes::Notes;
use crate::num::Float;
use crate::tensor::{How, Node};
use crate::{Array, Tensor};
use std::cell::RefCell;
use std::sync::atomic::AtomicU32;
use triomphe::Arc;

/// The spare nodes of a thread.
pub struct Spares<T: Float>(RefCell<Vec<Arc<Node<T>>>>);

impl<T: Float> Spares<T> {
    /// None yet.
    pub(crate) const fn new() -> Spares<T> {
        Spares(RefCell::new(Vec::new()))
    }
}

/// How many are kept at most, a few megabytes: what is beyond goes back to the system. (None under Miri, which then sees
/// every use of a node that is gone.)
const KEEP: usize = if cfg!(miri) { 0 } else { 1 << 15 };

/// The id of a spare node, which is no node.
pub(crate) const SPARE: u64 = u64::MAX;

/// `node`, in the place of a spare one if there is any.
#[inline(always)]
pub(crate) fn make<T: Float>(node: Node<T>) -> Arc<Node<T>> {
    let spare = T::spares().try_with(|spares| spares.0.borrow_mut().pop()).ok().flatten();
    match spare {
        Some(mut spare) => {
            *Arc::get_mut(&mut spare).expect("a spare node has one owner") = node;
            spare
        }
        None => Arc::new(node),
    }
}

/// Lets go of a dropped node's parents: those that nobody else holds hand over theirs before they go.
#[inline]
pub(crate) fn let_go<T: Float>(how: &mut Option<How<T>>) {
    let mut orphans = Vec::new();
    hand_over(how, &mut orphans);
    while let Some(mut x) = orphans.pop() {
        if let Some(node) = Arc::get_mut(&mut x.0) {
            hand_over(&mut node.how, &mut orphans);
            keep(x.0);
        }
    }
}

/// Takes the parents that nobody else holds.
fn hand_over<T: Float>(how: &mut Option<How<T>>, orphans: &mut Vec<Tensor<T>>) {
    let Some((_, parents)) = how else { return };
    let handles = parents.len();
    while let Some(x) = parents.pop() {
        if Arc::count(&x.0) <= handles {
            orphans.push(x);
        }
    }
}

/// Keeps the memory of a node that only this handle holds.
#[inline]
fn keep<T: Float>(mut node: Arc<Node<T>>) {
    let Some(last) = Arc::get_mut(&mut node) else { return };
    // All that it held goes now: when it is used again, nothing is left to drop.
    *last = Node {
        id: SPARE,
        data: Array::scalar(T::ZERO),
        how: None,
        wanted: false,
        traced: false,
        place: last.place,
        notes: Notes::new(),
        hint: AtomicU32::new(0),
    };
    let _ = T::spares().try_with(|spares| {
        let mut spares = spares.0.borrow_mut();
        if spares.len() < KEEP {
            spares.push(node);
        }
    });
}
