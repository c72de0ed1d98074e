//! Linear algebra, with the feature `linalg`: matrices on the last two axes, a batch of them on those before. The
//! derivatives are those of Giles, *Collected matrix derivative results for forward and reverse mode algorithmic
//! differentiation* (2008), and of Murray, *Differentiation of the Cholesky decomposition* (2016).

use crate::kernels::{self, Error, Shape, Triangle};
use crate::num::Float;
use crate::op::chain;
use crate::{Array, Op, Tensor, stack};

/// `Σ` of the given ones.
fn total<T: Float>(terms: [Option<Tensor<T>>; 2]) -> Tensor<T> {
    terms.into_iter().flatten().reduce(|a, b| a + b).expect("at least one tangent")
}

/// `y = a⁻¹·b`
#[derive(Clone)]
struct Solve;
impl<T: Float> Op<T> for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::solve(x[0].data(), x[1].data())
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        let gb = Tensor::apply(Solve, [&x[0].t(), g]);
        if i == 0 { -gb.matmul(&y.t()) } else { gb }
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let by_a = dx[0].as_ref().map(|da| -da.matmul(y));
        Tensor::apply(Solve, [&x[0], &total([by_a, dx[1].clone()])])
    }
}

/// `y = a⁻¹·b`, with `a` a triangle.
#[derive(Clone)]
struct SolveTriangular(Triangle);
impl SolveTriangular {
    /// The op for `aᵀ`.
    fn turned(&self) -> SolveTriangular {
        SolveTriangular(match self.0 {
            Triangle::Lower => Triangle::Upper,
            Triangle::Upper => Triangle::Lower,
            Triangle::UnitLower => Triangle::UnitUpper,
            Triangle::UnitUpper => Triangle::UnitLower,
        })
    }
    /// What of a matrix counts.
    fn part<T: Float>(&self, x: &Tensor<T>) -> Tensor<T> {
        match self.0 {
            Triangle::Lower => x.tril(0),
            Triangle::Upper => x.triu(0),
            Triangle::UnitLower => x.tril(-1),
            Triangle::UnitUpper => x.triu(1),
        }
    }
}
impl<T: Float> Op<T> for SolveTriangular {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::solve_triangular(x[0].data(), x[1].data(), self.0)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        let gb = Tensor::apply(self.turned(), [&x[0].t(), g]);
        if i == 0 { self.part(&-gb.matmul(&y.t())) } else { gb }
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let by_a = dx[0].as_ref().map(|da| -self.part(da).matmul(y));
        Tensor::apply(self.clone(), [&x[0], &total([by_a, dx[1].clone()])])
    }
}

/// `y = x⁻¹`
#[derive(Clone)]
struct Inverse;
impl<T: Float> Op<T> for Inverse {
    fn name(&self) -> &'static str {
        "inverse"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let n = x[0].shape().last().copied().unwrap_or(0);
        kernels::solve(x[0].data(), &Array::eye(n))
    }
    fn vjp(&self, _: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        -y.t().matmul(g).matmul(&y.t())
    }
    fn jvp(&self, _: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        -y.matmul(dx[0].as_ref().expect("at least one tangent")).matmul(y)
    }
}

/// `y·yᵀ = (x + xᵀ)/2`, with `y` lower triangular.
#[derive(Clone)]
struct Cholesky;
impl Cholesky {
    /// `Φ`: the lower triangle with half of the diagonal.
    fn half<T: Float>(x: &Tensor<T>) -> Tensor<T> {
        (x.tril(0) + x.tril(-1)) * T::of(0.5)
    }
    /// `(x + xᵀ)/2`
    fn symmetric<T: Float>(x: &Tensor<T>) -> Tensor<T> {
        (x + x.t()) * T::of(0.5)
    }
    /// `a⁻¹·x·a⁻ᵀ`
    fn both_sides<T: Float>(a: &Tensor<T>, triangle: Triangle, x: &Tensor<T>) -> Tensor<T> {
        let left = Tensor::apply(SolveTriangular(triangle), [a, x]);
        Tensor::apply(SolveTriangular(triangle), [a, &left.t()]).t()
    }
}
impl<T: Float> Op<T> for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::cholesky(x[0].data())
    }
    fn vjp(&self, _: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        let middle = Cholesky::half(&y.t().matmul(g));
        Cholesky::symmetric(&Cholesky::both_sides(&y.t(), Triangle::Upper, &middle))
    }
    fn jvp(&self, _: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = Cholesky::symmetric(dx[0].as_ref().expect("at least one tangent"));
        y.matmul(&Cholesky::half(&Cholesky::both_sides(y, Triangle::Lower, &dx)))
    }
}

