//! Convolution and pooling, which are one idea: windows. A view takes them from an axis without copying; a convolution is
//! a matrix product with them, pooling a reduction over them. That is what they mean; values and first derivatives come
//! from kernels that never form the windows. What runs over one axis is the same over two, the first of length 1.

use super::fused::{Fused, fused, pull_by_formula};
use super::linear::{Linear, LinearOp, linear, sum_of};
use super::normalize::per_channel;
use crate::frontier::add;
use crate::kernels::{self, Convolution, Error, Pooling, Shape, count, window_count};
use crate::num::Float;
use crate::{Array, Tensor, concat};
use std::ops::Range;

/// `y[…, j, …, k] = x[…, j·step + k·dilation, …]`: windows along an axis, their `size` elements along a new last one.
#[derive(Clone)]
struct Windows {
    axis: usize,
    size: usize,
    step: usize,
    dilation: usize,
}
impl<T: Float> Linear<T> for Windows {
    const NAME: &'static str = "windows";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        x.windows(self.axis, self.size, self.step, self.dilation)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(Overlay { of: self.clone(), shape: shape.into() }, g)
    }
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        _: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        let Windows { axis, step, dilation, .. } = op.0;
        kernels::add_to_windows(sum_of(&mut sums[0], &x[0]), axis, step, dilation, g);
    }
}

/// `y = 0`, then `y[…, j·step + k·dilation, …] += x[…, j, …, k]`: the reverse of [`Windows`].
#[derive(Clone)]
struct Overlay {
    of: Windows,
    shape: Shape,
}
impl<T: Float> Linear<T> for Overlay {
    const NAME: &'static str = "overlay";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::add_to_windows(&mut y, self.of.axis, self.of.step, self.of.dilation, x);
        Ok(y)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(self.of.clone(), g)
    }
}

/// `y[n, o, i] = b[o] + Σ x[n, c, i·stride + k·dilation − padding] · w[o, c, k]` over two axes, with or without `b`.
#[derive(Clone)]
struct Convolve(Convolution);
impl<T: Float> Fused<T> for Convolve {
    const NAME: &'static str = "conv2d";
    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        let Convolution { stride, padding, dilation, groups } = self.0;
        let (n, ([outputs, each], kernel)) = (x[0].shape()[0], split::<2>(x[1].shape()).expect("four axes"));
        // [kernel…, examples, groups, channels of one, positions…], the kernel's last axis first
        let mut y = x[0].clone();
        for (k, zeros) in padding.into_iter().enumerate() {
            y = padded(&y, k + 2, zeros, zeros, T::ZERO);
        }
        y = y.reshape(&[&[n, groups, each], &y.shape()[2..]].concat());
        y = windows_in_front(&y, 3, kernel, stride, dilation);
        let positions = &y.shape()[5..];
        let shape = [&[outputs, n], positions].concat();
        let sizes = [groups, each * count(&kernel), n * count(positions)];
        let columns = y.permute(&[3, 4, 1, 0, 2, 5, 6]).reshape(&sizes);
        let rows = x[1].reshape(&[groups, outputs / groups, sizes[1]]);
        with_bias("conv2d", rows.matmul(&columns).reshape(&shape).transpose(0, 1), x.get(2))
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(kernels::convolve(x[0].data(), x[1].data(), x.get(2).map(Tensor::data), &self.0))
    }
    fn pull(&self, x: &[Tensor<T>], y: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        let wanted = [x[0].wants_grad(), x[1].wants_grad()];
        if wanted[0] && !kernels::all_finite(x[1].data()) {
            return pull_by_formula(self, x, y, g, sums);
        }
        let [gx, gw] = kernels::convolve_back(x[0].data(), x[1].data(), g, &self.0, wanted);
        sums[0] = add(sums[0].take(), gx);
        sums[1] = add(sums[1].take(), gw);
        if let Some(bias) = x.get(2).filter(|bias| bias.wants_grad()) {
            let gb = kernels::sum_to(g, &[bias.shape(), &[1, 1]].concat());
            sums[2] = add(sums[2].take(), Some(gb.reshape(bias.shape()).expect("as many elements")));
        }
    }
}

