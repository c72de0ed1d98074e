//! Numbers with a shape.
//!
//! An [`Array`] is either one number, held in place, or a view of a shared [`Buffer`]: a shape, a stride for each
//! axis (how far apart neighbours on that axis lie), and an offset. Reshaping, transposing, broadcasting and
//! slicing change the view and leave the numbers where they are. Copies share; writing to a shared array copies
//! first.

use crate::buffer::Word;
use crate::{Buffer, Error, Float, Function, NO_MEMORY, Result, Sink, map, map_into, poll, room};
use smallvec::{SmallVec, smallvec};
use std::fmt;
use std::sync::Arc;

/// The lengths of an array's axes, first the slowest: `[rows, columns]`. Empty for a single number.
pub type Shape = SmallVec<[usize; 4]>;

/// An n-dimensional array of `f32` or `f64`. Cloning shares the numbers.
#[derive(Clone)]
pub struct Array<T>(Repr<T>);

#[derive(Clone)]
enum Repr<T> {
    Scalar(Word<T>),
    View(Arc<View<T>>),
}

/// One or more axes over a shared buffer.
#[derive(Clone)]
struct View<T> {
    buffer: Arc<Buffer<T>>,
    layout: Layout,
    /// In row-major order without gaps: the numbers are one slice of the buffer.
    contiguous: bool,
}

/// Where the elements of an array lie in its buffer: element `i` at `offset + Σ i[k]·strides[k]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The length of each axis.
    pub shape: Shape,
    /// The distance between neighbours on each axis: 0 where an axis is broadcast, negative where it runs backwards.
    pub strides: SmallVec<[isize; 4]>,
    /// The place of the first element.
    pub offset: usize,
}

/// The shape of a single number is the empty part of this, not `&[]`, which lies at no real address: comparing shapes calls
/// `memcmp`, whose masked read there takes the processor 70 ns, though it reads nothing.
static NO_AXES: [usize; 1] = [0];

impl Layout {
    /// The row-major layout of a fresh buffer.
    pub fn row_major(shape: &[usize]) -> Layout {
        let mut strides: SmallVec<[isize; 4]> = smallvec![0; shape.len()];
        let mut step = 1;
        for (stride, &n) in strides.iter_mut().zip(shape).rev() {
            *stride = step;
            step = step.wrapping_mul(n.max(1) as isize); // of no use where there are no elements
        }
        Layout { shape: shape.into(), strides, offset: 0 }
    }

    fn is_row_major(&self) -> bool {
        let mut step = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&n, &stride)| {
            let fits = n <= 1 || stride == step;
            step = step.wrapping_mul(n as isize);
            fits
        }) || self.shape.contains(&0)
    }

    /// The same elements in the same order with as few axes as possible: neighbouring axes that one stride can
    /// walk become one, axes of length 1 vanish.
    pub(crate) fn merged(&self) -> Layout {
        let mut merged = Layout { shape: Shape::new(), strides: SmallVec::new(), offset: self.offset };
        for (&n, &stride) in self.shape.iter().zip(&self.strides).filter(|(n, _)| **n != 1) {
            match (merged.shape.last_mut(), merged.strides.last_mut()) {
                (Some(outer), Some(step)) if *step == stride * n as isize => {
                    *outer *= n;
                    *step = stride;
                }
                _ => {
                    merged.shape.push(n);
                    merged.strides.push(stride);
                }
            }
        }
        merged
    }

    /// The same elements in the same order under another shape of as many, if strides can say it.
    fn reshaped(&self, shape: &[usize]) -> Option<Layout> {
        let mut layout = Layout { offset: self.offset, ..Layout::row_major(shape) };
        if self.is_row_major() {
            return Some(layout);
        }
        // From the last axis on: each of those that one stride can walk has to be a product of new ones.
        let merged = self.merged();
        let mut axes = merged.shape.iter().zip(&merged.strides).rev();
        let (mut left, mut step) = (1, 0);
        for (stride, &n) in layout.strides.iter_mut().zip(shape).rev().filter(|(_, n)| **n != 1) {
            if left == 1 {
                (left, step) = axes.next().map(|(&n, &step)| (n, step))?;
            }
            if left % n != 0 {
                return None;
            }
            *stride = step;
            (left, step) = (left / n, step * n as isize);
        }
        Some(layout)
    }
}

