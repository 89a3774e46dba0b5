//! The shapes of the Step Functions API: operations, constraints, errors
