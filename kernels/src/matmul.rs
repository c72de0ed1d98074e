//! Matrix products, by the crate `gemmkit`: strided views in, row-major out, over a broadcast batch.

use crate::array::{Layout, count};
use crate::poll::watched;
use crate::simd::{Kernel, dispatch};
use crate::{Array, Buffer, Error, Float, Result, Shape, broadcast, room, threads};
use smallvec::SmallVec;
#[cfg(not(miri))]
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
    if k == 0 {
        out.chunks_mut(n.max(1)).for_each(|row| row.copy_from_slice(bias));
    } else if m * n > 0 {
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
    out.as_mut_slice(); // in row-major order from here on
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
        if fresh && (factors.is_empty() || k == 0) {
            out.fill(T::ZERO);
        }
        for (i, (at, bt)) in factors.into_iter().enumerate().filter(|_| k > 0) {
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
        let [.., row, column] = strides[..] else { unreachable!("two axes or more: checked by `sizes`") };
        Matrix { from: &x.storage()[start..], row, column }
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
enum Onto<'a, T> {
    Nothing,
    /// What lies where it goes.
    Sum,
    /// The same row, everywhere.
    Row(&'a [T]),
}

/// The product of two matrices by the definition: what the fast one is tested against, and what Miri runs.
#[cfg(any(test, miri))]
fn naive<T: Float>(
    a: Matrix<T>,
    b: Matrix<T>,
    (m, k, n): (usize, usize, usize),
    out: &mut [T],
    onto: Onto<T>,
) {
    let at = |x: Matrix<T>, i: usize, j: usize| x.from[(i as isize * x.row + j as isize * x.column) as usize];
    for (i, row) in out.chunks_mut(n).enumerate().take(m) {
        for (j, v) in row.iter_mut().enumerate() {
            let product = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
            *v = match onto {
                Onto::Nothing => product,
                Onto::Sum => *v + product,
                Onto::Row(row) => row[j] + product,
            };
        }
    }
}

/// The product of two matrices into `out`.
#[cfg(miri)]
fn single<T: Float>(
    a: Matrix<T>,
    b: Matrix<T>,
    size: (usize, usize, usize),
    out: &mut [T],
    onto: Onto<T>,
    _alone: bool,
) {
    naive(a, b, size, out, onto);
}

/// Where a matrix begins, and how far apart two of its rows and two of its columns lie.
#[cfg(not(miri))]
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Place<P> {
    pub(crate) start: P,
    pub(crate) row: isize,
    pub(crate) column: isize,
}

// SAFETY: an address; who writes there sees to it that nobody else does.
#[cfg(not(miri))]
unsafe impl<P> Sync for Place<P> {}

#[cfg(not(miri))]
impl<'a, T: Float> Matrix<'a, T> {
    /// # Panics
    /// If it has not so many rows and columns, or runs backwards.
    fn place(&self, rows: usize, columns: usize) -> Place<*const T> {
        assert!(self.row >= 0 && self.column >= 0, "a matrix runs forwards: checked by `operand`");
        let last = (rows - 1) * self.row as usize + (columns - 1) * self.column as usize;
        assert!(last < self.from.len(), "a matrix lies in its storage");
        Place { start: self.from.as_ptr(), row: self.row, column: self.column }
    }
}

#[cfg(not(miri))]
impl<T> Place<*const T> {
    fn at(self, row: usize, column: usize) -> Self {
        let by = row as isize * self.row + column as isize * self.column;
        Place { start: self.start.wrapping_offset(by), ..self }
    }
}

/// The product of two matrices into `out`, in pieces if several threads should work on it or somebody may
/// [stop](crate::on_poll) it.
#[cfg(not(miri))]
fn single<T: Float>(
    a: Matrix<T>,
    b: Matrix<T>,
    (m, k, n): (usize, usize, usize),
    out: &mut [T],
    onto: Onto<T>,
    alone: bool,
) {
    let (add, bias) = match onto {
        Onto::Nothing => (false, None),
        Onto::Sum => (true, None),
        Onto::Row(row) => (false, Some(row)),
    };
    let work = m * k * n;
    let alone = alone || work <= ALONE || threads() == 1;
    let turns = turns(&a, &b, (m, k, n));
    let [along, across] = [128 / size_of::<T>(), 12]; // see `turns`
    let (tile, steps) = if turns { ([along, across], [1, m]) } else { ([across, along], [n, 1]) };
    let [rows, columns] = match m.min(n) {
        1 => vectors((m, k, n), tile),
        _ => {
            let enough = if alone { 1 } else { (2 * threads()).min(work / ALONE) };
            let short = if watched() { work.div_ceil(LONG) } else { 1 };
            pieces((m, n), tile, enough.max(short))
        }
    };
    let (left, right) = (a.place(m, k), b.place(k, n));
    let product = |out: &mut [T]| {
        assert!(out.len() == m * n && bias.is_none_or(|bias| bias.len() == n));
        let out = Place { start: out.as_mut_ptr(), row: steps[0] as isize, column: steps[1] as isize };
        let beta = if add && !turns { T::ONE } else { T::ZERO };
        let piece = |[i, j]: [Range<usize>; 2]| {
            let out = &out; // the whole of it, which threads may share
            let to = Place { start: out.start.wrapping_add(i.start * steps[0] + j.start * steps[1]), ..*out };
            let (left, right) = (left.at(i.start, 0), right.at(0, j.start));
            let bias = bias.map(|bias| bias[j.clone()].as_ptr());
            // SAFETY: all three matrices and the bias are as large as asserted above, these rows and columns lie in them, and
            // no two pieces have elements of the result in common.
            unsafe { T::gemm([i.len(), k, j.len()], left, right, beta, to, bias) };
        };
        if rows * columns == 1 {
            return piece([0..m, 0..n]);
        }
        let columns =
            |i| (0..columns).map(move |j| [part(m, tile[0], rows, i), part(n, tile[1], columns, j)]);
        let jobs = (0..rows).flat_map(columns).collect();
        threads::each(jobs, piece)
    };
    if turns {
        let mut columns = Buffer::scratch(m * n);
        product(&mut columns);
        turn(&columns, out, m, add, alone);
    } else {
        product(out);
    }
}

/// Multiplications that are not interrupted: some hundredths of a second.
const LONG: usize = if cfg!(test) { 1 << 24 } else { 1 << 31 };

/// Whether a product takes so long that it should be cut where somebody may [stop](crate::on_poll) it.
fn too_long((m, k, n): (usize, usize, usize)) -> bool {
    m.saturating_mul(n).saturating_mul(k) > LONG
}

/// Into how many pieces a product of a matrix and a vector is cut: its elements may be rounded in another way in each, so the
/// sizes alone decide.
#[cfg(not(miri))]
fn vectors((m, k, n): (usize, usize, usize), tile: [usize; 2]) -> [usize; 2] {
    let parts = ((m * k * n) >> 20).clamp(1, 64);
    [parts.min(m.div_ceil(tile[0])), parts.min(n.div_ceil(tile[1]))]
}

/// Into about how many pieces a product is cut along the rows and the columns of its result, in whole tiles; of those with
/// most pieces the one that reads least, since each piece reads its operands anew. Depth is never cut, and `gemmkit` rounds
/// in one way for all sizes of the same [`kind`], so the bits do not depend on this.
#[cfg(not(miri))]
fn pieces((m, n): (usize, usize), tile: [usize; 2], wanted: usize) -> [usize; 2] {
    let tiles = [m.div_ceil(tile[0]), n.div_ceil(tile[1])];
    let fits = |&[rows, columns]: &[usize; 2]| {
        let (rows, columns) = (part(m, tile[0], rows, rows - 1), part(n, tile[1], columns, columns - 1));
        kind(rows.len(), columns.len()) == kind(m, n)
    };
    let cuts = (1..=wanted.min(tiles[0])).map(|rows| [rows, wanted.div_ceil(rows).min(tiles[1])]);
    let cost = |&[rows, columns]: &[usize; 2]| {
        (wanted - wanted.min(rows * columns), columns.saturating_mul(m) + rows.saturating_mul(n))
    };
    match cuts.filter(fits).min_by_key(cost) {
        Some(cut) => cut,
        None if wanted > 1 => pieces((m, n), tile, wanted / 2),
        None => [1, 1],
    }
}

/// Part `i` of `0..n` in whole tiles, of which each part has about as many; the last part is a smallest one.
#[cfg(not(miri))]
fn part(n: usize, tile: usize, parts: usize, i: usize) -> Range<usize> {
    let tiles = n.div_ceil(tile);
    let start = |i: usize| ((tiles / parts * i + (tiles % parts).min(i)) * tile).min(n);
    start(i)..start(i + 1)
}

/// Which of its loops, with roundings of their own, `gemmkit` takes for a result of this size.
#[cfg(not(miri))]
fn kind(m: usize, n: usize) -> (bool, usize) {
    (m.min(n) > 1, [16, 32, 64].into_iter().filter(|&most| m.max(n) > most).count())
}

/// Whether a product is cheaper to compute by columns and turn round than to compute by rows.
///
/// `gemmkit` computes tiles of two vectors by twelve numbers; the vectors lie along the rows of a result that is stored
/// by rows, so they come from `b`, and along its columns in one that is stored by columns: from `a`. That operand is
/// best the smaller one, since it is copied into panels if its vectors do not lie so in memory, and read again for every
/// twelve numbers of the other. And the tiles at the edges should not be mostly empty. The weights were fitted to
/// measurements of the products of some networks.
#[cfg(not(miri))]
fn turns<T: Float>(a: &Matrix<T>, b: &Matrix<T>, (m, k, n): (usize, usize, usize)) -> bool {
    /// Numbers of an operand that does not stay in the caches.
    const LARGE: usize = 1 << 22;
    if m.min(n) == 1 || m.max(n) <= 16 {
        return false; // not computed in tiles
    }
    let along = 128 / size_of::<T>();
    let filled = |n: usize, tile: usize| (n.div_ceil(tile) * tile) as f32 / n as f32;
    let reading = |copied: bool, uses: usize| if copied { 1.0 + 32.0 / uses as f32 } else { 1.0 };
    let by_rows = filled(n, along) * filled(m, 12) * reading(b.column != 1 || k * n >= LARGE, m);
    let by_columns = filled(m, along) * filled(n, 12) * reading(a.row != 1 || m * k >= LARGE, n);
    by_columns + 30.0 / (k as f32) < by_rows
}

/// Rows and columns of the squares that [`turn`] moves at once: a cache line or two of each.
const SQUARE: usize = 16;

/// Writes a matrix of `m` rows, stored by columns, into `out` by rows; or adds it.
fn turn<T: Float>(columns: &[T], out: &mut [T], m: usize, add: bool, alone: bool) {
    let n = out.len() / m;
    let job =
        |(i, out): (usize, &mut [T])| dispatch(Turn { columns: &columns[i * SQUARE..], out, m, n, add });
    let jobs = out.chunks_mut(SQUARE * n).enumerate();
    if alone || m * n <= ALONE { jobs.for_each(job) } else { threads::each(jobs.collect(), job) }
}

/// [`turn`] for `SQUARE` rows or less.
struct Turn<'a, T> {
    columns: &'a [T],
    out: &'a mut [T],
    m: usize,
    n: usize,
    add: bool,
}

impl<T: Float> Kernel for Turn<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run(mut self) {
        let rows = self.out.len() / self.n;
        for at in (0..self.n).step_by(SQUARE) {
            // Constant lengths, wherever there is a whole square, make vector code.
            match (rows, SQUARE.min(self.n - at)) {
                (SQUARE, SQUARE) => self.square(at, SQUARE, SQUARE),
                (rows, width) => self.square(at, rows, width),
            }
        }
    }
}