/// How many elements an array of this shape has.
///
/// # Panics
/// If there are more than a `usize` can count, with [`NO_MEMORY`].
pub fn count(shape: &[usize]) -> usize {
    try_count(shape).unwrap_or_else(|why| panic!("{NO_MEMORY}an array: {why}"))
}

/// [`count`], where too many are a mistake.
pub(crate) fn try_count(shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    product.ok_or_else(|| Error(format!("the shape {shape:?} has more elements than can be counted")))
}

/// The common shape of two under NumPy's rules: shapes are aligned at their last axes, and lengths must be equal or 1.
///
/// # Errors
/// Names the first axis that does not fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Shape> {
    if a == b {
        return Ok(a.into());
    }
    let axes = a.len().max(b.len());
    let at = |s: &[usize], k: usize| if k + s.len() < axes { 1 } else { s[k + s.len() - axes] };
    (0..axes)
        .map(|k| match (at(a, k), at(b, k)) {
            (m, n) if m == n || n == 1 => Ok(m),
            (1, n) => Ok(n),
            (m, n) => Err(Error(format!(
                "shapes {a:?} and {b:?} do not broadcast: counted from the last, axis {} is {m} in one and {n} in the other",
                k as isize - axes as isize
            ))),
        })
        .collect()
}

impl<T: Float> Array<T> {
    /// The numbers of `values` in row-major order under `shape`.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    #[track_caller]
    pub fn from_vec(values: impl AsRef<[T]>, shape: &[usize]) -> Array<T> {
        let values = values.as_ref();
        assert!(
            count(shape) == values.len(),
            "array: {} numbers do not fill the shape {shape:?}",
            values.len()
        );
        Array::from_buffer(Buffer::from(values), shape)
    }

