//! What there is to pay before anything is computed.

use crate::workload::Workload;
use femtograd::Tensor;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// So many times in one run: a single time is shorter than reading the clock.
const TIMES: usize = 1000;

/// `small_tensor`: one number becomes a tensor, which is dropped. `small_multiply`: the product of two numbers, forward and
/// backward. `small_startup`: the command line from start to end, doing nothing.
pub fn workloads() -> Vec<Workload> {
    let multiply = || {
        let (a, b) = (Tensor::new(2.0_f64), Tensor::new(3.0));
        move || (0..TIMES).for_each(|_| (&a * &b).backward())
    };
    let mut all = vec![
        Workload::new("small_tensor", TIMES, || {
            || (0..TIMES).for_each(|_| drop(black_box(Tensor::new(1.0_f64))))
        }),
        Workload::new("small_multiply", TIMES, multiply),
    ];
    all.extend(command_line().map(|binary| {
        Workload::new("small_startup", 1, move || {
            move || {
                let status = Command::new(&binary).arg("--version").stdout(Stdio::null()).status();
                assert!(status.expect("it was there before").success());
            }
        })
    }));
    all
}

/// The binary of the command line, if it has been built: two folders above this benchmark.
fn command_line() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let binary = here.parent()?.parent()?.join("femtograd").with_extension(std::env::consts::EXE_EXTENSION);
    binary.exists().then_some(binary)
}
