//! Reductions, order, and selection by indices.

use super::{ANY, AXES, Case, Distinct, NONZERO, POSITIVE, Values, case};
use femtograd::{Float, Indices, Tensor};

pub fn cases<T: Float>() -> Vec<Case<T>> {
    let mut list = reductions();
    list.extend(norms());
    list.extend(scans());
    list.extend(selections());
    list.extend(orders());
    list
}

const X: &[usize] = &[2, 3, 2];

fn reductions<T: Float>() -> Vec<Case<T>> {
    let mut list = vec![
        case("sum over ..", [(X, ANY)], |[x]| x.sum_axes(..)),
        case("sum over .., kept", [(X, ANY)], |[x]| x.sum_keepdims(..)),
        case("min", [(X, Distinct)], |[x]| x.min()),
        case("prod", [(X, NONZERO)], |[x]| x.prod()),
        case("prod of 13", [(&[13], NONZERO)], |[x]| x.prod()),
        case("prod of 7 in the middle", [(&[2, 7, 2], NONZERO)], |[x]| x.prod_axes(1)),
        case("var", [(X, ANY)], |[x]| x.var(1)),
        case("std", [(X, ANY)], |[x]| x.std(0)),
        case("logsumexp of all", [(X, ANY)], |[x]| x.logsumexp(..)),
        case("var far from 0", [(X, ANY)], |[x]| (x + T::of(64.0)).var(0)),
    ];
    for axes in AXES {
        list.extend([
            case(format!("min_axes {axes:?}"), [(X, Distinct)], move |[x]| x.min_axes(axes)),
            case(format!("min_keepdims {axes:?}"), [(X, Distinct)], move |[x]| x.min_keepdims(axes)),
            case(format!("prod_axes {axes:?}"), [(X, ANY)], move |[x]| x.prod_axes(axes)),
            case(format!("prod_keepdims {axes:?}"), [(X, ANY)], move |[x]| x.prod_keepdims(axes)),
            case(format!("logsumexp_keepdims {axes:?}"), [(X, ANY)], move |[x]| x.logsumexp_keepdims(axes)),
            case(format!("var_axes {axes:?}"), [(X, ANY)], move |[x]| x.var_axes(axes, 0)),
            case(format!("var_keepdims {axes:?}"), [(X, ANY)], move |[x]| x.var_keepdims(axes, 0)),
        ]);
        // Of two elements it is their distance, without a second derivative.
        if ![&[][..], &[0], &[-1]].contains(&axes) {
            list.extend([
                case(format!("std_axes {axes:?}"), [(X, Distinct)], move |[x]| x.std_axes(axes, 1)),
                case(format!("std_keepdims {axes:?}"), [(X, Distinct)], move |[x]| x.std_keepdims(axes, 1)),
            ]);
        }
    }
    list
}

fn norms<T: Float>() -> Vec<Case<T>> {
    let mut list = vec![
        case("norm ∞", [(X, Distinct)], |[x]| (x + T::of(0.05)).norm_axes(T::of(f64::INFINITY), [0, 2])),
        case("norm −∞", [(X, Distinct)], |[x]| (x + T::of(0.05)).norm_axes(T::of(f64::NEG_INFINITY), 1)),
        case("norm 0", [(X, NONZERO)], |[x]| x * x.norm_keepdims(T::ZERO, 1)),
        case("norm 4 over two axes", [(X, NONZERO)], |[x]| x.norm_axes(T::of(4.0), [0, 1])),
        case("norm 2, at 0 too", [(X, Distinct)], |[x]| x.norm_axes(T::of(2.0), [0, 1])),
    ];
    for p in [1.0, 2.0, 3.0, 4.0, 2.5, 1.5, 0.5, -1.0, -2.0, -0.5] {
        let p = T::of(p);
        list.push(case(format!("norm {p}"), [(&[4], NONZERO)], move |[x]| x.norm(p)));
        for axes in [&[1][..], &[0, -1]] {
            list.extend([
                case(format!("norm_axes {p} {axes:?}"), [(X, NONZERO)], move |[x]| x.norm_axes(p, axes)),
                case(format!("norm_keepdims {p} {axes:?}"), [(X, NONZERO)], move |[x]| {
                    x.norm_keepdims(p, axes)
                }),
            ]);
        }
    }
    list
}

