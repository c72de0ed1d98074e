//! Programs that are legal and wrong: what a walk over the graph of a loss shows.

use super::compare::{inner, largest, numbers};
use super::graph::{Name, children, is_elementwise, nodes, op_name};
use super::nonfinite::nonfinite;
use super::{Held, live};
use crate::kernels::all_finite;
use crate::num::Float;
use crate::{Array, Place, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Ops that leave numbers as they are, all or some of them.
const VIEWS: [&str; 8] =
    ["reshape", "permute", "broadcast_to", "slice", "index_select", "take_along_axis", "argument", "hook"];
/// Ops that take logits.
const OF_LOGITS: [&str; 3] = ["logsumexp", "log_softmax", "cross_entropy"];
/// Fewer examples than this say nothing about a unit: one of two is 0 by chance.
const BATCH: usize = 8;
/// A layer of which more than this share does not learn is worth a word. About half of all ReLUs are 0 for *one* example.
const SHARE: f64 = 0.5;
/// A slope below this makes steps a thousand times smaller than elsewhere.
const FLAT: f64 = 1e-3;
/// Gradients of the same loss differ by rounding alone; a thousandth leaves room for `f32`.
const SAME: f64 = 1e-3;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[n, 1]` against `[n]` in a loss: everything is compared with everything.
    OuterBroadcast,
    /// Probabilities where logits are meant: the softmax is taken twice.
    SoftmaxTwice,
    /// Units of a ReLU that are 0 for every example, and so get no gradient.
    DeadRelu,
    /// A sigmoid or tanh far out, where its slope is almost 0.
    Saturated,
    /// A parameter that the loss was not computed from.
    UnusedParameter,
    /// A gradient that is not that of this loss alone.
    StaleGradient,
    /// The graph of an earlier step is part of this one.
    KeptGraph,
    /// NaN or infinity.
    Nonfinite,
}

/// Something that is probably not meant so.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What kind of mistake.
    pub kind: Kind,
    /// What was found, with the numbers.
    pub what: String,
    /// What to do.
    pub cure: &'static str,
    /// The lines of the program concerned.
    pub places: Vec<Place>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.what, self.cure)
    }
}

/// What [`diagnose`] found.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// One entry for each mistake; none if nothing looks wrong.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Whether nothing looks wrong.
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// The same as a `Result`, for `?` and `unwrap`.
    ///
    /// # Errors
    /// If something looks wrong.
    pub fn into_result(self) -> Result<Diagnosis, Diagnosis> {
        if self.is_ok() { Ok(self) } else { Err(self) }
    }

    /// Whether there is a finding of this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.findings.iter().any(|finding| finding.kind == kind)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.len() {
            0 => return f.write_str("diagnose: nothing looks wrong"),
            1 => f.write_str("diagnose: 1 finding")?,
            n => write!(f, "diagnose: {n} findings")?,
        }
        self.findings.iter().enumerate().try_for_each(|(i, finding)| write!(f, "\n{}. {finding}", i + 1))
    }
}
impl std::error::Error for Diagnosis {}

/// Looks at the graph of a loss for programs that are legal and probably wrong; best called after
/// [`backward`](Tensor::backward) and before the step. Nobody's gradient changes.
///
/// It finds `[n, 1]` compared with `[n]`, a softmax before a cross entropy, dead ReLUs and saturated sigmoids in hidden
/// layers, gradients left over from another loss, graphs of earlier steps that are kept alive (in a list beside this loss,
/// if a [register](super::keep_register) is kept), NaN and infinities: see [`Kind`].
///
/// ```
/// use femtograd::{Tensor, inspect::{Kind, diagnose}};
/// let prediction = Tensor::new([[0.1], [0.9], [2.1]]); // [3, 1], as a layer gives it
/// let target = Tensor::constant([0.0, 1.0, 2.0]); // [3]
/// let loss = (&prediction - &target).powi(2).mean(); // the mean of 9 differences, not 3
/// let found = diagnose(&loss);
/// assert!(found.has(Kind::OuterBroadcast), "{found}");
/// ```
pub fn diagnose<T: Float>(loss: &Tensor<T>) -> Diagnosis {
    diagnose_with(loss, &[])
}

/// [`diagnose`], and finds those of `parameters` that the loss does not depend on.
///
/// ```
/// use femtograd::{Tensor, inspect::diagnose_with};
/// let (w, b) = (Tensor::new(2.0).named("w"), Tensor::new(0.5).named("b"));
/// let found = diagnose_with(&(&w * 3.0), &[&w, &b]);
/// assert!(found.to_string().contains(r#"leaf "b""#), "{found}");
/// ```
pub fn diagnose_with<T: Float>(loss: &Tensor<T>, parameters: &[&Tensor<T>]) -> Diagnosis {
    let nodes = nodes(loss);
    let graph = Graph { loss, children: children(&nodes), nodes };
    let mut findings = Vec::new();
    for &t in graph.nodes.values() {
        findings.extend(graph.outer_broadcast(t));
        findings.extend(graph.softmax_twice(t));
        findings.extend(graph.dead_relu(t));
        findings.extend(graph.saturated(t));
    }
    findings.extend(parameters.iter().filter_map(|p| graph.unused(p)));
    findings.extend(graph.kept());
    findings.extend(graph.stored());
    match nonfinite(loss) {
        Some(found) => findings.push(Finding {
            kind: Kind::Nonfinite,
            places: vec![found.origin.place],
            what: found.to_string(),
            cure: "keep the arguments inside the domain, or choose another branch with where_",
        }),
        None => findings.extend(graph.stale()),
    }
    Diagnosis { findings }
}

struct Graph<'a, T: Float> {
    loss: &'a Tensor<T>,
    nodes: BTreeMap<u64, &'a Tensor<T>>,
    children: HashMap<u64, Vec<&'a Tensor<T>>>,
}

