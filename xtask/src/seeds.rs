//! What fuzzing of definitions begins with: those of the specification, and those that were recorded
//! where they are there. From nothing, chance hardly ever writes a definition that compiles.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stepwright_json::{Json, parse};

/// Targets that read a definition, and whether an input follows after eight bytes of chance.
const TARGETS: [(&str, bool); 2] = [("definition", false), ("interpreter", true)];

/// The dictionary of a target, in the folder of the fuzz targets.
pub(crate) fn dictionary(target: &str) -> Option<&'static str> {
    TARGETS.iter().any(|(name, _)| *name == target).then_some("corpus/definitions.dict")
}

/// Writes what the targets begin with under `fuzz/corpus`.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    let seeds = gather(root)?;
    let corpus = root.join("fuzz/corpus");
    let mut words = BTreeSet::new();
    for (at, (definition, input)) in seeds.iter().enumerate() {
        if let Ok(definition) = parse(definition) {
            collect(&definition, &mut words);
        }
        for (target, has_input) in TARGETS {
            let folder = corpus.join(target);
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            let text = if has_input {
                format!("{at:08}{definition}\0{input}")
            } else {
                definition.clone()
            };
            std::fs::write(folder.join(format!("seed-{at}")), text)
                .map_err(|error| error.to_string())?;
        }
    }
    let mut dictionary = String::new();
    for word in words {
        let escaped: String = word.bytes().fold(String::new(), |mut text, byte| {
            match byte {
                b' '..=b'~' if byte != b'"' && byte != b'\\' => text.push(char::from(byte)),
                _ => write!(text, "\\x{byte:02x}").expect("text grows"),
            }
            text
        });
        writeln!(dictionary, "\"{escaped}\"").expect("text grows");
    }
    std::fs::write(corpus.join("definitions.dict"), dictionary)
        .map_err(|error| error.to_string())?;
    println!("{} definitions to begin with", seeds.len());
    Ok(())
}

/// Definitions with inputs.
fn gather(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut seeds = Vec::new();
    specification(&root.join("spec"), &mut seeds)?;
    recorded(&shared(root).join("conformance/recorded"), &mut seeds)?;
    Ok(seeds)
}

/// The folder with reference material, where it is there.
fn shared(root: &Path) -> PathBuf {
    std::env::var_os("STEPWRIGHT_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from)
}

/// The definitions of the specification with their first input.
fn specification(folder: &Path, seeds: &mut Vec<(String, String)>) -> Result<(), String> {
    for path in files(folder)? {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let fenced = |name: &str| {
            let (_, from) = text.split_once(&format!("```{name}\n"))?;
            Some(from.split_once("\n```")?.0.to_owned())
        };
        if let Some(definition) = fenced("asl") {
            seeds.push((definition, fenced("input").unwrap_or_else(|| "{}".to_owned())));
        }
    }
    Ok(())
}

/// The definitions that were recorded with their inputs.
fn recorded(folder: &Path, seeds: &mut Vec<(String, String)>) -> Result<(), String> {
    if !folder.is_dir() {
        println!("the recorded definitions are not there; those of the specification are enough");
        return Ok(());
    }
    for path in files(folder)? {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let Ok(Json::Array(cases)) = parse(&text) else { continue };
        for case in &cases {
            if let Some(definition @ Json::Object(_)) = case.get("definition") {
                let input = case.get("input").map_or_else(|| "{}".to_owned(), ToString::to_string);
                seeds.push((definition.to_string(), input));
            }
        }
    }
    Ok(())
}

/// The files under a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let listed =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in listed {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// The words of a definition: names of fields with their quotes, and short texts.
fn collect(value: &Json, words: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (name, value) in members.iter() {
                words.insert(format!("\"{name}\":"));
                collect(value, words);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Json::String(text) if (2..=40).contains(&text.len()) => {
            words.insert(text.to_string());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fuzzing_begins_with_is_json() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let seeds = gather(&root).expect("the specification can be read");
        assert!(seeds.len() >= 20, "only {} definitions were found", seeds.len());
        let mut words = BTreeSet::new();
        for (definition, input) in &seeds {
            collect(&parse(definition).expect("a definition is JSON"), &mut words);
            parse(input).expect("an input is JSON");
        }
        assert!(words.contains("\"StartAt\":") && words.contains("States.ALL"));
    }
}
