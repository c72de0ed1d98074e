//! Normalisation: numbers with mean 0 and variance 1, over some axes.

use super::fused::{Fused, fused};
use super::linear::add_into;
use crate::kernels::{Error, Normalize, Shape, Sink, count};
use crate::num::Float;
use crate::ops::Axes;
use crate::{Array, Tensor};

/// Mean and variance of each channel: what [`Tensor::batch_norm`] normalises with. In training those of the batch
/// ([`Tensor::channel_moments`]), afterwards a running average of them.
///
/// ```
/// use femtograd::{Moments, Tensor};
/// let (weight, bias) = (Tensor::new([1.0, 1.0]), Tensor::new([0.0, 0.0]));
/// let mut running = Moments::standard(2);
/// let x = Tensor::constant([[1.0, 10.0], [3.0, 30.0]]);
/// for _ in 0..100 {
///     let batch = x.channel_moments();
///     let y = x.batch_norm(&batch, &weight, &bias, 1e-5);
///     // … a loss of y, backward, a step …
///     running = running.updated(&batch, 0.1);
/// }
/// let y = x.batch_norm(&running, &weight, &bias, 1e-5); // evaluation
/// assert_eq!(format!("{:.2}", running.mean), "[2.00, 20.00]");
/// ```
#[derive(Clone, Debug)]
pub struct Moments<T: Float = f32> {
    /// The mean of each channel.
    pub mean: Tensor<T>,
    /// The variance of each channel: `Σ (x − mean)² / n`.
    pub var: Tensor<T>,
    /// How many numbers of each channel they were computed from.
    pub count: usize,
}

impl<T: Float> Moments<T> {
    /// Mean 0 and variance 1, of no numbers: what a running average starts from.
    #[track_caller]
    pub fn standard(channels: usize) -> Moments<T> {
        let full = |value| Tensor::constant(Array::full(&[channels], value));
        Moments { mean: full(T::ZERO), var: full(T::ONE), count: 0 }
    }

    /// The running average `(1 − momentum)·self + momentum·batch`, as constants. The batch's variance is corrected by
    /// `n / (n − 1)`, so that on average it is that of the data (as PyTorch does).
    ///
    /// # Panics
    /// If the numbers of channels differ or the batch had fewer than two numbers for each.
    #[track_caller]
    pub fn updated(&self, batch: &Moments<T>, momentum: f64) -> Moments<T> {
        let n = batch.count;
        if self.mean.shape() != batch.mean.shape() || n < 2 {
            let why =
                format!("a batch with {n} numbers for each channel; at least 2 are needed, and equal shapes");
            Tensor::refuse("updated", &why, &[&self.mean, &batch.mean])
        }
        let unbiased = batch.var.detach() * T::of(n as f64 / (n - 1) as f64);
        Moments {
            mean: between(&self.mean, &batch.mean, momentum),
            var: between(&self.var, &unbiased, momentum),
            count: self.count + n,
        }
    }
}

const STANDARDIZE: usize = 0;
const LAYER_NORM: usize = 1;
const RMS_NORM: usize = 2;

/// One of these three, over the last axes: `(x − mean) / √(var + ε) · weight + bias`, or with no bias, or with neither; and
/// `x / √(mean(x²) + ε) · weight`.
#[derive(Clone)]
struct OfRows<const KIND: usize> {
    /// How many of the last axes.
    axes: usize,
    epsilon: f64,
}

impl<const KIND: usize> OfRows<KIND> {
    fn kernel<'a, T: Float>(&self, x: &'a [Tensor<T>]) -> Normalize<'a, T> {
        let [weight, bias] = [1, 2].map(|i| x.get(i).map(Tensor::data));
        let (axes, epsilon) = (self.axes, T::of(self.epsilon));
        Normalize { axes, centred: KIND != RMS_NORM, epsilon, weight, bias }
    }
}

