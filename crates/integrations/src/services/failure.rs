//! The names and causes of failures, as AWS's SDKs for Java have them: version 2 behind AWS SDK
//! integrations, version 1 behind most of the optimised ones.

use super::optimised::Row;
use super::wire::Fault;
use stepwright_aws::codec::ServiceError;
use stepwright_aws::sdk;
use stepwright_aws::table::{Operation, Service};
use stepwright_engine::Denied;
use stepwright_history::Failure;
use uuid::Uuid;

/// Whose names are used.
#[derive(Clone, Copy)]
pub(crate) enum Speaker {
    /// An AWS SDK integration.
    Sdk,
    /// An optimised integration.
    Optimised(&'static Row),
}

impl Speaker {
    /// The failure of a call.
    pub(crate) fn failure(self, service: &Service, operation: &Operation, fault: Fault) -> Failure {
        match fault {
            Fault::Service(error) => self.reported(service, operation, &error),
            Fault::Client(why) => {
                Failure::new(format!("{}.SdkClientException", self.prefix(service)), why)
            }
        }
    }

    /// The failure of a task whose execution may not call the service.
    pub(crate) fn denied(
        self,
        service: &Service,
        operation: &Operation,
        denied: &Denied,
    ) -> Failure {
        let error = ServiceError {
            code: "AccessDeniedException".to_owned(),
            message: denied.to_string(),
            status: 403,
            ..ServiceError::default()
        };
        self.reported(service, operation, &error)
    }

    /// The service in the names of errors.
    fn prefix(self, service: &Service) -> &str {
        match self {
            Self::Sdk => &service.error_prefix,
            Self::Optimised(row) => row.prefix,
        }
    }

    fn reported(self, service: &Service, operation: &Operation, error: &ServiceError) -> Failure {
        let modelled = error.structure(service, operation);
        let own = || Uuid::new_v4().to_string();
        let id = error.request_id.clone().unwrap_or_else(own);
        let message = match error.message.as_str() {
            "" => "null",
            message => message,
        };
        match self {
            Self::Sdk => {
                let name = sdk::error_name(service, error);
                let extended = error.extended_request_id.as_deref().filter(|id| !id.is_empty());
                let extended =
                    extended.map_or(String::new(), |id| format!(", Extended Request ID: {id}"));
                let (shown, status) = (&service.error_prefix, error.status);
                let cause = format!(
                    "{message} (Service: {shown}, Status Code: {status}, Request ID: {id}{extended})"
                );
                Failure::new(name, cause)
            }
            Self::Optimised(row) => {
                let modelled = modelled.and_then(|structure| structure.name.as_deref());
                let name = match modelled {
                    // Version 1 keeps the capitals of the model.
                    Some(name) => {
                        let base = name.strip_suffix("Fault").or(name.strip_suffix("Exception"));
                        format!("{}Exception", base.unwrap_or(name))
                    }
                    None => row.base(),
                };
                let cause = format!(
                    "{message} (Service: {}; Status Code: {}; Error Code: {}; Request ID: {id}; \
                     Proxy: null)",
                    row.sdk, error.status, error.code
                );
                Failure::new(format!("{}.{name}", row.prefix), cause)
            }
        }
    }
}
