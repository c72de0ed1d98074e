//! Derivatives of functions: closed forms, nesting, structures, recomputation and rules of one's own.

#![cfg(not(miri))] // much arithmetic, nothing new

use femtograd::random::Rng;
use femtograd::{
    Array, Mode, Tensor, checkpoint, count_strong_zeros, custom_gradient, grad, gradients, hessian,
    hessian_diagonal, hvp, jacobian, jacobian_by, jvp, laplacian, linearize, no_grad, tangent,
    value_and_grad, vjp, where_,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

type V = Tensor<f64>;

fn number(v: f64) -> V {
    Tensor::constant(v)
}

fn close(what: &str, got: &[f64], want: &[f64], allowed: f64) {
    let fits = got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() <= allowed);
    assert!(fits, "{what}: {got:?}, not {want:?}");
}

fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should panic");
    *payload.downcast::<String>().expect("a message")
}

#[test]
fn three_times_nested_gradients_have_closed_forms() {
    let x = 0.7;
    let third = |f: fn(&V) -> V| grad(grad(grad(f)))(&number(x)).item();
    let t = x.tanh();
    close("sin", &[third(|x| x.sin())], &[-x.cos()], 1e-12);
    // tanh''' = (1 − t²)(6t² − 2)
    close("tanh", &[third(|x| x.tanh())], &[(1.0 - t * t) * (6.0 * t * t - 2.0)], 1e-12);
    close("x⁵", &[third(|x| x.powi(5))], &[60.0 * x * x], 1e-12);
}

/// `f(x) = Σⱼ vⱼ tanh(wⱼ·x)`, so `f'''(x) = Σⱼ vⱼ wⱼ³ tanh'''(wⱼ·x)`.
#[test]
fn third_derivative_of_a_small_network() {
    let (w, v) = ([0.3, -1.2, 0.8, 2.0], [1.0, 0.5, -0.7, 0.2]);
    let net = |x: &V| (x * Tensor::constant(w)).tanh().matmul(&Tensor::constant(v));
    let x = 0.4;
    let third = |z: f64| {
        let t = z.tanh();
        (1.0 - t * t) * (6.0 * t * t - 2.0)
    };
    let want: f64 = w.iter().zip(v).map(|(w, v)| v * w.powi(3) * third(w * x)).sum();
    close("network", &[grad(grad(grad(net)))(&number(x)).item()], &[want], 1e-9);
}

/// `f(x) = aᵀ(M + x·N)³b` is a cubic in `x`: its third derivative is `6·aᵀN³b`, its second at 0 twice the sum over the
/// places of `M` in `MNN`.
#[test]
fn derivatives_of_a_chain_of_matrix_products() {
    let mut rng = Rng::new(3);
    let [m, n] = [(); 2].map(|()| Tensor::constant(rng.normal_array::<f64>(&[4, 4])));
    let [a, b] = [(); 2].map(|()| Tensor::constant(rng.normal_array::<f64>(&[4])));
    let f = |x: &V| {
        let k = &m + x * &n;
        a.matmul(&k).matmul(&k).matmul(&k).matmul(&b)
    };
    let product = |factors: [&V; 3]| factors.iter().fold(a.clone(), |y, k| y.matmul(k)).matmul(&b).item();
    let third = 6.0 * product([&n, &n, &n]);
    close("third", &[grad(grad(grad(f)))(&number(0.0)).item()], &[third], 1e-9);
    let second = 2.0 * (product([&m, &n, &n]) + product([&n, &m, &n]) + product([&n, &n, &m]));
    close("second", &[grad(grad(f))(&number(0.0)).item()], &[second], 1e-9);
    close("second at 1", &[grad(grad(f))(&number(1.0)).item()], &[second + third], 1e-9);
}

