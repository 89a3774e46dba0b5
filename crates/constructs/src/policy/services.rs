//! The permissions that each integration needs.

use super::{Caller, Place};
use crate::iam::Statement;
use crate::object;
use crate::text::{Text, arn, local_arn, text};
use crate::value::Value;
use stepwright_aws::iam::{self, Needs, iam_service};
use stepwright_aws::integrations;
use stepwright_json::Json;

/// The parameters that name a role which a service takes.
const ROLES: [&str; 4] = ["RoleArn", "ExecutionRoleArn", "NodeRole", "PodExecutionRoleArn"];

impl Caller<'_> {
    /// Allows what the `Resource` of a task needs.
    pub(crate) fn allow_resource(&mut self) {
        let Some(resource) = self.state.get("Resource").and_then(Json::as_str) else { return };
        let integration =
            resource.splitn(6, ':').nth(5).filter(|_| resource.contains(":states:::"));
        match integration {
            Some(integration) => self.allow_integration(integration),
            None if resource.contains(":activity:") => {}
            None if resource.contains(":lambda:") => {
                self.allow_function(self.with_places(resource));
            }
            None if self.places.contains_key(resource.trim_matches(['$', '{', '}'])) => {
                // If the function is known, the definition names it without a version.
                let function = self.with_places(resource);
                self.allow(&["lambda:InvokeFunction"], [function]);
            }
            None if resource.starts_with("${") => {
                self.note(format!(
                    "`{resource}` is taken for a function; an activity would need nothing"
                ));
                self.allow_function(self.with_places(resource));
            }
            None => self.note(format!("it is not known what `{resource}` needs")),
        }
    }

    fn allow_function(&mut self, function: Text) {
        let versions = text!(&function, ":*");
        let is_any = function.as_literal() == Some("*");
        let resources = if is_any { vec![function] } else { vec![function, versions] };
        self.allow(&["lambda:InvokeFunction"], resources);
    }

    fn allow_integration(&mut self, integration: &str) {
        let (action, suffix) = integration.split_once('.').unwrap_or((integration, ""));
        let sync = suffix.starts_with("sync");
        if let Some(call) = action.strip_prefix("aws-sdk:") {
            self.allow_sdk(call);
            return;
        }
        match action {
            "lambda:invoke" => {
                let name = self.parameter_or_any(&["FunctionName"]);
                let function = arn_or(name, |name| local_arn("lambda", text!("function:", name)));
                self.allow_function(function);
            }
            "sns:publish" => {
                let topic = self.parameter_or_any(&["TopicArn"]);
                self.allow(&["sns:Publish"], [topic]);
            }
            "sqs:sendMessage" => self.allow_queue(),
            "states:startExecution" => self.allow_execution(sync),
            "dynamodb:getItem"
            | "dynamodb:putItem"
            | "dynamodb:updateItem"
            | "dynamodb:deleteItem" => {
                let table = self.parameter_or_any(&["TableName"]);
                let table = arn_or(table, |name| local_arn("dynamodb", text!("table/", name)));
                let (service, action) = action.split_once(':').unwrap_or_default();
                self.allow(&[&format!("{service}:{}", capital(action))], [table]);
            }
            "batch:submitJob" => {
                let queue = self.parameter_or_any(&["JobQueue"]);
                let queue = arn_or(queue, |name| local_arn("batch", text!("job-queue/", name)));
                let definitions = local_arn("batch", "job-definition/*");
                self.allow(&["batch:SubmitJob"], [definitions, queue]);
                self.allow_rule(sync, "StepFunctionsGetEventsForBatchJobsRule");
            }
            "ecs:runTask" => self.allow_ecs(sync),
            "glue:startJobRun" => {
                let name = self.parameter_or_any(&["JobName"]);
                let mut actions = vec!["glue:StartJobRun"];
                if sync {
                    actions.extend(["glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]);
                }
                self.allow(&actions, [local_arn("glue", text!("job/", name))]);
            }
            "databrew:startJobRun" => {
                let name = self.parameter_or_any(&["Name"]);
                let mut actions = vec!["databrew:startJobRun"];
                if sync {
                    actions.extend(["databrew:stopJobRun", "databrew:listJobRuns"]);
                }
                self.allow(&actions, [local_arn("databrew", text!("job/", name))]);
            }
            "codebuild:startBuild" => self.allow_build(
                &[
                    "codebuild:StartBuild",
                    "codebuild:StopBuild",
                    "codebuild:BatchGetBuilds",
                    "codebuild:BatchGetReports",
                ],
                sync,
                "StepFunctionsGetEventForCodeBuildStartBuildRule",
            ),
            "codebuild:startBuildBatch" => {
                let actions = [
                    "codebuild:StartBuildBatch",
                    "codebuild:StopBuildBatch",
                    "codebuild:BatchGetBuildBatches",
                ];
                let count = if sync { actions.len() } else { 1 };
                self.allow_build(
                    &actions[..count],
                    sync,
                    "StepFunctionsGetEventForCodeBuildStartBuildBatchRule",
                );
            }
            "athena:startQueryExecution" => self.allow_query(sync),
            "elasticmapreduce:createCluster" => {
                self.allow_by_table(action, sync);
                self.allow_cluster_roles();
            }
            "events:putEvents" => self.allow_events(),
            "http:invoke" => self.allow_http(),
            "apigateway:invoke" => self.allow_api(),
            // The cluster itself decides what its callers may do.
            "eks:call" | "eks:runJob" => {}
            "bedrock:invokeModel" => {
                let model = self.parameter_or_any(&["ModelId"]);
                let model = arn_or(model, |id| {
                    arn(text!("bedrock:", crate::Token::region(), "::foundation-model/", id))
                });
                self.allow(&["bedrock:InvokeModel"], [model]);
                if self.parameter(&["GuardrailIdentifier"]).is_some() {
                    let id = self.parameter_or_any(&["GuardrailIdentifier"]);
                    let guardrail = arn_or(id, |id| local_arn("bedrock", text!("guardrail/", id)));
                    self.allow(&["bedrock:ApplyGuardrail"], [guardrail]);
                }
                for (parameter, action) in [("Input", "s3:GetObject"), ("Output", "s3:PutObject")] {
                    let is_given = ["S3Uri", "S3Uri.$"]
                        .iter()
                        .any(|name| self.raw_parameter(&[parameter, name]).is_some());
                    if !is_given && self.raw_parameter(&[&format!("{parameter}.$")]).is_none() {
                        continue;
                    }
                    let uri = self.parameter_or_any(&[parameter, "S3Uri"]);
                    let object = match uri.as_literal().and_then(|uri| uri.strip_prefix("s3://")) {
                        Some(object) => arn(text!("s3:::", object)),
                        None => "*".into(),
                    };
                    self.allow(&[action], [object]);
                }
            }
            "mediaconvert:createJob" => {
                let role = self.parameter_or_any(&["Role"]);
                self.allow_pass(role, "mediaconvert.amazonaws.com");
                self.allow(&["mediaconvert:CreateJob"], ["*"]);
                if sync {
                    self.allow(&["mediaconvert:GetJob", "mediaconvert:CancelJob"], ["*"]);
                }
                self.allow_rule(sync, "StepFunctionsGetEventsForMediaConvertJobRule");
            }
            _ => self.allow_by_table(action, sync),
        }
    }

    /// Allows integrations whose permissions do not depend on their parameters.
    fn allow_by_table(&mut self, action: &str, sync: bool) {
        let Some(Needs { actions, sync_actions, resource, rule }) = iam::needs(action) else {
            let (service, name) = action.split_once(':').unwrap_or((action, ""));
            let permissions = match integrations::operation(service, name) {
                Some((service, operation)) => service.iam_actions(operation).0,
                None => vec![format!("{}:{}", iam_service(service), capital(name))],
            };
            for permission in &permissions {
                self.note(format!("it is assumed that `{action}` needs `{permission}`"));
                self.allow(&[permission], ["*"]);
            }
            return;
        };
        let service = action.split(':').next().unwrap_or_default();
        let resource = if resource == "*" { "*".into() } else { local_arn(service, resource) };
        let mut all = actions.to_vec();
        if sync {
            all.extend(sync_actions);
        }
        self.allow(&all, [resource]);
        if !rule.is_empty() {
            self.allow_rule(sync, rule);
        }
        if action.starts_with("sagemaker:create") {
            self.allow(&["sagemaker:ListTags"], ["*"]);
        }
        // EMR on EKS assumes the role by itself, so no permission to pass it is needed.
        if service != "emr-containers"
            && let Some(role) = ROLES.into_iter().find_map(|name| self.parameter(&[name]))
        {
            self.allow_pass(role, &format!("{service}.amazonaws.com"));
        }
    }

    fn allow_query(&mut self, sync: bool) {
        let part = |this: &mut Self, path: &[&str], default: &str| {
            this.parameter(path).unwrap_or_else(|| default.into())
        };
        let catalog = part(self, &["QueryExecutionContext", "Catalog"], "AwsDataCatalog");
        let database = part(self, &["QueryExecutionContext", "Database"], "default");
        let group = part(self, &["WorkGroup"], "primary");
        let place = self.parameter(&["ResultConfiguration", "OutputLocation"]);
        let results = match place.as_ref().and_then(Text::as_literal) {
            Some(place) => {
                let place = place.trim_start_matches("s3://").trim_end_matches('/');
                arn(text!("s3:::", place, "/*"))
            }
            None => "*".into(),
        };
        let permissions = super::query_permissions(catalog, group, &database, results);
        for (actions, resources) in permissions {
            self.allow(actions, resources);
        }
        if sync {
            self.allow(&["athena:stopQueryExecution"], ["*"]);
        }
    }

    /// Allows passing the roles of a cluster and its instances, and creating the role that cleans
    /// up after it.
    fn allow_cluster_roles(&mut self) {
        for field in ["ServiceRole", "JobFlowRole", "AutoScalingRole"] {
            if let Some(role) = self.parameter(&[field]) {
                let role = arn_or(role, |name| {
                    arn(text!("iam::", crate::Token::account(), ":role/", name))
                });
                self.push(Statement::allow(["iam:PassRole"], [role]));
            }
        }
        let services = vec!["elasticmapreduce.amazonaws.com", "elasticmapreduce.amazonaws.com.cn"];
        let when = object! {"StringEquals": {"iam:AWSServiceName": services}};
        let role = arn(text!(
            "iam::",
            crate::Token::account(),
            ":role/aws-service-role/elasticmapreduce.amazonaws.com*/AWSServiceRoleForEMRCleanup*"
        ));
        self.push(Statement::allow(["iam:CreateServiceLinkedRole"], [role]).when(when));
    }

    fn allow_rule(&mut self, sync: bool, rule: &str) {
        if sync {
            let rule = local_arn("events", text!("rule/", rule));
            self.allow(&["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]);
        }
    }

    fn allow_pass(&mut self, role: Text, service: &str) {
        let when = object! {"StringEquals": {"iam:PassedToService": service}};
        self.push(Statement::allow(["iam:PassRole"], [role]).when(when));
    }

    fn allow_queue(&mut self) {
        if let Some(Place::Queue { arn, .. }) = self.place(&["QueueUrl"]) {
            let arn = arn.clone();
            self.allow(&["sqs:SendMessage"], [arn]);
            return;
        }
        let url = self.parameter_or_any(&["QueueUrl"]);
        let queue = match url.as_literal().map(|url| url.split('/').collect::<Vec<_>>()) {
            Some(parts) => match parts.as_slice() {
                ["https:", "", host, account, name] => {
                    let region = host.split('.').nth(1).unwrap_or("*");
                    arn(text!("sqs:", region, ":", *account, ":", *name))
                }
                ["*"] => "*".into(),
                [name] => local_arn("sqs", *name),
                _ => "*".into(),
            },
            None => {
                self.note("the URL of the queue is filled in, so any queue has to be allowed");
                "*".into()
            }
        };
        self.allow(&["sqs:SendMessage"], [queue]);
    }

    fn allow_execution(&mut self, sync: bool) {
        let machine = self.parameter_or_any(&["StateMachineArn"]);
        self.allow(&["states:StartExecution"], [&machine]);
        if sync {
            let known = match self.place(&["StateMachineArn"]) {
                Some(Place::Machine { name, .. }) => Some(text!(name, ":")),
                _ => None,
            };
            let name = if let Some(name) = known {
                name
            } else {
                match machine.as_literal() {
                    Some(arn) => arn.rsplit(':').next().unwrap_or("*").into(),
                    None => text!(crate::Token::part(&machine, ":", 6)),
                }
            };
            let executions = if name.as_literal() == Some("*") { name } else { text!(name, "*") };
            self.allow(
                &["states:DescribeExecution", "states:StopExecution"],
                [local_arn("states", text!("execution:", executions))],
            );
            self.allow_rule(sync, "StepFunctionsGetEventsForStepFunctionsExecutionRule");
        }
    }

    fn allow_ecs(&mut self, sync: bool) {
        if let Some(Place::TaskDefinition { family, roles, .. }) = self.place(&["TaskDefinition"]) {
            let (family, roles) = (family.clone(), roles.clone());
            let when = match self.place(&["Cluster"]) {
                Some(cluster) => object! {"ArnEquals": {"ecs:cluster": cluster.text()}},
                None => object! {},
            };
            let conditioned = |statement: Statement| match &when {
                Value::Object(members) if members.is_empty() => statement,
                when => statement.when(when.clone()),
            };
            let definitions = local_arn("ecs", text!("task-definition/", family, ":*"));
            self.push(conditioned(Statement::allow(["ecs:RunTask"], [definitions])));
            let watch = Statement::allow(["ecs:StopTask", "ecs:DescribeTasks"], ["*"]);
            self.push(conditioned(watch));
            let to_tasks = object! {
                "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
            };
            self.push(Statement::allow(["iam:PassRole"], roles).when(to_tasks));
            self.allow_rule(sync, "StepFunctionsGetEventsForECSTaskRule");
            return;
        }
        let definition = self.parameter_or_any(&["TaskDefinition"]);
        let family = match definition.as_literal() {
            Some(name) => {
                let name = name.rsplit('/').next().unwrap_or(name);
                name.split(':').next().unwrap_or(name).into()
            }
            None => definition,
        };
        let revisions = if family.as_literal() == Some("*") { family } else { text!(family, ":*") };
        self.allow(&["ecs:RunTask"], [local_arn("ecs", text!("task-definition/", revisions))]);
        self.allow(&["ecs:StopTask", "ecs:DescribeTasks"], ["*"]);
        self.note("the roles of the task definition are not in the state machine, so any can be passed to ECS");
        self.allow_pass("*".into(), "ecs-tasks.amazonaws.com");
        self.allow_rule(sync, "StepFunctionsGetEventsForECSTaskRule");
    }

    fn allow_build(&mut self, actions: &[&str], sync: bool, rule: &str) {
        let project = self.parameter_or_any(&["ProjectName"]);
        self.allow(actions, [local_arn("codebuild", text!("project/", project))]);
        self.allow_rule(sync, rule);
    }

    fn allow_events(&mut self) {
        let payload = self.state.get("Parameters").or_else(|| self.state.get("Arguments"));
        let entries = payload.and_then(|payload| payload.get("Entries")).and_then(Json::as_array);
        let mut buses: Vec<Text> = Vec::new();
        for entry in &entries.cloned().unwrap_or_default() {
            let bus = match entry.get("EventBusName").and_then(Json::as_str) {
                Some(bus) if crate::value::jsonata_expression(bus).is_none() => {
                    super::with_places(bus)
                }
                None if entry.get("EventBusName.$").is_none() => "default".into(),
                _ => "*".into(),
            };
            let bus = arn_or(bus, |name| local_arn("events", text!("event-bus/", name)));
            if !buses.contains(&bus) {
                buses.push(bus);
            }
        }
        if buses.is_empty() {
            buses.push("*".into());
        }
        self.allow(&["events:PutEvents"], buses);
    }

    fn allow_http(&mut self) {
        let given = self.state.get("Parameters").or_else(|| self.state.get("Arguments"));
        let holder = match given.and_then(|given| given.get("InvocationConfig")) {
            Some(_) => "InvocationConfig",
            None => "Authentication",
        };
        let connection = self.parameter_or_any(&[holder, "ConnectionArn"]);
        self.allow(&["events:RetrieveConnectionCredentials"], [connection]);
        let secrets = local_arn("secretsmanager", "secret:events!connection/*");
        self.allow(&["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], [secrets]);
        let endpoint = self.parameter_or_any(&["ApiEndpoint"]);
        let when = object! {"StringLike": {"states:HTTPEndpoint": endpoint}};
        self.push(Statement::allow(["states:InvokeHTTPEndpoint"], ["*"]).when(when));
    }

    fn allow_api(&mut self) {
        let auth = self.parameter(&["AuthType"]);
        if auth.as_ref().and_then(Text::as_literal).is_none_or(|auth| auth == "NO_AUTH") {
            return;
        }
        let endpoint = self.parameter_or_any(&["ApiEndpoint"]);
        let api: Text = match endpoint.as_literal() {
            Some(endpoint) => endpoint.split('.').next().unwrap_or("*").into(),
            None => "*".into(),
        };
        let part = |text: Option<Text>| text.unwrap_or_else(|| "*".into());
        let stage = part(self.parameter(&["Stage"]));
        let method = part(self.parameter(&["Method"]));
        let path = self.parameter(&["Path"]).unwrap_or_else(|| "/*".into());
        let path = match path.as_literal() {
            Some(path) if !path.starts_with('/') => format!("/{path}").into(),
            _ => path,
        };
        let resource = text!(api, "/", stage, "/", method, path);
        self.allow(&["execute-api:Invoke"], [local_arn("execute-api", resource)]);
    }

    fn allow_sdk(&mut self, call: &str) {
        let (service, action) = call.split_once(':').unwrap_or((call, ""));
        let actions = match iam::sdk_actions(service, action) {
            Ok(found) if found.is_known => found.actions,
            Ok(found) => {
                self.note(format!(
                    "it is not known which action of IAM `aws-sdk:{call}` needs; `{}` is assumed",
                    found.actions.join("`, `")
                ));
                found.actions
            }
            Err(why) => {
                let assumed = format!("{}:{}", iam_service(service), capital(action));
                self.note(format!("`{assumed}` is assumed for `aws-sdk:{call}`, because {why}"));
                vec![assumed]
            }
        };
        for action in &actions {
            let bucket = (service == "s3" && action.starts_with("s3:"))
                .then(|| self.bucket_of(action))
                .flatten();
            let resource = match bucket {
                Some((bucket, key)) if is_of_objects(action) => {
                    arn(text!("s3:::", bucket, "/", key))
                }
                Some((bucket, _)) => arn(text!("s3:::", bucket)),
                None => {
                    self.note(format!(
                        "which resources `{action}` is for is not in the definition"
                    ));
                    "*".into()
                }
            };
            self.allow(&[action], [resource]);
        }
        // To give a role to a service, the state machine must be allowed to pass it.
        let roles = [&["RoleArn"][..], &["ExecutionRoleArn"], &["Role"], &["Target", "RoleArn"]];
        if let Some(role) = roles.into_iter().find_map(|path| self.parameter(path)) {
            self.push(Statement::allow(["iam:PassRole"], [role]));
        }
    }

    /// The bucket, and the key of the object, that a call of S3 needs an action for. Keys are any where
    /// the call has none.
    fn bucket_of(&self, action: &str) -> Option<(Text, Text)> {
        let any = || Text::from("*");
        // What is copied is read elsewhere: at `BUCKET/KEY`.
        if action.starts_with("s3:GetObject") && self.has_parameter("CopySource") {
            let source = self.parameter(&["CopySource"])?;
            let source = source.as_literal()?.trim_start_matches('/');
            let source = source.split("?versionId=").next()?;
            let (bucket, key) = source.split_once('/')?;
            return Some((bucket.into(), key.into()));
        }
        let of =
            |name: &str, alias: &str| self.parameter(&[name]).or_else(|| self.parameter(&[alias]));
        let bucket = of("Bucket", "DestinationBucket")?;
        Some((bucket, of("Key", "DestinationKey").unwrap_or_else(any)))
    }

    fn has_parameter(&self, name: &str) -> bool {
        let payload = self.state.get("Parameters").or_else(|| self.state.get("Arguments"));
        let is_there = |payload: &Json| {
            payload.get(name).is_some() || payload.get(&format!("{name}.$")).is_some()
        };
        payload.is_some_and(is_there)
    }

    /// Allows reading or writing the objects of a distributed Map.
    pub(crate) fn allow_map_data(&mut self, field: &str) {
        let resource = self.state.get("Resource").and_then(Json::as_str).unwrap_or_default();
        let bucket = self.parameter_or_any(&["Bucket"]);
        let objects = if bucket.as_literal() == Some("*") {
            bucket.clone()
        } else {
            arn(text!("s3:::", &bucket, "/*"))
        };
        if field == "ResultWriter" {
            let actions = [
                "s3:PutObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:AbortMultipartUpload",
            ];
            self.allow(&actions, [objects]);
        } else if resource.ends_with("listObjectsV2") {
            let bucket = arn_or(bucket, |name| arn(text!("s3:::", name)));
            self.allow(&["s3:ListBucket"], [bucket]);
        } else {
            self.allow(&["s3:GetObject"], [objects]);
        }
    }
}

/// The ARN for a value that is an ARN, a name, or `*`.
fn arn_or(text: Text, of_name: impl FnOnce(Text) -> Text) -> Text {
    let is_name = match text.as_literal() {
        Some(literal) => literal != "*" && !literal.starts_with("arn:"),
        // A placeholder stands for an ARN, because that is what templates usually pass.
        None => false,
    };
    if is_name { of_name(text) } else { text }
}

/// Whether an action of S3 is for objects, not for buckets.
fn is_of_objects(action: &str) -> bool {
    let of_uploads = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
    of_uploads.contains(&action) || action.contains("Object") && !action.contains("Bucket")
}

fn capital(action: &str) -> String {
    let mut characters = action.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}
