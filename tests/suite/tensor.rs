//! What the core promises: recording, gradients, lifetimes, errors.

use femtograd::{Array, During, Error, Op, Tensor, begin, count_strong_zeros};
use femtograd::{grad, gradients, kernels, no_grad, recording, where_};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The message of the panic that `f` ends in.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast::<&str>().expect("a message").to_string(),
    }
}

#[test]
fn the_first_example() {
    let (a, b) = (Tensor::new(2.0), Tensor::new(3.0));
    let c = &a * &b + b.powi(2);
    c.backward();
    assert_eq!((c.item(), a.grad().unwrap().item(), b.grad().unwrap().item()), (15.0, 3.0, 8.0));
}

#[test]
fn tensors_cross_threads() {
    fn both<T: Send + Sync>() {}
    both::<Tensor<f32>>();
    both::<Tensor<f64>>();
    let x = Tensor::new(3.0);
    // Eight threads differentiate through one graph at once, all into the same leaf.
    let y = &x * &x * &x;
    std::thread::scope(|s| (0..8).for_each(|_| drop(s.spawn(|| y.backward()))));
    assert_eq!(x.grad().unwrap().item(), 8.0 * 27.0);
}

#[test]
fn operators_take_what_they_are_given() {
    let (x, y) = (Tensor::new(6.0), Tensor::new(3.0));
    let all = [
        (&x + &y, 9.0),
        (x.clone() + &y, 9.0),
        (&x + y.clone(), 9.0),
        (x.clone() + y.clone(), 9.0),
        (&x - 1.0, 5.0),
        (x.clone() - 1.0, 5.0),
        (1.0 - &x, -5.0),
        (1.0 - x.clone(), -5.0),
        (&x * 2.0, 12.0),
        (2.0 * &x, 12.0),
        (&x / 2.0, 3.0),
        (12.0 / &x, 2.0),
        (12.0 / x.clone(), 2.0),
        (-&x, -6.0),
        (-x.clone(), -6.0),
    ];
    for (got, want) in all {
        assert_eq!(got.item(), want);
    }
    let z: Tensor = Tensor::new(vec![1.0_f32, 2.0]);
    assert_eq!((2.0 * &z + 1.0).to_string(), "[3, 5]"); // f32, by type
    // In a function of references the body reads like the mathematics.
    fn f(a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
        a * b + b.powi(2)
    }
    assert_eq!(f(&x, &y).item(), 27.0);
}

#[test]
fn a_tensor_tells_what_it_knows() {
    let (a, b) = (Tensor::new(2.0).named("a"), Tensor::new([3.0, 4.0]));
    let line = line!() + 1;
    let c = (&a * &b).named("c");
    assert_eq!(c.shape(), [2]);
    assert_eq!(c.data(), &Array::from([6.0, 8.0]));
    assert_eq!(c.op().unwrap().name(), "mul");
    assert_eq!(c.parents().iter().map(Tensor::id).collect::<Vec<_>>(), [a.id(), b.id()]);
    assert_eq!((c.label().as_deref(), b.label()), (Some("c"), None));
    assert_eq!((c.location().line(), c.location().file()), (line, file!()));
    assert!(c.grad().is_none() && a.op().is_none() && a.parents().is_empty());
}

#[test]
fn every_way_to_make_a_tensor_notes_the_users_line() {
    let x = Tensor::new([[1.0, 2.0], [3.0, 4.0]]);
    let here = line!();
    let made = [
        &x + 1.0, // here + 2
        -&x,
        x.exp(),
        x.powf(0.5),
        x.maximum(0.0),
        x.sum(),
        x.mean_axes(0),
        x.max_keepdims(1),
        x.matmul(&x),
        x.t(),
        x.reshape(&[4]),
        x.slice(0, 0..1),
        x.gather_rows([1]),
        x.log_softmax(1),
        x.logsumexp(1),
        x.cross_entropy([0, 1]),
        x.mse(&x),
        where_(x.gt(1.0), &x, 0.0),
        femtograd::concat([&x, &x], 0),
        femtograd::stack([&x, &x], 0),
        x.detach(),
        x.gt(0.0),
    ];
    for (i, t) in made.iter().enumerate() {
        assert_eq!((t.location().file(), t.location().line()), (file!(), here + 2 + i as u32), "{t:?}");
        // Nodes inside a composed op, numbers among them, are the user's line too.
        for p in t.parents().iter().filter(|p| p.id() != x.id()) {
            assert_eq!(p.location().line(), here + 2 + i as u32, "{p:?} in {t:?}");
        }
    }
    // What a backward pass records belongs to the line it differentiates.
    let y = x.exp();
    let line = y.location();
    let g = gradients(&y.sum(), &[&x]).remove(0);
    assert_eq!(g.location(), line);
}

