//! Symbols: a rule run on them prints itself.

use super::{Num, Primitive};
use crate::Rule;
use std::cell::RefCell;
use std::fmt;

/// How a formula is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Unicode text: `−y / b`.
    Text,
    /// LaTeX: `\frac{-y}{b}`.
    Latex,
}

/// The formula of a rule and of its slopes. Prints as `y = …, ∂a = …, ∂b = …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// How the strings are written.
    pub style: Style,
    /// The value.
    pub value: String,
    /// The name of each argument and `∂y` by it.
    pub slopes: Vec<(&'static str, String)>,
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "y = {}", self.value)?;
        for (name, slope) in &self.slopes {
            match self.style {
                Style::Text => write!(f, ", ∂{name} = {slope}")?,
                Style::Latex => write!(f, r", \frac{{\partial y}}{{\partial {name}}} = {slope}")?,
            }
        }
        Ok(())
    }
}

/// A formula as a number: a small handle into a [`Symbols`] list.
#[derive(Clone, Copy)]
pub enum Symbol<'a> {
    /// A number written in the rule.
    Lit(f64),
    /// An entry of the list.
    Entry(&'a Symbols, usize),
}

/// The parts of a formula that is being written.
#[derive(Default)]
pub struct Symbols(RefCell<Vec<Part>>);

#[derive(Clone)]
struct Part {
    text: String,
    latex: String,
    binds: u8,
}

// How tightly a part binds: it needs brackets inside one that binds tighter.
const CHOICE: u8 = 0;
const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const SIGN: u8 = 3;
const POWER: u8 = 4;
const ATOM: u8 = 5;

impl Part {
    /// In brackets unless it binds at least as tightly as `level`.
    fn at(&self, level: u8) -> [String; 2] {
        if self.binds >= level {
            return [self.text.clone(), self.latex.clone()];
        }
        [format!("({})", self.text), format!(r"\left({}\right)", self.latex)]
    }
}

/// What argument `i` of `n` is called.
fn argument(i: usize, n: usize) -> &'static str {
    const LETTERS: &str = "abcdefhijklmnopqrstuvwz";
    if n == 1 { "x" } else { &LETTERS[i % LETTERS.len()..][..1] }
}

impl Symbols {
    /// An empty list.
    pub fn new() -> Symbols {
        Symbols::default()
    }
    /// A name as a number.
    pub fn name(&self, name: &str) -> Symbol<'_> {
        self.push(name.into(), name.into(), ATOM)
    }
    /// The arguments of a rule: `x`, or letters in order.
    pub(crate) fn arguments<const N: usize>(&self) -> [Symbol<'_>; N] {
        std::array::from_fn(|i| self.name(argument(i, N)))
    }

    /// What a rule gives for [`arguments`](Self::arguments).
    pub(crate) fn formula(&self, style: Style, value: Symbol<'_>, slopes: &[Symbol<'_>]) -> Formula {
        let slope = |(i, slope): (usize, &Symbol<'_>)| (argument(i, slopes.len()), self.print(*slope, style));
        Formula {
            style,
            value: self.print(value, style),
            slopes: slopes.iter().enumerate().map(slope).collect(),
        }
    }

    /// A number's formula.
    pub fn print(&self, x: Symbol<'_>, style: Style) -> String {
        let part = x.part();
        match style {
            Style::Text => part.text,
            Style::Latex => part.latex,
        }
    }
    fn push(&self, text: String, latex: String, binds: u8) -> Symbol<'_> {
        let mut parts = self.0.borrow_mut();
        parts.push(Part { text, latex, binds });
        Symbol::Entry(self, parts.len() - 1)
    }
}

