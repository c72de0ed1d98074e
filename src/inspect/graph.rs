//! Walks over recorded graphs, without recursion: a graph can be deeper than the stack.

use crate::num::{Float, Style};
use crate::{Place, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Everything `root` was computed from, by id: the oldest first, `root` last.
pub(super) fn nodes<T: Float>(root: &Tensor<T>) -> BTreeMap<u64, &Tensor<T>> {
    let mut nodes = BTreeMap::from([(root.id(), root)]);
    let mut waiting = vec![root];
    while let Some(t) = waiting.pop() {
        for x in t.parents() {
            if nodes.insert(x.id(), x).is_none() {
                waiting.push(x);
            }
        }
    }
    nodes
}

/// For each id, the nodes that were computed from it.
pub(super) fn children<'a, T: Float>(
    nodes: &BTreeMap<u64, &'a Tensor<T>>,
) -> HashMap<u64, Vec<&'a Tensor<T>>> {
    let mut children: HashMap<u64, Vec<_>> = HashMap::new();
    for &t in nodes.values() {
        t.parents().iter().for_each(|x| children.entry(x.id()).or_default().push(t));
    }
    children
}

/// The name of the op; empty for a leaf or a constant.
pub(super) fn op_name<T: Float>(t: &Tensor<T>) -> &'static str {
    t.op().map_or("", |op| op.name())
}

/// Whether each element of `t` was computed from the elements at its place: rules have a formula, other ops have not.
pub(super) fn is_elementwise<T: Float>(t: &Tensor<T>) -> bool {
    t.op().is_some_and(|op| op.formula(Style::Text).is_some())
}

/// The index of element `k` in row-major order.
pub(super) fn index(mut k: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = k % n;
        k /= n;
    }
    index
}

/// A number in words: without a row of zeros.
pub(super) fn number<T: Float>(v: T) -> String {
    let size = v.to_f64().abs();
    if size == 0.0 || (1e-4..1e7).contains(&size) || !size.is_finite() {
        v.to_string()
    } else {
        format!("{v:e}")
    }
}

/// A node in words: `mul "loss" [2, 3] at src/main.rs:7:9`.
#[derive(Clone, Debug)]
pub(super) struct Name {
    what: &'static str,
    label: Option<Arc<str>>,
    shape: Vec<usize>,
    place: Place,
}

impl Name {
    pub(super) fn of<T: Float>(t: &Tensor<T>) -> Name {
        let given = if t.wants_grad() { "leaf" } else { "constant" };
        let what = t.op().map_or(given, |op| op.name());
        Name { what, label: t.label(), shape: t.shape().to_vec(), place: t.location() }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " {:?} at {}", self.shape, self.place)
    }
}
