//! Images of digits from files: PNG, CSV and NumPy's NPY, all to 64 numbers from 0 (ground) to 16 (ink).

mod npy;

use std::io::Cursor;
use std::path::Path;

use crate::digits::{Image, MAX_INK, PIXELS, SIDE};
use crate::error::{Result, about, read};

/// An image of 64 pixels needs a few hundred bytes.
const LARGEST: u64 = 1 << 20;

/// Reads an image; the name's ending says of what kind it is.
pub fn load(path: &Path) -> Result<Image> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let (parse, expected): (fn(&[u8]) -> Parsed, _) = match ending.as_str() {
        "png" => (png, "a PNG image of 8x8 pixels, bright ink on a dark ground"),
        "csv" => (csv, "64 numbers from 0 to 16, in one line of 64 or in 8 lines of 8"),
        "npy" => (npy::parse, "a NumPy array of 8x8 or of 64 numbers from 0 to 16"),
        _ => return Err(about(path, "expected a file that ends in .png, .csv or .npy")),
    };
    let bytes = read(path, LARGEST)?;
    let pixels = parse(&bytes).and_then(check);
    pixels.map_err(|what| about(path, format_args!("{what}; expected {expected}")))
}

/// Pixels, or what is wrong with them.
type Parsed = std::result::Result<Vec<f32>, String>;

/// Advice for an image that is valid and still not like the ones that the network has learned from: in all of
/// those the darkest ink is at least 14 of 16 and the mean at most 7.
pub fn doubt(image: &Image) -> Option<&'static str> {
    let most = image.iter().copied().fold(0.0, f32::max);
    if most < MAX_INK / 2.0 {
        Some("the image is faint; ink should reach 16 (255 in a PNG)")
    } else if image.iter().sum::<f32>() / PIXELS as f32 > 9.0 {
        Some("the image is mostly bright; if it is dark ink on a bright ground, invert it first")
    } else {
        None
    }
}

fn check(pixels: Vec<f32>) -> std::result::Result<Image, String> {
    for (i, ink) in pixels.iter().enumerate() {
        if !(0.0..=MAX_INK).contains(ink) {
            return Err(format!("the number in row {}, column {} is {ink}", i / SIDE + 1, i % SIDE + 1));
        }
    }
    pixels.try_into().map_err(|pixels: Vec<f32>| format!("holds {} numbers", pixels.len()))
}

