use crate::tasks::{Plan, ServiceTask};
use crate::{Num, Str};

task! {
    /// Reads the rows that a query of Athena found.
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
            /// Where the rows go on that were read before.
            next_token: Str => "NextToken",
            /// At most so many rows: 1,000.
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
