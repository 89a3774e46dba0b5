//! What jobs of Batch and containers of ECS have in common as processes.

use crate::call::list;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use stepwright_json::{Json, Object};

/// The file of a log stream; none if its name would lead elsewhere.
pub(crate) fn log(folder: &Path, stream: &str) -> Option<PathBuf> {
    let is_plain = Path::new(stream).components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| folder.join(format!("{stream}.log")))
}

/// The variables that a container is given.
pub(crate) fn variables(container: &Object) -> BTreeMap<String, String> {
    let variables = list(container, "environment").iter().filter_map(|variable| {
        let part = |name: &str| Some(variable.get(name)?.as_str()?.to_owned());
        let name = part("name").filter(|name| is_variable(name))?;
        Some((name, part("value").unwrap_or_default().replace('\0', "")))
    });
    variables.collect()
}

/// Whether a process can have a variable with this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Checks that a process sees a container's folders where the container would: it has no file system of
/// its own.
pub(crate) fn check_mounts(mounts: &[Json], volumes: &[Json]) -> Result<(), String> {
    for mount in mounts {
        let part = |name: &str| mount.get(name).and_then(Json::as_str).unwrap_or_default();
        let volume = volumes
            .iter()
            .find(|volume| volume.get("name").and_then(Json::as_str) == Some(part("sourceVolume")));
        let source = volume.and_then(|volume| volume.get("host")?.get("sourcePath")?.as_str());
        if source.is_none_or(|source| source != part("containerPath")) {
            return Err(format!(
                "the mount point `{}` cannot be had by a process, which sees the folders of this machine \
                 where they are: `containerPath` must be the `host.sourcePath` of the volume",
                part("containerPath")
            ));
        }
        if mount.get("readOnly").and_then(Json::as_bool) == Some(true) {
            return Err("`mountPoints[].readOnly` cannot be had by a process".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_stay_in_their_folder() {
        let folder = Path::new("/logs");
        assert_eq!(log(folder, "a/default/1"), Some("/logs/a/default/1.log".into()));
        assert_eq!(log(folder, "a/../../1"), None);
    }
}
