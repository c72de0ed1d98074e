//! Kernels that look at a whole row at once: softmax and its relatives, the cross entropy, normalisation.
//!
//! A row is what lies along the last axes. Each kernel goes over it several times, for a sum or a maximum and then for
//! the results, but while it is in the nearest cache: one pass over memory. All products of derivatives are those of the
//! chain rule with a strong zero: see [`chain()`].
//!
//! Sums along a row are formed in [`LANES`] lanes and anew for each [`RUN`] elements, so that rounding errors grow with
//! `n / RUN`. Work is cut by size alone: the same bits on any number of threads.

use crate::array::count;
use crate::reduce::{Fold, Max, Sum, across};
use crate::simd::{Aligned, Kernel, dispatch};
use crate::{Array, Buffer, Float, Shape, Sink, chain, sum, threads};
use std::array::from_fn;
use std::ops::Range;

/// Numbers worked on side by side.
const LANES: usize = if cfg!(miri) { 4 } else { 64 };

/// Elements of a row that are folded in lanes before the lanes become one number.
const RUN: usize = 16 * LANES;

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 15;

/// Rows whose parts of a parameter's gradient are added up one after the other; those sums are added pairwise.
const GROUP: usize = 32;

/// Neighbouring elements of an array.
#[derive(Clone, Copy)]
struct Row<'a, T> {
    all: &'a [T],
    start: usize,
    end: usize,
}

impl<'a, T> Row<'a, T> {
    /// All elements.
    #[inline(always)]
    fn whole(all: &'a [T]) -> Row<'a, T> {
        Row { all, start: 0, end: all.len() }
    }
    #[inline(always)]
    fn len(&self) -> usize {
        self.end - self.start
    }
    #[inline(always)]
    fn as_slice(&self) -> &'a [T] {
        &self.all[self.start..self.end]
    }
    /// Some of the elements.
    #[inline(always)]
    fn part(self, range: Range<usize>) -> Row<'a, T> {
        Row { start: self.start + range.start, end: self.start + range.end, ..self }
    }
}

/// Rows of one length in blocks: `f(at, from, block)` is given elements `at ..` in the lanes `from ..` of `block`. Where the
/// length is no multiple of a block's, the last block goes back over what lies before; that it is another row's is no matter, and
/// to copy the elements of short rows would take longer than the rest. Where nothing lies there, the block is filled up in front.
#[inline(always)]
fn blocks<T: Float, const K: usize>(x: [Row<'_, T>; K], mut f: impl FnMut(usize, usize, [&[T; LANES]; K])) {
    let n = x.iter().map(Row::len).min().unwrap_or(0);
    let whole = n - n % LANES;
    let slices = x.map(|x| x.as_slice());
    for at in (0..whole).step_by(LANES) {
        let block = from_fn(
            #[inline(always)]
            |k| slices[k][at..].first_chunk().expect("a whole block"),
        );
        f(at, 0, block);
    }
    if whole < n {
        let mut filled = [[T::ZERO; LANES]; K];
        let before = x.map(|x| x.all[..x.start + n].last_chunk());
        for ((filled, slice), before) in filled.iter_mut().zip(slices).zip(before) {
            if before.is_none() {
                filled[LANES - n..].copy_from_slice(&slice[..n]);
            }
        }
        let block = from_fn(
            #[inline(always)]
            |k| before[k].unwrap_or(&filled[k]),
        );
        f(whole, LANES - (n - whole), block);
    }
}

/// `f` in each lane of the blocks.
#[inline(always)]
fn each_lane<T: Float, const K: usize>(x: [&[T; LANES]; K], f: &impl Fn([T; K]) -> T) -> [T; LANES] {
    let mut y = [T::ZERO; LANES];
    for (i, y) in y.iter_mut().enumerate() {
        *y = f(from_fn(
            #[inline(always)]
            |k| x[k][i],
        ));
    }
    y
}

/// `f` of each element of the rows, folded.
#[inline(always)]
fn fold<T: Float, F: Fold<T>, const K: usize>(x: [Row<'_, T>; K], _: F, f: impl Fn([T; K]) -> T) -> T {
    let n = x[0].len();
    let mut total = F::START;
    for start in (0..n).step_by(RUN) {
        let mut lanes = Aligned([F::START; LANES]);
        blocks(
            from_fn(
                #[inline(always)]
                |k| x[k].part(start..n.min(start + RUN)),
            ),
            #[inline(always)]
            |_, from, block| {
                let v = each_lane(block, &f);
                for i in 0..LANES {
                    let v = if i < from { F::START } else { v[i] };
                    lanes.0[i] = F::join(lanes.0[i], v);
                }
            },
        );
        total = F::join(total, across::<T, F, LANES>(lanes.0));
    }
    total
}

/// `f` of each element of the rows, into a sink.
#[inline(always)]
fn write<T: Float, const K: usize>(x: [Row<'_, T>; K], out: &mut Sink<'_, T>, f: impl Fn([T; K]) -> T) {
    if let Sink::Drop = out {
        return;
    }
    blocks(
        x,
        #[inline(always)]
        |at, from, block| {
            let y = each_lane(block, &f);
            match out.part(at, LANES - from) {
                Sink::Write(out) => out.copy_from_slice(&y[from..]),
                Sink::Add(out) => out.iter_mut().zip(&y[from..]).for_each(|(out, &y)| *out += y),
                Sink::Drop => {}
            }
        },
    );
}

/// An output of which each part is `width` elements, the last perhaps fewer.
struct Output<'a, T> {
    sink: Sink<'a, T>,
    width: usize,
}

impl<'a, T> Output<'a, T> {
    /// Takes the next `parts` away.
    fn take(&mut self, parts: usize) -> Output<'a, T> {
        let sink = std::mem::replace(&mut self.sink, Sink::Drop);
        let n = sink.len().min(parts * self.width);
        let (head, tail) = sink.split(n);
        self.sink = tail;
        Output { sink: head, width: self.width }
    }
    /// Part `i`.
    #[inline(always)]
    fn part(&mut self, i: usize) -> Sink<'_, T> {
        let at = i * self.width;
        self.sink.part(at, self.width.min(self.sink.len().saturating_sub(at)))
    }
}

