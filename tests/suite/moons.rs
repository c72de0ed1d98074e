//! micrograd's two moons, reproduced: the same data, the same initial weights, the same 100 losses; once with every
//! number a tensor of its own, as micrograd has it, and once with matrices.
//!
//! `data/moons.json` holds what the demo notebook of <https://github.com/karpathy/micrograd> (MIT) prints: two moons, 100
//! points, an MLP 2-16-16-1 with ReLU, the max-margin loss `mean(relu(1 − y·score)) + 10⁻⁴ Σ p²`, gradient descent on
//! the whole batch with learning rate `1 − 0.9 k/100` at step `k`.

use femtograd::optim::Sgd;
use femtograd::{Array, Tensor};
use serde::Deserialize;

#[derive(Deserialize)]
struct Moons {
    x: Vec<[f64; 2]>,
    y: Vec<f64>,
    layers: Vec<Layer>,
    loss: Vec<f64>,
    accuracy_percent: Vec<f64>,
}

#[derive(Deserialize)]
struct Layer {
    w: Vec<Vec<f64>>, // a row for each output
    b: Vec<f64>,
    relu: bool,
}

fn moons() -> Moons {
    serde_json::from_str(include_str!("data/moons.json")).expect("the moons")
}

/// Trains, and holds every loss and accuracy against the published ones. `scores` gives one score a point.
fn reproduce(
    moons: &Moons,
    mut p: Vec<Tensor<f64>>,
    forward: impl Fn(&[Tensor<f64>]) -> (Tensor<f64>, Vec<f64>),
) {
    for (k, (&want, &accuracy)) in moons.loss.iter().zip(&moons.accuracy_percent).enumerate() {
        let (loss, scores) = forward(&p);
        assert!((loss.item() - want).abs() < 1e-10, "loss {k}: {} is not {want}", loss.item());
        let right = scores.iter().zip(&moons.y).filter(|(s, y)| (**s > 0.0) == (**y > 0.0)).count();
        assert_eq!(right as f64, accuracy, "accuracy at step {k}");
        loss.backward();
        Sgd::new(1.0 - 0.9 * k as f64 / 100.0).step(&mut p);
    }
}

#[test]
#[cfg_attr(miri, ignore)] // millions of nodes
fn with_scalars() {
    let moons = moons();
    let mut p = Vec::new();
    for layer in &moons.layers {
        for (w, &b) in layer.w.iter().zip(&layer.b) {
            p.extend(w.iter().map(|&w| Tensor::new(w)));
            p.push(Tensor::new(b));
        }
    }
    reproduce(&moons, p, |p| {
        let score = |x: &[f64; 2]| {
            let mut p = p.iter();
            let mut signal: Vec<Tensor<f64>> = x.iter().map(|&x| Tensor::constant(x)).collect();
            for layer in &moons.layers {
                let neuron = |_: &f64| {
                    let products: Vec<_> = signal.iter().map(|x| x * p.next().unwrap()).collect();
                    let y =
                        products.into_iter().fold(p.next().unwrap().clone(), |sum, product| sum + product);
                    if layer.relu { y.relu() } else { y }
                };
                signal = layer.b.iter().map(neuron).collect();
            }
            signal.remove(0)
        };
        let scores: Vec<_> = moons.x.iter().map(score).collect();
        let margins = scores.iter().zip(&moons.y).map(|(s, &y)| (1.0 - y * s).relu());
        let margin = margins.reduce(|a, b| a + b).unwrap() / moons.y.len() as f64;
        let size = p.iter().map(|p| p * p).reduce(|a, b| a + b).unwrap();
        (margin + 1e-4 * size, scores.iter().map(Tensor::item).collect())
    });
}

#[test]
#[cfg_attr(miri, ignore)] // a hundred steps of training
fn with_matrices() {
    let moons = moons();
    let mut p = Vec::new();
    for layer in &moons.layers {
        let shape = [layer.w.len(), layer.w[0].len()];
        p.push(Tensor::new(Array::from_vec(layer.w.concat(), &shape)));
        p.push(Tensor::new(layer.b.clone()));
    }
    let x = Tensor::constant(Array::from_vec(moons.x.concat(), &[moons.x.len(), 2]));
    let y = Tensor::constant(moons.y.clone());
    reproduce(&moons, p, |p| {
        let mut signal = x.clone();
        for (layer, p) in moons.layers.iter().zip(p.chunks(2)) {
            signal = signal.matmul(&p[0].t()) + &p[1];
            if layer.relu {
                signal = signal.relu();
            }
        }
        let scores = signal.reshape(&[moons.y.len()]);
        let margin = (1.0 - &y * &scores).relu().mean();
        let size = p.iter().map(|p| (p * p).sum()).reduce(|a, b| a + b).unwrap();
        (margin + 1e-4 * size, scores.data().to_vec())
    });
}
