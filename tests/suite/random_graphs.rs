//! Random graphs: scalars and small arrays, sub-expressions shared at random. Reverse mode must agree with forward
//! mode, which adds nothing up and knows no order of nodes.

use femtograd::random::Rng;
use femtograd::{Array, Tensor, concat, gradients, gradients_with, tangent, where_};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

/// One node: an op, and which earlier nodes it takes.
type Step = (u8, prop::sample::Index, prop::sample::Index);

/// All broadcast against all.
const SHAPES: [&[usize]; 6] = [&[], &[], &[3], &[2, 3], &[2, 1], &[1, 3]];

/// Values stay of moderate size and away from where derivatives end, however long the graph.
fn node(op: u8, a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
    let matrix = |x: &Tensor<f64>| x.broadcast_to(&[2, 3]);
    match op {
        0 => (a + b) * 0.5,
        1 => (a - b).sin(),
        2 => (a * b).tanh(),
        3 => a / (b * b + 1.0),
        4 => a.sigmoid() - b.cos(),
        5 => (a * a + 0.5).sqrt() - (b.tanh() + 2.0).ln(),
        6 => a.tanh().exp() * 0.5,
        7 => (a.tanh() + 2.0).pow(b.sin()) * 0.5,
        8 => where_(a.lt(b), a.sin(), b * 0.5),
        9 => a.maximum(b).tanh(),
        10 => (a.gelu() + b.softplus()).tanh(),
        11 => a.sum().tanh() + b.mean(),
        12 => matrix(a).matmul(&matrix(b).t()).sum_keepdims(-1).tanh(), // [2, 1]
        13 => concat([&matrix(a).slice(1, 1..3), &matrix(b).slice(1, ..1)], 1), // [2, 3]
        14 => matrix(a).gather_rows([1, 1]) - matrix(b).t().reshape(&[2, 3]) * 0.5,
        15 => matrix(a).log_softmax(0) * 0.5 + b.tanh(),
        _ => matrix(a).max_keepdims(0) - matrix(b).logsumexp(0) * 0.25, // [1, 3]
    }
}
const OPS: u8 = 17;

/// The leaves, and two results that share most of the graph.
fn graph(steps: &[Step], seed: u64) -> (Vec<Tensor<f64>>, [Tensor<f64>; 2]) {
    let mut rng = Rng::new(seed);
    let leaves: Vec<_> = SHAPES.iter().map(|shape| Tensor::new(rng.normal_array::<f64>(shape))).collect();
    let mut nodes = leaves.clone();
    for (op, a, b) in steps {
        nodes.push(node(*op, a.get(&nodes), b.get(&nodes)));
    }
    // Everything takes part: later nodes weigh more.
    let weighted = nodes.iter().enumerate().map(|(i, x)| x.sin().sum() * (1.0 + i as f64));
    let all = weighted.reduce(|a, b| a + b).expect("nodes");
    let last = nodes.pop().expect("nodes");
    (leaves, [all, (&last * &last).sum()])
}

fn normal(rng: &mut Rng, like: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    like.iter().map(|x| Tensor::constant(rng.normal_array(x.shape()))).collect()
}

fn numbers<'a>(tensors: impl IntoIterator<Item = &'a Tensor<f64>>) -> Vec<f64> {
    tensors.into_iter().flat_map(|t| t.data().to_vec()).collect()
}

/// The gradients there are, zero for the others, in one row.
fn grads(leaves: &[Tensor<f64>]) -> Vec<f64> {
    leaves.iter().flat_map(|x| x.grad().unwrap_or_else(|| Array::full(x.shape(), 0.0)).to_vec()).collect()
}

fn close(what: &str, a: &[f64], b: &[f64]) -> Result<(), TestCaseError> {
    let largest = a.iter().chain(b).fold(0.0, |m: f64, v| m.max(v.abs()));
    let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let fits = a.len() == b.len() && largest.is_finite() && off <= 1e-10 * largest;
    prop_assert!(fits, "{what}: {off:e} apart\n{a:?}\n{b:?}");
    Ok(())
}

