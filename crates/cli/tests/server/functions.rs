//! The processes of functions are apart from each other, and end with the server.

use crate::support::Server;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const CODE: &str = r#"
import http.client, json, os, resource, subprocess, sys, threading, time

HOG = "held = bytearray(300 << 20)\nfor at in range(0, len(held), 4096): held[at] = 1\nimport time; time.sleep(60)"

def lost(*line):
    # A process in a session of its own, whose parent has ended.
    code = "import os, subprocess, sys\nif os.fork(): sys.exit()\nos.setsid()\n" \
        "print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)\n" \
        "import time; time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", code, *line], stdout=subprocess.PIPE)
    pid = int(process.stdout.readline())
    process.wait()
    return pid

def take(address):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        return connection.getresponse().status
    except (ConnectionError, http.client.HTTPException) as refused:
        return type(refused).__name__

def handler(event, context=None):
    what = event["what"]
    if what == "environment":
        return dict(os.environ)
    if what == "limits":
        return [resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE)[1]]
    if what == "processes":
        return [os.getpid(), subprocess.Popen(["sleep", "1000"]).pid, lost("sleep", "1000")]
    if what == "hog":
        lost(sys.executable, "-c", HOG)
        time.sleep(20)
    if what == "hog in a thread":
        threading.Thread(target=lambda: subprocess.Popen([sys.executable, "-c", HOG]).wait()).start()
        time.sleep(20)
    if what == "take":
        return take(event["from"])
    if what == "sleep":
        open(event["file"], "w").write(json.dumps([os.getpid(), lost("sleep", "1000")]))
        time.sleep(1000)

if __name__ == "__main__":
    print(json.dumps(handler(json.load(sys.stdin))))
"#;

const CONFIG: &str = r#"
[functions.one]
runtime = "python3.12"
handler = "app.handler"
timeout = 30

[functions.two]
runtime = "python3.12"
handler = "app.handler"
timeout = 30
inherit = ["DATABASE_*", "TOKEN"]
environment = { OWN = "set" }

[functions.small]
runtime = "python3.12"
handler = "app.handler"
timeout = 30
memory = 256

[functions.command]
command = ["python3", "app.py"]
timeout = 900
"#;

/// A server with functions, whose own environment has secrets.
fn serve(folder: &Path) -> Server {
    std::fs::write(folder.join("app.py"), CODE).expect("it can be written");
    let config = folder.join("stepwright.toml");
    std::fs::write(&config, CONFIG).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "DATABASE_URL", "TOKEN", "TOKENS"] {
        command.env(name, "a secret");
    }
    let config = config.to_str().expect("the path is text");
    Server::start_with(command, &["--memory", "--config", config])
}

fn invoke(server: &Server, function: &str, payload: &Json) -> Json {
    let url = format!("http://{}/2015-03-31/functions/{function}/invocations", server.address);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let sent = agent.post(&url).send(payload.to_string().as_bytes());
    let text = sent.expect("it answers").body_mut().read_to_string().expect("it is text");
    stepwright_json::parse(&text).expect("it is JSON")
}

fn is_alive(process: i64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn all_end(processes: &[i64]) {
    let began = Instant::now();
    while processes.iter().any(|process| is_alive(*process)) {
        assert!(began.elapsed() < Duration::from_secs(10), "they have not ended: {processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn numbers(value: &Json) -> Vec<i64> {
    let items = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    items.iter().filter_map(Json::as_i64).collect()
}

#[test]
fn secrets_of_the_server_are_not_in_the_environment_of_functions() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = serve(folder.path());
    let secrets = |function: &str| {
        let environment = invoke(&server, function, &json!({"what": "environment"}));
        assert!(environment.get("PATH").is_some(), "{environment}");
        let members = environment.as_object().expect("it is an object");
        let secrets = members.iter().filter(|(_, value)| value.as_str() == Some("a secret"));
        (secrets.map(|(name, _)| name.to_string()).collect::<Vec<_>>(), environment.clone())
    };
    assert_eq!(secrets("one").0, [""; 0]);
    assert_eq!(secrets("command").0, [""; 0]);
    let (mut inherited, environment) = secrets("two");
    inherited.sort();
    assert_eq!(inherited, ["DATABASE_URL", "TOKEN"]);
    assert_eq!(environment.get("OWN").and_then(Json::as_str), Some("set"));
}

#[test]
fn nobody_else_gets_the_work_of_a_function() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = serve(folder.path());
    let environment = invoke(&server, "one", &json!({"what": "environment"}));
    let address = environment.get("AWS_LAMBDA_RUNTIME_API").and_then(Json::as_str);
    let address = address.expect("it has one").to_owned();
    // Another function, and this process.
    let taken = invoke(&server, "two", &json!({"what": "take", "from": (address.as_str())}));
    assert!(taken.as_i64().is_none(), "it was answered: {taken}");
    let url = format!("http://{address}/2018-06-01/runtime/");
    let agent = ureq::Agent::new_with_defaults();
    assert!(agent.get(format!("{url}invocation/next")).call().is_err());
    let forged = agent.post(format!("{url}init/error")).send("{}".as_bytes());
    assert!(forged.is_err(), "{forged:?}");
    // The function itself goes on, and so may what it starts.
    let own = invoke(&server, "one", &json!({"what": "take", "from": (address)}));
    assert_eq!(own.as_i64(), Some(403), "it has an invocation already");
    assert!(invoke(&server, "one", &json!({"what": "environment"})).get("PATH").is_some());
}

#[test]
fn processes_have_limits_of_their_own() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = serve(folder.path());
    for function in ["one", "command"] {
        let limits = numbers(&invoke(&server, function, &json!({"what": "limits"})));
        assert_eq!(limits, [1_024, 0], "{function}");
    }
}

#[test]
fn memory_is_that_of_everything_that_a_function_started() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = serve(folder.path());
    for what in ["hog", "hog in a thread"] {
        let began = Instant::now();
        let failure = invoke(&server, "small", &json!({"what": (what)})).to_string();
        assert!(failure.contains("Runtime.OutOfMemory"), "{failure}");
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: {failure}");
    }
}

#[test]
fn processes_end_with_the_server() {
    for is_killed in [true, false] {
        let folder = tempfile::tempdir().expect("a directory can be made");
        let server = serve(folder.path());
        let mut processes = numbers(&invoke(&server, "one", &json!({"what": "processes"})));
        let file = folder.path().join("started.json");
        let payload = json!({"what": "sleep", "file": (file.to_str().expect("it is text"))});
        std::thread::scope(|scope| {
            let address = server.address.clone();
            scope.spawn(move || {
                // The server is gone before it answers.
                let url = format!("http://{address}/2015-03-31/functions/command/invocations");
                drop(ureq::post(&url).send(payload.to_string().as_bytes()));
            });
            let began = Instant::now();
            let started = loop {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                match stepwright_json::parse(&text) {
                    Ok(started) => break started,
                    Err(_) => {
                        assert!(began.elapsed() < Duration::from_secs(10), "it does not start");
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            processes.extend(numbers(&started));
            assert_eq!(processes.len(), 5);
            assert!(processes.iter().all(|process| is_alive(*process)), "{processes:?}");
            if is_killed {
                server.kill();
            } else {
                server.stop();
            }
            all_end(&processes);
        });
    }
}

#[test]
fn what_a_call_left_behind_ends_with_it() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let server = serve(folder.path());
    let processes = numbers(&invoke(&server, "command", &json!({"what": "processes"})));
    assert_eq!(processes.len(), 3);
    all_end(&processes);
}
