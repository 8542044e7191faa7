//! The vectors of the wire specification against every adapter, and proof that the runner can fail.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a step that fails is a test that fails"
)]

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum as _;
use health_conformance::{Adapter, Report, Vectors, replay};
use serde_json::{Value, json};

async fn run(adapters: &[Adapter], vectors: &Vectors) -> Report {
    replay(Path::new(env!("CARGO_BIN_EXE_subject")), adapters, vectors).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vector_holds_on_every_adapter() {
    let report = run(Adapter::value_variants(), &Vectors::load().unwrap()).await;
    let failed = report.failed().len();
    assert_eq!(failed, 0, "\n{report}{failed} do not hold");
    let table = report.matrix().to_string();
    let readme = include_str!("../../README.md");
    let block = readme.split("<!-- matrix: ").find(|part| part.starts_with("begin"));
    let shown = block.and_then(|block| block.split_once("-->\n")).map(|(_, shown)| shown);
    assert_eq!(
        shown,
        Some(table.as_str()),
        "README.md shows another table than was found:\n{table}"
    );
}

/// What the wire specification says beyond its vectors: a file for each of its sections, in the same form.
#[tokio::test(flavor = "multi_thread")]
async fn every_further_vector_holds_on_every_adapter() {
    let further = Vectors::further().unwrap();
    assert!(!further.is_empty());
    for (file, vectors) in further {
        let report = run(Adapter::value_variants(), &vectors).await;
        let failed = report.failed().len();
        assert_eq!(failed, 0, "\n{report}{}: {failed} do not hold", file.display());
    }
}

/// A vector over gRPC, which `change` may spoil.
fn vector(id: &str, method: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut vector = json!({
        "id": id, "protocol": "grpc", "why": "may fail", "source": "", "strength": "must",
        "state": {"svc": "NOT_SERVING"},
        "request": {
            "http_version": "2", "method": "POST", "path": format!("/grpc.health.v1.Health/{method}"),
            "headers": {"content-type": "application/grpc"}, "body_base64": "AAAAAAUKA3N2Yw==",
        },
        "response": {
            "http_status": 200, "headers": {},
            "body_frames": [{"flags": 0, "message_base64": "CAI="}],
        },
    });
    change(&mut vector);
    vector
}

/// Vectors that hold (nothing is said of them) or do not (and the text that must say why).
fn right_and_wrong() -> Vec<(Value, &'static str)> {
    let open = |v: &mut Value| v["response"]["stays_open"] = json!(true);
    let serving = json!({"flags": 0, "message_base64": "CAE="});
    let extra = |v: &mut Value| {
        open(v);
        v["steps"] = json!([{"after_frames": 1, "set": {"svc": "SERVING"}}]);
    };
    let missing = move |v: &mut Value| {
        open(v);
        let frames = &mut v["response"]["body_frames"];
        frames.as_array_mut().unwrap().push(serving.clone());
    };
    let row = |id: &str, change: &dyn Fn(&mut Value), said| {
        let method = if id.ends_with("watch") { "Watch" } else { "Check" };
        (vector(id, method, change), said)
    };
    let before = |command: Value| move |v: &mut Value| v["before"] = json!([command.clone()]);
    let trailers = |v: &mut Value| v["response"]["trailers"] = json!({"grpc-status": "0"});
    let state = |v: &mut Value| v["state"] = json!({"svc": "SERVING"});
    let limit = |v: &mut Value| v["config"] = json!({"max_message_bytes": 4});
    const NO_FRAME: &str = "frames: expected 1, came 0";
    vec![
        row("good-check", &trailers, ""),
        row("good-watch", &open, ""),
        row("open-check", &open, "came ended"),
        row("ended-watch", &|_| {}, "came still open when time was up"),
        row("extra-frame-watch", &extra, "frames: expected 1, came 2"),
        row("missing-frame-watch", &missing, "frames: expected 2, came 1"),
        row("wrong-state", &state, "frame 0"),
        row("wrong-before", &before(json!({"remove": "svc"})), NO_FRAME),
        row("bad-command", &before(json!({"restart": true})), "accepted: "),
        row("wrong-limit", &limit, NO_FRAME),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_is_told() {
    let rows = right_and_wrong();
    let all: Vec<_> = rows.iter().map(|(vector, _)| vector).collect();
    let report = run(&[Adapter::Hyper], &Vectors::parse(&json!(all).to_string()).unwrap()).await;
    let text = report.to_string();
    for (vector, said) in rows {
        let id = vector["id"].as_str().unwrap();
        let is_told = report.failed().contains(&format!("hyper {id}"));
        assert_eq!(is_told, !said.is_empty(), "{id}:\n{text}");
        let told = text.split("FAILED ").find(|part| part.starts_with(id)).unwrap_or_default();
        assert!(told.contains(said), "{id}: {said:?} is not in:\n{told}");
    }
    assert!(text.contains("| grpc | 2/10 |"), "{text}");
}

/// Every variant of `vector` in which one expectation is spoiled.
fn spoiled(vector: &Value) -> Vec<Value> {
    let response = &vector["response"];
    let names = |key: &str| -> Vec<String> {
        let fields = response[key].as_object().into_iter().flatten();
        fields.map(|(name, _)| format!("/response/{key}/{name}")).collect()
    };
    let mut places = vec!["/response/http_status".to_owned()];
    places.extend(names("headers"));
    if vector["ignore_body"] != true {
        places.extend(names("trailers"));
        let json = names("body_json");
        let is_empty = json.is_empty() && response["body_json"].is_object();
        places.extend(json);
        places.extend(is_empty.then(|| "/response/body_json".to_owned()));
        places.extend(
            response["body_base64"].is_string().then(|| "/response/body_base64".to_owned()),
        );
        for number in 0..response["body_frames"].as_array().map_or(0, Vec::len) {
            for part in ["flags", "message_base64", "json"] {
                places.push(format!("/response/body_frames/{number}/{part}"));
            }
        }
    }
    places.iter().filter_map(|place| spoil(vector, place)).collect()
}

fn spoil(vector: &Value, place: &str) -> Option<Value> {
    let mut spoiled = vector.clone();
    spoiled["id"] = json!(format!("{} {place}", vector["id"].as_str().unwrap()));
    let value = spoiled.pointer_mut(place)?;
    *value = match value.as_u64() {
        Some(number) => json!(number ^ 2),
        // Neither a header, nor a status, nor base64 of any message of the vectors.
        None if place.ends_with("_base64") => json!("enp6"),
        None => json!("spoiled"),
    };
    Some(spoiled)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_expectation_of_each_vector_is_looked_at() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap();
    let spoiled: Vec<_> = vectors.iter().flat_map(spoiled).collect();
    assert!(spoiled.len() > 3 * vectors.len(), "only {} are spoiled", spoiled.len());
    let report =
        run(&[Adapter::Hyper], &Vectors::parse(&json!(spoiled).to_string()).unwrap()).await;
    let failed: BTreeSet<_> = report.failed().into_iter().collect();
    let held = spoiled.iter().map(|vector| format!("hyper {}", vector["id"].as_str().unwrap()));
    let held: Vec<_> = held.filter(|id| !failed.contains(id)).collect();
    assert_eq!(held, Vec::<String>::new(), "spoiled, and yet they hold");
}
