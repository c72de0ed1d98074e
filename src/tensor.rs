//! The core: a tensor, how it came to be, and the way back. Everything else in this library is built on this file.
//!
//! A program computes with [`Tensor`]s; each remembers the op and the parents it was computed from. That is a
//! directed acyclic graph, built while the program runs. [`Tensor::backward`] walks it from a result to the leaves
//! and applies the chain rule: a node's cotangent (the derivative of the result with respect to it), carried back
//! through its op, is a contribution to each parent's cotangent.

use crate::few::Few;
use crate::frontier::{Frontier, Slot};
use crate::inspect::check_nonfinite;
use crate::kernels::uninterrupted;
use crate::notes::Notes;
use crate::release::Handle;
use crate::replay::{follow, follows};
use crate::{Array, Float, Mistake, Op, Place, census, recording};
use smallvec::SmallVec;
use std::ops::Add;
use std::sync::atomic::AtomicU32;

/// A value, its gradient, and how it was computed. Cloning shares the node: it is the same tensor.
#[derive(Clone)]
pub struct Tensor<T: Float = f32>(pub(crate) Handle<T>);

pub(crate) struct Node<T: Float> {
    /// Grows with creation, so a tensor's id is larger than those of all it was computed from. Ordered by id, the
    /// nodes are the tape (the Wengert list); backwards by id is an order in which `backward` may visit them.
    pub(crate) id: u64,
    pub(crate) data: Array<T>,
    /// The op and its arguments; none for a leaf, which was given and not computed.
    pub(crate) how: Option<How<T>>,
    /// Does a gradient flow through here? Then some leaf it was computed from wants one.
    pub(crate) wanted: bool,
    /// Was it computed from an input of a function that is being recorded to be replayed?
    pub(crate) traced: bool,
    /// The line of the program that made it.
    pub(crate) place: Place,
    /// What may still change: gradient and label. The value never does.
    pub(crate) notes: Notes<T>,
    /// Where a backward pass keeps this node's sum: see [`Frontier`].
    pub(crate) hint: AtomicU32,
}

/// The arguments of an op.
pub(crate) type Parents<T> = SmallVec<[Tensor<T>; 2]>;
pub(crate) type How<T> = (Box<dyn Op<T>>, Parents<T>);

impl<T: Float> Tensor<T> {
    /// A leaf that wants a gradient: a parameter, or an input to differentiate by.
    #[track_caller]
    pub fn new(data: impl Into<Array<T>>) -> Tensor<T> {
        Tensor::node(data.into(), None, true, Place::here())
    }

    /// A leaf that wants none: data. What is computed from constants alone is not recorded and is a constant too.
    #[track_caller]
    pub fn constant(data: impl Into<Array<T>>) -> Tensor<T> {
        Tensor::node(data.into(), None, false, Place::here())
    }

    /// Computes `op`, and records how if a gradient is wanted of any argument.
    ///
    /// # Errors
    /// If the arguments do not fit the op.
    #[inline]
    #[track_caller]
    pub(crate) fn try_record(op: Box<dyn Op<T>>, parents: Parents<T>) -> Result<Tensor<T>, Mistake> {
        let place = Place::here();
        if follows(&*op, &parents) {
            return follow(op, parents, place);
        }
        let data = op.forward(&parents).map_err(|why| Mistake::new(op.name(), why, parents.iter(), place))?;
        if !recording() || !parents.iter().any(|x| x.0.wanted) {
            return Ok(Tensor::unrecorded(data, &*op, &parents, place));
        }
        Ok(Tensor::node(data, Some((op, parents)), true, place))
    }

    #[inline(always)]
    pub(crate) fn node(data: Array<T>, how: Option<How<T>>, wanted: bool, place: Place) -> Tensor<T> {
        let (id, traced, hint, notes) = (census::next_id(), false, AtomicU32::new(0), Notes::new());
        census::enter(Tensor(Handle::new(Node { id, data, how, wanted, traced, place, hint, notes })))
    }

    /// The chain rule, backwards. The frontier holds the nodes whose cotangent is still being summed, at first those
    /// with a seed. The newest of them cannot be a parent of another one, so its sum is complete: `pull` carries it
    /// through its op to the sums of its parents, and it leaves, with the number of edges that led to it. What is
    /// older than `floor` leaves too, and is not carried through.
    pub(crate) fn pullback<'a, G: Add<Output = G>>(
        seeds: impl IntoIterator<Item = (&'a Tensor<T>, G)>,
        floor: u64,
        mut pull: impl FnMut(&dyn Op<T>, &[Tensor<T>], &Tensor<T>, G, &mut [Option<G>]),
        mut leave: impl FnMut(&'a Tensor<T>, &G, usize),
    ) {
        let mut frontier = Frontier::new(floor);
        let mut sums = SmallVec::<[_; 3]>::new();
        for (y, seed) in seeds {
            frontier.enter(y).add(Some(seed));
        }
        while let Some(Slot { node: y, sum, edges }) = frontier.pop() {
            let g = sum.expect("an op adds to the cotangent of every parent that wants one");
            leave(y, &g, edges);
            let Some((op, parents)) = y.0.how.as_ref().filter(|_| y.0.id >= floor) else { continue };
            sums.clear();
            for x in parents {
                sums.push(if x.0.wanted { frontier.enter(x).take() } else { None });
            }
            pull(&**op, parents, y, g, &mut sums);
            for (x, sum) in parents.iter().zip(&mut sums).filter(|(x, _)| x.0.wanted) {
                let slot = frontier.enter(x);
                slot.add(sum.take()); // for x * x: one parent, two sums
                slot.edges += 1;
            }
        }
    }

    /// [`backward_with`](Self::backward_with) the cotangent 1: the gradient of this one number.
    ///
    /// # Panics
    /// If this is not one number, or if no gradient is wanted of anything it was computed from.
    #[track_caller]
    pub fn backward(&self) {
        self.backward_with(self.one("backward"));
    }

    /// Computes the gradient of `Σ cotangent·self` with respect to everything it was computed from. Leaves add it to
    /// the gradient they have; any other tensor that somebody still holds, and any single number, gets it as its
    /// gradient; what nobody can ask for is not kept.
    ///
    /// # Panics
    /// If the cotangent has another shape, or if no gradient is wanted of anything this was computed from.
    #[track_caller]
    pub fn backward_with(&self, cotangent: impl Into<Array<T>>) {
        let mut found = Few::new();
        Tensor::pullback(
            [(self, self.seed(cotangent.into()))],
            0,
            |op, x, y, g, sums| op.pull(x, y, g, sums),
            |x, g, edges| {
                let held = x.0.count() > edges; // by more handles than the graph's own
                if held || x.0.how.is_none() || x.0.data.as_scalar().is_some() {
                    found.push((x, g.clone()));
                }
            },
        );
        check_nonfinite(self, found.iter());
        let _whole = uninterrupted();
        found.each(|(x, g)| match x.0.how {
            None => x.0.notes.add_grad(g),
            Some(_) => x.0.notes.set_grad(g),
        });
    }
}
