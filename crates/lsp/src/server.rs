//! The loop: messages in, answers out, diagnostics once the typing rests.

use crate::analysis::{Analysis, analyse};
use crate::samples::Samples;
use crate::text::{Position, Text};
use crate::values::position;
use crate::wire::{self, Message};
use crate::{
    actions, commands, completion, definition, diagnostics, drawing, folding, formatting, hover,
    lenses, links, references, rename, symbols, uri,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use stepwright_json::{Json, json};

/// How long no message comes before diagnostics are sent.
const REST: Duration = Duration::from_millis(10);

/// The codes of errors that JSON-RPC and the protocol give.
const PARSE_ERROR: i64 = -32700;
const NOT_INITIALIZED: i64 = -32002;
const INVALID_REQUEST: i64 = -32600;
const UNKNOWN_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const REQUEST_FAILED: i64 = -32803;

/// Serves a client until it says `exit` or goes away. Whether it took its leave with `shutdown`
/// first, as it should.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    version: &str,
) -> io::Result<bool> {
    let (sender, messages) = mpsc::channel();
    // The thread ends with the input, or with the process.
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        while let Ok(Some(message)) = wire::read(&mut input) {
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    let mut server = Server {
        output,
        version: version.to_owned(),
        documents: BTreeMap::new(),
        stale: BTreeSet::new(),
        shown: BTreeMap::new(),
        samples: RefCell::default(),
        phase: Phase::New,
    };
    loop {
        let message = if server.stale.is_empty() {
            messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            messages.recv_timeout(REST)
        };
        match message {
            Ok(message) => {
                if let Some(is_clean) = server.take(message)? {
                    return Ok(is_clean);
                }
            }
            Err(RecvTimeoutError::Timeout) => server.publish()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(server.phase == Phase::Leaving),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Leaving,
}

/// An open document.
struct Document {
    text: Text,
    version: Json,
    path: PathBuf,
    /// What is known of this text, once somebody has asked.
    analysis: Option<Rc<Analysis>>,
}

struct Server<W> {
    output: W,
    version: String,
    documents: BTreeMap<String, Document>,
    /// Documents whose diagnostics may have changed.
    stale: BTreeSet<String>,
    /// The diagnostics of each file, by the document that they come from.
    shown: BTreeMap<String, BTreeMap<String, Vec<Json>>>,
    /// The tests of each document, and whether they are as of now.
    samples: RefCell<BTreeMap<PathBuf, (Rc<Samples>, bool)>>,
    phase: Phase,
}

type Answer = Result<Json, (i64, String)>;

impl<W: Write> Server<W> {
    /// Takes a message. Says when it is the last one, and whether that was in order.
    fn take(&mut self, message: Message) -> io::Result<Option<bool>> {
        match message {
            Message::Request { id, method, params } => {
                let answer = match (method.as_str(), self.phase) {
                    ("workspace/executeCommand", Phase::Open) => self.execute(&params)?,
                    _ => self.answer(&method, &params),
                };
                wire::write(&mut self.output, &wire::response(id, answer))?;
            }
            Message::Notification { method, params } => {
                if method == "exit" {
                    return Ok(Some(self.phase == Phase::Leaving));
                }
                self.notice(&method, &params)?;
            }
            Message::Unreadable(why) => {
                let answer = wire::response(Json::Null, Err((PARSE_ERROR, why)));
                wire::write(&mut self.output, &answer)?;
            }
            Message::Other => {}
        }
        Ok(None)
    }

    fn notice(&mut self, method: &str, params: &Json) -> io::Result<()> {
        if self.phase != Phase::Open {
            return Ok(());
        }
        // Any file that has changed may be a test, or what a test reads.
        for (_, is_fresh) in self.samples.get_mut().values_mut() {
            *is_fresh = false;
        }
        let document = params.get("textDocument");
        let text = |key: &str| document.and_then(|document| document.get(key));
        let Some(uri) = text("uri").and_then(Json::as_str) else {
            if method == "workspace/didChangeWatchedFiles" {
                self.forget_analyses(None);
            }
            return Ok(());
        };
        match method {
            "textDocument/didOpen" => {
                let content = text("text").and_then(Json::as_str).unwrap_or_default();
                let version = text("version").cloned().unwrap_or_default();
                let language = text("languageId").and_then(Json::as_str).unwrap_or_default();
                let path = uri::to_path(uri).unwrap_or_else(|| unsaved(uri, language));
                let text = Text::new(content.to_owned());
                self.forget_analyses(Some(&path));
                let document = Document { text, version, path, analysis: None };
                self.documents.insert(uri.to_owned(), document);
                self.stale.insert(uri.to_owned());
            }
            "textDocument/didChange" => {
                let Some(document) = self.documents.get_mut(uri) else { return Ok(()) };
                document.version = text("version").cloned().unwrap_or_default();
                let changes = params.get("contentChanges").and_then(Json::as_array);
                for change in changes.into_iter().flat_map(|changes| changes.iter()) {
                    apply(&mut document.text, change);
                }
                document.analysis = None;
                let path = document.path.clone();
                self.stale.insert(uri.to_owned());
                self.forget_analyses(Some(&path));
            }
            "textDocument/didSave" => self.forget_analyses(None),
            "textDocument/didClose" => {
                let Some(closed) = self.documents.remove(uri) else { return Ok(()) };
                self.stale.remove(uri);
                self.show(uri, BTreeMap::new())?;
                self.forget_analyses(Some(&closed.path));
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets what is known of documents that read a file; of all that read one, without a file.
    fn forget_analyses(&mut self, file: Option<&Path>) {
        for (uri, document) in &mut self.documents {
            let reads = |analysis: &Rc<Analysis>| match file {
                Some(file) => analysis.files.contains(file),
                None => !analysis.files.is_empty(),
            };
            if document.analysis.as_ref().is_some_and(reads) {
                document.analysis = None;
                self.stale.insert(uri.clone());
            }
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        for uri in std::mem::take(&mut self.stale) {
            if let Some(analysis) = self.analysis(&uri) {
                self.show(&uri, diagnostics::diagnostics(&uri, &analysis))?;
            }
        }
        Ok(())
    }

    /// Shows the diagnostics that come from a document, in place of those before.
    fn show(&mut self, from: &str, mut found: BTreeMap<String, Vec<Json>>) -> io::Result<()> {
        let before = self.shown.iter().filter(|(_, by)| by.contains_key(from));
        for (uri, _) in before {
            found.entry(uri.clone()).or_default();
        }
        for (uri, diagnostics) in found {
            let by = self.shown.entry(uri.clone()).or_default();
            if diagnostics.is_empty() && uri != from {
                by.remove(from);
            } else {
                by.insert(from.to_owned(), diagnostics);
            }
            if !self.documents.contains_key(from) {
                by.remove(from);
            }
            let mut all: Vec<Json> = Vec::new();
            for one in by.values().flatten() {
                if !all.contains(one) {
                    all.push(one.clone());
                }
            }
            if by.is_empty() {
                self.shown.remove(&uri);
            }
            let mut params = json!({"uri": (uri.as_str()), "diagnostics": all});
            if let (Json::Object(object), Some(document)) = (&mut params, self.documents.get(&uri))
                && !document.version.is_null()
            {
                object.insert("version", document.version.clone());
            }
            let message = wire::notification("textDocument/publishDiagnostics", params);
            wire::write(&mut self.output, &message)?;
        }
        Ok(())
    }

    fn analysis(&mut self, uri: &str) -> Option<Rc<Analysis>> {
        let document = self.documents.get(uri)?;
        if let Some(analysis) = &document.analysis {
            return Some(analysis.clone());
        }
        let analysis = Rc::new(analyse(&document.text, &document.path, &|path| self.read(path)));
        self.documents.get_mut(uri)?.analysis = Some(analysis.clone());
        Some(analysis)
    }

    /// The contents of a file, as they are in the editor if it is open.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let open = self.documents.values().find(|document| document.path == path);
        if let Some(document) = open {
            return Ok(document.text.as_str().as_bytes().to_vec());
        }
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        // A device or a pipe may never end, and is not even opened.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(format!("{} is not a regular file", path.display()));
        }
        std::fs::read(path).map_err(failed)
    }

    /// The tests of a document.
    fn samples(&self, document: &Path) -> Rc<Samples> {
        let known = self.samples.borrow().get(document).cloned();
        let before = match known {
            Some((samples, true)) => return samples,
            Some((samples, false)) => samples,
            None => Rc::default(),
        };
        let found = Rc::new(Samples::find(document, &before, &|path| self.read(path)));
        self.samples.borrow_mut().insert(document.to_owned(), (found.clone(), true));
        found
    }

    /// Carries out a command, and shows what it came to.
    fn execute(&mut self, params: &Json) -> io::Result<Answer> {
        let command = params.get("command").and_then(Json::as_str).unwrap_or_default();
        if !commands::COMMANDS.contains(&command) {
            return Ok(Err((INVALID_PARAMS, format!("there is no command `{command}`"))));
        }
        let arguments = params.get("arguments").and_then(Json::as_array);
        let arguments = arguments.map(|list| list.to_vec()).unwrap_or_default();
        let uri = arguments.first().and_then(Json::as_str).unwrap_or_default();
        let Some(document) = self.documents.get(uri) else {
            return Ok(Err((INVALID_PARAMS, format!("the document `{uri}` is not open"))));
        };
        let samples = self.samples(&document.path);
        let place = (document.path.as_path(), document.text.as_str());
        let read = |path: &Path| self.read(path);
        let done = match commands::carry_out(command, place, &arguments, &read, &samples) {
            Ok(done) => done,
            Err(why) => return Ok(Err((REQUEST_FAILED, why))),
        };
        // A message for a person: 1 is an error, 3 is for information.
        let kind = if done.is_good { 3 } else { 1 };
        let message = json!({"type": kind, "message": (done.said.as_str())});
        wire::write(&mut self.output, &wire::notification("window/showMessage", message))?;
        Ok(Ok(done.result))
    }

    fn answer(&mut self, method: &str, params: &Json) -> Answer {
        match (method, self.phase) {
            ("initialize", Phase::New) => {
                self.phase = Phase::Open;
                return Ok(self.capabilities());
            }
            ("initialize", _) => {
                return Err((INVALID_REQUEST, "the server is initialized already".to_owned()));
            }
            ("shutdown", _) => {
                self.phase = Phase::Leaving;
                return Ok(Json::Null);
            }
            (_, Phase::New) => {
                return Err((NOT_INITIALIZED, "the first request is `initialize`".to_owned()));
            }
            (_, Phase::Leaving) => {
                return Err((INVALID_REQUEST, "the server is shutting down".to_owned()));
            }
            _ => {}
        }
        if !KNOWN.contains(&method) {
            return Err((UNKNOWN_METHOD, format!("there is no method `{method}`")));
        }
        let uri = params.get("textDocument").and_then(|document| document.get("uri"));
        let uri = uri.and_then(Json::as_str).unwrap_or_default().to_owned();
        let Some(analysis) = self.analysis(&uri) else {
            return Err((INVALID_PARAMS, format!("the document `{uri}` is not open")));
        };
        let analysis = &*analysis;
        let samples = || self.samples(&analysis.path);
        let at = params.get("position").and_then(position).unwrap_or_default();
        let offset = analysis.text.offset(at);
        match method {
            "textDocument/completion" => {
                Ok(completion::completion(analysis, offset, &|path| self.read(path), &samples))
            }
            "textDocument/hover" => Ok(hover::hover(analysis, offset, &samples)),
            "textDocument/codeLens" => {
                Ok(lenses::lenses(&uri, analysis, &|path| self.read(path), &samples))
            }
            "stepwright/graph" => Ok(drawing::drawing(analysis, offset, &samples)),
            "textDocument/definition" => Ok(definition::definition(&uri, analysis, offset)),
            "textDocument/references" => {
                let with_definition = params
                    .get("context")
                    .and_then(|context| context.get("includeDeclaration"))
                    .and_then(Json::as_bool)
                    .unwrap_or(true);
                Ok(references::references(&uri, analysis, offset, with_definition))
            }
            "textDocument/documentHighlight" => Ok(references::highlights(analysis, offset)),
            "textDocument/prepareRename" => Ok(rename::prepare(analysis, offset)),
            "textDocument/rename" => {
                let name = params.get("newName").and_then(Json::as_str).unwrap_or_default();
                rename::rename(&uri, analysis, offset, name).map_err(|why| (REQUEST_FAILED, why))
            }
            "textDocument/documentSymbol" => Ok(symbols::symbols(analysis)),
            "textDocument/foldingRange" => Ok(folding::folding(analysis)),
            "textDocument/formatting" => Ok(formatting::formatting(analysis)),
            "textDocument/codeAction" => Ok(actions::actions(&uri, analysis, params)),
            "textDocument/documentLink" => Ok(links::links(analysis)),
            _ => Err((UNKNOWN_METHOD, format!("there is no method `{method}`"))),
        }
    }

    fn capabilities(&self) -> Json {
        let commands: Vec<Json> = commands::COMMANDS.iter().map(|&name| name.into()).collect();
        json!({
            "capabilities": {
                "positionEncoding": "utf-16",
                "textDocumentSync": {"openClose": true, "change": 2, "save": true},
                "completionProvider": {"triggerCharacters": ["\"", ".", "$", ":", "%", " "]},
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "documentHighlightProvider": true,
                "renameProvider": {"prepareProvider": true},
                "documentSymbolProvider": true,
                "foldingRangeProvider": true,
                "documentFormattingProvider": true,
                "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll"]},
                "documentLinkProvider": {"resolveProvider": false},
                "codeLensProvider": {"resolveProvider": false},
                "executeCommandProvider": {"commands": (commands)}
            },
            "serverInfo": {"name": "stepwright", "version": (self.version.as_str())}
        })
    }
}

/// The requests about a document.
const KNOWN: [&str; 14] = [
    "textDocument/completion",
    "textDocument/hover",
    "textDocument/definition",
    "textDocument/references",
    "textDocument/documentHighlight",
    "textDocument/prepareRename",
    "textDocument/rename",
    "textDocument/documentSymbol",
    "textDocument/foldingRange",
    "textDocument/formatting",
    "textDocument/codeAction",
    "textDocument/documentLink",
    "textDocument/codeLens",
    "stepwright/graph",
];

/// The name of a document that is not a file: its language decides the format.
fn unsaved(uri: &str, language: &str) -> PathBuf {
    let name = uri.rsplit(['/', ':']).next().unwrap_or("untitled");
    match language {
        "yaml" => format!("{name}.yaml").into(),
        "jsonc" => format!("{name}.jsonc").into(),
        "json" | "asl" => format!("{name}.json").into(),
        _ => name.into(),
    }
}

/// Makes a change of a document.
fn apply(text: &mut Text, change: &Json) {
    let new = change.get("text").and_then(Json::as_str).unwrap_or_default();
    let range: Option<(Position, Position)> = change
        .get("range")
        .and_then(|range| Some((position(range.get("start")?)?, position(range.get("end")?)?)));
    match range {
        Some((start, end)) => text.replace(start, end, new),
        None => *text = Text::new(new.to_owned()),
    }
}
