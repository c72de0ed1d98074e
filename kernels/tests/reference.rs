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
            assert_eq!(wide.reshape(&[count(shape), 2]).unwrap().to_vec(), wide.to_vec());
            let apart: Vec<usize> = shape.iter().flat_map(|&n| [1, n]).collect();
            assert_eq!(x.reshape(&apart).unwrap().reshape(shape).unwrap(), x);
        }
    }
    // Axes that are divided need no copy, axes that do not follow each other do.
    let x = numbers::<f32>(&[4, 6], 1).permute(&[1, 0]).unwrap();
    let divided = x.reshape(&[2, 3, 1, 2, 2]).unwrap();
    assert_eq!(divided.storage().as_ptr(), x.storage().as_ptr());
    assert_eq!(divided.to_vec(), x.to_vec());
    assert_eq!(divided.reshape(&[6, 4]).unwrap(), x);
    for other in [&[4, 6][..], &[24], &[3, 8], &[12, 2], &[2, 6, 2]] {
        assert_eq!(x.reshape(other).unwrap().to_vec(), x.to_vec(), "{other:?}");
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
        let norm = Normalize { axes: 1, centred: true, epsilon: 0.5, weight: None, bias: None };
        let mut back = Array::zeros(&[300, 1001]);
        let parameters = norm.back(&x, &y, Sink::Write(back.as_mut_slice()), true);
        (y, sums, softmax(&x), norm.value(&x), back, parameters)
    };
    set_threads(1);
    let alone = work();
    set_threads(0);
    assert_eq!(alone, work());
}

/// Indices `< n` of this shape, some of them several times.
fn indices(shape: &[usize], n: usize) -> Indices {
    Indices::from_vec((0..count(shape)).map(|i| (i * 7919 + 3) % n).collect::<Vec<_>>(), shape)
}

/// The index of element `i` of this shape.
fn index(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for k in (0..shape.len()).rev() {
        index[k] = i % shape[k];
        i /= shape[k];
    }
    index
}

#[test]
fn selection_agrees_with_the_definition() {
    for shape in SHAPES {
        for axis in (0..shape.len()).filter(|&k| shape[k] > 0) {
            for m in [0, 1, 2, 5] {
                // Whole slices.
                let by = indices(&[m, 2], shape[axis]);
                let wide = [&shape[..axis], &[m, 2], &shape[axis + 1..]].concat();
                let from = |i: usize| {
                    let at = index(i, &wide);
                    let k = by.as_slice()[at[axis] * 2 + at[axis + 1]];
                    [&at[..axis], &[k], &at[axis + 2..]].concat()
                };
                // Elements on each line.
                let mut lines = shape.to_vec();
                lines[axis] = m;
                let each = indices(&lines, shape[axis]);
                let on_line = |i: usize| {
                    let mut at = index(i, &lines);
                    at[axis] = each.as_slice()[i];
                    at
                };
                for x in layouts::<f64>(shape, 1) {
                    let taken = index_select(&x, axis, &by).unwrap();
                    assert_eq!(taken, Array::from_fn(&wide, |i| x.at(&from(i))));
                    let named = take_along_axis(&x, axis, &each).unwrap();
                    assert_eq!(named, Array::from_fn(&lines, |i| x.at(&on_line(i))));
                    // And back, on top of what is there.
                    let (mut slices, mut elements) = (x.clone(), x.clone());
                    index_add(&mut slices, axis, &by, &taken);
                    scatter_add(&mut elements, axis, &each, &named).unwrap();
                    let back = |to: &dyn Fn(usize) -> Vec<usize>, part: &Array<f64>| {
                        let mut sums = x.to_vec();
                        for (i, v) in part.to_vec().into_iter().enumerate() {
                            sums[to(i).iter().zip(*shape).fold(0, |place, (i, n)| place * n + i)] += v;
                        }
                        Array::from_vec(sums, shape)
                    };
                    assert_eq!((slices, elements), (back(&from, &taken), back(&on_line, &named)));
                }
            }
        }
    }
    let (x, some) = (numbers::<f64>(&[4, 3], 1), Indices::from([[3, 0]]));
    assert!(index_select(&x, 0, &[4].into()).is_err() && index_select(&x, 2, &[0].into()).is_err());
    assert!(index_select(&Array::scalar(1.0), 0, &[0].into()).is_err());
    assert!(take_along_axis(&x, 1, &some).is_err() && take_along_axis(&x, 1, &[0].into()).is_err());
    assert!(scatter_add(&mut x.clone(), 0, &some, &numbers(&[2, 1], 1)).is_err());
}

