//! Rearrangements, contractions and linear algebra: their values, against plain loops or by hand, and what they refuse.
//! (Their derivatives are in the table.)

#![cfg(not(miri))] // minutes: the table has a test for Miri

use femtograd::random::Rng;
use femtograd::{Array, Padding, Tensor, Triangle, einsum, gradients};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `0, 1, 2, …` under this shape.
fn count(shape: &[usize]) -> Tensor<f64> {
    Tensor::new(Array::from_fn(shape, |i| i as f64))
}

/// The first line of the panic that `f` ends in.
fn refusal(f: impl FnOnce() -> Tensor<f64>) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should panic");
    let message = payload.downcast::<String>().expect("a mistake");
    message.lines().next().expect("a line").into()
}

#[track_caller]
fn assert_prints(y: &Tensor<f64>, want: &str) {
    assert_eq!(y.to_string(), want);
}

#[test]
fn steps_are_pythons() {
    // What Python's `range(n)[start:stop:step]` is, by its documentation: the places start + i·step that lie inside and
    // before the stop, after both ends were counted from the last if negative and cut to the axis.
    fn python(n: isize, start: Option<isize>, stop: Option<isize>, step: isize) -> Vec<f64> {
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let cut = |i: isize| (if i < 0 { i + n } else { i }).max(low).min(high);
        let mut i = start.map_or(if step > 0 { low } else { high }, cut);
        let stop = stop.map_or(if step > 0 { high } else { low }, cut);
        let mut list = vec![];
        while if step > 0 { i < stop } else { i > stop } {
            list.push(i as f64);
            i += step;
        }
        list
    }
    for n in 0..5 {
        let x = count(&[n as usize]);
        let ends: Vec<Option<isize>> = (-7..=7).map(Some).chain([None]).collect();
        for &start in &ends {
            for &stop in &ends {
                for step in [-9, -3, -2, -1, 1, 2, 3, 9] {
                    let got = x.slice_step(0, start, stop, step).data().to_vec();
                    assert_eq!(got, python(n, start, stop, step), "{n}: {start:?}:{stop:?}:{step}");
                }
            }
        }
    }
    let x = count(&[5]);
    assert_prints(&x.slice_step(0, isize::MIN, None, isize::MAX), "[0]");
    assert_prints(&x.slice_step(0, None, isize::MAX, 4), "[0, 4]");
    assert_prints(&x.slice_step(0, None, None, isize::MIN), "[4]");
    assert!(refusal(|| x.slice_step(0, None, None, 0)).starts_with("slice_step: a step of 0"));
}

#[test]
fn parts_make_up_the_axis() {
    let sizes = |parts: Vec<Tensor<f64>>| parts.iter().map(|x| x.shape()[0]).collect::<Vec<_>>();
    let x = count(&[7]);
    assert_eq!(sizes(x.split(3, 0)), [3, 3, 1]);
    assert_eq!(sizes(x.split(9, 0)), [7]);
    assert_eq!(sizes(x.split_sizes(&[0, 5, 2], 0)), [0, 5, 2]);
    assert_eq!(sizes(x.chunk(3, 0)), [3, 3, 1]);
    assert_eq!(sizes(x.chunk(5, 0)), [2, 2, 2, 1]); // two each make up the axis sooner
    assert_eq!(sizes(count(&[0]).split(3, 0)), [0]);
    assert_eq!(sizes(count(&[0]).chunk(3, 0)), [0]);
    assert_prints(&x.split(3, -1)[1], "[3, 4, 5]");
    let why = refusal(|| x.split_sizes(&[3, 3], 0).remove(0));
    assert_eq!(why, "split_sizes: parts of [3, 3] elements, 6 in all, do not make up axis 0 of 7");
    assert!(refusal(|| x.split_sizes(&[usize::MAX, 8], 0).remove(0)).contains("do not make up"));
    assert!(refusal(|| x.split(0, 0).remove(0)).starts_with("split: "));
    assert!(refusal(|| x.chunk(0, 0).remove(0)).starts_with("chunk: "));
}

