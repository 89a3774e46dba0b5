//! What tasks call: resource ARN to action