fn scans<T: Float>() -> Vec<Case<T>> {
    let mut list = vec![
        case("cumsum of a vector", [(&[7], ANY)], |[x]| x.cumsum(0)),
        case("cumprod of a vector", [(&[7], ANY)], |[x]| x.cumprod(-1)),
    ];
    for axis in [0, 1, 2, -1] {
        list.extend([
            case(format!("cumsum {axis}"), [(X, ANY)], move |[x]| x.cumsum(axis)),
            case(format!("cumprod {axis}"), [(X, ANY)], move |[x]| x.cumprod(axis)),
        ]);
    }
    list
}

fn selections<T: Float>() -> Vec<Case<T>> {
    const M: (&[usize], Values) = (&[2, 3], ANY);
    const B: (&[usize], Values) = (X, ANY);
    // Two places on each line along the middle axis of `B`, one of them twice.
    let middle = || Indices::from([2, 0, 1, 1, 2, 0, 2, 1]).reshape(&[2, 2, 2]).unwrap();
    vec![
        case("index_select", [M], |[x]| x.index_select(1, [2, 0, 2, 2])),
        case("index_select along the first axis", [B], |[x]| x.index_select(0, [1, 1, 0])),
        case("index_select in the middle", [B], |[x]| x.index_select(-2, [1, 0, 1])),
        case("index_select by a matrix", [B], |[x]| x.index_select(1, [[0, 2, 1], [1, 1, 0]])),
        case("index_select of nothing", [M], |[x]| femtograd::concat([&x.index_select(1, vec![]), x], 1)),
        case("take_along_axis", [M], |[x]| x.take_along_axis([[2, 2], [0, 1]], 1)),
        case("take_along_axis of more", [M], |[x]| x.take_along_axis([[1, 0, 1], [0, 0, 1], [1, 1, 1]], 0)),
        case("take_along_axis in the middle", [B], move |[x]| x.take_along_axis(middle(), 1)),
        case("take_along_axis of a vector", [(&[3], ANY)], |[x]| x.take_along_axis([1, 1, 0, 2], -1)),
        case("gather", [M], |[x]| x.gather(0, [[1, 0, 1], [0, 0, 1], [1, 1, 1]])),
        case("scatter_add", [M, (&[2, 2], ANY)], |[x, s]| x.scatter_add(1, [[2, 2], [0, 1]], s)),
        case("scatter_add of more", [M, (&[3, 3], ANY)], |[x, s]| {
            x.scatter_add(0, [[1, 0, 1], [0, 0, 1], [1, 1, 1]], s)
        }),
        case("scatter_add in the middle", [B, (&[2, 2, 2], ANY)], move |[x, s]| {
            x.scatter_add(-2, middle(), s)
        }),
        case("scatter_add of x to itself", [(&[3], ANY)], |[x]| x.scatter_add(0, [1, 1, 0], x)),
        case("masked_fill", [M], |[x]| x.masked_fill(x.gt(T::ZERO), T::of(0.5)) * x),
        case("masked_fill with a tensor", [M, (&[], ANY)], |[x, v]| {
            x.masked_fill(Tensor::constant([T::ONE, T::ZERO, T::ONE]), v)
        }),
    ]
}

fn orders<T: Float>() -> Vec<Case<T>> {
    const D: (&[usize], Values) = (&[2, 5, 2], Distinct);
    vec![
        case("max_with_positions", [D], |[x]| x.max_with_positions(1).0),
        case("min_with_positions", [D], |[x]| x.min_with_positions(-1).0),
        case("max_with_positions of a vector", [(&[4], Distinct)], |[x]| x.max_with_positions(0).0),
        case("sort", [D], |[x]| x.sort(1, false).0),
        case("sort descending", [D], |[x]| x.sort(0, true).0),
        case("topk", [D], |[x]| x.topk(3, 1).0),
        case("topk of a vector", [(&[7], Distinct)], |[x]| x.topk(2, 0).0),
        case("x by its own order", [(&[4], POSITIVE)], |[x]| x.take_along_axis(x.argsort(0, true), 0) * x),
    ]
}

