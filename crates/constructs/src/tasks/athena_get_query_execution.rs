use crate::Str;
use crate::tasks::{Plan, ServiceTask};

task! {
    /// Reads the status of an Athena query.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let task = AthenaGetQueryExecution::new("Task", string_at("$.QueryExecutionId"));
    /// assert!(StateMachine::new("Queries", task).asl().is_ok());
    /// ```
    pub struct AthenaGetQueryExecution [RequestResponse] {
        required { query_execution_id: Str => "QueryExecutionId", }
        optional {}
    }
}

impl ServiceTask for AthenaGetQueryExecution {
    fn plan(&self, plan: &mut Plan) {
        plan.service("athena", "getQueryExecution");
        plan.allow(&["athena:getQueryExecution"], ["*"]);
        self.put_fields(plan);
    }
}