    /// The numbers of `buffer` in row-major order under `shape`.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    pub fn from_buffer(buffer: Buffer<T>, shape: &[usize]) -> Array<T> {
        assert_eq!(buffer.len(), count(shape), "a buffer that fills the shape");
        if shape.is_empty() {
            return Array::scalar(buffer[0]);
        }
        let layout = Layout::row_major(shape);
        Array(Repr::View(Arc::new(View { buffer: Arc::new(buffer), layout, contiguous: true })))
    }

    /// The numbers of `buffer` that lie where `layout` says: any strides will do, of 0, backwards or such that elements
    /// share a place. Without axes, the number at the offset.
    ///
    /// ```
    /// use femtograd_kernels::{Array, Buffer, Layout};
    /// let buffer = Buffer::from(&[1.0, 2.0, 3.0, 4.0][..]);
    /// let backwards = Layout { shape: [2, 2][..].into(), strides: [-2, -1][..].into(), offset: 3 };
    /// assert_eq!(Array::from_layout(buffer, backwards)?.to_string(), "[[4, 3], [2, 1]]");
    /// # Ok::<(), femtograd_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one stride for each axis, or an element lies outside the buffer.
    pub fn from_layout(buffer: Buffer<T>, layout: Layout) -> Result<Array<T>> {
        let Layout { shape, strides, offset } = &layout;
        if shape.len() != strides.len() {
            let (axes, n) = (shape.len(), strides.len());
            return Err(Error(format!("a layout of {axes} axes has a stride for each, not {n}")));
        }
        if try_count(shape)? == 0 {
            return Ok(Array::from_buffer(Buffer::scratch(0), shape));
        }
        // No step from one end of an axis to the other overflows an i128, and no sum comes back from where it saturates.
        let far = |n: usize, stride: isize| (n as i128 - 1) * stride as i128;
        let (mut first, mut last) = (*offset as i128, *offset as i128);
        for (&n, &stride) in shape.iter().zip(strides) {
            first = first.saturating_add(far(n, stride).min(0));
            last = last.saturating_add(far(n, stride).max(0));
        }
        if first < 0 || last >= buffer.len() as i128 {
            let n = buffer.len();
            return Err(Error(format!("elements {first} to {last} lie outside a buffer of {n} numbers")));
        }
        if shape.is_empty() {
            return Ok(Array::scalar(buffer[*offset]));
        }
        // A stride that is never taken may be any number, with which others would not reckon.
        let taken = |(&n, &stride)| if n == 1 { 0 } else { stride };
        let strides = shape.iter().zip(strides).map(taken).collect();
        let layout = Layout { strides, ..layout };
        let contiguous = layout.is_row_major();
        Ok(Array(Repr::View(Arc::new(View { buffer: Arc::new(buffer), layout, contiguous }))))
    }

    /// One number, with no axes.
    #[inline]
    pub const fn scalar(value: T) -> Array<T> {
        Array(Repr::Scalar(Word::new(value)))
    }

    /// `value` everywhere.
    pub fn full(shape: &[usize], value: T) -> Array<T> {
        if shape.is_empty() {
            return Array::scalar(value);
        }
        Array::from_buffer(Buffer::full(count(shape), value), shape)
    }

    /// 0 everywhere.
    pub fn zeros(shape: &[usize]) -> Array<T> {
        Array::full(shape, T::ZERO)
    }

    /// 1 everywhere.
    pub fn ones(shape: &[usize]) -> Array<T> {
        Array::full(shape, T::ONE)
    }

    /// The unit matrix: `n` rows and columns, 1 on the diagonal, 0 elsewhere.
    pub fn eye(n: usize) -> Array<T> {
        let mut unit = Array::zeros(&[n, n]);
        unit.as_mut_slice().iter_mut().step_by(n + 1).for_each(|v| *v = T::ONE);
        unit
    }

    /// `start, start + step, …` as far as it is before `stop`; each is computed from its place, so that errors do not
    /// add up. Whether a `stop` that is a whole number of steps away is reached is, for steps like 0.1, up to rounding:
    /// [`linspace`](Self::linspace) counts instead.
    ///
    /// ```
    /// # use femtograd_kernels::Array;
    /// assert_eq!(Array::arange(0.0, 1.0, 0.25).to_string(), "[0, 0.25, 0.5, 0.75]");
    /// assert_eq!(Array::arange(3.0, 0.0, -1.0).to_string(), "[3, 2, 1]");
    /// ```
    ///
    /// # Panics
    /// If the step is 0 or one of them is not a finite number.
    #[track_caller]
    pub fn arange(start: T, stop: T, step: T) -> Array<T> {
        let steps = (stop.to_f64() - start.to_f64()) / step.to_f64();
        assert!(
            steps.is_finite() && step.to_f64().is_finite(),
            "arange: {step} is no step that leads from {start} to {stop}"
        );
        Array::from_fn(&[steps.ceil().max(0.0) as usize], |i| start + T::of(i as f64) * step)
    }

    /// `n` numbers at equal distances, from `start` to `stop`, both included; for 1 the start alone.
    pub fn linspace(start: T, stop: T, n: usize) -> Array<T> {
        let share = |i: usize| T::of(i as f64 / (n - 1).max(1) as f64);
        Array::from_fn(&[n], |i| (T::ONE - share(i)) * start + share(i) * stop)
    }

    /// The element at each index is `f(index in row-major order)`.
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> T) -> Array<T> {
        const PART: usize = 1 << 14;
        let mut buffer = Buffer::scratch(count(shape));
        let mut f = f;
        for (part, values) in buffer.chunks_mut(PART).enumerate() {
            values.iter_mut().enumerate().for_each(|(i, v)| *v = f(part * PART + i));
            poll(PART * 64);
        }
        Array::from_buffer(buffer, shape)
    }

    /// The length of each axis; empty for a single number.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            Repr::Scalar(_) => &NO_AXES[..0],
            Repr::View(view) => &view.layout.shape,
        }
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        count(self.shape())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a single number without axes.
    #[inline]
    pub fn as_scalar(&self) -> Option<T> {
        match &self.0 {
            Repr::Scalar(value) => Some(**value),
            Repr::View(_) => None,
        }
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[track_caller]
    pub fn item(&self) -> T {
        assert!(self.len() == 1, "item: an array of shape {:?} is not one number", self.shape());
        self.to_vec()[0]
    }

    /// The element at `index`, one number for each axis.
    ///
    /// # Panics
    /// If the index has another number of axes or lies outside.
    #[track_caller]
    pub fn at(&self, index: &[usize]) -> T {
        let inside = index.len() == self.ndim() && index.iter().zip(self.shape()).all(|(i, n)| i < n);
        assert!(inside, "at: index {index:?} lies outside the shape {:?}", self.shape());
        match &self.0 {
            Repr::Scalar(value) => **value,
            Repr::View(view) => {
                let steps = index.iter().zip(&view.layout.strides);
                view.buffer[view.layout.offset.wrapping_add_signed(steps.map(|(&i, s)| i as isize * s).sum())]
            }
        }
    }

    /// Where the elements lie.
    pub fn layout(&self) -> Layout {
        match &self.0 {
            Repr::Scalar(_) => Layout::row_major(&[]),
            Repr::View(view) => view.layout.clone(),
        }
    }

    /// All numbers of the buffer this array is a view of: [`layout`](Self::layout) says which are its elements.
    pub fn storage(&self) -> &[T] {
        match &self.0 {
            Repr::Scalar(value) => std::slice::from_ref(value),
            Repr::View(view) => &view.buffer,
        }
    }

    /// The elements as one slice, where they lie so: in row-major order without gaps.
    #[inline]
    pub fn as_slice(&self) -> Option<&[T]> {
        match &self.0 {
            Repr::Scalar(value) => Some(std::slice::from_ref(value)),
            Repr::View(view) if view.contiguous => Some(&view.buffer[view.layout.offset..][..self.len()]),
            Repr::View(_) => None,
        }
    }

    /// The elements for writing, in row-major order. Copies first if the numbers are shared, are
    /// [borrowed](Buffer::borrowed) or lie otherwise.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        if self.as_own_slice().is_none() {
            *self = self.copied();
        }
        self.as_own_slice().expect("owned: looked or copied above")
    }

    /// The elements for writing, in row-major order, if they lie so and the numbers belong to nobody else.
    pub fn as_own_slice(&mut self) -> Option<&mut [T]> {
        match &mut self.0 {
            Repr::Scalar(value) => Some(std::slice::from_mut(value)),
            Repr::View(view) => {
                let view = Arc::get_mut(view)?;
                let whole = view.contiguous && view.buffer.len() == count(&view.layout.shape);
                Some(&mut **Arc::get_mut(&mut view.buffer).filter(|buffer| whole && buffer.is_own())?)
            }
        }
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = room(self.len());
        match self.as_slice() {
            Some(slice) => values.extend_from_slice(slice),
            None => {
                values.resize(self.len(), T::ZERO);
                Walker::new(self, 0).fill(&mut values);
            }
        }
        values
    }

    /// The same elements in a buffer of their own, in row-major order.
    pub fn copied(&self) -> Array<T> {
        let mut buffer = Buffer::scratch(self.len());
        match self.as_slice() {
            Some(slice) => buffer.copy_from_slice(slice),
            None => Walker::new(self, 0).fill(&mut buffer),
        }
        Array::from_buffer(buffer, self.shape())
    }

    /// The same elements in row-major order without gaps; no copy if they lie so already.
    pub fn contiguous(&self) -> Array<T> {
        if self.as_slice().is_some() { self.clone() } else { self.copied() }
    }

    /// Another view of the same buffer. The caller says that all its elements lie inside.
    fn with_layout(&self, layout: Layout) -> Array<T> {
        match &self.0 {
            Repr::View(view) if !layout.shape.is_empty() => {
                let contiguous = layout.is_row_major();
                Array(Repr::View(Arc::new(View { buffer: view.buffer.clone(), layout, contiguous })))
            }
            Repr::View(view) => Array::scalar(view.buffer[layout.offset]),
            Repr::Scalar(value) => {
                let buffer = Arc::new(Buffer::full(1, **value));
                let contiguous = layout.is_row_major();
                Array(Repr::View(Arc::new(View { buffer, layout, contiguous })))
            }
        }
    }

    /// The same elements in the same (row-major) order under another shape; a copy only where strides cannot say it.
    ///
    /// # Errors
    /// If the new shape has another number of elements.
    pub fn reshape(&self, shape: &[usize]) -> Result<Array<T>> {
        let (have, want) = (self.len(), try_count(shape)?);
        if have != want {
            return Err(Error(format!(
                "shape {:?} has {have} elements, the new shape {shape:?} has {want}",
                self.shape()
            )));
        }
        if shape == self.shape() {
            return Ok(self.clone());
        }
        let from = self.layout();
        match from.reshaped(shape) {
            Some(layout) => Ok(self.with_layout(layout)),
            None => Ok(self.copied().with_layout(Layout::row_major(shape))),
        }
    }

    /// The axes in another order: axis `k` of the result is axis `order[k]` of this array.
    ///
    /// # Errors
    /// If `order` does not name every axis once.
    pub fn permute(&self, order: &[usize]) -> Result<Array<T>> {
        let mut seen = vec![false; self.ndim()];
        let fits = order.len() == self.ndim()
            && order.iter().all(|&k| seen.get_mut(k).is_some_and(|seen| !std::mem::replace(seen, true)));
        if !fits {
            return Err(Error(format!(
                "{order:?} does not name each axis of the shape {:?} once",
                self.shape()
            )));
        }
        if self.ndim() == 0 {
            return Ok(self.clone());
        }
        let from = self.layout();
        let shape = order.iter().map(|&k| from.shape[k]).collect();
        let strides = order.iter().map(|&k| from.strides[k]).collect();
        Ok(self.with_layout(Layout { shape, strides, offset: from.offset }))
    }

    /// This array repeated along new axes and axes of length 1, without copying.
    ///
    /// # Errors
    /// If `shape` is not reached so.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Array<T>> {
        if shape == self.shape() {
            return Ok(self.clone());
        }
        if broadcast(self.shape(), shape)?[..] != *shape {
            return Err(Error(format!("shape {:?} does not broadcast to {shape:?}", self.shape())));
        }
        try_count(shape)?;
        let from = self.layout();
        let new = shape.len() - from.shape.len();
        let stride = |k: usize| if k < new || from.shape[k - new] == 1 { 0 } else { from.strides[k - new] };
        let strides = (0..shape.len()).map(stride).collect();
        Ok(self.with_layout(Layout { shape: shape.into(), strides, offset: from.offset }))
    }

    /// Elements `start, start + step, …` (`len` of them) of one axis, without copying.
    ///
    /// # Errors
    /// If one of them, or the axis itself, lies outside.
    pub fn slice(&self, axis: usize, start: usize, step: isize, len: usize) -> Result<Array<T>> {
        let mut layout = self.layout();
        let Some(&n) = layout.shape.get(axis) else {
            return Err(Error(format!("there is no axis {axis} in the shape {:?}", self.shape())));
        };
        let last = start as i128 + step as i128 * (len.max(1) as i128 - 1);
        if len > 0 && (start >= n || last < 0 || last >= n as i128) || len == 0 && start > n {
            return Err(Error(format!(
                "elements {start} to {last} lie outside axis {axis} of {:?}",
                self.shape()
            )));
        }
        if len > 0 {
            layout.offset = layout.offset.wrapping_add_signed(start as isize * layout.strides[axis]);
        }
        layout.shape[axis] = len;
        layout.strides[axis] = layout.strides[axis].wrapping_mul(step); // of no use where there is one element
        if layout.shape.contains(&0) {
            layout.offset = 0; // nothing lies anywhere
        }
        Ok(self.with_layout(layout))
    }

    /// The windows along an axis, without copying: the axis counts them, and their elements lie along a new last axis.
    /// Window `j` has the `size` elements `j·step + k·dilation`; windows may share elements.
    ///
    /// # Errors
    /// As [`window_count`]; or if the axis does not exist.
    pub fn windows(&self, axis: usize, size: usize, step: usize, dilation: usize) -> Result<Array<T>> {
        let mut layout = self.layout();
        let Some(&n) = layout.shape.get(axis) else {
            return Err(Error(format!("there is no axis {axis} in the shape {:?}", self.shape())));
        };
        layout.shape[axis] = window_count(n, size, step, dilation)?;
        layout.shape.push(size);
        try_count(&layout.shape)?;
        // Wrapping, since with a single window, or a single element in each, a stride of any size is never taken.
        let stride = layout.strides[axis];
        layout.strides[axis] = stride.wrapping_mul(step as isize);
        layout.strides.push(stride.wrapping_mul(dilation as isize));
        Ok(self.with_layout(layout))
    }
}

