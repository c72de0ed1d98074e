//! The product of two matrices, in tiles whose sums stay in registers.
//!
//! A tile is some rows by two registers of columns. Each step of depth takes a row of registers from `b` and one number for
//! each row from `a`. Where these do not lie well in memory, or are read often, they are first copied into panels in the order
//! in which tiles read them. Depth is cut so that what a tile takes stays in the caches. See K. Goto and R. van de Geijn,
//! Anatomy of High-Performance Matrix Multiplication, ACM Trans. Math. Softw. 34 (2008).
//!
//! Each element is its products added up in order, block by block of depth, in whatever tile it is: to cut a product by rows
//! and columns changes no bit.

use crate::simd::{Kernel, dispatch_one};
use crate::vector::Vector;
use crate::{Buffer, Float};
use smallvec::SmallVec;
use std::hint::black_box;
use std::marker::PhantomData;
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// A matrix inside an array's storage: from where on, and how far apart two of its rows and two of its columns lie.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) from: &'a [T],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// The same without its first rows and columns.
    #[inline(always)]
    pub(crate) fn at(self, row: usize, column: usize) -> Self {
        Matrix { from: &self.from[row * self.row + column * self.column..], ..self }
    }

    pub(crate) fn transposed(self) -> Self {
        Matrix { row: self.column, column: self.row, ..self }
    }
}

/// Where a product goes: so many rows and columns, and how far apart the rows begin.
pub(crate) struct Target<'a, T> {
    start: *mut T,
    rows: usize,
    columns: usize,
    apart: usize,
    of: PhantomData<&'a mut [T]>,
}

// SAFETY: like the slice that it is some rows and columns of, which nobody else has: see the constructors.
unsafe impl<T: Send> Send for Target<'_, T> {}

impl<'a, T> Target<'a, T> {
    /// Rows of so many columns that fill a slice.
    pub(crate) fn new(out: &'a mut [T], columns: usize) -> Self {
        assert!(columns > 0 && out.len().is_multiple_of(columns), "whole rows");
        let rows = out.len() / columns;
        Target { start: out.as_mut_ptr(), rows, columns, apart: columns, of: PhantomData }
    }

    /// The first rows, and the others.
    pub(crate) fn split_rows(self, n: usize) -> (Self, Self) {
        assert!(n <= self.rows, "so many rows");
        let others = self.start.wrapping_add(n * self.apart);
        (Target { rows: n, ..self }, Target { start: others, rows: self.rows - n, ..self })
    }

    /// The first columns, and the others.
    pub(crate) fn split_columns(self, n: usize) -> (Self, Self) {
        assert!(n <= self.columns, "so many columns");
        let others = self.start.wrapping_add(n);
        (Target { columns: n, ..self }, Target { start: others, columns: self.columns - n, ..self })
    }

    /// Some of the rows.
    #[inline(always)]
    fn rows(&mut self, first: usize, n: usize) -> Target<'_, T> {
        assert!(first + n <= self.rows, "so many rows");
        Target { start: self.start.wrapping_add(first * self.apart), rows: n, ..*self }
    }

    #[inline(always)]
    pub(crate) fn row(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "so many rows");
        // SAFETY: the row lies in the slice, and no other target has elements of it.
        unsafe { from_raw_parts_mut(self.start.wrapping_add(i * self.apart), self.columns) }
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Onto<'a, T> {
    Nothing,
    /// What lies where it goes.
    Sum,
    /// The same row, everywhere.
    Row(&'a [T]),
}

/// `out[i][j] = Σₖ a[i, k] · b[k, j]`, onto something, for all rows and columns of `out`.
pub(crate) struct Gemm<'a, T> {
    pub(crate) a: Matrix<'a, T>,
    pub(crate) b: Matrix<'a, T>,
    pub(crate) depth: usize,
    pub(crate) out: Target<'a, T>,
    pub(crate) onto: Onto<'a, T>,
}

/// Steps of depth that are taken together.
const DEPTH: usize = 256;

/// Bytes of `b` that are taken together: about half of a second-level cache.
const BLOCK: usize = 1 << 19;

