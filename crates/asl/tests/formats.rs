//! Every file of the collected formats loads: <repo>/../shared/model/format-examples.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and reports"
)]

use std::path::{Path, PathBuf};
use stepwright_asl::{LoadOptions, load};

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    if shared.is_dir() {
        return Some(shared);
    }
    println!("skipped: no shared data at {}", shared.display());
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn collected_files_load() {
    let Some(shared) = shared() else { return };
    let root = shared.join("model/format-examples");
    let mut all = Vec::new();
    files(&root, &mut all);
    let (mut loaded_files, mut machines, mut outside) = (0, 0, 0);
    let mut wrong = Vec::new();
    for path in all {
        let name = path.to_string_lossy().into_owned();
        let ending = name.rsplit('.').next().unwrap_or_default();
        // Terraform is not supported; `source.json` says where a file comes from; the `json5` files
        // contain mock configurations, which can be parsed but are not definitions.
        let ours = matches!(ending, "json" | "json5" | "yaml" | "yml");
        let terraform = name.contains("/terraform-");
        if !ours
            || terraform
            || name.ends_with("source.json")
            || name.contains("examples/stats")
            || name.contains("examples/index")
        {
            continue;
        }
        // The collection keeps the files that a template names in the same folder, if at all.
        let folder = path.parent().unwrap();
        let read = |wanted: &str| {
            let flat = folder.join(Path::new(wanted).file_name().unwrap());
            std::fs::read(flat).map_err(|error| error.to_string())
        };
        let options = LoadOptions { file: &name, read: Some(&read), ..LoadOptions::default() };
        let loaded = load(&std::fs::read(&path).unwrap(), &options);
        loaded_files += 1;
        machines += loaded.definitions.len();
        let absent = |code: &str| code == "unreadable-file" || code == "no-definition";
        if loaded.complaints.iter().any(|complaint| absent(complaint.diagnostic.code)) {
            outside += 1;
            continue;
        }
        for complaint in &loaded.complaints {
            if !complaint.diagnostic.is_error() {
                continue;
            }
            wrong.push(format!("{}: {:?}", complaint.file, complaint.diagnostic));
        }
        if loaded.definitions.is_empty() {
            wrong.push(format!("{name}: no definition"));
        }
        for found in &loaded.definitions {
            let end = found.definition.text.len();
            assert!(found.definition.root.span.range().end <= end, "{name}");
            let definition = !name.ends_with("json5");
            if definition && found.definition.root.get("StartAt").is_none() {
                wrong.push(format!("{name}: {:?} has no StartAt", found.logical_id));
            }
        }
    }
    println!(
        "{loaded_files} files, {machines} state machines, {outside} name files that are not there"
    );
    for line in &wrong {
        println!("  {line}");
    }
    assert!(wrong.is_empty());
}