/// How many windows of `size` elements, `dilation` apart, fit along an axis of `n`, if each begins `step` after the last.
///
/// # Errors
/// If none does, or one of the three numbers is 0.
pub fn window_count(n: usize, size: usize, step: usize, dilation: usize) -> Result<usize> {
    if size == 0 || step == 0 || dilation == 0 {
        return Err(Error(format!(
            "a window has 1 element or more, as have its steps: not size {size}, step {step}, dilation {dilation}"
        )));
    }
    let last = (size - 1).saturating_mul(dilation);
    match n.checked_sub(last.saturating_add(1)) {
        Some(rest) => Ok(rest / step + 1),
        None => Err(Error(format!(
            "a window of {size} elements, each {dilation} after the last, does not fit into {n}"
        ))),
    }
}

/// Walks the elements of an array in row-major order, whatever their layout, filling slices on the way.
pub(crate) struct Walker<'a, T> {
    storage: &'a [T],
    layout: Layout,
    index: Shape,
    place: isize,
}

impl<'a, T: Float> Walker<'a, T> {
    /// A walker that stands before element `start`.
    pub(crate) fn new(array: &'a Array<T>, start: usize) -> Walker<'a, T> {
        let mut layout = array.layout().merged();
        if layout.shape.is_empty() {
            layout.shape.push(1);
            layout.strides.push(1);
        }
        let mut index: Shape = smallvec![0; layout.shape.len()];
        let (mut rest, mut place) = (start, layout.offset as isize);
        for k in (0..index.len()).rev() {
            index[k] = rest % layout.shape[k].max(1);
            rest /= layout.shape[k].max(1);
            place += index[k] as isize * layout.strides[k];
        }
        Walker { storage: array.storage(), layout, index, place }
    }

    /// The next `out.len()` elements. They must exist.
    pub(crate) fn fill(&mut self, out: &mut [T]) {
        let last = self.index.len() - 1;
        let (n, stride) = (self.layout.shape[last], self.layout.strides[last]);
        let mut done = 0;
        while done < out.len() {
            let run = (n - self.index[last]).min(out.len() - done);
            let target = &mut out[done..done + run];
            let place = self.place as usize;
            match stride {
                1 => target.copy_from_slice(&self.storage[place..place + run]),
                0 => target.fill(self.storage[place]),
                _ => {
                    let mut place = self.place;
                    for v in target {
                        *v = self.storage[place as usize];
                        place += stride;
                    }
                }
            }
            done += run;
            self.index[last] += run;
            self.place += run as isize * stride;
            self.carry();
        }
    }

    /// The next `n` elements where they lie, if they lie in order: else it stays where it is.
    pub(crate) fn lying(&mut self, n: usize) -> Option<&'a [T]> {
        let last = self.index.len() - 1;
        if self.layout.strides[last] != 1 || self.layout.shape[last] - self.index[last] < n {
            return None;
        }
        let slice = &self.storage[self.place as usize..][..n];
        self.index[last] += n;
        self.place += n as isize;
        self.carry();
        Some(slice)
    }

