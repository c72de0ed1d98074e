//! The table. Adding an op means adding a line here; `coverage` fails until it is there.

mod arrangement;
mod functions;
mod networks;
mod selection;

use crate::compare::weights;
use femtograd::num::Num;
use femtograd::ops::elementwise::{Carry, Chain, Eq, Le, Lt};
use femtograd::random::Rng;
use femtograd::{
    Array, Error, Float, Op, Rule, Tensor, concat, einsum, gradients, gradients_with, no_grad, stack,
    tangent, where_,
};
use std::array::from_fn;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::rc::Rc;

/// An op (or a few), and inputs on which its derivatives exist.
pub struct Case<T: Float> {
    pub name: String,
    pub inputs: Vec<Input>,
    pub build: Build<T>,
    /// For an elementwise op, one element of the value, written without this library.
    pub formula: Option<Formula>,
}

/// The output, from the inputs.
pub type Build<T> = Rc<dyn Fn(&[Tensor<T>]) -> Tensor<T>>;
/// One element of the output, from one of each input.
pub type Formula = Rc<dyn Fn(&[f64]) -> f64>;

/// The shape of an input and which numbers it holds.
#[derive(Clone)]
pub struct Input {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Which numbers an input holds: such that a small step does not cross a kink of the op.
#[derive(Clone, Copy)]
pub enum Values {
    /// Between two bounds.
    Within(f64, f64),
    /// Of a size between two bounds, of either sign.
    Signed(f64, f64),
    /// No two alike in the whole case.
    Distinct,
}
pub use Values::{Distinct, Signed, Within};

pub const ANY: Values = Within(-2.0, 2.0);
pub const POSITIVE: Values = Within(0.5, 2.0);
pub const NONZERO: Values = Signed(0.3, 2.0);

impl<T: Float> Case<T> {
    /// The numbers of each input: the same at every call, and such that f32 holds them exactly.
    pub fn values(&self) -> Vec<Array<f64>> {
        let mut rng = Rng::new(7);
        let total = self.inputs.iter().map(|input| input.shape.iter().product::<usize>()).sum();
        let mut ranks = rng.permutation(total).into_iter();
        let mut number = |values| {
            let (rank, u) = (ranks.next().expect("one for each element"), rng.uniform());
            let v = match values {
                Within(low, high) => low + (high - low) * u,
                Signed(low, high) => (low + (high - low) * u) * if rank % 2 == 0 { 1.0 } else { -1.0 },
                Distinct => 0.2 * (rank as f64 - total as f64 / 2.0),
            };
            v as f32 as f64
        };
        let array = |input: &Input| Array::from_fn(&input.shape, |_| number(input.values));
        self.inputs.iter().map(array).collect()
    }
}

/// The derivatives of a case along random directions. Cotangent and directions are leaves, so that the graphs of the
/// derivatives hold them too, and can be differentiated by them.
pub struct Point<T: Float> {
    pub x: Vec<Tensor<T>>,
    pub y: Tensor<T>,
    /// A cotangent of `y`.
    pub w: Tensor<T>,
    /// A direction for each `x`.
    pub v: Vec<Tensor<T>>,
}

impl<T: Float> Point<T> {
    pub fn of(case: &Case<T>) -> Point<T> {
        let leaf = |a: &Array<f64>| {
            Tensor::new(Array::from_vec(a.to_vec().into_iter().map(T::of).collect::<Vec<T>>(), a.shape()))
        };
        let x: Vec<Tensor<T>> = case.values().iter().map(leaf).collect();
        let y = (case.build)(&x);
        let mut rng = Rng::new(8);
        let w = Tensor::new(weights(&mut rng, y.shape()));
        let v = x.iter().map(|x| Tensor::new(weights(&mut rng, x.shape()))).collect();
        Point { x, y, w, v }
    }

    pub fn xs(&self) -> Vec<&Tensor<T>> {
        self.x.iter().collect()
    }