#[test]
fn elements_turn_and_repeat() {
    let x = count(&[2, 3]);
    assert_prints(&x.flip(1), "[[2, 1, 0], [5, 4, 3]]");
    assert_prints(&x.flip([0, -1]), "[[5, 4, 3], [2, 1, 0]]");
    assert_prints(&x.roll(1, 1), "[[2, 0, 1], [5, 3, 4]]");
    assert_prints(&x.roll(-1, 1), "[[1, 2, 0], [4, 5, 3]]");
    assert_prints(&x.roll(-7, 1), "[[1, 2, 0], [4, 5, 3]]");
    assert_prints(&x.roll(isize::MIN, 0), "[[0, 1, 2], [3, 4, 5]]");
    assert_prints(&x.repeat(2, 0), "[[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]");
    assert_prints(&x.repeat(2, -1), "[[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]");
    assert_eq!(x.repeat(0, 0).shape(), [0, 3]);
    assert_prints(&x.tile(&[2]), "[[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]]");
    assert_prints(&x.tile(&[2, 1]), "[[0, 1, 2], [3, 4, 5], [0, 1, 2], [3, 4, 5]]");
    assert_eq!(x.tile(&[2, 0, 2]).shape(), [2, 0, 6]);
    assert_prints(&count(&[]).tile(&[2, 1]), "[[0], [0]]");
    assert_eq!(x.moveaxis(0, -1).data(), x.t().data());
    assert_eq!(count(&[2, 3, 4]).moveaxis(-1, 0).shape(), [4, 2, 3]);
    assert_eq!(count(&[2, 3, 4]).moveaxis(0, 1).shape(), [3, 2, 4]);
    assert_eq!(count(&[2, 3, 4]).flatten(0, 1).shape(), [6, 4]);
    assert_eq!(x.unsqueeze(-1).shape(), [2, 3, 1]);
    assert_eq!(x.unsqueeze(1).squeeze(1).shape(), [2, 3]);
    let no: [isize; 0] = [];
    assert_eq!(count(&[1, 3]).squeeze(no).shape(), [1, 3]);
    assert_eq!(refusal(|| x.squeeze(-1)), "squeeze: axis 1 has length 3, not 1");
    assert!(refusal(|| x.unsqueeze(3)).starts_with("unsqueeze: there is no axis 3 among 3 of the result"));
    assert_eq!(refusal(|| x.flatten(1, 0)), "flatten: axis 1 comes after axis 0");
}

#[test]
fn padding_goes_on_as_pictured() {
    let x = Tensor::new([1.0, 2.0, 3.0]);
    assert_prints(&x.pad(&[(2, 2)], Padding::Constant(9.0)), "[9, 9, 1, 2, 3, 9, 9]");
    assert_prints(&x.pad(&[(2, 2)], Padding::Reflect), "[3, 2, 1, 2, 3, 2, 1]");
    assert_prints(&x.pad(&[(2, 2)], Padding::Replicate), "[1, 1, 1, 2, 3, 3, 3]");
    assert_prints(&x.pad(&[(2, 2)], Padding::Circular), "[2, 3, 1, 2, 3, 1, 2]");
    let corner = count(&[2, 2]).pad(&[(1, 0), (1, 0)], Padding::Reflect);
    assert_prints(&corner, "[[3, 2, 3], [1, 0, 1], [3, 2, 3]]");
    let infinite = Tensor::new([f64::INFINITY]).pad(&[(1, 0)], Padding::Constant(0.0));
    assert_prints(&infinite, "[0, inf]");
    assert_eq!(count(&[2, 0]).pad(&[(0, 0), (1, 1)], Padding::Constant(1.0)).data(), &Array::ones(&[2, 2]));
    let why = refusal(|| x.pad(&[(3, 0)], Padding::Reflect));
    assert_eq!(why, "pad: Reflect fills at most 2 on a side of axis 0, not 3 and 0");
    assert!(refusal(|| x.pad(&[(0, 4)], Padding::Circular)).contains("at most 3"));
    assert!(refusal(|| count(&[0]).pad(&[(1, 0)], Padding::Replicate)).contains("at most 0"));
    assert!(refusal(|| x.pad(&[], Padding::Reflect)).starts_with("pad: 0 pairs of widths"));
}

