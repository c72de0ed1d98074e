//! Elementwise loops: several arrays in, several out, one pass over memory.
//!
//! The flattened index space is cut into blocks of [`BLOCK`] elements. Each input gives its block as a reference
//! into its own memory where it lies in order, and otherwise as a copy gathered into the first-level cache
//! (strides, broadcasting); the function runs over the block in a loop of constant length, which the compiler turns
//! into vector code; results leave through a [`Sink`]. Chains of arithmetic of any length therefore cost one pass
//! over memory.

use crate::array::{Walker, count};
use crate::simd::{Kernel, dispatch};
use crate::{Array, Buffer, Float, threads};

/// Elements to a block: small enough for every operand's block to stay in the first-level cache, large enough to
/// make the bookkeeping around it vanish.
const BLOCK: usize = 64;

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
    fn split(self, n: usize) -> (Sink<'a, T>, Sink<'a, T>) {
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
    let len = count(shape);
    let widen = |x: &Array<T>| x.broadcast_to(shape).expect("arguments that broadcast to the result");
    let (x, more) = (x.map(widen), more.map(widen));
    let (x, more) = (x.each_ref(), more.each_ref());
    if len <= PIECE {
        return dispatch(Piece { f, x, more, start: 0, len, out });
    }
    let mut pieces = Vec::with_capacity(len.div_ceil(PIECE));
    let mut rest = out;
    for start in (0..len).step_by(PIECE) {
        let n = PIECE.min(len - start);
        let mut tails = [const { Sink::Drop }; M];
        let mut tail = tails.iter_mut();
        let heads = rest.map(|sink| {
            let (head, after) = sink.split(n);
            *tail.next().expect("as many tails as sinks") = after;
            head
        });
        rest = tails;
        pieces.push(Piece { f, x, more, start, len: n, out: heads });
    }
    threads::each(pieces, dispatch);
}

/// Elements `start .. start + len` of a loop.
struct Piece<'a, T, F, const N: usize, const K: usize, const M: usize> {
    f: F,
    x: [&'a Array<T>; N],
    more: [&'a Array<T>; K],
    start: usize,
    len: usize,
    out: [Sink<'a, T>; M],
}

/// One argument's elements, block by block.
enum Source<'a, T> {
    Slice(&'a [T]),
    Same([T; BLOCK]),
    Gather(Walker<'a, T>, [T; BLOCK]),
}

impl<'a, T: Float> Source<'a, T> {
    fn new(x: &'a Array<T>, start: usize, len: usize) -> Source<'a, T> {
        match (x.as_slice(), x.layout().merged().strides.as_slice()) {
            (Some(slice), _) if !x.shape().is_empty() => Source::Slice(&slice[start..start + len]),
            (_, [] | [0]) => Source::Same([x.storage()[x.layout().offset]; BLOCK]),
            _ => Source::Gather(Walker::new(x, start), [T::ONE; BLOCK]),
        }
    }

    /// The whole block from `at` on.
    #[inline(always)]
    fn block(&mut self, at: usize) -> &[T; BLOCK] {
        match self {
            Source::Slice(slice) => slice[at..].first_chunk().expect("a whole block"),
            Source::Same(block) => block,
            Source::Gather(walker, block) => {
                walker.fill(block);
                block
            }
        }
    }

    /// The last `n` elements, from `at` on, in a block filled up with whatever does no harm.
    #[inline(always)]
    fn end(&mut self, at: usize, n: usize) -> [T; BLOCK] {
        let mut end = [T::ONE; BLOCK];
        match self {
            Source::Slice(slice) => end[..n].copy_from_slice(&slice[at..]),
            Source::Same(block) => end = *block,
            Source::Gather(walker, _) => walker.fill(&mut end[..n]),
        }
        end
    }
}

impl<T, F, const N: usize, const K: usize, const M: usize> Kernel for Piece<'_, T, F, N, K, M>
where
    T: Float,
    F: Function<T, N, K, M>,
{
    type Out = ();
    #[inline(always)]
    fn run(mut self) {
        if self.len == 0 {
            return;
        }
        let mut x = self.x.map(|x| Source::new(x, self.start, self.len));
        let mut more = self.more.map(|x| Source::new(x, self.start, self.len));
        let mut y = [[T::ZERO; BLOCK]; M];
        let whole = self.len - self.len % BLOCK;
        for at in (0..whole).step_by(BLOCK) {
            block(self.f, x.each_mut().map(|x| x.block(at)), more.each_mut().map(|x| x.block(at)), &mut y);
            deliver(&mut self.out, at, BLOCK, &y);
        }
        if whole < self.len {
            let n = self.len - whole;
            let (x, more) = (x.each_mut().map(|x| x.end(whole, n)), more.each_mut().map(|x| x.end(whole, n)));
            block(self.f, x.each_ref(), more.each_ref(), &mut y);
            deliver(&mut self.out, whole, n, &y);
        }
    }
}

#[inline(always)]
fn block<T: Float, F: Function<T, N, K, M>, const N: usize, const K: usize, const M: usize>(
    f: F,
    x: [&[T; BLOCK]; N],
    more: [&[T; BLOCK]; K],
    y: &mut [[T; BLOCK]; M],
) {
    for i in 0..BLOCK {
        let results = f.at(x.map(|x| x[i]), more.map(|x| x[i]));
        for m in 0..M {
            y[m][i] = results[m];
        }
    }
}

#[inline(always)]
fn deliver<T: Float, const M: usize>(out: &mut [Sink<'_, T>; M], at: usize, n: usize, y: &[[T; BLOCK]; M]) {
    for (sink, y) in out.iter_mut().zip(y) {
        match sink {
            Sink::Write(s) if n == BLOCK => *s[at..].first_chunk_mut().expect("a whole block") = *y,
            Sink::Write(s) => s[at..at + n].copy_from_slice(&y[..n]),
            Sink::Add(s) => s[at..at + n].iter_mut().zip(y).for_each(|(s, &y)| *s += y),
            Sink::Drop => {}
        }
    }
}
