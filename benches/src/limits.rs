//! What the machine can do, measured, and how little time a workload could take on it.

use crate::workload::Workload;
use femtograd::Array;
use femtograd::kernels::{Buffer, Function, Sink, map_into, matmul};
use std::hint::black_box;

/// Rows and columns of the matrices of `limit_product`.
const N: usize = 1024;
/// Numbers in each array of `limit_triad`: three of them fit into no cache.
const LONG: usize = 1 << 25;

/// `limit_product`: a product of `f32` matrices, each operation of which counts. `limit_triad`: `y = a + s·b`, each byte
/// of which counts. `limit_chain`: the formula of `chain` on plain numbers, without a derivative.
pub fn workloads() -> Vec<Workload> {
    let product = || {
        let a = Array::from_fn(&[N, N], |i| (i % 7) as f32);
        move || drop(black_box(matmul(&a, &a).expect("square matrices")))
    };
    let triad = || {
        let (a, b) = (Array::full(&[LONG], 1.0), Array::full(&[LONG], 2.0));
        let mut y = Buffer::full(LONG, 0.0);
        move || map_into(Triad(3.0), [&a, &b], [], &[LONG], [Sink::Write(&mut y)])
    };
    let chain = || {
        || {
            let (a, b) = black_box((2.0_f64, 3.0));
            black_box((0..1000).fold(a, |x, _| (x * b + a).tanh()));
        }
    };
    vec![
        Workload::new("limit_product", 2 * N * N * N, product),
        Workload::new("limit_triad", 3 * LONG * size_of::<f32>(), triad),
        Workload::new("limit_chain", 1000, chain),
    ]
}

#[derive(Clone, Copy)]
struct Triad(f32);
impl Function<f32, 2, 0, 1> for Triad {
    #[inline(always)]
    fn at(&self, [a, b]: [f32; 2], _: [f32; 0]) -> [f32; 1] {
        [a + self.0 * b]
    }
}

/// What a workload cannot do without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Operations of its matrix products.
    pub operations: f64,
    /// Bytes that must come from memory or go there, since no cache holds them from step to step.
    pub bytes: f64,
}

/// What a workload of this name needs, if it is one of those that other libraries are timed with.
///
/// A product of `m×k` and `k×n` takes `2·m·k·n` operations, on the way back twice as many, or as many if only one of its
/// arguments is a parameter. Adam reads parameter, gradient and moments and writes all but the gradient: 28 bytes for each
/// parameter, where they do not stay in a cache.
pub fn need(work: &str) -> Option<Need> {
    let products = |operations| Some(Need { operations, bytes: 0.0 });
    match work {
        "mlp_s" => products(layers(64.0, &[784.0, 128.0, 10.0])),
        "mlp_l" => {
            let sizes = [1024.0, 4096.0, 4096.0, 10.0];
            let parameters: f64 = sizes.windows(2).map(|s| s[0] * s[1]).sum();
            Some(Need { operations: layers(128.0, &sizes), bytes: 28.0 * parameters })
        }
        "cnn" => {
            let convolution =
                |points: f64, channels: f64, outputs: f64| 2.0 * 64.0 * points * 9.0 * channels * outputs;
            let last = 2.0 * 64.0 * 1568.0 * 10.0;
            // Nobody wants the gradient of the images.
            products(2.0 * convolution(784.0, 1.0, 16.0) + 3.0 * convolution(196.0, 16.0, 32.0) + 3.0 * last)
        }
        "gpt" => {
            let (rows, width) = (1024.0, 128.0);
            // Queries, keys, values; mixing; up and down.
            let block = 2.0 * rows * width * width * (3.0 + 1.0 + 4.0 + 4.0);
            // Scores and their mean, of which a causal mask leaves half.
            let attention = 2.0 * rows * 64.0 * width;
            products(3.0 * (4.0 * (block + attention) + 2.0 * rows * width * 65.0))
        }
        // Three arguments and two gradients.
        "elem" => Some(Need { operations: 0.0, bytes: 5.0 * 4.0 * (1 << 20) as f64 }),
        _ => None,
    }
}

/// The operations of a perceptron's products, without the gradient of the examples.
fn layers(batch: f64, sizes: &[f64]) -> f64 {
    let forward = |s: &[f64]| 2.0 * batch * s[0] * s[1];
    sizes.windows(2).map(|s| 3.0 * forward(s)).sum::<f64>() - forward(&sizes[..2])
}
