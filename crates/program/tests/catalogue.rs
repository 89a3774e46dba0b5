//! Every rule's example is wrong in the way it says, and every page is what the catalogue says.

#![expect(clippy::disallowed_methods, reason = "a test compares files")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use stepwright_asl::{LoadOptions, load};
use stepwright_program::{catalogue, check};
use stepwright_source::Diagnostic;

fn findings(text: &str) -> Vec<Diagnostic> {
    let loaded = load(text.as_bytes(), &LoadOptions::default());
    let complaints = loaded.complaints.into_iter().map(|complaint| complaint.diagnostic);
    let checked = loaded.definitions.iter().flat_map(|found| check(&found.definition));
    complaints.chain(checked).collect()
}

#[test]
fn examples_are_wrong_and_mended() {
    for rule in catalogue() {
        if !rule.example.is_empty() {
            let found = findings(rule.example);
            let hit = found.iter().find(|diagnostic| diagnostic.code == rule.code);
            assert!(hit.is_some(), "{}: {found:?}", rule.code);
            assert_eq!(hit.map(|hit| hit.severity), Some(rule.severity), "{}", rule.code);
        }
        if !rule.instead.is_empty() {
            let found = findings(rule.instead);
            assert!(found.iter().all(|found| found.code != rule.code), "{}", rule.code);
            assert!(found.iter().all(|found| !found.is_error()), "{}: {found:?}", rule.code);
        }
    }
}

#[test]
fn codes_are_unique() {
    let codes: BTreeSet<&str> = catalogue().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), catalogue().count());
}

/// `BLESS=1` writes the pages.
#[test]
fn pages_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/rules");
    let mut index = String::from(
        "# Rules\n\nWhat `stepwright check` says. Codes in capitals are AWS's: what they refuse, AWS \
         refuses. The others are ours and never refuse a definition that AWS takes.\n\n\
         | code | severity | |\n|---|---|---|\n",
    );
    for rule in catalogue() {
        let severity = format!("{:?}", rule.severity).to_lowercase();
        writeln!(index, "| [{0}]({0}.md) | {severity} | {1} |", rule.code, rule.summary).unwrap();
    }
    let pages = catalogue().map(|rule| (format!("{}.md", rule.code), rule.page()));
    for (name, page) in pages.chain([("README.md".to_owned(), index)]) {
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, page).unwrap();
        } else {
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(written, page, "{}: run with BLESS=1", path.display());
        }
    }
}
