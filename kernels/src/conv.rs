//! Convolution over two axes, without ever forming its matrix of windows.
//!
//! One image at a time is laid out with its padding, and with a stride of `s` as `s·s` planes of every `s`th row and
//! column. In this layout the windows of neighbouring results lie next to each other, so that row `k` of the matrix of
//! windows is the layout itself, `taps[k]` elements further on. The value, the gradient by the input and the gradient by
//! the weight are then three matrix products whose operands lie at given offsets, for which one loop ([`Product`]) is
//! enough, and which need memory for a single image.

use crate::copy::{WIDE, copy_rows, interleave};
use crate::poll::watched;
use crate::simd::{Kernel, dispatch_one};
use crate::vector::Vector;
use crate::{Array, Buffer, Float, count, poll, threads, window_count};
use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

/// How a convolution moves over its two axes, and into how many groups the channels are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// How far apart two windows begin.
    pub stride: [usize; 2],
    /// How many zeros are added at both ends.
    pub padding: [usize; 2],
    /// How far apart two elements of a window lie.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// `y[n, o, i] = b[o] + Σ x[n, c, i·stride + k·dilation − padding] · w[o, c, k]`, where `i` and `k` are pairs, summed over
/// the channels `c` of `o`'s group. Channels come before the axes: `x` is `[examples, channels, height, width]`, `w` is
/// `[outputs, channels / groups, height, width]`.
///
/// # Panics
/// If the shapes do not fit each other, or not a single window fits: callers have checked both.
pub fn convolve<T: Float>(
    x: &Array<T>,
    w: &Array<T>,
    bias: Option<&Array<T>>,
    how: &Convolution,
) -> Array<T> {
    T::convolve_here(x, w, bias, how)
}

pub(crate) fn convolve_here<T: Float>(
    x: &Array<T>,
    w: &Array<T>,
    bias: Option<&Array<T>>,
    how: &Convolution,
) -> Array<T> {
    let plan = Plan::new(x.shape(), w.shape(), how);
    let (x, w, bias) = (x.contiguous(), w.contiguous(), bias.map(Array::contiguous));
    let (x, w) = (x.as_slice().expect("contiguous"), w.as_slice().expect("contiguous"));
    let bias = bias.as_ref().map(|bias| bias.as_slice().expect("contiguous"));
    let shape = [plan.images, plan.groups * plan.outputs, plan.places[0], plan.places[1]];
    let mut y = Buffer::scratch(count(&shape));
    let each = y.len() / plan.images.max(1);
    if each > 0 {
        let piece = plan.piece().min(plan.at_once());
        let jobs = y.chunks_mut(piece * each).enumerate().map(|(i, y)| (i * piece, y)).collect();
        threads::each(jobs, |(first, y): (usize, &mut [T])| plan.forward(first, x, w, bias, y));
    }
    Array::from_buffer(y, &shape)
}

/// What a cotangent `g` of [`convolve`]'s result gives for `x`, if it is wanted, and for `w`, if it is.
///
/// The weight must be finite: where it is multiplied by the zeros around `g`, anything else would make NaN of them.
///
/// # Panics
/// If the shapes do not fit each other.
pub fn convolve_back<T: Float>(
    x: &Array<T>,
    w: &Array<T>,
    g: &Array<T>,
    how: &Convolution,
    wanted: [bool; 2],
) -> [Option<Array<T>>; 2] {
    T::convolve_back_here(x, w, g, how, wanted)
}

