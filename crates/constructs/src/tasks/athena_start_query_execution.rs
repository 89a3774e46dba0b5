use crate::duration::Minutes;
use crate::fields::choices;
use crate::policy::query_permissions;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, arn, text};
use crate::value::Value;
use crate::{Items, Str, object};

task! {
    /// Starts an Athena query.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let query = AthenaStartQueryExecution::new("Query", string_at("$.query"))
    ///     .integration_pattern(IntegrationPattern::RunJob)
    ///     .database_name("mydatabase")
    ///     .output_location("query-results-bucket", "folder");
    /// assert!(StateMachine::new("Querying", query).asl().is_ok());
    /// ```
    pub struct AthenaStartQueryExecution [RequestResponse, RunJob] {
        required { query_string: Str => "QueryString", }
        optional {
            /// Makes the request safe to repeat: 32 to 128 characters.
            client_request_token: Str => "ClientRequestToken",
            /// The catalogue. Defaults to `AwsDataCatalog`.
            catalog_name: Str,
            /// The database.
            database_name: Str,
            /// The values of the question marks in the query.
            execution_parameters: Items => "ExecutionParameters",
            /// The work group. Defaults to `primary`.
            work_group: Str => "WorkGroup",
            /// How the result is encrypted.
            encryption_option: EncryptionOption,
            /// The ARN or id of the key with which the result is encrypted.
            encryption_key: Str,
            /// The bucket and key of the result; see
            /// [`output_location`](AthenaStartQueryExecution::output_location).
            output: OutputPlace,
            /// How old an earlier result may be to be reused: from a minute to a week.
            result_reuse_configuration_max_age: Minutes,
        }
    }
}

choices! {
    /// How the result of a query is encrypted.
    pub enum EncryptionOption {
        /// By S3.
        S3Managed = "SSE_S3",
        /// By S3, with a key of KMS.
        Kms = "SSE_KMS",
        /// By Athena, with a key of KMS.
        ClientSideKms = "CSE_KMS",
    }
}

type OutputPlace = (Text, Text);

impl AthenaStartQueryExecution {
    /// Where the result is written in S3.
    #[must_use]
    pub fn output_location(self, bucket: impl Into<Text>, key: impl Into<Text>) -> Self {
        self.output((bucket.into(), key.into()))
    }
}

impl ServiceTask for AthenaStartQueryExecution {
    fn plan(&self, plan: &mut Plan) {
        plan.service("athena", "startQueryExecution");
        let part = |param: Option<&Str>, default: &str| -> Text {
            param.map_or_else(|| default.into(), Str::known_or_any)
        };
        let (catalog, group) = (
            part(self.catalog_name.as_ref(), "AwsDataCatalog"),
            part(self.work_group.as_ref(), "primary"),
        );
        let database = part(self.database_name.as_ref(), "default");
        let results = match &self.output {
            Some((bucket, key)) => arn(text!("s3:::", bucket, "/", key, "/*")),
            None => "*".into(),
        };
        for (actions, resources) in query_permissions(catalog, group, &database, results) {
            plan.allow(actions, resources);
        }
        self.check(plan);
        self.put_fields(plan);
        self.put_nested(plan);
    }
}

impl AthenaStartQueryExecution {
    fn put_nested(&self, plan: &mut Plan) {
        let members = |pairs: [(&str, Option<Value>); 2]| {
            let given = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Value::Object(given.collect())
        };
        if self.catalog_name.is_some() || self.database_name.is_some() {
            plan.put(
                "QueryExecutionContext",
                members([
                    ("Catalog", self.catalog_name.clone().map(Value::from)),
                    ("Database", self.database_name.clone().map(Value::from)),
                ]),
            );
        }
        let encryption = self.encryption_option.map(|option| {
            members([
                ("EncryptionOption", Some(option.into())),
                ("KmsKey", self.encryption_key.clone().map(Value::from)),
            ])
        });
        let location =
            self.output.as_ref().map(|(bucket, key)| text!("s3://", bucket, "/", key, "/").into());
        plan.put(
            "ResultConfiguration",
            members([("EncryptionConfiguration", encryption), ("OutputLocation", location)]),
        );
        if let Some(age) = &self.result_reuse_configuration_max_age {
            plan.put("ResultReuseConfiguration", object! {
                "ResultReuseByAgeConfiguration": {"Enabled": true, "MaxAgeInMinutes": age.clone()},
            });
        }
    }

    fn check(&self, plan: &mut Plan) {
        if self.encryption_key.is_some() && self.encryption_option.is_none() {
            plan.problem("`encryption_key` goes with `encryption_option`");
        }
        let age = self.result_reuse_configuration_max_age.as_ref();
        let age = age.and_then(Minutes::known).map(|age| age.as_secs());
        if age.is_some_and(|age| age != 0 && !(60..=10_080 * 60).contains(&age)) {
            plan.problem("`result_reuse_configuration_max_age` is nothing, or a minute to a week");
        }
        if let Some(Value::List(items)) = self.execution_parameters.as_ref().map(|p| &p.value)
            && items.is_empty()
        {
            plan.problem("`execution_parameters` has an item or is not given");
        }
    }
}