/// `d/dx [x · d/dy (x + y)] = 1`, whichever of the two is reverse mode, and also where `y` is given `x` itself.
#[test]
fn nested_derivatives_keep_their_variables_apart() {
    let one = || number(1.0);
    let forward = |f: &dyn Fn(&V) -> V, x: &V| jvp(f, x, &one()).1;
    let reverse = |f: &dyn Fn(&V) -> V, x: &V| grad(f)(x);
    type Derive<'a> = &'a dyn Fn(&dyn Fn(&V) -> V, &V) -> V;
    let ways: [(&str, Derive); 2] = [("forward", &forward), ("reverse", &reverse)];
    for (outer_name, outer) in ways {
        for (inner_name, inner) in ways {
            let name = format!("{inner_name} inside {outer_name}");
            for at_x in [false, true] {
                let f = |x: &V| {
                    let y = if at_x { x.clone() } else { one() };
                    x * inner(&|y| x + y, &y)
                };
                assert_eq!(outer(&f, &number(3.0)).item(), 1.0, "{name}");
                // d/dx [x · d/dy (x·y²)] at y = 1 and y = x: d/dx 2x² = 4x, d/dx 2x³ = 6x².
                let g = |x: &V| {
                    let y = if at_x { x.clone() } else { one() };
                    x * inner(&|y| x * y * y, &y)
                };
                let want = if at_x { 54.0 } else { 12.0 };
                assert_eq!(outer(&g, &number(3.0)).item(), want, "{name}");
            }
        }
    }
}

#[test]
fn all_ways_to_the_second_derivative_agree() {
    let mut rng = Rng::new(5);
    let w = Tensor::constant(rng.normal_array::<f64>(&[3, 3]));
    let f = |x: &V| (x.matmul(&w).tanh() * x.exp()).sum() + x.prod_of_squares();
    let x = Tensor::constant(rng.normal_array::<f64>(&[3]));
    let v = Tensor::constant(rng.normal_array::<f64>(&[3]));
    let h = hessian(f)(&x);
    let hv = h.matmul(&v).data().to_vec();
    close("hvp", &hvp(f, &x, &v).data().to_vec(), &hv, 1e-12);
    close("forward over reverse", &jvp(grad(f), &x, &v).1.data().to_vec(), &hv, 1e-12);
    close("reverse over forward", &grad(|x: &V| jvp(f, x, &v).1)(&x).data().to_vec(), &hv, 1e-12);
    let gv = |x: &V| (grad(f)(x) * &v).sum();
    close("reverse over reverse", &grad(gv)(&x).data().to_vec(), &hv, 1e-12);
    close("linearized gradient", &linearize(grad(f), &x).1(&v).data().to_vec(), &hv, 1e-12);
    close("forward twice", &[jvp(|x: &V| jvp(f, x, &v).1, &x, &v).1.item()], &[gv_dot(&hv, &v)], 1e-12);
    for mode in [Mode::Forward, Mode::Reverse] {
        close(
            "jacobian of gradient",
            &jacobian_by(mode, grad(f))(&x).data().to_vec(),
            &h.data().to_vec(),
            1e-12,
        );
    }
    let diagonal: Vec<f64> = (0..3).map(|i| h.data().at(&[i, i])).collect();
    close("diagonal", &hessian_diagonal(f)(&x).data().to_vec(), &diagonal, 1e-12);
    close("laplacian", &[laplacian(f)(&x).item()], &[diagonal.iter().sum()], 1e-12);
}

fn gv_dot(hv: &[f64], v: &V) -> f64 {
    hv.iter().zip(v.data().to_vec()).map(|(h, v)| h * v).sum()
}

trait ProdOfSquares {
    fn prod_of_squares(&self) -> V;
}
impl ProdOfSquares for V {
    /// `Πᵢ xᵢ²`, which mixes all elements.
    fn prod_of_squares(&self) -> V {
        let element = |i: usize| self.slice(0, i..i + 1).sum().powi(2);
        (0..self.shape()[0]).map(element).reduce(|a, b| a * b).expect("elements")
    }
}

