//! NumPy's NPY: `\x93NUMPY`, a version, the length of a header, the header (a Python dictionary), the
//! numbers.
//!
//! Read here, in a few lines, and not by a crate: what is wanted is 64 numbers, and the crates for it bring a
//! parser of all of Python's literals along.

use winnow::ascii::{dec_uint, multispace0};
use winnow::combinator::{alt, delimited, opt, separated, terminated};
use winnow::prelude::*;
use winnow::token::{one_of, take_until};

use super::Parsed;
use crate::digits::SIDE;

/// A value of the header's dictionary.
enum Entry<'a> {
    Text(&'a str),
    Flag(bool),
    Shape(Vec<usize>),
}

/// How a number is stored: kind (`f`, `i`, `u`, `b`), bytes, and whether the first byte is the most
/// significant.
type Number = (char, usize, bool);

/// The numbers of an array of 64.
pub fn parse(bytes: &[u8]) -> Parsed {
    let damaged = || "not a whole NPY file".to_string();
    let (header, data) = split(bytes).ok_or_else(damaged)?;
    let entries = dictionary.parse(header.trim_end()).map_err(|_| "not an NPY file of plain numbers")?;

    let (mut kind, mut by_columns, mut shape) = (None, None, None);
    for entry in entries {
        match entry {
            ("descr", Entry::Text(text)) => kind = Some(text),
            ("fortran_order", Entry::Flag(flag)) => by_columns = Some(flag),
            ("shape", Entry::Shape(sizes)) => shape = Some(sizes),
            _ => return Err(damaged()),
        }
    }
    let (Some(kind), Some(by_columns), Some(mut shape)) = (kind, by_columns, shape) else {
        return Err(damaged());
    };
    // One image out of a batch, `images[3:4]`, is (1, 64) or (1, 8, 8).
    let written = format!("{shape:?}").replace(['[', ']'], "");
    shape.retain(|&size| size != 1);
    if shape != [SIDE, SIDE] && shape != [SIDE * SIDE] {
        return Err(format!("has the shape ({written})"));
    }
    let unknown = |_| format!("holds values of the type {}", kind.escape_default());
    let (kind, size, big_endian) = number.parse(kind).map_err(unknown)?;
    if data.len() != SIDE * SIDE * size {
        return Err(damaged());
    }
    let numbers: Vec<f32> = data.chunks(size).map(|bytes| decode(kind, bytes, big_endian)).collect();
    if by_columns && shape.len() == 2 {
        return Ok((0..numbers.len()).map(|i| numbers[i % SIDE * SIDE + i / SIDE]).collect());
    }
    Ok(numbers)
}

/// The header and what follows it. Its length has two bytes in version 1, and four in the later ones.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => {
            rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_le_bytes(*length)), rest))?
        }
        2 | 3 => {
            rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest))?
        }
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((str::from_utf8(header).ok()?, data))
}

fn dictionary<'a>(input: &mut &'a str) -> winnow::Result<Vec<(&'a str, Entry<'a>)>> {
    let flag = alt(("True".value(true), "False".value(false)));
    let entry = (
        terminated(word(text), word(':')),
        alt((text.map(Entry::Text), flag.map(Entry::Flag), sizes.map(Entry::Shape))),
    );
    let entries = separated(0.., entry, word(','));
    delimited('{', entries, (opt(word(',')), word('}'))).parse_next(input)
}

fn sizes(input: &mut &str) -> winnow::Result<Vec<usize>> {
    delimited('(', separated(0.., word(dec_uint::<_, usize, _>), word(',')), (opt(word(',')), word(')')))
        .parse_next(input)
}

fn text<'a>(input: &mut &'a str) -> winnow::Result<&'a str> {
    alt((delimited('\'', take_until(0.., '\''), '\''), delimited('"', take_until(0.., '"'), '"')))
        .parse_next(input)
}

/// Something with space around it.
fn word<'a, T>(
    inner: impl Parser<&'a str, T, winnow::error::ContextError>,
) -> impl Parser<&'a str, T, winnow::error::ContextError> {
    delimited(multispace0, inner, multispace0)
}

/// A type as NumPy writes it: `<f8`, `>i4`, `|u1`.
fn number(input: &mut &str) -> winnow::Result<Number> {
    let order =
        one_of(['<', '>', '|', '=']).map(|order| order == '>' || order == '=' && cfg!(target_endian = "big"));
    let kind = alt((('f', alt(("4", "8"))), (one_of(['i', 'u']), alt(("1", "2", "4", "8"))), ('b', "1")));
    (order, kind)
        .map(|(order, (kind, size)): (bool, (char, &str))| (kind, size.parse().unwrap_or(1), order))
        .parse_next(input)
}

