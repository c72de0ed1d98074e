//! Networks: softmax, losses, normalisation, convolution, pooling, attention, dropout.

// What the bindings' macro writes around methods that another macro wrote.
#![allow(unsafe_op_in_unsafe_fn)]

use super::args::{AxisList, Each, Int, Size, gathered, given, wholes};
use super::unary;
use crate::any::{Any, Real};
use crate::random::PyRng;
use crate::replay::PyIndices;
use crate::tensor::{PyTensor, Typed, argument, fresh, of_one_type};
use crate::{each, guard, methods, place, several};
use femtograd::{Attention, Conv, ConvTranspose, CrossEntropy, Indices, Moments, Place, Pool, Tensor};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;

methods! {
    /// `y = eˣ / Σ eˣ` along an axis: scores as probabilities, which sum to 1. A score of −∞ is one that was masked: its
    /// probability is 0, and where all of a row is masked all are 0, as are all gradients.
    ///
    /// >>> inf = float("inf")
    /// >>> Tensor([[1000.0, 1000.0, -inf], [-inf, -inf, -inf]]).softmax().tolist()
    /// [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    #[pyo3(signature = (axis = Int(-1)), text_signature = "($self, axis=-1)")]
    softmax(axis: Int) => |x| x.softmax(axis.0);

    /// `y = x − ln Σ eˣ` along an axis: the logarithms of `softmax`, exact where those would be 0.
    ///
    /// >>> Tensor([1000.0, 0.0]).log_softmax().tolist()
    /// [0.0, -1000.0]
    #[pyo3(signature = (axis = Int(-1)), text_signature = "($self, axis=-1)")]
    log_softmax(axis: Int) => |x| x.log_softmax(axis.0);

    /// `y = (x − mean) / √(var + ε)`, mean and variance `Σ (x − mean)² / n` over the axes.
    ///
    /// >>> Tensor([[1.0, 3.0], [10.0, 30.0]]).standardize(-1, epsilon=0).tolist()
    /// [[-1.0, 1.0], [-1.0, 1.0]]
    #[pyo3(signature = (axis = AxisList(vec![-1]), *, epsilon = 1e-5), text_signature = "($self, axis=-1, *, epsilon=1e-5)")]
    standardize(axis: AxisList, epsilon: f64) => |x| x.standardize(axis, epsilon);
}

/// The class of each row. `ignore` becomes a class beyond the `n` columns, and what lies outside of them is refused.
fn classes(op: &str, x: &Bound<'_, PyAny>, n: Option<usize>, ignore: Option<i64>) -> PyResult<Indices> {
    let of = move |py: Python<'_>, place: Option<Place>, op: &str, values: &[i64], shape: &[usize]| {
        let Some(n) = n else {
            // The scores are no matrix: what is wrong with them is said first.
            return Ok(Indices::from_vec(vec![0; values.len()], shape));
        };
        let class = |(row, &i): (usize, &i64)| {
            if Some(i) == ignore {
                return Ok(n);
            }
            match usize::try_from(i) {
                Ok(class) if class < n => Ok(class),
                _ => {
                    let place = place.unwrap_or_else(|| place::here(py));
                    let why =
                        format!("{op}: class {i} of row {row} is not one of the {n} columns\n  at {place}");
                    Err(PyIndexError::new_err(why))
                }
            }
        };
        let values = values.iter().enumerate().map(class).collect::<PyResult<Vec<_>>>()?;
        Ok(Indices::from_vec(values, shape))
    };
    if let Ok(given) = x.cast::<PyIndices>() {
        let op = op.to_owned();
        return given.get().computed(x.py(), move |py, place, from| {
            let [(values, shape)] = from else { unreachable!("from one array") };
            of(py, place, &op, values, shape)
        });
    }
    let (values, shape) = wholes(op, x, PyTypeError::new_err)?;
    of(x.py(), None, op, &values, &shape)
}

/// The number of columns, if the scores are a matrix.
fn columns(x: &Any) -> Option<usize> {
    if let [_, n] = x.shape() { Some(*n) } else { None }
}

/// A loss against a target: a tensor, or what makes a constant.
macro_rules! losses {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $type:ty),*) => |$x:ident, $t:ident| $y:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$attribute])*
                fn $name<'py>(slf: &Bound<'py, Self>, target: &Bound<'py, PyAny>, $($arg: $type),*) -> PyResult<Bound<'py, PyTensor>> {
                    let (x, target) = (argument(slf), given(target)?);
                    let op = stringify!($name);
                    several!(slf.py(), of_one_type(op, vec![x, target])?, |x| { let ($x, $t) = (&x[0], &x[1]); $y })
                }
            )*
        }
    };
}