    pub fn along(&self) -> Vec<(&Tensor<T>, &Tensor<T>)> {
        self.x.iter().zip(&self.v).collect()
    }

    /// `Jᵀ·w`, recorded.
    pub fn reverse(&self) -> Vec<Tensor<T>> {
        gradients_with(&self.y, &self.xs(), &self.w)
    }

    /// `J·v`, recorded.
    pub fn forward(&self) -> Tensor<T> {
        tangent(&self.y, &self.along())
    }

    /// By each `x`, the gradient of `⟨Jᵀ·w, v⟩` (the second derivative of `⟨w, y⟩` along `v`), and by `w` (which is
    /// `J·v`), all recorded.
    pub fn second(&self, reverse: &[Tensor<T>]) -> Vec<Tensor<T>> {
        let terms = reverse.iter().zip(&self.v).map(|(g, v)| (g * v).sum());
        let slope = terms.reduce(|a, b| a + b).expect("an input");
        gradients(&slope, &self.x.iter().chain([&self.w]).collect::<Vec<_>>())
    }
}

/// A case.
pub fn case<T: Float, const N: usize>(
    name: impl Into<String>,
    inputs: [(&[usize], Values); N],
    build: impl Fn([&Tensor<T>; N]) -> Tensor<T> + 'static,
) -> Case<T> {
    let inputs = inputs.map(|(shape, values)| Input { shape: shape.into(), values });
    let build = move |x: &[Tensor<T>]| build(from_fn(|i| &x[i]));
    Case { name: name.into(), inputs: inputs.into(), build: Rc::new(build), formula: None }
}

/// An elementwise op, for inputs of any shapes.
pub struct Elementwise<T: Float> {
    name: String,
    pub values: Vec<Values>,
    build: Build<T>,
    formula: Formula,
}

impl<T: Float> Elementwise<T> {
    /// The op on inputs of these shapes.
    pub fn on(&self, shapes: &[&[usize]]) -> Case<T> {
        let inputs = shapes.iter().zip(&self.values);
        Case {
            name: format!("{} of {shapes:?}", self.name),
            inputs: inputs.map(|(shape, &values)| Input { shape: shape.to_vec(), values }).collect(),
            build: self.build.clone(),
            formula: Some(self.formula.clone()),
        }
    }