/// The largest element of each window over the last two axes. Equal maxima share the gradient equally.
#[derive(Clone)]
struct MaxPool(Pooling);
impl<T: Float> Fused<T> for MaxPool {
    const NAME: &'static str = "max_pool2d";
    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        windows_of(&x[0], &self.0, T::NEG_INFINITY).max_axes([0, 1])
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(kernels::max_pool(x[0].data(), &self.0))
    }
    fn pull(&self, x: &[Tensor<T>], y: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        sums[0] = add(sums[0].take(), Some(kernels::max_pool_back(x[0].data(), y, g, &self.0)));
    }
}

/// The mean of each window over the last two axes, amid zeros.
#[derive(Clone)]
struct AvgPool(Pooling);
impl<T: Float> Fused<T> for AvgPool {
    const NAME: &'static str = "avg_pool2d";
    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        windows_of(&x[0], &self.0, T::ZERO).mean_axes([0, 1])
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(kernels::mean_pool(x[0].data(), &self.0))
    }
    fn pull(&self, x: &[Tensor<T>], y: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        sums[0] = add(sums[0].take(), Some(kernels::mean_pool_back(x[0].data(), y, g, &self.0)));
    }
}

/// How a convolution of `D` axes moves. The default is step by step, over what is there and nothing more.
///
/// ```
/// use femtograd::Conv;
/// let halving = Conv { stride: [2, 2], padding: [1, 1], ..Conv::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<const D: usize> {
    /// How far apart two windows begin.
    pub stride: [usize; D],
    /// How many zeros are added at both ends.
    pub padding: [usize; D],
    /// How far apart two elements of a window lie.
    pub dilation: [usize; D],
    /// Into how many groups the channels are divided, which do not see each other.
    pub groups: usize,
}

impl<const D: usize> Default for Conv<D> {
    fn default() -> Conv<D> {
        Conv { stride: [1; D], padding: [0; D], dilation: [1; D], groups: 1 }
    }
}

/// How a transposed convolution of `D` axes moves: as the [`Conv`] it is the reverse of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose<const D: usize> {
    /// How far apart the windows of two elements begin.
    pub stride: [usize; D],
    /// How many elements are cut off at both ends.
    pub padding: [usize; D],
    /// How many elements are left at the end beyond that: a convolution with stride `s` has the same number of outputs
    /// for `s` lengths of its input, and this says which of them it was. Less than the stride.
    pub output_padding: [usize; D],
    /// How far apart two elements of a window lie.
    pub dilation: [usize; D],
    /// Into how many groups the channels are divided, which do not see each other.
    pub groups: usize,
}

impl<const D: usize> Default for ConvTranspose<D> {
    fn default() -> ConvTranspose<D> {
        let Conv { stride, padding, dilation, groups } = Conv::default();
        ConvTranspose { stride, padding, output_padding: [0; D], dilation, groups }
    }
}

/// How windows are pooled over `D` axes.
///
/// ```
/// use femtograd::Pool;
/// let apart = Pool::new([2, 2]);
/// let overlapping = Pool { stride: [2, 2], padding: [1, 1], ..Pool::new([3, 3]) };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool<const D: usize> {
    /// The size of a window.
    pub size: [usize; D],
    /// How far apart two windows begin.
    pub stride: [usize; D],
    /// How many elements are added at both ends: −∞ for a maximum, 0 for a mean.
    pub padding: [usize; D],
    /// How far apart two elements of a window lie.
    pub dilation: [usize; D],
}

impl<const D: usize> Pool<D> {
    /// Windows of this size, side by side.
    pub fn new(size: [usize; D]) -> Pool<D> {
        Pool { size, stride: size, padding: [0; D], dilation: [1; D] }
    }
}

