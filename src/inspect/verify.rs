//! Which op is wrong? Every recorded node, checked with the values it was recorded with.

use super::compare::{Precision, Worst};
use super::compare::{
    against_differences, close, coarseness, cotangent, direction, inner, largest, numbers, step,
};
use super::graph::{Name, nodes};
use crate::context::unrecorded;
use crate::kernels::broadcast;
use crate::num::Float;
use crate::random::Rng;
use crate::{Array, Op, Tensor};
use std::fmt;

/// What checking an op showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Its derivatives agree with each other and with differences.
    Right,
    /// They agree with each other, as far as they are finite; differences say nothing of some elements, and this is
    /// why: a kink, a value that is not finite, or one so large that the differences are lost in its rounding.
    Unchecked(String),
    /// They do not: which of them, for which argument, and the worst element.
    Wrong(String),
}

/// Checks `y = op(x…)`, with the values it has there: `vjp` against `jvp`, `pull` against `vjp`, and `jvp` against
/// differences of `forward` along a random direction (always the same one). In `f64` it finds errors of 10⁻⁶ of the
/// largest slope, in `f32` of a twentieth. It runs `forward` five to thirteen times for each argument.
///
/// ```
/// use femtograd::inspect::{Verdict, verify_node};
/// use femtograd::Tensor;
/// let x = Tensor::new([0.5, 2.0]);
/// let y = x.tanh();
/// assert_eq!(verify_node(y.op().unwrap(), y.parents(), &y), Verdict::Right);
///
/// let kink = Tensor::new([0.0, 2.0]).relu();
/// let why = "jvp, argument 0: 1 of 2: a kink or a jump";
/// assert_eq!(verify_node(kink.op().unwrap(), kink.parents(), &kink), Verdict::Unchecked(why.into()));
/// ```
pub fn verify_node<T: Float>(op: &dyn Op<T>, x: &[Tensor<T>], y: &Tensor<T>) -> Verdict {
    if !op.is_exact() {
        return Verdict::Unchecked(
            "its rule is not meant to be the derivative of its value in its arguments".into(),
        );
    }
    match check(op, x, y) {
        Err(wrong) => Verdict::Wrong(wrong),
        Ok(untold) if untold.is_empty() => Verdict::Right,
        Ok(untold) => Verdict::Unchecked(untold.join("; ")),
    }
}

