//! Rearrangements that are put together from the ops of [`shape`](super::shape): whatever they do, a slice, a reshape,
//! a broadcast or a concatenation does it, with its derivatives.

use super::elementwise::where_;
use super::linear::linear;
use super::reduce::{Axes, axis_of};
use super::shape::{Permute, Slice, Unslice, concat};
use crate::kernels::{Shape, count};
use crate::num::Float;
use crate::{Array, Tensor};

/// How [`Tensor::pad`] goes on beyond the ends of an axis. The pictures show `a b c` with two more on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding<T> {
    /// `v v | a b c | v v`
    Constant(T),
    /// `c b | a b c | b a`: mirrored, without the ends twice. At most one less than the axis has.
    Reflect,
    /// `a a | a b c | c c`. Any width, if the axis has an element.
    Replicate,
    /// `b c | a b c | a b`. At most as wide as the axis.
    Circular,
}

/// Axes that come, go and change places.
impl<T: Float> Tensor<T> {
    /// A new axis of length 1, which becomes axis `axis` of the result.
    ///
    /// # Panics
    /// If the result has no such axis.
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor<T> {
        let mut shape = Shape::from(self.shape());
        match axis_of(axis, shape.len() + 1) {
            Ok(at) => shape.insert(at, 1),
            Err(why) => Tensor::refuse("unsqueeze", &format!("{why} of the result"), &[self]),
        }
        self.reshape(&shape)
    }

    /// Without these axes, which must have length 1. (Naming none takes away none: a batch of one is still a batch.)
    ///
    /// # Panics
    /// If an axis does not exist, is named twice, or has another length.
    #[track_caller]
    pub fn squeeze(&self, axes: impl Axes) -> Tensor<T> {
        let axes = self.axes("squeeze", axes);
        if let Some(&axis) = axes.iter().find(|&&axis| self.shape()[axis] != 1) {
            let n = self.shape()[axis];
            Tensor::refuse("squeeze", &format!("axis {axis} has length {n}, not 1"), &[self])
        }
        self.without(&axes)
    }

    /// Axes `first` to `last`, this one included, made one: `x.flatten(0, -1)` is a vector, `x.flatten(1, -1)` a row
    /// for each example.
    ///
    /// # Panics
    /// If one of them does not exist or they are in the wrong order.
    #[track_caller]
    pub fn flatten(&self, first: isize, last: isize) -> Tensor<T> {
        let (a, b) = (self.axis("flatten", first), self.axis("flatten", last));
        if a > b {
            Tensor::refuse("flatten", &format!("axis {first} comes after axis {last}"), &[self])
        }
        let shape = self.shape();
        self.reshape(&[&shape[..a], &[count(&shape[a..=b])], &shape[b + 1..]].concat())
    }

    /// Axis `from` moved to where it is axis `to` of the result; the others keep their order.
    ///
    /// # Panics
    /// If one of them does not exist.
    #[track_caller]
    pub fn moveaxis(&self, from: isize, to: isize) -> Tensor<T> {
        let (from, to) = (self.axis("moveaxis", from), self.axis("moveaxis", to));
        let mut order: Shape = (0..self.shape().len()).collect();
        let axis = order.remove(from);
        order.insert(to, axis);
        linear(Permute(order), self)
    }
}

