//! Tests that share one program: in programs of their own, each would compile the kernels anew.

mod arrange;
mod guess;
mod moons;
mod networks;
mod random_graphs;
mod selection;
mod tensor;
mod transforms;
