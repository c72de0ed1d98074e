//! The fast kernels against the plain definitions, on every layout and around every block's edge.

use femtograd_kernels::*;

/// Sizes around the edges of lanes, blocks and pieces.
const LENGTHS: &[usize] = if cfg!(miri) {
    &[0, 1, 3, 65, 130]
} else {
    &[
        0, 1, 2, 3, 7, 63, 64, 65, 127, 128, 129, 255, 257, 511, 513, 1000, 8191, 8193, 32_767, 32_769,
        65_537, 200_003,
    ]
};

fn numbers<T: Float>(shape: &[usize], seed: usize) -> Array<T> {
    Array::from_fn(shape, |i| T::of(((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0))
}

/// Arrays with these elements, lying in memory in every way.
fn layouts<T: Float>(shape: &[usize], seed: usize) -> Vec<Array<T>> {
    let x = numbers::<T>(shape, seed);
    let n = shape.len();
    let mut all = vec![x.clone()];
    // Axes stored in the opposite order.
    let order: Vec<usize> = (0..n).rev().collect();
    let back: Vec<usize> = order.iter().map(|&k| shape[k]).collect();
    let turned = x.permute(&order).unwrap().copied();
    assert_eq!(turned.shape(), back);
    all.push(turned.permute(&order).unwrap());
    for axis in 0..n {
        // Every second element of a wider array, and backwards.
        let mut wide = shape.to_vec();
        wide[axis] = 2 * shape[axis] + 3;
        let mut padded = Array::full(&wide, T::of(f64::NAN));
        let len = shape[axis];
        for (i, v) in x.to_vec().into_iter().enumerate() {
            let mut index: Vec<usize> = Vec::new();
            let mut rest = i;
            for &m in shape.iter().rev() {
                index.insert(0, rest % m);
                rest /= m;
            }
            index[axis] = 2 * index[axis] + 1;
            let flat = index.iter().zip(&wide).fold(0, |flat, (i, m)| flat * m + i);
            padded.as_mut_slice()[flat] = v;
        }
        all.push(padded.slice(axis, 1, 2, len).unwrap());
        let backwards = x.slice(axis, len.saturating_sub(1), -1, len).unwrap().copied();
        all.push(backwards.slice(axis, len.saturating_sub(1), -1, len).unwrap());
    }
    for view in &all {
        assert_eq!(view, &x);
    }
    all
}

/// For Miri a few, among them one that is longer than its lanes.
const SHAPES: &[&[usize]] = if cfg!(miri) {
    &[&[], &[5], &[3, 0, 2], &[2, 9]]
} else {
    &[
        &[],
        &[1],
        &[5],
        &[0],
        &[2, 3],
        &[3, 0, 2],
        &[1, 4],
        &[4, 1, 3],
        &[2, 3, 4, 5],
        &[70, 3],
        &[3, 70],
        &[2, 66, 2],
    ]
};

#[test]
fn views_have_the_elements_they_should() {
    for shape in SHAPES {
        for x in layouts::<f64>(shape, 1) {
            assert_eq!(x.contiguous(), x.copied());
            assert_eq!(x.reshape(&[count(shape)]).unwrap().to_vec(), x.to_vec());
            let wide: Vec<usize> = [2].iter().chain(*shape).copied().collect();
            let wide = x.broadcast_to(&wide).unwrap();
            assert_eq!(wide.to_vec(), [x.to_vec(), x.to_vec()].concat());
        }
    }
    let x = numbers::<f32>(&[2, 3], 1);
    assert!(x.reshape(&[5]).is_err() && x.permute(&[0, 0]).is_err() && x.permute(&[0]).is_err());
    assert!(x.broadcast_to(&[3]).is_err() && x.slice(1, 2, 1, 2).is_err() && x.slice(2, 0, 1, 1).is_err());
    assert!(x.slice(0, 0, -1, 2).is_err());
}

#[test]
fn shapes_broadcast_as_numpy_says() {
    let fits = |a: &[usize], b: &[usize]| broadcast(a, b).ok().map(|s| s.to_vec());
    assert_eq!(fits(&[8, 1, 6, 1], &[7, 1, 5]), Some(vec![8, 7, 6, 5]));
    assert_eq!(fits(&[], &[0, 3]), Some(vec![0, 3]));
    assert_eq!(fits(&[1], &[0]), Some(vec![0]));
    assert_eq!((fits(&[2], &[3]), fits(&[2, 1], &[8, 4, 3])), (None, None));
}

#[test]
fn writing_copies_what_is_shared() {
    let x = numbers::<f64>(&[4], 1);
    let (mut y, before) = (x.clone(), x.to_vec());
    y.as_mut_slice()[0] = 9.0;
    assert_eq!((x.to_vec(), y.at(&[0])), (before, 9.0));
    let place = y.as_slice().unwrap().as_ptr();
    y.as_mut_slice()[1] = 8.0;
    assert_eq!(y.as_slice().unwrap().as_ptr(), place); // and only that
    let mut part = x.slice(0, 1, 1, 2).unwrap();
    part.as_mut_slice()[0] = 7.0;
    assert_ne!(x.at(&[1]), 7.0);
}

#[derive(Clone, Copy)]
struct Polynomial;
impl<T: Float> Function<T, 2, 1, 2> for Polynomial {
    #[inline(always)]
    fn at(&self, [a, b]: [T; 2], [c]: [T; 1]) -> [T; 2] {
        [a * b + c, if a > b { a - c } else { T::ZERO }]
    }
}

#[test]
fn maps_agree_with_a_plain_loop() {
    fn check<T: Float>(a: &Array<T>, b: &Array<T>, c: &Array<T>) {
        let shape = broadcast(&broadcast(a.shape(), b.shape()).unwrap(), c.shape()).unwrap();
        let n = count(&shape);
        let flat = |x: &Array<T>| x.broadcast_to(&shape).unwrap().to_vec();
        let (fa, fb, fc) = (flat(a), flat(b), flat(c));
        let want: Vec<[T; 2]> = (0..n).map(|i| Polynomial.at([fa[i], fb[i]], [fc[i]])).collect();
        let (mut write, mut add) = (vec![T::ZERO; n], vec![T::ONE; n]);
        map_into(Polynomial, [a, b], [c], &shape, [Sink::Write(&mut write), Sink::Add(&mut add)]);
        assert!((0..n).all(|i| write[i] == want[i][0] && add[i] == T::ONE + want[i][1]), "{shape:?}");
        let mut only = vec![T::ZERO; n];
        map_into(Polynomial, [a, b], [c], &shape, [Sink::Drop, Sink::Write(&mut only)]);
        assert!((0..n).all(|i| only[i] == want[i][1]));
    }
    for &n in LENGTHS {
        check::<f32>(&numbers(&[n], 1), &numbers(&[n], 2), &numbers(&[], 3));
        check::<f64>(&numbers(&[n], 1), &numbers(&[1], 2), &numbers(&[n], 3));
    }
    for shape in SHAPES {
        let (b, c) = (numbers::<f64>(shape, 2), numbers::<f64>(&[], 3));
        for a in layouts(shape, 1) {
            check(&a, &b, &c);
        }
    }
    check::<f32>(&numbers(&[3, 1, 70], 1), &numbers(&[4, 1], 2), &numbers(&[70], 3));
}

#[test]
fn sums_and_maxima_agree_with_the_definition() {
    for shape in SHAPES {
        for x in layouts::<f64>(shape, 3) {
            for axes in 0..1usize << shape.len() {
                let axes: Vec<usize> = (0..shape.len()).filter(|k| axes >> k & 1 == 1).collect();
                let kept: Vec<usize> =
                    (0..shape.len()).map(|k| if axes.contains(&k) { 1 } else { shape[k] }).collect();
                let (mut sums, mut largest) =
                    (vec![0.0; count(&kept)], vec![f64::NEG_INFINITY; count(&kept)]);
                for (i, v) in x.to_vec().into_iter().enumerate() {
                    let (mut rest, mut place, mut step) = (i, 0, 1);
                    for k in (0..shape.len()).rev() {
                        let at = rest % shape[k];
                        rest /= shape[k];
                        place += if axes.contains(&k) { 0 } else { at * step };
                        step *= kept[k];
                    }
                    sums[place] += v;
                    largest[place] = f64::max(largest[place], v);
                }
                let got = sum(&x, &axes).unwrap();
                assert_eq!(got.shape(), kept);
                assert!(
                    got.to_vec().iter().zip(&sums).all(|(a, b)| (a - b).abs() < 1e-12),
                    "{shape:?} over {axes:?}"
                );
                assert_eq!(max(&x, &axes).unwrap().to_vec(), largest, "{shape:?} over {axes:?}");
                assert_eq!(sum_to(&x, &kept).to_vec(), got.to_vec());
            }
        }
    }
    assert!(sum(&numbers::<f64>(&[2], 1), &[1]).is_err());
}

/// One number that is not finite, anywhere, in any layout.
#[test]
fn what_is_not_finite_is_found() {
    fn check<T: Float>() {
        for shape in SHAPES {
            layouts::<T>(shape, 5).iter().for_each(|x| assert!(all_finite(x)));
        }
        for &n in LENGTHS {
            let x = Array::full(&[n], T::of(3e38));
            assert!(all_finite(&x), "{n} large ones do not overflow");
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for at in [0, n / 3, n / 2, n.saturating_sub(2), n.saturating_sub(1)]
                    .into_iter()
                    .filter(|&at| at < n)
                {
                    let x = Array::from_fn(&[n], |i| if i == at { T::of(bad) } else { T::ONE });
                    assert!(!all_finite(&x), "{bad} at {at} of {n}");
                    assert!(!all_finite(&x.broadcast_to(&[2, n]).unwrap().permute(&[1, 0]).unwrap()));
                }
            }
        }
        assert!(!all_finite(&Array::scalar(T::NEG_INFINITY)));
        assert!(all_finite(&Array::scalar(T::ZERO)));
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn long_reductions_are_right_in_both_directions() {
    for &n in LENGTHS {
        let x = numbers::<f32>(&[n], 5);
        let want: f64 = x.to_vec().iter().map(|&v| v as f64).sum();
        let got = sum(&x, &[0]).unwrap().item() as f64;
        assert!((got - want).abs() <= 1e-6 * n as f64, "{n}: {got} is not {want}");
        let tall = numbers::<f64>(&[n, 3], 5);
        let columns = sum(&tall, &[0]).unwrap().to_vec();
        for (k, column) in columns.iter().enumerate() {
            let want: f64 = (0..n).map(|i| tall.at(&[i, k])).sum();
            assert!((column - want).abs() < 1e-12 * (n + 1) as f64);
        }
    }
    let nan = Array::from([1.0, f64::NAN, 2.0]);
    assert!(max(&nan, &[0]).unwrap().item().is_nan());
}

#[test]
#[cfg_attr(miri, ignore)] // a hundred million additions
fn sums_are_accurate() {
    assert_eq!(sum(&Array::full(&[10_000_000], 1.0_f32), &[0]).unwrap().item(), 1e7);
    assert_eq!(sum(&Array::full(&[10_000_000, 2], 1.0_f32), &[0]).unwrap().to_vec(), [1e7, 1e7]);
    // 0.1 in f32 is not 1/10; its exact multiple, rounded once, is what a good sum comes close to.
    let tenth = sum(&Array::full(&[10_000_000], 0.1_f32), &[0]).unwrap().item() as f64;
    let exact = 0.1_f32 as f64 * 1e7;
    assert!((tenth - exact).abs() / exact < 2e-7, "{tenth} is not {exact}");
}

#[test]
#[cfg_attr(miri, ignore)] // needs threads and size to mean anything
fn one_thread_and_two_give_the_same_bits() {
    let x = numbers::<f32>(&[300, 1001], 7);
    let work = || {
        let mut y = Array::full(&[300, 1001], 0.5_f32);
        map_into(Polynomial, [&x, &x], [&x], &[300, 1001], [Sink::Add(y.as_mut_slice()), Sink::Drop]);
        let sums = [&[0, 1][..], &[0], &[1]].map(|axes| sum(&y, axes).unwrap().to_vec());
        (y, sums)
    };
    set_threads(1);
    let alone = work();
    set_threads(0);
    assert_eq!(alone, work());
}

#[test]
fn rows_parts_and_slices_move_as_they_should() {
    for x in layouts::<f64>(&[4, 3], 1) {
        let rows = gather_rows(&x, &[3, 0, 3]).unwrap();
        assert_eq!(
            rows.to_vec(),
            [x.to_vec()[9..].to_vec(), x.to_vec()[..3].to_vec(), x.to_vec()[9..].to_vec()].concat()
        );
        let mut back = Array::full(&[4, 3], 0.0);
        scatter_add_rows(&mut back, &[3, 0, 3], &rows);
        assert_eq!(back.at(&[3, 1]), 2.0 * x.at(&[3, 1]));
        assert_eq!(back.at(&[1, 1]), 0.0);
        for axis in [0, 1] {
            let parts = [x.slice(axis, 0, 1, 1).unwrap(), x.slice(axis, 1, 1, x.shape()[axis] - 1).unwrap()];
            assert_eq!(concat(&[&parts[0], &parts[1]], axis).unwrap(), x.copied());
        }
        let mut target = Array::full(&[4, 3], 1.0);
        add_to_slice(&mut target, 1, 2, -2, &x.slice(1, 0, 1, 2).unwrap());
        assert_eq!(target.at(&[2, 2]), 1.0 + x.at(&[2, 0]));
        assert_eq!((target.at(&[2, 0]), target.at(&[2, 1])), (1.0 + x.at(&[2, 1]), 1.0));
    }
    let x = numbers::<f64>(&[4, 3], 1);
    assert!(gather_rows(&x, &[4]).is_err() && gather_rows(&Array::scalar(1.0), &[]).is_err());
    assert_eq!(gather_rows(&x, &[]).unwrap().shape(), [0, 3]);
    assert!(concat::<f64>(&[], 0).is_err() && concat(&[&x], 2).is_err());
    assert!(concat(&[&x, &numbers(&[4, 2], 1)], 0).is_err());
    assert_eq!(concat(&[&x, &numbers(&[0, 3], 1)], 0).unwrap(), x);
}

#[test]
fn arrays_print_as_numpy_does() {
    assert_eq!(Array::scalar(3.0).to_string(), "3");
    assert_eq!(Array::from([[1.0, 2.5], [3.0, 4.0]]).to_string(), "[[1, 2.5], [3, 4]]");
    assert_eq!(format!("{:.2}", Array::from([1.0, 2.0])), "[1.00, 2.00]");
    assert_eq!(Array::<f32>::from(vec![]).to_string(), "[]");
    let long = Array::from_fn(&[20], |i| i as f64).to_string();
    assert_eq!(long, "[0, 1, 2, 3, …, 16, 17, 18, 19]");
}
