//! Checks that find nothing prove nothing: each op met in the table is made wrong by a thousandth, in one derivative
//! by one argument, and `check_node` has to notice.

use crate::cases::table;
use crate::compare::{largest, weights};
use crate::node::{check_node, nodes};
use femtograd::random::Rng;
use femtograd::{Array, Error, Op, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The fused reverse pass.
    Pull,
    /// The recorded reverse pass.
    Vjp,
    /// The forward pass.
    Jvp,
    /// The slope that all three are made from.
    Slope,
    /// What was in the sum before is forgotten.
    Sum,
}
const FAULTS: [Fault; 5] = [Fault::Pull, Fault::Vjp, Fault::Jvp, Fault::Slope, Fault::Sum];

/// The op of `node`, wrong in one argument.
struct Mutant {
    node: Tensor<f64>,
    argument: usize,
    fault: Fault,
}

impl Mutant {
    fn op(&self) -> &dyn Op<f64> {
        self.node.op().expect("recorded")
    }
    /// What the contribution by argument `i` is multiplied by.
    fn factor(&self, i: usize, fault: Fault) -> f64 {
        let wrong = i == self.argument && (self.fault == fault || self.fault == Fault::Slope);
        if wrong { 1.001 } else { 1.0 }
    }
}

impl Op<f64> for Mutant {
    fn name(&self) -> &'static str {
        self.op().name()
    }
    fn forward(&self, x: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
        self.op().forward(x)
    }
    fn vjp(&self, x: &[Tensor<f64>], y: &Tensor<f64>, g: &Tensor<f64>, i: usize) -> Tensor<f64> {
        self.op().vjp(x, y, g, i) * self.factor(i, Fault::Vjp)
    }
    fn jvp(&self, x: &[Tensor<f64>], y: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
        let scaled = |(i, dx): (usize, &Option<Tensor<f64>>)| Some(dx.as_ref()? * self.factor(i, Fault::Jvp));
        self.op().jvp(x, y, &dx.iter().enumerate().map(scaled).collect::<Vec<_>>())
    }
    fn pull(&self, x: &[Tensor<f64>], y: &Tensor<f64>, g: &Array<f64>, sums: &mut [Option<Array<f64>>]) {
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
    let (mut made, mut escaped) = (BTreeMap::<_, usize>::new(), vec![]);
    let mut flat = BTreeSet::new();
    for case in table() {
        for node in nodes(&case) {
            let (op, x) = (node.op().expect("recorded"), node.parents());
            let g = Tensor::constant(weights(&mut Rng::new(3), node.shape()));
            for argument in (0..x.len()).filter(|&i| x[i].wants_grad()) {
                let pair = (op.name(), argument);
                let steep = largest(op.vjp(x, &node, &g, argument).data()) > 0.0;
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
    for case in table() {
        for node in nodes(&case) {
            let mutant = Mutant { node: node.clone(), argument: usize::MAX, fault: Fault::Slope };
            check_node(&mutant, node.parents(), &node).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        }
    }
}
