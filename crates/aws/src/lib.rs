//! Facts about AWS's services: the optimised integrations, the responses of operations, the
//! parameters that are refused before a service is called, the names in IAM, and the signing of
//! requests.
//!
//! Everything here is a fact about AWS. The rules, the policy writer, the mocks and the callers of
//! services look it up here, and none of them keeps a list of its own.

pub mod iam;
pub mod integrations;
pub mod parameters;
pub mod responses;
pub mod signing;
