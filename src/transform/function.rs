//! Derivatives of functions.

use super::graph::{fits, is_open, oldest, pulled, pulled_bare, pushed, zeros};
use super::tree::{Tree, tensors};
use crate::context::{on_behalf_of, recorded, recording, tracing, unrecorded};
use crate::kernels::{Error, Shape};
use crate::num::Float;
use crate::op::Shortcut;
use crate::ops::linear::{Linear, linear};
use crate::{Array, Place, Tensor, census, replay, stack};

/// `y = x`, another node: an argument of a function, apart from any other use of `x`.
#[derive(Clone)]
struct Argument;
impl<T: Float> Linear<T> for Argument {
    const NAME: &'static str = "argument";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        Ok(x.clone())
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        g.clone()
    }
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Same
    }
}

/// `x` once more, as another node.
#[track_caller]
pub(crate) fn same<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    linear(Argument, x)
}

/// A function's call: arguments of its own, the results, and whether somebody outside can differentiate them.
///
/// That each call has arguments of its own keeps nested derivatives apart: in `d/dx [x · d/dy (x + y)]` the inner one
/// differentiates by its own `y` alone, even where `y` is given the value of `x`. If no tensor that wants a gradient
/// was there before the call, nobody can ask for a derivative of what comes out of it, so that need not be recorded.
struct Call<X, Y> {
    x: X,
    y: Y,
    open: bool,
    /// The line that made it, as far as it is known: closures do not know who calls them.
    place: Place,
}

impl<X, Y> Call<X, Y> {
    #[track_caller]
    fn of<T: Float>(f: impl FnOnce(&X) -> Y, x: &X) -> Call<X, Y>
    where
        X: Tree<T>,
        Y: Tree<T>,
    {
        let (first, place) = (census::upcoming(), Place::here());
        recorded(|| {
            let x = x.rebuild(x.with(&mut tensors(x).into_iter().map(argument)));
            let y = f(&x);
            let open = tracing() || is_open(tensors(&y), first);
            Call { x, y, open, place }
        })
    }

    /// The results as the caller gets them.
    fn results<T: Float>(&self) -> Y
    where
        Y: Tree<T>,
    {
        let result = |y: &Tensor<T>| match self.open && recording() {
            true => y.clone(),
            false if replay::is_input(y) => unrecorded(|| same(y)),
            false => Tensor::node(y.data().clone(), None, false, y.location()),
        };
        self.y.rebuild(self.y.with(&mut tensors(&self.y).into_iter().map(result)))
    }

    /// Carries cotangents of results (or of what was recorded from them) back to the arguments.
    fn pull<T: Float>(&self, seeds: &[(&Tensor<T>, &Tensor<T>)]) -> Vec<Tensor<T>>
    where
        X: Tree<T>,
    {
        let open = self.open || seeds.iter().any(|(_, g)| g.wants_grad());
        let xs = tensors(&self.x);
        if open { pulled(seeds, &xs, oldest(&xs)) } else { pulled_bare(seeds, &xs, oldest(&xs)) }
    }

    /// Carries tangents of the arguments forwards to results (or to what was recorded from them).
    fn push<T: Float>(&self, ys: &[&Tensor<T>], dx: &[&Tensor<T>]) -> Vec<Tensor<T>>
    where
        X: Tree<T>,
    {
        let along: Vec<_> = tensors(&self.x).into_iter().zip(dx.iter().copied()).collect();
        let open = self.open || dx.iter().any(|dx| dx.wants_grad());
        let push = || pushed(ys, &along, oldest(&tensors(&self.x)));
        if open { push() } else { unrecorded(push) }
    }

    /// The gradient of the one result, recorded in any case.
    fn gradient<T: Float>(&self, one: &Tensor<T>) -> Vec<Tensor<T>>
    where
        X: Tree<T>,
        Y: Tree<T>,
    {
        let xs = tensors(&self.x);
        recorded(|| pulled(&[(tensors(&self.y)[0], one)], &xs, oldest(&xs)))
    }
}

/// `x` as an argument of its own.
pub(crate) fn argument<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    let new = if x.wants_grad() {
        on_behalf_of(x.location(), "argument", || same(x))
    } else if replay::is_input(x) {
        replay::wanted(on_behalf_of(x.location(), "argument", || same(x)))
    } else {
        Tensor::node(x.data().clone(), None, true, x.location())
    };
    match x.label() {
        Some(label) => new.named(label),
        None => new,
    }
}