#[test]
fn backward_wants_one_number_or_a_cotangent() {
    let x = Tensor::new([1.0, 2.0]);
    let y = &x * &x;
    let message = panic_of(|| y.backward());
    assert!(
        message.contains("[2]") && message.contains("sum()") && message.contains("backward_with"),
        "{message}"
    );
    y.backward_with([1.0, 10.0]);
    assert_eq!(x.grad().unwrap().to_vec(), [2.0, 40.0]);
    assert!(panic_of(|| y.backward_with([1.0])).contains("[1]"));
    let one = Tensor::new([[3.0]]);
    (&one * &one).backward();
    assert_eq!(one.grad().unwrap(), Array::from([[6.0]]));
    let constant = Tensor::<f64>::constant(1.0) * 2.0;
    assert!(panic_of(|| constant.backward()).contains("no gradient is wanted"));
}

#[test]
fn leaves_accumulate_and_results_are_overwritten() {
    let x = Tensor::new(2.0);
    let h = &x * &x;
    let (y, z) = (&h * 3.0, &h * 5.0);
    y.backward();
    assert_eq!((x.grad().unwrap().item(), h.grad().unwrap().item()), (12.0, 3.0));
    y.backward(); // legal, and adds once more
    assert_eq!((x.grad().unwrap().item(), h.grad().unwrap().item()), (24.0, 3.0));
    z.backward(); // from another root: h's gradient is that of z alone
    assert_eq!((x.grad().unwrap().item(), h.grad().unwrap().item()), (44.0, 5.0));
    x.zero_grad();
    z.backward();
    assert_eq!(x.grad().unwrap().item(), 20.0);
    let leaf = Tensor::new(1.5);
    leaf.backward();
    assert_eq!(leaf.grad().unwrap().item(), 1.0);
}

#[test]
fn the_same_tensor_as_both_arguments() {
    let x = Tensor::new([3.0, 4.0]);
    (&x * &x).sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [6.0, 8.0]);
    let x = Tensor::new(3.0);
    (&x - &x).backward();
    assert_eq!(x.grad().unwrap().item(), 0.0);
}

#[test]
fn who_holds_a_tensor_can_read_its_gradient() {
    let x = Tensor::new([1.0, 2.0]);
    let held = &x * 2.0;
    let y = (&held * &held).exp().sum();
    y.backward();
    assert!(held.grad().is_some());
    let exp = &y.parents()[0].parents()[0]; // nobody held it, and it is not a single number
    assert!(exp.op().unwrap().name() == "exp" && exp.grad().is_none());
}

#[test]
fn constants_record_nothing() {
    let (c, x) = (Tensor::constant(2.0), Tensor::new(3.0));
    assert!((&c * &c).parents().is_empty());
    assert!((&c * &x).wants_grad() && !(&c + 1.0).wants_grad());
    let y = no_grad(|| &x * &x);
    assert!(!y.wants_grad() && y.parents().is_empty());
    let cut = (&x * &x).detach();
    assert!(!cut.wants_grad() && cut.parents().is_empty());
    (&cut * &x).backward();
    assert_eq!((x.grad().unwrap().item(), c.grad()), (9.0, None));
    // A panic inside leaves recording as it was, and so does nesting.
    assert!(catch_unwind(|| no_grad(|| panic!("inside"))).is_err());
    no_grad(|| no_grad(|| ()));
    assert!((&x * &x).wants_grad());
}

