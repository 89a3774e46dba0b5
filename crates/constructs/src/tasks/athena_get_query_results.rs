use crate::tasks::{Plan, ServiceTask};
use crate::{Num, Str};

task! {
    /// Reads the rows that an Athena query returned.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let rows = AthenaGetQueryResults::new("Rows", string_at("$.QueryExecutionId")).max_results(100);
    /// assert!(StateMachine::new("Queries", rows).asl().is_ok());
    /// ```
    pub struct AthenaGetQueryResults [RequestResponse] {
        required { query_execution_id: Str => "QueryExecutionId", }
        optional {
            /// The token of the next page, from an earlier call.
            next_token: Str => "NextToken",
            /// The largest number of rows, up to 1,000.
            max_results: Num => "MaxResults",
        }
    }
}

impl ServiceTask for AthenaGetQueryResults {
    fn plan(&self, plan: &mut Plan) {
        plan.service("athena", "getQueryResults");
        plan.allow(&["athena:getQueryResults"], ["*"]);
        plan.allow(&["s3:GetObject"], ["*"]);
        self.put_fields(plan);
    }
}
