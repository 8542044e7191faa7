//! Runs what fuzzing has found worth keeping, and what it began with: `core/fuzz/corpus`.

#![cfg(feature = "http")]

mod properties;

use std::{fs, panic, path::Path};

/// Every input of a target: its file's name, its bytes.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut inputs: Vec<_> = fs::read_dir(folder.join(target))
        .expect("a folder of inputs")
        .map(|entry| entry.expect("an input"))
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, fs::read(file.path()).expect("an input"))
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{target} has no corpus");
    inputs
}

/// Runs `property` on every input, and names those that break it.
fn replay(inputs: &[(String, Vec<u8>)], property: fn(&[u8])) {
    let broken: Vec<_> = inputs
        .iter()
        .filter(|(_, input)| panic::catch_unwind(|| property(input)).is_err())
        .map(|(name, _)| name)
        .collect();
    assert!(broken.is_empty(), "see above, by input: {broken:?}");
}

#[test]
fn requests_are_answered_well_formed() {
    replay(&corpus("http_request"), properties::http_request);
}

#[test]
fn requests_cut_off_at_every_byte_are_answered_well_formed() {
    let cut = |(name, input): &(String, Vec<u8>)| {
        let inputs = (0..input.len()).map(|end| (format!("{name}, {end} bytes"), &input[..end]));
        inputs.map(|(name, input)| (name, input.to_vec())).collect::<Vec<_>>()
    };
    let inputs: Vec<_> = corpus("http_request").iter().flat_map(cut).collect();
    replay(&inputs, properties::http_request);
}

#[test]
fn a_body_is_the_same_in_pieces() {
    replay(&corpus("envelope"), properties::envelope);
}

#[test]
fn requests_of_the_other_corpus_are_the_same_byte_by_byte() {
    let in_bytes = |(name, input): (String, Vec<u8>)| (name, [b":pieces \x81\n", &*input].concat());
    let inputs: Vec<_> = corpus("http_request").into_iter().map(in_bytes).collect();
    replay(&inputs, properties::envelope);
}

#[test]
fn operations_on_a_registry_do_what_the_oracle_says() {
    replay(&corpus("registry_ops"), properties::registry_operations);
}

#[test]
fn operations_on_a_monitor_keep_its_properties() {
    replay(&corpus("schedule_ops"), properties::schedule_operations);
}