#[test]
fn updates_replace_the_leaf() {
    let mut w = Tensor::new(2.0).named("w");
    let before = &w * &w;
    w.set_data(10.0);
    assert_eq!((w.item(), w.label().as_deref(), w.wants_grad()), (10.0, Some("w"), true));
    before.backward(); // still a graph over 2.0, and right
    assert_eq!((before.parents()[0].grad().unwrap().item(), w.grad()), (4.0, None));
    assert!(panic_of(|| w.set_data([1.0, 2.0])).contains("set_data"));
}

/// The identity, which counts how many of it are alive and can be told to panic on the way back.
#[derive(Clone)]
struct Probe {
    alive: Arc<AtomicUsize>,
    fails: bool,
}
impl Probe {
    fn new(alive: &Arc<AtomicUsize>, fails: bool) -> Probe {
        alive.fetch_add(1, Ordering::Relaxed);
        Probe { alive: alive.clone(), fails }
    }
}
impl Drop for Probe {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
impl Op<f64> for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }
    fn forward(&self, x: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
        Ok(x[0].data().clone())
    }
    fn vjp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, g: &Tensor<f64>, _: usize) -> Tensor<f64> {
        assert!(!self.fails, "the probe fails");
        g.clone()
    }
    fn jvp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
        dx[0].clone().unwrap()
    }
}

#[test]
fn a_graph_nobody_holds_is_freed_at_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let x = Tensor::new([1.0, 2.0]);
    let y = Tensor::apply(Probe::new(&alive, false), [&x]);
    let z = (Tensor::apply(Probe::new(&alive, false), [&y * &y]) * &x).sum();
    z.backward();
    let first = gradients(&z, &[&x, &y]);
    let second = gradients(&first[0].sum(), &[&x]);
    assert_eq!(alive.load(Ordering::Relaxed), 2);
    drop((z, second, first));
    assert_eq!(alive.load(Ordering::Relaxed), 1);
    drop(y);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert!(x.grad().is_some());
}

#[test]
fn a_panic_on_the_way_back_leaves_gradients_as_they_were() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (x, w) = (Tensor::new(2.0), Tensor::new(5.0));
    (&x * &w).backward();
    let bad = Tensor::apply(Probe::new(&alive, true), [&x]) * &w;
    assert!(panic_of(|| bad.backward()).contains("the probe fails"));
    assert_eq!((x.grad().unwrap().item(), w.grad().unwrap().item()), (5.0, 2.0));
    (&x * &w).backward(); // and everything still works, recording included
    assert_eq!((x.grad().unwrap().item(), w.grad().unwrap().item()), (10.0, 4.0));
}

#[test]
#[cfg_attr(miri, ignore)] // a million nodes
fn a_graph_may_be_deeper_than_the_stack() {
    let small_stack = std::thread::Builder::new().stack_size(256 << 10);
    let work = small_stack.spawn(|| {
        let x = Tensor::new(1.0);
        let mut y = x.clone();
        for _ in 0..500_000 {
            y = y * 1.0 + 0.0;
        }
        y.backward();
        assert_eq!(x.grad().unwrap().item(), 1.0);
        drop(y);
        // A ladder of diamonds: 2¹⁰⁰⁰⁰⁰⁰ paths, each node visited once.
        let x = Tensor::new(1.0);
        let mut y = x.clone();
        for i in 0..1_000_000 {
            y = if i % 100_000 == 0 { &y * &y } else { (&y + &y) * 0.5 };
        }
        y.backward();
        assert_eq!(x.grad().unwrap().item(), 1024.0);
    });
    work.unwrap().join().unwrap();
}

