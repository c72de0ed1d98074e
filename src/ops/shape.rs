//! Ops that move numbers and leave them as they are. All are linear: the forward derivative of each is the op itself,
//! its reverse derivative another op of this file or a sum.

use super::linear::{Linear, LinearOp, linear, sum_of};
use super::reduce::axis_of;
use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::op::Shortcut;
use crate::{Array, Op, Operand, Tensor};
use std::ops::{Bound, RangeBounds};

/// `y = x` in row-major order under another shape.
#[derive(Clone)]
struct Reshape(Shape);
impl<T: Float> Linear<T> for Reshape {
    const NAME: &'static str = "reshape";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        x.reshape(&self.0)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        g.reshape(shape)
    }
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Same
    }
}

/// `y[i₀, i₁, …] = x[…]`, axis `k` of `y` being axis `order[k]` of `x`.
#[derive(Clone)]
pub(super) struct Permute(pub(super) Shape);
impl<T: Float> Linear<T> for Permute {
    const NAME: &'static str = "permute";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        x.permute(&self.0)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        let mut inverse = self.0.clone();
        self.0.iter().enumerate().for_each(|(k, &axis)| inverse[axis] = k);
        linear(Permute(inverse), g)
    }
}

/// `y = x`, repeated along new axes and axes of length 1.
#[derive(Clone)]
struct Broadcast(Shape);
impl<T: Float> Linear<T> for Broadcast {
    const NAME: &'static str = "broadcast_to";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        x.broadcast_to(&self.0)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        g.clone() // of y's shape: the engine undoes broadcasts
    }
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Broadcast
    }
}

/// `y = Σ x` over the axes that were broadcast to get from `y`'s shape to `x`'s: the reverse of broadcasting.
#[derive(Clone)]
struct SumTo(Shape);
impl<T: Float> Linear<T> for SumTo {
    const NAME: &'static str = "sum_to";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        if kernels::broadcast(&self.0, x.shape())?[..] != *x.shape() {
            return Err(Error(format!("shape {:?} does not broadcast to {:?}", self.0, x.shape())));
        }
        Ok(kernels::sum_to(x, &self.0))
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        g.broadcast_to(shape)
    }
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Sum
    }
}

/// `y[…, j, …] = x[…, start + j·step, …]` for `len` values of `j`.
#[derive(Clone)]
pub(super) struct Slice {
    pub(super) axis: usize,
    pub(super) start: usize,
    pub(super) step: isize,
    pub(super) len: usize,
}
impl<T: Float> Linear<T> for Slice {
    const NAME: &'static str = "slice";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        x.slice(self.axis, self.start, self.step, self.len)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(Unslice { of: self.clone(), shape: shape.into() }, g)
    }
    /// Into the range it came from, so that taking `n` single elements costs `n` and not `n²`.
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        _: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        let Slice { axis, start, step, .. } = op.0;
        let from = x[0].data();
        if from.as_slice().is_some() {
            return kernels::add_to_slice(sum_of(&mut sums[0], &x[0]), axis, start, step, g);
        }
        // The sum lies in memory as the argument does: where its axes were exchanged, they can be exchanged back for nothing.
        let strides = from.layout().strides;
        let mut order: Shape = (0..from.ndim()).collect();
        order.sort_by_key(|&k| std::cmp::Reverse(strides[k].unsigned_abs()));
        let lying = |a: &Array<T>| a.permute(&order).expect("every axis once");
        let place = |axis| order.iter().position(|&k| k == axis).expect("every axis once");
        let back: Shape = (0..from.ndim()).map(place).collect();
        let mut sum = match sums[0].take() {
            Some(sum) => lying(&sum),
            None => Array::full(&order.iter().map(|&k| from.shape()[k]).collect::<Shape>(), T::ZERO),
        };
        kernels::add_to_slice(&mut sum, place(axis), start, step, &lying(g));
        sums[0] = Some(sum.permute(&back).expect("every axis once"));
    }
}

/// `y = 0` but for `y[…, start + j·step, …] = x[…, j, …]`: the reverse of [`Slice`].
#[derive(Clone)]
pub(super) struct Unslice {
    pub(super) of: Slice,
    pub(super) shape: Shape,
}
impl<T: Float> Linear<T> for Unslice {
    const NAME: &'static str = "unslice";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::add_to_slice(&mut y, self.of.axis, self.of.start, self.of.step, x);
        Ok(y)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(self.of.clone(), g)
    }
}

/// `y = [x₀, x₁, …]` along an axis.
#[derive(Clone)]
struct Concat(usize);
impl<T: Float> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::concat(&x.iter().map(Tensor::data).collect::<Vec<_>>(), self.0)
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        let start = x[..i].iter().map(|x| x.shape()[self.0]).sum();
        linear(Slice { axis: self.0, start, step: 1, len: x[i].shape()[self.0] }, g)
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let zero = |x: &Tensor<T>| Tensor::constant(Array::full(x.shape(), T::ZERO));
        Tensor::apply(self.clone(), x.iter().zip(dx).map(|(x, dx)| dx.clone().unwrap_or_else(|| zero(x))))
    }
    fn pull(&self, x: &[Tensor<T>], _: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        let mut start = 0;
        for (x, sum) in x.iter().zip(sums) {
            let len = x.shape()[self.0];
            if x.wants_grad() {
                // A copy: a view would keep all of g alive for as long as the part.
                let part = g.slice(self.0, start, 1, len).expect("a part of y").copied();
                *sum = Some(match sum.take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            }
            start += len;
        }
    }
}

