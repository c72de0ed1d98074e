//! Memory for time.

use crate::Bench;
use femtograd::nn::Linear;
use femtograd::random::Rng;
use femtograd::{Tensor, checkpoint};
use std::io;

/// `checkpoint`: forward and backward through a hundred layers, `x ← tanh(x·w + b)` with 64 rows of 128, all of them
/// kept, or cut into ten functions of ten layers that are run again on the way back.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    let mut rng = Rng::new(0);
    let layers: Vec<Linear> = (0..100).map(|_| Linear::new(128, 128, &mut rng)).collect();
    let x = Tensor::constant(rng.uniform_array(&[64, 128]));
    let parts = layers.chunks(10).map(|part| {
        let part = part.to_vec();
        checkpoint(move |x: &Tensor| through(&part, x))
    });
    let parts = Vec::from_iter(parts);
    bench.time(
        "checkpoint",
        100,
        &mut [
            ("off", &mut || through(&layers, &x).sum().backward()),
            ("on", &mut || parts.iter().fold(x.clone(), |x, part| part(&x)).sum().backward()),
        ],
    )
}

fn through(layers: &[Linear], x: &Tensor) -> Tensor {
    layers.iter().fold(x.clone(), |x, layer| layer.forward(&x).tanh())
}
