//! One recorded node at a time, with the values it was recorded with: what is wrong is found where it is, and ops
//! that only backward passes record are checked like all others.

use crate::cases::{Case, Point, table};
use crate::compare::Outcome;
use crate::each;
use femtograd::inspect::{Verdict, verify_node};
use femtograd::{Op, Tensor};
use std::collections::BTreeMap;

/// Checks `y = op(x…)` by the library's [`verify_node`]; the cases lie where everything can be checked.
pub fn check_node(op: &dyn Op<f64>, x: &[Tensor<f64>], y: &Tensor<f64>) -> Outcome {
    match verify_node(op, x, y) {
        Verdict::Right => Ok(()),
        Verdict::Unchecked(why) => Err(format!("not checked: {why}")),
        Verdict::Wrong(why) => Err(why),
    }
}

/// All recorded nodes of a case, and of its first and second derivatives in both modes.
pub fn nodes(case: &Case<f64>) -> Vec<Tensor<f64>> {
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

/// Each node of a case.
pub fn each_node(case: &Case<f64>) -> Outcome {
    nodes(case).iter().try_for_each(|y| {
        let op = y.op().expect("recorded");
        check_node(op, y.parents(), y).map_err(|why| format!("node {}: {why}", op.name()))
    })
}

#[test]
#[cfg_attr(miri, ignore)]
fn each_node_of_each_graph() {
    each(&table(), each_node);
}
