//! `disk_space`: how much room is left.

use std::path::{Path, PathBuf};

use health_core::{
    Reason,
    condition::{Condition, Local},
};

use crate::{Amount, InvalidCondition, background::Background};

/// Passes while at least so much of the file system that `path` lies on is free for this process.
///
/// What is reserved for root does not count as free. A path that is not there fails.
///
/// # Errors
///
/// If `path` is empty, or the amount is nothing or more than everything.
///
/// # Examples
///
/// ```
/// use health_conditions::{Amount, disk_space};
///
/// let uploads = disk_space("/var/lib/uploads", Amount::Bytes(5_000_000_000))?;
/// let root = disk_space("/", Amount::Percent(10))?.named("root");
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn disk_space(
    path: impl Into<PathBuf>,
    at_least: Amount,
) -> Result<Local<impl Condition>, InvalidCondition> {
    let path = path.into();
    if path.as_os_str().is_empty() {
        let message = "an empty path leads nowhere: it must be one on the file system to look at";
        return Err(InvalidCondition::new(message));
    }
    let at_least = at_least.validate(&path.display().to_string())?;
    let name = format!("disk {}", path.display());
    Ok(Local::new(name, Background::new(move || look(&path, at_least))))
}

fn look(path: &Path, at_least: Amount) -> Result<(), Reason> {
    let room = fs4::statvfs(path).map_err(|error| {
        Reason::with_source(format!("cannot tell the free space of {}", path.display()), error)
    })?;
    at_least.judge("free", room.available_space(), room.total_space())
}
