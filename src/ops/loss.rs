//! Losses: how far a prediction is from what it should be, as one number, a mean.
//!
//! A target has the prediction's shape; other shapes are refused, since broadcasting `[n, 1]` against `[n]` would compare
//! everything with everything. Classes are [`Indices`].

use super::elementwise::Softplus;
use super::fused::{Fused, fused};
use super::linear::{add_into, sum_of};
use crate::kernels::{self, Error, Picks};
use crate::num::{Float, Num};
use crate::once::native;
use crate::op::chain;
use crate::replay::is_rebound;
use crate::{Array, Indices, Operand, Rule, Tensor};

/// `y = x²/2` for `|x| ≤ δ`, `δ·(|x| − δ/2)` beyond: a parabola that goes on as a straight line (Huber 1964).
#[derive(Clone, Copy)]
pub struct Huber(f64);
impl Rule<1> for Huber {
    const NAME: &'static str = "huber";
    #[inline(always)]
    fn value<V: Num>(&self, [x]: [V; 1]) -> V {
        let (delta, half) = (V::lit(self.0), V::lit(0.5));
        let size = x.abs();
        V::select(size.le(delta), half * x * x, delta * (size - half * delta))
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x]: [V; 1], _: V) -> [V; 1] {
        let delta = V::lit(self.0);
        [V::select(delta.lt(x), delta, V::select(x.lt(-delta), -delta, x))]
    }
}

/// `y = −w·t·ln σ(x) − (1 − t)·ln(1 − σ(x))`, computed as `w·t·softplus(−x) + (1 − t)·softplus(x)`, of which a `t` of 0
/// or 1 leaves the one term that does not overflow and keeps all its digits.
#[derive(Clone, Copy)]
pub struct BceWithLogits;
impl Rule<3> for BceWithLogits {
    const NAME: &'static str = "bce_with_logits";
    #[inline(always)]
    fn value<V: Num>(&self, [x, t, w]: [V; 3]) -> V {
        let [no, yes] = [-x, x].map(|x| V::apply(Softplus, [x]));
        no.chain(w * t) + yes.chain(V::lit(1.0) - t)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x, t, w]: [V; 3], _: V) -> [V; 3] {
        let [no, yes] = [-x, x].map(|x| V::apply(Softplus, [x]));
        let by_x = (V::lit(1.0) - t) * x.sigmoid() - w * t * (-x).sigmoid();
        [by_x, no.chain(w) - yes, no.chain(t)]
    }
}

/// `y = t·(ln t − x)`, and 0 where `t` is 0, with the slope −∞ in `t` there.
#[derive(Clone, Copy)]
pub struct KlDiv;
impl Rule<2> for KlDiv {
    const NAME: &'static str = "kl_div";
    #[inline(always)]
    fn value<V: Num>(&self, [x, t]: [V; 2]) -> V {
        t.chain(t.ln() - x)
    }
    #[inline(always)]
    fn slopes<V: Num>(&self, [x, t]: [V; 2], _: V) -> [V; 2] {
        let ln = t.ln();
        [-t, V::select(t.eq(V::lit(0.0)), ln, ln - x + V::lit(1.0))]
    }
}

/// What [`Tensor::cross_entropy_with`] counts, and how much.
///
/// ```
/// use femtograd::CrossEntropy;
/// let rare = CrossEntropy { weights: vec![1.0, 20.0], ..CrossEntropy::default() };
/// let padded = CrossEntropy { ignore: Some(0), smoothing: 0.1, ..CrossEntropy::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy {
    /// What an example of each class counts for; 1 if this is empty.
    pub weights: Vec<f64>,
    /// The class of examples that do not count. It need not be one of the columns.
    pub ignore: Option<usize>,
    /// The part `ε` of an example that belongs to all classes alike (Szegedy et al. 2016): its own has `1 − ε + ε/c` of
    /// `c` classes.
    pub smoothing: f64,
}

/// Losses.
impl<T: Float> Tensor<T> {
    /// The cross entropy `−1/n Σᵢ ln softmax(xᵢ)[classes[i]]` of `n` rows of scores (logits) against the class each
    /// row belongs to: one number, in nats; 0 of no rows.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let scores = Tensor::new([[0.0, 0.0], [0.0, 0.0]]);
    /// let loss = scores.cross_entropy(&[0, 1]);
    /// loss.backward();
    /// assert_eq!(loss.item(), 2f64.ln());
    /// assert_eq!(scores.grad().unwrap().to_string(), "[[-0.25, 0.25], [0.25, -0.25]]"); // (softmax − one-hot) / n
    /// ```
    ///
    /// # Panics
    /// If the scores are not a matrix with a row for each class given, or a class is not one of its columns.
    #[track_caller]
    pub fn cross_entropy(&self, classes: impl Into<Indices>) -> Tensor<T> {
        self.cross_entropy_with(classes, &CrossEntropy::default())
    }

