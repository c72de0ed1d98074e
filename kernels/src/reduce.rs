//! Reductions: many numbers to one, along any axes.
//!
//! Sums are pairwise: blocks of [`LANES`] partial results are combined in a balanced tree, so the rounding error
//! grows with the logarithm of the length (Higham, *The accuracy of floating point summation*, 1993), and 10⁷ ones
//! in `f32` sum to 10⁷. The tree depends on the shape alone: the same bits on any number of threads.

use crate::array::{Walker, count};
use crate::simd::{Aligned, Kernel, dispatch};
use crate::{Array, Buffer, Error, Float, Result, Shape, threads};
use std::marker::PhantomData;

/// Partial results kept side by side: what the vector registers hold.
const LANES: usize = if cfg!(miri) { 8 } else { 64 };

/// Blocks combined one after the other before the tree begins.
const RUN: usize = 8;

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 16;

/// How two numbers become one.
pub trait Fold<T>: Copy + Send + Sync {
    /// What changes nothing: the result for no numbers.
    const START: T;
    /// The two combined.
    fn join(a: T, b: T) -> T;
}

/// `Σ`, from 0.
#[derive(Clone, Copy)]
pub struct Sum;
impl<T: Float> Fold<T> for Sum {
    const START: T = T::ZERO;
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a + b
    }
}

/// The larger, from −∞; NaN if either is.
#[derive(Clone, Copy)]
pub struct Max;
impl<T: Float> Fold<T> for Max {
    const START: T = T::NEG_INFINITY;
    #[inline(always)]
    #[allow(clippy::eq_op)] // a NaN is what differs from itself
    fn join(a: T, b: T) -> T {
        if a > b || a != a { a } else { b }
    }
}

/// The sum over `axes`, which keep length 1 in the result.
///
/// # Errors
/// If an axis does not exist.
pub fn sum<T: Float>(x: &Array<T>, axes: &[usize]) -> Result<Array<T>> {
    T::sum_here(x, axes)
}

pub(crate) fn sum_here<T: Float>(x: &Array<T>, axes: &[usize]) -> Result<Array<T>> {
    reduce::<T, Sum>(x, axes)
}

/// The largest element over `axes`, which keep length 1 in the result; −∞ of none; NaN if one is.
///
/// # Errors
/// If an axis does not exist.
pub fn max<T: Float>(x: &Array<T>, axes: &[usize]) -> Result<Array<T>> {
    T::max_here(x, axes)
}

pub(crate) fn max_here<T: Float>(x: &Array<T>, axes: &[usize]) -> Result<Array<T>> {
    reduce::<T, Max>(x, axes)
}

/// Whether no element is NaN or infinite. In one pass over memory, faster than a sum: finite numbers times 0 add up to 0
/// in any order.
pub fn all_finite<T: Float>(x: &Array<T>) -> bool {
    T::all_finite_here(x)
}

pub(crate) fn all_finite_here<T: Float>(x: &Array<T>) -> bool {
    match x.as_scalar() {
        Some(v) => v * T::ZERO == T::ZERO,
        None => dispatch(AllFinite(x.contiguous().as_slice().expect("made contiguous"))),
    }
}

struct AllFinite<'a, T>(&'a [T]);

impl<T: Float> Kernel for AllFinite<'_, T> {
    type Out = bool;
    #[inline(always)]
    fn run(self) -> bool {
        let (blocks, rest) = self.0.as_chunks::<LANES>();
        let mut zeros = [T::ZERO; LANES];
        for block in blocks {
            for (zero, &v) in zeros.iter_mut().zip(block) {
                *zero += v * T::ZERO;
            }
        }
        for (zero, &v) in zeros.iter_mut().zip(rest) {
            *zero += v * T::ZERO;
        }
        across::<T, Sum, LANES>(zeros) == T::ZERO
    }
}

/// `x` summed down to `shape`, from which it could have been broadcast.
///
/// # Panics
/// If it could not.
pub fn sum_to<T: Float>(x: &Array<T>, shape: &[usize]) -> Array<T> {
    T::sum_to_here(x, shape)
}

