//! The demonstration, `femtograd train digits` and `femtograd predict`.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Run, command, finished, place, refused, run};

const MODEL: &str = "digits.safetensors";

/// The demonstration, run once; it leaves the model of the default settings.
fn demonstration() -> &'static (PathBuf, Run, Duration) {
    static DONE: OnceLock<(PathBuf, Run, Duration)> = OnceLock::new();
    DONE.get_or_init(|| {
        let place = place("demonstration");
        let start = Instant::now();
        let run = run(&place, &[]);
        (place, run, start.elapsed())
    })
}

fn model() -> String {
    let (place, run, _) = demonstration();
    assert_eq!(run.code, Some(0), "{}", run.err);
    place.join(MODEL).to_str().unwrap().into()
}

fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name).to_str().unwrap().into()
}

/// The accuracy in percent that a run has printed.
fn accuracy(run: &Run) -> f64 {
    let line = run.out.lines().find_map(|line| line.strip_prefix("test accuracy ")).expect("an accuracy");
    line.split(' ').next().unwrap().parse().unwrap()
}

/// The confusion matrix that a run has printed.
fn confusion(run: &Run) -> Vec<Vec<usize>> {
    let rows = run.out.lines().skip_while(|line| !line.contains("is \\ reads")).skip(1).take(10);
    rows.map(|row| row.split_whitespace().skip(1).map(|cell| cell.parse().unwrap_or(0)).collect()).collect()
}

/// 64 numbers as a file of NumPy.
fn npy(kind: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (8, 8), }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
}

/// The ink of `seven.png`.
fn seven() -> Vec<u8> {
    let mut reader =
        png::Decoder::new(BufReader::new(fs::File::open(shipped("seven.png")).unwrap())).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut samples).unwrap();
    samples.iter().map(|&sample| (f64::from(sample) * 16.0 / 255.0).round() as u8).collect()
}

#[test]
fn the_demonstration_shows_trains_and_says_what_next() {
    let (place, run, time) = demonstration();
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("c = 15, dc/da = 3, dc/db = 8"), "{}", run.out);
    assert!(accuracy(run) >= 97.0, "{}", run.out);
    let confusion = confusion(run);
    assert_eq!(confusion.iter().flatten().sum::<usize>(), 359);
    let right: usize = (0..10).map(|class| confusion[class][class]).sum();
    assert_eq!(format!("{:.2}", right as f64 / 3.59), format!("{:.2}", accuracy(run)));
    if right < 359 {
        assert!(run.out.lines().any(|line| line.contains("reads ") && line.contains(", is ")), "{}", run.out);
        assert!(run.out.contains('█'));
    }
    assert!(run.out.contains("saved to digits.safetensors"));
    assert!(run.out.contains("predict digits.safetensors"));
    assert!(run.out.contains("What to try next:"));
    // Where stderr is no terminal: a line now and then.
    let lines: Vec<_> = run.err.lines().collect();
    assert!((5..20).contains(&lines.len()), "{}", run.err);
    assert!(lines.iter().all(|line| line.contains("loss") && line.contains("accuracy")), "{}", run.err);
    assert_eq!(fs::read_dir(place).unwrap().count(), 1, "nothing but the model is left");
    if !cfg!(debug_assertions) {
        assert!(*time < Duration::from_secs(10), "{time:?}");
    }
}

/// Some seconds in a release build; minutes in a debug build, which leaves it out.
#[test]
#[cfg_attr(debug_assertions, ignore = "trains ten networks: run with --release")]
fn of_ten_seeds_none_reads_less_than_96_percent() {
    let place = place("seeds");
    let accuracies: Vec<f64> = (0..10)
        .map(|seed| accuracy(&run(&place, &["train", "digits", "--seed", &seed.to_string()])))
        .collect();
    println!("{accuracies:?}");
    assert!(accuracies.iter().all(|&percent| percent >= 96.0), "{accuracies:?}");
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let place = place("bits");
    let train = |out: &str, seed: &str, threads: &str| {
        let arguments =
            ["train", "digits", "--epochs", "2", "--seed", seed, "--threads", threads, "--out", out];
        let run = run(&place, &arguments);
        assert_eq!(run.code, Some(0), "{}", run.err);
        (fs::read(place.join(out)).unwrap(), confusion(&run))
    };
    let (one, seen) = train("one", "5", "1");
    assert!(one == train("again", "5", "1").0);
    assert!(one == train("two", "5", "2").0);
    assert!(one == train("seven", "5", "7").0);
    let (other, also_seen) = train("other", "6", "2");
    assert!(one != other);
    // Another seed, and the same test images.
    let written = |counts: &[Vec<usize>]| counts.iter().map(|row| row.iter().sum()).collect::<Vec<usize>>();
    assert_eq!(written(&seen), written(&also_seen));
}

