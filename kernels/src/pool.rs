//! Pooling: each window of the last two axes becomes one number.

use crate::reduce::{Fold, Max, Sum};
use crate::simd::{Kernel, dispatch};
use crate::{Array, Buffer, Float, chain, count, room, threads, window_count};
use std::array::from_fn;
use std::marker::PhantomData;

/// The windows of a pooling over two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// The size of a window.
    pub size: [usize; 2],
    /// How far apart two windows begin.
    pub stride: [usize; 2],
    /// How many elements are added at both ends.
    pub padding: [usize; 2],
    /// How far apart two elements of a window lie.
    pub dilation: [usize; 2],
}

/// The largest element of each window over the last two axes, amid a padding of −∞; NaN if one is.
///
/// # Panics
/// If there are fewer axes, or not a single window fits: callers have checked both.
pub fn max_pool<T: Float>(x: &Array<T>, how: &Pooling) -> Array<T> {
    T::max_pool_here(x, how)
}

pub(crate) fn max_pool_here<T: Float>(x: &Array<T>, how: &Pooling) -> Array<T> {
    pool::<T, Max>(x, how)
}

/// What a cotangent `g` of [`max_pool`]'s result `y` gives for `x`: equal maxima share it equally, the padding's among
/// them. An exact 0 gives 0, and what is no maximum gets 0 of an infinite one.
///
/// # Panics
/// If the shapes do not fit each other.
pub fn max_pool_back<T: Float>(x: &Array<T>, y: &Array<T>, g: &Array<T>, how: &Pooling) -> Array<T> {
    T::max_pool_back_here(x, y, g, how)
}

pub(crate) fn max_pool_back_here<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    g: &Array<T>,
    how: &Pooling,
) -> Array<T> {
    pool_back::<T, Max>(x, y, g, how)
}

/// The mean of each window over the last two axes, amid a padding of zeros.
///
/// # Panics
/// If there are fewer axes, or not a single window fits: callers have checked both.
pub fn mean_pool<T: Float>(x: &Array<T>, how: &Pooling) -> Array<T> {
    T::mean_pool_here(x, how)
}

pub(crate) fn mean_pool_here<T: Float>(x: &Array<T>, how: &Pooling) -> Array<T> {
    pool::<T, Sum>(x, how)
}

/// What a cotangent `g` of [`mean_pool`]'s result `y` gives for `x`.
///
/// # Panics
/// If the shapes do not fit each other.
pub fn mean_pool_back<T: Float>(x: &Array<T>, y: &Array<T>, g: &Array<T>, how: &Pooling) -> Array<T> {
    T::mean_pool_back_here(x, y, g, how)
}

pub(crate) fn mean_pool_back_here<T: Float>(
    x: &Array<T>,
    y: &Array<T>,
    g: &Array<T>,
    how: &Pooling,
) -> Array<T> {
    pool_back::<T, Sum>(x, y, g, how)
}

/// A fold whose start serves as padding.
trait Pool<T: Float>: Fold<T> {
    /// The result, from what `n` elements were folded to.
    fn finish(folded: T, n: T) -> T;
    /// Whether an element has a share in the result.
    fn shares(x: T, y: T) -> bool;
}
impl<T: Float> Pool<T> for Max {
    #[inline(always)]
    fn finish(folded: T, _: T) -> T {
        folded
    }
    #[inline(always)]
    fn shares(x: T, y: T) -> bool {
        x == y
    }
}
impl<T: Float> Pool<T> for Sum {
    #[inline(always)]
    fn finish(folded: T, n: T) -> T {
        folded / n
    }
    #[inline(always)]
    fn shares(_: T, _: T) -> bool {
        true
    }
}

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 15;

fn pool<T: Float, F: Pool<T>>(x: &Array<T>, how: &Pooling) -> Array<T> {
    let plan = Plan::new(x.shape(), how);
    let x = x.contiguous();
    let from = x.as_slice().expect("contiguous");
    let shape = [&x.shape()[..x.ndim() - 2], &plan.places].concat();
    let mut y = Buffer::scratch(count(&shape));
    let (planes, [size, places]) = (plan.at_once(), [plan.size, plan.places].map(|n| count(&n)));
    if size > 0 {
        let jobs = from.chunks(planes * size).zip(y.chunks_mut(planes * places)).collect();
        threads::each(jobs, |(x, y)| dispatch(Forward { plan: &plan, x, y, fold: PhantomData::<F> }));
    } else {
        y.fill(F::finish(F::START, T::ONE)); // windows of nothing but padding
    }
    Array::from_buffer(y, &shape)
}

