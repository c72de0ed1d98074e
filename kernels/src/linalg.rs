//! Linear systems, factors and determinants, by the crate `nalgebra`: matrices on the last two axes, a batch of them on
//! those before.
//!
//! All of it is computed in `f64`, whatever the numbers are: the condition of a matrix can take more digits than an `f32`
//! has.
//!
//! A factorisation or solution is done in one piece. Where it takes long and may be [interrupted](crate::on_poll), that is on a
//! thread of its own, which goes on to its end if nobody waits for it any more.

use crate::array::count;
use crate::poll::{poll_for, watched};
use crate::{Array, Error, Float, Result, Shape, broadcast, poll};
use nalgebra::{Cholesky, DMatrix, Dyn, LU};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The part of a matrix that counts. The rest is taken to be 0, and is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triangle {
    /// On and below the diagonal.
    Lower,
    /// On and above the diagonal.
    Upper,
    /// Below the diagonal, which is taken to be 1.
    UnitLower,
    /// Above the diagonal, which is taken to be 1.
    UnitUpper,
}

/// `a⁻¹·b`, by Gaussian elimination with partial pivoting; leading axes broadcast.
///
/// # Errors
/// If `a` is not square or is singular, if `b` is no matrix with as many rows, or the leading axes do not broadcast.
pub fn solve<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Array<T>> {
    T::solve_here(a, b)
}

pub(crate) fn solve_here<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Array<T>> {
    let systems = Systems::of(a, b)?;
    let factors: Vec<_> = matrices(a).into_iter().map(factor).collect();
    if let Some(i) = factors.iter().position(|lu| !lu.is_invertible()) {
        return Err(unfit(a, i, "is singular"));
    }
    Ok(systems.solved(b, factors, LU::solve))
}

/// `a⁻¹·b` where only one triangle of `a` counts; leading axes broadcast.
///
/// # Errors
/// If `a` is not square or has a 0 on its diagonal, if `b` is no matrix with as many rows, or the leading axes do not
/// broadcast.
pub fn solve_triangular<T: Float>(a: &Array<T>, b: &Array<T>, triangle: Triangle) -> Result<Array<T>> {
    T::solve_triangular_here(a, b, triangle)
}

pub(crate) fn solve_triangular_here<T: Float>(
    a: &Array<T>,
    b: &Array<T>,
    triangle: Triangle,
) -> Result<Array<T>> {
    let systems = Systems::of(a, b)?;
    let mut matrices = matrices(a);
    if matches!(triangle, Triangle::UnitLower | Triangle::UnitUpper) {
        matrices.iter_mut().for_each(|m| m.fill_diagonal(1.0));
    }
    if let Some(i) = matrices.iter().position(|m| m.diagonal().iter().any(|&v| v == 0.0)) {
        return Err(unfit(a, i, "is singular: there is a 0 on its diagonal"));
    }
    Ok(systems.solved(b, matrices, move |a, b| match triangle {
        Triangle::Lower | Triangle::UnitLower => a.solve_lower_triangular(b),
        Triangle::Upper | Triangle::UnitUpper => a.solve_upper_triangular(b),
    }))
}

/// The lower triangular `l` with `l·lᵀ = (x + xᵀ)/2` and a positive diagonal.
///
/// # Errors
/// If `x` is not square or its symmetric part is not positive definite.
pub fn cholesky<T: Float>(x: &Array<T>) -> Result<Array<T>> {
    T::cholesky_here(x)
}

pub(crate) fn cholesky_here<T: Float>(x: &Array<T>) -> Result<Array<T>> {
    let mut factors = Vec::new();
    check_square(x)?;
    for (i, m) in matrices(x).into_iter().enumerate() {
        let symmetric = (&m + m.transpose()) * 0.5;
        match in_one_piece(m.nrows(), m.ncols(), || Cholesky::new(symmetric)) {
            Some(factor) => factors.push(factor.l()),
            None => return Err(unfit(x, i, "is not positive definite")),
        }
    }
    Ok(array(&factors, x.shape()))
}

/// The sign of the determinant (0 of a singular matrix), and in a second row along a new first axis `ln |det x|`.
///
/// # Errors
/// If `x` is not square.
pub fn slogdet<T: Float>(x: &Array<T>) -> Result<Array<T>> {
    T::slogdet_here(x)
}