#[test]
fn structures_come_back_as_they_went() {
    // (w, [b, c]) → (y, vec![z]), with everything of other shapes.
    type X = (V, [V; 2]);
    let f = |(w, [b, c]): &X| ((w.matmul(b) * c).sin(), vec![b * c, w.sum()]);
    let x: X = (Tensor::constant([[1.0, 2.0], [3.0, 4.0]]), [Tensor::constant([0.5, -0.5]), number(2.0)]);
    let (jy, jz) = jacobian(f)(&x);
    assert_eq!(jy.0.shape(), [2, 2, 2]);
    assert_eq!((jy.1[0].shape(), jy.1[1].shape()), (&[2, 2][..], &[2][..]));
    assert_eq!((jz.len(), jz[0].1[0].to_string()), (2, "[[2, 0], [0, 2]]".into()));
    assert_eq!(jz[1].0.to_string(), "[[1, 1], [1, 1]]");
    assert_eq!(jz[1].1[0].to_string(), "[0, 0]", "no dependence is zero");
    for mode in [Mode::Forward, Mode::Reverse] {
        let (ky, kz) = jacobian_by(mode, f)(&x);
        close("by mode", &ky.0.data().to_vec(), &jy.0.data().to_vec(), 1e-15);
        close("by mode", &kz[0].1[1].data().to_vec(), &jz[0].1[1].data().to_vec(), 1e-15);
    }
    // ⟨g, J·dx⟩ = ⟨Jᵀ·g, dx⟩
    let ((y, z), pull) = vjp(f, &x);
    let g = (Tensor::constant([0.3, -2.0]), vec![Tensor::constant([1.0, 4.0]), number(-1.5)]);
    assert_eq!((y.shape(), z[0].shape(), z[1].shape()), (&[2][..], &[2][..], &[][..]));
    let (gw, [gb, gc]) = pull(&g);
    let dx: X = (Tensor::constant([[0.1, -1.0], [2.0, 0.7]]), [Tensor::constant([1.0, 3.0]), number(-2.0)]);
    let (_, (dy, dz)) = jvp(f, &x, &dx);
    let inner = |a: &V, b: &V| (a * b).sum().item();
    let left = inner(&g.0, &dy) + inner(&g.1[0], &dz[0]) + inner(&g.1[1], &dz[1]);
    let right = inner(&gw, &dx.0) + inner(&gb, &dx.1[0]) + inner(&gc, &dx.1[1]);
    close("duality", &[left], &[right], 1e-12);
    // A Hessian in blocks: f = w·b, so only the mixed blocks are not zero.
    let product = |(w, [b, c]): &X| (w.matmul(b)).sum() * c;
    let (hw, [hb, _]) = hessian(product)(&x);
    assert_eq!((hw.0.shape(), hw.1[0].shape()), (&[2, 2, 2, 2][..], &[2, 2, 2][..]));
    assert_eq!(hb.1[1].to_string(), "[4, 6]");
}

#[test]
fn what_nobody_can_differentiate_is_not_recorded() {
    let f = |x: &V| (x * x).sum();
    let x = Tensor::constant([1.0, 2.0]);
    let (y, dy) = value_and_grad(f)(&x);
    assert!(!y.wants_grad() && !dy.wants_grad() && dy.parents().is_empty());
    assert!(!jvp(f, &x, &x).1.wants_grad() && !hvp(f, &x, &x).wants_grad() && !hessian(f)(&x).wants_grad());
    // By a leaf, or with one inside, it is: d²/dx dw of w·x² is 2x.
    let w = Tensor::new(3.0);
    let dy = grad(|x: &V| (&w * x * x).sum())(&x);
    assert_eq!(gradients(&dy.sum(), &[&w])[0].item(), 6.0);
    let x = Tensor::new([1.0, 2.0]);
    let dy = grad(f)(&x);
    assert_eq!(gradients(&dy.sum(), &[&x])[0].to_string(), "[2, 2]");
    assert_eq!(tangent(&jvp(f, &x, &number_like(&x)).1, &[(&x, &number_like(&x))]).item(), 4.0);
    // A tangent or cotangent that wants a gradient gets one.
    let (_, pull) = vjp(f, &Tensor::constant([1.0, 2.0]));
    let g = Tensor::new(1.0);
    assert_eq!(gradients(&pull(&g).sum(), &[&g])[0].item(), 6.0);
    // And no leaf's own gradient is touched.
    assert!(x.grad().is_none() && w.grad().is_none());
}

