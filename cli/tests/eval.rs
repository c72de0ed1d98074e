//! `femtograd eval`: values, gradients, and what it says about mistakes.

mod common;

use std::path::Path;

use common::{Run, fed, refused};

fn eval(arguments: &[&str]) -> Run {
    common::run(Path::new("."), &[&["eval"], arguments].concat())
}

fn prints(arguments: &[&str], expected: &str) {
    let run = eval(arguments);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{arguments:?}");
    assert_eq!(run.out, expected, "{arguments:?}");
}

#[test]
fn the_first_example() {
    prints(&["a*b + b**2", "a=2", "b=3"], "value = 15\n d/da = 3\n d/db = 8\n");
}

#[test]
fn gradients_come_in_the_order_given_and_aligned() {
    prints(&["length*w", "w=-2", "length=1e-7"], "    value = -2e-7\n     d/dw = 1e-7\nd/dlength = -2\n");
    prints(&["length*w", "length=0.5", "w=4"], "    value = 2\nd/dlength = 4\n     d/dw = 0.5\n");
}

#[test]
fn operators_functions_and_constants() {
    prints(&["-a**2", "a=3"], "value = -9\n d/da = -6\n");
    prints(&["2**-1"], "value = 0.5\n");
    prints(&["2^3^2"], "value = 512\n");
    prints(&["x**3", "x=-2"], "value = -8\n d/dx = 12\n");
    prints(&["max(a, b) + 10*min(a, b)", "a=1", "b=2"], "value = 12\n d/da = 10\n d/db = 1\n");
    prints(&["log(e) + ln(exp(x)) + abs(-x)", "x=2"], "value = 5\n d/dx = 2\n");
    prints(&["cos(pi)"], "value = -1\n");
    prints(&["relu(x) + sqrt(x)", "x=4"], "value = 6\n d/dx = 1.25\n");
    prints(&["sigmoid(x) + tanh(x) + gelu(x) + sin(x)", "x=0"], "value = 0.5\n d/dx = 2.75\n");
    prints(&["a - a", "a=3"], "value = 0\n d/da = 0\n");
    let run = eval(&["softplus(x)", "x=0"]);
    assert!(run.out.starts_with("value = 0.693147180559945"), "{}", run.out);
    assert!(run.out.ends_with("d/dx = 0.5\n"), "{}", run.out);
}

#[test]
fn the_graph_is_drawn_on_request() {
    let run = eval(&["a*b + b**2", "a=2", "b=3", "--graph"]);
    assert_eq!(run.code, Some(0));
    let (numbers, graph) = run.out.split_once("\n\n").expect("a blank line");
    assert_eq!(numbers, "value = 15\n d/da = 3\n d/db = 8");
    for part in ["a", "b", "15", "6", "9", "8"] {
        assert!(graph.contains(part), "{part} is not in {graph}");
    }
    let before = eval(&["--graph", "a*b + b**2", "a=2", "b=3"]);
    assert_eq!(before.out, run.out);
}

#[test]
fn a_syntax_error_points_at_its_column() {
    let run = eval(&["a*b + )", "a=2", "b=3"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    let what = "femtograd: column 7: expected a number, a name, a function or '(', found ')'";
    assert_eq!(run.err, format!("{what}\n  a*b + )\n        ^\n"));
    // Tabs, colours and line breaks are shown as spaces, so that the caret stands where it should.
    let run = eval(&["a\t+\n\u{1b}[31m $", "a=2"]);
    assert_eq!(run.err.lines().nth(1), Some("  a +  [31m $"));
    assert_eq!(run.err.lines().nth(2), Some("      ^"));
}

#[test]
fn variables_and_their_values_must_match() {
    let run = eval(&["a * rate", "a=2"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert_eq!(run.err, "femtograd: column 5: rate has no value; add rate=NUMBER\n  a * rate\n      ^\n");
    refused(&eval(&["a", "a=2", "b=3"]), &["b is not in the expression"]);
    refused(&eval(&["a", "a=2", "a=3"]), &["a is given twice"]);
    refused(&eval(&["a", "a=two"]), &["'a=two'", "expected a finite number"]);
    refused(&eval(&["a", "a=nan"]), &["'a=nan'", "expected a finite number"]);
    refused(&eval(&["a", "a=1e999"]), &["'a=1e999'", "expected a finite number"]);
    refused(&eval(&["a", "2"]), &["'2'", "expected NAME=NUMBER"]);
    refused(&eval(&["a", "a b=2"]), &["'a b=2'", "expected a name"]);
    refused(&eval(&["e", "e=2"]), &["'e=2'", "has a meaning already"]);
}

#[test]
fn infinity_is_an_answer() {
    prints(&["1/a", "a=0"], "value = inf\n d/da = -inf\n");
    prints(&["ln(a)", "a=-1"], "value = NaN\n d/da = -1\n");
}

#[test]
fn an_expression_may_come_from_standard_input() {
    let run = fed(Path::new("."), &["eval", "-", "a=2", "b=3"], "a*b\n  + b**2\n");
    assert_eq!((run.code, run.out.as_str()), (Some(0), "value = 15\n d/da = 3\n d/db = 8\n"), "{}", run.err);
}

#[test]
fn long_and_deep_expressions_are_no_danger() {
    const N: usize = 100_000;
    let deep = |text: &str| fed(Path::new("."), &["eval", "-", "a=1"], text);
    let cases = [
        (format!("{}a{}", "(".repeat(N), ")".repeat(N)), "value = 1\n d/da = 1\n"),
        (vec!["a"; N].join("+"), "value = 100000\n d/da = 100000\n"),
        (format!("{}a", "-".repeat(N)), "value = 1\n d/da = 1\n"),
        (format!("{}a{}", "tanh(0*".repeat(N), ")".repeat(N)), "value = 0\n d/da = 0\n"),
    ];
    for (text, expected) in cases {
        let run = deep(&text);
        assert_eq!((run.code, run.out.as_str()), (Some(0), expected), "{}", run.err);
    }
    let run = deep(&"(".repeat(N));
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.starts_with("femtograd: column 100001: expected a number"), "{}", run.err);
    assert!(run.err.len() < 300);
    let run = fed(Path::new("."), &["eval", "-", "a=1", "--graph"], &vec!["a"; N].join("+"));
    refused(&run, &["draws at most 500 operations", "99999"]);
}