pub(crate) fn convolve_back_here<T: Float>(
    x: &Array<T>,
    w: &Array<T>,
    g: &Array<T>,
    how: &Convolution,
    wanted: [bool; 2],
) -> [Option<Array<T>>; 2] {
    let plan = Plan::new(x.shape(), w.shape(), how);
    let (dense_x, dense_w, dense_g) = (x.contiguous(), w.contiguous(), g.contiguous());
    let [from_x, from_w, from_g] = [&dense_x, &dense_w, &dense_g].map(|a| a.as_slice().expect("contiguous"));
    let (piece, each) = (plan.piece(), x.len() / plan.images.max(1));
    let pieces = plan.images.div_ceil(piece);
    let gx = wanted[0].then(|| {
        let mut gx = Buffer::scratch(x.len());
        if each > 0 {
            let turned = Turned::new(&plan, from_w);
            let piece = piece.min(plan.at_once());
            let jobs = gx.chunks_mut(piece * each).enumerate().map(|(i, gx)| (i * piece, gx)).collect();
            threads::each(jobs, |(first, gx): (usize, &mut [T])| turned.run(first, from_g, gx));
        }
        Array::from_buffer(gx, x.shape())
    });
    let gw = wanted[1].then(|| {
        // Each piece sums up what its images give; the sums are added in order.
        let len = plan.groups * plan.panels() * plan.taps().len() * plan.wide();
        let mut sums = Buffer::full(pieces * len, T::ZERO);
        if len > 0 {
            let at_once = piece.min(plan.at_once());
            for at in (0..piece).step_by(at_once) {
                let images = |i: usize| {
                    let end = plan.images.min((i + 1) * piece);
                    end.min(i * piece + at)..end.min(i * piece + at + at_once)
                };
                let jobs = sums.chunks_mut(len).enumerate().map(|(i, sum)| (images(i), sum)).collect();
                threads::each(jobs, |(images, sum): (Range<usize>, &mut [T])| {
                    plan.by_weight(images, from_x, from_g, sum)
                });
                poll(0);
            }
        }
        plan.gather(&sums, w.shape())
    });
    [gx, gw]
}

/// Rows of a [`Product`] that are computed together: a multiple of what any tile takes.
const ROWS: usize = 24;

/// Columns of a [`Product`] that are computed together, if a row of an image has no more: the results of [`ROWS`] rows stay in
/// the second-level cache until they are copied to where they belong.
const COLUMNS: usize = 1 << 11;

/// Steps of a [`Product`] that are taken together: what their operands take stays in the first-level cache.
const STEPS: usize = 320;

/// `out[r, j] += Σ a[rows[r] + i] · b[k + j]` over all `(i, k)` of `steps`: a product of matrices of which one has its
/// rows, the other its columns, wherever the offsets say.
struct Product<'a, T> {
    a: &'a [T],
    rows: &'a [usize],
    b: &'a [T],
    steps: &'a [(usize, usize)],
    /// As many rows, each of a multiple of [`WIDE`]: whole registers, whatever the instruction set.
    out: &'a mut [T],
}

impl<T: Float> Product<'_, T> {
    fn run(self) {
        dispatch_one!(
            Tiles::<T, T::Avx512, 8, 3>(self, PhantomData),
            Tiles::<T, T::Avx2, 6, 2>(self, PhantomData),
            Tiles::<T, T::Portable, 4, 2>(self, PhantomData),
        )
    }
}

/// A product in tiles of `M` rows and `N` registers, or fewer of them.
struct Tiles<'a, T, R, const M: usize, const N: usize>(Product<'a, T>, PhantomData<R>);

impl<T: Float, R: Vector<T>, const M: usize, const N: usize> Kernel for Tiles<'_, T, R, M, N> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Product { a, rows, b, steps, out } = self.0;
        let n = rows.len().max(1);
        let width = out.len() / n;
        let (i, k) = steps.iter().fold((0, 0), |(i, k), step| (i.max(step.0), k.max(step.1)));
        let row = rows.iter().fold(0, |last, &row| last.max(row));
        assert!(steps.is_empty() || row + i < a.len() && k + width <= b.len(), "what is read lies inside");
        assert!(width.is_multiple_of(R::LANES) && out.len() == rows.len() * width, "whole registers");
        // As few tiles as can be, and those alike: of one with few rows, each step would wait for the sums of the one before.
        let high = n.div_ceil(n.div_ceil(M)).next_multiple_of(2);
        for (rows, out) in rows.chunks(high).zip(out.chunks_mut(high * width)) {
            for steps in steps.chunks(STEPS) {
                for at in (0..width).step_by(N * R::LANES) {
                    let tile = Tile { a, rows, b: &b[at..], steps, out: &mut out[at..], width };
                    // SAFETY: the rows, columns and registers were checked above, the instruction set by who runs this.
                    unsafe {
                        match (width - at) / R::LANES {
                            1 => tile.run::<R, M, 1>(),
                            2 => tile.run::<R, M, 2>(),
                            _ => tile.run::<R, M, N>(),
                        }
                    }
                }
            }
        }
    }
}

