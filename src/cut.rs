//! The trace that a cut leaves: from what a constant was computed, though nothing flows back there.
//!
//! A trace holds names, lines and ids, never a tensor, so that it keeps no graph alive. It is what lets a
//! [`report`](crate::inspect::report) say where the path to a parameter ended.

use crate::context::{cut_kind, leaves_traces};
use crate::num::Float;
use crate::{Array, Indices, Op, Place, Tensor};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// What cut a result off from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutKind {
    /// [`Tensor::detach`].
    Detach,
    /// [`no_grad`](crate::no_grad).
    NoGrad,
    /// A comparison, which does not change with its arguments.
    Comparison,
    /// [`Indices`]: places that were found by comparing.
    Indices,
}

/// What cut, at which op, on which line.
pub(crate) type CutAt = (CutKind, &'static str, Place);

impl fmt::Display for CutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CutKind::Detach => "detach",
            CutKind::NoGrad => "no_grad",
            CutKind::Comparison => "a comparison",
            CutKind::Indices => "indices",
        })
    }
}

/// A cut, or several that one result came from.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Where this cut is; none where only earlier ones meet.
    at: Option<CutAt>,
    /// The leaves that a gradient was wanted of on the other side.
    leaves: Vec<u64>,
    /// Whether those are all.
    complete: bool,
    /// Cuts before this one.
    before: Vec<Arc<Cut>>,
    depth: usize,
}

/// How many nodes are looked at for leaves behind a cut: a cut must not cost what a backward pass does.
const LOOK: usize = 32;

/// How many cuts in a row are remembered: a running average must not remember all there ever was.
const DEEP: usize = 64;

impl Cut {
    /// The trace of a result of `op` that is not recorded; none if nothing wanted a gradient.
    fn between<T: Float>(op: &dyn Op<T>, parents: &[Tensor<T>], place: Place) -> Option<Arc<Cut>> {
        if !leaves_traces() {
            return None;
        }
        let of_parents = parents.iter().filter_map(|x| x.0.notes.cut());
        let mut before: Vec<_> = of_parents.chain(Cut::of_indices(op)).collect();
        before.dedup_by(|a, b| Arc::ptr_eq(a, b));
        if let Some(kind) = cut_kind().filter(|_| parents.iter().any(Tensor::wants_grad)) {
            let (leaves, more, complete) = behind(parents);
            before.extend(more);
            return Some(Cut::join(Some((kind, op.name(), place)), leaves, complete, before));
        }
        if before.len() <= 1 { before.pop() } else { Some(Cut::join(None, vec![], true, before)) }
    }

    /// The trace that an op's indices carry.
    pub(crate) fn of_indices<T: Float>(op: &dyn Op<T>) -> Option<Arc<Cut>> {
        op.indices()?.origin()?.clone().downcast().ok()
    }

    /// The trace of a cut right here.
    pub(crate) fn at<T: Float>(
        kind: CutKind,
        op: &'static str,
        parents: &[Tensor<T>],
        place: Place,
    ) -> Arc<Cut> {
        let (leaves, before, complete) = behind(parents);
        Cut::join(Some((kind, op, place)), leaves, complete, before)
    }

    fn join(at: Option<CutAt>, leaves: Vec<u64>, mut complete: bool, mut before: Vec<Arc<Cut>>) -> Arc<Cut> {
        // What is forgotten leaves the place of its cut, of which no more is known.
        let nearest = |cut: &Arc<Cut>| cut.at.or_else(|| cut.before.iter().find_map(|cut| cut.at));
        let forgotten = before.iter().filter(|cut| cut.depth >= DEEP).find_map(nearest);
        let count = before.len();
        before.retain(|cut| cut.depth < DEEP);
        complete &= before.len() == count;
        let at = at.or(forgotten);
        let depth = before.iter().map(|cut| cut.depth + 1).max().unwrap_or(0);
        Arc::new(Cut { at, leaves, complete, before, depth })
    }

    /// The cuts, among these and all before them, that `leaf` lies behind, surely or perhaps: the last ones first.
    pub(crate) fn find(cuts: Vec<Arc<Cut>>, leaf: u64) -> (Vec<CutAt>, Vec<CutAt>) {
        let (mut sure, mut perhaps) = (vec![], vec![]);
        let mut seen = HashSet::new();
        let mut waiting = VecDeque::from(cuts);
        while let Some(cut) = waiting.pop_front() {
            if !seen.insert(Arc::as_ptr(&cut)) {
                continue;
            }
            if let Some(at) = cut.at {
                if cut.leaves.contains(&leaf) {
                    sure.push(at);
                } else if !cut.complete {
                    perhaps.push(at);
                }
            }
            waiting.extend(cut.before.iter().cloned());
        }
        (sure, perhaps)
    }
}

/// The leaves that want a gradient among what these were computed from, the cuts there, and whether that is all.
fn behind<T: Float>(of: &[Tensor<T>]) -> (Vec<u64>, Vec<Arc<Cut>>, bool) {
    let (mut leaves, mut cuts, mut seen) = (vec![], vec![], Vec::with_capacity(LOOK));
    let mut waiting: Vec<_> = of.iter().collect();
    while let Some(x) = waiting.pop() {
        if seen.contains(&x.id()) {
            continue;
        }
        if seen.len() == LOOK {
            return (leaves, cuts, false);
        }
        seen.push(x.id());
        if x.wants_grad() && x.op().is_none() {
            leaves.push(x.id());
        }
        cuts.extend(x.0.notes.cut().into_iter().chain(x.op().and_then(Cut::of_indices)));
        waiting.extend(x.parents());
    }
    (leaves, cuts, true)
}

/// Indices found in `x` by `op`, with a trace of it.
pub(crate) fn cut_off<T: Float>(indices: Indices, op: &'static str, x: &Tensor<T>, place: Place) -> Indices {
    let cut = match x.wants_grad() && leaves_traces() {
        true => Some(Cut::at(CutKind::Indices, op, std::slice::from_ref(x), place)),
        false => x.0.notes.cut(),
    };
    match cut {
        Some(cut) => indices.with_origin(cut),
        None => indices,
    }
}

impl<T: Float> Tensor<T> {
    /// A result that is not recorded: a constant, with a trace of where it was cut off if a gradient was wanted there.
    #[inline(never)] // out of the way of those that are
    pub(crate) fn unrecorded(
        data: Array<T>,
        op: &dyn Op<T>,
        parents: &[Tensor<T>],
        place: Place,
    ) -> Tensor<T> {
        Tensor::node(data, None, false, place).behind(Cut::between(op, parents, place))
    }

    /// With the trace of what it was cut off by.
    pub(crate) fn behind(self, cut: Option<Arc<Cut>>) -> Tensor<T> {
        if let Some(cut) = cut {
            self.0.notes.set_cut(cut);
        }
        self
    }
}
