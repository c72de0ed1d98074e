//! Runs the program as a user does and keeps what it said.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run left behind.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The program, not yet started, in a directory of its own choice.
pub fn command(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_femtograd"));
    command
        .current_dir(place)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn run(place: &Path, arguments: &[&str]) -> Run {
    finished(command(place, arguments).output().unwrap())
}

/// Runs the program with something on its standard input.
pub fn fed(place: &Path, arguments: &[&str], input: &str) -> Run {
    let mut child = command(place, arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    finished(child.wait_with_output().unwrap())
}

/// What a finished run left behind, checked for what holds of every run: plain text, because nothing here is
/// a terminal, and no panic.
pub fn finished(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let run = Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    for text in [&run.out, &run.err] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "control characters in {text:?}");
    }
    assert!(!run.err.contains("panicked"), "{}", run.err);
    run
}

/// One clear line on stderr, exit code 2, nothing on stdout.
pub fn refused(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{}", run.err);
    assert!(run.err.starts_with("femtograd: ") && run.err.lines().count() == 1, "{}", run.err);
    for part in parts {
        assert!(run.err.contains(part), "{part:?} is not in {}", run.err);
    }
}

/// An empty directory.
pub fn place(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}