/// Some rows and columns of a product, `width` apart in `out`.
struct Tile<'a, T> {
    a: &'a [T],
    rows: &'a [usize],
    b: &'a [T],
    steps: &'a [(usize, usize)],
    out: &'a mut [T],
    width: usize,
}

/// Up to as many rows as are named, with their sums by name, since only then do these stay in registers. Where there are
/// fewer, the first one is computed several times.
macro_rules! tile_of {
    ($tile:ident $R:ident $N:ident [$($from:ident $sums:ident $r:literal),*]) => {{
        let Tile { a, rows, b, steps, out, width } = $tile;
        let row = |r: usize| if r < rows.len() { r } else { 0 };
        $(let $from = a.as_ptr().wrapping_add(rows[row($r)]);)*
        $(let mut $sums: [$R; $N] = $R::loads(out[row($r) * width..].as_ptr());)*
        for &(i, k) in steps {
            let of_b: [$R; $N] = $R::loads(b.as_ptr().wrapping_add(k));
            $(
                let of_a = $R::splat(*$from.wrapping_add(i));
                for n in 0..$N {
                    $sums[n] = of_a.mul_add(of_b[n], $sums[n]);
                }
            )*
        }
        $(if $r < rows.len() {
            let to = out[$r * width..].as_mut_ptr();
            for n in 0..$N {
                $sums[n].store(to.wrapping_add(n * $R::LANES));
            }
        })*
    }};
}

impl<T: Float> Tile<'_, T> {
    /// # Safety
    /// In a loop compiled for the registers' instruction set; where every row of `a` has the elements of all steps, `b` those
    /// of `N` registers at all steps, and every row of `out` so many as well.
    #[inline(always)]
    unsafe fn run<R: Vector<T>, const M: usize, const N: usize>(self) {
        // SAFETY: as the caller says.
        unsafe {
            match M.min(self.rows.len()) {
                0..=2 => tile_of!(self R N [a0 s0 0, a1 s1 1]),
                3..=4 => tile_of!(self R N [a0 s0 0, a1 s1 1, a2 s2 2, a3 s3 3]),
                5..=6 => tile_of!(self R N [a0 s0 0, a1 s1 1, a2 s2 2, a3 s3 3, a4 s4 4, a5 s5 5]),
                _ => tile_of!(
                    self R N
                    [a0 s0 0, a1 s1 1, a2 s2 2, a3 s3 3, a4 s4 4, a5 s5 5, a6 s6 6, a7 s7 7]
                ),
            }
        }
    }
}

/// How far apart two planes of a layout begin: an odd number of cache lines, so that they do not fight for the same ones.
fn apart(plane: [usize; 2]) -> usize {
    (count(&plane).div_ceil(16) | 1).saturating_mul(16)
}

/// The sizes of a convolution.
struct Plan {
    images: usize,
    groups: usize,
    /// Of one group.
    channels: usize,
    /// Of one group.
    outputs: usize,
    size: [usize; 2],
    kernel: [usize; 2],
    how: Convolution,
    /// How many windows fit.
    places: [usize; 2],
    /// A plane of the layout, and how far apart two of them begin.
    plane: [usize; 2],
    apart: usize,
}

impl Plan {
    fn new(x: &[usize], w: &[usize], how: &Convolution) -> Plan {
        let (&[images, channels, height, width], &[outputs, each, k0, k1]) = (x, w) else {
            panic!("convolve: shapes {x:?} and {w:?} do not have four axes each");
        };
        let Convolution { stride, padding, dilation, groups } = *how;
        let fits = groups > 0 && channels == groups * each && outputs.is_multiple_of(groups);
        assert!(fits, "convolve: shapes {x:?} and {w:?} do not fit {groups} groups");
        let (size, kernel) = ([height, width], [k0, k1]);
        let places = [0, 1].map(|k| {
            let padded = size[k].saturating_add(padding[k].saturating_mul(2));
            let windows = window_count(padded, kernel[k], stride[k], dilation[k]);
            windows.unwrap_or_else(|why| panic!("convolve: {why}"))
        });
        let plane = [0, 1].map(|k| places[k] + (kernel[k] - 1) * dilation[k] / stride[k]);
        let (outputs, apart) = (outputs / groups, apart(plane));
        Plan { images, groups, channels: each, outputs, size, kernel, how: *how, places, plane, apart }
    }

