//! Reads files: definitions, values, inputs.

use crate::args::Load;
use crate::project;
use crate::report::{self, Failure};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use stepwright_asl::{LoadOptions, Loaded, MachineArn, NamedDefinition};
use stepwright_dev::Read;
use stepwright_functions::Place;
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_simulator::{MockCase, MockConfig};

/// The largest size of a file, in bytes.
const MOST_BYTES: u64 = 64 << 20;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failure::new(format!("{} is larger than 64 MiB", path.display())));
    }
    Ok(bytes)
}

/// Reads a file that another file in `folder` names. It must be a regular file, and unless
/// `outside` is set, one in that folder: a template from somewhere else must not show what this
/// machine keeps elsewhere.
pub(crate) fn read_beside(folder: &Path, name: &str, outside: bool) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_named_inside = !Path::new(name).is_absolute()
        && !Path::new(name).components().any(|part| part == std::path::Component::ParentDir);
    let within = folder.canonicalize().map_err(failed)?;
    let is_inside =
        is_named_inside && path.canonicalize().is_ok_and(|path| path.starts_with(&within));
    if !outside && !is_inside && (!is_named_inside || path.exists()) {
        return Err(format!(
            "{} is not in the directory {}; --allow-outside permits that",
            path.display(),
            folder.display()
        ));
    }
    // A device or a pipe may never end, and is not even opened.
    if !std::fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    read(&path).map_err(|failure| match failure {
        Failure::Plain { message, .. } => message,
        Failure::Said => format!("{} cannot be read", path.display()),
    })
}

pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?)
        .map_err(|_| Failure::new(format!("{} is not UTF-8 text", path.display())))
}

/// Reads a data file as a tree. The text is returned for diagnostics, which point into it.
pub(crate) fn read_tree(path: &Path) -> Result<(Node, String), Failure> {
    let text = read_text(path)?;
    let file = path.display().to_string();
    match stepwright_asl::read_data(&text, &file) {
        Ok(node) => Ok((node, text)),
        Err(diagnostic) => {
            anstream::eprintln!("{}", stepwright_source::render(&file, &text, &diagnostic));
            Err(Failure::Said)
        }
    }
}

/// Reads a mock file in the format of Step Functions Local.
pub(crate) fn read_mock_config(path: &Path) -> Result<MockConfig, Failure> {
    let (tree, _) = read_tree(path)?;
    let config = MockConfig::read(&tree.to_json())
        .map_err(|error| Failure::new(format!("{} cannot be used: {error}", path.display())))?;
    for note in config.notes() {
        report::warning(&format!("{}: {note}", path.display()));
    }
    Ok(config)
}

/// Finds a test case of a mock file. If the file has a single machine, the case is used for
/// whatever machine is run.
pub(crate) fn mock_case(path: &Path, machine: &str, case: &str) -> Result<MockCase, Failure> {
    let config = read_mock_config(path)?;
    let machines = config.machines();
    let meant = match machines[..] {
        [only] => only,
        _ => machines.into_iter().find(|name| *name == machine).ok_or_else(|| {
            let names = config.machines().join(", ");
            Failure::new(format!("{} has no state machine `{machine}`", path.display()))
                .help(format!("it has {names}; choose with --state-machine"))
        })?,
    };
    config.case(meant, case).ok_or_else(|| {
        let cases = config.cases(meant);
        let failure =
            Failure::new(format!("{} has no test case `{case}` of `{meant}`", path.display()));
        match stepwright_source::did_you_mean(case, cases.iter().copied()) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help(format!("it has {}", cases.join(", "))),
        }
    })
}

/// Reads the state machines of a file.
pub(crate) fn load(path: &Path, options: &Load) -> Result<Loaded, Failure> {
    Ok(load_at(path, options, None, None)?.loaded)
}

