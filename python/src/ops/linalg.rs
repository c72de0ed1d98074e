//! Linear algebra: matrices on the last two axes, a batch of them on those before.

use super::together;
use crate::any::Any;
use crate::tensor::{PyTensor, argument, fresh};
use crate::{guard, several, unary};
use femtograd::{Float, Tensor, Triangle};
use pyo3::prelude::*;

/// Factorisations take much longer than one pass over the numbers.
fn work(x: &Any) -> usize {
    x.len().saturating_mul(x.shape().last().copied().unwrap_or(1))
}

#[pymethods]
impl PyTensor {
    /// `y = x⁻¹·b`, the solution of `x·y = b`, by Gaussian elimination: more accurate than with the inverse, and for
    /// less. A `b` with one axis is a vector; one with more holds matrices, whose leading axes broadcast against
    /// those of `x`. Derivatives of linear algebra are those of Giles (2008).
    ///
    /// ValueError if the matrix is not square or is singular, or `b` does not fit it.
    ///
    /// >>> x = Tensor([[2.0, 0.0], [1.0, 1.0]])
    /// >>> print(x.solve([2.0, 3.0]))
    /// [1. 2.]
    fn solve<'py>(slf: &Bound<'py, Self>, b: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        several!(slf.py(), together("solve", &[slf.as_any(), b])?, |x| x[0].solve(&x[1]))
    }

    /// `y = x⁻¹·b` where only a triangle of `x` counts, the lower or the upper one: the rest is taken to be 0, and
    /// has gradient 0. With `unit_diagonal=True` the diagonal is taken to be 1. `b` is as for `solve`.
    ///
    /// ValueError if the matrix is not square or has a 0 on a diagonal that counts, or `b` does not fit it.
    ///
    /// >>> x = Tensor([[2.0, 9.0], [1.0, 1.0]])
    /// >>> print(x.solve_triangular([2.0, 3.0], lower=True))
    /// [1. 2.]
    #[pyo3(signature = (b, *, lower, unit_diagonal = false))]
    fn solve_triangular<'py>(
        slf: &Bound<'py, Self>,
        b: &Bound<'py, PyAny>,
        lower: bool,
        unit_diagonal: bool,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let triangle = match (lower, unit_diagonal) {
            (true, false) => Triangle::Lower,
            (true, true) => Triangle::UnitLower,
            (false, false) => Triangle::Upper,
            (false, true) => Triangle::UnitUpper,
        };
        fn solved<T: Float>(x: &[Tensor<T>], triangle: Triangle) -> Tensor<T> {
            x[0].solve_triangular(&x[1], triangle)
        }
        let x = together("solve_triangular", &[slf.as_any(), b])?;
        several!(slf.py(), x, |x| solved(x, triangle))
    }

    /// The sign of the determinant, a constant, and `ln |det x|`, which does not overflow where the determinant
    /// would. 0 and −∞ of a singular matrix, where there is no derivative: to ask for it raises ValueError, as does a
    /// matrix that is not square.
    ///
    /// >>> sign, logarithm = Tensor([[0.0, 2.0], [3.0, 0.0]]).slogdet()
    /// >>> print(sign, f"{logarithm.exp():.4f}")
    /// -1.0 6.0000
    fn slogdet<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyTensor>, Bound<'py, PyTensor>)> {
        let (py, x) = (slf.py(), argument(slf));
        let (sign, logarithm) = guard::call_long(py, work(&x), || match &x {
            Any::F32(x) => {
                let (sign, logarithm) = x.slogdet();
                (Any::F32(sign), Any::F32(logarithm))
            }
            Any::F64(x) => {
                let (sign, logarithm) = x.slogdet();
                (Any::F64(sign), Any::F64(logarithm))
            }
        })?;
        Ok((fresh(py, sign)?, fresh(py, logarithm)?))
    }
}

unary! {
    /// `y = x⁻¹`. To multiply by it, `solve` instead.
    ///
    /// ValueError if the matrix is not square or is singular.
    ///
    /// >>> print(Tensor([[2.0, 0.0], [0.0, 4.0]]).inv())
    /// [[0.5  0.  ]
    ///  [0.   0.25]]
    inv => |x| x.inverse();

    /// The lower triangular `y` with `y·yᵀ = x` and a positive diagonal. Of an `x` that is not symmetric the
    /// symmetric part `(x + xᵀ)/2` is taken, so that the gradient is symmetric always (Murray 2016).
    ///
    /// ValueError if the matrix is not square or not positive definite.
    ///
    /// >>> print(Tensor([[4.0, 2.0], [2.0, 5.0]]).cholesky())
    /// [[2. 0.]
    ///  [1. 2.]]
    cholesky => |x| x.cholesky();

    /// `y = det x`, as `sign · e^(ln |det x|)`.
    ///
    /// ValueError if the matrix is not square; in a derivative, if it is singular.
    ///
    /// >>> print(f"{Tensor([[1.0, 2.0], [3.0, 4.0]]).det():.4f}")
    /// -2.0000
    det => |x| x.det();
}
