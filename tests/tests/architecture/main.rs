//! The rules of the design that the compiler does not hold: which crate may use which, what the core
//! may never do, how small an adapter is.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

mod code;
mod core_modules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use fancy_regex::Regex;
use sha2::{Digest as _, Sha256};

use code::{code_lines, rust_files, without_imports};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<Package> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
        .packages
}

/// The crates of the workspace that `name` may depend on, outside of its tests.
fn may_use(name: &str, other: &str) -> bool {
    const BELOW_ADAPTERS: [&str; 3] = ["health-proto", "health-core", "health-tokio"];
    match name {
        "health-proto" | "health-tls" => false,
        "health-core" => other == "health-proto",
        "health-tokio" => ["health-proto", "health-core"].contains(&other),
        "health-balance" | "health-probe" => {
            BELOW_ADAPTERS.contains(&other) || other == "health-client"
        }
        "health-actix-web" | "health-hyper" | "health-tonic" => {
            BELOW_ADAPTERS.contains(&other) || other == "health-tls"
        }
        "health-examples" | "health-conformance" => true,
        _ => BELOW_ADAPTERS.contains(&other),
    }
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let members: BTreeSet<_> = packages.iter().map(|package| package.name.to_string()).collect();
    assert!(members.contains("health-core"), "{members:?}");
    for package in &packages {
        for dependency in &package.dependencies {
            let outside_tests = dependency.kind != DependencyKind::Development;
            if outside_tests && members.contains(&dependency.name) {
                let (name, other) = (package.name.as_str(), dependency.name.as_str());
                assert!(may_use(name, other), "{name} must not depend on {other}");
            }
        }
    }
}

/// The normal dependencies of a crate, transitive, with these flags for its features.
fn closure(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--offline", "-p", package, "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_core_has_no_framework_and_no_runtime() {
    const REFUSED: [&str; 17] = [
        "tokio",
        "tokio-util",
        "hyper",
        "hyper-util",
        "h2",
        "tower",
        "tower-service",
        "axum",
        "tonic",
        "actix-rt",
        "actix-web",
        "async-io",
        "smol",
        "futures-timer",
        "mio",
        "socket2",
        "futures-executor",
    ];
    let closure = closure("health-core", &["--all-features"]);
    assert!(closure.contains("http-body"), "the engine is not in {closure:?}");
    for name in REFUSED {
        assert!(!closure.contains(name), "health-core depends on {name}");
    }
}

#[test]
fn the_core_without_features_has_no_http_and_no_prost() {
    let closure = closure("health-core", &["--no-default-features"]);
    assert!(closure.contains("futures-core"), "{closure:?}");
    for name in &closure {
        let refused = ["http", "prost", "serde", "base64", "flate2", "bytes", "health-proto"];
        let is_refused = refused.iter().any(|refused| name.starts_with(refused));
        assert!(!is_refused, "health-core without features depends on {name}");
    }
}

#[test]
fn tls_has_no_framework_and_one_provider_of_cryptography() {
    let closure = closure("health-tls", &["--all-features"]);
    assert!(closure.contains("rustls") && closure.contains("ring"), "{closure:?}");
    for name in ["actix-web", "aws-lc-rs", "aws-lc-sys", "axum", "h2", "hyper", "tonic", "tower"] {
        assert!(!closure.contains(name), "health-tls depends on {name}");
    }
}

/// What reads the clock or the environment, starts a thread, opens a socket or a file, or prints.
const IMPURE: &str = r"\b(Instant|SystemTime)::now\b|\b(thread|net|env|fs|process)::|\bspawn\(|\bstd(in|out|err)\(|\be?print(ln)?!|\bdbg!";

#[test]
fn the_core_is_pure() {
    let impure = Regex::new(IMPURE).unwrap();
    let mut found = Vec::new();
    for file in rust_files(&root().join("core/src")) {
        for line in code_lines(&file) {
            if impure.is_match(&line).unwrap() {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                found.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    let allowed =
        found.len() == 1 && found[0].starts_with("rt.rs: ") && found[0].contains("Instant::now()");
    assert!(allowed, "only the default method of Timer::now may read the clock: {found:#?}");
}

#[test]
fn what_is_impure_is_seen() {
    let impure = Regex::new(IMPURE).unwrap();
    for line in [
        "let now = Instant::now();",
        "std::time::SystemTime::now()",
        "std::thread::sleep(time)",
        "use std::{net::SocketAddr, io};",
        "env::var(\"HOME\")",
        "tokio::spawn(future)",
        "io::stdout().lock()",
        "println!(\"here\")",
        "eprint!(\"here\")",
        "dbg!(x)",
    ] {
        assert!(impure.is_match(line).unwrap(), "{line}");
    }
    for line in ["let now = timer.now();", "use std::time::Instant;", "subnet::of(x)", "respawn"] {
        assert!(!impure.is_match(line).unwrap(), "{line}");
    }
}

/// The files of an adapter that keep a connection: how it begins, TLS, a peer that leaves, how it ends. What
/// an adapter's framework leaves of that to others is counted apart from what binds the engine.
const CONNECTIONS: [&str; 3] = ["connection.rs", "incoming.rs", "tls.rs"];

#[test]
fn adapters_stay_within_their_lines() {
    // Lines that bind the engine, lines that keep connections. The former are those of the design, but for:
    // tonic has 15 more, as it has tonic-health's names twice, with and without `async`; actix-web has 50 more,
    // as actix-http is on `http` 0.2, counts no calls, and an App can have no native gRPC service. hyper keeps
    // three kinds of connections: HTTP/1 has a peer that leaves to be watched, plain HTTP/2 needs no lock, TLS.
    const BUDGETS: [(&str, usize, usize); 5] = [
        ("hyper", 250, 180),
        ("tonic", 165, 120),
        ("tower", 200, 0),
        ("tokio", 120, 0),
        ("actix-web", 450, 241),
    ];
    for (adapter, binding, connections) in BUDGETS {
        let sources = root().join("adapters").join(adapter).join("src");
        let files = rust_files(&sources);
        let is_connection = |file: &&PathBuf| CONNECTIONS.iter().any(|name| file.ends_with(name));
        let (keeps, binds): (Vec<_>, Vec<_>) = files.iter().partition(is_connection);
        let lines = |files: &[&PathBuf]| -> usize {
            files.iter().map(|file| without_imports(&code_lines(file)).len()).sum()
        };
        assert!(lines(&binds) > 0, "{adapter}: no code is found in {}", sources.display());
        let kinds =
            [("bind the engine", &binds, binding), ("keep connections", &keeps, connections)];
        for (what, files, budget) in kinds {
            let lines = lines(files);
            assert!(
                lines <= budget,
                "{adapter}: {lines} lines of code {what}, {budget} allowed: what is above the engine only \
                 hands requests in and maps bodies out"
            );
        }
    }
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let first = ["cargo run --release -p health-examples", "cargo test --workspace"];
    assert_eq!(commands.get(..2), Some(&first[..]));
}

#[test]
fn the_vectors_are_those_of_the_specification() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let noted = std::fs::read_to_string(folder.join("vectors.json.sha256")).unwrap();
    let digest = Sha256::digest(std::fs::read(folder.join("vectors.json")).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        noted,
        format!("{digest}  vectors.json\n"),
        "after a change: sha256sum vectors.json"
    );
}
