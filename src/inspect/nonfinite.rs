//! Where did the NaN come from? The op that made it, and not those that passed it on.

use super::graph::{Name, index, is_elementwise, nodes, number};
use crate::kernels::all_finite;
use crate::num::Float;
use crate::{Array, Tensor};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The direction of a pass over a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Computing values.
    Forward,
    /// Computing gradients.
    Backward,
}

/// An op, or a leaf, where a number that is not finite turned up.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name of the op; none for a leaf or a constant, which came in with such a number.
    pub op: Option<&'static str>,
    /// The line of the program that applied it.
    pub place: crate::Place,
    /// The number: NaN or ±∞.
    pub value: f64,
    /// The place of the first such number: in the value, or in the cotangent that an argument got.
    pub index: Vec<usize>,
    name: Name,
    /// What the op was given, in words.
    given: Vec<String>,
}

impl Site {
    /// The first number of `numbers` that is not finite, and how the op of `t` came to it.
    fn of<T: Float>(t: &Tensor<T>, numbers: &Array<T>, is: impl Fn(T) -> bool) -> Site {
        let list = numbers.to_vec();
        let k = list.iter().position(|&v| is(v)).expect("found by looking for it");
        let index = index(k, numbers.shape());
        let given = t.parents().iter().map(|x| given(t, x, &index, numbers.shape())).collect();
        let op = t.op().map(|op| op.name());
        Site { op, place: t.location(), value: list[k].to_f64(), index, name: Name::of(t), given }
    }
}

/// What `x` was to the op of `t`: for an elementwise op the element that counts, otherwise the range of its numbers.
fn given<T: Float>(t: &Tensor<T>, x: &Tensor<T>, index: &[usize], shape: &[usize]) -> String {
    let name = match x.label() {
        Some(label) => format!("{label:?}"),
        None => Name::of(x).to_string(),
    };
    if is_elementwise(t)
        && let Ok(wide) = x.data().broadcast_to(shape)
    {
        return format!("{} in {name}", number(wide.at(index)));
    }
    let values = x.data().to_vec();
    let finite = values.iter().copied().filter(|v| v.to_f64().is_finite());
    let range = finite.fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((if v < low { v } else { low }, if v > high { v } else { high })),
    });
    let range =
        range.map_or("no finite number".into(), |(low, high)| format!("{} to {}", number(low), number(high)));
    match values.iter().filter(|v| !v.to_f64().is_finite()).count() {
        0 => format!("{range} in {name}"),
        n => format!("{range}, and {n} of {} not finite, in {name}", values.len()),
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if !self.given.is_empty() {
            write!(f, "\n  was given {}", self.given.join("\n        and "))?;
        }
        Ok(())
    }
}

/// What [`nonfinite`] found: a sentence, and the ops that lead from the loss to the one in question.
#[derive(Clone, Debug)]
pub struct Nonfinite {
    /// Whether it is a value that is not finite, or a gradient.
    pub pass: Pass,
    /// Where the first number that is not finite came from.
    pub origin: Site,
    /// Where that was an infinity that became NaN later: the op that made NaN of it, as in ∞ − ∞.
    pub turned: Option<Site>,
    /// The ops from the loss to the origin, in words.
    path: Vec<Name>,
}

impl fmt::Display for Nonfinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Site { op, value, index, .. } = &self.origin;
        let at = if index.is_empty() { String::new() } else { format!(" at {index:?}") };
        match (self.pass, op) {
            (Pass::Forward, Some(_)) => write!(f, "the first {value}{at} was made by {}", self.origin)?,
            (Pass::Forward, None) => write!(f, "{value} came in{at} with {}", self.origin)?,
            (Pass::Backward, Some(_)) => write!(
                f,
                "the values are finite, the gradient is not: the first {value}{at} was made on the way back through {}",
                self.origin
            )?,
            (Pass::Backward, None) => write!(
                f,
                "the values are finite, the gradient is not: {value}{at} is the sum that reached {}",
                self.origin
            )?,
        }
        if let Some(turned) = &self.turned {
            write!(f, "\nNaN was made of it by {turned}")?;
        }
        const ENDS: usize = 5;
        f.write_str("\nfrom the loss to there:")?;
        for (i, name) in self.path.iter().enumerate() {
            if i < ENDS || i + ENDS >= self.path.len() {
                write!(f, "\n  {name}")?;
            } else if i == ENDS {
                write!(f, "\n  … {} more …", self.path.len() - 2 * ENDS)?;
            }
        }
        Ok(())
    }
}
impl std::error::Error for Nonfinite {}

