//! Test files.

mod case;
mod expect;
pub(crate) mod fields;
mod machines;

pub use case::Case;
pub use expect::{
    ExecutionExpectations, Expectations, StateExpectations, Step, Wanted, WantedCause,
};
pub use machines::Machine;

use fields::Complaints;
use machines::Source;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_asl::{Complaint, Definition, LoadOptions, NamedDefinition, ReadFile, read_data};
use stepwright_json::Json;
use stepwright_json::tree::{Member, Node};
use stepwright_program::{CheckOptions, Program};
use stepwright_source::{Diagnostic, LineIndex};

/// The endings of test files.
pub const ENDINGS: [&str; 3] = [".test.yaml", ".test.yml", ".test.json"];

/// A test file that was read: a compiled definition and the cases for it.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// The name of the file.
    pub file: String,
    /// The name of the definition's file, from where the test file stands; empty for a definition
    /// in the test file itself.
    pub definition_file: String,
    /// The definition.
    pub named: NamedDefinition,
    /// The definition, compiled once for all cases.
    pub program: Arc<Program>,
    /// The state machines: first the one that is tested, then those whose executions its tasks may
    /// start.
    pub machines: Vec<Machine>,
    /// The `stepwright.toml` it names.
    pub config: Option<String>,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

const KEYS: [&str; 7] =
    ["definition", "state_machine", "values", "machines", "config", "defaults", "cases"];

/// The definitions that are looked for beside a test file that names none.
const BESIDE: [&str; 7] = [".asl.json", ".asl.yaml", ".asl.yml", ".json", ".yaml", ".py", ".sfn"];

/// Reads a test file. `read` gives the bytes of a file that is named in it, relative to where it
/// stands. Everything that is wrong is said at once.
pub fn load(file: &str, text: &str, read: &ReadFile<'_>) -> Result<TestFile, Vec<Complaint>> {
    let mut reader =
        Reader { file, text: text.into(), read, found: Complaints::default(), others: Vec::new() };
    let loaded = reader.load();
    match loaded {
        Some(loaded) if reader.found.0.is_empty() && reader.others.is_empty() => Ok(loaded),
        _ => Err(reader.complaints()),
    }
}

/// The name of a test file up to its ending: `order` for `tests/order.test.yaml`.
pub fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or_else(|| name.split('.').next().unwrap_or(name))
}

struct Reader<'r> {
    file: &'r str,
    text: Arc<str>,
    read: &'r ReadFile<'r>,
    /// What is wrong with the test file.
    found: Complaints,
    /// What is wrong with files it names.
    others: Vec<Complaint>,
}