/// The cotangent 1 of a function's one number.
fn one<T: Float>(transform: &'static str, y: &Tensor<T>) -> Tensor<T> {
    // On behalf of the function: nobody else's line is known where a closure is called.
    on_behalf_of(y.location(), transform, || Tensor::constant(y.one(transform)))
}

/// The gradient of a function that returns one number: a function that returns it in the structure of the argument.
/// It can be differentiated again. At constants, with nothing older that wants a gradient inside the function, it is computed
/// by the ops' fastest ways and not recorded.
///
/// ```
/// use femtograd::{Tensor, grad};
/// let f = |x: &Tensor<f64>| x.sin();
/// let x = Tensor::constant(0.5);
/// assert_eq!(grad(f)(&x).item(), 0.5f64.cos());
/// assert_eq!(grad(grad(f))(&x).item(), -0.5f64.sin());
///
/// let area = |(a, b): &(Tensor<f64>, Tensor<f64>)| a * b;
/// let (da, db) = grad(area)(&(Tensor::constant(2.0), Tensor::constant(3.0)));
/// assert_eq!((da.item(), db.item()), (3.0, 2.0));
/// ```
///
/// # Panics
/// The function returned panics if `f` does not return one number.
pub fn grad<T: Float, X: Tree<T>>(f: impl Fn(&X) -> Tensor<T>) -> impl Fn(&X) -> X::Of<Tensor<T>> {
    move |x| gradient_of("grad", &f, x).1
}

/// The value and the gradient of a function that returns one number: see [`grad`].
///
/// ```
/// use femtograd::{Tensor, value_and_grad};
/// let (y, dy) = value_and_grad(|x: &Tensor<f64>| (x * x).sum())(&Tensor::constant([3.0, 4.0]));
/// assert_eq!((y.item(), dy.to_string()), (25.0, "[6, 8]".into()));
/// ```
///
/// # Panics
/// The function returned panics if `f` does not return one number.
pub fn value_and_grad<T: Float, X: Tree<T>>(
    f: impl Fn(&X) -> Tensor<T>,
) -> impl Fn(&X) -> (Tensor<T>, X::Of<Tensor<T>>) {
    move |x| gradient_of("value_and_grad", &f, x)
}

fn gradient_of<T: Float, X: Tree<T>>(
    transform: &'static str,
    f: impl Fn(&X) -> Tensor<T>,
    x: &X,
) -> (Tensor<T>, X::Of<Tensor<T>>) {
    let call = Call::of(f, x);
    let g = call.pull(&[(&call.y, &one(transform, &call.y))]);
    (call.results(), x.with(&mut g.into_iter()))
}

/// The value of a function, and a function that carries a cotangent of each result back to the arguments: the
/// vector-Jacobian product `gᵀ·∂y/∂x`.
///
/// ```
/// use femtograd::{Tensor, vjp};
/// let (y, pull) = vjp(|x: &Tensor<f64>| x * x, &Tensor::constant([1.0, 2.0]));
/// assert_eq!(y.to_string(), "[1, 4]");
/// assert_eq!(pull(&Tensor::constant([1.0, 10.0])).to_string(), "[2, 40]");
/// ```
///
/// # Panics
/// The function returned panics if a cotangent has another shape than its result.
#[track_caller]
pub fn vjp<T: Float, X: Tree<T>, Y: Tree<T>, F: FnOnce(&X) -> Y>(
    f: F,
    x: &X,
) -> (Y, impl Fn(&Y) -> X::Of<Tensor<T>> + use<T, X, Y, F>) {
    let call = Call::of(f, x);
    let pull = |call: &Call<X, Y>, g: &Y| {
        let (ys, gs) = (tensors(&call.y), tensors(g));
        on_behalf_of(call.place, "vjp", || fits("vjp", "cotangent", &ys, &gs));
        let seeds: Vec<_> = ys.into_iter().zip(gs).collect();
        call.x.with(&mut call.pull(&seeds).into_iter())
    };
    (call.results(), move |g: &Y| pull(&call, g))
}

