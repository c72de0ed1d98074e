//! `cargo xtask bench`: speed as a user gets it, and as users of other libraries get it.

use crate::shell::{Outcome, Repo};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// What is added to the help of the benchmark itself.
const USAGE: &str = "\
cargo xtask bench [--peers] [--write] [OPTION…] [WORKLOAD…]

--python       in turns with this library's own Python package, built and installed under target/
--peers        so, and with PyTorch and JAX, which are installed there too (some gigabytes; or the environment
               variable FEMTOGRAD_PYTHON names a Python that has them), and with candle and burn
--write        the tables into BENCHMARKS.md

What follows is understood by `cargo bench` too:
";

/// The workloads that BENCHMARKS.md shows.
const SHOWN: [&str; 10] =
    ["limit", "chain", "mlp_s", "mlp_l", "cnn", "gpt", "elem", "small", "growth", "promise"];

/// Times the workloads that the arguments ask for.
pub fn run(repo: &Repo, mut arguments: Vec<OsString>) -> Outcome<bool> {
    let mut take = |flag: &str| {
        let before = arguments.len();
        arguments.retain(|argument| argument != flag);
        arguments.len() < before
    };
    let (peers, package, write) = (take("--peers"), take("--python"), take("--write"));
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
    }
    let is_option = |argument: &OsString| argument.to_string_lossy().starts_with('-');
    if peers && arguments.iter().all(is_option) {
        arguments.extend(SHOWN.map(OsString::from));
    } else if peers {
        arguments.push("limit".into());
    }
    if peers {
        arguments.extend(["--python".into(), python(repo)?.into(), "--others".into(), others(repo)?.into()]);
    }
    if peers || package {
        let python = repo.root.join(crate::python::installed(repo)?);
        arguments.extend(["--package".into(), python.into()]);
    }
    if write {
        arguments.extend(["--write".into(), repo.root.join("BENCHMARKS.md").into()]);
    }
    // The workload `small_startup` starts it.
    let built = plain(repo.command("cargo build --quiet --release --package femtograd-cli")?).status();
    let bench = || {
        plain(repo.command("cargo bench --quiet --package femtograd-bench --")?)
            .args(&arguments)
            .status()
            .map_err(|error| format!("cargo cannot be started: {error}"))
    };
    Ok(built.is_ok_and(|status| status.success()) && bench()?.success())
}

/// A command of cargo without the flags and profiles that the shell may carry.
fn plain(mut command: Command) -> Command {
    let flags = |name: &str| name.contains("RUSTFLAGS") || name.starts_with("CARGO_PROFILE_");
    for (name, _) in std::env::vars().filter(|(name, _)| flags(name)) {
        command.env_remove(name);
    }
    command
}

/// A Python that has PyTorch and JAX, from an environment of its own.
fn python(repo: &Repo) -> Outcome<PathBuf> {
    if let Some(python) = std::env::var_os("FEMTOGRAD_PYTHON") {
        return Ok(python.into());
    }
    let folder = format!("{}/peers", repo.target);
    let python = format!("{folder}/bin/python");
    let create = format!("python3 -m venv {folder}");
    if !repo.root.join(&python).exists() && repo.run(&create).is_err() {
        // Debian has it in a package of its own, which only root can install.
        repo.run("apt-get install --yes python3-venv").and_then(|()| repo.run(&create)).map_err(|error| {
            format!("`{create}` needs Python 3 with its module venv (Debian: python3-venv):\n{error}")
        })?;
    }
    if repo.ask(&format!("{python} -c 'import torch, jax, numpy'")).is_err() {
        let pip = format!("{python} -m pip install --quiet");
        repo.run(&format!("{pip} torch jax numpy"))?;
    }
    std::path::absolute(repo.root.join(&python)).map_err(|error| format!("{python}: {error}"))
}

/// The binary with candle and burn.
fn others(repo: &Repo) -> Outcome<PathBuf> {
    let target = std::path::absolute(repo.root.join(&repo.target).join("others"));
    let target = target.map_err(|error| format!("{}: {error}", repo.target))?;
    println!("  building candle and burn, which takes minutes the first time");
    let mut build = plain(repo.command("cargo build --quiet --release --locked")?);
    let build = build.current_dir(repo.root.join("benches/others")).env("CARGO_TARGET_DIR", &target);
    match build.status() {
        Ok(status) if status.success() => Ok(target.join("release/femtograd-bench-others")),
        Ok(status) => Err(format!("benches/others cannot be built: cargo ended with {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
