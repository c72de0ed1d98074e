//! Tensors as numbers: a rule run on them is recorded.

use super::{Float, Num, by_rule};
use crate::context::{Products, products, unrecorded};
use crate::once::Native;
use crate::op;
use crate::ops::elementwise as rules;
use crate::rule::Elementwise;
use crate::{Op, Parents, Rule, Tensor};
use std::cell::RefCell;

/// A tensor inside a rule: a small handle into a [`Scratch`] list, so that rules read like mathematics, without
/// `.clone()`. Computed only when [asked for](Scratch::tensor), or compared: of all the slopes of a rule, only those
/// needed are.
#[derive(Clone, Copy)]
pub enum Recorded<'a, T: Float> {
    /// A number written in the rule.
    Lit(f64),
    /// An entry of the list.
    Entry(&'a Scratch<T>, usize),
}

/// The tensors that occur while a rule runs.
#[derive(Default)]
pub struct Scratch<T: Float>(RefCell<Vec<Entry<T>>>);

enum Entry<T: Float> {
    Done(Tensor<T>),
    /// An op to apply to these handles; the op is taken when it is applied.
    Waiting(Option<Box<dyn Op<T>>>, Vec<Argument>),
}

#[derive(Clone, Copy)]
enum Argument {
    Lit(f64),
    Entry(usize),
}

impl<T: Float> Scratch<T> {
    /// An empty list.
    pub fn new() -> Scratch<T> {
        Scratch(RefCell::new(Vec::new()))
    }

    /// `x` as a number.
    pub fn number(&self, x: &Tensor<T>) -> Recorded<'_, T> {
        self.push(Entry::Done(x.clone()))
    }

    /// The `N` arguments of a rule as numbers.
    pub(crate) fn numbers<const N: usize>(&self, x: &[Tensor<T>]) -> [Recorded<'_, T>; N] {
        std::array::from_fn(|i| self.number(&x[i]))
    }

    /// What the chain rule makes of a cotangent: its products with the slopes that are wanted.
    pub(crate) fn chained<'a>(
        &'a self,
        g: &Tensor<T>,
        slopes: &[Recorded<'a, T>],
        wanted: &[usize],
    ) -> Vec<Tensor<T>> {
        let g = self.number(g);
        wanted.iter().map(|&i| self.tensor(g.chain(slopes[i]))).collect()
    }

    /// What it makes of tangents: the sum of their products with the slopes.
    pub(crate) fn carried<'a>(&'a self, dx: &[Option<Tensor<T>>], slopes: &[Recorded<'a, T>]) -> Tensor<T> {
        let terms =
            dx.iter().zip(slopes).filter_map(|(dx, &slope)| Some(self.number(dx.as_ref()?).carry(slope)));
        self.tensor(terms.reduce(|a, b| a + b).expect("at least one tangent"))
    }

    /// The tensor behind a number.
    pub fn tensor(&self, x: Recorded<'_, T>) -> Tensor<T> {
        match x {
            Recorded::Lit(v) => Tensor::constant(T::of(v)),
            Recorded::Entry(_, i) => self.force(i),
        }
    }

    fn push(&self, entry: Entry<T>) -> Recorded<'_, T> {
        let mut entries = self.0.borrow_mut();
        entries.push(entry);
        Recorded::Entry(self, entries.len() - 1)
    }

    fn force(&self, i: usize) -> Tensor<T> {
        let (op, arguments) = match &mut self.0.borrow_mut()[i] {
            Entry::Done(x) => return x.clone(),
            Entry::Waiting(op, arguments) => (op.take().expect("a formula has no cycles"), arguments.clone()),
        };
        let argument = |a: &Argument| match *a {
            Argument::Lit(v) => Tensor::constant(T::of(v)),
            Argument::Entry(i) => self.force(i),
        };
        let parents: Parents<T> = arguments.iter().map(argument).collect();
        let y = Tensor::record(op, parents);
        self.0.borrow_mut()[i] = Entry::Done(y.clone());
        y
    }
}

impl<'a, T: Float> Recorded<'a, T> {
    /// The list of the first that is in one.
    fn list(x: &[Self]) -> Option<&'a Scratch<T>> {
        x.iter().find_map(|x| match x {
            Recorded::Lit(_) => None,
            Recorded::Entry(scratch, _) => Some(*scratch),
        })
    }

    fn argument(&self) -> Argument {
        match *self {
            Recorded::Lit(v) => Argument::Lit(v),
            Recorded::Entry(_, i) => Argument::Entry(i),
        }
    }

    /// Their numbers, if none is in a list.
    fn lits<const N: usize>(x: &[Self; N]) -> [f64; N] {
        std::array::from_fn(|i| match x[i] {
            Recorded::Lit(v) => v,
            Recorded::Entry(..) => unreachable!("an entry brings its list along"),
        })
    }

    /// One of the chain rule's products.
    fn guarded<R: Rule<2>>(self, product: R, slope: Self) -> Self
    where
        T: Native<R>,
    {
        match (self, slope) {
            (_, Recorded::Lit(1.0)) => self,
            (_, Recorded::Lit(-1.0)) => -self,
            // Now, since it matters how and is to be counted.
            (Recorded::Entry(list, _), _) | (_, Recorded::Entry(list, _))
                if products() != Products::Guarded =>
            {
                list.push(Entry::Done(op::guarded(product, &list.tensor(self), &list.tensor(slope))))
            }
            _ => Self::apply(product, [self, slope]),
        }
    }

    /// A comparison: 1 where it holds, 0 elsewhere; a constant, since it does not change with its arguments.
    fn mask<R: Rule<2>>(rule: R, x: [Self; 2]) -> Self {
        // The arguments as the rest of the formula sees them; only the comparison itself goes unrecorded.
        for x in x {
            if let Recorded::Entry(scratch, i) = x {
                scratch.force(i);
            }
        }
        let answer = Self::apply(rule, x);
        if let Recorded::Entry(scratch, i) = answer {
            unrecorded(|| scratch.force(i));
        }
        answer
    }
}

impl<T: Float> Num for Recorded<'_, T> {
    type Mask = Self;
    fn lit(v: f64) -> Self {
        Recorded::Lit(v)
    }
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        match Self::list(&x) {
            Some(scratch) => {
                let arguments = x.iter().map(Self::argument).collect();
                scratch.push(Entry::Waiting(Some(Box::new(Elementwise::<R, N>(rule))), arguments))
            }
            // Numbers alone: no tensor is needed.
            None => Recorded::Lit(rule.value(Self::lits(&x))),
        }
    }
    fn chain(self, slope: Self) -> Self {
        self.guarded(rules::Chain, slope)
    }
    fn carry(self, slope: Self) -> Self {
        self.guarded(rules::Carry, slope)
    }
    fn lt(self, other: Self) -> Self {
        Self::mask(rules::Lt, [self, other])
    }
    fn le(self, other: Self) -> Self {
        Self::mask(rules::Le, [self, other])
    }
    fn eq(self, other: Self) -> Self {
        Self::mask(rules::Eq, [self, other])
    }
    fn select(mask: Self, a: Self, b: Self) -> Self {
        Self::apply(rules::Where, [mask, a, b])
    }
}
by_rule!(['a, T: Float] Recorded<'a, T>, Add add other);
by_rule!(['a, T: Float] Recorded<'a, T>, Sub sub other);
by_rule!(['a, T: Float] Recorded<'a, T>, Mul mul other);
by_rule!(['a, T: Float] Recorded<'a, T>, Div div other);
by_rule!(['a, T: Float] Recorded<'a, T>, Neg neg);
