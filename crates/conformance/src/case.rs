//! Case files.

use std::path::{Path, PathBuf};
use stepwright_json::Json;

/// A case: the content of one file.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file, relative to the folder of the data.
    pub file: String,
    /// Its content.
    pub json: Json,
}

impl Case {
    /// The text of a field.
    pub fn text(&self, key: &str) -> &str {
        self.json.get(key).and_then(Json::as_str).unwrap_or_default()
    }

    /// The value of a field; `null` where there is none.
    pub fn get(&self, key: &str) -> Json {
        self.json.get(key).cloned().unwrap_or_default()
    }

    /// The items of a field that is a list.
    pub fn list(&self, key: &str) -> Vec<Json> {
        self.json.get(key).and_then(Json::as_array).map(|list| list.to_vec()).unwrap_or_default()
    }

    /// The short names of the notes.
    pub fn notes(&self) -> Vec<String> {
        self.list("notes").iter().filter_map(Json::as_str).map(str::to_owned).collect()
    }
}

/// Every JSON file below `folder`, in order of their names.
pub fn load(data: &Path, folder: &str) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    find(&data.join(folder), &mut files)?;
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let file = path.strip_prefix(data).unwrap_or(&path).display().to_string();
            let bytes = std::fs::read(&path).map_err(|error| format!("{file}: {error}"))?;
            let json =
                stepwright_json::parse_bytes(&bytes).map_err(|error| format!("{file}: {error}"))?;
            Ok(Case { file, json })
        })
        .collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// One JSON file.
pub fn read(path: &Path) -> Result<Json, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    stepwright_json::parse_bytes(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// A file of JSON lines. Half a surrogate pair, which text here cannot have, becomes a replacement
/// character.
pub fn lines(path: &Path) -> Result<Vec<Json>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let line = if line.contains("\"surrogate\":true") {
                line.replace("\\ud800", "\\ufffd")
            } else {
                line.to_owned()
            };
            stepwright_json::parse(&line).map_err(|error| format!("{}: {error}", path.display()))
        })
        .collect()
}