/// Runs `check` on random graphs: the same ones every time, and nothing is written anywhere.
fn on_random_graphs(check: impl Fn(&[Step], u64) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let steps = vec((0..OPS, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 10..60);
    runner
        .run(&(steps, any::<u64>()), |(steps, seed)| check(&steps, seed))
        .unwrap_or_else(|why| panic!("{why}"));
}

/// Each element of the gradient is a derivative along a basis vector, and its product with a direction the derivative
/// along that.
#[test]
#[cfg_attr(miri, ignore)] // minutes: the table has a test for Miri
fn reverse_mode_is_forward_mode() {
    on_random_graphs(|steps, seed| {
        let (leaves, [y, _]) = graph(steps, seed);
        y.backward();
        let mut forward = vec![];
        for x in &leaves {
            for k in 0..x.data().len() {
                let unit = Tensor::constant(Array::from_fn(x.shape(), |j| (j == k) as u8 as f64));
                forward.push(tangent(&y, &[(x, &unit)]).item());
            }
        }
        let g = grads(&leaves);
        close("gradient", &g, &forward)?;
        close("gradient, recorded", &g, &numbers(&gradients(&y, &leaves.iter().collect::<Vec<_>>())))?;
        let v = normal(&mut Rng::new(seed ^ 1), &leaves);
        let along = tangent(&y, &leaves.iter().zip(&v).collect::<Vec<_>>()).item();
        let terms: Vec<f64> = g.iter().zip(numbers(&v)).map(|(g, v)| g * v).collect();
        let size = terms.iter().fold(0.0, |m: f64, t| m.max(t.abs()));
        let slope: f64 = terms.into_iter().sum();
        close("along a direction", &[slope, size], &[along, size])
    });
}

#[test]
#[cfg_attr(miri, ignore)] // minutes: the table has a test for Miri
fn second_derivatives_agree() {
    on_random_graphs(|steps, seed| {
        let (leaves, [y, _]) = graph(steps, seed);
        let xs: Vec<_> = leaves.iter().collect();
        let v = normal(&mut Rng::new(seed ^ 1), &leaves);
        let along: Vec<_> = xs.iter().copied().zip(&v).collect();
        let g = gradients(&y, &xs);
        let slope = g.iter().zip(&v).map(|(g, v)| (g * v).sum()).reduce(|a, b| a + b).expect("leaves");
        let reverse = numbers(&gradients(&slope, &xs));
        let over_reverse: Vec<_> = g.iter().map(|g| tangent(g, &along)).collect();
        close("forward over reverse", &numbers(&over_reverse), &reverse)?;
        close("reverse over forward", &numbers(&gradients(&tangent(&y, &along), &xs)), &reverse)
    });
}

/// The order of backward passes does not matter, nor whether they are one; and repeating one adds it again.
#[test]
#[cfg_attr(miri, ignore)] // minutes: the table has a test for Miri
fn gradients_add_up_in_any_order() {
    on_random_graphs(|steps, seed| {
        let sum_of = |order: &dyn Fn([Tensor<f64>; 2]) -> Vec<Tensor<f64>>| {
            let (leaves, results) = graph(steps, seed);
            order(results).iter().for_each(Tensor::backward);
            grads(&leaves)
        };
        let both = sum_of(&|[y, z]| vec![y, z]);
        close("in the other order", &sum_of(&|[y, z]| vec![z, y]), &both)?;
        close("as one", &sum_of(&|[y, z]| vec![y + z]), &both)?;
        let twice: Vec<f64> = both.iter().map(|g| 2.0 * g).collect();
        close("twice", &sum_of(&|[y, z]| vec![y.clone(), z.clone(), z, y]), &twice)?;
        // One pass with a cotangent for each of several results.
        let (leaves, results) = graph(steps, seed);
        let y = femtograd::stack(&results, 0);
        let g = gradients_with(&y, &leaves.iter().collect::<Vec<_>>(), &Tensor::constant([1.0, 1.0]));
        close("as a vector", &numbers(&g), &both)
    });
}
