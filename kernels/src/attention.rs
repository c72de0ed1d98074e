//! Attention: weighted means of values, a block of queries at a time.
//!
//! The scores of one block against all keys fit a cache; those of all queries are never stored, and the way back computes
//! them again (Rabe & Staats 2021; Dao et al. 2022, who cut the keys into blocks too). In a block the queries lie
//! side by side and the keys one below the other, so that maxima and sums over keys run down the lanes. Keys and values
//! are copied first, from wherever they lie, to rows that fill whole registers.

use crate::array::{Layout, count};
use crate::gemm::{self, Gemm, Onto, Target};
use crate::matmul::starts;
use crate::simd::{Kernel, dispatch};
use crate::{Array, Buffer, Error, Float, Result, Shape, broadcast, chain, poll, room, threads};

/// Queries to a block, and what the rows of the copies are filled up to: two registers of `f32`.
const BLOCK: usize = 32;

/// Queries to a piece of work that another thread may take.
const PIECE: usize = 256;

/// How scores come from the products of queries and keys, for [`attention`].
#[derive(Clone, Copy)]
pub struct Scores<'a, T> {
    /// A factor of all of them.
    pub scale: T,
    /// What is then added; broadcast to […, queries, keys].
    pub bias: Option<&'a Array<T>>,
    /// 0 where a query does not see a key; broadcast to […, queries, keys].
    pub mask: Option<&'a Array<T>>,
    /// Whether query `i` sees keys `0..=i` only.
    pub causal: bool,
}

/// `softmax(scale·q·kᵀ + bias)·v` of queries [… , t, d], keys [… , s, d] and values [… , s, e], leading axes broadcast; 0
/// for a query that sees no key. What is not seen may still be multiplied by 0.
///
/// The result's axes lie in memory in the order of those of `q`.
///
/// # Errors
/// If the shapes do not fit each other, or bias or mask do not broadcast to the scores.
pub fn attention<T: Float>(
    q: &Array<T>,
    k: &Array<T>,
    v: &Array<T>,
    scores: Scores<'_, T>,
) -> Result<Array<T>> {
    T::attention_here(q, k, v, scores)
}

pub(crate) fn attention_here<T: Float>(
    q: &Array<T>,
    k: &Array<T>,
    v: &Array<T>,
    scores: Scores<'_, T>,
) -> Result<Array<T>> {
    let heads = Heads::new([q, k, v], scores)?;
    let [t, s, d, e] = heads.size;
    let mut y = Rows::new(q, heads.shape(t, e));
    let mut rows = y.by_matrix();
    let pieces = rows.iter_mut().enumerate().flat_map(|(head, rows)| {
        rows.chunks_mut(PIECE).enumerate().map(move |(piece, rows)| (head, piece * PIECE, rows))
    });
    heads.each(pieces.collect(), t * s * (d + e), |(head, first, rows)| heads.forward(head, first, rows));
    Ok(y.array())
}

/// The cotangents of `q`, `k` and `v` for the cotangent `g` of [`attention`]'s result, of their shapes broadcast to its
/// batch. Where a weight or its cotangent is exactly 0, so is their product. The axes lie in memory as those of `q`, `k`
/// and `v` do.
///
/// # Errors
/// As [`attention`]; or if `g` has another shape than its result.
pub fn attention_back<T: Float>(
    q: &Array<T>,
    k: &Array<T>,
    v: &Array<T>,
    g: &Array<T>,
    scores: Scores<'_, T>,
) -> Result<[Array<T>; 3]> {
    T::attention_back_here(q, k, v, g, scores)
}

pub(crate) fn attention_back_here<T: Float>(
    q: &Array<T>,
    k: &Array<T>,
    v: &Array<T>,
    g: &Array<T>,
    scores: Scores<'_, T>,
) -> Result<[Array<T>; 3]> {
    let heads = Heads::new([q, k, v], scores)?;
    let [t, s, d, e] = heads.size;
    if *g.shape() != *heads.shape(t, e) {
        let (a, b) = (g.shape(), heads.shape(t, e));
        return Err(Error(format!("a cotangent of shape {a:?} for a result of {b:?}")));
    }
    let g = Batch::new(g, &heads.batch)?;
    let mut sums =
        [Rows::new(q, heads.shape(t, d)), Rows::new(k, heads.shape(s, d)), Rows::new(v, heads.shape(s, e))];
    let [dq, dk, dv] = sums.each_mut().map(Rows::by_matrix);
    let jobs = dq.into_iter().zip(dk).zip(dv).enumerate();
    heads.each(jobs.collect(), t * s * (3 * d + 2 * e), |(head, ((dq, dk), dv))| {
        heads.back(head, g.matrix(head), dq, dk, dv);
    });
    Ok(sums.map(Rows::array))
}

