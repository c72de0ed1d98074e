//! No op without a case: the names in the sources against those met in the table's graphs.

use crate::cases::table;
use crate::node::nodes;
use std::collections::BTreeSet;
use std::path::Path;

/// The sources of the ops, without comments.
fn sources() -> String {
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

/// The string that follows each `mark`, where only `between` may come first.
fn strings_after<'a>(text: &'a str, mark: &str, between: &str) -> Vec<&'a str> {
    let after = text.split(mark).skip(1);
    let string = |rest: &'a str| {
        let quoted = rest.trim_start().strip_prefix(between)?.trim_start().strip_prefix('"')?;
        Some(&quoted[..quoted.find('"')?])
    };
    after.filter_map(string).collect()
}

/// The names of all ops in a source.
fn names(text: &str) -> Vec<&str> {
    let mut names = strings_after(text, "const NAME: &'static str =", "");
    names.extend(strings_after(text, "fn name(&self) -> &'static str", "{"));
    names
}

#[test]
#[cfg_attr(miri, ignore)] // Miri shows no files
fn every_op_is_in_the_table() {
    let text = sources();
    let names = names(&text);
    // Should an op ever be written in a form that `names` does not read, the counts differ. (The family of linear ops
    // takes its names from its members.)
    let is_op = |line: &&str| {
        let family = [" Rule<", " Op<", " Linear<"].iter().any(|family| line.contains(family));
        family && line.contains("> for ") && !line.contains(" for LinearOp<")
    };
    let ops: Vec<_> = text.lines().filter(is_op).collect();
    assert_eq!(names.len(), ops.len(), "not one name for each of {ops:#?}: {names:?}");

    let met: BTreeSet<_> =
        table::<f64>().iter().flat_map(nodes).map(|node| node.op().expect("recorded").name()).collect();
    let missing: Vec<_> = names.iter().filter(|name| !met.contains(*name)).collect();
    assert!(missing.is_empty(), "no case in tests/table/cases.rs reaches these ops: {missing:?}");
}

#[test]
fn names_are_read_from_sources() {
    let text = "const NAME: &'static str = \"one\";\nconst NAME: &'static str = $name;\n\
                fn name(&self) -> &'static str {\n    \"two\"\n}\n";
    assert_eq!(names(text), ["one", "two"]);
}
