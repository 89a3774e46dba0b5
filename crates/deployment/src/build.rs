//! Tasks on CodeBuild.

use crate::names::id;
use crate::plan::Plan;
use crate::role;
use crate::template::{Template, allow, attribute, local_arn, reference, substituted};
use stepwright_fluxio::Task;
use stepwright_json::{Json, Object, json};

/// Adds the CodeBuild project of a task. Only whoever deploys it knows where its source is; the
/// source version is given with each build.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, name: &str, task: &Task) {
    let short = id(name);
    let (role, logs) = (format!("BuildRole{short}"), format!("BuildLogs{short}"));
    let (kind, location) = (format!("SourceType{short}"), format!("SourceLocation{short}"));
    let privileged = format!("Privileged{short}");
    template.parameter(
        &kind,
        json!({
            "Type": "String",
            "Default": "GITHUB",
            "AllowedValues": ["BITBUCKET", "GITHUB", "GITHUB_ENTERPRISE", "GITLAB"],
            "Description": (format!("Where the source of {name} is kept"))
        }),
    );
    template.text(&location, &format!("The URL of the repository that {name} builds"));
    template.parameter(
        &privileged,
        json!({
            "Type": "String",
            "Default": "false",
            "AllowedValues": ["true", "false"],
            "Description": (format!("Whether {name} may build images"))
        }),
    );
    let project = plan.names.of(name);
    role::add_logs(template, &logs, &format!("/aws/codebuild/{project}"));
    let reports = local_arn("codebuild", &format!("report-group/{project}-*"));
    let report = [
        "codebuild:CreateReportGroup",
        "codebuild:CreateReport",
        "codebuild:UpdateReport",
        "codebuild:BatchPutTestCases",
        "codebuild:BatchPutCodeCoverages",
    ];
    let allowed = vec![role::write_logs(&logs), allow(&report, vec![reports])];
    let managed = json!({
        "Fn::If": [
            (role::HAS_TASK_POLICY),
            [(reference(role::TASK_POLICY))],
            {"Ref": "AWS::NoValue"}
        ]
    });
    let build_role = json!({
        "AssumeRolePolicyDocument": (role::assumed_by("codebuild.amazonaws.com")),
        "ManagedPolicyArns": (managed),
        "Policies": [{"PolicyName": "default", "PolicyDocument": (crate::template::policy(allowed))}]
    });
    template.resource(&role, "AWS::IAM::Role", build_role);
    let mut source = Object::new();
    source.insert("Type", reference(&kind));
    source.insert("Location", reference(&location));
    match task.attributes.get("build_spec") {
        None | Some(Json::Null) => {}
        Some(spec) => {
            // JSON is YAML, so the specification is used unchanged.
            let text = spec.as_str().map_or_else(|| spec.pretty(), str::to_owned);
            source.insert("BuildSpec", text.into());
        }
    }
    let minutes = (task.longest().min(36 * 3600) + 59) / 60;
    let properties = json!({
        "Name": (substituted(&project)),
        "ServiceRole": (attribute(&role, "Arn")),
        "Artifacts": {"Type": "NO_ARTIFACTS"},
        "Environment": {
            "Type": "LINUX_CONTAINER",
            "ComputeType": "BUILD_GENERAL1_SMALL",
            "Image": "aws/codebuild/standard:7.0",
            "PrivilegedMode": (reference(&privileged))
        },
        "Source": (Json::from(source)),
        "TimeoutInMinutes": (Json::Int(minutes.max(5))),
        "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": (reference(&logs))}}
    });
    let id = format!("CodeBuildProjectName{short}");
    template.resource(&id, "AWS::CodeBuild::Project", properties);
}