/// Something computed in parts, each for itself.
trait Parts<T, const M: usize>: Sync {
    /// Part `i` of each output. Mark the implementation `#[inline(always)]`.
    fn part(&self, i: usize, out: [Sink<'_, T>; M]);
}

/// All `parts` of a computation, each of which takes about as long as a pass over `cost` elements.
fn each_part<T: Float, const M: usize>(
    of: impl Parts<T, M>,
    parts: usize,
    cost: usize,
    mut out: [Output<'_, T>; M],
) {
    let at_once = (PIECE / cost.max(1)).max(1);
    let piece = |start| {
        let parts = at_once.min(parts - start);
        Piece { of: &of, start, parts, out: out.each_mut().map(|out| out.take(parts)) }
    };
    threads::each((0..parts).step_by(at_once).map(piece).collect(), dispatch);
}

/// Neighbouring parts.
struct Piece<'a, 'b, T, P, const M: usize> {
    of: &'a P,
    start: usize,
    parts: usize,
    out: [Output<'b, T>; M],
}

impl<T: Float, P: Parts<T, M>, const M: usize> Kernel for Piece<'_, '_, T, P, M> {
    type Out = ();
    #[inline(always)]
    fn run(mut self) {
        for i in 0..self.parts {
            self.of.part(self.start + i, self.out.each_mut().map(|out| out.part(i)));
        }
    }
}

/// The last axes of an array as rows.
struct Rows<T> {
    x: Array<T>,
    number: usize,
    length: usize,
}

impl<T: Float> Rows<T> {
    /// Rows of the last `axes` axes.
    fn new(x: &Array<T>, axes: usize) -> Rows<T> {
        let (rows, row) = x.shape().split_at(x.ndim() - axes);
        Rows { x: x.contiguous(), number: count(rows), length: count(row) }
    }
    #[inline(always)]
    fn all(&self) -> &[T] {
        self.x.as_slice().expect("made contiguous")
    }
    #[inline(always)]
    fn row(&self, i: usize) -> Row<'_, T> {
        Row { all: self.all(), start: i * self.length, end: (i + 1) * self.length }
    }
    /// A computation of `width` elements from each row.
    fn each(&self, of: impl Parts<T, 1>, width: usize, sink: Sink<'_, T>) {
        each_part(of, self.number, self.length, [Output { sink, width }]);
    }
}

/// A fresh array that `fill` writes.
fn made<T: Float>(shape: &[usize], fill: impl FnOnce(Sink<'_, T>)) -> Array<T> {
    let mut out = Buffer::scratch(count(shape));
    fill(Sink::Write(&mut out));
    Array::from_buffer(out, shape)
}

/// `e^(x−m)` for `m = max x`: 1 at the maximum, an infinite one too; 0 if all of a row is −∞.
#[inline(always)]
pub fn shifted<T: Float>(x: T, m: T) -> T {
    let e = if x == m { T::ONE } else { (x - m).exp() };
    if m == T::NEG_INFINITY { T::ZERO } else { e }
}

/// `e / total`, and 0 for the 0/0 of a row of −∞ alone.
#[inline(always)]
pub fn share<T: Float>(e: T, total: T) -> T {
    if total == T::ZERO { T::ZERO } else { e / total }
}

/// `x − m − l`, where `x = m` may be infinite; −∞ if all of a row is.
#[inline(always)]
fn below<T: Float>(x: T, m: T, l: T) -> T {
    let shifted = if x == m { T::ZERO } else { x - m };
    if m == T::NEG_INFINITY { m } else { shifted - l }
}

/// `m = max x` and `Σ e^(x−m)`.
#[inline(always)]
fn exponentials<T: Float>(x: Row<'_, T>) -> (T, T) {
    let m = fold(
        [x],
        Max,
        #[inline(always)]
        |[x]| x,
    );
    (
        m,
        fold(
            [x],
            Sum,
            #[inline(always)]
            |[x]| shifted(x, m),
        ),
    )
}

/// `eˣ / Σ eˣ` along the last axis, without overflow. A score of −∞ has the share 0, also in a row of nothing else; scores of
/// +∞ share their row equally; NaN makes its row NaN.
pub fn softmax<T: Float>(x: &Array<T>) -> Array<T> {
    T::softmax_here(x)
}

pub(crate) fn softmax_here<T: Float>(x: &Array<T>) -> Array<T> {
    struct Softmax<'a, T>(&'a Rows<T>);
    impl<T: Float> Parts<T, 1> for Softmax<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let x = self.0.row(i);
            let m = fold(
                [x],
                Max,
                #[inline(always)]
                |[x]| x,
            );
            write(
                [x],
                &mut out,
                #[inline(always)]
                |[x]| shifted(x, m),
            );
            if let Sink::Write(out) = out {
                let total = fold(
                    [Row::whole(out)],
                    Sum,
                    #[inline(always)]
                    |[e]| e,
                );
                out.iter_mut().for_each(|e| *e = share(*e, total));
            }
        }
    }
    let rows = Rows::new(x, 1);
    made(x.shape(), |out| rows.each(Softmax(&rows), rows.length, out))
}

/// `x − ln Σ eˣ` along the last axis, without overflow; −∞ in a row of −∞ alone.
pub fn log_softmax<T: Float>(x: &Array<T>) -> Array<T> {
    T::log_softmax_here(x)
}

pub(crate) fn log_softmax_here<T: Float>(x: &Array<T>) -> Array<T> {
    struct LogSoftmax<'a, T>(&'a Rows<T>);
    impl<T: Float> Parts<T, 1> for LogSoftmax<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let x = self.0.row(i);
            let (m, total) = exponentials(x);
            let l = total.ln();
            write(
                [x],
                &mut out,
                #[inline(always)]
                |[x]| below(x, m, l),
            );
        }
    }
    let rows = Rows::new(x, 1);
    made(x.shape(), |out| rows.each(LogSoftmax(&rows), rows.length, out))
}

