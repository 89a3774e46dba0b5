//! Each package is installed where nothing else is, runs the quickstart, and is removed.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

#[path = "dist/debian.rs"]
mod debian;
#[path = "dist/image.rs"]
mod image;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("it is there")
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    xtask.ancestors().nth(2).expect("it is in target/PROFILE").to_owned()
}

/// Makes one kind of package of the binary that this build made, or of the one that is named.
fn made(form: &str) -> TempDir {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_xtask")).with_file_name("stepwright");
    let binary = std::env::var_os("STEPWRIGHT_BINARY").map_or(built, PathBuf::from);
    if !binary.is_file() {
        done(Command::new(env!("CARGO")).args(["build", "--package", "stepwright"]));
    }
    let out = tempfile::tempdir().expect("a directory can be made");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["dist", form, "--quick", "--binary"]).arg(&binary).arg("--out").arg(out.path());
    done(&mut command);
    // What is beside a package tells whether it has come whole.
    let mut sums = Command::new("sha256sum");
    done(sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(out.path()));
    out
}

/// The one file with this ending.
fn file(folder: &Path, ending: &str) -> PathBuf {
    let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(ending);
    let entries = fs::read_dir(folder).expect("it can be read").flatten();
    let found: Vec<PathBuf> = entries.filter(named).map(|entry| entry.path()).collect();
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    found[0].clone()
}

/// What a command prints, which must succeed.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{error}", output.status);
    said
}

/// Whether the quickstart ended as it should.
fn is_the_order(said: &str) {
    assert!(said.contains("\"warehouse\": \"north\"") && said.contains("\"sent\": true"), "{said}");
}

fn version() -> String {
    let text = fs::read_to_string(root().join("Cargo.toml")).expect("it can be read");
    let line =
        text.lines().find_map(|line| line.strip_prefix("version = \"")).expect("it is named");
    line.trim_end_matches('"').to_owned()
}

/// A command that knows of nothing but a folder of programs.
fn clean(program: &Path, path: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", path).env("HOME", "/nonexistent").env("LANG", "C.UTF-8");
    command
}

/// Copies the quickstart to where it may be run.
fn quickstart(folder: &Path) -> PathBuf {
    let to = folder.join("quickstart");
    done(Command::new("cp").arg("-r").arg(root().join("examples/quickstart")).arg(&to));
    to
}

#[test]
fn the_tarball_is_unpacked_and_runs() {
    let made = made("tarball");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let tarball = file(made.path(), ".tar.gz");
    done(Command::new("tar").arg("-xf").arg(tarball).arg("-C").arg(folder.path()));
    let unpacked = file(folder.path(), "");
    let binary = unpacked.join("bin/stepwright");
    assert_eq!(
        done(clean(&binary, "").arg("--version")).trim(),
        format!("stepwright {}", version())
    );
    let order = unpacked.join("share/doc/stepwright/examples/quickstart/order.asl.yaml");
    is_the_order(&done(clean(&binary, "").arg("run").arg(order).arg("--virtual-time")));

    let completions = unpacked.join("share/bash-completion/completions/stepwright");
    done(Command::new("bash").arg("-n").arg(completions));
    // Every command has a page, and `man` has nothing to say against any.
    let pages = unpacked.join("share/man/man1");
    let help = done(clean(&binary, "").arg("--help"));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() > 20, "{names:?}");
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let (has_man, has_mandoc) = (has("man"), has("mandoc"));
    for name in names.iter().map(|name| format!("stepwright-{name}")).chain(["stepwright".into()]) {
        let page = pages.join(format!("{name}.1"));
        assert!(page.is_file(), "{}", page.display());
        if has_man {
            let mut man = Command::new("man");
            man.args(["--warnings", "--local-file", "-Tutf8"]).arg(&page).env("MANWIDTH", "100");
            let output = man.output().expect("it runs");
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert_eq!(complaints, "", "{name}");
            assert!(output.status.success() && output.stdout.len() > 500, "{name}");
        }
        if has_mandoc {
            // The other reader of such pages is stricter.
            let mut mandoc = Command::new("mandoc");
            let output = mandoc.args(["-T", "lint", "-W", "warning"]).arg(&page).output();
            let complaints = output.expect("it runs").stdout;
            assert_eq!(String::from_utf8_lossy(&complaints), "", "{name}");
        }
    }
    if !has_man || !has_mandoc {
        println!("`man` or `mandoc` is not there: pages are made, and not checked by it");
    }
}

