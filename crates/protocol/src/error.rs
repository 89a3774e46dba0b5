use stepwright_json::{Json, Object};

/// An error response of the API.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The error's name, such as `InvalidArn`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// `reason` of a `ValidationException`, where AWS gives one.
    pub reason: Option<&'static str>,
    /// `resourceName`, where AWS gives one.
    pub resource: Option<String>,
}

impl ApiError {
    /// An error that the caller can fix.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: 400, reason: None, resource: None }
    }

    /// A `ValidationException`.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// An error that is not the caller's fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, ..Self::new("InternalFailure", message) }
    }

    /// Sets the reason.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Sets the resource that the error is about.
    #[must_use]
    pub fn about(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The body of the response.
    pub fn body(&self) -> Json {
        let mut body = Object::new();
        body.insert("__type", self.code.into());
        body.insert("message", self.message.as_str().into());
        if let Some(reason) = self.reason {
            body.insert("reason", reason.into());
        }
        if let Some(resource) = &self.resource {
            body.insert("resourceName", resource.as_str().into());
        }
        body.into()
    }
}
