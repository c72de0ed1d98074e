//! Recorded functions: run once, then replayed.
//!
//! An eager program pays for each op: a node, an array, a pass over memory, and the same again on the way back. Where the
//! same graph is built again and again, all that can be settled once. [`record`] runs a function on the first arguments it
//! is called with, keeps the graph of its value and its gradient, and makes a flat *program* of it: ops in order, forwards
//! and backwards in one list, each value with a place of its own. Further calls with arguments of the same shapes run
//! through the list.
//!
//! - Elementwise ops that can run at the same time become one pass over memory, in blocks that stay in the caches of a core,
//!   whether they compute the value or the gradient; sums over everything are taken on the way.
//! - Single numbers lie in one list; an op on them is one call.
//! - What is written by passes is planned beforehand, and memory is used again as soon as its last reader is done.
//! - All other ops run as they do otherwise.
//!
//! # What is recorded
//!
//! The arguments are leaves, and whatever is computed from them is recorded, under [`no_grad`], behind
//! [`detach`](crate::Tensor::detach) and in comparisons too: there no gradient flows, but the value changes with the arguments. A
//! [`grad`](crate::grad) inside becomes part of the program. What depends on no argument is a constant of the program, tensors that
//! the function has captured among them: nothing is differentiated by those.
//!
//! # What is refused
//!
//! A program does the same ops each time. A function whose ops depend on a value has to look at that value, so that is
//! where it is refused: [`data`](crate::Tensor::data), [`item`](crate::Tensor::item) and printing panic for what depends on an
//! argument, at the line that asks. [`where_`](crate::where_) chooses without looking. Indices are treated alike: an op that takes
//! some must be given those of an argument ([`record_with`]), in its own shape or reshaped, or [computed](indices_from) from
//! some, since labels or tokens that the function has captured would stay what they were in the first call.
//!
//! Inside [`strict`](crate::strict) and [`count_strong_zeros`](crate::count_strong_zeros), and inside another function that is
//! being recorded, a recorded function runs as it is written.

mod plan;
mod program;
mod trace;

pub use crate::context::Tracing;
pub use trace::indices_from;
pub(crate) use trace::{check_read, follow, follows, is_input, is_rebound, wanted};

use crate::context::{self, Products, products, tracing, unrecorded};
use crate::kernels::Shape;
use crate::num::Float;
use crate::transform::{Tree, tensors, value_and_grad};
use crate::{Array, Indices, Place, Tensor, no_grad};
use plan::plan;
use program::Program;
use std::cell::RefCell;
use std::marker::PhantomData;
use trace::Graph;

/// Whether this thread is recording a function. For bindings, which have to refuse what a program cannot do again where this
/// library does not see it.
///
/// ```
/// use femtograd::{Tensor, record, replay::{Tracing, stage}};
/// let square = record(|x: &Tensor<f64>| {
///     assert_eq!(stage(), Tracing::Function);
///     x * x
/// });
/// assert_eq!((square.value(&Tensor::constant(3.0)).item(), stage()), (9.0, Tracing::No));
/// ```
pub fn stage() -> Tracing {
    context::trace()
}

/// Whether a recorded function that is called now is replayed, and not run as it is written.
///
/// ```
/// use femtograd::{Tensor, record, replay::replays, strict};
/// assert!(replays() && !strict(replays));
/// let square = record(|x: &Tensor<f64>| {
///     assert!(!replays()); // what is called here becomes part of the program
///     x * x
/// });
/// square.value(&Tensor::constant(3.0));
/// ```
pub fn replays() -> bool {
    !tracing() && products() == Products::Guarded
}

/// How many sets of shapes a recorded function remembers.
const KEPT: usize = 8;

