//! Bodies in chunks: what S3 calls `aws-chunked`, with what stands behind the last chunk.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use super::{DecodeError, Request};

/// A body that came in chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunked {
    /// The chunks, with what each of them says about its signature.
    pub chunks: Vec<(Vec<u8>, Option<String>)>,
    /// The headers behind the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Chunked {
    /// The body as a whole.
    pub fn body(self) -> Vec<u8> {
        let mut chunks = self.chunks.into_iter();
        let mut body = chunks.next().map(|(bytes, _)| bytes).unwrap_or_default();
        chunks.for_each(|(bytes, _)| body.extend_from_slice(&bytes));
        body
    }
}

/// Whether the body of a request comes in chunks.
pub fn is_chunked(request: &Request) -> bool {
    let says = |name: &str, start: &str| {
        request.header(name).is_some_and(|value| value.starts_with(start))
    };
    says("x-amz-content-sha256", "STREAMING-")
        || request
            .header("content-encoding")
            .is_some_and(|value| value.split(',').any(|one| one.trim() == "aws-chunked"))
}

/// Takes a body apart.
pub fn read(body: &[u8]) -> Result<Chunked, DecodeError> {
    let wrong = |what: &str| DecodeError(format!("the chunks of the body are unclear: {what}"));
    let mut found = Chunked::default();
    let mut rest = body;
    loop {
        let (head, after) = line(rest).ok_or_else(|| wrong("a chunk has no head"))?;
        let (size, extension) = head.split_once(';').unwrap_or((head, ""));
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| wrong("no size"))?;
        let signature = extension.trim().strip_prefix("chunk-signature=").map(str::to_owned);
        rest = after;
        if size == 0 {
            found.chunks.push((Vec::new(), signature));
            break;
        }
        let bytes = rest.get(..size).ok_or_else(|| wrong("a chunk is too short"))?;
        found.chunks.push((bytes.to_vec(), signature));
        rest = rest[size..].strip_prefix(b"\r\n").ok_or_else(|| wrong("a chunk is too long"))?;
    }
    while let Some((header, after)) = line(rest) {
        rest = after;
        if header.is_empty() {
            continue;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| wrong("a trailer has no name"))?;
        found.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(found)
}

/// Puts a body in one piece into a request, with the trailers among the headers.
pub fn unchunk(request: &mut Request) -> Result<(), DecodeError> {
    let mut chunked = read(&request.body)?;
    let said = request.header("x-amz-decoded-content-length").map(str::to_owned);
    let trailers = std::mem::take(&mut chunked.trailers);
    request.body = chunked.body();
    if said.is_some_and(|said| said.parse() != Ok(request.body.len())) {
        let what = "x-amz-decoded-content-length is not the length of the body";
        return Err(DecodeError(what.to_owned()));
    }
    for (name, value) in &mut request.headers {
        if name.eq_ignore_ascii_case("content-encoding") {
            let others = value.split(',').map(str::trim).filter(|one| *one != "aws-chunked");
            *value = others.collect::<Vec<_>>().join(",");
        } else if name.eq_ignore_ascii_case("content-length") {
            *value = request.body.len().to_string();
        }
    }
    request.headers.retain(|(name, value)| {
        !(value.is_empty() && name.eq_ignore_ascii_case("content-encoding"))
    });
    let is_ours = |(name, _): &(String, String)| name.starts_with("x-amz-checksum-");
    request.headers.extend(trailers.into_iter().filter(is_ours));
    Ok(())
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((text.trim_end_matches('\r'), &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_put_together() {
        let mut request = Request {
            headers: vec![
                ("content-encoding".into(), "aws-chunked,gzip".into()),
                ("x-amz-decoded-content-length".into(), "9".into()),
            ],
            body: b"5;chunk-signature=abc\r\nhello\r\n4\r\n you\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_vec(),
            ..Request::default()
        };
        assert!(is_chunked(&request));
        unchunk(&mut request).unwrap();
        assert_eq!(request.body, b"hello you");
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert_eq!(request.header("x-amz-checksum-crc32"), Some("AAAAAA=="));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for body in ["", "5\r\nhell", "zz\r\n", "5\r\nhelloX0\r\n", "ffffffffffffffff\r\n"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