losses! {
    /// `1/n Σ (x − t)²` over all `n` elements, the mean squared error. The target has the shape of `x`.
    ///
    /// >>> print(Tensor([1.0, 2.0]).mse([0.0, 0.0]))
    /// 2.5
    mse() => |x, t| x.mse(t);

    /// `1/n Σ |x − t|`, the mean absolute error, with slope 0 where they are equal. The target has the shape of `x`.
    ///
    /// >>> print(Tensor([1.0, 2.0]).l1_loss([0.0, 0.0]))
    /// 1.5
    l1_loss() => |x, t| x.l1_loss(t);

    /// The mean of `d²/2` where `d = x − t` is at most `δ` in size, and of `δ·(|d| − δ/2)` beyond: squared errors for the
    /// small, absolute ones for the large (Huber 1964). Divided by `δ` it is the smooth L1 loss.
    ///
    /// >>> print(Tensor([0.5, 10.0]).huber([0.0, 0.0]))
    /// 4.8125
    #[pyo3(signature = (target, delta = 1.0))]
    huber(delta: f64) => |x, t| x.huber(t, delta);

    /// `1/n Σ t·(ln t − x)`, the Kullback–Leibler divergence of a distribution whose logarithms are `x` from the target
    /// `t`, for `n` rows along the first axis. A target of 0 contributes 0, whatever is predicted.
    ///
    /// >>> import numpy as np
    /// >>> print(f"{Tensor(np.log([[0.5, 0.5]])).kl_div([[1.0, 0.0]]):.4f}")
    /// 0.6931
    kl_div() => |x, t| x.kl_div(t);

    /// `1/n Σ max(1 − t·x, 0)` of `n` scores against labels `t` of 1 and −1, with slope 0 where `t·x = 1`.
    ///
    /// >>> print(Tensor([2.0, 0.5]).hinge([1.0, 1.0]))
    /// 0.25
    hinge() => |x, t| x.hinge(t);
}

