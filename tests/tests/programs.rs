//! What the programs and scripts beside the subject say to a command line that they cannot follow.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn run(command: &mut Command, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A script of this package.
fn script(path: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    command
}

#[test]
fn the_subject_says_what_to_do_about_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let rows = [
        (taken.as_str(), "choose another one (port 0 takes one that is free)"),
        ("192.0.2.1:0", "cannot listen on 192.0.2.1:0: "),
    ];
    for (address, told) in rows {
        let subject = &mut Command::new(env!("CARGO_BIN_EXE_subject"));
        let (code, _, error) = run(subject, &["--adapter", "hyper", "--listen", address]);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{error}");
        assert!(error.contains(told) && !error.contains("Os {"), "{error}");
    }
}

#[test]
fn replay_refuses_what_holds_no_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.json");
    let file = file.to_str().unwrap();
    for (content, told) in
        [(None, "No such file"), (Some("{}"), "expected a sequence"), (Some("[]"), "no vectors")]
    {
        if let Some(content) = content {
            std::fs::write(file, content).unwrap();
        }
        let arguments = ["--subject", env!("CARGO_BIN_EXE_subject"), file];
        let (code, output, error) =
            run(&mut Command::new(env!("CARGO_BIN_EXE_replay")), &arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{error}");
        assert!(error.starts_with(&format!("error: {file}: ")), "{error}");
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn the_scripts_refuse_wrong_arguments() {
    let rows = [
        ("interop/run.sh", &["--subject", "/nonexistent/a/b", "curl"][..], "/nonexistent/a/b"),
        ("interop/run.sh", &["--subject", "/", "curl"], "/ is not a program"),
        ("benches/instructions.sh", &["--calls", "08", "--base", "09"], "must be above --base"),
        ("benches/instructions.sh", &["--calls", "8x"], "whole numbers"),
    ];
    for (path, arguments, told) in rows {
        let (code, output, error) = run(&mut script(path), arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{path} {arguments:?}: {error}");
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("realpath") && !error.contains("too great"), "{error}");
    }
}