impl Reader<'_> {
    fn complaints(self) -> Vec<Complaint> {
        let own = self.found.0.into_iter().map(|diagnostic| Complaint {
            file: self.file.to_owned(),
            text: self.text.clone(),
            diagnostic,
        });
        own.chain(self.others).collect()
    }

    fn load(&mut self) -> Option<TestFile> {
        let root = match read_data(&self.text, self.file) {
            Ok(root) => root,
            Err(diagnostic) => {
                self.found.0.push(*diagnostic);
                return None;
            }
        };
        let members = self.found.members(&root, "a test file", &KEYS);
        let get = |key: &str| members.iter().find(|member| member.key == key);
        let mut config = None;
        if let Some(member) = get("config") {
            config = self.found.text(&member.value, "`config`").map(str::to_owned);
        }
        let Source { file: definition_file, named, others } = self.definition(
            &root,
            get("definition").copied(),
            get("state_machine").copied(),
            get("values").copied(),
        )?;
        let program = Arc::new(self.compile(&named)?);
        let name = named.name.clone().or_else(|| named.logical_id.clone());
        let name = name.unwrap_or_else(|| stem(self.file).to_owned());
        let (file, main) = (definition_file.clone(), named.clone());
        let mut machines = vec![Machine::new(name, file, main, Arc::clone(&program))];
        machines.extend(self.machines(get("machines").copied(), &definition_file, others));
        let around = case::Around { program: &program, machines: &machines };
        let mut defaults = case::Draft::default();
        if let Some(member) = get("defaults") {
            defaults = case::draft(self, &around, &member.value, true);
        }
        let Some(cases) = get("cases") else {
            self.found.add_with_help(
                root.span,
                "a test file needs `cases`",
                "write `cases:` and below it `- name: …`, `input: …`, `expect: …`",
            );
            return None;
        };
        if cases.value.items().is_empty() {
            self.found.add(cases.value.span, "`cases` is a list with at least one case");
        }
        let lines = LineIndex::new(&self.text);
        let mut read: Vec<Case> = Vec::new();
        for item in cases.value.items() {
            let draft = case::draft(self, &around, item, false);
            let mut case = case::finish(self, &around, item, draft, &defaults);
            case.line = lines.span(&self.text, case.name_span).0.line as usize;
            if let Some(other) = read.iter().find(|other| other.name == case.name) {
                let message = format!("two cases are named `{}`", other.name);
                self.found.add(case.name_span, message);
            }
            read.push(case);
        }
        let file = self.file.to_owned();
        Some(TestFile { file, definition_file, named, program, machines, config, cases: read })
    }

    fn definition(
        &mut self,
        root: &Node,
        definition: Option<&Member>,
        state_machine: Option<&Member>,
        values: Option<&Member>,
    ) -> Option<Source> {
        let values = self.values(values);
        let (name, bytes) = match definition.map(|member| &member.value) {
            Some(node) if node.is_object() => {
                let named = self.inline(node, values.as_ref());
                return Some(Source { file: String::new(), named, others: Vec::new() });
            }
            Some(node) => {
                let name = self.found.text(node, "`definition`")?;
                match (self.read)(name) {
                    Ok(bytes) => (name.to_owned(), bytes),
                    Err(why) => {
                        self.found.add(node.span, format!("the definition cannot be read: {why}"));
                        return None;
                    }
                }
            }
            None => {
                let stem = stem(self.file);
                let names = BESIDE.iter().map(|ending| format!("{stem}{ending}"));
                let found =
                    names.clone().find_map(|name| Some((name.clone(), (self.read)(&name).ok()?)));
                let Some(found) = found else {
                    let tried = names.collect::<Vec<_>>().join(", ");
                    self.found.add_with_help(
                        first_line(root, &self.text),
                        "there is no definition to test",
                        format!("write `definition: FILE`; none of {tried} can be read"),
                    );
                    return None;
                };
                found
            }
        };
        let options = LoadOptions {
            file: &name,
            values: values.as_ref(),
            read: Some(&|path: &str| (self.read)(&stepwright_asl::beside(&name, path))),
            machine_arn: Some(&machines::arn),
            ..LoadOptions::default()
        };
        let loaded = stepwright_asl::load(&bytes, &options);
        if loaded.has_errors() {
            self.others.extend(loaded.complaints);
            return None;
        }
        let is_project = [".py", ".sfn"].iter().any(|ending| name.ends_with(ending));
        let wanted = match state_machine {
            Some(member) => Some(self.found.text(&member.value, "`state_machine`")?),
            None => is_project.then_some("main"),
        };
        if let Some(found) = loaded.find(wanted) {
            let named = found.clone();
            let others = loaded.definitions.iter().filter(|other| !std::ptr::eq(*other, found));
            return Some(Source { file: name, named, others: others.cloned().collect() });
        }
        let names: Vec<&str> = loaded
            .definitions
            .iter()
            .filter_map(|found| found.logical_id.as_deref().or(found.name.as_deref()))
            .collect();
        let span = state_machine.or(definition).map_or(root.span, |member| member.value.span);
        let message = match wanted {
            Some(wanted) => format!("{name} holds no state machine `{wanted}`"),
            None => format!("{name} does not hold exactly one state machine"),
        };
        let help = format!("write `state_machine: NAME`; it holds {}", names.join(", "));
        self.found.add_with_help(span, message, help);
        None
    }

    /// A definition in the test file itself: its places are those of the test file.
    fn inline(&self, node: &Node, values: Option<&BTreeMap<String, String>>) -> NamedDefinition {
        let mut definition = Definition::new(self.text.clone(), node.clone());
        if let Some(values) = values.filter(|values| !values.is_empty()) {
            // What is filled in stands nowhere, so that the places are lost.
            let options =
                LoadOptions { file: self.file, values: Some(values), ..LoadOptions::default() };
            let text = node.to_json().to_string();
            if let Some(found) = stepwright_asl::load(text.as_bytes(), &options).definitions.pop() {
                definition = found.definition;
            }
        }
        NamedDefinition::new(None, self.file.to_owned(), definition)
    }

    fn values(&mut self, member: Option<&Member>) -> Option<BTreeMap<String, String>> {
        let node = &member?.value;
        if !node.is_object() {
            self.found.add(node.span, "`values` is an object: names and what they stand for");
        }
        let values = node.members().iter().map(|member| {
            let value = match member.value.to_json() {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            (member.key.to_string(), value)
        });
        Some(values.collect())
    }

    fn compile(&mut self, named: &NamedDefinition) -> Option<Program> {
        let options = CheckOptions { express: named.express, ..CheckOptions::default() };
        let checked = stepwright_program::check_and_compile(&named.definition, &options);
        if checked.program.is_some() {
            return checked.program;
        }
        let errors = checked.diagnostics.into_iter().filter(Diagnostic::is_error);
        self.others.extend(errors.map(|diagnostic| Complaint {
            file: named.file.clone(),
            text: named.definition.text.clone(),
            diagnostic,
        }));
        None
    }

    /// A data file that the test file names at `node`.
    fn data(&mut self, node: &Node, what: &str) -> Option<(String, Arc<str>, Node)> {
        let name = self.found.text(node, what)?.to_owned();
        let bytes = match (self.read)(&name) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.found.add(node.span, format!("{what} cannot be read: {why}"));
                return None;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.found.add(node.span, format!("{name} is not UTF-8 text"));
            return None;
        };
        match read_data(&text, &name) {
            Ok(root) => Some((name, text.into(), root)),
            Err(diagnostic) => {
                let diagnostic = *diagnostic;
                self.others.push(Complaint { file: name, text: text.into(), diagnostic });
                None
            }
        }
    }
}

/// The first line of a node: a whole file is pointed at by its beginning.
fn first_line(node: &Node, text: &str) -> stepwright_source::Span {
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    let line = text.get(start..end).and_then(|text| text.find('\n')).unwrap_or(end - start);
    stepwright_source::Span { start: node.span.start, end: node.span.start + line as u32 }
}