/// Finds the op that made the first NaN or infinity, in the values that `loss` was computed from or, if they are finite,
/// in a backward pass of its own. None if all is finite. Nobody's gradient changes.
///
/// Ops that only pass such numbers on are not named: a producer has NaN in its value and none in its arguments, or an
/// infinity where all arguments are finite. What the loss does not depend on (the branch that [`where_`](crate::where_)
/// did not take) is not looked at.
///
/// ```
/// use femtograd::{Tensor, inspect::{Pass, nonfinite}};
/// let x = Tensor::new([0.5, -1.0]).named("x");
/// let loss = (x.ln() * 2.0).sum();
/// let found = nonfinite(&loss).unwrap();
/// assert_eq!((found.pass, found.origin.op), (Pass::Forward, Some("ln")));
/// assert!(found.to_string().contains(r#"was given -1 in "x""#), "{found}");
///
/// let y = Tensor::new([4.0, 0.0]).named("y");
/// let found = nonfinite(&y.sqrt().sum()).unwrap(); // √0 is 0, its slope is not finite
/// assert_eq!((found.pass, found.origin.op, found.origin.index), (Pass::Backward, Some("sqrt"), vec![1]));
/// ```
pub fn nonfinite<T: Float>(loss: &Tensor<T>) -> Option<Nonfinite> {
    if !all_finite(loss.data()) { Some(forward(loss)) } else { backward(loss) }
}

fn is_nan<T: Float>(v: T) -> bool {
    v.to_f64().is_nan()
}
fn is_infinite<T: Float>(v: T) -> bool {
    v.to_f64().is_infinite()
}
fn has<T: Float>(t: &Tensor<T>, is: fn(T) -> bool) -> bool {
    !all_finite(t.data()) && t.data().to_vec().into_iter().any(is)
}

/// How the walks came to the nodes: from which one that was computed from it.
type Via<'a, T> = HashMap<u64, &'a Tensor<T>>;

/// The path from the loss to `to`.
fn path<T: Float>(via: &Via<'_, T>, to: &Tensor<T>) -> Vec<Name> {
    let mut path = vec![Name::of(to)];
    let mut at = to.id();
    while let Some(child) = via.get(&at) {
        path.push(Name::of(child));
        at = child.id();
    }
    path.reverse();
    path
}

/// The oldest node with such a number of which no parent has one, by a walk through nodes that have one.
fn producer<'a, T: Float>(from: &'a Tensor<T>, is: fn(T) -> bool, via: &mut Via<'a, T>) -> &'a Tensor<T> {
    let (mut waiting, mut seen, mut first) = (vec![from], HashSet::from([from.id()]), None);
    while let Some(t) = waiting.pop() {
        let mut passed_on = false;
        for x in t.parents().iter().filter(|x| has(x, is)) {
            passed_on = true;
            if seen.insert(x.id()) {
                via.entry(x.id()).or_insert(t);
                waiting.push(x);
            }
        }
        if !passed_on && first.is_none_or(|first: &Tensor<T>| t.id() < first.id()) {
            first = Some(t);
        }
    }
    first.expect("the oldest of them has no parent among them")
}

/// For a loss that is not finite.
fn forward<T: Float>(loss: &Tensor<T>) -> Nonfinite {
    let mut via = Via::new();
    let is: fn(T) -> bool = if has(loss, is_nan) { is_nan } else { is_infinite };
    let made = producer(loss, is, &mut via);
    let site = Site::of(made, made.data(), is);
    // An infinity that NaN was made of; in an elementwise op it stands at the same place.
    let guilty = |x: &&Tensor<T>| match x.data().broadcast_to(made.shape()) {
        Ok(wide) if is_elementwise(made) => is_infinite(wide.at(&site.index)),
        _ => has(x, is_infinite),
    };
    let Some(infinite) = made.parents().iter().find(guilty) else {
        return Nonfinite { pass: Pass::Forward, origin: site, turned: None, path: path(&via, made) };
    };
    via.entry(infinite.id()).or_insert(made);
    let origin = producer(infinite, is_infinite, &mut via);
    let (turned, path) = (Some(site), path(&via, origin));
    Nonfinite { pass: Pass::Forward, origin: Site::of(origin, origin.data(), is_infinite), turned, path }
}

