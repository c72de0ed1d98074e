//! What a node and an element cost should not depend on how many there are.

use crate::workload::Workload;
use crate::{chain, elem};

/// `growth_nodes`: the `chain`, as long as 10⁷ nodes. `growth_elements`: the formula of `elem` on as many as 10⁸ numbers.
pub fn workloads() -> Vec<Workload> {
    let nodes = |n: usize| {
        let run = move || move || chain::chain(n / 3).backward();
        Workload::new(format!("growth_nodes_{n}"), n, run).large_from(10_000_000)
    };
    let elements = |n: usize| {
        let run = move || elem::gradient(elem::rule, n);
        Workload::new(format!("growth_elements_{n}"), n, run).large_from(100_000_000)
    };
    let sizes = (3..=8).map(|exponent| 10_usize.pow(exponent));
    sizes.clone().take(5).map(nodes).chain(sizes.map(elements)).collect()
}
