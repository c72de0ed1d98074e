//! Checks that find nothing prove nothing: each op met in the table is made wrong by a thousandth (in `f32` by a
//! twentieth), in one derivative by one argument, and the library's `verify_node` has to notice.

use crate::cases::table;
use crate::compare::weights;
use crate::node::{check_node, nodes};
use femtograd::random::Rng;
use femtograd::{Array, Error, Float, Op, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The fused reverse pass.
    Pull,
    /// The recorded reverse pass.
    Vjp,
    /// The recorded reverse pass for several arguments.
    Vjps,
    /// The forward pass.
    Jvp,
    /// The slope that all three are made from.
    Slope,
    /// What was in the sum before is forgotten.
    Sum,
}
const FAULTS: [Fault; 5] = [Fault::Pull, Fault::Vjp, Fault::Jvp, Fault::Slope, Fault::Sum];

/// The op of `node`, wrong in one argument.
struct Mutant<T: Float> {
    node: Tensor<T>,
    argument: usize,
    fault: Fault,
}

impl<T: Float> Mutant<T> {
    fn op(&self) -> &dyn Op<T> {
        self.node.op().expect("recorded")
    }
    /// What the contribution by argument `i` is multiplied by.
    fn factor(&self, i: usize, fault: Fault) -> T {
        let wrong = i == self.argument && (self.fault == fault || self.fault == Fault::Slope);
        let much = if T::NAME == "f32" { 1.05 } else { 1.001 };
        T::of(if wrong { much } else { 1.0 })
    }
}

impl<T: Float> Op<T> for Mutant<T> {
    fn name(&self) -> &'static str {
        self.op().name()
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        self.op().forward(x)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        self.op().vjp(x, y, g, i) * self.factor(i, Fault::Vjp)
    }
    fn vjps(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        let all = self.op().vjps(x, y, g, wanted).into_iter().zip(wanted);
        all.map(|(gx, &i)| gx * self.factor(i, Fault::Vjps)).collect()
    }
    fn jvp(&self, x: &[Tensor<T>], y: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let scaled = |(i, dx): (usize, &Option<Tensor<T>>)| Some(dx.as_ref()? * self.factor(i, Fault::Jvp));
        self.op().jvp(x, y, &dx.iter().enumerate().map(scaled).collect::<Vec<_>>())
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        let mut gx = vec![None; x.len()];
        self.op().pull(x, y, g, &mut gx);
        for (i, (sum, gx)) in sums.iter_mut().zip(gx).enumerate() {
            let gx = gx.map(|gx| gx * Array::scalar(self.factor(i, Fault::Pull)));
            let forgotten = i == self.argument && self.fault == Fault::Sum;
            *sum = match (sum.take(), gx) {
                (Some(sum), Some(gx)) if !forgotten => Some(sum + gx),
                (sum, gx) => gx.or(sum),
            };
        }
    }
}

/// The arguments whose slope is 0 by definition: a thousandth more of nothing is nothing.
const NO_SLOPE: [(&str, usize); 12] = [
    ("ceil", 0),
    ("eq", 0),
    ("eq", 1),
    ("floor", 0),
    ("le", 0),
    ("le", 1),
    ("lt", 0),
    ("lt", 1),
    ("round", 0),
    ("sign", 0),
    ("trunc", 0),
    ("where", 0),
];

#[test]
#[cfg_attr(miri, ignore)]
fn every_mutant_is_caught() {
    all_are_caught::<f64>();
}

#[test]
#[cfg_attr(miri, ignore)]
fn every_mutant_is_caught_in_f32() {
    all_are_caught::<f32>();
}

fn all_are_caught<T: Float>() {
    let (mut made, mut escaped) = (BTreeMap::<_, usize>::new(), vec![]);
    let mut flat = BTreeSet::new();
    for case in table::<T>() {
        for node in nodes(&case) {
            let (op, x) = (node.op().expect("recorded"), node.parents());
            let g = Tensor::constant(weights::<T>(&mut Rng::new(3), node.shape()));
            for argument in (0..x.len()).filter(|&i| x[i].wants_grad()) {
                let pair = (op.name(), argument);
                let steep = op.vjp(x, &node, &g, argument).data().to_vec().iter().any(|v| *v != T::ZERO);
                if !steep {
                    flat.insert(pair);
                }
                for fault in FAULTS {
                    let matters = if fault == Fault::Sum { !x[argument].data().is_empty() } else { steep };
                    if !matters {
                        continue;
                    }
                    let mutant = Mutant { node: node.clone(), argument, fault };
                    if fault != Fault::Sum {
                        *made.entry(pair).or_default() += 1;
                    }
                    if check_node(&mutant, x, &node).is_ok() {
                        escaped.push(format!("{fault:?} of {pair:?} in {}", case.name));
                    }
                }
            }
        }
    }
    let total: usize = made.values().sum();
    println!("{total} wrong slopes of {} arguments of ops, {} not noticed", made.len(), escaped.len());
    assert!(escaped.is_empty(), "{} mutants escaped:\n{}", escaped.len(), escaped.join("\n"));
    let never: Vec<_> = flat.into_iter().filter(|pair| !made.contains_key(pair)).collect();
    assert_eq!(never, NO_SLOPE, "these arguments have slope 0 in every case");
}

/// Without a fault the wrapper is the op: it is the faults that are caught.
#[test]
#[cfg_attr(miri, ignore)]
fn the_wrapper_alone_is_not_caught() {
    for case in table::<f64>() {
        for node in nodes(&case) {
            let mutant = Mutant { node: node.clone(), argument: usize::MAX, fault: Fault::Slope };
            check_node(&mutant, node.parents(), &node).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        }
    }
}