#[test]
fn mistakes_name_op_shapes_labels_and_line() {
    let w = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).named("w");
    let x = Tensor::constant([1.0, 2.0]);
    let here = format!("{}:{}:", file!(), line!() + 1);
    let message = panic_of(|| drop(&w + &x));
    for part in ["add", "[2, 3]", "[2]", "\"w\"", &here] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    let try_all: [(&str, &dyn Fn()); 14] = [
        ("matmul", &|| drop(w.matmul(&x))),
        ("matmul", &|| drop(w.matmul(&Tensor::new(1.0)))),
        ("reshape", &|| drop(w.reshape(&[4]))),
        ("permute", &|| drop(w.permute(&[0, 0]))),
        ("transpose", &|| drop(x.t())),
        ("broadcast_to", &|| drop(w.broadcast_to(&[2, 4]))),
        ("sum_to", &|| drop(w.sum_to(&[7]))),
        ("slice", &|| drop(w.slice(0, 1..5))),
        ("slice", &|| drop(w.slice(2, ..))),
        ("concat", &|| drop(femtograd::concat([&w, &x], 0))),
        ("index_select", &|| drop(w.gather_rows([0, 2]))),
        ("sum", &|| drop(w.sum_axes([0, -2]))),
        ("max", &|| drop(w.max_axes(2))),
        ("cross_entropy", &|| drop(w.cross_entropy([0, 3]))),
    ];
    for (op, mistake) in try_all {
        let message = panic_of(mistake);
        assert!(message.starts_with(op), "{message}");
        assert!(message.contains("[2, 3]") || message.contains("[2]"), "{message}");
        assert!(message.contains(file!()), "{message}");
    }
    // The same as a value.
    let mistake = Tensor::try_apply(Probe2, [w, x]).unwrap_err();
    assert_eq!(
        (mistake.op(), mistake.to_string().lines().next().unwrap()),
        ("probe2", "probe2: it never fits")
    );
}

struct Probe2;
impl Op<f64> for Probe2 {
    fn name(&self) -> &'static str {
        "probe2"
    }
    fn forward(&self, _: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
        Err(Error("it never fits".into()))
    }
    fn vjp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, g: &Tensor<f64>, _: usize) -> Tensor<f64> {
        g.clone()
    }
    fn jvp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
        dx[0].clone().unwrap()
    }
}

#[test]
fn the_strong_zero() {
    let x = Tensor::new([-4.0, 4.0]);
    let y = where_(x.gt(0.0), x.sqrt(), &x).sum();
    y.backward();
    assert_eq!(x.grad().unwrap().to_vec(), [1.0, 0.25]);
    let first = gradients(&y, &[&x]).remove(0);
    assert_eq!(first.data().to_vec(), [1.0, 0.25]);
    let second = gradients(&first.sum(), &[&x]).remove(0);
    assert_eq!(second.data().to_vec(), [0.0, -0.03125]);
    let v = Tensor::new([0.0, 0.0]);
    let norm = (&v * &v).sum().sqrt();
    norm.backward();
    assert_eq!(v.grad().unwrap().to_vec(), [0.0, 0.0]);
    // Forward mode agrees, and a NaN cotangent stays one.
    let along = Tensor::constant([1.0, 1.0]);
    assert_eq!(femtograd::tangent(&norm, &[(&v, &along)]).item(), 0.0);
    v.zero_grad();
    norm.backward_with(f64::NAN);
    assert!(v.grad().unwrap().to_vec().iter().all(|g| g.is_nan()));
}

#[test]
fn equal_spellings_have_equal_gradients() {
    let at = |f: &dyn Fn(&Tensor<f64>) -> Tensor<f64>, v: f64| {
        let x = Tensor::new(v);
        f(&x).backward();
        x.grad().unwrap().item()
    };
    for v in [-1.0, -0.0, 0.0, 1.0] {
        let want = if v > 0.0 { 1.0 } else { 0.0 };
        assert_eq!(at(&|x| x.relu(), v), want);
        assert_eq!(at(&|x| x.maximum(0.0), v), want);
        assert_eq!(at(&|x| where_(x.gt(0.0), x, 0.0), v), want);
    }
}

#[test]
fn integer_powers_are_repeated_multiplication() {
    let x = Tensor::new([-1.7, 0.3, 2.1]);
    let mut product = x.clone();
    for n in 2..20 {
        product = &product * &x;
        assert_eq!(x.powi(n).data(), product.data());
        assert_eq!(x.powf(n as f64).data(), product.data());
    }
    assert_eq!(x.powi(0).to_string(), "[1, 1, 1]");
    assert!((Tensor::<f64>::new(-2.0).pow(Tensor::new(2.0)).item() - 4.0).abs() < 1e-12);
}

