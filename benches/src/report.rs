//! What the timings say, as tables.

use crate::driver::{OURS, PACKAGE, Timing};
use crate::limits::need;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// What stands around the tables of a page.
const MARKERS: [&str; 2] =
    ["<!-- tables: cargo xtask bench --peers --write -->\n", "<!-- end of the tables -->\n"];

/// What was aimed at: how many times as long the best of some rivals should take, on one thread and on two.
struct Bar {
    name: &'static str,
    rivals: &'static [&'static str],
    least: [f64; 2],
}

const ALL: &[&str] = &["torch-eager", "torch-compile", "jax-jit", "candle", "burn"];
const BARS: [Bar; 9] = [
    // The others compile it once and for all; this is for graphs that are made anew.
    Bar { name: "chain", rivals: &["torch-eager"], least: [45.0, 45.0] },
    Bar { name: "mlp_s", rivals: ALL, least: [1.5, 1.5] },
    Bar { name: "mlp_l", rivals: ALL, least: [1.3, 1.2] },
    Bar { name: "cnn", rivals: ALL, least: [2.5, 2.5] },
    Bar { name: "gpt", rivals: ALL, least: [2.0, 1.7] },
    Bar { name: "elem.eager", rivals: ALL, least: [0.8, 0.8] },
    Bar { name: "elem.rule", rivals: ALL, least: [1.5, 1.5] },
    Bar { name: "elem.replay", rivals: ALL, least: [1.5, 1.5] },
    // This one is compiled, as it were: level with a compiler.
    Bar { name: "chain.replay", rivals: ALL, least: [1.0, 1.0] },
];

/// What was aimed at without a rival: the most that a node, element or run may take, in nanoseconds.
const MOST: [(&str, f64); 6] = [
    ("chain", 90.0),
    ("chain.replay", 15.0),
    ("chain.prepare", 1e6 / 3000.0),
    ("small_multiply", 100.0),
    ("small_tensor", 30.0),
    ("small_startup", 20e6),
];
/// The most that a workload may take from Python.
enum Most {
    /// Each of its runs.
    Nanoseconds(f64),
    /// So many times as long as from Rust.
    OfRust(f64),
}
struct InPython {
    name: &'static str,
    most: Most,
}
const IN_PYTHON: [InPython; 2] = [
    InPython { name: "small_multiply", most: Most::Nanoseconds(400.0) },
    InPython { name: "mlp_s", most: Most::OfRust(1.05) },
];
/// How many times as long as its function a gradient may take.
const PROMISE: f64 = 3.0;
/// How many times as fast two threads should be on `gpt`.
const SPEEDUP: f64 = 1.6;

/// Every table for which there are timings.
pub fn tables(timings: &[Timing]) -> String {
    let tables = [
        machine(timings),
        rivals(timings),
        package(timings),
        memory(timings),
        alone(timings),
        growth(timings),
    ];
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Puts the tables between the markers of a page.
pub fn write(page: &Path, tables: &str) -> io::Result<()> {
    let text = std::fs::read_to_string(page)?;
    let parts = text.split_once(MARKERS[0]);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(MARKERS[1])?.1)));
    let Some((before, after)) = parts else {
        return Err(io::Error::other(format!("{} has no place for the tables", page.display())));
    };
    std::fs::write(page, format!("{before}{}\n{tables}\n{}{after}", MARKERS[0], MARKERS[1]))
}

fn find<'a>(timings: &'a [Timing], peer: &str, name: &str, threads: usize) -> Option<&'a Timing> {
    timings.iter().find(|t| t.peer == peer && t.name == name && t.threads == threads)
}

/// The lines of a table with this head.
fn table(head: &str, rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = head.matches('|').count() - 1;
    let mut text = format!("{head}\n|---|---|{}\n", "---:|".repeat(columns - 2));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).expect("a string has room");
    }
    text
}

