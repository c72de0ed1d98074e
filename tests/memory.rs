//! Memory: alone in its process, since it counts all bytes in use.

use femtograd::{Tensor, kernels, live};

#[test]
fn what_nobody_can_ask_for_gives_its_memory_back() {
    const N: usize = if cfg!(miri) { 1 << 8 } else { 1 << 16 };
    let bytes = N * size_of::<f32>();
    let held = |n: usize| {
        let tensors = kernels::live_bytes() as f64 / bytes as f64;
        assert!((tensors - n as f64).abs() < 0.1, "{tensors} arrays alive, {n} expected");
    };
    held(0);
    let x = Tensor::new(vec![1.0_f32; N]);
    held(1);
    let h = &x * &x;
    let y = h.exp().sin().cos().sum();
    held(5); // x, h, exp, sin, cos
    kernels::reset_peak();
    y.backward();
    held(7); // and the gradients of x and of h, which somebody holds; not those of exp, sin and cos
    // On the way at most two gradients of what nobody holds are alive at once, with the one of h or x.
    let peak = kernels::peak_bytes() as f64 / bytes as f64;
    assert!(peak < 8.1, "{peak} arrays at the peak");
    y.backward();
    held(7);
    drop(y);
    held(4); // x, h and their gradients
    drop(h);
    held(2);
    drop(x);
    held(0); // Tensors are counted too, whichever thread drops them.
    let nodes = |n: u64| assert_eq!(live().nodes, n);
    nodes(0);
    let (x, y) = (Tensor::new(1.0), Tensor::new(2.0));
    let z = (&x * &y).sin();
    nodes(4);
    for round in 0..3 {
        std::thread::spawn({
            let x = x.clone();
            move || (0..100).fold(x, |x, _| x.sin()).backward()
        })
        .join()
        .expect("no panic");
        assert_eq!(live().nodes, 4, "round {round}");
    }
    std::thread::spawn(move || drop((x, z))).join().expect("no panic");
    nodes(1);
    drop(y);
    nodes(0);
    // The trace of a cut keeps no graph alive.
    let x = Tensor::new(1.0);
    let cut = (0..100).fold(x.clone(), |x, _| x.sin()).detach();
    nodes(2);
    drop((x, cut));
    nodes(0);
}
