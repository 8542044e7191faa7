//! `file_age`: whether a file was written lately.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use health_core::{
    Reason,
    condition::{Condition, Local},
};

use crate::{InvalidCondition, background::Background};

/// Passes while the file at `path` was last modified less than `max_age` ago.
///
/// For what is told by writing a file: a job that ran, a certificate that was renewed, data that came in.
/// A file that is not there fails. One that was modified in the future, by another machine's clock, is
/// judged the same way in that direction.
///
/// # Errors
///
/// If `path` is empty, or `max_age` is zero.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use health_conditions::file_age;
///
/// let import = file_age("/var/lib/prices/today.csv", Duration::from_secs(24 * 3600))?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn file_age(
    path: impl Into<PathBuf>,
    max_age: Duration,
) -> Result<Local<impl Condition>, InvalidCondition> {
    let path = path.into();
    if path.as_os_str().is_empty() {
        let message = "an empty path leads nowhere: it must be that of a file";
        return Err(InvalidCondition::new(message));
    }
    if max_age.is_zero() {
        let path = path.display();
        let message = format!("{path} cannot be younger than 0 s: max_age must be above zero");
        return Err(InvalidCondition::new(message));
    }
    let name = format!("age of {}", path.display());
    Ok(Local::new(name, Background::new(move || look(&path, max_age))))
}

fn look(path: &Path, max_age: Duration) -> Result<(), Reason> {
    let modified = fs::metadata(path).and_then(|file| file.modified()).map_err(|error| {
        Reason::with_source(format!("cannot tell the age of {}", path.display()), error)
    })?;
    let (age, when) = match SystemTime::now().duration_since(modified) {
        Ok(age) => (age, "ago"),
        Err(future) => (future.duration(), "in the future"),
    };
    if age < max_age {
        return Ok(());
    }
    let age = Duration::from_secs(age.as_secs());
    let path = path.display();
    Err(Reason::new(format!("{path} was modified {age:?} {when}, less than {max_age:?} wanted")))
}
