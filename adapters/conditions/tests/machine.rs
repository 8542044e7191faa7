//! Conditions over the machine, asked of this one.

mod evaluation;

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use evaluation::{condition_of, evaluate};
use futures_lite::future::block_on;
use health_conditions::{Amount, available_memory, disk_space, file_age, resident_memory};
use health_core::{Scope, condition::Scoped};

const HOUR: Duration = Duration::from_secs(3600);
const MB: u64 = 1_000_000;

#[test]
fn disk_space_is_that_of_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let mut enough = condition_of(disk_space(folder.path(), Amount::Bytes(1)).unwrap());
    assert_eq!(block_on(evaluate(&mut enough)), "");

    let mut too_much = condition_of(disk_space(folder.path(), Amount::Bytes(u64::MAX)).unwrap());
    let reason = block_on(evaluate(&mut too_much));
    assert!(reason.ends_with("B free, at least 18.4 EB wanted"), "{reason}");

    let gone = folder.path().to_owned();
    drop(folder);
    let reason = block_on(evaluate(&mut enough));
    let expected = format!("cannot tell the free space of {}: ", gone.display());
    assert!(reason.starts_with(&expected), "{reason}");
}

/// A whole file system is never free: the system's own files are on it.
#[test]
fn disk_space_can_be_a_part_of_the_whole() {
    let mut all = condition_of(disk_space("/", Amount::Percent(100)).unwrap());
    let reason = block_on(evaluate(&mut all));
    assert!(reason.contains(" % (") && reason.ends_with("at least 100 % wanted"), "{reason}");
}

#[test]
fn memory_is_left_but_not_all_of_it() {
    let mut some = condition_of(available_memory(Amount::Bytes(1)).unwrap());
    assert_eq!(block_on(evaluate(&mut some)), "");
    let mut all = condition_of(available_memory(Amount::Percent(100)).unwrap());
    let reason = block_on(evaluate(&mut all));
    assert!(reason.contains("memory available, at least 100 % wanted"), "{reason}");
}

#[test]
fn resident_memory_is_what_this_process_takes() {
    let mut beyond = condition_of(resident_memory(4096).unwrap());
    let reason = block_on(evaluate(&mut beyond));
    assert!(reason.ends_with("MB resident, at most 4.1 kB wanted"), "{reason}");

    let mut growing = condition_of(resident_memory(300 * MB).unwrap());
    assert_eq!(block_on(evaluate(&mut growing)), "");
    // These pages are written, so they are there; freed, so large an allocation goes back at once.
    let pages = vec![1_u8; 300_000_000];
    let reason = block_on(evaluate(&mut growing));
    assert!(reason.ends_with("at most 300.0 MB wanted"), "{reason}");
    drop(pages);
    assert_eq!(block_on(evaluate(&mut growing)), "");
}

#[test]
fn a_file_must_be_younger_than_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut condition = condition_of(file_age(&path, HOUR).unwrap());
    let reason = block_on(evaluate(&mut condition));
    let expected = format!("cannot tell the age of {}: ", path.display());
    assert!(reason.starts_with(&expected), "{reason}");

    fs::write(&path, "").unwrap();
    assert_eq!(block_on(evaluate(&mut condition)), "");

    let modify =
        |time| File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    modify(SystemTime::now() - 2 * HOUR);
    let reason = block_on(evaluate(&mut condition));
    let told = format!("{} was modified 720", path.display());
    assert!(reason.starts_with(&told), "{reason}");
    assert!(reason.ends_with("s ago, less than 3600s wanted"), "{reason}");

    // Another machine's clock: a little ahead is as good as now, far ahead is as bad as long ago.
    modify(SystemTime::now() + HOUR / 2);
    assert_eq!(block_on(evaluate(&mut condition)), "");
    modify(SystemTime::now() + 3 * HOUR);
    let reason = block_on(evaluate(&mut condition));
    assert!(reason.ends_with("s in the future, less than 3600s wanted"), "{reason}");
}

#[test]
fn what_cannot_fail_or_cannot_pass_is_refused() {
    for error in [
        disk_space("/", Amount::Bytes(0)).map(drop).unwrap_err(),
        disk_space("/", Amount::Percent(101)).map(drop).unwrap_err(),
        available_memory(Amount::Percent(0)).map(drop).unwrap_err(),
        resident_memory(0).map(drop).unwrap_err(),
        file_age("/", Duration::ZERO).map(drop).unwrap_err(),
        disk_space("", Amount::Bytes(1)).map(drop).unwrap_err(),
        file_age("", HOUR).map(drop).unwrap_err(),
    ] {
        assert!(error.to_string().contains("must be"), "{error}");
    }
}

#[test]
fn what_is_of_this_machine_is_local_and_named_after_what_it_asks() {
    fn told(scoped: impl Scoped) -> (String, Scope) {
        let (name, scope, _) = scoped.into_parts();
        (name.to_string(), scope)
    }
    let local = |name: &str| (name.to_owned(), Scope::Local);
    assert_eq!(told(disk_space("/var", Amount::Bytes(1)).unwrap()), local("disk /var"));
    assert_eq!(told(available_memory(Amount::Bytes(1)).unwrap()), local("memory"));
    assert_eq!(told(resident_memory(1).unwrap()), local("resident memory"));
    assert_eq!(told(file_age("/var/job", HOUR).unwrap()), local("age of /var/job"));
}
