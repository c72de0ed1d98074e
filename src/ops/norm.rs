//! Norms, variance and standard deviation.

use super::elementwise::Eq;
use super::reduce::Axes;
use super::where_;
use crate::context::{on_behalf_of, unrecorded};
use crate::kernels::{Error, Shape};
use crate::num::Float;
use crate::once::native;
use crate::op::{carry, chain};
use crate::{Array, Op, Place, Tensor};

/// `y = (Σ |x|ᵖ)^(1/p)` over axes that keep length 1, for a finite `p` but 0, computed as `m · (Σ |x/m|ᵖ)^(1/p)` with
/// `m` the largest `|x|` (the smallest for a negative `p`), so that no power overflows or vanishes.
#[derive(Clone)]
struct Norm<T> {
    p: T,
    axes: Shape,
}
impl<T: Float> Norm<T> {
    /// `∂y/∂x = sign x · |x/y|^(p−1)`; 0 where `y` is 0. Of an infinite `y`, the infinite `x` are what counts.
    fn slope(&self, x: &Tensor<T>, y: &Tensor<T>) -> Tensor<T> {
        let infinity = T::of(f64::INFINITY);
        let extreme = y.equals(T::ZERO) + y.equals(infinity);
        let limit = x.equals(infinity) - x.equals(-infinity);
        let ratio = where_(&extreme, limit, x / where_(&extreme, T::ONE, y));
        if self.p == T::of(2.0) {
            ratio
        } else if self.p > T::ONE {
            // Smooth at 0, where a sign would cut off the second derivative.
            chain(&ratio, &ratio.abs().powf(self.p - T::of(2.0)))
        } else {
            // Infinite on both sides of 0: there the sign makes 0 of it.
            chain(&ratio.abs().powf(self.p - T::ONE), &(ratio.gt(T::ZERO) - ratio.lt(T::ZERO)))
        }
    }
}
impl<T: Float> Op<T> for Norm<T> {
    fn name(&self) -> &'static str {
        "norm"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        unrecorded(|| {
            let (x, axes) = (x[0].abs(), &self.axes);
            let m = if self.p > T::ZERO { x.max_over(axes).maximum(T::ZERO) } else { x.min_over(axes) };
            // 0, ∞ and NaN are the answer themselves.
            let usable = m.gt(T::ZERO) * m.lt(T::of(f64::INFINITY));
            let total = (x / where_(&usable, &m, T::ONE)).powf(self.p).sum_over(axes);
            Ok(where_(usable, total.powf(T::ONE / self.p) * &m, m).data().clone())
        })
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        chain(g, &self.slope(&x[0], y))
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        carry(dx, &self.slope(&x[0], y)).sum_over(&self.axes)
    }
}

/// Norms and spread.
impl<T: Float> Tensor<T> {
    /// The norm `(Σ |x|ᵖ)^(1/p)` over all elements: one number.
    ///
    /// `p` may be any number: 2 gives the length, 1 the sum of sizes, ∞ the largest and −∞ the smallest size, 0 the
    /// number of elements that are not 0. Nothing overflows on the way. The gradient of a norm of 0 is 0, to every order;
    /// so is that by an element 0 for `p ≤ 1`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([3.0, -4.0]);
    /// let y = x.norm(2.0);
    /// y.backward();
    /// assert_eq!((y.item(), x.grad().unwrap().to_vec()), (5.0, vec![0.6, -0.8]));
    /// ```
    ///
    /// # Panics
    /// If `p` is NaN.
    #[track_caller]
    pub fn norm(&self, p: T) -> Tensor<T> {
        self.norm_axes(p, ..)
    }
    /// The [norm](Self::norm) over some axes, which vanish.
    ///
    /// # Panics
    /// If `p` is NaN, or an axis does not exist or is named twice.
    #[track_caller]
    pub fn norm_axes(&self, p: T, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("norm", axes);
        self.norm_over(p, &axes).without(&axes)
    }
    /// The [norm](Self::norm) over some axes, which keep length 1.
    ///
    /// # Panics
    /// If `p` is NaN, or an axis does not exist or is named twice.
    #[track_caller]
    pub fn norm_keepdims(&self, p: T, axes: impl Axes) -> Tensor<T> {
        self.norm_over(p, &self.axes("norm", axes))
    }

