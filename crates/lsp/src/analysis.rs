//! What is known of a document.

use crate::samples;
use crate::text::Text;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use stepwright_asl::{LoadOptions, Loaded, NamedDefinition};
use stepwright_json::tree::{Node, Value};
use stepwright_program::CheckOptions;
use stepwright_source::{Diagnostic, Span};

/// Returns the contents of a file: those in the editor if it is open there.
pub(crate) type ReadFile<'a> = dyn Fn(&Path) -> Result<Vec<u8>, String> + 'a;

/// What is known of a document.
#[derive(Debug)]
pub(crate) struct Analysis {
    /// The text that was read.
    pub(crate) text: Text,
    /// Its state machines; those of a text with mistakes are those of the repaired text.
    pub(crate) machines: Vec<Machine>,
    /// Other files that were read, or that would have been.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Where the document is.
    pub(crate) path: PathBuf,
    /// What the loader found wrong, and the definitions for the rules to look at.
    said: Vec<Complaints>,
    unchecked: Vec<NamedDefinition>,
    /// Everything that is wrong, once somebody has asked.
    complaints: OnceCell<Vec<Complaints>>,
}

/// What is wrong with a file.
#[derive(Clone, Debug)]
pub(crate) struct Complaints {
    /// `None` for the document itself.
    pub(crate) file: Option<PathBuf>,
    pub(crate) text: Arc<str>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A state machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: Option<String>,
    /// The file that its places point into, if it is not the document.
    pub(crate) file: Option<PathBuf>,
    pub(crate) text: Arc<str>,
    pub(crate) root: Node,
}

/// Whether a document is a project of Fluxio, as for the other commands.
fn is_project(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "py" || ending == "sfn")
}

/// Analyses a document. The name of a file that was not saved says nothing but its format.
pub(crate) fn analyse(text: &Text, path: &Path, read: &ReadFile<'_>) -> Analysis {
    let file = path.display().to_string();
    let written = text.as_str();
    let files = RefCell::new(BTreeSet::new());
    if samples::is_test(path) {
        return test_file(text, path, read);
    }
    let is_project = is_project(path);
    let loaded = if is_project {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        stepwright_deployment::check(written, &file, &folder.to_string_lossy())
    } else {
        load(written, path, read, &files)
    };
    let other = |name: &str| (name != file).then(|| PathBuf::from(name));
    let said = loaded.complaints.iter().map(|complaint| Complaints {
        file: other(&complaint.file),
        text: complaint.text.clone(),
        diagnostics: vec![complaint.diagnostic.clone()],
    });
    let said = said.collect();
    let (mut machines, mut unchecked) = (Vec::new(), Vec::new());
    if !is_project {
        unchecked.clone_from(&loaded.definitions);
        machines = self::machines(loaded, written, path, &|text| load(text, path, read, &files));
    }
    // The loader leaves the mark out that some files begin with.
    if written.starts_with(BYTE_ORDER_MARK) {
        for machine in machines.iter_mut().filter(|machine| machine.file.is_none()) {
            move_spans(&mut machine.root, MARK);
            machine.text = written.into();
        }
    }
    Analysis {
        text: text.clone(),
        machines,
        files: files.into_inner(),
        path: path.to_owned(),
        said,
        unchecked,
        complaints: OnceCell::new(),
    }
}