/// Bytes that two lines a multiple of which apart compete for the same places of a first-level cache; and of a line.
const ALIAS: usize = 4096;
const LINE: usize = 64;

impl<T: Float> Gemm<'_, T> {
    pub(crate) fn run(mut self) {
        if self.depth == 0 {
            return (0..self.out.rows).for_each(|i| match self.onto {
                Onto::Nothing => self.out.row(i).fill(T::ZERO),
                Onto::Sum => {}
                Onto::Row(row) => self.out.row(i).copy_from_slice(row),
            });
        }
        dispatch_one!(
            Tiles::<T, T::Avx512, 14>(self, PhantomData),
            Tiles::<T, T::Avx2, 6>(self, PhantomData),
            Tiles::<T, T::Portable, 4>(self, PhantomData),
        )
    }
}

/// A product in tiles of `M` rows and two registers, the last ones of fewer.
struct Tiles<'a, T, R, const M: usize>(Gemm<'a, T>, PhantomData<R>);

impl<T: Float, R: Vector<T>, const M: usize> Kernel for Tiles<'_, T, R, M> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Gemm { a, b, depth, mut out, onto } = self.0;
        let (height, width, wide) = (out.rows, out.columns, 2 * R::LANES);
        let deep = depth.div_ceil(depth.div_ceil(DEPTH));
        let most = (BLOCK / size_of::<T>() / deep / wide).max(1) * wide;
        let copied = b.worth_copying_columns(height);
        let mut left = Buffer::scratch(M * deep);
        let most_copied = width.min(if copied { most } else { wide });
        let mut right = Buffer::scratch(deep * most_copied.next_multiple_of(R::LANES));
        for k in (0..depth).step_by(deep) {
            let deep = deep.min(depth - k);
            let onto = if k == 0 { onto } else { Onto::Sum };
            for from in (0..width).step_by(most) {
                let end = width.min(from + most);
                if b.column == 1 {
                    warm(b.at(k, from), deep, end - from);
                }
                let mut panels = SmallVec::<[Panel<T>; 8]>::new();
                let mut room = &mut right[..];
                for at in (from..end).step_by(wide) {
                    let (b, some) = (b.at(k, at), wide.min(end - at));
                    let registers = some.div_ceil(R::LANES);
                    let step = registers * R::LANES;
                    panels.push(if copied || some < step {
                        let (panel, rest) = room.split_at_mut(step * deep);
                        room = rest;
                        match registers {
                            1 => pack(b.transposed(), R::LANES, some, deep, panel),
                            _ => pack(b.transposed(), wide, some, deep, panel),
                        }
                        Panel { at, registers, from: panel, step }
                    } else {
                        Panel { at, registers, from: b.from, step: b.row }
                    });
                }
                let mut row = 0;
                while row < height {
                    let rest = height - row;
                    if a.row == 1 && row.is_multiple_of(16 * M) {
                        warm(a.at(row, k).transposed(), deep, rest.min(16 * M));
                    }
                    let high = [1, 4, 8].into_iter().find(|&high| rest <= high && high < M).unwrap_or(M);
                    let (a, out) = (a.at(row, k), out.rows(row, rest.min(high)));
                    match high {
                        1 => band::<T, R, 1>(a, &mut left, &panels, deep, out, onto),
                        4 => band::<T, R, 4>(a, &mut left, &panels, deep, out, onto),
                        8 => band::<T, R, 8>(a, &mut left, &panels, deep, out, onto),
                        _ => band::<T, R, M>(a, &mut left, &panels, deep, out, onto),
                    }
                    row += high;
                }
            }
        }
    }
}

/// Reads a number from each line, so that rows arrive in the cache one after the other, as fast as memory gives them: what
/// reads a narrow part of many rows would wait for each.
#[inline(always)]
fn warm<T: Float>(x: Matrix<T>, rows: usize, columns: usize) {
    for i in 0..rows {
        let row = &x.from[i * x.row..][..columns];
        row.iter().step_by(LINE / size_of::<T>()).for_each(|v| {
            black_box(v);
        });
    }
}

