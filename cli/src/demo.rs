//! What `femtograd` does without arguments: the first example, a network, and what to try next.

use std::io::Write;
use std::path::Path;

use femtograd::{Tensor, inspect};

use crate::error::Result;
use crate::train::{self, Ending};

/// Runs the demonstration.
pub fn run(out: &mut impl Write) -> Result<u8> {
    let a = Tensor::new(2.0).named("a");
    let b = Tensor::new(3.0).named("b");
    let c = (&a * &b + b.powi(2)).named("c");
    c.backward();
    writeln!(out, "c = a*b + b**2 at a = 2, b = 3, with the gradient of c at each node:\n")?;
    writeln!(out, "{}\n", inspect::draw(&c).trim_end())?;
    let slope = |x: &Tensor<f64>| x.grad().map_or(0.0, |grad| grad.item());
    writeln!(out, "c = {}, dc/da = {}, dc/db = {}\n", c.item(), slope(&a), slope(&b))?;

    writeln!(out, "The same engine, on {} handwritten digits:\n", crate::show::thousands(1797))?;
    let options = train::Options::default();
    let ending = train::run(&options, out)?;
    if let Ending::Complete = ending {
        let me = program();
        writeln!(out, "\nWhat to try next:")?;
        writeln!(out, "  {me} eval 'exp(-x**2) * sin(3*x)' x=0.5 --graph")?;
        writeln!(out, "  {me} train digits --epochs 100 --seed 1 --out mine.safetensors")?;
        writeln!(out, "  {me} --help")?;
    }
    Ok(ending.exit_code())
}

/// How to call this program again, from where it was called.
pub fn program() -> String {
    if std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return if cfg!(debug_assertions) { "cargo run --" } else { "cargo run --release --" }.into();
    }
    let called = crate::PROGRAM.get().cloned().unwrap_or_default();
    if called.contains([' ', std::path::MAIN_SEPARATOR]) { called } else { "femtograd".into() }
}

/// An image to try: the one in the repository, if this is where the program runs.
pub fn example() -> &'static str {
    let shipped = "cli/data/seven.png";
    if Path::new(shipped).exists() { shipped } else { "IMAGE.png" }
}