fn is_view<T: Float>(t: &Tensor<T>) -> bool {
    VIEWS.contains(&op_name(t))
}

/// What `t` shows, through views of one argument.
fn behind_views<T: Float>(mut t: &Tensor<T>) -> &Tensor<T> {
    while let ([x], true) = (t.parents(), is_view(t)) {
        t = x;
    }
    t
}

/// The one axis that is not of length 1, counted from the last, and its length.
fn only_axis(shape: &[usize]) -> Option<(usize, usize)> {
    let mut long = shape.iter().rev().copied().enumerate().filter(|(_, n)| *n != 1);
    long.next().filter(|_| long.next().is_none())
}

impl<'a, T: Float> Graph<'a, T> {
    /// Follows what is computed from `t` as long as `through` holds, and tells whether `end` holds for what comes next:
    /// for all of it, and for some of it.
    fn leads(
        &self,
        t: &Tensor<T>,
        through: impl Fn(&Tensor<T>) -> bool,
        end: impl Fn(&Tensor<T>) -> bool,
    ) -> (bool, bool) {
        let (mut all, mut some) = (true, false);
        let (mut waiting, mut seen) = (vec![t.id()], HashSet::new());
        while let Some(id) = waiting.pop() {
            for y in self.children.get(&id).into_iter().flatten().filter(|y| seen.insert(y.id())) {
                if end(y) {
                    some = true;
                } else if through(y) {
                    waiting.push(y.id());
                } else {
                    all = false;
                }
            }
        }
        (all && some, some)
    }

    /// `[n, 1]` against `[n]` or `[1, n]`, of which nothing is used but one number. Differences of a list with itself
    /// are meant so, and scales of rows and columns of a square that was there before.
    fn outer_broadcast(&self, t: &Tensor<T>) -> Option<Finding> {
        let [a, b] = t.parents() else { return None };
        let ((i, n), (j, m)) = (only_axis(a.shape())?, only_axis(b.shape())?);
        // Who wrote [n, 1] against [1, n] meant it.
        let crossed = i != j && n == m && i.max(j) == 1 && a.shape().len() != b.shape().len();
        if !crossed || !is_elementwise(t) || behind_views(a).id() == behind_views(b).id() {
            return None;
        }
        let square = |y: &Tensor<T>| y.data().len() == n * n;
        let whole = |y: &Tensor<T>| {
            let older = |x: &Tensor<T>| square(x) && x.id() < t.id();
            square(y) && (is_elementwise(y) || is_view(y)) && !y.parents().iter().any(older)
        };
        let total = |y: &Tensor<T>| {
            let numbers = |x: &Tensor<T>| x.data().len() == 1;
            op_name(y) == "sum" || is_view(y) || is_elementwise(y) && y.parents()[1..].iter().all(numbers)
        };
        // The largest of the rows is no total.
        let one =
            |y: &Tensor<T>| y.data().len() == 1 && (op_name(y) != "max" || y.parents().iter().all(square));
        let (only, _) = self.leads(t, |y| whole(y) || total(y) && !square(y), one);
        only.then(|| Finding {
            kind: Kind::OuterBroadcast,
            what: format!(
                "{} broadcasts {:?} against {:?} to all {n}·{n} pairs, and only their total is used: {} and {}",
                Name::of(t),
                a.shape(),
                b.shape(),
                Name::of(a),
                Name::of(b)
            ),
            cure: "give both the same shape: reshape(&[n]) the one with two axes",
            places: vec![t.location(), a.location(), b.location()],
        })
    }

