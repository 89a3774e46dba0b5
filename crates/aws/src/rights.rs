//! The rights that a request needs: which action of IAM on which resource.

use crate::table::{Operation, Service};
use stepwright_json::{Json, Object};

/// Where resources are that a request names without saying so.
#[derive(Clone, Copy, Debug)]
pub struct Home<'h> {
    /// The region.
    pub region: &'h str,
    /// The account.
    pub account: &'h str,
}

/// The rights that a request needs, as actions and ARNs. Where it is not clear from the request what
/// it is about, the resource is `*`.
pub fn needed(
    service: &Service,
    operation: &Operation,
    value: &Json,
    home: Home<'_>,
) -> Vec<(String, String)> {
    let about = About { service, value, home };
    if let Some(rights) = about.by_item(&operation.name) {
        return rights;
    }
    let resource = about.resource(&operation.name).unwrap_or_else(|| "*".to_owned());
    let (actions, _) = service.iam_actions(operation);
    actions.into_iter().map(|action| (action, resource.clone())).collect()
}

struct About<'a> {
    service: &'a Service,
    value: &'a Json,
    home: Home<'a>,
}

impl About<'_> {
    fn text(&self, member: &str) -> Option<&str> {
        text(self.value, member)
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let Home { region, account } = self.home;
        format!("arn:aws:{}:{region}:{account}:{kind}{name}", self.service.iam_prefix)
    }

    /// What a request is about that is about one thing.
    fn resource(&self, operation: &str) -> Option<String> {
        let text = |member: &str| self.text(member);
        let arn = |kind: &str, name: &str| self.arn(kind, name);
        match &*self.service.name {
            "sqs" => {
                let of_url = text("QueueUrl").and_then(|url| url.rsplit('/').next());
                let name = of_url.or_else(|| text("QueueName")).or_else(|| text("SourceArn"))?;
                Some(arn("", name))
            }
            "dynamodb" => {
                let table = arn("table/", text("TableName")?);
                Some(match text("IndexName") {
                    Some(index) => format!("{table}/index/{index}"),
                    None => table,
                })
            }
            "s3" => {
                let bucket = text("Bucket")?;
                Some(match text("Key") {
                    Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
                    None => format!("arn:aws:s3:::{bucket}"),
                })
            }
            "sns" => {
                let named = text("TopicArn").or_else(|| text("TargetArn"));
                let named = named.or_else(|| text("ResourceArn"));
                // A subscription belongs to its topic.
                let of_subscription = || {
                    let parts: Vec<&str> = text("SubscriptionArn")?.splitn(7, ':').collect();
                    Some(parts.get(..6)?.join(":"))
                };
                let new = || Some(arn("", text("Name")?));
                named.map(str::to_owned).or_else(of_subscription).or_else(new)
            }
            "lambda" => Some(arn("function:", text("FunctionName")?)),
            "eventbridge" => {
                let bus = text("EventBusName").map(|bus| bus.rsplit('/').next().unwrap_or(bus));
                let rule = |name: &str| match bus.filter(|bus| *bus != "default") {
                    Some(bus) => arn("rule/", &format!("{bus}/{name}")),
                    None => arn("rule/", name),
                };
                if operation.ends_with("EventBus") {
                    return Some(arn("event-bus/", text("Name").unwrap_or("default")));
                }
                if let Some(named) = text("ResourceARN") {
                    return Some(named.to_owned());
                }
                text("Rule").or_else(|| text("Name")).map(rule)
            }
            "batch" => {
                let kinds = [
                    ("jobDefinition", "job-definition/"),
                    ("jobDefinitionName", "job-definition/"),
                    ("jobQueue", "job-queue/"),
                    ("jobQueueName", "job-queue/"),
                    ("computeEnvironment", "compute-environment/"),
                    ("computeEnvironmentName", "compute-environment/"),
                    ("jobId", "job/"),
                    ("resourceArn", ""),
                ];
                // Describing and listing are not about one thing on AWS.
                let is_one = !operation.starts_with("Describe") && !operation.starts_with("List");
                let is_one = is_one || operation == "ListTagsForResource";
                let mut named =
                    kinds.iter().filter_map(|(name, kind)| Some(arn(kind, text(name)?)));
                named.next().filter(|_| is_one)
            }
            "ecs" => {
                let definition = "task-definition/";
                let kinds = [
                    ("taskDefinition", definition),
                    ("task", "task/"),
                    ("clusterName", "cluster/"),
                    ("resourceArn", ""),
                ];
                let is_one = ["RunTask", "StopTask", "CreateCluster"].contains(&operation)
                    || operation.ends_with("Resource");
                let mut named =
                    kinds.iter().filter_map(|(name, kind)| Some(arn(kind, text(name)?)));
                named.next().filter(|_| is_one)
            }
            "ssm" => {
                let name = text("Name").or_else(|| text("Path")).or_else(|| text("ResourceId"))?;
                Some(arn("parameter/", name.trim_start_matches('/')))
            }
            "secretsmanager" => Some(arn("secret:", text("SecretId").or_else(|| text("Name"))?)),
            _ => None,
        }
    }

    /// The rights of requests that do several things, or one thing to several resources.
    fn by_item(&self, operation: &str) -> Option<Vec<(String, String)>> {
        let prefix = &self.service.iam_prefix;
        let right = |action: &str, resource: String| (format!("{prefix}:{action}"), resource);
        let object = |bucket: &str, key: &str| format!("arn:aws:s3:::{bucket}/{key}");
        let items = |member: &str| {
            let items = self.value.get(member).and_then(Json::as_array).cloned();
            items.unwrap_or_default()
        };
        match (&*self.service.name, operation) {
            ("s3", "CopyObject" | "UploadPartCopy") => {
                let source = self.text("CopySource").unwrap_or_default();
                let source = source.trim_start_matches('/').split('?').next().unwrap_or_default();
                let decoded = percent_encoding::percent_decode_str(source).decode_utf8_lossy();
                let target = self.resource(operation)?;
                Some(vec![
                    right("GetObject", format!("arn:aws:s3:::{decoded}")),
                    right("PutObject", target),
                ])
            }
            ("s3", "DeleteObjects") => {
                let bucket = self.text("Bucket")?;
                let listed = self.value.get("Delete")?.get("Objects")?.as_array()?;
                let keys = listed.iter().filter_map(|one| text(one, "Key"));
                Some(keys.map(|key| right("DeleteObject", object(bucket, key))).collect())
            }
            ("dynamodb", "BatchGetItem" | "BatchWriteItem") => {
                let tables = self.value.get("RequestItems")?.as_object()?;
                Some(
                    tables
                        .keys()
                        .map(|table| right(operation, self.arn("table/", table)))
                        .collect(),
                )
            }
            ("dynamodb", "TransactGetItems" | "TransactWriteItems") => {
                let listed = items("TransactItems");
                let parts = listed.iter().filter_map(Json::as_object).flat_map(Object::iter);
                let rights = parts.filter_map(|(kind, one)| {
                    let action = match kind.as_str() {
                        "ConditionCheck" => "ConditionCheckItem",
                        "Delete" => "DeleteItem",
                        "Get" => "GetItem",
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        _ => return None,
                    };
                    Some(right(action, self.arn("table/", text(one, "TableName")?)))
                });
                Some(rights.collect())
            }
            ("eventbridge", "PutEvents") => {
                let listed = items("Entries");
                let mut rights: Vec<(String, String)> = Vec::new();
                for entry in &listed {
                    let bus = text(entry, "EventBusName").unwrap_or("default");
                    let one = right("PutEvents", self.arn("event-bus/", bus));
                    if !rights.contains(&one) {
                        rights.push(one);
                    }
                }
                Some(rights)
            }
            // Whoever adds a target needs the right to what the target does.
            ("eventbridge", "PutTargets") => {
                let mut rights = vec![right(operation, self.resource(operation)?)];
                let listed = items("Targets");
                rights.extend(listed.iter().filter_map(|one| reached(text(one, "Arn")?)));
                Some(rights)
            }
            ("sns", "Subscribe") => {
                let mut rights = vec![right(operation, self.resource(operation)?)];
                rights.extend(self.text("Endpoint").and_then(reached));
                Some(rights)
            }
            ("batch", "SubmitJob") => {
                let named = [("jobDefinition", "job-definition/"), ("jobQueue", "job-queue/")];
                let rights = named.iter().filter_map(|(member, kind)| {
                    Some(right(operation, self.arn(kind, self.text(member)?)))
                });
                Some(rights.collect())
            }
            ("ssm", "GetParameters" | "DeleteParameters") => {
                let listed = items("Names");
                let names = listed.iter().filter_map(Json::as_str);
                let resource = |name: &str| self.arn("parameter/", name.trim_start_matches('/'));
                Some(names.map(|name| right(operation, resource(name))).collect())
            }
            ("secretsmanager", "BatchGetSecretValue") => {
                let listed = items("SecretIdList");
                let names = listed.iter().filter_map(Json::as_str);
                let mut rights = vec![right(operation, "*".to_owned())];
                rights.extend(names.map(|name| right("GetSecretValue", self.arn("secret:", name))));
                Some(rights)
            }
            _ => None,
        }
    }
}