    /// How many images make a piece of work that another thread may take: not too little work, and not so many pieces
    /// that the sums each of them keeps would count.
    fn piece(&self) -> usize {
        const WORK: usize = 1 << 18;
        const PIECES: usize = 16;
        const SUMS: usize = 1 << 20;
        let weights = self.groups * self.outputs * self.channels * count(&self.kernel);
        let work = (weights * count(&self.places)).max(1);
        let pieces = (SUMS / weights.max(1)).clamp(4, PIECES);
        self.images.div_ceil(pieces).max(WORK.div_ceil(work))
    }

    /// How many images may be worked on without a look whether somebody [stops](crate::on_poll) this: where nobody would,
    /// all. Each is computed by itself, or added to its piece's sum in order, so this makes no difference to results.
    fn at_once(&self) -> usize {
        const WORK: usize = 1 << 28;
        let weights = self.groups * self.outputs * self.channels * count(&self.kernel);
        let work = weights.saturating_mul(count(&self.places)).max(1);
        if watched() { (WORK / work).max(1) } else { usize::MAX }
    }

    /// How much the layout of a group takes: each channel has a plane for every step of the stride.
    fn group(&self) -> usize {
        let [a, b] = self.how.stride;
        count(&[self.channels, a, b, self.apart])
    }

    /// Which of the planes' rows (or columns) row `i` of an image is, padding included.
    fn place(&self, axis: usize, i: usize) -> (usize, usize) {
        (i % self.how.stride[axis], i / self.how.stride[axis])
    }

    /// Where in the layout of a group each element of its first window lies.
    fn taps(&self) -> Vec<usize> {
        let mut taps = Vec::with_capacity(self.channels * count(&self.kernel));
        for c in 0..self.channels {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    let (a, i) = self.place(0, i * self.how.dilation[0]);
                    let (b, j) = self.place(1, j * self.how.dilation[1]);
                    let plane = (c * self.how.stride[0] + a) * self.how.stride[1] + b;
                    taps.push(plane * self.apart + i * self.plane[1] + j);
                }
            }
        }
        taps
    }

    /// The layout of an image, for [`lay_out`](Self::lay_out): zeros, which those of the padding stay.
    fn layout<T: Float>(&self) -> Buffer<T> {
        Buffer::full(count(&[self.groups, self.group()]).saturating_add(WIDE), T::ZERO)
    }

    fn lay_out<T: Float>(&self, image: &[T], layout: &mut [T]) {
        let ([height, width], [rows, columns]) = (self.size, self.plane);
        let Convolution { stride, padding, .. } = self.how;
        if stride == [1, 1] {
            let n = width.min(columns.saturating_sub(padding[1]));
            let image = image.chunks((height * width).max(1));
            for (image, layout) in image.zip(layout.chunks_mut(self.apart.max(1))).filter(|_| n > 0) {
                let rows = height.min(rows.saturating_sub(padding[0])) * width;
                let from = (padding[0] * columns + padding[1]).min(layout.len());
                copy_rows(&image[..rows], &mut layout[from..], [width, columns], n);
            }
            return;
        }
        for (r, row) in image.chunks(width.max(1)).enumerate() {
            let (c, i) = (r / height, r % height);
            let (a, i) = self.place(0, i + padding[0]);
            if i >= rows {
                continue;
            }
            let plane = (c * stride[0] + a) * stride[1];
            for (j, &v) in row.iter().enumerate() {
                let (b, j) = self.place(1, j + padding[1]);
                if j < columns {
                    layout[(plane + b) * self.apart + i * columns + j] = v;
                }
            }
        }
    }

    /// The results of the images from the first one on that `y` has room for.
    fn forward<T: Float>(&self, first: usize, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let (taps, [height, width]) = (self.taps(), self.places);
        let steps: Vec<(usize, usize)> = taps.iter().copied().enumerate().collect();
        let image = self.groups * self.channels * count(&self.size);
        let strips = Strips { height, width, apart: self.plane[1] };
        let (mut layout, mut block) = (self.layout(), Buffer::scratch(ROWS * strips.longest()));
        let each = self.groups * self.outputs * height * width;
        for (n, y) in y.chunks_mut(each).enumerate() {
            self.lay_out(&x[(first + n) * image..][..image], &mut layout);
            for (g, y) in y.chunks_mut(self.outputs * height * width).enumerate() {
                for (at, y) in (0..self.outputs).step_by(ROWS).zip(y.chunks_mut(ROWS * height * width)) {
                    let outputs = g * self.outputs + at..g * self.outputs + self.outputs.min(at + ROWS);
                    let rows: Vec<usize> = outputs.clone().map(|o| o * taps.len()).collect();
                    for (from, high, long) in strips.each() {
                        poll(taps.len() * rows.len() * long);
                        let out = &mut block[..rows.len() * long];
                        for (o, out) in outputs.clone().zip(out.chunks_mut(long)) {
                            out.fill(bias.map_or(T::ZERO, |bias| bias[o]));
                        }
                        let b = &layout[g * self.group() + from * self.plane[1]..];
                        Product { a: w, rows: &rows, b, steps: &steps, out }.run();
                        for (y, out) in y.chunks_mut(height * width).zip(block.chunks(long)) {
                            let y = &mut y[from * width..][..high * width];
                            copy_rows(out, y, [self.plane[1], width], width);
                        }
                    }
                }
            }
        }
    }
}