/// `y[0, …] = sign det x`, with slope 0; `y[1, …] = ln |det x|`
#[derive(Clone)]
struct Slogdet;
impl<T: Float> Op<T> for Slogdet {
    fn name(&self) -> &'static str {
        "slogdet"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::slogdet(x[0].data())
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        let batch = &g.shape()[1..];
        let g = g.slice(0, 1..).reshape(&[batch, &[1, 1]].concat());
        if x[0].slogdet().0.data().to_vec().contains(&T::ZERO) {
            let why = "a matrix is singular: the logarithm of its determinant has no derivative";
            Tensor::refuse("slogdet", why, &[&x[0]])
        }
        chain(&g, &x[0].inverse().t())
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        let change = Tensor::apply(Solve, [&x[0], dx]).trace();
        stack([&Tensor::constant(Array::zeros(change.shape())), &change], 0)
    }
}

/// Linear algebra, with the feature `linalg`. Factors are computed in `f64` for `f32` tensors too, and rounded.
impl<T: Float> Tensor<T> {
    /// `y = x⁻¹·b`, the solution of `x·y = b`, by Gaussian elimination: more accurate than with the
    /// [inverse](Self::inverse), and for less. A `b` with one axis is a vector; one with more holds matrices, whose leading
    /// axes broadcast against those of this tensor.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[2.0, 0.0], [1.0, 1.0]]);
    /// let y = x.solve(&Tensor::new([2.0, 3.0]));
    /// assert_eq!(y.to_string(), "[1, 2]");
    /// y.sum().backward();
    /// assert_eq!(x.grad().unwrap().to_string(), "[[-0, -0], [-1, -2]]"); // −(x⁻ᵀ·g)·yᵀ
    /// ```
    ///
    /// # Panics
    /// If the matrix is not square or is singular, or the right-hand side does not fit it.
    #[track_caller]
    pub fn solve(&self, b: &Tensor<T>) -> Tensor<T> {
        self.system(Solve, b)
    }

    /// `y = x⁻¹·b` where only a [`Triangle`] of `x` counts: the rest is taken to be 0, and has gradient 0. The right-hand
    /// side is as for [`solve`](Self::solve).
    ///
    /// # Panics
    /// If the matrix is not square or has a 0 on a diagonal that counts, or the right-hand side does not fit it.
    #[track_caller]
    pub fn solve_triangular(&self, b: &Tensor<T>, triangle: Triangle) -> Tensor<T> {
        self.system(SolveTriangular(triangle), b)
    }

    /// A vector on the right is a column.
    #[track_caller]
    fn system(&self, op: impl Op<T>, b: &Tensor<T>) -> Tensor<T> {
        if b.shape().len() != 1 {
            return Tensor::apply(op, [self, b]);
        }
        let y = Tensor::apply(op, [self, &b.unsqueeze(1)]);
        let shape = Shape::from(&y.shape()[..y.shape().len() - 1]);
        y.reshape(&shape)
    }

    /// `x⁻¹`. To multiply by it, [`solve`](Self::solve) instead.
    ///
    /// # Panics
    /// If the matrix is not square or is singular.
    #[track_caller]
    pub fn inverse(&self) -> Tensor<T> {
        Tensor::apply(Inverse, [self])
    }

    /// The lower triangular `y` with `y·yᵀ = x` and a positive diagonal. Of an `x` that is not symmetric the symmetric part
    /// `(x + xᵀ)/2` is taken, so that the gradient is symmetric always.
    ///
    /// # Panics
    /// If the matrix is not square or not positive definite.
    #[track_caller]
    pub fn cholesky(&self) -> Tensor<T> {
        Tensor::apply(Cholesky, [self])
    }

    /// The sign of the determinant, a constant, and `ln |det x|`, which does not overflow where the determinant would. 0 and
    /// −∞ of a singular matrix, where there is no derivative: to ask for it is refused.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[0.0, 2.0], [3.0, 0.0]]);
    /// let (sign, logarithm) = x.slogdet();
    /// assert_eq!((sign.item(), logarithm.item()), (-1.0, 2f64.ln() + 3f64.ln()));
    /// ```
    ///
    /// # Panics
    /// If the matrix is not square; in a derivative, if it is singular.
    #[track_caller]
    pub fn slogdet(&self) -> (Tensor<T>, Tensor<T>) {
        let y = Tensor::apply(Slogdet, [self]);
        let batch = Shape::from(&y.shape()[1..]);
        (y.slice(0, ..1).reshape(&batch).detach(), y.slice(0, 1..).reshape(&batch))
    }

    /// `det x`, as `sign · e^(ln |det x|)`.
    ///
    /// # Panics
    /// If the matrix is not square; in a derivative, if it is singular.
    #[track_caller]
    pub fn det(&self) -> Tensor<T> {
        let (sign, logarithm) = self.slogdet();
        sign * logarithm.exp()
    }
}
