//! Convolution and pooling against their definitions, on random sizes and around every tile's edge.

#![cfg(not(miri))] // safe code, and minutes of it

use femtograd_kernels::*;

/// Whole numbers, so that sums are exact in any order.
fn numbers<T: Float>(shape: &[usize], seed: usize) -> Array<T> {
    Array::from_fn(shape, |i| T::of(((i * 7919 + seed * 104_729) % 2003 % 7) as f64 - 3.0))
}

/// The same numbers in another order of memory.
fn turned<T: Float>(x: &Array<T>) -> Array<T> {
    let back: Vec<usize> = (0..x.ndim()).rev().collect();
    x.permute(&back).unwrap().copied().permute(&back).unwrap()
}

/// Numbers below a bound, the same at every run.
struct Random(u64);
impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

struct Sizes {
    x: [usize; 4],
    w: [usize; 4],
    how: Convolution,
}

/// Calls `f(n, o, i, j, c, place of x, place of w)` for every product of the definition that is not with a padded zero.
fn each_product(s: &Sizes, y: [usize; 4], mut f: impl FnMut([usize; 4], [usize; 4], [usize; 4])) {
    let Convolution { stride, padding, dilation, groups } = s.how;
    let per_group = s.w[0] / groups;
    for n in 0..y[0] {
        for o in 0..y[1] {
            for i in 0..y[2] {
                for j in 0..y[3] {
                    for c in 0..s.w[1] {
                        for k in 0..s.w[2] {
                            for l in 0..s.w[3] {
                                let at = (i * stride[0] + k * dilation[0]).checked_sub(padding[0]);
                                let to = (j * stride[1] + l * dilation[1]).checked_sub(padding[1]);
                                if let (Some(h), Some(v)) = (at, to)
                                    && h < s.x[2]
                                    && v < s.x[3]
                                {
                                    let channel = o / per_group * s.w[1] + c;
                                    f([n, o, i, j], [n, channel, h, v], [o, c, k, l]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn flat(shape: &[usize], index: [usize; 4]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i)
}

fn check<T: Float>(s: &Sizes) {
    let (x, w, b) = (numbers::<T>(&s.x, 1), numbers::<T>(&s.w, 2), numbers::<T>(&[s.w[0]], 3));
    let y = convolve(&turned(&x), &turned(&w), Some(&b), &s.how);
    let shape: [usize; 4] = y.shape().try_into().unwrap();
    let (xs, ws) = (x.to_vec(), w.to_vec());
    let places = count(&shape[2..]).max(1);
    let mut want: Vec<T> = (0..y.len()).map(|i| b.to_vec()[i / places % shape[1].max(1)]).collect();
    let g = numbers::<T>(&shape, 4);
    let gs = g.to_vec();
    let (mut gx, mut gw) = (vec![T::ZERO; x.len()], vec![T::ZERO; w.len()]);
    each_product(s, shape, |at, from, by| {
        let (at, from, by) = (flat(&shape, at), flat(&s.x, from), flat(&s.w, by));
        want[at] += xs[from] * ws[by];
        gx[from] += gs[at] * ws[by];
        gw[by] += gs[at] * xs[from];
    });
    let what = format!("{} {:?} {:?} {:?}", T::NAME, s.x, s.w, s.how);
    assert_eq!(y.to_vec(), want, "{what}: value");
    let [by_x, by_w] = convolve_back(&turned(&x), &turned(&w), &turned(&g), &s.how, [true; 2]);
    assert_eq!(by_x.unwrap(), Array::from_vec(gx, &s.x), "{what}: by the input");
    assert_eq!(by_w.unwrap(), Array::from_vec(gw, &s.w), "{what}: by the weight");
}

#[test]
fn convolutions_of_random_sizes_agree_with_the_definition() {
    let mut random = Random(1);
    for round in 0..400 {
        let mut pick = |choices: &[usize]| choices[random.below(choices.len())];
        let groups = pick(&[1, 1, 2, 3]);
        let kernel = [pick(&[1, 2, 3, 5]), pick(&[1, 2, 3, 5])];
        let how = Convolution {
            stride: [pick(&[1, 1, 2, 3, 7]), pick(&[1, 1, 2, 3, 7])],
            padding: [pick(&[0, 1, 2, 4]), pick(&[0, 1, 2, 4])],
            dilation: [pick(&[1, 1, 2, 3]), pick(&[1, 1, 2, 3])],
            groups,
        };
        let mut length = |k: usize| {
            let least = ((kernel[k] - 1) * how.dilation[k] + 1).saturating_sub(2 * how.padding[k]);
            let more = [0, 1, 6, 23];
            least + more[random.below(4)]
        };
        let size = [length(0), length(1)];
        let (each, outputs) = (random.below(5), random.below(20));
        let sizes = Sizes {
            x: [random.below(4), groups * each, size[0], size[1]],
            w: [groups * outputs, each, kernel[0], kernel[1]],
            how,
        };
        if round % 2 == 0 { check::<f32>(&sizes) } else { check::<f64>(&sizes) }
    }
}

#[test]
fn convolutions_around_the_edges_of_tiles_and_pieces_agree_with_the_definition() {
    for (images, channels, outputs, width, stride) in [
        (1, 8, 32, 31, 1),
        (33, 7, 33, 16, 1),
        (17, 9, 8, 30, 1),
        (2, 1, 31, 33, 1),
        (1, 2, 3, 600, 1),
        (2, 2, 26, 1500, 2),
        (1, 1, 2, 4500, 1),
        (2, 3, 49, 14, 1),
        (1, 1, 97, 5, 1),
    ] {
        let how = Convolution { stride: [stride; 2], padding: [1; 2], dilation: [1; 2], groups: 1 };
        let sizes = Sizes { x: [images, channels, 9, width], w: [outputs, channels, 3, 3], how };
        check::<f32>(&sizes);
        check::<f64>(&sizes);
    }
}

#[test]
fn convolutions_have_the_same_bits_on_one_thread_and_two() {
    let how = Convolution { stride: [1; 2], padding: [1; 2], dilation: [1; 2], groups: 1 };
    let (x, w) = (numbers::<f32>(&[37, 5, 17, 17], 1), numbers::<f32>(&[9, 5, 3, 3], 2));
    let tenth = |a: &Array<f32>| a.clone() * Array::scalar(0.1);
    let (x, w) = (tenth(&x), tenth(&w));
    let all = || {
        let y = convolve(&x, &w, None, &how);
        (convolve_back(&x, &w, &y, &how, [true; 2]), y)
    };
    let wide = all();
    set_threads(1);
    let alone = all();
    set_threads(0);
    assert_eq!(wide, alone);
}

/// The value and the gradient of a pooling by the definition, with the padding written out.
fn pooled(x: &Array<f64>, g: &Array<f64>, how: &Pooling, max: bool) -> (Vec<f64>, Vec<f64>) {
    let [_, height, width]: [usize; 3] = x.shape().try_into().unwrap();
    let [_, rows, columns]: [usize; 3] = g.shape().try_into().unwrap();
    let (xs, gs) = (x.to_vec(), g.to_vec());
    let (mut y, mut gx) = (vec![], vec![0.0; xs.len()]);
    for (place, &g) in gs.iter().enumerate() {
        let (plane, i, j) = (place / (rows * columns), place / columns % rows, place % columns);
        let mut window: Vec<(f64, Option<usize>)> = vec![];
        for k in 0..how.size[0] {
            for l in 0..how.size[1] {
                let h = (i * how.stride[0] + k * how.dilation[0]).checked_sub(how.padding[0]);
                let v = (j * how.stride[1] + l * how.dilation[1]).checked_sub(how.padding[1]);
                window.push(match (h, v) {
                    (Some(h), Some(v)) if h < height && v < width => {
                        let at = (plane * height + h) * width + v;
                        (xs[at], Some(at))
                    }
                    _ => (if max { f64::NEG_INFINITY } else { 0.0 }, None),
                });
            }
        }
        let nan = max && window.iter().any(|(v, _)| v.is_nan());
        let largest = window.iter().fold(f64::NEG_INFINITY, |m, (v, _)| m.max(*v));
        let mean = window.iter().map(|(v, _)| v).sum::<f64>() / window.len() as f64;
        y.push(if nan {
            f64::NAN
        } else if max {
            largest
        } else {
            mean
        });
        let winners = window.iter().filter(|(v, _)| !max || (!nan && *v == largest)).count() as f64;
        for (v, at) in window {
            let share = if nan {
                f64::NAN
            } else if !max || v == largest {
                1.0 / winners
            } else {
                0.0
            };
            let part = if g == 0.0 || share == 0.0 && !g.is_nan() { 0.0 } else { g * share };
            at.into_iter().for_each(|at| gx[at] += part);
        }
    }
    (y, gx)
}

fn same(a: &[f64], b: &[f64]) -> bool {
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12;
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| close(a, b))
}

#[test]
fn pooling_agrees_with_the_definition() {
    let mut random = Random(2);
    for round in 0..400 {
        let mut pick = |choices: &[usize]| choices[random.below(choices.len())];
        let how = if round % 2 == 0 {
            Pooling { size: [2; 2], stride: [2; 2], padding: [0; 2], dilation: [1; 2] }
        } else {
            let size = [pick(&[1, 2, 3]), pick(&[1, 2, 3])];
            let padding = [pick(&[0, 1]).min(size[0] / 2), pick(&[0, 1]).min(size[1] / 2)];
            let stride = [pick(&[1, 2, 3]), pick(&[1, 2, 3])];
            Pooling { size, stride, padding, dilation: [pick(&[1, 2]), pick(&[1, 2])] }
        };
        let mut length = |k: usize| {
            let least = ((how.size[k] - 1) * how.dilation[k] + 1).saturating_sub(2 * how.padding[k]);
            least + [0, 1, 2, 7, 29, 33, 66][random.below(7)]
        };
        let shape = [length(0), length(1)];
        let shape = [random.below(4), shape[0], shape[1]];
        // Few different numbers, so that there are ties; and the hard ones.
        let hard = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
        let mut number = |_| match random.below(40) {
            few @ 0..4 => hard[few],
            other => other as f64 % 4.0 - 2.0,
        };
        let x = Array::from_fn(&shape, &mut number);
        for max in [true, false] {
            let y = if max { max_pool(&turned(&x), &how) } else { mean_pool(&turned(&x), &how) };
            let g = Array::from_fn(y.shape(), &mut number);
            let back = if max { max_pool_back } else { mean_pool_back };
            let gx = back(&turned(&x), &y, &turned(&g), &how);
            let (want_y, want_gx) = pooled(&x, &g, &how, max);
            assert!(same(&y.to_vec(), &want_y), "{shape:?} {how:?}, max {max}: value");
            assert!(same(&gx.to_vec(), &want_gx), "{shape:?} {how:?}, max {max}: gradient");
        }
    }
}