/// The value of a function and its change when each argument moves along its tangent: the Jacobian-vector product
/// `∂y/∂x·dx`. Forward mode: the cost is a small multiple of the function's, however many results there are.
///
/// ```
/// use femtograd::{Tensor, jvp};
/// let norm = |x: &Tensor<f64>| (x * x).sum().sqrt();
/// let (y, dy) = jvp(norm, &Tensor::constant([3.0, 4.0]), &Tensor::constant([1.0, 0.5]));
/// assert_eq!((y.item(), dy.item()), (5.0, 1.0));
/// ```
///
/// # Panics
/// If a tangent has another shape than its argument.
#[track_caller]
pub fn jvp<T: Float, X: Tree<T>, Y: Tree<T>>(
    f: impl FnOnce(&X) -> Y,
    x: &X,
    dx: &X,
) -> (Y, Y::Of<Tensor<T>>) {
    fits("jvp", "tangent", &tensors(x), &tensors(dx));
    let call = Call::of(f, x);
    let dy = call.push(&tensors(&call.y), &tensors(dx));
    (call.results(), call.y.with(&mut dy.into_iter()))
}

/// The value of a function, and the linear function that approximates its change near there: [`jvp`] along any tangent
/// from one evaluation.
///
/// ```
/// use femtograd::{Tensor, linearize};
/// let (y, push) = linearize(|x: &Tensor<f64>| x.powi(2), &Tensor::constant(3.0));
/// assert_eq!(y.item(), 9.0);
/// assert_eq!(push(&Tensor::constant(1.0)).item(), 6.0);
/// assert_eq!(push(&Tensor::constant(0.5)).item(), 3.0);
/// ```
///
/// # Panics
/// The function returned panics if a tangent has another shape than its argument.
#[track_caller]
pub fn linearize<T: Float, X: Tree<T>, Y: Tree<T>, F: FnOnce(&X) -> Y>(
    f: F,
    x: &X,
) -> (Y, impl Fn(&X) -> Y::Of<Tensor<T>> + use<T, X, Y, F>) {
    let call = Call::of(f, x);
    let push = |call: &Call<X, Y>, dx: &X| {
        on_behalf_of(call.place, "linearize", || {
            fits("linearize", "tangent", &tensors(&call.x), &tensors(dx))
        });
        call.y.with(&mut call.push(&tensors(&call.y), &tensors(dx)).into_iter())
    };
    (call.results(), move |dx: &X| push(&call, dx))
}

/// How a Jacobian is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Whichever takes fewer passes: [`Forward`](Mode::Forward) if there are fewer numbers in the arguments than in the results.
    #[default]
    Auto,
    /// A column at a time: one pass for each number in the arguments.
    Forward,
    /// A row at a time: one pass for each number in the results.
    Reverse,
}

/// The Jacobian `∂y/∂x` of a function: for each result and each argument a tensor of shape `[…y, …x]`, in the structure
/// of the results and within it that of the arguments.
///
/// ```
/// use femtograd::{Tensor, jacobian};
/// let polar = |(r, a): &(Tensor<f64>, Tensor<f64>)| [r * a.cos(), r * a.sin()];
/// let [(xr, xa), (yr, ya)] = jacobian(polar)(&(Tensor::constant(2.0), Tensor::constant(0.5)));
/// let determinant = xr.item() * ya.item() - xa.item() * yr.item();
/// assert!((determinant - 2.0).abs() < 1e-15);
///
/// let squares = jacobian(|x: &Tensor<f64>| x * x)(&Tensor::constant([1.0, 2.0]));
/// assert_eq!(squares.to_string(), "[[2, 0], [0, 4]]");
/// ```
pub fn jacobian<T: Float, X: Tree<T>, Y: Tree<T>>(
    f: impl Fn(&X) -> Y,
) -> impl Fn(&X) -> Y::Of<X::Of<Tensor<T>>> {
    jacobian_by(Mode::Auto, f)
}

