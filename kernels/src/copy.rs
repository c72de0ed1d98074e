//! Copies of short rows, for which calls of the system's function would take longer than the copying. To be called in loops
//! that are compiled for an instruction set: see [`simd`](crate::simd).

use crate::simd::{Kernel, dispatch};

/// Copies all elements of `from`.
#[inline(always)]
pub fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    match from.len() {
        16.. => copy_by::<T, 16>(from, to),
        8.. => copy_by::<T, 8>(from, to),
        4.. => copy_by::<T, 4>(from, to),
        _ => to.iter_mut().zip(from).for_each(|(to, &v)| *to = v),
    }
}

/// `N` at once, at the end some for the second time.
#[inline(always)]
fn copy_by<T: Copy, const N: usize>(from: &[T], to: &mut [T]) {
    let last = from.len() - N;
    for at in (0..last).step_by(N).chain([last]) {
        let some: [T; N] = *from[at..].first_chunk().expect("N or more");
        *to[at..].first_chunk_mut().expect("as long") = some;
    }
}

/// Copies rows of `width` elements that begin `steps` apart, as many as both have.
pub fn copy_rows<T: Copy>(from: &[T], to: &mut [T], steps: [usize; 2], width: usize) {
    dispatch(CopyRows { from, to, steps, width });
}

struct CopyRows<'a, T> {
    from: &'a [T],
    to: &'a mut [T],
    steps: [usize; 2],
    width: usize,
}

impl<T: Copy> Kernel for CopyRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        let CopyRows { from, to, steps, width } = self;
        let rows = from.len().div_ceil(steps[0]).min(to.len().div_ceil(steps[1]));
        for i in 0..rows {
            copy(&from[i * steps[0]..][..width], &mut to[i * steps[1]..][..width]);
        }
    }
}

/// How many rows [`interleave`] puts together.
pub const WIDE: usize = 16;

/// Puts the elements of several rows side by side: `to[i·step + j] = rows[j][i]`. `spare` has room for all of them.
pub fn interleave<T: Copy>(rows: [&[T]; WIDE], spare: &mut [T], to: &mut [T], step: usize) {
    dispatch(Interleave { rows, spare, to, step });
}

struct Interleave<'a, T> {
    rows: [&'a [T]; WIDE],
    spare: &'a mut [T],
    to: &'a mut [T],
    step: usize,
}

impl<T: Copy> Kernel for Interleave<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run(self) {
        // Rows by fours, for which processors have instructions; then the fours of each place.
        let n = self.rows[0].len();
        let (fours, _) = self.spare[..WIDE * n].as_chunks_mut::<4>();
        for (rows, fours) in self.rows.as_chunks::<4>().0.iter().zip(fours.chunks_mut(n.max(1))) {
            let [a, b, c, d] = rows.map(|row| &row[..n]);
            for (i, four) in fours.iter_mut().enumerate() {
                *four = [a[i], b[i], c[i], d[i]];
            }
        }
        for (i, place) in self.to.chunks_mut(self.step).take(n).enumerate() {
            for (k, four) in place[..WIDE].as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *four = fours[k * n + i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_arrive_and_nothing_else_changes() {
        for width in (1..40).filter(|&width| !cfg!(miri) || width % 5 == 0) {
            let (from, mut to) =
                ((0..3 * (width + 2)).collect::<Vec<_>>(), vec![usize::MAX; 3 * (width + 5)]);
            copy_rows(&from, &mut to, [width + 2, width + 5], width);
            for (i, row) in to.chunks(width + 5).enumerate() {
                assert!((0..width).all(|j| row[j] == i * (width + 2) + j), "{width}: {row:?}");
                assert!(row[width..].iter().all(|&v| v == usize::MAX), "{width}: {row:?}");
            }
        }
    }

    #[test]
    fn rows_come_side_by_side() {
        for (n, step) in [0, 1, 3, 4, 15, 16, 17, 50].into_iter().flat_map(|n| [(n, WIDE), (n, WIDE + 3)]) {
            let rows: [Vec<usize>; WIDE] = std::array::from_fn(|j| (0..n).map(|i| i * step + j).collect());
            let (mut spare, mut to) = (vec![0; n * WIDE + 1], vec![usize::MAX; n * step + 1]);
            interleave(rows.each_ref().map(|row| &row[..]), &mut spare, &mut to, step);
            let right = |k: usize| if k < n * step && k % step < WIDE { k } else { usize::MAX };
            assert!((0..to.len()).all(|k| to[k] == right(k)), "{n}, {step}: {to:?}");
        }
    }
}