    /// The [`cross_entropy`](Self::cross_entropy) with weights, examples that do not count, or smoothed labels:
    ///
    /// `−Σᵢ ((1−ε)·w[classes[i]]·ln pᵢ[classes[i]] + ε/c Σₖ w[k]·ln pᵢ[k]) / Σᵢ w[classes[i]]` for `c` classes.
    ///
    /// If no example counts, the loss is 0 and so is its gradient: a batch that says nothing changes nothing. (0/0 has
    /// no value; NaN would spoil every parameter for one unlucky batch.)
    ///
    /// ```
    /// # use femtograd::{CrossEntropy, Tensor};
    /// let scores = Tensor::new([[0.0, 0.0], [5.0, 0.0]]);
    /// let second_is_padding = CrossEntropy { ignore: Some(9), ..CrossEntropy::default() };
    /// assert_eq!(scores.cross_entropy_with(&[0, 9], &second_is_padding).item(), 2f64.ln());
    /// ```
    ///
    /// # Panics
    /// As [`cross_entropy`](Self::cross_entropy); if there is not a weight for each column, one is negative or not
    /// finite, or the smoothing does not lie in `0..=1`.
    #[track_caller]
    pub fn cross_entropy_with(&self, classes: impl Into<Indices>, options: &CrossEntropy) -> Tensor<T> {
        let op = OfLogits { classes: classes.into(), options: options.clone() };
        if options.smoothing == 0.0 {
            return fused(op, [self]);
        }
        if let Err(why) = check_classes(self, &op.classes, options) {
            Tensor::refuse("cross_entropy", &why.0, &[self])
        }
        op.compose(std::slice::from_ref(self))
    }

    /// The negative log likelihood `−1/n Σᵢ xᵢ[classes[i]]` of `n` rows of logarithms of probabilities: what
    /// [`cross_entropy`](Self::cross_entropy) is after [`log_softmax`](Self::log_softmax).
    ///
    /// # Panics
    /// If this is not a matrix with a row for each class given, or a class is not one of its columns.
    #[track_caller]
    pub fn nll(&self, classes: impl Into<Indices>) -> Tensor<T> {
        let (classes, options) = (classes.into(), CrossEntropy::default());
        if let Err(why) = check_classes(self, &classes, &options) {
            Tensor::refuse("nll", &why.0, &[self])
        }
        against_classes(self, &classes, &options)
    }

    /// The binary cross entropy `−1/n Σ (t·ln σ(x) + (1 − t)·ln(1 − σ(x)))` of `n` scores (logits) against targets
    /// between 0 and 1. A score of ±1000 or ±∞ loses nothing: a right one costs 0 and has the gradient 0.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let scores = Tensor::new([1000.0, -1000.0]);
    /// assert_eq!(scores.bce_with_logits(Tensor::constant([1.0, 0.0])).item(), 0.0);
    /// assert_eq!(scores.bce_with_logits(Tensor::constant([0.0, 1.0])).item(), 1000.0);
    /// ```
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn bce_with_logits(&self, target: impl Operand<T>) -> Tensor<T> {
        self.bce_with_logits_weighted(target, T::ONE)
    }

    /// [`bce_with_logits`](Self::bce_with_logits) with the term `t·ln σ(x)` multiplied by a weight: above 1 where
    /// positive examples are rare. A number, or a tensor that broadcasts: one weight for each column.
    ///
    /// # Panics
    /// If the shapes differ, or the weight's does not broadcast to them.
    #[track_caller]
    pub fn bce_with_logits_weighted(
        &self,
        target: impl Operand<T>,
        positive_weight: impl Operand<T>,
    ) -> Tensor<T> {
        let (target, weight) =
            (same_shape("bce_with_logits", self, target.into_tensor()), positive_weight.into_tensor());
        let loss = native(BceWithLogits, [self, &target, &weight]);
        if loss.shape() != self.shape() {
            Tensor::refuse(
                "bce_with_logits",
                "the weight has more elements than the scores",
                &[self, &weight],
            )
        }
        loss.mean()
    }