#[test]
fn order_and_running_sums_agree_with_the_definition() {
    for shape in SHAPES {
        for axis in 0..shape.len() {
            let n = shape[axis];
            for x in layouts::<f32>(shape, 1) {
                // A line at a time, as the last axis of an array of lines, and back.
                let mut order: Vec<usize> = (0..shape.len()).filter(|&k| k != axis).collect();
                order.push(axis);
                let lines = x.permute(&order).unwrap().to_vec();
                let check = |what: &str,
                             len: usize,
                             got: &dyn Fn(&[usize]) -> f64,
                             want: &dyn Fn(&[f32]) -> Vec<f64>| {
                    let mut turned: Vec<usize> = order.iter().map(|&k| shape[k]).collect();
                    *turned.last_mut().unwrap() = len;
                    for (l, line) in lines.chunks_exact(n.max(1)).enumerate() {
                        for (j, want) in want(line).into_iter().enumerate() {
                            let at = index(l * len + j, &turned);
                            let mut place = vec![0; at.len()];
                            order.iter().zip(at).for_each(|(&k, i)| place[k] = i);
                            assert_eq!(got(&place), want, "{what} of {shape:?} along {axis} at {place:?}");
                        }
                    }
                };
                let at = |found: &Indices, place: &[usize]| {
                    let flat = place.iter().zip(found.shape()).fold(0, |flat, (i, n)| flat * n + i);
                    found.as_slice()[flat] as f64
                };
                for descending in [false, true] {
                    let sorted = |line: &[f32]| {
                        let mut places: Vec<usize> = (0..n).collect();
                        // A stable sort.
                        places.sort_by(|&a, &b| {
                            let ascending = line[a].partial_cmp(&line[b]).unwrap();
                            if descending { ascending.reverse() } else { ascending }
                        });
                        places
                    };
                    for k in [0, 1, n / 2, n] {
                        let Ok(found) = argsort(&x, axis, k, descending) else {
                            assert!(k > n);
                            continue;
                        };
                        check("argsort", k, &|place| at(&found, place), &|line| {
                            sorted(line)[..k].iter().map(|&i| i as f64).collect()
                        });
                    }
                    match if descending { argmax(&x, axis) } else { argmin(&x, axis) } {
                        Ok(found) => check("first", 1, &|place| at(&found, place), &|line| {
                            vec![sorted(line)[0] as f64]
                        }),
                        Err(_) => assert_eq!(n, 0),
                    }
                    let sums = cumsum(&x, axis, descending).unwrap();
                    check("cumsum", n, &|place| sums.at(place) as f64, &|line| {
                        let part = |j| if descending { &line[j..] } else { &line[..=j] };
                        let sum = |line: &[f32]| {
                            let terms = line.iter().map(|&v| v as f64);
                            (if descending { terms.rev().sum::<f64>() } else { terms.sum() }) as f32 as f64
                        };
                        (0..n).map(|j| sum(part(j))).collect()
                    });
                }
            }
        }
    }
}

