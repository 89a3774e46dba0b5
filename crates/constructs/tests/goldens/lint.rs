//! cfn-lint accepts the templates. Skipped if it is not installed: `pip install cfn-lint`.

use super::{Golden, aibs, allma, clusters, services, states};
use std::path::Path;
use std::process::Command;
use stepwright_constructs::prelude::StateMachine;

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
        std::fs::write(&file, template.to_json().pretty()).expect("a template is written");
        files.push(file);
    }
    let beside =
        super::written::beside().map(|machine| (machine.id().to_owned(), machine.template()));
    let unseen = super::unseen::templates();
    let unseen = unseen.into_iter().map(|(name, template)| (name.to_owned(), template));
    let further = super::more::machines().into_iter().chain(super::more_full::machines());
    let further = further.map(|(name, chain)| {
        (name.to_owned(), StateMachine::new("StateMachine", chain).template())
    });
    for (name, template) in beside.into_iter().chain(unseen).chain(further) {
        let template = template.unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
        let file = folder.join(format!("written-{name}.json"));
        std::fs::write(&file, template.to_json().pretty()).expect("a template is written");
        files.push(file);
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/allma/template.json");
    files.push(example);
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