#[pymethods]
impl PyTensor {
    /// `−1/n Σᵢ ln softmax(xᵢ)[classes[i]]` of `n` rows of scores (logits) against the class each row belongs to: one
    /// number, in nats; 0 of no rows.
    ///
    /// `weights`: what an example of each class counts for. `ignore`: the class of rows that do not count; it need not be
    /// one of the columns. `smoothing`: the part `ε` of an example that belongs to all classes alike (Szegedy et al. 2016).
    /// With them it is `−Σᵢ ((1−ε)·w[cᵢ]·ln pᵢ[cᵢ] + ε/c Σₖ w[k]·ln pᵢ[k]) / Σᵢ w[cᵢ]`; 0 if no example counts.
    ///
    /// Raises IndexError for a class that is none of the columns.
    ///
    /// >>> scores = Tensor([[0.0, 0.0], [0.0, 0.0]])
    /// >>> loss = scores.cross_entropy([0, 1])
    /// >>> loss.backward()
    /// >>> print(f"{loss:.4f}", scores.grad.tolist())  # (softmax − one-hot) / n
    /// 0.6931 [[-0.25, 0.25], [0.25, -0.25]]
    #[pyo3(signature = (classes, *, weights = None, ignore = None, smoothing = 0.0))]
    fn cross_entropy<'py>(
        slf: &Bound<'py, Self>,
        classes: &Bound<'py, PyAny>,
        weights: Option<&Bound<'py, PyAny>>,
        ignore: Option<Int>,
        smoothing: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let n = columns(&x);
        let ignore = ignore.map(|class| class.0 as i64);
        let classes = self::classes("cross_entropy", classes, n, ignore)?;
        let weights = match weights {
            None => Vec::new(),
            Some(weights) => {
                let weights = crate::convert::numbers(weights, None)?.to::<f64>();
                if weights.shape().len() != 1 || Some(weights.len()) != n && n.is_some() || weights.is_empty()
                {
                    let (shape, place) = (weights.shape(), place::here(py));
                    return Err(PyValueError::new_err(format!(
                        "cross_entropy: weights of shape {shape:?}: one is needed for each column of the scores, \
                         which have the shape {:?}\n  at {place}",
                        x.shape()
                    )));
                }
                weights.to_vec()
            }
        };
        let options = CrossEntropy { weights, ignore: ignore.and(n), smoothing };
        fresh(py, guard::call_long(py, x.len(), || each!(&x, x => x.cross_entropy_with(&classes, &options)))?)
    }

    /// `−1/n Σᵢ xᵢ[classes[i]]`, the negative log likelihood of `n` rows of logarithms of probabilities: what
    /// `cross_entropy` is after `log_softmax`.
    ///
    /// Raises IndexError for a class that is none of the columns.
    ///
    /// >>> print(Tensor([[-1.0, -3.0]]).nll([1]))
    /// 3.0
    fn nll<'py>(slf: &Bound<'py, Self>, classes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let classes = self::classes("nll", classes, columns(&x), None)?;
        fresh(py, guard::call_long(py, x.len(), || each!(&x, x => x.nll(&classes)))?)
    }

    /// `−1/n Σ (w·t·ln σ(x) + (1 − t)·ln(1 − σ(x)))`, the binary cross entropy of `n` scores (logits) against targets
    /// between 0 and 1. A score of ±1000 or ±∞ loses nothing. `positive_weight` is `w`: a number, or what broadcasts.
    ///
    /// >>> print(Tensor([1000.0, -1000.0]).bce_with_logits([0.0, 0.0]))
    /// 500.0
    #[pyo3(signature = (target, *, positive_weight = None))]
    fn bce_with_logits<'py>(
        slf: &Bound<'py, Self>,
        target: &Bound<'py, PyAny>,
        positive_weight: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let x = gathered(slf, &[Some(target), positive_weight])?;
        several!(slf.py(), of_one_type("bce_with_logits", x)?, |x| match x {
            [x, t, w] => x.bce_with_logits_weighted(t, w),
            _ => x[0].bce_with_logits(&x[1]),
        })
    }

    /// `y[…, j] = bⱼ + Σₖ x[…, k] · w[k, j]`, a linear layer: the product and the bias in one op. Without a bias it is
    /// `x @ w`.
    ///
    /// >>> Tensor([[1.0, 2.0]]).linear([[1.0, 0.0], [0.0, 3.0]], [0.5, -0.5]).tolist()
    /// [[1.5, 5.5]]
    #[pyo3(signature = (weight, bias = None))]
    fn linear<'py>(
        slf: &Bound<'py, Self>,
        weight: &Bound<'py, PyAny>,
        bias: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let x = gathered(slf, &[Some(weight), bias])?;
        several!(slf.py(), of_one_type("linear", x)?, |x| match x {
            [x, w, b] => x.linear(w, b),
            _ => x[0].matmul(&x[1]),
        })
    }

    /// `y = (x − mean) / √(var + ε) · weight + bias`, mean and variance over the last axes: as many as `weight` has (Ba,
    /// Kiros & Hinton 2016).
    ///
    /// >>> Tensor([[1.0, 3.0]]).layer_norm([1.0, 2.0], [0.0, 5.0], epsilon=0).tolist()
    /// [[-1.0, 7.0]]
    #[pyo3(signature = (weight, bias = None, *, epsilon = 1e-5))]
    fn layer_norm<'py>(
        slf: &Bound<'py, Self>,
        weight: &Bound<'py, PyAny>,
        bias: Option<&Bound<'py, PyAny>>,
        epsilon: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let x = gathered(slf, &[Some(weight), bias])?;
        several!(slf.py(), of_one_type("layer_norm", x)?, |x| x[0].layer_norm(&x[1], x.get(2), epsilon))
    }

    /// `y = x / √(mean(x²) + ε) · weight`, the mean over the last axes: as many as `weight` has (Zhang & Sennrich 2019).
    ///
    /// >>> Tensor([[3.0, 3.0]]).rms_norm([1.0, 2.0], epsilon=0).tolist()
    /// [[1.0, 2.0]]
    #[pyo3(signature = (weight, *, epsilon = 1e-5))]
    fn rms_norm<'py>(
        slf: &Bound<'py, Self>,
        weight: &Bound<'py, PyAny>,
        epsilon: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        several!(slf.py(), of_one_type("rms_norm", vec![argument(slf), given(weight)?])?, |x| x[0]
            .rms_norm(&x[1], epsilon))
    }

    /// `(Σ x / n, Σ (x − mean)² / n)`: mean and variance of each channel of `[examples, channels, …]`, through which
    /// gradients flow. What `batch_norm` normalises with in training.
    ///
    /// >>> mean, var = Tensor([[1.0, 10.0], [3.0, 30.0]]).channel_moments()
    /// >>> mean.tolist(), var.tolist()
    /// ([2.0, 20.0], [1.0, 100.0])
    fn channel_moments<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyTensor>, Bound<'py, PyTensor>)> {
        fn both<T: Real>(x: &Tensor<T>) -> (Any, Any) {
            let Moments { mean, var, .. } = x.channel_moments();
            (T::wrap(mean), T::wrap(var))
        }
        let (py, x) = (slf.py(), argument(slf));
        let (mean, var) = guard::call_long(py, x.len(), || each!(&x, x -> both(x)))?;
        Ok((fresh(py, mean)?, fresh(py, var)?))
    }

    /// `y = (x − mean) / √(var + ε) · weight + bias` with moments, weight and bias of each channel: `[examples, channels,
    /// …]` (Ioffe & Szegedy 2015). `mean` and `var` are those of the batch, `channel_moments()`, if none are given: in
    /// evaluation give a running average of them, as `nn.BatchNorm` keeps it.
    ///
    /// >>> Tensor([[1.0], [3.0]]).batch_norm([2.0], [1.0], epsilon=0).tolist()
    /// [[-1.0], [3.0]]
    #[pyo3(signature = (weight, bias, mean = None, var = None, *, epsilon = 1e-5))]
    fn batch_norm<'py>(
        slf: &Bound<'py, Self>,
        weight: &Bound<'py, PyAny>,
        bias: &Bound<'py, PyAny>,
        mean: Option<&Bound<'py, PyAny>>,
        var: Option<&Bound<'py, PyAny>>,
        epsilon: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        if mean.is_some() != var.is_some() {
            return Err(PyValueError::new_err("batch_norm: mean and var are given both, or neither"));
        }
        let x = gathered(slf, &[Some(weight), Some(bias), mean, var])?;
        fn of<T: Real>(x: &[Tensor<T>], epsilon: f64) -> Tensor<T> {
            let moments = match x {
                [_, _, _, mean, var] => Moments { mean: mean.clone(), var: var.clone(), count: 0 },
                _ => x[0].channel_moments(),
            };
            x[0].batch_norm(&moments, &x[1], &x[2], epsilon)
        }
        several!(slf.py(), of_one_type("batch_norm", x)?, |x| of(x, epsilon))
    }

    /// `y = (x − mean) / √(var + ε) · weight + bias`, mean and variance of each example and group of neighbouring
    /// channels; weight and bias of each channel: `[examples, channels, …]` (Wu & He 2018).
    ///
    /// >>> Tensor([[1.0, 3.0]]).group_norm(1, [1.0, 1.0], [0.0, 0.0], epsilon=0).tolist()
    /// [[-1.0, 1.0]]
    #[pyo3(signature = (groups, weight, bias, *, epsilon = 1e-5))]
    fn group_norm<'py>(
        slf: &Bound<'py, Self>,
        groups: Size,
        weight: &Bound<'py, PyAny>,
        bias: &Bound<'py, PyAny>,
        epsilon: f64,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let x = gathered(slf, &[Some(weight), Some(bias)])?;
        several!(slf.py(), of_one_type("group_norm", x)?, |x| x[0]
            .group_norm(groups.0, &x[1], &x[2], epsilon))
    }

    /// `y = x / (1 − p)` or, with probability `p` for each element, 0: on average `x` (Srivastava et al. 2014). For
    /// training only; in evaluation leave it out.
    ///
    /// >>> Tensor([1.0, 1.0, 1.0, 1.0]).dropout(0.5, femtograd.Rng(3)).tolist()
    /// [2.0, 0.0, 0.0, 2.0]
    fn dropout<'py>(
        slf: &Bound<'py, Self>,
        p: f64,
        rng: &Bound<'py, PyRng>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x, rng) = (slf.py(), argument(slf), rng.get());
        rng.check(py, "dropout")?;
        let y = guard::call_long(py, x.len(), || each!(&x, x => x.dropout(p, &mut rng.lock())))?;
        fresh(py, y)
    }

    /// `y[…, j, …, k] = x[…, j·step + k·dilation, …]`: windows along an axis, without copying. The axis counts them, and a
    /// new last axis holds the elements of each.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).windows(0, 2).tolist()
    /// [[1.0, 2.0], [2.0, 3.0]]
    #[pyo3(signature = (axis, size, step = Size(1), dilation = Size(1)), text_signature = "($self, axis, size, step=1, dilation=1)")]
    fn windows<'py>(
        slf: &Bound<'py, Self>,
        axis: Int,
        size: Size,
        step: Size,
        dilation: Size,
    ) -> PyResult<Bound<'py, PyTensor>> {
        unary(slf, |x| each!(x, x => x.windows(axis.0, size.0, step.0, dilation.0)))
    }
}