/// The rows of an image some at a time: `apart` elements from each other in a layout, in which `width` belong to it.
struct Strips {
    height: usize,
    width: usize,
    apart: usize,
}

impl Strips {
    /// The most rows of a strip.
    fn most(&self) -> usize {
        (COLUMNS / self.apart).clamp(1, self.height)
    }

    /// How many elements so many rows take in the layout, in whole registers.
    fn long(&self, rows: usize) -> usize {
        ((rows - 1) * self.apart + self.width).next_multiple_of(WIDE)
    }

    /// What the longest strip takes.
    fn longest(&self) -> usize {
        self.long(self.most())
    }

    /// The first row of each, how many there are, and what they take.
    fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.height).step_by(self.most()).map(|from| {
            let rows = self.most().min(self.height - from);
            (from, rows, self.long(rows))
        })
    }
}

/// The gradient by the weight: steps of the product are places, its rows the taps, its columns some outputs at a time.
impl Plan {
    /// In how many parts the outputs of a group are taken: of as many as the widest tile has columns, at most.
    fn panels(&self) -> usize {
        self.outputs.div_ceil(3 * WIDE)
    }

    /// How many outputs such a part has room for.
    fn wide(&self) -> usize {
        self.outputs.div_ceil(self.panels().max(1)).next_multiple_of(WIDE)
    }

    /// Adds the gradient that some images give to `sum`: for each group and panel a matrix of taps and outputs.
    fn by_weight<T: Float>(&self, images: Range<usize>, x: &[T], g: &[T], sum: &mut [T]) {
        let (taps, [height, width]) = (self.taps(), self.places);
        let image = self.groups * self.channels * count(&self.size);
        let at_once = (STEPS / width).clamp(1, height);
        let (places, wide) = (0..at_once * width, self.wide());
        let steps: Vec<(usize, usize)> =
            places.map(|p| (p / width * self.plane[1] + p % width, p * wide)).collect();
        let [mut spare, mut turned] = [WIDE, wide].map(|wide| Buffer::full(steps.len() * wide, T::ZERO));
        let mut layout = self.layout();
        for n in images {
            self.lay_out(&x[n * image..][..image], &mut layout);
            for i in (0..height).step_by(at_once) {
                poll(taps.len() * at_once * width * self.panels() * wide);
                let steps = &steps[..at_once.min(height - i) * width];
                for (part, sum) in sum.chunks_mut(taps.len() * wide).enumerate() {
                    let (k, panel) = (part / self.panels(), part % self.panels());
                    for at in (0..wide).step_by(WIDE) {
                        // Where there are fewer outputs, the first one stands for others that nobody looks at.
                        let row = |column: usize| {
                            let o = panel * wide + at + column;
                            let o = if o < self.outputs { o } else { panel * wide };
                            let plane = (n * self.groups + k) * self.outputs + o;
                            &g[(plane * height + i) * width..][..steps.len()]
                        };
                        interleave(from_fn(row), &mut spare, &mut turned[at..], wide);
                    }
                    let a = &layout[k * self.group() + i * self.plane[1]..];
                    Product { a, rows: &taps, b: &turned, steps, out: sum }.run();
                }
            }
        }
    }