fn number_like(x: &V) -> V {
    Tensor::constant(Array::full(x.shape(), 1.0))
}

#[test]
fn functions_are_recorded_inside_no_grad_and_obey_it_inside() {
    let x = number(2.0);
    assert_eq!(no_grad(|| grad(grad(|x: &V| x.powi(3)))(&x)).item(), 12.0);
    let w = Tensor::new(2.0);
    assert!(!no_grad(|| value_and_grad(|x: &V| &w * x)(&w)).0.wants_grad(), "the value is a constant too");
    assert_eq!(grad(|x: &V| x * no_grad(|| x * x))(&x).item(), 4.0);
    assert_eq!(grad(|_: &V| number(1.0))(&x).item(), 0.0, "a constant function");
    assert_eq!(grad(|x: &V| x.clone())(&x).item(), 1.0, "the argument itself");
    assert_eq!(grad(|(x, y): &(V, V)| x * y)(&(x.clone(), x.clone())).0.item(), 2.0, "one tensor twice");
}

#[test]
fn transforms_name_what_is_wrong() {
    let x = Tensor::constant([1.0, 2.0]);
    let message = panic_of(|| drop(grad(|x: &V| x * x)(&x)));
    assert!(
        message.starts_with(
            "grad: the gradient of one number, and this is none (made at tests/suite/transforms.rs:"
        ),
        "{message}"
    );
    assert!(message.contains("[2]"), "{message}");
    let message = panic_of(|| drop(jvp(|x: &V| x * x, &x, &number(1.0))));
    assert!(
        message.starts_with("jvp: a tangent has the shape of its tensor, [2]: this one has []"),
        "{message}"
    );
    assert!(message.contains("at tests/suite/transforms.rs:"), "{message}");
    let message = panic_of(|| drop(vjp(|x: &V| x * x, &x).1(&number(1.0))));
    assert!(message.starts_with("vjp: a cotangent has the shape of its tensor, [2]"), "{message}");
    let pair = vec![number(1.0), number(2.0)];
    let product = |x: &Vec<V>| &x[0] * &x[1];
    let message = panic_of(|| drop(jvp(product, &pair, &pair[..1].to_vec())));
    assert!(message.starts_with("jvp: 2 tensors, and a tangent for 1 of them"), "{message}");
    let leaf = Tensor::new([1.0, 2.0]);
    let message = panic_of(|| drop(gradients(&leaf.sum(), &[&x])));
    assert!(message.starts_with("gradients: by a constant"), "{message}");
    assert!(message.contains("at tests/suite/transforms.rs:"), "{message}");
    let message = panic_of(|| leaf.hook(|g| g.sum()).sum().backward());
    assert!(message.starts_with("hook: it returned shape [] for a gradient of [2]"), "{message}");
    assert!(message.contains("at tests/suite/transforms.rs:"), "{message}");
    let message = panic_of(|| drop(no_grad(|| femtograd::Tape::new().watch(&x))));
    assert!(message.starts_with("watch: inside no_grad nothing is recorded"), "{message}");
    let message = panic_of(|| drop(hvp(|x: &V| (x * x).sum(), &x, &number(1.0))));
    assert!(message.starts_with("hvp: a direction has the shape"), "{message}");
}

/// Three layers, two of them the same weights, and one weight used again outside.
fn layers(w: &V, b: &V) -> impl Fn(&V) -> V + Clone + Send + Sync + 'static {
    let (w, b) = (w.clone(), b.clone());
    move |x| {
        let h = (x.matmul(&w) + &b).tanh();
        (h.matmul(&w) * &h + x).sin()
    }
}