impl<'a> Symbol<'a> {
    fn part(self) -> Part {
        match self {
            Symbol::Entry(list, i) => list.0.borrow()[i].clone(),
            Symbol::Lit(v) if v < 0.0 => {
                Part { text: format!("−{}", -v), latex: format!("{v}"), binds: SIGN }
            }
            Symbol::Lit(v) => Part { text: format!("{v}"), latex: format!("{v}"), binds: ATOM },
        }
    }
    fn list(x: &[Self]) -> Option<&'a Symbols> {
        x.iter().find_map(|x| if let Symbol::Entry(list, _) = x { Some(*list) } else { None })
    }
    /// A new formula from others; of numbers alone, a number.
    fn write(x: &[Self], number: impl Fn() -> f64, part: impl Fn() -> Part) -> Self {
        match Symbol::list(x) {
            Some(list) => {
                let Part { text, latex, binds } = part();
                list.push(text, latex, binds)
            }
            None => Symbol::Lit(number()),
        }
    }
    fn infix(self, other: Self, signs: [&str; 2], binds: u8, right: u8, number: f64) -> Self {
        Symbol::write(
            &[self, other],
            || number,
            || {
                let ([a, la], [b, lb]) = (self.part().at(binds), other.part().at(right));
                Part {
                    text: format!("{a} {} {b}", signs[0]),
                    latex: format!("{la} {} {lb}", signs[1]),
                    binds,
                }
            },
        )
    }
    fn call(name: &'static str, latex: &'static str, x: Self, number: fn(f64) -> f64) -> Self {
        let v = if let Symbol::Lit(v) = x { number(v) } else { f64::NAN };
        Symbol::write(
            &[x],
            || v,
            || {
                let [text, inner] = x.part().at(CHOICE);
                Part {
                    text: format!("{name}({text})"),
                    latex: format!(r"{latex}\left({inner}\right)"),
                    binds: ATOM,
                }
            },
        )
    }
    fn lit_of(self) -> f64 {
        if let Symbol::Lit(v) = self { v } else { f64::NAN }
    }
}

macro_rules! calls {
    ($($f:ident $latex:literal),*) => { $(
        fn $f(self) -> Self {
            Symbol::call(stringify!($f), $latex, self, <f64 as Num>::$f)
        }
    )* };
}

impl Num for Symbol<'_> {
    type Mask = Self;
    fn lit(v: f64) -> Self {
        Symbol::Lit(v)
    }
    fn apply<R: Rule<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        rule.value(x)
    }
    fn primitive<R: Primitive<N>, const N: usize>(rule: R, x: [Self; N]) -> Self {
        Symbol::write(
            &x,
            || rule.number(x.map(Symbol::lit_of)),
            || {
                let list = rule.parameters().into_iter().map(Symbol::Lit).chain(x);
                let (texts, latex): (Vec<_>, Vec<_>) =
                    list.map(|x| x.part().at(CHOICE)).map(|[text, latex]| (text, latex)).unzip();
                Part {
                    text: format!("{}({})", R::NAME, texts.join(", ")),
                    latex: format!(r"\operatorname{{{}}}\left({}\right)", R::NAME, latex.join(", ")),
                    binds: ATOM,
                }
            },
        )
    }
    fn lt(self, other: Self) -> Self {
        self.infix(other, ["<", "<"], CHOICE, SUM, (self.lit_of() < other.lit_of()) as u8 as f64)
    }
    fn le(self, other: Self) -> Self {
        self.infix(other, ["≤", r"\le"], CHOICE, SUM, (self.lit_of() <= other.lit_of()) as u8 as f64)
    }
    fn eq(self, other: Self) -> Self {
        self.infix(other, ["=", "="], CHOICE, SUM, (self.lit_of() == other.lit_of()) as u8 as f64)
    }
    fn select(mask: Self, a: Self, b: Self) -> Self {
        if let (Symbol::Lit(a), Symbol::Lit(b)) = (a, b)
            && a == b
        {
            return Symbol::Lit(a);
        }
        let chosen = if mask.lit_of() != 0.0 { a.lit_of() } else { b.lit_of() };
        Symbol::write(
            &[mask, a, b],
            || chosen,
            || {
                let ([m, lm], [a, la], [b, lb]) =
                    (mask.part().at(CHOICE), a.part().at(SUM), b.part().at(SUM));
                let latex =
                    format!(r"\begin{{cases}} {la} & {lm} \\ {lb} & \text{{otherwise}} \end{{cases}}");
                Part { text: format!("{a} if {m} else {b}"), latex, binds: CHOICE }
            },
        )
    }
    fn chain(self, slope: Self) -> Self {
        self * slope
    }
    fn carry(self, slope: Self) -> Self {
        self * slope
    }
    fn abs(self) -> Self {
        Symbol::write(
            &[self],
            || self.lit_of().abs(),
            || {
                let [text, latex] = self.part().at(CHOICE);
                Part { text: format!("|{text}|"), latex: format!(r"\left|{latex}\right|"), binds: ATOM }
            },
        )
    }
    fn sqrt(self) -> Self {
        Symbol::write(
            &[self],
            || self.lit_of().sqrt(),
            || {
                let ([text, _], [_, latex]) = (self.part().at(ATOM), self.part().at(CHOICE));
                Part { text: format!("√{text}"), latex: format!(r"\sqrt{{{latex}}}"), binds: SIGN }
            },
        )
    }
    fn pow(self, y: Self) -> Self {
        Symbol::write(
            &[self, y],
            || self.lit_of().powf(y.lit_of()),
            || {
                let ([a, la], [b, _], [_, lb]) =
                    (self.part().at(ATOM), y.part().at(ATOM), y.part().at(CHOICE));
                Part { text: format!("{a}^{b}"), latex: format!("{la}^{{{lb}}}"), binds: POWER }
            },
        )
    }
    fn powi(self, n: i32) -> Self {
        match n {
            0 => Symbol::Lit(1.0),
            1 => self,
            _ => self.pow(Symbol::Lit(n as f64)),
        }
    }
    calls!(exp r"\exp", exp_m1 r"\operatorname{expm1}", ln r"\ln", ln_1p r"\operatorname{ln1p}", sin r"\sin", cos r"\cos", tanh r"\tanh",
        sigmoid r"\sigma", erf r"\operatorname{erf}");
}

