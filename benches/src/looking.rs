//! What it costs to look for mistakes.

use crate::chain::chain;
use crate::mlp::Classifier;
use crate::training::{Model, Training};
use crate::workload::Workload;
use femtograd::inspect::{diagnose, keep_register, report, trace_nonfinite, verify};
use femtograd::{Tensor, nn::Mlp};
use std::hint::black_box;

/// `nonfinite`: a step of training of a network 784-128-64-10 on 64 examples, without and with a check of every
/// gradient. `register`: the `chain`, without and with a register of living tensors. `inspect`: what there is to
/// call by hand, on the graph of a step of `digits`, beside one `backward` through it.
pub fn workloads() -> Vec<Workload> {
    let checked = |on| {
        move || {
            let mut training = Training::new(Classifier::new(&[784, 128, 64, 10], 64));
            trace_nonfinite(on);
            move || training.step()
        }
    };
    let registered = |on| {
        move || {
            keep_register(on);
            || chain(1000).backward()
        }
    };
    vec![
        Workload::new("nonfinite.off", 1, checked(false)),
        Workload::new("nonfinite.on", 1, checked(true)),
        Workload::new("register.off", 3000, registered(false)),
        Workload::new("register.on", 3000, registered(true)),
        inspect("backward", |loss, net| {
            net.parameters().iter().for_each(|(_, p)| p.zero_grad());
            loss.backward();
        }),
        inspect("report", |loss, net| {
            drop(black_box(report(loss, net.parameters().into_iter().map(|(_, p)| p))))
        }),
        inspect("diagnose", |loss, _| drop(black_box(diagnose(loss)))),
        inspect("verify", |loss, _| drop(black_box(verify(loss)))),
    ]
}

fn inspect(version: &str, look: fn(&Tensor, &Mlp)) -> Workload {
    Workload::new(format!("inspect.{version}"), 1, move || {
        let digits = Classifier::digits();
        let loss = digits.loss();
        move || look(&loss, &digits.net)
    })
}
