//! Expressions such as `a*b + b**2`: from text to tensors.
//!
//! The text becomes a list of steps for a stack machine ("a, b, multiply, b, 2, power, add"), and the steps
//! make the tensors. Operators wait on a list until one that binds less tightly arrives (Dijkstra's shunting
//! yard). Nothing here calls itself, so a hundred thousand parentheses need memory, not stack.

use std::fmt::{self, Write};

use femtograd::Tensor;
use winnow::ascii::{digit0, digit1, multispace0};
use winnow::combinator::{alt, empty, opt};
use winnow::error::ContextError;
use winnow::prelude::*;
use winnow::token::{any, one_of, take_while};

use crate::error::{Error, Result};

/// A number, the value of a variable, or what has been computed from them.
type Value = Tensor<f64>;

/// A function of one or two arguments.
struct Function {
    name: &'static str,
    arguments: usize,
    apply: fn(&[Value]) -> Value,
}

const FUNCTIONS: [Function; 14] = {
    const fn f(name: &'static str, arguments: usize, apply: fn(&[Value]) -> Value) -> Function {
        Function { name, arguments, apply }
    }
    [
        f("abs", 1, |x| x[0].abs()),
        f("cos", 1, |x| x[0].cos()),
        f("exp", 1, |x| x[0].exp()),
        f("gelu", 1, |x| x[0].gelu()),
        f("ln", 1, |x| x[0].ln()),
        f("log", 1, |x| x[0].ln()),
        f("max", 2, |x| x[0].maximum(&x[1])),
        f("min", 2, |x| x[0].minimum(&x[1])),
        f("relu", 1, |x| x[0].relu()),
        f("sigmoid", 1, |x| x[0].sigmoid()),
        f("sin", 1, |x| x[0].sin()),
        f("softplus", 1, |x| x[0].softplus()),
        f("sqrt", 1, |x| x[0].sqrt()),
        f("tanh", 1, |x| x[0].tanh()),
    ]
};

const CONSTANTS: [(&str, f64); 2] = [("pi", std::f64::consts::PI), ("e", std::f64::consts::E)];

#[derive(Clone, Copy, PartialEq)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// What the stack machine does; the arguments lie on the stack.
enum Step<'a> {
    Number(f64),
    Variable { name: &'a str, column: usize },
    Negate,
    Binary(Binary),
    Call(&'static Function),
}

/// An expression that has been read.
pub struct Expression<'a> {
    text: &'a str,
    steps: Vec<Step<'a>>,
}

/// A name with its value.
pub struct Variable<'a> {
    /// How the expression calls it.
    pub name: &'a str,
    /// The leaf; its gradient is what is asked for.
    pub tensor: Tensor<f64>,
}

impl<'a> Variable<'a> {
    /// Reads `name=number`.
    pub fn parse(text: &'a str) -> Result<Variable<'a>> {
        let mistake = |what: String| Err(Error::Mistake(format!("'{}': {what}", printable(text))));
        let Some((name, value)) = text.split_once('=') else {
            return mistake("expected NAME=NUMBER, such as a=2".into());
        };
        let (name, value) = (name.trim(), value.trim());
        if self::name.parse(name).is_err() {
            return mistake("expected a name before '=': a letter, then letters, digits or '_'".into());
        }
        if CONSTANTS.iter().any(|constant| constant.0 == name) || function(name).is_some() {
            return mistake(format!("{name} has a meaning already; take another name"));
        }
        match value.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Variable { name, tensor: Tensor::new(x).named(name) }),
            _ => mistake("expected a finite number after '=', such as 2 or -1.5e-3".into()),
        }
    }
}

