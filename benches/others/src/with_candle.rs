//! candle.

use crate::{LEARNING_RATE, classes};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss};

const DEVICE: Device = Device::Cpu;

pub fn chain() -> impl FnMut() {
    || chain_once().expect("candle runs the chain")
}

fn chain_once() -> Result<()> {
    let (a, b) = (Var::new(2.0_f64, &DEVICE)?, Var::new(3.0_f64, &DEVICE)?);
    let mut x = a.as_tensor().clone();
    for _ in 0..1000 {
        x = ((&x * b.as_tensor())? + a.as_tensor())?.tanh()?;
    }
    x.backward()?;
    Ok(())
}

pub fn mlp(layers: &[usize], batch: usize) -> impl FnMut() {
    let mut training = Training::new(layers, batch).expect("candle makes the network");
    move || training.step().expect("candle makes a step")
}

struct Training {
    layers: Vec<Linear>,
    adam: AdamW,
    examples: Tensor,
    classes: Tensor,
}

impl Training {
    fn new(sizes: &[usize], batch: usize) -> Result<Training> {
        let parameters = VarMap::new();
        let make = VarBuilder::from_varmap(&parameters, DType::F32, &DEVICE);
        let layer = |(i, s): (usize, &[usize])| linear(s[0], s[1], make.pp(i));
        let layers = sizes.windows(2).enumerate().map(layer).collect::<Result<_>>()?;
        // Without decay of the weights this is Adam.
        let options = ParamsAdamW { lr: LEARNING_RATE, weight_decay: 0.0, ..ParamsAdamW::default() };
        Ok(Training {
            layers,
            adam: AdamW::new(parameters.all_vars(), options)?,
            examples: Tensor::rand(0.0_f32, 1.0, (batch, sizes[0]), &DEVICE)?,
            classes: Tensor::from_iter(classes(batch).map(|class| class as u32), &DEVICE)?,
        })
    }

    fn step(&mut self) -> Result<()> {
        let mut x = self.layers[0].forward(&self.examples)?;
        for layer in &self.layers[1..] {
            x = layer.forward(&x.relu()?)?;
        }
        self.adam.backward_step(&loss::cross_entropy(&x, &self.classes)?)
    }
}
