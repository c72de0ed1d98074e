//! `femtograd eval 'a*b + b**2' a=2 b=3`

use std::io::{self, Read, Write};

use femtograd::inspect;

use crate::error::{Error, Result, describe};
use crate::expression::{Expression, Variable};
use crate::show::number;

/// A drawing of more operations than this is no longer something to look at.
const DRAWN: usize = 500;

/// Prints the value of an expression and its derivative in each variable, in the order given.
pub fn run(text: &str, assignments: &[String], graph: bool, out: &mut impl Write) -> Result<u8> {
    let typed;
    let text = if text == "-" {
        typed = from_stdin()?;
        typed.trim_end()
    } else {
        text
    };
    let expression = Expression::parse(text)?;
    let mut variables: Vec<Variable> = Vec::new();
    for assignment in assignments {
        let variable = Variable::parse(assignment)?;
        if variables.iter().any(|earlier| earlier.name == variable.name) {
            return Err(Error::Mistake(format!("{} is given twice", variable.name)));
        }
        variables.push(variable);
    }
    if graph && expression.operations() > DRAWN {
        let operations = expression.operations();
        let what = format!("--graph draws at most {DRAWN} operations; this expression has {operations}");
        return Err(Error::Mistake(what));
    }

    let value = expression.evaluate(&variables)?;
    let mut lines = vec![("value".to_string(), value.item())];
    if !variables.is_empty() {
        value.backward();
    }
    for variable in &variables {
        let slope = variable.tensor.grad().map_or(0.0, |grad| grad.item());
        lines.push((format!("d/d{}", variable.name), slope));
    }
    let width = lines.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    for (what, x) in &lines {
        writeln!(out, "{what:>width$} = {}", number(*x))?;
    }
    if graph {
        writeln!(out, "\n{}", inspect::draw(&value).trim_end())?;
    }
    Ok(0)
}

/// For expressions that are longer than a command line may be.
fn from_stdin() -> Result<String> {
    const LIMIT: u64 = 64 << 20;
    let mut text = String::new();
    match io::stdin().take(LIMIT + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > LIMIT => {
            Err(Error::Mistake(format!("standard input has more than {} MiB", LIMIT >> 20)))
        }
        Ok(_) => Ok(text),
        Err(problem) => Err(Error::Mistake(format!("standard input: {}", describe(&problem)))),
    }
}