/// Elements taken apart, turned round and repeated.
impl<T: Float> Tensor<T> {
    /// Python's `x[start:stop:step]` along `axis`: every `step`th element from `start` on and before `stop`. Negative places
    /// count from the end, a negative step runs backwards, `None` is the end that lies on the way, and what is outside is
    /// left out. (So [`slice`](Self::slice) finds mistakes that this cannot.)
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([0.0, 1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(x.slice_step(0, None, None, 2).to_string(), "[0, 2, 4]");
    /// assert_eq!(x.slice_step(0, -2, None, 1).to_string(), "[3, 4]");
    /// assert_eq!(x.slice_step(0, 3, 0, -1).to_string(), "[3, 2, 1]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or the step is 0.
    #[track_caller]
    pub fn slice_step(
        &self,
        axis: isize,
        start: impl Into<Option<isize>>,
        stop: impl Into<Option<isize>>,
        step: isize,
    ) -> Tensor<T> {
        let axis = self.axis("slice_step", axis);
        if step == 0 {
            Tensor::refuse("slice_step", "a step of 0 leads nowhere", &[self])
        }
        let n = self.shape()[axis] as isize;
        let (first, end) = if step > 0 { (0, n) } else { (n - 1, -1) };
        let place = |i: isize| if i < 0 { i + n } else { i }.clamp(first.min(end), first.max(end));
        let (start, stop) = (start.into().map_or(first, place), stop.into().map_or(end, place));
        let way = (stop - start) * step.signum();
        let len = (way.max(0) as usize).div_ceil(step.unsigned_abs());
        // A single element, or none, has no step that could lead outside.
        let (start, step) = if len == 0 { (0, 1) } else { (start as usize, if len == 1 { 1 } else { step }) };
        linear(Slice { axis, start, step, len }, self)
    }

    /// Parts of `size` elements along an axis, one after the other; the last has what is left. An axis of none is one
    /// part.
    ///
    /// # Panics
    /// If the axis does not exist or the size is 0.
    #[track_caller]
    pub fn split(&self, size: usize, axis: isize) -> Vec<Tensor<T>> {
        let n = self.shape()[self.axis("split", axis)];
        if size == 0 {
            Tensor::refuse("split", "parts of 0 elements never make up the axis", &[self])
        }
        let sizes: Vec<usize> = (0..n.div_ceil(size).max(1)).map(|i| size.min(n - i * size)).collect();
        self.split_sizes(&sizes, axis)
    }

    /// Parts of these sizes along an axis, one after the other.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let parts = Tensor::new([1.0, 2.0, 3.0]).split_sizes(&[1, 2], 0);
    /// assert_eq!(parts[1].to_string(), "[2, 3]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or the sizes do not add up to its length.
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], axis: isize) -> Vec<Tensor<T>> {
        let k = self.axis("split_sizes", axis);
        let (n, total) = (self.shape()[k], sizes.iter().fold(0, |total: usize, &n| total.saturating_add(n)));
        if n != total {
            let why = format!("parts of {sizes:?} elements, {total} in all, do not make up axis {k} of {n}");
            Tensor::refuse("split_sizes", &why, &[self])
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        for &len in sizes {
            parts.push(linear(Slice { axis: k, start, step: 1, len }, self));
            start += len;
        }
        parts
    }

    /// At most `n` parts of equal size along an axis, the last of what is left: fewer than `n` where that size, rounded
    /// up, makes up the axis sooner.
    ///
    /// # Panics
    /// If the axis does not exist or `n` is 0.
    #[track_caller]
    pub fn chunk(&self, n: usize, axis: isize) -> Vec<Tensor<T>> {
        let len = self.shape()[self.axis("chunk", axis)];
        if n == 0 {
            Tensor::refuse("chunk", "0 parts do not make up the axis", &[self])
        }
        self.split(len.div_ceil(n).max(1), axis)
    }

    /// These axes backwards.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn flip(&self, axes: impl Axes) -> Tensor<T> {
        let mut y = self.clone();
        for axis in self.axes("flip", axes) {
            let len = self.shape()[axis];
            y = linear(Slice { axis, start: len.saturating_sub(1), step: -1, len }, &y);
        }
        y
    }

