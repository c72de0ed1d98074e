//! Derivatives of recorded results, as tensors that can be differentiated again.

use crate::context::on_behalf_of;
use crate::num::Float;
use crate::op::pull_recorded;
use crate::{Array, Tensor};
use std::collections::{BTreeMap, HashMap};

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
    gradients_with(y, xs, &Tensor::constant(y.one()))
}

/// The vector-Jacobian product `Σ cotangent·∂y/∂x` for each of `xs`, recorded: [`gradients`] of a `y` of any shape.
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
    let (shape, given) = (y.shape(), cotangent.shape());
    assert!(shape == given, "gradients_with: the cotangent has shape {given:?}, y has shape {shape:?}");
    xs.iter().for_each(|x| recorded("gradients", x));
    let mut found: HashMap<u64, Option<Tensor<T>>> = xs.iter().map(|x| (x.id(), None)).collect();
    if y.wants_grad() {
        // What is older than all of them was not computed from them.
        let floor = xs.iter().map(|x| x.id()).min().unwrap_or(0);
        Tensor::pullback([(y, cotangent.clone())], floor, pull_recorded, |t, g, _| {
            if let Some(found) = found.get_mut(&t.id()) {
                *found = Some(g);
            }
        });
    }
    xs.iter().map(|x| found[&x.id()].clone().unwrap_or_else(|| zeros(x))).collect()
}

fn zeros<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    Tensor::constant(Array::full(x.shape(), T::ZERO))
}

/// Panics for an `x` that leaves no trace in what is computed from it: zero would be a wrong answer.
#[track_caller]
fn recorded<T: Float>(transform: &str, x: &Tensor<T>) {
    let name = x.label().map_or(String::new(), |label| format!("{label:?} "));
    assert!(
        x.wants_grad(),
        "{transform}: the tensor {name}of shape {:?}, made at {}, is a constant, of which nothing is recorded. \
         Tensor::new makes one to differentiate by",
        x.shape(),
        x.location()
    );
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
    let mut tangents: HashMap<u64, Tensor<T>> = HashMap::new();
    for (x, dx) in along {
        let (shape, given) = (x.shape(), dx.shape());
        assert!(shape == given, "tangent: a tangent has shape {given:?}, its tensor {shape:?}");
        recorded("tangent", x);
        move_along(&mut tangents, x.id(), (*dx).clone());
    }
    // The nodes by age: ids grow with creation, so every parent comes before its children.
    let mut nodes = BTreeMap::from([(y.id(), y)]);
    let mut waiting = vec![y];
    while let Some(t) = waiting.pop() {
        for x in t.parents() {
            if nodes.insert(x.id(), x).is_none() {
                waiting.push(x);
            }
        }
    }
    for (id, t) in nodes {
        let Some(op) = t.op() else { continue };
        let dx: Vec<_> = t.parents().iter().map(|x| tangents.get(&x.id()).cloned()).collect();
        if dx.iter().any(Option::is_some) {
            let dy = on_behalf_of(t.location(), op.name(), || op.jvp(t.parents(), t, &dx));
            move_along(&mut tangents, id, dy);
        }
    }
    tangents.remove(&y.id()).unwrap_or_else(|| zeros(y))
}

/// Adds to the tangent of a node.
fn move_along<T: Float>(tangents: &mut HashMap<u64, Tensor<T>>, id: u64, dx: Tensor<T>) {
    let sum = match tangents.remove(&id) {
        Some(sum) => sum + dx,
        None => dx,
    };
    tangents.insert(id, sum);
}
