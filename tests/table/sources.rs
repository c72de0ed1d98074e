//! The names of the ops, read from the sources.

use std::path::Path;

/// The sources of the ops, without comments.
pub fn sources() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let (mut waiting, mut text) = (vec![folder], String::new());
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).expect("a text");
            let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.for_each(|line| text.extend([line, "\n"]));
        }
    }
    text
}

/// The strings that follow each `mark`, where only `between` may come first: one, or a list in brackets.
fn strings_after<'a>(text: &'a str, mark: &str, between: &str) -> Vec<Vec<&'a str>> {
    let strings = |rest: &'a str| {
        let rest = rest.trim_start().strip_prefix(between)?.trim_start();
        let quoted = match rest.strip_prefix('[') {
            Some(list) => &list[..list.find(']')?],
            None => &rest[..rest.strip_prefix('"')?.find('"')? + 2],
        };
        Some(quoted.split('"').skip(1).step_by(2).collect())
    };
    text.split(mark).skip(1).filter_map(strings).collect()
}

/// The names of each op in a source: one, or those of its kinds.
pub fn names(text: &str) -> Vec<Vec<&str>> {
    let mut names = strings_after(text, "const NAME: &'static str =", "");
    names.extend(strings_after(text, "fn name(&self) -> &'static str", "{"));
    names
}
