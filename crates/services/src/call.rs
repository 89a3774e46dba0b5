//! A call of an operation, and the refusals that it may end with.

use crate::kept::KeptError;
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use stepwright_aws::codec::{Message, ServiceError};
use stepwright_aws::table::{Operation, Service};
use stepwright_engine::Principal;
use stepwright_json::{Array, Json, Object};

/// Who calls, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The URL by which the caller reaches the server, without a slash at its end: what URLs in
    /// answers begin with.
    pub url: String,
    /// Who it is, as messages show it: the id of an access key, or of a role.
    pub id: String,
    /// On whose behalf executions act that come of the call.
    pub principal: Principal,
    /// A UUID that is the same whenever this call is made again, since its answer may have been lost:
    /// what has no token on AWS is then done once all the same.
    pub once: Option<String>,
}

/// A call of an operation of a service.
#[derive(Debug)]
pub(crate) struct Call<'c> {
    pub(crate) operation: &'static Operation,
    /// The members of the request, which are those that the operation has here.
    pub(crate) input: Object,
    /// The body, if it is bytes as a whole.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) caller: &'c Caller,
}

impl Call<'_> {
    /// The text of a member; an empty one counts as given.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        text(&self.input, member)
    }

    /// The text of a member that the dispatcher has seen to be there.
    pub(crate) fn required(&self, member: &str) -> &str {
        self.text(member).unwrap_or_default()
    }

    /// An integer.
    pub(crate) fn int(&self, member: &str) -> Option<i64> {
        self.input.get(member).and_then(Json::as_i64)
    }

    /// Whether a member is `true`.
    pub(crate) fn flag(&self, member: &str) -> bool {
        self.input.get(member).and_then(Json::as_bool).unwrap_or_default()
    }

    /// The items of a list; none if it is not given.
    pub(crate) fn list(&self, member: &str) -> &[Json] {
        list(&self.input, member)
    }

    /// The members of an object.
    pub(crate) fn object(&self, member: &str) -> Option<&Object> {
        self.input.get(member).and_then(Json::as_object)
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, member: &str) -> Vec<String> {
        self.list(member).iter().filter_map(Json::as_str).map(str::to_owned).collect()
    }
}

/// The text of a member of an object.
pub(crate) fn text<'o>(object: &'o Object, member: &str) -> Option<&'o str> {
    object.get(member).and_then(Json::as_str)
}

/// The items of a member of an object.
pub(crate) fn list<'o>(object: &'o Object, member: &str) -> &'o [Json] {
    static NONE: std::sync::OnceLock<Array> = std::sync::OnceLock::new();
    match object.get(member) {
        Some(Json::Array(items)) => items,
        _ => NONE.get_or_init(Array::new),
    }
}

/// The texts of an object's members, by their names.
pub(crate) fn texts(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    object.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

/// What an operation answers.
#[derive(Debug, Default)]
pub struct Reply {
    /// The members, and the body if it is in memory.
    pub message: Message,
    /// The body, if it is a part of a file.
    pub file: Option<FilePart>,
    /// The status, if it is not the usual one.
    pub status: Option<u16>,
}

/// A part of a file.
#[derive(Debug)]
pub struct FilePart {
    /// The file. It stays what it is, whatever becomes of its name.
    pub file: File,
    /// Where the part begins.
    pub start: u64,
    /// How long it is.
    pub length: u64,
}

impl Reply {
    /// The same with its body in memory; for callers that want all of it.
    pub fn in_memory(mut self, most: u64) -> Result<Message, String> {
        if let Some(FilePart { file, start, length }) = self.file.take() {
            if length > most {
                return Err(format!("the answer has {length} bytes; at most {most} are read"));
            }
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, start).map_err(|error| error.to_string())?;
            self.message.body = Some(bytes);
        }
        Ok(self.message)
    }
}

impl From<Json> for Reply {
    fn from(value: Json) -> Self {
        Self { message: Message::from(value), ..Self::default() }
    }
}

/// An operation's answer.
pub(crate) type Answer = Result<Reply, Refusal>;

/// An answer without members.
pub(crate) fn empty() -> Answer {
    answer(Json::Object(Object::new()))
}

/// An answer with these members.
#[expect(clippy::unnecessary_wraps, reason = "it is what every operation ends with")]
pub(crate) fn answer(value: Json) -> Answer {
    Ok(Reply::from(value))
}

/// An object of the members that are there.
pub(crate) fn members<const N: usize>(members: [(&str, Option<Json>); N]) -> Json {
    let given = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Json::Object(given.collect())
}

/// The name of the refusal of services that are at another node.
const ELSEWHERE: &str = "ServiceUnavailable";

/// Why an operation is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The name of the error in the model, or the code of one that the model does not have.
    pub(crate) name: Cow<'static, str>,
    /// The code on the wire, if it is not the model's.
    pub(crate) code: Option<Cow<'static, str>>,
    pub(crate) message: String,
    /// The status, if it is not the model's.
    pub(crate) status: Option<u16>,
    /// The further members of the error.
    pub(crate) detail: Object,
}

impl Refusal {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            code: None,
            message: message.into(),
            status: None,
            detail: Object::new(),
        }
    }

    pub(crate) fn coded(self, code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    pub(crate) fn with(mut self, member: &'static str, value: impl Into<Json>) -> Self {
        self.detail.insert(member, value.into());
        self
    }

    /// The refusal while no node is known to have the services.
    pub(crate) fn elsewhere() -> Self {
        let message = "the node that has the local services is being replaced; try again";
        Self::new(ELSEWHERE, message).status(503)
    }

    /// Whether nothing was done since another node has the services.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.name == ELSEWHERE
    }

    /// Whether the server has failed, so that the same call may succeed another time.
    pub(crate) fn is_fault(&self) -> bool {
        self.status.is_some_and(|status| status == 500 || status == 503)
    }

    /// The error as the codecs write it.
    pub(crate) fn reported(self, service: &Service) -> ServiceError {
        let mut error = ServiceError::new(service, &self.name, self.message);
        if let Some(code) = self.code {
            error.code = code.into_owned();
        }
        if let Some(status) = self.status {
            error.status = status;
            error.is_fault = status >= 500;
        }
        error.detail = Json::Object(self.detail);
        error
    }
}

impl From<KeptError> for Refusal {
    fn from(error: KeptError) -> Self {
        match error {
            KeptError::Store(error) => {
                Self::new("InternalError", format!("the store failed: {error}")).status(500)
            }
            KeptError::Elsewhere => Self::elsewhere(),
        }
    }
}
