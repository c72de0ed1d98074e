//! Derivatives of recorded results.

use super::function::argument;
use crate::context;
use crate::context::{on_behalf_of, recording};
use crate::inspect::{check_nonfinite, tracing};
use crate::num::Float;
use crate::op::pull_recorded;
use crate::{Array, Op, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Add;

/// The gradient of `y` with respect to each of `xs`, recorded: tensors in the shapes of `xs`, which can be
/// differentiated again. Zeros for an `x` that `y` was not computed from. Leaves the tensors' own [`grad`](Tensor::grad)
/// alone.
///
/// ```
/// use femtograd::{Tensor, gradients};
/// let x = Tensor::new(2.0);
/// let y = x.powi(3);
/// let dy = gradients(&y, &[&x]).remove(0); // 3x²
/// let ddy = gradients(&dy, &[&x]).remove(0); // 6x
/// let dddy = gradients(&ddy, &[&x]).remove(0); // 6
/// assert_eq!((dy.item(), ddy.item(), dddy.item()), (12.0, 12.0, 6.0));
/// ```
///
/// # Panics
/// If `y` is not one number, or one of `xs` is a constant, of which nothing is recorded.
#[track_caller]
pub fn gradients<T: Float>(y: &Tensor<T>, xs: &[&Tensor<T>]) -> Vec<Tensor<T>> {
    let one = Tensor::constant(y.one("gradients"));
    for x in xs {
        recorded("gradients", x);
    }
    pulled(&[(y, &one)], xs, oldest(xs))
}

/// The gradient of `Σ cotangent·y` with respect to each of `xs`, recorded: [`gradients`] of a `y` of any shape.
///
/// ```
/// use femtograd::{Tensor, gradients_with};
/// let x = Tensor::new([1.0, 2.0]);
/// let y = &x * &x;
/// let g = gradients_with(&y, &[&x], &Tensor::constant([1.0, 10.0])).remove(0);
/// assert_eq!(g.to_string(), "[2, 40]");
/// ```
///
/// # Panics
/// If the cotangent has another shape than `y`, or one of `xs` is a constant, of which nothing is recorded.
#[track_caller]
pub fn gradients_with<T: Float>(y: &Tensor<T>, xs: &[&Tensor<T>], cotangent: &Tensor<T>) -> Vec<Tensor<T>> {
    fits("gradients_with", "cotangent", &[y], &[cotangent]);
    for x in xs {
        recorded("gradients_with", x);
    }
    pulled(&[(y, cotangent)], xs, oldest(xs))
}

/// Panics unless there is a cotangent, or a tangent, of the same shape for each tensor.
#[track_caller]
pub(crate) fn fits<T: Float>(op: &'static str, what: &str, x: &[&Tensor<T>], d: &[&Tensor<T>]) {
    if x.len() != d.len() {
        Tensor::refuse(op, &format!("{} tensors, and a {what} for {} of them", x.len(), d.len()), x)
    }
    for (x, d) in x.iter().zip(d) {
        if x.shape() != d.shape() {
            let (want, is) = (x.shape(), d.shape());
            let why = format!("a {what} has the shape of its tensor, {want:?}: this one has {is:?}");
            Tensor::refuse(op, &why, &[x, d])
        }
    }
}

/// Panics for an `x` that leaves no trace in what is computed from it: zero would be a wrong answer.
#[track_caller]
fn recorded<T: Float>(op: &'static str, x: &Tensor<T>) {
    if !x.wants_grad() {
        let why = format!(
            "by a constant (made at {}), of which nothing is recorded. Tensor::new makes one to differentiate by",
            x.location()
        );
        Tensor::refuse(op, &why, &[x])
    }
}

/// For each of `xs`, the gradient of `Σ cotangent·y` over all results, recorded; through nothing older than `floor`.
pub(crate) fn pulled<T: Float>(
    seeds: &[(&Tensor<T>, &Tensor<T>)],
    xs: &[&Tensor<T>],
    floor: u64,
) -> Vec<Tensor<T>> {
    let pass = || pull(seeds.iter().map(|(y, g)| (*y, (*g).clone())), xs, floor, pull_recorded);
    // Where cotangents are added up, no op is at work: that belongs to the result.
    let found = seeds.first().map_or_else(pass, |(y, _)| on_behalf_of(y.location(), "add", pass));
    watch(seeds, xs, found.iter().map(|g| g.as_ref().map(Tensor::data)));
    found.into_iter().zip(xs).map(|(g, x)| g.unwrap_or_else(|| zeros(x))).collect()
}

/// The same, not recorded: by each op's fastest way.
pub(crate) fn pulled_bare<T: Float>(
    seeds: &[(&Tensor<T>, &Tensor<T>)],
    xs: &[&Tensor<T>],
    floor: u64,
) -> Vec<Tensor<T>> {
    let numbers = seeds.iter().map(|(y, g)| (*y, g.data().clone()));
    let found = pull(numbers, xs, floor, |op, x, y, g, sums| op.pull(x, y, g, sums));
    watch(seeds, xs, found.iter().map(Option::as_ref));
    let constant = |(g, x): (Option<Array<T>>, &&Tensor<T>)| match g {
        Some(g) => Tensor::node(g, None, false, x.location()),
        None => zeros(x),
    };
    found.into_iter().zip(xs).map(constant).collect()
}

/// Panics if this is asked for and something that a pass has found is not finite.
fn watch<'a, T: Float>(
    seeds: &[(&Tensor<T>, &Tensor<T>)],
    xs: &[&Tensor<T>],
    found: impl Iterator<Item = Option<&'a Array<T>>>,
) {
    if tracing() {
        let found: Vec<_> = xs.iter().zip(found).filter_map(|(x, g)| Some((*x, g?.clone()))).collect();
        seeds.iter().for_each(|(y, _)| check_nonfinite(y, found.iter()));
    }
}