    /// The softmax that `t` shows, if it does: as an op, or as `exp(x − logsumexp(x))`, or as `eˣ / Σ eˣ`.
    fn softmax_behind(t: &Tensor<T>) -> Option<&Tensor<T>> {
        let t = behind_views(t);
        let found = match (op_name(t), t.parents()) {
            ("softmax", _) => true,
            ("exp", [x]) => match (op_name(behind_views(x)), behind_views(x).parents()) {
                ("log_softmax", _) => true,
                ("sub", [_, total]) => op_name(behind_views(total)) == "logsumexp",
                _ => false,
            },
            ("div", [part, total]) => {
                let (part, total) = (behind_views(part), behind_views(total));
                let of_all = |x: &Tensor<T>| behind_views(x).id() == part.id();
                op_name(part) == "exp" && op_name(total) == "sum" && total.parents().iter().all(of_all)
            }
            _ => false,
        };
        found.then_some(t)
    }

    fn softmax_twice(&self, t: &Tensor<T>) -> Option<Finding> {
        let scores = t.parents().first().filter(|_| OF_LOGITS.contains(&op_name(t)))?;
        let softmax = Self::softmax_behind(scores)?;
        Some(Finding {
            kind: Kind::SoftmaxTwice,
            what: format!("{} takes the softmax of what is one already: {}", Name::of(t), Name::of(softmax)),
            cure: "give the scores (logits) themselves to cross_entropy, log_softmax or logsumexp",
            places: vec![t.location(), softmax.location()],
        })
    }

    /// Whether `t` is in a hidden layer: further layers are computed from it. Margins of a loss may well be all 0, and the
    /// outputs of a network all sure.
    fn is_hidden(&self, t: &Tensor<T>) -> bool {
        let is_layer = |y: &Tensor<T>| ["matmul", "linear", "conv2d"].contains(&op_name(y));
        self.leads(t, |_| true, is_layer).1
    }

    fn dead_relu(&self, t: &Tensor<T>) -> Option<Finding> {
        // The last axis; of images [examples, channels, …], the channels.
        let (units, inner) = match *t.shape() {
            [_, channels, h, w] => (channels, h * w),
            [.., units] => (units, 1),
            [] => return None,
        };
        if op_name(t) != "relu" || t.data().len() < BATCH * (units * inner).max(1) {
            return None;
        }
        let mut alive = vec![false; units];
        for (k, y) in t.data().to_vec().into_iter().enumerate() {
            alive[k / inner % units] |= y != T::ZERO;
        }
        let dead = alive.iter().filter(|alive| !**alive).count();
        let many = dead as f64 > SHARE * units as f64;
        (many && self.is_hidden(t)).then(|| Finding {
            kind: Kind::DeadRelu,
            what: format!(
                "{dead} of {units} units of {} are 0 for all {} examples, and get no gradient",
                Name::of(t),
                t.data().len() / (units * inner)
            ),
            cure: "a lower learning rate, another initialisation, or gelu, keeps them alive",
            places: vec![t.location()],
        })
    }

    fn saturated(&self, t: &Tensor<T>) -> Option<Finding> {
        let slope: fn(f64) -> f64 = match op_name(t) {
            "sigmoid" => |y| y * (1.0 - y),
            "tanh" => |y| 1.0 - y * y,
            _ => return None,
        };
        let y = numbers(t.data());
        let flat = y.iter().filter(|&&y| slope(y) < FLAT).count();
        let many = y.len() >= BATCH && flat as f64 > SHARE * y.len() as f64;
        (many && self.is_hidden(t)).then(|| Finding {
            kind: Kind::Saturated,
            what: format!("{flat} of {} numbers of {} have a slope below {FLAT}", y.len(), Name::of(t)),
            cure: "smaller weights or inputs of size 1 (subtract the mean, divide by the deviation) bring it back",
            places: vec![t.location()],
        })
    }

