//! Steps of training: forward on a graph of its own, backward, Adam.

use crate::Bench;
use crate::cnn::Cnn;
use crate::gpt::Gpt;
use crate::mlp::Classifier;
use femtograd::Tensor;
use femtograd::optim::Adam;
use std::io;

/// A network with a batch of examples to learn, the same each time.
pub trait Model {
    /// How far its answers are from the right ones: the way forward, on a graph of its own.
    fn loss(&self) -> Tensor;
    /// What is to be learned.
    fn parameters_mut(&mut self) -> Vec<&mut Tensor>;
}

/// A model and its optimiser.
pub struct Training<M> {
    pub model: M,
    adam: Adam,
}

impl<M: Model> Training<M> {
    pub fn new(model: M) -> Training<M> {
        // Slow enough to stay at the beginning: what is learned by heart leaves subnormal numbers, which are slow.
        Training { model, adam: Adam::new(1e-7) }
    }

    /// Forward, backward, Adam.
    pub fn step(&mut self) {
        self.model.loss().backward();
        self.adam.step(self.model.parameters_mut());
    }
}

/// `digits`: one step of `femtograd train digits`, on images of noise. `mlp_s`, `mlp_l`, `cnn`, `gpt`: the networks that other
/// libraries are timed with too.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    step(bench, "digits", Classifier::digits)?;
    step(bench, "mlp_s", || Classifier::new(&[784, 128, 10], 64))?;
    step(bench, "mlp_l", || Classifier::new(&[1024, 4096, 4096, 10], 128))?;
    step(bench, "cnn", Cnn::new)?;
    step(bench, "gpt", Gpt::new)
}

fn step<M: Model>(bench: &mut Bench, work: &str, model: impl Fn() -> M) -> io::Result<()> {
    if !bench.wants(work) {
        return Ok(());
    }
    let mut training = Training::new(model());
    bench.time(work, 1, &mut [("", &mut || training.step())])
}
