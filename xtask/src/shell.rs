//! Running commands: a step prints the line it runs, and that line pasted into a shell runs it again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A step's result: what went wrong, in words for whoever has to mend it.
pub type Outcome<T = ()> = Result<T, String>;

/// The working copy that the commands run in.
pub struct Repo {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Cargo's target folder, relative to the root or absolute, as a command line names it.
    pub target: String,
}

impl Repo {
    /// The repository that this program was built from.
    pub fn find() -> Repo {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace");
        Repo {
            root: root.to_owned(),
            target: std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned()),
        }
    }

    /// Runs a command line, printed first; its output goes straight through.
    pub fn run(&self, line: &str) -> Outcome {
        println!("  $ {line}");
        let status = self.command(line)?.stdin(Stdio::null()).status();
        match status.map_err(|error| format!("`{line}` cannot be started: {error}"))? {
            status if status.success() => Ok(()),
            status => Err(format!("`{line}` ended with {status}")),
        }
    }

    /// What a command prints to its standard output; not echoed: a question about machine or tree.
    pub fn ask(&self, line: &str) -> Outcome<String> {
        let output = self.command(line)?.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("`{line}` cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{line}` ended with {}\n{}", output.status, why.trim_end()))
    }

    /// The text of a file of the repository.
    pub fn read(&self, path: &str) -> Outcome<String> {
        std::fs::read_to_string(self.root.join(path)).map_err(|error| format!("{path}: {error}"))
    }

    /// Every file that is tracked or would be, as paths from the root.
    pub fn files(&self) -> Outcome<Vec<String>> {
        let list = self.ask("git ls-files -z --cached --others --exclude-standard --deduplicate")?;
        let exists = |path: &&str| self.root.join(path).is_file();
        Ok(list.split_terminator('\0').filter(exists).map(str::to_owned).collect())
    }

    /// A command from a line of the form `NAME=value program argument …`, with a shell's quoting and nothing
    /// else of it.
    pub fn command(&self, line: &str) -> Outcome<Command> {
        let words = shlex::split(line).ok_or_else(|| format!("`{line}`: a quote is not closed"))?;
        let is_setting = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        let settings = words.iter().take_while(is_setting).count();
        let program = words.get(settings).ok_or_else(|| format!("`{line}`: no program"))?;
        let mut command = Command::new(program);
        command.current_dir(&self.root).args(&words[settings + 1..]);
        command.envs(words[..settings].iter().filter_map(|word| word.split_once('=')));
        Ok(command)
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_settings_then_program_then_arguments() {
        let repo = Repo::find();
        let command = repo.command("A=1 FLAGS='-x -y' cargo test --config=a=b").unwrap();
        assert_eq!(command.get_program(), "cargo");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["test", "--config=a=b"]);
        let set = |name: &str| command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(set("A").unwrap(), "1");
        assert_eq!(set("FLAGS").unwrap(), "-x -y");
        assert!(repo.command("A=1").is_err() && repo.command("cargo 'test").is_err());
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let repo = Repo::find();
        let differ = "git diff --no-index --quiet Cargo.toml rustfmt.toml";
        assert!(repo.run(differ).unwrap_err().starts_with(&format!("`{differ}` ended with")));
        assert!(repo.ask("no-such-program --flag").unwrap_err().contains("cannot be started"));
    }
}
