//! Matrix products: strided views in, row-major out, over a broadcast batch.

use crate::array::{Layout, count};
use crate::gemm::{Dots, Gemm, Matrix, Onto, Target};
use crate::poll::watched;
use crate::{Array, Buffer, Error, Float, Result, Shape, broadcast, poll, room, threads};
use smallvec::SmallVec;
use std::ops::Range;

/// Below this many multiplications products run on one thread: handing them over would cost more than it saves.
const ALONE: usize = 1 << 18;

/// `out[…, i, j] = Σₖ a[…, i, k] · b[…, k, j]`, leading axes broadcast.
///
/// # Errors
/// If an argument has fewer than two axes, the inner lengths differ, or the leading axes do not broadcast.
pub fn matmul<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Array<T>> {
    T::matmul_here(a, b)
}

pub(crate) fn matmul_here<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<Array<T>> {
    let (batch, (m, _, n)) = sizes(a, b)?;
    Ok(add_products(None, a, b, &matrices(&batch, m, n), &batch))
}

/// `sum + a·b`, where the product is summed down to `shape` along batch axes that are broadcast from there; the product
/// alone without a `sum`. A sum that nobody else holds is written where it lies.
///
/// # Errors
/// If the arguments do not fit [`matmul`], or `shape` does not broadcast to that of their product.
///
/// # Panics
/// If the sum has another shape.
pub fn matmul_to<T: Float>(
    sum: Option<Array<T>>,
    a: &Array<T>,
    b: &Array<T>,
    shape: &[usize],
) -> Result<Array<T>> {
    T::matmul_to_here(sum, a, b, shape)
}

pub(crate) fn matmul_to_here<T: Float>(
    sum: Option<Array<T>>,
    a: &Array<T>,
    b: &Array<T>,
    shape: &[usize],
) -> Result<Array<T>> {
    let (batch, (m, _, n)) = sizes(a, b)?;
    let product = matrices(&batch, m, n);
    let fits = shape.ends_with(&[m, n]) && broadcast(shape, &product).is_ok_and(|wide| wide == product);
    if !fits {
        return Err(Error(format!("a product of shape {product:?} is not summed down to {shape:?}")));
    }
    assert!(sum.as_ref().is_none_or(|sum| sum.shape() == shape), "matmul_to: a sum of shape {shape:?}");
    Ok(add_products(sum, a, b, shape, &batch))
}

/// `out[i, j] = bias[j] + Σₖ a[i, k] · b[k, j]`: the bias is added while the product is written.
///
/// # Errors
/// If `a` and `b` are no matrices that fit each other, or `bias` has not as many elements as `b` has columns.
pub fn affine<T: Float>(a: &Array<T>, b: &Array<T>, bias: &Array<T>) -> Result<Array<T>> {
    T::affine_here(a, b, bias)
}

pub(crate) fn affine_here<T: Float>(a: &Array<T>, b: &Array<T>, bias: &Array<T>) -> Result<Array<T>> {
    let (batch, (m, k, n)) = sizes(a, b)?;
    if !batch.is_empty() || *bias.shape() != [n] {
        let (a, b, bias) = (a.shape(), b.shape(), bias.shape());
        return Err(Error(format!("shapes {a:?}, {b:?} and {bias:?} are not two matrices and a bias")));
    }
    let (a, b, bias) = (operand(a.clone()), operand(b.clone()), bias.contiguous());
    let bias = bias.as_slice().expect("contiguous");
    let mut out = Buffer::scratch(m * n);
    if m * n > 0 {
        let [a, b] = [&a, &b].map(|x| Matrix::of(x, x.layout().offset));
        single(a, b, (m, k, n), &mut out, Onto::Row(bias), false);
    }
    Ok(Array::from_buffer(out, &[m, n]))
}

/// The shape of a batch of matrices.
fn matrices(batch: &[usize], rows: usize, columns: usize) -> Shape {
    batch.iter().copied().chain([rows, columns]).collect()
}

