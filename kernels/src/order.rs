//! Where the largest, the smallest, and all others in order are.

use crate::array::count;
use crate::{Array, Error, Float, Indices, Result, Shape, poll, room};
use std::cmp::Ordering;

/// The place of the largest element along `axis`, which keeps length 1; of equal ones the first. The first NaN, if
/// there is one.
///
/// # Errors
/// If the axis does not exist, or has no elements to choose from.
pub fn argmax<T: Float>(x: &Array<T>, axis: usize) -> Result<Indices> {
    T::argmax_here(x, axis)
}

pub(crate) fn argmax_here<T: Float>(x: &Array<T>, axis: usize) -> Result<Indices> {
    first(x, axis, |a, b| a > b)
}

/// The place of the smallest element along `axis`, which keeps length 1; of equal ones the first. The first NaN, if
/// there is one.
///
/// # Errors
/// If the axis does not exist, or has no elements to choose from.
pub fn argmin<T: Float>(x: &Array<T>, axis: usize) -> Result<Indices> {
    T::argmin_here(x, axis)
}

pub(crate) fn argmin_here<T: Float>(x: &Array<T>, axis: usize) -> Result<Indices> {
    first(x, axis, |a, b| a < b)
}

/// The place of the first element that no other one beats.
#[allow(clippy::eq_op)] // a NaN is what differs from itself
fn first<T: Float>(x: &Array<T>, axis: usize, beats: impl Fn(T, T) -> bool) -> Result<Indices> {
    let shape = with_length(x, axis, 1)?;
    let (n, inner) = (x.shape()[axis], count(&shape[axis + 1..]));
    let mut places = no_places(&shape);
    if places.is_empty() {
        return Ok(Indices::from_vec(places, &shape));
    }
    if n == 0 {
        return Err(Error(format!("axis {axis} of {:?} has no elements to choose from", x.shape())));
    }
    let from = x.contiguous();
    let from = from.as_slice().expect("contiguous");
    for (places, rows) in places.chunks_exact_mut(inner).zip(from.chunks_exact(n * inner)) {
        poll(rows.len() * 8);
        let mut best = rows[..inner].to_vec();
        for (k, row) in rows.chunks_exact(inner).enumerate() {
            for ((place, best), &v) in places.iter_mut().zip(&mut best).zip(row) {
                if beats(v, *best) || v != v && *best == *best {
                    (*place, *best) = (k, v);
                }
            }
        }
    }
    Ok(Indices::from_vec(places, &shape))
}

/// The places of the first `k` elements along `axis` in ascending or descending order; equal ones stay in the order in
/// which they are. NaN counts as larger than every number.
///
/// # Errors
/// If the axis does not exist, or has fewer than `k` elements.
pub fn argsort<T: Float>(x: &Array<T>, axis: usize, k: usize, descending: bool) -> Result<Indices> {
    T::argsort_here(x, axis, k, descending)
}

pub(crate) fn argsort_here<T: Float>(
    x: &Array<T>,
    axis: usize,
    k: usize,
    descending: bool,
) -> Result<Indices> {
    let shape = with_length(x, axis, k)?;
    let (n, inner) = (x.shape()[axis], count(&shape[axis + 1..]));
    if k > n {
        return Err(Error(format!("axis {axis} of {:?} has fewer than {k} elements", x.shape())));
    }
    let mut places = no_places(&shape);
    if places.is_empty() {
        return Ok(Indices::from_vec(places, &shape));
    }
    let from = x.contiguous();
    let from = from.as_slice().expect("contiguous");
    const LONG: usize = 1 << 20;
    let earlier = |a: &(T, usize), b: &(T, usize)| {
        if n > LONG {
            poll(32); // the list is this kernel's own: let it be half sorted
        }
        let by_value = compare(a.0, b.0);
        (if descending { by_value.reverse() } else { by_value }).then(a.1.cmp(&b.1))
    };
    let mut line = room(n);
    for (places, rows) in places.chunks_exact_mut(k * inner).zip(from.chunks_exact(n * inner)) {
        for i in 0..inner {
            poll(n.saturating_mul(256));
            line.clear();
            line.extend(rows[i..].iter().step_by(inner).copied().zip(0..n));
            if k < n {
                line.select_nth_unstable_by(k, earlier);
            }
            line[..k].sort_unstable_by(earlier);
            places[i..].iter_mut().step_by(inner).zip(&line).for_each(|(to, &(_, place))| *to = place);
        }
    }
    Ok(Indices::from_vec(places, &shape))
}

/// The order of the numbers, with NaN above them all.
#[allow(clippy::eq_op)] // a NaN is what differs from itself
fn compare<T: Float>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// A place for each element of this shape, 0 at first.
fn no_places(shape: &[usize]) -> Vec<usize> {
    let n = count(shape);
    let mut places = room(n);
    places.resize(n, 0);
    places
}

/// The shape of `x` with another length of `axis`.
fn with_length<T: Float>(x: &Array<T>, axis: usize, n: usize) -> Result<Shape> {
    let mut shape = Shape::from(x.shape());
    match shape.get_mut(axis) {
        Some(length) => *length = n,
        None => return Err(Error(format!("there is no axis {axis} in the shape {shape:?}"))),
    }
    Ok(shape)
}
