//! Matrix products, by the crate `gemmkit`: strided views in, row-major out, over a broadcast batch.

use crate::array::{Layout, count};
use crate::{Array, Buffer, Error, Float, Result, Shape, broadcast, threads};
#[cfg(not(miri))]
use gemmkit::{MatMut, MatRef, Parallelism};

/// Below this many multiplications a product runs on one thread: handing it over would cost more than it saves.
#[cfg(not(miri))]
const ALONE: usize = 1 << 18;

/// `out[…, i, j] = Σₖ a[…, i, k] · b[…, k, j]`, leading axes broadcast.
///
/// # Errors
/// If an argument has fewer than two axes, the inner lengths differ, or the leading axes do not broadcast.
pub fn matmul<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Array<T>> {
    let rows = a.shape().last();
    let columns = b.shape().get(b.ndim().saturating_sub(2));
    match (rows, columns) {
        (Some(k), Some(l)) if k != l => {
            let (a, b) = (a.shape(), b.shape());
            return Err(Error(format!("shapes {a:?} and {b:?}: rows of {k} cannot meet columns of {l}")));
        }
        _ => {}
    }
    let (Some((batch_a, &[m, k])), Some((batch_b, &[_, n]))) =
        (a.shape().split_last_chunk::<2>(), b.shape().split_last_chunk::<2>())
    else {
        return Err(Error(format!("shapes {:?} and {:?}: both need two axes or more", a.shape(), b.shape())));
    };
    let batch = broadcast(batch_a, batch_b).map_err(|_| {
        Error(format!("shapes {:?} and {:?}: their batches do not broadcast", a.shape(), b.shape()))
    })?;
    let with = |rows: usize, columns: usize| batch.iter().copied().chain([rows, columns]).collect::<Shape>();
    let (a, b) = (operand(a.broadcast_to(&with(m, k))?), operand(b.broadcast_to(&with(k, n))?));
    let shape = with(m, n);
    let mut out = Buffer::scratch(count(&shape));
    if k == 0 {
        out.fill(T::ZERO);
    } else if !out.is_empty() {
        let places = (starts(&a.layout()), starts(&b.layout()));
        let jobs = out.chunks_mut(m * n).zip(places.0).zip(places.1).map(|((out, a), b)| (out, a, b));
        let jobs: Vec<_> = jobs.collect();
        // Many matrices: each on one thread. One matrix: all threads on it.
        let apart = jobs.len() > 1;
        let product = |(out, at, bt): (&mut [T], usize, usize)| {
            single(Matrix::of(&a, at), Matrix::of(&b, bt), (m, k, n), out, apart);
        };
        let work = jobs.len() * m * n * k;
        if apart && work > 1 << 18 {
            threads::each(jobs, product)
        } else {
            jobs.into_iter().for_each(product)
        }
    }
    Ok(Array::from_buffer(out, &shape))
}

/// A matrix inside an array's storage.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    from: &'a [T],
    row: isize,
    column: isize,
}

impl<'a, T: Float> Matrix<'a, T> {
    fn of(x: &'a Array<T>, start: usize) -> Self {
        let strides = x.layout().strides;
        let [.., row, column] = strides[..] else { unreachable!("two axes or more: checked by `matmul`") };
        Matrix { from: &x.storage()[start..], row, column }
    }
}

/// The product of two matrices by the definition: what the fast one is tested against, and what Miri runs.
#[cfg(any(test, miri))]
fn naive<T: Float>(a: Matrix<T>, b: Matrix<T>, (m, k, n): (usize, usize, usize), out: &mut [T]) {
    let at = |x: Matrix<T>, i: usize, j: usize| x.from[(i as isize * x.row + j as isize * x.column) as usize];
    for (i, row) in out.chunks_mut(n).enumerate().take(m) {
        for (j, v) in row.iter_mut().enumerate() {
            *v = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
        }
    }
}

#[cfg(miri)]
fn single<T: Float>(a: Matrix<T>, b: Matrix<T>, size: (usize, usize, usize), out: &mut [T], _alone: bool) {
    naive(a, b, size, out);
}

