//! Jobs and tasks as containers of their image, by docker or podman.

use crate::call::{list, text};
use crate::delivery::Process;
use std::collections::BTreeMap;
use stepwright_json::{Json, Object};

/// Runs containers with a program that takes what `docker run` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// `docker`, `podman`, or the path of one of them.
    pub program: String,
}

/// The label of the containers of this machine's jobs and tasks. Its value is the mark of the job.
const LABEL: &str = "stepwright";

/// Where the local services are, which every process is told.
const OFFERED: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// What the program itself listens to: the variables that a container has are not meant for it.
const OF_THE_PROGRAM: [&str; 9] =
    ["PATH", "HOME", "TMPDIR", "DOCKER_", "CONTAINER", "PODMAN_", "XDG_", "LD_", "BUILDAH_"];

impl Containers {
    /// A process that runs a container: `process` says what is run in it, `container` is its
    /// definition, and `volumes` are those that its mount points name. `mark` is a variable of its
    /// environment by which it is found again.
    pub(crate) fn process(
        &self,
        process: Process,
        container: &Object,
        volumes: &[Json],
        mark: &str,
    ) -> Process {
        let name = format!("stepwright-{}", uuid::Uuid::new_v4().simple());
        let mut line = vec![self.program.clone()];
        let mut push = |parts: &[&str]| line.extend(parts.iter().map(|part| (*part).to_owned()));
        // On the network of this machine, where the local services are.
        push(&["run", "--rm", "--init", "--network", "host", "--name", &name]);
        push(&["--label", &format!("{LABEL}={mark}")]);
        let mut environment = BTreeMap::new();
        for (variable, value) in process.environment {
            let is_of_the_program = OF_THE_PROGRAM.iter().any(|one| variable.starts_with(one));
            if is_of_the_program {
                push(&["--env", &format!("{variable}={value}")]);
            } else {
                // The value is in the environment, where other users cannot see it.
                push(&["--env", &variable]);
                environment.insert(variable, value);
            }
        }
        for variable in OFFERED.iter().filter(|one| !environment.contains_key(**one)) {
            push(&["--env", variable]);
        }
        if let Some(memory) = process.memory {
            push(&["--memory", &format!("{memory}m")]);
        }
        for mount in mounts(list(container, "mountPoints"), volumes) {
            push(&["--mount", &mount]);
        }
        if let Some(folder) = text(container, "workingDirectory") {
            push(&["--workdir", folder]);
        }
        if let Some(user) = text(container, "user") {
            push(&["--user", user]);
        }
        if container.get("readonlyRootFilesystem").and_then(Json::as_bool) == Some(true) {
            push(&["--read-only"]);
        }
        let entry: Vec<&str> =
            list(container, "entryPoint").iter().filter_map(Json::as_str).collect();
        if let Some(first) = entry.first() {
            push(&["--entrypoint", first]);
        }
        push(&["--", text(container, "image").unwrap_or_default()]);
        push(entry.get(1..).unwrap_or_default());
        // With an entry point of its own, the line begins with it.
        line.extend(process.line.into_iter().skip(entry.len()));
        let clean_up = [self.program.as_str(), "rm", "--force", &name].map(str::to_owned).to_vec();
        Process { line, environment, folder: None, memory: None, clean_up, ..process }
    }

    /// A command line for a shell that ends the containers with a mark.
    pub(crate) fn end_line(&self, mark: &str) -> Vec<String> {
        let script = "ids=$(\"$1\" ps --all --quiet --filter \"label=$2\"); \
                      [ -z \"$ids\" ] || \"$1\" rm --force $ids";
        let label = format!("{LABEL}={mark}");
        ["sh", "-c", script, "sh", &self.program, &label].map(str::to_owned).to_vec()
    }
}

/// The mounts of a container, as the program takes them.
fn mounts<'m>(points: &'m [Json], volumes: &'m [Json]) -> impl Iterator<Item = String> + 'm {
    points.iter().map(move |point| {
        let part = |name: &str| point.get(name).and_then(Json::as_str).unwrap_or_default();
        let target = part("containerPath");
        let source = source(part("sourceVolume"), volumes).unwrap_or_default();
        let is_fixed = point.get("readOnly").and_then(Json::as_bool) == Some(true);
        let fixed = if is_fixed { ",readonly" } else { "" };
        format!("type=bind,source={source},target={target}{fixed}")
    })
}

/// The folder of a volume.
fn source<'v>(volume: &str, volumes: &'v [Json]) -> Option<&'v str> {
    let is_meant = |one: &&Json| one.get("name").and_then(Json::as_str) == Some(volume);
    volumes.iter().find(is_meant)?.get("host")?.get("sourcePath")?.as_str()
}

/// Checks that the mounts of a container can be had: folders of this machine, at an absolute path.
pub(crate) fn check_mounts(points: &[Json], volumes: &[Json]) -> Result<(), String> {
    for point in points {
        let part = |name: &str| point.get(name).and_then(Json::as_str).unwrap_or_default();
        let (target, volume) = (part("containerPath"), part("sourceVolume"));
        // The program separates what it is told by commas.
        let is_path = |path: &str| path.starts_with('/') && !path.contains([',', '\n', '\0']);
        if !is_path(target) {
            return Err(format!("`{target}` is not a path at which a container can have a folder"));
        }
        if !source(volume, volumes).is_some_and(is_path) {
            return Err(format!(
                "the volume `{volume}` needs a `host.sourcePath`: a folder of this machine"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn a_container_is_run_with_what_its_definition_says() {
        let container = json!({
            "image": "python:3.12", "user": "1000", "readonlyRootFilesystem": true,
            "entryPoint": ["python3", "-u"], "workingDirectory": "/app",
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/in", "readOnly": true}]
        });
        let volumes = json!([{"name": "data", "host": {"sourcePath": "/srv/data"}}]);
        let process = Process {
            line: ["python3", "-u", "import.py", "--all"].map(str::to_owned).to_vec(),
            environment: [("SECRET", "s"), ("PATH", "/opt/bin")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            memory: Some(256),
            ..Process::default()
        };
        let docker = Containers { program: "docker".to_owned() };
        let container = container.as_object().unwrap();
        let volumes = volumes.as_array().unwrap();
        let made = docker.process(process, container, volumes, "AWS_BATCH_JOB_ID=1");
        let line = made.line.join(" ");
        for part in [
            "docker run --rm --init --network host --name stepwright-",
            "--label stepwright=AWS_BATCH_JOB_ID=1",
            "--env PATH=/opt/bin --env SECRET --env AWS_ENDPOINT_URL",
            "--memory 256m",
            "--mount type=bind,source=/srv/data,target=/in,readonly",
            "--workdir /app --user 1000 --read-only --entrypoint python3",
            "-- python:3.12 -u import.py --all",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("SECRET=s"));
        assert_eq!(made.environment.len(), 1, "the program keeps its own PATH");
        assert_eq!(made.clean_up[..3], ["docker", "rm", "--force"]);
    }

    #[test]
    fn mounts_are_folders_of_this_machine() {
        let check =
            |point: Json, volume: Json| check_mounts(&[point], &[volume]).err().unwrap_or_default();
        let volume = json!({"name": "d", "host": {"sourcePath": "/srv"}});
        let point = |path: &str| json!({"sourceVolume": "d", "containerPath": path});
        assert_eq!(check(point("/in"), volume.clone()), "");
        assert!(check(point("in"), volume.clone()).contains("not a path"));
        assert!(check(point("/in,source=/"), volume).contains("not a path"));
        assert!(check(point("/in"), json!({"name": "d"})).contains("host.sourcePath"));
    }
}