/// A function that runs once and is replayed afterwards.
///
/// ```
/// use femtograd::{Tensor, record};
/// // The fit of a line to what was measured.
/// let (x, y) = (Tensor::constant([1.0, 2.0, 4.0]), Tensor::constant([1.0, 3.0, 7.0]));
/// let loss = record(move |(slope, height): &(Tensor<f64>, Tensor<f64>)| (slope * &x + height - &y).powi(2).mean());
/// let mut line = (Tensor::constant(0.0), Tensor::constant(0.0));
/// for _ in 0..500 {
///     let (_, (by_slope, by_height)) = loss.value_and_grad(&line); // recorded the first time, then replayed
///     line = (line.0 - by_slope * 0.1, line.1 - by_height * 0.1);
/// }
/// assert!((line.0.item() - 2.0).abs() < 1e-6 && (line.1.item() + 1.0).abs() < 1e-6);
/// ```
///
/// What a program cannot do each time is refused when it is recorded:
///
/// ```should_panic
/// use femtograd::{Tensor, record};
/// let f = record(|x: &Tensor<f64>| if x.item() > 0.0 { x.sqrt() } else { -x });
/// // record: the value of a tensor (made at src/main.rs:5:10) is asked for, and a recorded program would keep it …
/// f.value(&Tensor::constant(2.0));
/// ```
///
/// See [`replay`](crate::replay) for what is recorded and what is refused.
pub fn record<T: Float, X: Tree<T>>(
    f: impl Fn(&X) -> Tensor<T>,
) -> Replay<T, X, (), impl Fn(&X, &()) -> Tensor<T>> {
    record_with(move |x: &X, _: &()| f(x))
}

/// [`record`] for a function that is given something else to compute with: what it is not differentiated by, tensors and
/// [`Indices`].
///
/// ```
/// use femtograd::{Indices, Tensor, record_with};
/// let loss = record_with(|w: &Tensor<f64>, (x, labels): &(Tensor<f64>, Indices)| {
///     let own = x.matmul(w).log_softmax(1).take_along_axis(labels, 1);
///     -own.mean()
/// });
/// let w = Tensor::constant([[0.0, 0.0], [0.0, 0.0]]);
/// let x = Tensor::constant([[1.0, 0.0], [0.0, 1.0]]);
/// for (labels, expected) in [([[0], [1]], "[[-0.25, 0.25], [0.25, -0.25]]"), ([[1], [1]], "[[0.25, -0.25], [0.25, -0.25]]")] {
///     let (_, slope) = loss.value_and_grad_with(&w, &(x.clone(), labels.into()));
///     assert_eq!(slope.to_string(), expected);
/// }
/// ```
pub fn record_with<T: Float, X: Tree<T>, G: Given<T>, F: Fn(&X, &G) -> Tensor<T>>(
    f: F,
) -> Replay<T, X, G, F> {
    Replay { f, programs: RefCell::new(Vec::new()), of: PhantomData }
}

/// What a [recorded](record_with) function is given and not differentiated by: a tensor, [`Indices`], nothing, or several of
/// these in a tuple, an array or a vector.
pub trait Given<T: Float> {
    /// Adds the tensors and the indices to the lists, in order.
    fn parts<'a>(&'a self, tensors: &mut Vec<&'a Tensor<T>>, indices: &mut Vec<&'a Indices>);

    /// The same with other tensors, in the same order.
    fn with(&self, tensors: &mut impl Iterator<Item = Tensor<T>>) -> Self;
}

impl<T: Float> Given<T> for Tensor<T> {
    fn parts<'a>(&'a self, tensors: &mut Vec<&'a Tensor<T>>, _: &mut Vec<&'a Indices>) {
        tensors.push(self);
    }
    fn with(&self, tensors: &mut impl Iterator<Item = Tensor<T>>) -> Self {
        tensors.next().expect("a tensor for each")
    }
}

impl<T: Float> Given<T> for () {
    fn parts<'a>(&'a self, _: &mut Vec<&'a Tensor<T>>, _: &mut Vec<&'a Indices>) {}
    fn with(&self, _: &mut impl Iterator<Item = Tensor<T>>) -> Self {}
}