impl<'a> Expression<'a> {
    /// Reads an expression, or says what was expected where.
    pub fn parse(text: &'a str) -> Result<Expression<'a>> {
        let mut yard = Yard { text, steps: Vec::new(), waiting: Vec::new(), wants_operand: true };
        let mut tokens = Tokens { rest: text, column: 1 };
        loop {
            let (token, column) = tokens.next();
            if yard.wants_operand {
                yard.operand(token, column, &mut tokens)?;
            } else if yard.operator(token, column)? {
                return Ok(Expression { text, steps: yard.steps });
            }
        }
    }

    /// How many operations there are to do.
    pub fn operations(&self) -> usize {
        let operand = |step: &&Step| matches!(step, Step::Number(_) | Step::Variable { .. });
        self.steps.len() - self.steps.iter().filter(operand).count()
    }

    /// Computes the expression. Each name must have a value, and each value must be used: a name that is
    /// mistyped on one of the two sides would otherwise give a wrong answer in silence.
    pub fn evaluate(&self, variables: &[Variable]) -> Result<Tensor<f64>> {
        let mut used = vec![false; variables.len()];
        let mut stack = Vec::new();
        for step in &self.steps {
            let operand = match step {
                Step::Number(x) => Operand::Number(*x),
                Step::Variable { name, column } => {
                    let Some(index) = variables.iter().position(|variable| variable.name == *name) else {
                        let what = format_args!("{name} has no value; add {name}=NUMBER");
                        return Err(pointing(self.text, *column, what));
                    };
                    used[index] = true;
                    Operand::Tensor(variables[index].tensor.clone())
                }
                Step::Negate => match pop(&mut stack) {
                    // So that -1 is a literal too, and 2**-1 has an integer exponent.
                    Operand::Number(x) => Operand::Number(-x),
                    Operand::Tensor(x) => Operand::Tensor(-x),
                },
                Step::Binary(binary) => {
                    let (b, a) = (pop(&mut stack), pop(&mut stack));
                    Operand::Tensor(binary.apply(a, b))
                }
                Step::Call(function) => {
                    let arguments = stack.split_off(stack.len() - function.arguments);
                    let arguments: Vec<_> = arguments.into_iter().map(Operand::tensor).collect();
                    Operand::Tensor((function.apply)(&arguments))
                }
            };
            stack.push(operand);
        }
        match variables.iter().zip(used).find(|(_, used)| !used) {
            Some((variable, _)) => {
                Err(Error::Mistake(format!("{} is not in the expression; leave it out", variable.name)))
            }
            None => Ok(pop(&mut stack).tensor()),
        }
    }
}

/// Literals stay numbers until an operation needs a tensor, because a power with a literal exponent is
/// another operation than one with a computed exponent.
enum Operand {
    Number(f64),
    Tensor(Value),
}

impl Operand {
    fn tensor(self) -> Value {
        match self {
            Operand::Number(x) => Tensor::constant(x),
            Operand::Tensor(x) => x,
        }
    }
}

fn pop(stack: &mut Vec<Operand>) -> Operand {
    stack.pop().expect("the steps were checked as they were written")
}

impl Binary {
    /// How tightly it binds. Between products and powers stands [`NEGATION`].
    fn strength(self) -> u8 {
        match self {
            Binary::Add | Binary::Subtract => 1,
            Binary::Multiply | Binary::Divide => 2,
            Binary::Power => 4,
        }
    }

    fn apply(self, a: Operand, b: Operand) -> Value {
        match (self, b) {
            (Binary::Power, Operand::Number(n)) if n == f64::from(n as i32) => a.tensor().powi(n as i32),
            (Binary::Power, Operand::Number(x)) => a.tensor().powf(x),
            (Binary::Power, Operand::Tensor(b)) => a.tensor().pow(&b),
            (Binary::Add, b) => a.tensor() + b.tensor(),
            (Binary::Subtract, b) => a.tensor() - b.tensor(),
            (Binary::Multiply, b) => a.tensor() * b.tensor(),
            (Binary::Divide, b) => a.tensor() / b.tensor(),
        }
    }
}

/// As in Python, -a**2 is -(a**2), and -a*b is (-a)*b.
const NEGATION: u8 = 3;

fn function(name: &str) -> Option<&'static Function> {
    const TABLE: &[Function] = &FUNCTIONS;
    TABLE.iter().find(|function| function.name == name)
}

/// What waits until its right side is complete.
enum Waiting {
    Negate,
    Binary(Binary),
    /// An opened parenthesis and, if it is a call, the function and how many of its arguments have begun.
    Open {
        column: usize,
        call: Option<(&'static Function, usize)>,
    },
}

/// The shunting yard. It always wants one of two things: an operand, or an operator after one.
struct Yard<'a> {
    text: &'a str,
    steps: Vec<Step<'a>>,
    waiting: Vec<Waiting>,
    wants_operand: bool,
}

