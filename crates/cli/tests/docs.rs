//! Checks what the manual shows: its definitions compile, and its mocks can be read.

use std::path::{Path, PathBuf};
use stepwright_asl::{Definition, read_data};
use stepwright_json::Syntax;
use stepwright_simulator::Mocks;
use stepwright_source::Diagnostic;
use stepwright_testkit::NoFunctions;

#[test]
fn the_manual_holds_what_works() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    collect(&root.join("docs/src"), &mut files);
    collect(&root.join("examples"), &mut files);
    let (mut definitions, mut mocks, mut tests) = (0, 0, 0);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut last_definition = String::new();
        for (kind, body) in blocks(&text) {
            let at = || format!("{}:\n{body}", file.display());
            match kind.as_str() {
                "asl" => {
                    let definition = Definition::parse(&body, Syntax::Comments)
                        .unwrap_or_else(|e| panic!("{e} in {}", at()));
                    let errors: Vec<_> = stepwright_program::check(&definition)
                        .into_iter()
                        .filter(Diagnostic::is_error)
                        .collect();
                    assert!(errors.is_empty(), "{errors:?} in {}", at());
                    definitions += 1;
                    last_definition = body;
                }
                "mocks" => {
                    let tree = read_data(&body, "mocks.yaml")
                        .unwrap_or_else(|e| panic!("{e:?} in {}", at()));
                    Mocks::parse(&tree).unwrap_or_else(|error| panic!("{error} in {}", at()));
                    mocks += 1;
                }
                // Files are named relative to the root of the repository. If no file is named, it
                // is the page's own definition.
                "test" => {
                    let read = |name: &str| match name {
                        "page.asl.json" => Ok(last_definition.clone().into_bytes()),
                        _ => std::fs::read(root.join(name)).map_err(|error| error.to_string()),
                    };
                    let test = stepwright_testkit::load("page.test.yaml", &body, &read)
                        .unwrap_or_else(|found| panic!("{found:?} in {}", at()));
                    for case in &test.cases {
                        let result = test.run(case, &NoFunctions, &|_| None);
                        let (differs, unmocked) = (&result.mismatches, &result.unmocked);
                        assert!(result.passed(), "{differs:?} {unmocked:?} in {}", at());
                    }
                    tests += 1;
                }
                _ => {}
            }
        }
    }
    let counts = format!("{definitions} definitions, {mocks} mocks, {tests} test files");
    assert!(definitions >= 3 && mocks >= 4 && tests >= 3, "{counts}");
}

#[test]
fn links_lead_somewhere() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    collect(&root.join("docs/src"), &mut files);
    let mut links = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.contains(char::is_whitespace) {
                continue;
            }
            links += 1;
            let there = file.parent().unwrap().join(path);
            assert!(there.exists(), "{} links to {target}, which is not there", file.display());
        }
    }
    assert!(links > 20, "{links} links");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The fenced blocks of a page: their labels and contents.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        let body = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .fold(String::new(), |body, line| body + line + "\n");
        found.push((kind.to_owned(), body));
    }
    found
}
