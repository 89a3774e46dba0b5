//! Requests without signatures, for servers without keys.

use stepwright_json::Json;

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) url: String,
    client: reqwest::Client,
}

impl Wire {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: reqwest::Client::new() }
    }

    /// Calls an operation of a service that speaks JSON: its status and its answer. `None` if there is
    /// no answer.
    pub(crate) async fn call(&self, target: &str, body: Json) -> Option<(u16, Json)> {
        let request = self
            .client
            .post(&self.url)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        let body = if bytes.is_empty() {
            Json::Null
        } else {
            stepwright_json::parse_bytes(&bytes).ok()?
        };
        Some((status, body))
    }

    /// Does something with an object: the status and the body. `None` if there is no answer.
    pub(crate) async fn object(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).ok()?;
        let mut request = self.client.request(method, format!("{}/{path}", self.url));
        // What is signed for S3 is for S3; without keys, nobody looks at the signature.
        let scope = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        request = request.header("authorization", scope).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.bytes().await.ok()?.to_vec()))
    }
}