#[test]
fn a_digit_is_read_from_every_format() {
    let place = place("formats");
    let ink = seven();
    let cells: Vec<String> = ink.iter().map(u8::to_string).collect();
    let rows: Vec<String> = cells.chunks(8).map(|row| row.join(",")).collect();
    fs::write(place.join("line.csv"), cells.join(",") + "\n").unwrap();
    fs::write(place.join("lines.CSV"), rows.join("\n")).unwrap();
    fs::write(place.join("bytes.npy"), npy("|u1", &ink)).unwrap();
    let floats: Vec<u8> = ink.iter().flat_map(|&x| f32::from(x).to_le_bytes()).collect();
    fs::write(place.join("floats.npy"), npy("<f4", &floats)).unwrap();
    let doubles: Vec<u8> = ink.iter().flat_map(|&x| f64::from(x).to_be_bytes()).collect();
    fs::write(place.join("doubles.npy"), npy(">f8", &doubles)).unwrap();

    let expected = run(&place, &["predict", &model(), "line.csv"]);
    assert_eq!((expected.code, expected.err.as_str()), (Some(0), ""));
    assert!(expected.out.contains("\nreads 7 "), "{}", expected.out);
    assert_eq!(expected.out.matches(" then ").count(), 2, "{}", expected.out);
    assert_eq!(expected.out.lines().filter(|line| line.contains(['░', '▒', '▓', '█'])).count(), 8);
    for file in ["lines.CSV", "bytes.npy", "floats.npy", "doubles.npy"] {
        let run = run(&place, &["predict", &model(), file]);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{file}");
        assert_eq!(run.out, expected.out, "{file}");
    }
    // 256 steps of grey do not give back 17 steps of ink exactly, but nearly.
    let png = run(&place, &["predict", &model(), &shipped("seven.png")]);
    assert_eq!((png.code, png.err.as_str()), (Some(0), ""));
    let answer = |run: &Run| run.out.split_once("reads 7").map(|(drawing, _)| drawing.to_string());
    assert!(answer(&png).is_some() && answer(&png) == answer(&expected), "{}", png.out);
}

#[test]
fn an_unusual_image_is_read_with_advice() {
    let place = place("advice");
    let inverted: Vec<u8> = seven().iter().map(|ink| 16 - ink).collect();
    fs::write(place.join("inverted.npy"), npy("|u1", &inverted)).unwrap();
    fs::write(place.join("faint.csv"), ["0.5"; 64].join(",")).unwrap();
    for (file, advice) in [("inverted.npy", "invert it first"), ("faint.csv", "the image is faint")] {
        let run = run(&place, &["predict", &model(), file]);
        assert_eq!(run.code, Some(0));
        assert!(run.out.contains("reads "));
        assert!(
            run.err.starts_with(&format!("femtograd: note: {file}: ")) && run.err.contains(advice),
            "{}",
            run.err
        );
    }
}

