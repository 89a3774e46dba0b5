use crate::common::IntegrationPattern::RunJob;
use crate::fields::record;
use crate::iam::Statement;
use crate::logs::LogGroup;
use crate::resources::{Bucket, Code, Function, Resource, Role, logical_id};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Token, local_arn, text};
use crate::value::Value;
use crate::{Items, Str, object};

task! {
    /// Runs a Spark job on a virtual EMR cluster on EKS and waits for its end.
    ///
    /// Without `execution_role`, a role is created, and a function lets the virtual cluster assume it
    /// when the stack is deployed.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let run = EmrContainersStartJobRun::new(
    ///     "EMR Containers Start Job Run", "de92jdei2910fwedz", "emr-6.2.0-latest",
    ///     "local:///usr/lib/spark/examples/src/main/python/pi.py",
    /// )
    /// .execution_role(Role::from_arn("arn:aws:iam::123456789012:role/Job-Execution-Role"))
    /// .application_config([ApplicationConfiguration::new("spark-defaults")
    ///     .properties([("spark.executor.instances", "1")])]);
    /// assert!(StateMachine::new("Jobs", run).asl().is_ok());
    /// ```
    #[doc(alias = "ReleaseLabel")]
    #[doc(alias = "VirtualClusterInput")]
    pub struct EmrContainersStartJobRun [RunJob, RequestResponse] {
        required {
            virtual_cluster: Str => "VirtualClusterId",
            release_label: Str => "ReleaseLabel",
            entry_point: Str,
        }
        optional {
            /// The role of the job. It has to trust the virtual cluster.
            execution_role: Role,
            /// The name of the job.
            job_name: Str => "Name",
            /// The arguments of the program: a list.
            entry_point_arguments: Items,
            /// Parameters of `spark-submit`: `--conf spark.executor.memory=2G`.
            spark_submit_parameters: Str,
            /// Configurations of applications: at most 100.
            application_config: [ApplicationConfiguration],
            /// Monitoring: what is logged, and where.
            monitoring: Monitoring,
            /// Tags.
            tags: {Str} => "Tags",
        }
    }
}

type NestedConfigurations = Vec<ApplicationConfiguration>;

record! {
    /// The configuration of an application.
    #[doc(alias = "Classification")]
    pub struct ApplicationConfiguration {
        required { classification: Str => "Classification", }
        optional {
            /// Its properties: at most 100.
            properties: {Str} => "Properties",
            /// Nested configurations.
            nested_config: NestedConfigurations => "Configurations",
        }
    }
}

/// The monitoring of a job: what is logged, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Monitoring {
    log_group: Option<LogGroup>,
    prefix: Option<Str>,
    bucket: Option<Bucket>,
    ui: Option<bool>,
    logging: bool,
}

impl Monitoring {
    /// Only the history in the console.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes logs to a log group.
    #[must_use]
    pub fn log_group(mut self, group: LogGroup) -> Self {
        self.log_group = Some(group);
        self
    }

    /// Writes logs to a log group and a bucket, which are created if they are not given.
    #[must_use]
    pub fn logging(mut self) -> Self {
        self.logging = true;
        self
    }

    /// What is created for the logs of the task with this id.
    fn created(mut self, id: &str) -> Self {
        if self.logging {
            let group = || LogGroup::new(&format!("{id}/Monitoring Log Group"));
            self.log_group.get_or_insert_with(group);
            self.bucket.get_or_insert_with(|| Bucket::new(&format!("{id}/Monitoring Bucket")));
        }
        self
    }

    /// What the role of the job may do with the logs.
    fn permissions(&self) -> Vec<Statement> {
        let mut permissions = Vec::new();
        if let Some(bucket) = &self.bucket {
            let actions = [
                "s3:GetObject*",
                "s3:GetBucket*",
                "s3:List*",
                "s3:DeleteObject*",
                "s3:PutObject",
                "s3:PutObjectLegalHold",
                "s3:PutObjectRetention",
                "s3:PutObjectTagging",
                "s3:PutObjectVersionTagging",
                "s3:Abort*",
            ];
            permissions.push(Statement::allow(actions, [bucket.arn(), bucket.objects("*")]));
        }
        if let Some(group) = &self.log_group {
            let actions = ["logs:CreateLogStream", "logs:PutLogEvents"];
            permissions.push(Statement::allow(actions, [group.arn()]));
            permissions.push(Statement::allow(["logs:DescribeLogStreams"], [group.arn()]));
        }
        permissions.push(Statement::allow(["logs:DescribeLogGroups"], [local_arn("logs", "*")]));
        permissions
    }

