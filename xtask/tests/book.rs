//! The manual as mdBook makes it: without a warning, and without a link that leads nowhere.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_book_is_made_and_its_links_lead_somewhere() {
    let xtask = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    let beside = xtask.ancestors().nth(2).expect("it is in target/PROFILE");
    let mdbook = beside.join("tools/mdbook/bin/mdbook");
    if !mdbook.is_file() {
        println!("mdBook is not there: `cargo xtask book` installs it");
        return;
    }
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let docs = docs.canonicalize().expect("it is there");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let book = folder.path().join("book");
    let mut make = Command::new(&mdbook);
    let output =
        make.arg("build").arg(&docs).arg("--dest-dir").arg(&book).output().expect("it runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");

    let mut pages = BTreeMap::new();
    collect(&book, &mut pages);
    assert!(pages.len() > 80, "{} pages", pages.len());
    let (mut links, mut lost) = (0, Vec::new());
    for (path, text) in &pages {
        // The page for what is not found, and the one for printing, have the links of others.
        if path.ends_with("404.html") || path.ends_with("print.html") || path.ends_with("toc.html")
        {
            continue;
        }
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = match file {
                "" => path.clone(),
                file => normal(&path.parent().expect("it is in a folder").join(file)),
            };
            let is_there = match pages.get(&to) {
                Some(page) => anchor.is_empty() || page.contains(&format!("id=\"{anchor}\"")),
                // Pictures and styles, and files of the repository beside the manual.
                None => {
                    to.is_file()
                        || to.join("index.html").is_file()
                        || in_repository(&docs, &book, &to)
                }
            };
            if !is_there {
                lost.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(links > 1_000, "{links} links");
    assert_eq!(lost, Vec::<String>::new());
}

/// Whether a page leads out of the manual, to a file of the repository.
fn in_repository(docs: &Path, book: &Path, to: &Path) -> bool {
    let source = docs.join("src");
    to.strip_prefix(book.parent().expect("it is in a folder"))
        .is_ok_and(|rest| source.parent().is_some_and(|docs| docs.join("..").join(rest).exists()))
}

/// A path without `..` in it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn collect(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("it can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "html") {
            pages.insert(path.clone(), fs::read_to_string(&path).expect("it is text"));
        }
    }
}
