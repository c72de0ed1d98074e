//! Reductions: over all axes, or over some, which vanish (`sum_axes`) or keep length 1 (`sum_keepdims`).

use super::linear::{Linear, linear};
use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::op::{Shortcut, carry, chain};
use crate::{Array, Op, Tensor};
use std::ops::RangeFull;

/// `y = Σ x` over axes that keep length 1.
#[derive(Clone)]
pub(crate) struct Sum(pub(crate) Shape);
impl<T: Float> Linear<T> for Sum {
    const NAME: &'static str = "sum";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        kernels::sum(x, &self.0)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        g.broadcast_to(shape)
    }
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::Sum
    }
}

/// `y = max x` over axes that keep length 1. Equal maxima share the gradient equally.
#[derive(Clone)]
struct Max(Shape);
impl Max {
    /// `∂y/∂x`: each maximum's share.
    fn shares<T: Float>(&self, x: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
        let winners = x.equals(y);
        &winners / linear(Sum(self.0.clone()), &winners)
    }
}
impl<T: Float> Op<T> for Max {
    fn name(&self) -> &'static str {
        "max"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::max(x[0].data(), &self.0)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        chain(g, &self.shares(&x[0], y))
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        linear(Sum(self.0.clone()), &carry(dx, &self.shares(&x[0], y)))
    }
}

/// Which axes a reduction runs over: one (`1`, `-1`), several (`[0, 2]`), or all (`..`). Negative ones count from the
/// last.
pub trait Axes {
    /// The axes as written, of a tensor of `n` axes.
    fn list(&self, n: usize) -> Vec<isize>;
}
impl Axes for isize {
    fn list(&self, _: usize) -> Vec<isize> {
        vec![*self]
    }
}
impl Axes for &[isize] {
    fn list(&self, _: usize) -> Vec<isize> {
        self.to_vec()
    }
}
impl<const N: usize> Axes for [isize; N] {
    fn list(&self, _: usize) -> Vec<isize> {
        self.to_vec()
    }
}
impl Axes for RangeFull {
    fn list(&self, n: usize) -> Vec<isize> {
        (0..n as isize).collect()
    }
}

/// Axis `k` of `n`, counted from the last if negative.
pub(crate) fn axis_of(k: isize, n: usize) -> Result<usize, Error> {
    let axis = if k < 0 { k + n as isize } else { k };
    if axis < 0 || axis >= n as isize {
        return Err(Error(format!("there is no axis {k} among {n}")));
    }
    Ok(axis as usize)
}