#[cfg(not(miri))]
fn single<T: Float>(
    a: Matrix<T>,
    b: Matrix<T>,
    (m, k, n): (usize, usize, usize),
    out: &mut [T],
    alone: bool,
) {
    let alone = alone || m * k * n <= ALONE || threads() == 1;
    let parallelism = if alone { Parallelism::Serial } else { Parallelism::Rayon(threads()) };
    let (a, b) = (MatRef::new(a.from, m, k, a.row, a.column), MatRef::new(b.from, k, n, b.row, b.column));
    T::gemm(a, b, MatMut::from_row_major(out, m, n), parallelism);
}

/// The array itself, or a copy where a matrix in it runs backwards or repeats itself.
fn operand<T: Float>(x: Array<T>) -> Array<T> {
    let layout = x.layout();
    let matrix = layout.strides.iter().zip(&layout.shape).rev().take(2);
    if matrix.clone().all(|(&stride, &n)| stride > 0 || n <= 1 && stride >= 0) { x } else { x.copied() }
}

/// Where each matrix of the batch begins.
pub(crate) fn starts(layout: &Layout) -> Vec<usize> {
    let axes = layout.shape.len() - 2;
    let mut starts = vec![layout.offset];
    for (&n, &stride) in layout.shape[..axes].iter().zip(&layout.strides) {
        starts = starts
            .iter()
            .flat_map(|&s| (0..n).map(move |i| s.wrapping_add_signed(i as isize * stride)))
            .collect();
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize], seed: usize) -> Array<f64> {
        Array::from_fn(shape, |i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 504.0 - 1.0)
    }

    #[test]
    fn agrees_with_the_definition_on_all_layouts_and_sizes() {
        let sizes: &[usize] = if cfg!(miri) { &[1, 2, 5] } else { &[1, 2, 3, 7, 16, 33, 64, 97] };
        for &m in sizes {
            for &k in sizes {
                for &n in sizes {
                    let (a, at) = (numbers(&[m, k], 1), numbers(&[k, m], 1).permute(&[1, 0]).unwrap());
                    let (b, bt) = (numbers(&[k, n], 2), numbers(&[n, k], 2).permute(&[1, 0]).unwrap());
                    for (a, b) in [(&a, &b), (&at, &b), (&a, &bt), (&at, &bt)] {
                        let mut want = vec![0.0; m * n];
                        naive(Matrix::of(a, 0), Matrix::of(b, 0), (m, k, n), &mut want);
                        let got = matmul(a, b).unwrap();
                        let off =
                            got.to_vec().iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
                        assert!(off < 1e-13 * k as f64, "{m}×{k}×{n}: {off}");
                    }
                }
            }
        }
    }

    #[test]
    fn batches_broadcast() {
        let (a, b) = (numbers(&[2, 1, 3, 4], 1), numbers(&[5, 4, 2], 2));
        let c = matmul(&a, &b).unwrap();
        assert_eq!(c.shape(), [2, 5, 3, 2]);
        for (i, j) in [(0, 0), (1, 4), (1, 2)] {
            let want: f64 = (0..4).map(|k| a.at(&[i, 0, 2, k]) * b.at(&[j, k, 1])).sum();
            assert!((c.at(&[i, j, 2, 1]) - want).abs() < 1e-14);
        }
    }

    #[test]
    fn empty_products_are_zero_and_mistakes_are_named() {
        assert_eq!(matmul(&numbers(&[2, 0], 1), &numbers(&[0, 3], 1)).unwrap(), Array::full(&[2, 3], 0.0));
        assert_eq!(matmul(&numbers(&[0, 2], 1), &numbers(&[2, 3], 1)).unwrap().shape(), [0, 3]);
        let e = matmul(&numbers(&[2, 3], 1), &numbers(&[4, 5], 1)).unwrap_err();
        assert_eq!(e.0, "shapes [2, 3] and [4, 5]: rows of 3 cannot meet columns of 4");
        assert!(matmul(&numbers(&[3], 1), &numbers(&[3, 2], 1)).is_err());
        assert!(matmul(&numbers(&[2, 2, 3], 1), &numbers(&[3, 3, 2], 1)).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore)] // Miri runs the naive product on one thread
    fn one_thread_and_two_give_the_same_bits() {
        let (a, b) = (numbers(&[130, 257], 3), numbers(&[257, 190], 4));
        let wide = matmul(&a, &b).unwrap();
        crate::set_threads(1);
        let alone = matmul(&a, &b).unwrap();
        crate::set_threads(0);
        assert_eq!(wide, alone);
    }
}