    /// The elements `shift` places further along an axis (back, if negative); what leaves at one end comes in at the
    /// other.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// assert_eq!(Tensor::new([1.0, 2.0, 3.0]).roll(1, 0).to_string(), "[3, 1, 2]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn roll(&self, shift: isize, axis: isize) -> Tensor<T> {
        let n = self.shape()[self.axis("roll", axis)];
        if n == 0 {
            return self.clone();
        }
        let first = n - shift.rem_euclid(n as isize) as usize;
        concat([self.slice(axis, first..), self.slice(axis, ..first)], axis)
    }

    /// Each element `n` times in a row along an axis, as NumPy's `repeat` and PyTorch's `repeat_interleave`. The whole
    /// several times, which PyTorch calls `repeat`, is [`tile`](Self::tile).
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0]);
    /// assert_eq!(x.repeat(2, 0).to_string(), "[1, 1, 2, 2]");
    /// assert_eq!(x.tile(&[2]).to_string(), "[1, 2, 1, 2]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn repeat(&self, n: usize, axis: isize) -> Tensor<T> {
        let axis = self.axis("repeat", axis);
        let (mut shape, mut apart) = (Shape::from(self.shape()), Shape::from(self.shape()));
        shape[axis] = shape[axis].saturating_mul(n); // too many are refused below
        apart.insert(axis + 1, n);
        self.unsqueeze(axis as isize + 1).broadcast_to(&apart).reshape(&shape)
    }

    /// The whole `times[k]` times one after the other along axis `k`. Fewer `times` than axes count for the last ones;
    /// more make new axes in front.
    #[track_caller]
    pub fn tile(&self, times: &[usize]) -> Tensor<T> {
        let axes = self.shape().len().max(times.len());
        let at = |list: &[usize], k: usize| (k + list.len()).checked_sub(axes).map_or(1, |k| list[k]);
        let (mut apart, mut wide, mut shape) = (Shape::new(), Shape::new(), Shape::new());
        for (n, times) in (0..axes).map(|k| (at(self.shape(), k), at(times, k))) {
            apart.extend([1, n]);
            wide.extend([times, n]);
            shape.push(n.saturating_mul(times)); // too many are refused below
        }
        self.reshape(&apart).broadcast_to(&wide).reshape(&shape)
    }

    /// Continued beyond its ends: by `widths[k]` elements before and after axis `k`.
    ///
    /// ```
    /// use femtograd::{Padding, Tensor};
    /// let x = Tensor::new([1.0, 2.0, 3.0]);
    /// assert_eq!(x.pad(&[(1, 2)], Padding::Constant(0.0)).to_string(), "[0, 1, 2, 3, 0, 0]");
    /// assert_eq!(x.pad(&[(1, 2)], Padding::Reflect).to_string(), "[2, 1, 2, 3, 2, 1]");
    /// assert_eq!(x.pad(&[(1, 2)], Padding::Replicate).to_string(), "[1, 1, 2, 3, 3, 3]");
    /// assert_eq!(x.pad(&[(1, 2)], Padding::Circular).to_string(), "[3, 1, 2, 3, 1, 2]");
    /// ```
    ///
    /// # Panics
    /// If there is not a pair of widths for each axis, or one is wider than the [`Padding`] can fill.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], padding: Padding<T>) -> Tensor<T> {
        if widths.len() != self.shape().len() {
            let why = format!("{} pairs of widths: there must be one for each axis", widths.len());
            Tensor::refuse("pad", &why, &[self])
        }
        let mut y = self.clone();
        for (k, &(before, after)) in widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
            let (n, axis) = (self.shape()[k], k as isize);
            let most = match padding {
                Padding::Reflect => n.saturating_sub(1),
                Padding::Circular => n,
                Padding::Replicate if n == 0 => 0,
                Padding::Replicate | Padding::Constant(_) => usize::MAX,
            };
            if before.max(after) > most {
                let why = format!(
                    "{padding:?} fills at most {most} on a side of axis {k}, not {before} and {after}"
                );
                Tensor::refuse("pad", &why, &[self])
            }
            let (first, last) = match padding {
                Padding::Constant(v) => {
                    let end = |len| {
                        let mut shape = Shape::from(y.shape());
                        shape[k] = len;
                        Array::full(&shape, v)
                    };
                    (Tensor::constant(end(before)), Tensor::constant(end(after)))
                }
                Padding::Reflect => {
                    (y.slice(axis, 1..1 + before).flip(axis), y.slice(axis, n - 1 - after..n - 1).flip(axis))
                }
                Padding::Replicate => {
                    (y.slice(axis, ..1).repeat(before, axis), y.slice(axis, n - 1..).repeat(after, axis))
                }
                Padding::Circular => (y.slice(axis, n - before..), y.slice(axis, ..after)),
            };
            y = concat([first, y, last], axis);
        }
        y
    }
}

