//! After a fork: alone in its process, which stays on one thread from then on.

use femtograd_kernels::{Array, forked, map, matmul, set_threads, sum, threads};

#[derive(Clone, Copy)]
struct Cube;
impl femtograd_kernels::Function<f64, 1, 0, 1> for Cube {
    #[inline(always)]
    fn at(&self, [x]: [f64; 1], _: [f64; 0]) -> [f64; 1] {
        [x * x * x]
    }
}

#[test]
fn a_child_computes_on_one_thread_and_gets_the_same_bits() {
    let n = if cfg!(miri) { 4 } else { 400 };
    let x = Array::from_fn(&[n, n], |i| (i * 7919 % 1009) as f64 / 504.0 - 1.0);
    let all = || {
        let (product, cubes) = (matmul(&x, &x).unwrap(), map(Cube, [&x], x.shape()));
        (product, sum(&cubes, &[0, 1]).unwrap(), cubes)
    };
    let before = all();
    forked();
    assert_eq!(threads(), 1);
    for n in [0, 8] {
        set_threads(n);
        assert_eq!(threads(), 1, "for good");
    }
    assert_eq!(all(), before);
    // Whoever asks first, on a thread of its own, does not get to the pool either.
    assert_eq!(std::thread::spawn(threads).join().unwrap(), 1);
}
