//! Every way this library has to a derivative.

use crate::calls::call;
use crate::contract::{Answer, Numbers, Point};
use femtograd::{Array, Float, Tensor, gradients_with, tangent};

/// What came out, under the name of the way it was computed.
pub struct Results {
    pub value: Vec<f64>,
    /// For each input, in the order of names.
    pub gradient: Vec<Vec<(&'static str, Vec<f64>)>>,
    pub second: Vec<Vec<(&'static str, Vec<f64>)>>,
}

fn numbers<T: Float>(a: &Array<T>) -> Vec<f64> {
    a.to_vec().into_iter().map(T::to_f64).collect()
}

/// `Σ cotangent·dy`, where a cotangent of 0 asks for nothing.
fn weighted<T: Float>(cotangent: &Array<T>, dy: &Tensor<T>) -> f64 {
    let pairs = numbers(cotangent).into_iter().zip(numbers(dy.data()));
    pairs.filter(|(c, _)| *c != 0.0).map(|(c, dy)| c * dy).sum()
}

/// The call at the point, and its derivatives.
pub fn results<T: Float>(name: &str, point: &Point) -> Results {
    let leaves = || point.inputs.values().map(|x| Tensor::new(x.array::<T>())).collect::<Vec<_>>();
    let apply = |x: &[Tensor<T>]| call(name, x).unwrap_or_else(|| panic!("no such call: {name}"));
    let x = leaves();
    let y = apply(&x);
    let ones = |shape: &[usize]| Array::full(shape, T::ONE);
    let cotangent = point.cotangent.as_ref().map_or_else(|| ones(y.shape()), Numbers::array);
    let weights = Tensor::constant(&cotangent);
    let mut results = Results { value: numbers(y.data()), gradient: vec![], second: vec![] };

    let bare = leaves();
    let z = apply(&bare);
    if z.wants_grad() {
        z.backward_with(&cotangent);
    }
    for (((name, _), x), bare) in point.inputs.iter().zip(&x).zip(&bare) {
        let g = gradients_with(&y, &[x], &weights).remove(0);
        let backward = bare.grad().map_or(vec![0.0; x.data().len()], |g| numbers(&g));
        let unit = |i| Tensor::constant(Array::from_fn(x.shape(), |k| if k == i { T::ONE } else { T::ZERO }));
        let forward = (0..x.data().len()).map(|i| weighted(&cotangent, &tangent(&y, &[(x, &unit(i))])));
        results.gradient.push(vec![
            ("backward", backward),
            ("gradients", numbers(g.data())),
            ("tangent", forward.collect()),
        ]);

        let v = Tensor::constant(point.along.get(name).map_or_else(|| ones(x.shape()), Numbers::array));
        let slope = tangent(&y, &[(x, &v)]);
        results.second.push(vec![
            ("gradients of gradients", numbers(gradients_with(&g, &[x], &v)[0].data())),
            ("tangent of gradients", numbers(tangent(&g, &[(x, &v)]).data())),
            ("gradients of tangent", numbers(gradients_with(&slope, &[x], &weights)[0].data())),
        ]);
    }
    results
}

/// What is wrong with one array: nothing if each number is the one wanted, to rounding.
fn differs(got: &[f64], want: &[f64], rounding: f64) -> Option<String> {
    let size = want.iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
    let allowed = if size == 0.0 { 1e-3 * rounding } else { rounding * size };
    let same = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= allowed || (a.is_nan() && b.is_nan());
    let signs = |(a, b): (&f64, &f64)| !(*b == 0.0 && b.is_sign_negative()) || a.is_sign_negative();
    let pairs = || got.iter().zip(want);
    let fits = got.len() == want.len() && pairs().all(same) && pairs().all(signs);
    (!fits).then(|| format!("{got:?}, want {want:?}"))
}

impl Results {
    /// What is not as the answer says.
    pub fn wrong<T: Float>(&self, point: &Point, answer: &Answer) -> Vec<String> {
        let rounding = 1e3 * T::EPSILON.to_f64(); // of a few operations, some of them badly conditioned
        let mut wrong = vec![];
        if let Some(want) = &answer.value {
            wrong.extend(differs(&self.value, &want.flat(), rounding).map(|why| format!("value {why}")));
        }
        for (what, answers, found) in
            [("gradient", &answer.gradient, &self.gradient), ("second", &answer.second, &self.second)]
        {
            for (name, ways) in point.inputs.keys().zip(found) {
                let Some(want) = answers.get(name) else { continue };
                for (way, got) in ways {
                    let why = differs(got, &want.flat(), rounding);
                    wrong.extend(why.map(|why| format!("{what} by {name} ({way}) {why}")));
                }
            }
        }
        wrong
    }

    /// The results as answers, by the first way of each; the sign of a 0 is of no account.
    pub fn answer(&self, point: &Point) -> Answer {
        let list = |v: &[f64]| Numbers::List(v.iter().map(|&v| Numbers::Number(v + 0.0)).collect());
        let first = |found: &[Vec<(&'static str, Vec<f64>)>]| {
            point.inputs.keys().cloned().zip(found.iter().map(|ways| list(&ways[0].1))).collect()
        };
        Answer {
            value: Some(list(&self.value)),
            gradient: first(&self.gradient),
            second: first(&self.second),
        }
    }
}