/// `ln Σ eˣ` along the last axis, which keeps length 1, without overflow; −∞ of none and of −∞ alone.
pub fn logsumexp<T: Float>(x: &Array<T>) -> Array<T> {
    T::logsumexp_here(x)
}

pub(crate) fn logsumexp_here<T: Float>(x: &Array<T>) -> Array<T> {
    struct LogSumExp<'a, T>(&'a Rows<T>);
    impl<T: Float> Parts<T, 1> for LogSumExp<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [out]: [Sink<'_, T>; 1]) {
            let (m, total) = exponentials(self.0.row(i));
            out.put(m + total.ln());
        }
    }
    let rows = Rows::new(x, 1);
    let mut shape = Shape::from(x.shape());
    shape[x.ndim() - 1] = 1;
    made(&shape, |out| rows.each(LogSumExp(&rows), 1, out))
}

/// `y·(g − Σ g·y)`: what a cotangent of the [`softmax`] `y` gives its argument.
pub fn softmax_back<T: Float>(y: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    T::softmax_back_here(y, g, into)
}

pub(crate) fn softmax_back_here<T: Float>(y: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    struct SoftmaxBack<'a, T>([&'a Rows<T>; 2]);
    impl<T: Float> Parts<T, 1> for SoftmaxBack<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let [y, g] = self.0.map(|x| x.row(i));
            let total = fold(
                [g, y],
                Sum,
                #[inline(always)]
                |[g, y]| chain(g, y),
            );
            write(
                [g, y],
                &mut out,
                #[inline(always)]
                |[g, y]| chain(g - total, y),
            );
        }
    }
    let (y, g) = (Rows::new(y, 1), Rows::new(g, 1));
    y.each(SoftmaxBack([&y, &g]), y.length, into);
}

