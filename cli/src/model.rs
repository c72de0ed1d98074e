//! The network that reads digits, and its file.
//!
//! The file is a safetensors file, which PyTorch, NumPy and JAX read too; its metadata say what the network
//! is and where it comes from. A network never reaches its place half written: it is written beside it and
//! then renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use femtograd::nn::Mlp;
use femtograd::random::Rng;
use femtograd::{Array, Tensor, no_grad};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::json;

use crate::digits::{CLASSES, Image, MAX_INK, PIXELS};
use crate::error::{Result, about, describe, read};

/// Pixels, one hidden layer, classes.
pub const LAYERS: [usize; 3] = [PIXELS, 256, CLASSES];

/// The kind of file, and the version of what its metadata and names mean.
const FORMAT: (&str, &str) = ("femtograd-digits", "1");

/// A file larger than this is no network for 64 pixels.
const LARGEST: u64 = 256 << 20;

/// A network that reads digits.
pub struct Model {
    mlp: Mlp<f32>,
    layers: Vec<usize>,
}

/// What a file tells about its model beside the numbers.
pub struct Origin {
    /// The seed of its training.
    pub seed: u64,
    /// How often it saw the training images, and how often it should have.
    pub epochs: (u32, u32),
    /// The share of the test images that it reads rightly.
    pub accuracy: f64,
}

impl Model {
    /// A network that has learned nothing yet.
    pub fn new(layers: &[usize], rng: &mut Rng) -> Model {
        Model { mlp: Mlp::new(layers, rng), layers: layers.to_vec() }
    }

    /// The scores of each class, one row an image; the graph is recorded.
    pub fn forward<'a>(&self, images: impl IntoIterator<Item = &'a Image>) -> Tensor<f32> {
        let pixels: Vec<f32> = images.into_iter().flatten().map(|ink| ink / MAX_INK).collect();
        let count = pixels.len() / PIXELS;
        self.mlp.forward(&Tensor::constant(Array::from_vec(pixels, &[count, PIXELS])))
    }

    /// The probability of each class, for each image.
    pub fn read<'a>(&self, images: impl IntoIterator<Item = &'a Image>) -> Vec<[f32; CLASSES]> {
        let table = no_grad(|| self.forward(images).log_softmax(-1).exp().data().to_vec());
        table.as_chunks().0.to_vec()
    }

    /// What an optimiser changes.
    pub fn parameters_mut(&mut self) -> Vec<&mut Tensor<f32>> {
        self.mlp.parameters_mut()
    }

    /// Puts the model in its place, or leaves the place as it was.
    pub fn save(&self, path: &Path, origin: &Origin) -> Result<()> {
        let bytes = self.encode(origin);
        let (place, temporary) = places(path);
        let written = create(&temporary)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, place));
        written.map_err(|problem| {
            // Nothing is to be done where this fails too.
            let _ = fs::remove_file(&temporary);
            about(path, format_args!("cannot save the model: {}", describe(&problem)))
        })
    }

    /// The bytes of the file. The header is written here because the crate that reads it keeps its metadata
    /// in an order that differs from run to run, and the same seed is to give the same file.
    fn encode(&self, origin: &Origin) -> Vec<u8> {
        let layers: Vec<String> = self.layers.iter().map(usize::to_string).collect();
        let mut header = BTreeMap::from([(
            "__metadata__".to_string(),
            json!({
                "format": FORMAT.0,
                "format_version": FORMAT.1,
                "femtograd": env!("CARGO_PKG_VERSION"),
                "layers": layers.join(","),
                "seed": origin.seed.to_string(),
                "epochs": format!("{} of {}", origin.epochs.0, origin.epochs.1),
                "test_accuracy": format!("{:.4}", origin.accuracy),
            }),
        )]);
        let mut data = Vec::new();
        for (name, parameter) in self.mlp.parameters() {
            let begin = data.len();
            data.extend(parameter.data().to_vec().into_iter().flat_map(f32::to_le_bytes));
            let (shape, end) = (parameter.data().shape(), data.len());
            header.insert(name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] }));
        }
        let mut header = json!(header).to_string();
        // The numbers begin at a multiple of eight.
        header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    /// Reads a model from its file.
    pub fn load(path: &Path) -> Result<Model> {
        let bytes = read(path, LARGEST)?;
        Model::decode(&bytes)
            .map_err(|what| about(path, format_args!("{what}; expected a model of `femtograd train digits`")))
    }

    fn decode(bytes: &[u8]) -> std::result::Result<Model, String> {
        let parts = |bytes| {
            let (_, header) = SafeTensors::read_metadata(bytes)?;
            let metadata =
                header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
            Ok((metadata.collect(), SafeTensors::deserialize(bytes)?))
        };
        let (metadata, tensors) = parts(bytes).map_err(|problem| match problem {
            SafeTensorError::MetadataIncompleteBuffer => "truncated or damaged",
            _ => "not a safetensors file, or damaged",
        })?;
        let layers = layers(&metadata)?;
        let wanted: usize = layers.windows(2).map(|size| (size[0] + 1) * size[1]).sum();
        let held: usize = tensors.iter().map(|(_, tensor)| tensor.data().len()).sum();
        // Before anything is allocated by what the metadata claim.
        if held != wanted * size_of::<f32>() {
            return Err(format!("its tensors do not fit its layers {layers:?}"));
        }

        let mut model = Model::new(&layers, &mut Rng::new(0));
        let names: Vec<String> = model.mlp.parameters().into_iter().map(|(name, _)| name).collect();
        for (name, parameter) in names.iter().zip(model.mlp.parameters_mut()) {
            let shape = parameter.data().shape().to_vec();
            let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the tensor {name}"))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                let (dtype, found) = (tensor.dtype(), tensor.shape());
                return Err(format!(
                    "its tensor {name} is {dtype} of shape {found:?}, not F32 of shape {shape:?}"
                ));
            }
            let numbers: Vec<f32> =
                tensor.data().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
            if !numbers.iter().all(|x| x.is_finite()) {
                return Err(format!("its tensor {name} holds numbers that are not finite"));
            }
            *parameter = Tensor::new(Array::from_vec(numbers, &shape));
        }
        Ok(model)
    }
}

