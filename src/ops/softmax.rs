//! Softmax and its relatives: what turns scores into probabilities, without overflow and without NaN where a score is
//! infinite. Their spellings agree: `softmax(x) = exp(log_softmax(x))` is the gradient of `logsumexp(x)`.

use crate::context::{Products, products, unrecorded};
use crate::kernels::{self, Error, Function};
use crate::num::Float;
use crate::op::{carry, chain, pull_by_vjp};
use crate::ops::linear::{add_into, linear};
use crate::ops::reduce::{Axes, Sum};
use crate::{Array, Op, Shape, Tensor, where_};

/// [`kernels::shifted`]
#[derive(Clone, Copy)]
struct Shifted;
impl<T: Float> Function<T, 2, 0, 1> for Shifted {
    #[inline(always)]
    fn at(&self, [x, m]: [T; 2], _: [T; 0]) -> [T; 1] {
        [kernels::shifted(x, m)]
    }
}

/// `m = max x`, `e = e^(x−m)` and `Σ e` over axes that keep length 1.
fn exponentials<T: Float>(x: &Array<T>, axes: &[usize]) -> Result<[Array<T>; 3], Error> {
    let m = kernels::max(x, axes)?;
    let e = kernels::map(Shifted, [x, &m], x.shape());
    let total = kernels::sum(&e, axes)?;
    Ok([m, e, total])
}

/// Whether these axes are the last one alone, for which there are kernels that take row by row.
fn along_rows<T: Float>(axes: &[usize], x: &Tensor<T>) -> bool {
    matches!(axes, &[axis] if axis + 1 == x.shape().len())
}

/// [`along_rows`], on a way back that multiplies as kernels do.
fn back_along_rows<T: Float>(axes: &[usize], x: &Tensor<T>) -> bool {
    along_rows(axes, x) && products() == Products::Guarded
}

/// `ln x`
fn ln<T: Float>(x: Array<T>) -> Array<T> {
    unrecorded(|| Tensor::constant(x).ln().data().clone())
}

/// `y = ln Σ eˣ` over axes that keep length 1, computed as `m + ln Σ e^(x−m)` with `m = max x`.
#[derive(Clone)]
struct LogSumExp(Shape);
impl<T: Float> Op<T> for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        if along_rows(&self.0, &x[0]) {
            return Ok(kernels::logsumexp(x[0].data()));
        }
        let [m, _, total] = exponentials(x[0].data(), &self.0)?;
        Ok(m + ln(total))
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        chain(g, &Tensor::apply(Softmax(self.0.clone()), [&x[0]]))
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        linear(Sum(self.0.clone()), &carry(dx, &Tensor::apply(Softmax(self.0.clone()), [&x[0]])))
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        if !back_along_rows(&self.0, &x[0]) {
            return pull_by_vjp(self, x, y, g, sums);
        }
        add_into(&mut sums[0], &x[0], |sum| kernels::logsumexp_back(x[0].data(), &g, sum));
    }
}

/// The chain rule's product, of one mode or the other.
type Product<T> = fn(&Tensor<T>, &Tensor<T>) -> Tensor<T>;

/// `y = eˣ / Σ eˣ`, the sum over axes.
#[derive(Clone)]
struct Softmax(Shape);
impl Softmax {
    /// `y·(g − Σ g·y)`: the Jacobian, which is symmetric.
    fn derivative<T: Float>(&self, y: &Tensor<T>, g: &Tensor<T>, product: Product<T>) -> Tensor<T> {
        product(&(g - linear(Sum(self.0.clone()), &product(g, y))), y)
    }
}
impl<T: Float> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        /// [`kernels::share`]
        #[derive(Clone, Copy)]
        struct Share;
        impl<T: Float> Function<T, 2, 0, 1> for Share {
            #[inline(always)]
            fn at(&self, [a, b]: [T; 2], _: [T; 0]) -> [T; 1] {
                [kernels::share(a, b)]
            }
        }
        if along_rows(&self.0, &x[0]) {
            return Ok(kernels::softmax(x[0].data()));
        }
        let [_, e, total] = exponentials(x[0].data(), &self.0)?;
        Ok(kernels::map(Share, [&e, &total], e.shape()))
    }
    fn vjp(&self, _: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        self.derivative(y, g, chain)
    }
    fn jvp(&self, _: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        self.derivative(y, dx[0].as_ref().expect("at least one tangent"), carry)
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        if !back_along_rows(&self.0, &x[0]) {
            return pull_by_vjp(self, x, y, g, sums);
        }
        add_into(&mut sums[0], &x[0], |sum| kernels::softmax_back(y.data(), &g, sum));
    }
}