#[test]
fn diagonals_and_triangles() {
    for (m, n) in [(0, 0), (0, 2), (1, 1), (2, 3), (3, 2), (3, 3)] {
        let x = count(&[m, n]) + 1.0;
        for k in (-4..=4).chain([isize::MIN, isize::MAX]) {
            let places = (0..m).flat_map(|i| (0..n).map(move |j| (i, j)));
            let on = |(i, j): &(usize, usize)| (*j as isize).checked_sub(*i as isize) == Some(k);
            let want: Vec<f64> = places.clone().filter(on).map(|(i, j)| x.data().at(&[i, j])).collect();
            assert_eq!(x.diag(k).data().to_vec(), want, "diagonal {k} of {m} × {n}");
            let kept = |keep: fn(isize, isize) -> bool| {
                let value =
                    |(i, j)| if keep(j as isize - i as isize, k) { x.data().at(&[i, j]) } else { 0.0 };
                places.clone().map(value).collect::<Vec<_>>()
            };
            assert_eq!(x.tril(k).data().to_vec(), kept(|d, k| d <= k), "tril {k} of {m} × {n}");
            assert_eq!(x.triu(k).data().to_vec(), kept(|d, k| d >= k), "triu {k} of {m} × {n}");
        }
        let trace: f64 = (0..m.min(n)).map(|i| x.data().at(&[i, i])).sum();
        assert_eq!(x.trace().item(), trace, "trace of {m} × {n}");
    }
    for k in -3..=3 {
        let y = count(&[2, 2]).diag_embed(k);
        assert_eq!(y.shape(), [2, 2 + k.unsigned_abs(), 2 + k.unsigned_abs()]);
        assert_eq!(y.diagonal(k, -2, -1).data(), count(&[2, 2]).data());
        assert_eq!(y.sum().item(), 6.0);
    }
    assert_eq!(count(&[0]).diag(2).data(), &Array::zeros(&[2, 2]));
    let x = count(&[2, 3, 2]);
    assert_prints(&x.diagonal(0, 0, 2), "[[0, 7], [2, 9], [4, 11]]");
    assert_prints(&x.diagonal(1, 2, 1), "[[2, 5], [8, 11]]");
    // A mask multiplied would make NaN of these.
    let wild = Tensor::new([[1.0, f64::NAN], [f64::INFINITY, 2.0]]);
    assert_prints(&wild.triu(0).tril(0), "[[1, 0], [0, 2]]");
    wild.tril(0).triu(0).sum().backward();
    assert_eq!(wild.grad().unwrap(), Array::eye(2));
    assert_eq!(refusal(|| x.diagonal(0, 1, -2)), "diagonal: axis 1 has no diagonal with itself");
    assert!(refusal(|| x.diag(0)).starts_with("diag: only a vector or a matrix"));
    assert!(refusal(|| count(&[3]).trace()).starts_with("trace: there is no axis -2"));
    assert!(refusal(|| count(&[3]).tril(0)).starts_with("tril: a matrix is needed"));
    assert!(refusal(|| count(&[]).diag_embed(0)).starts_with("diag_embed: "));
}

#[test]
fn arrays_of_known_numbers() {
    assert_eq!(Array::eye(2), Array::from([[1.0, 0.0], [0.0, 1.0]]));
    assert_eq!(Array::<f32>::eye(0).shape(), [0, 0]);
    assert_eq!(Array::<f64>::zeros(&[2, 0]).shape(), [2, 0]);
    assert_eq!(Array::arange(1.0, 2.0, 0.3).len(), 4);
    assert_eq!(Array::<f64>::arange(1.0, 0.0, 1.0).len(), 0);
    assert_eq!(Array::linspace(0.0, 1.0, 11).to_vec(), (0..11).map(|i| i as f64 / 10.0).collect::<Vec<_>>());
    assert_eq!(Array::linspace(3.0, 5.0, 1).to_vec(), [3.0]);
    assert_eq!(Array::<f64>::linspace(3.0, 5.0, 0).len(), 0);
    assert!(catch_unwind(|| Array::arange(0.0, 1.0, 0.0)).is_err());
}