impl<'a> Yard<'a> {
    fn operand(&mut self, token: Token<'a>, column: usize, tokens: &mut Tokens<'a>) -> Result<()> {
        match token {
            Token::Number(digits) => match digits.parse() {
                Ok(x) if f64::is_finite(x) => self.push(Step::Number(x)),
                _ => return self.mistake(column, format_args!("{digits} is too large for a number")),
            },
            Token::Name(name) if tokens.peek() == Token::Symbol('(') => {
                let Some(function) = function(name) else {
                    let names = FUNCTIONS.map(|function| function.name).join(" ");
                    let what = format_args!("there is no function {name}; expected one of {names}");
                    return self.mistake(column, what);
                };
                let (_, column) = tokens.next();
                self.waiting.push(Waiting::Open { column, call: Some((function, 1)) });
            }
            Token::Name(name) if function(name).is_some() => {
                let (found, column) = tokens.next();
                let what = format_args!("expected '(' after {name}, found {found}");
                return self.mistake(column, what);
            }
            Token::Name(name) => match CONSTANTS.iter().find(|constant| constant.0 == name) {
                Some((_, x)) => self.push(Step::Number(*x)),
                None => self.push(Step::Variable { name, column }),
            },
            Token::Symbol('(') => self.waiting.push(Waiting::Open { column, call: None }),
            Token::Symbol('-') => self.waiting.push(Waiting::Negate),
            Token::Symbol('+') => {}
            found => {
                let what = format_args!("expected a number, a name, a function or '(', found {found}");
                return self.mistake(column, what);
            }
        }
        Ok(())
    }

    /// Takes what stands after an operand; true at the end of the text.
    fn operator(&mut self, token: Token, column: usize) -> Result<bool> {
        let binary = match token {
            Token::Symbol('+') => Binary::Add,
            Token::Symbol('-') => Binary::Subtract,
            Token::Symbol('*') => Binary::Multiply,
            Token::Symbol('/') => Binary::Divide,
            Token::Symbol('^') => Binary::Power,
            found => return self.end_of_operand(found, column),
        };
        // Of two equal ones the left goes first, except that 2**3**2 is 2**9.
        let right_first = u8::from(binary == Binary::Power);
        self.settle(binary.strength() + right_first);
        self.waiting.push(Waiting::Binary(binary));
        self.wants_operand = true;
        Ok(false)
    }

    fn end_of_operand(&mut self, token: Token, column: usize) -> Result<bool> {
        self.settle(0);
        // What is still waiting, if anything, is a parenthesis.
        match (token, self.waiting.last_mut()) {
            (Token::End, None) => return Ok(true),
            (Token::Symbol(')'), Some(Waiting::Open { call: Some((function, begun)), .. }))
                if *begun < function.arguments =>
            {
                let (name, arguments) = (function.name, function.arguments);
                let what = format_args!("expected ',': {name} takes {arguments} arguments");
                return self.mistake(column, what);
            }
            (Token::Symbol(')'), Some(Waiting::Open { call, .. })) => {
                let call = call.map(|(function, _)| Step::Call(function));
                self.waiting.pop();
                self.steps.extend(call);
            }
            (Token::Symbol(','), Some(Waiting::Open { call: Some((function, begun)), .. }))
                if *begun < function.arguments =>
            {
                *begun += 1;
                self.wants_operand = true;
            }
            (found, Some(Waiting::Open { column: opened, call })) => {
                let opened = *opened;
                let comma = match call {
                    Some((function, begun)) if *begun < function.arguments => "',' or ",
                    _ => "",
                };
                let what = format_args!(
                    "expected an operator or {comma}')' for the '(' in column {opened}, found {found}"
                );
                return self.mistake(column, what);
            }
            (found, _) => {
                let what = format_args!("expected an operator or the end, found {found}");
                return self.mistake(column, what);
            }
        }
        Ok(false)
    }

    fn push(&mut self, operand: Step<'a>) {
        self.steps.push(operand);
        self.wants_operand = false;
    }

    /// Writes down what waits and binds at least so tightly, back to the last open parenthesis.
    fn settle(&mut self, strength: u8) {
        while let Some(last) = self.waiting.last() {
            let step = match last {
                Waiting::Negate if NEGATION >= strength => Step::Negate,
                Waiting::Binary(binary) if binary.strength() >= strength => Step::Binary(*binary),
                _ => break,
            };
            self.steps.push(step);
            self.waiting.pop();
        }
    }

