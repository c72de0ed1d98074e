//! One recorded node at a time, with the values it was recorded with: what is wrong is found where it is, and ops
//! that only backward passes record are checked like all others.

use crate::cases::{Case, Point, table};
use crate::compare::{Outcome, ROUNDING, close, equal, inner, is_slope, step, weights};
use crate::each;
use femtograd::random::Rng;
use femtograd::{Array, Op, Tensor, no_grad};
use std::collections::BTreeMap;

/// Checks `y = op(x…)`: `vjp`, `pull` and `jvp` against each other, and against differences of `forward`.
pub fn check_node(op: &dyn Op<f64>, x: &[Tensor<f64>], y: &Tensor<f64>) -> Outcome {
    let mut rng = Rng::new(11);
    let g = weights(&mut rng, y.shape());
    let v: Vec<Array<f64>> = x.iter().map(|x| direction(&mut rng, x.data())).collect();
    let filled: Vec<Option<Array<f64>>> =
        x.iter().map(|x| x.wants_grad().then(|| weights(&mut rng, x.shape()))).collect();
    let wanted: Vec<usize> = (0..x.len()).filter(|&i| x[i].wants_grad()).collect();
    let value = op.forward(x).map_err(|why| format!("forward: {why}"))?;
    close("forward, again", &value, y.data(), 0.0, 0.0)?;

    // Reverse: recorded, and with bare numbers, into nothing, into numbers of its own, and into shared ones.
    let reverse = |i: usize| no_grad(|| op.vjp(x, y, &Tensor::constant(&g), i).sum_to(x[i].shape()));
    let gx: Vec<Option<Array<f64>>> =
        (0..x.len()).map(|i| x[i].wants_grad().then(|| reverse(i).data().clone())).collect();
    let none = vec![None; x.len()];
    let alone = filled.iter().map(|sum| sum.as_ref().map(Array::copied)).collect();
    let starts = [
        ("nothing", &none, none.clone()),
        ("a sum", &filled, alone),
        ("a sum that shares its memory", &filled, filled.clone()),
    ];
    for (what, before, mut sums) in starts {
        op.pull(x, y, &g, &mut sums);
        for (i, sum) in sums.iter().enumerate() {
            let want =
                gx[i].as_ref().map(|gx| before[i].as_ref().map_or(gx.clone(), |sum| step(sum, gx, 1.0)));
            match (sum, want) {
                (Some(sum), Some(want)) => {
                    close(&format!("pull into {what}, argument {i}"), sum, &want, ROUNDING, 0.0)?
                }
                (None, None) => {}
                _ => {
                    return Err(format!("pull, argument {i}: not wanted but given, or wanted but not given"));
                }
            }
        }
    }

    // Forward: one argument at a time, then all at once.
    let tangent = |moving: &[usize]| {
        let direction = |i| moving.contains(&i).then(|| Tensor::constant(&v[i]));
        no_grad(|| op.jvp(x, y, &(0..x.len()).map(direction).collect::<Vec<_>>())).data().clone()
    };
    let mut total = Array::full(y.shape(), 0.0);
    for &i in &wanted {
        let dy = tangent(&[i]);
        let gx = gx[i].as_ref().expect("wanted");
        equal(&format!("duality, argument {i}"), inner([(&g, &dy)]), inner([(gx, &v[i])]))?;
        is_slope(&format!("jvp, argument {i}"), &dy, |s| {
            let mut x = x.to_vec();
            x[i] = Tensor::constant(step(x[i].data(), &v[i], s));
            op.forward(&x).expect("the same shapes")
        })?;
        total = step(&total, &dy, 1.0);
    }
    close("jvp, all arguments", &tangent(&wanted), &total, ROUNDING, 0.0)
}

/// Where to go from `x`: not along what is infinite, since no step changes it.
fn direction(rng: &mut Rng, x: &Array<f64>) -> Array<f64> {
    let steps = weights::<f64>(rng, x.shape()).to_vec().into_iter().zip(x.to_vec());
    Array::from_vec(steps.map(|(v, x)| if x.is_infinite() { 0.0 } else { v }).collect::<Vec<_>>(), x.shape())
}

/// All recorded nodes of a case, and of its first and second derivatives in both modes.
pub fn nodes(case: &Case<f64>) -> Vec<Tensor<f64>> {
    let p = Point::of(case);
    let reverse = p.reverse();
    let mut waiting = p.second(&reverse);
    waiting.extend(reverse);
    waiting.extend([p.forward(), p.y]);
    let mut nodes = BTreeMap::new();
    while let Some(t) = waiting.pop() {
        if t.op().is_some() && !nodes.contains_key(&t.id()) {
            waiting.extend_from_slice(t.parents());
            nodes.insert(t.id(), t);
        }
    }
    nodes.into_values().collect()
}

/// Each node of a case.
pub fn each_node(case: &Case<f64>) -> Outcome {
    nodes(case).iter().try_for_each(|y| {
        let op = y.op().expect("recorded");
        check_node(op, y.parents(), y).map_err(|why| format!("node {}: {why}", op.name()))
    })
}

#[test]
#[cfg_attr(miri, ignore)]
fn each_node_of_each_graph() {
    each(&table(), each_node);
}
