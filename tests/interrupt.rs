//! Stopping long work: alone in its process, since it sets the hook and counts all nodes alive.

use femtograd::{Tensor, hessian, kernels, live};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// Calls until the hook unwinds.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn stop<R>(after: usize, f: impl FnOnce() -> R) {
    LEFT.set(after);
    let stopped = catch_unwind(AssertUnwindSafe(f)).err().expect("stopped");
    LEFT.set(usize::MAX);
    assert_eq!(stopped.downcast_ref(), Some(&"stopped"));
}

#[test]
#[cfg_attr(miri, ignore)] // too long
fn what_is_stopped_leaves_everything_as_it_was() {
    kernels::on_poll(|| {
        LEFT.set(LEFT.get() - 1);
        if LEFT.get() == 0 {
            resume_unwind(Box::new("stopped"));
        }
    });

    // Numbers make no buffers, so it is their nodes that are counted.
    let x: Tensor<f64> = Tensor::new(0.5);
    let alive = live().nodes;
    for after in 1..4 {
        stop(after, || {
            let mut y = x.clone();
            loop {
                y = y.detach().sin() + &x;
            }
        });
        assert_eq!(live().nodes, alive);
    }
    let long = |x: &Tensor<f64>| (0..1 << 18).fold(x.clone(), |y, _| y.sin());
    stop(1, || hessian(long)(&x));
    assert_eq!(live().nodes, alive);

    // A pass that is stopped writes no gradient.
    let w = Tensor::new(vec![1.5_f32; 1 << 18]);
    let bytes = kernels::live_bytes();
    let loss = || (0..300).fold(w.clone(), |y, _| y.sin()).sum();
    loss().backward();
    let first = w.grad().unwrap();
    let y = loss();
    for _ in 0..2 {
        stop(2, || {
            loop {
                let y = &y * 1.0;
                y.backward_with(0.0);
            }
        });
    }
    assert_eq!(w.grad().unwrap(), first.clone());
    y.backward();
    assert_eq!(w.grad().unwrap(), first.clone() + first.clone());
    stop(1, || {
        loop {
            loss();
        }
    });
    drop((y, first));
    w.zero_grad();
    assert_eq!(kernels::live_bytes(), bytes, "nothing is kept");

    // An optimiser's step is not stopped half way.
    let mut parameters: Vec<Tensor<f32>> = (0..600).map(|_| Tensor::new(vec![1.0_f32; 1 << 18])).collect();
    let held: Vec<_> = parameters.iter().map(|p| p.data().clone()).collect(); // so that each is copied
    parameters.iter().for_each(|p| p.sum().backward());
    LEFT.set(1);
    let stepped = catch_unwind(AssertUnwindSafe(|| femtograd::optim::Sgd::new(0.5).step(&mut parameters)));
    LEFT.set(usize::MAX);
    assert!(stepped.is_ok());
    assert!(parameters.iter().all(|p| p.data().to_vec().iter().all(|&v| v == 0.5)));
    drop(held);
}