/// Reductions.
impl<T: Float> Tensor<T> {
    /// `Σ x` over all elements: one number.
    #[track_caller]
    pub fn sum(&self) -> Tensor<T> {
        self.sum_axes(..)
    }
    /// `Σ x` over some axes, which vanish.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_axes(0).to_string(), "[4, 6]");
    /// assert_eq!(x.sum_keepdims(-1).to_string(), "[[3], [7]]");
    /// ```
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn sum_axes(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("sum", axes);
        self.sum_over(&axes).without(&axes)
    }
    /// `Σ x` over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn sum_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        self.sum_over(&self.axes("sum", axes))
    }

    /// `Σ x / n` over all `n` elements: one number; NaN of none.
    #[track_caller]
    pub fn mean(&self) -> Tensor<T> {
        self.sum() / T::of(kernels::count(self.shape()) as f64)
    }
    /// `Σ x / n` over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn mean_axes(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("mean", axes);
        self.sum_over(&axes).without(&axes) / self.number(&axes)
    }
    /// `Σ x / n` over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn mean_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("mean", axes);
        self.sum_over(&axes) / self.number(&axes)
    }

    /// The largest element: one number; −∞ of none, NaN if one is. Equal maxima share the gradient equally.
    #[track_caller]
    pub fn max(&self) -> Tensor<T> {
        self.max_axes(..)
    }
    /// The largest element over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn max_axes(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("max", axes);
        self.max_over(&axes).without(&axes)
    }
    /// The largest element over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn max_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        self.max_over(&self.axes("max", axes))
    }

    /// The smallest element: one number; +∞ of none, NaN if one is. Equal minima share the gradient equally.
    #[track_caller]
    pub fn min(&self) -> Tensor<T> {
        self.min_axes(..)
    }
    /// The smallest element over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn min_axes(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("min", axes);
        self.min_over(&axes).without(&axes)
    }
    /// The smallest element over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn min_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        self.min_over(&self.axes("min", axes))
    }

    /// `Π x` over all elements: one number; 1 of none. Derivatives are exact at zeros too: nothing is divided.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([2.0, 0.0, 3.0]);
    /// x.prod().backward();
    /// assert_eq!(x.grad().unwrap().to_vec(), [0.0, 6.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn prod(&self) -> Tensor<T> {
        self.prod_axes(..)
    }
    /// `Π x` over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn prod_axes(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("prod", axes);
        self.prod_over(&axes).without(&axes)
    }
    /// `Π x` over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn prod_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        self.prod_over(&self.axes("prod", axes))
    }

    /// [`sum_keepdims`](Self::sum_keepdims) over axes counted from the first.
    #[track_caller]
    pub(crate) fn sum_over(&self, axes: &Shape) -> Tensor<T> {
        linear(Sum(axes.clone()), self)
    }

    /// [`max_keepdims`](Self::max_keepdims) over axes counted from the first.
    #[track_caller]
    pub(crate) fn max_over(&self, axes: &Shape) -> Tensor<T> {
        Tensor::apply(Max(axes.clone()), [self])
    }

    /// [`min_keepdims`](Self::min_keepdims) over axes counted from the first.
    #[track_caller]
    pub(crate) fn min_over(&self, axes: &Shape) -> Tensor<T> {
        -(-self).max_over(axes)
    }

    /// [`prod_keepdims`](Self::prod_keepdims) over axes counted from the first.
    #[track_caller]
    fn prod_over(&self, axes: &Shape) -> Tensor<T> {
        let mut x = self.clone();
        for &k in axes {
            x = x.prod_along(k);
        }
        x
    }

    /// `Π x` along one axis, which keeps length 1: one half times the other, until one factor is left.
    #[track_caller]
    fn prod_along(&self, k: usize) -> Tensor<T> {
        let (mut n, k) = (self.shape()[k], k as isize);
        if n == 0 {
            return self.sum_keepdims(k) + T::ONE;
        }
        let (mut x, mut left_over) = (self.clone(), None);
        while n > 1 {
            let half = n / 2;
            if n % 2 == 1 {
                let last = x.slice(k, n - 1..);
                left_over = Some(match left_over {
                    Some(other) => last * other,
                    None => last,
                });
            }
            x = x.slice(k, ..half) * x.slice(k, half..2 * half);
            n = half;
        }
        match left_over {
            Some(other) => x * other,
            None => x,
        }
    }

    /// Axis `k` of this tensor, counted from the first.
    #[track_caller]
    pub(crate) fn axis(&self, op: &'static str, k: isize) -> usize {
        match axis_of(k, self.shape().len()) {
            Ok(axis) => axis,
            Err(why) => Tensor::refuse(op, &why.0, &[self]),
        }
    }

    /// Axes of this tensor, counted from the first, each once.
    #[track_caller]
    pub(crate) fn axes(&self, op: &'static str, axes: impl Axes) -> Shape {
        let mut list = Shape::new();
        for k in axes.list(self.shape().len()) {
            let axis = self.axis(op, k);
            if list.contains(&axis) {
                Tensor::refuse(op, &format!("axis {k} is named twice"), &[self])
            }
            list.push(axis);
        }
        list
    }

    /// Without these axes, which have length 1.
    #[track_caller]
    pub(crate) fn without(&self, axes: &[usize]) -> Tensor<T> {
        let left = self.shape().iter().enumerate().filter(|(k, _)| !axes.contains(k));
        self.reshape(&left.map(|(_, &n)| n).collect::<Shape>())
    }

    /// The number of elements along these axes.
    pub(crate) fn number(&self, axes: &[usize]) -> T {
        T::of(axes.iter().map(|&k| self.shape()[k] as f64).product())
    }
}