/// [`jacobian`], computed as told.
///
/// ```
/// use femtograd::{Mode, Tensor, jacobian_by};
/// let f = |x: &Tensor<f64>| x.exp();
/// let x = Tensor::constant([0.0, 1.0]);
/// let (forward, reverse) = (jacobian_by(Mode::Forward, f)(&x), jacobian_by(Mode::Reverse, f)(&x));
/// assert_eq!(forward.data(), reverse.data());
/// ```
pub fn jacobian_by<T: Float, X: Tree<T>, Y: Tree<T>>(
    mode: Mode,
    f: impl Fn(&X) -> Y,
) -> impl Fn(&X) -> Y::Of<X::Of<Tensor<T>>> {
    move |x| {
        let call = Call::of(&f, x);
        let (xs, ys) = (tensors(&call.x), tensors(&call.y));
        let numbers = |tensors: &[&Tensor<T>]| tensors.iter().map(|t| t.data().len()).sum::<usize>();
        let forward = match mode {
            Mode::Auto => numbers(&xs) < numbers(&ys),
            mode => mode == Mode::Forward,
        };
        let blocks = if forward { columns(&call, &xs, &ys) } else { rows(&call, &xs, &ys) };
        call.y.with(&mut blocks.into_iter().map(|row| x.with(&mut row.into_iter())))
    }
}

/// `∂y/∂x` for each `y` and each `x`, one number of the `ys` at a time.
fn rows<T: Float, X: Tree<T>, Y>(
    call: &Call<X, Y>,
    xs: &[&Tensor<T>],
    ys: &[&Tensor<T>],
) -> Vec<Vec<Tensor<T>>> {
    let of = |y: &Tensor<T>| {
        let rows: Vec<Vec<_>> = units(y).map(|unit| call.pull(&[(y, &unit)])).collect();
        let block = |k: usize, x: &Tensor<T>| together(rows.iter().map(|row| row[k].clone()), 0, y, x);
        xs.iter().enumerate().map(|(k, x)| block(k, x)).collect()
    };
    ys.iter().map(|y| of(y)).collect()
}

/// `∂y/∂x` for each `y` and each `x`, one number of the `xs` at a time.
fn columns<T: Float, X: Tree<T>, Y>(
    call: &Call<X, Y>,
    xs: &[&Tensor<T>],
    ys: &[&Tensor<T>],
) -> Vec<Vec<Tensor<T>>> {
    let zeros: Vec<_> = xs.iter().map(|x| zeros(x)).collect();
    let along = |k: usize, unit: Tensor<T>| {
        let dx: Vec<_> =
            zeros.iter().enumerate().map(|(i, zero)| if i == k { &unit } else { zero }).collect();
        call.push(ys, &dx)
    };
    let of = |k: usize| units(xs[k]).map(|unit| along(k, unit)).collect::<Vec<_>>();
    let columns: Vec<_> = (0..xs.len()).map(of).collect();
    let block = |i: usize, k: usize| together(columns[k].iter().map(|c| c[i].clone()), -1, ys[i], xs[k]);
    (0..ys.len()).map(|i| (0..xs.len()).map(|k| block(i, k)).collect()).collect()
}

/// One of each element of `x` in turn, 0 elsewhere.
fn units<T: Float>(x: &Tensor<T>) -> impl Iterator<Item = Tensor<T>> {
    let shape = Shape::from(x.shape());
    let number = |here: bool| if here { T::ONE } else { T::ZERO };
    (0..x.data().len()).map(move |k| Tensor::constant(Array::from_fn(&shape, |j| number(j == k))))
}

/// A block of shape `[…y, …x]` from its slices.
fn together<T: Float>(
    slices: impl Iterator<Item = Tensor<T>>,
    axis: isize,
    y: &Tensor<T>,
    x: &Tensor<T>,
) -> Tensor<T> {
    let shape = [y.shape(), x.shape()].concat();
    let slices: Vec<_> = slices.collect();
    if slices.is_empty() {
        return Tensor::constant(Array::full(&shape, T::ZERO));
    }
    stack(slices, axis).reshape(&shape)
}

