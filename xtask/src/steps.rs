//! The steps of `cargo xtask test`, in the order that shows a mistake soonest.

use crate::shell::{Outcome, Repo};
use crate::{python, readme};
use proc_macro2::{TokenStream, TokenTree};
use std::sync::OnceLock;

/// One thing that must hold.
pub struct Step {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it checks, in a few words.
    pub what: &'static str,
    /// Runs it.
    pub run: fn(&Repo) -> Outcome,
}

/// What keeps one core busy for longest: it runs beside the others, from the beginning.
pub const BESIDE: &str = "miri";

/// Every step.
pub const STEPS: [Step; 13] = [
    Step { name: "format", what: "rustfmt would change nothing", run: format },
    Step { name: "clippy", what: "no warning in any crate or test", run: clippy },
    Step { name: "portable", what: "the library compiles for a browser, without threads", run: portable },
    Step { name: "docs", what: "the documentation builds without a warning", run: docs },
    Step {
        name: "core",
        what: "src/tensor.rs is short and plain, and the README shows it as it is",
        run: core,
    },
    Step { name: "tests", what: "unit, property, documentation and command-line tests", run: tests },
    Step { name: "python", what: "the Python package, installed from its wheel", run: python::test },
    Step { name: "simd", what: "the tests again on each smaller instruction set", run: simd },
    Step { name: "bench", what: "every workload of the benchmarks still runs", run: bench },
    Step { name: "sanitize", what: "the kernels touch no memory that is not theirs", run: sanitize },
    Step { name: "miri", what: "no undefined behaviour in the core and the portable kernels", run: miri },
    Step {
        name: "readme",
        what: "the commands of README.md and DESIGN.md print what is shown",
        run: readme::run,
    },
    Step { name: "clean", what: "the tests left nothing in the tree", run: clean },
];

/// What takes too long to be done each time: only when it is named.
pub const EXTRA: [Step; 1] = [Step {
    name: "arguments",
    what: "the elementary functions on every f32 there is; half an hour of processor time",
    run: arguments,
}];

fn format(repo: &Repo) -> Outcome {
    if repo.ask("cargo fmt --version").is_err() {
        repo.run("rustup component add rustfmt")?;
    }
    repo.run("cargo fmt --all --check")
}

fn clippy(repo: &Repo) -> Outcome {
    if repo.ask("cargo clippy --version").is_err() {
        repo.run("rustup component add clippy")?;
    }
    repo.run("cargo clippy --workspace --all-targets -- -D warnings")
}

fn portable(repo: &Repo) -> Outcome {
    const TARGET: &str = "wasm32-unknown-unknown";
    if !repo.ask("rustup target list --installed")?.lines().any(|line| line == TARGET) {
        repo.run(&format!("rustup target add {TARGET}"))?;
    }
    repo.run(&format!("cargo check -p femtograd --no-default-features --target {TARGET}"))
}

fn docs(repo: &Repo) -> Outcome {
    repo.run("RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --features femtograd/linalg")
}

/// The promise that anyone can read it: the core's budget, and no `unsafe` outside the crates made for it.
fn core(repo: &Repo) -> Outcome {
    const CORE: &str = "src/tensor.rs";
    const MOST: usize = 120;
    // Kernels; and bindings, where a foreign interface may leave no choice.
    const MAY_BE_UNSAFE: [&str; 3] = ["kernels/", "python/", "web/"];

    let text = repo.read(CORE)?;
    let lines = code_lines(&text);
    println!("  {CORE}: {lines} lines of code, at most {MOST}");
    if lines > MOST {
        return Err(format!("{CORE} has {lines} lines of code, {} too many", lines - MOST));
    }
    let words = identifiers(&text).map_err(|error| format!("{CORE}: {error}"))?;
    // The only thing called `feature` in Rust is a flag inside some form of `cfg`.
    for (word, meaning) in [("unsafe", "`unsafe`"), ("macro_rules", "a macro"), ("feature", "a feature flag")]
    {
        if words.iter().any(|other| other == word) {
            return Err(format!("{CORE} holds {meaning}"));
        }
    }
    let files = repo.files()?;
    let safe = |path: &&String| {
        path.ends_with(".rs") && !MAY_BE_UNSAFE.iter().any(|folder| path.starts_with(folder))
    };
    let mut count = 0;
    for path in files.iter().filter(safe) {
        count += 1;
        let words = identifiers(&repo.read(path)?).map_err(|error| format!("{path}: {error}"))?;
        if words.iter().any(|word| word == "unsafe") {
            return Err(format!("{path} holds `unsafe`, which belongs into kernels/"));
        }
    }
    println!("  no `unsafe` in the {count} Rust files outside {}", MAY_BE_UNSAFE.join(", "));
    readme::check_quotes(repo)
}