fn decode(kind: char, bytes: &[u8], big_endian: bool) -> f32 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    if big_endian {
        wide[..bytes.len()].reverse();
    }
    let bits = u64::from_le_bytes(wide);
    let unused = 64 - 8 * bytes.len() as u32;
    match (kind, bytes.len()) {
        ('f', 4) => f32::from_bits(bits as u32),
        ('f', _) => f64::from_bits(bits) as f32,
        // Up against the top and back: the shift to the right repeats the sign.
        ('i', _) => ((bits << unused) as i64 >> unused) as f32,
        _ => bits as f32,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A file of version 1 as NumPy writes it.
    pub fn file(kind: &str, by_columns: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let flag = if by_columns { "True" } else { "False" };
        let header = format!("{{'descr': '{kind}', 'fortran_order': {flag}, 'shape': {shape}, }}");
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
        bytes.extend(data);
        bytes
    }

    fn numbers<const N: usize>(encode: impl Fn(i8) -> [u8; N]) -> Vec<u8> {
        (0..64).flat_map(|i| encode((i % 17) as i8)).collect()
    }

    #[test]
    fn every_kind_of_number_is_read() {
        let expected: Vec<f32> = (0..64).map(|i| (i % 17) as f32).collect();
        let cases = [
            ("|u1", numbers(|x| [x as u8])),
            ("|i1", numbers(|x| x.to_le_bytes())),
            ("<u2", numbers(|x| (x as u16).to_le_bytes())),
            ("<i2", numbers(|x| i16::from(x).to_le_bytes())),
            (">i4", numbers(|x| i32::from(x).to_be_bytes())),
            ("<u4", numbers(|x| (x as u32).to_le_bytes())),
            ("<i8", numbers(|x| i64::from(x).to_le_bytes())),
            (">u8", numbers(|x| (x as u64).to_be_bytes())),
            ("<f4", numbers(|x| f32::from(x).to_le_bytes())),
            (">f4", numbers(|x| f32::from(x).to_be_bytes())),
            ("<f8", numbers(|x| f64::from(x).to_le_bytes())),
            (">f8", numbers(|x| f64::from(x).to_be_bytes())),
        ];
        for (kind, data) in &cases {
            for shape in ["(64,)", "(8, 8)", "(1, 64)", "(1, 8, 8)"] {
                assert_eq!(parse(&file(kind, false, shape, data)).as_ref(), Ok(&expected), "{kind} {shape}");
            }
        }
        assert_eq!(parse(&file("|i1", false, "(64,)", &[0xff; 64])), Ok(vec![-1.0; 64]));
        assert_eq!(parse(&file("|b1", false, "(64,)", &[1; 64])), Ok(vec![1.0; 64]));
    }

    #[test]
    fn an_array_by_columns_is_turned() {
        let data: Vec<u8> = (0..64).map(|i| i / 4).collect();
        let got = parse(&file("|u1", true, "(8, 8)", &data)).unwrap();
        assert_eq!((got[1], got[8]), (f32::from(data[8]), f32::from(data[1])));
        let flat = parse(&file("|u1", true, "(64,)", &data)).unwrap();
        assert_eq!(flat[5], f32::from(data[5]));
    }

    #[test]
    fn other_arrays_are_named() {
        let cases = [
            (file("|u1", false, "(28, 28)", &[0; 784]), "has the shape (28, 28)"),
            (file("|u1", false, "()", &[0]), "has the shape ()"),
            (file("|u1", false, "(63,)", &[0; 63]), "has the shape (63)"),
            (file("<c8", false, "(8, 8)", &[0; 512]), "holds values of the type <c8"),
            (file("<f2", false, "(8, 8)", &[0; 128]), "holds values of the type <f2"),
            (file("<f4", false, "(8, 8)", &[0; 255]), "not a whole NPY file"),
            (file("<f4", false, "(8, 8)", &[0; 257]), "not a whole NPY file"),
            (file("|u1", false, "(99999999999999999999,)", &[]), "not an NPY file of plain numbers"),
            (b"nonsense".to_vec(), "not a whole NPY file"),
            (Vec::new(), "not a whole NPY file"),
        ];
        for (bytes, what) in cases {
            assert_eq!(parse(&bytes), Err(what.into()));
        }
    }
}