/// Without a single element, or with an axis of none.
pub fn empty() -> Vec<Case<f64>> {
    const E: (&[usize], Values) = (&[0], ANY);
    const M: (&[usize], Values) = (&[2, 0], ANY);
    vec![
        case("min across an axis of none", [M], |[x]| x.min_axes(0)),
        case("prod of nothing", [E], |[x]| x.prod()),
        case("prod along an axis of none", [M], |[x]| x.prod_axes(1)),
        case("prod across an axis of none", [M], |[x]| x.prod_keepdims(0)),
        case("norm of nothing", [E], |[x]| x.norm(2.0)),
        case("norm along an axis of none", [M], |[x]| x.norm_axes(3.0, 1)),
        case("norm across an axis of none", [M], |[x]| x.norm_keepdims(0.5, 0)),
        case("var across an axis of none", [M], |[x]| x.var_axes(0, 0)),
        case("std across an axis of none", [M], |[x]| x.std_keepdims(0, 0)),
        case("cumsum of nothing", [E], |[x]| x.cumsum(0)),
        case("cumsum across an axis of none", [M], |[x]| x.cumsum(0)),
        case("cumprod along an axis of none", [M], |[x]| x.cumprod(1)),
        case("cumprod across an axis of none", [M], |[x]| x.cumprod(0)),
        case("index_select of nothing", [(&[2, 3], ANY)], |[x]| x.index_select(1, vec![])),
        case("index_select across an axis of none", [M], |[x]| x.index_select(0, [1, 1, 0])),
        case("index_select from nothing", [M], |[x]| x.index_select(1, vec![])),
        case("take_along_axis of nothing", [(&[2, 3], ANY)], |[x]| x.take_along_axis([[], []], 1)),
        case("take_along_axis across an axis of none", [M], |[x]| x.take_along_axis([[], [], []], 0)),
        case("scatter_add of nothing", [(&[2, 3], ANY), M], |[x, s]| x.scatter_add(1, [[], []], s)),
        case("scatter_add across an axis of none", [M, (&[3, 0], ANY)], |[x, s]| {
            x.scatter_add(0, [[], [], []], s)
        }),
        case("max_with_positions across an axis of none", [M], |[x]| x.max_with_positions(0).0),
        case("sort along an axis of none", [M], |[x]| x.sort(1, false).0),
        case("topk of none", [(&[2, 3], ANY)], |[x]| x.topk(0, 1).0),
    ]
}

/// With a single element, under zero, one and two axes.
pub fn single() -> Vec<Case<f64>> {
    let mut list = vec![];
    let shapes: [&'static [usize]; 3] = [&[], &[1], &[1, 1]];
    for shape in shapes {
        let x = [(shape, NONZERO)];
        list.extend([
            case(format!("min of {shape:?}"), x, |[x]| x.min_keepdims(..) * x.min()),
            case(format!("prod of {shape:?}"), x, |[x]| x.prod_keepdims(..) * x.prod()),
            case(format!("var of {shape:?}"), x, |[x]| x.var_keepdims(.., 0) + x.var(0)),
            case(format!("norm of {shape:?}"), x, |[x]| x.norm_keepdims(2.0, ..) * x.norm(0.5)),
        ]);
    }
    const X: (&[usize], Values) = (&[1], ANY);
    list.extend([
        case("cumsum of [1]", [X], |[x]| x.cumsum(0)),
        case("cumprod of [1]", [X], |[x]| x.cumprod(0) * x),
        case("index_select of [1]", [X], |[x]| x.index_select(0, [0, 0])),
        case("take_along_axis of [1]", [X], |[x]| x.take_along_axis([0, 0], 0)),
        case("scatter_add of [1]", [X, X], |[x, s]| x.scatter_add(0, [0], s)),
        case("sort of [1]", [X], |[x]| x.sort(0, true).0),
        case("max_with_positions of [1]", [X], |[x]| x.max_with_positions(0).0),
    ]);
    list
}
