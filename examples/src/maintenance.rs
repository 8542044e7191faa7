//! A status that follows something real: while a certain file exists, the service is in maintenance.
//!
//! An operator's `touch` takes the service out of the rotation and `rm` brings it back; nobody has to
//! be able to reach the process. Whatever a status follows, a queue's length or a database's answer,
//! the shape is the same: a task that looks, and calls [`Registry::set`].

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use health_core::{Registry, ServingStatus};
use tempfile::TempDir;
use tokio::{fs, time};

/// How long a change of the file may go unnoticed.
const PERIOD: Duration = Duration::from_millis(100);

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

    /// Keeps the status of `service` true to the file, for as long as the future is polled.
    pub fn drive(
        &self,
        health: &Registry,
        service: &'static str,
    ) -> impl Future<Output = Infallible> + Send + use<> {
        let (path, health) = (self.path.clone(), health.clone());
        async move {
            let mut clock = time::interval(PERIOD);
            loop {
                clock.tick().await;
                // Where the file cannot be looked for, nobody knows: that is not SERVING.
                let status = match fs::try_exists(&path).await {
                    Ok(false) => ServingStatus::Serving,
                    Ok(true) | Err(_) => ServingStatus::NotServing,
                };
                // Costs nothing where nothing changed: only a change wakes a watcher.
                health.set(service, status);
            }
        }
    }
}
