//! Tensors in a structure: one, a pair, a list of triples.

use crate::Tensor;
use crate::num::Float;

/// A structure of tensors, as functions take and return them: a tensor, a tuple, an array, a vector or a box of
/// structures, nested as you like. Derivatives come in the same structure.
///
/// ```
/// use femtograd::{Tensor, grad};
/// type Layer = (Tensor<f64>, Tensor<f64>);
/// let loss = |layers: &Vec<Layer>| layers.iter().map(|(w, b)| (w * w + b).sum()).reduce(|a, b| a + b).unwrap();
/// let layer = || (Tensor::constant([1.0, 2.0]), Tensor::constant(0.5));
/// let slopes = grad(loss)(&vec![layer(), layer()]); // Vec<Layer> again
/// assert_eq!(slopes[1].0.to_string(), "[2, 4]");
/// assert_eq!(slopes[1].1.to_string(), "2");
/// ```
///
/// Implement it for a struct of your own by naming its tensors, always in the same order, and building it from as many:
///
/// ```
/// use femtograd::{Float, Tensor, Tree, grad};
/// struct Line<U> { slope: U, height: U }
/// impl<T: Float> Tree<T> for Line<Tensor<T>> {
///     type Of<U> = Line<U>;
///     fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
///         list.extend([&self.slope, &self.height]);
///     }
///     fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Line<U> {
///         Line { slope: values.next().unwrap(), height: values.next().unwrap() }
///     }
///     fn rebuild(&self, of: Line<Tensor<T>>) -> Self {
///         of
///     }
/// }
/// let line = Line { slope: Tensor::constant(2.0), height: Tensor::constant(1.0) };
/// let at_3 = |line: &Line<Tensor<f64>>| &line.slope * 3.0 + &line.height;
/// assert_eq!(grad(at_3)(&line).slope.item(), 3.0);
/// ```
pub trait Tree<T: Float> {
    /// The structure with a `U` in each tensor's place.
    type Of<U>;

    /// Adds the tensors to a list, in order.
    fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>);

    /// The structure with these values in the tensors' places, in the same order.
    fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Self::Of<U>;

    /// The structure itself from other tensors. (For most, [`Of`](Self::Of) tensors is the structure.)
    fn rebuild(&self, of: Self::Of<Tensor<T>>) -> Self;
}

/// The tensors of a structure.
pub(crate) fn tensors<T: Float>(tree: &impl Tree<T>) -> Vec<&Tensor<T>> {
    let mut list = vec![];
    tree.tensors(&mut list);
    list
}

impl<T: Float> Tree<T> for Tensor<T> {
    type Of<U> = U;
    fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
        list.push(self);
    }
    fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> U {
        values.next().expect("a value for each tensor")
    }
    fn rebuild(&self, of: Tensor<T>) -> Self {
        of
    }
}

impl<T: Float, X: Tree<T>> Tree<T> for Vec<X> {
    type Of<U> = Vec<X::Of<U>>;
    fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
        self.iter().for_each(|x| x.tensors(list));
    }
    fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Self::Of<U> {
        self.iter().map(|x| x.with(values)).collect()
    }
    fn rebuild(&self, of: Self::Of<Tensor<T>>) -> Self {
        self.iter().zip(of).map(|(x, of)| x.rebuild(of)).collect()
    }
}

impl<T: Float, X: Tree<T>, const N: usize> Tree<T> for [X; N] {
    type Of<U> = [X::Of<U>; N];
    fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
        self.iter().for_each(|x| x.tensors(list));
    }
    fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Self::Of<U> {
        self.each_ref().map(|x| x.with(values))
    }
    fn rebuild(&self, of: Self::Of<Tensor<T>>) -> Self {
        let mut of = of.into_iter();
        self.each_ref().map(|x| x.rebuild(of.next().expect("as many")))
    }
}

impl<T: Float, X: Tree<T>> Tree<T> for Box<X> {
    type Of<U> = Box<X::Of<U>>;
    fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
        (**self).tensors(list);
    }
    fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Self::Of<U> {
        Box::new((**self).with(values))
    }
    fn rebuild(&self, of: Self::Of<Tensor<T>>) -> Self {
        Box::new((**self).rebuild(*of))
    }
}

macro_rules! tuple {
    ($($X:ident $k:tt),+) => {
        impl<T: Float, $($X: Tree<T>),+> Tree<T> for ($($X,)+) {
            type Of<U> = ($($X::Of<U>,)+);
            fn tensors<'a>(&'a self, list: &mut Vec<&'a Tensor<T>>) {
                $(self.$k.tensors(list);)+
            }
            fn with<U>(&self, values: &mut impl Iterator<Item = U>) -> Self::Of<U> {
                ($(self.$k.with(values),)+)
            }
            fn rebuild(&self, of: Self::Of<Tensor<T>>) -> Self {
                ($(self.$k.rebuild(of.$k),)+)
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
