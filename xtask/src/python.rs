//! The Python package: its wheel, and its tests in a virtual environment of their own.

use crate::shell::{Outcome, Repo};

/// What the tests need beside the package itself.
const REQUIREMENTS: &str = "python/tests/requirements.txt";

/// Builds the wheel; gives its path.
pub fn wheel(repo: &Repo) -> Outcome<String> {
    let python = environment(repo)?;
    let folder = format!("{}/wheels", repo.target);
    let old = std::fs::remove_dir_all(repo.root.join(&folder));
    if let Err(error) = old
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("{folder}: {error}"));
    }
    // With the tag of the oldest C library that has all the symbols it needs, which pip install compares with the machine's:
    // `linux` alone says nothing. What pip builds for its own machine keeps that.
    let tag = "--config-settings=build-args=--compatibility";
    repo.run(&format!("{python} -m pip wheel --quiet --no-deps {tag} --wheel-dir {folder} ."))?;
    let entries = std::fs::read_dir(repo.root.join(&folder)).map_err(|error| format!("{folder}: {error}"))?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.find(|name| name.ends_with(".whl")).ok_or_else(|| format!("no wheel in {folder}"))?;
    Ok(format!("{folder}/{name}"))
}

/// Builds the package and installs it; gives the interpreter that has it.
pub fn installed(repo: &Repo) -> Outcome<String> {
    install(repo, &wheel(repo)?)
}

fn install(repo: &Repo, wheel: &str) -> Outcome<String> {
    let python = environment(repo)?;
    // Without what it depends on, first: the same version may have been built anew.
    repo.run(&format!("{python} -m pip install --quiet --force-reinstall --no-deps {wheel}"))?;
    repo.run(&format!("{python} -m pip install --quiet {wheel}"))?;
    Ok(python)
}

/// Builds, installs and tests the package.
pub fn test(repo: &Repo) -> Outcome {
    let wheel = wheel(repo)?;
    let python = install(repo, &wheel)?;
    repo.run(&format!("{python} -m pip install --quiet --requirement {REQUIREMENTS}"))?;
    repo.run(&format!("{python} -m pytest --quiet -rs -p no:cacheprovider python/tests"))?;
    let cache = format!("--cache-dir {}/mypy", repo.target);
    repo.run(&format!("{python} -m mypy --strict {cache} python/femtograd"))?;
    repo.run(&format!("{python} -m mypy.stubtest --mypy-config-file python/stubtest.ini --allowlist python/stubtest.txt --concise femtograd"))?;
    for other in others(repo, &python) {
        // A wheel is for every later version: the first example and the arithmetic there, without what only tests need.
        let environment = format!("{}/{other}", repo.target);
        repo.run(&format!("{other} -m venv --clear {environment}"))?;
        let other = format!("{environment}/bin/python");
        repo.run(&format!("{other} -m pip install --quiet --disable-pip-version-check {wheel}"))?;
        repo.run(&format!("{other} python/tests/smoke.py"))?;
    }
    Ok(())
}

/// The interpreter of the virtual environment, which is made if there is none.
fn environment(repo: &Repo) -> Outcome<String> {
    let folder = format!("{}/python", repo.target);
    let python = format!("{folder}/bin/python");
    if repo.ask(&format!("{python} -m pip --version")).is_err() {
        let system = system(repo)?;
        repo.run(&format!("{system} -m venv --clear {folder}"))?;
        repo.run(&format!("{python} -m pip install --quiet --upgrade pip"))?;
    }
    // The build looks for it on the path; and a path from the root serves wherever pip goes.
    Ok(python)
}

/// Whether a Python can be used: 3.11 or later, with what makes virtual environments.
fn usable(repo: &Repo, name: &str) -> bool {
    let question = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    repo.ask(&format!("{name} -c '{question}'")).is_ok()
}

/// A Python of the machine, installed where it may be.
fn system(repo: &Repo) -> Outcome<String> {
    const NAMES: [&str; 6] =
        ["python3", "python3.11", "python3.12", "python3.13", "python3.14", "python3.15"];
    let find = || NAMES.into_iter().find(|name| usable(repo, name)).map(str::to_owned);
    if let Some(name) = find() {
        return Ok(name);
    }
    let missing =
        "Python 3.11 or later with the module venv is missing (Debian: apt-get install python3 python3-venv)";
    if repo.ask("id -u").is_ok_and(|id| id.trim() == "0") && repo.ask("apt-get --version").is_ok() {
        repo.run("apt-get update --quiet").map_err(|error| format!("{missing}: {error}"))?;
        repo.run("DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes python3 python3-venv")
            .map_err(|error| format!("{missing}: {error}"))?;
    }
    find().ok_or_else(|| missing.to_owned())
}

/// Other versions on this machine that the wheel is for.
fn others(repo: &Repo, python: &str) -> Vec<String> {
    let version = |name: &str| repo.ask(&format!("{name} -c 'import sys; print(sys.version_info[:2])'")).ok();
    let own = version(python);
    let later = (11..=20).map(|minor| format!("python3.{minor}"));
    later.filter(|name| usable(repo, name) && version(name) != own).collect()
}
