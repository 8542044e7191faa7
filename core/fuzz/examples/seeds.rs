//! Writes the requests of the wire vectors as inputs for the target `http_request`.
//!
//! ```text
//! cargo run --example seeds -- ../../tests/vectors/vectors.json FOLDER
//! ```

use std::{env, error::Error, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [vectors, folder] = &arguments[..] else {
        return Err("usage: seeds VECTORS.json FOLDER".into());
    };
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(vectors)?)?;
    fs::create_dir_all(folder)?;
    for vector in &vectors {
        let id = vector["id"].as_str().ok_or("a vector without an id")?;
        let seed = seed(vector).ok_or_else(|| format!("{id} is not written as expected"))?;
        fs::write(Path::new(folder).join(id), seed)?;
    }
    println!("{} seeds in {folder}", vectors.len());
    Ok(())
}

/// The vector's state and request, in the form that `properties/scenario.rs` reads.
fn seed(vector: &Value) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    let state = vector["state"].as_object()?;
    let crowd = state.keys().filter(|name| name.starts_with("s0")).count();
    if crowd > 0 {
        lines.push(format!(":services {crowd}"));
    }
    for (name, status) in state {
        if !name.starts_with("s0") && !is_usual(name, status) {
            lines.push(format!(":set {} {name}", status.as_str()?));
        }
    }
    for action in vector["before"].as_array().into_iter().flatten() {
        if action.get("shutdown").is_some() {
            lines.push(":shutdown".to_owned());
        }
    }
    let config = &vector["config"];
    if let Some(limit) = config["max_message_bytes"].as_u64() {
        lines.push(format!(":max-request-bytes {limit}"));
    }
    for origin in config["cors_allow_origins"].as_array().into_iter().flatten() {
        lines.push(format!(":cors {}", origin.as_str()?));
    }
    let request = &vector["request"];
    let version = match request["http_version"].as_str()? {
        "1.1" => " HTTP/1.1",
        _ => "",
    };
    let (method, path) = (request["method"].as_str()?, request["path"].as_str()?);
    lines.push(format!("{method} {path}{version}"));
    for (name, value) in request["headers"].as_object()? {
        lines.push(format!("{name}: {}", value.as_str()?));
    }
    let body = STANDARD.decode(request["body_base64"].as_str()?).ok()?;
    Some([lines.join("\n").as_bytes(), b"\n\n", &body].concat())
}

/// Whether a scenario begins with this status anyway.
fn is_usual(name: &str, status: &Value) -> bool {
    [("", "SERVING"), ("svc", "NOT_SERVING"), ("up", "SERVING"), ("idle", "UNKNOWN")]
        .iter()
        .any(|usual| (name, status.as_str()) == (usual.0, Some(usual.1)))
}