/// Settings shared by every run of the tests. Optimised, since sweeps over thousands of cases are slow without, and
/// with debug assertions; in a folder of its own, so that the plain release build stays as it is. Optimising across the units of
/// a crate would take half as long again, and tests are not timed.
fn checked(repo: &Repo) -> String {
    let profile = "CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_LTO=off";
    format!("CARGO_TARGET_DIR={}/checked {profile}", repo.target)
}

/// All crates with tests in Rust. All of them, always: fewer would ask less of their common dependencies and build them anew. The
/// Python package has its own step, and would take minutes here.
const CRATES: &str = "--workspace --exclude femtograd-py";

/// The test behind [`EXTRA`].
const EVERY_ARGUMENT: &str = "single_on_every_argument";

fn tests(repo: &Repo) -> Outcome {
    let line = format!("{} cargo test {CRATES} --release", checked(repo));
    repo.run(&line)?;
    // Those marked as slow, which an optimised build can afford after all.
    println!("  not run: {EVERY_ARGUMENT}, which is the step `arguments`");
    repo.run(&format!("{line} --lib --bins --tests -- --ignored --skip {EVERY_ARGUMENT}"))
}

fn arguments(repo: &Repo) -> Outcome {
    let tests = "--lib --bins --tests -- --include-ignored";
    repo.run(&format!("{} cargo test {CRATES} --release {tests} {EVERY_ARGUMENT}", checked(repo)))
}

/// What `tests` did on the machine's largest instruction set, on the smaller ones: every copy of every kernel.
fn simd(repo: &Repo) -> Outcome {
    let sets = instruction_sets();
    println!("  this machine has {}; the step `tests` used the first", sets.join(", "));
    for set in ["avx512", "avx2"].iter().filter(|set| !sets.contains(set)) {
        println!("  NOT TESTED HERE: the code for {set}, which this machine cannot run");
    }
    for set in &sets[1..] {
        let line = format!("cargo test {CRATES} --release --lib --bins --tests");
        repo.run(&format!("FEMTOGRAD_SIMD={set} {} {line}", checked(repo)))?;
    }
    Ok(())
}

/// The values of FEMTOGRAD_SIMD that the kernels accept on this machine, from the largest.
fn instruction_sets() -> Vec<&'static str> {
    let mut sets = vec!["portable"];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        sets.insert(0, "avx2");
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            sets.insert(0, "avx512");
        }
    }
    sets
}

/// Once each, without the largest; what has no Rust compiler to keep it right is at least read.
fn bench(repo: &Repo) -> Outcome {
    let line = format!("cargo bench {CRATES} --bench workloads --profile release -- --smoke --threads 2");
    repo.run(&format!("{} {line}", checked(repo)))?;
    match repo.ask("python3 --version") {
        Ok(_) => repo.run("python3 -c 'import ast; ast.parse(open(\"benches/peers.py\").read())'"),
        Err(_) => {
            println!("  NOT CHECKED HERE: benches/peers.py, without Python");
            Ok(())
        }
    }
}

/// The address sanitiser watches optimised code, at the sizes that the fast paths are for, and other people's code with it:
/// neither is in Miri's reach.
fn sanitize(repo: &Repo) -> Outcome {
    // Named, so that the flags are not those of build scripts and macros, which the compiler itself runs.
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("  NOT CHECKED HERE: the address sanitiser is used on x86-64 Linux only");
        return Ok(());
    }
    nightly(repo, "The address sanitiser", &[])?;
    for set in instruction_sets() {
        // Tests ask for more memory than there is, which is no mistake of theirs.
        let settings = format!(
            "CARGO_TARGET_DIR={}/sanitize CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS=-Zsanitizer=address \
             ASAN_OPTIONS=allocator_may_return_null=1 FEMTOGRAD_SIMD={set} PROPTEST_CASES=16",
            repo.target
        );
        let crates = "-p femtograd-kernels --lib --tests";
        repo.run(&format!("{settings} cargo +nightly test --release --target {TARGET} {crates}"))?;
    }
    Ok(())
}