#[test]
fn rows_parts_and_slices_move_as_they_should() {
    for x in layouts::<f64>(&[4, 3], 1) {
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
    assert_eq!(Indices::from_vec(vec![7], &[]).to_string(), "7");
    assert_eq!(format!("{:?}", Indices::from([[1, 0], [2, 3]])), "[[1, 0], [2, 3]] [2, 2]");
}

#[test]
fn windows_are_their_definition() {
    let moves = [(1, 1, 1), (1, 3, 1), (2, 1, 1), (3, 2, 1), (2, 1, 3), (3, 5, 2), (5, 7, 2)];
    let shapes = [&[11][..], &[0, 9], &[2, 9], &[9, 2], &[2, 10, 3]];
    for shape in shapes.into_iter().take(if cfg!(miri) { 2 } else { 5 }) {
        let axis = shape.iter().position(|&n| n >= 9).unwrap();
        for x in layouts::<f64>(shape, 5) {
            for (size, step, dilation) in moves {
                let y = x.windows(axis, size, step, dilation).unwrap();
                let number = (shape[axis] - (size - 1) * dilation - 1) / step + 1;
                assert_eq!((y.shape()[axis], y.shape()[shape.len()]), (number, size));
                assert_eq!(y.copied(), y);
                // Element by element; and back, where each is added to the one it was.
                let (mut sums, mut index) = (vec![0.0; x.len()], vec![0; y.ndim()]);
                for i in 0..y.len() {
                    let mut rest = i;
                    for k in (0..y.ndim()).rev() {
                        (index[k], rest) = (rest % y.shape()[k], rest / y.shape()[k]);
                    }
                    let mut from = index[..shape.len()].to_vec();
                    from[axis] = from[axis] * step + index[shape.len()] * dilation;
                    assert_eq!(y.at(&index), x.at(&from));
                    sums[from.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i)] += y.at(&index);
                }
                let mut back = Array::full(shape, 0.0);
                add_to_windows(&mut back, axis, step, dilation, &y);
                assert_eq!(back.to_vec(), sums);
            }
        }
    }
    assert_eq!(window_count(5, 1, usize::MAX, usize::MAX), Ok(1));
    assert_eq!((window_count(5, 5, 1, 1), window_count(5, 2, 3, 1)), (Ok(1), Ok(2)));
    for (size, step, dilation) in [(6, 1, 1), (2, 1, 5), (0, 1, 1), (1, 0, 1), (1, 1, 0), (usize::MAX, 1, 2)]
    {
        assert!(window_count(5, size, step, dilation).is_err());
    }
    assert!(numbers::<f32>(&[3], 1).windows(1, 1, 1, 1).is_err());
}

