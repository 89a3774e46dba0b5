//! State machines in files of the Serverless Framework, whose parts may stand in other files:
//! `${file(./machines.yml)}`, `${file(machines.yml):stateMachines.orders}`, `${self:custom.orders}`.

use crate::load::{Format, ReadFile, beside, read_plain};
use std::sync::Arc;
use stepwright_json::tree::{Member, Node};
use stepwright_source::Span;

/// How many files may lead to one another.
const DEPTH: usize = 20;

/// A file, and the text that places point into.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: Arc<str>,
}

/// A state machine of the file, or of one that it includes.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) member: Member,
    pub(crate) source: Source,
}

/// Something that cannot be read, and why.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) source: Source,
    pub(crate) span: Span,
    pub(crate) why: String,
}

/// Whether a tree is a file of the Serverless Framework, or a part that such a file includes.
pub(crate) fn is_serverless(root: &Node) -> bool {
    let is_machine =
        |node: &Node| node.get("definition").is_some() && node.get("StartAt").is_none();
    root.get("stepFunctions").is_some()
        || root.get("stateMachines").is_some()
        || is_machine(root)
        || (!root.members().is_empty() && root.members().iter().all(|one| is_machine(&one.value)))
}

/// Finds the state machines of a file.
pub(crate) struct Search<'s> {
    pub(crate) root: &'s Node,
    pub(crate) source: Source,
    pub(crate) read: Option<&'s ReadFile<'s>>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) unread: Vec<Unread>,
}

impl Search<'_> {
    pub(crate) fn run(&mut self) {
        let source = self.source.clone();
        self.plugin(&self.root.clone(), &source, DEPTH);
    }

    /// The value of `stepFunctions`, or a part of it that stands in a file of its own.
    fn plugin(&mut self, node: &Node, source: &Source, depth: usize) {
        let Some((node, source)) = self.resolve(node, source, depth) else { return };
        if let Some(inner) = node.get("stepFunctions").or_else(|| node.get("stateMachines")) {
            if let Some(depth) = depth.checked_sub(1) {
                self.plugin(inner, &source, depth);
            }
        } else if node.get("definition").is_some() {
            let name = source.file.rsplit(['/', '\\']).next().unwrap_or_default();
            let name = name.split('.').next().unwrap_or_default();
            self.machine(name, node.span, &node, &source, depth);
        } else {
            self.machines(&node, &source, depth);
        }
    }

    /// State machines by name, or a list of such objects.
    fn machines(&mut self, node: &Node, source: &Source, depth: usize) {
        for item in node.items() {
            if let Some(depth) = depth.checked_sub(1) {
                self.plugin(item, source, depth);
            }
        }
        for Member { key, key_span, value } in node.members() {
            // What stands beside `stateMachines`, such as `activities`, is none.
            self.machine(key, *key_span, value, source, depth);
        }
    }

    fn machine(&mut self, name: &str, span: Span, node: &Node, source: &Source, depth: usize) {
        let Some((value, source)) = self.resolve(node, source, depth) else { return };
        if !value.is_object() {
            let why = format!("`{name}` is no state machine");
            return self.unread.push(Unread { source, span: value.span, why });
        }
        // What is included may hold the machine under its name.
        if value.get("definition").is_none()
            && let [only] = value.members()
            && only.value.get("definition").is_some()
        {
            let member = only.clone();
            return self.machines.push(Machine { member, source });
        }
        let key_span = if source.file == self.source.file { span } else { value.span };
        let member = Member { key: name.into(), key_span, value };
        self.machines.push(Machine { member, source });
    }

    /// What a node stands for, if it is an inclusion.
    fn resolve(&mut self, node: &Node, source: &Source, depth: usize) -> Option<(Node, Source)> {
        let Some(variable) = node.as_str().and_then(variable) else {
            return Some((node.clone(), source.clone()));
        };
        let found = match depth.checked_sub(1) {
            None => Err("it leads from file to file without an end".to_owned()),
            Some(_) => self.look_up(&variable),
        };
        match (found, depth.checked_sub(1)) {
            (Ok((node, source)), Some(depth)) => self.resolve(&node, &source, depth),
            (found, _) => {
                let why = found.err().unwrap_or_default();
                self.unread.push(Unread { source: source.clone(), span: node.span, why });
                None
            }
        }
    }

    fn look_up(&self, variable: &Variable<'_>) -> Result<(Node, Source), String> {
        let (root, source, keys) = match *variable {
            Variable::Own(keys) => (self.root.clone(), self.source.clone(), keys),
            Variable::Other(name) => {
                return Err(format!("only the Serverless Framework knows the value of `{name}`"));
            }
            Variable::File(path, keys) => {
                let read = self.read.ok_or("no files are read here")?;
                // Paths are those of the service, also in a file that is included.
                let bytes = read(path.trim_start_matches("./"))?;
                let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
                let file = beside(&self.source.file, path);
                let root = read_plain(&text, Format::of(path, &text))?;
                (root, Source { file, text: text.into() }, keys)
            }
        };
        let mut node = &root;
        for key in keys.split('.').filter(|key| !key.is_empty()) {
            node =
                node.get(key).ok_or_else(|| format!("there is no `{keys}` in {}", source.file))?;
        }
        Ok((node.clone(), source))
    }
}

/// A variable that stands for a whole value.
enum Variable<'t> {
    /// A file, and the keys that lead to the value in it.
    File(&'t str, &'t str),
    /// `self:`, and the keys that lead to the value.
    Own(&'t str),
    /// Any other.
    Other(&'t str),
}

fn variable(text: &str) -> Option<Variable<'_>> {
    let inner = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    if inner.contains("${") {
        return Some(Variable::Other(text.trim()));
    }
    if let Some(rest) = inner.strip_prefix("file(") {
        let (path, rest) = rest.split_once(')')?;
        let ending = path.rsplit('.').next().unwrap_or_default();
        if ["js", "cjs", "mjs", "ts"].contains(&ending) || rest.contains(',') {
            return Some(Variable::Other(text.trim()));
        }
        return Some(Variable::File(path.trim(), rest.trim_start_matches(':').trim()));
    }
    match inner.strip_prefix("self:") {
        Some(keys) if !keys.contains(',') => Some(Variable::Own(keys.trim())),
        _ => Some(Variable::Other(text.trim())),
    }
}

/// The path of the file, where a definition is included as a whole.
pub(crate) fn included_file(text: &str) -> Option<&str> {
    match variable(text)? {
        Variable::File(path, "") => Some(path),
        _ => None,
    }
}
