use crate::assembled::Assembled;
use crate::definition::Definition;
use crate::substitute::{has_placeholder, release, substitute};
use crate::template::{self, Body, Found};
use crate::yaml;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use stepwright_json::tree::{self, Node, Value};
use stepwright_json::{Json, Limits, Str, Syntax, jackson};
use stepwright_source::{Diagnostic, Span};

/// How a file is read.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// The name of the file. Its extension decides the format; files that it names are looked up
    /// relative to it.
    pub file: &'a str,
    /// Values for `${Name}`, and in templates for parameters, `Ref`s and `GetAtt`s
    /// (`Worker.Arn`).
    pub values: Option<&'a BTreeMap<String, String>>,
    /// Reads a file that a template names, by its path relative to the template.
    pub read: Option<&'a ReadFile<'a>>,
    /// Returns the ARN of a state machine by its name. With it, references of a template to its own
    /// state machines (`Ref`, `GetAtt`) can be resolved, for callers that run all of them.
    pub machine_arn: Option<&'a MachineArn<'a>>,
}

/// Returns the ARN of a state machine by its name.
pub type MachineArn<'a> = dyn Fn(&str) -> String + 'a;

/// Returns the contents of a file, or why it cannot be read.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The contents of a file.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Its state machines, in order. Only templates can have more than one.
    pub definitions: Vec<NamedDefinition>,
    /// What is wrong with the file, or with the files that it names.
    pub complaints: Vec<Complaint>,
}

impl Loaded {
    /// Whether any complaint is an error.
    pub fn has_errors(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.diagnostic.is_error())
    }

    /// The state machine with this name or logical id. Without a name, the only state machine.
    pub fn find(&self, name: Option<&str>) -> Option<&NamedDefinition> {
        match (name, &self.definitions[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|definition| {
                definition.name.as_deref() == Some(name)
                    || definition.logical_id.as_deref() == Some(name)
            }),
        }
    }
}

/// A state machine of a file.
#[derive(Clone, Debug)]
pub struct NamedDefinition {
    /// The name a template gives it.
    pub name: Option<String>,
    /// Its logical id in a template.
    pub logical_id: Option<String>,
    /// Whether a template says that it is an Express workflow.
    pub express: bool,
    /// `loggingConfiguration` as the API takes it, if a template has one.
    pub logging: Option<Json>,
    /// Whether a template enables tracing for it.
    pub is_traced: bool,
    /// The file that the places in the definition point into.
    pub file: String,
    /// The definition.
    pub definition: Definition,
}

impl NamedDefinition {
    /// A definition that does not come from a template.
    pub fn new(name: Option<String>, file: String, definition: Definition) -> Self {
        Self {
            name,
            logical_id: None,
            express: false,
            logging: None,
            is_traced: false,
            file,
            definition,
        }
    }
}

/// A diagnostic, and the text it points into.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    /// The name of the file.
    pub file: String,
    /// Its text.
    pub text: Arc<str>,
    /// What is wrong.
    pub diagnostic: Diagnostic,
}

/// Reads the state machines of a file: a definition in JSON, JSON with comments or YAML, or a
/// template with state machines. Never fails: what cannot be read is reported as a complaint.
pub fn load(bytes: &[u8], options: &LoadOptions<'_>) -> Loaded {
    let mut loader = Loader { options, loaded: Loaded::default() };
    let empty = BTreeMap::new();
    let values = options.values.unwrap_or(&empty);
    loader.file(options.file, bytes, values);
    loader.loaded
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Comments,
    Yaml,
}

impl Format {
    /// Determined by the extension of the name, otherwise by the beginning of the text.
    pub(crate) fn of(file: &str, text: &str) -> Self {
        let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("json" | "asl") => Self::Json,
            Some("jsonc" | "json5") => Self::Comments,
            Some("yaml" | "yml") => Self::Yaml,
            _ => match text.trim_start() {
                text if text.starts_with(['{', '[']) => Self::Json,
                text if text.starts_with("//") || text.starts_with("/*") => Self::Comments,
                _ => Self::Yaml,
            },
        }
    }
}

struct Loader<'o> {
    options: &'o LoadOptions<'o>,
    loaded: Loaded,
}