/// `y = x − ln Σ eˣ`, the sum over axes. Where all of a row is −∞, so is `y`, and all slopes are 0.
#[derive(Clone)]
struct LogSoftmax(Shape);
impl LogSoftmax {
    /// `g` but for rows of −∞ alone, which depend on nothing.
    fn alive<T: Float>(&self, y: &Tensor<T>, g: &Tensor<T>) -> Tensor<T> {
        let axes: Vec<isize> = self.0.iter().map(|&k| k as isize).collect();
        let nothing = unrecorded(|| y.max_keepdims(&axes[..])).equals(T::NEG_INFINITY);
        where_(nothing, T::ZERO, g)
    }
}
impl<T: Float> Op<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        /// `x − m − l`, where `x = m` may be infinite.
        #[derive(Clone, Copy)]
        struct Below;
        impl<T: Float> Function<T, 3, 0, 1> for Below {
            #[inline(always)]
            fn at(&self, [x, m, l]: [T; 3], _: [T; 0]) -> [T; 1] {
                let shifted = if x == m { T::ZERO } else { x - m };
                [if m == T::NEG_INFINITY { m } else { shifted - l }]
            }
        }
        if along_rows(&self.0, &x[0]) {
            return Ok(kernels::log_softmax(x[0].data()));
        }
        let x = x[0].data();
        let [m, _, total] = exponentials(x, &self.0)?;
        Ok(kernels::map(Below, [x, &m, &ln(total)], x.shape()))
    }
    fn vjp(&self, _: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        let g = self.alive(y, g);
        let total = linear(Sum(self.0.clone()), &g);
        g - chain(&total, &y.exp())
    }
    fn jvp(&self, _: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        let mean = linear(Sum(self.0.clone()), &carry(dx, &y.exp()));
        self.alive(y, &(dx - mean))
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        if !back_along_rows(&self.0, &x[0]) {
            return pull_by_vjp(self, x, y, g, sums);
        }
        add_into(&mut sums[0], &x[0], |sum| kernels::log_softmax_back(y.data(), &g, sum));
    }
}

/// Softmax and its relatives.
///
/// A score of −∞ is one that was masked: its probability is 0, and nothing depends on it. Where all of a row is −∞
/// there is nothing to choose from: all probabilities are 0, their logarithms −∞, and so are all gradients 0, of every
/// order. Scores of +∞ share their row equally, as they do in a maximum. NaN makes its row NaN.
impl<T: Float> Tensor<T> {
    /// `ln Σ eˣ` over some axes (`..`: all), which vanish; without overflow. −∞ of none and of −∞ alone.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([1000.0, 1000.0]).logsumexp(0).item(), 1000.0 + 2f64.ln());
    /// ```
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("logsumexp", axes);
        Tensor::apply(LogSumExp(axes.clone()), [self]).without(&axes)
    }

    /// `ln Σ eˣ` over some axes, which keep length 1; without overflow.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn logsumexp_keepdims(&self, axes: impl Axes) -> Tensor<T> {
        Tensor::apply(LogSumExp(self.axes("logsumexp", axes)), [self])
    }

    /// `eˣ / Σ eˣ` along an axis: scores as probabilities, which sum to 1.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let masked = f64::NEG_INFINITY;
    /// let scores = Tensor::new([[1000.0, 1000.0, masked], [masked, masked, masked]]);
    /// assert_eq!(scores.softmax(-1).to_string(), "[[0.5, 0.5, 0], [0, 0, 0]]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor<T> {
        Tensor::apply(Softmax(self.axes("softmax", axis)), [self])
    }

    /// `x − ln Σ eˣ` along an axis: the logarithms of the [`softmax`](Self::softmax), exact where those would be 0.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor<T> {
        Tensor::apply(LogSoftmax(self.axes("log_softmax", axis)), [self])
    }
}