/// The right to what is done with a thing when an event reaches it.
fn reached(arn: &str) -> Option<(String, String)> {
    let action = match arn.split(':').nth(2)? {
        "states" => "states:StartExecution",
        "lambda" => "lambda:InvokeFunction",
        "sqs" => "sqs:SendMessage",
        "sns" => "sns:Publish",
        "events" => "events:PutEvents",
        _ => return None,
    };
    Some((action.to_owned(), arn.to_owned()))
}

fn text<'v>(value: &'v Json, member: &str) -> Option<&'v str> {
    value.get(member).and_then(Json::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;
    use stepwright_json::json;

    #[track_caller]
    fn check(service: &str, action: &str, value: Json, expected: &[(&str, &str)]) {
        let service = table::service(service).unwrap();
        let home = Home { region: "us-east-1", account: "123456789012" };
        let found = needed(service, service.action(action).unwrap(), &value, home);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(action, resource)| (action.as_str(), resource.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn requests_need_rights_on_what_they_name() {
        let queue = "arn:aws:sqs:us-east-1:123456789012:q";
        let url = json!({"QueueUrl": "http://localhost:1/123456789012/q"});
        check("sqs", "sendMessageBatch", url, &[("sqs:SendMessage", queue)]);
        check("sqs", "createQueue", json!({"QueueName": "q"}), &[("sqs:CreateQueue", queue)]);
        check("sqs", "listQueues", json!({}), &[("sqs:ListQueues", "*")]);
        let definition = "arn:aws:batch:us-east-1:123456789012:job-definition/d:2";
        let jobs = "arn:aws:batch:us-east-1:123456789012:job-queue/q";
        let job = json!({"jobName": "j", "jobQueue": "q", "jobDefinition": definition});
        let both = [("batch:SubmitJob", definition), ("batch:SubmitJob", jobs)];
        check("batch", "submitJob", job, &both);
        check("batch", "describeJobs", json!({"jobs": ["x"]}), &[("batch:DescribeJobs", "*")]);
        let task = "arn:aws:ecs:us-east-1:123456789012:task-definition/t:1";
        check("ecs", "runTask", json!({"taskDefinition": "t:1"}), &[("ecs:RunTask", task)]);
        check(
            "s3",
            "copyObject",
            json!({"Bucket": "b", "Key": "k", "CopySource": "/a/x%20y?versionId=null"}),
            &[("s3:GetObject", "arn:aws:s3:::a/x y"), ("s3:PutObject", "arn:aws:s3:::b/k")],
        );
        check(
            "s3",
            "deleteObjects",
            json!({"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l"}]}}),
            &[("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObject", "arn:aws:s3:::b/l")],
        );
        let table = "arn:aws:dynamodb:us-east-1:123456789012:table/t";
        check(
            "dynamodb",
            "transactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": "t"}}, {"Delete": {"TableName": "t"}}]}),
            &[("dynamodb:PutItem", table), ("dynamodb:DeleteItem", table)],
        );
        check(
            "dynamodb",
            "batchGetItem",
            json!({"RequestItems": {"t": {"Keys": []}}}),
            &[("dynamodb:BatchGetItem", table)],
        );
        check(
            "sns",
            "unsubscribe",
            json!({"SubscriptionArn": "arn:aws:sns:us-east-1:123456789012:t:1-2"}),
            &[("sns:Unsubscribe", "arn:aws:sns:us-east-1:123456789012:t")],
        );
        check(
            "eventbridge",
            "putRule",
            json!({"Name": "r", "EventBusName": "b"}),
            &[("events:PutRule", "arn:aws:events:us-east-1:123456789012:rule/b/r")],
        );
        check(
            "sns",
            "subscribe",
            json!({"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Protocol": "sqs", "Endpoint": queue}),
            &[
                ("sns:Subscribe", "arn:aws:sns:us-east-1:123456789012:t"),
                ("sqs:SendMessage", queue),
            ],
        );
        let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
        check(
            "eventbridge",
            "putTargets",
            json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": machine}]}),
            &[
                ("events:PutTargets", "arn:aws:events:us-east-1:123456789012:rule/r"),
                ("states:StartExecution", machine),
            ],
        );
        check(
            "ssm",
            "getParameter",
            json!({"Name": "/a/b"}),
            &[("ssm:GetParameter", "arn:aws:ssm:us-east-1:123456789012:parameter/a/b")],
        );
    }
}
