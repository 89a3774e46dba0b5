use crate::assembled::Assembled;
use crate::bare;
use crate::definition::Definition;
use crate::serverless::{Source, Unread};
use crate::substitute::{SubstitutionError, has_placeholder, placeholders, release, substitute};
use crate::template::{self, Body, Found, Machines};
use crate::terraform;
use crate::yaml;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use stepwright_json::tree::{self, Node, Value};
use stepwright_json::{Json, Limits, Str, Syntax, jackson};
use stepwright_source::{Diagnostic, Span, did_you_mean, is_allowed};

/// How a file is read.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// The name of the file. Its extension decides the format; files that it names are looked up
    /// relative to it.
    pub file: &'a str,
    /// Values for `${Name}`, and in templates for parameters, `Ref`s and `GetAtt`s
    /// (`Worker.Arn`).
    pub values: Option<&'a BTreeMap<String, String>>,
    /// What `Ref` (`Worker`) and `GetAtt` (`Worker.Arn`) of a template give, if its resources are
    /// there. Unlike `values`, these do not replace anything else that has such a name.
    pub resources: Option<&'a BTreeMap<String, String>>,
    /// Reads a file that the file names, by its path relative to the file (see [`beside`]).
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
    /// The definition as it is if each `Fn::If` of the template goes the other way. To be checked
    /// as well.
    pub alternative: Option<Definition>,
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
            alternative: None,
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
    let mut loader = Loader { options, loaded: Loaded::default(), template: None };
    let empty = BTreeMap::new();
    let values = options.values.unwrap_or(&empty);
    loader.file(options.file, bytes, values);
    loader.loaded.complaints.retain(|one| !is_allowed(&one.text, &one.diagnostic));
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
            // What a tool makes a definition of has the ending of the tool behind its own.
            Some("j2" | "jinja" | "jinja2" | "tmpl" | "tpl" | "tftpl" | "template") => {
                let inner = file.rsplit_once('.').map_or("", |(inner, _)| inner);
                Self::of(inner, text)
            }
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
    /// The name and the text of the template.
    template: Option<(String, Arc<str>)>,
}

/// A text, and what is known of its `${Name}`.
struct Filled<'v> {
    values: &'v BTreeMap<String, String>,
    /// The state machine of the template that the text belongs to.
    found: Option<&'v Found>,
    /// Names that a template wants to reach AWS.
    escaped: Option<&'v BTreeSet<String>>,
}