/// The common batch of two arrays of matrices, and `m`, `k` and `n` of their product.
fn sizes<T: Float>(a: &Array<T>, b: &Array<T>) -> Result<(Shape, (usize, usize, usize))> {
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
    Ok((batch, (m, k, n)))
}

/// Where in their storage the two factors of each product begin that are added up to one matrix.
type Factors = SmallVec<[(usize, usize); 2]>;

/// The sum, or else zeros of this shape, and all products of the batch, each added to the matrix that is broadcast to
/// its place.
fn add_products<T: Float>(
    sum: Option<Array<T>>,
    a: &Array<T>,
    b: &Array<T>,
    shape: &[usize],
    batch: &[usize],
) -> Array<T> {
    let (&[.., m, k], &[.., n]) = (a.shape(), b.shape()) else {
        unreachable!("two axes or more: checked by `sizes`")
    };
    let wide = |x: &Array<T>, m, n| x.broadcast_to(&matrices(batch, m, n)).expect("checked by `sizes`");
    let (a, b) = (operand(wide(a, m, k)), operand(wide(b, k, n)));
    let fresh = sum.is_none();
    let mut out = sum.unwrap_or_else(|| Array::from_buffer(Buffer::scratch(count(shape)), shape));
    if m * n == 0 {
        return out;
    }
    let numbers = out.as_mut_slice(); // in row-major order from here on
    if k == 0 {
        // Sums of nothing. The matrices of a batch would begin behind the end of its storage.
        if fresh {
            numbers.fill(T::ZERO);
        }
        return out;
    }
    let targets = starts(&wide(&out, m, n).layout());
    let mut jobs = room(out.len() / (m * n));
    jobs.extend(out.as_mut_slice().chunks_mut(m * n).map(|out| (out, Factors::new())));
    for ((target, a), b) in targets.into_iter().zip(starts(&a.layout())).zip(starts(&b.layout())) {
        jobs[target / (m * n)].1.push((a, b));
    }
    // Many matrices: each on one thread. One matrix, or several that should be interruptible: all threads on each.
    let apart = jobs.len() > 1 && !(watched() && too_long((m, k, n)));
    let work = count(batch) * m * n * k;
    let job = |(out, factors): (&mut [T], Factors)| {
        if fresh && factors.is_empty() {
            out.fill(T::ZERO);
        }
        for (i, (at, bt)) in factors.into_iter().enumerate() {
            let onto = if fresh && i == 0 { Onto::Nothing } else { Onto::Sum };
            single(Matrix::of(&a, at), Matrix::of(&b, bt), (m, k, n), out, onto, apart);
        }
    };
    if apart && work > ALONE {
        threads::each(jobs, job)
    } else {
        jobs.into_iter().for_each(job)
    }
    out
}

impl<'a, T: Float> Matrix<'a, T> {
    fn of(x: &'a Array<T>, start: usize) -> Self {
        let [.., row, column] = x.layout().strides[..] else {
            unreachable!("two axes or more: checked by `sizes`")
        };
        let [row, column] =
            [row, column].map(|step| step.try_into().expect("runs forwards: checked by `operand`"));
        Matrix { from: &x.storage()[start..], row, column }
    }
}