    fn unused(&self, p: &Tensor<T>) -> Option<Finding> {
        if self.nodes.contains_key(&p.id()) {
            return None;
        }
        let older = self.leaves().find(|x| x.first_id() == p.first_id());
        let (what, cure) = match older {
            Some(older) => (
                format!(
                    "the loss does not depend on {}, but on another version, {}",
                    Name::of(p),
                    Name::of(older)
                ),
                "compute the loss again after a step: an update puts a new leaf in the parameter's place",
            ),
            None => (
                format!("the loss does not depend on {}", Name::of(p)),
                "use it, or leave it out; a detach(), a no_grad or a copy by value on the way cuts it off too",
            ),
        };
        Some(Finding { kind: Kind::UnusedParameter, what, cure, places: vec![p.location()] })
    }

    fn leaves(&self) -> impl Iterator<Item = &'a Tensor<T>> {
        self.nodes.values().copied().filter(|t| t.op().is_none() && t.wants_grad())
    }

    /// Earlier results of the loss's own line that still have their graphs, as far as a register says so.
    fn stored(&self) -> Option<Finding> {
        let (id, place) = (self.loss.id(), self.loss.location());
        let earlier = |held: &Held| held.id < id && held.place == place && held.keeps > 1;
        let held: Vec<_> = live().held.into_iter().filter(earlier).collect();
        let first = held.first()?;
        Some(Finding {
            kind: Kind::KeptGraph,
            what: format!(
                "{} earlier results of the line that made {} keep their graphs alive, the first of them {} tensors",
                held.len(),
                Name::of(self.loss),
                first.keeps
            ),
            cure: "store item() of a loss, not the tensor",
            places: vec![place, first.oldest],
        })
    }

    /// Two versions of a parameter: leaves of one name and shape, the second made when something had been computed from
    /// the first.
    fn kept(&self) -> Option<Finding> {
        let mut versions: HashMap<u64, Vec<&Tensor<T>>> = HashMap::new();
        for leaf in self.leaves() {
            versions.entry(leaf.first_id()).or_default().push(leaf);
        }
        let pairs = versions.values().flat_map(|list| list.windows(2).map(|pair| (pair[0], pair[1])));
        let (old, new) = pairs.min_by_key(|(old, _)| old.id())?;
        Some(Finding {
            kind: Kind::KeptGraph,
            what: format!(
                "the loss was computed from two versions of a parameter, {} and {}: the graph of an earlier step is \
                 part of this one, and grows with every step",
                Name::of(old),
                Name::of(new)
            ),
            cure: "add up numbers, not tensors: total += loss.item()",
            places: vec![old.location(), new.location()],
        })
    }

    /// A leaf that has a gradient other than a pass from this loss gives it. One that is that gradient made smaller was
    /// clipped.
    fn stale(&self) -> Option<Finding> {
        if self.loss.data().len() != 1 || !self.loss.wants_grad() {
            return None;
        }
        let mut own: Vec<(&Tensor<T>, Array<T>)> = Vec::new();
        Tensor::pullback(
            [(self.loss, Array::full(self.loss.shape(), T::ONE))],
            0,
            |op, x, y, g, sums| op.pull(x, y, g, sums),
            |x, g, _| {
                if x.op().is_none() {
                    own.push((x, g.clone()));
                }
            },
        );
        let mut stale: Vec<(&Tensor<T>, f64)> = own
            .iter()
            .filter_map(|(x, own)| {
                let stored = x.grad().filter(all_finite)?;
                let factor = inner([(&stored, own)]).0 / inner([(own, own)]).0;
                let factor = if factor.is_finite() { factor } else { 0.0 };
                let (stored, own) = (numbers(&stored), numbers(own));
                let rest: Vec<f64> = stored.iter().zip(&own).map(|(s, o)| s - factor * o).collect();
                let multiple = largest(&rest) <= SAME * largest(&stored);
                let clipped = multiple && (0.0..=1.0 + SAME).contains(&factor);
                (!clipped).then_some((*x, if multiple { factor } else { 0.0 }))
            })
            .collect();
        stale.sort_by_key(|(x, _)| x.id());
        let &(x, factor) = stale.first()?;
        let times = if factor > 0.0 { format!(" ({factor:.3} times that)") } else { String::new() };
        Some(Finding {
            kind: Kind::StaleGradient,
            what: format!(
                "{} of {} leaves hold a gradient that is not the one of this loss alone{times}, {} first",
                stale.len(),
                own.len(),
                Name::of(x)
            ),
            cure: "a step or zero_grad() between two calls of backward(); to add up gradients of several losses on \
                   purpose is fine",
            places: stale.iter().map(|(x, _)| x.location()).collect(),
        })
    }
}
