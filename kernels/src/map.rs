//! Elementwise loops: several arrays in, several out, one pass over memory.
//!
//! The flattened index space is cut into blocks of [`BLOCK`] elements. Each input gives its block as a reference
//! into its own memory where it lies in order, and otherwise as a copy gathered into the first-level cache
//! (strides, broadcasting); the function runs over the block in a loop of constant length, which the compiler turns
//! into vector code; results leave through a [`Sink`]. Chains of arithmetic of any length therefore cost one pass
//! over memory.
//!
//! Only the loop over one block is compiled for each function, once for every instruction set; everything around it
//! is compiled once for each type, in this crate. So an elementwise op costs its users little time to build.

use crate::array::{Walker, count};
use crate::simd::{Kernel, dispatch};
use crate::{Array, Buffer, Float, threads};
use smallvec::SmallVec;
use std::array::from_fn;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Elements to a block: small enough for every operand's block to stay in the first-level cache, large enough to
/// make the bookkeeping around it vanish. (Miri interprets every one of them.)
pub const BLOCK: usize = if cfg!(miri) { 8 } else { 128 };

/// Elements that are gathered before the function runs on them.
const STAGE: usize = 8 * BLOCK;

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 15;

/// A function of `N` numbers and `K` more with `M` results. (Two groups, because a way back has the arguments of the
/// way forward and two more, the result and its cotangent.)
///
/// Mark `at` and everything it calls `#[inline(always)]`: see [`simd`](crate::simd).
pub trait Function<T, const N: usize, const K: usize, const M: usize>: Copy + Send + Sync {
    /// Whether [`put`](Self::put) may give NaN where [`at`](Self::at) gives a number, and everywhere else the same. A block
    /// with a NaN is then computed again by `at`: guards that would slow down every loop are paid for where they matter.
    const GUESSES: bool = false;

    /// The results for one element of each argument.
    fn at(&self, x: [T; N], more: [T; K]) -> [T; M];

    /// The same by reference, which is how the loop calls it. The compiler hands over two `f32` packed into one integer,
    /// and may fail to see through it: a function of two or with two results that matters overrides this one too.
    #[inline(always)]
    fn put(&self, x: &[T; N], more: &[T; K], out: &mut [T; M])
    where
        T: Copy,
    {
        *out = self.at(*x, *more);
    }
}

/// Where an argument comes from.
#[derive(Clone, Copy)]
pub enum Input<'a, T> {
    /// An array, broadcast to the loop's shape.
    Array(&'a Array<T>),
    /// What lies in this sink before the loop writes over it: memory is used again at once.
    Sink(usize),
}

impl<'a, T> From<&'a Array<T>> for Input<'a, T> {
    fn from(array: &'a Array<T>) -> Input<'a, T> {
        Input::Array(array)
    }
}

/// Where a result goes: as many elements as the loop has, in row-major order.
pub enum Sink<'a, T> {
    /// Over what was there.
    Write(&'a mut [T]),
    /// Added to what was there.
    Add(&'a mut [T]),
    /// Nowhere.
    Drop,
}

impl<'a, T> Sink<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.slice().len()
    }
    /// What lies there.
    #[inline(always)]
    fn slice(&self) -> &[T] {
        match self {
            Sink::Write(s) | Sink::Add(s) => s,
            Sink::Drop => &[],
        }
    }
    pub(crate) fn split(self, n: usize) -> (Sink<'a, T>, Sink<'a, T>) {
        match self {
            Sink::Write(s) => {
                let (a, b) = s.split_at_mut(n);
                (Sink::Write(a), Sink::Write(b))
            }
            Sink::Add(s) => {
                let (a, b) = s.split_at_mut(n);
                (Sink::Add(a), Sink::Add(b))
            }
            Sink::Drop => (Sink::Drop, Sink::Drop),
        }
    }
    #[inline(always)]
    pub(crate) fn part(&mut self, at: usize, n: usize) -> Sink<'_, T> {
        match self {
            Sink::Write(s) => Sink::Write(&mut s[at..at + n]),
            Sink::Add(s) => Sink::Add(&mut s[at..at + n]),
            Sink::Drop => Sink::Drop,
        }
    }
    /// Puts the only number there.
    #[inline(always)]
    pub(crate) fn put(self, y: T)
    where
        T: Float,
    {
        match self {
            Sink::Write(s) => s[0] = y,
            Sink::Add(s) => s[0] += y,
            Sink::Drop => {}
        }
    }
}

