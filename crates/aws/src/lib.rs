//! What is known of AWS's services: the optimised integrations, what operations answer, what services
//! refuse before they are called, what IAM calls things, and how requests are signed.
//!
//! Everything here is a fact about AWS and nothing else: the rules, the policy writer, the mocks and the
//! callers of services ask it, and none of them keeps a list of its own.

pub mod iam;
pub mod integrations;
pub mod parameters;
pub mod responses;
pub mod signing;