    /// The variance `Σ (x − mean x)² / (n − correction)` over all `n` elements: one number. A correction of 1 makes it the
    /// unbiased estimate from a sample, 0 the variance of just these numbers. It divides by 0 where `n` is not larger than
    /// the correction: one number has the unbiased variance 0/0, NaN.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!((x.var(0).item(), x.var(1).item()), (1.25, 5.0 / 3.0));
    /// ```
    #[track_caller]
    pub fn var(&self, correction: usize) -> Tensor<T> {
        self.var_axes(.., correction)
    }
    /// The [variance](Self::var) over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn var_axes(&self, axes: impl Axes, correction: usize) -> Tensor<T> {
        let axes = self.axes("var", axes);
        self.var_over(&axes, correction).without(&axes)
    }
    /// The [variance](Self::var) over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn var_keepdims(&self, axes: impl Axes, correction: usize) -> Tensor<T> {
        self.var_over(&self.axes("var", axes), correction)
    }

    /// The standard deviation, the root of the [variance](Self::var), over all elements: one number. Its gradient where
    /// all elements are equal is 0.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([0.1, 0.1, 0.1]);
    /// let y = x.std(1);
    /// y.backward();
    /// assert_eq!((y.item(), x.grad().unwrap().to_vec()), (0.0, vec![0.0; 3]));
    /// ```
    #[track_caller]
    pub fn std(&self, correction: usize) -> Tensor<T> {
        self.std_axes(.., correction)
    }
    /// The [standard deviation](Self::std) over some axes, which vanish.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn std_axes(&self, axes: impl Axes, correction: usize) -> Tensor<T> {
        let axes = self.axes("std", axes);
        self.std_over(&axes, correction).without(&axes)
    }
    /// The [standard deviation](Self::std) over some axes, which keep length 1.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn std_keepdims(&self, axes: impl Axes, correction: usize) -> Tensor<T> {
        self.std_over(&self.axes("std", axes), correction)
    }

    #[track_caller]
    fn norm_over(&self, p: T, axes: &Shape) -> Tensor<T> {
        match p.to_f64() {
            f64::INFINITY => self.abs().max_over(axes).maximum(T::ZERO), // 0 of none
            f64::NEG_INFINITY => self.abs().min_over(axes),
            0.0 => (Tensor::constant(T::ONE) - native(Eq, [self, &Tensor::constant(T::ZERO)])).sum_over(axes),
            1.0 => self.abs().sum_over(axes),
            nan if nan.is_nan() => Tensor::refuse("norm", "the order p is NaN", &[self]),
            _ => Tensor::apply(Norm { p, axes: axes.clone() }, [self]),
        }
    }

    #[track_caller]
    fn var_over(&self, axes: &Shape, correction: usize) -> Tensor<T> {
        let squares = self.centred(axes).0.powi(2).sum_over(axes);
        squares / T::of(self.freedom(axes, correction))
    }

    #[track_caller]
    fn std_over(&self, axes: &Shape, correction: usize) -> Tensor<T> {
        self.centred(axes).0.norm_over(T::of(2.0), axes) / T::of(self.freedom(axes, correction).sqrt())
    }

    /// `x − mean x` over some axes, and `mean x`.
    #[track_caller]
    pub(super) fn centred(&self, axes: &Shape) -> (Tensor<T>, Tensor<T>) {
        // Less the first element, whichever it is: then equal elements have a mean without rounding.
        let place = Place::here();
        let one = |x: Tensor<T>, &k: &usize| x.slice(k as isize, ..x.shape()[k].min(1));
        let first = on_behalf_of(place, "mean", || unrecorded(|| axes.iter().fold(self.clone(), one)));
        let x = self - &first;
        let mean = x.sum_over(axes) / x.number(axes);
        (&x - &mean, mean + first)
    }

    /// `n − correction` for the `n` elements along these axes, at least 0.
    fn freedom(&self, axes: &Shape, correction: usize) -> f64 {
        (self.number(axes).to_f64() - correction as f64).max(0.0)
    }
}
