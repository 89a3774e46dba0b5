//! Jobs of the local Batch, and a server that is killed in the middle of one.

use crate::support::{Server, text};
use std::path::Path;
use std::time::{Duration, Instant};
use stepwright_json::json;

/// Waits until a file has something in it.
fn written(path: &Path) -> String {
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{} is not written", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_running(process: &str) -> bool {
    // One that has ended and that nobody has collected yet does not count.
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
#[cfg(target_os = "linux")]
fn a_job_is_tried_again_after_kill_9_and_never_twice_at_once() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let place = folder.path().to_str().expect("the path is text");
    // The first attempt starts a process that leaves its session, and does not end by itself. One
    // that was killed, and that nobody has collected yet, does not run.
    let script = format!(
        "cd {place}; if [ -f main ] && grep -q ') [^ZX]' /proc/$(cat main)/stat 2>/dev/null; then echo both >> both; fi; echo $$ > main; \
         [ $AWS_BATCH_JOB_ATTEMPT = 2 ] && exit 0; setsid sh -c 'echo $$ > away; sleep 300' & sleep 300"
    );
    let container = json!({"Image": "i", "Command": ["/bin/sh", "-c", script]});
    let task = |resource: &str, parameters: stepwright_json::Json, next: &str| {
        let mut state = json!({
            "Type": "Task", "Resource": (format!("arn:aws:states:::{resource}")),
            "Parameters": (parameters), "ResultPath": null
        });
        if let stepwright_json::Json::Object(state) = &mut state {
            match next {
                "" => state.insert("End", true.into()),
                next => state.insert("Next", next.into()),
            };
        }
        state
    };
    let environment = json!({"ComputeEnvironmentName": "ce", "Type": "UNMANAGED"});
    let order = json!([{"Order": 1, "ComputeEnvironment": "ce"}]);
    let queue = json!({"JobQueueName": "q", "Priority": 1, "ComputeEnvironmentOrder": order});
    let definition = json!({
        "JobDefinitionName": "d", "Type": "container", "ContainerProperties": container,
        "RetryStrategy": {"Attempts": 2}
    });
    let job = json!({"JobName": "j", "JobQueue": "q", "JobDefinition": "d"});
    let machine = json!({"StartAt": "E", "States": {
        "E": (task("aws-sdk:batch:createComputeEnvironment", environment, "Q")),
        "Q": (task("aws-sdk:batch:createJobQueue", queue, "D")),
        "D": (task("aws-sdk:batch:registerJobDefinition", definition, "J")),
        "J": (task("batch:submitJob.sync", job, ""))
    }});
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().expect("the path is text")];
    let server = Server::start(&arguments);
    let client = server.client();
    let machine = client.create("jobs", "STANDARD", &machine.to_string());
    let execution = client.start(&machine, "{}");
    let first = written(&folder.path().join("main"));
    let away = written(&folder.path().join("away"));
    assert!(is_running(&first) && is_running(&away));
    server.kill();
    let server = Server::start(&arguments);
    let ended = server.client().end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    assert!(!is_running(&first) && !is_running(&away));
    assert!(!folder.path().join("both").exists(), "two attempts ran at once");
    assert_ne!(written(&folder.path().join("main")), first);
}

/// Takes what `docker run` takes, and runs the command of a container here. It writes down what it was
/// told.
const DOCKER: &str = r#"#!/bin/sh
echo "$@" >> FOLDER/told
case $1 in
run)
    while [ "$1" != -- ]; do shift; done
    shift 2
    exec "$@";;
ps) echo c-1; echo c-2;;
esac
"#;

#[test]
#[cfg(target_os = "linux")]
fn jobs_are_containers_where_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a directory can be made");
    let place = folder.path().to_str().expect("the path is text");
    let docker = folder.path().join("docker");
    std::fs::write(&docker, DOCKER.replace("FOLDER", place)).expect("it can be written");
    let may_run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&docker, may_run).expect("it is ours");
    let config = folder.path().join("stepwright.toml");
    let text_of_config = format!(
        r#"
[server]
containers = "{place}/docker"
[resources.Environment]
type = "AWS::Batch::ComputeEnvironment"
properties = {{ ComputeEnvironmentName = "ce", Type = "UNMANAGED" }}
[resources.Queue]
type = "AWS::Batch::JobQueue"
properties = {{ JobQueueName = "q", Priority = 1, ComputeEnvironmentOrder = [{{ Order = 1, ComputeEnvironment = {{ Ref = "Environment" }} }}] }}
[resources.Job]
type = "AWS::Batch::JobDefinition"
[resources.Job.properties]
JobDefinitionName = "d"
Type = "container"
RetryStrategy = {{ Attempts = 2 }}
[resources.Job.properties.ContainerProperties]
Image = "python:3.12"
Memory = 128
Vcpus = 1
User = "1000"
Volumes = [{{ Name = "data", Host = {{ SourcePath = "/srv" }} }}]
MountPoints = [{{ SourceVolume = "data", ContainerPath = "/in", ReadOnly = true }}]
Environment = [{{ Name = "TOKEN", Value = "t-1" }}]
"#
    );
    std::fs::write(&config, text_of_config).expect("it can be written");
    let script = format!(
        "echo $TOKEN $AWS_ENDPOINT_URL $AWS_BATCH_JOB_ATTEMPT > {place}/ran; [ $AWS_BATCH_JOB_ATTEMPT = 2 ] || sleep 300"
    );
    let machine = json!({"StartAt": "J", "States": {"J": {
        "Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "End": true,
        "Parameters": {
            "JobName": "j", "JobQueue": "q", "JobDefinition": "d",
            "ContainerOverrides": {"Command": ["/bin/sh", "-c", script]}
        }
    }}});
    let data = folder.path().join("data");
    let arguments = [
        "--data",
        data.to_str().expect("the path is text"),
        "--config",
        config.to_str().expect("the path is text"),
    ];
    let server = Server::start(&arguments);
    let client = server.client();
    let machine = client.create("contained", "STANDARD", &machine.to_string());
    let execution = client.start(&machine, "{}");
    let first = written(&folder.path().join("ran"));
    assert_eq!(first, format!("t-1 http://{} 1", server.address));
    server.kill();
    let server = Server::start(&arguments);
    let ended = server.client().end(&execution);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    let told = std::fs::read_to_string(folder.path().join("told")).expect("it was run");
    let lines: Vec<&str> = told.lines().collect();
    let run = "--memory 128m --mount type=bind,source=/srv,target=/in,readonly --user 1000 -- python:3.12 /bin/sh";
    assert!(lines[0].starts_with("run --rm --init --network host --name stepwright-"), "{told}");
    assert!(lines[0].contains("--env TOKEN ") && lines[0].contains(run), "{told}");
    // What the first server has left behind is removed before the job is run again.
    assert!(lines[1].starts_with("ps --all --quiet --filter label=stepwright=AWS_BATCH_JOB_ID="));
    assert_eq!(lines[2], "rm --force c-1 c-2", "{told}");
    assert!(lines[3].starts_with("run "), "{told}");
}
