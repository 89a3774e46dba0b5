//! Checks what the manual shows: its definitions compile, and its mocks can be read.

use std::path::{Path, PathBuf};
use stepwright_asl::{Definition, read_data};
use stepwright_json::Syntax;
use stepwright_simulator::Mocks;
use stepwright_source::Diagnostic;
use stepwright_testkit::NoFunctions;

#[test]
fn the_manual_holds_what_works() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    collect(&root.join("docs/src"), &mut files);
    collect(&root.join("examples"), &mut files);
    let (mut definitions, mut mocks, mut tests) = (0, 0, 0);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut last_definition = String::new();
        for (kind, body) in blocks(&text) {
            let at = || format!("{}:\n{body}", file.display());
            match kind.as_str() {
                "asl" => {
                    let definition = Definition::parse(&body, Syntax::Comments)
                        .unwrap_or_else(|e| panic!("{e} in {}", at()));
                    let errors: Vec<_> = stepwright_program::check(&definition)
                        .into_iter()
                        .filter(Diagnostic::is_error)
                        .collect();
                    assert!(errors.is_empty(), "{errors:?} in {}", at());
                    definitions += 1;
                    last_definition = body;
                }
                "mocks" => {
                    let tree = read_data(&body, "mocks.yaml")
                        .unwrap_or_else(|e| panic!("{e:?} in {}", at()));
                    Mocks::parse(&tree).unwrap_or_else(|error| panic!("{error} in {}", at()));
                    mocks += 1;
                }
                // Files are named relative to the root of the repository. If no file is named, it
                // is the page's own definition.
                "test" => {
                    let read = |name: &str| match name {
                        "page.asl.json" => Ok(last_definition.clone().into_bytes()),
                        _ => std::fs::read(root.join(name)).map_err(|error| error.to_string()),
                    };
                    let test = stepwright_testkit::load("page.test.yaml", &body, &read)
                        .unwrap_or_else(|found| panic!("{found:?} in {}", at()));
                    for case in &test.cases {
                        let result = test.run(case, &NoFunctions, &|_| None);
                        let (differs, unmocked) = (&result.mismatches, &result.unmocked);
                        assert!(result.passed(), "{differs:?} {unmocked:?} in {}", at());
                    }
                    tests += 1;
                }
                _ => {}
            }
        }
    }
    let counts = format!("{definitions} definitions, {mocks} mocks, {tests} test files");
    assert!(definitions >= 3 && mocks >= 4 && tests >= 3, "{counts}");
}

#[test]
fn links_lead_somewhere() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    collect(&root.join("docs/src"), &mut files);
    let mut links = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.contains(char::is_whitespace) {
                continue;
            }
            links += 1;
            let there = file.parent().unwrap().join(path);
            assert!(there.exists(), "{} links to {target}, which is not there", file.display());
        }
    }
    assert!(links > 20, "{links} links");
    // Every page is in the table of contents, without which no book has it.
    let contents = std::fs::read_to_string(root.join("docs/src/SUMMARY.md")).unwrap();
    for file in files.iter().filter(|file| !file.ends_with("SUMMARY.md")) {
        let Ok(page) = file.strip_prefix(root.join("docs/src")) else { continue };
        let page = page.display();
        assert!(contents.contains(&format!("({page})")), "{page} is not in SUMMARY.md");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The fenced blocks of a page: their labels and contents.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        let body = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .fold(String::new(), |body, line| body + line + "\n");
        found.push((kind.to_owned(), body));
    }
    found
}

/// A step of a page that a reader follows.
enum Step {
    Save(String, String),
    Run(String, Vec<String>),
}

/// The steps of a page: files that it says to save, and commands with what they print.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut words, mut lines) = (String::new(), page.lines());
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("```") else {
            if !line.is_empty() {
                words = format!("{words} {line}");
            }
            continue;
        };
        let body = lines.by_ref().take_while(|line| *line != "```");
        let body = body.fold(String::new(), |body, line| body + line + "\n");
        match label.split_once(' ').unwrap_or((label, "")) {
            ("console", kind) => steps.push(Step::Run(format!("{kind}\n{body}"), Vec::new())),
            ("text", _) => {
                let Some(Step::Run(_, shown)) = steps.last_mut() else {
                    panic!("no command prints {body}")
                };
                shown.extend(body.lines().map(str::to_owned));
            }
            _ => {
                let name =
                    words.rsplit("ave this as `").next().and_then(|rest| rest.split('`').next());
                steps.push(Step::Save(name.expect("a file has a name").to_owned(), body));
            }
        }
        words.clear();
    }
    steps
}