/// For a loss that is finite: the first cotangent that is not, if there is one.
fn backward<T: Float>(loss: &Tensor<T>) -> Option<Nonfinite> {
    let by_id = nodes(loss);
    let bad = |v: T| !v.to_f64().is_finite();
    let (mut via, first) = (Via::new(), RefCell::new(None));
    // Finite contributions that add up to more than there are numbers.
    let check_sum = |y: &Tensor<T>, g: &Array<T>| {
        if first.borrow().is_none() && !all_finite(g) {
            let site = Site { op: None, given: Vec::new(), ..Site::of(y, g, bad) };
            *first.borrow_mut() = Some((y.id(), site));
        }
    };
    Tensor::pullback(
        [(loss, Array::full(loss.shape(), T::ONE))],
        0,
        |op, parents, y, g, sums| {
            if first.borrow().is_some() {
                // What the rest of the pass computes is of no interest.
                sums.iter_mut().for_each(|sum| *sum = Some(Array::scalar(T::ZERO)));
                return;
            }
            let mut fresh = vec![None; parents.len()];
            op.pull(parents, y, g, &mut fresh);
            for ((x, sum), fresh) in parents.iter().zip(sums).zip(fresh) {
                let Some(fresh) = fresh else { continue };
                via.entry(x.id()).or_insert(by_id[&y.id()]);
                if first.borrow().is_none() && !all_finite(&fresh) {
                    *first.borrow_mut() = Some((y.id(), Site::of(y, &fresh, bad)));
                }
                *sum = Some(match sum.take() {
                    Some(sum) => sum + fresh,
                    None => fresh,
                });
            }
        },
        |x, g, _| check_sum(x, g),
    );
    let (whose, origin) = first.into_inner()?;
    Some(Nonfinite { pass: Pass::Backward, origin, turned: None, path: path(&via, by_id[&whose]) })
}

/// Whether gradients are checked: 0 before the environment was asked, then 1 for no and 2 for yes.
static TRACE: AtomicU8 = AtomicU8::new(0);

/// Makes every [`backward`](Tensor::backward), [`gradients`](crate::gradients) and what is built of them ([`grad`](crate::grad),
/// [`hessian`](crate::hessian), …) in the program check that the loss and the gradients it found are finite, and panic with what [`nonfinite`] finds if they are not, before any gradient is written. Costs one pass over the
/// gradients: a per cent or two of a training step. The environment variable `FEMTOGRAD_TRACE_NONFINITE=1` does the same
/// from the start (`on` and `true` too; `0`, `off`, `false` and nothing do not, and anything else is refused).
///
/// ```should_panic,standalone_crate
/// femtograd::inspect::trace_nonfinite(true);
/// let x = femtograd::Tensor::new(-1.0).named("x");
/// x.sqrt().backward(); // panics: the first NaN was made by sqrt [] at …
/// ```
pub fn trace_nonfinite(on: bool) {
    TRACE.store(1 + on as u8, Relaxed);
}

/// Whether NaN and infinities are looked for.
#[inline]
pub(crate) fn tracing() -> bool {
    match TRACE.load(Relaxed) {
        0 => {
            let wished = match std::env::var("FEMTOGRAD_TRACE_NONFINITE").as_deref() {
                Ok("1" | "on" | "true") => true,
                Err(_) | Ok("" | "0" | "off" | "false") => false,
                Ok(other) => {
                    let why = format!("FEMTOGRAD_TRACE_NONFINITE is {other:?}: it takes 1 or 0");
                    Tensor::<f64>::refuse("backward", &why, &[])
                }
            };
            // Unless somebody has said otherwise meanwhile.
            let _ = TRACE.compare_exchange(0, 1 + wished as u8, Relaxed, Relaxed);
            TRACE.load(Relaxed) == 2
        }
        mode => mode == 2,
    }
}

/// Panics if this is asked for and the loss, or one of the gradients `found` by a backward pass from it, is not finite.
#[inline]
#[track_caller]
pub(crate) fn check_nonfinite<'a, T: Float>(
    loss: &Tensor<T>,
    mut found: impl Iterator<Item = &'a (&'a Tensor<T>, Array<T>)>,
) {
    if tracing() {
        check(loss, found.find(|(_, g)| !all_finite(g)).map(|(x, _)| *x));
    }
}

#[cold]
#[track_caller]
fn check<T: Float>(loss: &Tensor<T>, wrong: Option<&Tensor<T>>) {
    if all_finite(loss.data()) && wrong.is_none() {
        return;
    }
    match (nonfinite(loss), wrong) {
        (Some(found), _) => Tensor::refuse("backward", &found.to_string(), &[loss]),
        (None, Some(x)) => {
            let why = format!(
                "the gradient of {} is not finite. For the cotangent 1 it is: the one given to backward_with is not \
                 finite, or too large",
                Name::of(x)
            );
            Tensor::refuse("backward", &why, &[loss])
        }
        (None, None) => unreachable!("the loss or a gradient is not finite"),
    }
}
