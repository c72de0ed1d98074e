//! Memory for time.

use crate::workload::Workload;
use femtograd::nn::Linear;
use femtograd::random::Rng;
use femtograd::{Tensor, checkpoint};

/// `checkpoint`: forward and backward through a hundred layers, `x ← tanh(x·w + b)` with 64 rows of 128, all of them
/// kept, or cut into ten functions of ten layers that are run again on the way back.
pub fn workloads() -> Vec<Workload> {
    let off = || {
        let (layers, x) = layers();
        move || through(&layers, &x).sum().backward()
    };
    let on = || {
        let (layers, x) = layers();
        let part = |part: &[Linear]| {
            let part = part.to_vec();
            checkpoint(move |x: &Tensor| through(&part, x))
        };
        let parts: Vec<_> = layers.chunks(10).map(part).collect();
        move || parts.iter().fold(x.clone(), |x, part| part(&x)).sum().backward()
    };
    vec![Workload::new("checkpoint.off", 100, off), Workload::new("checkpoint.on", 100, on)]
}

fn layers() -> (Vec<Linear>, Tensor) {
    let mut rng = Rng::new(0);
    let layers = (0..100).map(|_| Linear::new(128, 128, &mut rng)).collect();
    (layers, Tensor::constant(rng.uniform_array(&[64, 128])))
}

fn through(layers: &[Linear], x: &Tensor) -> Tensor {
    layers.iter().fold(x.clone(), |x, layer| layer.forward(&x).tanh())
}