/// Some columns of `b`: where in the result they are, how many registers hold them, and how far apart two of their rows lie.
struct Panel<'a, T> {
    at: usize,
    registers: usize,
    from: &'a [T],
    step: usize,
}

impl<T: Float> Matrix<'_, T> {
    /// Whether rows that are read for `width` columns of the result are worth copying, by measurements: if they would compete
    /// for the same lines of a cache, or each number of a row for a line of its own.
    #[inline(always)]
    fn worth_copying_rows(&self, width: usize) -> bool {
        let apart = size_of::<T>() * if self.row == 1 { self.column } else { self.row };
        match self.row {
            1 => width >= 192 || apart >= 1024,
            _ => width >= 64 && (apart + LINE) % ALIAS <= 2 * LINE,
        }
    }

    /// Whether columns that are read for `rows` rows of the result are worth copying, by measurements: always if they do not
    /// lie side by side, since registers cannot take them then.
    #[inline(always)]
    fn worth_copying_columns(&self, rows: usize) -> bool {
        self.column != 1 || rows >= 96 && self.row * size_of::<T>() >= 1024
    }
}

/// The tiles of `M` rows or less.
#[inline(always)]
fn band<T: Float, R: Vector<T>, const M: usize>(
    a: Matrix<T>,
    room: &mut [T],
    panels: &[Panel<T>],
    depth: usize,
    mut out: Target<T>,
    onto: Onto<T>,
) {
    let width = panels.len() * 2 * R::LANES;
    if out.rows < M || a.worth_copying_rows(width) {
        pack(a, M, out.rows, depth, room);
        let a = Matrix { from: &*room, row: 1, column: M };
        tiles::<T, R, M, true>(a, panels, depth, &mut out, onto);
    } else {
        tiles::<T, R, M, false>(a, panels, depth, &mut out, onto);
    }
}

/// The tiles of a band, whose rows are `COPIED`, or lie where they were.
#[inline(always)]
fn tiles<T: Float, R: Vector<T>, const M: usize, const COPIED: bool>(
    a: Matrix<T>,
    panels: &[Panel<T>],
    depth: usize,
    out: &mut Target<T>,
    onto: Onto<T>,
) {
    for b in panels {
        // SAFETY: called by kernels that run on processors with the registers' instruction set.
        unsafe {
            match b.registers {
                1 => R::run(Tile::<T, R, M, 1, COPIED> { a, b, depth, out, onto, of: PhantomData }),
                _ => R::run(Tile::<T, R, M, 2, COPIED> { a, b, depth, out, onto, of: PhantomData }),
            }
        }
    }
}

/// `to[k·width + j] = rows[j, k]`, and 0 where there are not so many rows.
#[inline(always)]
pub(crate) fn pack<T: Float>(rows: Matrix<T>, width: usize, some: usize, depth: usize, to: &mut [T]) {
    let Matrix { from, row: apart, column: step } = rows;
    let to = &mut to[..width * depth];
    if some < width {
        to.fill(T::ZERO);
    }
    if apart == 1 && some == width {
        for (k, to) in to.chunks_exact_mut(width).enumerate() {
            to.copy_from_slice(&from[k * step..][..width]);
        }
    } else if step == 1 {
        // Squares of four rows and four steps, as far as there are whole ones.
        let [fours, deep] = [some - some % 4, depth - depth % 4];
        for j in (0..fours).step_by(4) {
            let rows = &from[j * apart..][..3 * apart + depth];
            for k in (0..deep).step_by(4) {
                let to = &mut to[k * width + j..][..3 * width + 4];
                // SAFETY: the rows are `depth` long, and four steps of `to` lie in the slice.
                unsafe { T::turn(rows[k..].as_ptr(), apart, to.as_mut_ptr(), width) };
            }
        }
        pack_each(rows, [0, fours], [deep, depth], width, to);
        pack_each(rows, [fours, some], [0, depth], width, to);
    } else {
        pack_each(rows, [0, some], [0, depth], width, to);
    }
}

