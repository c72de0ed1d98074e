//! A page that shows a command shows what it does: the code blocks of README.md and DESIGN.md are run.
//!
//! | fence | what is done with it |
//! |---|---|
//! | `rust` | README.md's are doctests of the library and run among the tests; DESIGN.md's are free |
//! | any, after `<!-- from PATH -->` | must occur in that file, line by line |
//! | `console` | each `$ command` runs and must print the lines shown under it |
//! | `text`, `toml` | free |
//!
//! Any other fence in README.md is an error, since nobody would notice that it is never run.

use crate::shell::{Outcome, Repo};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs, io};

const PAGES: [&str; 2] = ["README.md", "DESIGN.md"];

/// Runs every command of the pages, in order, in a copy of the repository that keeps what they leave behind.
pub fn run(repo: &Repo) -> Outcome {
    let library = repo.read("src/lib.rs")?;
    if !library.contains(r#"include_str!("../README.md")"#) {
        return Err(
            "src/lib.rs does not include ../README.md, so its Rust blocks are not run as doctests".into()
        );
    }
    println!("  README.md's Rust blocks are doctests of the library: the step `tests` runs them");
    let scratch = Scratch::new(repo).map_err(|error| format!("the scratch copy: {error}"))?;
    for page in PAGES {
        for block in blocks(&repo.read(page)?) {
            let at = |error: String| format!("{page}:{}: {error}", block.line);
            check_fence(page, &block).map_err(at)?;
            if block.language() == "console" {
                for session in sessions(&block.text).map_err(at)? {
                    scratch.check(&session).map_err(at)?;
                }
            }
        }
    }
    Ok(())
}

/// Checks every block that claims to show a file against that file.
pub fn check_quotes(repo: &Repo) -> Outcome {
    for page in PAGES {
        for block in blocks(&repo.read(page)?) {
            let Some(source) = &block.source else { continue };
            let file = repo.read(source)?;
            match missing(&block.text, &file) {
                None => println!("  {page}:{}: shows {source} as it is", block.line),
                Some(line) => return Err(format!("{page}:{}: not in {source}: {line}", block.line)),
            }
        }
    }
    Ok(())
}

/// A code block of a page.
struct Block {
    /// The line of the page on which it opens.
    line: usize,
    /// What stands behind the fence; empty for none.
    fence: String,
    /// The file it is a piece of, by its own account.
    source: Option<String>,
    text: String,
}

impl Block {
    fn language(&self) -> &str {
        self.fence.split([',', ' ']).next().unwrap_or_default()
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut source = None;
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Html(html) => source = source_named(&html).or(source),
            Event::Start(Tag::CodeBlock(kind)) => {
                let fence = match kind {
                    CodeBlockKind::Fenced(fence) => fence.to_string(),
                    // rustdoc takes an indented block for Rust, as it does a fence without a language.
                    CodeBlockKind::Indented => String::new(),
                };
                let line = page[..range.start].lines().count() + 1;
                open = Some(Block { line, fence, source: source.take(), text: String::new() });
            }
            Event::Text(text) if open.is_some() => open.iter_mut().for_each(|block| block.text += &text),
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            Event::End(TagEnd::HtmlBlock) | Event::Start(Tag::HtmlBlock) => {}
            _ => source = None,
        }
    }
    blocks
}

/// `src/tensor.rs` from `<!-- from src/tensor.rs -->`.
fn source_named(html: &str) -> Option<String> {
    let path = html.trim().strip_prefix("<!-- from ")?.strip_suffix("-->")?;
    Some(path.trim().to_owned())
}

fn check_fence(page: &str, block: &Block) -> Outcome {
    let skipped = block.fence.split([',', ' ']).any(|word| word == "ignore");
    match block.language() {
        _ if block.source.is_some() => Ok(()),
        "console" | "text" | "toml" => Ok(()),
        // Prose about why may sketch what is not there, or is there no longer.
        language if page != "README.md" => {
            println!("  {page}:{}: a block of `{language}`, not run", block.line);
            Ok(())
        }
        "rust" | "" if skipped => {
            Err("an ignored Rust block may say anything; name its file or fence it as text".into())
        }
        // Run by the library's documentation tests, and by the package's.
        "rust" | "" | "python" => Ok(()),
        other => Err(format!("nothing runs `{other}` blocks; fence it as console (run) or text (free)")),
    }
}