impl<T: Float, const KIND: usize> Fused<T> for OfRows<KIND> {
    const NAME: &'static str = ["standardize", "layer_norm", "rms_norm"][KIND];

    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        let axes: Shape = (x[0].shape().len() - self.axes..x[0].shape().len()).collect();
        let unit = if KIND == RMS_NORM {
            let squares = x[0].powi(2).sum_over(&axes) / x[0].number(&axes);
            &x[0] / (squares + T::of(self.epsilon)).sqrt()
        } else {
            standardized(&x[0], &axes, self.epsilon)
        };
        match x {
            [_, weight, bias] => unit * weight + bias,
            [_, weight] => unit * weight,
            _ => unit,
        }
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(self.kernel(x).value(x[0].data()))
    }
    fn pull(&self, x: &[Tensor<T>], _: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        let (kernel, parameters) = (self.kernel(x), x[1..].iter().any(Tensor::wants_grad));
        let mut of_parameters = None;
        let mut back = |into: Sink<'_, T>| of_parameters = kernel.back(x[0].data(), g, into, parameters);
        if x[0].wants_grad() {
            add_into(&mut sums[0], &x[0], back)
        } else {
            back(Sink::Drop)
        }
        for (i, gx) in of_parameters.into_iter().flatten().enumerate() {
            if x.get(i + 1).is_some_and(Tensor::wants_grad) {
                let gx = gx.reshape(x[i + 1].shape()).expect("as many numbers as a row");
                sums[i + 1] = Some(match sums[i + 1].take() {
                    Some(sum) => sum + gx,
                    None => gx,
                });
            }
        }
    }
}

/// `(x − mean) / √(var + ε)`
#[track_caller]
fn standardized<T: Float>(x: &Tensor<T>, axes: &Shape, epsilon: f64) -> Tensor<T> {
    let (centred, _) = x.centred(axes);
    let var = centred.powi(2).sum_over(axes) / x.number(axes);
    centred / (var + T::of(epsilon)).sqrt()
}

/// `(1 − part)·a + part·b`, a constant.
#[track_caller]
fn between<T: Float>(a: &Tensor<T>, b: &Tensor<T>, part: f64) -> Tensor<T> {
    a.detach() * T::of(1.0 - part) + b.detach() * T::of(part)
}

/// Normalisation. `ε` keeps the quotient finite where all numbers are equal: with an `ε` of 0 that is 0/0, NaN.
impl<T: Float> Tensor<T> {
    /// `(x − mean) / √(var + ε)`, mean and variance over some axes. The variance is `Σ (x − mean)² / n`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 3.0], [10.0, 30.0]]);
    /// assert_eq!(x.standardize(-1, 0.0).to_string(), "[[-1, 1], [-1, 1]]");
    /// ```
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn standardize(&self, axes: impl Axes, epsilon: f64) -> Tensor<T> {
        let axes = self.axes("standardize", axes);
        let last = self.shape().len() - axes.len();
        if !axes.is_empty() && axes.iter().all(|&axis| axis >= last) {
            return fused(OfRows::<STANDARDIZE> { axes: axes.len(), epsilon }, [self]);
        }
        standardized(self, &axes, epsilon)
    }

    /// `(x − mean) / √(var + ε) · weight + bias`, mean and variance over the last axes: as many as `weight` has (Ba,
    /// Kiros & Hinton 2016).
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (weight, bias) = (Tensor::new([1.0, 2.0]), Tensor::new([0.0, 5.0]));
    /// let x = Tensor::new([[1.0, 3.0], [10.0, 30.0]]);
    /// assert_eq!(x.layer_norm(&weight, Some(&bias), 0.0).to_string(), "[[-1, 7], [-1, 7]]");
    /// ```
    ///
    /// # Panics
    /// If `weight` does not have the shape of the last axes, or `bias` has another one.
    #[track_caller]
    pub fn layer_norm(&self, weight: &Tensor<T>, bias: Option<&Tensor<T>>, epsilon: f64) -> Tensor<T> {
        let op = OfRows::<LAYER_NORM> { axes: last_axes("layer_norm", self, weight), epsilon };
        match bias {
            Some(bias) if bias.shape() != weight.shape() => {
                Tensor::refuse("layer_norm", "weight and bias have different shapes", &[weight, bias])
            }
            Some(bias) => fused(op, [self, weight, bias]),
            None => fused(op, [self, weight]),
        }
    }