    /// The op on inputs that all have this shape.
    pub fn on_all(&self, shape: &[usize]) -> Case<T> {
        self.on(&vec![shape; self.values.len()])
    }
}

/// An elementwise op: what its arguments may be, the op, and the formula as anyone would write it.
pub fn op<T: Float, const N: usize>(
    name: impl Into<String>,
    values: [Values; N],
    build: impl Fn([&Tensor<T>; N]) -> Tensor<T> + 'static,
    formula: impl Fn([f64; N]) -> f64 + 'static,
) -> Elementwise<T> {
    Elementwise {
        name: name.into(),
        values: values.into(),
        build: Rc::new(move |x: &[Tensor<T>]| build(from_fn(|i| &x[i]))),
        formula: Rc::new(move |x: &[f64]| formula(from_fn(|i| x[i]))),
    }
}

/// `erf x`, by a series of positive terms.
pub fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= 2.0 * x * x / (2 * n + 1) as f64;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Every elementwise op.
pub fn elementwise<T: Float>() -> Vec<Elementwise<T>> {
    let mut list = vec![
        op("add", [ANY, ANY], |[a, b]| a + b, |[a, b]| a + b),
        op("sub", [ANY, ANY], |[a, b]| a - b, |[a, b]| a - b),
        op("mul", [ANY, ANY], |[a, b]| a * b, |[a, b]| a * b),
        op("div", [ANY, NONZERO], |[a, b]| a / b, |[a, b]| a / b),
        op("add a number", [ANY], |[x]| x + T::of(1.5), |[x]| x + 1.5),
        op("subtract a number", [ANY], |[x]| x - T::of(1.5), |[x]| x - 1.5),
        op("times a number", [ANY], |[x]| x * T::of(1.5), |[x]| x * 1.5),
        op("divide by a number", [ANY], |[x]| x / T::of(1.5), |[x]| x / 1.5),
        op("neg", [ANY], |[x]| -x, |[x]| -x),
        op("chain", [ANY, ANY], |[a, b]| Chain.on([a, b]), |[a, b]| a * b),
        op("carry", [ANY, ANY], |[a, b]| Carry.on([a, b]), |[a, b]| a * b),
        op("abs", [NONZERO], |[x]| x.abs(), |[x]| x.abs()),
        op("exp", [ANY], |[x]| x.exp(), |[x]| x.exp()),
        op("ln", [POSITIVE], |[x]| x.ln(), |[x]| x.ln()),
        op("ln_1p", [Within(-0.5, 2.0)], |[x]| x.ln_1p(), |[x]| x.ln_1p()),
        op("sqrt", [POSITIVE], |[x]| x.sqrt(), |[x]| x.sqrt()),
        op("sin", [ANY], |[x]| x.sin(), |[x]| x.sin()),
        op("cos", [ANY], |[x]| x.cos(), |[x]| x.cos()),
        op("tanh", [ANY], |[x]| x.tanh(), |[x]| x.tanh()),
        op("sigmoid", [ANY], |[x]| x.sigmoid(), |[x]| 1.0 / (1.0 + (-x).exp())),
        op("erf", [ANY], |[x]| x.erf(), |[x]| erf(x)),
        op("relu", [NONZERO], |[x]| x.relu(), |[x]| x.max(0.0)),
        op("softplus", [NONZERO], |[x]| x.softplus(), |[x]| (1.0 + x.exp()).ln()),
        op("gelu", [ANY], |[x]| x.gelu(), |[x]| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
        op("pow", [POSITIVE, ANY], |[a, b]| a.pow(b), |[a, b]| a.powf(b)),
        op("pow of a number", [POSITIVE], |[x]| x.powf(T::of(-1.25)), |[x]| x.powf(-1.25)),
        op("powf of a whole number", [NONZERO], |[x]| x.powf(T::of(3.0)), |[x]| x * x * x),
        op("powi 70", [Signed(0.8, 1.1)], |[x]| x.powi(70), |[x]| x.powi(70)),
        op("powi −70", [Signed(0.9, 1.2)], |[x]| x.powi(-70), |[x]| x.powi(-70)),
        op("maximum", [Distinct, Distinct], |[a, b]| a.maximum(b), |[a, b]| a.max(b)),
        op("minimum", [Distinct, Distinct], |[a, b]| a.minimum(b), |[a, b]| a.min(b)),
        op(
            "where",
            [NONZERO, ANY, ANY],
            |[a, b, c]| where_(a.gt(T::ZERO), b, c),
            |[a, b, c]| if a > 0.0 { b } else { c },
        ),
        op("where, by its condition", [NONZERO, ANY, ANY], |[a, b, c]| where_(a, b, c), |[_, b, _]| b),
        // The methods give constants. Applied as rules they are recorded, with slopes of 0.
        op("lt", [Distinct, Distinct], |[a, b]| Lt.on([a, b]), |[a, b]| (a < b) as u8 as f64),
        op("le", [Distinct, Distinct], |[a, b]| Le.on([a, b]), |[a, b]| (a <= b) as u8 as f64),
        op("eq", [Distinct, Distinct], |[a, b]| Eq.on([a, b]), |[a, b]| (a == b) as u8 as f64),
        op("a user's rule", [ANY, ANY, ANY], |x| Neuron.on(x), |[x, w, b]| (x * w + b).tanh()),
        op(
            "a user's rule with a kink",
            [NONZERO, NONZERO],
            |x| Bent.on(x),
            |[x, w]| if x * w > 0.0 { (x * w).powi(2) } else { x * w },
        ),
    ];
    for n in [0, 1, 2, 3, -1, -2] {
        list.push(op(format!("powi {n}"), [NONZERO], move |[x]| x.powi(n), move |[x]| x.powi(n)));
    }
    list.extend(functions::elementwise());
    list
}

/// `y = tanh(x·w + b)`: a user's rule, its slopes from its value.
#[derive(Clone, Copy)]
struct Neuron;
impl Rule<3> for Neuron {
    const NAME: &'static str = "neuron";
    #[inline(always)]
    fn value<V: Num>(&self, [x, w, b]: [V; 3]) -> V {
        (x * w + b).tanh()
    }
}

/// `y = z²` where `z = x·w` is positive, `z` elsewhere: a user's rule that compares what it has computed, and goes on
/// computing with it.
#[derive(Clone, Copy)]
struct Bent;
impl Rule<2> for Bent {
    const NAME: &'static str = "bent";
    #[inline(always)]
    fn value<V: Num>(&self, [x, w]: [V; 2]) -> V {
        let z = x * w;
        V::select(V::lit(0.0).lt(z), z * z, z)
    }
}

/// `y = x / √Σx²`: a user's op that mixes elements, with the reverse rule that every op has by default.
struct Unit;
impl Unit {
    fn length<T: Float>(x: &Tensor<T>) -> Tensor<T> {
        (x * x).sum().sqrt()
    }
}
impl<T: Float> Op<T> for Unit {
    fn name(&self) -> &'static str {
        "unit"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(no_grad(|| (&x[0] / Unit::length(&x[0])).data().clone()))
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        (g - y * (y * g).sum()) / Unit::length(&x[0])
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let dx = dx[0].as_ref().expect("at least one tangent");
        (dx - y * (y * dx).sum()) / Unit::length(&x[0])
    }
}

/// Axes to reduce a tensor of three axes over.
const AXES: [&[isize]; 8] = [&[], &[0], &[1], &[-1], &[0, 2], &[-1, 0], &[1, -1], &[2, 0, 1]];

fn reductions<T: Float>() -> Vec<Case<T>> {
    const X: &[usize] = &[2, 3, 2];
    let mut list = vec![
        case("sum", [(X, ANY)], |[x]| x.sum()),
        case("mean", [(X, ANY)], |[x]| x.mean()),
        case("max", [(X, Distinct)], |[x]| x.max()),
        case("sum over one axis, not in a list", [(X, ANY)], |[x]| x.sum_axes(-2)),
    ];
    for axes in AXES {
        list.extend([
            case(format!("sum_axes {axes:?}"), [(X, ANY)], move |[x]| x.sum_axes(axes)),
            case(format!("sum_keepdims {axes:?}"), [(X, ANY)], move |[x]| x.sum_keepdims(axes)),
            case(format!("mean_axes {axes:?}"), [(X, ANY)], move |[x]| x.mean_axes(axes)),
            case(format!("mean_keepdims {axes:?}"), [(X, ANY)], move |[x]| x.mean_keepdims(axes)),
            case(format!("max_axes {axes:?}"), [(X, Distinct)], move |[x]| x.max_axes(axes)),
            case(format!("max_keepdims {axes:?}"), [(X, Distinct)], move |[x]| x.max_keepdims(axes)),
            case(format!("logsumexp {axes:?}"), [(X, ANY)], move |[x]| x.logsumexp(axes)),
        ]);
    }
    list
}

/// Shapes to multiply.
const FACTORS: [[&[usize]; 2]; 12] = [
    [&[3], &[3]],
    [&[2, 3], &[3]],
    [&[2], &[2, 3]],
    [&[2, 3], &[3, 4]],
    [&[2, 2, 3], &[2, 3, 2]],
    [&[2, 1, 2, 3], &[3, 3, 2]], // each broadcast along an axis of the other
    [&[2, 2, 3], &[1, 3, 2]],
    [&[2, 2, 3], &[3, 2]], // one matrix for a batch
    [&[2, 3], &[2, 3, 2]],
    [&[2, 2, 3], &[3]],
    [&[3], &[2, 3, 2]],
    [&[1, 1], &[1, 3]],
];

fn products<T: Float>() -> Vec<Case<T>> {
    let product = |[a, b]: [&[usize]; 2]| {
        case(format!("matmul of {a:?} and {b:?}"), [(a, ANY), (b, ANY)], |[a, b]| a.matmul(b))
    };
    FACTORS.into_iter().map(product).collect()
}

fn moves<T: Float>() -> Vec<Case<T>> {
    const M: (&[usize], Values) = (&[2, 3], ANY);
    const B: (&[usize], Values) = (&[2, 3, 4], ANY);
    vec![
        case("reshape", [M], |[x]| x.reshape(&[3, 2])),
        case("reshape to a vector", [B], |[x]| x.reshape(&[24])),
        case("reshape to more axes", [M], |[x]| x.reshape(&[1, 3, 1, 2])),
        case("permute", [B], |[x]| x.permute(&[2, 0, 1])),
        case("permute, counted from the last", [B], |[x]| x.permute(&[-1, 0, -2])),
        case("t", [M], |[x]| x.t()),
        case("t of a batch", [B], |[x]| x.t()),
        case("transpose", [B], |[x]| x.transpose(0, -1)),
        case("reshape of a transpose", [M], |[x]| x.t().reshape(&[6])),
        case("broadcast_to more axes", [(&[3], ANY)], |[x]| x.broadcast_to(&[2, 3])),
        case("broadcast_to along an axis", [(&[2, 1, 3], ANY)], |[x]| x.broadcast_to(&[2, 2, 3])),
        case("broadcast_to from one number", [(&[], ANY)], |[x]| x.broadcast_to(&[2, 3])),
        case("sum_to fewer axes", [B], |[x]| x.sum_to(&[4])),
        case("sum_to along an axis", [B], |[x]| x.sum_to(&[2, 1, 4])),
        case("sum_to one number", [M], |[x]| x.sum_to(&[])),
        case("slice", [M], |[x]| x.slice(1, 1..3)),
        case("slice of a middle axis", [B], |[x]| x.slice(-2, 1..=1)),
        case("slice of everything", [M], |[x]| x.slice(0, ..)),
        case("slice of a transpose", [B], |[x]| x.permute(&[2, 0, 1]).slice(1, 1..)),
        case("slices of a transpose", [B], |[x]| {
            let turned = x.permute(&[1, 2, 0]);
            turned.slice(0, 1..2).squeeze(0) * turned.slice(0, ..2).sum_axes(0)
        }),
        case("slice of nothing", [M], |[x]| concat([&x.slice(0, 1..1), x], 0)),
        case("overlapping slices", [M], |[x]| x.slice(1, ..2) * x.slice(1, 1..)),
        case("concat", [M, (&[2, 1], ANY), (&[2, 2], ANY)], |[a, b, c]| concat([a, b, c], 1)),
        case("concat along the first axis", [M, (&[1, 3], ANY)], |[a, b]| concat([a, b], 0)),
        case("concat along the last axis", [M, M], |[a, b]| concat([a, b], -1)),
        case("concat with nothing", [M, (&[2, 0], ANY)], |[a, b]| concat([a, b], 1)),
        case("stack", [M, M, M], |[a, b, c]| stack([a, b, c], 0)),
        case("stack along a middle axis", [M, M], |[a, b]| stack([a, b], 1)),
        case("stack along the last axis", [M, M], |[a, b]| stack([a, b], -1)),
        case("stack of numbers", [(&[], ANY), (&[], ANY)], |[a, b]| stack([a, b], 0)),
        case("gather_rows", [(&[3, 2], ANY)], |[x]| x.gather_rows([2, 0, 2, 2])),
        case("gather_rows of a vector", [(&[3], ANY)], |[x]| x.gather_rows([1, 1, 0])),
        case("gather_rows of a batch", [B], |[x]| x.gather_rows([1, 0, 1])),
    ]
}

fn losses<T: Float>() -> Vec<Case<T>> {
    const M: (&[usize], Values) = (&[2, 3], ANY);
    vec![
        case("logsumexp of large numbers", [M], |[x]| (x + T::of(1000.0)).logsumexp(-1) - T::of(1000.0)),
        case("log_softmax", [M], |[x]| x.log_softmax(0)),
        case("log_softmax along the last axis", [M], |[x]| x.log_softmax(-1)),
        case("cross_entropy", [M], |[x]| x.cross_entropy([2, 0])),
        case("cross_entropy of one class", [(&[3, 2], ANY)], |[x]| x.cross_entropy([1, 1, 1])),
        case("mse", [M, M], |[a, b]| a.mse(b)),
        case("mse from a number", [(&[], ANY)], |[x]| x.mse(T::of(0.5))),
    ]
}

/// One tensor in several places: what reaches it has to be added up.
#[allow(clippy::eq_op)] // that is the point
fn shared<T: Float>() -> Vec<Case<T>> {
    const X: (&[usize], Values) = (&[2, 3], NONZERO);
    const P: (&[usize], Values) = (&[2, 3], POSITIVE);
    const S: (&[usize], Values) = (&[3, 3], ANY);
    vec![
        case("x + x", [X], |[x]| x + x),
        case("x · x", [X], |[x]| x * x),
        case("x − x", [X], |[x]| x - x),
        case("x / x", [X], |[x]| x / x),
        case("x to the power of x", [P], |[x]| x.pow(x)),
        case("x wherever it is positive or not", [X], |[x]| where_(x.ge(T::ZERO), x, x)),
        case("a user's rule of x alone", [X], |[x]| Neuron.on([x, x, x])),
        case("matmul of x and x", [S], |[x]| x.matmul(x)),
        case("matmul of x and its transpose", [X], |[x]| x.matmul(&x.t())),
        case("matmul of a vector and itself", [(&[3], ANY)], |[x]| x.matmul(x)),
        case("concat of x and x", [X], |[x]| concat([x, x], 0)),
        case("stack of x and x", [X], |[x]| stack([x, x], 1)),
        case("x · x and x · x broadcast", [(&[2, 1], ANY)], |[x]| x * x * x.t()),
        case("diamonds", [X], |[x]| {
            let (a, b) = (x.sin(), x.exp());
            let c = &a * &b;
            &c * &a + c / b
        }),
    ]
}

/// Ops together: a user's own, and a small network.
fn composed<T: Float>() -> Vec<Case<T>> {
    const X: (&[usize], Values) = (&[3, 2], ANY);
    vec![
        case("a user's op", [(&[2, 3], NONZERO)], |[x]| Tensor::apply(Unit, [x])),
        case("sqrt of a sum of squares", [X], |[x]| (x * x).sum().sqrt()),
        case("a network's loss", [X, (&[2, 3], ANY), (&[3], ANY), (&[3, 2], ANY)], |[x, w, b, v]| {
            (x.matmul(w) + b).tanh().matmul(v).cross_entropy([0, 1, 1])
        }),
        case("attention", [X, X, X], |[q, k, v]| {
            let scores = q.matmul(&k.t()).log_softmax(-1);
            scores.exp().matmul(v)
        }),
    ]
}

/// Every op, on a few numbers.
pub fn table<T: Float>() -> Vec<Case<T>> {
    let mut table: Vec<_> = elementwise().iter().map(|op| op.on_all(&[2, 3])).collect();
    table.extend(reductions());
    table.extend(products());
    table.extend(moves());
    table.extend(losses());
    table.extend(shared());
    table.extend(composed());
    table.extend(selection::cases());
    table.extend(arrangement::cases());
    table.extend(networks::cases());
    table
}

/// One op of each kind, on as few numbers as will do.
pub fn tiny() -> Vec<Case<f64>> {
    const M: (&[usize], Values) = (&[2, 2], ANY);
    vec![
        case("mul", [(&[2, 1], ANY), (&[1, 2], ANY)], |[a, b]| a * b),
        case("a user's rule", [(&[2], ANY), (&[], ANY), (&[], ANY)], |x| Neuron.on(x)),
        case("matmul", [M, (&[2], ANY)], |[a, b]| a.matmul(b)),
        case("max_axes", [(&[2, 2], Distinct)], |[x]| x.max_axes(-1)),
        case("slice and concat", [M], |[x]| concat([&x.slice(1, 1..2), x], 1)),
        case("gather_rows", [M], |[x]| x.gather_rows([1, 1, 0])),
        case("take_along_axis", [M], |[x]| x.take_along_axis([[1, 1], [0, 1]], 0)),
        case("logsumexp", [M], |[x]| x.logsumexp(-1)),
        case("softmax", [M], |[x]| x.softmax(0)),
        case("windows", [(&[3], ANY)], |[x]| x.windows(0, 2, 1, 1)),
        case("sort and cumsum", [M], |[x]| x.sort(1, true).0.cumsum(0)),
        case("einsum", [M, M], |[a, b]| einsum("ij,ik->jk", &[a, b])),
        case("flip", [M], |[x]| x.flip(1)),
    ]
}

/// Without a single element, or with an axis of none.
pub fn empty() -> Vec<Case<f64>> {
    const E: (&[usize], Values) = (&[0], ANY);
    const M: (&[usize], Values) = (&[2, 0], ANY);
    let mut list = vec![];
    for op in elementwise() {
        list.extend([op.on_all(&[0]), op.on_all(&[2, 0])]);
        if op.values.len() == 2 {
            let pairs: [[&[usize]; 2]; 5] =
                [[&[0], &[]], [&[1], &[0]], [&[2, 0], &[2, 1]], [&[1, 0], &[2, 1]], [&[3, 1, 1], &[2, 0]]];
            list.extend(pairs.iter().flat_map(|[a, b]| [op.on(&[a, b]), op.on(&[b, a])]));
        }
    }
    list.extend([
        case("sum of nothing", [E], |[x]| x.sum()),
        case("sum along an axis of none", [M], |[x]| x.sum_axes(1)),
        case("sum across an axis of none", [M], |[x]| x.sum_keepdims(0)),
        case("mean across an axis of none", [M], |[x]| x.mean_axes(0)),
        case("max across an axis of none", [M], |[x]| x.max_axes(0)),
        case("logsumexp across an axis of none", [M], |[x]| x.logsumexp(0)),
        case("log_softmax across an axis of none", [M], |[x]| x.log_softmax(0)),
        case("matmul of empty vectors", [E, E], |[a, b]| a.matmul(b)),
        case("matmul over an axis of none", [M, (&[0, 3], ANY)], |[a, b]| a.matmul(b)),
        case("matmul of no rows", [(&[0, 2], ANY), (&[2, 3], ANY)], |[a, b]| a.matmul(b)),
        case("matmul of no batches", [(&[0, 2, 3], ANY), (&[3, 2], ANY)], |[a, b]| a.matmul(b)),
        case("matmul of an empty batch", [(&[0, 2, 3], ANY), (&[0, 3, 2], ANY)], |[a, b]| a.matmul(b)),
        case("reshape", [M], |[x]| x.reshape(&[0, 3])),
        case("permute", [M], |[x]| x.permute(&[1, 0])),
        case("broadcast_to", [(&[1, 0], ANY)], |[x]| x.broadcast_to(&[2, 0])),
        case("broadcast_to no rows", [(&[1, 3], ANY)], |[x]| x.broadcast_to(&[0, 3])),
        case("sum_to", [(&[0, 3], ANY)], |[x]| x.sum_to(&[3])),
        case("slice of nothing", [(&[3], ANY)], |[x]| x.slice(0, 3..3)),
        case("slice of no rows", [M], |[x]| x.slice(0, 1..2)),
        case("concat", [E, E], |[a, b]| concat([a, b], 0)),
        case("concat of no rows", [M, (&[1, 0], ANY)], |[a, b]| concat([a, b], 0)),
        case("stack", [E, E], |[a, b]| stack([a, b], -1)),
        case("gather_rows of nothing", [E], |[x]| x.gather_rows([0usize; 0])),
        case("gather no rows", [(&[3, 2], ANY)], |[x]| x.gather_rows([0usize; 0])),
        case("gather rows of none", [M], |[x]| x.gather_rows([1, 1])),
    ]);
    list.extend(arrangement::empty());
    list.extend(selection::empty());
    list.extend(networks::empty());
    list
}

/// With a single element, under zero, one and two axes.
pub fn single() -> Vec<Case<f64>> {
    let mut list = vec![];
    for op in elementwise() {
        list.extend([op.on_all(&[]), op.on_all(&[1]), op.on_all(&[1, 1])]);
    }
    let shapes: [&'static [usize]; 3] = [&[], &[1], &[1, 1]];
    for shape in shapes {
        let all: Vec<isize> = (0..shape.len() as isize).collect();
        let x = [(shape, ANY)];
        let over = |f: fn(&Tensor<f64>, &[isize]) -> Tensor<f64>| {
            let all = all.clone();
            move |[x]: [&Tensor<f64>; 1]| f(x, &all)
        };
        list.extend([
            case(format!("sum of {shape:?}"), x, over(|x, all| x.sum_axes(all) * x.sum())),
            case(format!("mean of {shape:?}"), x, over(|x, all| x.mean_keepdims(all) * x.mean())),
            case(format!("max of {shape:?}"), x, over(|x, all| x.max_keepdims(all) * x.max())),
            case(format!("logsumexp of {shape:?}"), x, over(|x, all| x.logsumexp(all))),
            case(format!("reshape of {shape:?}"), x, |[x]| x.reshape(&[1, 1, 1])),
            case(format!("broadcast of {shape:?}"), x, |[x]| x.broadcast_to(&[2, 1, 1])),
            case(format!("stack of {shape:?}"), x, |[x]| stack([x, x], 0)),
        ]);
    }
    const X: (&[usize], Values) = (&[1], ANY);
    const M: (&[usize], Values) = (&[1, 1], ANY);
    list.extend([
        case("matmul of [1] and [1]", [X, X], |[a, b]| a.matmul(b)),
        case("matmul of [1, 1] and [1]", [M, X], |[a, b]| a.matmul(b)),
        case("matmul of [1] and [1, 1]", [X, M], |[a, b]| a.matmul(b)),
        case("matmul of [1, 1] and [1, 1]", [M, M], |[a, b]| a.matmul(b)),
        case("slice of [1]", [X], |[x]| x.slice(0, ..)),
        case("concat of [1] and [1]", [X, X], |[a, b]| concat([a, b], 0)),
        case("gather_rows of [1]", [X], |[x]| x.gather_rows([0, 0])),
        case("t of [1, 1]", [M], |[x]| x.t()),
        case("log_softmax of [1, 1]", [M], |[x]| x.log_softmax(1)),
        case("cross_entropy of [1, 1]", [M], |[x]| x.cross_entropy([0])),
        case("a user's op on [1]", [X], |[x]| Tensor::apply(Unit, [x])),
    ]);
    list.extend(arrangement::single());
    list.extend(selection::single());
    list.extend(networks::single());
    list
}