#[test]
fn a_checkpoint_changes_no_bit() {
    let mut rng = Rng::new(9);
    let mut array = |shape: &[usize]| rng.normal_array::<f64>(shape);
    let (w, b, x) = (array(&[4, 4]), array(&[4]), array(&[3, 4]));
    let run = |kept: bool| {
        let (w, b, x) = (Tensor::new(&w), Tensor::new(&b), Tensor::new(&x));
        let before = x.exp().sin(); // the argument has a history
        let f = layers(&w, &b);
        let step = |h: &V| if kept { f(h) } else { checkpoint(f.clone())(h) };
        let y = step(&step(&before));
        let loss = (&y * &y + w.sum()).sum() + (before * 0.3).sum();
        loss.backward();
        let grads: Vec<_> = [&w, &b, &x].iter().map(|x| x.grad().unwrap().to_vec()).collect();
        let first = gradients(&loss, &[&w, &x]);
        let second = gradients(&first.iter().map(|g| (g * g).sum()).reduce(|a, b| a + b).unwrap(), &[&w, &x]);
        let along = Tensor::constant(Array::full(w.shape(), 0.5));
        let forward = tangent(&loss, &[(&w, &along)]).item();
        (loss.item(), grads, second.iter().flat_map(|g| g.data().to_vec()).collect::<Vec<_>>(), forward)
    };
    let (kept, again) = (run(true), run(false));
    assert_eq!(kept.0, again.0);
    assert_eq!(kept.1, again.1, "bit for bit");
    let scale = kept.2.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    close("second order", &again.2, &kept.2, 1e-12 * scale);
    close("forward", &[again.3], &[kept.3], 1e-12 * kept.3.abs());
}

#[test]
fn a_checkpoint_replays_random_numbers_and_notices_others() {
    let rng = Rng::new(4);
    let noisy = move |x: &V| {
        let mut rng = rng.clone();
        x * Tensor::constant(rng.normal_array::<f64>(x.shape()))
    };
    let x = Tensor::new([1.0, 2.0, 3.0]);
    let y = checkpoint(noisy.clone())(&x);
    y.sum().backward();
    let z = Tensor::new([1.0, 2.0, 3.0]);
    noisy(&z).sum().backward();
    assert_eq!(x.grad().unwrap(), z.grad().unwrap());

    let rng = std::sync::Mutex::new(Rng::new(4));
    let y = checkpoint(move |x: &V| x * rng.lock().unwrap().uniform())(&x);
    let message = panic_of(|| y.sum().backward());
    assert!(
        message.starts_with("checkpoint: run again for the derivative, the function gave another result"),
        "{message}"
    );
    assert_eq!(x.grad().unwrap(), z.grad().unwrap(), "as it was before the panic");
}

#[test]
fn checkpoints_nest_and_let_through_what_they_do_not_touch() {
    let x = Tensor::new([0.3, -0.2]);
    let inner = |x: &V| x.exp().sin();
    let outer = move |x: &V| checkpoint(inner)(&checkpoint(inner)(x));
    let y = checkpoint(outer)(&x).sum();
    let plain = inner(&inner(&x)).sum();
    let [a, b] = [&y, &plain].map(|y| gradients(y, &[&x]).remove(0));
    close("nested", &a.data().to_vec(), &b.data().to_vec(), 1e-15);
    y.backward();
    close("nested", &x.grad().unwrap().to_vec(), &b.data().to_vec(), 1e-15);
    // An argument that is not used, one given twice, and a result that is an argument.
    let (p, q) = (Tensor::new(2.0), Tensor::new(5.0));
    checkpoint(|(a, b, _): &(V, V, V)| a * b)(&(p.clone(), p.clone(), q.clone())).backward();
    assert_eq!((p.grad().unwrap().item(), q.grad().is_none()), (4.0, true));
    let twice = |x: &V| checkpoint(|(a, b): &(V, V)| a * b)(&(x.clone(), x.clone()));
    for mode in [Mode::Forward, Mode::Reverse] {
        assert_eq!(jacobian_by(mode, twice)(&number(3.0)).item(), 6.0, "{mode:?}");
    }
    assert_eq!(hessian(twice)(&number(3.0)).item(), 2.0);
    assert_eq!(checkpoint(|x: &V| x.clone())(&q).id(), q.id());
    assert!(!no_grad(|| checkpoint(|x: &V| x * x)(&q)).wants_grad());
    // Inside functions that are differentiated.
    let f = |x: &V| checkpoint(|x: &V| x.powi(3).sin())(x);
    let plain = |x: &V| x.powi(3).sin();
    close("grad", &[grad(grad(f))(&number(0.7)).item()], &[grad(grad(plain))(&number(0.7)).item()], 1e-12);
}