impl<T: Float> Given<T> for Indices {
    fn parts<'a>(&'a self, _: &mut Vec<&'a Tensor<T>>, indices: &mut Vec<&'a Indices>) {
        indices.push(self);
    }
    fn with(&self, _: &mut impl Iterator<Item = Tensor<T>>) -> Self {
        self.clone()
    }
}

impl<T: Float, G: Given<T>> Given<T> for Vec<G> {
    fn parts<'a>(&'a self, tensors: &mut Vec<&'a Tensor<T>>, indices: &mut Vec<&'a Indices>) {
        self.iter().for_each(|part| part.parts(tensors, indices));
    }
    fn with(&self, tensors: &mut impl Iterator<Item = Tensor<T>>) -> Self {
        self.iter().map(|part| part.with(tensors)).collect()
    }
}

impl<T: Float, G: Given<T>, const N: usize> Given<T> for [G; N] {
    fn parts<'a>(&'a self, tensors: &mut Vec<&'a Tensor<T>>, indices: &mut Vec<&'a Indices>) {
        self.iter().for_each(|part| part.parts(tensors, indices));
    }
    fn with(&self, tensors: &mut impl Iterator<Item = Tensor<T>>) -> Self {
        self.each_ref().map(|part| part.with(tensors))
    }
}