/// What a pass from the seeds brings to each of `xs`.
fn pull<'a, T: Float, G: Add<Output = G> + Clone>(
    seeds: impl Iterator<Item = (&'a Tensor<T>, G)>,
    xs: &[&'a Tensor<T>],
    floor: u64,
    step: impl FnMut(&dyn Op<T>, &[Tensor<T>], &Tensor<T>, G, &mut [Option<G>]),
) -> Vec<Option<G>> {
    let mut found: HashMap<u64, Option<G>> = xs.iter().map(|x| (x.id(), None)).collect();
    Tensor::pullback(seeds.filter(|(y, _)| y.wants_grad()), floor, step, |t, g, _| {
        if let Some(found) = found.get_mut(&t.id()) {
            *found = Some(g.clone());
        }
    });
    xs.iter().map(|x| found[&x.id()].clone()).collect()
}

/// The least id: what is older was not computed from any of these.
pub(crate) fn oldest<T: Float>(xs: &[&Tensor<T>]) -> u64 {
    xs.iter().map(|x| x.id()).min().unwrap_or(0)
}

/// Whether somebody may want to differentiate what was computed since `floor`: something older had a part in it, or an op
/// may hold something that has.
pub(crate) fn is_open<T: Float>(waiting: Vec<&Tensor<T>>, floor: u64) -> bool {
    !reached(waiting.clone(), floor).is_empty() || !all_closed(waiting, floor)
}

/// Whether all ops since `floor` are [closed](Op::is_closed).
pub(crate) fn all_closed<T: Float>(mut waiting: Vec<&Tensor<T>>, floor: u64) -> bool {
    let mut seen = HashSet::new();
    while let Some(t) = waiting.pop() {
        if t.id() >= floor && seen.insert(t.id()) {
            if t.op().is_some_and(|op| !op.is_closed()) {
                return false;
            }
            waiting.extend(t.parents());
        }
    }
    true
}

/// The tensors older than `floor` that want a gradient and had a part in these: where their own part of the graph ends.
pub(crate) fn reached<T: Float>(mut waiting: Vec<&Tensor<T>>, floor: u64) -> Vec<Tensor<T>> {
    let (mut ends, mut seen) = (vec![], HashSet::new());
    while let Some(t) = waiting.pop() {
        if !t.wants_grad() || !seen.insert(t.id()) {
            continue;
        }
        if t.id() < floor {
            ends.push(t.clone());
        } else {
            waiting.extend(t.parents());
        }
    }
    ends
}

pub(crate) fn zeros<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    Tensor::constant(Array::full(x.shape(), T::ZERO))
}

/// The Jacobian-vector product `Σₖ ∂y/∂xₖ·tangentₖ`, recorded: how `y` changes when each `x` moves along its tangent.
/// Forward mode: one walk over the recorded graph, from the oldest node to the newest. The tangent of an intermediate
/// result is a movement on top of the one it is carried along in.
///
/// ```
/// use femtograd::{Tensor, tangent};
/// let x = Tensor::new([3.0, 4.0]);
/// let norm = (&x * &x).sum().sqrt();
/// let along = Tensor::constant([1.0, 0.5]);
/// assert_eq!(tangent(&norm, &[(&x, &along)]).item(), 1.0); // (3 + 4·½) / 5
/// ```
///
/// # Panics
/// If a tangent has another shape than its tensor, or the tensor is a constant, of which nothing is recorded.
#[track_caller]
pub fn tangent<T: Float>(y: &Tensor<T>, along: &[(&Tensor<T>, &Tensor<T>)]) -> Tensor<T> {
    for (x, dx) in along {
        fits("tangent", "tangent", &[x], &[dx]);
        recorded("tangent", x);
    }
    let xs: Vec<_> = along.iter().map(|(x, _)| *x).collect();
    pushed(&[y], along, oldest(&xs)).remove(0)
}