#[test]
fn custom_rules_and_hooks() {
    // Clipped to [−1, 1] on the way back.
    let clip = |x: &V| custom_gradient(|x| x[0].clone(), |_, _, g, _| g.maximum(-1.0).minimum(1.0), [x]);
    let x = Tensor::new([1.0, 2.0]);
    (clip(&x) * Tensor::constant([0.5, -30.0])).sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.5, -1.0]);
    // Two arguments, a rule of its own for each; forward mode is its transpose.
    let f = |a: &V, b: &V| {
        custom_gradient(
            |x| &x[0] * &x[1],
            |x, _, g, i| if i == 0 { g * &x[1] } else { g * &x[0] * 2.0 },
            [a, b],
        )
    };
    let (a, b) = (Tensor::new(3.0), Tensor::new([1.0, 4.0]));
    let y = f(&a, &b);
    let g = gradients(&y.sum(), &[&a, &b]);
    assert_eq!((g[0].item(), g[1].to_string()), (5.0, "[6, 6]".into()));
    let along = tangent(&y, &[(&a, &number(1.0)), (&b, &Tensor::constant([1.0, 0.0]))]);
    assert_eq!(along.to_string(), "[7, 4]");
    let second = gradients(&g[0], &[&b]).remove(0);
    assert_eq!(second.to_string(), "[1, 1]");

    // A hook sees the cotangent, may run a backward pass itself, and may change it.
    let seen = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
    let note = seen.clone();
    let x = Tensor::new(2.0);
    let h = (&x * &x).hook(move |g| {
        note.lock().unwrap().push(g.item());
        let inner = Tensor::new(1.0);
        (&inner * 7.0).backward();
        assert_eq!(inner.grad().unwrap().item(), 7.0);
        g * -1.0
    });
    (h * 3.0).backward();
    assert_eq!((x.grad().unwrap().item(), seen.lock().unwrap().clone()), (-12.0, vec![3.0]));
    // What a rule holds can be differentiated by, in nested functions too: d/dl d/dx (l·g) = 1.
    let by_rule = |l: &V| {
        let l = l.clone();
        grad(move |x: &V| {
            let l = l.clone();
            x.hook(move |g| g * &l)
        })(&number(2.0))
    };
    assert_eq!(grad(by_rule)(&number(3.0)).item(), 1.0);
    let in_checkpoint = |l: &V| {
        let l = l.clone();
        let f = checkpoint(move |x: &V| {
            let l = l.clone();
            x.hook(move |g| g * &l)
        });
        grad(f)(&number(2.0))
    };
    assert_eq!(grad(in_checkpoint)(&number(3.0)).item(), 1.0);
    // A panic in one leaves everything as it was.
    let h = x.hook(|_| panic!("{}", String::from("from the hook")));
    assert_eq!(panic_of(|| (h * &x).backward()), "from the hook");
    assert_eq!(x.grad().unwrap().item(), -12.0);
    assert!(femtograd::recording());
}