/// Windows, convolution, pooling.
impl<T: Float> Tensor<T> {
    /// Windows along `axis`, without copying: the axis counts them, and a new last axis holds the elements of each.
    /// Window `j` has the `size` elements `j·step + k·dilation`. (PyTorch's `unfold`, with dilation.)
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0, 3.0, 4.0]);
    /// let pairs = x.windows(0, 2, 1, 1);
    /// assert_eq!(pairs.to_string(), "[[1, 2], [2, 3], [3, 4]]");
    /// pairs.sum().backward();
    /// assert_eq!(x.grad().unwrap().to_string(), "[1, 2, 2, 1]"); // in how many windows each is
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist, not a single window fits, or one of the three numbers is 0.
    #[track_caller]
    pub fn windows(&self, axis: isize, size: usize, step: usize, dilation: usize) -> Tensor<T> {
        linear(Windows { axis: self.axis("windows", axis), size, step, dilation }, self)
    }

    /// `y[n, o, i] = b[o] + Σ x[n, c, i·stride + k·dilation − padding] · w[o, c, k]`, summed over the channels `c` of
    /// `o`'s group and the places `k` of the kernel: [examples, channels, length] with a weight of
    /// [output channels, channels / groups, kernel]. The kernel is not turned around, as everywhere in networks.
    ///
    /// ```
    /// # use femtograd::{Conv, Tensor};
    /// let x = Tensor::new([[[1.0, 2.0, 4.0, 7.0]]]);
    /// let difference = Tensor::new([[[-1.0, 1.0]]]);
    /// assert_eq!(x.conv1d(&difference, None, &Conv::default()).to_string(), "[[[1, 2, 3]]]");
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit each other, or the kernel does not fit into the padded input.
    #[track_caller]
    pub fn conv1d(&self, weight: &Tensor<T>, bias: Option<&Tensor<T>>, options: &Conv<1>) -> Tensor<T> {
        convolve("conv1d", self, weight, bias, options)
    }

    /// [`conv1d`](Self::conv1d) over two axes: [examples, channels, height, width] with a weight of
    /// [output channels, channels / groups, kernel height, kernel width].
    ///
    /// # Panics
    /// If the shapes do not fit each other, or the kernel does not fit into the padded input.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor<T>, bias: Option<&Tensor<T>>, options: &Conv<2>) -> Tensor<T> {
        convolve("conv2d", self, weight, bias, options)
    }

    /// The reverse of a [`conv1d`](Self::conv1d), as it occurs in its gradient: every element is spread over a window of
    /// the result, `y[n, o, i·stride + k·dilation − padding] += x[n, c, i] · w[c, o, k]`. [examples, channels, length]
    /// with a weight of [channels, output channels / groups, kernel].
    ///
    /// ```
    /// # use femtograd::{ConvTranspose, Tensor};
    /// let x = Tensor::new([[[1.0, 2.0]]]);
    /// let kernel = Tensor::new([[[1.0, 1.0, 0.5]]]);
    /// let twice = ConvTranspose { stride: [2], ..ConvTranspose::default() };
    /// assert_eq!(x.conv_transpose1d(&kernel, None, &twice).to_string(), "[[[1, 1, 2.5, 2, 1]]]");
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit each other, the output padding is not less than the stride, or no element is left.
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor<T>,
        bias: Option<&Tensor<T>>,
        options: &ConvTranspose<1>,
    ) -> Tensor<T> {
        convolve_back("conv_transpose1d", self, weight, bias, options)
    }

    /// [`conv_transpose1d`](Self::conv_transpose1d) over two axes: [examples, channels, height, width] with a weight of
    /// [channels, output channels / groups, kernel height, kernel width].
    ///
    /// # Panics
    /// If the shapes do not fit each other, the output padding is not less than the stride, or no element is left.
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor<T>,
        bias: Option<&Tensor<T>>,
        options: &ConvTranspose<2>,
    ) -> Tensor<T> {
        convolve_back("conv_transpose2d", self, weight, bias, options)
    }

    /// The largest element of each window along the last axis. Equal maxima share the gradient equally.
    ///
    /// # Panics
    /// If there is no such axis, a window does not fit into it, or the padding is more than half a window.
    #[track_caller]
    pub fn max_pool1d(&self, pool: &Pool<1>) -> Tensor<T> {
        pooled("max_pool1d", self, pool, MaxPool)
    }

    /// The largest element of each window over the last two axes. Equal maxima share the gradient equally.
    ///
    /// ```
    /// # use femtograd::{Pool, Tensor};
    /// let x = Tensor::new([[1.0, 2.0, 5.0, 5.0], [4.0, 3.0, 0.0, 0.0]]);
    /// let y = x.max_pool2d(&Pool::new([2, 2]));
    /// assert_eq!(y.to_string(), "[[4, 5]]");
    /// y.sum().backward();
    /// assert_eq!(x.grad().unwrap().to_string(), "[[0, 0, 0.5, 0.5], [1, 0, 0, 0]]");
    /// ```
    ///
    /// # Panics
    /// If there are no such axes, a window does not fit into them, or the padding is more than half a window.
    #[track_caller]
    pub fn max_pool2d(&self, pool: &Pool<2>) -> Tensor<T> {
        pooled("max_pool2d", self, pool, MaxPool)
    }

    /// The mean of each window along the last axis. Zeros added at the ends count (PyTorch's `count_include_pad`).
    ///
    /// # Panics
    /// If there is no such axis, a window does not fit into it, or the padding is more than half a window.
    #[track_caller]
    pub fn avg_pool1d(&self, pool: &Pool<1>) -> Tensor<T> {
        pooled("avg_pool1d", self, pool, AvgPool)
    }

    /// The mean of each window over the last two axes. Zeros added at the ends count (PyTorch's `count_include_pad`).
    ///
    /// # Panics
    /// If there are no such axes, a window does not fit into them, or the padding is more than half a window.
    #[track_caller]
    pub fn avg_pool2d(&self, pool: &Pool<2>) -> Tensor<T> {
        pooled("avg_pool2d", self, pool, AvgPool)
    }
}