impl<T: Float> Turn<'_, T> {
    /// Columns `at .. at + width`.
    #[inline(always)]
    fn square(&mut self, at: usize, rows: usize, width: usize) {
        let mut square = [[T::ZERO; SQUARE]; SQUARE];
        for (j, to) in square.iter_mut().enumerate().take(width) {
            to[..rows].copy_from_slice(&self.columns[(at + j) * self.m..][..rows]);
        }
        for (i, out) in self.out.chunks_mut(self.n).enumerate().take(rows) {
            for (out, column) in out[at..][..width].iter_mut().zip(&square) {
                *out = if self.add { *out + column[i] } else { column[i] };
            }
        }
    }
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
    fn turns_round_what_was_stored_by_columns() {
        let sizes: &[usize] = if cfg!(miri) { &[1, 17] } else { &[1, 2, 5, 15, 16, 17, 31, 32, 33] };
        for &m in sizes {
            for &n in sizes {
                let columns = numbers(&[n, m], 5);
                let want = columns.permute(&[1, 0]).unwrap();
                let mut out = vec![f64::NAN; m * n];
                turn(columns.as_slice().unwrap(), &mut out, m, false, true);
                assert_eq!(out, want.to_vec(), "{m}×{n}");
                turn(columns.as_slice().unwrap(), &mut out, m, true, false);
                assert_eq!(out, (want.clone() + want).to_vec(), "{m}×{n}, added");
            }
        }
    }

    #[test]
    #[cfg(not(miri))] // which runs the naive product
    fn products_of_any_orientation_agree_with_the_definition() {
        for (m, k, n) in [(144, 150, 10), (10, 150, 144), (35, 300, 37), (64, 128, 97)] {
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
        let turns = |m, k, n| {
            let (a, b) = (numbers(&[k, m], 1).permute(&[1, 0]).unwrap(), numbers(&[k, n], 2));
            turns(&Matrix::of(&a, 0), &Matrix::of(&b, 0), (m, k, n))
        };
        assert!(turns(144, 150, 10) && !turns(10, 150, 144) && !turns(1, 150, 144));
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
    #[cfg_attr(miri, ignore)] // Miri runs the naive product on one thread
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
