use crate::Str;
use crate::tasks::{Plan, ServiceTask};

task! {
    /// Stops an Athena query.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let task = AthenaStopQueryExecution::new("Task", string_at("$.QueryExecutionId"));
    /// assert!(StateMachine::new("Queries", task).asl().is_ok());
    /// ```
    pub struct AthenaStopQueryExecution [RequestResponse] {
        required { query_execution_id: Str => "QueryExecutionId", }
        optional {}
    }
}

impl ServiceTask for AthenaStopQueryExecution {
    fn plan(&self, plan: &mut Plan) {
        plan.service("athena", "stopQueryExecution");
        plan.allow(&["athena:stopQueryExecution"], ["*"]);
        self.put_fields(plan);
    }
}