fn pool_back<T: Float, F: Pool<T>>(x: &Array<T>, y: &Array<T>, g: &Array<T>, how: &Pooling) -> Array<T> {
    let plan = Plan::new(x.shape(), how);
    let dense = [x, y, g].map(Array::contiguous);
    let [from_x, from_y, from_g] = dense.each_ref().map(|a| a.as_slice().expect("contiguous"));
    let mut gx = Buffer::scratch(x.len());
    let (planes, [size, places]) = (plan.at_once(), [plan.size, plan.places].map(|n| count(&n)));
    if size > 0 {
        let results = from_y.chunks(planes * places).zip(from_g.chunks(planes * places));
        let jobs = from_x.chunks(planes * size).zip(results).zip(gx.chunks_mut(planes * size)).collect();
        threads::each(jobs, |((x, (y, g)), gx)| {
            dispatch(Back { plan: &plan, x, y, g, gx, fold: PhantomData::<F> })
        });
    }
    Array::from_buffer(gx, x.shape())
}

/// The sizes of a pooling.
struct Plan {
    how: Pooling,
    size: [usize; 2],
    /// With the padding.
    padded: [usize; 2],
    /// How many windows fit.
    places: [usize; 2],
}

impl Plan {
    fn new(x: &[usize], how: &Pooling) -> Plan {
        let size = *x.last_chunk().expect("two axes or more");
        let padded = [0, 1].map(|k: usize| size[k].saturating_add(how.padding[k].saturating_mul(2)));
        let places = [0, 1].map(|k| {
            let windows = window_count(padded[k], how.size[k], how.stride[k], how.dilation[k]);
            windows.unwrap_or_else(|why| panic!("pool: {why}"))
        });
        Plan { how: *how, size, padded, places }
    }

    /// How many planes make a piece of work.
    fn at_once(&self) -> usize {
        PIECE.div_ceil(count(&self.size).max(1))
    }

    /// Whether the windows are squares of four, side by side, which is the most common kind by far.
    fn by_fours(&self) -> bool {
        let fours = Pooling { size: [2; 2], stride: [2; 2], padding: [0; 2], dilation: [1; 2] };
        self.how == fours
    }

    /// Where in a padded plane the elements of each window lie, counted from its first.
    fn taps(&self) -> Vec<usize> {
        let Pooling { size, dilation, .. } = self.how;
        let row = |i: usize| (0..size[1]).map(move |j| i * dilation[0] * self.padded[1] + j * dilation[1]);
        let mut taps = room(count(&size));
        taps.extend((0..size[0]).flat_map(row));
        taps
    }

    /// Where in a padded plane each window begins.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let ([rows, columns], stride) = (self.places, self.how.stride);
        let row = move |i: usize| (0..columns).map(move |j| i * stride[0] * self.padded[1] + j * stride[1]);
        (0..rows).flat_map(row)
    }

    /// Where in a padded plane each row begins.
    fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.size[0]).map(|i| (i + self.how.padding[0]) * self.padded[1] + self.how.padding[1])
    }
}

/// The results of some planes.
struct Forward<'a, T, F> {
    plan: &'a Plan,
    x: &'a [T],
    y: &'a mut [T],
    fold: PhantomData<F>,
}

impl<T: Float, F: Pool<T>> Kernel for Forward<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Forward { plan, x, y, .. } = self;
        let ([height, width], [rows, columns]) = (plan.size, plan.places);
        let planes = x.chunks(height * width).zip(y.chunks_mut(rows * columns));
        if plan.by_fours() {
            for (x, y) in planes {
                for (x, y) in x.chunks(2 * width).zip(y.chunks_mut(columns)) {
                    let (above, below) = x.split_at(width);
                    match columns {
                        8.. => fours::<T, F, 8>(above, below, y),
                        4.. => fours::<T, F, 4>(above, below, y),
                        _ => fours::<T, F, 1>(above, below, y),
                    }
                }
            }
            return;
        }
        let (mut padded, taps) = (Buffer::full(count(&plan.padded), F::START), plan.taps());
        let n = T::of(taps.len() as f64);
        for (x, y) in planes {
            for (x, at) in x.chunks(width).zip(plan.rows()) {
                padded[at..at + width].copy_from_slice(x);
            }
            for (y, at) in y.iter_mut().zip(plan.starts()) {
                let folded = taps.iter().fold(F::START, |folded, tap| F::join(folded, padded[at + tap]));
                *y = F::finish(folded, n);
            }
        }
    }
}

