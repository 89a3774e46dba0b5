//! The errors of S3. Few of them are in its model, so each has its status here.

use crate::call::Refusal;

/// Code, status, and what S3 says.
const KNOWN: &[(&str, u16, &str)] = &[
    ("AccessDenied", 403, "Access Denied"),
    ("BadDigest", 400, "The Content-MD5 you specified did not match what we received."),
    ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
    (
        "BucketAlreadyOwnedByYou",
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    ("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size"),
    ("InvalidArgument", 400, "Invalid Argument"),
    ("InvalidBucketName", 400, "The specified bucket is not valid."),
    ("InvalidDigest", 400, "The Content-MD5 you specified is not valid."),
    (
        "InvalidPart",
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
         specified entity tag may not match the part's entity tag.",
    ),
    (
        "InvalidPartOrder",
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    ("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
    ("InvalidRange", 416, "The requested range is not satisfiable"),
    ("InvalidRequest", 400, "Invalid Request"),
    ("InvalidTag", 400, "The tag provided was not a valid tag."),
    ("InternalError", 500, "We encountered an internal error. Please try again."),
    ("KeyTooLongError", 400, "Your key is too long"),
    (
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    ("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"),
    ("NoSuchBucket", 404, "The specified bucket does not exist"),
    ("NoSuchKey", 404, "The specified key does not exist."),
    ("NoSuchTagSet", 404, "The TagSet does not exist"),
    (
        "NoSuchUpload",
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted \
         or completed.",
    ),
    ("NoSuchVersion", 404, "The specified version does not exist."),
    ("NotImplemented", 501, "A header or parameter implies functionality that is not implemented"),
    ("NotModified", 304, "Not Modified"),
    ("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"),
];

/// An error with the words of S3.
pub(super) fn known(code: &'static str) -> Refusal {
    let row = KNOWN.iter().find(|(name, ..)| *name == code);
    let (_, status, message) = row.copied().unwrap_or((code, 400, code));
    Refusal::new(code, message).status(status)
}

/// An error with words of its own.
pub(super) fn said(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), ..known(code) }
}

/// The disk could not do what it was asked.
pub(super) fn disk(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "an object could not be read or written");
    said("InternalError", format!("the disk failed: {error}"))
}