    /// Moves on to the next row where one is complete.
    fn carry(&mut self) {
        for k in (1..self.index.len()).rev() {
            if self.index[k] < self.layout.shape[k] {
                return;
            }
            self.place += self.layout.strides[k - 1] - self.layout.strides[k] * self.index[k] as isize;
            self.index[k] = 0;
            self.index[k - 1] += 1;
        }
    }
}

/// Elementwise, under broadcasting; into the left array's own memory where nobody shares it.
///
/// # Panics
/// If the shapes do not broadcast.
impl<T: Float> std::ops::Add for Array<T> {
    type Output = Array<T>;
    fn add(mut self, other: Array<T>) -> Array<T> {
        if let (Repr::Scalar(a), Repr::Scalar(b)) = (&self.0, &other.0) {
            return Array::scalar(**a + **b);
        }
        if self.shape() == other.shape() {
            let shape = Shape::from(self.shape());
            map_into(Only, [&other], [], &shape, [Sink::Add(self.as_mut_slice())]);
            return self;
        }
        let shape = broadcast(self.shape(), other.shape()).unwrap_or_else(|why| panic!("add: {why}"));
        map(Sum, [&self, &other], &shape)
    }
}

/// Elementwise, under broadcasting.
///
/// # Panics
/// If the shapes do not broadcast.
impl<T: Float> std::ops::Mul for Array<T> {
    type Output = Array<T>;
    fn mul(self, other: Array<T>) -> Array<T> {
        let shape = broadcast(self.shape(), other.shape()).unwrap_or_else(|why| panic!("mul: {why}"));
        map(Product, [&self, &other], &shape)
    }
}