/// What could not be told; or what is wrong.
fn check<T: Float>(op: &dyn Op<T>, x: &[Tensor<T>], y: &Tensor<T>) -> Result<Vec<String>, String> {
    let mut rng = Rng::new(11);
    let g = cotangent(&mut rng, y.data());
    let mut v: Vec<Array<T>> = x.iter().map(|x| direction(&mut rng, x.data())).collect();
    let wanted: Vec<usize> = (0..x.len()).filter(|&i| x[i].wants_grad()).collect();
    let mut untold = Vec::new();
    let same = |what: &str, got: &Array<T>, want: &Array<T>| {
        if got.shape() != want.shape() {
            return Err(format!("{what}: shape {:?} instead of {:?}", got.shape(), want.shape()));
        }
        let rounding = Precision::of::<T>().rounding;
        close(got, want, rounding, 0.0).map_err(|worst| format!("{what}: {worst}"))
    };
    let again = op.forward(x).map_err(|why| format!("forward, again: {why}"))?;
    same("forward, again", &again, y.data())?;

    // Reverse: recorded, and with bare numbers, into nothing, into numbers of its own, and into shared ones.
    let mut gx: Vec<Option<Array<T>>> = vec![None; x.len()];
    for &i in &wanted {
        let found = unrecorded(|| op.vjp(x, y, &Tensor::constant(&g), i));
        let fits = broadcast(x[i].shape(), found.shape()).is_ok_and(|shape| shape[..] == *found.shape());
        if !fits {
            let (found, shape) = (found.shape(), x[i].shape());
            return Err(format!("vjp, argument {i}: shape {found:?} cannot be summed down to {shape:?}"));
        }
        gx[i] = Some(unrecorded(|| found.sum_to(x[i].shape())).data().clone());
    }
    let together = unrecorded(|| op.vjps(x, y, &Tensor::constant(&g), &wanted));
    for (&i, gx_i) in wanted.iter().zip(&together) {
        let sum = unrecorded(|| gx_i.sum_to(x[i].shape()));
        same(&format!("vjps against vjp, argument {i}"), sum.data(), gx[i].as_ref().expect("wanted"))?;
    }
    // As large as what is added to them, so that neither is lost in the other.
    let mut fill = |gx: &Array<T>, x: &Tensor<T>| {
        let size = largest(&numbers(gx));
        cotangent(&mut rng, x.data()) * Array::scalar(T::of(if size > 0.0 { size } else { 1.0 }))
    };
    let filled: Vec<Option<Array<T>>> =
        gx.iter().zip(x).map(|(gx, x)| gx.as_ref().map(|gx| fill(gx, x))).collect();
    let none = vec![None; x.len()];
    let alone = filled.iter().map(|sum| sum.as_ref().map(Array::copied)).collect();
    let starts = [
        ("nothing", &none, none.clone()),
        ("a sum", &filled, alone),
        ("a sum that shares its memory", &filled, filled.clone()),
    ];
    for (what, before, mut sums) in starts {
        op.pull(x, y, g.clone(), &mut sums);
        for (i, sum) in sums.iter().enumerate() {
            let want = gx[i].clone().map(|gx| match &before[i] {
                Some(before) => step(before, &gx, 1.0),
                None => gx,
            });
            match (sum, want) {
                (Some(sum), Some(want)) => {
                    same(&format!("pull into {what} against vjp, argument {i}"), sum, &want)?
                }
                (None, None) => {}
                _ => {
                    return Err(format!("pull, argument {i}: not wanted but given, or wanted but not given"));
                }
            }
        }
    }

    // Forward: one argument at a time, then all at once.
    let tangent = |v: &[Array<T>], moving: &[usize]| {
        let direction = |i| moving.contains(&i).then(|| Tensor::constant(&v[i]));
        unrecorded(|| op.jvp(x, y, &(0..x.len()).map(direction).collect::<Vec<_>>())).data().clone()
    };
    let mut total = Array::full(y.shape(), T::ZERO);
    for &i in &wanted {
        let mut dy = tangent(&v, &[i]);
        let (moved, moves) = (largest(&numbers(&v[i])), largest(&numbers(&dy)));
        if 0.0 < moves && moves <= T::EPSILON.to_f64() * largest(&numbers(y.data())) && moved < 0.1 {
            // An argument that is all rounding, moved in proportion, changes nothing to be seen: moved further, it may.
            v[i] = step(&v[i], &v[i], 1.0 / moved - 1.0);
            dy = tangent(&v, &[i]);
        }
        if dy.shape() != y.shape() {
            return Err(format!("jvp, argument {i}: shape {:?} instead of {:?}", dy.shape(), y.shape()));
        }
        let gx = gx[i].as_ref().expect("wanted");
        let ((want, size), (got, other)) = (inner([(&g, &dy)]), inner([(gx, &v[i])]));
        let allowed = Precision::of::<T>().rounding * size.max(other);
        if want.is_finite() && !got.is_finite() {
            return Err(format!("vjp, argument {i}: {got}, where jvp gives {want}"));
        }
        if !(want.is_finite() && got.is_finite()) {
            untold.push(format!("vjp against jvp, argument {i}: not finite"));
        } else if (got - want).abs() > allowed {
            let worst = Worst { index: vec![], got, want, allowed };
            return Err(format!("vjp against jvp, argument {i}: ⟨vjp, direction⟩ = {worst}"));
        }
        // NaN, of which differences say nothing, where the op refuses the numbers or gives another shape.
        let moved = |s: f64| {
            let mut x = x.to_vec();
            x[i] = Tensor::constant(step(x[i].data(), &v[i], s));
            let value = op.forward(&x).ok().filter(|value| value.shape() == y.shape());
            value.unwrap_or_else(|| Array::full(y.shape(), T::of(f64::NAN)))
        };
        let told = against_differences(&dy, 0.0, coarseness(x[i].data(), &v[i]), moved);
        let told = told.map_err(|why| format!("jvp against differences, argument {i}: {why}"))?;
        untold.extend(told.map(|why| format!("jvp, argument {i}: {why}")));
        total = step(&total, &dy, 1.0);
    }
    if wanted.len() > 1 {
        same("jvp, all arguments", &tangent(&v, &wanted), &total)?;
    }
    Ok(untold)
}

