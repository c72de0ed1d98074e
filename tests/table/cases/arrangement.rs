//! Rearrangements, contractions and linear algebra.

use super::{ANY, Case, NONZERO, POSITIVE, Values, case};
use femtograd::{Array, Float, Padding, Tensor, Triangle, concat, einsum, stack};

type Shaped = (&'static [usize], Values);
const V: Shaped = (&[4], ANY);
const M: Shaped = (&[2, 3], ANY);
const B: Shaped = (&[2, 3, 4], ANY);
const S: Shaped = (&[3, 3], ANY);

pub fn cases<T: Float>() -> Vec<Case<T>> {
    let mut list = moves();
    list.extend(diagonals());
    list.extend(contractions());
    list.extend(linear_algebra());
    list
}

fn moves<T: Float>() -> Vec<Case<T>> {
    vec![
        case("slice_step by 2", [B], |[x]| x.slice_step(-1, 1, None, 2)),
        case("slice_step backwards", [B], |[x]| x.slice_step(1, None, None, -1)),
        case("slice_step backwards by 2", [V], |[x]| x.slice_step(0, -1, 0, -2)),
        case("slice_step to one element", [V], |[x]| x.slice_step(0, 1, 2, 100)),
        case("slice_step to nothing", [V], |[x]| concat([x, &x.slice_step(0, 3, 1, 1)], 0)),
        case("split", [B], |[x]| {
            let parts = x.split(3, -1);
            parts[0].slice(2, 1..2) * &parts[1]
        }),
        case("split_sizes", [V], |[x]| x.split_sizes(&[1, 0, 3], 0).pop().expect("the last")),
        case("chunk", [V], |[x]| x.chunk(2, 0).into_iter().reduce(|a, b| a * b).expect("two")),
        case("flip", [M], |[x]| x.flip([0, -1])),
        case("flip of one axis", [B], |[x]| x.flip(1)),
        case("roll", [B], |[x]| x.roll(1, -1)),
        case("roll back by more than there is", [M], |[x]| x.roll(-7, 1)),
        case("roll by nothing", [M], |[x]| x.roll(3, 1)),
        case("repeat", [M], |[x]| x.repeat(3, 0)),
        case("repeat along the last axis", [B], |[x]| x.repeat(2, -1)),
        case("tile", [M], |[x]| x.tile(&[2, 3])),
        case("tile along the last axis", [M], |[x]| x.tile(&[2])),
        case("tile along a new axis", [V], |[x]| x.tile(&[2, 1])),
        case("tile of a number", [(&[], ANY)], |[x]| x.tile(&[2, 2])),
        case("pad with a constant", [M], |[x]| x.pad(&[(1, 0), (0, 2)], Padding::Constant(T::of(0.5)))),
        case("pad by reflection", [(&[3, 4], ANY)], |[x]| x.pad(&[(2, 1), (1, 3)], Padding::Reflect)),
        case("pad with the ends", [M], |[x]| x.pad(&[(2, 1), (0, 2)], Padding::Replicate)),
        case("pad round the circle", [M], |[x]| x.pad(&[(2, 1), (3, 0)], Padding::Circular)),
        case("pad by nothing", [M], |[x]| x.pad(&[(0, 0), (0, 0)], Padding::Reflect)),
        case("squeeze and unsqueeze", [M], |[x]| x.unsqueeze(-1).unsqueeze(0).squeeze([0, 3]) * x),
        case("flatten", [B], |[x]| x.flatten(1, -1)),
        case("moveaxis", [B], |[x]| x.moveaxis(0, -1)),
    ]
}

fn diagonals<T: Float>() -> Vec<Case<T>> {
    let mut list = vec![
        case("diagonal of a batch", [B], |[x]| x.diagonal(1, -2, -1)),
        case("diagonal of other axes", [B], |[x]| x.diagonal(-1, 2, 0)),
        case("diag_embed of a batch", [M], |[x]| x.diag_embed(-1)),
        case("trace", [S], |[x]| x.trace()),
        case("trace of a wide batch", [B], |[x]| x.trace()),
        case("trace of a tall matrix", [(&[4, 2], ANY)], |[x]| x.trace()),
        case("tril of a batch", [B], |[x]| x.tril(0)),
        case("triu of a batch", [B], |[x]| x.triu(0)),
    ];
    for k in [-2, -1, 0, 1, 3] {
        list.extend([
            case(format!("diag {k} of a vector"), [V], move |[x]| x.diag(k)),
            // With something beside it, since the diagonal may be empty.
            case(format!("diag {k} of a matrix"), [M], move |[x]| concat([&x.diag(k), &x.flatten(0, 1)], 0)),
            case(format!("tril {k}"), [M], move |[x]| x.tril(k)),
            case(format!("triu {k}"), [M], move |[x]| x.triu(k)),
        ]);
    }
    list
}

fn contractions<T: Float>() -> Vec<Case<T>> {
    let mut list = vec![
        case("dot", [V, V], |[a, b]| a.dot(b)),
        case("dot of a vector and itself", [V], |[x]| x.dot(x)),
        case("outer", [V, (&[3], ANY)], |[a, b]| a.outer(b)),
    ];
    let one: [(&'static str, &'static [usize]); 9] = [
        ("ij", &[2, 3]),
        ("ji", &[2, 3]),
        ("ij->", &[2, 3]),
        ("ij->j", &[2, 3]),
        ("ii", &[3, 3]),
        ("ii->i", &[3, 3]),
        ("iji->ji", &[2, 3, 2]),
        ("...i->i...", &[2, 3, 2]),
        ("i...i", &[2, 3, 2]),
    ];
    list.extend(one.map(|(equation, shape)| {
        case(format!("einsum {equation}"), [(shape, ANY)], move |[x]| einsum(equation, &[x]))
    }));
    let two: [(&'static str, [&'static [usize]; 2]); 12] = [
        ("ij,jk", [&[2, 3], &[3, 2]]),
        ("bij,bjk->bik", [&[2, 2, 3], &[2, 3, 2]]),
        ("bij,bkj->kbi", [&[2, 2, 3], &[2, 4, 3]]),
        ("ijk,jkl->li", [&[2, 3, 2], &[3, 2, 2]]),
        ("bi,bi->b", [&[2, 3], &[2, 3]]),
        ("i,i", [&[3], &[3]]),
        ("i,j->ji", [&[2], &[3]]),
        ("ij,ij->ij", [&[2, 3], &[2, 3]]),
        ("ij,kl->i", [&[2, 3], &[2, 2]]),
        ("ii,ij->j", [&[2, 2], &[2, 3]]),
        ("...ij,...jk", [&[3, 1, 2, 2], &[2, 2, 3]]),
        (",i", [&[], &[3]]),
    ];
    list.extend(two.map(|(equation, [a, b])| {
        case(format!("einsum {equation}"), [(a, ANY), (b, ANY)], move |[a, b]| einsum(equation, &[a, b]))
    }));
    list.extend([
        case("einsum of three", [M, (&[3, 4], ANY), (&[4, 2], ANY)], |[a, b, c]| {
            einsum("ij,jk,ki->k", &[a, b, c])
        }),
        case("einsum of x thrice", [S], |[x]| einsum("ij,jk,kk->i", &[x, x, x])),
    ]);
    list
}

