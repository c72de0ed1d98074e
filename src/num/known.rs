//! What is known of a number before there is one.

use super::{Num, by_rule};
use crate::Rule;

/// A number of which nothing is known unless it is written in the rule. Run on these, a rule tells which of its slopes
/// are the same everywhere: those of a sum are 1.
#[derive(Clone, Copy)]
pub(crate) struct Known(pub Option<f64>);

impl Num for Known {
    type Mask = ();
    #[inline(always)]
    fn lit(v: f64) -> Known {
        Known(Some(v))
    }
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(_: R, _: [Known; N]) -> Known {
        Known(None)
    }
    #[inline(always)]
    fn lt(self, _: Known) {}
    #[inline(always)]
    fn le(self, _: Known) {}
    #[inline(always)]
    fn eq(self, _: Known) {}
    #[inline(always)]
    fn select(_: (), _: Known, _: Known) -> Known {
        Known(None)
    }
}
by_rule!([] Known, Add add other);
by_rule!([] Known, Sub sub other);
by_rule!([] Known, Mul mul other);
by_rule!([] Known, Div div other);
by_rule!([] Known, Neg neg);