/// `x` with `value` at both ends of an axis.
#[track_caller]
fn padded<T: Float>(x: &Tensor<T>, axis: usize, before: usize, after: usize, value: T) -> Tensor<T> {
    if before + after == 0 {
        return x.clone();
    }
    let end = |length: usize| {
        let mut shape = Shape::from(x.shape());
        shape[axis] = length;
        Array::full(&shape, value)
    };
    concat([&Tensor::constant(end(before)), x, &Tensor::constant(end(after))], axis as isize)
}

/// So many axes from the first one named on.
fn axes(first: usize, number: usize) -> impl DoubleEndedIterator<Item = isize> {
    (first..first + number).map(|k| k as isize)
}

/// A shape as its first two axes and the `D` behind them.
fn split<const D: usize>(shape: &[usize]) -> Option<([usize; 2], [usize; D])> {
    let (first, rest) = shape.split_first_chunk()?;
    Some((*first, rest.try_into().ok()?))
}

/// `y` with a number for each channel added.
#[track_caller]
fn with_bias<T: Float>(op: &'static str, y: Tensor<T>, bias: Option<&Tensor<T>>) -> Tensor<T> {
    let Some(bias) = bias else { return y };
    let bias = per_channel(op, &y, bias);
    y + bias
}

#[track_caller]
fn convolve<T: Float, const D: usize>(
    op: &'static str,
    x: &Tensor<T>,
    weight: &Tensor<T>,
    bias: Option<&Tensor<T>>,
    options: &Conv<D>,
) -> Tensor<T> {
    let &Conv { stride, padding, dilation, groups } = options;
    let (Some(([n, channels], lengths)), Some(([outputs, each], kernel))) =
        (split::<D>(x.shape()), split::<D>(weight.shape()))
    else {
        let why = "the input is [examples, channels, …], the weight [output channels, channels / groups, …]";
        Tensor::refuse(op, &format!("{why}, with {D} more of both"), &[x, weight])
    };
    if groups == 0 || channels != groups * each || !outputs.is_multiple_of(groups) {
        let why = "the weight is [output channels, channels / groups, …]";
        Tensor::refuse(op, &format!("{channels} channels, {groups} groups: {why}"), &[x, weight])
    }
    if let Some(bias) = bias.filter(|bias| *bias.shape() != [outputs]) {
        Tensor::refuse(op, &format!("one number is needed for each of {outputs} channels"), &[bias, weight])
    }
    let mut shape = Shape::from_slice(&[n, outputs]);
    for k in 0..D {
        match window_count(with_padding(lengths[k], padding[k]), kernel[k], stride[k], dilation[k]) {
            Ok(windows) => shape.push(windows),
            Err(why) => {
                let why = format!("along axis {} with its padding: {why}", k + 2);
                Tensor::refuse(op, &why, &[x, weight])
            }
        }
    }
    let (stride, padding, dilation) = (on_two(stride, 1), on_two(padding, 0), on_two(dilation, 1));
    let how = Convolve(Convolution { stride, padding, dilation, groups });
    let x = shaped(x, &[&[n, channels], &on_two(lengths, 1)[..]].concat());
    let weight = shaped(weight, &[&[outputs, each], &on_two(kernel, 1)[..]].concat());
    let y = match bias {
        Some(bias) => fused(how, [&x, &weight, bias]),
        None => fused(how, [&x, &weight]),
    };
    shaped(&y, &shape)
}