    /// `x / √(mean(x²) + ε) · weight`, the mean over the last axes: as many as `weight` has (Zhang & Sennrich 2019).
    ///
    /// # Panics
    /// If `weight` does not have the shape of the last axes.
    #[track_caller]
    pub fn rms_norm(&self, weight: &Tensor<T>, epsilon: f64) -> Tensor<T> {
        fused(OfRows::<RMS_NORM> { axes: last_axes("rms_norm", self, weight), epsilon }, [self, weight])
    }

    /// Mean and variance of each channel, over examples and places: `[examples, channels, …]`. They are recorded, so a
    /// gradient flows through them.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn channel_moments(&self) -> Moments<T> {
        let channels = channels("channel_moments", self);
        let axes: Shape = (0..self.shape().len()).filter(|&k| k != 1).collect();
        let (centred, mean) = self.centred(&axes);
        let var = centred.powi(2).sum_over(&axes) / self.number(&axes);
        let count = count(self.shape()).checked_div(channels).unwrap_or(0);
        Moments { mean: mean.without(&axes), var: var.without(&axes), count }
    }

    /// `(x − mean) / √(var + ε) · weight + bias` with moments, weight and bias of each channel: `[examples, channels, …]`
    /// (Ioffe & Szegedy 2015). With the batch's own moments in training, with a running average of them in evaluation:
    /// see [`Moments`].
    ///
    /// # Panics
    /// If there are fewer than two axes, or one of the others is not one number for each channel.
    #[track_caller]
    pub fn batch_norm(
        &self,
        moments: &Moments<T>,
        weight: &Tensor<T>,
        bias: &Tensor<T>,
        epsilon: f64,
    ) -> Tensor<T> {
        const NAME: &str = "batch_norm";
        channels(NAME, self);
        let deviation = (per_channel(NAME, self, &moments.var) + T::of(epsilon)).sqrt();
        let y = (self - per_channel(NAME, self, &moments.mean)) / deviation;
        y * per_channel(NAME, self, weight) + per_channel(NAME, self, bias)
    }

    /// `(x − mean) / √(var + ε) · weight + bias`, mean and variance of each example and group of neighbouring channels;
    /// weight and bias of each channel: `[examples, channels, …]` (Wu & He 2018). With one channel to a group this is
    /// instance normalisation.
    ///
    /// # Panics
    /// If there are fewer than two axes, the channels do not divide into the groups, or weight or bias is not one number
    /// for each channel.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, weight: &Tensor<T>, bias: &Tensor<T>, epsilon: f64) -> Tensor<T> {
        const NAME: &str = "group_norm";
        let channels = channels(NAME, self);
        if groups == 0 || !channels.is_multiple_of(groups) {
            let why = format!("{channels} channels do not divide into {groups} groups");
            Tensor::refuse(NAME, &why, &[self])
        }
        let (n, each) = (self.shape()[0], channels / groups * count(&self.shape()[2..]));
        let y = self.reshape(&[n, groups, each]).standardize(-1, epsilon);
        y.reshape(self.shape()) * per_channel(NAME, self, weight) + per_channel(NAME, self, bias)
    }
}

/// The number of channels of `[examples, channels, …]`.
#[track_caller]
fn channels<T: Float>(op: &'static str, x: &Tensor<T>) -> usize {
    match x.shape() {
        &[_, channels, ..] => channels,
        _ => Tensor::refuse(op, "the input is [examples, channels, …]", &[x]),
    }
}

/// `v`, one number for each channel of `x`, such that it broadcasts to `[examples, channels, …]`.
#[track_caller]
pub(super) fn per_channel<T: Float>(op: &'static str, x: &Tensor<T>, v: &Tensor<T>) -> Tensor<T> {
    let channels = x.shape()[1];
    if *v.shape() != [channels] {
        Tensor::refuse(op, &format!("one number is needed for each of {channels} channels"), &[v, x])
    }
    let mut shape = vec![1; x.shape().len() - 1];
    shape[0] = channels;
    v.reshape(&shape)
}

/// How many of the last axes of `x` have the shape of `weight`.
#[track_caller]
fn last_axes<T: Float>(op: &'static str, x: &Tensor<T>, weight: &Tensor<T>) -> usize {
    if weight.shape().is_empty() || !x.shape().ends_with(weight.shape()) {
        let why = "the weight says over which axes: its shape is that of the last ones";
        Tensor::refuse(op, why, &[x, weight])
    }
    weight.shape().len()
}
