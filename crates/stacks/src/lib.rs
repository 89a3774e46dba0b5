//! Stacks: what a template of CloudFormation or SAM declares beside its state machines, made in the
//! local services.
//!
//! [`Stack::deploy`] makes the resources in the order in which they need each other, with the values of
//! `Ref`, `GetAtt` and `Sub`. Functions become entries of the configuration; activities, versions and
//! aliases of state machines are for the caller, who has the state machines. What is not here is named.
//!
//! One file for each service under `resources`; what a resource is on AWS is in the documentation of its
//! type, <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/>.

mod configured;
mod dynamic;
mod expand;
mod functions;
mod names;
mod preview;
mod request;
mod resources;
mod stack;

pub use configured::{ResourceConfig, template};
pub use preview::preview;
pub use resources::machines::Alias;
pub use stack::{Deployed, Done, LeftOut, Setup, Stack};