/// The product of two matrices into `out`, in pieces if several threads should work on it or somebody may
/// [stop](crate::on_poll) it.
fn single<T: Float>(
    a: Matrix<T>,
    b: Matrix<T>,
    (m, depth, n): (usize, usize, usize),
    out: &mut [T],
    onto: Onto<T>,
    alone: bool,
) {
    if n == 1 && m > 1 {
        // A column is a row of the product the other way round.
        let onto = match onto {
            Onto::Row(bias) => {
                out.fill(bias[0]);
                Onto::Sum
            }
            other => other,
        };
        return single(b.transposed(), a.transposed(), (1, depth, m), out, onto, alone);
    }
    let work = m * depth * n;
    poll(work / 8); // several multiplications a tenth of a nanosecond
    // A thread that is done early takes a piece more, where the pieces are not too small for that.
    let each = if work < ALONE << 6 { 1 } else { 2 };
    let enough = if alone || work <= ALONE { 1 } else { (each * threads()).min(work / ALONE) };
    let short = if watched() { work.div_ceil(LONG) } else { 1 };
    let tile = [4, 128 / size_of::<T>()];
    let [high, wide] = pieces((m, n), tile, if threads() == 1 { short } else { enough.max(short) });
    let mut jobs: Vec<_> = room(high * wide);
    let mut out = Target::new(out, n);
    for i in (0..high).map(|i| part(m, tile[0], high, i)) {
        let (mut row, rest) = out.split_rows(i.len());
        out = rest;
        for j in (0..wide).map(|j| part(n, tile[1], wide, j)) {
            let (piece, rest) = row.split_columns(j.len());
            row = rest;
            jobs.push((i.clone(), j, piece));
        }
    }
    let along = m == 1 && depth > 0 && a.column == 1 && b.row == 1;
    threads::each(jobs, |(i, j, mut out)| {
        let onto = match onto {
            Onto::Row(bias) => Onto::Row(&bias[j.clone()]),
            other => other,
        };
        let (a, b) = (a.at(i.start, 0), b.at(0, j.start));
        match along {
            true => Dots { a: &a.from[..depth], b, out: out.row(0), onto }.run(),
            false => Gemm { a, b, depth, out, onto }.run(),
        }
    });
}

/// Multiplications that are not interrupted: some hundredths of a second.
const LONG: usize = if cfg!(test) { 1 << 24 } else { 1 << 31 };

/// Whether a product takes so long that it should be cut where somebody may [stop](crate::on_poll) it.
fn too_long((m, k, n): (usize, usize, usize)) -> bool {
    m.saturating_mul(n).saturating_mul(k) > LONG
}

/// Into about how many pieces a product is cut along the rows and the columns of its result, in whole tiles; of those with
/// most pieces the one that reads least, since each piece reads its operands anew. Depth is never cut, so the bits do not
/// depend on this.
fn pieces((m, n): (usize, usize), tile: [usize; 2], wanted: usize) -> [usize; 2] {
    let tiles = [m.div_ceil(tile[0]), n.div_ceil(tile[1])];
    let cuts = (1..=wanted.min(tiles[0])).map(|rows| [rows, wanted.div_ceil(rows).min(tiles[1])]);
    let cost = |&[rows, columns]: &[usize; 2]| {
        (wanted - wanted.min(rows * columns), columns.saturating_mul(m) + rows.saturating_mul(n))
    };
    cuts.min_by_key(cost).unwrap_or([1, 1])
}