/// Reads the state machines of a file to run them all. References of a template to its own machines
/// can then be resolved.
pub(crate) fn load_to_run(path: &Path, options: &Load, place: &Place) -> Result<Loaded, Failure> {
    Ok(load_at(path, options, Some(&|name: &str| machine_arn(place, name)), None)?.loaded)
}

/// Reads the state machines of a file whose resources are there. Returns which other files were read,
/// too.
pub(crate) fn load_with(
    path: &Path,
    options: &Load,
    resources: &BTreeMap<String, String>,
) -> Result<Read, Failure> {
    load_at(path, options, None, Some(resources))
}

/// The ARN of a state machine.
pub(crate) fn machine_arn(place: &Place, name: &str) -> String {
    format!("arn:aws:states:{}:{}:stateMachine:{name}", place.region, place.account)
}

fn load_at(
    path: &Path,
    options: &Load,
    machine_arn: Option<&MachineArn<'_>>,
    resources: Option<&BTreeMap<String, String>>,
) -> Result<Read, Failure> {
    if project::is_project(path) {
        let place = machine_arn.is_some().then(Place::default);
        return Ok(Read { loaded: project::load(path, place.as_ref())?, beside: Vec::new() });
    }
    let bytes = read(path)?;
    let values = values(options)?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let beside = RefCell::new(Vec::new());
    let read_beside = |name: &str| {
        beside.borrow_mut().push(folder.join(name));
        read_beside(&folder, name, options.allow_outside)
    };
    let file = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let options = LoadOptions {
        file: &file,
        values: Some(&values),
        resources,
        read: Some(&read_beside),
        machine_arn,
    };
    let loaded = stepwright_asl::load(&bytes, &options);
    Ok(Read { loaded, beside: beside.into_inner() })
}

/// Reads a file and picks the state machine that the options name.
pub(crate) fn pick(path: &Path, options: &Load) -> Result<NamedDefinition, Failure> {
    let loaded = load(path, options)?;
    picked(path, options, &loaded).cloned()
}

/// Like [`pick`], but the tasks and machines of a project are those of this machine.
pub(crate) fn pick_here(path: &Path, options: &Load) -> Result<NamedDefinition, Failure> {
    if !project::is_project(path) {
        return pick(path, options);
    }
    let loaded = load_to_run(path, options, &Place::default())?;
    picked(path, options, &loaded).cloned()
}

/// Picks the state machine that the options name.
pub(crate) fn picked<'l>(
    path: &Path,
    options: &Load,
    loaded: &'l Loaded,
) -> Result<&'l NamedDefinition, Failure> {
    report::complaints(loaded.complaints.iter());
    if loaded.has_errors() {
        return Err(Failure::Said);
    }
    let wanted = options.state_machine.as_deref();
    let wanted = wanted.or_else(|| project::is_project(path).then_some(project::MAIN));
    if let Some(found) = loaded.find(wanted) {
        return Ok(found);
    }
    let names: Vec<&str> = loaded
        .definitions
        .iter()
        .filter_map(|definition| definition.logical_id.as_deref().or(definition.name.as_deref()))
        .collect();
    Err(match (wanted, names.is_empty()) {
        (_, true) => Failure::new(format!("{} holds no state machine", path.display())),
        (Some(wanted), false) => {
            let failure =
                Failure::new(format!("{} holds no state machine `{wanted}`", path.display()));
            failure.help(format!("it holds {}", names.join(", ")))
        }
        (None, false) => Failure::new(format!("{} holds several state machines", path.display()))
            .help(format!("choose with --state-machine: {}", names.join(", "))),
    })
}

pub(crate) fn values(options: &Load) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    if let Some(path) = &options.values {
        let (tree, _) = read_tree(path)?;
        for member in tree.members() {
            let value = match member.value.to_json() {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            values.insert(member.key.to_string(), value);
        }
    }
    for pair in &options.set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("`--set {pair}` is not NAME=VALUE")))?;
        values.insert(name.to_owned(), value.to_owned());
    }
    Ok(values)
}
