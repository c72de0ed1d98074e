//! What the calls of the contract are in this library.

use femtograd::ops::elementwise::{Eq, Le, Lt};
use femtograd::{Float, Rule, Tensor, concat, stack, where_};
use std::array::from_fn;

/// The result of a call on its inputs, which are named x, y, z; none for a call that is not listed.
pub fn call<T: Float>(call: &str, inputs: &[Tensor<T>]) -> Option<Tensor<T>> {
    let n = T::of;
    let [x, y]: [&Tensor<T>; 2] = from_fn(|i| inputs.get(i).unwrap_or(&inputs[0]));
    let item = |x: &Tensor<T>, i: usize| x.slice(0, i..i + 1).reshape(&[]);
    let and_zero = |x: &Tensor<T>| stack([x.clone(), Tensor::constant(T::ZERO)], 0);
    Some(match call {
        "x + y" => x + y,
        "x - y" => x - y,
        "x * y" => x * y,
        "x / y" => x / y,
        "-x" => -x,
        "0 * sqrt(x)" => x.sqrt() * T::ZERO,
        "(x > 0) * x" => x.gt(T::ZERO) * x,
        "x * abs(x)" => x * x.abs(),
        "x * x" => x * x,
        "1 / x" => Tensor::constant(T::ONE) / x,
        "1 / sqrt(x)" => Tensor::constant(T::ONE) / x.sqrt(),
        "1 / (1 + exp(-x))" => Tensor::constant(T::ONE) / ((-x).exp() + T::ONE),
        "sin(x) / cos(x)" => x.sin() / x.cos(),
        "x * sigmoid(x)" => x * x.sigmoid(),
        "sqrt(x) * sqrt(x)" => x.sqrt() * x.sqrt(),
        "x * ln(x)" => x * x.ln(),

        "abs(x)" => x.abs(),
        "exp(x)" => x.exp(),
        "exp(x) - 1" => x.exp() - T::ONE,
        "ln(x)" => x.ln(),
        "ln(x) / ln(2)" => x.ln() / n(2f64.ln()),
        "ln(x / (1 - x))" => (x / (-x + T::ONE)).ln(),
        "ln_1p(x)" => x.ln_1p(),
        "ln(1 + x)" => (x + T::ONE).ln(),
        "sqrt(x)" => x.sqrt(),
        "sin(x)" => x.sin(),
        "cos(x)" => x.cos(),
        "tanh(x)" => x.tanh(),
        "sigmoid(x)" => x.sigmoid(),
        "erf(x)" => x.erf(),
        "relu(x)" => x.relu(),
        "relu(1 - x)" => (-x + T::ONE).relu(),
        "softplus(x)" => x.softplus(),
        "softplus(-x)" => (-x).softplus(),
        "gelu(x)" => x.gelu(),

        "powi(x, 0)" => x.powi(0),
        "powi(x, 1)" => x.powi(1),
        "powi(x, 2)" => x.powi(2),
        "powi(x, 3)" => x.powi(3),
        "powi(x, -1)" => x.powi(-1),
        "powi(x, -2)" => x.powi(-2),
        "powf(x, 0)" => x.powf(T::ZERO),
        "powf(x, 0.5)" => x.powf(n(0.5)),
        "powf(x, 1.5)" => x.powf(n(1.5)),
        "powf(x, 2)" => x.powf(n(2.0)),
        "powf(x, 2.5)" => x.powf(n(2.5)),
        "powf(x, -0.5)" => x.powf(n(-0.5)),
        "pow(x, y)" => x.pow(y),
        "pow(x, x)" => x.pow(x),
        "pow(x, [0])" => x.pow(Tensor::constant(vec![T::ZERO])),
        "pow(x, [2])" => x.pow(Tensor::constant(vec![n(2.0)])),

        "maximum(x, y)" => x.maximum(y),
        "maximum(x, 0)" => x.maximum(T::ZERO),
        "minimum(x, y)" => x.minimum(y),
        "-minimum(-x, 0)" => -(-x).minimum(T::ZERO),
        "minimum(maximum(x, -1), 1)" => x.maximum(n(-1.0)).minimum(T::ONE),
        // The methods give constants. Applied as rules they are recorded, with slopes of 0.
        "x < y" => Lt.on([x, y]),
        "x <= y" => Le.on([x, y]),
        "x == y" => Eq.on([x, y]),

        "where(x > 0, x, 0)" => where_(x.gt(T::ZERO), x, T::ZERO),
        "where(x > 0, sqrt(x), x)" => where_(x.gt(T::ZERO), x.sqrt(), x),
        "where(x > 1, ln(x), x)" => where_(x.gt(T::ONE), x.ln(), x),
        "where(x > 0, 1 / x, 0)" => where_(x.gt(T::ZERO), Tensor::constant(T::ONE) / x, T::ZERO),
        "where(x < 100, exp(x), 0)" => where_(x.lt(n(100.0)), x.exp(), T::ZERO),
        "where(x > 0, pow(x, y), x)" => where_(x.gt(T::ZERO), x.pow(y), x),

        "sum(x)" => x.sum(),
        "sum(x) / 2" => x.sum() / n(2.0),
        "mean(x)" => x.mean(),
        "mean(x - y)" => (x - y).mean(),
        "mean(x) - mean(y)" => x.mean() - y.mean(),
        "mean((x - y)^2)" => (x - y).powi(2).mean(),
        "mean(abs(x - y))" => (x - y).abs().mean(),
        "sqrt(sum(x^2))" => x.powi(2).sum().sqrt(),
        "max(x)" => x.max(),
        "-max(-x)" => -(-x).max(),
        "x0 * x1" => item(x, 0) * item(x, 1),
        "logsumexp(x)" => x.logsumexp(-1),
        "logsumexp([x, 0])" => and_zero(x).logsumexp(0),
        "logsumexp(x) - x[0]" => (x.logsumexp(1) - x.slice(1, 0..1).reshape(&[1])).sum(),
        "log_softmax(x)" => x.log_softmax(-1),
        "-log_softmax(x)[0]" => -x.log_softmax(1).slice(1, 0..1).sum(),
        "exp(log_softmax(x))" => x.log_softmax(-1).exp(),

        "gather_rows(x, [1, 1, 0])" => x.gather_rows(&[1, 1, 0]),
        "gather_rows(x, [])" => x.gather_rows(&[]),
        "concat(x, y)" => concat([x, y], 0),
        "slice(x, 1..1)" => x.slice(0, 1..1),
        "slice(x, 1..2)" => x.slice(0, 1..2),
        "broadcast_to(x, [0])" => x.broadcast_to(&[0]),
        "matmul(x, y)" => x.matmul(y),

        "mse(x, y)" => x.mse(y),
        "cross_entropy(x, [0])" => x.cross_entropy(&[0]),
        "cross_entropy(x, [1])" => x.cross_entropy(&[1]),
        "cross_entropy(x, [])" => x.cross_entropy(&[]),
        _ => return None,
    })
}