/// The sizes of the layers, from metadata that may say anything.
fn layers(metadata: &BTreeMap<String, String>) -> std::result::Result<Vec<usize>, String> {
    let get = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
    if get("format") != FORMAT.0 {
        return Err("a safetensors file, but not a model for digits".into());
    }
    if get("format_version") != FORMAT.1 {
        let (found, known) = (get("format_version").escape_default(), FORMAT.1);
        return Err(format!("has format version {found}, and this program reads version {known}"));
    }
    let sizes: Option<Vec<usize>> = get("layers").split(',').map(|size| size.parse().ok()).collect();
    match sizes {
        Some(sizes)
            if sizes.len() > 1
                && sizes[0] == PIXELS
                && sizes[sizes.len() - 1] == CLASSES
                && sizes.iter().all(|size| (1..=1 << 16).contains(size)) =>
        {
            Ok(sizes)
        }
        _ => Err(format!(
            "its layers '{}' do not lead from 64 pixels to 10 digits",
            get("layers").escape_default()
        )),
    }
}

/// Says now, and not after the training, why a model could not be saved here. A file that is there already
/// may be replaced only if it is a model: a mistyped `--out` must not cost anyone their data.
pub fn check_place(path: &Path) -> Result<()> {
    if path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator) {
        return Err(about(path, "is a directory; expected the name of a file for the model"));
    }
    if path.exists() && Model::load(path).is_err() {
        let what = "exists and is not a model, so it is left as it is; name another file with --out";
        return Err(about(path, what));
    }
    let (_, temporary) = places(path);
    create(&temporary)
        .and_then(|_| fs::remove_file(&temporary))
        .map_err(|problem| about(path, format_args!("cannot be written here: {}", describe(&problem))))
}