/// Methods with weight and bias that move over as many axes, with these options, each a number for every axis.
macro_rules! convolutions {
    ($($(#[$attribute:meta])* $name:ident $d:literal $How:ident { $($option:ident = $default:literal),* } $text:literal;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$attribute])*
                #[pyo3(signature = (weight, bias = None, *, $($option = Each([$default; $d]),)* groups = Size(1)), text_signature = $text)]
                #[allow(clippy::too_many_arguments)] // options with names in Python
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    weight: &Bound<'py, PyAny>,
                    bias: Option<&Bound<'py, PyAny>>,
                    $($option: Each<$d>,)*
                    groups: Size,
                ) -> PyResult<Bound<'py, PyTensor>> {
                    let x = gathered(slf, &[Some(weight), bias])?;
                    let how = $How { $($option: $option.0,)* groups: groups.0 };
                    several!(slf.py(), of_one_type(stringify!($name), x)?, |x| x[0].$name(&x[1], x.get(2), &how))
                }
            )*
        }
    };
}

convolutions! {
    /// `y[n, o, i] = b[o] + Σ x[n, c, i·stride + k·dilation − padding] · w[o, c, k]`, summed over the channels `c` of `o`'s
    /// group and the places `k` of the kernel: `[examples, channels, length]` with a weight of `[output channels, channels /
    /// groups, kernel]`. The kernel is not turned around, as everywhere in networks.
    ///
    /// >>> Tensor([[[1.0, 2.0, 4.0, 7.0]]]).conv1d([[[-1.0, 1.0]]]).tolist()
    /// [[[1.0, 2.0, 3.0]]]
    conv1d 1 Conv { stride = 1, padding = 0, dilation = 1 }
        "($self, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1)";

    /// `y[n, o, i, j] = b[o] + Σ x[n, c, i·stride + k·dilation − padding, …] · w[o, c, k, …]`, `conv1d` over two axes:
    /// `[examples, channels, height, width]` with a weight of `[output channels, channels / groups, kernel height, kernel
    /// width]`. Options are one number or a pair.
    ///
    /// >>> Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).conv2d([[[[1.0, 1.0], [1.0, 1.0]]]], padding=(0, 1)).tolist()
    /// [[[[4.0, 10.0, 6.0]]]]
    conv2d 2 Conv { stride = 1, padding = 0, dilation = 1 }
        "($self, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1)";

    /// `y[n, o, i·stride + k·dilation − padding] += x[n, c, i] · w[c, o, k]`, the reverse of a `conv1d` as it occurs in its
    /// gradient: `[examples, channels, length]` with a weight of `[channels, output channels / groups, kernel]`.
    ///
    /// >>> Tensor([[[1.0, 2.0]]]).conv_transpose1d([[[1.0, 1.0, 0.5]]], stride=2).tolist()
    /// [[[1.0, 1.0, 2.5, 2.0, 1.0]]]
    conv_transpose1d 1 ConvTranspose { stride = 1, padding = 0, output_padding = 0, dilation = 1 }
        "($self, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1)";

    /// `y[n, o, i·stride + k·dilation − padding, …] += x[n, c, i, …] · w[c, o, k, …]`, `conv_transpose1d` over two axes:
    /// `[examples, channels, height, width]` with a weight of `[channels, output channels / groups, kernel height, kernel
    /// width]`.
    ///
    /// >>> Tensor([[[[2.0]]]]).conv_transpose2d([[[[1.0, 2.0]]]]).tolist()
    /// [[[[2.0, 4.0]]]]
    conv_transpose2d 2 ConvTranspose { stride = 1, padding = 0, output_padding = 0, dilation = 1 }
        "($self, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1)";
}

