//! Each name that aws-cdk-lib 2.276.0 exports for Step Functions leads somewhere: it exists, is an
//! alias in the documentation, or is in the manual's page for users of the CDK.

use std::collections::BTreeSet;
use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(path).expect("it is text"));
        }
    }
}

#[test]
fn names_of_the_cdk_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    sources(&root.join("src"), &mut source);
    let mut known = BTreeSet::new();
    for before in ["alias = \"", "pub struct ", "pub enum ", "pub trait ", "pub type "] {
        known.extend(source.split(before).skip(1).filter_map(first_word));
    }
    let manual = std::fs::read_to_string(root.join("../../docs/src/from-the-cdk.md"));
    let manual = manual.expect("the page is there");
    known.extend(manual.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let names = include_str!("cdk/names.txt").lines().filter(|name| !name.starts_with('_'));
    let unknown: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "neither in the crate nor in the manual: {unknown:?}");
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}