#[test]
fn slices_cost_what_they_hold() {
    // Every element sliced out on its own: the gradient is added in place, and nothing is as large as x twice over.
    let n = if cfg!(miri) { 20 } else { 20_000 };
    let x = Tensor::new(vec![1.0; n]);
    let parts: Vec<_> = (0..n).map(|i| x.slice(0, i..i + 1)).collect();
    let y = femtograd::concat(&parts, 0).sum();
    y.backward();
    assert_eq!(x.grad().unwrap(), Array::full(&[n], 1.0));
}

#[test]
#[cfg_attr(miri, ignore)] // ten million numbers
fn sums_are_accurate() {
    let ones = Array::full(&[10_000_000], 1.0_f32);
    assert_eq!(kernels::sum(&ones, &[0]).unwrap().item(), 1e7);
}

#[test]
#[cfg_attr(miri, ignore)] // a hundred thousand nodes
fn squares_of_squares_are_dropped_without_recursion() {
    let work = std::thread::Builder::new().stack_size(256 << 10).spawn(|| {
        let x = Tensor::new(1.0);
        let y = (0..100_000).fold(x.clone(), |y, _| &y * &y); // both parents are one node
        y.backward();
        drop(y);
    });
    work.unwrap().join().unwrap();
}

/// `u` where `u = x²` is negative, `u²` elsewhere: a comparison of something computed, slopes left out.
#[derive(Clone, Copy)]
struct Piecewise;
impl femtograd::Rule<1> for Piecewise {
    const NAME: &'static str = "piecewise";
    #[inline(always)]
    fn value<V: femtograd::num::Num>(&self, [x]: [V; 1]) -> V {
        let u = x * x;
        V::select(u.lt(V::lit(0.0)), u, u * u.abs())
    }
}

#[test]
fn what_a_rule_compares_stays_differentiable() {
    use femtograd::Rule;
    let x = Tensor::new(2.0);
    let y = Piecewise.on([&x]); // x⁴
    let dy = gradients(&y, &[&x]).remove(0);
    let ddy = gradients(&dy, &[&x]).remove(0);
    let dddy = gradients(&ddy, &[&x]).remove(0);
    assert_eq!((dy.item(), ddy.item(), dddy.item()), (32.0, 48.0, 48.0));
}

#[test]
fn the_strong_zero_holds_in_maxima_and_sums_of_exponentials() {
    let x = Tensor::new([0.0, -1.0]);
    x.max().sqrt().backward(); // slope ∞ at the maximum, and 0 at what is not the maximum
    assert_eq!(x.grad().unwrap().to_vec(), [f64::INFINITY, 0.0]);
    for bad in [f64::NAN, f64::INFINITY] {
        let x = Tensor::new([bad, -1.0]);
        where_(0.0, x.max(), 1.0).backward();
        where_(0.0, x.logsumexp(0), 1.0).backward();
        assert_eq!(x.grad().unwrap().to_vec(), [0.0, 0.0]);
    }
}

#[test]
fn a_transform_by_a_constant_is_a_mistake() {
    let (x, w) = (Tensor::constant(2.0).named("x"), Tensor::new(3.0));
    let y = &x * &w;
    let one = Tensor::constant(1.0);
    assert!(panic_of(|| drop(gradients(&y, &[&w, &x]))).contains("\"x\""));
    assert!(panic_of(|| drop(femtograd::tangent(&y, &[(&x, &one)]))).contains("constant"));
    assert_eq!(gradients(&y, &[&Tensor::new(7.0)])[0].item(), 0.0); // not a constant, and not in y
    // Movements add up: the same tensor named twice, and an intermediate on top of what it is computed from.
    let h = &w * 2.0;
    let z = &h * 5.0;
    assert_eq!(femtograd::tangent(&z, &[(&w, &one), (&w, &one)]).item(), 20.0);
    assert_eq!(femtograd::tangent(&z, &[(&w, &one), (&h, &one)]).item(), 15.0);
}

