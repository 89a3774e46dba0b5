//! Every available project can be deployed, and cfn-lint accepts its templates. If projects are
//! missing or cfn-lint is not installed (`pip install cfn-lint`), the test is skipped with a note.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the projects are read from files, and a test that is skipped says so"
)]

mod common;

use common::{deployments, templates};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use stepwright_json::{Json, Object};

#[test]
fn projects_are_synthesised_and_twice_the_same() {
    let first = deployments();
    let templates = first.iter().flat_map(|(_, deployment)| templates(deployment)).count();
    println!("{} projects, {templates} templates", first.len());
    assert!(first == deployments(), "a second time gives something else");
}

#[test]
fn cfn_lint_takes_the_templates() {
    if Command::new("cfn-lint").arg("--version").output().is_err() {
        println!("skipped: cfn-lint is not installed");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deployments");
    let mut paths = Vec::new();
    for (name, deployment) in deployments() {
        for file in templates(&deployment) {
            let path = folder.join(&name).join(&file.path);
            std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
                .and_then(|()| std::fs::write(&path, &file.content))
                .expect("the folder for tests can be written to");
            paths.push(path);
        }
    }
    let output = Command::new("cfn-lint")
        // The code of functions is given as local folders, which `aws cloudformation package`
        // replaces.
        .args(["--ignore-checks", "W3002", "--"])
        .args(&paths)
        .output()
        .expect("cfn-lint runs");
    println!("cfn-lint: {} templates", paths.len());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Everything that a template refers to exists in it. The parameters that the root passes to a
/// nested template are those that it declares, and the outputs that the root reads exist. The
/// folders of functions are among the files.
#[test]
fn references_lead_somewhere() {
    for (name, deployment) in deployments() {
        for file in templates(&deployment) {
            let template = common::template(&deployment, &file.path);
            let part = |part: &str| {
                template.get(part).and_then(Json::as_object).cloned().unwrap_or_default()
            };
            let (parameters, resources) = (part("Parameters"), part("Resources"));
            let mut names = BTreeSet::new();
            references(&template, &mut names);
            for reference in &names {
                let (id, attribute) = reference.split_once('.').unwrap_or((reference, ""));
                let is_known = parameters.contains_key(id) || resources.contains_key(id);
                assert!(is_known || id.starts_with("AWS::"), "{name}: {}: {id}", file.path);
                if let Some(output) = attribute.strip_prefix("Outputs.") {
                    let nested = common::template(&deployment, &format!("{id}.template.json"));
                    assert!(
                        nested.get("Outputs").and_then(|all| all.get(output)).is_some(),
                        "{id}"
                    );
                }
            }
            for parameter in parameters.keys() {
                assert!(names.contains(parameter.as_str()), "{name}: {parameter} is not used");
            }
            for (_, resource) in resources.iter() {
                check_resource(&deployment, resource);
            }
        }
    }
}

fn check_resource(deployment: &stepwright_deployment::Deployment, resource: &Json) {
    let properties = resource.get("Properties").expect("resources have properties");
    if let Some(folder) = properties.get("Code").and_then(Json::as_str) {
        let folder = format!("{}/", folder.trim_start_matches("./"));
        let has_file = |path: &str| deployment.files.iter().any(|file| file.path == path);
        let handler = properties.get("Handler").and_then(Json::as_str).expect("a handler");
        let module = handler.rsplit_once('.').expect("a handler is in a module").0;
        let module = format!("{folder}{}.py", module.replace('.', "/"));
        assert!(has_file(&module), "{module}");
    }
    let Some(url) = properties.get("TemplateURL").and_then(Json::as_str) else { return };
    let nested = common::template(deployment, url.trim_start_matches("./"));
    let names = |object: &Json| -> BTreeSet<String> {
        object
            .as_object()
            .map(Object::keys)
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    };
    let given = names(properties.get("Parameters").expect("parameters are given"));
    assert_eq!(given, names(nested.get("Parameters").expect("parameters are taken")));
}

/// Collects the ids that a template refers to, with their attributes.
fn references(json: &Json, names: &mut BTreeSet<String>) {
    for item in json.as_array().into_iter().flat_map(|list| list.iter()) {
        references(item, names);
    }
    for (key, value) in json.as_object().into_iter().flat_map(Object::iter) {
        match key.as_ref() {
            "Ref" => names.extend(value.as_str().map(str::to_owned)),
            "DependsOn" => names.extend(value.as_str().map(str::to_owned)),
            "Fn::GetAtt" => {
                let parts: Vec<&str> = value
                    .as_array()
                    .into_iter()
                    .flat_map(|list| list.iter().filter_map(Json::as_str))
                    .collect();
                names.insert(parts.join("."));
            }
            "Fn::Sub" => {
                let text = value.as_str().expect("it is a text");
                let places = text.split("${").skip(1);
                names.extend(places.filter_map(|place| Some(place.split_once('}')?.0.to_owned())));
            }
            "DefinitionString" => {}
            _ => references(value, names),
        }
    }
}