/// A node of which there is something to say.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// The name of the op.
    pub op: &'static str,
    /// What is wrong, or what could not be checked.
    pub verdict: Verdict,
    name: Name,
}

impl fmt::Display for NodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Right => write!(f, "{}: right", self.name),
            Verdict::Unchecked(why) => write!(f, "{}: not checked: {why}", self.name),
            Verdict::Wrong(why) => write!(f, "{}: WRONG: {why}", self.name),
        }
    }
}

/// What [`verify`] found: a sentence, and a line for each node that is wrong or could not be checked.
#[derive(Clone, Debug)]
pub struct Verification {
    /// How many nodes were looked at.
    pub nodes: usize,
    /// Those with a wrong derivative, in the order they were computed in.
    pub wrong: Vec<NodeReport>,
    /// Those that could not be checked, or not whole.
    pub unchecked: Vec<NodeReport>,
}

impl Verification {
    /// Whether nothing is wrong; there may be nodes that could not be checked.
    pub fn is_ok(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The same as a `Result`, for `?` and `unwrap`.
    ///
    /// # Errors
    /// If a node is wrong.
    pub fn into_result(self) -> Result<Verification, Verification> {
        if self.is_ok() { Ok(self) } else { Err(self) }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verification { nodes, wrong, unchecked } = self;
        write!(
            f,
            "verify: of {nodes} nodes {} are wrong, {} not fully checked",
            wrong.len(),
            unchecked.len()
        )?;
        const SHOWN: usize = 20;
        wrong.iter().chain(unchecked).take(SHOWN).try_for_each(|node| write!(f, "\n  {node}"))?;
        match (wrong.len() + unchecked.len()).saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
impl std::error::Error for Verification {}

/// Checks the derivatives of every node that `loss` was computed from, with the values it has there, and names the ops
/// that are wrong: see [`verify_node`]. Nobody's gradient changes.
///
/// A kink is no mistake. Of a `relu` at exactly 0, or near enough for a difference to step across, it is said that it
/// could not be checked.
///
/// ```
/// use femtograd::{Array, Error, Op, Tensor, inspect::verify};
///
/// /// `y = x²`, by somebody in a hurry.
/// #[derive(Clone)]
/// struct Square;
/// impl Op<f64> for Square {
///     fn name(&self) -> &'static str {
///         "square"
///     }
///     fn forward(&self, x: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
///         Ok(x[0].data().clone() * x[0].data().clone())
///     }
///     fn vjp(&self, x: &[Tensor<f64>], _: &Tensor<f64>, g: &Tensor<f64>, _: usize) -> Tensor<f64> {
///         g * &x[0] // the 2 is missing
///     }
///     fn jvp(&self, x: &[Tensor<f64>], _: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
///         dx[0].as_ref().unwrap() * &x[0] * 2.0
///     }
/// }
///
/// let x = Tensor::new([1.0, 2.0]);
/// let loss = Tensor::apply(Square, [&x.sin()]).sum();
/// let found = verify(&loss);
/// assert!(!found.is_ok());
/// assert!(found.to_string().contains("square"), "{found}");
/// ```
pub fn verify<T: Float>(loss: &Tensor<T>) -> Verification {
    let mut found = Verification { nodes: 0, wrong: Vec::new(), unchecked: Vec::new() };
    for (_, t) in nodes(loss) {
        let Some(op) = t.op() else { continue };
        found.nodes += 1;
        let verdict = verify_node(op, t.parents(), t);
        let list = match verdict {
            Verdict::Right => continue,
            Verdict::Wrong(_) => &mut found.wrong,
            Verdict::Unchecked(_) => &mut found.unchecked,
        };
        list.push(NodeReport { op: op.name(), verdict, name: Name::of(t) });
    }
    found
}
