//! Steps of training: forward on a graph of its own, backward, Adam.

use crate::cnn::Cnn;
use crate::gpt::Gpt;
use crate::mlp::Classifier;
use crate::workload::Workload;
use femtograd::Tensor;
use femtograd::optim::Adam;

/// A network with a batch of examples to learn, the same each time.
pub trait Model {
    /// How far its answers are from the right ones: the way forward, on a graph of its own.
    fn loss(&self) -> Tensor;
    /// What is to be learned.
    fn parameters_mut(&mut self) -> Vec<&mut Tensor>;
}

/// A model and its optimiser.
pub struct Training<M> {
    model: M,
    adam: Adam,
}

impl<M: Model> Training<M> {
    pub fn new(model: M) -> Training<M> {
        // So slow that the network stays as it is. At 10⁻³ an eighth of `mlp_s`'s moments are subnormal after 1000 steps,
        // those of units that died and of what is known by heart, and subnormal numbers are slow.
        Training { model, adam: Adam::new(1e-10) }
    }

    /// Forward, backward, Adam.
    pub fn step(&mut self) {
        self.model.loss().backward();
        self.adam.step(self.model.parameters_mut());
    }
}

/// `digits`: one step of `femtograd train digits`, on images of noise. `mlp_s`, `mlp_l`, `cnn`, `gpt`: networks that other
/// libraries are timed with too.
pub fn workloads() -> Vec<Workload> {
    vec![
        step("digits", Classifier::digits),
        step("mlp_s", Classifier::small),
        step("mlp_l", Classifier::large),
        step("cnn", Cnn::new),
        step("gpt", Gpt::new),
    ]
}

fn step<M: Model + 'static>(name: &str, model: fn() -> M) -> Workload {
    Workload::new(name, 1, move || {
        let mut training = Training::new(model());
        move || training.step()
    })
}
