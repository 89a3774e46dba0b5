//! cfn-lint accepts the templates. Skipped if it is not installed: `pip install cfn-lint`.

use super::{Golden, aibs, allma, clusters, services, states};
use std::path::Path;
use std::process::Command;
use stepwright_json::{Json, json};

/// cfn-lint does not know `Parameters` of a Parallel state, nor the paths and the query language of
/// a Succeed state.
pub(crate) const UNKNOWN_TO_CFN_LINT: &[&str] = &["x-24-parallel-full", "x-27-succeed-paths"];

#[test]
fn cfn_lint_takes_the_templates() {
    if Command::new("cfn-lint").arg("--version").output().is_err() {
        println!("skipped: cfn-lint is not installed");
        return;
    }
    let mut machines: Vec<Golden> = states::goldens();
    machines.extend(services::goldens());
    machines.extend(clusters::goldens());
    machines.extend(aibs::goldens());
    for (name, (_, machine)) in ["allma", "allma-branch", "allma-polling"].into_iter().zip(allma())
    {
        machines.push(Golden { name, machine });
    }
    machines.retain(|golden| !UNKNOWN_TO_CFN_LINT.contains(&golden.name));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cfn-lint");
    std::fs::create_dir_all(&folder).expect("the folder for tests can be written to");
    let mut files = Vec::new();
    for Golden { name, machine } in &machines {
        let template = machine.template().unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
        let file = folder.join(format!("{name}.json"));
        let whole = with_what_is_elsewhere(&template.to_json());
        std::fs::write(&file, whole.pretty()).expect("a template is written");
        files.push(file);
    }
    files.extend(super::derived::templates(&folder));
    let output = Command::new("cfn-lint")
        // As in the CDK, machines name their role twice, and some examples contain a password.
        .args(["--ignore-checks", "W3005", "W2501", "--"])
        .args(&files)
        .output()
        .expect("cfn-lint runs");
    println!("cfn-lint: {} templates", files.len());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// The examples refer to resources of their stack. Custom resources stand in for these.
fn with_what_is_elsewhere(template: &Json) -> Json {
    let mut names = Vec::new();
    references(template, &mut names);
    let mut template = template.as_object().cloned().expect("a template is an object");
    let mut resources =
        template.get("Resources").and_then(Json::as_object).cloned().unwrap_or_default();
    let parameters =
        template.get("Parameters").and_then(Json::as_object).cloned().unwrap_or_default();
    for name in names {
        let known = resources.get(name.as_str()).or_else(|| parameters.get(name.as_str()));
        if known.is_none() && !name.starts_with("AWS::") {
            let service = "arn:aws:lambda:us-east-1:123456789012:function:elsewhere";
            let elsewhere = json!({
                "Type": "Custom::Elsewhere",
                "Properties": {"ServiceToken": service},
            });
            resources.insert(name.as_str(), elsewhere);
        }
    }
    template.insert("Resources", resources.into());
    template.into()
}

fn references(json: &Json, names: &mut Vec<String>) {
    if let Some(list) = json.as_array() {
        list.iter().for_each(|item| references(item, names));
    }
    for (key, value) in json.as_object().into_iter().flat_map(stepwright_json::Object::iter) {
        let first = value.as_array().and_then(|list| list.first());
        match key.as_ref() {
            "Ref" => names.extend(value.as_str().map(str::to_owned)),
            "Fn::GetAtt" => names.extend(first.and_then(Json::as_str).map(str::to_owned)),
            _ => references(value, names),
        }
    }
}