pub(crate) fn sum_to_here<T: Float>(x: &Array<T>, shape: &[usize]) -> Array<T> {
    if x.shape() == shape {
        return x.clone();
    }
    let new = x.ndim() - shape.len();
    let axes: Shape =
        (0..x.ndim()).filter(|&k| k < new || shape[k - new] == 1 && x.shape()[k] != 1).collect();
    let kept = reduce::<T, Sum>(x, &axes).expect("axes of x");
    kept.reshape(shape).expect("a shape that x could have been broadcast from")
}

fn reduce<T: Float, F: Fold<T>>(x: &Array<T>, axes: &[usize]) -> Result<Array<T>> {
    if let Some(axis) = axes.iter().find(|&&axis| axis >= x.ndim()) {
        return Err(Error(format!("there is no axis {axis} in the shape {:?}", x.shape())));
    }
    let mut shape = Shape::from(x.shape());
    axes.iter().for_each(|&axis| shape[axis] = 1);
    let kept: Shape = (0..x.ndim()).filter(|k| !axes.contains(k)).collect();
    let outputs = count(&shape);
    let mut out = Buffer::full(outputs, F::START);
    if x.is_empty() || outputs == 0 {
        return Ok(Array::from_buffer(out, &shape));
    }
    let each = x.len() / outputs;
    let innermost = (0..x.ndim()).rev().find(|&k| x.shape()[k] > 1).unwrap_or(0);
    if axes.contains(&innermost) || kept.is_empty() {
        // Along rows: the kept axes to the front; then each output folds `each` elements in a row.
        let order: Shape = kept.iter().chain(axes).copied().collect();
        let rows = x.permute(&order).expect("every axis once");
        if outputs == 1 && each > PIECE {
            let parts = each.div_ceil(PIECE);
            let mut partial = Buffer::full(parts, F::START);
            let jobs = partial.iter_mut().enumerate().map(|(i, out)| (i * PIECE, out)).collect();
            threads::each(jobs, |(start, out): (usize, &mut T)| {
                let len = PIECE.min(each - start);
                dispatch(Rows {
                    x: &rows,
                    start,
                    each: len,
                    out: std::slice::from_mut(out),
                    fold: PhantomData::<F>,
                })
            });
            dispatch(Rows {
                x: &Array::from_buffer(partial, &[parts]),
                start: 0,
                each: parts,
                out: &mut out,
                fold: PhantomData::<F>,
            });
        } else {
            let at_once = (PIECE / each).max(1);
            let jobs =
                out.chunks_mut(at_once).enumerate().map(|(i, out)| (i * at_once * each, out)).collect();
            threads::each(jobs, |(start, out): (usize, &mut [T])| {
                dispatch(Rows { x: &rows, start, each, out, fold: PhantomData::<F> })
            });
        }
    } else {
        // Across rows: the reduced axes to the front, all others one long row behind; columns in strips.
        let order: Shape = axes.iter().chain(&kept).copied().collect();
        let columns = x.permute(&order).expect("every axis once");
        let jobs = out.chunks_mut(LANES).enumerate().map(|(i, out)| (i * LANES, out)).collect::<Vec<_>>();
        let columns = columns.contiguous().reshape(&[each, outputs]).expect("as many elements");
        let strip = |(start, out): (usize, &mut [T])| {
            dispatch(Columns { x: &columns, start, out, fold: PhantomData::<F> });
        };
        if x.len() > PIECE { threads::each(jobs, strip) } else { jobs.into_iter().for_each(strip) }
    }
    Ok(Array::from_buffer(out, &shape))
}

/// The sum of a block: few enough numbers for no tree but that across the lanes.
pub(crate) fn total<T: Float>(x: &[T]) -> T {
    T::total_here(x)
}

pub(crate) fn total_here<T: Float>(x: &[T]) -> T {
    dispatch(Total(x))
}

struct Total<'a, T>(&'a [T]);

impl<T: Float> Kernel for Total<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run(self) -> T {
        let (blocks, rest) = self.0.as_chunks::<LANES>();
        let mut lanes = [T::ZERO; LANES];
        for block in blocks {
            for (lane, &v) in lanes.iter_mut().zip(block) {
                *lane += v;
            }
        }
        for (lane, &v) in lanes.iter_mut().zip(rest) {
            *lane += v;
        }
        across::<T, Sum, _>(lanes)
    }
}

