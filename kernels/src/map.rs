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

/// Elements to a block: small enough for every operand's block to stay in the first-level cache, large enough to
/// make the bookkeeping around it vanish. (Miri interprets every one of them.)
pub const BLOCK: usize = if cfg!(miri) { 8 } else { 128 };

/// Elements that are gathered at a time: as few blocks as make what surrounds a loop cheap.
const GATHERED: usize = 8 * BLOCK;

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 15;

/// A function of `N` numbers and `K` more with `M` results. (Two groups, because a way back has the arguments of the
/// way forward and two more, the result and its cotangent.)
///
/// Mark `at` and everything it calls `#[inline(always)]`: see [`simd`](crate::simd).
pub trait Function<T, const N: usize, const K: usize, const M: usize>: Copy + Send + Sync {
    /// The results for one element of each argument.
    fn at(&self, x: [T; N], more: [T; K]) -> [T; M];
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
        match self {
            Sink::Write(s) | Sink::Add(s) => s.len(),
            Sink::Drop => 0,
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
    let widen = |x: &Array<T>| x.broadcast_to(shape).expect("arguments that broadcast to the result");
    let x: SmallVec<[Array<T>; 6]> = x.into_iter().chain(more).map(widen).collect();
    T::each_block(
        &|x, out| {
            let (x, more) = x.split_first_chunk().expect("N inputs and K more");
            let more = more.first_chunk().expect("K more");
            dispatch(Blocks::<T, _, N, K, M> { f, x: *x, more: *more, out });
        },
        &x,
        count(shape),
        out.into_iter().collect(),
    );
}

/// A function of whole blocks of each input: as many as its sinks hold. An input of one block repeats it.
pub type BlockFn<'a, T> = dyn Fn(&[&[T]], &mut [Sink<'_, T>]) + Sync + 'a;

/// The block of an input that begins at `at`; the only one, if there is only one.
#[inline(always)]
fn block<T>(x: &[T], at: usize) -> &[T; BLOCK] {
    x[if x.len() == BLOCK { 0 } else { at }..].first_chunk().expect("whole blocks")
}

/// Several blocks of a loop.
struct Blocks<'a, 'b, T, F, const N: usize, const K: usize, const M: usize> {
    f: F,
    x: [&'a [T]; N],
    more: [&'a [T]; K],
    out: &'a mut [Sink<'b, T>],
}

impl<T, F, const N: usize, const K: usize, const M: usize> Kernel for Blocks<'_, '_, T, F, N, K, M>
where
    T: Float,
    F: Function<T, N, K, M>,
{
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let len = self.out.iter().map(Sink::len).max().unwrap_or(0);
        for at in (0..len).step_by(BLOCK) {
            let (x, more) = (self.x.map(|x| block(x, at)), self.more.map(|x| block(x, at)));
            // Into memory of its own first, of which the compiler knows that no input lies there.
            let mut y = [[T::ZERO; BLOCK]; M];
            for i in 0..BLOCK {
                let results = self.f.at(x.map(|x| x[i]), more.map(|x| x[i]));
                for m in 0..M {
                    y[m][i] = results[m];
                }
            }
            for (sink, y) in self.out.iter_mut().zip(&y) {
                match sink.part(at, BLOCK) {
                    Sink::Write(out) => out.copy_from_slice(y),
                    Sink::Add(out) => out.iter_mut().zip(y).for_each(|(out, &y)| *out += y),
                    Sink::Drop => {}
                }
            }
        }
    }
}

/// Runs `f` over the blocks of `len` elements, in pieces on several threads where there are many.
pub(crate) fn each_block<'a, T: Float>(
    f: &BlockFn<'_, T>,
    x: &[Array<T>],
    len: usize,
    out: SmallVec<[Sink<'a, T>; 3]>,
) {
    if len <= PIECE {
        return piece(f, x, 0, len, out);
    }
    let mut rest = out;
    let mut pieces = Vec::with_capacity(len.div_ceil(PIECE));
    for start in (0..len).step_by(PIECE) {
        let n = PIECE.min(len - start);
        let (heads, tails) = rest.into_iter().map(|sink| sink.split(n)).unzip();
        pieces.push((start, n, heads));
        rest = tails;
    }
    threads::each(pieces, |(start, n, out)| piece(f, x, start, n, out));
}