pub(crate) fn slogdet_here<T: Float>(x: &Array<T>) -> Result<Array<T>> {
    let (mut signs, mut logarithms) = (Vec::new(), Vec::new());
    check_square(x)?;
    for m in matrices(x) {
        let lu = factor(m);
        let (mut sign, mut logarithm) = (lu.p().determinant::<f64>(), 0.0);
        for &v in lu.lu_internal().diagonal().iter() {
            sign *= if v == 0.0 { 0.0 } else { v.signum() };
            logarithm += v.abs().ln();
        }
        signs.push(T::of(sign));
        logarithms.push(T::of(logarithm));
    }
    let batch = &x.shape()[..x.ndim() - 2];
    Ok(Array::from_vec([signs, logarithms].concat(), &[&[2], batch].concat()))
}

fn check_square<T: Float>(x: &Array<T>) -> Result<()> {
    match x.shape() {
        [.., m, n] if m == n => Ok(()),
        shape => Err(Error(format!("shape {shape:?}: the last two axes must be those of a square matrix"))),
    }
}

/// The factors of a matrix, `p·m = l·u`.
fn factor(m: DMatrix<f64>) -> LU<f64, Dyn, Dyn> {
    in_one_piece(m.nrows(), m.ncols(), || m.lu())
}

/// Runs what cannot be interrupted, on so many rows and columns.
fn in_one_piece<R: Send + 'static>(rows: usize, columns: usize, f: impl FnOnce() -> R + Send + 'static) -> R {
    const LONG: usize = 1 << 28; // some hundredths of a second
    const OFTEN: Duration = Duration::from_millis(20);
    let work = rows.saturating_mul(rows).saturating_mul(columns).saturating_mul(4);
    if work < LONG || !watched() || !cfg!(feature = "threads") {
        poll(work);
        return f();
    }
    let (done, result) = channel();
    let thread = std::thread::spawn(move || done.send(f()).ok());
    loop {
        match result.recv_timeout(OFTEN) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => poll_for(OFTEN),
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(_) => unreachable!("it sends what it has before it ends"),
            },
        }
    }
}

/// Each matrix of a batch.
fn matrices<T: Float>(x: &Array<T>) -> Vec<DMatrix<f64>> {
    let (batch, size) = x.shape().split_at(x.ndim() - 2);
    let numbers: Vec<f64> = x.to_vec().into_iter().map(T::to_f64).collect();
    let one = |i| DMatrix::from_row_slice(size[0], size[1], &numbers[i * count(size)..][..count(size)]);
    (0..count(batch)).map(one).collect()
}

/// The array of this shape that the matrices make up.
fn array<T: Float>(matrices: &[DMatrix<f64>], shape: &[usize]) -> Array<T> {
    let numbers: Vec<T> =
        matrices.iter().flat_map(|m| m.transpose().iter().map(|&v| T::of(v)).collect::<Vec<_>>()).collect();
    Array::from_vec(numbers, shape)
}

/// A batch of systems of equations.
struct Systems {
    /// The number of the matrix and of the right-hand side, for each system.
    pairs: Vec<(usize, usize)>,
    /// The shape of the solutions.
    shape: Shape,
}

impl Systems {
    /// Those with matrices `a` and right-hand sides `b`, broadcast.
    fn of<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Systems> {
        check_square(a)?;
        let (a, b) = (a.shape(), b.shape());
        let ([batch_a @ .., _, n], [batch_b @ .., m, columns]) = (a, b) else {
            return Err(Error(format!("shape {b:?}: the right-hand side must be a matrix, or a batch")));
        };
        if m != n {
            return Err(Error(format!("shapes {a:?} and {b:?}: {n} equations, {m} right-hand sides")));
        }
        let batch = broadcast(batch_a, batch_b)
            .map_err(|_| Error(format!("shapes {a:?} and {b:?}: their batches do not broadcast")))?;
        let numbers = |own: &[usize]| -> Result<Vec<f64>> {
            Ok(Array::from_fn(own, |i| i as f64).broadcast_to(&batch)?.to_vec())
        };
        let pairs = numbers(batch_a)?.into_iter().zip(numbers(batch_b)?);
        Ok(Systems {
            pairs: pairs.map(|(i, j)| (i as usize, j as usize)).collect(),
            shape: batch.iter().chain([n, columns]).copied().collect(),
        })
    }

