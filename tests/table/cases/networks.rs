//! What networks are made of: normalisation, convolution, pooling, attention, losses.

use super::{ANY, Case, Distinct, NONZERO, POSITIVE, Values, Within, case};
use femtograd::random::Rng;
use femtograd::{
    Attention, Conv, ConvTranspose, CrossEntropy, Float, Moments, Pool, Tensor, scaled_dot_product_attention,
};

type Shaped = (&'static [usize], Values);

pub fn cases<T: Float>() -> Vec<Case<T>> {
    let mut list = softmax();
    list.extend(layers());
    list.extend(normalisation());
    list.extend(convolution());
    list.extend(pooling());
    list.extend(attention());
    list.extend(losses());
    list
}

fn softmax<T: Float>() -> Vec<Case<T>> {
    const M: Shaped = (&[2, 3], ANY);
    const B: Shaped = (&[2, 3, 2], ANY);
    vec![
        case("softmax", [M], |[x]| x.softmax(-1)),
        case("softmax along the first axis", [M], |[x]| x.softmax(0)),
        case("softmax along a middle axis", [B], |[x]| x.softmax(1)),
        case("softmax of large numbers", [M], |[x]| (x + T::of(1000.0)).softmax(1)),
        case("log_softmax along a middle axis", [B], |[x]| x.log_softmax(1)),
        case("softmax of a softmax", [M], |[x]| x.softmax(0).softmax(1)),
        // Rows of more than a kernel's block.
        case("softmax of long rows", [(&[2, 67], ANY)], |[x]| x.softmax(-1)),
        case("log_softmax of long rows", [(&[2, 67], ANY)], |[x]| x.log_softmax(-1)),
        case("logsumexp of long rows", [(&[3, 67], ANY)], |[x]| x.logsumexp(-1)),
        case("log_softmax of columns as rows", [M], |[x]| x.t().log_softmax(-1)),
    ]
}

fn layers<T: Float>() -> Vec<Case<T>> {
    const X: Shaped = (&[2, 3], ANY);
    const W: Shaped = (&[3, 4], ANY);
    const B: Shaped = (&[4], ANY);
    const S: Shaped = (&[3, 3], ANY);
    const V: Shaped = (&[3], ANY);
    vec![
        case("linear", [X, W, B], |[x, w, b]| x.linear(w, b)),
        case("linear of a vector", [V, W, B], |[x, w, b]| x.linear(w, b)),
        case("linear of a batch", [(&[2, 1, 2, 3], ANY), W, B], |[x, w, b]| x.linear(w, b)),
        case("linear of transposes", [(&[3, 2], ANY), (&[4, 3], ANY), B], |[x, w, b]| {
            x.t().linear(&w.t(), b)
        }),
        case("linear, twice with the same", [V, S, V], |[x, w, b]| x.linear(w, b).linear(w, b) + x * b),
        case("linear of x, x and its diagonal", [S], |[x]| x.linear(x, &(x * x).sum_axes(0))),
        case("linear with a constant row", [W, B], |[w, b]| {
            Tensor::constant([[0.5, -1.0, 2.0], [1.0, 0.25, 0.0]].map(|row| row.map(T::of))).linear(w, b)
        }),
    ]
}

fn normalisation<T: Float>() -> Vec<Case<T>> {
    const X: Shaped = (&[2, 3], Distinct);
    const B: Shaped = (&[3, 4, 2], Distinct);
    const V: Shaped = (&[3], ANY);
    const C: Shaped = (&[4], ANY);
    vec![
        case("standardize", [X], |[x]| x.standardize(-1, 0.5)),
        case("standardize over two axes", [B], |[x]| x.standardize([0, -1], 0.1)),
        case("layer_norm", [X, V, V], |[x, w, b]| x.layer_norm(w, Some(b), 0.1)),
        case("layer_norm of long rows", [(&[2, 67], Distinct), (&[67], ANY), (&[67], ANY)], |[x, w, b]| {
            x.layer_norm(w, Some(b), 0.1)
        }),
        case("layer_norm of many rows", [(&[35, 2], Distinct), (&[2], ANY), (&[2], ANY)], |[x, w, b]| {
            x.layer_norm(w, Some(b), 0.1)
        }),
        case("layer_norm of columns as rows", [(&[3, 2], Distinct), V], |[x, w]| {
            x.t().layer_norm(w, None, 0.1)
        }),
        case("layer_norm of what weighs it", [(&[4], Distinct)], |[x]| x.layer_norm(x, Some(x), 0.1)),
        case("layer_norm and its input", [X, V], |[x, w]| x.layer_norm(w, None, 0.1) * x + w),
        case("standardize over all axes", [X], |[x]| x.standardize(.., 0.5)),
        case("rms_norm over two axes", [B, (&[4, 2], ANY)], |[x, w]| x.rms_norm(w, 0.1)),
        case("layer_norm over two axes", [B, (&[4, 2], ANY)], |[x, w]| x.layer_norm(w, None, 0.1)),
        case("rms_norm", [X, V], |[x, w]| x.rms_norm(w, 0.1)),
        case("batch_norm", [B, C, C], |[x, w, b]| x.batch_norm(&x.channel_moments(), w, b, 0.1)),
        case("batch_norm of rows", [(&[4, 3], Distinct), V, V], |[x, w, b]| {
            x.batch_norm(&x.channel_moments(), w, b, 0.1)
        }),
        case("batch_norm with moments", [X, V, (&[3], POSITIVE), V, V], |[x, mean, var, w, b]| {
            x.batch_norm(&Moments { mean: mean.clone(), var: var.clone(), count: 9 }, w, b, 0.1)
        }),
        case("group_norm", [B, C, C], |[x, w, b]| x.group_norm(2, w, b, 0.1)),
        case("dropout", [(&[2, 3], ANY)], |[x]| x.dropout(0.5, &mut Rng::new(5))),
    ]
}

fn convolution<T: Float>() -> Vec<Case<T>> {
    const S: Shaped = (&[2, 2, 5], ANY);
    const I: Shaped = (&[1, 2, 3, 4], ANY);
    vec![
        case("windows", [(&[5], ANY)], |[x]| x.windows(0, 2, 1, 1)),
        case("windows of a middle axis", [(&[2, 5, 2], ANY)], |[x]| x.windows(1, 2, 2, 1)),
        case("windows of windows", [(&[4, 3], ANY)], |[x]| x.windows(-2, 2, 1, 2).windows(1, 2, 1, 1)),
        case("windows with gaps", [(&[7], ANY)], |[x]| x.windows(-1, 2, 3, 2)),
        case("conv1d", [S, (&[3, 2, 2], ANY), (&[3], ANY)], |[x, w, b]| {
            x.conv1d(w, Some(b), &Conv::default())
        }),
        case("conv1d with everything", [S, (&[4, 1, 2], ANY)], |[x, w]| {
            x.conv1d(w, None, &Conv { stride: [2], padding: [1], dilation: [2], groups: 2 })
        }),
        case("conv2d", [I, (&[2, 2, 2, 2], ANY), (&[2], ANY)], |[x, w, b]| {
            x.conv2d(w, Some(b), &Conv::default())
        }),
        case("conv2d with everything", [I, (&[2, 1, 2, 3], ANY)], |[x, w]| {
            x.conv2d(w, None, &Conv { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 })
        }),
        case(
            "conv2d, more outputs than a tile has",
            [(&[2, 3, 4, 5], ANY), (&[17, 3, 3, 3], ANY), (&[17], ANY)],
            |[x, w, b]| x.conv2d(w, Some(b), &Conv { padding: [1, 1], ..Conv::default() }),
        ),
        case("conv2d of views", [(&[5, 4, 2, 1], ANY), (&[2, 2, 2, 3], ANY)], |[x, w]| {
            let padded = Conv { padding: [2, 3], ..Conv::default() };
            x.permute(&[3, 2, 1, 0]).conv2d(&w.permute(&[2, 1, 0, 3]), None, &padded)
        }),
        case("conv_transpose1d", [(&[2, 2, 3], ANY), (&[2, 3, 2], ANY), (&[3], ANY)], |[x, w, b]| {
            x.conv_transpose1d(w, Some(b), &ConvTranspose::default())
        }),
        case("conv_transpose2d with everything", [(&[1, 2, 2, 3], ANY), (&[2, 2, 2, 3], ANY)], |[x, w]| {
            let (stride, dilation) = ([2, 3], [3, 1]);
            let options =
                ConvTranspose { stride, padding: [2, 1], output_padding: [1, 2], dilation, groups: 2 };
            x.conv_transpose2d(w, None, &options)
        }),
    ]
}

fn pooling<T: Float>() -> Vec<Case<T>> {
    const X: Shaped = (&[2, 5], Distinct);
    const I: Shaped = (&[2, 4, 5], Distinct);
    const OVERLAP: Pool<2> = Pool { size: [3, 2], stride: [1, 2], padding: [1, 1], dilation: [1, 2] };
    vec![
        case("max_pool1d", [X], |[x]| x.max_pool1d(&Pool::new([2]))),
        case("max_pool2d", [I], |[x]| x.max_pool2d(&Pool::new([2, 2]))),
        case("max_pool2d of a view", [(&[5, 4, 2], Distinct)], |[x]| {
            x.permute(&[2, 1, 0]).max_pool2d(&Pool::new([2, 2]))
        }),
        case("max_pool2d of rows longer than its lanes", [(&[2, 35], Distinct)], |[x]| {
            x.max_pool2d(&Pool::new([2, 2]))
        }),
        case("max_pool2d, overlapping", [I], |[x]| x.max_pool2d(&OVERLAP)),
        case("avg_pool1d", [X], |[x]| x.avg_pool1d(&Pool { padding: [1], ..Pool::new([3]) })),
        case("avg_pool2d", [I], |[x]| x.avg_pool2d(&Pool::new([2, 2]))),
        case("avg_pool2d, overlapping", [I], |[x]| x.avg_pool2d(&OVERLAP)),
    ]
}

fn attention<T: Float>() -> Vec<Case<T>> {
    const Q: Shaped = (&[2, 2, 3], ANY);
    const K: Shaped = (&[2, 4, 3], ANY);
    const V: Shaped = (&[2, 4, 2], ANY);
    let seen = |x: &Tensor<T>| x.lt(T::of(0.5)); // of a mask that goes from one example to the next
    vec![
        case("attention, scaled", [Q, K, V], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention::default())
        }),
        case("attention, causal", [Q, K, V], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention { causal: true, ..Attention::default() })
        }),
        case("attention, masked", [Q, K, V, (&[2, 4], Within(0.0, 1.0))], move |[q, k, v, m]| {
            let mask = seen(&m.detach());
            scaled_dot_product_attention(q, k, v, &Attention { mask: Some(&mask), ..Attention::default() })
        }),
        case("attention of a broadcast batch", [(&[2, 1, 2, 3], ANY), (&[4, 3], ANY), V], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention { causal: true, ..Attention::default() })
        }),
        case(
            "attention of a block and more",
            [(&[34, 2], ANY), (&[5, 2], ANY), (&[5, 1], ANY)],
            |[q, k, v]| {
                scaled_dot_product_attention(q, k, v, &Attention { causal: true, ..Attention::default() })
            },
        ),
        case("attention, biased", [Q, K, V, (&[2, 1, 4], ANY)], |[q, k, v, bias]| {
            scaled_dot_product_attention(q, k, v, &Attention { bias: Some(bias), ..Attention::default() })
        }),
    ]
}

