//! What a checkpoint is for: memory, as the allocator counts it. Alone in its process, since it counts all there is.

#![cfg(not(miri))] // much arithmetic, nothing new

use femtograd::random::Rng;
use femtograd::{Tensor, checkpoint};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const LAYERS: usize = 100;
const ROWS: usize = 512;
const WIDTH: usize = 32;

/// The bytes in use at the worst moment of a forward and a backward pass above those before, and the gradients.
/// Buffers that wait in the free list are in use, as the allocator sees it.
fn run(segment: usize) -> (usize, Vec<Vec<f32>>) {
    femtograd::kernels::trim();
    let mut rng = Rng::new(5);
    let x = Tensor::new(rng.normal_array::<f32>(&[ROWS, WIDTH]));
    let weights: Vec<Tensor> =
        (0..LAYERS).map(|_| Tensor::new(rng.normal_array(&[WIDTH])).named("w")).collect();
    let before = PeakAlloc.current_usage();
    PeakAlloc.reset_peak_usage();
    let layers = |x: &Tensor, weights: &[Tensor]| weights.iter().fold(x.clone(), |x, w| (x * w).sin());
    let mut y = x.clone();
    for weights in weights.chunks(segment) {
        let weights = weights.to_vec();
        y = match segment {
            LAYERS => layers(&y, &weights),
            _ => checkpoint(move |x: &Tensor| layers(x, &weights))(&y),
        };
    }
    y.sum().backward();
    let peak = PeakAlloc.peak_usage() - before;
    drop(y);
    let leaves = weights.iter().chain([&x]);
    (peak, leaves.map(|x| x.grad().expect("all are reached").to_vec()).collect())
}

#[test]
fn a_chain_of_100_layers_takes_a_fifth_of_the_memory_and_gives_the_same_bits() {
    femtograd::set_threads(1);
    let (kept, gradients) = run(LAYERS);
    let (again, same) = run(10);
    println!("{} kB kept, {} kB in ten segments", kept / 1024, again / 1024);
    assert!(gradients == same, "bit for bit");
    assert!(again * 5 <= kept, "{again} against {kept} bytes");
}
