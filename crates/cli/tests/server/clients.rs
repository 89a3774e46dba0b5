//! AWS's own clients, each of which goes through a scripted tour of the operations. `cargo xtask
//! clients` installs them; a client that is not installed is skipped.

use crate::support::Server;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn boto3_tours_the_api() {
    let python = installed("venv/bin/python");
    tour(python, |python| {
        let mut command = Command::new(python);
        command.arg(root().join("clients/tour.py"));
        command
    });
}

#[test]
fn the_aws_cli_tours_the_api() {
    tour(installed("venv/bin/aws"), |aws| script_of_the_cli(&aws, "tour_cli.sh"));
}

/// A script that finds the AWS CLI on its path.
fn script_of_the_cli(aws: &Path, script: &str) -> Command {
    let folder = aws.parent().expect("it is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    let mut command = Command::new("bash");
    command
        .arg(root().join("clients").join(script))
        .env("PATH", std::env::join_paths(folders).expect("no folder holds a separator"));
    command
}

#[test]
fn the_sdk_for_javascript_tours_the_api() {
    tour(installed("node/node_modules/@aws-sdk/client-sfn"), |_| {
        let mut command = Command::new("node");
        command
            .arg(root().join("clients/tour.mjs"))
            .env("SDK_FOLDER", root().join("target/clients/node"));
        command
    });
}

#[test]
fn the_aws_cli_tours_the_local_services() {
    tour(installed("venv/bin/aws"), |aws| script_of_the_cli(&aws, "services_cli.sh"));
}

#[test]
fn the_sdk_for_javascript_tours_the_local_services() {
    tour(installed("node/node_modules/@aws-sdk/client-ssm"), |_| {
        let mut command = Command::new("node");
        command
            .arg(root().join("clients/services.mjs"))
            .env("SDK_FOLDER", root().join("target/clients/node"));
        command
    });
}

#[test]
fn the_sdk_for_rust_tours_the_api() {
    tour(installed("rust/debug/stepwright-tour"), Command::new);
}

/// The console in Chromium: every page in both themes, every action, keys and rights. With
/// `STEPWRIGHT_CONSOLE_PICTURES`, pictures of its pages go into that folder. With `STEPWRIGHT_CONSOLE_FLOORS`,
/// times are held to what is promised of an optimised build, with a map run of 10,000 children.
#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn the_console_works_in_a_browser() {
    let Some(packages) = installed("node/node_modules/playwright-core") else { return };
    let packages = packages.parent().and_then(Path::parent).expect("it is in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let browser = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    let Some(browser) = browser.into_iter().find(|file| file.is_file()) else {
        println!("skipped: there is no `chromium`; `cargo xtask clients` installs it on Debian");
        return;
    };
    let file = |name: &str| root().join("clients").join(name).display().to_string();
    let free =
        Server::start(&["--memory", "--limits", "extended", "--config", &file("console.toml")]);
    let guarded = Server::start(&["--memory", "--config", &file("console_keys.toml")]);
    let mut node = Command::new("node");
    node.arg(file("console.mjs"))
        .args([&free.address, &guarded.address].map(|address| format!("http://{address}")))
        .env("PACKAGES", packages)
        .env("CHROMIUM", browser);
    if let Some(folder) = std::env::var_os("STEPWRIGHT_CONSOLE_PICTURES") {
        node.env("PICTURES", folder);
    }
    if std::env::var_os("STEPWRIGHT_CONSOLE_FLOORS").is_some() {
        node.env("FLOORS", "1").env("FULL", "1");
    }
    let output = node.output().expect("node runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{printed}");
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.lines().count() > 40, "a line for each thing that was tried: {printed}");
}

/// Starts a server and runs a client's tour against it.
fn tour(client: Option<PathBuf>, command: impl FnOnce(PathBuf) -> Command) {
    let Some(client) = client else { return };
    let configuration = root().join("clients/tour.toml");
    let configuration = configuration.to_str().expect("the path is text");
    let server = Server::start(&["--memory", "--config", configuration]);
    let output = command(client)
        .arg(format!("http://{}", server.address))
        // The user's own AWS configuration must not affect the tour.
        .env_remove("AWS_PROFILE")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .output()
        .expect("the client runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.lines().count() > 30, "a tour prints a line for each operation: {printed}");
}

/// The path of a client in `target/clients`, if it is installed.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn installed(file: &str) -> Option<PathBuf> {
    let path = root().join("target/clients").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: target/clients/{file} is not there; `cargo xtask clients` installs it");
    None
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