// What a reader would not write, 0 + x, 1·x, 0·x and the like, is left out.
impl std::ops::Add for Symbol<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Symbol::Lit(0.0), x) | (x, Symbol::Lit(0.0)) => x,
            (a, b) => a.infix(b, ["+", "+"], SUM, SUM, a.lit_of() + b.lit_of()),
        }
    }
}
impl std::ops::Sub for Symbol<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        match (self, other) {
            (x, Symbol::Lit(0.0)) => x,
            (Symbol::Lit(0.0), x) => -x,
            (a, b) => a.infix(b, ["−", "-"], SUM, PRODUCT, a.lit_of() - b.lit_of()),
        }
    }
}
impl std::ops::Mul for Symbol<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        match (self, other) {
            (Symbol::Lit(1.0), x) | (x, Symbol::Lit(1.0)) => x,
            (Symbol::Lit(0.0), _) | (_, Symbol::Lit(0.0)) => Symbol::Lit(0.0),
            (Symbol::Lit(-1.0), x) | (x, Symbol::Lit(-1.0)) => -x,
            (a, b) => a.infix(b, ["·", r"\cdot"], PRODUCT, PRODUCT, a.lit_of() * b.lit_of()),
        }
    }
}
impl std::ops::Div for Symbol<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        if let Symbol::Lit(1.0) = other {
            return self;
        }
        Symbol::write(
            &[self, other],
            || self.lit_of() / other.lit_of(),
            || {
                let ([a, _], [b, _]) = (self.part().at(PRODUCT), other.part().at(SIGN));
                let latex = format!(r"\frac{{{}}}{{{}}}", self.part().latex, other.part().latex);
                Part { text: format!("{a} / {b}"), latex, binds: PRODUCT }
            },
        )
    }
}
impl std::ops::Neg for Symbol<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        Symbol::write(
            &[self],
            || -self.lit_of(),
            || {
                let [text, latex] = self.part().at(SIGN);
                Part { text: format!("−{text}"), latex: format!("-{latex}"), binds: SIGN }
            },
        )
    }
}