/// By the definition: over all values of all letters.
fn naive(equation: &str, operands: &[&Tensor<f64>]) -> Array<f64> {
    let (left, right) = equation.split_once("->").expect("an arrow");
    let terms: Vec<&str> = left.split(',').collect();
    let mut letters: Vec<(char, usize)> = vec![];
    for (term, x) in terms.iter().zip(operands) {
        for (c, &n) in term.chars().zip(x.shape()) {
            if letters.iter().all(|(other, _)| *other != c) {
                letters.push((c, n));
            }
        }
    }
    let shape: Vec<usize> =
        right.chars().map(|c| letters.iter().find(|(other, _)| *other == c).expect("a letter").1).collect();
    let mut y = Array::zeros(&shape);
    for mut rest in 0..letters.iter().map(|(_, n)| n).product() {
        let mut value = std::collections::HashMap::new();
        for (c, n) in &letters {
            value.insert(*c, rest % n);
            rest /= n;
        }
        let index = |term: &str| term.chars().map(|c| value[&c]).collect::<Vec<_>>();
        let product: f64 = terms.iter().zip(operands).map(|(term, x)| x.data().at(&index(term))).product();
        let place = index(right).iter().zip(&shape).fold(0, |place, (i, n)| place * n + i);
        y.as_mut_slice()[place] += product;
    }
    y
}

#[test]
fn einsum_is_the_sum_it_says() {
    let mut rng = Rng::new(5);
    for round in 0..2000 {
        let least = (round % 10 > 0) as usize; // now and then an axis of none
        let size: Vec<usize> = (0..5).map(|_| least + rng.below(3)).collect();
        let (mut terms, mut operands) = (vec![], vec![]);
        for _ in 0..1 + rng.below(4) {
            let letters: Vec<usize> = (0..rng.below(4)).map(|_| rng.below(5)).collect();
            let shape: Vec<usize> = letters.iter().map(|&c| size[c]).collect();
            // Small whole numbers: every order of summation gives the same.
            operands.push(Tensor::new(Array::from_fn(&shape, |_| rng.below(5) as f64 - 2.0)));
            terms.push(letters.iter().map(|&c| "abcde".as_bytes()[c] as char).collect::<String>());
        }
        let mut output = String::new();
        for i in rng.permutation(5) {
            let c = "abcde".as_bytes()[i] as char;
            if rng.uniform() < 0.5 && terms.iter().any(|term| term.contains(c)) {
                output.push(c);
            }
        }
        let equation = format!("{}->{output}", terms.join(","));
        let operands: Vec<&Tensor<f64>> = operands.iter().collect();
        assert_eq!(einsum(&equation, &operands).data(), &naive(&equation, &operands), "{equation}");
    }
}