    /// The prefix of the names of log streams, for use with `log_group`.
    #[must_use]
    pub fn log_stream_name_prefix(mut self, prefix: impl Into<Str>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Writes logs to a bucket.
    #[must_use]
    pub fn log_bucket(mut self, bucket: impl Into<Bucket>) -> Self {
        self.bucket = Some(bucket.into());
        self
    }

    /// Whether the history of the job is visible in the console. Defaults to true.
    #[must_use]
    pub fn persistent_app_ui(mut self, on: bool) -> Self {
        self.ui = Some(on);
        self
    }

    fn to_value(&self) -> Value {
        let mut members = Vec::new();
        if let Some(group) = &self.log_group {
            let mut logs = vec![("LogGroupName".to_owned(), Value::from(group.name()))];
            logs.extend(
                self.prefix.clone().map(|prefix| ("LogStreamNamePrefix".to_owned(), prefix.into())),
            );
            members.push(("CloudWatchMonitoringConfiguration".to_owned(), Value::Object(logs)));
        }
        let ui = if self.ui == Some(false) { "DISABLED" } else { "ENABLED" };
        members.push(("PersistentAppUI".to_owned(), ui.into()));
        if let Some(bucket) = &self.bucket {
            let uri = object! {"LogUri": text!("s3://", bucket.name())};
            members.push(("S3MonitoringConfiguration".to_owned(), uri));
        }
        Value::Object(members)
    }
}

impl ServiceTask for EmrContainersStartJobRun {
    fn plan(&self, plan: &mut Plan) {
        plan.service("emr-containers", "startJobRun");
        self.check(plan);
        let role = &match &self.execution_role {
            Some(role) => role.clone(),
            None => self.own_role(plan),
        };
        plan.uses(role.resources());
        let monitoring = self.monitoring.clone().unwrap_or_default().created(&self.common.id);
        plan.uses(role.attached(None, monitoring.permissions()).into_iter().collect());
        plan.uses(monitoring.log_group.iter().flat_map(LogGroup::resources).collect());
        plan.uses(monitoring.bucket.iter().flat_map(Bucket::resources).collect());
        let known = self.virtual_cluster.value.known();
        let cluster = known.clone().unwrap_or_else(|| "*".into());
        let when = object! {"StringEquals": {"emr-containers:ExecutionRoleArn": role.arn()}};
        let clusters = local_arn("emr-containers", text!("/virtualclusters/", &cluster));
        plan.state(Statement::allow(["emr-containers:StartJobRun"], [&clusters]).when(when));
        if plan.is(RunJob) {
            let runs = if known.is_some() { text!(&clusters, "/jobruns/*") } else { clusters };
            plan.allow(&["emr-containers:DescribeJobRun", "emr-containers:CancelJobRun"], [runs]);
        }
        plan.put("ExecutionRoleArn", role.value());
        let mut driver = vec![("EntryPoint".to_owned(), Value::from(self.entry_point.clone()))];
        let mut put = |key: &str, value: Option<Value>| {
            driver.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("EntryPointArguments", self.entry_point_arguments.clone().map(Value::from));
        put("SparkSubmitParameters", self.spark_submit_parameters.clone().map(Value::from));
        plan.put("JobDriver", object! {"SparkSubmitJobDriver": Value::Object(driver)});
        let mut overrides = Vec::new();
        if let Some(configurations) = &self.application_config {
            overrides.push(("ApplicationConfiguration".to_owned(), configurations.clone().into()));
        }
        overrides.push(("MonitoringConfiguration".to_owned(), monitoring.to_value()));
        plan.put("ConfigurationOverrides", Value::Object(overrides));
        self.put_fields(plan);
    }
}

/// The code of the function that lets a virtual cluster assume a role: what `aws emr-containers
/// update-role-trust-policy` does.
const TRUST: &str = r"const { EMRContainersClient, DescribeVirtualClusterCommand } = require('@aws-sdk/client-emr-containers');
const { EKSClient, DescribeClusterCommand } = require('@aws-sdk/client-eks');
const { IAMClient, GetRoleCommand, UpdateAssumeRolePolicyCommand } = require('@aws-sdk/client-iam');
const base36 = (text) => {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyz';
  let number = BigInt('0x' + Buffer.from(text).toString('hex'));
  let written = '';
  for (; number > 0n; number /= 36n) written = digits[Number(number % 36n)] + written;
  return written;
};
const trust = async ({ VirtualCluster, RoleName, Account, Partition }) => {
  const found = await new EMRContainersClient().send(new DescribeVirtualClusterCommand({ id: VirtualCluster }));
  const provider = found.virtualCluster.containerProvider;
  const { cluster } = await new EKSClient().send(new DescribeClusterCommand({ name: provider.id }));
  const issuer = cluster.identity.oidc.issuer.replace('https://', '');
  const account = `emr-containers-sa-*-*-${Account}-${base36(RoleName)}`;
  const statement = {
    Effect: 'Allow',
    Principal: { Federated: `arn:${Partition}:iam::${Account}:oidc-provider/${issuer}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringLike: { [`${issuer}:sub`]: `system:serviceaccount:${provider.info.eksInfo.namespace}:${account}` } },
  };
  const iam = new IAMClient();
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
  const policy = JSON.parse(decodeURIComponent(Role.AssumeRolePolicyDocument));
  if (!policy.Statement.some((one) => JSON.stringify(one) === JSON.stringify(statement))) {
    policy.Statement.push(statement);
    await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(policy) }));
  }
};
exports.handler = async (event, context) => {
  let status = 'SUCCESS', reason = '';
  try {
    if (event.RequestType !== 'Delete') await trust(event.ResourceProperties);
  } catch (error) {
    status = 'FAILED';
    reason = String(error);
  }
  await fetch(event.ResponseURL, { method: 'PUT', body: JSON.stringify({
    Status: status, Reason: reason, PhysicalResourceId: event.LogicalResourceId, StackId: event.StackId,
    RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId }) });
};
";

impl EmrContainersStartJobRun {
    /// The role that is created if none is given. The virtual cluster may assume it.
    fn own_role(&self, plan: &mut Plan) -> Role {
        let id = &self.common.id;
        let role = Role::new(&format!("{id}/Job-Execution-Role"), "emr-containers.amazonaws.com")
            .also_assumed_by("states.amazonaws.com");
        let Some(cluster) = self.virtual_cluster.value.known() else {
            plan.problem(
                "the virtual cluster is only known when the state runs, so its `execution_role` \
                 has to be given",
            );
            return role;
        };
        let clusters = local_arn("emr-containers", text!("/virtualclusters/", &cluster));
        let function = Function::new(&format!("{id}/TrustFunction"), Code::inline(TRUST))
            .timeout(crate::minutes(1))
            .allow(Statement::allow(["emr-containers:DescribeVirtualCluster"], [clusters]))
            .allow(Statement::allow(["eks:DescribeCluster"], [local_arn("eks", "cluster/*")]))
            .allow(Statement::allow(["iam:GetRole", "iam:UpdateAssumeRolePolicy"], [role.arn()]));
        let properties = object! {
            "ServiceToken": function.arn(),
            "VirtualCluster": cluster,
            "RoleName": role.name().unwrap_or_default(),
            "Account": Token::account(),
            "Partition": Token::partition(),
        };
        let trust = logical_id(&[id, "Trust", "Resource"]);
        plan.uses(vec![Resource::new(trust, "Custom::EmrContainersTrust", properties)]);
        role
    }

    fn check(&self, plan: &mut Plan) {
        fn nested(configurations: &[ApplicationConfiguration], plan: &mut Plan) {
            if configurations.len() > 100 {
                plan.problem("there are 100 application configurations at most");
            }
            for configuration in configurations {
                match (&configuration.properties, &configuration.nested_config) {
                    (None, None) => {
                        plan.problem(
                            "an application configuration has properties or configurations within",
                        );
                    }
                    (Some(properties), _) if properties.len() > 100 => {
                        plan.problem("an application configuration has 100 properties at most");
                    }
                    _ => {}
                }
                nested(configuration.nested_config.as_deref().unwrap_or_default(), plan);
            }
        }
        nested(self.application_config.as_deref().unwrap_or_default(), plan);
        let entry = self.entry_point.value.as_literal().map(|text| text.chars().count());
        if entry.is_some_and(|length| !(1..=256).contains(&length)) {
            plan.problem("`entry_point` has 1 to 256 characters");
        }
        let monitoring = self.monitoring.as_ref();
        if monitoring.is_some_and(|m| m.prefix.is_some() && m.log_group.is_none()) {
            plan.problem("`log_stream_name_prefix` goes with `log_group`");
        }
    }
}