fn miri(repo: &Repo) -> Outcome {
    nightly(repo, "Miri", &["miri", "rust-src"])?;
    // Isolated, so that a failure comes again; but what asks for a file is told no instead of being stopped.
    // Functions like `exp` are as exact as elsewhere: their tests are not what Miri is here for. Every random case
    // costs a tenth of a second, so a few have to do. The machine seems to have one core; the tests of the team of threads
    // start threads of their own.
    let flags = "-Zmiri-strict-provenance -Zmiri-isolation-error=hide -Zmiri-deterministic-floats \
                 -Zmiri-env-set=FEMTOGRAD_SIMD=portable -Zmiri-env-set=PROPTEST_CASES=4";
    let settings = format!("CARGO_TARGET_DIR={}/miri MIRIFLAGS='{flags}'", repo.target);
    let crates = "-p femtograd-kernels -p femtograd";
    repo.run(&format!("{settings} cargo +nightly miri test {crates} --lib --tests"))
}

/// Sees to a nightly toolchain with these components, which `what` needs.
fn nightly(repo: &Repo, what: &str, components: &[&str]) -> Outcome {
    let missing = format!("{what} needs a nightly toolchain with the components {components:?}");
    let toolchains =
        repo.ask("rustup toolchain list").map_err(|error| format!("{missing}, and rustup:\n{error}"))?;
    if !toolchains.lines().any(is_nightly) {
        repo.run("rustup toolchain install nightly --no-self-update --profile minimal")
            .map_err(|error| format!("{missing}, and none could be installed: {error}"))?;
    }
    let installed = repo.ask("rustup component list --toolchain nightly --installed")?;
    for name in components {
        if !installed.lines().any(|line| line.starts_with(name)) {
            repo.run(&format!("rustup component add --toolchain nightly {name}"))
                .map_err(|error| format!("{missing}, and one could not be added: {error}"))?;
        }
    }
    Ok(())
}

/// `nightly` or `nightly-HOST`, but not `nightly-DATE-HOST`, which `+nightly` would not find.
fn is_nightly(line: &str) -> bool {
    let name = line.split_whitespace().next().unwrap_or_default();
    let rest = name.strip_prefix("nightly");
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with('-') && !rest[1..].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// What git says of the tree before the first step.
static BEFORE: OnceLock<Outcome<String>> = OnceLock::new();

/// Looks at the tree, for [`clean`] to compare with.
pub fn remember(repo: &Repo) {
    BEFORE.get_or_init(|| tree(repo));
}

fn tree(repo: &Repo) -> Outcome<String> {
    repo.ask("git status --porcelain --untracked-files=all")
}

fn clean(repo: &Repo) -> Outcome {
    let before = BEFORE.get_or_init(|| tree(repo)).clone()?;
    let after = tree(repo)?;
    if before != after {
        return Err(format!("git status was\n{before}\nand now is\n{after}"));
    }
    println!("  git status is what it was before the first step");
    Ok(())
}

/// Lines that are neither blank nor only a comment.
fn code_lines(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// The words of a Rust file, keywords among them, without those in comments and strings.
fn identifiers(text: &str) -> Result<Vec<String>, String> {
    fn collect(tokens: TokenStream, into: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => collect(group.stream(), into),
                TokenTree::Ident(word) => into.push(word.to_string()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    let mut words = Vec::new();
    collect(text.parse().map_err(|error| format!("not Rust: {error}"))?, &mut words);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_code_are_counted_without_blanks_and_comments() {
        let text = "//! Docs.\n\n/// More.\nfn a() {\n    // why\n    b(); // code\n\t\n}\n";
        assert_eq!(code_lines(text), 3);
        assert_eq!(code_lines(""), 0);
        assert_eq!(code_lines("    // a\n/* counted, so that nothing hides in it */\n"), 1);
    }

    #[test]
    fn words_in_comments_and_strings_are_none() {
        let words = |text| identifiers(text).unwrap();
        assert!(!words("/// unsafe\nfn a() { b(\"unsafe\"); } // unsafe").contains(&"unsafe".into()));
        assert!(words("fn a() { { unsafe { b() } } }").contains(&"unsafe".into()));
        assert!(words("#[cfg(any(test, feature = \"x\"))] fn a() {}").contains(&"feature".into()));
        assert!(words("macro_rules! a { () => {} }").contains(&"macro_rules".into()));
        assert!(identifiers("fn a() {").is_err());
    }

    #[test]
    fn a_dated_nightly_is_not_the_nightly() {
        assert!(is_nightly("nightly-x86_64-unknown-linux-gnu (default)") && is_nightly("nightly"));
        assert!(!is_nightly("nightly-2026-01-01-x86_64-unknown-linux-gnu") && !is_nightly("stable"));
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        for (i, step) in STEPS.iter().chain(&EXTRA).enumerate() {
            assert!(STEPS[..i.min(STEPS.len())].iter().all(|other| other.name != step.name), "{}", step.name);
            assert!(step.name.len() <= 9, "{} does not fit the table", step.name);
        }
    }
}
