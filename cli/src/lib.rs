//! The command line of FemtoGrad: without arguments a demonstration, else `train`, `predict` and `eval`.
//!
//! Every mistake that a user can make ends as one line on stderr and the exit code 2. Nothing is
//! written with `println!`, which panics where the reader of a pipe has gone. The binary and the Python package's command are the
//! same function, [`main`].

mod demo;
mod digits;
mod error;
mod evaluate;
mod expression;
mod image;
mod model;
mod predict;
mod show;
mod train;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{Parser, Subcommand};

use crate::error::Error;

/// Exact gradients, from a core of about 100 lines.
///
/// Without a command: a demonstration. It differentiates c = a*b + b**2, draws the graph, and trains a
/// network on handwritten digits.
#[derive(Parser)]
#[command(name = "femtograd", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network and save it
    #[command(subcommand)]
    Train(Data),
    /// Read a digit from an image with a trained model
    Predict {
        /// A model saved by `femtograd train digits`
        model: PathBuf,
        /// 8x8 pixels, bright ink on a dark ground: a .png, or a .csv or .npy with ink from 0 to 16
        image: PathBuf,
    },
    /// Compute an expression and its gradient: femtograd eval 'a*b + b**2' a=2 b=3
    ///
    /// Operators as in Python: + - * / ** (or ^) and parentheses. Functions: abs cos exp gelu ln log max min
    /// relu sigmoid sin softplus sqrt tanh. Constants: pi e.
    Eval {
        /// What to compute; "-" reads it from standard input
        #[arg(allow_hyphen_values = true)]
        expression: String,
        /// The value of each variable
        #[arg(value_name = "NAME=NUMBER")]
        variables: Vec<String>,
        /// Draw the graph of the computation, value and gradient at each node
        #[arg(long)]
        graph: bool,
    },
}

#[derive(Subcommand)]
enum Data {
    /// Handwritten digits: 1,797 images of 8x8 pixels, part of this program
    Digits(train::Options),
}

/// How this program was called.
static PROGRAM: OnceLock<String> = OnceLock::new();

/// Runs the command line with these arguments, the program's name first, and gives the exit code. What is wrong with them is
/// said on stderr, with the code 2.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<_> = arguments.into_iter().collect();
    PROGRAM
        .get_or_init(|| arguments.first().map_or(String::new(), |name| name.to_string_lossy().into_owned()));
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help goes to stdout, mistakes to stderr; if that is gone, the exit code still says it.
            let _ = answer.print();
            return answer.exit_code() as u8;
        }
    };
    let mut out = io::stdout().lock();
    match run(cli, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?)) {
        Ok(code) => code,
        // The reader has seen enough (`femtograd … | head -1`): nobody is left to tell.
        Err(Error::Output(problem)) if problem.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "femtograd: {error}");
            2
        }
    }
}

fn run(cli: Cli, out: &mut impl Write) -> Result<u8, Error> {
    match cli.command {
        None => demo::run(out),
        Some(Command::Train(Data::Digits(options))) => Ok(train::run(&options, out)?.exit_code()),
        Some(Command::Predict { model, image }) => predict::run(&model, &image, out),
        Some(Command::Eval { expression, variables, graph }) => {
            evaluate::run(&expression, &variables, graph, out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_demonstration_trains_with_the_defaults_of_the_command_line() {
        let cli = Cli::parse_from(["femtograd", "train", "digits"]);
        let Some(Command::Train(Data::Digits(options))) = cli.command else { panic!("train digits") };
        assert_eq!(options, train::Options::default());
    }
}
