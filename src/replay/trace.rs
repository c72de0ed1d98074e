//! Running a function so that all that depends on its inputs is recorded, and taking the graph apart.

use crate::context::{self, Tracing, recorded, recording, tracing};
use crate::num::Float;
use crate::tensor::Parents;
use crate::{Array, Error, Indices, Mistake, Op, Place, Shape, Tensor};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

thread_local! {
    /// The integers that the function being recorded was given.
    static INDICES: RefCell<Vec<Indices>> = const { RefCell::new(Vec::new()) };
    /// The tensors that the ops at work were given, one after the other.
    static ARGUMENTS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// From where on they are those of the innermost one.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` and records all that depends on tensors made by [`input`] or on these integers, under `no_grad` too.
pub(super) fn trace<R>(indices: Vec<Indices>, f: impl FnOnce() -> R) -> R {
    struct Restore(Vec<Indices>);
    impl Drop for Restore {
        fn drop(&mut self) {
            INDICES.set(std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(INDICES.replace(indices));
    context::traced(Tracing::Function, || recorded(f))
}

/// Runs `f`, in which the values of these tensors may be read, and of no others that depend on a recorded input.
pub(super) fn at_work<R>(arguments: impl Iterator<Item = u64>, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            ARGUMENTS.with_borrow_mut(|ids| ids.truncate(OWN.replace(self.0)));
        }
    }
    let _restore = ARGUMENTS.with_borrow_mut(|ids| {
        let before = OWN.replace(ids.len());
        ids.extend(arguments);
        Restore(before)
    });
    context::traced(Tracing::Op, f)
}

type How = dyn Fn(&[Indices]) -> Indices + Send + Sync;

/// Integers that were computed from others.
pub(super) struct Computed {
    from: Vec<Indices>,
    how: Box<How>,
}

/// [`Indices`] computed from others: in a function that is being [recorded](crate::record()) they are those of each call if any
/// of the others are. `how` must give the same shape for the same shapes.
///
/// ```
/// use femtograd::{Indices, Tensor, record_with, replay::indices_from};
/// // Of each row the element after the one that is named.
/// let next = record_with(|x: &Tensor<f64>, places: &Indices| {
///     let next = indices_from(&[places], |i| Indices::from_vec(i[0].as_slice().iter().map(|i| i + 1).collect::<Vec<_>>(), i[0].shape()));
///     x.take_along_axis(next, 1).sum()
/// });
/// let x = Tensor::constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!(next.value_with(&x, &[[0], [1]].into()).item(), 2.0 + 6.0);
/// assert_eq!(next.value_with(&x, &[[1], [0]].into()).item(), 3.0 + 5.0);
/// ```
pub fn indices_from(
    from: &[&Indices],
    how: impl Fn(&[Indices]) -> Indices + Send + Sync + 'static,
) -> Indices {
    let from: Vec<Indices> = from.iter().copied().cloned().collect();
    how(&from).with_origin(Arc::new(Computed { from, how: Box::new(how) }))
}

/// Where a program has integers from.
pub(super) enum Source {
    Given(usize),
    Kept(Indices),
    Computed(Arc<Computed>, Vec<Source>),
}

impl Source {
    /// Where these come from, if any of the given ones has a part in them.
    fn of(indices: &Indices, given: &[Indices]) -> Option<Source> {
        let same = |other: &Indices| std::ptr::eq(other.as_slice(), indices.as_slice());
        if let Some(i) = given.iter().position(same) {
            return Some(Source::Given(i));
        }
        let computed = indices.origin()?.clone().downcast::<Computed>().ok()?;
        let from: Vec<_> = computed.from.iter().map(|indices| Source::of(indices, given)).collect();
        if from.iter().all(Option::is_none) {
            return None;
        }
        let kept =
            |(source, indices): (Option<Source>, &Indices)| source.unwrap_or(Source::Kept(indices.clone()));
        let from = from.into_iter().zip(&computed.from).map(kept).collect();
        Some(Source::Computed(computed, from))
    }
    /// What they are, given these.
    pub(super) fn now(&self, given: &[&Indices]) -> Indices {
        match self {
            Source::Given(i) => given[*i].clone(),
            Source::Kept(indices) => indices.clone(),
            Source::Computed(computed, from) => {
                (computed.how)(&from.iter().map(|source| source.now(given)).collect::<Vec<_>>())
            }
        }
    }
}

/// A leaf that the function being recorded is given.
pub(super) fn input<T: Float>(x: &Tensor<T>, wanted: bool) -> Tensor<T> {
    let leaf = marked(Tensor::node(x.0.data.clone(), None, wanted, x.location()));
    match x.label() {
        Some(label) => leaf.named(label),
        None => leaf,
    }
}

fn marked<T: Float>(mut x: Tensor<T>) -> Tensor<T> {
    x.0.get_mut().expect("nobody else has it yet").traced = true;
    x
}

/// `x`, made just now, as something to differentiate by, though nothing that it was computed from is.
pub(crate) fn wanted<T: Float>(mut x: Tensor<T>) -> Tensor<T> {
    x.0.get_mut().expect("nobody else has it yet").wanted = true;
    x
}

/// Whether a function is being recorded and `x` depends on an input of it.
pub(crate) fn is_input<T: Float>(x: &Tensor<T>) -> bool {
    x.0.traced && tracing()
}

/// Whether what `op` computes of these depends on an input of the function being recorded.
#[inline]
pub(crate) fn follows<T: Float>(op: &dyn Op<T>, parents: &[Tensor<T>]) -> bool {
    tracing() && (parents.iter().any(|x| x.0.traced) || op.indices().is_some_and(is_given))
}

/// Computes `op` and records how, whether or not a gradient is wanted.
///
/// # Errors
/// If the arguments do not fit the op, or it was given integers that the program could not replace.
#[track_caller]
pub(crate) fn follow<T: Float>(
    op: Box<dyn Op<T>>,
    parents: Parents<T>,
    place: Place,
) -> Result<Tensor<T>, Mistake> {
    let mistake = |why: Error| Mistake::new(op.name(), why, parents.iter(), place);
    if let Some(indices) = op.indices()
        && (!is_given(indices) || op.with_indices(indices.clone()).is_none())
    {
        let how = match context::caller().is_some() {
            true => "an argument, an array of integers, and pass that on",
            false => "an input (record_with), as Indices, and pass those on",
        };
        return Err(mistake(Error(format!(
            "a recorded program would keep these indices as they are now: give them to the function as {how}"
        ))));
    }
    let data = at_work(parents.iter().map(Tensor::id), || op.forward(&parents)).map_err(mistake)?;
    let mut y = match recording() && parents.iter().any(Tensor::wants_grad) {
        true => marked(Tensor::node(data, None, true, place)),
        false => marked(Tensor::unrecorded(data, &*op, &parents, place)),
    };
    y.0.get_mut().expect("nobody else has it yet").how = Some((op, parents));
    Ok(y)
}

/// Whether a function is being recorded and these integers are those of each call.
pub(crate) fn is_rebound(indices: &Indices) -> bool {
    tracing() && is_given(indices)
}

/// Refuses to give away a value that a program would keep.
#[cold]
#[track_caller]
pub(crate) fn check_read<T: Float>(x: &Tensor<T>) {
    let fine = match context::trace() {
        Tracing::No => true,
        Tracing::Function => false,
        Tracing::Op => ARGUMENTS.with_borrow(|ids| ids[OWN.get()..].contains(&x.id())),
    };
    if !fine {
        let why = format!(
            "the value of a tensor (made at {}) is asked for, and a recorded program would keep it as it is now. Leave \
             this out of the recorded function, or compute with tensors: {} chooses between two",
            x.location(),
            if context::caller().is_some() { "where" } else { "where_" }
        );
        Tensor::refuse("record", &why, &[x])
    }
}

/// Whether these integers are among the given ones, or were computed from some.
fn is_given(indices: &Indices) -> bool {
    INDICES.with_borrow(|given| Source::of(indices, given).is_some())
}

/// A recorded function: its nodes, the oldest first.
pub(super) struct Graph<T: Float> {
    pub(super) nodes: Vec<Node<T>>,
    pub(super) ops: Vec<Held<T>>,
    /// The arguments of all ops.
    pub(super) edges: Vec<u32>,
    /// The ops that take integers: which op, where they come from, under which shape.
    pub(super) indices: Vec<(usize, Source, Shape)>,
}

/// What a tensor was. (A small one: much of preparing is the system's giving memory.)
pub(super) struct Node<T> {
    pub(super) shape: Box<[usize]>,
    pub(super) place: Place,
    pub(super) wanted: bool,
    pub(super) from: From<T>,
}

pub(super) enum From<T> {
    Input(usize),
    Constant(Array<T>),
    /// The number of an op, and from where on its arguments are listed.
    Op {
        op: u32,
        first: u32,
        arguments: u32,
    },
}

/// An op of the program: its own, or that of a node which somebody else holds as well.
pub(super) enum Held<T: Float> {
    Own(Box<dyn Op<T>>),
    Node(Tensor<T>),
}

impl<T: Float> Held<T> {
    pub(super) fn op(&self) -> &dyn Op<T> {
        match self {
            Held::Own(op) => &**op,
            Held::Node(node) => node.op().expect("a node that was computed"),
        }
    }
}

impl<T: Float> Graph<T> {
    /// The graph of `y`, taken apart from the newest node to the oldest: the program keeps the ops and lets the values
    /// of the recording go.
    pub(super) fn of(y: Tensor<T>, inputs: &[Tensor<T>], indices: &[Indices]) -> Graph<T> {
        let ids = number(&y);
        let index = |x: &Tensor<T>| match x.0.hint.load(Relaxed) as usize {
            hint if ids.get(hint) == Some(&x.id()) => hint,
            _ => ids.binary_search(&x.id()).expect("numbered"),
        };
        let (mut nodes, mut ops) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        let (mut edges, mut taken) = (Vec::with_capacity(2 * ids.len()), vec![]);
        let mut waiting: Vec<Option<Tensor<T>>> = ids.iter().map(|_| None).collect();
        *waiting.last_mut().expect("y at least") = Some(y);
        while let Some(x) = waiting.pop() {
            let x = x.expect("something newer was computed from it");
            let (shape, place, wanted) = (x.shape().into(), x.location(), x.wants_grad());
            let from = if !x.0.traced {
                From::Constant(x.0.data.clone())
            } else if x.0.how.is_none() {
                let same = |input: &Tensor<T>| input.id() == x.id();
                From::Input(inputs.iter().position(same).unwrap_or_else(|| earlier(&x)))
            } else {
                let source = x.op().and_then(|op| op.indices()).map(|used| {
                    (Source::of(used, indices).unwrap_or_else(|| earlier(&x)), Shape::from(used.shape()))
                });
                let (held, parents) = take_apart(x);
                taken.extend(source.map(|(source, shape)| (ops.len(), source, shape)));
                let (op, first, arguments) = (small(ops.len()), small(edges.len()), small(parents.len()));
                ops.push(held);
                for x in parents {
                    let i = index(&x);
                    edges.push(small(i));
                    waiting[i] = Some(x);
                }
                From::Op { op, first, arguments }
            };
            nodes.push(Node { shape, place, wanted, from });
        }
        nodes.reverse();
        Graph { nodes, ops, edges, indices: taken }
    }
}

/// A number of nodes, edges or what else there is of a recorded function.
pub(super) fn small(n: usize) -> u32 {
    u32::try_from(n).ok().filter(|n| *n < u32::MAX - 1).expect("fewer than there is memory for")
}

/// The ids of what `y` was computed from, the oldest first, its own last. Each node's place among them is noted in the node, as
/// a hint: see [`Frontier`](crate::frontier::Frontier).
fn number<T: Float>(y: &Tensor<T>) -> Vec<u64> {
    let mut found: Vec<&Tensor<T>> = vec![];
    let mut waiting = vec![y];
    while let Some(x) = waiting.pop() {
        let hint = x.0.hint.load(Relaxed) as usize;
        if !found.get(hint).is_some_and(|other| other.0.is(&x.0)) {
            x.0.hint.store(found.len() as u32, Relaxed);
            found.push(x);
            if x.0.traced {
                waiting.extend(x.parents());
            }
        }
    }
    found.sort_by_key(|x| x.id()); // stable, and so fast where they come in order
    found.dedup_by_key(|x| x.id());
    for (i, x) in found.iter().enumerate() {
        x.0.hint.store(i as u32, Relaxed);
    }
    found.iter().map(|x| x.id()).collect()
}

/// Refuses what an earlier recording has left behind.
#[cold]
fn earlier<R, T: Float>(x: &Tensor<T>) -> R {
    let why = format!(
        "a tensor (made at {}) was kept from an earlier call, whose arguments it depends on: a recorded function must \
         not hand tensors on from one call to the next",
        x.location()
    );
    Mistake::new("record", Error(why), [x].into_iter(), Place::here()).of_another_graph().raise()
}

/// The op of a node and its arguments; the node goes if nobody else holds it.
fn take_apart<T: Float>(mut x: Tensor<T>) -> (Held<T>, Parents<T>) {
    match x.0.get_mut() {
        Some(node) => {
            let (op, parents) = node.how.take().expect("what is traced and no input was computed");
            (Held::Own(op), parents)
        }
        None => {
            let parents = x.parents().into();
            (Held::Node(x), parents)
        }
    }
}