#[test]
fn wrong_images_are_refused_in_one_line() {
    let place = place("images");
    let write = |name: &str, bytes: &[u8]| fs::write(place.join(name), bytes).unwrap();
    let png = |name: &str, side: u32| {
        let file = fs::File::create(place.join(name)).unwrap();
        let mut encoder = png::Encoder::new(file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&vec![9; (side * side) as usize]).unwrap();
    };
    png("large.png", 28);
    let whole = fs::read(shipped("seven.png")).unwrap();
    write("cut.png", &whole[..whole.len() / 2]);
    write("text.png", b"hello");
    write("empty.png", b"");
    write("short.csv", b"1,2,3\n");
    write("many.csv", ["1"; 65].join(",").as_bytes());
    write("words.csv", b"p0,p1\n1,2\n");
    write("nan.csv", [["1"; 63].join(","), "NaN".into()].join(",").as_bytes());
    write("high.csv", ["17"; 64].join(",").as_bytes());
    write("low.csv", ["-1"; 64].join(",").as_bytes());
    write("high.npy", &npy("|u1", &[255; 64]));
    write("nan.npy", &npy("<f4", &f32::NAN.to_le_bytes().repeat(64)));
    write("cut.npy", &npy("<f4", &[0; 255]));
    write("complex.npy", &npy("<c8", &[0; 512]));
    write("digit.bmp", b"BM");
    fs::create_dir(place.join("directory.png")).unwrap();

    let cases: &[(&str, &[&str])] = &[
        ("missing.png", &["no such file"]),
        ("directory.png", &["directory"]),
        ("large.png", &["28x28", "expected", "8x8"]),
        ("cut.png", &["not a whole PNG", "expected"]),
        ("text.png", &["not a whole PNG", "expected"]),
        ("empty.png", &["not a whole PNG", "expected"]),
        ("short.csv", &["holds 3 numbers in 1 line", "expected 64 numbers"]),
        ("many.csv", &["holds 65 numbers in 1 line", "expected 64 numbers"]),
        ("words.csv", &["'p0' in line 1, column 1 is not a number"]),
        ("nan.csv", &["row 8, column 8 is NaN", "from 0 to 16"]),
        ("high.csv", &["row 1, column 1 is 17", "from 0 to 16"]),
        ("low.csv", &["row 1, column 1 is -1", "from 0 to 16"]),
        ("high.npy", &["row 1, column 1 is 255", "from 0 to 16"]),
        ("nan.npy", &["row 1, column 1 is NaN", "from 0 to 16"]),
        ("cut.npy", &["not a whole NPY", "expected"]),
        ("complex.npy", &["type <c8", "expected"]),
        ("digit.bmp", &["expected a file that ends in .png, .csv or .npy"]),
    ];
    for (file, parts) in cases {
        let run = run(&place, &["predict", &model(), file]);
        refused(&run, parts);
        assert!(run.err.starts_with(&format!("femtograd: {file}: ")), "{}", run.err);
    }
}