/// The first line of a quotation that its file does not hold. Blank lines and ellipses part the quotation
/// into groups; each must stand in the file as it is, after the group before it.
fn missing(quotation: &str, file: &str) -> Option<String> {
    let file: Vec<_> = file.lines().map(str::trim_end).collect();
    let lines: Vec<_> = quotation.lines().map(str::trim_end).collect();
    let is_break = |line: &&str| matches!(line.trim(), "" | "..." | "…" | "// ..." | "// …");
    let mut from = 0;
    for group in lines.split(is_break).filter(|group| !group.is_empty()) {
        match file[from..].windows(group.len()).position(|window| window == group) {
            Some(at) => from += at + group.len(),
            // The line to name is not the group's first but the one after its longest beginning in the file.
            None => {
                let found = |n: &usize| file[from..].windows(*n).any(|window| window == &group[..*n]);
                let n = (1..group.len()).rev().find(found).unwrap_or(0);
                return Some(group[n].to_owned());
            }
        }
    }
    None
}

/// A command of a console block and the lines shown under it.
#[derive(Debug, PartialEq)]
struct Session {
    command: String,
    output: Vec<String>,
}

fn sessions(text: &str) -> Outcome<Vec<Session>> {
    let mut sessions: Vec<Session> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), sessions.last_mut()) {
            (Some(command), _) => sessions.push(Session { command: command.to_owned(), output: Vec::new() }),
            (None, Some(Session { command, output })) if output.is_empty() && command.ends_with('\\') => {
                *command += "\n";
                *command += line.strip_prefix("> ").unwrap_or(line);
            }
            (None, Some(session)) => session.output.push(line.trim_end().to_owned()),
            (None, None) => return Err("the block shows output before its first `$ command`".into()),
        }
    }
    for session in &mut sessions {
        let end = session.output.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        session.output.truncate(end);
    }
    Ok(sessions)
}

/// Whether lines are those shown: a shown line of dots stands for any lines, and `…` within one for anything.
fn same(shown: &[String], lines: &[&str]) -> bool {
    match (shown.split_first(), lines) {
        (None, _) => lines.is_empty(),
        (Some((gap, rest)), _) if matches!(gap.trim(), "..." | "…") => {
            (0..=lines.len()).any(|skipped| same(rest, &lines[skipped..]))
        }
        (Some(_), []) => false,
        (Some((line, rest)), [first, others @ ..]) => same_line(line, first) && same(rest, others),
    }
}

fn same_line(shown: &str, line: &str) -> bool {
    let Some((start, mut rest)) = shown.split_once('…') else { return shown == line };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    while let Some((piece, more)) = rest.split_once('…') {
        let Some(at) = line.find(piece) else { return false };
        (line, rest) = (&line[at + piece.len()..], more);
    }
    line.ends_with(rest)
}

/// A copy of the repository where the pages' commands run, so that what they write stays out of the tree.
struct Scratch {
    tree: PathBuf,
    build: PathBuf,
    installed: PathBuf,
}

impl Scratch {
    /// Always the same folder, written only where a file differs: cargo then rebuilds only what has changed.
    fn new(repo: &Repo) -> io::Result<Scratch> {
        let folder = std::path::absolute(repo.root.join(&repo.target).join("readme"))?;
        let scratch = Scratch {
            tree: folder.join("tree"),
            build: folder.join("build"),
            installed: folder.join("installed"),
        };
        fs::create_dir_all(&scratch.tree)?;
        let files = repo.files().map_err(io::Error::other)?;
        remove_others(&scratch.tree, Path::new(""), &files.iter().map(PathBuf::from).collect())?;
        for file in &files {
            let (from, to) = (repo.root.join(file), scratch.tree.join(file));
            if fs::read(&to).ok() != Some(fs::read(&from)?) {
                fs::create_dir_all(to.parent().expect("a file lies in a folder"))?;
                fs::copy(from, to)?;
            }
        }
        Ok(scratch)
    }

