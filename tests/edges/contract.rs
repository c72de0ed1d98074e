//! The contract as it is written: `tests/edges.json`.

use femtograd::{Array, Float, Shape};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub struct Contract {
    pub calls: BTreeMap<String, Call>,
    pub rows: Vec<Row>,
    pub spellings: Vec<Spelling>,
    pub exceptions: Vec<Exception>,
}

/// Which op a call is about, and where in the page it stands.
#[derive(Deserialize)]
pub struct Call {
    pub op: String,
    pub section: String,
}

/// A number or an array for each input, by its name.
pub type ByInput = BTreeMap<String, Numbers>;

/// Where a call is differentiated.
#[derive(Clone, Deserialize, PartialEq)]
pub struct Point {
    pub inputs: ByInput,
    /// Of the result: 1 in every element if it is left out.
    pub cotangent: Option<Numbers>,
    /// Of each input: 1 in every element if it is left out.
    #[serde(default)]
    pub along: ByInput,
}

/// What is right; what is left out is not part of the contract.
#[derive(Deserialize)]
pub struct Answer {
    pub value: Option<Numbers>,
    #[serde(default)]
    pub gradient: ByInput,
    #[serde(default)]
    pub second: ByInput,
}

#[derive(Deserialize)]
pub struct Row {
    pub call: String,
    #[serde(flatten)]
    pub point: Point,
    #[serde(flatten)]
    pub answer: Answer,
    pub by: String,
    pub why: String,
}

/// Calls that are one function.
#[derive(Deserialize)]
pub struct Spelling {
    pub name: String,
    pub calls: Vec<String>,
    pub at: Vec<ByInput>,
    pub cotangent: Option<Numbers>,
    #[serde(default)]
    pub along: ByInput,
}

/// Where the library does not give the truth.
#[derive(Deserialize)]
pub struct Exception {
    pub call: String,
    #[serde(flatten)]
    pub point: Point,
    pub truth: Answer,
    pub given: Answer,
    pub why: String,
}

/// A number, or an array of them.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum Numbers {
    Number(f64),
    /// As Rust and Python read it: `inf`, `-inf`, `nan`, `-0`, or a number to its last digit.
    Word(String),
    List(Vec<Numbers>),
    /// An array of zeros that brackets cannot write.
    Shape {
        shape: Vec<usize>,
    },
}

impl Numbers {
    pub fn shape(&self) -> Shape {
        match self {
            Numbers::Number(_) | Numbers::Word(_) => Shape::new(),
            Numbers::List(list) => {
                let mut shape = list.first().map_or(Shape::new(), Numbers::shape);
                shape.insert(0, list.len());
                shape
            }
            Numbers::Shape { shape } => shape[..].into(),
        }
    }

    /// All numbers in one row.
    pub fn flat(&self) -> Vec<f64> {
        match self {
            Numbers::Number(v) => vec![*v],
            Numbers::Word(word) => vec![word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))],
            Numbers::List(list) => list.iter().flat_map(Numbers::flat).collect(),
            Numbers::Shape { shape } => vec![0.0; shape.iter().product()],
        }
    }

    pub fn array<T: Float>(&self) -> Array<T> {
        Array::from_vec(self.flat().into_iter().map(T::of).collect::<Vec<T>>(), &self.shape())
    }
}

impl Answer {
    /// All numbers that are right.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.value.iter().chain(self.gradient.values()).chain(self.second.values()).flat_map(Numbers::flat)
    }
}

pub fn contract() -> Contract {
    serde_json::from_str(include_str!("../edges.json")).expect("tests/edges.json is a contract")
}