/// Part `i` of `0..n` in whole tiles, of which each part has about as many; the last part is a smallest one.
fn part(n: usize, tile: usize, parts: usize, i: usize) -> Range<usize> {
    let tiles = n.div_ceil(tile);
    let start = |i: usize| ((tiles / parts * i + (tiles % parts).min(i)) * tile).min(n);
    start(i)..start(i + 1)
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
        let mut inner = room(count(&[starts.len(), n]));
        for s in starts {
            inner.extend((0..n).map(|i| s.wrapping_add_signed(i as isize * stride)));
        }
        starts = inner;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product of two matrices by the definition.
    fn naive(
        a: Matrix<f64>,
        b: Matrix<f64>,
        (m, k, n): (usize, usize, usize),
        out: &mut [f64],
        onto: Onto<f64>,
    ) {
        let at = |x: Matrix<f64>, i: usize, j: usize| x.from[i * x.row + j * x.column];
        for (i, row) in out.chunks_mut(n).enumerate().take(m) {
            for (j, v) in row.iter_mut().enumerate() {
                let product: f64 = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
                *v = match onto {
                    Onto::Nothing => product,
                    Onto::Sum => *v + product,
                    Onto::Row(row) => row[j] + product,
                };
            }
        }
    }

    fn numbers(shape: &[usize], seed: usize) -> Array<f64> {
        Array::from_fn(shape, |i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 504.0 - 1.0)
    }

    #[test]
    fn agrees_with_the_definition_on_all_layouts_and_sizes() {
        let sizes: &[usize] = if cfg!(miri) { &[1, 5] } else { &[1, 2, 3, 7, 16, 33, 64, 97] };
        for &m in sizes {
            for &k in sizes {
                for &n in sizes {
                    let (a, at) = (numbers(&[m, k], 1), numbers(&[k, m], 1).permute(&[1, 0]).unwrap());
                    let (b, bt) = (numbers(&[k, n], 2), numbers(&[n, k], 2).permute(&[1, 0]).unwrap());
                    for (a, b) in [(&a, &b), (&at, &b), (&a, &bt), (&at, &bt)] {
                        let mut want = vec![0.0; m * n];
                        naive(Matrix::of(a, 0), Matrix::of(b, 0), (m, k, n), &mut want, Onto::Nothing);
                        let got = matmul(a, b).unwrap();
                        assert!(distance(&got, &want) < 1e-13 * k as f64, "{m}×{k}×{n}");
                        let twice = matmul_to(Some(got), a, b, &[m, n]).unwrap();
                        want.iter_mut().for_each(|w| *w *= 2.0);
                        assert!(distance(&twice, &want) < 1e-13 * k as f64, "{m}×{k}×{n}, added");
                        let bias = numbers(&[2 * n], 3).slice(0, 0, 2, n).unwrap();
                        let row = bias.to_vec();
                        let size = (m, k, n);
                        naive(Matrix::of(a, 0), Matrix::of(b, 0), size, &mut want, Onto::Row(&row));
                        let got = affine(a, b, &bias).unwrap();
                        assert!(distance(&got, &want) < 1e-13 * k as f64, "{m}×{k}×{n}, with a bias");
                    }
                }
            }
        }
    }

    fn distance(got: &Array<f64>, want: &[f64]) -> f64 {
        got.to_vec().iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max)
    }

    #[test]
    #[cfg_attr(miri, ignore)] // long
    fn products_of_any_orientation_agree_with_the_definition() {
        // Several blocks of depth, of rows and of columns; rows and columns that are copied for each of the reasons there are.
        let sizes = [
            (144, 150, 10),
            (10, 150, 144),
            (35, 300, 37),
            (64, 128, 97),
            (20, 300, 600),
            (260, 40, 33),
            (30, 512, 70),
            (100, 30, 200),
            (1, 700, 50),
            (50, 700, 1),
        ];
        for (m, k, n) in sizes {
            let (a, at) = (numbers(&[m, k], 1), numbers(&[k, m], 1).permute(&[1, 0]).unwrap());
            let (b, bt) = (numbers(&[k, n], 2), numbers(&[n, k], 2).permute(&[1, 0]).unwrap());
            for (a, b) in [(&a, &b), (&at, &b), (&a, &bt), (&at, &bt)] {
                let mut want = vec![1.0; m * n];
                naive(Matrix::of(a, 0), Matrix::of(b, 0), (m, k, n), &mut want, Onto::Sum);
                let got = matmul_to(Some(Array::ones(&[m, n])), a, b, &[m, n]).unwrap();
                assert!(distance(&got, &want) < 1e-13 * k as f64, "{m}×{k}×{n}");
                let got = affine(a, b, &Array::ones(&[n])).unwrap();
                assert!(distance(&got, &want) < 1e-13 * k as f64, "{m}×{k}×{n}, with a bias");
            }
        }
    }

    #[test]
    fn products_of_a_batch_are_summed_down() {
        let (a, b) = (numbers(&[2, 1, 3, 4], 1), numbers(&[5, 4, 2], 2));
        let each = matmul(&a, &b).unwrap();
        for shape in [&[2, 5, 3, 2][..], &[5, 3, 2], &[1, 5, 3, 2], &[2, 1, 3, 2], &[3, 2]] {
            let want = crate::sum_to(&each, shape);
            let got = matmul_to(None, &a, &b, shape).unwrap();
            assert!(got.shape() == shape && distance(&got, &want.to_vec()) < 1e-13, "{shape:?}");
            let shared = Array::ones(shape);
            let added = matmul_to(Some(shared.clone()), &a, &b, shape).unwrap();
            assert!(distance(&added, &(want + shared.clone()).to_vec()) < 1e-13, "{shape:?}, added");
            assert_eq!(shared, Array::ones(shape), "somebody else's sum stays as it was");
        }
        for shape in [&[2, 3, 2][..], &[2, 3], &[2], &[7, 2, 5, 3, 2]] {
            assert!(matmul_to(None, &a, &b, shape).is_err(), "{shape:?}");
        }
        let (none, some) = (numbers(&[0, 3, 4], 1), numbers(&[4, 2], 2));
        assert_eq!(matmul_to(None, &none, &some, &[3, 2]).unwrap(), Array::zeros(&[3, 2]));
        assert_eq!(
            matmul_to(Some(Array::ones(&[3, 2])), &none, &some, &[3, 2]).unwrap(),
            Array::ones(&[3, 2])
        );
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
        for (a, b, shape) in
            [(&[2, 0][..], &[4, 0, 3][..], &[4, 2, 3][..]), (&[3, 2, 0], &[1, 0, 2], &[3, 2, 2])]
        {
            let (a, b) = (numbers(a, 1), numbers(b, 1));
            assert_eq!(matmul(&a, &b).unwrap(), Array::zeros(shape));
            assert_eq!(matmul_to(Some(Array::ones(shape)), &a, &b, shape).unwrap(), Array::ones(shape));
        }
        let (row, column) = (numbers(&[1, 0], 1), numbers(&[3, 0], 1).permute(&[1, 0]).unwrap());
        assert_eq!(matmul(&row, &column).unwrap(), Array::zeros(&[1, 3]));
        let bias = numbers(&[3], 3);
        let only = affine(&numbers(&[2, 0], 1), &numbers(&[0, 3], 1), &bias).unwrap();
        assert_eq!(only, bias.broadcast_to(&[2, 3]).unwrap());
        assert_eq!(affine(&numbers(&[0, 2], 1), &numbers(&[2, 3], 1), &bias).unwrap().shape(), [0, 3]);
        assert!(affine(&numbers(&[4, 2], 1), &numbers(&[2, 2], 1), &bias).is_err());
        let e = matmul(&numbers(&[2, 3], 1), &numbers(&[4, 5], 1)).unwrap_err();
        assert_eq!(e.0, "shapes [2, 3] and [4, 5]: rows of 3 cannot meet columns of 4");
        assert!(matmul(&numbers(&[3], 1), &numbers(&[3, 2], 1)).is_err());
        assert!(matmul(&numbers(&[2, 2, 3], 1), &numbers(&[3, 3, 2], 1)).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore)] // long
    fn one_thread_and_two_give_the_same_bits() {
        // Around the sizes where other loops begin, and all ways to cut them.
        let sizes = [
            (130, 257, 190),
            (2100, 257, 130),
            (64, 784, 128),
            (784, 64, 128),
            (64, 4096, 64),
            (63, 5000, 65),
            (40, 20_000, 33),
            (32, 20_000, 32),
            (24, 30_000, 20),
            (13, 9000, 80),
            (100, 9000, 2),
            (16, 17, 3000),
            (1, 4096, 1111),
            (1111, 4096, 1),
        ];
        let products = || {
            let product = |(m, k, n): (usize, usize, usize)| {
                let (a, b) = (numbers(&[m, k], 3), numbers(&[k, n], 4));
                let (at, bt) = (numbers(&[k, m], 3), numbers(&[n, k], 4));
                let [at, bt] = [at, bt].map(|x| x.permute(&[1, 0]).unwrap());
                [(&a, &b), (&at, &b), (&a, &bt), (&at, &bt)].map(|(a, b)| matmul(a, b).unwrap())
            };
            sizes.map(product)
        };
        let wide = products();
        crate::set_threads(1);
        let alone = products();
        crate::set_threads(0);
        for ((wide, alone), size) in wide.iter().zip(&alone).zip(sizes) {
            assert!(wide == alone, "{size:?}");
        }
    }
}