    /// The mean squared error `1/n Σ (x − target)²` over all `n` elements: one number.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn mse(&self, target: impl Operand<T>) -> Tensor<T> {
        (self - same_shape("mse", self, target.into_tensor())).powi(2).mean()
    }

    /// The mean absolute error `1/n Σ |x − target|`, with slope 0 where they are equal.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn l1_loss(&self, target: impl Operand<T>) -> Tensor<T> {
        (self - same_shape("l1_loss", self, target.into_tensor())).abs().mean()
    }

    /// The mean of `d²/2` where `d = x − target` is at most `δ` in size, and of `δ·(|d| − δ/2)` beyond: squared errors
    /// for the small, absolute ones for the large (Huber 1964). Divided by `δ` it is the smooth L1 loss.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([0.5, 10.0]);
    /// let loss = x.huber(Tensor::constant([0.0, 0.0]), 1.0);
    /// loss.backward();
    /// assert_eq!(loss.item(), (0.125 + 9.5) / 2.0);
    /// assert_eq!(x.grad().unwrap().to_string(), "[0.25, 0.5]");
    /// ```
    ///
    /// # Panics
    /// If the shapes differ or `δ` is not positive.
    #[track_caller]
    pub fn huber(&self, target: impl Operand<T>, delta: f64) -> Tensor<T> {
        let target = same_shape("huber", self, target.into_tensor());
        if delta.is_nan() || delta <= 0.0 {
            Tensor::refuse("huber", &format!("delta is {delta}, and must be positive"), &[self])
        }
        native(Huber(delta), [self - target]).mean()
    }

    /// The Kullback–Leibler divergence `1/n Σ t·(ln t − x)` of a distribution whose logarithms are given from the target
    /// `t`, for `n` rows along the first axis (one, if this is a single number): PyTorch's `batchmean`, since its mean
    /// over all elements is not the divergence. A target of 0 contributes 0, whatever is predicted.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let predicted = Tensor::new([[0.5f64.ln(), 0.5f64.ln(), f64::NEG_INFINITY]]);
    /// assert_eq!(predicted.kl_div(Tensor::constant([[1.0, 0.0, 0.0]])).item(), 2f64.ln());
    /// ```
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn kl_div(&self, target: impl Operand<T>) -> Tensor<T> {
        let target = same_shape("kl_div", self, target.into_tensor());
        let rows = self.shape().first().copied().unwrap_or(1);
        native(KlDiv, [self, &target]).sum() / T::of(rows as f64)
    }

    /// The hinge loss `1/n Σ max(1 − t·x, 0)` of `n` scores against labels `t` of 1 and −1, with slope 0 where
    /// `t·x = 1`.
    ///
    /// # Panics
    /// If the shapes differ or a label is not 1 or −1.
    #[track_caller]
    pub fn hinge(&self, labels: impl Operand<T>) -> Tensor<T> {
        let labels = same_shape("hinge", self, labels.into_tensor());
        if let Some(label) = labels.data().to_vec().into_iter().find(|t| t.to_f64().abs() != 1.0) {
            Tensor::refuse("hinge", &format!("the label {label} is neither 1 nor −1"), &[self, &labels])
        }
        (-(self * labels) + T::ONE).relu().mean()
    }
}

/// The target, if it has the shape of `x`.
#[track_caller]
fn same_shape<T: Float>(op: &'static str, x: &Tensor<T>, target: Tensor<T>) -> Tensor<T> {
    if x.shape() != target.shape() {
        Tensor::refuse(op, "the target has another shape", &[x, &target])
    }
    target
}

/// The cross entropy of scores (logits), without smoothing.
#[derive(Clone)]
struct OfLogits {
    classes: Indices,
    options: CrossEntropy,
}

impl OfLogits {
    /// The part that an example of each class has in the loss; nothing if no example counts.
    fn weights<T: Float>(&self, columns: usize) -> Option<Vec<T>> {
        let part = self.options.part(self.classes.as_slice())?;
        Some((0..columns).map(|class| T::of(part * self.options.weight(class))).collect())
    }
    fn picks<'a, T>(&'a self, weights: &'a [T]) -> Picks<'a, T> {
        Picks { columns: self.classes.as_slice(), weights, ignore: self.options.ignore }
    }
}