/// The arguments, broadcast to one batch.
struct Heads<'a, T> {
    q: Batch<'a, T>,
    k: Batch<'a, T>,
    v: Batch<'a, T>,
    bias: Option<Batch<'a, T>>,
    mask: Option<Batch<'a, T>>,
    scale: T,
    causal: bool,
    batch: Shape,
    /// Queries, keys, the length of both, the length of a value.
    size: [usize; 4],
}

impl<'a, T: Float> Heads<'a, T> {
    fn new([q, k, v]: [&'a Array<T>; 3], scores: Scores<'a, T>) -> Result<Heads<'a, T>> {
        let ([batch_q @ .., t, d], [batch_k @ .., s, of_keys], [batch_v @ .., of_values, e]) =
            (q.shape(), k.shape(), v.shape())
        else {
            return Err(Error("queries, keys and values are matrices or batches of them".into()));
        };
        if d != of_keys || s != of_values {
            return Err(Error("queries […, t, d] need keys […, s, d] and values […, s, e]".into()));
        }
        let all = broadcast(batch_q, batch_k)?;
        let of_scores: Shape = all.iter().chain([t, s]).copied().collect();
        for extra in scores.bias.into_iter().chain(scores.mask) {
            if !broadcast(extra.shape(), &of_scores).is_ok_and(|shape| shape == of_scores) {
                let why = "mask and bias must broadcast to the scores, and not beyond; those are";
                return Err(Error(format!("{why} {of_scores:?}")));
            }
        }
        let batch = broadcast(&all, batch_v)?;
        let wide = |x: &'a Array<T>| {
            let shape: Shape = batch.iter().chain([t, s]).copied().collect();
            Batch::over(x, &shape)
        };
        Ok(Heads {
            q: Batch::new(q, &batch)?,
            k: Batch::new(k, &batch)?,
            v: Batch::new(v, &batch)?,
            bias: scores.bias.map(wide).transpose()?,
            mask: scores.mask.map(wide).transpose()?,
            scale: scores.scale,
            causal: scores.causal,
            size: [*t, *s, *d, *e],
            batch,
        })
    }

    /// The shape of a batch of such matrices.
    fn shape(&self, rows: usize, columns: usize) -> Shape {
        self.batch.iter().copied().chain([rows, columns]).collect()
    }

    /// Runs the jobs, on several threads if there is enough to do: so many multiplications for each matrix.
    fn each<J: Send>(&self, jobs: Vec<J>, work: usize, f: impl Fn(J) + Sync + Send) {
        const ALONE: usize = 1 << 18;
        if count(&self.batch) * work > ALONE {
            threads::each(jobs, f);
        } else {
            jobs.into_iter().for_each(f);
        }
    }

    /// How many keys somebody sees among the queries before `end`.
    fn seen(&self, end: usize) -> usize {
        if self.causal { self.size[1].min(end) } else { self.size[1] }
    }

    /// The results for queries `first..` of one matrix.
    fn forward(&self, head: usize, first: usize, y: &mut [&mut [T]]) {
        let [_, s, d, e] = self.size;
        let (wide_k, wide_v) = (padded(d), padded(e));
        let sizes = [s * wide_k, s * wide_v, d * BLOCK, s * BLOCK, BLOCK * wide_v];
        let mut scratch = Buffer::scratch(sizes.iter().sum());
        let [k, v, q, weights, mean] = parts(&mut scratch, sizes);
        self.k.matrix(head).copy(0, s, d, T::ONE, wide_k, k);
        self.v.matrix(head).copy(0, s, e, T::ONE, wide_v, v);
        for (block, y) in y.chunks_mut(BLOCK).enumerate() {
            poll(s * BLOCK * (d + e));
            let first = first + block * BLOCK;
            self.q.matrix(head).copy_turned(first, y.len(), d, self.scale, q);
            let n = self.seen(first + y.len());
            let weights = &mut weights[..n * BLOCK];
            let totals = self.exponentials(head, first, y.len(), n, k, q, weights);
            // The sum of values first, so that only its elements are divided.
            product([weights, v], [1, BLOCK], [BLOCK, n, wide_v], mean, Onto::Nothing);
            for ((y, mean), total) in y.iter_mut().zip(mean.chunks_exact(wide_v)).zip(totals) {
                let share = inverse(total);
                y.iter_mut().zip(mean).for_each(|(y, &v)| *y = v * share);
            }
        }
    }

    /// What one matrix of the batch adds to the cotangents.
    fn back(&self, head: usize, g: Matrix<'_, T>, dq: Vec<&mut [T]>, dk: Vec<&mut [T]>, dv: Vec<&mut [T]>) {
        let [_, s, d, e] = self.size;
        let (wide_k, wide_v) = (padded(d), padded(e));
        let (of_keys, of_values, of_scores) = (s * wide_k, s * wide_v, s * BLOCK);
        let sizes = [of_keys, of_values, of_keys, of_values, of_scores, of_scores];
        let blocks = [d * BLOCK, BLOCK * wide_k, e * BLOCK, BLOCK * wide_v, BLOCK * wide_k];
        let mut scratch = Buffer::scratch(sizes.iter().chain(&blocks).sum());
        let (large, small) = scratch.split_at_mut(sizes.iter().sum());
        let [k, v, sum_k, sum_v, weights, slopes] = parts(large, sizes);
        let [q_turned, q_rows, g_turned, g_rows, sum_q] = parts(small, blocks);
        self.k.matrix(head).copy(0, s, d, T::ONE, wide_k, k);
        self.v.matrix(head).copy(0, s, e, T::ONE, wide_v, v);
        sum_k.fill(T::ZERO);
        sum_v.fill(T::ZERO);
        let mut dq = dq;
        for (block, dq) in dq.chunks_mut(BLOCK).enumerate() {
            poll(s * BLOCK * (3 * d + 2 * e));
            let (first, m) = (block * BLOCK, dq.len());
            let q = self.q.matrix(head);
            q.copy_turned(first, m, d, self.scale, q_turned);
            q.copy(first, m, d, self.scale, wide_k, q_rows);
            g.copy_turned(first, m, e, T::ONE, g_turned);
            g.copy(first, m, e, T::ONE, wide_v, g_rows);
            let n = self.seen(first + m);
            let (weights, slopes) = (&mut weights[..n * BLOCK], &mut slopes[..n * BLOCK]);
            let totals = self.exponentials(head, first, m, n, k, q_turned, weights);
            product([v, g_turned], [wide_v, 1], [n, e, BLOCK], slopes, Onto::Nothing);
            dispatch(Slopes { weights, slopes, totals });
            product([weights, g_rows], [BLOCK, 1], [n, m, wide_v], sum_v, Onto::Sum);
            product([slopes, q_rows], [BLOCK, 1], [n, m, wide_k], sum_k, Onto::Sum);
            product([slopes, k], [1, BLOCK], [BLOCK, n, wide_k], sum_q, Onto::Nothing);
            for (to, from) in dq.iter_mut().zip(sum_q.chunks_exact(wide_k)) {
                to.iter_mut().zip(from).for_each(|(to, &v)| *to = v * self.scale);
            }
        }
        for (rows, sums, width) in [(dk, sum_k, wide_k), (dv, sum_v, wide_v)] {
            for (to, from) in rows.into_iter().zip(sums.chunks_exact(width)) {
                to.copy_from_slice(&from[..to.len()]);
            }
        }
    }

    /// `e^(score − m)` for `m` queries from `first` on and the first `n` keys, and their sums over the keys. Rows that
    /// only fill up a block are 0.
    #[allow(clippy::too_many_arguments)]
    fn exponentials(
        &self,
        head: usize,
        first: usize,
        m: usize,
        n: usize,
        k: &[T],
        q: &[T],
        scores: &mut [T],
    ) -> [T; BLOCK] {
        let d = self.size[2];
        product([k, q], [padded(d), 1], [n, d, BLOCK], scores, Onto::Nothing);
        let (rows, _) = scores.as_chunks_mut::<BLOCK>();
        if let Some(bias) = &self.bias {
            let bias = bias.matrix(head);
            for (j, row) in rows.iter_mut().enumerate() {
                row[..m].iter_mut().enumerate().for_each(|(i, score)| *score += bias.at(first + i, j));
            }
        }
        if let Some(mask) = &self.mask {
            let mask = mask.matrix(head);
            for (j, row) in rows.iter_mut().enumerate() {
                for (i, score) in row[..m].iter_mut().enumerate() {
                    if mask.at(first + i, j) == T::ZERO {
                        *score = T::NEG_INFINITY;
                    }
                }
            }
        }
        if self.causal {
            for (past, row) in rows.iter_mut().skip(first + 1).enumerate() {
                row[..BLOCK.min(past + 1)].fill(T::NEG_INFINITY);
            }
        }
        dispatch(Exponentials(rows))
    }
}