/// `f` at every element of the arrays, broadcast to `shape`.
///
/// # Panics
/// If an array does not broadcast to `shape`: callers find the shape with [`broadcast`](crate::broadcast) first.
pub fn map<T: Float, const N: usize>(
    f: impl Function<T, N, 0, 1>,
    x: [&Array<T>; N],
    shape: &[usize],
) -> Array<T> {
    let mut out = Buffer::scratch(count(shape));
    map_into(f, x, [], shape, [Sink::Write(&mut out)]);
    Array::from_buffer(out, shape)
}

/// `f` at every element of the arrays, broadcast to `shape`, its `M` results each into a sink.
///
/// # Panics
/// If an array does not broadcast to `shape`, or a sink has another number of elements.
pub fn map_into<T: Float, const N: usize, const K: usize, const M: usize>(
    f: impl Function<T, N, K, M>,
    x: [&Array<T>; N],
    more: [&Array<T>; K],
    shape: &[usize],
    out: [Sink<'_, T>; M],
) {
    map_over(f, x.map(Input::Array), more.map(Input::Array), shape, out);
}

/// [`map_into`], where an argument may lie in the memory that a result goes to.
///
/// ```
/// use femtograd_kernels::{Array, Function, Input, Sink, map_over};
///
/// /// Half the way from `x` to `target`.
/// #[derive(Clone, Copy)]
/// struct Approach;
/// impl Function<f64, 2, 0, 1> for Approach {
///     #[inline(always)]
///     fn at(&self, [x, target]: [f64; 2], _: [f64; 0]) -> [f64; 1] {
///         [x + (target - x) * 0.5]
///     }
/// }
///
/// let (mut x, target) = ([0.0, 4.0], Array::scalar(8.0));
/// map_over(Approach, [Input::Sink(0), Input::Array(&target)], [], &[2], [Sink::Write(&mut x)]);
/// assert_eq!(x, [4.0, 6.0]);
/// ```
///
/// # Panics
/// As [`map_into`].
pub fn map_over<T: Float, const N: usize, const K: usize, const M: usize>(
    f: impl Function<T, N, K, M>,
    x: [Input<'_, T>; N],
    more: [Input<'_, T>; K],
    shape: &[usize],
    out: [Sink<'_, T>; M],
) {
    let mut out = out;
    T::each_block(
        &|x, out| {
            let (x, more) = x.split_first_chunk().expect("N inputs and K more");
            let more = more.first_chunk().expect("K more");
            dispatch(Blocks::<T, _, N, K, M> { f, x: *x, more: *more, out });
        },
        [&x, &more],
        shape,
        &mut out,
    );
}

/// A function of whole blocks of each input: as many as its sinks hold.
pub type BlockFn<'a, T> = dyn Fn(&[Given<'_, T>], &mut [Sink<'_, T>]) + Sync + 'a;

/// Blocks of an input.
#[derive(Clone, Copy)]
pub enum Given<'a, T> {
    /// As many as there are in the sinks, or one that is repeated.
    Slice(&'a [T]),
    /// What lies in this sink.
    Sink(usize),
}

/// Several blocks of a loop.
pub(crate) struct Blocks<'a, 'b, T, F, const N: usize, const K: usize, const M: usize> {
    pub(crate) f: F,
    pub(crate) x: [Given<'a, T>; N],
    pub(crate) more: [Given<'a, T>; K],
    pub(crate) out: &'a mut [Sink<'b, T>],
}

impl<T, F, const N: usize, const K: usize, const M: usize> Kernel for Blocks<'_, '_, T, F, N, K, M>
where
    T: Float,
    F: Function<T, N, K, M>,
{
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Blocks { f, x, more, out } = self;
        let mut spare = [const { MaybeUninit::uninit() }; M];
        let (len, adds, out) = targets(out, &mut spare);
        let (x, more) = (places(&x, len, &out), places(&more, len, &out));
        // Results are put into memory of their own first.
        let mut y = [[T::ZERO; BLOCK]; M];
        for at in (0..len).step_by(BLOCK) {
            // SAFETY: `places` and `targets` have seen to it that there are so many elements; what is read may lie where results
            // go, but nobody reads it any more when they are put there.
            unsafe {
                let (x, more) = (blocks(&x, at), blocks(&more, at));
                each(f, x, more, &mut y);
                if F::GUESSES && y.iter().any(has_nan) {
                    again(f, x, more, &mut y);
                }
                for (out, y) in out.iter().zip(&y) {
                    *out.first.add(at * out.step).cast() = *y;
                }
                // Compilers that see through this make a copy of the loop for either case.
                if black_box(adds) {
                    add(&out, at);
                }
            }
        }
    }
}

/// Where the blocks of an input lie: the first one, and whether others follow it.
#[derive(Clone, Copy)]
struct Place<T> {
    first: *const T,
    step: usize,
}

/// Where the blocks of a result are written: where its sink is, or one after the other in the same place, from where they are
/// added to it, or not.
#[derive(Clone, Copy)]
struct Target<T> {
    first: *mut T,
    step: usize,
    sink: *mut T,
    len: usize,
    adds: bool,
}

/// How many elements the sinks have, whether anything is added to one, and where they are. `spare` has room for a block of each.
#[inline(always)]
fn targets<T, const M: usize>(
    out: &mut [Sink<'_, T>],
    spare: &mut [MaybeUninit<[T; BLOCK]>; M],
) -> (usize, bool, [Target<T>; M]) {
    let targets: [_; M] = from_fn(|m| {
        let (sink, len, step) = match &mut out[m] {
            Sink::Write(s) => (s.as_mut_ptr(), s.len(), 1),
            Sink::Add(s) => (s.as_mut_ptr(), s.len(), 0),
            Sink::Drop => (null_mut(), 0, 0),
        };
        let first = if step == 1 { sink } else { spare[m].as_mut_ptr().cast() };
        Target { first, step, sink, len, adds: matches!(out[m], Sink::Add(_)) }
    });
    let len = targets.iter().map(|target| target.len).max().unwrap_or(0);
    let right = |target: &Target<T>| target.len == len || target.sink.is_null();
    assert!(len.is_multiple_of(BLOCK) && targets.iter().all(right), "whole blocks for every sink");
    (len, targets.iter().any(|target| target.adds), targets)
}

/// Where the inputs lie.
#[inline(always)]
fn places<T, const N: usize>(x: &[Given<'_, T>; N], len: usize, out: &[Target<T>]) -> [Place<T>; N] {
    from_fn(|k| {
        let (first, n) = match x[k] {
            Given::Slice(slice) => (slice.as_ptr(), slice.len()),
            Given::Sink(m) => (out[m].sink.cast_const(), out[m].len),
        };
        assert!(n >= len.min(BLOCK) && (n == BLOCK || n >= len), "whole blocks of every input");
        Place { first, step: usize::from(n != BLOCK) }
    })
}

/// The blocks that begin at `at`.
///
/// # Safety
/// Where inputs have so many elements, and nobody writes to them.
#[inline(always)]
unsafe fn blocks<'a, T, const N: usize>(x: &[Place<T>; N], at: usize) -> [&'a [T; BLOCK]; N] {
    from_fn(
        #[inline(always)]
        |k| {
            // SAFETY: as the caller says.
            unsafe { &*x[k].first.add(at * x[k].step).cast() }
        },
    )
}

/// Adds blocks of results that were written to the sinks that they are added to.
///
/// # Safety
/// Where there are so many elements, which nobody else uses, and the results were written.
#[inline(never)]
unsafe fn add<T: Float>(out: &[Target<T>], at: usize) {
    for target in out.iter().filter(|target| target.adds) {
        // SAFETY: as the caller says.
        unsafe { dispatch(Add::<T> { y: &*target.first.cast(), out: &mut *target.sink.add(at).cast() }) }
    }
}

/// A block of results, and what it is added to.
struct Add<'a, T> {
    y: &'a [T; BLOCK],
    out: &'a mut [T; BLOCK],
}

impl<T: Float> Kernel for Add<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        self.out.iter_mut().zip(self.y).for_each(|(out, &y)| *out += y);
    }
}

/// The elements of several blocks in the same place.
#[inline(always)]
fn across<T: Copy, const N: usize>(x: &[&[T; BLOCK]; N], i: usize) -> [T; N] {
    from_fn(
        #[inline(always)]
        |k| x[k][i],
    )
}

/// `f` at each element of a block. (A function of its own, so that the compiler knows that no argument lies in `y`.)
#[inline(always)]
fn each<T: Float, const N: usize, const K: usize, const M: usize>(
    f: impl Function<T, N, K, M>,
    x: [&[T; BLOCK]; N],
    more: [&[T; BLOCK]; K],
    y: &mut [[T; BLOCK]; M],
) {
    #[expect(clippy::needless_range_loop)] // of all arrays, in several functions
    for i in 0..BLOCK {
        let mut results = [T::ZERO; M];
        f.put(&across(&x, i), &across(&more, i), &mut results);
        for m in 0..M {
            y[m][i] = results[m];
        }
    }
}

#[inline(always)]
#[allow(clippy::eq_op)] // only a number equals itself
fn has_nan<T: Float>(block: &[T; BLOCK]) -> bool {
    block.iter().fold(false, |found, v| found | (v != v))
}

/// [`each`], but not guessed. (Not in the loop, and so compiled once and not for every instruction set.)
#[cold]
#[inline(never)]
fn again<T: Float, const N: usize, const K: usize, const M: usize>(
    f: impl Function<T, N, K, M>,
    x: [&[T; BLOCK]; N],
    more: [&[T; BLOCK]; K],
    y: &mut [[T; BLOCK]; M],
) {
    #[expect(clippy::needless_range_loop)] // as above
    for i in 0..BLOCK {
        let results = f.at(across(&x, i), across(&more, i));
        for m in 0..M {
            y[m][i] = results[m];
        }
    }
}

/// Runs `f` over the blocks of a loop of this shape, in pieces on several threads where there are many.
pub(crate) fn each_block<T: Float>(
    f: &BlockFn<'_, T>,
    inputs: [&[Input<'_, T>]; 2],
    shape: &[usize],
    out: &mut [Sink<'_, T>],
) {
    let widen = |x: &Input<T>| match x {
        Input::Array(x) => {
            Operand::Array(x.broadcast_to(shape).expect("arguments that broadcast to the result"))
        }
        Input::Sink(m) => Operand::Sink(*m),
    };
    let (len, x) = (count(shape), inputs.concat());
    let x: SmallVec<[Operand<T>; 6]> = x.iter().map(widen).collect();
    let mut rest: SmallVec<[Sink<T>; 3]> = out.iter_mut().map(|sink| sink.part(0, sink.len())).collect();
    if len <= PIECE {
        return piece(f, &x, 0, len, rest);
    }
    let mut pieces = Vec::with_capacity(len.div_ceil(PIECE));
    for start in (0..len).step_by(PIECE) {
        let n = PIECE.min(len - start);
        let (heads, tails) = rest.into_iter().map(|sink| sink.split(n)).unzip();
        pieces.push((start, n, heads));
        rest = tails;
    }
    threads::each(pieces, |(start, n, out)| piece(f, &x, start, n, out));
}

/// Elements `start .. start + len`.
fn piece<T: Float>(
    f: &BlockFn<'_, T>,
    x: &[Operand<T>],
    start: usize,
    len: usize,
    mut out: SmallVec<[Sink<'_, T>; 3]>,
) {
    if len == 0 {
        return;
    }
    let mut sources: SmallVec<[Source<'_, T>; 6]> = x.iter().map(|x| Source::of(x, start, len)).collect();
    let whole = len - len % BLOCK;
    // All blocks in one go, unless one of the inputs has to be staged, a few blocks at a time.
    let moves = sources.iter().any(Source::moves);
    let step = if moves { STAGE.min(whole) } else { whole }.max(BLOCK);
    let mut blocks: SmallVec<[[T; BLOCK]; 6]> = sources.iter().map(|_| [T::ONE; BLOCK]).collect();
    let mut wide = Buffer::full(if moves { sources.len() * step } else { 0 }, T::ONE);
    let mut stages: SmallVec<[&mut [T]; 6]> = match moves {
        true => wide.chunks_exact_mut(step).collect(),
        false => blocks.iter_mut().map(|block| &mut block[..]).collect(),
    };
    for (source, staged) in sources.iter().zip(&mut stages) {
        if let Source::Same(v) = source {
            staged[..BLOCK].fill(*v);
        }
    }
    for at in (0..whole).step_by(step) {
        let n = step.min(whole - at);
        let inputs = sources.iter_mut().zip(&mut stages).map(|(source, staged)| source.run(at, n, staged));
        let inputs: SmallVec<[Given<T>; 6]> = inputs.collect();
        f(&inputs, &mut out.iter_mut().map(|sink| sink.part(at, n)).collect::<SmallVec<[Sink<'_, T>; 3]>>());
    }
    // The last elements, in a block filled up with whatever does no harm: no second copy of the loop.
    let n = len - whole;
    if n > 0 {
        let inputs = sources.iter_mut().zip(&mut stages).map(|(source, staged)| {
            match source {
                Source::Slice(slice) => staged[..n].copy_from_slice(&slice[whole..]),
                Source::Sink(m) => staged[..n].copy_from_slice(&out[*m].slice()[whole..]),
                _ => drop(source.run(whole, n, staged)),
            }
            Given::Slice(&staged[..BLOCK])
        });
        let inputs: SmallVec<[Given<T>; 6]> = inputs.collect();
        let mut results: SmallVec<[[T; BLOCK]; 3]> = out.iter().map(|_| [T::ZERO; BLOCK]).collect();
        f(&inputs, &mut results.iter_mut().map(|r| Sink::Write(r)).collect::<SmallVec<[Sink<'_, T>; 3]>>());
        for (sink, result) in out.iter_mut().zip(&results) {
            match sink.part(whole, n) {
                Sink::Write(out) => out.copy_from_slice(&result[..n]),
                Sink::Add(out) => out.iter_mut().zip(result).for_each(|(out, &y)| *out += y),
                Sink::Drop => {}
            }
        }
    }
}

/// An [`Input`] that has the loop's shape.
enum Operand<T> {
    /// An array.
    Array(Array<T>),
    /// What lies in a sink.
    Sink(usize),
}

/// One argument's elements, block by block.
pub(crate) enum Source<'a, T> {
    /// They lie in order.
    Slice(&'a [T]),
    /// They are all the same.
    Same(T),
    /// They are gathered.
    Gather(Walker<'a, T>),
    /// They lie in a sink.
    Sink(usize),
}

impl<'a, T: Float> Source<'a, T> {
    fn of(x: &'a Operand<T>, start: usize, len: usize) -> Source<'a, T> {
        match x {
            Operand::Array(x) => Source::new(x, start, len),
            Operand::Sink(m) => Source::Sink(*m),
        }
    }

    pub(crate) fn new(x: &'a Array<T>, start: usize, len: usize) -> Source<'a, T> {
        if let (Some(slice), false) = (x.as_slice(), x.shape().is_empty()) {
            return Source::Slice(&slice[start..start + len]);
        }
        let layout = x.layout();
        match layout.merged().strides[..] {
            [] | [0] => Source::Same(x.storage()[layout.offset]),
            _ => Source::Gather(Walker::new(x, start)),
        }
    }

    /// Whether its blocks have to be staged.
    fn moves(&self) -> bool {
        matches!(self, Source::Gather(_))
    }

    /// The next `n` elements, from `at` on: where they lie, or staged. One block of those that are all the same.
    fn run<'b>(&'b mut self, at: usize, n: usize, staged: &'b mut [T]) -> Given<'b, T> {
        match self {
            Source::Slice(slice) => Given::Slice(&slice[at..at + n]),
            Source::Same(_) => Given::Slice(&staged[..BLOCK]),
            Source::Gather(walker) => {
                walker.fill(&mut staged[..n]);
                Given::Slice(&staged[..n])
            }
            Source::Sink(m) => Given::Sink(*m),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Mix;
    impl Function<f64, 2, 1, 2> for Mix {
        #[inline(always)]
        fn at(&self, [a, b]: [f64; 2], [x]: [f64; 1]) -> [f64; 2] {
            [a + b * x, a - x]
        }
    }

    #[test]
    fn results_may_go_where_arguments_lie() {
        let long: &[usize] =
            if cfg!(miri) { &[] } else { &[PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + BLOCK + 3] };
        for &n in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK].iter().chain(long) {
            let x: Vec<f64> = (0..n).map(|i| i as f64).collect();
            let (mut a, mut b) = (vec![2.0; n], vec![3.0; n]);
            let (old, sinks) = ([Input::Sink(0), Input::Sink(1)], [Sink::Write(&mut a), Sink::Write(&mut b)]);
            map_over(Mix, old, [Input::Array(&Array::from(x.clone()))], &[n], sinks);
            assert!(a.iter().zip(&b).zip(&x).all(|((&a, &b), &x)| (a, b) == (2.0 + 3.0 * x, 2.0 - x)), "{n}");
        }
    }
}
