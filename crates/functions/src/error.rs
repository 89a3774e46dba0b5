//! The errors of Lambda's `Invoke`, in Lambda's words.

use std::time::Duration;

/// Why an invocation was not started, or why its outcome is unknown. What goes wrong *in* a
/// function is not an error, but a [`Reply`](crate::Reply) with a `function_error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No function has this name.
    #[error("Function not found: {arn}")]
    ResourceNotFound {
        /// The ARN that the function would have.
        arn: String,
    },
    /// All of the function's concurrency is in use.
    #[error("Rate Exceeded.")]
    TooManyRequests {
        /// Lambda's reason, such as `ReservedFunctionConcurrentInvocationLimitExceeded`.
        reason: &'static str,
    },
    /// The payload is larger than Lambda accepts.
    #[error("Request must be smaller than {limit} bytes for the InvokeFunction operation")]
    RequestTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The payload is not JSON.
    #[error("Could not parse request body into json: {reason}")]
    InvalidRequestContent {
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter has a value that Lambda does not accept.
    #[error("{message}")]
    InvalidParameterValue {
        /// What is wrong.
        message: String,
    },
    /// A function at an AWS endpoint answered with an error of its own.
    #[error("{message}")]
    Remote {
        /// The error's name.
        name: &'static str,
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// The function could not be run at all, for example because its program is missing or its
    /// endpoint is unreachable.
    #[error("{message}")]
    Service {
        /// What happened.
        message: String,
    },
}

impl Error {
    /// The error's name in the Lambda API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ResourceNotFound { .. } => "ResourceNotFoundException",
            Self::TooManyRequests { .. } => "TooManyRequestsException",
            Self::RequestTooLarge { .. } => "RequestTooLargeException",
            Self::InvalidRequestContent { .. } => "InvalidRequestContentException",
            Self::InvalidParameterValue { .. } => "InvalidParameterValueException",
            Self::Remote { name, .. } => name,
            Self::Service { .. } => "ServiceException",
        }
    }

    /// The HTTP status of the error.
    pub fn status(&self) -> u16 {
        match self {
            Self::ResourceNotFound { .. } => 404,
            Self::TooManyRequests { .. } => 429,
            Self::RequestTooLarge { .. } => 413,
            Self::InvalidRequestContent { .. } | Self::InvalidParameterValue { .. } => 400,
            Self::Remote { status, .. } => *status,
            Self::Service { .. } => 500,
        }
    }

    /// An error as an AWS endpoint named it. A name that the Lambda API does not have becomes
    /// `ServiceException`.
    pub(crate) fn remote(name: &str, status: u16, message: String) -> Self {
        let known = REMOTE_NAMES.iter().find(|known| **known == name);
        match known {
            Some(name) => Self::Remote { name, status, message },
            None if name.is_empty() => Self::Remote { name: "ServiceException", status, message },
            None => Self::Remote {
                name: "ServiceException",
                status,
                message: format!("{name}: {message}"),
            },
        }
    }

    pub(crate) fn shutting_down() -> Self {
        Self::service("the functions are shutting down")
    }

    pub(crate) fn service(message: impl Into<String>) -> Self {
        Self::Service { message: message.into() }
    }
}

/// The names of errors that `Invoke` can return, including those of denied access.
const REMOTE_NAMES: &[&str] = &[
    "AccessDeniedException",
    "EC2AccessDeniedException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "EFSIOException",
    "EFSMountConnectivityException",
    "EFSMountFailureException",
    "EFSMountTimeoutException",
    "ENILimitReachedException",
    "ExpiredTokenException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSignatureException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "RecursiveInvocationException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ResourceNotReadyException",
    "ServiceException",
    "SnapStartException",
    "SnapStartNotReadyException",
    "SnapStartTimeoutException",
    "SubnetIPAddressLimitReachedException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
    "UnsupportedMediaTypeException",
];

/// Formats a duration as in `Task timed out after 3.00 seconds`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} seconds", duration.as_secs_f64())
}