fn losses<T: Float>() -> Vec<Case<T>> {
    const M: Shaped = (&[2, 3], ANY);
    const P: Shaped = (&[2, 3], Within(0.1, 0.9));
    const R: Shaped = (&[3, 4], ANY);
    let weights = vec![0.5, 2.0, 1.0, 0.0];
    let weighted = CrossEntropy { weights: weights.clone(), ..CrossEntropy::default() };
    let ignoring = CrossEntropy { ignore: Some(2), ..CrossEntropy::default() };
    let smooth = CrossEntropy { smoothing: 0.25, ..CrossEntropy::default() };
    let all = CrossEntropy { weights, ignore: Some(9), smoothing: 0.25 };
    let with = |name: &str, options: CrossEntropy, classes: [usize; 3]| {
        case(format!("cross_entropy, {name}"), [R], move |[x]| x.cross_entropy_with(classes, &options))
    };
    vec![
        with("weighted", weighted, [1, 0, 1]),
        with("ignoring a class", ignoring.clone(), [1, 2, 3]),
        with("ignoring everything", ignoring, [2, 2, 2]),
        with("smoothed", smooth, [0, 3, 1]),
        with("with everything", all, [0, 9, 3]),
        case("cross_entropy and its scores", [R], |[x]| x.cross_entropy([3, 0, 0]) * x),
        case("cross_entropy of long rows", [(&[2, 67], ANY)], |[x]| x.cross_entropy([66, 3])),
        case("cross_entropy of columns as rows", [R], |[x]| x.t().cross_entropy([2, 0, 0, 1])),
        case("nll", [R], |[x]| x.nll([3, 0, 0])),
        case("l1_loss", [(&[4], Distinct), (&[4], Distinct)], |[x, t]| x.l1_loss(t)),
        case("huber", [M, M], |[x, t]| x.huber(t, 0.7)),
        case("bce_with_logits", [NONZERO_M, P], |[x, t]| x.bce_with_logits(t)),
        case("bce_with_logits, weighted", [NONZERO_M, P, (&[3], POSITIVE)], |[x, t, w]| {
            x.bce_with_logits_weighted(t, w)
        }),
        case("kl_div", [M, P], |[x, t]| x.kl_div(t)),
        case("hinge", [M], |[x]| {
            let labels = [[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]].map(|row| row.map(T::of));
            x.hinge(Tensor::constant(labels))
        }),
    ]
}

