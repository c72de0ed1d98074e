//! What each parameter got of a backward pass, and why if nothing.

use super::graph::nodes;
use crate::context::{StrongZero, count_strong_zeros};
use crate::cut::{Cut, CutAt, CutKind};
use crate::num::Float;
use crate::{Array, Place, Shape, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// What [`report`] found.
#[derive(Clone, Debug)]
pub struct Report {
    /// A line for each parameter, in the order given.
    pub parameters: Vec<Fate>,
    /// Where the [strong zero](crate::num::Num::chain) made 0 of what would have been NaN.
    pub strong_zeros: Vec<StrongZero>,
}

/// What became of one parameter.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Its label, or `parameter 3` by its place in the list.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Whether a gradient reaches it.
    pub reach: Reach,
}

/// Whether a gradient reaches a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// It does, and is not zero.
    Gradient {
        /// `√Σg²`
        norm: f64,
    },
    /// All of it is zero: these ops and lines got a cotangent that is not zero and passed none on. Empty if the parameter
    /// has no elements.
    Zero(Vec<(&'static str, Place)>),
    /// There is no path from the loss to the parameter.
    Disconnected(Break),
}

/// Where a path ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// At a cut: what cut, the op and the line.
    Cut(CutKind, &'static str, Place),
    /// Perhaps at a cut: too much was computed before it to say what all it came from.
    Perhaps(CutKind, &'static str, Place),
    /// The loss was computed from an earlier value of this parameter, which an update has replaced since.
    Replaced(Place),
    /// The parameter is a constant, of which nothing is recorded; the line that made it.
    Constant(Place),
    /// Nothing that the loss was computed from has ever had to do with it, as far as there is a trace.
    Unused,
}

impl Report {
    /// Whether there is a path from the loss to every parameter.
    pub fn is_connected(&self) -> bool {
        !self.parameters.iter().any(|p| matches!(p.reach, Reach::Disconnected(_)))
    }
}

/// What becomes of each parameter in a backward pass from `loss` (from ones, if it is not one number): it gets a gradient (with which norm), or one that is zero
/// because of which op, or none because the path to it was cut on which line. Runs a backward pass of its own; nobody's
/// gradient changes.
///
/// ```
/// use femtograd::{Tensor, inspect::report};
/// let (a, b, c) = (Tensor::new(2.0).named("a"), Tensor::new(-3.0).named("b"), Tensor::new(4.0).named("c"));
/// let h = (&a * &b).relu(); // −6 is below 0
/// let loss = h + (&c * 2.0).detach() + &a;
/// let report = report(&loss, [&a, &b, &c]).to_string();
/// assert!(report.contains("\"a\" []: gradient, norm 1"));
/// assert!(report.contains("\"b\" []: zero because of relu at "));
/// assert!(report.contains("\"c\" []: disconnected by detach at "));
/// ```
pub fn report<'a, T: Float>(loss: &Tensor<T>, parameters: impl IntoIterator<Item = &'a Tensor<T>>) -> Report {
    let (flow, strong_zeros) = count_strong_zeros(|| Flow::of(loss));
    let graph = Graph::of(loss);
    let name = |i, p: &Tensor<T>| p.label().map_or(format!("parameter {i}"), |label| format!("{label:?}"));
    let fate = |(i, p): (usize, &'a Tensor<T>)| Fate {
        name: name(i, p),
        shape: p.shape().into(),
        reach: match flow.norms.get(&p.id()) {
            Some(&norm) if norm != 0.0 => Reach::Gradient { norm },
            Some(_) => Reach::Zero(flow.who_zeroed(p.id())),
            None => Reach::Disconnected(graph.break_before(p)),
        },
    };
    Report { parameters: parameters.into_iter().enumerate().map(fate).collect(), strong_zeros }
}

/// The size of each node's cotangent, and which nodes were computed from it.
struct Flow {
    norms: HashMap<u64, f64>,
    children: HashMap<u64, Vec<u64>>,
    ops: BTreeMap<u64, (&'static str, Place)>,
}

impl Flow {
    fn of<T: Float>(loss: &Tensor<T>) -> Flow {
        let mut flow = Flow { norms: HashMap::new(), children: HashMap::new(), ops: BTreeMap::new() };
        let seed = loss.wants_grad().then(|| (loss, Array::full(loss.shape(), T::ONE)));
        Tensor::pullback(
            seed,
            0,
            |op, x, y, g, sums| op.pull(x, y, g, sums),
            |x, g, _| {
                flow.norms.insert(x.id(), norm(g));
                if let Some(op) = x.op() {
                    flow.ops.insert(x.id(), (op.name(), x.location()));
                }
                x.parents().iter().for_each(|p| flow.children.entry(p.id()).or_default().push(x.id()));
            },
        );
        flow
    }

    /// The ops on the way to a node whose own cotangent is not zero though what they passed on is.
    fn who_zeroed(&self, id: u64) -> Vec<(&'static str, Place)> {
        let (mut culprits, mut seen, mut waiting) = (BTreeMap::new(), HashSet::new(), vec![id]);
        while let Some(id) = waiting.pop() {
            for &child in self.children.get(&id).into_iter().flatten().filter(|&&child| seen.insert(child)) {
                if self.norms[&child] == 0.0 {
                    waiting.push(child);
                } else {
                    culprits.insert(child, self.ops[&child]);
                }
            }
        }
        let mut culprits: Vec<_> = culprits.into_values().collect();
        culprits.dedup();
        culprits
    }
}

/// `√Σg²`, which is 0 only where all of `g` is.
fn norm<T: Float>(g: &Array<T>) -> f64 {
    let g: Vec<f64> = g.to_vec().into_iter().map(T::to_f64).collect();
    let most = g.iter().fold(0.0, |most: f64, v| if v.abs() <= most { most } else { v.abs() });
    let scale = if most > 0.0 && most.is_finite() { most } else { 1.0 };
    g.into_iter().map(|v| (v / scale).powi(2)).sum::<f64>().sqrt() * scale
}

/// All a loss was computed from, constants and the traces of cuts included.
struct Graph {
    cuts: Vec<Arc<Cut>>,
    /// By what they were when they were first made.
    leaves: HashSet<u64>,
}

impl Graph {
    fn of<T: Float>(loss: &Tensor<T>) -> Graph {
        let mut graph = Graph { cuts: vec![], leaves: HashSet::new() };
        for x in nodes(loss).into_values() {
            graph.cuts.extend(x.0.notes.cut().into_iter().chain(x.op().and_then(Cut::of_indices)));
            if x.op().is_none() {
                graph.leaves.insert(x.first_id());
            }
        }
        graph.cuts.reverse(); // the newest first
        graph
    }

    fn break_before<T: Float>(&self, p: &Tensor<T>) -> Break {
        if !p.wants_grad() {
            return Break::Constant(p.location());
        }
        let (sure, perhaps) = Cut::find(self.cuts.clone(), p.id());
        // The last cut on the way to the loss is the one to mend first.
        let last = |cuts: Vec<CutAt>| cuts.into_iter().next();
        match (last(sure), self.leaves.contains(&p.first_id()), last(perhaps)) {
            (Some((kind, op, place)), _, _) => Break::Cut(kind, op, place),
            (None, true, _) => Break::Replaced(p.location()),
            (None, false, Some((kind, op, place))) => Break::Perhaps(kind, op, place),
            (None, false, None) => Break::Unused,
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Cut(CutKind::Detach, _, place) => write!(f, "disconnected by detach at {place}"),
            Break::Cut(kind, op, place) => write!(f, "disconnected by {kind}: {op} at {place}"),
            Break::Perhaps(kind, op, place) => write!(f, "disconnected, perhaps by {kind}: {op} at {place}"),
            Break::Replaced(place) => write!(
                f,
                "disconnected: the loss came from an earlier value of it, replaced at {place}; compute the loss anew"
            ),
            Break::Constant(place) => {
                write!(
                    f,
                    "disconnected: a constant, made at {place}; Tensor::new makes one that wants a gradient"
                )
            }
            Break::Unused => write!(f, "disconnected: the loss was not computed from it"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: ", self.name, self.shape)?;
        match &self.reach {
            Reach::Gradient { norm } if (1e-3..1e6).contains(norm) => write!(f, "gradient, norm {norm:.4}"),
            Reach::Gradient { norm } if norm.is_finite() => write!(f, "gradient, norm {norm:.2e}"),
            Reach::Gradient { norm } => {
                write!(f, "gradient, norm {norm}: nonfinite() finds where it comes from")
            }
            Reach::Zero(ops) if ops.is_empty() => f.write_str("no elements"),
            Reach::Zero(ops) => {
                f.write_str("zero because of ")?;
                for (i, (op, place)) in ops.iter().take(3).enumerate() {
                    write!(f, "{}{op} at {place}", if i > 0 { " and " } else { "" })?;
                }
                match ops.len().saturating_sub(3) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Reach::Disconnected(at) => write!(f, "{at}"),
        }
    }
}

/// A line for each parameter; then where the strong zero was used, if it was.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parameters.iter().try_for_each(|fate| writeln!(f, "{fate}"))?;
        self.strong_zeros.iter().try_for_each(|zero| writeln!(f, "strong zero: {zero}"))
    }
}