/// Analyses a test file: it has cases, and no machine of its own.
fn test_file(text: &Text, path: &Path, read: &ReadFile<'_>) -> Analysis {
    let files = RefCell::new(BTreeSet::new());
    let noted = |file: &Path| {
        files.borrow_mut().insert(file.to_owned());
        read(file)
    };
    let file = path.display().to_string();
    let complaints = match samples::load_text(text.as_str(), path, &noted) {
        Ok(_) => Vec::new(),
        Err(complaints) => complaints,
    };
    let said = complaints.into_iter().map(|complaint| Complaints {
        file: (complaint.file != file).then(|| PathBuf::from(complaint.file)),
        text: complaint.text,
        diagnostics: vec![complaint.diagnostic],
    });
    let said = said.collect();
    Analysis {
        text: text.clone(),
        machines: Vec::new(),
        files: files.into_inner(),
        path: path.to_owned(),
        said,
        unchecked: Vec::new(),
        complaints: OnceCell::new(),
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The length of the mark.
const MARK: u32 = 3;

fn shift(span: &mut Span, by: u32) {
    span.start += by;
    span.end += by;
}

fn move_spans(node: &mut Node, by: u32) {
    shift(&mut node.span, by);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => items.iter_mut().for_each(|item| move_spans(item, by)),
        Value::Object(members) => {
            for member in members {
                shift(&mut member.key_span, by);
                move_spans(&mut member.value, by);
            }
        }
    }
}

/// Reads a document, and notes the files that it names.
fn load(
    text: &str,
    path: &Path,
    read: &ReadFile<'_>,
    files: &RefCell<BTreeSet<PathBuf>>,
) -> Loaded {
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = |name: &str| {
        let path = folder.join(name);
        files.borrow_mut().insert(path.clone());
        let leaves = |part: Component<'_>| part == Component::ParentDir;
        if Path::new(name).is_absolute() || Path::new(name).components().any(leaves) {
            return Err(format!("{} is not in the folder of this file", path.display()));
        }
        read(&path)
    };
    let file = path.display().to_string();
    let options = LoadOptions { file: &file, read: Some(&beside), ..LoadOptions::default() };
    stepwright_asl::load(text.as_bytes(), &options)
}

/// The state machines of a text, and nothing else of it.
pub(crate) fn machines_of(text: &str, path: &Path, read: &ReadFile<'_>) -> Vec<Machine> {
    if is_project(path) {
        return Vec::new();
    }
    let files = RefCell::default();
    let load = |text: &str| load(text, path, read, &files);
    machines(load(text), text, path, &load)
}

/// The state machines of a text that was loaded; if it could not be read, those of the repaired one.
fn machines(
    loaded: Loaded,
    text: &str,
    path: &Path,
    load: &dyn Fn(&str) -> Loaded,
) -> Vec<Machine> {
    let file = path.display().to_string();
    let machine = |named: NamedDefinition| Machine {
        name: named.logical_id.or(named.name),
        file: (named.file != file).then(|| PathBuf::from(named.file)),
        text: named.definition.text,
        root: named.definition.root,
    };
    let is_broken =
        loaded.has_errors() && loaded.definitions.iter().all(|named| named.file != file);
    if !is_broken {
        return loaded.definitions.into_iter().map(machine).collect();
    }
    let repaired = stepwright_asl::repair(text, &file);
    let mut machines: Vec<Machine> =
        load(repaired.text()).definitions.into_iter().map(machine).collect();
    for machine in machines.iter_mut().filter(|machine| machine.file.is_none()) {
        repaired.move_spans(&mut machine.root);
        machine.text = text.into();
    }
    machines
}

impl Analysis {
    /// The state machines whose places are in the document.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.file.is_none())
    }

    /// What is wrong, by the file in which it is: what `stepwright check` says.
    pub(crate) fn complaints(&self) -> &[Complaints] {
        self.complaints.get_or_init(|| self.check())
    }

    fn check(&self) -> Vec<Complaints> {
        let file = self.path.display().to_string();
        let mut complaints = self.said.clone();
        for named in &self.unchecked {
            let options = CheckOptions { express: named.express, ..CheckOptions::default() };
            complaints.push(Complaints {
                file: (named.file != file).then(|| PathBuf::from(&named.file)),
                text: named.definition.text.clone(),
                diagnostics: stepwright_program::check_named(named, &options),
            });
        }
        if self.text.as_str().starts_with(BYTE_ORDER_MARK) {
            for complaint in complaints.iter_mut().filter(|complaint| complaint.file.is_none()) {
                complaint.text = self.text.as_str().into();
                for diagnostic in &mut complaint.diagnostics {
                    diagnostic.move_by(MARK);
                }
            }
        }
        complaints
    }
}