/// Windows that are pooled.
macro_rules! pools {
    ($($(#[$attribute:meta])* $name:ident $d:literal;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$attribute])*
                #[pyo3(signature = (size, *, stride = None, padding = Each([0; $d]), dilation = Each([1; $d])), text_signature = "($self, size, *, stride=None, padding=0, dilation=1)")]
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    size: Each<$d>,
                    stride: Option<Each<$d>>,
                    padding: Each<$d>,
                    dilation: Each<$d>,
                ) -> PyResult<Bound<'py, PyTensor>> {
                    let stride = stride.unwrap_or(size).0;
                    let how = Pool { size: size.0, stride, padding: padding.0, dilation: dilation.0 };
                    unary(slf, |x| each!(x, x => x.$name(&how)))
                }
            )*
        }
    };
}

pools! {
    /// `yᵢ = max x[i·stride …]`, the largest element of each window along the last axis; windows side by side unless
    /// `stride` says otherwise. Equal maxima share the gradient equally.
    ///
    /// >>> Tensor([1.0, 3.0, 2.0, 0.0]).max_pool1d(2).tolist()
    /// [3.0, 2.0]
    max_pool1d 1;

    /// `yᵢⱼ = max x[i·stride …, j·stride …]`, the largest element of each window over the last two axes; windows side by
    /// side unless `stride` says otherwise. Equal maxima share the gradient equally.
    ///
    /// >>> Tensor([[1.0, 2.0, 5.0, 5.0], [4.0, 3.0, 0.0, 0.0]]).max_pool2d(2).tolist()
    /// [[4.0, 5.0]]
    max_pool2d 2;

    /// `yᵢ = mean x[i·stride …]`, the mean of each window along the last axis. Zeros added at the ends count.
    ///
    /// >>> Tensor([1.0, 3.0, 2.0, 0.0]).avg_pool1d(2).tolist()
    /// [2.0, 1.0]
    avg_pool1d 1;

    /// `yᵢⱼ = mean x[i·stride …, j·stride …]`, the mean of each window over the last two axes. Zeros added at the ends count.
    ///
    /// >>> Tensor([[1.0, 3.0], [2.0, 0.0]]).avg_pool2d((1, 2)).tolist()
    /// [[2.0], [1.0]]
    avg_pool2d 2;
}

