//! One recorded node at a time, with the values it was recorded with: what is wrong is found where it is, and ops
//! that only backward passes record are checked like all others.

use crate::cases::{Case, Point, table};
use crate::compare::{Outcome, ROUNDING, close};
use crate::each;
use femtograd::inspect::{Verdict, verify_node};
use femtograd::{Float, Op, Tensor};
use std::collections::BTreeMap;

/// Checks `y = op(x…)` by the library's [`verify_node`]; the cases lie where everything can be checked.
pub fn check_node<T: Float>(op: &dyn Op<T>, x: &[Tensor<T>], y: &Tensor<T>) -> Outcome {
    match verify_node(op, x, y) {
        Verdict::Right => Ok(()),
        Verdict::Unchecked(why) => Err(format!("not checked: {why}")),
        Verdict::Wrong(why) => Err(why),
    }
}

/// All recorded nodes of a case, and of its first and second derivatives in both modes.
pub fn nodes<T: Float>(case: &Case<T>) -> Vec<Tensor<T>> {
    let p = Point::of(case);
    let reverse = p.reverse();
    let mut waiting = p.second(&reverse);
    waiting.extend(reverse);
    waiting.extend([p.forward(), p.y]);
    let mut nodes = BTreeMap::new();
    while let Some(t) = waiting.pop() {
        if t.op().is_some() && !nodes.contains_key(&t.id()) {
            waiting.extend_from_slice(t.parents());
            nodes.insert(t.id(), t);
        }
    }
    nodes.into_values().collect()
}

/// Each node of a case; where it is a faster way to compute a composition of ops, it must agree with it.
pub fn each_node(case: &Case<f64>) -> Outcome {
    nodes(case).iter().try_for_each(|y| {
        let op = y.op().expect("recorded");
        let composed = op.composition(y.parents());
        composed
            .map_or(Ok(()), |composed| {
                close("the composition's value", y.data(), composed.data(), ROUNDING, 0.0)
            })
            .and_then(|()| check_node(op, y.parents(), y))
            .map_err(|why| format!("node {}: {why}", op.name()))
    })
}

#[test]
#[cfg_attr(miri, ignore)]
fn each_node_of_each_graph() {
    each(&table(), each_node);
}

/// In `f32` a difference can be lost in rounding; what is right is never called wrong.
#[test]
#[cfg_attr(miri, ignore)]
fn no_node_is_called_wrong_in_f32() {
    let (mut all, mut unchecked) = (0, vec![]);
    for case in table::<f32>() {
        for y in nodes(&case) {
            let op = y.op().expect("recorded");
            all += 1;
            match verify_node(op, y.parents(), &y) {
                Verdict::Right => {}
                Verdict::Unchecked(why) => unchecked.push(format!("{}, {}: {why}", case.name, op.name())),
                Verdict::Wrong(why) => panic!("{}, {}: {why}", case.name, op.name()),
            }
        }
    }
    let few = unchecked.len() * 100 < 3 * all;
    assert!(few, "{} of {all} nodes could not be checked:\n{}", unchecked.len(), unchecked.join("\n"));
}
