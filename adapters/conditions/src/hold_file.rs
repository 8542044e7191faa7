//! `HoldFile`: maintenance by a file's presence.

use std::{
    convert::Infallible,
    fs::{self, File},
    future::Future,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use health_core::{Hold, Registry, rt::Timer};

use crate::background::Background;

/// A file that holds a service out of rotation by being there.
///
/// An operator's `touch` takes the service out and `rm` brings it back; nobody has to be able to reach
/// the process. The first line of the file's text, up to 200 characters, is the reason of the
/// [hold](Registry::hold), and `file PATH` who holds.
///
/// # Semantics
///
/// - While there is something at the path, whatever it is, the service is held: a folder, a link that
///   leads nowhere.
/// - While it cannot be found out whether there is, the service is held too, and a `warn` event of
///   `tracing` says why: not knowing is not SERVING. A folder that is not there has no file in it.
/// - Somebody else's hold is neither replaced nor released. When it is released while the file is there,
///   the file holds.
///
/// # Examples
///
/// ```no_run
/// use health_conditions::HoldFile;
/// use health_core::Registry;
/// use health_tokio::TokioTimer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let health = Registry::new();
/// let file = HoldFile::new("/run/greet/maintenance");
/// tokio::spawn(file.drive(&health, "greet.GreetService", TokioTimer::shared()));
/// # }
/// ```
/// ```console
/// $ echo 'schema migration, back at noon' > /run/greet/maintenance
/// ```
#[derive(Clone, Debug)]
#[must_use = "a file holds nothing until `drive` is polled"]
pub struct HoldFile {
    path: PathBuf,
    period: Duration,
}

impl HoldFile {
    /// A file that is looked for every second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), period: DEFAULT_PERIOD }
    }

    /// Looks this often. A period below a millisecond is one of a millisecond, and one above a year is one
    /// of a year.
    pub fn every(mut self, period: Duration) -> Self {
        self.period = period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        self
    }

    /// Keeps the hold of `service` true to the file, for as long as the future is polled, on any
    /// executor. When it is dropped, the hold stays as it is.
    pub fn drive(
        self,
        registry: &Registry,
        service: impl Into<Arc<str>>,
        timer: Arc<dyn Timer>,
    ) -> impl Future<Output = Infallible> + Send + 'static {
        let (registry, service) = (registry.clone(), service.into());
        let holder = format!("file {}", self.path.display());
        let mut looks = Background::new(move || look(&self.path));
        async move {
            let mut sleep = timer.sleep_until(timer.now());
            let mut trouble = None;
            loop {
                let found = looks.answer().await;
                warn_of_news(&found, &mut trouble, &service);
                match found.hold() {
                    // Somebody else's hold covers it as well.
                    Some(reason) => {
                        drop(registry.try_hold(&service, Hold::new(reason).by(&*holder)))
                    }
                    None => drop(registry.release_held_by(&service, &holder)),
                }
                sleep.as_mut().reset(timer.now() + self.period);
                sleep.as_mut().await;
            }
        }
    }
}

/// What is at the path.
#[derive(Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    Something(String),
    /// Nobody knows, or something that cannot be read; why.
    Trouble(String),
}

impl Found {
    /// Why to hold, if so.
    fn hold(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Something(reason) | Self::Trouble(reason) => Some(reason),
        }
    }
}

fn look(path: &Path) -> Found {
    // Of the path itself: a link is there wherever it leads, be it to nothing.
    match fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => {
            return Found::Trouble(format!("cannot look for {}: {error}", path.display()));
        }
    }
    let text = match read_start(path) {
        Ok(text) => text,
        // A link to nothing, or a file that was there until now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Found::Trouble(format!("cannot read {}: {error}", path.display())),
    };
    Found::Something(
        reason(&text).unwrap_or_else(|| format!("maintenance file {}", path.display())),
    )
}

fn read_start(path: &Path) -> io::Result<String> {
    // Reading of a pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first line that says something, without what a terminal or a log would take for a command.
fn reason(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?;
    Some(line.chars().filter(|char| !char.is_control()).take(MAX_CHARS).collect())
}

/// Tells of trouble once, and not at every look.
fn warn_of_news(found: &Found, before: &mut Option<String>, service: &str) {
    let now = match found {
        Found::Trouble(why) => Some(why),
        Found::Nothing | Found::Something(_) => None,
    };
    if now == before.as_ref() {
        return;
    }
    if let Some(why) = now {
        tracing::warn!(service, why, "holding a service: its maintenance file cannot be looked at");
    }
    *before = now.cloned();
}

const DEFAULT_PERIOD: Duration = Duration::from_secs(1);
/// What a file system can be asked without a pause for anything else.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);
/// As good as never, and no instant that a clock cannot tell.
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 86_400);
const MAX_CHARS: usize = 200;
/// Room for the characters, the longest of which have 4 bytes, and for some space before them.
const MAX_BYTES: u64 = 4096;