/// The kernels of rows against their definitions in `f64`, over every length around a block's edge, and views.
#[test]
fn rows_agree_with_the_definition() {
    fn close<T: Float>(what: &str, got: &Array<T>, want: impl Fn(usize) -> f64) {
        for (i, v) in got.to_vec().into_iter().enumerate() {
            let (v, want) = (v.to_f64(), want(i));
            let fits = (v - want).abs() <= 100.0 * T::EPSILON.to_f64() * want.abs().max(1.0);
            assert!(fits, "{what}: {v} is not {want} at {i} of {:?}", got.shape());
        }
    }
    /// The array that a way back makes, which must add the same to what is there.
    fn made<T: Float>(shape: &[usize], back: impl Fn(Sink<'_, T>)) -> Array<T> {
        let (mut sum, mut fresh) = (Array::ones(shape), Array::ones(shape));
        back(Sink::Add(sum.as_mut_slice()));
        back(Sink::Write(fresh.as_mut_slice()));
        let values = fresh.to_vec();
        close("added", &sum, |i| values[i].to_f64() + 1.0);
        fresh
    }
    fn check<T: Float>(x: &Array<T>, g: &Array<T>) {
        let [rows, n] = *x.shape() else { panic!("a matrix") };
        let numbers = |a: &Array<T>| a.to_vec().into_iter().map(Float::to_f64).collect::<Vec<f64>>();
        let (xs, gs) = (numbers(x), numbers(g));
        let sums = |f: &dyn Fn(usize) -> f64| {
            (0..rows).map(|r| (r * n..(r + 1) * n).map(f).sum()).collect::<Vec<f64>>()
        };

        let log_sum: Vec<f64> = sums(&|i| xs[i].exp()).into_iter().map(f64::ln).collect();
        let p = |i: usize| (xs[i] - log_sum[i / n]).exp();
        let (shares, logs) = (softmax(x), log_softmax(x));
        close("softmax", &shares, p);
        close("log_softmax", &logs, |i| xs[i] - log_sum[i / n]);
        close("logsumexp", &logsumexp(x), |r| log_sum[r]);
        let (dot, total) = (sums(&|i| gs[i] * p(i)), sums(&|i| gs[i]));
        let back = made(x.shape(), |out| softmax_back(&shares, g, out));
        close("softmax_back", &back, |i| p(i) * (gs[i] - dot[i / n]));
        let back = made(x.shape(), |out| log_softmax_back(&logs, g, out));
        close("log_softmax_back", &back, |i| gs[i] - total[i / n] * p(i));
        let first = g.slice(1, 0, 1, 1).unwrap();
        let back = made(x.shape(), |out| logsumexp_back(x, &first, out));
        close("logsumexp_back", &back, |i| gs[i / n * n] * p(i));

        let columns: Vec<usize> = (0..rows).map(|r| if r == 1 { 9999 } else { r * 7 % n }).collect();
        let weights: Vec<T> = (0..n).map(|k| T::of(0.5 - k as f64 / n as f64)).collect();
        let picks = Picks { columns: &columns, weights: &weights, ignore: Some(9999) };
        let counts = |r: usize| weights.get(columns[r]).map_or(0.0, |w| w.to_f64());
        let says = |r: usize| if r == 1 { 0.0 } else { counts(r) * (xs[r * n + columns[r]] - log_sum[r]) };
        let all: f64 = (0..rows).map(says).sum();
        close("log_likelihood", &Array::scalar(log_likelihood(x, picks)), |_| all);
        let back = made(x.shape(), |out| log_likelihood_back(x, picks, T::of(2.0), out));
        close("log_likelihood_back", &back, |i| {
            2.0 * counts(i / n) * (f64::from(columns[i / n] == i % n) - p(i))
        });

        let (weight, bias) = (Array::from_vec(&weights, &[n]), x.slice(0, 0, 1, 1).unwrap());
        let (w, b) = (numbers(&weight), numbers(&bias));
        for centred in [true, false] {
            let (weight, bias, epsilon) = (Some(&weight), Some(&bias), T::of(0.5));
            let norm = Normalize { axes: 1, centred, epsilon, weight, bias };
            let means = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
                sums(f).into_iter().map(|sum| sum / n as f64).collect()
            };
            let centre = means(&|i| if centred { xs[i] } else { 0.0 });
            let var = means(&|i| (xs[i] - centre[i / n]).powi(2));
            let deviation = |i: usize| (var[i / n] + 0.5).sqrt();
            let unit = |i: usize| (xs[i] - centre[i / n]) / deviation(i);
            close("normalize", &norm.value(x), |i| unit(i) * w[i % n] + b[i % n]);

            let h = |i: usize| gs[i] * w[i % n];
            let (along, less) = (means(&|i| h(i) * unit(i)), means(&|i| if centred { h(i) } else { 0.0 }));
            let back = made(x.shape(), |out| drop(norm.back(x, g, out, false)));
            close("to x", &back, |i| (h(i) - less[i / n] - unit(i) * along[i / n]) / deviation(i));
            let [to_weight, to_bias] = norm.back(x, g, Sink::Drop, true).expect("asked for");
            let down = |f: &dyn Fn(usize) -> f64, k| (0..rows).map(|r| f(r * n + k)).sum::<f64>();
            close("to the weight", &to_weight, |k| down(&|i| gs[i] * unit(i), k));
            close("to the bias", &to_bias, |k| down(&|i| gs[i], k));
        }
    }
    let shapes: &[[usize; 2]] = if cfg!(miri) {
        &[[2, 1], [34, 3], [2, 9]]
    } else {
        &[[1, 1], [67, 1], [33, 2], [3, 63], [2, 64], [65, 65], [3, 127], [2, 128], [3, 1024], [2, 1091]]
    };
    let most = if cfg!(miri) { 1 } else { usize::MAX }; // layouts: each takes Miri minutes
    for shape in shapes {
        layouts::<f32>(shape, 1).iter().zip(&layouts(shape, 2)).take(most).for_each(|(x, g)| check(x, g));
        layouts::<f64>(shape, 3).iter().zip(&layouts(shape, 4)).take(most).for_each(|(x, g)| check(x, g));
    }
}
