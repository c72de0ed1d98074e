//! `femtograd predict MODEL IMAGE`

use std::io::{self, Write};
use std::path::Path;

use crate::digits::CLASSES;
use crate::error::Result;
use crate::model::Model;
use crate::{image, show};

/// How many classes after the first are named.
const RUNNERS_UP: usize = 2;

/// Draws an image and says which digit it is.
pub fn run(model: &Path, path: &Path, out: &mut impl Write) -> Result<u8> {
    let model = Model::load(model)?;
    let pixels = image::load(path)?;
    let probabilities = model.read([&pixels])[0];
    let mut ranking: [usize; CLASSES] = std::array::from_fn(|class| class);
    ranking.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));

    writeln!(out)?;
    for line in show::image(&pixels) {
        writeln!(out, "{}", format!("  {line}").trim_end())?;
    }
    let percent = |class: usize| 100.0 * probabilities[class];
    writeln!(out, "\nreads {} {:5.1} %", ranking[0], percent(ranking[0]))?;
    for &class in &ranking[1..=RUNNERS_UP] {
        writeln!(out, " then {class} {:5.1} %", percent(class))?;
    }
    if let Some(advice) = image::doubt(&pixels) {
        // Only advice: the answer stands, whoever reads stderr.
        let _ = writeln!(io::stderr(), "femtograd: note: {}: {advice}", path.display());
    }
    Ok(0)
}