#[test]
fn wrong_models_are_refused_in_one_line() {
    let place = place("models");
    let whole = fs::read(model()).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(place.join(name), bytes).unwrap();
    write("truncated", &whole[..whole.len() - 100]);
    write("header-only", &whole[..50]);
    write("empty", b"");
    write("text", b"this is not a model at all\n");
    let mut infinite = whole.clone();
    let end = infinite.len();
    infinite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    write("nan", &infinite);
    // The header's length stays right where a change keeps the number of characters.
    let edited = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|part| part == from.as_bytes()).expect(from);
        assert_eq!(from.len(), to.len());
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    write("layers", &edited("64,256,10", "64,128,10"));
    write("classes", &edited("64,256,10", "64,256,99"));
    write("foreign", &edited("femtograd-digits", "femtograd-poetry"));
    write("future", &edited(r#""format_version":"1""#, r#""format_version":"9""#));
    let other = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    write("other", &[&(other.len() as u64).to_le_bytes()[..], other.as_bytes(), &[0; 4]].concat());

    let cases = [
        ("missing", "no such file"),
        ("truncated", "truncated or damaged"),
        ("header-only", "not a safetensors file, or damaged"),
        ("empty", "not a safetensors file, or damaged"),
        ("text", "not a safetensors file, or damaged"),
        ("nan", "not finite"),
        ("layers", "do not fit its layers"),
        ("classes", "do not lead from 64 pixels to 10 digits"),
        ("foreign", "not a model for digits"),
        ("future", "format version 9"),
        ("other", "not a model for digits"),
    ];
    for (file, what) in cases {
        let before = fs::read(place.join(file)).ok();
        let run = run(&place, &["predict", file, &shipped("seven.png")]);
        refused(&run, &[what]);
        assert!(run.err.starts_with(&format!("femtograd: {file}: ")), "{}", run.err);
        assert_eq!(fs::read(place.join(file)).ok(), before);
    }
    // A file that is not a model is not replaced by one either.
    for file in ["truncated", "text", "empty"] {
        let before = fs::read(place.join(file)).unwrap();
        refused(&run(&place, &["train", "digits", "--out", file]), &[file, "left as it is", "--out"]);
        assert_eq!(fs::read(place.join(file)).unwrap(), before);
    }
}

#[test]
fn a_refused_training_changes_nothing() {
    let place = place("refused");
    let whole = fs::read(model()).unwrap();
    fs::write(place.join(MODEL), &whole).unwrap();
    fs::create_dir(place.join("directory")).unwrap();
    let refusals = [
        ["--epochs", "0"],
        ["--epochs", "ten"],
        ["--lr", "0"],
        ["--lr", "nan"],
        ["--lr", "-1"],
        ["--batch", "0"],
        ["--batch", "1439"],
        ["--seed", "-1"],
        ["--threads", "100000"],
    ];
    for option in refusals {
        let run = run(&place, &[&["train", "digits"], &option[..]].concat());
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{option:?}");
        assert!(run.err.contains(option[0]), "{}", run.err);
    }
    refused(&run(&place, &["train", "digits", "--out", "directory"]), &["directory", "is a directory"]);
    refused(&run(&place, &["train", "digits", "--out", "models/"]), &["models/", "is a directory"]);
    refused(&run(&place, &["train", "digits", "--out", "nowhere/model"]), &["nowhere/model", "no such"]);
    let run = run(&place, &["train", "digits", "--lr", "1e30"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.lines().last().unwrap().starts_with("femtograd: the loss is "), "{}", run.err);
    assert!(fs::read(place.join(MODEL)).unwrap() == whole);
    assert_eq!(fs::read_dir(place).unwrap().count(), 2);
}

#[test]
fn a_model_replaces_a_model() {
    let place = place("replace");
    fs::copy(model(), place.join("m.safetensors")).unwrap();
    let run = run(&place, &["train", "digits", "--epochs", "1", "--out", "m.safetensors"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(fs::read(place.join("m.safetensors")).unwrap() != fs::read(model()).unwrap());
}

#[test]
fn a_reader_that_has_gone_costs_nothing() {
    let place = place("pipe");
    let mut child = command(&place, &["train", "digits", "--epochs", "1"]).spawn().unwrap();
    drop(child.stdout.take());
    let run = finished(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(!run.err.contains("femtograd:"), "{}", run.err);
    assert!(place.join(MODEL).exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(Path::new("."), &["eval", "1+1"]).stdout(full).output().unwrap();
    refused(&finished(output), &["cannot write the output"]);
}

/// Starts a training that would take for ever, waits until it is under way, and sends a signal.
#[cfg(unix)]
fn signalled(place: &Path, signal: &str) -> Run {
    let arguments = ["train", "digits", "--epochs", "100000"];
    let mut child = command(place, &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("loss"), "{first}");
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut run = finished(child.wait_with_output().unwrap());
    run.err = std::io::read_to_string(reader).unwrap();
    run
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_what_there_is() {
    let place = place("interrupted");
    let stopped = signalled(&place, "-INT");
    assert_eq!(stopped.code, Some(130), "{}", stopped.err);
    assert!(stopped.out.contains("interrupted: saved what there is after"), "{}", stopped.out);
    assert!(stopped.out.contains("of 100000 epochs to digits.safetensors"), "{}", stopped.out);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    let read = run(&place, &["predict", MODEL, &shipped("seven.png")]);
    assert_eq!(read.code, Some(0), "{}", read.err);
}

#[cfg(unix)]
#[test]
fn a_killed_training_leaves_the_old_model() {
    let place = place("killed");
    let whole = fs::read(model()).unwrap();
    fs::write(place.join(MODEL), &whole).unwrap();
    let killed = signalled(&place, "-KILL");
    assert_eq!(killed.code, None);
    assert!(fs::read(place.join(MODEL)).unwrap() == whole);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
}

#[test]
fn the_arguments_explain_themselves() {
    for arguments in
        [&["--help"][..], &["train", "digits", "--help"], &["predict", "--help"], &["eval", "--help"]]
    {
        let run = run(Path::new("."), arguments);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        assert!(run.out.contains("Usage: femtograd"));
    }
    for wrong in [&["fly"][..], &["train"], &["train", "poems"], &["predict", "model"], &["eval"]] {
        let run = run(Path::new("."), wrong);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(run.err.contains("Usage: femtograd"), "{}", run.err);
    }
    assert_eq!(run(Path::new("."), &["--version"]).out, format!("femtograd {}\n", env!("CARGO_PKG_VERSION")));
}