/// The results of two rows whose windows are squares of four, `N` at once, at the end some for the second time.
#[inline(always)]
fn fours<T: Float, F: Pool<T>, const N: usize>(above: &[T], below: &[T], y: &mut [T]) {
    let last = y.len() - N;
    for at in (0..last).step_by(N).chain([last]) {
        let y: &mut [T; N] = y[at..].first_chunk_mut().expect("N or more");
        let (above, below) = (&above[2 * at..][..2 * N], &below[2 * at..][..2 * N]);
        for i in 0..N {
            let [a, b, c, d] = [above[2 * i], above[2 * i + 1], below[2 * i], below[2 * i + 1]];
            y[i] = F::finish(F::join(F::join(a, b), F::join(c, d)), T::of(4.0));
        }
    }
}

/// The gradients of some planes.
struct Back<'a, T, F> {
    plan: &'a Plan,
    x: &'a [T],
    y: &'a [T],
    g: &'a [T],
    gx: &'a mut [T],
    fold: PhantomData<F>,
}

impl<T: Float, F: Pool<T>> Kernel for Back<'_, T, F> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Back { plan, x, y, g, gx, .. } = self;
        let ([height, width], [rows, columns]) = (plan.size, plan.places);
        let results = y.chunks(rows * columns).zip(g.chunks(rows * columns));
        let planes = x.chunks(height * width).zip(gx.chunks_mut(height * width)).zip(results);
        if plan.by_fours() {
            // What each of four gets, by which of them share.
            let of_four: [[T; 4]; 16] = from_fn(|who: usize| {
                let all = T::of(who.count_ones() as f64);
                from_fn(|k| if who >> k & 1 == 1 { T::ONE / all } else { T::ZERO / all })
            });
            for ((x, gx), (y, g)) in planes {
                if height % 2 + width % 2 > 0 {
                    gx.fill(T::ZERO);
                }
                let results = y.chunks(columns).zip(g.chunks(columns));
                for ((x, gx), (y, g)) in x.chunks(2 * width).zip(gx.chunks_mut(2 * width)).zip(results) {
                    let (above, below) = x.split_at(width);
                    let x = above.as_chunks().0.iter().zip(below.as_chunks().0);
                    let (above, below) = gx.split_at_mut(width);
                    let gx = above.as_chunks_mut().0.iter_mut().zip(below.as_chunks_mut().0);
                    for (((&[a, b], &[c, d]), (above, below)), (&y, &g)) in x.zip(gx).zip(y.iter().zip(g)) {
                        let [a, b, c, d] = [a, b, c, d].map(|x| F::shares(x, y) as usize);
                        let who = a | b << 1 | c << 2 | d << 3;
                        // Nobody could predict who it is, so there is no branch for that.
                        let [a, b, c, d] = if who > 0 && g * T::ZERO == T::ZERO {
                            of_four[who].map(|share| g * share + T::ZERO) // 0, not −0
                        } else {
                            of_four[who].map(|share| chain(g, share))
                        };
                        (*above, *below) = ([a, b], [c, d]);
                    }
                }
            }
            return;
        }
        let mut padded = [F::START, T::ZERO].map(|outside| Buffer::full(count(&plan.padded), outside));
        let taps = plan.taps();
        let [from, to] = &mut padded;
        for ((x, gx), (y, g)) in planes {
            to.fill(T::ZERO);
            for (x, at) in x.chunks(width).zip(plan.rows()) {
                from[at..at + width].copy_from_slice(x);
            }
            for ((&y, &g), at) in y.iter().zip(g).zip(plan.starts()) {
                let each = T::ONE / taps.iter().map(|tap| share::<T, F>(from[at + tap], y)).sum::<T>();
                for tap in &taps {
                    to[at + tap] += chain(g, share::<T, F>(from[at + tap], y) * each);
                }
            }
            for (gx, at) in gx.chunks_mut(width).zip(plan.rows()) {
                gx.copy_from_slice(&to[at..at + width]);
            }
        }
    }
}

/// 1 for an element that has a share in the result, else 0.
#[inline(always)]
fn share<T: Float, F: Pool<T>>(x: T, y: T) -> T {
    if F::shares(x, y) { T::ONE } else { T::ZERO }
}