/// Elements `start .. start + len`.
fn piece<T: Float>(
    f: &BlockFn<'_, T>,
    x: &[Array<T>],
    start: usize,
    len: usize,
    mut out: SmallVec<[Sink<'_, T>; 3]>,
) {
    if len == 0 {
        return;
    }
    let mut sources: SmallVec<[Source<'_, T>; 6]> = x.iter().map(|x| Source::new(x, start, len)).collect();
    let mut staged: SmallVec<[[T; BLOCK]; 6]> = sources.iter().map(Source::fill).collect();
    // All blocks in one go, unless one of the inputs has to be gathered, a few blocks at a time.
    let whole = len - len % BLOCK;
    let step = if sources.iter().any(|s| matches!(s, Source::Gather(..))) { GATHERED } else { whole.max(1) };
    for at in (0..whole).step_by(step) {
        let n = step.min(whole - at);
        let inputs = sources.iter_mut().zip(&mut staged).map(|(source, staged)| source.run(at, n, staged));
        let inputs: SmallVec<[&[T]; 6]> = inputs.collect();
        f(&inputs, &mut out.iter_mut().map(|sink| sink.part(at, n)).collect::<SmallVec<[Sink<'_, T>; 3]>>());
    }
    // The last elements, in a block filled up with whatever does no harm: no second copy of the loop.
    let n = len - whole;
    if n > 0 {
        let inputs = sources.iter_mut().zip(&mut staged).map(|(source, staged)| source.end(whole, n, staged));
        let inputs: SmallVec<[&[T]; 6]> = inputs.collect();
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

/// One argument's elements, block by block.
enum Source<'a, T> {
    /// They lie in order.
    Slice(&'a [T]),
    /// They are all the same.
    Same(T),
    /// They are gathered, in memory for [`GATHERED`] of them.
    Gather(Walker<'a, T>, Buffer<T>),
}

impl<'a, T: Float> Source<'a, T> {
    fn new(x: &'a Array<T>, start: usize, len: usize) -> Source<'a, T> {
        if let (Some(slice), false) = (x.as_slice(), x.shape().is_empty()) {
            return Source::Slice(&slice[start..start + len]);
        }
        let layout = x.layout();
        match layout.merged().strides[..] {
            [] | [0] => Source::Same(x.storage()[layout.offset]),
            _ => Source::Gather(Walker::new(x, start), Buffer::scratch(GATHERED)),
        }
    }

    /// What a staged block holds at first.
    fn fill(&self) -> [T; BLOCK] {
        [if let Source::Same(v) = self { *v } else { T::ONE }; BLOCK]
    }

    /// The `n` elements from `at` on, whole blocks; of those that are gathered [`GATHERED`] at most.
    fn run<'b>(&'b mut self, at: usize, n: usize, staged: &'b mut [T; BLOCK]) -> &'b [T] {
        match self {
            Source::Slice(slice) => return &slice[at..at + n],
            Source::Same(_) => {}
            Source::Gather(walker, gathered) => {
                walker.fill(&mut gathered[..n]);
                return &gathered[..n];
            }
        }
        staged
    }

    /// The last `n` elements, from `at` on, at the beginning of a block.
    fn end<'b>(&'b mut self, at: usize, n: usize, staged: &'b mut [T; BLOCK]) -> &'b [T] {
        match self {
            Source::Slice(slice) => staged[..n].copy_from_slice(&slice[at..]),
            Source::Same(_) => {}
            Source::Gather(walker, _) => walker.fill(&mut staged[..n]),
        }
        staged
    }
}