    /// What the pieces give together, in the weight's own order.
    fn gather<T: Float>(&self, sums: &[T], shape: &[usize]) -> Array<T> {
        let (taps, wide) = (count(&shape[1..]), self.wide());
        let mut gw = Buffer::full(count(shape), T::ZERO);
        for sum in sums.chunks((self.groups * self.panels() * taps * wide).max(1)) {
            for (o, gw) in gw.chunks_mut(taps).enumerate() {
                let (k, o) = (o / self.outputs, o % self.outputs);
                let from = &sum[(k * self.panels() + o / wide) * taps * wide + o % wide..];
                gw.iter_mut().zip(from.iter().step_by(wide)).for_each(|(gw, &v)| *gw += v);
            }
        }
        Array::from_buffer(gw, shape)
    }
}

/// The gradient by the input: for each plane of the layout a convolution of `g`, amid zeros, with the taps that lie there.
struct Turned<'a, T> {
    plan: &'a Plan,
    /// The first row (and column) of the layout that holds some of the image, and how many do.
    low: [usize; 2],
    span: [usize; 2],
    /// The zeros before and after `g`, and the whole with them.
    margin: [usize; 2],
    grid: [usize; 2],
    parts: Vec<Part<T>>,
}

/// What a plane of the layout gets.
struct Part<T> {
    plane: [usize; 2],
    /// The weights that lie there: `[groups, channels of one, steps]`.
    weight: Buffer<T>,
    steps: Vec<(usize, usize)>,
}

