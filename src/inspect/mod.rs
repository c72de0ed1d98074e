//! Looking at recorded graphs: drawings, checks of derivatives, mistakes that are legal programs, the origin of a NaN.

mod compare;
mod diagnose;
mod draw;
mod gradcheck;
mod graph;
mod nonfinite;
mod report;
mod verify;

pub use crate::census::{Held, Live, keep_register, live};
pub use diagnose::{Diagnosis, Finding, Kind, diagnose, diagnose_with};
pub use draw::draw;
pub use gradcheck::{Gradcheck, Mismatch, gradcheck};
pub use nonfinite::{Nonfinite, Pass, Site, nonfinite, trace_nonfinite};
pub(crate) use nonfinite::{check_nonfinite, tracing};
pub use report::{Break, Fate, Reach, Report, report};
pub use verify::{NodeReport, Verdict, Verification, verify, verify_node};