/// The machine, what it can do, and the libraries it was done with.
fn machine(timings: &[Timing]) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let unknown = || "unknown".to_string();
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|size| size.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or_else(unknown, |size| format!("{:.0} GB", size * 1024.0 / 1e9));
    let cache = read("/sys/devices/system/cpu/cpu0/cache/index3/size");
    let cache = if cache.is_empty() { unknown() } else { cache.trim().replace('K', " kB") };
    let simd = femtograd::kernels::simd::level();
    let mut libraries: Vec<_> = timings.iter().map(|timing| timing.version.as_str()).collect();
    libraries.sort_unstable();
    libraries.dedup();
    let mut text = format!(
        "{processor}, {simd:?}, {cores} cores, {memory} of memory, third-level cache {cache}. {}.\n",
        libraries.join(", ")
    );
    for threads in [1, 2] {
        // One operation or byte in so many nanoseconds is as many thousand million a second.
        let rate = |name| find(timings, OURS, name, threads).map(|t| t.each as f64 / t.us() / 1e3);
        if let (Some(product), Some(triad)) = (rate("limit_product"), rate("limit_triad")) {
            let cores = if threads == 1 { "one core" } else { "two cores" };
            writeln!(
                text,
                "On {cores}: {product:.0} GFLOP/s in products of matrices, {triad:.1} GB/s of memory."
            )
            .expect("a string has room");
        }
    }
    text
}

/// The least that a workload could take, in microseconds, by what the machine was seen to do.
fn limit(timings: &[Timing], work: &str, threads: usize) -> Option<f64> {
    if work == "chain" {
        return Some(find(timings, OURS, "limit_chain", 1)?.us());
    }
    let need = need(work)?;
    let rate = |name| find(timings, OURS, name, threads).map(|t| t.each as f64 / t.us());
    Some(need.operations / rate("limit_product")? + need.bytes / rate("limit_triad")?)
}

/// Ours beside the others, with the bars and the limits.
fn rivals(timings: &[Timing]) -> String {
    let mut rows = Vec::new();
    for bar in &BARS {
        let work = bar.name.split('.').next().unwrap_or_default();
        for (threads, least) in [1, 2].into_iter().zip(bar.least) {
            let Some(ours) = find(timings, OURS, bar.name, threads) else { continue };
            let theirs = |peer: &&str| find(timings, peer, work, threads);
            let Some(ratio) = bar.rivals.iter().filter_map(theirs).map(|t| t.over(ours)).reduce(f64::min)
            else {
                continue;
            };
            let limit = limit(timings, work, threads);
            let mut row = vec![bar.name.to_string(), threads.to_string(), time(ours.us())];
            row.extend(ALL.iter().map(|peer| theirs(peer).map_or("–".into(), |t| time(t.us()))));
            row.extend([format!("{ratio:.2}"), format!("{least}"), verdict(ratio >= least)]);
            row.push(limit.map_or("–".into(), time));
            row.push(limit.map_or("–".into(), |limit| format!("{:.2}", limit / ours.us())));
            row.push(limit.map_or("–".into(), |limit| format!("{:.2}", ratio * ours.us() / limit)));
            rows.push(row);
        }
    }
    table(
        "| workload | threads | FemtoGrad, µs | PyTorch | PyTorch compiled | JAX jit | candle | burn \
         | best ÷ ours | bar | | limit, µs | limit ÷ ours | best ÷ limit |",
        rows,
    )
}

/// The Python package beside the same in Rust, and beside PyTorch, which is called from Python too.
fn package(timings: &[Timing]) -> String {
    let mut rows = Vec::new();
    for python in timings.iter().filter(|timing| timing.peer == PACKAGE) {
        let (work, threads) = (python.name.as_str(), python.threads);
        let eager = format!("{work}.eager");
        let Some(rust) = [work, &eager].iter().find_map(|name| find(timings, OURS, name, threads)) else {
            continue;
        };
        let torch = find(timings, "torch-eager", work, threads);
        let each = |timing: &Timing| span(timing.us() * 1e3 / small(work, timing.each));
        let bar = IN_PYTHON.iter().find(|bar| bar.name == work);
        let (bar, met) = match bar.map(|bar| &bar.most) {
            Some(Most::Nanoseconds(most)) => {
                (span(*most), Some(python.us() * 1e3 / python.each as f64 <= *most))
            }
            Some(Most::OfRust(most)) => (format!("{most} × Rust"), Some(python.over(rust) <= *most)),
            None => ("–".into(), None),
        };
        rows.push(vec![
            work.into(),
            threads.to_string(),
            each(rust),
            each(python),
            torch.map_or("–".into(), each),
            format!("{:.2}", python.over(rust)),
            torch.map_or("–".into(), |torch| format!("{:.2}", torch.over(python))),
            bar,
            met.map_or(String::new(), verdict),
        ]);
    }
    table(
        "| from Python | threads | Rust | Python | PyTorch | Python ÷ Rust | PyTorch ÷ Python | bar | |",
        rows,
    )
}

