//! The names that Step Functions has for services, actions and parameters, against its documentation
//! and against real definitions. The latter are not in the repository: where they are missing, nothing
//! is checked, and a line says so.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and says what is skipped, and how much there was"
)]

use std::path::{Path, PathBuf};
use stepwright_aws::shapes::{Kind, Reference};
use stepwright_aws::table::{self, Service};
use stepwright_aws::{iam, names};
use stepwright_json::Json;

#[test]
fn documented_services_are_there_with_their_prefixes() {
    let text = include_str!("../table/documented.txt");
    let mut count = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut fields = line.split(' ');
        let prefix = fields.next().unwrap();
        let service = table::service(&prefix.to_ascii_lowercase()).unwrap();
        assert_eq!(service.error_prefix, prefix);
        for name in fields {
            // Some of them have left the models.
            if let Some(operation) = service.operation(name) {
                assert!(operation.is_refused, "{prefix} {name}");
            }
        }
        count += 1;
    }
    println!("{count} documented services");
    assert_eq!(count, 389);
}

#[test]
fn members_have_names_of_their_own() {
    let mut members = 0;
    let mut changed = 0;
    for name in table::services() {
        let service = table::service(name).unwrap();
        for shape in &service.shapes {
            let Kind::Structure(structure) = &shape.kind else { continue };
            let taken = names::members(service, structure);
            let mut shown: Vec<String> = structure
                .members
                .iter()
                .map(|member| names::member(service, structure, member))
                .collect();
            for (member, shown) in structure.members.iter().zip(&shown) {
                members += 1;
                changed += usize::from(member.name != shown.as_str());
                assert!(shown.starts_with(|c: char| !c.is_ascii_lowercase()), "{name} {shown}");
                assert_eq!(taken[shown].name, member.name, "{name} {shown}");
            }
            let count = shown.len();
            shown.sort();
            shown.dedup();
            assert_eq!(shown.len(), count, "{name}: {shown:?}");
        }
    }
    println!("{members} members, {changed} with another name");
    assert!(members > 200_000 && changed > 80_000);
}

/// What is no action of AWS, in files that others wrote.
const NO_ACTIONS: &[(&str, &str)] = &[("appsync", "graphql")];

/// What is no parameter, in tests of wrong parameters.
const NO_PARAMETERS: &[(&str, &str)] = &[("s3:getObject", "T")];

#[test]
fn definitions_in_the_wild_name_what_is_known() {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let mut seen = Seen::default();
    for folder in ["corpus", "conformance", "goldens", "reports", "seeds"] {
        let folder = shared.join(folder);
        if folder.is_dir() {
            each_file(&folder, &mut |path| seen.file(path));
        } else {
            println!("skipped: {} is not there", folder.display());
        }
    }
    println!(
        "{} tasks, {} parameters, {} actions in IAM known, {} not",
        seen.tasks, seen.parameters, seen.actions.0, seen.actions.1
    );
    seen.calls.sort();
    seen.calls.dedup();
    println!("{}", seen.calls.join("\n"));
    assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
}

fn each_file(folder: &Path, with: &mut impl FnMut(&Path)) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { each_file(&path, with) } else { with(&path) }
    }
}

#[derive(Default)]
struct Seen {
    tasks: usize,
    parameters: usize,
    actions: (usize, usize),
    calls: Vec<String>,
    wrong: Vec<String>,
}

impl Seen {
    fn file(&mut self, path: &Path) {
        let Ok(text) = std::fs::read_to_string(path) else { return };
        if !text.contains("aws-sdk:") {
            return;
        }
        match stepwright_json::parse(&text) {
            Ok(json) => self.walk(&json, path),
            Err(_) => {
                for line in text.lines() {
                    match stepwright_json::parse(line) {
                        Ok(json) => self.walk(&json, path),
                        Err(_) => self.line(line, path),
                    }
                }
            }
        }
    }

    /// A line of a text that is no JSON.
    fn line(&mut self, line: &str, path: &Path) {
        for part in line.split("aws-sdk:").skip(1) {
            let resource = part.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').next();
            if let Some((service, action)) = resource.and_then(|one| one.split_once(':'))
                && !action.is_empty()
            {
                self.resource(service, action, &Json::Null, path);
            }
        }
    }

    fn walk(&mut self, value: &Json, path: &Path) {
        match value {
            Json::Object(members) => {
                let resource = members.get("Resource").and_then(Json::as_str).unwrap_or_default();
                if let Some((_, resource)) = resource.split_once(":aws-sdk:")
                    && let Some((service, action)) = resource.split_once(':')
                {
                    let action = action.split('.').next().unwrap_or_default();
                    let given = members.get("Parameters").or_else(|| members.get("Arguments"));
                    self.resource(service, action, given.unwrap_or(&Json::Null), path);
                }
                members.values().for_each(|one| self.walk(one, path));
            }
            Json::Array(items) => items.iter().for_each(|one| self.walk(one, path)),
            Json::String(text) if text.contains("aws-sdk:") => {
                if let Ok(json) = stepwright_json::parse(text) {
                    self.walk(&json, path);
                }
            }
            _ => {}
        }
    }

    fn resource(&mut self, service: &str, action: &str, given: &Json, path: &Path) {
        if NO_ACTIONS.contains(&(service, action)) {
            return;
        }
        let found =
            table::service(service).map_err(|error| error.to_string()).and_then(|service| {
                let operation = service.action(action).map_err(|error| error.to_string())?;
                Ok((service, operation))
            });
        let (table, operation) = match found {
            Ok(found) => found,
            Err(error) => return self.wrong.push(format!("{}: {error}", path.display())),
        };
        self.tasks += 1;
        let actions = iam::sdk_actions(service, action).unwrap();
        if actions.is_known {
            self.actions.0 += 1;
        } else {
            self.actions.1 += 1;
        }
        let doubt = if actions.is_known { "" } else { " (not known)" };
        self.calls.push(format!("{service}:{action} {}{doubt}", actions.actions.join(" ")));
        if let Some(input) = &operation.input {
            let call = format!("{service}:{action}");
            self.check(table, input, given, &call, path);
        }
    }

    fn check(
        &mut self,
        service: &Service,
        reference: &Reference,
        given: &Json,
        call: &str,
        path: &Path,
    ) {
        match (&service.shape(reference).kind, given) {
            (Kind::Structure(structure), Json::Object(members)) => {
                let taken = names::members(service, structure);
                for (key, one) in members.iter() {
                    let name = key.strip_suffix(".$").unwrap_or(key);
                    if NO_PARAMETERS.contains(&(call, name)) {
                        continue;
                    }
                    self.parameters += 1;
                    match taken.get(name) {
                        Some(member) if name == key.as_str() => {
                            self.check(service, &member.reference, one, call, path);
                        }
                        Some(_) => {}
                        None => {
                            self.wrong.push(format!("{}: {call} has no `{name}`", path.display()));
                        }
                    }
                }
            }
            (Kind::List(item), Json::Array(items)) => {
                items.iter().for_each(|one| self.check(service, item, one, call, path));
            }
            (Kind::Map(_, of), Json::Object(members)) => {
                let plain = members.iter().filter(|(key, _)| !key.ends_with(".$"));
                plain.for_each(|(_, one)| self.check(service, of, one, call, path));
            }
            _ => {}
        }
    }
}