#[test]
fn einsum_reads_equations_as_numpy_does() {
    let (x, b) = (count(&[2, 3]), count(&[4, 2, 3]));
    // Without an arrow: the letters that occur once, in alphabetical order, capitals first.
    for (short, long) in [("ba", "ba->ab"), ("aB", "aB->Ba"), (" i j ", "ij->ij"), ("ij,kj", "ij,kj->ik")] {
        let operands = if short.contains(',') { vec![&x, &x] } else { vec![&x] };
        assert_eq!(einsum(short, &operands).data(), &naive(long, &operands), "{short}");
    }
    for (dots, letters) in [
        ("...i,ji->...j", "abi,ji->abj"),
        ("...,...->...", "abc,bc->abc"),
        ("i...,...->...i", "ibc,bc->bci"),
        ("...ij,ij...->...", "aij,ij->a"),
        ("...", "abc->abc"),
        ("k...", "kbc->bck"),
    ] {
        let operands = if dots.contains(',') { vec![&b, &x] } else { vec![&b] };
        assert_eq!(einsum(dots, &operands).data(), &naive(letters, &operands), "{dots}");
    }
    // An ellipsis broadcasts.
    let (row, column) = (count(&[1, 3]), count(&[2, 1]));
    assert_eq!(einsum("...,...", &[&row, &column]).data(), (&row * &column).data());
    assert_eq!(einsum("...,...,...->...", &[&row, &column, &b]).data(), (&row * &column * &b).data());
    assert_eq!(einsum("", &[&count(&[])]).item(), 0.0);

    let why = |equation: &str, operands: &[&Tensor<f64>]| refusal(|| einsum(equation, operands));
    assert_eq!(why("ij,jk", &[&x]), r#"einsum: "ij,jk": it is about 2 operands, 1 are given"#);
    assert_eq!(why("ij,jk", &[&x, &x]), r#"einsum: "ij,jk": 'j' has length 3, but 2 in operand 1"#);
    assert_eq!(why("ii", &[&x]), r#"einsum: "ii": 'i' has length 2, but 3 in operand 0"#);
    assert_eq!(why("ij,i", &[&x, &count(&[1])]), r#"einsum: "ij,i": 'i' has length 2, but 1 in operand 1"#);
    assert_eq!(why("i", &[&x]), r#"einsum: "i": "i" does not name the 2 axes of operand 0"#);
    assert_eq!(why("...ijk", &[&x]), r#"einsum: "...ijk": "...ijk" does not name the 2 axes of operand 0"#);
    assert_eq!(why("ij->ii", &[&x]), r#"einsum: "ij->ii": 'i' stands twice after the arrow"#);
    assert_eq!(why("ij->k", &[&x]), r#"einsum: "ij->k": 'k' stands after the arrow, but in no operand"#);
    assert_eq!(why("...i->i", &[&x]), r#"einsum: "...i->i": ... stands before the arrow, but not after it"#);
    assert!(why("i1", &[&x]).contains("'1' in \"i1\" is neither a letter"));
    assert!(why("......", &[&x]).contains("neither a letter nor part of one ellipsis"));
    assert!(why("ij->i->j", &[&x]).contains("'-' in \"i->j\""));
    assert!(why("...i,...i", &[&x, &count(&[3, 3])]).contains("... has length 2, but 3 in operand 1"));
    assert!(why("", &[]).contains("it is about 1 operands, 0 are given"));
}

#[test]
fn products_of_vectors() {
    let (a, b) = (Tensor::new([1.0, 2.0]), Tensor::new([3.0, 4.0]));
    assert_eq!(a.dot(&b).item(), 11.0);
    assert_prints(&a.outer(&b), "[[3, 4], [6, 8]]");
    assert!(refusal(|| a.dot(&count(&[3]))).starts_with("dot: two vectors of one length"));
    assert!(refusal(|| a.dot(&count(&[2, 2]))).starts_with("dot: "));
    assert!(refusal(|| count(&[]).outer(&a)).starts_with("outer: "));
}

#[test]
fn linear_algebra_by_hand() {
    let x = Tensor::new([[4.0, 2.0], [2.0, 10.0]]);
    assert_prints(&x.cholesky(), "[[2, 0], [1, 3]]");
    assert_eq!(x.solve(&Tensor::new([8.0, 22.0])).data().to_vec(), [1.0, 2.0]);
    assert!((x.det().item() - 36.0).abs() < 1e-13);
    // ∂ ln det x / ∂x = x⁻ᵀ, and the Hessian of −ln det is x⁻¹ ⊗ x⁻¹: its row sums here.
    let (sign, logarithm) = x.slogdet();
    assert!(sign.item() == 1.0 && !sign.wants_grad());
    let slope = &gradients(&logarithm, &[&x])[0];
    let inverse = x.inverse();
    assert!((slope - inverse.t()).abs().max().item() < 1e-15);
    let second = &gradients(&slope.sum(), &[&x])[0];
    let sums = inverse.sum_keepdims(1);
    assert!((second + sums.matmul(&sums.t())).abs().max().item() < 1e-15);

    // Only the triangle is read, whatever is beside it.
    let l = Tensor::new([[2.0, f64::NAN], [1.0, 3.0]]);
    let y = l.solve_triangular(&Tensor::new([2.0, 7.0]), Triangle::Lower);
    assert_prints(&y, "[1, 2]");
    y.sum().backward();
    assert_eq!(l.grad().unwrap().at(&[0, 1]), 0.0);
    let unit =
        Tensor::new([[0.0, 5.0], [1.0, 0.0]]).solve_triangular(&Tensor::new([2.0, 7.0]), Triangle::UnitLower);
    assert_prints(&unit, "[2, 5]");
    // In f32 as in f64, rounded.
    let h = |i: usize| 1.0 / (1.0 + (i / 6) as f64 + (i % 6) as f64);
    let hilbert: Tensor<f32> = Tensor::new(Array::from_fn(&[6, 6], |i| h(i) as f32));
    let ones: Tensor<f32> = Tensor::new(Array::ones(&[6]));
    let exact =
        Tensor::new(Array::from_fn(&[6, 6], |i| h(i) as f32 as f64)).solve(&Tensor::new(Array::ones(&[6])));
    let rounded: Vec<f32> = exact.data().to_vec().iter().map(|&v| v as f32).collect();
    assert_eq!(hilbert.solve(&ones).data().to_vec(), rounded);
}

#[test]
fn what_linear_algebra_refuses() {
    let (x, singular) = (count(&[2, 3]), Tensor::new([[1.0, 2.0], [2.0, 4.0]]));
    let square = "shape [2, 3]: the last two axes must be those of a square matrix";
    assert_eq!(refusal(|| x.inverse()), format!("inverse: {square}"));
    assert_eq!(refusal(|| x.det()), format!("slogdet: {square}"));
    assert_eq!(
        refusal(|| count(&[]).cholesky()),
        "cholesky: shape []: the last two axes must be those of a square matrix"
    );
    assert_eq!(refusal(|| singular.inverse()), "inverse: the matrix is singular");
    assert_eq!(refusal(|| singular.solve(&count(&[2]))), "solve: the matrix is singular");
    assert_eq!(
        refusal(|| singular.solve(&count(&[3]))),
        "solve: shapes [2, 2] and [3, 1]: 2 equations, 3 right-hand sides"
    );
    assert_eq!(refusal(|| (-&singular).cholesky()), "cholesky: the matrix is not positive definite");
    let batch = Tensor::new([[[0.0, 0.0], [0.0, 3.0]], [[4.0, 0.0], [0.0, 7.0]]]).unsqueeze(1);
    assert_eq!(refusal(|| batch.inverse()), "inverse: matrix [0, 0] of the batch is singular");
    // The value of a singular determinant is known, its derivative is refused and not made up.
    assert_eq!(singular.det().item(), 0.0);
    let (sign, logarithm) = singular.slogdet();
    assert_eq!((sign.item(), logarithm.item()), (0.0, f64::NEG_INFINITY));
    let why = refusal(|| {
        singular.det().backward();
        singular.clone()
    });
    assert_eq!(why, "slogdet: a matrix is singular: the logarithm of its determinant has no derivative");
}

/// Whatever an op is put together from belongs to the line that asked for it.
#[test]
fn every_part_notes_the_users_line() {
    let x = count(&[3, 3]) + 20.0 * Tensor::constant(Array::eye(3));
    let (v, first) = (count(&[3]), line!());
    let all = [
        x.slice_step(0, None, None, 2),
        x.split(2, 0).remove(0),
        x.split_sizes(&[1, 2], 0).remove(0),
        x.chunk(2, 0).remove(0),
        x.flip([0, 1]),
        x.roll(1, 0),
        x.repeat(2, 0),
        x.tile(&[2, 2]),
        x.pad(&[(1, 1), (1, 1)], Padding::Constant(1.0)),
        x.pad(&[(1, 1), (1, 1)], Padding::Reflect),
        x.pad(&[(1, 1), (1, 1)], Padding::Replicate),
        x.unsqueeze(0).squeeze(0),
        x.flatten(0, 1),
        x.moveaxis(0, 1),
        x.diag(1),
        v.diag(1),
        x.trace(),
        x.tril(0),
        v.dot(&v),
        v.outer(&v),
        einsum("ii,ij,jk->k", &[&x, &x, &x]),
        x.solve(&v),
        x.solve_triangular(&v, Triangle::Lower),
        x.inverse(),
        (&x + x.t()).cholesky(),
        x.det(),
    ];
    let last = line!();
    for y in &all {
        let mut waiting = vec![y.clone()];
        while let Some(t) = waiting.pop() {
            if t.id() <= v.id() {
                continue; // what was there before
            }
            let place = t.location();
            let inside = place.file().ends_with("arrange.rs") && (first..last).contains(&place.line());
            assert!(inside, "part of what {} made: {place}", y.location());
            waiting.extend_from_slice(t.parents());
        }
    }
}
