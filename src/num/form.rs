//! What a slope is, before there are numbers.

use super::{Num, by_rule};
use crate::Rule;

/// A slope as far as it can be known from the rule: what is simple enough to be had without computing it, and what the
/// rest is computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A number written in the rule.
    Lit(f64),
    /// One of the arguments; the result counts as one more.
    Argument(usize),
    /// A formula of those arguments whose bits are set: bit `i` of argument `i`.
    Formula(u32),
}

impl Form {
    /// The arguments that it is computed from, as bits; all, if there are more than bits.
    pub fn needs(self) -> u32 {
        match self {
            Form::Lit(_) => 0,
            Form::Argument(i) => 1u32.checked_shl(i as u32).unwrap_or(u32::MAX),
            Form::Formula(needs) => needs,
        }
    }
}

impl Num for Form {
    type Mask = u32;
    #[inline(always)]
    fn lit(v: f64) -> Form {
        Form::Lit(v)
    }
    #[inline(always)]
    fn apply<R: Rule<N>, const N: usize>(_: R, x: [Form; N]) -> Form {
        Form::Formula(x.iter().fold(0, |needs, x| needs | x.needs()))
    }
    #[inline(always)]
    fn lt(self, other: Form) -> u32 {
        self.needs() | other.needs()
    }
    #[inline(always)]
    fn le(self, other: Form) -> u32 {
        self.needs() | other.needs()
    }
    #[inline(always)]
    fn eq(self, other: Form) -> u32 {
        self.needs() | other.needs()
    }
    #[inline(always)]
    fn select(mask: u32, a: Form, b: Form) -> Form {
        if a == b { a } else { Form::Formula(mask | a.needs() | b.needs()) }
    }
}
by_rule!([] Form, Add add other);
by_rule!([] Form, Sub sub other);
by_rule!([] Form, Mul mul other);
by_rule!([] Form, Div div other);
by_rule!([] Form, Neg neg);
