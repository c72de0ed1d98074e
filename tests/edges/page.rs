//! The contract as a page of the book.

use crate::contract::{Answer, ByInput, Contract, Exception, Numbers, Point, contract};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What other systems answered: `tests/edges-peers.json`, as `edges.py` records it.
#[derive(Deserialize)]
struct Peers {
    date: String,
    versions: BTreeMap<String, String>,
    summary: BTreeMap<String, String>,
    rows: Vec<PeerRow>,
}

#[derive(Deserialize)]
struct PeerRow {
    call: String,
    #[serde(flatten)]
    point: Point,
    /// By system, in words: `right`, what it gives instead, or null where it has no such function.
    answers: BTreeMap<String, Option<String>>,
}

const PEERS: [&str; 2] = ["torch", "jax"];

fn number(v: f64) -> String {
    let plain = |v: f64| format!("{v:.6}").trim_end_matches('0').trim_end_matches('.').to_owned();
    match v {
        v if v.is_nan() => "NaN".into(),
        v if v.is_infinite() => if v > 0.0 { "∞" } else { "−∞" }.into(),
        v if v == 0.0 => if v.is_sign_negative() { "−0" } else { "0" }.into(),
        v if v < 0.0 => format!("−{}", number(-v)),
        v if (1e-4..1e6).contains(&v) => plain(v),
        v => {
            let text = format!("{v:.4e}");
            let (digits, exponent) = text.split_once('e').expect("an exponent");
            format!("{}e{}", digits.trim_end_matches('0').trim_end_matches('.'), exponent.replace('-', "−"))
        }
    }
}

fn numbers(v: &Numbers) -> String {
    match v {
        Numbers::Number(_) | Numbers::Word(_) => number(v.flat()[0]),
        Numbers::List(list) => format!("[{}]", list.iter().map(numbers).collect::<Vec<_>>().join(", ")),
        Numbers::Shape { shape } => format!("none, {shape:?}"),
    }
}

fn named(by_input: &ByInput) -> String {
    by_input.iter().map(|(name, v)| format!("{name} = {}", numbers(v))).collect::<Vec<_>>().join(", ")
}

/// A derivative by each input; without the name of an only one.
fn derivative(by_input: &ByInput, inputs: usize) -> String {
    match by_input.values().next() {
        None => "·".into(),
        Some(only) if inputs == 1 => numbers(only),
        Some(_) => by_input.values().map(numbers).collect::<Vec<_>>().join("; "),
    }
}

/// Where a row is, in words.
pub fn point(point: &Point) -> String {
    let mut text = named(&point.inputs);
    if let Some(c) = &point.cotangent {
        text += &format!("; cotangent {}", numbers(c));
    }
    if let Some(v) = point.along.values().next() {
        text += &format!("; along {}", numbers(v));
    }
    text
}

/// A line of a table.
fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn answer(answer: &Answer, inputs: usize) -> [String; 3] {
    let value = answer.value.as_ref().map_or("·".into(), numbers);
    [value, derivative(&answer.gradient, inputs), derivative(&answer.second, inputs)]
}

fn rows(contract: &Contract, peers: &Peers) -> String {
    let mut sections: Vec<(&str, Vec<_>)> = vec![];
    for row in &contract.rows {
        let title = &contract.calls[&row.call].section[..];
        match sections.iter_mut().find(|(other, _)| *other == title) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((title, vec![row])),
        }
    }
    let mut text = String::new();
    for (title, rows) in sections {
        text +=
            &format!("### {title}\n\n| call | at | value | gradient | second | by | why | torch | jax |\n");
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for row in rows {
            let mut cells = vec![format!("`{}`", row.call), point(&row.point)];
            cells.extend(answer(&row.answer, row.point.inputs.len()));
            cells.extend([row.by.clone(), cell(&row.why)]);
            let asked = peers.rows.iter().find(|peer| peer.call == row.call && peer.point == row.point);
            for peer in PEERS {
                let found = asked.and_then(|asked| asked.answers.get(peer));
                cells.push(cell(match found.map(Option::as_deref) {
                    Some(Some("right")) => "✓",
                    Some(Some(other)) => other,
                    Some(None) => "–",
                    None => "not asked",
                }));
            }
            text += &line(&cells);
        }
        text += "\n";
    }
    text
}

fn spellings(contract: &Contract) -> String {
    let mut text = String::from("| function | spellings | at |\n|---|---|---|\n");
    for group in &contract.spellings {
        let calls: Vec<_> = group.calls.iter().map(|call| format!("`{call}`")).collect();
        let at: Vec<_> = group.at.iter().map(named).collect();
        text += &line(&[group.name.clone(), calls.join(" = "), at.join("; ")]);
    }
    text
}

fn exceptions(contract: &Contract) -> String {
    let mut text = String::from("| call | at | | value | gradient | why |\n|---|---|---|---|---|---|\n");
    for Exception { call, point: at, truth, given, why } in &contract.exceptions {
        let [value, gradient, _] = answer(truth, at.inputs.len());
        text += &line(&[format!("`{call}`"), point(at), "truth".into(), value, gradient, cell(why)]);
        let [value, gradient, _] = answer(given, at.inputs.len());
        text += &line(&["".into(), "".into(), "given".into(), value, gradient, "".into()]);
    }
    text
}

fn peers(peers: &Peers) -> String {
    let versions: Vec<_> = peers.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text = format!("Recorded on {} with {}.\n\n", peers.date, versions.join(" and "));
    for (name, line) in &peers.summary {
        text += &format!("- {name}: {line}\n");
    }
    text
}

/// The page with the part between `<!-- name -->` and `<!-- end -->` replaced.
fn replace(page: &str, name: &str, part: &str) -> String {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").expect("a part of the page ends");
    format!("{before}{begin}\n{}\n\n<!-- end -->{after}", part.trim())
}

#[test]
#[cfg_attr(miri, ignore)] // Miri shows no files
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/edge-contract.md");
    let old = std::fs::read_to_string(&path).expect("the page");
    let contract = contract();
    let asked: Peers = serde_json::from_str(include_str!("../edges-peers.json")).expect("peers' answers");
    let parts = [
        ("exceptions", exceptions(&contract)),
        ("spellings", spellings(&contract)),
        ("peers", peers(&asked)),
        ("rows", rows(&contract, &asked)),
    ];
    let new = parts.iter().fold(old.clone(), |page, (name, part)| replace(&page, name, part));
    if std::env::var_os("UPDATE_BOOK").is_some() {
        std::fs::write(&path, &new).expect("the page can be written");
    } else {
        assert!(old == new, "book/edge-contract.md is out of date: UPDATE_BOOK=1 cargo test --test edges");
    }
}