#[test]
fn odd_arguments_are_met_with_a_sentence() {
    let x = Tensor::new([1.0, 2.0, 3.0]).named("x");
    let odd: [(&str, &dyn Fn()); 9] = [
        ("slice", &|| drop(x.slice(0, std::ops::Range { start: 3, end: 1 }))),
        ("slice", &|| drop(x.slice(0, ..=usize::MAX))),
        ("slice", &|| drop(x.slice(1, ..))),
        ("matmul", &|| drop(x.matmul(&Tensor::new([[1.0], [2.0]])))),
        ("transpose", &|| drop(x.t())),
        ("reshape", &|| drop(x.reshape(&[1 << 32, 1 << 32]))),
        ("broadcast_to", &|| drop(x.sum().broadcast_to(&[1 << 32, 1 << 32]))),
        ("stack", &|| drop(femtograd::stack([&x, &x.slice(0, 1..)], 0))),
        ("mse", &|| drop(x.mse(x.reshape(&[3, 1])))),
    ];
    for (op, mistake) in odd {
        let message = panic_of(mistake);
        assert!(message.starts_with(&format!("{op}: ")) && message.contains('['), "{message}");
    }
    assert!(panic_of(|| drop(Array::<f64>::full(&[1 << 61], 1.0))).contains("memory"));
}

#[test]
fn values_at_the_ends() {
    assert_eq!(Tensor::new(f64::NEG_INFINITY).gelu().item(), 0.0);
    assert_eq!(Tensor::new(vec![1.0; 49]).mean().item(), 1.0);
    let x = Tensor::new([0.3, -1.7]);
    assert_eq!(x.pow(3.0).data(), (&x * &x * &x).data());
}

#[test]
fn an_optimiser_checks_before_it_changes() {
    use femtograd::optim::Adam;
    let (mut a, mut b) = (Tensor::new(1.0).named("a"), Tensor::new(2.0).named("b"));
    let mut adam = Adam::new(0.1);
    (&a * &a).backward();
    assert!(panic_of(|| adam.step([&mut a, &mut b])).contains("\"b\""));
    assert_eq!(a.item(), 1.0);
    (&a * &b).backward();
    adam.step([&mut a, &mut b]);
    (&a * &a).backward();
    assert!(panic_of(|| adam.step([&mut a])).contains("first step"));
}

#[test]
fn an_optimiser_may_leave_out_what_has_no_gradient() {
    use femtograd::optim::{Adam, Sgd};
    let parameters = || [Tensor::new(1.0).named("reached"), Tensor::new(1.0).named("frozen")];
    let message = panic_of(|| {
        let mut p = parameters();
        (&p[0] * 3.0).backward();
        Sgd::new(0.1).step(&mut p);
    });
    assert!(message.contains("frozen"), "{message}");

    let mut p = parameters();
    (&p[0] * 3.0).backward();
    Sgd { allow_missing: true, ..Sgd::new(0.1) }.step(&mut p);
    assert_eq!(p.each_ref().map(Tensor::item), [0.7, 1.0]);

    // Whenever its first gradient comes, the first step of Adam is one of size `lr`.
    let mut p = parameters();
    let mut adam = Adam::new(0.1);
    adam.allow_missing = true;
    for step in 1..=3 {
        (&p[0] * 3.0).backward();
        if step == 3 {
            (&p[1] * 3.0).backward();
        }
        adam.step(&mut p);
        let left: f64 = if step < 3 { 1.0 } else { 0.9 };
        assert!((p[1].item() - left).abs() < 1e-8 && (p[0].item() - 1.0 + 0.1 * step as f64).abs() < 1e-8);
    }
}

#[test]
fn an_optimiser_updates_in_place_what_nobody_else_holds() {
    use femtograd::optim::{Adam, Sgd};
    let (mut adam, mut sgd) = (Adam::new(0.1), Sgd::new(0.1));
    let (mut by_adam, mut by_sgd) =
        (|w: &mut Tensor<f64>| adam.step([w]), |w: &mut Tensor<f64>| sgd.step([w]));
    type Step<'a> = &'a mut dyn FnMut(&mut Tensor<f64>);
    let steps: [Step; 2] = [&mut by_adam, &mut by_sgd];
    let place = |w: &Tensor<f64>| w.data().as_slice().unwrap().as_ptr();
    for step in steps {
        let mut w = Tensor::new([1.0, 2.0, 3.0]).named("w");
        let alone = place(&w);
        (&w * &w).sum().backward();
        step(&mut w);
        assert_eq!(place(&w), alone);
        assert_eq!((w.label().as_deref(), w.grad()), (Some("w"), None));

        // A graph, another handle or a view keeps its numbers.
        let (square, numbers) = (&w * &w, w.data().clone());
        let graph = square.sum();
        graph.backward();
        let before = w.data().to_vec();
        step(&mut w);
        assert!(w.data().to_vec() != before && numbers.to_vec() == before);
        let recorded = square.parents()[0].clone();
        assert_eq!(recorded.data().to_vec(), before);
        assert_eq!(gradients(&graph, &[&recorded])[0].data(), &(Array::scalar(2.0) * numbers));
    }
    // One parameter in two places is the same in both after a step.
    let (mut a, mut sgd) = (Tensor::new([1.0, 2.0]), Sgd::new(0.5));
    let mut b = a.clone();
    (&a * &b).sum().backward();
    sgd.step([&mut a, &mut b]);
    assert_eq!((a.data().to_vec(), b.data().to_vec()), (vec![0.0, 0.0], vec![0.0, 0.0]));
}