/// A length with so much added at both ends; a padding that cannot be counted stays too much.
fn with_padding(n: usize, padding: usize) -> usize {
    n.saturating_add(padding.saturating_mul(2))
}

/// `x` in a shape, which it may have already.
#[track_caller]
fn shaped<T: Float>(x: &Tensor<T>, shape: &[usize]) -> Tensor<T> {
    if x.shape() == shape { x.clone() } else { x.reshape(shape) }
}

/// What is given for each of `D` axes, for the last `D` of two.
fn on_two<const D: usize>(given: [usize; D], other: usize) -> [usize; 2] {
    let mut two = [other; 2];
    two[2 - D..].copy_from_slice(&given);
    two
}

/// How long `n` windows are together, and which part of that a transposed convolution leaves.
fn spread(
    n: usize,
    &Windows { size, step, dilation, .. }: &Windows,
    padding: usize,
    output_padding: usize,
) -> Result<(usize, Range<usize>), Error> {
    if [n, size, step, dilation].contains(&0) {
        return Err(Error("an input, a kernel, a stride or a dilation of 0".into()));
    }
    if output_padding >= step {
        return Err(Error(format!("the output padding {output_padding} is not less than the stride {step}")));
    }
    let length = (n - 1) * step + (size - 1) * dilation + 1;
    let left = padding..(length + output_padding).saturating_sub(padding);
    if left.is_empty() {
        return Err(Error(format!("a padding of {padding} leaves nothing of {length} elements")));
    }
    Ok((length, left))
}

