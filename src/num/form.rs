//! What a slope is, before there are numbers.

use super::{Num, by_rule};
use crate::Rule;

/// A slope as far as it can be known from the rule: what is simple enough to be had without computing it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A number written in the rule.
    Lit(f64),
    /// One of the arguments.
    Argument(usize),
    /// A formula.
    Other,
}

impl Num for Form {
    type Mask = ();
    #[inline(always)]
    fn lit(v: f64) -> Form {
        Form::Lit(v)
    }
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(_: R, _: [Form; N]) -> Form {
        Form::Other
    }
    #[inline(always)]
    fn lt(self, _: Form) {}
    #[inline(always)]
    fn le(self, _: Form) {}
    #[inline(always)]
    fn eq(self, _: Form) {}
    #[inline(always)]
    fn select(_: (), a: Form, b: Form) -> Form {
        if a == b { a } else { Form::Other }
    }
}
by_rule!([] Form, Add add other);
by_rule!([] Form, Sub sub other);
by_rule!([] Form, Mul mul other);
by_rule!([] Form, Div div other);
by_rule!([] Form, Neg neg);