impl Loader<'_> {
    fn file(&mut self, file: &str, bytes: &[u8], values: &BTreeMap<String, String>) {
        let Some(text) = self.text(file, bytes) else { return };
        if terraform::is_terraform(file) {
            return self.terraform(file, &text, values);
        }
        let mut raw = Assembled::default();
        raw.push_verbatim(&text, 0);
        // A template is read unchanged, because `${…}` in it belongs to `Fn::Sub` first.
        let (complaints, read) = read(&raw, Format::of(file, &text), Strictness::File);
        if let Some(root) = read.as_ref().filter(|root| template::is_template(root)) {
            self.complain(file, &text, complaints);
            return self.template(file, &text, root);
        }
        let filled = Filled { values, found: None, escaped: None };
        self.definition(file, &text, raw, &filled);
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

    /// The definitions in texts of a Terraform configuration.
    fn terraform(&mut self, file: &str, text: &Arc<str>, values: &BTreeMap<String, String>) {
        let (texts, complaints) = terraform::definitions(text);
        self.complain(file, text, complaints);
        for (name, raw) in texts {
            let filled = Filled { values, found: None, escaped: None };
            let before = self.loaded.definitions.len();
            self.definition("", text, raw, &filled);
            for named in &mut self.loaded.definitions[before..] {
                file.clone_into(&mut named.file);
                named.logical_id = Some(name.clone());
            }
            for complaint in &mut self.loaded.complaints {
                if complaint.file.is_empty() {
                    file.clone_into(&mut complaint.file);
                }
            }
        }
    }

    /// Substitutes values, parses the text, and adds the definition.
    fn definition(&mut self, file: &str, text: &Arc<str>, raw: Assembled, filled: &Filled<'_>) {
        let before = raw.clone();
        let substituted = match substitute(raw, filled.values) {
            Ok(substituted) => substituted,
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("substitution-cycle", error.message).span(error.span);
                return self.complain(file, text, vec![diagnostic]);
            }
        };
        let left: Vec<(String, Span)> = placeholders(&substituted.text)
            .map(|(name, at)| {
                (name.to_owned(), substituted.source(Span::new(at, at + name.len() + 3)))
            })
            .collect();
        let substituted = release(substituted);
        // The format of a text inside a template is determined by its own content.
        let is_embedded = filled.found.is_some_and(|found| !matches!(found.body, Body::File(..)));
        let (format, strictness) = if is_embedded {
            (Format::of("", &substituted.text), Strictness::Embedded)
        } else {
            (Format::of(file, &substituted.text), Strictness::File)
        };
        let (complaints, root) = read(&substituted, format, strictness);
        self.complain(file, text, complaints);
        if let Some(root) = root {
            let used = |name: &str| before.text.contains(&format!("${{{name}}}"));
            let literals = self.literals(file, text, left, &used, filled);
            self.keep(file, text, root, literals, filled.found);
        }
    }

    /// What is left of `${Name}` in a definition of a template. Says which of them nothing will
    /// fill in, and which substitutions are not used.
    fn literals(
        &mut self,
        file: &str,
        text: &Arc<str>,
        left: Vec<(String, Span)>,
        is_used: &dyn Fn(&str) -> bool,
        filled: &Filled<'_>,
    ) -> BTreeSet<String> {
        let Some(found) = filled.found.filter(|found| found.is_closed) else {
            return BTreeSet::new();
        };
        let mut complaints = Vec::new();
        let mut literals = BTreeSet::new();
        for (name, span) in left {
            let is_escaped = filled.escaped.is_some_and(|escaped| escaped.contains(&name));
            if !is_escaped {
                let message = format!(
                    "The template gives `${{{name}}}` no value, so that AWS gets the text as it is"
                );
                let known = filled.values.keys().map(String::as_str);
                let diagnostic = Diagnostic::warning("unknown-substitution", message).span(span);
                complaints.push(match did_you_mean(&name, known) {
                    Some(near) => {
                        diagnostic.meant(&format!("${{{name}}}"), &format!("${{{near}}}"))
                    }
                    None => diagnostic.help(
                        "give it a value in `DefinitionSubstitutions`, or put the text into \
                         `Fn::Sub`",
                    ),
                });
            }
            literals.insert(name);
        }
        self.complain(file, text, complaints);
        let values = |name: &str| {
            let name = format!("${{{name}}}");
            found.substitutions.values().any(|value| value.contains(&name))
        };
        let unused = found.substituted.iter().filter(|(name, _)| !is_used(name) && !values(name));
        let unused = unused.map(|(name, span)| {
            let message = format!("`{name}` is substituted nowhere in the definition");
            Diagnostic::warning("unused-substitution", message).span(*span)
        });
        let unused: Vec<Diagnostic> = unused.collect();
        if let Some((file, text)) = self.template.clone() {
            self.complain(&file, &text, unused);
        }
        literals
    }

    fn keep(
        &mut self,
        file: &str,
        text: &Arc<str>,
        root: Node,
        literals: BTreeSet<String>,
        found: Option<&Found>,
    ) {
        self.loaded.definitions.push(NamedDefinition {
            name: found.and_then(|found| found.name.clone()),
            logical_id: found.map(|found| found.logical_id.clone()),
            express: found.is_some_and(|found| found.express),
            logging: found.and_then(|found| found.logging.clone()),
            is_traced: found.is_some_and(|found| found.is_traced),
            file: file.to_owned(),
            definition: Definition { text: text.clone(), root, literals: literals.into() },
            alternative: None,
        });
    }

    fn template(&mut self, file: &str, text: &Arc<str>, root: &Node) {
        let empty = BTreeMap::new();
        let values = self.options.values.unwrap_or(&empty);
        let source = Source { file: file.to_owned(), text: text.clone() };
        let Machines { found: machines, unread, escaped } =
            template::state_machines(root, source, values, self.options);
        self.template = Some((file.to_owned(), text.clone()));
        if machines.is_empty() && unread.is_empty() {
            let diagnostic =
                Diagnostic::error("no-state-machine", "The template holds no state machine")
                    .help("a state machine is a resource of type AWS::StepFunctions::StateMachine or AWS::Serverless::StateMachine");
            return self.complain(file, text, vec![diagnostic]);
        }
        for Unread { source, span, why } in unread {
            let message =
                format!("State machines of the Serverless Framework cannot be read: {why}");
            let diagnostic = Diagnostic::error("unreadable-file", message).span(span);
            self.complain(&source.file, &source.text, vec![diagnostic]);
        }
        for found in &machines {
            let mut values = values.clone();
            values.extend(found.substitutions.clone());
            let (file, text) = match &found.source {
                Some(source) => (source.file.as_str(), &source.text),
                None => (file, text),
            };
            let filled = Filled { values: &values, found: Some(found), escaped: Some(&escaped) };
            let before = self.loaded.definitions.len();
            self.body(file, text, &found.body, &filled);
            let Some(alternative) = &found.alternative else { continue };
            let complaints = self.loaded.complaints.len();
            let kept = self.loaded.definitions.len();
            self.body(file, text, alternative, &filled);
            // What is wrong with both is said once.
            let said = self.loaded.complaints[..complaints].to_vec();
            let mut at = 0;
            self.loaded.complaints.retain(|one| {
                at += 1;
                at <= complaints || !said.contains(one)
            });
            if kept > before {
                let other = self.loaded.definitions.drain(kept..).next();
                self.loaded.definitions[before].alternative = other.map(|one| one.definition);
            }
        }
    }

    fn body(&mut self, file: &str, text: &Arc<str>, body: &Body, filled: &Filled<'_>) {
        match body {
            Body::Tree(tree) => self.tree(file, text, tree, filled),
            Body::Text(assembled) => self.definition(file, text, assembled.clone(), filled),
            Body::File(path, span) => self.named_file(file, text, path, *span, filled),
            Body::Nothing(why, span) => {
                let name = filled.found.map_or("", |found| &found.logical_id);
                let message = format!("The state machine `{name}` cannot be read: {why}");
                let diagnostic = Diagnostic::warning("no-definition", message).span(*span);
                self.complain(file, text, vec![diagnostic]);
            }
        }
    }

    fn tree(&mut self, file: &str, text: &Arc<str>, tree: &Node, filled: &Filled<'_>) {
        let mut tree = tree.clone();
        let mut left = Vec::new();
        let mut used = BTreeSet::new();
        let replaced = template::map_texts(&mut tree, &mut |text, span| {
            if !has_placeholder(text) {
                return Ok(None);
            }
            used.extend(placeholders(text).map(|(name, _)| name.to_owned()));
            let mut raw = Assembled::default();
            raw.push_fixed(text, span);
            let substituted = substitute(raw, filled.values)?;
            left.extend(placeholders(&substituted.text).map(|(name, _)| (name.to_owned(), span)));
            Ok(Some(release(substituted).text))
        });
        if let Err(error) = replaced {
            let SubstitutionError { message, span } = error;
            let diagnostic = Diagnostic::error("substitution-cycle", message).span(span);
            return self.complain(file, text, vec![diagnostic]);
        }
        let literals = self.literals(file, text, left, &|name| used.contains(name), filled);
        self.keep(file, text, tree, literals, filled.found);
    }

    fn named_file(
        &mut self,
        file: &str,
        text: &Arc<str>,
        path: &str,
        span: Span,
        filled: &Filled<'_>,
    ) {
        let read = match self.options.read {
            Some(read) => read(path.trim_start_matches("./")),
            None => Err("no files are read here".to_owned()),
        };
        let path = beside(file, path);
        match read {
            Ok(bytes) => {
                let Some(text) = self.text(&path, &bytes) else { return };
                let mut raw = Assembled::default();
                raw.push_verbatim(&text, 0);
                self.definition(&path, &text, raw, filled);
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

/// The path of a file that is named in `file`, relative to it.
pub fn beside(file: &str, path: &str) -> String {
    let path = path.trim_start_matches("./");
    match file.rfind(['/', '\\']) {
        Some(at) if !path.starts_with('/') => format!("{}{path}", &file[..=at]),
        _ => path.to_owned(),
    }
}

/// Parses a file that another one includes. The error says where.
pub(crate) fn read_plain(text: &str, format: Format) -> Result<Node, String> {
    let mut whole = Assembled::default();
    whole.push_verbatim(text, 0);
    let (complaints, root) = read(&whole, format, Strictness::File);
    root.ok_or_else(|| {
        complaints.into_iter().next().map_or(String::new(), |complaint| complaint.message)
    })
}

/// How exactly a text must be JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A file of its own: a tool may take its comments out.
    File,
    /// A text within a template, which reaches AWS as it is.
    Embedded,
}

/// Parses a text. If the tree is missing, there is an error among the diagnostics.
pub(crate) fn read(
    text: &Assembled,
    format: Format,
    strictness: Strictness,
) -> (Vec<Diagnostic>, Option<Node>) {
    let (mut diagnostics, root) = match format {
        Format::Yaml => read_yaml(&text.text),
        Format::Json => read_json(&text.text, strictness),
        Format::Comments if strictness == Strictness::Embedded => read_json(&text.text, strictness),
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

fn read_json(text: &str, strictness: Strictness) -> (Vec<Diagnostic>, Option<Node>) {
    let error = match tree::parse(text, Syntax::Strict, Limits::default()) {
        Ok(root) => return (duplicate_keys(&root), Some(root)),
        Err(error) => error,
    };
    if strictness == Strictness::File
        && let Ok(root) = tree::parse(text, Syntax::Comments, Limits::default())
    {
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
    (bare::complaints(text).unwrap_or_else(|| vec![plainly_invalid(text, error)]), None)
}

/// As [`invalid_json`], without the text of the file, which is shown anyway.
fn plainly_invalid(text: &str, error: stepwright_json::ParseError) -> Diagnostic {
    let mut diagnostic = invalid_json(text, error);
    if let Some(complaint) = jackson::redacted_complaint(text) {
        diagnostic.message = complaint.message;
        diagnostic.location = None;
    }
    if text.contains("{%") || text.contains("{{") || text.contains("%{") {
        diagnostic = diagnostic
            .help("a template of Jinja, Terraform or another tool is checked once it is rendered");
    }
    diagnostic
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
        if root.is_object() { Ok(Self::new(text, root)) } else { Err(not_an_object()) }
    }
}