    fn mistake<T>(&self, column: usize, what: fmt::Arguments) -> Result<T> {
        Err(pointing(self.text, column, what))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token<'a> {
    Number(&'a str),
    Name(&'a str),
    /// An operator, a parenthesis or a comma, `^` standing for `**` too; or a character that has no business
    /// here.
    Symbol(char),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Token::Number(text) | Token::Name(text) => write!(f, "'{text}'"),
            Token::Symbol('^') => f.write_str("a power sign"),
            Token::Symbol(symbol) => write!(f, "'{}'", printable(symbol.encode_utf8(&mut [0; 4]))),
            Token::End => f.write_str("the end"),
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
    /// Where the rest begins, in characters from 1.
    column: usize,
}

impl<'a> Tokens<'a> {
    /// The next token and the column where it begins.
    fn next(&mut self) -> (Token<'a>, usize) {
        // Any text begins with a token (see `token`), so there is no error to report.
        let mut parser = (multispace0::<_, ContextError>, token.with_taken());
        let lexed = parser.parse_next(&mut self.rest);
        let (spaces, (token, text)) = lexed.unwrap_or(("", (Token::End, "")));
        let column = self.column + spaces.chars().count();
        self.column = column + text.chars().count();
        (token, column)
    }

    fn peek(&self) -> Token<'a> {
        Tokens { ..*self }.next().0
    }
}

fn token<'a>(input: &mut &'a str) -> winnow::Result<Token<'a>> {
    let symbol = alt(("**".value('^'), any)).map(Token::Symbol);
    alt((number.map(Token::Number), name.map(Token::Name), symbol, empty.value(Token::End))).parse_next(input)
}

fn number<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    let mantissa = alt(((digit1, opt(('.', digit0))).void(), ('.', digit1).void()));
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1);
    (mantissa, opt(exponent)).take().parse_next(input)
}

fn name<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    let letter = |c: char| c.is_alphabetic() || c == '_';
    (one_of(letter), take_while(0.., move |c| letter(c) || c.is_numeric())).take().parse_next(input)
}

/// A mistake in an expression: what, in which column, and below it the expression with a caret.
fn pointing(text: &str, column: usize, what: impl fmt::Display) -> Error {
    // Of a long expression only the surroundings.
    const AROUND: usize = 30;
    let start = column.saturating_sub(1 + AROUND);
    let shown: String = text.chars().skip(start).take(2 * AROUND).collect();
    let more = |there: bool| if there { "…" } else { "" };
    let (before, after) = (more(start > 0), more(text.chars().count() > start + 2 * AROUND));
    let indent = column - 1 - start + before.chars().count();
    let mut message = format!("column {column}: {what}");
    let _ = write!(message, "\n  {before}{}{after}\n  {:indent$}^", printable(&shown), "");
    Error::Mistake(message)
}