    /// The solutions, from `solution(matrix, right-hand side)`.
    fn solved<T: Float, M: Send + Sync + 'static>(
        &self,
        b: &Array<T>,
        matrices: Vec<M>,
        solution: impl Fn(&M, &DMatrix<f64>) -> Option<DMatrix<f64>> + Copy + Send + 'static,
    ) -> Array<T> {
        if count(&self.shape) == 0 {
            return Array::zeros(&self.shape);
        }
        let matrices: Vec<_> = matrices.into_iter().map(Arc::new).collect();
        let sides: Vec<_> = self::matrices(b).into_iter().map(Arc::new).collect();
        let solved = |&(i, j): &(usize, usize)| {
            let (a, b) = (matrices[i].clone(), sides[j].clone());
            let solved = in_one_piece(b.nrows(), b.ncols(), move || solution(&a, &b));
            solved.expect("not singular: checked before")
        };
        array(&self.pairs.iter().map(solved).collect::<Vec<_>>(), &self.shape)
    }
}

/// Matrix `i` of the batch is not what it should be.
fn unfit<T: Float>(x: &Array<T>, i: usize, what: &str) -> Error {
    let (batch, size) = x.shape().split_at(x.ndim() - 2);
    let values = &x.to_vec()[i * count(size)..][..count(size)];
    let finite = values.iter().all(|v| v.to_f64().is_finite());
    let what = if finite { what } else { "holds an infinity or NaN" };
    if batch.is_empty() {
        return Error(format!("the matrix {what}"));
    }
    let (mut index, mut rest) = (Shape::from(batch), i);
    for place in index.iter_mut().rev() {
        (rest, *place) = (rest / *place, rest % *place);
    }
    Error(format!("matrix {index:?} of the batch {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matmul;

    fn numbers<T: Float>(shape: &[usize], seed: usize) -> Array<T> {
        Array::from_fn(shape, |i| T::of(((i * 7919 + seed * 104_729) % 1009) as f64 / 504.0 - 1.0))
    }

    /// A number far from 0 on the diagonal: a matrix that is not singular.
    fn regular<T: Float>(batch: &[usize], n: usize, seed: usize) -> Array<T> {
        numbers(&[batch, &[n, n]].concat(), seed) + Array::eye(n) * Array::scalar(T::of(2.0 * n as f64))
    }

    #[track_caller]
    fn assert_close<T: Float>(a: &Array<T>, b: &Array<T>) {
        assert_eq!(a.shape(), b.shape());
        let off =
            a.to_vec().into_iter().zip(b.to_vec()).map(|(a, b)| (a - b).to_f64().abs()).fold(0.0, f64::max);
        assert!(off <= 100.0 * T::EPSILON.to_f64(), "{a} against {b}: {off:.1e}");
    }

    /// `x` where the triangle is, 1 or 0 elsewhere.
    fn part(x: &Array<f64>, triangle: Triangle) -> Array<f64> {
        let (n, values) = (x.shape()[1], x.to_vec());
        Array::from_fn(x.shape(), |k| match (triangle, (k / n).cmp(&(k % n))) {
            (Triangle::UnitLower | Triangle::UnitUpper, std::cmp::Ordering::Equal) => 1.0,
            (Triangle::Lower | Triangle::UnitLower, std::cmp::Ordering::Less) => 0.0,
            (Triangle::Upper | Triangle::UnitUpper, std::cmp::Ordering::Greater) => 0.0,
            _ => values[k],
        })
    }

    fn systems<T: Float>() {
        for n in [0, 1, 2, 3, 7, 31] {
            for columns in [0, 1, 5] {
                let (a, b) = (regular::<T>(&[], n, 1), numbers(&[n, columns], 2));
                assert_close(&matmul(&a, &solve(&a, &b).unwrap()).unwrap(), &b);
                let turned = a.permute(&[1, 0]).unwrap();
                assert_close(&matmul(&turned, &solve(&turned, &b).unwrap()).unwrap(), &b);
            }
        }
        let (a, b) = (regular::<T>(&[2, 1], 3, 3), numbers(&[4, 3, 2], 4));
        let x = solve(&a, &b).unwrap();
        assert_eq!(x.shape(), [2, 4, 3, 2]);
        assert_close(&matmul(&a, &x).unwrap(), &b.broadcast_to(&[2, 4, 3, 2]).unwrap());
        assert_eq!(solve(&regular::<T>(&[0], 3, 3), &numbers(&[3, 2], 4)).unwrap().shape(), [0, 3, 2]);
    }

    #[test]
    #[cfg_attr(miri, ignore)] // nalgebra's own code
    fn systems_are_solved() {
        systems::<f64>();
        systems::<f32>();
        let swap = Array::from([[0.0, 1.0], [1.0, 0.0]]);
        assert_eq!(solve(&swap, &Array::from([[3.0], [4.0]])).unwrap().to_string(), "[[4], [3]]");
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn triangles_are_solved_without_a_look_at_the_rest() {
        for n in [0, 1, 2, 5] {
            for triangle in [Triangle::Lower, Triangle::Upper, Triangle::UnitLower, Triangle::UnitUpper] {
                let (a, b) = (regular::<f64>(&[], n, 1), numbers(&[n, 3], 2));
                let x = solve_triangular(&a, &b, triangle).unwrap();
                assert_close(&matmul(&part(&a, triangle), &x).unwrap(), &b);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn factors_multiply_to_the_matrix() {
        for shape in [[1, 0], [1, 1], [1, 2], [3, 4], [0, 2]] {
            let x = regular::<f64>(&shape[..1], shape[1], 1);
            let x = matmul(&x, &x.permute(&[0, 2, 1]).unwrap()).unwrap();
            let l = cholesky(&x).unwrap();
            let back = matmul(&l, &l.permute(&[0, 2, 1]).unwrap()).unwrap();
            let scale = Array::scalar(1.0 / (1 + 4 * shape[1] * shape[1]) as f64);
            assert_close(&(back * scale.clone()), &(x * scale));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn determinants() {
        let det = |x: &Array<f64>| {
            let y = slogdet(x).unwrap();
            y.at(&[0]) * y.at(&[1]).exp()
        };
        assert_eq!(det(&Array::zeros(&[0, 0])), 1.0);
        assert_eq!(det(&Array::from([[-3.0]])), -3.0f64.ln().exp());
        assert_eq!(det(&Array::from([[0.0, 1.0], [1.0, 0.0]])), -1.0);
        assert!((det(&Array::from([[1.0, 2.0], [3.0, 4.0]])) + 2.0).abs() < 1e-14);
        let singular = slogdet(&Array::from([[1.0, 2.0], [2.0, 4.0]])).unwrap();
        assert_eq!(singular.to_vec(), [0.0, f64::NEG_INFINITY]);
        assert!(det(&Array::from([[f64::NAN, 2.0], [2.0, 4.0]])).is_nan());
        assert_eq!(slogdet(&Array::<f64>::zeros(&[3, 0, 2, 2])).unwrap().shape(), [2, 3, 0]);
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn mistakes_are_named() {
        let why = |y: Result<Array<f64>>| y.unwrap_err().0;
        let (a, b) = (regular::<f64>(&[2, 2], 2, 1), numbers::<f64>(&[2, 1], 1));
        let mut singular = a.clone();
        singular.as_mut_slice()[8..12].fill(1.0);
        assert_eq!(why(solve(&singular, &b)), "matrix [1, 0] of the batch is singular");
        assert_eq!(why(solve(&Array::zeros(&[2, 2]), &b)), "the matrix is singular");
        let mut broken = a.clone();
        broken.as_mut_slice()[15] = f64::NAN;
        assert_eq!(why(cholesky(&broken)), "matrix [1, 1] of the batch holds an infinity or NaN");
        assert_eq!(
            why(cholesky(&Array::from([[1.0, 2.0], [2.0, 1.0]]))),
            "the matrix is not positive definite"
        );
        assert_eq!(
            why(solve_triangular(&Array::zeros(&[2, 2]), &b, Triangle::Lower)),
            "the matrix is singular: there is a 0 on its diagonal"
        );
        assert!(solve_triangular(&Array::zeros(&[2, 2]), &b, Triangle::UnitLower).is_ok());
        assert_eq!(
            why(slogdet(&numbers(&[2, 3], 1))),
            "shape [2, 3]: the last two axes must be those of a square matrix"
        );
        assert_eq!(
            why(solve(&a, &numbers(&[3, 1], 1))),
            "shapes [2, 2, 2, 2] and [3, 1]: 2 equations, 3 right-hand sides"
        );
        assert_eq!(
            why(solve(&a, &numbers(&[3, 2, 1], 1))),
            "shapes [2, 2, 2, 2] and [3, 2, 1]: their batches do not broadcast"
        );
        assert!(solve(&a, &numbers(&[2], 1)).is_err());
        assert!(solve(&numbers(&[2], 1), &b).is_err());
    }
}
