//! A client that speaks to a server in this process.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::thread::JoinHandle;
use stepwright_json::{Json, json};
use stepwright_lsp::{Position, Text};

pub(crate) struct Client {
    input: Option<PipeWriter>,
    output: BufReader<PipeReader>,
    server: Option<JoinHandle<bool>>,
    next: i64,
}

impl Client {
    /// A server that has been initialized.
    pub(crate) fn start() -> Self {
        let mut client = Self::new();
        client.request("initialize", json!({"capabilities": {}}));
        client.notify("initialized", json!({}));
        client
    }

    pub(crate) fn new() -> Self {
        let (from_client, input) = std::io::pipe().unwrap();
        let (output, to_client) = std::io::pipe().unwrap();
        let serve = move || stepwright_lsp::serve(from_client, to_client, "test").unwrap();
        Self {
            input: Some(input),
            output: BufReader::new(output),
            server: Some(std::thread::spawn(serve)),
            next: 1,
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    }

    pub(crate) fn notify(&mut self, method: &str, params: Json) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a request, and waits for its answer: the result, or the error.
    pub(crate) fn ask(&mut self, method: &str, params: Json) -> Result<Json, String> {
        let id = self.next;
        self.next += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request.to_string());
        loop {
            let message = self.read();
            if message.get("id").and_then(Json::as_i64) != Some(id) {
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(error.get("message").unwrap().as_str().unwrap().to_owned());
            }
            return Ok(message.get("result").unwrap().clone());
        }
    }

    pub(crate) fn request(&mut self, method: &str, params: Json) -> Json {
        self.ask(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) fn read(&mut self) -> Json {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has ended");
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        stepwright_json::parse_bytes(&body).unwrap()
    }

    pub(crate) fn open(&mut self, uri: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": "", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    pub(crate) fn change(&mut self, uri: &str, version: i64, changes: Vec<Json>) {
        let document = json!({"uri": uri, "version": version});
        let params = json!({"textDocument": document, "contentChanges": changes});
        self.notify("textDocument/didChange", params);
    }

    /// Replaces the whole text.
    pub(crate) fn replace(&mut self, uri: &str, version: i64, text: &str) {
        self.change(uri, version, vec![json!({"text": text})]);
    }

    /// The next diagnostics of a file.
    pub(crate) fn diagnostics(&mut self, uri: &str) -> Vec<Json> {
        loop {
            let message = self.read();
            let Some(params) = message.get("params") else { continue };
            if params.get("uri").and_then(Json::as_str) == Some(uri) {
                return params.get("diagnostics").unwrap().as_array().unwrap().to_vec();
            }
        }
    }

    /// Asks for something at a byte of a text.
    pub(crate) fn at(&mut self, method: &str, uri: &str, text: &str, offset: usize) -> Json {
        self.request(method, at(uri, text, offset))
    }

    pub(crate) fn completion(&mut self, uri: &str, text: &str, offset: usize) -> Vec<Json> {
        let found = self.at("textDocument/completion", uri, text, offset);
        found.get("items").unwrap().as_array().unwrap().to_vec()
    }

    /// Takes leave. Whether the server is content with it.
    pub(crate) fn leave(&mut self) -> bool {
        self.request("shutdown", Json::Null);
        self.notify("exit", Json::Null);
        self.server.take().unwrap().join().unwrap()
    }

    /// Goes away without a word.
    pub(crate) fn vanish(&mut self) -> bool {
        self.input = None;
        self.server.take().unwrap().join().unwrap()
    }
}

/// The parameters of a request about a byte of a text.
pub(crate) fn at(uri: &str, text: &str, offset: usize) -> Json {
    let Position { line, character } = Text::new(text.to_owned()).position(offset);
    let position = json!({"line": line, "character": character});
    json!({"textDocument": {"uri": uri}, "position": position})
}

pub(crate) fn labels(items: &[Json]) -> Vec<&str> {
    items.iter().map(|item| item.get("label").unwrap().as_str().unwrap()).collect()
}

pub(crate) fn codes(diagnostics: &[Json]) -> Vec<&str> {
    diagnostics.iter().map(|one| one.get("code").unwrap().as_str().unwrap()).collect()
}

fn position(value: &Json) -> Position {
    let number = |key: &str| value.get(key).unwrap().as_i64().unwrap() as u32;
    Position { line: number("line"), character: number("character") }
}

/// The text with an edit of the server.
pub(crate) fn edited(text: &str, edits: &[Json]) -> String {
    let mut result = Text::new(text.to_owned());
    let start = |edit: &Json| position(edit.get("range").unwrap().get("start").unwrap());
    let mut sorted: Vec<&Json> = edits.iter().collect();
    sorted.sort_by_key(|edit| std::cmp::Reverse(start(edit)));
    for edit in sorted {
        let end = position(edit.get("range").unwrap().get("end").unwrap());
        result.replace(start(edit), end, edit.get("newText").unwrap().as_str().unwrap());
    }
    result.as_str().to_owned()
}

/// The edits of a workspace edit in a document.
pub(crate) fn edits_of(edit: &Json, uri: &str) -> Vec<Json> {
    edit.get("changes").unwrap().get(uri).unwrap().as_array().unwrap().to_vec()
}
