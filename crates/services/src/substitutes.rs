//! What stands in on this machine for what jobs and tasks name: images, and file systems.

use crate::containers::{self, Containers};
use crate::processes;
use std::path::PathBuf;
use stepwright_json::{Json, Object, json};

/// What stands in for images and file systems. Patterns may end with `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutes {
    /// What runs jobs and tasks as containers of their image. Without it, they are processes.
    pub containers: Option<Containers>,
    /// What a process of an image begins with, by patterns of images: its entry point. The command of
    /// the definition follows.
    pub images: Vec<(String, Vec<String>)>,
    /// The folders that are used as file systems, by patterns of their ids or of those of their access
    /// points.
    pub file_systems: Vec<(String, PathBuf)>,
}

/// The value of the first pattern that an id fits.
fn find<'p, T>(patterns: &'p [(String, T)], id: &str) -> Option<&'p T> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => id.starts_with(start),
        None => id == pattern,
    };
    patterns.iter().find(|(pattern, _)| fits(pattern)).map(|(_, value)| value)
}

impl Substitutes {
    /// Whether containers are run, not processes.
    pub(crate) fn is_contained(&self) -> bool {
        self.containers.is_some()
    }

    /// The line of a process of an image, if `line` is what its definition says; a container knows the
    /// entry point by itself.
    pub(crate) fn line(&self, image: Option<&str>, line: Vec<String>) -> Vec<String> {
        if self.is_contained() {
            return line;
        }
        let entry_point = image.and_then(|image| find(&self.images, image));
        entry_point.into_iter().flatten().cloned().chain(line).collect()
    }

    /// Volumes, with folders of this machine in place of file systems that have one.
    pub(crate) fn volumes(&self, volumes: &[Json]) -> Vec<Json> {
        volumes.iter().map(|volume| self.volume(volume)).collect()
    }

    fn volume(&self, volume: &Json) -> Json {
        let Some(system) = volume.get("efsVolumeConfiguration") else { return volume.clone() };
        let text =
            |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
        let access = system.get("authorizationConfig");
        let access = text(access.and_then(|config| config.get("accessPointId")));
        let id = text(system.get("fileSystemId"));
        let root = text(system.get("rootDirectory"));
        let folder = find(&self.file_systems, &access).or_else(|| find(&self.file_systems, &id));
        let Some(folder) = folder else { return volume.clone() };
        let mut path = folder.clone();
        // A folder outside of the file system cannot be its root.
        path.extend(root.split('/').filter(|part| !part.is_empty() && *part != ".."));
        let name = volume.get("name").cloned().unwrap_or_default();
        json!({"name": name, "host": {"sourcePath": (path.display().to_string())}})
    }

    /// Checks that the mounts of a container can be had.
    pub(crate) fn check_mounts(&self, container: &Object, volumes: &[Json]) -> Result<(), String> {
        let volumes = self.volumes(volumes);
        let points = crate::call::list(container, "mountPoints");
        match self.containers {
            Some(_) => containers::check_mounts(points, &volumes),
            None => processes::check_mounts(points, &volumes),
        }
    }

    /// The command that ends what the containers of a mark have left behind; empty without containers.
    pub(crate) fn end_line(&self, mark: &str) -> Vec<String> {
        self.containers.as_ref().map(|containers| containers.end_line(mark)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_file_systems_have_substitutes() {
        let substitutes = Substitutes {
            containers: None,
            images: vec![("aibs/*".to_owned(), vec!["python3".to_owned(), "jobs.py".to_owned()])],
            file_systems: vec![
                ("fsap-1".to_owned(), "/srv/point".into()),
                ("fs-*".to_owned(), "/srv/efs".into()),
            ],
        };
        let line = |image| substitutes.line(image, vec!["--all".to_owned()]).join(" ");
        assert_eq!(line(Some("aibs/tools:1")), "python3 jobs.py --all");
        assert_eq!(line(Some("python")), "--all");
        assert_eq!(line(None), "--all");
        let path = |system: Json| {
            let volume = json!({"name": "v", "efsVolumeConfiguration": system});
            let made = substitutes.volume(&volume);
            let host = made.get("host").and_then(|host| host.get("sourcePath"));
            host.and_then(Json::as_str).map(str::to_owned)
        };
        let of = |id: &str, root: &str| path(json!({"fileSystemId": id, "rootDirectory": root}));
        assert_eq!(of("fs-1", "/").as_deref(), Some("/srv/efs"));
        assert_eq!(of("fs-1", "/data/in").as_deref(), Some("/srv/efs/data/in"));
        assert_eq!(of("fs-1", "/../etc").as_deref(), Some("/srv/efs/etc"));
        assert_eq!(of("other", "/"), None);
        let point =
            json!({"fileSystemId": "fs-1", "authorizationConfig": {"accessPointId": "fsap-1"}});
        assert_eq!(path(point).as_deref(), Some("/srv/point"));
    }
}
