//! The handwritten digits the program carries with it, and their split into training and test images.
//!
//! 1,797 images of 8×8 pixels with 0 to 16 of ink each, from the UCI set "Optical Recognition of Handwritten
//! Digits"; `data/README.md` names the source and the licence.

use femtograd::random::Rng;

/// Pixels along one side of an image.
pub const SIDE: usize = 8;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;
/// The most ink a pixel can hold.
pub const MAX_INK: f32 = 16.0;
/// The digits 0 to 9.
pub const CLASSES: usize = 10;

/// The seed of the split is a constant, and not `--seed`: every model, whatever its seed, is judged by the
/// same images, and no model is ever judged by images that another run was trained on.
const SPLIT_SEED: u64 = 0;

/// An image, row by row, ink from 0 to [`MAX_INK`].
pub type Image = [f32; PIXELS];

/// An image and the digit that it shows.
#[derive(Clone)]
pub struct Digit {
    /// The pixels.
    pub image: Image,
    /// What its writer meant.
    pub label: usize,
}

/// The digits, split 80/20.
pub struct Digits {
    /// What a network learns from.
    pub train: Vec<Digit>,
    /// What it is judged by, once, at the end.
    pub test: Vec<Digit>,
}

/// Unpacks the digits and splits them.
pub fn load() -> Digits {
    let mut all: Vec<Option<Digit>> = unpack().into_iter().map(Some).collect();
    let order = Rng::new(SPLIT_SEED).permutation(all.len());
    let mut pick = |i: &usize| all[*i].take().expect("a permutation names each index once");
    let (test, train) = order.split_at(order.len() / 5);
    Digits { test: test.iter().map(&mut pick).collect(), train: train.iter().map(&mut pick).collect() }
}

/// Every digit in the order of the file. The file is part of the program, so a mistake in it is a mistake in
/// the program: the unit test reads all of it.
fn unpack() -> Vec<Digit> {
    let packed = include_bytes!("../data/digits.csv.gz");
    let text = flate2::read::GzDecoder::new(&packed[..]);
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let digit = |row: csv::StringRecord| {
        let mut image = [0.0; PIXELS];
        for (pixel, field) in image.iter_mut().zip(&row) {
            *pixel = field.parse().expect("a pixel is a number");
        }
        Digit { image, label: row[PIXELS].parse().expect("a label is a digit") }
    };
    rows.records().map(|row| digit(row.expect("the embedded digits are a CSV file"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_its_description_says() {
        let all = unpack();
        assert_eq!(all.len(), 1797);
        assert!(all.iter().flat_map(|d| d.image).all(|x| (0.0..=MAX_INK).contains(&x) && x.fract() == 0.0));
        let mut counts = [0; CLASSES];
        for digit in &all {
            counts[digit.label] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_split_uses_every_image_once() {
        let split = load();
        assert_eq!((split.train.len(), split.test.len()), (1438, 359));
        let key = |d: &Digit| (d.label, d.image.map(|x| x as u8));
        let mut parts: Vec<_> = split.train.iter().chain(&split.test).map(key).collect();
        let mut whole: Vec<_> = unpack().iter().map(key).collect();
        parts.sort();
        whole.sort();
        assert_eq!(parts, whole);
    }
}
