//! No op without a case: the names in the sources against those met in the table's graphs.

use crate::cases::table;
use crate::node::nodes;
use crate::sources::{names, sources};
use std::collections::BTreeSet;

#[test]
#[cfg_attr(miri, ignore)] // Miri shows no files
fn every_op_is_in_the_table() {
    let text = sources();
    let names = names(&text);
    // Should an op ever be written in a form that `names` does not read, the counts differ. (The families
    // take their names from their members.)
    let is_op = |line: &&str| {
        let family = [" Rule<", " Op<", " Linear<", " Fused<"].iter().any(|family| line.contains(family));
        let head = [" for LinearOp<", " for FusedOp<"].iter().any(|head| line.contains(head));
        family && line.contains("> for ") && !head
    };
    let ops: Vec<_> = text.lines().filter(is_op).collect();
    assert_eq!(names.len(), ops.len(), "not one name for each of {ops:#?}: {names:?}");

    let met: BTreeSet<_> =
        table::<f64>().iter().flat_map(nodes).map(|node| node.op().expect("recorded").name()).collect();
    let missing: Vec<_> = names.concat().into_iter().filter(|name| !met.contains(name)).collect();
    assert!(missing.is_empty(), "no case in tests/table/cases/ reaches these ops: {missing:?}");
}

#[test]
fn names_are_read_from_sources() {
    let text = "const NAME: &'static str = \"one\";\nconst NAME: &'static str = $name;\n\
                const NAME: &'static str = [\"a\", \"b\"][KIND];\nfn name(&self) -> &'static str {\n    \"two\"\n}\n";
    assert_eq!(names(text), [vec!["one"], vec!["a", "b"], vec!["two"]]);
}