#[test]
fn the_wheel_brings_the_command_and_the_plugin() {
    let made = made("wheel");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let venv = folder.path().join("venv");
    done(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let (python, binary) = (venv.join("bin/python"), venv.join("bin/stepwright"));
    let pip = |arguments: &[&str]| {
        let mut command = clean(&python, "/usr/bin:/bin");
        command.args(["-m", "pip", "--disable-pip-version-check"]).args(arguments);
        command
    };
    // Nothing is asked of a registry.
    let from = made.path().to_string_lossy().into_owned();
    done(&mut pip(&["install", "--quiet", "--no-index", "--find-links", &from, "stepwright"]));
    assert_eq!(
        done(clean(&binary, "").arg("--version")).trim(),
        format!("stepwright {}", version())
    );
    let order = quickstart(folder.path());
    is_the_order(&done(
        clean(&binary, "").arg("run").arg(order.join("order.asl.yaml")).arg("--virtual-time"),
    ));
    // The plugin finds the command that is beside it, on the PATH or not.
    let program = "import stepwright_pytest; result = stepwright_pytest.run('quickstart'); \
                   print(result.passed, len(result.cases))";
    let said = done(clean(&python, "").args(["-c", program]).current_dir(folder.path()));
    assert_eq!(said.trim(), "True 5");
    // pytest itself comes from a registry.
    let wanted = ["install", "--quiet", "--retries", "1", "--timeout", "20", "pytest"];
    let installed = Command::new(&python).args(["-m", "pip"]).args(wanted).output();
    if installed.is_ok_and(|output| output.status.success()) {
        let mut pytest = clean(&venv.join("bin/pytest"), "");
        let said = done(pytest.args(["-q", "-p", "no:cacheprovider"]).current_dir(&order));
        assert!(said.contains("5 passed"), "{said}");
    } else {
        println!("pytest cannot be installed: the plugin is tried without it");
    }
    done(&mut pip(&["uninstall", "--yes", "--quiet", "stepwright", "stepwright-pytest"]));
    // What pytest has compiled for itself is not the package's.
    let mut find = Command::new("find");
    find.arg(&venv).args([
        "-type",
        "f",
        "-path",
        "*stepwright*",
        "-not",
        "-path",
        "*/__pycache__/*",
    ]);
    assert_eq!(done(&mut find), "");
}

#[test]
fn the_package_of_npm_brings_the_command_and_the_library() {
    if !Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("npm is not there");
        return;
    }
    let node = done(Command::new("bash").args(["-c", "command -v node"]));
    let arch = done(Command::new(node.trim()).args(["-p", "process.arch"]));
    let carrier = format!("stepwright-linux-{}", arch.trim());
    let made = made("npm");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let prefix = folder.path().join("project");
    fs::create_dir(&prefix).expect("a directory can be made");
    fs::write(prefix.join("package.json"), "{\"private\": true}\n").expect("it can be written");
    let version = version();
    let npm = |arguments: &[&str]| {
        let mut command = Command::new("npm");
        command.args(arguments);
        for setting in ["offline=true", "audit=false", "fund=false", "loglevel=silent"] {
            let (name, value) = setting.split_once('=').expect("it has a value");
            command.env(format!("npm_config_{name}"), value);
        }
        command.current_dir(&prefix).env("npm_config_cache", folder.path().join("cache"));
        command
    };
    let mut install = npm(&["install", "--save-dev"]);
    for name in ["stepwright", "stepwright-testing", &carrier] {
        install.arg(made.path().join(format!("{name}-{version}.tgz")));
    }
    done(&mut install);
    let said = done(&mut npm(&["exec", "--", "stepwright", "--version"]));
    assert_eq!(said.trim(), format!("stepwright {version}"));
    let order = quickstart(folder.path());
    let mut run = npm(&["exec", "--", "stepwright", "run"]);
    is_the_order(&done(run.arg(order.join("order.asl.yaml")).arg("--virtual-time")));
    // Exit codes go through.
    let output: Output =
        npm(&["exec", "--", "stepwright", "check", "missing"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    // The library finds the command, on the PATH or not.
    fs::write(
        prefix.join("tests.cjs"),
        "const { runTests } = require('stepwright-testing')\n\
         runTests(process.argv[2]).then(({ cases }) => \
         console.log(cases.every((one) => one.passed), cases.length))\n",
    )
    .expect("it can be written");
    let mut script = clean(Path::new(node.trim()), "");
    let said = done(script.arg("tests.cjs").arg(&order).current_dir(&prefix));
    assert_eq!(said.trim(), "true 5");
    done(&mut npm(&["uninstall", "stepwright", "stepwright-testing", &carrier]));
    let left = done(Command::new("find").arg(&prefix).args(["-name", "stepwright*"]));
    assert_eq!(left, "");
}