impl<'a, T: Float> Turned<'a, T> {
    fn new(plan: &'a Plan, w: &[T]) -> Turned<'a, T> {
        let Convolution { stride, padding, dilation, .. } = plan.how;
        let low = [0, 1].map(|k| plan.place(k, padding[k]).1);
        let span = [0, 1].map(|k| plan.place(k, padding[k] + plan.size[k] - 1).1 - low[k] + 1);
        let margin = [0, 1].map(|k| plan.place(k, (plan.kernel[k] - 1) * dilation[k]).1);
        let grid = [0, 1].map(|k| span[k] + margin[k]);
        let part = |plane: [usize; 2]| {
            // The elements of a kernel that lie in this plane, and how far they look.
            let along = |k: usize| {
                let places = (0..plan.kernel[k]).map(move |i| (i, plan.place(k, i * dilation[k])));
                places
                    .filter(move |(_, (at, _))| *at == plane[k])
                    .map(move |(i, (_, by))| (i, margin[k] - by))
            };
            let taps: Vec<(usize, usize)> = along(0)
                .flat_map(|(i, by)| {
                    along(1).map(move |(j, more)| (i * plan.kernel[1] + j, by * grid[1] + more))
                })
                .collect();
            let outputs = 0..plan.outputs;
            let all: Vec<_> = outputs.flat_map(|o| taps.iter().map(move |&(tap, by)| (o, tap, by))).collect();
            let steps = all.iter().enumerate().map(|(i, &(o, _, by))| (i, o * apart(grid) + by)).collect();
            let size = count(&plan.kernel);
            let mut weight = Buffer::scratch(plan.groups * plan.channels * all.len());
            for (r, row) in weight.chunks_mut(all.len().max(1)).enumerate() {
                let (g, c) = (r / plan.channels, r % plan.channels);
                for (v, &(o, tap, _)) in row.iter_mut().zip(&all) {
                    *v = w[((g * plan.outputs + o) * plan.channels + c) * size + tap];
                }
            }
            Part { plane, weight, steps }
        };
        let planes = (0..stride[0]).flat_map(|a| (0..stride[1]).map(move |b| [a, b]));
        Turned { plan, low, span, margin, grid, parts: planes.map(part).collect() }
    }

    /// The gradients of the images from the first one on that `gx` has room for.
    fn run(&self, first: usize, g: &[T], gx: &mut [T]) {
        let Plan { groups, channels, outputs, size: [height, width], places, .. } = *self.plan;
        let strips = Strips { height: self.span[0], width: self.span[1], apart: self.grid[1] };
        let (image, group) = (groups * outputs * count(&places), outputs * apart(self.grid));
        let mut amid = Buffer::full(groups * group + WIDE, T::ZERO);
        let mut block = Buffer::scratch(ROWS * strips.longest());
        for (n, gx) in gx.chunks_mut(groups * channels * height * width).enumerate() {
            self.lay_out(&g[(first + n) * image..][..image], &mut amid);
            for (k, gx) in gx.chunks_mut(channels * height * width).enumerate() {
                for part in &self.parts {
                    let steps = part.steps.len();
                    for (at, gx) in (0..channels).step_by(ROWS).zip(gx.chunks_mut(ROWS * height * width)) {
                        let rows = k * channels + at..k * channels + channels.min(at + ROWS);
                        let rows: Vec<usize> = rows.map(|row| row * steps).collect();
                        for (from, high, long) in strips.each() {
                            poll(steps * rows.len() * long);
                            let out = &mut block[..rows.len() * long];
                            out.fill(T::ZERO);
                            let (a, b) = (&part.weight, &amid[k * group + from * self.grid[1]..]);
                            Product { a, rows: &rows, b, steps: &part.steps, out }.run();
                            for (gx, out) in gx.chunks_mut(height * width).zip(block.chunks(long)) {
                                self.take(part.plane, from..from + high, out, gx);
                            }
                        }
                    }
                }
            }
        }
    }

    /// `g` amid its zeros.
    fn lay_out(&self, g: &[T], amid: &mut [T]) {
        let (places, [rows, columns]) = (self.plan.places, self.grid);
        // Row (and column) `i` of `g` goes to `i + margin − low`, if that is one.
        let to = |k: usize, i: usize| (i + self.margin[k]).checked_sub(self.low[k]);
        let from = self.low[1].saturating_sub(self.margin[1]);
        let Some(column) = to(1, from) else { return };
        let n = columns.saturating_sub(column).min(places[1].saturating_sub(from));
        let first = self.low[0].saturating_sub(self.margin[0]);
        let Some(row) = to(0, first) else { return };
        let count = rows.saturating_sub(row).min(places[0].saturating_sub(first));
        if n * count == 0 {
            return;
        }
        for (g, amid) in g.chunks(places[0] * places[1]).zip(amid.chunks_mut(apart(self.grid))) {
            let g = &g[first * places[1] + from..][..(count - 1) * places[1] + n];
            copy_rows(g, &mut amid[row * columns + column..], [places[1], columns], n);
        }
    }

    /// Takes the elements of an image that lie in some rows of a plane from there.
    fn take(&self, plane: [usize; 2], rows: Range<usize>, from: &[T], gx: &mut [T]) {
        let Convolution { stride, padding, .. } = self.plan.how;
        let [height, width] = self.plan.size;
        if stride == [1, 1] {
            let gx = &mut gx[rows.start * width..rows.end * width];
            return copy_rows(from, gx, [self.grid[1], width], width);
        }
        let to = |k: usize, i: usize| ((self.low[k] + i) * stride[k] + plane[k]).checked_sub(padding[k]);
        for (i, row) in rows.zip(from.chunks(self.grid[1])) {
            let Some(i) = to(0, i).filter(|&i| i < height) else { continue };
            let gx = &mut gx[i * width..][..width];
            for (j, &v) in row[..self.span[1]].iter().enumerate() {
                if let Some(j) = to(1, j).filter(|&j| j < width) {
                    gx[j] = v;
                }
            }
        }
    }
}