/// `y = softmax(q·kᵀ/√d)·v`: for each query a mean of the values, weighted by how well their keys match (Vaswani et al. 2017).
/// Queries `[…, queries, d]`, keys `[…, keys, d]` and values `[…, keys, e]` give `[…, queries, e]`, leading axes broadcast.
///
/// `mask`: 0 where a query does not see a key; `bias`: added to the scores, −∞ as good as a mask; both broadcast to
/// `[…, queries, keys]`. `causal`: query `i` sees keys `0` to `i` only. A query that sees no key gets 0, and no gradient flows
/// through it. The scores are never stored all at once, unless `mask` or `bias` want a gradient.
///
/// >>> q, k, v = Tensor([[1.0], [1.0]]), Tensor([[0.0], [0.0]]), Tensor([[1.0], [3.0]])
/// >>> femtograd.scaled_dot_product_attention(q, k, v, causal=True).tolist()
/// [[1.0], [2.0]]
#[pyfunction]
#[pyo3(signature = (queries, keys, values, *, mask = None, bias = None, causal = false))]
pub fn scaled_dot_product_attention<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    keys: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    bias: Option<&Bound<'py, PyAny>>,
    causal: bool,
) -> PyResult<Bound<'py, PyTensor>> {
    let mut x = vec![given(queries)?, given(keys)?, given(values)?];
    x.extend(mask.map(given).transpose()?);
    x.extend(bias.map(given).transpose()?);
    let (masked, biased) = (mask.is_some(), bias.is_some());
    fn attend<T: Real>(x: &[Tensor<T>], masked: bool, biased: bool, causal: bool) -> Tensor<T> {
        let mask = if masked { Some(&x[3]) } else { None };
        let bias = if biased { x.last() } else { None };
        femtograd::scaled_dot_product_attention(&x[0], &x[1], &x[2], &Attention { mask, bias, causal })
    }
    let numbers = x.iter().map(Any::len).sum();
    let y = match of_one_type("scaled_dot_product_attention", x)? {
        Typed::F32(x) => Any::F32(guard::call_long(py, numbers, || attend(&x, masked, biased, causal))?),
        Typed::F64(x) => Any::F64(guard::call_long(py, numbers, || attend(&x, masked, biased, causal))?),
    };
    fresh(py, y)
}
