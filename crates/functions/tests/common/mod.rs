//! Shared code for the tests of functions.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_functions::{Function, Functions, Invocation, LogSink, Place, Reply};
use stepwright_json::Json;
use tempfile::TempDir;

/// The functions of a configuration, in a folder with the given files.
pub(crate) struct Fixture {
    pub(crate) functions: Functions,
    pub(crate) folder: TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    pub(crate) fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            write(&folder.path().join(name), text);
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let lines = lines.clone();
            LogSink::new(move |line| lines.lock().expect("unpoisoned").push(line.text.to_owned()))
        };
        let functions = Functions::configured(
            parse(config),
            folder.path().to_owned(),
            Place::default(),
            sink,
            vec![Duration::from_millis(20); 2],
        )
        .expect("a configuration");
        Self { functions, folder, lines }
    }

    pub(crate) async fn call(&self, function: &str, payload: &str) -> Reply {
        self.invoke(invocation(function, payload)).await
    }

    pub(crate) async fn invoke(&self, invocation: Invocation) -> Reply {
        let outcome = self.functions.invoke(invocation).await;
        outcome.unwrap_or_else(|error| panic!("{}: {error}", error.name()))
    }

    /// Calls a function and returns the payload of its answer, which must not be an error.
    pub(crate) async fn value(&self, function: &str, payload: &str) -> Json {
        let reply = self.call(function, payload).await;
        assert_eq!(reply.function_error, None, "{}", text(&reply));
        json(&reply)
    }

    /// Calls a function and returns the payload of its answer, which must be an error.
    pub(crate) async fn failure(&self, function: &str, payload: &str) -> Json {
        let reply = self.call(function, payload).await;
        assert_eq!(reply.function_error.as_deref(), Some("Unhandled"), "{}", text(&reply));
        assert_eq!(reply.status, 200);
        json(&reply)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("unpoisoned").clone()
    }
}

pub(crate) fn parse(config: &str) -> BTreeMap<String, Function> {
    toml::from_str(config).expect("TOML")
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

pub(crate) fn invocation(function: &str, payload: &str) -> Invocation {
    Invocation {
        function: function.to_owned(),
        payload: payload.to_owned().into(),
        ..Invocation::default()
    }
}

pub(crate) fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.payload).into_owned()
}

pub(crate) fn json(reply: &Reply) -> Json {
    stepwright_json::parse_bytes(&reply.payload).expect("JSON")
}

/// The text of an object's member.
#[track_caller]
pub(crate) fn member(value: &Json, key: &str) -> String {
    let member = value.get(key).and_then(Json::as_str);
    member.unwrap_or_else(|| panic!("`{key}` is a text in {value}")).to_owned()
}

/// Whether a program can be run. Prints a note if it cannot.
pub(crate) fn has_program(program: &str) -> bool {
    let has = std::process::Command::new(program).arg("--version").output().is_ok();
    if !has {
        skipped(&format!("`{program}` is not installed"));
    }
    has
}

/// Prints why a test checks nothing.
#[expect(clippy::print_stdout, reason = "somebody should see it")]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// The path of a binary built from `examples`.
pub(crate) fn example(name: &str) -> String {
    let test = std::env::current_exe().expect("a path");
    let target = test.parent().and_then(Path::parent).expect("a folder");
    let path = target.join("examples").join(name);
    assert!(path.is_file(), "{} is built with the tests", path.display());
    path.to_str().expect("UTF-8").to_owned()
}
