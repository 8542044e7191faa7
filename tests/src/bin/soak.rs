//! A long storm against a `subject`, with its progress; the tests send shorter ones.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Parser;
use health_conformance::storm::{self, MAX_WATCHERS, Storm};
use health_conformance::{Adapter, Options, Subject};

/// Sends malformed requests and opens watches, then checks that nothing of them stays
///
/// Starts the program `subject` from the folder that this one is in. Under `cargo run` it is built
/// first, as this program is.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// The adapter that the subject serves through
    #[arg(long, default_value = "hyper")]
    adapter: Adapter,

    /// How many malformed requests are sent
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    requests: u32,

    /// How many watches of distinct unknown names are opened and dropped
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    watches: u32,

    /// What the order and the changes follow from
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The subject to start [default: `subject` beside this program]
    #[arg(long, value_name = "PATH")]
    subject: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let program = arguments.subject.map_or_else(Subject::beside_this_program, Ok)?;
    let mut storm = Storm::new(arguments.requests, arguments.watches);
    storm.seed = arguments.seed.unwrap_or(storm.seed);
    let options = Options::new().max_watchers(MAX_WATCHERS);
    let mut subject = Subject::start(&program, arguments.adapter, &options).await?;
    let memory = storm::run(&mut subject, storm, |part, done| {
        // A closed standard output must not end the storm.
        let _ = say(&format!("{part}: {done}"));
    })
    .await?;
    say(&format!(
        "{}: answers, holds no watcher; memory {} KiB before, {} KiB after",
        arguments.adapter, memory.before, memory.after
    ))?;
    if !memory.is_back() {
        return Err("the memory is not back within 5 %".into());
    }
    subject.stop().await?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