macro_rules! tuple {
    ($($G:ident $k:tt),+) => {
        impl<T: Float, $($G: Given<T>),+> Given<T> for ($($G,)+) {
            fn parts<'a>(&'a self, tensors: &mut Vec<&'a Tensor<T>>, indices: &mut Vec<&'a Indices>) {
                $(self.$k.parts(tensors, indices);)+
            }
            fn with(&self, tensors: &mut impl Iterator<Item = Tensor<T>>) -> Self {
                ($(self.$k.with(tensors),)+)
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// A [recorded](record) function of `X`, given `G`. It keeps the programs of the last few sets of shapes, each for the value
/// alone or with the gradient; it can be sent to another thread, but not shared by several.
pub struct Replay<T: Float, X, G, F> {
    f: F,
    /// The last one used first.
    programs: RefCell<Vec<Kept<T>>>,
    of: PhantomData<fn(&X, &G)>,
}

/// What a program is to give.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Value,
    /// The value, one number, and the gradient.
    Gradient,
    /// The value, and the gradient if that is one number.
    Both,
}

/// A program and what it is for.
struct Kept<T: Float> {
    wanted: Wanted,
    /// The shapes of all tensors and indices.
    shapes: Vec<Shape>,
    program: Program<T>,
}

impl<T: Float, X: Tree<T>, F: Fn(&X, &()) -> Tensor<T>> Replay<T, X, (), F> {
    /// The value at `x`: a constant.
    ///
    /// # Panics
    /// If the function does something that a program [cannot](crate::replay) do again, or has a mistake.
    #[track_caller]
    pub fn value(&self, x: &X) -> Tensor<T> {
        self.value_with(x, &())
    }

    /// The value, one number, and the gradient at `x`, in its structure: constants.
    ///
    /// # Panics
    /// As [`value`](Self::value); or if the function does not return one number.
    #[track_caller]
    pub fn value_and_grad(&self, x: &X) -> (Tensor<T>, X::Of<Tensor<T>>) {
        self.value_and_grad_with(x, &())
    }
}

impl<T: Float, X: Tree<T>, G: Given<T>, F: Fn(&X, &G) -> Tensor<T>> Replay<T, X, G, F> {
    /// The value at `x`, given what it is given: a constant.
    ///
    /// # Panics
    /// If the function does something that a program [cannot](crate::replay) do again, or has a mistake.
    #[track_caller]
    pub fn value_with(&self, x: &X, given: &G) -> Tensor<T> {
        if tracing() {
            return (self.f)(x, given);
        }
        if products() != Products::Guarded {
            return no_grad(|| (self.f)(x, given));
        }
        self.run(Wanted::Value, x, given, Place::here()).next().expect("a value")
    }

    /// The value, one number, and the gradient at `x`, in its structure: constants.
    ///
    /// # Panics
    /// As [`value_with`](Self::value_with); or if the function does not return one number.
    #[track_caller]
    pub fn value_and_grad_with(&self, x: &X, given: &G) -> (Tensor<T>, X::Of<Tensor<T>>) {
        if !replays() {
            return value_and_grad(|x: &X| (self.f)(x, given))(x);
        }
        let mut results = self.run(Wanted::Gradient, x, given, Place::here());
        let y = results.next().expect("a value");
        (y, x.with(&mut results))
    }

    /// The value, and the gradient at `x` if the value is one number: constants. It is recorded once, whichever it turns out to
    /// be.
    ///
    /// # Panics
    /// As [`value_with`](Self::value_with).
    #[track_caller]
    pub fn try_value_and_grad_with(&self, x: &X, given: &G) -> (Tensor<T>, Option<X::Of<Tensor<T>>>) {
        if !replays() {
            let y = self.value_with(x, given);
            if y.shape().iter().product::<usize>() != 1 {
                return (y, None);
            }
            let (y, dy) = self.value_and_grad_with(x, given);
            return (y, Some(dy));
        }
        let mut results = self.run(Wanted::Both, x, given, Place::here());
        let y = results.next().expect("a value");
        let is_one = y.data().len() == 1;
        (y, is_one.then(|| x.with(&mut results)))
    }

    fn run(&self, wanted: Wanted, x: &X, given: &G, place: Place) -> impl Iterator<Item = Tensor<T>> {
        let (mut all, mut indices) = (tensors(x), vec![]);
        let by = all.len();
        given.parts(&mut all, &mut indices);
        let shapes = || all.iter().map(|x| x.shape()).chain(indices.iter().map(|i| i.shape()));
        let fits =
            |kept: &Kept<T>| kept.wanted == wanted && kept.shapes.iter().map(|shape| &shape[..]).eq(shapes());
        let known = self.programs.borrow().iter().position(fits);
        // Taken out while it runs: what it calls may call this function too.
        let mut kept = match known {
            Some(i) => self.programs.borrow_mut().remove(i),
            None => {
                let program = self.prepare(wanted, x, given, &all, &indices, by);
                Kept { wanted, shapes: shapes().map(Shape::from).collect(), program }
            }
        };
        let results = unrecorded(|| kept.program.run(all.iter().map(|x| x.data()), &indices));
        let mut programs = self.programs.borrow_mut();
        programs.truncate(KEPT - 1);
        programs.insert(0, kept);
        results.into_iter().map(move |array: Array<T>| Tensor::node(array, None, false, place))
    }

    fn prepare(
        &self,
        wanted: Wanted,
        x: &X,
        given: &G,
        all: &[&Tensor<T>],
        indices: &[&Indices],
        by: usize,
    ) -> Program<T> {
        let indices: Vec<Indices> = indices.iter().map(|&indices| indices.clone()).collect();
        let inputs: Vec<_> = all.iter().enumerate().map(|(i, x)| trace::input(x, i < by)).collect();
        let mut leaves = inputs.iter().cloned();
        let x = x.rebuild(x.with(&mut leaves));
        let given = given.with(&mut leaves);
        let y = trace::trace(indices.clone(), || (self.f)(&x, &given));
        let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape().into()).collect();
        let by = match wanted {
            Wanted::Value => None,
            Wanted::Gradient => {
                y.one("record");
                Some(by)
            }
            Wanted::Both => (y.shape().iter().product::<usize>() == 1).then_some(by),
        };
        plan(Graph::of(y, &inputs, &indices), by, &shapes)
    }
}
