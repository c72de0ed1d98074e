//! What can go wrong, and how files are read and named when it does.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::{fmt, result};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Error {
    /// A mistake in what the user gave. One line; below it, for a formula, the formula and a caret.
    Mistake(String),
    /// Standard output could not be written.
    Output(io::Error),
}

/// What the functions of this crate return.
pub type Result<T> = result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Mistake(text) => f.write_str(text),
            Error::Output(problem) => write!(f, "cannot write the output: {}", describe(problem)),
        }
    }
}

/// Every `?` on an `io::Error` is a failed write to standard output; errors of files go through [`about`].
impl From<io::Error> for Error {
    fn from(problem: io::Error) -> Error {
        Error::Output(problem)
    }
}

/// A mistake in a file, in one line that begins with its name.
pub fn about(path: &Path, what: impl fmt::Display) -> Error {
    Error::Mistake(format!("{}: {what}", path.display()))
}

/// The words of the operating system, without its number.
pub fn describe(problem: &io::Error) -> String {
    let text = problem.to_string();
    match problem.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        _ => text.split(" (os error").next().unwrap_or(&text).to_lowercase(),
    }
}

/// Reads a file of at most `limit` bytes: a device that never ends, given by mistake, must not fill the
/// memory.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|problem| about(path, describe(&problem)))?;
    if bytes.len() as u64 > limit {
        return Err(about(path, format_args!("has more than {} MiB, too large to be right", limit >> 20)));
    }
    Ok(bytes)
}