/// `g − eʸ·Σ g`: what a cotangent of the [`log_softmax`] `y` gives its argument; 0 in rows of −∞ alone, which depend on
/// nothing.
pub fn log_softmax_back<T: Float>(y: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    T::log_softmax_back_here(y, g, into)
}

pub(crate) fn log_softmax_back_here<T: Float>(y: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    struct LogSoftmaxBack<'a, T>([&'a Rows<T>; 2]);
    impl<T: Float> Parts<T, 1> for LogSoftmaxBack<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let [y, g] = self.0.map(|x| x.row(i));
            let nothing = fold(
                [y],
                Max,
                #[inline(always)]
                |[y]| y,
            ) == T::NEG_INFINITY;
            let total = fold(
                [g],
                Sum,
                #[inline(always)]
                |[g]| g,
            );
            write(
                [g, y],
                &mut out,
                #[inline(always)]
                |[g, y]| if nothing { T::ZERO } else { g - chain(total, y.exp()) },
            );
        }
    }
    let (y, g) = (Rows::new(y, 1), Rows::new(g, 1));
    y.each(LogSoftmaxBack([&y, &g]), y.length, into);
}

/// `g·softmax(x)`: what a cotangent of the [`logsumexp`] of `x` gives it.
pub fn logsumexp_back<T: Float>(x: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    T::logsumexp_back_here(x, g, into)
}

pub(crate) fn logsumexp_back_here<T: Float>(x: &Array<T>, g: &Array<T>, into: Sink<'_, T>) {
    struct LogSumExpBack<'a, T>([&'a Rows<T>; 2]);
    impl<T: Float> Parts<T, 1> for LogSumExpBack<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let [x, g] = self.0.map(|x| x.row(i));
            let (m, total) = exponentials(x);
            write(
                [x],
                &mut out,
                #[inline(always)]
                |[x]| chain(g.as_slice()[0], share(shifted(x, m), total)),
            );
        }
    }
    let (x, g) = (Rows::new(x, 1), Rows::new(g, 1));
    x.each(LogSumExpBack([&x, &g]), x.length, into);
}

/// A column for each row of a matrix, and what it counts.
#[derive(Clone, Copy)]
pub struct Picks<'a, T> {
    /// The column of each row.
    pub columns: &'a [usize],
    /// What a row counts that picks this column.
    pub weights: &'a [T],
    /// The pick of rows that do not count. It need not be a column.
    pub ignore: Option<usize>,
}

impl<T: Float> Picks<'_, T> {
    /// The column of row `i` and what it counts, if it does.
    #[inline(always)]
    fn of(&self, i: usize) -> Option<(usize, T)> {
        let column = self.columns[i];
        (self.ignore != Some(column)).then(|| (column, self.weights[column]))
    }
}

/// `Σᵢ wᵢ·ln softmax(xᵢ)[cᵢ]` of the rows of a matrix, `cᵢ` being what row `i` picks and `wᵢ` what that counts.
///
/// # Panics
/// If there is no pick for a row, or no weight for one.
pub fn log_likelihood<T: Float>(x: &Array<T>, picks: Picks<'_, T>) -> T {
    T::log_likelihood_here(x, picks)
}

pub(crate) fn log_likelihood_here<T: Float>(x: &Array<T>, picks: Picks<'_, T>) -> T {
    struct LogLikelihood<'a, T>(&'a Rows<T>, Picks<'a, T>);
    impl<T: Float> Parts<T, 1> for LogLikelihood<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [out]: [Sink<'_, T>; 1]) {
            let x = self.0.row(i);
            let says = match self.1.of(i) {
                Some((column, weight)) => {
                    let (m, total) = exponentials(x);
                    chain(below(x.as_slice()[column], m, total.ln()), weight)
                }
                None => T::ZERO,
            };
            out.put(says);
        }
    }
    let rows = Rows::new(x, 1);
    let each = made(&[rows.number], |out| rows.each(LogLikelihood(&rows, picks), 1, out));
    sum(&each, &[0]).expect("one axis").item()
}

