//! Task tokens: unguessable, and made again the same when a turn is computed again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use stepwright_history::{Start, TaskId};

/// The token of a task. Nobody who does not know the execution's seed can make it.
pub(crate) fn token(start: &Start, task: TaskId) -> String {
    let mut hash = Sha256::new();
    hash.update(start.seed[0].to_be_bytes());
    hash.update(start.seed[1].to_be_bytes());
    hash.update(task.0.to_be_bytes());
    hash.update(start.identity.execution_arn.as_bytes());
    let secret = hash.finalize();
    let mut bytes = vec![1];
    bytes.extend(task.0.to_be_bytes());
    bytes.extend(&secret[..24]);
    bytes.extend(start.identity.execution_arn.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The ARN of the execution and the task that a token names; None for what is no token. Whether the
/// token was ever given out is another question: see [`Execution::task`](crate::Execution::task).
pub fn read(token: &str) -> Option<(String, TaskId)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (task, rest) = rest.split_first_chunk::<8>()?;
    let arn = std::str::from_utf8(rest.get(24..)?).ok()?;
    (*version == 1).then(|| (arn.to_owned(), TaskId(u64::from_be_bytes(*task))))
}
