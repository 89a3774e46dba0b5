use crate::iam::Statement;
use crate::misuse::Misuse;
use crate::resources::{Bucket, Function, Key, Machine, Queue, Resource, Role, Table, Topic};
use crate::state_machine::StateMachine;
use crate::text::{Text, local_arn, text};

/// A permission that a role is given. It takes effect in the stack that it is added to.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let machine = StateMachine::new("Orders", Pass::new("Work"));
/// let starter = Function::new("Starter", Code::inline("exports.handler = async () => {};"))
///     .environment("MACHINE", machine.arn());
/// let stack = Stack::new()
///     .machine(machine.clone())
///     .grant(machine.grant_start_execution(&starter));
/// assert!(stack.template()?.to_json().to_string().contains("states:StartExecution"));
/// # Ok::<(), Misuses>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "StateMachineGrants")]
#[must_use = "a grant takes effect in the stack that it is added to with `Stack::grant`"]
pub struct Grant {
    grantee: Grantee,
    statements: Vec<Statement>,
}

/// Who gets a permission: a role, or the role of a function or of a state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Grantee {
    role: Option<Role>,
    name: String,
}

impl Grant {
    /// Any permission.
    pub fn new(grantee: impl Into<Grantee>, statement: Statement) -> Self {
        Self::of(grantee, statement)
    }

    pub(crate) fn of(grantee: impl Into<Grantee>, statement: Statement) -> Self {
        Self { grantee: grantee.into(), statements: vec![statement] }
    }

    /// The statements, to add them to a role or a function with `allow`.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        let misused = |message: &str| {
            let misuse = Misuse { subject: self.grantee.name.clone(), message: message.to_owned() };
            vec![Resource::misused(misuse)]
        };
        let Some(role) = &self.grantee.role else {
            return misused(
                "its role is not known, so it cannot be given a permission: name its role with \
                 `Role::from_name`",
            );
        };
        let mut resources = role.resources();
        match role.attached(Some("Grants"), self.statements.clone()) {
            Some(policy) => resources.push(policy),
            None => {
                return misused("the role cannot be changed, so it cannot be given a permission");
            }
        }
        resources
    }
}

impl From<&Role> for Grantee {
    fn from(role: &Role) -> Self {
        let name = role.name().map_or_else(|| "Role::at".to_owned(), |name| name.readable());
        Self { role: Some(role.clone()), name }
    }
}

impl From<&Function> for Grantee {
    fn from(function: &Function) -> Self {
        Self { role: function.role_of(), name: function.name().readable() }
    }
}

impl From<&StateMachine> for Grantee {
    fn from(machine: &StateMachine) -> Self {
        Self { role: Some(machine.effective_role()), name: machine.id().to_owned() }
    }
}

macro_rules! owned {
    ($($from:ty),*) => {$(
        impl From<$from> for Grantee {
            fn from(grantee: $from) -> Self {
                (&grantee).into()
            }
        }
    )*};
}
owned!(Role, Function, StateMachine);

/// Permissions on the resources that handles stand for, as the CDK grants them.
macro_rules! resource_grants {
    ($($handle:ident { $($(#[$doc:meta])* $name:ident = [$($action:literal),*] on $on:ident;)* })*) => {$(
        impl $handle {
            $($(#[$doc])*
            pub fn $name(&self, grantee: impl Into<Grantee>) -> Grant {
                Grant::of(grantee, Statement::allow([$($action),*], $on(self.arn())))
            })*
        }
    )*};
}

fn itself(arn: Text) -> Vec<Text> {
    vec![arn]
}

fn and_objects(arn: Text) -> Vec<Text> {
    vec![arn.clone(), text!(arn, "/*")]
}

resource_grants! {
    Bucket {
        /// The permission to read its objects and to list them.
        grant_read = ["s3:GetObject*", "s3:GetBucket*", "s3:List*"] on and_objects;
        /// The permission to write objects.
        grant_write = [
            "s3:DeleteObject*", "s3:PutObject", "s3:PutObjectLegalHold", "s3:PutObjectRetention",
            "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:Abort*"
        ] on and_objects;
    }
    Table {
        /// The permission to read items.
        grant_read_data = [
            "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:Scan",
            "dynamodb:ConditionCheckItem", "dynamodb:DescribeTable"
        ] on itself;
        /// The permission to write items.
        grant_write_data = [
            "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:UpdateItem",
            "dynamodb:DeleteItem", "dynamodb:DescribeTable"
        ] on itself;
    }
    Topic {
        /// The permission to publish messages.
        grant_publish = ["sns:Publish"] on itself;
    }
    Queue {
        /// The permission to send messages.
        grant_send_messages =
            ["sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"] on itself;
        /// The permission to receive messages and to delete them.
        grant_consume_messages = [
            "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl",
            "sqs:DeleteMessage", "sqs:GetQueueAttributes"
        ] on itself;
    }
    Key {
        /// The permission to encrypt with it.
        grant_encrypt = ["kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"] on itself;
        /// The permission to decrypt with it.
        grant_decrypt = ["kms:Decrypt"] on itself;
    }
}

/// The permissions that concern a state machine, for those that are defined and those that exist.
macro_rules! grants {
    ($($machine:ty),*) => {$(
        impl $machine {
            /// The permission to start executions.
            pub fn grant_start_execution(&self, grantee: impl Into<Grantee>) -> Grant {
                self.grant(grantee, ["states:StartExecution"])
            }

            /// The permission to start executions of an Express workflow and wait for their end.
            #[doc(alias = "grantStartSyncExecution")]
            pub fn grant_start_sync_execution(&self, grantee: impl Into<Grantee>) -> Grant {
                self.grant(grantee, ["states:StartSyncExecution"])
            }

            /// The permission to look at the machine, its executions and their histories.
            pub fn grant_read(&self, grantee: impl Into<Grantee>) -> Grant {
                let executions = ["states:DescribeExecution", "states:DescribeStateMachineForExecution", "states:GetExecutionHistory"];
                let mut grant = self.grant(grantee, ["states:ListExecutions", "states:ListStateMachines"]);
                grant.statements.push(Statement::allow(executions, [self.executions("*")]));
                let any = ["states:ListActivities", "states:DescribeStateMachine", "states:DescribeActivity"];
                grant.statements.push(Statement::allow(any, ["*"]));
                grant
            }

            /// The permission to report on its tasks that wait for a token.
            pub fn grant_task_response(&self, grantee: impl Into<Grantee>) -> Grant {
                let actions = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"];
                self.grant(grantee, actions)
            }

            /// The permission to do something with its executions: `states:StopExecution`.
            pub fn grant_execution<A: Into<String>>(
                &self,
                grantee: impl Into<Grantee>,
                actions: impl IntoIterator<Item = A>,
            ) -> Grant {
                Grant::of(grantee, Statement::allow(actions, [self.executions("*")]))
            }

            /// The permission to redrive its executions.
            pub fn grant_redrive_execution(&self, grantee: impl Into<Grantee>) -> Grant {
                self.grant_execution(grantee, ["states:RedriveExecution"])
            }

            /// The permission to do something with the machine itself.
            pub fn grant<A: Into<String>>(
                &self,
                grantee: impl Into<Grantee>,
                actions: impl IntoIterator<Item = A>,
            ) -> Grant {
                Grant::of(grantee, Statement::allow(actions, [self.arn()]))
            }

            fn executions(&self, rest: &str) -> Text {
                let name = Machine::from(self).name();
                local_arn("states", text!("execution:", name, ":", rest))
            }
        }
    )*};
}
grants!(StateMachine, Machine);