/// Softplus computes `|x|`, and its parts have kinks at 0.
const NONZERO_M: Shaped = (&[2, 3], NONZERO);

/// Without a single example, channel or place.
pub fn empty() -> Vec<Case<f64>> {
    const E: Shaped = (&[0], ANY);
    const M: Shaped = (&[2, 0], ANY);
    const M0: Shaped = (&[0, 2], ANY);
    const W0: Shaped = (&[2, 3], ANY);
    const W: Shaped = (&[3, 2, 2], ANY);
    vec![
        case("linear of no rows", [M0, W0, (&[3], ANY)], |[x, w, b]| x.linear(w, b)),
        case("linear of rows of none", [M, (&[0, 3], ANY), (&[3], ANY)], |[x, w, b]| x.linear(w, b)),
        case("linear to none", [W0, (&[3, 0], ANY), E], |[x, w, b]| x.linear(w, b)),
        case("softmax of nothing", [E], |[x]| x.softmax(0)),
        case("softmax across an axis of none", [M], |[x]| x.softmax(0)),
        case("log_softmax of nothing", [M], |[x]| x.log_softmax(1)),
        case("layer_norm of no rows", [(&[0, 3], ANY), (&[3], ANY)], |[x, w]| x.layer_norm(w, None, 0.1)),
        case("logsumexp of no columns", [(&[3, 0], ANY)], |[x]| x.logsumexp(1)),
        case("windows of no rows", [(&[0, 3], ANY)], |[x]| x.windows(1, 2, 1, 1)),
        case("conv1d of no examples", [(&[0, 2, 3], ANY), W], |[x, w]| x.conv1d(w, None, &Conv::default())),
        case("conv1d of no channels", [(&[2, 0, 3], ANY), (&[2, 0, 2], ANY)], |[x, w]| {
            x.conv1d(w, None, &Conv::default())
        }),
        case("conv_transpose1d of no examples", [(&[0, 3, 2], ANY), W], |[x, w]| {
            x.conv_transpose1d(w, None, &ConvTranspose::default())
        }),
        case("max_pool1d of no rows", [(&[0, 4], ANY)], |[x]| x.max_pool1d(&Pool::new([2]))),
        case("attention without queries", [(&[0, 2], ANY), (&[3, 2], ANY), (&[3, 1], ANY)], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention::default())
        }),
        case("attention without keys", [(&[2, 2], ANY), (&[0, 2], ANY), (&[0, 1], ANY)], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention::default())
        }),
        case("cross_entropy of no rows", [(&[0, 3], ANY)], |[x]| x.cross_entropy([0usize; 0])),
        case("dropout of nothing", [E], |[x]| x.dropout(0.5, &mut Rng::new(1))),
    ]
}