/// Diagonals and triangles of matrices. Diagonal `k` holds the elements `[i, i + k]`: 0 is the main one, positive ones
/// lie above it.
impl<T: Float> Tensor<T> {
    /// `y[…, i] = x[…, i, …, i + k, …]`: the diagonal of the matrices along axes `a` and `b`, which vanish; it is the last
    /// axis of the result. Empty where `k` lies beyond the matrix.
    ///
    /// # Panics
    /// If an axis does not exist or both are the same.
    #[track_caller]
    pub fn diagonal(&self, k: isize, a: isize, b: isize) -> Tensor<T> {
        let (a, b) = (self.axis("diagonal", a), self.axis("diagonal", b));
        if a == b {
            Tensor::refuse("diagonal", &format!("axis {a} has no diagonal with itself"), &[self])
        }
        let (m, n, off) = (self.shape()[a], self.shape()[b], k.unsigned_abs());
        let (len, start) = if k < 0 {
            (m.saturating_sub(off).min(n), off.saturating_mul(n))
        } else {
            (n.saturating_sub(off).min(m), off)
        };
        let others = (0..self.shape().len()).filter(|&k| k != a && k != b);
        let order: Shape = others.chain([a, b]).collect();
        // The matrix as one row, in which neighbours on a diagonal are n + 1 apart.
        let row = linear(Permute(order), self).flatten(-2, -1);
        let axis = row.shape().len() - 1;
        let start = if len == 0 { 0 } else { start };
        linear(Slice { axis, start, step: n as isize + 1, len }, &row)
    }

    /// `y[…, i, i + k] = x[…, i]`, 0 elsewhere: square matrices with the last axis on diagonal `k`, as large as it takes.
    ///
    /// # Panics
    /// If the tensor is a single number.
    #[track_caller]
    pub fn diag_embed(&self, k: isize) -> Tensor<T> {
        let Some((&len, batch)) = self.shape().split_last() else {
            Tensor::refuse("diag_embed", "a single number has no axis to lie on a diagonal", &[self])
        };
        let n = len + k.unsigned_abs();
        let start = if k < 0 { k.unsigned_abs() * n } else { k.unsigned_abs() };
        let of = Slice { axis: batch.len(), start, step: n as isize + 1, len };
        let row = linear(Unslice { of, shape: [batch, &[n * n]].concat().into() }, self);
        row.reshape(&[batch, &[n, n]].concat())
    }

    /// Of a matrix diagonal `k`; of a vector the square matrix that has it on diagonal `k` and 0 elsewhere.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0]);
    /// assert_eq!(x.diag(0).to_string(), "[[1, 0], [0, 2]]");
    /// assert_eq!(x.diag(1).to_string(), "[[0, 1, 0], [0, 0, 2], [0, 0, 0]]");
    /// assert_eq!(x.diag(1).diag(1).to_string(), "[1, 2]");
    /// ```
    ///
    /// # Panics
    /// If the tensor is neither: [`diagonal`](Self::diagonal) and [`diag_embed`](Self::diag_embed) take batches.
    #[track_caller]
    pub fn diag(&self, k: isize) -> Tensor<T> {
        match self.shape().len() {
            1 => self.diag_embed(k),
            2 => self.diagonal(k, 0, 1),
            _ => Tensor::refuse(
                "diag",
                "only a vector or a matrix has one reading. For a batch: diagonal(k, -2, -1) or diag_embed(k)",
                &[self],
            ),
        }
    }

    /// `Σᵢ x[…, i, i]`: the sum of the diagonal of the last two axes, which vanish. They need not be of equal length.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn trace(&self) -> Tensor<T> {
        self.axis("trace", -2);
        self.diagonal(0, -2, -1).sum_axes(-1)
    }

    /// The matrix (or each of a batch) with 0 above diagonal `k`: for 0 the lower triangle with its diagonal. What is
    /// put aside contributes nothing, NaN and ∞ included.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, k: isize) -> Tensor<T> {
        self.triangle("tril", |diagonal| diagonal <= k)
    }

    /// The matrix (or each of a batch) with 0 below diagonal `k`: for 0 the upper triangle with its diagonal. What is
    /// put aside contributes nothing, NaN and ∞ included.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, k: isize) -> Tensor<T> {
        self.triangle("triu", |diagonal| diagonal >= k)
    }

    /// The diagonals that are kept, 0 elsewhere.
    #[track_caller]
    fn triangle(&self, op: &'static str, kept: impl Fn(isize) -> bool) -> Tensor<T> {
        let &[.., m, n] = self.shape() else {
            Tensor::refuse(op, "a matrix is needed, or a batch of them", &[self])
        };
        let mask =
            Array::from_fn(
                &[m, n],
                |i| {
                    if kept((i % n) as isize - (i / n) as isize) { T::ONE } else { T::ZERO }
                },
            );
        where_(Tensor::constant(mask), self, T::ZERO)
    }
}
