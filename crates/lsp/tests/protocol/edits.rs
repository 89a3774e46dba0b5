//! Any edits: the server's text is the client's, and nothing panics.

use crate::client::{Client, at};
use stepwright_json::{Json, json};
use stepwright_lsp::{Position, Text};

/// As many edits as are made: with `STEPWRIGHT_EDITS=100000`, as many as it says.
fn number_of_edits() -> usize {
    let asked = std::env::var("STEPWRIGHT_EDITS").ok();
    asked.and_then(|number| number.parse().ok()).unwrap_or(1_500)
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    "😀",
    "é",
    "\\",
    "'",
    "- ",
    "#",
    "Next",
    "\"Next\": \"A\"",
    "Type: Pass",
    "States:",
    "&a ",
    "*a",
    "${x}",
    "{% $states.input %}",
    "!Sub ",
    "|",
    ">",
    "\t",
    "//",
    "/*",
    "\u{feff}",
    "null",
    "1e9",
    "{\"StartAt\": \"A\", \"States\": {",
];

/// The text as UTF-16 with edits in lines and units: what an editor does.
struct Model(Vec<u16>);

impl Model {
    fn lines(&self) -> Vec<(usize, usize)> {
        let (mut lines, mut start) = (Vec::new(), 0);
        let mut at = 0;
        while at < self.0.len() {
            let unit = self.0[at];
            let is_pair = unit == 13 && self.0.get(at + 1) == Some(&10);
            if unit == 10 || unit == 13 {
                lines.push((start, at));
                at += 1 + usize::from(is_pair);
                start = at;
            } else {
                at += 1;
            }
        }
        lines.push((start, self.0.len()));
        lines
    }

    /// A position, and the unit that it means; never in the middle of a character.
    fn place(&self, random: &mut Random) -> (Position, usize) {
        let lines = self.lines();
        let line = random.below(lines.len());
        let (start, end) = lines[line];
        let mut unit = start + random.below(end - start + 1);
        if self.0.get(unit).is_some_and(|unit| (0xDC00..0xE000).contains(unit)) {
            unit -= 1;
        }
        (Position { line: line as u32, character: (unit - start) as u32 }, unit)
    }
}

fn json_of(position: Position) -> Json {
    json!({"line": (position.line), "character": (position.character)})
}

#[test]
fn any_edits_leave_the_same_text() {
    let mut random = Random(1);
    let mut model = Model("{\"StartAt\": \"A\"}\n".encode_utf16().collect());
    let mut text = Text::new(String::from_utf16(&model.0).unwrap());
    for _ in 0..number_of_edits() * 4 {
        let (one, other) = (model.place(&mut random), model.place(&mut random));
        let (from, to) = if one.1 <= other.1 { (one, other) } else { (other, one) };
        // Mostly something is typed.
        let to = if random.below(4) == 0 { to } else { from };
        let piece = PIECES[random.below(PIECES.len())];
        model.0.splice(from.1..to.1, piece.encode_utf16());
        text.replace(from.0, to.0, piece);
        let expected = String::from_utf16(&model.0).unwrap();
        assert_eq!(text.as_str(), expected);
        for offset in [0, expected.len() / 2, expected.len()] {
            let offset = expected.floor_char_boundary(offset);
            let is_within_break =
                expected[..offset].ends_with('\r') && expected[offset..].starts_with('\n');
            if !is_within_break {
                assert_eq!(text.offset(text.position(offset)), offset);
            }
        }
        if model.0.len() > 3_000 {
            model.0.truncate(0);
            text = Text::new(String::new());
        }
    }
}

/// A server that is edited says what a server says that opens the result.
#[test]
fn any_edits_leave_the_same_answers() {
    let mut random = Random(2);
    for file in ["file:///project/a.asl.json", "file:///project/a.yaml", "file:///project/b.json"] {
        let mut client = Client::start();
        let mut fresh = Client::start();
        let mut model = Model("{\"StartAt\": \"A\", \"States\": {}}\n".encode_utf16().collect());
        client.open(file, &String::from_utf16(&model.0).unwrap());
        let rounds = number_of_edits() / 30;
        for round in 0..rounds {
            let mut changes = Vec::new();
            for _ in 0..10 {
                let (one, other) = (model.place(&mut random), model.place(&mut random));
                let (from, to) = if one.1 <= other.1 { (one, other) } else { (other, one) };
                let to = if random.below(4) == 0 { to } else { from };
                let piece = PIECES[random.below(PIECES.len())];
                model.0.splice(from.1..to.1, piece.encode_utf16());
                let range = json!({"start": (json_of(from.0)), "end": (json_of(to.0))});
                changes.push(json!({"range": range, "text": piece}));
            }
            client.change(file, round as i64 + 2, changes);
            let text = String::from_utf16(&model.0).unwrap();
            fresh.open(file, &text);
            let offset = text.floor_char_boundary(random.below(text.len() + 1));
            for method in [
                "textDocument/completion",
                "textDocument/hover",
                "textDocument/documentSymbol",
                "textDocument/foldingRange",
                "textDocument/references",
                "textDocument/formatting",
                "textDocument/codeAction",
            ] {
                let params = at(file, &text, offset);
                let answer = client.request(method, params.clone());
                assert_eq!(answer, fresh.request(method, params), "{method} of {text:?}");
            }
            if model.0.len() > 2_000 {
                model.0.truncate(0);
                client.replace(file, round as i64 + 2, "");
            }
        }
        assert!(client.leave() && fresh.leave());
    }
}