/// What [`pack`] does, for rows and steps from one to another, number by number.
#[inline(never)]
fn pack_each<T: Float>(
    rows: Matrix<T>,
    [j, rest]: [usize; 2],
    [k, end]: [usize; 2],
    width: usize,
    to: &mut [T],
) {
    for k in k..end {
        for j in j..rest {
            to[k * width + j] = rows.from[j * rows.row + k * rows.column];
        }
    }
}

/// `M` rows and `N` registers of a result, or as many of them as there are.
struct Tile<'a, 'o, T, R, const M: usize, const N: usize, const COPIED: bool> {
    a: Matrix<'a, T>,
    b: &'a Panel<'a, T>,
    depth: usize,
    out: &'a mut Target<'o, T>,
    onto: Onto<'a, T>,
    of: PhantomData<R>,
}

/// The body of [`Tile`] for so many rows, their sums by name: only then do compilers keep them in registers.
macro_rules! tile_of {
    ($a:ident $b:ident $depth:ident $out:ident $onto:ident
     [$($p:ident $first:literal),*] [$($sums:ident $from:ident $by:literal $r:literal),*]) => {{
        // Three rows from each address, two of them by distances that compilers do not see through, unless they are known:
        // they would count from row to row in each step.
        let by = if COPIED { [0, 1, 2] } else { [0, black_box($a.row), black_box(2 * $a.row)] };
        $(let mut $p = $a.from.as_ptr().wrapping_add($first * $a.row);)*
        let mut columns = $b.from.as_ptr();
        $(let mut $sums = [R::splat(T::ZERO); N];)*
        for _ in 0..$depth {
            let of_b: [R; N] = R::loads(columns);
            $(
                let of_a = R::splat(*$from.wrapping_add(by[$by]));
                for n in 0..N {
                    $sums[n] = of_a.mul_add(of_b[n], $sums[n]);
                }
            )*
            $($p = $p.wrapping_add($a.column);)*
            columns = columns.wrapping_add($b.step);
        }
        if $out.rows < M || $out.columns - $b.at < N * R::LANES {
            let sums = [$($sums),*];
            return store(from_raw_parts(sums.as_ptr().cast(), M * N * R::LANES), N * R::LANES, $out, $b.at, $onto);
        }
        let [$($sums),*] = match $onto {
            Onto::Nothing => [$($sums),*],
            Onto::Sum => [$(added($sums, $out.start.wrapping_add($r * $out.apart + $b.at))),*],
            Onto::Row(row) => {
                let row = row[$b.at..][..N * R::LANES].as_ptr();
                [$(added($sums, row)),*]
            }
        };
        $(for n in 0..N {
            $sums[n].store($out.start.wrapping_add($r * $out.apart + $b.at + n * R::LANES));
        })*
    }};
}

impl<T: Float, R: Vector<T>, const M: usize, const N: usize, const COPIED: bool> Kernel
    for Tile<'_, '_, T, R, M, N, COPIED>
{
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Tile { a, b, depth, out, onto, .. } = self;
        let last = depth - 1;
        assert!(
            a.from.len() > (M - 1) * a.row + last * a.column && b.from.len() >= last * b.step + N * R::LANES
        );
        // SAFETY: run on processors with the registers' instruction set. What is read lies in the slices, as asserted: rows up
        // to `M`, steps up to `depth`; what is written is a whole tile of `out`'s rows and columns.
        unsafe {
            match M {
                1 => tile_of!(a b depth out onto [p0 0] [s0 p0 0 0]),
                4 => tile_of!(a b depth out onto [p0 0, p1 3] [s0 p0 0 0, s1 p0 1 1, s2 p0 2 2, s3 p1 0 3]),
                6 => tile_of!(
                    a b depth out onto [p0 0, p1 3]
                    [s0 p0 0 0, s1 p0 1 1, s2 p0 2 2, s3 p1 0 3, s4 p1 1 4, s5 p1 2 5]
                ),
                8 => tile_of!(
                    a b depth out onto [p0 0, p1 3, p2 6]
                    [s0 p0 0 0, s1 p0 1 1, s2 p0 2 2, s3 p1 0 3, s4 p1 1 4, s5 p1 2 5, s6 p2 0 6, s7 p2 1 7]
                ),
                14 => tile_of!(
                    a b depth out onto [p0 0, p1 3, p2 6, p3 9, p4 12]
                    [s0 p0 0 0, s1 p0 1 1, s2 p0 2 2, s3 p1 0 3, s4 p1 1 4, s5 p1 2 5, s6 p2 0 6, s7 p2 1 7, s8 p2 2 8,
                     s9 p3 0 9, s10 p3 1 10, s11 p3 2 11, s12 p4 0 12, s13 p4 1 13]
                ),
                _ => unreachable!("heights of tiles"),
            }
        }
    }
}