/// `1 / total`, and 0 for none.
#[inline(always)]
fn inverse<T: Float>(total: T) -> T {
    if total == T::ZERO { T::ZERO } else { T::ONE / total }
}

/// Scores become `e^(score − m)`, `m` the largest over all rows of the same column; the result is their sum over the rows.
/// 1 at the maximum, an infinite one too; 0 where all are −∞.
struct Exponentials<'a, T>(&'a mut [[T; BLOCK]]);

impl<T: Float> Kernel for Exponentials<'_, T> {
    type Out = [T; BLOCK];
    #[inline(always)]
    #[allow(clippy::eq_op)] // a NaN is what differs from itself
    fn run(self) -> [T; BLOCK] {
        let mut largest = [T::NEG_INFINITY; BLOCK];
        for row in &*self.0 {
            for (m, &x) in largest.iter_mut().zip(row) {
                *m = if *m > x || *m != *m { *m } else { x };
            }
        }
        let mut totals = [T::ZERO; BLOCK];
        for row in self.0 {
            for i in 0..BLOCK {
                let e = if row[i] == largest[i] { T::ONE } else { (row[i] - largest[i]).exp() };
                let e = if largest[i] == T::NEG_INFINITY { T::ZERO } else { e };
                row[i] = e;
                totals[i] += e;
            }
        }
        totals
    }
}

