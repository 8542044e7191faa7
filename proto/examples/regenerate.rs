//! Writes `src/generated` anew from the schema, without protoc:
//! `cargo run -p health-proto --example regenerate`

use std::{fs, path::Path};

use prost_types::FileDescriptorSet;

type Error = Box<dyn std::error::Error>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[cfg_attr(test, allow(dead_code, reason = "the test that compares has no main"))]
fn main() -> Result<(), Error> {
    generate(&Path::new(ROOT).join("src/generated"))
}

/// Generates the prost types and the descriptor set into `out`.
pub(crate) fn generate(out: &Path) -> Result<(), Error> {
    let root = Path::new(ROOT).join("proto");
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).open_file("grpc/health/v1/health.proto")?;
    let with_comments: FileDescriptorSet = compiler.file_descriptor_set();
    // Reflection needs no source locations: the set that programs carry has none.
    let mut bare = with_comments.clone();
    bare.file.iter_mut().for_each(|file| file.source_code_info = None);
    fs::write(out.join("descriptor_set.bin"), prost::Message::encode_to_vec(&bare))?;
    prost_build::Config::new().btree_map(["."]).out_dir(out).compile_fds(with_comments)?;
    Ok(())
}