/// `g·wᵢ·([k = cᵢ] − softmax(xᵢ)[k])` at each place `i, k`: what a cotangent of the [`log_likelihood`] of `x` gives it. 0 in
/// rows that do not count, and in rows of −∞ alone, which depend on nothing.
///
/// # Panics
/// As [`log_likelihood`].
pub fn log_likelihood_back<T: Float>(x: &Array<T>, picks: Picks<'_, T>, g: T, into: Sink<'_, T>) {
    T::log_likelihood_back_here(x, picks, g, into)
}

pub(crate) fn log_likelihood_back_here<T: Float>(x: &Array<T>, picks: Picks<'_, T>, g: T, into: Sink<'_, T>) {
    struct LogLikelihoodBack<'a, T>(&'a Rows<T>, Picks<'a, T>, T);
    impl<T: Float> Parts<T, 1> for LogLikelihoodBack<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let x = self.0.row(i);
            let (m, total) = exponentials(x);
            let pick = self.1.of(i).filter(|_| m != T::NEG_INFINITY);
            let (column, g) = pick.map_or((0, T::ZERO), |(column, weight)| (column, chain(self.2, weight)));
            write(
                [x],
                &mut out,
                #[inline(always)]
                |[x]| -chain(g, share(shifted(x, m), total)),
            );
            if let (Some(_), Sink::Write(out) | Sink::Add(out)) = (pick, out) {
                out[column] += g;
            }
        }
    }
    let rows = Rows::new(x, 1);
    rows.each(LogLikelihoodBack(&rows, picks, g), rows.length, into);
}

/// `(x − mean) / √(var + ε) · weight + bias` of rows, or the same without the mean.
pub struct Normalize<'a, T> {
    /// How many of the last axes make a row.
    pub axes: usize,
    /// Whether the mean is taken away; if not, `var` is the mean of `x²`.
    pub centred: bool,
    /// `ε`
    pub epsilon: T,
    /// As many numbers as a row has; 1 if there is none.
    pub weight: Option<&'a Array<T>>,
    /// As many numbers as a row has; 0 if there is none.
    pub bias: Option<&'a Array<T>>,
}

/// What a row is normalised by: `((x − first) − mean)·scale`. Less the first element, whichever it is, equal elements have a
/// mean without rounding.
#[derive(Clone, Copy)]
struct Moments<T> {
    first: T,
    mean: T,
    scale: T,
}

impl<T: Float> Moments<T> {
    #[inline(always)]
    fn of(x: Row<'_, T>, centred: bool, epsilon: T) -> Moments<T> {
        let n = T::of(x.len() as f64);
        let first = if centred { x.as_slice().first().copied().unwrap_or(T::ZERO) } else { T::ZERO };
        let mean = if centred {
            fold(
                [x],
                Sum,
                #[inline(always)]
                |[x]| x - first,
            ) / n
        } else {
            T::ZERO
        };
        let squares = fold(
            [x],
            Sum,
            #[inline(always)]
            |[x]| {
                let centred = (x - first) - mean;
                centred * centred
            },
        );
        Moments { first, mean, scale: T::ONE / (squares / n + epsilon).sqrt() }
    }
    #[inline(always)]
    fn unit(&self, x: T) -> T {
        ((x - self.first) - self.mean) * self.scale
    }
}

impl<T: Float> Normalize<'_, T> {
    /// The value at `x`.
    pub fn value(&self, x: &Array<T>) -> Array<T> {
        T::normalize_here(self, x)
    }

    /// What a cotangent `g` of the value gives `x`, into a sink; and what it gives weight and bias, in the shape of a row, if
    /// that is wanted.
    pub fn back(
        &self,
        x: &Array<T>,
        g: &Array<T>,
        into: Sink<'_, T>,
        parameters: bool,
    ) -> Option<[Array<T>; 2]> {
        T::normalize_back_here(self, x, g, into, parameters)
    }
}

