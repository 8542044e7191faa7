//! What of a source file is code: no blank lines, no comments, no documentation, no tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The source files below `folder`, those that are only compiled for tests left out.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    let tests: BTreeSet<_> = files.iter().flat_map(|file| test_modules(file)).collect();
    files.retain(|file| !tests.contains(file));
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The files of the modules that `file` declares for tests only.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let name = file.file_stem().unwrap();
    let is_root = ["lib", "main", "mod"].iter().any(|root| name == *root);
    let folder = file.parent().unwrap();
    let folder = if is_root { folder.to_owned() } else { folder.join(name) };
    let declared = lines.windows(2).filter(|pair| is_for_tests(pair[0]));
    let modules = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
    modules.map(|module| folder.join(module).with_extension("rs")).collect()
}

fn is_for_tests(line: &str) -> bool {
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test,")
}

/// The lines of code in `file`, as rustfmt lays them out.
pub(crate) fn code_lines(file: &Path) -> Vec<String> {
    lines_of_code(&fs::read_to_string(file).unwrap())
}

fn lines_of_code(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if is_for_tests(trimmed) {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            // An item ends with a semicolon on its first line, or with a brace below its start.
            let is_short = lines
                .clone()
                .find(|line| !line.trim().starts_with("#["))
                .is_some_and(|line| line.ends_with(';') || line.ends_with('}'));
            let last = |line: &&str| {
                if is_short { !line.trim().starts_with("#[") } else { **line == end }
            };
            lines.by_ref().find(last);
        } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
            code.push(line.to_owned());
        }
    }
    code
}

/// `code` without its imports: what a file brings in is no measure of what it does.
pub(crate) fn without_imports(code: &[String]) -> Vec<&str> {
    let mut lines = code.iter().map(String::as_str);
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        let import = line.trim_start().trim_start_matches("pub ").starts_with("use ");
        if !import {
            kept.push(line);
        } else if !line.ends_with(';') {
            lines.by_ref().find(|line| line.ends_with(';'));
        }
    }
    kept
}

#[test]
fn imports_of_several_lines_are_left_out_whole() {
    let code = ["use std::{", "    io,", "};", "fn a() {", "    use_it();", "}", "pub use b::c;"];
    assert_eq!(without_imports(&code.map(str::to_owned)), ["fn a() {", "    use_it();", "}"]);
}

#[test]
fn only_code_is_counted() {
    let text = "//! Head.\n\nuse std::io;\n\n/// Doc.\nfn a() {\n    // Why.\n    b(); // Too.\n}\n\n\
                #[cfg(test)]\nmod more;\n\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\n    fn c() {\n    \
                }\n}\n\nfn d() {}\n";
    let code = ["use std::io;", "fn a() {", "    b(); // Too.", "}", "fn d() {}"];
    assert_eq!(lines_of_code(text), code);
}
