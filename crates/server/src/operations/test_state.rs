use crate::api::{Api, Reply};
use stepwright_protocol::{ApiError, Request};

pub(super) async fn call(_api: &Api, _request: &Request) -> Reply {
    Err(ApiError::new("UnsupportedOperationException", "TestState is not served yet"))
}