impl Loader<'_> {
    fn file(&mut self, file: &str, bytes: &[u8], values: &BTreeMap<String, String>) {
        let Some(text) = self.text(file, bytes) else { return };
        let mut raw = Assembled::default();
        raw.push_verbatim(&text, 0);
        // A template is read unchanged, because `${…}` in it belongs to `Fn::Sub` first.
        let (complaints, read) = read(&raw, Format::of(file, &text));
        if let Some(root) = read.as_ref().filter(|root| template::is_template(root)) {
            self.complain(file, &text, complaints);
            return self.template(file, &text, root);
        }
        self.definition(file, &text, raw, values, None);
    }

    /// The text of a file, if it is valid UTF-8.
    fn text(&mut self, file: &str, bytes: &[u8]) -> Option<Arc<str>> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.into()),
            Err(error) => {
                let at = error.valid_up_to();
                let text: Arc<str> = String::from_utf8_lossy(bytes).into();
                let diagnostic =
                    Diagnostic::error("INVALID_JSON_DESCRIPTION", "The text is not UTF-8")
                        .span(Span::new(at, at + 1))
                        .label("this byte begins no character");
                self.complain(file, &text, vec![diagnostic]);
                None
            }
        }
    }

    fn complain(&mut self, file: &str, text: &Arc<str>, diagnostics: Vec<Diagnostic>) {
        self.loaded.complaints.extend(diagnostics.into_iter().map(|diagnostic| Complaint {
            file: file.to_owned(),
            text: text.clone(),
            diagnostic,
        }));
    }

    /// Substitutes values, parses the text, and adds the definition.
    fn definition(
        &mut self,
        file: &str,
        text: &Arc<str>,
        raw: Assembled,
        values: &BTreeMap<String, String>,
        found: Option<&Found>,
    ) {
        let substituted = match substitute(raw, values) {
            Ok(substituted) => release(substituted),
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("substitution-cycle", error.message).span(error.span);
                return self.complain(file, text, vec![diagnostic]);
            }
        };
        // The format of a text inside a template is determined by its own content.
        let format = if found.is_some() && !has_own_file(found) {
            Format::of("", &substituted.text)
        } else {
            Format::of(file, &substituted.text)
        };
        let (complaints, root) = read(&substituted, format);
        self.complain(file, text, complaints);
        if let Some(root) = root {
            self.keep(file, text, root, found);
        }
    }

    fn keep(&mut self, file: &str, text: &Arc<str>, root: Node, found: Option<&Found>) {
        self.loaded.definitions.push(NamedDefinition {
            name: found.and_then(|found| found.name.clone()),
            logical_id: found.map(|found| found.logical_id.clone()),
            express: found.is_some_and(|found| found.express),
            logging: found.and_then(|found| found.logging.clone()),
            is_traced: found.is_some_and(|found| found.is_traced),
            file: file.to_owned(),
            definition: Definition { text: text.clone(), root },
        });
    }

    fn template(&mut self, file: &str, text: &Arc<str>, root: &Node) {
        let empty = BTreeMap::new();
        let values = self.options.values.unwrap_or(&empty);
        let machines = template::state_machines(root, text, values, self.options.machine_arn);
        if machines.is_empty() {
            let diagnostic =
                Diagnostic::error("no-state-machine", "The template holds no state machine")
                    .help("a state machine is a resource of type AWS::StepFunctions::StateMachine or AWS::Serverless::StateMachine");
            return self.complain(file, text, vec![diagnostic]);
        }
        for found in &machines {
            let mut values = values.clone();
            values.extend(found.substitutions.clone());
            match &found.body {
                Body::Tree(tree) => self.tree(file, text, tree, &values, found),
                Body::Text(assembled) => {
                    self.definition(file, text, assembled.clone(), &values, Some(found));
                }
                Body::File(path, span) => self.named_file(file, text, path, *span, &values, found),
                Body::Nothing(why, span) => {
                    let message =
                        format!("The state machine `{}` cannot be read: {why}", found.logical_id);
                    let diagnostic = Diagnostic::warning("no-definition", message).span(*span);
                    self.complain(file, text, vec![diagnostic]);
                }
            }
        }
    }

    fn tree(
        &mut self,
        file: &str,
        text: &Arc<str>,
        tree: &Node,
        values: &BTreeMap<String, String>,
        found: &Found,
    ) {
        let mut tree = tree.clone();
        let replaced = template::map_texts(&mut tree, &|text, span| {
            if !has_placeholder(text) {
                return Ok(None);
            }
            let mut raw = Assembled::default();
            raw.push_fixed(text, span);
            substitute(raw, values).map(|substituted| Some(release(substituted).text))
        });
        if let Err(error) = replaced {
            let diagnostic =
                Diagnostic::error("substitution-cycle", error.message).span(error.span);
            return self.complain(file, text, vec![diagnostic]);
        }
        self.keep(file, text, tree, Some(found));
    }

    fn named_file(
        &mut self,
        file: &str,
        text: &Arc<str>,
        path: &str,
        span: Span,
        values: &BTreeMap<String, String>,
        found: &Found,
    ) {
        let path = beside(file, path);
        let read = match self.options.read {
            Some(read) => read(&path),
            None => Err("no files are read here".to_owned()),
        };
        match read {
            Ok(bytes) => {
                let Some(text) = self.text(&path, &bytes) else { return };
                let mut raw = Assembled::default();
                raw.push_verbatim(&text, 0);
                self.definition(&path, &text, raw, values, Some(found));
            }
            Err(why) => {
                let message = format!("`{path}` cannot be read");
                let diagnostic =
                    Diagnostic::error("unreadable-file", message).span(span).label(why);
                self.complain(file, text, vec![diagnostic]);
            }
        }
    }
}

fn has_own_file(found: Option<&Found>) -> bool {
    found.is_some_and(|found| matches!(found.body, Body::File(..)))
}