/// Far from singular.
fn regular<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    x + Tensor::constant(Array::eye(x.shape()[x.shape().len() - 1])) * T::of(4.0)
}

fn linear_algebra<T: Float>() -> Vec<Case<T>> {
    const BATCH: Shaped = (&[2, 3, 3], ANY);
    let mut list = vec![
        case("solve for a vector", [S, (&[3], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve for a matrix", [S, (&[3, 2], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve a batch for a vector", [BATCH, (&[3], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve for a batch", [S, (&[2, 3, 1], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve, broadcast", [(&[2, 1, 2, 2], ANY), (&[3, 2, 2], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve for the matrix itself", [S], |[x]| regular(x).solve(x)),
        case("inverse", [S], |[x]| regular(x).inverse()),
        case("inverse of a batch", [BATCH], |[x]| regular(x).inverse()),
        case("cholesky", [S], |[x]| regular(&(x * T::of(0.5))).cholesky()),
        case("cholesky of a batch", [BATCH], |[x]| regular(&(x * T::of(0.5))).cholesky()),
        case("cholesky of squares", [M], |[x]| regular(&x.matmul(&x.t())).cholesky()),
        case("slogdet", [S], |[x]| regular(x).slogdet().1),
        case("slogdet of a batch", [BATCH], |[x]| (-regular(x)).slogdet().1),
        case("slogdet of a batch of batches", [(&[2, 1, 2, 2], ANY)], |[x]| regular(x).slogdet().1),
        case("det", [S], |[x]| regular(x).det()),
        case("det of a batch", [BATCH], |[x]| (-regular(x)).det()),
        case("det of a product", [(&[2, 2], POSITIVE), (&[2, 2], NONZERO)], |[a, b]| {
            regular(a).matmul(&regular(b)).det()
        }),
        case("a normal distribution", [S, (&[3], ANY)], |[a, x]| {
            let l = regular(&a.matmul(&a.t())).cholesky();
            let z = l.solve_triangular(x, Triangle::Lower);
            z.dot(&z) * T::of(0.5) + l.diag(0).ln().sum()
        }),
    ];
    for triangle in [Triangle::Lower, Triangle::Upper, Triangle::UnitLower, Triangle::UnitUpper] {
        let name = format!("solve_triangular, {triangle:?}");
        list.extend([
            case(name.clone(), [S, (&[3, 2], ANY)], move |[a, b]| regular(a).solve_triangular(b, triangle)),
            case(format!("{name}, batches"), [BATCH, (&[3], ANY)], move |[a, b]| {
                regular(a).solve_triangular(b, triangle)
            }),
        ]);
    }
    list
}

/// Without a single element, or with an axis of none.
pub fn empty() -> Vec<Case<f64>> {
    const E: Shaped = (&[0], ANY);
    const N: Shaped = (&[2, 0], ANY);
    const Z: Shaped = (&[0, 0], ANY);
    const BATCH: Shaped = (&[0, 2, 2], ANY);
    vec![
        case("slice_step of nothing", [E], |[x]| x.slice_step(0, None, None, -1)),
        case("split of nothing", [E], |[x]| x.split(2, 0).pop().expect("one part")),
        case("flip of nothing", [N], |[x]| x.flip([0, 1])),
        case("roll of nothing", [N], |[x]| x.roll(5, 1).roll(1, 0)),
        case("repeat of nothing", [N], |[x]| x.repeat(3, 1).repeat(2, 0)),
        case("repeat no times", [(&[2], ANY)], |[x]| x.repeat(0, 0)),
        case("tile of nothing", [N], |[x]| x.tile(&[2, 2, 2])),
        case("tile no times", [(&[2], ANY)], |[x]| x.tile(&[0])),
        case("pad of nothing", [N], |[x]| x.pad(&[(1, 1), (2, 0)], Padding::Constant(1.0))),
        case("pad rows of none", [N], |[x]| x.pad(&[(1, 1), (0, 0)], Padding::Reflect)),
        case("flatten of nothing", [N], |[x]| x.flatten(0, 1)),
        case("diag of nothing", [E], |[x]| x.diag(0)),
        case("diag of nothing, beside", [E], |[x]| x.diag(-2)),
        case("diag of a matrix of none", [N], |[x]| x.diag(0)),
        case("diag beyond the matrix", [(&[2, 2], ANY)], |[x]| x.diag(5)),
        case("trace of nothing", [Z], |[x]| x.trace()),
        case("trace of no columns", [N], |[x]| x.trace()),
        case("tril of nothing", [N], |[x]| x.tril(0)),
        case("dot of nothing", [E, E], |[a, b]| a.dot(b)),
        case("outer with nothing", [E, (&[2], ANY)], |[a, b]| a.outer(b)),
        case("einsum over nothing", [N, (&[0, 3], ANY)], |[a, b]| einsum("ij,jk", &[a, b])),
        case("einsum of an empty batch", [BATCH, BATCH], |[a, b]| einsum("bij,bjk->bik", &[a, b])),
        case("solve nothing", [Z, E], |[a, b]| a.solve(b)),
        case("solve for nothing", [(&[2, 2], ANY), (&[2, 0], ANY)], |[a, b]| regular(a).solve(b)),
        case("solve an empty batch", [BATCH, (&[2], ANY)], |[a, b]| a.solve(b)),
        case("solve_triangular of nothing", [Z, E], |[a, b]| a.solve_triangular(b, Triangle::Lower)),
        case("inverse of nothing", [Z], |[x]| x.inverse()),
        case("cholesky of nothing", [Z], |[x]| x.cholesky()),
        case("det of nothing", [Z], |[x]| x.det()),
        case("det of an empty batch", [BATCH], |[x]| x.det()),
    ]
}

/// With a single element.
pub fn single() -> Vec<Case<f64>> {
    const X: Shaped = (&[1], ANY);
    const M: Shaped = (&[1, 1], NONZERO);
    const P: Shaped = (&[1, 1], POSITIVE);
    vec![
        case("slice_step of [1]", [X], |[x]| x.slice_step(0, None, None, -3)),
        case("flip of [1, 1]", [M], |[x]| x.flip([0, 1])),
        case("roll of [1]", [X], |[x]| x.roll(-4, 0)),
        case("repeat of [1]", [X], |[x]| x.repeat(1, 0)),
        case("tile of a number, no times", [(&[], ANY)], |[x]| x.tile(&[])),
        case("pad of [1]", [X], |[x]| {
            stack([x.pad(&[(2, 1)], Padding::Replicate), x.pad(&[(2, 1)], Padding::Constant(0.0))], 0)
        }),
        case("pad of [1] round the circle", [X], |[x]| x.pad(&[(1, 1)], Padding::Circular)),
        case("diag of [1]", [X], |[x]| x.diag(0)),
        case("trace of [1, 1]", [M], |[x]| x.trace()),
        case("dot of [1]", [X, X], |[a, b]| a.dot(b)),
        case("einsum of numbers", [(&[], ANY), (&[], ANY)], |[a, b]| einsum(",", &[a, b])),
        case("einsum of [1]", [X, X], |[a, b]| einsum("i,i", &[a, b])),
        case("solve [1, 1]", [M, X], |[a, b]| a.solve(b)),
        case("inverse of [1, 1]", [M], |[x]| x.inverse()),
        case("cholesky of [1, 1]", [P], |[x]| x.cholesky()),
        case("det of [1, 1]", [M], |[x]| x.det() * x),
    ]
}
