//! Memory for time: a function that is run again on the way back.

use super::graph::{all_closed, pulled, pushed, reached, zeros};
use super::tree::{Tree, tensors};
use crate::context::{on_behalf_of, recorded, tracing};
use crate::kernels::Error;
use crate::num::Float;
use crate::tensor::Parents;
use crate::{Array, Op, Tensor, census};
use std::collections::HashSet;
use std::sync::Arc;

/// `f`, keeping its argument and its result alone: what it computes in between is let go and computed again when a
/// derivative needs it (Griewank & Walther, *Algorithm 799: revolve*, 2000; Chen et al., *Training deep nets with
/// sublinear memory cost*, 2016).
///
/// In a chain of `n` layers cut into `√n` functions so treated, the results of about `2√n` layers are alive at a time
/// instead of `n`, for the price of one more forward pass. That is so for first derivatives on bare numbers: `backward`, and
/// [`grad`](crate::grad) at constants. Where the derivative itself is recorded, to be differentiated again, so is all that
/// was computed again. Gradients are the same, bit for bit, those of tensors that `f` holds
/// (weights it has captured) included.
///
/// `f` must compute the same each time. A random generator it captures is copied before it is used
/// (`let mut rng = rng.clone();`), which replays its numbers.
///
/// ```
/// use femtograd::{Tensor, checkpoint};
/// let w = Tensor::new(0.5);
/// let layers = { let w = w.clone(); move |x: &Tensor<f64>| (0..10).fold(x.clone(), |x, _| (x * &w).tanh()) };
/// let x = Tensor::new([1.0, 2.0]);
/// let y = checkpoint(layers)(&x);
/// assert_eq!(y.op().unwrap().name(), "checkpoint"); // one node instead of 20
/// y.sum().backward();
/// assert!(w.grad().is_some() && x.grad().is_some());
/// ```
///
/// # Panics
/// A derivative panics if `f` does not give the same result again.
pub fn checkpoint<T: Float, X: Tree<T> + Send + Sync + 'static>(
    f: impl Fn(&X) -> Tensor<T> + Send + Sync + 'static,
) -> impl Fn(&X) -> Tensor<T> {
    let f = Arc::new(f);
    move |x| {
        let start = census::upcoming();
        let y = f(x);
        // A recorded function's program plans its memory itself.
        if tracing() || !y.wants_grad() || y.id() < start || y.op().is_none() {
            return y;
        }
        let arguments: HashSet<u64> = tensors(x).into_iter().map(Tensor::id).collect();
        let reached = reached(vec![&y], start);
        let closed = all_closed(vec![&y], start);
        // An argument that no gradient reaches is a constant here, so that none is expected.
        let argument = |x: &Tensor<T>| match reached.iter().any(|r| r.id() == x.id()) {
            true => x.clone(),
            false => constant(x),
        };
        let mut parents: Parents<T> = tensors(x).into_iter().map(argument).collect();
        let count = parents.len();
        parents.extend(reached.into_iter().filter(|x| !arguments.contains(&x.id())));
        // The structure alone: to hold the arguments themselves would be to ask for their gradients.
        let template = x.rebuild(x.with(&mut tensors(x).into_iter().map(constant)));
        let f = f.clone();
        let again = move |xs: &[Tensor<T>]| f(&template.rebuild(template.with(&mut xs.iter().cloned())));
        let op = Checkpoint { f: again, arguments: count, closed };
        Tensor::node(y.data().clone(), Some((Box::new(op), parents)), true, y.location())
    }
}

/// The same numbers, by themselves.
fn constant<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    Tensor::node(x.data().clone(), None, false, x.location())
}

/// Whether argument `i` has not come before. One that is given twice has one cotangent, and one tangent.
fn first<T: Float>(x: &[Tensor<T>], i: usize) -> bool {
    x[..i].iter().all(|other| other.id() != x[i].id())
}

/// `y = f(x…)`. Its parents are the arguments, and behind them what `f` holds.
struct Checkpoint<F> {
    f: F,
    arguments: usize,
    /// Whether all ops of `f` are: what else `f` holds are parents.
    closed: bool,
}

impl<F> Checkpoint<F> {
    /// `y` once more, recorded, and the first id of what was recorded.
    fn again<T: Float>(&self, x: &[Tensor<T>], y: &Tensor<T>) -> (Tensor<T>, u64)
    where
        F: Fn(&[Tensor<T>]) -> Tensor<T>,
    {
        let start = census::upcoming();
        let again = recorded(|| (self.f)(&x[..self.arguments]));
        #[allow(clippy::eq_op)] // a NaN is what differs from itself
        let same = |a: T, b: T| a == b || a != a && b != b;
        let (a, b) = (again.data().contiguous(), y.data().contiguous());
        let pairs = a.as_slice().into_iter().flatten().zip(b.as_slice().into_iter().flatten());
        let equal = a.shape() == b.shape() && pairs.into_iter().all(|(&a, &b)| same(a, b));
        if !equal {
            let why = format!(
                "run again for the derivative, the function gave another result than at {}: it must compute the same \
                 each time. Random numbers repeat if the generator is copied inside",
                y.location()
            );
            on_behalf_of(y.location(), "checkpoint", || Tensor::refuse("checkpoint", &why, &[y, &again]))
        }
        (again, start)
    }
}

impl<T: Float, F: Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync + 'static> Op<T> for Checkpoint<F> {
    fn name(&self) -> &'static str {
        "checkpoint"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok((self.f)(&x[..self.arguments]).data().clone())
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        self.vjps(x, y, g, &[i]).remove(0)
    }
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        let (again, start) = self.again(x, y);
        let all = pulled(&[(&again, g)], &wanted.iter().map(|&i| &x[i]).collect::<Vec<_>>(), start);
        let once = |(&i, gx): (&usize, Tensor<T>)| if first(x, i) { gx } else { zeros(&x[i]) };
        wanted.iter().zip(all).map(once).collect()
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let (again, start) = self.again(x, y);
        let moving = x.iter().zip(dx).enumerate().filter(|(i, _)| first(x, *i));
        let along: Vec<_> = moving.filter_map(|(_, (x, dx))| Some((x, dx.as_ref()?))).collect();
        pushed(&[&again], &along, start).remove(0)
    }
    fn is_closed(&self) -> bool {
        self.closed
    }
    fn is_exact(&self) -> bool {
        false // `f` may hold some of what it depends on
    }
    /// The pass that would have come this way, over what is recorded again: it goes on with the sums that are there, so
    /// that everything is added up in the same order, and ends where `f` began.
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        let (again, start) = self.again(x, y);
        let so_far = x.iter().zip(&mut *sums).filter_map(|(x, sum)| Some((x, sum.take()?)));
        let mut found = vec![];
        Tensor::pullback(
            so_far.chain([(&again, g)]),
            start,
            |op, x, y, g, sums| op.pull(x, y, g, sums),
            |x, g, _| {
                if x.id() < start {
                    found.push((x.id(), g.clone()));
                }
            },
        );
        for (id, g) in found {
            // An argument given twice has one sum.
            if let Some(i) = x.iter().position(|x| x.id() == id) {
                sums[i] = Some(g);
            }
        }
    }
}