impl<T: Float> Fused<T> for OfLogits {
    const NAME: &'static str = "cross_entropy";

    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        against_classes(&x[0].log_softmax(1), &self.classes, &self.options)
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        check_classes(&x[0], &self.classes, &self.options)?;
        let weights = self.weights(x[0].shape()[1]);
        let loss = weights.map(|w| kernels::log_likelihood(x[0].data(), self.picks(&w)));
        Ok(Array::scalar(loss.unwrap_or(T::ZERO)))
    }
    fn pull(&self, x: &[Tensor<T>], _: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        match self.weights(x[0].shape()[1]) {
            Some(w) => add_into(&mut sums[0], &x[0], |sum| {
                kernels::log_likelihood_back(x[0].data(), self.picks(&w), g.item(), sum)
            }),
            None => drop(sum_of(&mut sums[0], &x[0])),
        }
    }
    fn indices(&self) -> Option<&Indices> {
        Some(&self.classes)
    }
    fn with_indices(&self, classes: Indices) -> Option<OfLogits> {
        Some(OfLogits { classes, ..self.clone() })
    }
}

impl CrossEntropy {
    /// What an example of this class counts for.
    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }
    /// What a weight of 1 is of the loss: −1 divided by the weight of all examples that count. None if none does.
    fn part(&self, classes: &[usize]) -> Option<f64> {
        let counting = classes.iter().filter(|&&class| self.ignore != Some(class));
        let total: f64 = counting.map(|&class| self.weight(class)).sum();
        (total != 0.0).then(|| -1.0 / total)
    }
}

/// Whether the classes and options fit rows of scores.
fn check_classes<T: Float>(x: &Tensor<T>, classes: &Indices, options: &CrossEntropy) -> Result<(), Error> {
    let &[rows, columns] = x.shape() else {
        let why = "the scores are a matrix, one row for each example and one column for each class";
        return Err(Error(why.into()));
    };
    let CrossEntropy { weights, ignore, smoothing } = options;
    let outside = |&class: &usize| class >= columns && *ignore != Some(class);
    Err(Error(if *classes.shape() != [rows] {
        format!("{rows} rows of scores against classes of shape {:?}", classes.shape())
    } else if let Some(i) = classes.as_slice().iter().position(outside) {
        format!("class {} of row {i} is not one of the {columns} columns", classes.as_slice()[i])
    } else if !weights.is_empty() && weights.len() != columns {
        format!("{} weights for {columns} columns", weights.len())
    } else if let Some(w) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
        format!("the weight {w} is not a number of 0 or more")
    } else if !(0.0..=1.0).contains(smoothing) {
        format!("the smoothing {smoothing} does not lie in 0..=1")
    } else {
        return Ok(());
    }))
}

/// The mean over rows of logarithms of probabilities, of what each says of its class.
#[track_caller]
fn against_classes<T: Float>(log: &Tensor<T>, classes: &Indices, options: &CrossEntropy) -> Tensor<T> {
    let CrossEntropy { weights, ignore, smoothing } = options;
    if (ignore.is_some() || !weights.is_empty()) && is_rebound(classes) {
        let why = "what each example counts for would stay as it is now in a recorded program, where this is taken apart: \
                   with weights, or a class to ignore, it is given to a recorded function without smoothing, and not \
                   differentiated inside";
        Tensor::refuse("cross_entropy", why, &[log])
    }
    let (columns, all) = (log.shape()[1], classes.as_slice());
    let part = options.part(all);
    // The rows that count, with their classes: these indices themselves where all do.
    let rows: Vec<usize> = (0..all.len()).filter(|&i| part.is_some() && *ignore != Some(all[i])).collect();
    let (log, classes) = if rows.len() == all.len() {
        (log.clone(), classes.clone())
    } else {
        let classes: Vec<usize> = rows.iter().map(|&i| all[i]).collect();
        (log.gather_rows(rows), classes.into())
    };
    let part = |class: usize| part.unwrap_or(0.0) * options.weight(class);
    let own: Vec<T> =
        classes.as_slice().iter().map(|&class| T::of((1.0 - smoothing) * part(class))).collect();
    let column = [own.len(), 1];
    let picked = log.take_along_axis(classes.reshape(&column).expect("as many"), 1);
    // The product of the chain rule: what has no weight does not count, be it infinite.
    let loss = chain(&picked, &Tensor::constant(Array::from_vec(own, &column))).sum();
    if *smoothing == 0.0 {
        return loss;
    }
    let each: Vec<T> = (0..columns).map(|class| T::of(smoothing / columns as f64 * part(class))).collect();
    loss + chain(&log, &Tensor::constant(each)).sum()
}
