//! Habits that no lint knows.

use std::path::{Path, PathBuf};

/// Files may be this long; a longer one is usually two things.
const MOST_LINES: usize = 900;

#[test]
fn files_are_tidy() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "benches", "clients", "docs", "spec", "examples", "changes"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "the files are found");
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let name = file.display();
        let is_code = file.extension().is_some_and(|extension| extension == "rs");
        if is_code {
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{name} has {lines} lines: it is probably two things");
            // Spelled in two halves, so that this file does not find itself.
            for word in
                [concat!("todo", "!("), concat!("unimpl", "emented!("), concat!("#[ign", "ore")]
            {
                assert!(!text.contains(word), "{name} holds {word}");
            }
        }
        assert!(!text.contains(concat!("/wo", "rk/")), "{name} names a path of one machine");
        assert!(text.is_empty() || text.ends_with('\n'), "{name} does not end with a newline");
        for (at, line) in text.lines().enumerate() {
            assert!(!is_code || line.trim_end() == line, "{name}:{} ends with spaces", at + 1);
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if ["target", "node_modules", "peers", "book"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
