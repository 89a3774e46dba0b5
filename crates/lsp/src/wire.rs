//! Messages over a pair of pipes, each behind a header that says how long it is.

use std::io::{self, BufRead, Write};
use stepwright_json::{Json, Object, json};

/// How large a message may be.
const MOST: usize = 256 << 20;
/// How long a line of a header may be.
const MOST_HEADER: u64 = 8 << 10;

/// A message of the client.
#[derive(Debug)]
pub(crate) enum Message {
    Request {
        id: Json,
        method: String,
        params: Json,
    },
    Notification {
        method: String,
        params: Json,
    },
    /// An answer to a request of ours, or something that has no method.
    Other,
    /// A message that is not JSON, and why.
    Unreadable(String),
}

/// Reads a message; `None` at the end of the input.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let mut limited = io::Read::take(&mut *input, MOST_HEADER);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            if length.is_some() {
                break;
            }
            continue;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length.unwrap_or_default();
    if length > MOST {
        let message = format!("a message of {length} bytes is larger than {MOST} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    let text = String::from_utf8_lossy(&body);
    let read = stepwright_json::parse(&text).or_else(|error| {
        // Editors may send half of a pair of surrogates.
        stepwright_json::parse(&without_lone_surrogates(&text)).map_err(|_| error)
    });
    Ok(Some(match read {
        Ok(value) => message(&value),
        Err(error) => Message::Unreadable(error.to_string()),
    }))
}

fn message(value: &Json) -> Message {
    let Some(method) = value.get("method").and_then(Json::as_str) else { return Message::Other };
    let method = method.to_owned();
    let params = value.get("params").cloned().unwrap_or_default();
    match value.get("id") {
        Some(id) => Message::Request { id: id.clone(), method, params },
        None => Message::Notification { method, params },
    }
}

/// Replaces each escape of half a character by the sign for one that cannot be shown.
fn without_lone_surrogates(text: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(c) = text[at..].chars().next() {
        let mut length = c.len_utf8();
        if c == '\\' {
            length = 2.min(text.len() - at);
            match (unit(at), unit(at + 6)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => length = 12,
                (Some(0xD800..=0xDFFF), _) => {
                    out.push_str("\\uFFFD");
                    at += 6;
                    continue;
                }
                _ => {}
            }
        }
        let end = text.ceil_char_boundary(at + length);
        out.push_str(&text[at..end]);
        at = end;
    }
    out
}

/// Writes a message.
pub(crate) fn write(output: &mut impl Write, value: &Json) -> io::Result<()> {
    let text = value.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

/// The answer to a request.
pub(crate) fn response(id: Json, result: Result<Json, (i64, String)>) -> Json {
    let mut object = Object::new();
    object.insert("jsonrpc", "2.0".into());
    object.insert("id", id);
    match result {
        Ok(result) => object.insert("result", result),
        Err((code, message)) => object.insert("error", json!({"code": code, "message": message})),
    };
    object.into()
}

/// A message that nobody answers.
pub(crate) fn notification(method: &str, params: Json) -> Json {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_characters_are_replaced() {
        let text = r#"["\ud83d", "\ud83d\ude00", "\\ud83d", "\ude00x"]"#;
        let expected = r#"["\uFFFD", "\ud83d\ude00", "\\ud83d", "\uFFFDx"]"#;
        assert_eq!(without_lone_surrogates(text), expected);
    }

    #[test]
    fn messages_follow_their_headers() {
        let text = "Content-Length: 19\r\nContent-Type: x\r\n\r\n{\"method\":\"exit\" }\n";
        let mut input = text.as_bytes();
        let read = read(&mut input).unwrap();
        assert!(matches!(read, Some(Message::Notification { method, .. }) if method == "exit"));
    }
}