/// Where a model is to stand, and a new file in the same directory. A link stays a link: what it points to is
/// replaced.
fn places(path: &Path) -> (PathBuf, PathBuf) {
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = std::ffi::OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = place.with_file_name(name);
    (place, temporary)
}

/// A file that was not there before.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin { seed: 7, epochs: (3, 40), accuracy: 0.5 };

    fn model() -> Model {
        Model::new(&[PIXELS, 3, CLASSES], &mut Rng::new(5))
    }

    fn wrong(bytes: &[u8]) -> String {
        Model::decode(bytes).err().expect("a mistake")
    }

    /// The same file with another header.
    fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = str::from_utf8(&bytes[8..8 + length]).unwrap();
        assert!(header.contains(from), "{header}");
        let header = header.replace(from, to);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
    }

    #[test]
    fn a_model_survives_its_file() {
        let model = model();
        let bytes = model.encode(&ORIGIN);
        let same = Model::decode(&bytes).unwrap();
        assert_eq!(same.encode(&ORIGIN), bytes);
        let images = [[3.0; PIXELS], [9.0; PIXELS]];
        assert_eq!(same.read(&images), model.read(&images));
        assert!((same.read(&images)[1].iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_metadata_say_what_it_is() {
        let bytes = model().encode(&ORIGIN);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let expected = [
            ("format", "femtograd-digits"),
            ("format_version", "1"),
            ("femtograd", env!("CARGO_PKG_VERSION")),
            ("layers", "64,3,10"),
            ("seed", "7"),
            ("epochs", "3 of 40"),
            ("test_accuracy", "0.5000"),
        ];
        for (key, value) in expected {
            assert_eq!(metadata[key], value);
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        let bytes = model().encode(&ORIGIN);
        let first = model().mlp.parameters()[0].0.clone();
        let cases = [
            (bytes[..bytes.len() - 1].to_vec(), "truncated"),
            ([&bytes[..], &[0]].concat(), "truncated or damaged"),
            (b"PK\x03\x04 something else entirely".to_vec(), "not a safetensors file"),
            (Vec::new(), "not a safetensors file"),
            (edited(&bytes, "femtograd-digits", "someone-else"), "not a model for digits"),
            (edited(&bytes, "__metadata__", "__metadatb__"), "not a safetensors file"),
            (edited(&bytes, r#"version":"1"#, r#"version":"2"#), "has format version 2"),
            (edited(&bytes, "64,3,10", "64,4,10"), "do not fit its layers [64, 4, 10]"),
            (edited(&bytes, "64,3,10", "64,65536,65536,10"), "do not fit its layers"),
            (edited(&bytes, "64,3,10", "63,3,10"), "do not lead from 64 pixels"),
            (edited(&bytes, "64,3,10", "64,0,10"), "do not lead from 64 pixels"),
            (edited(&bytes, "64,3,10", "64,99999999999999999999,10"), "do not lead from 64 pixels"),
            (edited(&bytes, "64,3,10", ""), "do not lead from 64 pixels"),
            (edited(&bytes, &first, "another"), "it lacks the tensor"),
            (edited(&bytes, "[64,3]", "[3,64]"), "of shape [3, 64], not F32 of shape [64, 3]"),
            (edited(&bytes, "F32", "I32"), "is I32 of shape"),
        ];
        for (bytes, what) in cases {
            let message = wrong(&bytes);
            assert!(message.contains(what), "{message}, not {what}");
        }
        let mut infinite = bytes.clone();
        let end = infinite.len();
        infinite[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert!(wrong(&infinite).contains("not finite"));
    }

    #[test]
    fn damaged_files_do_not_panic() {
        let whole = model().encode(&ORIGIN);
        for length in 0..whole.len() {
            wrong(&whole[..length]);
        }
        let mut rng = Rng::new(3);
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.below(4) {
                let place = rng.below(900);
                bytes[place] = rng.below(256) as u8;
            }
            // Some changes, to a weight or to the seed, leave a model.
            let _ = Model::decode(&bytes);
        }
    }
}
