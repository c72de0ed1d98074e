//! What it costs to have every gradient checked.

use crate::Bench;
use femtograd::inspect::trace_nonfinite;
use femtograd::nn::Mlp;
use femtograd::optim::Adam;
use femtograd::random::Rng;
use femtograd::{Array, Tensor};

/// `nonfinite`: a step of training (forward, backward, Adam) of a network 784-128-64-10 on 64 examples, without and
/// with the check.
pub fn run(bench: &Bench) {
    let mut rng = Rng::new(0);
    let x: Array<f32> = rng.uniform_array(&[64, 784]);
    let x = Tensor::constant(x);
    let classes: Vec<usize> = (0..64).map(|_| rng.below(10)).collect();
    let mut step = || {
        let (mut net, mut adam) = (Mlp::new(&[784, 128, 64, 10], &mut rng), Adam::new(1e-3));
        let (x, classes) = (x.clone(), classes.clone());
        move |on: bool| {
            trace_nonfinite(on);
            net.forward(&x).cross_entropy(&classes).backward();
            adam.step(net.parameters_mut());
            trace_nonfinite(false);
        }
    };
    let (mut without, mut with) = (step(), step());
    bench.time("nonfinite", 1, &mut [("off", &mut || without(false)), ("on", &mut || with(true))]);
}
