//! Workloads timed from outside the library, as a user's crate would run them.
use femtograd::Tensor;
use std::time::Instant;
fn best(mut f: impl FnMut()) -> f64 {
    f();
    f();
    let t0 = Instant::now();
    let mut b = f64::MAX;
    while t0.elapsed().as_secs_f64() < 1.0 {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_secs_f64())
    }
    b * 1e6
}
fn main() {
    let us = best(|| {
        let (a, b) = (Tensor::new(2.0), Tensor::new(3.0));
        let mut x = a.clone();
        for _ in 0..1000 {
            x = (x * &b + &a).tanh();
        }
        x.backward();
    });
    println!(
        "{{\"peer\": \"femtograd\", \"work\": \"chain\", \"threads\": 1, \"us\": {us:.2}}}  {:.1} ns/node",
        us / 3.0
    );
    let us = best(|| {
        let (a, b) = (Tensor::new(2.0), Tensor::new(3.0));
        let mut x = a.clone();
        for _ in 0..1000 {
            x = (x * &b + &a).tanh();
        }
    });
    println!("forward and drop {:.1} ns/node", us / 3.0);
}
