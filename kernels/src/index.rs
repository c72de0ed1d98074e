//! Moving numbers to places given by ranges and indices.

use crate::array::count;
use crate::{Array, Buffer, Error, Float, Result, Shape};

/// Row `indices[i]` of `x` (along its first axis) as row `i`: shape `[indices.len(), rest of x…]`.
///
/// # Errors
/// If `x` is a single number or an index lies outside.
pub fn gather_rows<T: Float>(x: &Array<T>, indices: &[usize]) -> Result<Array<T>> {
    let (rows, rest) = rows_of(x.shape(), indices)?;
    let width = count(rest);
    debug_assert!(rows > 0 || indices.is_empty());
    let from = x.contiguous();
    let from = from.as_slice().expect("contiguous");
    let mut out = Buffer::scratch(indices.len() * width);
    if width > 0 {
        for (to, &i) in out.chunks_exact_mut(width).zip(indices) {
            to.copy_from_slice(&from[i * width..][..width]);
        }
    }
    Ok(Array::from_buffer(out, &[&[indices.len()], rest].concat()))
}

/// Adds row `i` of `rows` to row `indices[i]` of `target`; an index that occurs twice adds twice.
///
/// # Panics
/// If an index lies outside or the rows have other lengths: callers gathered with the same indices before.
pub fn scatter_add_rows<T: Float>(target: &mut Array<T>, indices: &[usize], rows: &Array<T>) {
    let width = count(&target.shape()[1..]);
    let rows = rows.contiguous();
    let rows = rows.as_slice().expect("contiguous");
    assert_eq!(rows.len(), indices.len() * width, "scatter_add_rows: one row for each index");
    let target = target.as_mut_slice();
    if width > 0 {
        for (row, &i) in rows.chunks_exact(width).zip(indices) {
            target[i * width..][..width].iter_mut().zip(row).for_each(|(t, &v)| *t += v);
        }
    }
}

fn rows_of<'a>(shape: &'a [usize], indices: &[usize]) -> Result<(usize, &'a [usize])> {
    let Some((&rows, rest)) = shape.split_first() else {
        return Err(Error("a single number has no rows to gather from".into()));
    };
    match indices.iter().position(|&i| i >= rows) {
        Some(k) => {
            Err(Error(format!("index {} (number {k}) lies outside the {rows} rows of {shape:?}", indices[k])))
        }
        None => Ok((rows, rest)),
    }
}

/// The arrays one after the other along `axis`.
///
/// # Errors
/// If there are none, the axis does not exist, or another axis differs.
pub fn concat<T: Float>(parts: &[&Array<T>], axis: usize) -> Result<Array<T>> {
    let Some(first) = parts.first() else { return Err(Error("there is nothing to concatenate".into())) };
    let mut shape = Shape::from(first.shape());
    if axis >= shape.len() {
        return Err(Error(format!("there is no axis {axis} in the shape {shape:?}")));
    }
    shape[axis] = parts.iter().map(|p| p.shape().get(axis).copied().unwrap_or(0)).sum();
    for part in parts {
        let fits =
            part.ndim() == shape.len() && (0..shape.len()).all(|k| k == axis || part.shape()[k] == shape[k]);
        if !fits {
            let (a, b) = (first.shape(), part.shape());
            return Err(Error(format!("shapes {a:?} and {b:?} differ in more than axis {axis}")));
        }
    }
    let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
    let mut out = Buffer::scratch(count(&shape));
    let row = shape[axis] * inner;
    let mut at = 0;
    for part in parts {
        let width = part.shape()[axis] * inner;
        let from = part.contiguous();
        let from = from.as_slice().expect("contiguous");
        for i in 0..if width > 0 { outer } else { 0 } {
            out[i * row + at..][..width].copy_from_slice(&from[i * width..][..width]);
        }
        at += width;
    }
    Ok(Array::from_buffer(out, &shape))
}

/// Adds `part` to elements `start, start + step, …` of `target` along `axis`: the reverse of [`Array::slice`].
///
/// # Panics
/// If the part does not lie inside: callers sliced it from there before.
pub fn add_to_slice<T: Float>(
    target: &mut Array<T>,
    axis: usize,
    start: usize,
    step: isize,
    part: &Array<T>,
) {
    let (n, len) = (target.shape()[axis], part.shape()[axis]);
    let (outer, inner) = (count(&target.shape()[..axis]), count(&target.shape()[axis + 1..]));
    assert_eq!(part.len(), outer * len * inner, "add_to_slice: a part of the target's shape");
    let part = part.contiguous();
    let part = part.as_slice().expect("contiguous");
    let target = target.as_mut_slice();
    // Neighbours along the axis are neighbours in memory: all of them are one run.
    let (runs, width) = if step == 1 { (1, len * inner) } else { (len, inner) };
    for i in 0..outer {
        for j in 0..runs {
            let k = start.wrapping_add_signed(j as isize * step);
            let to = &mut target[(i * n + k) * inner..][..width];
            to.iter_mut().zip(&part[(i * runs + j) * width..][..width]).for_each(|(t, &v)| *t += v);
        }
    }
}

/// Adds the windows of `part` to the elements of `target` they consist of: the reverse of [`Array::windows`]. An element
/// of several windows gets the sum.
///
/// # Panics
/// If the windows do not lie inside: callers took them from there before.
pub fn add_to_windows<T: Float>(
    target: &mut Array<T>,
    axis: usize,
    step: usize,
    dilation: usize,
    part: &Array<T>,
) {
    let (&size, windows) = part.shape().split_last().expect("windows have a last axis");
    for k in 0..size {
        let elements = part.slice(windows.len(), k, 1, 1).and_then(|part| part.reshape(windows));
        add_to_slice(target, axis, k * dilation, step as isize, &elements.expect("element k of each window"));
    }
}
