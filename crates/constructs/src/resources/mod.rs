//! Handles of the resources that tasks refer to.
//!
//! A handle refers to an existing resource by its ARN or name (`from_arn`, `from_name`), to a
//! parameter of the template (`parameter`), or to a small resource that is defined in the same
//! template (`new`). Networks, clusters and the like are defined elsewhere and only referred to.

mod activity;
mod connection;
mod function;
mod handle;
mod resource;
mod role;
mod security_group;

pub use activity::Activity;
pub use connection::{Authorization, Connection};
pub use function::{Architecture, Code, Function};
pub use handle::{
    Bucket, BuildProject, Cluster, EventBus, Key, Machine, Queue, Repository, Table,
    TaskDefinition, Topic,
};
pub(crate) use resource::{Handle, Plain, PolicyPart, ResourceBody};
pub use resource::{RemovalPolicy, Resource};
pub use role::Role;
pub use security_group::SecurityGroup;

use md5::{Digest, Md5};

/// The logical id that the CDK gives to a resource at a path of constructs: the readable parts of
/// the path, and the start of the path's MD5 hash. So a stack that was written with the CDK keeps
/// its resources.
pub fn logical_id(path: &[&str]) -> String {
    let path: Vec<&str> = path.iter().copied().filter(|part| *part != "Default").collect();
    if let [single] = path.as_slice()
        && single.chars().all(|c| c.is_ascii_alphanumeric())
    {
        return (*single).to_owned();
    }
    let sum = Md5::digest(path.join("/"));
    let hash = sum.iter().take(4).fold(String::new(), |hash, byte| hash + &format!("{byte:02X}"));
    let mut readable = String::new();
    let mut last = String::new();
    for part in path.iter().filter(|part| **part != "Resource") {
        let part: String = part.chars().filter(char::is_ascii_alphanumeric).collect();
        if last.is_empty() || !last.ends_with(&part) {
            readable.push_str(&part);
        }
        last = part;
    }
    readable.truncate(240);
    readable + &hash
}

#[cfg(test)]
mod tests {
    use super::logical_id;

    #[test]
    fn ids_are_those_of_the_cdk() {
        assert_eq!(logical_id(&["Fn", "Resource"]), "Fn9270CBC0");
        assert_eq!(logical_id(&["StateMachine", "Resource"]), "StateMachine2E01A3A5");
        assert_eq!(
            logical_id(&["StateMachine", "Role", "DefaultPolicy", "Resource"]),
            "StateMachineRoleDefaultPolicyDF1E6607",
        );
    }
}