pub(crate) fn normalize_here<T: Float>(how: &Normalize<'_, T>, x: &Array<T>) -> Array<T> {
    struct Value<'a, T> {
        x: &'a Rows<T>,
        weight: Row<'a, T>,
        bias: Row<'a, T>,
        centred: bool,
        epsilon: T,
    }
    impl<T: Float> Parts<T, 1> for Value<'_, T> {
        #[inline(always)]
        fn part(&self, i: usize, [mut out]: [Sink<'_, T>; 1]) {
            let x = self.x.row(i);
            let moments = Moments::of(x, self.centred, self.epsilon);
            write(
                [x, self.weight, self.bias],
                &mut out,
                #[inline(always)]
                |[x, w, b]| moments.unit(x) * w + b,
            );
        }
    }
    let rows = Rows::new(x, how.axes);
    let [weight, bias] =
        [(how.weight, T::ONE), (how.bias, T::ZERO)].map(|(a, or)| numbers(a, rows.length, or));
    let (weight, bias) = (weight.row(0), bias.row(0));
    let value = Value { x: &rows, weight, bias, centred: how.centred, epsilon: how.epsilon };
    made(x.shape(), |out| rows.each(value, rows.length, out))
}

pub(crate) fn normalize_back_here<T: Float>(
    how: &Normalize<'_, T>,
    x: &Array<T>,
    g: &Array<T>,
    into: Sink<'_, T>,
    parameters: bool,
) -> Option<[Array<T>; 2]> {
    struct Back<'a, T> {
        x: &'a Rows<T>,
        g: &'a Rows<T>,
        weight: Row<'a, T>,
        centred: bool,
        epsilon: T,
    }
    // Parts are groups of rows.
    impl<T: Float> Parts<T, 2> for Back<'_, T> {
        #[inline(always)]
        fn part(&self, group: usize, [mut out, mut parameters]: [Sink<'_, T>; 2]) {
            if let Sink::Write(sums) = &mut parameters {
                sums.fill(T::ZERO);
            }
            let (w, n) = (self.weight, T::of(self.x.length as f64));
            for k in 0..GROUP.min(self.x.number - group * GROUP) {
                let [x, g] = [self.x, self.g].map(|rows| rows.row(group * GROUP + k));
                let moments = Moments::of(x, self.centred, self.epsilon);
                let mean = if self.centred {
                    fold(
                        [g, w],
                        Sum,
                        #[inline(always)]
                        |[g, w]| chain(g, w),
                    ) / n
                } else {
                    T::ZERO
                };
                let along = fold(
                    [x, g, w],
                    Sum,
                    #[inline(always)]
                    |[x, g, w]| chain(chain(g, w), moments.unit(x)),
                ) / n;
                write(
                    [x, g, w],
                    &mut out.part(k * x.len(), x.len()),
                    #[inline(always)]
                    |[x, g, w]| {
                        let centred = (chain(g, w) - mean) - chain(along, moments.unit(x));
                        chain(centred, moments.scale)
                    },
                );
                if let Sink::Write(sums) = &mut parameters {
                    let (weight, bias) = sums.split_at_mut(x.len());
                    write(
                        [x, g],
                        &mut Sink::Add(weight),
                        #[inline(always)]
                        |[x, g]| chain(g, moments.unit(x)),
                    );
                    write(
                        [g],
                        &mut Sink::Add(bias),
                        #[inline(always)]
                        |[g]| g,
                    );
                }
            }
        }
    }
    let (x, g) = (Rows::new(x, how.axes), Rows::new(g, how.axes));
    let (n, groups) = (x.length, x.number.div_ceil(GROUP));
    let weight = numbers(how.weight, n, T::ONE);
    let (centred, epsilon) = (how.centred, how.epsilon);
    let back = Back { x: &x, g: &g, weight: weight.row(0), centred, epsilon };
    let mut sums = parameters.then(|| Buffer::scratch(groups * 2 * n));
    let out = [
        Output { sink: into, width: GROUP * n },
        Output { sink: sums.as_deref_mut().map_or(Sink::Drop, Sink::Write), width: 2 * n },
    ];
    each_part(back, groups, GROUP * n, out);
    sums.map(|sums| {
        let total = sum(&Array::from_buffer(sums, &[groups, 2, n]), &[0]).expect("three axes");
        [0, 1].map(|k| total.slice(1, k, 1, 1).expect("one of two"))
    })
}

/// The numbers of `a`, or the same one `n` times.
fn numbers<T: Float>(a: Option<&Array<T>>, n: usize, or: T) -> Rows<T> {
    match a {
        Some(a) => Rows::new(a, a.ndim()),
        None => Rows::new(&Array::full(&[n], or), 1),
    }
}
