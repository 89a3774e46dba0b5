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
            Fault::Client(why) | Fault::Unfit(why) => {
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
        let mut error = ServiceError {
            code: "AccessDeniedException".to_owned(),
            message: denied.to_string(),
            status: 403,
            ..ServiceError::default()
        };
        let modelled = error.structure(service, operation);
        error.name = modelled.and_then(|structure| structure.name.as_deref()).map(str::to_owned);
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
        let mut error = error.clone();
        // What is shown although the answer lacks it.
        let id = error.request_id.get_or_insert_with(|| Uuid::new_v4().to_string()).clone();
        error.extended_request_id = error.extended_request_id.filter(|id| !id.is_empty());
        if error.message.is_empty() {
            "null".clone_into(&mut error.message);
        }
        match self {
            Self::Sdk => {
                Failure::new(sdk::error_name(service, &error), sdk::cause(service, &error, None))
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
                    "{} (Service: {}; Status Code: {}; Error Code: {}; Request ID: {id}; Proxy: null)",
                    error.message, row.sdk, error.status, error.code
                );
                Failure::new(format!("{}.{name}", row.prefix), cause)
            }
        }
    }
}
