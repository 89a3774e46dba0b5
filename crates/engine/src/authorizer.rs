//! On whose behalf executions act, and the port that decides what they may do.

use crate::Facts;

/// On whose behalf an execution acts: whoever caused its start. Its nested executions and the
/// children of its map runs act on behalf of the same principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Principal {
    /// The server itself: what its configuration starts, such as a schedule of a project.
    Server,
    /// Anybody, because no key was configured when it started, or because a release that did not
    /// record it started it.
    #[default]
    Anybody,
    /// The holder of the access key with this id.
    Key(String),
    /// The role with this ARN: another execution that acts with the rights of the role started it.
    Role(String),
}

impl Principal {
    /// Its text in the store; `None` for anybody.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Server => Some("server".to_owned()),
            Self::Anybody => None,
            Self::Key(id) => Some(format!("key:{id}")),
            Self::Role(arn) => Some(format!("role:{arn}")),
        }
    }

    /// Reads its text in the store. A text of a later release gives `None`.
    pub fn of_text(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(Self::Anybody),
            Some("server") => Some(Self::Server),
            Some(text) => match text.split_once(':')? {
                ("key", id) => Some(Self::Key(id.to_owned())),
                ("role", arn) => Some(Self::Role(arn.to_owned())),
                _ => None,
            },
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::Anybody => f.write_str("anonymous"),
            Self::Key(name) | Self::Role(name) => f.write_str(name),
        }
    }
}

/// Decides what executions may do. Asked before anything is done for a task.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether an execution may do this action, such as `states:StartExecution`, to the resource
    /// with this ARN.
    fn authorize(&self, facts: &Facts, action: &str, resource: &str) -> Result<(), Denied>;

    /// Whether an execution belongs to the account of the server itself, which has the services and buckets
    /// of this machine.
    fn is_at_home(&self, _facts: &Facts) -> bool {
        true
    }

    /// Whether what has this ARN is in the account and region of an execution.
    fn owns(&self, _facts: &Facts, _arn: &str) -> bool {
        true
    }
}

/// An execution lacks a right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("User: {who} is not authorized to perform: {action} on resource: {resource}")]
pub struct Denied {
    /// On whose behalf it acts.
    pub who: String,
    /// The action, such as `states:StartExecution`.
    pub action: String,
    /// The ARN of the resource.
    pub resource: String,
}

/// The absence of rights: every execution may do everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrestricted;

impl Authorizer for Unrestricted {
    fn authorize(&self, _facts: &Facts, _action: &str, _resource: &str) -> Result<(), Denied> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Principal;

    #[test]
    fn a_principal_is_read_as_it_was_written() {
        use Principal as P;
        for principal in [P::Server, P::Anybody, P::Key("a:b".into()), P::Role("arn:aws:x".into())]
        {
            assert_eq!(P::of_text(principal.text().as_deref()), Some(principal));
        }
        // What this release does not understand must not become more rights.
        for unknown in ["", "root", "everything:x"] {
            assert_eq!(P::of_text(Some(unknown)), None, "{unknown}");
        }
    }
}