/// How many a time is divided by: only what is too short to be timed alone is one of many.
fn small(work: &str, each: usize) -> f64 {
    if work.starts_with("small_") { each as f64 } else { 1.0 }
}

/// The peak of memory beside PyTorch's.
fn memory(timings: &[Timing]) -> String {
    let mut rows = Vec::new();
    for work in ["mlp_l", "cnn", "gpt"] {
        for threads in [1, 2] {
            let peak = |peer| find(timings, peer, work, threads)?.peak.map(|bytes| bytes as f64 / 1e6);
            let (Some(ours), Some(theirs)) = (peak(OURS), peak("torch-eager")) else { continue };
            let numbers = [ours, theirs].map(|megabytes| format!("{megabytes:.0}"));
            let [ours_text, theirs_text] = numbers;
            rows.push(vec![
                work.into(),
                threads.to_string(),
                ours_text,
                theirs_text,
                verdict(ours <= theirs),
            ]);
        }
    }
    table("| peak of memory | threads | FemtoGrad, MB | PyTorch | |", rows)
}

/// What has a bar of its own.
fn alone(timings: &[Timing]) -> String {
    let mut rows = Vec::new();
    let mut row = |what: &str, threads: usize, is: String, bar: String, met: bool| {
        rows.push(vec![what.to_string(), threads.to_string(), is, bar, verdict(met)]);
    };
    for ours in timings.iter().filter(|timing| timing.peer == OURS) {
        if let Some((name, most)) = MOST.iter().find(|most| most.0 == ours.name) {
            let each = ours.us() * 1e3 / ours.each as f64;
            row(name, ours.threads, span(each), span(*most), each <= *most);
        }
        if let Some(name) = ours.name.strip_suffix(".gradient") {
            let function = find(timings, OURS, &format!("{name}.function"), ours.threads);
            let Some(ratio) = function.map(|function| ours.over(function)) else { continue };
            row(name, ours.threads, format!("{ratio:.2}"), format!("{PROMISE}"), ratio <= PROMISE);
        }
    }
    if let [Some(one), Some(two)] = [1, 2].map(|threads| find(timings, OURS, "gpt", threads)) {
        let speedup = one.us() / two.us();
        row("gpt, one thread ÷ two", 2, format!("{speedup:.2}"), format!("{SPEEDUP}"), speedup >= SPEEDUP);
    }
    table("| what | threads | is | bar | |", rows)
}

/// What a node and an element cost, by how many there are.
fn growth(timings: &[Timing]) -> String {
    let mut rows = Vec::new();
    for kind in ["growth_nodes_", "growth_elements_"] {
        for threads in [1, 2] {
            let these = timings.iter().filter(|t| t.name.starts_with(kind) && t.threads == threads);
            let cells: Vec<_> = these.map(|t| format!("{:.2}", t.us() * 1e3 / t.each as f64)).collect();
            if !cells.is_empty() {
                let name = kind.trim_matches('_').replace('_', " ");
                rows.push([vec![name, threads.to_string()], cells].concat());
            }
        }
    }
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    rows.iter_mut().for_each(|row| row.resize(longest, String::new()));
    let sizes: String = (3..longest + 1).map(|exponent| format!(" 10^{exponent} |")).collect();
    table(&format!("| ns each | threads |{sizes}"), rows)
}

fn verdict(met: bool) -> String {
    if met { "met".into() } else { "**missed**".into() }
}

/// A time given in nanoseconds, in a unit of its size.
fn span(ns: f64) -> String {
    match ns {
        0.0..1e3 => format!("{} ns", time(ns)),
        1e3..1e6 => format!("{} µs", time(ns / 1e3)),
        _ => format!("{} ms", time(ns / 1e6)),
    }
}

/// A number, with three digits that matter.
fn time(us: f64) -> String {
    let digits = (2 - us.max(1.0).log10().floor() as i32).max(0) as usize;
    format!("{us:.digits$}")
}
