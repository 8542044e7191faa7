//! A status that follows something real: while a certain file exists, the service is in maintenance.
//!
//! An operator's `touch` takes the service out of the rotation and `rm` brings it back; nobody has to
//! be able to reach the process. Whatever a status follows, a queue's length or a database's answer,
//! the shape is the same: a condition, and a monitor that evaluates it. For this one in earnest, with a
//! reason in the file and without a condition, there is `health_conditions::HoldFile`.

use std::{
    future::ready,
    io,
    path::{Path, PathBuf},
};

use health_core::{
    Reason,
    condition::{Condition, Local},
};
use tempfile::TempDir;
use tokio::fs;

/// A file that says, by being there, that the service is in maintenance.
///
/// It lies in a temporary directory of its own, which goes when this value is dropped.
#[derive(Debug)]
pub struct MaintenanceFile {
    path: PathBuf,
    _directory: TempDir,
}

impl MaintenanceFile {
    /// Chooses a place for the file; the file itself is not there yet.
    ///
    /// # Errors
    ///
    /// When the temporary directory cannot be made.
    pub fn in_temporary_directory() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("health-quickstart-").tempdir()?;
        Ok(Self { path: directory.path().join("maintenance"), _directory: directory })
    }

    /// Where the file is, or will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file there, as `touch` does.
    ///
    /// # Errors
    ///
    /// Those of writing a file.
    pub async fn touch(&self) -> io::Result<()> {
        fs::write(&self.path, "").await
    }

    /// Takes the file away, as `rm` does.
    ///
    /// # Errors
    ///
    /// Those of removing a file.
    pub async fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path).await
    }

    /// The condition that the file is not there.
    #[must_use]
    pub fn condition(&self) -> Local<impl Condition + use<>> {
        let path = self.path.clone();
        // Asked on the spot: the file is in the machine's own temporary directory. One that may be on a
        // share belongs on another thread.
        Local::new("maintenance", move || ready(absent(&path)))
    }
}

/// Where the file cannot be looked for, nobody knows: that is a failure too.
fn absent(path: &Path) -> Result<(), Reason> {
    if path.try_exists()? {
        return Err(Reason::new(format!("{} is there", path.display())));
    }
    Ok(())
}
