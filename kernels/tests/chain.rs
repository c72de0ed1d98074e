//! Chains of steps against plain loops, around every edge of blocks and pieces.

use femtograd_kernels::{Array, Chain, Function, Register, Sink, Step, Write, map_blocks, set_threads};
use smallvec::smallvec;

#[derive(Clone, Copy)]
struct Product;
impl Function<f64, 2, 0, 1> for Product {
    #[inline(always)]
    fn at(&self, [a, b]: [f64; 2], _: [f64; 0]) -> [f64; 1] {
        [a * b]
    }
}

#[derive(Clone, Copy)]
struct Both;
impl Function<f64, 2, 0, 2> for Both {
    #[inline(always)]
    fn at(&self, [a, b]: [f64; 2], _: [f64; 0]) -> [f64; 2] {
        [a + b, a - b]
    }
}

/// `t = a·b`, `(p, q) = (t + c, t − c)`, `p += a·c`, with `Σ q` and `Σ a`.
fn results(len: usize, inputs: &[Array<f64>; 3]) -> ([Vec<f64>; 2], [f64; 2]) {
    use Register::{Input, Output, Temporary};
    let chain = Chain::new(vec![
        Step::Map { reads: smallvec![Input(0), Input(1)], writes: smallvec![Write::Over(Temporary(0))] },
        Step::Map {
            reads: smallvec![Temporary(0), Input(2)],
            writes: smallvec![Write::Over(Output(0)), Write::Over(Output(1))],
        },
        Step::Sum { of: Output(1), total: 0 },
        Step::Map { reads: smallvec![Input(0), Input(2)], writes: smallvec![Write::Add(Output(0))] },
        Step::Map { reads: smallvec![Input(0), Input(1)], writes: smallvec![Write::Drop] },
        Step::Sum { of: Input(0), total: 1 },
    ]);
    let (mut p, mut q, mut totals) = (vec![7.0; len], vec![7.0; len], [0.0; 2]);
    let step = |k: usize, x: &[&[f64]], out: &mut [Sink<'_, f64>]| {
        let x = *x.first_chunk().expect("two arguments");
        match k {
            1 => map_blocks(Both, x, [], out),
            _ => map_blocks(Product, x, [], out),
        }
    };
    chain.run(len, inputs, smallvec![&mut p[..], &mut q[..]], &mut totals, &step);
    ([p, q], totals)
}

fn numbers(seed: usize, len: usize) -> Array<f64> {
    Array::from_fn(&[len], |i| ((i * 7919 + seed * 104_729) % 1013) as f64 / 1013.0 - 0.5)
}

#[test]
fn chains_compute_what_plain_loops_do() {
    let sizes: &[usize] = match cfg!(miri) {
        true => &[0, 1, 9, 300],
        false => &[0, 1, 2, 127, 128, 129, 1151, 2047, 2048, 2049, 4099, 32_767, 32_769, 36_864, 70_001],
    };
    for &len in sizes {
        // In order; every other element of a longer one; one number everywhere.
        let (a, b) = (numbers(1, len), numbers(2, 2 * len).slice(0, 0, 2, len).unwrap());
        let inputs = [a.clone(), b.clone(), Array::scalar(0.25)];
        set_threads(1);
        let one = results(len, &inputs);
        set_threads(2);
        assert!(one == results(len, &inputs), "{len}: other bits on two threads");
        set_threads(0);
        let ([p, q], [sum_q, sum_a]) = one;
        let (a, b) = (a.to_vec(), b.to_vec());
        for i in 0..len {
            let t = a[i] * b[i];
            assert_eq!((p[i], q[i]), (t + 0.25 + a[i] * 0.25, t - 0.25), "{i} of {len}");
        }
        assert!((sum_q - q.iter().sum::<f64>()).abs() <= 1e-12 * len as f64, "{len}");
        assert!((sum_a - a.iter().sum::<f64>()).abs() <= 1e-12 * len as f64, "{len}");
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn sums_do_not_lose_what_is_small() {
    let len = 10_000_000;
    let chain = Chain::new(vec![Step::Sum { of: Register::Input(0), total: 0 }]);
    let mut total = [0.0_f32];
    chain.run(len, &[Array::scalar(1.0)], smallvec![], &mut total, &|_, _, _| {});
    assert_eq!(total, [1e7]);
}

#[test]
fn a_step_that_may_not_be_is_refused() {
    use Register::{Input, Output, Temporary};
    let to = |reads: &[Register], writes: &[Write]| Step::Map { reads: reads.into(), writes: writes.into() };
    let wrong = [
        ("a chain writes no input", to(&[], &[Write::Over(Input(0))])),
        ("a register of its own for each result", to(&[Input(0), Output(0)], &[Write::Over(Output(0))])),
        (
            "a register of its own for each result",
            to(&[], &[Write::Over(Temporary(0)), Write::Add(Temporary(0))]),
        ),
    ];
    for (why, step) in wrong {
        let panic = std::panic::catch_unwind(|| Chain::new(vec![step.clone()])).expect_err(why);
        assert_eq!(panic.downcast_ref::<&str>(), Some(&why), "{step:?}");
    }
}

#[test]
fn arrays_of_another_length_are_refused() {
    let chain = Chain::new(vec![Step::Sum { of: Register::Input(0), total: 0 }]);
    let every_other = numbers(1, 6).slice(0, 0, 2, 3).unwrap();
    let run = |x: &Array<f64>, out: usize, totals: usize| {
        let (mut y, mut totals) = (vec![0.0; out], vec![0.0; totals]);
        chain.run(4, std::slice::from_ref(x), smallvec![&mut y[..]], &mut totals, &|_, _, _| {});
    };
    run(&numbers(1, 4), 4, 1);
    run(&Array::scalar(1.0), 4, 1);
    for (x, out) in [(&numbers(1, 3), 4), (&every_other, 4), (&numbers(1, 4), 5)] {
        let panic = std::panic::catch_unwind(|| run(x, out, 1)).expect_err("refused");
        assert_eq!(panic.downcast_ref::<String>().map(|why| &why[..]), Some("arrays of 4 elements"));
    }
    let none = || chain.run::<f64>(4, &[], smallvec![], &mut [0.0], &|_, _, _| {});
    for panic in [std::panic::catch_unwind(|| run(&numbers(1, 4), 4, 2)), std::panic::catch_unwind(none)] {
        let why = "the arrays and sums that the steps name";
        assert_eq!(panic.expect_err("refused").downcast_ref::<&str>(), Some(&why));
    }
}