#[derive(Clone, Copy)]
struct Only;
impl<T: Float> Function<T, 1, 0, 1> for Only {
    #[inline(always)]
    fn at(&self, x: [T; 1], _: [T; 0]) -> [T; 1] {
        x
    }
}
#[derive(Clone, Copy)]
struct Sum;
impl<T: Float> Function<T, 2, 0, 1> for Sum {
    #[inline(always)]
    fn at(&self, [a, b]: [T; 2], _: [T; 0]) -> [T; 1] {
        [a + b]
    }
}
#[derive(Clone, Copy)]
struct Product;
impl<T: Float> Function<T, 2, 0, 1> for Product {
    #[inline(always)]
    fn at(&self, [a, b]: [T; 2], _: [T; 0]) -> [T; 1] {
        [a * b]
    }
}

impl<T: Float> From<T> for Array<T> {
    #[inline]
    fn from(value: T) -> Array<T> {
        Array::scalar(value)
    }
}
impl<T: Float> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Array<T> {
        Array::from_vec(&values, &[values.len()])
    }
}
impl<T: Float> From<&[T]> for Array<T> {
    fn from(values: &[T]) -> Array<T> {
        Array::from_vec(values, &[values.len()])
    }
}
impl<T: Float, const N: usize> From<[T; N]> for Array<T> {
    fn from(values: [T; N]) -> Array<T> {
        Array::from_vec(values, &[N])
    }
}
impl<T: Float, const M: usize, const N: usize> From<[[T; N]; M]> for Array<T> {
    fn from(rows: [[T; N]; M]) -> Array<T> {
        Array::from_vec(rows.as_flattened(), &[M, N])
    }
}
impl<T: Float, const L: usize, const M: usize, const N: usize> From<[[[T; N]; M]; L]> for Array<T> {
    fn from(blocks: [[[T; N]; M]; L]) -> Array<T> {
        Array::from_vec(blocks.as_flattened().as_flattened(), &[L, M, N])
    }
}
impl<T: Float> From<&Array<T>> for Array<T> {
    fn from(array: &Array<T>) -> Array<T> {
        array.clone()
    }
}