#[test]
fn linear_names_the_shapes_it_refuses() {
    let (x, w, b) = (Tensor::new([[1.0, 2.0]]), Tensor::new([[1.0], [2.0], [3.0]]), Tensor::new([1.0]));
    let message = panic_of(|| drop(x.linear(&w, &b)));
    assert!(message.contains("linear") && message.contains("[3, 1]"), "{message}");
}

/// Whether what is computed now is recorded.
fn records() -> bool {
    let x: Tensor<f64> = Tensor::new(2.0);
    let recorded = (&x * &x).wants_grad();
    assert_eq!(recorded, recording());
    recorded
}

#[test]
fn periods_end_in_any_order() {
    let (a, b) = (begin(During::NoGrad), begin(During::NoGrad));
    assert!(!records());
    drop(a);
    assert!(!records(), "the other one goes on");
    drop(b);
    assert!(records());

    // Begun inside of a closure, ended outside, and the other way round.
    let inner = no_grad(|| begin(During::NoGrad));
    assert!(!records());
    no_grad(|| drop(inner));
    assert!(records());

    // Ended by another thread; that one was never concerned.
    let period = begin(During::NoGrad);
    std::thread::spawn(move || {
        assert!(records());
        drop(period);
    })
    .join()
    .unwrap();
    assert!(records());
}

#[test]
fn derivatives_are_recorded_during_a_period() {
    let period = begin(During::NoGrad);
    let second = grad(grad(|x: &Tensor<f64>| x.powi(3)))(&Tensor::constant(2.0));
    assert_eq!(second.item(), 12.0);
    let slope = grad(|x: &Tensor<f64>| {
        assert!(records());
        let within = begin(During::NoGrad);
        let cut = x * 2.0;
        assert!(!cut.wants_grad());
        drop(within);
        x * 3.0 + cut
    });
    assert_eq!(slope(&Tensor::constant(1.0)).item(), 3.0);
    drop(period);
    // One that goes on after the function it began in.
    let left = std::cell::Cell::new(None);
    let y = grad(|x: &Tensor<f64>| {
        let y = x * x;
        left.set(Some(begin(During::NoGrad)));
        y
    })(&Tensor::constant(3.0));
    assert_eq!((y.item(), records()), (6.0, false));
    drop(left);
    assert!(records());
}

#[test]
fn products_during_periods() {
    let x: Tensor<f64> = Tensor::new([-4.0, 4.0, -1.0]);
    let y = where_(x.gt(0.0), x.sqrt(), &x).sum();
    let slope = || gradients(&y, &[&x])[0].data().to_vec()[0];
    let counting = begin(During::Counting);
    assert_eq!(slope(), 1.0);
    let strict = begin(During::Strict);
    assert!(slope().is_nan());
    // A closure has the last word; what it counts is counted outside too once nothing else holds there.
    let (value, uses) = count_strong_zeros(slope);
    assert_eq!((value, uses.len(), uses[0].count), (1.0, 1, 2));
    drop(strict);
    count_strong_zeros(slope);
    let uses = counting.strong_zeros();
    assert_eq!((uses.len(), uses[0].op, uses[0].count), (1, "sqrt", 4));
    drop(counting);
    assert_eq!(slope(), 1.0);
}
