//! A transformer that predicts the next character, as one writes it with this library.

use crate::training::Model;
use femtograd::nn::Linear;
use femtograd::random::Rng;
use femtograd::{Array, Attention, Tensor, scaled_dot_product_attention};

const CHARACTERS: usize = 65;
const LAYERS: usize = 4;
const WIDTH: usize = 128;
const HEADS: usize = 4;
/// How many texts are read at once, and how much of each.
const TEXTS: usize = 16;
const LENGTH: usize = 64;

/// GPT-2 (Radford et al. 2019), a small one, and a batch of noise.
pub struct Gpt {
    characters: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Tensor,
    text: Vec<usize>,
    next: Vec<usize>,
}

impl Gpt {
    pub fn new() -> Gpt {
        let mut rng = Rng::new(0);
        let mut noise = || (0..TEXTS * LENGTH).map(|_| rng.below(CHARACTERS)).collect();
        let (text, next) = (noise(), noise());
        Gpt {
            characters: table(CHARACTERS, WIDTH, &mut rng),
            positions: table(LENGTH, WIDTH, &mut rng),
            blocks: (0..LAYERS).map(|_| Block::new(&mut rng)).collect(),
            norm: Norm::new(),
            head: table(WIDTH, CHARACTERS, &mut rng),
            text,
            next,
        }
    }
}

impl Model for Gpt {
    fn loss(&self) -> Tensor {
        let x = self.characters.gather_rows(&self.text).reshape(&[TEXTS, LENGTH, WIDTH]);
        let x = self.blocks.iter().fold(x + &self.positions, |x, block| block.forward(&x));
        let scores = self.norm.forward(&x).matmul(&self.head);
        scores.reshape(&[TEXTS * LENGTH, CHARACTERS]).cross_entropy(&self.next)
    }
    fn parameters_mut(&mut self) -> Vec<&mut Tensor> {
        let blocks = self.blocks.iter_mut().flat_map(Block::parameters_mut);
        let ends = [&mut self.characters, &mut self.positions, &mut self.head];
        blocks.chain(self.norm.parameters_mut()).chain(ends).collect()
    }
}

/// Attention, then a perceptron of one hidden layer; each is given what came before, normalised, and adds to it.
struct Block {
    attention_norm: Norm,
    queries_keys_values: Linear,
    mix: Linear,
    perceptron_norm: Norm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(rng: &mut Rng) -> Block {
        Block {
            attention_norm: Norm::new(),
            queries_keys_values: Linear::new(WIDTH, 3 * WIDTH, rng),
            mix: Linear::new(WIDTH, WIDTH, rng),
            perceptron_norm: Norm::new(),
            up: Linear::new(WIDTH, 4 * WIDTH, rng),
            down: Linear::new(4 * WIDTH, WIDTH, rng),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.attention(&self.attention_norm.forward(x));
        let hidden = self.up.forward(&self.perceptron_norm.forward(&x)).gelu_tanh();
        x + self.down.forward(&hidden)
    }

    fn attention(&self, x: &Tensor) -> Tensor {
        // [texts, length, 3·width] → [3, texts, heads, length, width / heads]
        let all = self.queries_keys_values.forward(x);
        let all = all.reshape(&[TEXTS, LENGTH, 3, HEADS, WIDTH / HEADS]).permute(&[2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|i| all.slice(0, i..=i).squeeze(0));
        let causal = Attention { causal: true, ..Attention::default() };
        let seen = scaled_dot_product_attention(&q, &k, &v, &causal);
        self.mix.forward(&seen.transpose(1, 2).reshape(&[TEXTS, LENGTH, WIDTH]))
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let layers = [&mut self.queries_keys_values, &mut self.mix, &mut self.up, &mut self.down];
        let norms = [&mut self.attention_norm, &mut self.perceptron_norm];
        let layers = layers.into_iter().flat_map(|layer| [&mut layer.weight, &mut layer.bias]);
        layers.chain(norms.into_iter().flat_map(Norm::parameters_mut))
    }
}

/// A layer norm's weight and bias.
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new() -> Norm {
        let full = |value| Tensor::new(Array::full(&[WIDTH], value));
        Norm { weight: full(1.0), bias: full(0.0) }
    }
    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(&self.weight, Some(&self.bias), 1e-5)
    }
    fn parameters_mut(&mut self) -> [&mut Tensor; 2] {
        [&mut self.weight, &mut self.bias]
    }
}

/// Small random numbers: an embedding, or weights without a bias.
fn table(rows: usize, columns: usize, rng: &mut Rng) -> Tensor {
    Tensor::new(Array::from_fn(&[rows, columns], |_| (0.05 * rng.normal()) as f32))
}
