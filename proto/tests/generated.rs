//! The checked-in code is what the schema generates.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../examples/regenerate.rs"]
mod regenerate;

use std::{collections::BTreeMap, fs, path::Path};

use health_proto::{
    FILE_DESCRIPTOR_SET, HealthCheckResponse, HealthListResponse,
    health_check_response::ServingStatus,
};
use prost::Message;
use prost_types::FileDescriptorSet;

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn generated_code_is_up_to_date() {
    let fresh = tempfile::tempdir().unwrap();
    regenerate::generate(fresh.path()).unwrap();
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let (expected, found) = (files(fresh.path()), files(&checked_in));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(
            bytes == found[&name],
            "src/generated/{name} is out of date: cargo run -p health-proto --example regenerate"
        );
    }
}

#[test]
fn the_descriptor_set_has_the_service_with_its_three_methods() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let [file] = &*set.file else { panic!("{} files", set.file.len()) };
    assert_eq!(file.package(), "grpc.health.v1");
    let [service] = &*file.service else { panic!("{} services", file.service.len()) };
    assert_eq!(service.name(), "Health");
    let mut methods: Vec<_> =
        service.method.iter().map(|method| (method.name(), method.server_streaming())).collect();
    methods.sort_unstable();
    assert_eq!(methods, [("Check", false), ("List", false), ("Watch", true)]);
}

#[test]
fn messages_have_the_bytes_of_the_schema() {
    let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
    assert_eq!(serving.encode_to_vec(), [0x08, 0x01]);
    assert_eq!(HealthCheckResponse::default().encode_to_vec(), []);
    let list = HealthListResponse {
        statuses: [("a".to_owned(), serving), (String::new(), HealthCheckResponse::default())]
            .into(),
    };
    let decoded = HealthListResponse::decode(&*list.encode_to_vec()).unwrap();
    assert_eq!(decoded, list);
}