fn png(bytes: &[u8]) -> Parsed {
    let damaged = |problem: png::DecodingError| format!("not a whole PNG file ({problem})");
    let limits = png::Limits { bytes: LARGEST as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes to colours, 1, 2 and 4 bits to 8, a transparent colour to an alpha channel.
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = reader.info().size();
    if (width as usize, height as usize) != (SIDE, SIDE) {
        return Err(format!("has {width}x{height} pixels"));
    }
    let mut samples = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let frame = reader.next_frame(&mut samples).map_err(damaged)?;
    samples.truncate(frame.buffer_size());

    // From 0 to 1, whatever the depth.
    let samples: Vec<f32> = match frame.bit_depth {
        png::BitDepth::Sixteen => samples
            .chunks_exact(2)
            .map(|pair| f32::from(u16::from_be_bytes([pair[0], pair[1]])) / 65535.0)
            .collect(),
        _ => samples.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
    };
    // What is transparent holds no ink.
    let ink = |pixel: &[f32]| match *pixel {
        [grey] => grey,
        [grey, alpha] => grey * alpha,
        [r, g, b] => luma(r, g, b),
        [r, g, b, alpha] => luma(r, g, b) * alpha,
        _ => unreachable!("a PNG has one to four channels"),
    };
    let channels = frame.color_type.samples();
    Ok(samples.chunks_exact(channels).map(|pixel| (MAX_INK * ink(pixel)).min(MAX_INK)).collect())
}

/// How bright a colour looks: the weights of ITU-R BT.601, which image programs use to make grey of colour.
fn luma(r: f32, g: f32, b: f32) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

fn csv(bytes: &[u8]) -> Parsed {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut pixels = Vec::new();
    let mut widths = Vec::new();
    for (i, row) in reader.records().enumerate() {
        let row = row.map_err(|_| format!("line {} is not text", i + 1))?;
        for (j, field) in row.iter().enumerate() {
            let number = field.parse::<f32>();
            pixels.push(
                number
                    .map_err(|_| format!("'{field}' in line {}, column {} is not a number", i + 1, j + 1))?,
            );
        }
        widths.push(row.len());
    }
    if widths == [PIXELS] || widths == [SIDE; SIDE] {
        return Ok(pixels);
    }
    let lines = if widths.len() == 1 { "line" } else { "lines" };
    Err(format!("holds {} numbers in {} {lines}", pixels.len(), widths.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, ColorType};

    fn encode(side: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side, side);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![0, 0, 0, 255, 255, 255]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }

    /// `pixel` first and black for the rest.
    fn first(color: ColorType, depth: BitDepth, pixel: &[u8]) -> f32 {
        let mut data = vec![0; 64 * pixel.len()];
        data[..pixel.len()].copy_from_slice(pixel);
        let image = png(&encode(8, color, depth, &data)).and_then(check).unwrap();
        assert!(image[1..].iter().all(|&ink| ink == 0.0));
        image[0]
    }

    #[test]
    fn every_kind_of_png_is_read() {
        let near = |got: f32, expected: f32| assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        near(first(ColorType::Grayscale, BitDepth::Eight, &[255]), 16.0);
        near(first(ColorType::Grayscale, BitDepth::Eight, &[51]), 3.2);
        near(first(ColorType::Grayscale, BitDepth::Sixteen, &[0x80, 0x00]), 16.0 * 32768.0 / 65535.0);
        near(first(ColorType::GrayscaleAlpha, BitDepth::Eight, &[255, 51]), 3.2);
        near(first(ColorType::Rgb, BitDepth::Eight, &[255, 0, 0]), 16.0 * 0.299);
        near(first(ColorType::Rgb, BitDepth::Sixteen, &[255, 255, 255, 255, 255, 255]), 16.0);
        near(first(ColorType::Rgba, BitDepth::Eight, &[0, 255, 0, 255]), 16.0 * 0.587);
        near(first(ColorType::Rgba, BitDepth::Eight, &[255, 255, 255, 0]), 0.0);
        let bits = png(&encode(8, ColorType::Grayscale, BitDepth::One, &[0x80; 8])).unwrap();
        assert_eq!(bits[..3], [16.0, 0.0, 0.0]);
        let palette = png(&encode(8, ColorType::Indexed, BitDepth::One, &[0x40; 8])).unwrap();
        assert_eq!(palette[..3], [0.0, 16.0, 0.0]);
    }

    /// What `data/README.md` says of it; another split would need another example.
    #[test]
    fn the_example_is_a_seven_kept_for_testing() {
        let pixels = png(include_bytes!("../data/seven.png")).and_then(check).unwrap().map(f32::round);
        assert!(crate::digits::load().test.iter().any(|digit| digit.image == pixels && digit.label == 7));
    }

    #[test]
    fn the_size_of_a_png_is_checked() {
        let large = encode(28, ColorType::Grayscale, BitDepth::Eight, &[0; 28 * 28]);
        assert_eq!(png(&large), Err("has 28x28 pixels".into()));
    }

    #[test]
    fn csv_has_two_shapes() {
        let pixels: Vec<f32> = (0..64).map(|i| (i % 17) as f32).collect();
        let one = pixels.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
        let eight: Vec<String> = pixels
            .chunks(8)
            .map(|row| row.iter().map(f32::to_string).collect::<Vec<_>>().join(","))
            .collect();
        for text in [
            one.clone(),
            format!("{one}\r\n"),
            eight.join("\n"),
            format!("\u{feff}{}\n\n", eight.join("\r\n")),
        ] {
            assert_eq!(csv(text.as_bytes()), Ok(pixels.clone()), "{text}");
        }
        let wrong = [
            ("", "holds 0 numbers in 0 lines"),
            ("1,2,3", "holds 3 numbers in 1 line"),
            (&format!("{one},7"), "holds 65 numbers in 1 line"),
            (&eight[1..].join("\n"), "holds 56 numbers in 7 lines"),
            ("p0,p1", "'p0' in line 1, column 1 is not a number"),
            ("1,,3", "'' in line 1, column 2 is not a number"),
        ];
        for (text, what) in wrong {
            assert_eq!(csv(text.as_bytes()), Err(what.into()), "{text}");
        }
        assert_eq!(csv(b"1,2\n\xff,3"), Err("line 2 is not text".into()));
    }

    #[test]
    fn ink_is_between_0_and_16() {
        for wrong in [-0.5, 16.5, f32::NAN, f32::INFINITY] {
            let mut pixels = vec![1.0; 64];
            pixels[10] = wrong;
            assert_eq!(check(pixels), Err(format!("the number in row 2, column 3 is {wrong}")));
        }
        assert!(check(vec![16.0; 64]).is_ok());
    }

    /// Whatever a file holds, reading it ends with pixels or with a message.
    #[test]
    fn damaged_files_do_not_panic() {
        let png_file = encode(8, ColorType::Rgb, BitDepth::Sixteen, &[99; 64 * 6]);
        let npy_file = npy::tests::file("<f4", false, "(8, 8)", &[0; 256]);
        let csv_file = "1.5,".repeat(63).into_bytes();
        let mut rng = femtograd::random::Rng::new(1);
        type Format = (fn(&[u8]) -> Parsed, Vec<u8>);
        let formats: [Format; 3] = [(png, png_file), (npy::parse, npy_file), (csv, csv_file)];
        for (parse, whole) in formats {
            for length in 0..whole.len() {
                let _ = parse(&whole[..length]);
            }
            for _ in 0..3000 {
                let mut bytes = whole.clone();
                for _ in 0..1 + rng.below(4) {
                    let place = rng.below(bytes.len());
                    bytes[place] = rng.below(256) as u8;
                }
                let _ = parse(&bytes);
            }
        }
    }

    #[test]
    fn doubts_are_for_unusual_images_only() {
        let digits = crate::digits::load();
        assert!(digits.train.iter().chain(&digits.test).all(|digit| doubt(&digit.image).is_none()));
        assert!(doubt(&[1.0; 64]).is_some_and(|advice| advice.contains("faint")));
        assert!(doubt(&digits.test[0].image.map(|ink| 16.0 - ink)).is_some_and(|a| a.contains("invert")));
    }
}
