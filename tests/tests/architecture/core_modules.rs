//! Inside the core dependencies point one way too: `http -> rpc -> registry -> watch -> cell -> sync`.

use std::collections::BTreeMap;
use std::path::Path;

use fancy_regex::Regex;

use super::code::{code_lines, rust_files};
use super::root;

/// The modules of the core, lowest first; those of one row know nothing of each other.
const ROWS: [&[&str]; 7] = [
    &["code", "dubbo", "elapsed", "hold", "reason", "rt", "status", "sync", "traffic"],
    &["error", "transition"],
    &["cell"],
    &["watch"],
    &["registry"],
    &["condition", "drain", "probe", "rpc"],
    &["http"],
];

fn row(module: &str) -> usize {
    let row = ROWS.iter().position(|row| row.contains(&module));
    row.unwrap_or_else(|| panic!("core/src/{module}.rs has no row in the order of the modules"))
}

/// What `lib.rs` re-exports, and from which module.
fn exports(lib: &Path) -> BTreeMap<String, String> {
    let text = code_lines(lib).join("\n");
    let export = Regex::new(r"pub use (?:self::|crate::)?(\w+)::\{?([^;}]*)\}?;").unwrap();
    let mut exports = BTreeMap::new();
    for found in export.captures_iter(&text) {
        let found = found.unwrap();
        let [module, list] = [1, 2].map(|group| found.get(group).unwrap().as_str());
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            exports.insert(name.to_owned(), module.to_owned());
        }
    }
    exports
}

/// The first names after each `crate::`, those in braces too.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(listed(list)),
            None => names.extend(first_name(rest)),
        }
    }
    names
}

/// The names of a list in braces, without what stands in braces inside it.
fn listed(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut outer = String::new();
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ if depth == 0 => outer.push(letter),
            _ => {}
        }
    }
    outer.split(',').filter_map(first_name).collect()
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text
        .trim_start()
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn modules_use_only_what_is_below_them() {
    let sources = root().join("core/src");
    let exports = exports(&sources.join("lib.rs"));
    assert_eq!(exports.get("Registry").map(String::as_str), Some("registry"), "{exports:?}");
    let mut edges = 0;
    for file in rust_files(&sources) {
        let path = file.strip_prefix(&sources).unwrap().with_extension("");
        let module = path.iter().next().unwrap().to_str().unwrap();
        if module == "lib" {
            continue;
        }
        for name in names(&code_lines(&file).join("\n")) {
            let used = exports.get(&name).unwrap_or(&name);
            assert!(
                used == module || row(used) < row(module),
                "{}: {module} must not use {used} ({name})",
                file.display()
            );
            edges += 1;
        }
    }
    assert!(edges > 10, "only {edges} uses are found");
}

#[test]
fn names_are_read_from_lists_too() {
    let text = "use crate::{Code, a::{B, c::D}, rt::Timer};\nlet x = crate::watch::Watch::new();";
    assert_eq!(names(text), ["Code", "a", "rt", "watch"]);
}