#[track_caller]
fn convolve_back<T: Float, const D: usize>(
    op: &'static str,
    x: &Tensor<T>,
    weight: &Tensor<T>,
    bias: Option<&Tensor<T>>,
    options: &ConvTranspose<D>,
) -> Tensor<T> {
    let &ConvTranspose { stride, padding, output_padding, dilation, groups } = options;
    let (Some(([n, channels], lengths)), Some(([inputs, each], kernel))) =
        (split::<D>(x.shape()), split::<D>(weight.shape()))
    else {
        let why = "the input is [examples, channels, …], the weight [channels, output channels / groups, …]";
        Tensor::refuse(op, &format!("{why}, with {D} more of both"), &[x, weight])
    };
    if groups == 0 || channels != inputs || !channels.is_multiple_of(groups) {
        let why = "the weight is [channels, output channels / groups, …]";
        Tensor::refuse(op, &format!("{channels} channels, {groups} groups: {why}"), &[x, weight])
    }
    // The product of every element with every number of its kernels, the kernel's last axis first:
    // [kernel…, examples, output channels, positions…]
    let columns = x.transpose(0, 1).reshape(&[groups, channels / groups, n * count(&lengths)]);
    let rows = weight.reshape(&[groups, channels / groups, each * count(&kernel)]);
    let products =
        rows.t().matmul(&columns).reshape(&[&[groups * each], &kernel[..], &[n], &lengths].concat());
    let order = axes(1, D).rev().chain(axes(D + 1, 1)).chain(axes(0, 1)).chain(axes(D + 2, D));
    let mut y = products.permute(&order.collect::<Vec<_>>());
    for k in (0..D).rev() {
        let of = Windows { axis: k + 2 + k, size: kernel[k], step: stride[k], dilation: dilation[k] };
        let (length, left) = match spread(lengths[k], &of, padding[k], output_padding[k]) {
            Ok(lengths) => lengths,
            Err(why) => Tensor::refuse(op, &format!("along axis {}: {why}", k + 2), &[x, weight]),
        };
        // Behind the kernel's other axes, examples and channels.
        let (axis, mut shape) = (of.axis, Shape::from(&y.shape()[1..]));
        shape[axis] = length;
        let order: Vec<isize> = axes(1, shape.len()).chain([0]).collect();
        y = padded(&linear(Overlay { of, shape }, &y.permute(&order)), axis, 0, output_padding[k], T::ZERO);
        y = y.slice(axis as isize, left);
    }
    with_bias(op, y, bias)
}

/// The windows along two axes from the one named on. Their elements lie along two axes in front, the last one first: so
/// neighbours in memory stay neighbours, for what is done with all windows at once.
#[track_caller]
fn windows_in_front<T: Float>(
    x: &Tensor<T>,
    first: usize,
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
) -> Tensor<T> {
    let mut y = x.clone();
    for k in 0..2 {
        let axis = first + k + k;
        y = linear(Windows { axis, size: size[k], step: stride[k], dilation: dilation[k] }, &y);
        let last = y.shape().len() - 1;
        y = y.permute(&axes(last, 1).chain(axes(0, last)).collect::<Vec<_>>());
    }
    y
}

/// The windows of the last two axes amid a padding, their elements along the first two.
fn windows_of<T: Float>(x: &Tensor<T>, how: &Pooling, outside: T) -> Tensor<T> {
    let first = x.shape().len() - 2;
    let mut y = x.clone();
    for (k, more) in how.padding.into_iter().enumerate() {
        y = padded(&y, first + k, more, more, outside);
    }
    windows_in_front(&y, first, how.size, how.stride, how.dilation)
}

/// The last `D` axes pooled by `op`.
#[track_caller]
fn pooled<T: Float, const D: usize, F: Fused<T>>(
    name: &'static str,
    x: &Tensor<T>,
    pool: &Pool<D>,
    op: impl FnOnce(Pooling) -> F,
) -> Tensor<T> {
    let &Pool { size, stride, padding, dilation } = pool;
    let Some((leading, lengths)) = x.shape().split_last_chunk::<D>() else {
        Tensor::refuse(name, &format!("the windows have more axes, {D}"), &[x])
    };
    let mut shape = Shape::from(leading);
    for k in 0..D {
        match window_count(with_padding(lengths[k], padding[k]), size[k], stride[k], dilation[k]) {
            Ok(windows) => shape.push(windows),
            Err(why) => {
                let why = format!("along axis {} with its padding: {why}", leading.len() + k);
                Tensor::refuse(name, &why, &[x])
            }
        }
        if padding[k].saturating_mul(2) > (size[k] - 1) * dilation[k] + 1 {
            let why = format!("a padding of {} is more than half a window of {}", padding[k], size[k]);
            Tensor::refuse(name, &why, &[x])
        }
    }
    let x = shaped(x, &[leading, &on_two(*lengths, 1)].concat());
    let (size, stride) = (on_two(size, 1), on_two(stride, 1));
    let (padding, dilation) = (on_two(padding, 0), on_two(dilation, 1));
    shaped(&fused(op(Pooling { size, stride, padding, dilation }), [&x]), &shape)
}