/// Sums and the numbers from an address on.
///
/// # Safety
/// In a loop compiled for the registers' instruction set, where so many numbers lie.
#[inline(always)]
unsafe fn added<T, R: Vector<T>, const N: usize>(mut sums: [R; N], to: *const T) -> [R; N] {
    for (n, sum) in sums.iter_mut().enumerate() {
        // SAFETY: as the caller says.
        *sum = unsafe { R::load(to.wrapping_add(n * R::LANES)).add(*sum) };
    }
    sums
}

/// Writes a tile's sums, `wide` in a row, from column `at` on, where there are fewer rows or columns than the tile has.
#[inline(never)]
fn store<T: Float>(sums: &[T], wide: usize, out: &mut Target<T>, at: usize, onto: Onto<T>) {
    for (i, sums) in sums.chunks(wide).enumerate().take(out.rows) {
        for (j, (to, &v)) in out.row(i)[at..].iter_mut().zip(sums).enumerate() {
            *to = match onto {
                Onto::Nothing => v,
                Onto::Sum => *to + v,
                Onto::Row(row) => row[at + j] + v,
            };
        }
    }
}

/// The numbers of the two widest registers.
const MOST: usize = 32;

/// `out[j] = Σₖ a[k] · b[k, j]`, onto something, where the columns of `b` are contiguous: better read along than across.
pub(crate) struct Dots<'a, 'o, T> {
    pub(crate) a: &'a [T],
    pub(crate) b: Matrix<'a, T>,
    pub(crate) out: &'o mut [T],
    pub(crate) onto: Onto<'a, T>,
}

impl<T: Float> Dots<'_, '_, T> {
    pub(crate) fn run(self) {
        dispatch_one!(
            Along::<T, T::Avx512>(self, PhantomData),
            Along::<T, T::Avx2>(self, PhantomData),
            Along::<T, T::Portable>(self, PhantomData),
        )
    }
}

struct Along<'a, 'o, T, R>(Dots<'a, 'o, T>, PhantomData<R>);

impl<T: Float, R: Vector<T>> Kernel for Along<'_, '_, T, R> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let Dots { a, b, out, onto } = self.0;
        for (j, out) in out.iter_mut().enumerate() {
            let v = dot::<T, R>(a, &b.from[j * b.column..][..a.len()]);
            *out = match onto {
                Onto::Nothing => v,
                Onto::Sum => *out + v,
                Onto::Row(row) => row[j] + v,
            };
        }
    }
}

/// The sum of products, in four registers at once, so that none waits for another.
#[inline(always)]
fn dot<T: Float, R: Vector<T>>(a: &[T], b: &[T]) -> T {
    const CHAINS: usize = 4;
    let wide = CHAINS * R::LANES;
    let [a, b] = [a, b].map(|x| x.chunks_exact(wide));
    let rest: T = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| a * b).sum();
    let mut numbers = [T::ZERO; MOST];
    // SAFETY: called by kernels that are dispatched for the registers' instruction set; chunks are as long as the registers
    // that are loaded from them, and `numbers` is as long as any register.
    unsafe {
        let mut sums = [R::splat(T::ZERO); CHAINS];
        for (a, b) in a.zip(b) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let [a, b] = [a, b].map(|x| R::load(x.as_ptr().wrapping_add(i * R::LANES)));
                *sum = a.mul_add(b, *sum);
            }
        }
        let [a, b, c, d] = sums;
        a.add(b).add(c.add(d)).store(numbers.as_mut_ptr());
    }
    numbers[..R::LANES].iter().copied().sum::<T>() + rest
}
