//! Moving numbers to places given by ranges and indices.

use crate::array::count;
use crate::{Array, Buffer, Error, Float, Indices, Result, Shape};

/// The elements at `indices` along `axis`, which the axes of `indices` replace.
///
/// # Errors
/// If the axis does not exist or an index lies outside.
pub fn index_select<T: Float>(x: &Array<T>, axis: usize, indices: &Indices) -> Result<Array<T>> {
    T::index_select_here(x, axis, indices)
}

pub(crate) fn index_select_here<T: Float>(x: &Array<T>, axis: usize, indices: &Indices) -> Result<Array<T>> {
    indices.lie_inside(x.shape(), axis)?;
    let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
    let shape = [before, indices.shape(), after].concat();
    let (n, inner) = (x.shape()[axis], count(after));
    let from = x.contiguous();
    let from = from.as_slice().expect("contiguous");
    let mut out = Buffer::scratch(count(&shape));
    if !out.is_empty() {
        let parts = out.chunks_exact_mut(indices.as_slice().len() * inner);
        for (part, from) in parts.zip(from.chunks_exact(n * inner)) {
            for (to, &i) in part.chunks_exact_mut(inner).zip(indices.as_slice()) {
                to.copy_from_slice(&from[i * inner..][..inner]);
            }
        }
    }
    Ok(Array::from_buffer(out, &shape))
}

/// Adds `part` to the elements of `target` at `indices` along `axis`, twice where an index occurs twice: the reverse of
/// [`index_select`].
///
/// # Panics
/// If an index lies outside or the shapes do not fit: callers selected with the same indices before.
pub fn index_add<T: Float>(target: &mut Array<T>, axis: usize, indices: &Indices, part: &Array<T>) {
    T::index_add_here(target, axis, indices, part)
}

pub(crate) fn index_add_here<T: Float>(
    target: &mut Array<T>,
    axis: usize,
    indices: &Indices,
    part: &Array<T>,
) {
    let (n, inner) = (target.shape()[axis], count(&target.shape()[axis + 1..]));
    let (outer, m) = (count(&target.shape()[..axis]), indices.as_slice().len());
    assert_eq!(part.len(), outer * m * inner, "index_add: a part for each index");
    if part.is_empty() {
        return;
    }
    let part = part.contiguous();
    let parts = part.as_slice().expect("contiguous").chunks_exact(m * inner);
    for (target, part) in target.as_mut_slice().chunks_exact_mut(n * inner).zip(parts) {
        for (from, &i) in part.chunks_exact(inner).zip(indices.as_slice()) {
            target[i * inner..][..inner].iter_mut().zip(from).for_each(|(t, &v)| *t += v);
        }
    }
}

/// `y[…, j, …] = x[…, indices[…, j, …], …]` along `axis`: on each line of `x` the elements that the same line of
/// `indices` names.
///
/// # Errors
/// If the axis does not exist, the shapes differ along another one, or an index lies outside.
pub fn take_along_axis<T: Float>(x: &Array<T>, axis: usize, indices: &Indices) -> Result<Array<T>> {
    T::take_along_axis_here(x, axis, indices)
}

pub(crate) fn take_along_axis_here<T: Float>(
    x: &Array<T>,
    axis: usize,
    indices: &Indices,
) -> Result<Array<T>> {
    let from = x.contiguous();
    let from = from.as_slice().expect("contiguous");
    let places = places(x.shape(), axis, indices)?;
    let mut out = Buffer::scratch(indices.as_slice().len());
    out.iter_mut().zip(places).for_each(|(to, place)| *to = from[place]);
    Ok(Array::from_buffer(out, indices.shape()))
}

/// `target[…, indices[…, j, …], …] += part[…, j, …]` along `axis`: the reverse of [`take_along_axis`].
///
/// # Errors
/// If the axis does not exist, the shapes differ along another one or from that of the part, or an index lies outside.
pub fn scatter_add<T: Float>(
    target: &mut Array<T>,
    axis: usize,
    indices: &Indices,
    part: &Array<T>,
) -> Result<()> {
    T::scatter_add_here(target, axis, indices, part)
}

pub(crate) fn scatter_add_here<T: Float>(
    target: &mut Array<T>,
    axis: usize,
    indices: &Indices,
    part: &Array<T>,
) -> Result<()> {
    if part.shape() != indices.shape() {
        let (a, b) = (part.shape(), indices.shape());
        return Err(Error(format!("numbers of shape {a:?} need indices of the same shape, not {b:?}")));
    }
    let places = places(&Shape::from(target.shape()), axis, indices)?;
    let part = part.contiguous();
    let part = part.as_slice().expect("contiguous");
    let target = target.as_mut_slice();
    part.iter().zip(places).for_each(|(&v, place)| target[place] += v);
    Ok(())
}

/// For each index, the place of its element in an array of this shape, in row-major order.
fn places<'a>(
    shape: &[usize],
    axis: usize,
    indices: &'a Indices,
) -> Result<impl Iterator<Item = usize> + use<'a>> {
    indices.lie_inside(shape, axis)?;
    let lines = indices.shape();
    if lines.len() != shape.len() || (0..shape.len()).any(|k| k != axis && lines[k] != shape[k]) {
        return Err(Error(format!(
            "indices of shape {lines:?} do not fit {shape:?}: they may differ along axis {axis} only"
        )));
    }
    let (n, m, inner) = (shape[axis], lines[axis], count(&shape[axis + 1..]));
    let blocks = indices.as_slice().chunks((m * inner).max(1)).enumerate();
    Ok(blocks.flat_map(move |(o, block)| {
        let rows = block.chunks(inner.max(1));
        rows.flat_map(move |row| row.iter().enumerate().map(move |(k, &i)| (o * n + i) * inner + k))
    }))
}

/// The arrays one after the other along `axis`.
///
/// # Errors
/// If there are none, the axis does not exist, or another axis differs.
pub fn concat<T: Float>(parts: &[&Array<T>], axis: usize) -> Result<Array<T>> {
    T::concat_here(parts, axis)
}

pub(crate) fn concat_here<T: Float>(parts: &[&Array<T>], axis: usize) -> Result<Array<T>> {
    let Some(first) = parts.first() else { return Err(Error("there is nothing to concatenate".into())) };
    let mut shape = Shape::from(first.shape());
    if axis >= shape.len() {
        return Err(Error(format!("there is no axis {axis} in the shape {shape:?}")));
    }
    let mut lengths = parts.iter().map(|p| p.shape().get(axis).copied().unwrap_or(0));
    let Some(length) = lengths.try_fold(0usize, usize::checked_add) else {
        return Err(Error(format!("axis {axis} of the whole would be longer than can be counted")));
    };
    shape[axis] = length;
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
    T::add_to_slice_here(target, axis, start, step, part)
}

pub(crate) fn add_to_slice_here<T: Float>(
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
    // Neighbours on the axis lie in one run.
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
    T::add_to_windows_here(target, axis, step, dilation, part)
}

pub(crate) fn add_to_windows_here<T: Float>(
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
