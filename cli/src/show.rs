//! Numbers, digits and tables as text. No colours and no control characters, so the same on a terminal, in a
//! pipe and in a file.

use crate::digits::{CLASSES, Image, SIDE};

/// How many digits of 16 columns stand in a line of 80.
const ABREAST: usize = 4;

/// Counts of what was shown (rows) and what was read (columns).
pub type Confusion = [[usize; CLASSES]; CLASSES];

/// The lines of an image. A pixel is two characters wide because a character is twice as high as it is wide.
pub fn image(image: &Image) -> Vec<String> {
    const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
    // The steps lie between the whole numbers, so that 14 looks the same when a PNG gives it as 13.99.
    let shade = |ink: &f32| SHADES[((ink + 2.5) / 4.0) as usize];
    image.chunks(SIDE).map(|row| row.iter().map(shade).collect()).collect()
}

/// Images side by side, each with a line below that says what it is.
pub fn gallery(images: &[(&Image, String)]) -> String {
    let mut text = String::new();
    for shelf in images.chunks(ABREAST) {
        let drawn: Vec<Vec<String>> = shelf.iter().map(|(pixels, _)| image(pixels)).collect();
        for y in 0..SIDE {
            line(&mut text, drawn.iter().map(|rows| rows[y].as_str()));
        }
        line(&mut text, shelf.iter().map(|(_, caption)| caption.as_str()));
        text.push('\n');
    }
    text
}

fn line<'a>(text: &mut String, parts: impl Iterator<Item = &'a str>) {
    let whole: String = parts.map(|part| format!("  {part:<width$} ", width = 2 * SIDE)).collect();
    text.push_str(whole.trim_end());
    text.push('\n');
}

/// The confusion matrix; a dot for zero, so that the mistakes stand out.
pub fn confusion(counts: &Confusion) -> String {
    let cell = |count: &usize| if *count == 0 { "   .".into() } else { format!("{count:4}") };
    let heading: String = (0..CLASSES).map(|class| format!("{class:4}")).collect();
    let mut text = format!("  is \\ reads{heading}\n");
    for (class, row) in counts.iter().enumerate() {
        text += &format!("  {class:>10}{}\n", row.iter().map(cell).collect::<String>());
    }
    text
}

/// The shortest text that reads back as the same number, with an exponent where zeros would take over.
pub fn number(x: f64) -> String {
    match x.abs() {
        // A gradient of minus zero is right and only puzzles.
        0.0 => "0".into(),
        size if !(1e-5..1e16).contains(&size) && x.is_finite() => format!("{x:e}"),
        _ => x.to_string(),
    }
}

/// A whole number with its thousands set apart.
pub fn thousands(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", thousands(n / 1000), n % 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        let cases = [(15.0, "15"), (-0.0, "0"), (0.1, "0.1"), (1e300, "1e300"), (-2.5e-9, "-2.5e-9")];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
        assert_eq!([f64::INFINITY, f64::NAN].map(number), ["inf", "NaN"]);
        assert_eq!([7, 1797, 1_000_000].map(thousands), ["7", "1,797", "1,000,000"]);
    }

    #[test]
    fn an_image_is_drawn_in_shades() {
        let mut pixels = [0.0; 64];
        pixels[..5].copy_from_slice(&[0.0, 4.0, 8.0, 12.0, 16.0]);
        let lines = image(&pixels);
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], "  ░░▒▒▓▓██      ");
    }

    #[test]
    fn a_gallery_breaks_its_lines() {
        let pixels = [16.0; 64];
        let text = gallery(&vec![(&pixels, "reads 8, is 3".to_string()); 5]);
        assert_eq!(text.lines().count(), 2 * (8 + 1 + 1));
        assert!(text.lines().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn the_confusion_matrix_has_a_row_a_class() {
        let mut counts = [[0; 10]; 10];
        counts[3][8] = 2;
        let text = confusion(&counts);
        assert_eq!(text.lines().count(), 11);
        assert_eq!(text.lines().nth(4), Some("           3   .   .   .   .   .   .   .   .   2   ."));
    }
}
