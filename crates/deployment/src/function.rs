//! Tasks on Lambda.

use crate::names::id;
use crate::plan::Plan;
use crate::role;
use crate::template::{Template, attribute, reference, substituted};
use stepwright_fluxio::Task;
use stepwright_json::{Json, Object, json};

/// The Lambda runtime, and the base of container images.
pub(crate) const RUNTIME: &str = "python3.12";

/// The service that assumes the roles of functions.
pub(crate) const SERVICE: &str = "lambda.amazonaws.com";

/// Adds the function of a task, with its code from a folder or an image.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, name: &str, task: &Task) {
    let short = id(name);
    let (role, logs) = (format!("LambdaRole{short}"), format!("LambdaLogs{short}"));
    let function_name = plan.names.of(name);
    role::add_logs(template, &logs, &format!("/aws/lambda/{function_name}"));
    role::add_for_task(template, plan, name, &role, SERVICE, vec![role::write_logs(&logs)]);
    let mut properties = Object::new();
    properties.insert("FunctionName", substituted(&function_name));
    if task.service() == "lambda:container" {
        let image = image(template, name);
        properties.insert("PackageType", "Image".into());
        properties.insert("Code", json!({"ImageUri": (image)}));
    } else {
        properties.insert("Runtime", RUNTIME.into());
        properties.insert("Handler", "stepwright_fluxio.aws.function.handler".into());
        properties.insert("Code", format!("./tasks/{name}").into());
    }
    properties.insert("Role", attribute(&role, "Arn"));
    properties.insert("Timeout", Json::Int(task.longest_as_function()));
    properties.insert("MemorySize", Json::Int(task.number("memory").unwrap_or(2048)));
    properties.insert("Environment", environment(role::environment(plan, name)));
    properties.insert("LoggingConfig", json!({"LogGroup": (reference(&logs))}));
    let id = format!("LambdaFunction{short}");
    template.resource(&id, "AWS::Lambda::Function", properties.into());
}

/// The parameter for the image that is built from a task's folder.
pub(crate) fn image(template: &mut Template, task: &str) -> Json {
    let parameter = format!("ImageUri{}", id(task));
    template.text(&parameter, &format!("The image that is built from tasks/{task}"));
    reference(&parameter)
}

/// The environment variables of a function.
pub(crate) fn environment(variables: Vec<(&'static str, Json)>) -> Json {
    json!({"Variables": (Json::from(variables.into_iter().collect::<Object>()))})
}

/// A function that serves machines rather than running a task.
pub(crate) struct Service<'s> {
    /// The suffix of its id and of the ids of its role and log group.
    pub(crate) suffix: &'s str,
    /// The prefix of these ids, such as `Starter`.
    pub(crate) prefix: &'static str,
    pub(crate) code: String,
    pub(crate) handler: &'static str,
    pub(crate) variables: Vec<(&'static str, Json)>,
    pub(crate) allowed: Vec<Json>,
    /// The queue for events that the function could not handle.
    pub(crate) dead_letters: Option<String>,
}

impl Service<'_> {
    /// The id of the function.
    pub(crate) fn id(&self) -> String {
        format!("{}Function{}", self.prefix, self.suffix)
    }

    /// Adds the function, its role and its log group. CloudFormation chooses their names.
    pub(crate) fn add(self, template: &mut Template) {
        let id = self.id();
        let role = format!("{}Role{}", self.prefix, self.suffix);
        let logs = format!("{}Logs{}", self.prefix, self.suffix);
        let group = json!({
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"RetentionInDays": (reference("LogRetentionDays"))}
        });
        template.add(&logs, group);
        let mut allowed = vec![role::write_logs(&logs)];
        allowed.extend(self.allowed);
        role::add(template, &role, SERVICE, allowed);
        let mut properties = Object::new();
        properties.insert("Runtime", RUNTIME.into());
        properties.insert("Handler", self.handler.into());
        properties.insert("Code", self.code.into());
        properties.insert("Role", attribute(&role, "Arn"));
        properties.insert("Timeout", Json::Int(60));
        properties.insert("MemorySize", Json::Int(256));
        if !self.variables.is_empty() {
            properties.insert("Environment", environment(self.variables));
        }
        if let Some(queue) = self.dead_letters {
            properties.insert("DeadLetterConfig", json!({"TargetArn": (attribute(&queue, "Arn"))}));
        }
        properties.insert("LoggingConfig", json!({"LogGroup": (reference(&logs))}));
        template.resource(&id, "AWS::Lambda::Function", properties.into());
    }
}