    /// Runs a command as a reader would type it and compares what it prints.
    fn check(&self, Session { command, output }: &Session) -> Outcome {
        println!("  $ {command}");
        if let Some(why) = not_run(command) {
            println!("    not run: {why}");
            return Ok(());
        }
        let start = Instant::now();
        let result =
            self.command(command).output().map_err(|error| format!("bash cannot be started: {error}"))?;
        let text = String::from_utf8_lossy(&result.stdout);
        if !result.status.success() {
            return Err(format!("`{command}` ended with {} and printed\n{text}", result.status));
        }
        let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
        if !output.is_empty() && !same(output, &lines) {
            let shown = output.join("\n");
            return Err(format!(
                "`{command}` is shown to print\n{shown}\n\nbut prints\n{}",
                lines.join("\n")
            ));
        }
        let compared = if output.is_empty() { "shows no output" } else { "prints what is shown" };
        println!("    {compared}, {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    }

    fn command(&self, line: &str) -> Command {
        let path = env::var_os("PATH").unwrap_or_default();
        // What the commands build or install can be called by name afterwards, as it can be for a reader.
        let folders = [self.build.join("release"), self.installed.join("bin")];
        let path = env::join_paths(folders.into_iter().chain(env::split_paths(&path)));
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec 2>&1\n{line}")]).current_dir(&self.tree).stdin(Stdio::null());
        command.env("PATH", path.expect("a target folder's name has no separator in it"));
        command.env("CARGO_TARGET_DIR", &self.build).env("CARGO_INSTALL_ROOT", &self.installed);
        // A page shows what the program prints, not how cargo compiled it.
        command.env("CARGO_TERM_QUIET", "true").env_remove("RUSTFLAGS");
        command
    }
}

/// Why a command of a page is not run from here.
fn not_run(command: &str) -> Option<&'static str> {
    if command.starts_with("cargo xtask test") {
        Some("this is it")
    } else if command.contains("xtask bench") || command.contains("cargo bench") {
        Some("timing everything takes too long for a test")
    } else {
        None
    }
}

/// Removes every file of a copy that is not among those to be kept.
fn remove_others(tree: &Path, below: &Path, keep: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(tree.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            if !keep.contains(&path) {
                fs::remove_file(entry.path())?;
            }
        } else if keep.iter().any(|kept| kept.starts_with(&path)) {
            remove_others(tree, &path, keep)?;
        } else {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Title

```rust
let a = 1;
```

<!-- from src/tensor.rs -->
```rust,ignore
fn a() {
    1
}
// …
fn b() {}
```

Text, then <!-- from nowhere -->

```console
$ femtograd eval 'a*b' a=2 \\
    b=3
6

...
d/db = 2…

$ true
```

```
unnamed
```
";

    #[test]
    fn blocks_are_found_with_line_fence_and_source() {
        let found = blocks(PAGE);
        let heads: Vec<_> = found.iter().map(|b| (b.line, b.language(), b.source.as_deref())).collect();
        let expected =
            [(3, "rust", None), (8, "rust", Some("src/tensor.rs")), (18, "console", None), (29, "", None)];
        assert_eq!(heads, expected);
        assert_eq!(found[0].text, "let a = 1;\n");
        assert_eq!(found[3].text, "unnamed\n");
    }

    #[test]
    fn a_block_nobody_runs_is_refused() {
        let check = |page, text: &str| blocks(text).iter().try_for_each(|block| check_fence(page, block));
        assert_eq!(check("README.md", PAGE), Ok(()));
        assert!(check("README.md", "```rust,ignore\n```").is_err());
        assert!(check("README.md", "```bash\nls\n```").is_err());
        assert_eq!(check("DESIGN.md", "```rust,ignore\n1;\n```"), Ok(()));
    }

    #[test]
    fn a_console_block_is_commands_with_their_output() {
        let session = |command: &str, output: &[&str]| Session {
            command: command.to_owned(),
            output: output.iter().map(|line| line.to_string()).collect(),
        };
        let first = session("femtograd eval 'a*b' a=2 \\\n    b=3", &["6", "", "...", "d/db = 2…"]);
        assert_eq!(sessions(&blocks(PAGE)[2].text), Ok(vec![first, session("true", &[])]));
        assert!(sessions("6\n$ true").is_err());
    }

    #[test]
    fn dots_stand_for_what_varies() {
        let same = |shown: &str, lines: &str| {
            let shown: Vec<_> = shown.lines().map(str::to_owned).collect();
            super::same(&shown, &lines.lines().collect::<Vec<_>>())
        };
        assert!(same("a\nb", "a\nb") && !same("a\nb", "a\nb\nc") && !same("a\nb", "a"));
        assert!(same("a\n…\nd", "a\nb\nc\nd") && same("a\n...\nd", "a\nd") && !same("a\n...\nd", "a\nb"));
        assert!(same("...", "") && same("...\nb\n...\nb", "a\nb\nb"));
        assert!(same("took … s, …", "took 1.2 s, 3") && same("a…a", "aa") && !same("a…a", "a"));
        assert!(!same("took … s", "took 1.2 ms") && same("…b…b", "abb") && !same("took … s", "Took 1 s"));
    }

    #[test]
    fn a_quotation_must_stand_in_its_file() {
        let file = "fn a() {\n    1\n}\n\n/// Text.\nfn b() {\n\n    2\n}\n//\nfn c() {}\n";
        assert_eq!(missing(&blocks(PAGE)[1].text, "fn a() {\n    1\n}\nfn b() {}\n"), None);
        assert_eq!(missing("fn b() {\n...\n    2\n}\n//\nfn c() {}", file), None);
        assert_eq!(missing(file, file), None);
        assert_eq!(missing("fn a() {\n    2\n}", file).as_deref(), Some("    2"));
        assert_eq!(missing("fn b() {\n\nfn a() {", file).as_deref(), Some("fn a() {"));
    }
}
