//! What it costs to look for mistakes.

use crate::Bench;
use crate::chain::chain;
use crate::mlp::Classifier;
use crate::training::{Model, Training};
use femtograd::inspect::{diagnose, keep_register, report, trace_nonfinite, verify};
use std::hint::black_box;
use std::io;

/// `nonfinite`: a step of training of a network 784-128-64-10 on 64 examples, without and with a check of every
/// gradient. `register`: the `chain`, without and with a register of living tensors. `inspect`: what there is to
/// call by hand, on the graph of a step of `digits`, beside one `backward` through it.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    let training = || Training::new(Classifier::new(&[784, 128, 64, 10], 64));
    let (mut off, mut on) = (training(), training());
    let mut checked = || {
        trace_nonfinite(true);
        on.step();
        trace_nonfinite(false);
    };
    bench.time("nonfinite", 1, &mut [("off", &mut || off.step()), ("on", &mut checked)])?;

    let mut registered = || {
        keep_register(true);
        chain(1000).backward();
        keep_register(false);
    };
    bench.time("register", 3000, &mut [("off", &mut || chain(1000).backward()), ("on", &mut registered)])?;

    let digits = Classifier::digits();
    let loss = digits.loss();
    let parameters = || digits.net.parameters().into_iter().map(|(_, p)| p);
    let mut backward = || {
        parameters().for_each(|p| p.zero_grad());
        loss.backward();
    };
    bench.time(
        "inspect",
        1,
        &mut [
            ("backward", &mut backward),
            ("report", &mut || drop(black_box(report(&loss, parameters())))),
            ("diagnose", &mut || drop(black_box(diagnose(&loss)))),
            ("verify", &mut || drop(black_box(verify(&loss)))),
        ],
    )
}