/// Shape, order and selection. Axes may be counted from the last: −1 is the last one.
impl<T: Float> Tensor<T> {
    /// The same numbers in the same (row-major) order under another shape.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(x.reshape(&[2, 2]).to_string(), "[[1, 2], [3, 4]]");
    /// ```
    ///
    /// # Panics
    /// If the new shape has another number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Tensor<T> {
        linear(Reshape(shape.into()), self)
    }

    /// The axes in another order: axis `k` of the result is axis `order[k]` of this tensor.
    ///
    /// # Panics
    /// If `order` does not name each axis once.
    #[track_caller]
    pub fn permute(&self, order: &[isize]) -> Tensor<T> {
        let mut axes = Shape::new();
        for &k in order {
            axes.push(self.axis("permute", k));
        }
        linear(Permute(axes), self)
    }

    /// The last two axes exchanged: the transpose of a matrix, or of each matrix in a batch.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Tensor<T> {
        self.transpose(-2, -1)
    }

    /// Axes `a` and `b` exchanged.
    ///
    /// # Panics
    /// If one of them does not exist.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor<T> {
        let mut order: Shape = (0..self.shape().len()).collect();
        order.swap(self.axis("transpose", a), self.axis("transpose", b));
        linear(Permute(order), self)
    }

    /// Repeated along new axes in front and axes of length 1, without copying.
    ///
    /// # Panics
    /// If `shape` is not reached so.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Tensor<T> {
        if self.shape() == shape { self.clone() } else { linear(Broadcast(shape.into()), self) }
    }

    /// Summed down to `shape`, from which this shape could have been broadcast.
    ///
    /// # Panics
    /// If it could not.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Tensor<T> {
        if self.shape() == shape { self.clone() } else { linear(SumTo(shape.into()), self) }
    }

    /// The elements of `range` along `axis`: `x.slice(0, 2..5)`, `x.slice(-1, ..3)`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0, 3.0, 4.0]);
    /// x.slice(0, 1..3).sum().backward();
    /// assert_eq!(x.grad().unwrap().to_vec(), [0.0, 1.0, 1.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or the range does not lie inside.
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl RangeBounds<usize>) -> Tensor<T> {
        let axis = self.axis("slice", axis);
        let start = match range.start_bound() {
            Bound::Included(&i) => i,
            Bound::Excluded(&i) => i.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&i) => i.saturating_add(1),
            Bound::Excluded(&i) => i,
            Bound::Unbounded => self.shape()[axis],
        };
        if start > end || end > self.shape()[axis] {
            Tensor::refuse(
                "slice",
                &format!("the range {start}..{end} does not lie inside axis {axis}"),
                &[self],
            )
        }
        linear(Slice { axis, start, step: 1, len: end - start }, self)
    }
}

/// The tensors one after the other along `axis`.
///
/// ```
/// use femtograd::{Tensor, concat};
/// let (a, b) = (Tensor::new([[1.0], [2.0]]), Tensor::new([[3.0, 4.0], [5.0, 6.0]]));
/// assert_eq!(concat([&a, &b], 1).to_string(), "[[1, 3, 4], [2, 5, 6]]");
/// ```
///
/// # Panics
/// If there are none, the axis does not exist, or their shapes differ in another axis.
#[track_caller]
pub fn concat<T: Float, X: Operand<T>>(parts: impl IntoIterator<Item = X>, axis: isize) -> Tensor<T> {
    let place = crate::Place::here();
    let parts: Vec<Tensor<T>> = parts.into_iter().map(|x| x.into_tensor_at(place)).collect();
    let Some(first) = parts.first() else {
        Tensor::<T>::refuse("concat", "there is nothing to concatenate", &[])
    };
    Tensor::apply(Concat(first.axis("concat", axis)), parts)
}

/// The tensors, all of one shape, along a new `axis`.
///
/// ```
/// use femtograd::{Tensor, stack};
/// let (a, b) = (Tensor::new([1.0, 2.0]), Tensor::new([3.0, 4.0]));
/// assert_eq!(stack([&a, &b], 0).to_string(), "[[1, 2], [3, 4]]");
/// ```
///
/// # Panics
/// If there are none, their shapes differ, or the axis is not one of the result's.
#[track_caller]
pub fn stack<T: Float, X: Operand<T>>(parts: impl IntoIterator<Item = X>, axis: isize) -> Tensor<T> {
    let place = crate::Place::here();
    let parts: Vec<Tensor<T>> = parts.into_iter().map(|x| x.into_tensor_at(place)).collect();
    let Some(first) = parts.first() else { Tensor::<T>::refuse("stack", "there is nothing to stack", &[]) };
    if let Some(other) = parts.iter().find(|x| x.shape() != first.shape()) {
        Tensor::refuse("stack", "all must have the same shape", &[first, other])
    }
    let at = match axis_of(axis, first.shape().len() + 1) {
        Ok(at) => at,
        Err(why) => Tensor::refuse("stack", &format!("{why} of the result"), &[first]),
    };
    let mut wide = Vec::new();
    for part in parts {
        wide.push(part.unsqueeze(at as isize));
    }
    concat(wide, at as isize)
}