/// Exponentials become weights, `w = e / total`, and cotangents `g` of weights those of scores, `w·(g − Σ w·g)`.
struct Slopes<'a, T> {
    weights: &'a mut [T],
    slopes: &'a mut [T],
    totals: [T; BLOCK],
}

impl<T: Float> Kernel for Slopes<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let (weights, _) = self.weights.as_chunks_mut::<BLOCK>();
        let (slopes, _) = self.slopes.as_chunks_mut::<BLOCK>();
        let shares = self.totals.map(inverse);
        let mut sums = [T::ZERO; BLOCK];
        for (weights, slopes) in weights.iter_mut().zip(&*slopes) {
            for i in 0..BLOCK {
                weights[i] = weights[i] * shares[i];
                sums[i] += chain(slopes[i], weights[i]);
            }
        }
        for (weights, slopes) in weights.iter().zip(slopes) {
            for i in 0..BLOCK {
                slopes[i] = chain(slopes[i] - sums[i], weights[i]);
            }
        }
    }
}

/// `out[i, j] = Σₖ a[i, k]·b[k, j]` for a size of `[rows, depth, width]`, or added to what is there. Elements of `a` lie
/// `steps` apart, the rows of `b` and `out` one after the other.
fn product<T: Float>(
    [a, b]: [&[T]; 2],
    steps: [usize; 2],
    [rows, depth, width]: [usize; 3],
    out: &mut [T],
    onto: Onto<T>,
) {
    let a = gemm::Matrix { from: a, row: steps[0], column: steps[1] };
    let b = gemm::Matrix { from: b, row: width, column: 1 };
    let out = Target::new(&mut out[..rows * width], width);
    Gemm { a, b, depth, out, onto }.run();
}

/// A length filled up to whole blocks, one at least.
fn padded(n: usize) -> usize {
    n.max(1).next_multiple_of(BLOCK)
}

/// Consecutive parts of these sizes.
fn parts<T, const N: usize>(whole: &mut [T], sizes: [usize; N]) -> [&mut [T]; N] {
    let mut rest = whole;
    sizes.map(|n| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(n);
        rest = behind;
        part
    })
}

/// Matrices in an array's storage.
struct Batch<'a, T> {
    from: &'a [T],
    starts: Vec<usize>,
    row: isize,
    column: isize,
}

impl<'a, T: Float> Batch<'a, T> {
    /// The matrices of `x` under a larger batch.
    fn new(x: &'a Array<T>, batch: &[usize]) -> Result<Batch<'a, T>> {
        let matrix = &x.shape()[x.ndim() - 2..];
        Batch::over(x, &batch.iter().chain(matrix).copied().collect::<Shape>())
    }
    /// `x` under a larger shape.
    fn over(x: &'a Array<T>, shape: &[usize]) -> Result<Batch<'a, T>> {
        let layout = x.broadcast_to(shape)?.layout();
        let [.., row, column] = layout.strides[..] else { unreachable!("two axes or more") };
        Ok(Batch { from: x.storage(), starts: starts(&layout), row, column })
    }
    fn matrix(&self, i: usize) -> Matrix<'a, T> {
        Matrix { from: self.from, start: self.starts[i], row: self.row, column: self.column }
    }
}

/// One of them.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    from: &'a [T],
    start: usize,
    row: isize,
    column: isize,
}