/// The tangents of several results; through nothing older than `floor`.
pub(crate) fn pushed<T: Float>(
    ys: &[&Tensor<T>],
    along: &[(&Tensor<T>, &Tensor<T>)],
    floor: u64,
) -> Vec<Tensor<T>> {
    let mut tangents: HashMap<u64, Tensor<T>> = HashMap::new();
    for (x, dx) in along {
        move_along(&mut tangents, x.id(), (*dx).clone());
    }
    // The nodes by age: ids grow with creation, so every parent comes before its children.
    let mut nodes = BTreeMap::new();
    let mut waiting = ys.to_vec();
    while let Some(t) = waiting.pop() {
        if t.id() >= floor && nodes.insert(t.id(), t).is_none() {
            waiting.extend(t.parents());
        }
    }
    for (id, t) in nodes {
        let Some(op) = t.op() else { continue };
        let dx: Vec<_> = t.parents().iter().map(|x| tangents.get(&x.id()).cloned()).collect();
        if dx.iter().any(Option::is_some) {
            let dy = on_behalf_of(t.location(), op.name(), || {
                let dy = op.jvp(t.parents(), t, &dx);
                if dy.shape() != t.shape() {
                    let why =
                        format!("its jvp gives a tangent of shape {:?} for {:?}", dy.shape(), t.shape());
                    Tensor::refuse(op.name(), &why, &[t])
                }
                dy
            });
            move_along(&mut tangents, id, dy);
        }
    }
    ys.iter().map(|y| tangents.get(&y.id()).cloned().unwrap_or_else(|| zeros(y))).collect()
}

/// Adds to the tangent of a node.
fn move_along<T: Float>(tangents: &mut HashMap<u64, Tensor<T>>, id: u64, dx: Tensor<T>) {
    let sum = match tangents.remove(&id) {
        Some(sum) => sum + dx,
        None => dx,
    };
    tangents.insert(id, sum);
}

/// The forward rule that an op's reverse rule implies: `dy = Σᵢ Jᵢ·dxᵢ` is the derivative of `Σᵢ ⟨Jᵢᵀ·g, dxᵢ⟩` by `g`. Taken
/// at `g = 0`, which matters only where a rule is not linear in `g`.
pub(crate) fn transposed<T: Float, O: Op<T> + ?Sized>(
    op: &O,
    x: &[Tensor<T>],
    y: &Tensor<T>,
    dx: &[Option<Tensor<T>>],
) -> Tensor<T> {
    let g = Tensor::node(Array::full(y.shape(), T::ZERO), None, true, y.location());
    let product = |(i, dx): (usize, &Option<Tensor<T>>)| {
        let dx = dx.as_ref()?;
        Some((op.vjp(x, y, &g, i).sum_to(x[i].shape()) * dx).sum())
    };
    let total = context::recorded(|| dx.iter().enumerate().filter_map(product).reduce(|a, b| a + b));
    let total = total.expect("at least one tangent");
    pulled(&[(&total, &Tensor::constant(T::ONE))], &[&g], g.id()).remove(0)
}

/// Derivatives in the style of TensorFlow's `GradientTape`: what is watched is what is differentiated by.
///
/// Every tensor has the tape within it, so this only keeps the list; what is recorded is let go when the results are.
///
/// ```
/// use femtograd::{Tape, Tensor};
/// let mut tape = Tape::new();
/// let (a, b) = (tape.watch(&Tensor::constant(2.0)), tape.watch(&Tensor::constant(3.0)));
/// let c = &a * &b + b.powi(2);
/// let slopes = tape.gradient(&c);
/// assert_eq!((slopes[0].item(), slopes[1].item()), (3.0, 8.0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tape<T: Float = f32>(Vec<Tensor<T>>);

impl<T: Float> Tape<T> {
    /// A tape that watches nothing.
    pub fn new() -> Tape<T> {
        Tape(Vec::new())
    }

    /// `x` to compute with: a tensor that results are differentiated by.
    ///
    /// # Panics
    /// Inside [`no_grad`](crate::no_grad), where nothing is recorded.
    #[track_caller]
    pub fn watch(&mut self, x: &Tensor<T>) -> Tensor<T> {
        if !recording() {
            Tensor::refuse("watch", "inside no_grad nothing is recorded", &[x])
        }
        self.0.push(argument(x));
        self.0[self.0.len() - 1].clone()
    }

    /// The gradient of `y` with respect to everything watched, in the order of watching, recorded.
    ///
    /// # Panics
    /// If `y` is not one number.
    #[track_caller]
    pub fn gradient(&self, y: &Tensor<T>) -> Vec<Tensor<T>> {
        gradients(y, &self.0.iter().collect::<Vec<_>>())
    }
}