/// The text with a space for every tab, line break and control character, which would move the caret or
/// worse.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> f64 {
        let variables = ["a=2", "b=3"].map(|v| Variable::parse(v).unwrap());
        let text = format!("{text} + 0*a*b");
        Expression::parse(&text).unwrap().evaluate(&variables).unwrap().item()
    }

    fn mistake(text: &str, variables: &[&str]) -> String {
        let variables: Vec<_> = variables.iter().map(|v| Variable::parse(v).unwrap()).collect();
        match Expression::parse(text).and_then(|expression| expression.evaluate(&variables)) {
            Ok(_) => panic!("{text} is not wrong"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn precedence_is_as_in_python() {
        let cases = [
            ("a*b + b**2", 15.0),
            ("-a**2", -4.0),
            ("(-a)**2", 4.0),
            ("2**-1", 0.5),
            ("2**-1*3", 1.5),
            ("2**3**2", 512.0),
            ("2^3^2", 512.0),
            ("2**-3**2", 2f64.powi(-9)),
            ("10-4-3", 3.0),
            ("24/4/2*3", 9.0),
            ("1-2*3+4", -1.0),
            ("2*-a", -4.0),
            ("2--a", 4.0),
            ("--a", 2.0),
            ("+a - +b", -1.0),
            ("-a*b", -6.0),
            ("-a+b", 1.0),
            ("a**(1+1)", 4.0),
            ("a**0.5*a**.5", 2f64.sqrt().powi(2)),
            ("((a))", 2.0),
            ("max(a, b) - min(a,b)", 1.0),
            ("max(-a, min(b, a**3))", 3.0),
            ("exp(ln(a)) + log(1)", 2f64.ln().exp()),
            ("sqrt(16) + abs(-3) + relu(-1) + tanh(0) + sin(0) + cos(0)", 8.0),
            ("sigmoid(0) + gelu(0)", 0.5),
            ("softplus(0)", 2f64.ln()),
            ("cos(pi)", -1.0),
            ("ln(e)", 1.0),
            ("1.5e1 + 2E-1 + 3.", 18.2),
            (" a\t*\n b ", 6.0),
            ("a ** b", 8.0),
        ];
        for (text, expected) in cases {
            let got = value(text);
            assert!((got - expected).abs() < 1e-12, "{text} = {got}, expected {expected}");
        }
    }

    #[test]
    fn integer_exponents_work_for_negative_bases() {
        let x = Variable::parse("x=-2").unwrap();
        let y = Expression::parse("x**3 + x**-2").unwrap().evaluate(std::slice::from_ref(&x)).unwrap();
        y.backward();
        assert_eq!(y.item(), -7.75);
        assert_eq!(x.tensor.grad().unwrap().item(), 12.25);
    }

    #[test]
    fn mistakes_point_at_their_column() {
        let cases = [
            ("", 1, "expected a number, a name, a function or '(', found the end"),
            ("a +", 4, "found the end"),
            ("a*b + )", 7, "found ')'"),
            ("a + * b", 5, "found '*'"),
            ("a ** ** b", 6, "found a power sign"),
            ("(a + b", 7, "expected an operator or ')' for the '(' in column 1, found the end"),
            ("a + b)", 6, "expected an operator or the end, found ')'"),
            ("2 a", 3, "expected an operator or the end, found 'a'"),
            ("2a", 2, "found 'a'"),
            ("1.2.3", 4, "found '.3'"),
            ("a, b", 2, "found ','"),
            ("a $ b", 3, "found '$'"),
            ("a = 3", 3, "found '='"),
            ("foo(a)", 1, "there is no function foo; expected one of abs"),
            ("exp a", 5, "expected '(' after exp, found 'a'"),
            ("exp", 4, "expected '(' after exp, found the end"),
            ("exp()", 5, "found ')'"),
            ("exp(a, b)", 6, "expected an operator or ')' for the '(' in column 4, found ','"),
            ("max(a)", 6, "expected ',': max takes 2 arguments"),
            ("max(a", 6, "expected an operator or ',' or ')' for the '(' in column 4, found the end"),
            ("max((a, b))", 7, "expected an operator or ')' for the '(' in column 5, found ','"),
            ("1e999", 1, "1e999 is too large for a number"),
            ("a + ü", 5, "ü has no value; add ü=NUMBER"),
            ("ä + $", 5, "found '$'"),
            ("a\u{1b}[31m", 2, "found ' '"),
        ];
        for (text, column, what) in cases {
            let message = mistake(text, &["a=2", "b=3"]);
            let lines: Vec<_> = message.lines().collect();
            assert!(lines[0].starts_with(&format!("column {column}: ")), "{text}: {message}");
            assert!(lines[0].contains(what), "{text}: {message}");
            assert_eq!(lines[1], format!("  {}", printable(text)));
            assert_eq!(lines[2], format!("  {}^", " ".repeat(column - 1)));
        }
    }

    #[test]
    fn a_long_expression_is_shown_around_its_mistake() {
        let text = format!("{}a + ) + {}a", "a + ".repeat(1000), "a + ".repeat(1000));
        let message = mistake(&text, &["a=2"]);
        let lines: Vec<Vec<char>> = message.lines().map(|line| line.chars().collect()).collect();
        let caret = lines[2].iter().position(|&c| c == '^').unwrap();
        assert_eq!(lines[1][caret], ')');
        assert!(lines[1].len() < 80);
    }

    #[test]
    fn assignments_are_checked() {
        for wrong in
            ["a", "a=", "=3", "2a=3", "a b=3", "a=x", "a=1e999", "a=nan", "a=inf", "pi=3", "e=2", "exp=2"]
        {
            let error = Variable::parse(wrong).err().unwrap_or_else(|| panic!("{wrong} is wrong"));
            assert!(error.to_string().starts_with(&format!("'{wrong}': ")), "{error}");
        }
        assert_eq!(Variable::parse("a_1 = -1.5e-3").unwrap().tensor.item(), -1.5e-3);
        assert_eq!(mistake("a", &["a=1", "z=3"]), "z is not in the expression; leave it out");
    }

    #[test]
    fn length_and_depth_cost_memory_only() {
        const N: usize = 100_000;
        let cases = [
            (format!("{}a{}", "(".repeat(N), ")".repeat(N)), 1.0),
            (vec!["a"; N].join("+"), N as f64),
            (format!("{}a", "-".repeat(N)), 1.0),
            (vec!["a"; N].join("**"), 1.0),
            (format!("{}a{}", "abs(".repeat(N), ")".repeat(N)), 1.0),
        ];
        let run = move || {
            for (text, expected) in cases {
                let a = Variable::parse("a=1").unwrap();
                let y = Expression::parse(&text).unwrap().evaluate(std::slice::from_ref(&a)).unwrap();
                y.backward();
                assert_eq!(y.item(), expected);
            }
        };
        std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
    }
}