/// The path of a file that is named in `file`, relative to it.
fn beside(file: &str, path: &str) -> String {
    let path = path.trim_start_matches("./");
    match file.rfind(['/', '\\']) {
        Some(at) if !path.starts_with('/') => format!("{}{path}", &file[..=at]),
        _ => path.to_owned(),
    }
}

/// Parses a text. If the tree is missing, there is an error among the diagnostics.
fn read(text: &Assembled, format: Format) -> (Vec<Diagnostic>, Option<Node>) {
    let (mut diagnostics, root) = match format {
        Format::Yaml => read_yaml(&text.text),
        Format::Json => read_json(&text.text),
        Format::Comments => match tree::parse(&text.text, Syntax::Comments, Limits::default()) {
            Ok(root) => (duplicate_keys(&root), Some(root)),
            Err(error) => {
                let diagnostic = Diagnostic::error("INVALID_JSON_DESCRIPTION", error.message);
                (vec![diagnostic.span(error.span)], None)
            }
        },
    };
    for diagnostic in &mut diagnostics {
        diagnostic.span = diagnostic.span.map(|span| text.source(span));
        for label in &mut diagnostic.labels {
            label.span = text.source(label.span);
        }
    }
    let root = root.map(|mut root| {
        text.move_spans(&mut root);
        root
    });
    (diagnostics, root)
}

fn read_yaml(text: &str) -> (Vec<Diagnostic>, Option<Node>) {
    let document = match yaml::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let message = format!("The text is not YAML: {}", error.message);
            return (vec![Diagnostic::error("invalid-yaml", message).span(error.span)], None);
        }
    };
    // Deployment tools use the last of two resources with the same key. In a definition, a state
    // would be lost.
    let template = template::is_template(&document.root);
    let diagnostic = |(key, span): (Str, Span)| {
        let message = format!("The key `{key}` comes twice");
        let diagnostic = if template {
            Diagnostic::warning("duplicate-key", message)
        } else {
            Diagnostic::error("duplicate-key", message)
        };
        diagnostic.span(span).label("this one counts")
    };
    (document.duplicates.into_iter().map(diagnostic).collect(), Some(document.root))
}

fn read_json(text: &str) -> (Vec<Diagnostic>, Option<Node>) {
    let error = match tree::parse(text, Syntax::Strict, Limits::default()) {
        Ok(root) => return (duplicate_keys(&root), Some(root)),
        Err(error) => error,
    };
    if let Ok(root) = tree::parse(text, Syntax::Comments, Limits::default()) {
        let diagnostic = Diagnostic::warning(
            "json-with-comments",
            "AWS takes neither comments nor trailing commas in JSON",
        )
        .span(error.span)
        .help("deploy it without them, or end the file's name in .jsonc if a tool strips them");
        let mut diagnostics = duplicate_keys(&root);
        diagnostics.push(diagnostic);
        return (diagnostics, Some(root));
    }
    (vec![invalid_json(text, error)], None)
}

/// The diagnostic of AWS for a text that is not JSON.
fn invalid_json(text: &str, error: stepwright_json::ParseError) -> Diagnostic {
    let diagnostic = match jackson::complaint(text) {
        Some(complaint) => Diagnostic::error("INVALID_JSON_DESCRIPTION", complaint.to_string())
            .at(complaint.location),
        None => Diagnostic::error("INVALID_JSON_DESCRIPTION", error.message.clone()),
    };
    diagnostic.span(error.span).label(error.message)
}

/// Finds keys that occur twice in one object, of which JSON uses the last.
fn duplicate_keys(root: &Node) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::Scalar(_) => {}
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(members) => {
                let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
                for member in members {
                    if let Some(first) = seen.insert(&member.key, member.key_span) {
                        let message = format!("The key `{}` comes twice", member.key);
                        found.push(
                            Diagnostic::warning("duplicate-key", message)
                                .span(member.key_span)
                                .label("this one counts")
                                .also(first, "it stands here before"),
                        );
                    }
                }
                open.extend(members.iter().rev().map(|member| &member.value));
            }
        }
    }
    found
}

impl Definition {
    /// Reads a definition as AWS's API does: as JSON, ignoring everything after the first value.
    /// The diagnostic is AWS's.
    pub fn from_api(text: &str) -> Result<Self, Box<Diagnostic>> {
        let not_an_object = || {
            let message = "Definition must be a valid JSON object";
            let span = Span::new(0, text.len());
            Box::new(Diagnostic::error("SCHEMA_VALIDATION_FAILED", message).span(span))
        };
        if text.trim().is_empty() {
            return Err(not_an_object());
        }
        let root = match tree::parse(text, Syntax::Strict, Limits::default()) {
            Ok(root) => root,
            Err(error) if jackson::complaint(text).is_some() => {
                return Err(Box::new(invalid_json(text, error)));
            }
            Err(error) => {
                let end = text.floor_char_boundary(error.span.start as usize);
                tree::parse(&text[..end], Syntax::Strict, Limits::default())
                    .map_err(|_| Box::new(invalid_json(text, error)))?
            }
        };
        if root.is_object() { Ok(Self { text: text.into(), root }) } else { Err(not_an_object()) }
    }
}