#[test]
fn the_strong_zero_is_counted_and_can_be_switched_off() {
    let trap = |x: &V| where_(x.gt(0.0), x.sqrt(), x).sum();
    let x = Tensor::new([-4.0, 4.0]);
    let y = trap(&x);
    // Reverse, recorded, forward: each counts the one use, and gives 1.
    let (g, uses) = count_strong_zeros(|| gradients(&y, &[&x]).remove(0));
    assert_eq!((g.data().to_vec(), uses.len(), uses[0].op, uses[0].count), (vec![1.0, 0.25], 1, "sqrt", 1));
    let along = Tensor::constant([1.0, 0.0]);
    let (dy, uses) = count_strong_zeros(|| tangent(&y, &[(&x, &along)]));
    assert!(
        dy.item() == 1.0 && uses.iter().all(|u| u.place.file() == "tests/suite/transforms.rs"),
        "{uses:?}"
    );
    // Inside each other, and past a panic.
    let ((_, inner), outer) = count_strong_zeros(|| {
        let inner = count_strong_zeros(|| gradients(&y, &[&x]));
        let panics = || drop(count_strong_zeros(|| -> () { panic!("{}", String::from("inside")) }));
        assert_eq!(panic_of(panics), "inside");
        gradients(&y, &[&x]);
        inner
    });
    assert_eq!((inner[0].count, outer[0].count), (1, 2));
    let ((), uses) = count_strong_zeros(|| y.backward());
    assert_eq!(uses.iter().map(|u| u.count).sum::<usize>(), 1);
    assert_eq!(x.grad().unwrap().to_vec(), [1.0, 0.25]);
    // Strict: NaN comes through in every mode; afterwards all is as before.
    let strict = femtograd::strict(|| gradients(&y, &[&x]).remove(0)).data().to_vec();
    assert!(strict[0].is_nan() && strict[1] == 0.25);
    assert!(femtograd::strict(|| tangent(&y, &[(&x, &number_like(&x))])).item().is_nan());
    x.zero_grad();
    femtograd::strict(|| y.backward());
    assert!(x.grad().unwrap().to_vec()[0].is_nan());
    assert_eq!(gradients(&y, &[&x])[0].data().to_vec(), [1.0, 0.25]);
    assert!(femtograd::strict(|| grad(trap)(&Tensor::constant([-4.0]))).item().is_nan());
    // Also with something bent behind it: where x > 0 the square of its root is x, elsewhere that of x is x².
    let bent = |x: &V| where_(x.gt(0.0), x.sqrt(), x).powi(2).sum();
    for mode in [Mode::Forward, Mode::Reverse] {
        let h = jacobian_by(mode, grad(bent))(&Tensor::constant([-4.0, 9.0])).data().to_vec();
        close("bent", &h, &[2.0, 0.0, 0.0, 0.0], 1e-15);
    }
    close(
        "bent",
        &hessian(bent)(&Tensor::constant([-4.0, 9.0])).data().to_vec(),
        &[2.0, 0.0, 0.0, 0.0],
        1e-15,
    );
    let norm = hessian(|x: &V| where_(x.gt(0.0), x.sqrt(), x).norm(2.0))(&Tensor::constant([-4.0, 9.0]));
    assert!(norm.data().to_vec().iter().all(|v| v.is_finite()), "{norm}");
    // Second order as well, whichever way.
    let second = -0.25 * 4f64.powf(-1.5);
    assert_eq!(hessian_diagonal(trap)(&x).data().to_vec(), [0.0, second]);
    assert_eq!(hvp(trap, &x, &number_like(&x)).data().to_vec(), [0.0, second]);
    assert_eq!(grad(|x: &V| jvp(trap, x, &number_like(x)).1)(&x).data().to_vec(), [0.0, second]);
    assert_eq!(jvp(|x: &V| jvp(trap, x, &number_like(x)).1, &x, &number_like(&x)).1.item(), second);
}