/// Blocks of [`LANES`] partial results, combined like the digits of a binary counter: two of equal weight make one
/// of twice the weight. This is the balanced tree, with no more memory than its height.
struct Tree<T, F> {
    waiting: Vec<(u32, [T; LANES])>,
    run: Aligned<[T; LANES]>,
    length: usize,
    fold: PhantomData<F>,
}

impl<T: Float, F: Fold<T>> Tree<T, F> {
    #[inline(always)]
    fn new() -> Self {
        Tree { waiting: Vec::new(), run: Aligned([F::START; LANES]), length: 0, fold: PhantomData }
    }
    #[inline(always)]
    fn push(&mut self, block: &[T; LANES]) {
        for (a, &b) in self.run.0.iter_mut().zip(block) {
            *a = F::join(*a, b);
        }
        self.length += 1;
        if self.length == RUN {
            let (mut weight, mut sum) = (0, std::mem::replace(&mut self.run.0, [F::START; LANES]));
            while let Some((w, left)) = self.waiting.pop_if(|(w, _)| *w == weight) {
                for (a, b) in sum.iter_mut().zip(left) {
                    *a = F::join(b, *a);
                }
                weight = w + 1;
            }
            self.waiting.push((weight, sum));
            self.length = 0;
        }
    }
    #[inline(always)]
    fn total(mut self) -> [T; LANES] {
        while let Some((_, left)) = self.waiting.pop() {
            for (a, b) in self.run.0.iter_mut().zip(left) {
                *a = F::join(b, *a);
            }
        }
        self.run.0
    }
}

/// The lanes, a power of two of them, combined in a balanced tree.
#[inline(always)]
pub(crate) fn across<T: Float, F: Fold<T>, const N: usize>(mut lanes: [T; N]) -> T {
    let mut half = N / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = F::join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Each output folds `each` neighbouring elements of `x` in row-major order, from element `start` on.
struct Rows<'a, T, F> {
    x: &'a Array<T>,
    start: usize,
    each: usize,
    out: &'a mut [T],
    fold: PhantomData<F>,
}

impl<T: Float, F: Fold<T>> Kernel for Rows<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let mut walker = Walker::new(self.x, self.start);
        let slice = self.x.as_slice().map(|slice| &slice[self.start..]);
        for (row, out) in self.out.iter_mut().enumerate() {
            let mut tree = Tree::<T, F>::new();
            let mut block = [F::START; LANES];
            for at in (0..self.each).step_by(LANES) {
                let n = LANES.min(self.each - at);
                let part = match slice {
                    Some(slice) => Some(&slice[row * self.each + at..][..n]),
                    None => walker.lying(n),
                };
                // A whole block needs no copy.
                if let Some(part) = part.and_then(|part| part.first_chunk()).filter(|_| self.each > LANES) {
                    tree.push(part);
                    continue;
                }
                if n < LANES {
                    block = [F::START; LANES];
                }
                match part {
                    Some(part) => block[..n].copy_from_slice(part),
                    None => walker.fill(&mut block[..n]),
                }
                if self.each > LANES {
                    tree.push(&block);
                }
            }
            *out = across::<T, F, LANES>(if self.each > LANES { tree.total() } else { block });
        }
    }
}

/// Columns `start .. start + out.len()` of a matrix, each folded from top to bottom.
struct Columns<'a, T, F> {
    x: &'a Array<T>,
    start: usize,
    out: &'a mut [T],
    fold: PhantomData<F>,
}

impl<T: Float, F: Fold<T>> Kernel for Columns<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let (rows, width, n) = (self.x.shape()[0], self.x.shape()[1], self.out.len());
        let x = self.x.as_slice().expect("made contiguous by `reduce`");
        let mut tree = Tree::<T, F>::new();
        let mut block = [F::START; LANES];
        for row in 0..rows {
            let part = &x[row * width + self.start..][..n];
            // A whole block needs no copy.
            match part.first_chunk() {
                Some(part) => tree.push(part),
                None => {
                    block[..n].copy_from_slice(part);
                    tree.push(&block);
                }
            }
        }
        self.out.copy_from_slice(&tree.total()[..n]);
    }
}