#[test]
fn the_first_hour_is_walked_word_for_word() {
    walk("getting-started.md", 8);
}

#[test]
fn the_tutorial_is_walked_word_for_word() {
    walk("tutorial.md", 12);
}

#[test]
fn those_who_come_from_elsewhere_are_led_word_for_word() {
    walk("coming-from.md", 16);
}

/// Follows a page as a reader would who has the command and nothing else.
fn walk(page: &str, least: usize) {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};
    struct Stopped(Child);
    impl Drop for Stopped {
        fn drop(&mut self) {
            // It may have ended already.
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/src").join(page)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_stepwright"));
    // A clean machine: the command, and what every system has.
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let bash = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-e", "-c", script]).current_dir(folder.path()).env("PATH", &path);
        command.env_remove("COLUMNS").env_remove("AWS_ENDPOINT_URL");
        command
    };
    let (mut server, mut url, mut walked) = (None, String::new(), 0);
    let mut is_followed = false;
    for step in steps(&page) {
        match step {
            Step::Save(name, text) => {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
                is_followed = server.is_some();
            }
            Step::Run(script, shown) => {
                let (kind, script) = script.split_once('\n').unwrap();
                if kind == "install" {
                    assert!(
                        script.contains("--path crates/cli") && root.join("crates/cli").is_dir()
                    );
                    continue;
                }
                if kind == "elsewhere" {
                    // What needs another machine, or an account.
                    continue;
                }
                walked += 1;
                if std::mem::take(&mut is_followed) && kind != "serve" {
                    // Files are followed, and whoever saves one needs a moment to go on.
                    std::thread::sleep(std::time::Duration::from_secs(3));
                }
                if kind == "serve" {
                    // Another server may have the usual port.
                    let script = format!("exec {} --listen localhost:0", script.trim());
                    let mut child = bash(&script).stdout(Stdio::piped()).spawn().unwrap();
                    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
                    server = Some(Stopped(child));
                    for line in lines.by_ref().map_while(Result::ok) {
                        if let Some((_, rest)) = line.split_once("serves Step Functions on ") {
                            url = rest.split(',').next().unwrap().to_owned();
                        }
                        if line.starts_with("created ") {
                            break;
                        }
                    }
                    // What it says further is read, so that it can say it.
                    std::thread::spawn(move || lines.for_each(drop));
                    continue;
                }
                let mut command = bash(script);
                if server.is_some() {
                    command.env("AWS_ENDPOINT_URL_SFN", &url);
                } else {
                    command.env_remove("AWS_ENDPOINT_URL_SFN");
                }
                let output = command.output().unwrap();
                let said =
                    String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
                assert_eq!(output.status.success(), kind != "fails", "{script}\n{said}");
                let mut rest = said.as_str();
                for line in shown {
                    let at =
                        rest.find(&line).unwrap_or_else(|| panic!("{line}\nis not in\n{said}"));
                    rest = &rest[at + line.len()..];
                }
            }
        }
    }
    assert!(walked >= least, "{walked} commands were walked");
    drop(server);
}

#[test]
fn every_command_and_every_option_of_the_configuration_is_in_the_manual() {
    use std::process::Command;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let read = |page: &str| std::fs::read_to_string(root.join(page)).unwrap();
    let said = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
        let output = command.args(arguments).current_dir(folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let help = said(&["--help"], folder.path());
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty());
    let names: Vec<&str> = names
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let page = read("cli.md");
    for name in names {
        let is_there = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name} "));
        assert!(is_there, "{name} is not on the page of the command line");
    }
    // What is not known is answered with all that is.
    let page = read("configuration.md");
    let mut options = 0;
    for section in [
        "",
        "[server]",
        "[server.tls]",
        "[server.nodes]",
        "[archive]",
        "[oidc]",
        "[otlp]",
        "[objects]",
        "[accounts.123456789012]",
        "[encryption]",
    ] {
        std::fs::write(folder.path().join("stepwright.toml"), format!("{section}\nnothing = 1\n"))
            .unwrap();
        let said = said(&["upgrade-check"], folder.path());
        let known = said.lines().find_map(|line| Some(line.split_once("expected ")?.1.to_owned()));
        let known = known.unwrap_or_else(|| panic!("{section}: {said}"));
        for name in known.split('`').skip(1).step_by(2) {
            options += 1;
            let forms = [
                format!("\n{name} ="),
                format!("[{name}"),
                format!(".{name}"),
                format!("{name} ="),
            ];
            assert!(
                forms.iter().any(|form| page.contains(form)),
                "{section}: {name} is not in the manual"
            );
        }
    }
    assert!(options > 40, "{options} options");
}
