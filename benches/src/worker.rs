//! A worker: a process that runs one workload of one library, whenever it is told to. Workers of several libraries can so
//! take turns, and none has another's threads or memory about it.
//!
//! | it reads | it answers |
//! |---|---|
//! | | `{"ready": LIBRARY}`, once everything is prepared |
//! | `run SECONDS` | `{"us": BEST, "median": MEDIAN, "runs": NUMBER}`, after so long and at least one run |
//! | `peak` | `{"peak": BYTES}`: how much more memory it ever held than when it began; `null` where nobody knows |
//!
//! It ends with its input. `benches/others`, `benches/peers.py` and `benches/package.py` speak the same.

use std::io::{self, BufRead, Write};
use std::time::Instant;

/// Prepares a workload and runs it as often as standard input asks for it.
pub fn serve<F: FnMut()>(library: &str, prepare: impl FnOnce() -> F) -> io::Result<()> {
    let before = memory("VmRSS:");
    let mut run = prepare();
    let mut out = io::stdout();
    writeln!(out, "{{\"ready\": \"{library}\"}}")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("run", seconds)) => {
                let seconds =
                    seconds.parse().map_err(|_| io::Error::other(format!("not a number: {line}")))?;
                let times = repeat(seconds, &mut run);
                let (best, median) = (times[0], times[times.len() / 2]);
                let runs = times.len();
                writeln!(out, "{{\"us\": {best:.3}, \"median\": {median:.3}, \"runs\": {runs}}}")?;
            }
            None if line == "peak" => {
                let peak = memory("VmHWM:").zip(before).map(|(most, before)| most.saturating_sub(before));
                let peak = peak.map_or("null".into(), |bytes| bytes.to_string());
                writeln!(out, "{{\"peak\": {peak}}}")?;
            }
            _ => return Err(io::Error::other(format!("neither `run SECONDS` nor `peak`: {line}"))),
        }
    }
    Ok(())
}

/// The times of the runs in so many seconds, in microseconds, from the shortest.
fn repeat(seconds: f64, run: &mut impl FnMut()) -> Vec<f64> {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times
}

/// What Linux says of this process's memory, in bytes.
fn memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