impl<T: Float> Matrix<'_, T> {
    fn at(self, i: usize, j: usize) -> T {
        self.from[self.start.wrapping_add_signed(i as isize * self.row + j as isize * self.column)]
    }
    /// `n` rows of `len` numbers, from row `first` on, times `scale`; the rest of `to`, whose rows have `width`, is 0.
    fn copy(self, first: usize, n: usize, len: usize, scale: T, width: usize, to: &mut [T]) {
        let mut rows = to.chunks_exact_mut(width);
        for (i, to) in (first..first + n).zip(&mut rows) {
            if self.column == 1 && len > 0 {
                let from = &self.from[self.start.wrapping_add_signed(i as isize * self.row)..][..len];
                to.iter_mut().zip(from).for_each(|(to, &v)| *to = v * scale);
            } else {
                to[..len].iter_mut().enumerate().for_each(|(j, to)| *to = self.at(i, j) * scale);
            }
            to[len..].fill(T::ZERO);
        }
        rows.for_each(|row| row.fill(T::ZERO));
    }
    /// The same with rows and columns exchanged, columns of [`BLOCK`].
    fn copy_turned(self, first: usize, n: usize, len: usize, scale: T, to: &mut [T]) {
        if let (Ok(row), 1) = (usize::try_from(self.row), self.column)
            && n * len > 0
        {
            let rows = gemm::Matrix { from: &self.from[self.start + first * row..], row, column: 1 };
            gemm::pack(rows, BLOCK, n, len, to);
            return to[..BLOCK * len].iter_mut().for_each(|to| *to = *to * scale);
        }
        for (j, to) in to.chunks_exact_mut(BLOCK).take(len).enumerate() {
            to[..n].iter_mut().enumerate().for_each(|(i, to)| *to = self.at(first + i, j) * scale);
            to[n..].fill(T::ZERO);
        }
    }
}

/// An array to be written row by row, whose axes lie in memory in the order of those of another; the last one is innermost.
struct Rows<T> {
    buffer: Buffer<T>,
    shape: Shape,
    order: Shape,
}

impl<T: Float> Rows<T> {
    /// Leading axes that `like` does not have come first.
    fn new(like: &Array<T>, shape: Shape) -> Rows<T> {
        let Layout { strides, .. } = like.layout();
        let (last, new) = (shape.len() - 1, shape.len() - strides.len());
        let mut order: Shape = (0..last).collect();
        order[new..].sort_by_key(|&k| std::cmp::Reverse(strides[k - new].unsigned_abs()));
        order.push(last);
        Rows { buffer: Buffer::scratch(count(&shape)), shape, order }
    }

    /// The rows of each matrix of the batch.
    fn by_matrix(&mut self) -> Vec<Vec<&mut [T]>> {
        let [batch @ .., n, width] = &self.shape[..] else { unreachable!("two axes or more") };
        let mut matrices = room(count(batch));
        matrices.extend((0..count(batch)).map(|_| room(*n)));
        if *width == 0 {
            matrices.iter_mut().for_each(|rows| rows.resize_with(*n, Default::default));
            return matrices;
        }
        let steps = Layout::row_major(batch).strides;
        let (mut index, mut matrix): (Shape, isize) = (self.shape.iter().map(|_| 0).collect(), 0);
        for row in self.buffer.chunks_exact_mut(*width) {
            matrices[matrix as usize].push(row);
            for &k in self.order[..=batch.len()].iter().rev() {
                let step = steps.get(k).copied().unwrap_or(0); // the rows of one matrix
                index[k] += 1;
                matrix += step;
                if index[k] < self.shape[k] {
                    break;
                }
                matrix -= step * index[k] as isize;
                index[k] = 0;
            }
        }
        matrices
    }

    fn array(self) -> Array<T> {
        let lying: Shape = self.order.iter().map(|&k| self.shape[k]).collect();
        let mut back = self.order.clone();
        self.order.iter().enumerate().for_each(|(place, &k)| back[k] = place);
        Array::from_buffer(self.buffer, &lying).permute(&back).expect("every axis once")
    }
}