/// Equal shapes and equal elements (so an array that holds a NaN differs from itself).
impl<T: Float> PartialEq for Array<T> {
    fn eq(&self, other: &Array<T>) -> bool {
        self.shape() == other.shape() && self.to_vec() == other.to_vec()
    }
}
/// A number equals an array that is just this number.
impl<T: Float> PartialEq<T> for Array<T> {
    fn eq(&self, other: &T) -> bool {
        self.as_scalar() == Some(*other)
    }
}

/// Prints as NumPy does: brackets for axes, `…` where there are more than a line holds. `{:.3}` sets the digits.
impl<T: Float> fmt::Display for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.shape(), f, &|index, f| fmt::Display::fmt(&self.at(index), f))
    }
}

/// Prints the element at an index.
type Element<'a> = &'a dyn Fn(&[usize], &mut fmt::Formatter<'_>) -> fmt::Result;

/// Elements of this shape as NumPy prints them.
pub(crate) fn print(shape: &[usize], f: &mut fmt::Formatter<'_>, element: Element<'_>) -> fmt::Result {
    const SHOWN: usize = 8;
    fn level(
        shape: &[usize],
        index: &mut Shape,
        f: &mut fmt::Formatter<'_>,
        element: Element<'_>,
    ) -> fmt::Result {
        if index.len() == shape.len() {
            return element(index, f);
        }
        let n = shape[index.len()];
        write!(f, "[")?;
        for i in 0..n {
            if n > SHOWN && i >= SHOWN / 2 && i < n - SHOWN / 2 {
                if i == SHOWN / 2 {
                    write!(f, ", …")?;
                }
                continue;
            }
            if i > 0 {
                write!(f, ", ")?;
            }
            index.push(i);
            level(shape, index, f, element)?;
            index.pop();
        }
        write!(f, "]")
    }
    level(shape, &mut Shape::new(), f, element)
}
impl<T: Float> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:?} {}", self.shape(), T::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(numbers: &[f64], shape: &[usize], strides: &[isize], offset: usize) -> Result<Array<f64>> {
        let layout = Layout { shape: shape.into(), strides: strides.into(), offset };
        Array::from_layout(Buffer::from(numbers), layout)
    }

    #[test]
    fn layouts_say_where_the_elements_lie() {
        let numbers = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let shown = |shape: &[usize], strides: &[isize], offset| {
            let x = laid_out(&numbers, shape, strides, offset).unwrap();
            assert_eq!(x.copied(), x);
            x.to_string()
        };
        assert_eq!(shown(&[2, 3], &[3, 1], 0), "[[0, 1, 2], [3, 4, 5]]");
        assert_eq!(shown(&[3, 2], &[1, 3], 0), "[[0, 3], [1, 4], [2, 5]]");
        assert_eq!(shown(&[2, 2], &[0, -2], 5), "[[5, 3], [5, 3]]");
        assert_eq!(shown(&[3, 2], &[1, 1], 2), "[[2, 3], [3, 4], [4, 5]]");
        assert_eq!(shown(&[1, 2, 1], &[isize::MIN, 5, isize::MAX], 0), "[[[0], [5]]]");
        assert_eq!(shown(&[], &[], 4), "4");
        let empty = laid_out(&numbers, &[2, 0], &[isize::MAX, isize::MIN], usize::MAX).unwrap();
        assert_eq!((empty.shape(), empty.to_vec().len()), (&[2, 0][..], 0));
        assert_eq!(laid_out(&[], &[0], &[1], 0).unwrap().shape(), [0]);
    }

    #[test]
    fn a_view_of_part_of_a_buffer_is_copied_before_it_is_written() {
        let mut x = laid_out(&[1.0, 2.0, 3.0], &[2], &[1], 1).unwrap();
        assert!(x.as_slice().is_some() && x.as_own_slice().is_none());
        x.as_mut_slice()[1] = 4.0;
        assert_eq!(x.to_vec(), [2.0, 4.0]);
        let mut x = laid_out(&[1.0, 2.0], &[2], &[1], 0).unwrap();
        assert!(x.as_own_slice().is_some());
    }

    #[test]
    fn no_element_lies_outside() {
        let refused = |shape: &[usize], strides: &[isize], offset| {
            laid_out(&[0.0; 6], shape, strides, offset).unwrap_err().0
        };
        assert_eq!(refused(&[2, 4], &[3, 1], 0), "elements 0 to 6 lie outside a buffer of 6 numbers");
        assert_eq!(refused(&[2], &[-3], 2), "elements -1 to 2 lie outside a buffer of 6 numbers");
        // One that lies before and one that lies behind do not make up for each other.
        assert_eq!(refused(&[3, 3], &[4, -4], 1), "elements -7 to 9 lie outside a buffer of 6 numbers");
        refused(&[], &[], 6);
        refused(&[1], &[1], usize::MAX);
        refused(&[usize::MAX], &[1], 0);
        refused(&[2, 2], &[isize::MAX, isize::MAX], usize::MAX);
        refused(&[2, 2, 2], &[isize::MIN; 3], 0);
        refused(&[1 << 62; 4], &[isize::MAX; 4], 0);
        refused(&[usize::MAX, 1, 1], &[isize::MIN; 3], 0);
        refused(&[2], &[1, 1], 0);
        refused(&[2, 2], &[1], 0);
        assert!(laid_out(&[], &[], &[], 0).is_err() && laid_out(&[], &[1], &[0], 0).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore)] // which ends where memory does
    fn what_is_too_large_is_a_sentence_everywhere() {
        let said = |f: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            panic.downcast_ref::<String>().expect("a sentence").clone()
        };
        const HUGE: usize = 1 << 40;
        let one = Array::scalar(1.0);
        let wide = one.broadcast_to(&[HUGE, 1 << 20]).unwrap();
        let panics: [&dyn Fn(); 13] = [
            &|| drop(Array::<f32>::full(&[HUGE, HUGE], 1.0)),
            &|| drop(Array::<f32>::zeros(&[HUGE, 1 << 20])),
            &|| drop(Array::<f64>::eye(HUGE)),
            &|| drop(Array::arange(0.0, 1e300, 1.0)),
            &|| drop(Array::linspace(0.0, 1.0, usize::MAX)),
            &|| drop(Array::from_fn(&[usize::MAX, 2], |i| i as f64)),
            &|| drop(wide.to_vec()),
            &|| drop(wide.copied()),
            &|| drop(wide.clone() + one.clone()),
            &|| drop(crate::argsort(&wide, 1, 1 << 20, false)),
            &|| drop(crate::argmax(&wide.broadcast_to(&[4, HUGE, 1 << 20]).unwrap(), 0)),
            &|| drop(crate::cumsum(&wide, 0, false)),
            &|| drop(crate::matmul(&wide, &wide.permute(&[1, 0]).unwrap())),
        ];
        for (i, f) in panics.iter().enumerate() {
            let why = said(f);
            assert!(why.starts_with(NO_MEMORY), "{i}: {why}");
        }
        assert!(one.broadcast_to(&[HUGE, HUGE]).is_err());
        assert!(wide.reshape(&[HUGE, HUGE]).is_err());
        assert!(wide.windows(1, 1 << 19, 1, 1).is_err());
        assert!(crate::Indices::from([0, 1]).reshape(&[HUGE, HUGE]).is_err());
        let half = one.broadcast_to(&[usize::MAX / 2 + 1]).unwrap();
        assert!(crate::concat(&[&half, &half], 0).is_err());
        let batch = one.broadcast_to(&[HUGE, 2, 2]).unwrap();
        assert!(said(&|| drop(crate::matmul_to(None, &batch, &batch, &[2, 2]))).starts_with(NO_MEMORY));
    }
}
