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
