//! Replays vectors from files, where the tests replay those of the project.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::ValueEnum as _;
use health_conformance::{Adapter, Subject, Vectors, replay};

/// Replays vectors, and shows which do not hold, with what was expected and what came
///
/// A file holds a JSON array in the form of tests/vectors. Exits with 1 if a vector does not hold, and with
/// 2 if they cannot be replayed. Starts the program `subject` from the folder that this one is in. Under
/// `cargo run` it is built first, as this program is.
#[derive(Debug, Parser)]
#[command(name = "replay")]
struct Arguments {
    /// Files of vectors [default: those of the wire specification]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// An adapter to replay them on; may be repeated [default: every adapter]
    #[arg(long, value_name = "NAME")]
    adapter: Vec<Adapter>,

    /// The subject to start [default: `subject` beside this program]
    #[arg(long, value_name = "PATH")]
    subject: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every vector holds.
async fn run(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let Arguments { files, mut adapter, subject } = arguments;
    let program = subject.map_or_else(Subject::beside_this_program, Ok)?;
    if adapter.is_empty() {
        adapter = Adapter::value_variants().to_vec();
    }
    let mut sources = Vec::new();
    for file in files {
        let read = read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        sources.push(read);
    }
    if sources.is_empty() {
        sources.push(Vectors::load()?);
    }
    let mut all_hold = true;
    for vectors in sources {
        let report = replay(&program, &adapter, &vectors).await?;
        all_hold &= report.failed().is_empty();
        write!(io::stdout(), "{report}")?;
    }
    Ok(all_hold)
}

fn read(file: &Path) -> Result<Vectors, Box<dyn Error>> {
    let vectors = Vectors::parse(&fs::read_to_string(file)?)?;
    if vectors.is_empty() {
        return Err("no vectors are in it; write a JSON array of them, as in tests/vectors".into());
    }
    Ok(vectors)
}