/// The Hessian `∂²y/∂x∂x` of a function that returns one number: for each pair of arguments a tensor of shape
/// `[…x, …x]`, in the structure of the arguments and within it that of the arguments again. One backward pass over the
/// recorded gradient for each number in the arguments.
///
/// ```
/// use femtograd::{Tensor, hessian};
/// let f = |x: &Tensor<f64>| x.slice(0, ..1).powi(2).sum() * x.slice(0, 1..).sum();
/// assert_eq!(hessian(f)(&Tensor::constant([3.0, 5.0])).to_string(), "[[10, 6], [6, 0]]");
/// ```
///
/// # Panics
/// The function returned panics if `f` does not return one number.
pub fn hessian<T: Float, X: Tree<T>>(f: impl Fn(&X) -> Tensor<T>) -> impl Fn(&X) -> X::Of<X::Of<Tensor<T>>> {
    move |x| {
        let call = Call::of(&f, x);
        let gradient = call.gradient(&one("hessian", &call.y));
        let blocks = rows(&call, &tensors(&call.x), &gradient.iter().collect::<Vec<_>>());
        x.with(&mut blocks.into_iter().map(|row| x.with(&mut row.into_iter())))
    }
}

/// The Hessian-vector product `∂²y/∂x∂x·v` of a function that returns one number: how its gradient changes along `v`.
/// Forward mode over reverse mode; the cost is a small multiple of the function's, and no Hessian is formed
/// (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994).
///
/// ```
/// use femtograd::{Tensor, hvp};
/// let f = |x: &Tensor<f64>| x.powi(3).sum();
/// let x = Tensor::constant([1.0, 2.0]);
/// assert_eq!(hvp(f, &x, &Tensor::constant([1.0, 10.0])).to_string(), "[6, 120]");
/// ```
///
/// # Panics
/// If `f` does not return one number, or part of `v` has another shape than its argument.
#[track_caller]
pub fn hvp<T: Float, X: Tree<T>>(f: impl Fn(&X) -> Tensor<T>, x: &X, v: &X) -> X::Of<Tensor<T>> {
    fits("hvp", "direction", &tensors(x), &tensors(v));
    let call = Call::of(f, x);
    let gradient = call.gradient(&one("hvp", &call.y));
    x.with(&mut call.push(&gradient.iter().collect::<Vec<_>>(), &tensors(v)).into_iter())
}

/// The diagonal `∂²y/∂xᵢ²` of the [`hessian`], in the structure and the shapes of the arguments: one pass for each number
/// in the arguments, and no more memory than the function takes.
///
/// ```
/// use femtograd::{Tensor, hessian_diagonal};
/// let f = |x: &Tensor<f64>| x.powi(3).sum() + x.sum().powi(2);
/// assert_eq!(hessian_diagonal(f)(&Tensor::constant([1.0, 2.0])).to_string(), "[8, 14]");
/// ```
///
/// # Panics
/// The function returned panics if `f` does not return one number.
pub fn hessian_diagonal<T: Float, X: Tree<T>>(
    f: impl Fn(&X) -> Tensor<T>,
) -> impl Fn(&X) -> X::Of<Tensor<T>> {
    move |x| x.with(&mut diagonal("hessian_diagonal", &f, x).into_iter())
}

fn diagonal<T: Float, X: Tree<T>>(
    transform: &'static str,
    f: impl Fn(&X) -> Tensor<T>,
    x: &X,
) -> Vec<Tensor<T>> {
    let call = Call::of(f, x);
    let gradient = call.gradient(&one(transform, &call.y));
    let of = |(k, g): (usize, &Tensor<T>)| {
        let element = |unit: Tensor<T>| (call.pull(&[(g, &unit)]).swap_remove(k) * unit).sum();
        let elements: Vec<_> = units(g).map(element).collect();
        match elements.is_empty() {
            true => zeros(g),
            false => stack(elements, 0).reshape(g.shape()),
        }
    };
    gradient.iter().enumerate().map(of).collect()
}

/// The Laplacian `Σᵢ ∂²y/∂xᵢ²` of a function that returns one number: the trace of its [`hessian`].
///
/// ```
/// use femtograd::{Tensor, laplacian};
/// let f = |x: &Tensor<f64>| (x * x).sum().sqrt().recip(); // 1/r is harmonic in three dimensions
/// assert!(laplacian(f)(&Tensor::constant([1.0, 2.0, 2.0])).item().abs() < 1e-15);
/// ```
///
/// # Panics
/// The function returned panics if `f` does not return one number.
pub fn laplacian<T: Float, X: Tree<T>>(f: impl Fn(&X) -> Tensor<T>) -> impl Fn(&X) -> Tensor<T> {
    move |x| {
        let terms = diagonal("laplacian", &f, x).into_iter().map(|d| d.sum());
        terms.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::constant(Array::scalar(T::ZERO)))
    }
}
