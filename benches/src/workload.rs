//! What there is to time.

use crate::{chain, checkpoint, elem, growth, limits, looking, promise, rules, small, training};

/// Something to time.
pub struct Workload {
    /// What it is called. Versions of one thing, which take turns, share what stands before the dot.
    pub name: String,
    /// How many nodes, elements or steps one run of it is.
    pub each: usize,
    /// Whether it takes seconds or gigabytes: left out when in a hurry.
    pub large: bool,
    prepare: Box<dyn FnOnce() -> Box<dyn FnMut()>>,
}

impl Workload {
    /// A workload of this name, whose run is so many nodes, elements or steps: `prepare` gives what is timed.
    pub fn new<F: FnMut() + 'static>(
        name: impl Into<String>,
        each: usize,
        prepare: impl FnOnce() -> F + 'static,
    ) -> Workload {
        Workload { name: name.into(), each, large: false, prepare: Box::new(|| Box::new(prepare())) }
    }

    /// Left out when in a hurry if it is as large as this or larger.
    pub fn large_from(self, each: usize) -> Workload {
        Workload { large: self.each >= each, ..self }
    }

    /// Gets everything ready.
    pub fn prepare(self) -> Box<dyn FnMut()> {
        (self.prepare)()
    }

    /// Without its version.
    pub fn work(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Whether a name on the command line means this one.
    pub fn is_meant_by(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']))
    }
}

/// Every workload, versions of one thing next to each other.
pub fn all() -> Vec<Workload> {
    let parts = [
        limits::workloads(),
        chain::workloads(),
        training::workloads(),
        elem::workloads(),
        small::workloads(),
        growth::workloads(),
        promise::workloads(),
        looking::workloads(),
        checkpoint::workloads(),
        rules::workloads(),
    ];
    parts.into_iter().flatten().collect()
}