/// With a single element.
pub fn single() -> Vec<Case<f64>> {
    const M: Shaped = (&[1, 1], ANY);
    const C: Shaped = (&[1, 1, 1], ANY);
    const X: Shaped = (&[1], ANY);
    vec![
        case("softmax of [1, 1]", [M], |[x]| x.softmax(1)),
        case("linear of [1, 1]", [M, M, X], |[x, w, b]| x.linear(w, b)),
        case("layer_norm of [1, 1]", [M, X, X], |[x, w, b]| x.layer_norm(w, Some(b), 0.1)),
        case("rms_norm of [1]", [X, X], |[x, w]| x.rms_norm(w, 0.1)),
        case("batch_norm of [1, 1]", [M, X, X], |[x, w, b]| x.batch_norm(&x.channel_moments(), w, b, 0.1)),
        case("windows of [1]", [X], |[x]| x.windows(0, 1, 1, 1)),
        case("conv1d of [1, 1, 1]", [C, C, X], |[x, w, b]| x.conv1d(w, Some(b), &Conv::default())),
        case("conv_transpose1d of [1, 1, 1]", [C, C], |[x, w]| {
            x.conv_transpose1d(w, None, &ConvTranspose::default())
        }),
        case("max_pool1d of [1]", [X], |[x]| x.max_pool1d(&Pool { padding: [1], ..Pool::new([3]) })),
        case("avg_pool1d of [1]", [X], |[x]| x.avg_pool1d(&Pool::new([1]))),
        case("attention of [1, 1]", [M, M, M], |[q, k, v]| {
            scaled_dot_product_attention(q, k, v, &Attention::default())
        }),
        case("bce_with_logits of []", [(&[], NONZERO)], |[x]| x.bce_with_logits(1.0)),
        case("kl_div of []", [(&[], ANY)], |[x]| x.kl_div(0.5)),
        case("huber of []", [(&[], ANY)], |[x]| x.huber(0.1, 9.0)),
    ]
}
