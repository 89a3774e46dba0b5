//! What executions may do: the rights of whoever started them, or of their machine's role.

use crate::support::{Request, Server, assembly, key, master, server};
use std::path::Path;
use std::time::Duration;
use stepwright_json::{Json, json};
use stepwright_server::config::{AllowConfig, CredentialConfig, RoleConfig, ServerConfig};

const PREFIX: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:";
const ROLE: &str = "arn:aws:iam::123456789012:role/any";
const MIGHTY: &str = "arn:aws:iam::123456789012:role/mighty";
const ECHO: &str = "arn:aws:lambda:us-east-1:123456789012:function:echo";

fn arn(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn task(resource: &str, parameters: &Json) -> Json {
    json!({"Type": "Task", "Resource": (resource), "Parameters": (parameters.clone()), "End": true})
}

fn machine(state: Json) -> Json {
    json!({"StartAt": "S", "States": {"S": (state)}})
}

/// A state that deletes the machine `victim`.
fn delete() -> Json {
    task(
        "arn:aws:states:::aws-sdk:sfn:deleteStateMachine",
        &json!({"StateMachineArn": (arn("victim"))}),
    )
}

/// A state that starts an execution of a machine.
fn start(form: &str, name: &str) -> Json {
    task(
        &format!("arn:aws:states:::states:startExecution{form}"),
        &json!({"StateMachineArn": (arn(name))}),
    )
}

/// A state that runs another one for each item of an array, in executions of their own.
fn for_each(kind: &str, state: Json) -> Json {
    json!({
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": (kind)},
            "StartAt": "Inner",
            "States": {"Inner": (state)}
        },
        "End": true
    })
}

fn allow(actions: &[&str], resources: &[&str]) -> AllowConfig {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    AllowConfig { actions: texts(actions), resources: texts(resources) }
}

fn role(arn: &str, allow: Vec<AllowConfig>) -> RoleConfig {
    RoleConfig { arn: arn.to_owned(), allow }
}

async fn open(credentials: Vec<CredentialConfig>, roles: Vec<RoleConfig>) -> Server {
    open_in(server(), credentials, roles).await
}

async fn open_in(
    config: ServerConfig,
    credentials: Vec<CredentialConfig>,
    roles: Vec<RoleConfig>,
) -> Server {
    let mut assembly = assembly(config, credentials);
    assembly.roles = roles;
    Server::serve(assembly.open().await.expect("it opens")).await
}

/// Creates a machine in the name of the server.
async fn create(server: &Server, name: &str, definition: &Json, role: &str, kind: &str) {
    let body = json!({
        "name": (name), "definition": (definition.to_string()), "roleArn": (role), "type": (kind)
    });
    server.serving.api.call("CreateStateMachine", body).await.expect("it is created");
}

async fn exists(server: &Server, name: &str) -> bool {
    let body = json!({"stateMachineArn": (arn(name))});
    let found = server.serving.api.call("DescribeStateMachine", body).await;
    found.is_ok_and(|machine| machine.get("status").and_then(Json::as_str) == Some("ACTIVE"))
}

/// Waits for the end of an execution. Returns its status with its error and cause.
async fn end(server: &Server, execution: &str) -> (String, String) {
    for _ in 0..1_000 {
        let body = json!({"executionArn": (execution)});
        let found = server.serving.api.call("DescribeExecution", body).await.expect("it is there");
        let text = |key: &str| found.get(key).and_then(Json::as_str).unwrap_or_default();
        if text("status") != "RUNNING" {
            return (text("status").to_owned(), format!("{} {}", text("error"), text("cause")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{execution} does not end");
}

fn start_request(name: &str) -> Request {
    let body = json!({"stateMachineArn": (arn(name)), "input": "{\"items\":[1,2]}"});
    Request::operation("StartExecution", &body.to_string())
}

/// Starts an execution with the key.
async fn start_with_key(server: &Server, name: &str) -> String {
    let answer = server.ask(&start_request(name).signed(server.address)).await;
    let body = stepwright_json::parse(&answer.body).expect("it is JSON");
    body.get("executionArn")
        .and_then(Json::as_str)
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned()
}

/// Runs an execution of a state with a key that may do this besides starting it. Returns its status
/// and its error.
async fn run(state: Json, actions: &[&str], resources: &[&str]) -> (String, String) {
    let actions = [&["states:StartExecution"], actions].concat();
    let machine_arn = arn("m");
    let resources = [&[machine_arn.as_str()], resources].concat();
    let server = open(vec![key(&actions, &resources)], Vec::new()).await;
    create(&server, "m", &machine(state), ROLE, "STANDARD").await;
    create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
    create(&server, "deleter", &machine(delete()), ROLE, "STANDARD").await;
    create(&server, "express", &machine(delete()), ROLE, "EXPRESS").await;
    let execution = start_with_key(&server, "m").await;
    let ended = end(&server, &execution).await;
    let is_deleted = !exists(&server, "victim").await;
    let may_delete =
        actions.iter().any(|action| action.contains("Delete") || *action == "states:*");
    assert!(may_delete || !is_deleted, "it was deleted without the right to: {ended:?}");
    ended
}

async fn refused(state: Json, actions: &[&str], resources: &[&str], error: &str, what: &str) {
    let (status, why) = run(state.clone(), actions, resources).await;
    assert_eq!(status, "FAILED", "{state}: {actions:?}");
    let text = format!("User: AKIDEXAMPLE is not authorized to perform: {what}");
    assert!(why.starts_with(error) && why.contains(&text), "{state}: {actions:?}: {why}");
}

async fn allowed(state: Json, actions: &[&str], resources: &[&str]) {
    let (status, why) = run(state.clone(), actions, resources).await;
    assert_eq!(status, "SUCCEEDED", "{state}: {actions:?}: {why}");
}

const SDK: &str = "Sfn.AccessDeniedException";
const NESTED: &str = "StepFunctions.AWSStepFunctionsException";
const LAMBDA: &str = "Lambda.AWSLambdaException";

#[tokio::test]
async fn a_key_that_may_test_states_deletes_nothing() {
    let server = open(vec![key(&["states:TestState"], &["*"])], Vec::new()).await;
    create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
    for state in [
        delete(),
        task("arn:aws:states:::aws-sdk:sfn:stopExecution", &json!({"ExecutionArn": (arn("x"))})),
        task("arn:aws:states:::aws-sdk:sfn:listStateMachines", &json!({})),
        start("", "victim"),
        task("arn:aws:states:::lambda:invoke", &json!({"FunctionName": "echo"})),
        task(ECHO, &json!({})),
    ] {
        let body = json!({"definition": (state.to_string()), "roleArn": (ROLE)});
        let request = Request::operation("TestState", &body.to_string());
        let answer = server.ask(&request.signed(server.address)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let refused = "User: AKIDEXAMPLE is not authorized to perform: ";
        assert!(answer.body.contains("\"FAILED\"") && answer.body.contains(refused), "{answer:?}");
    }
    assert!(exists(&server, "victim").await);
    let executions = json!({"stateMachineArn": (arn("victim"))});
    let executions = server.serving.api.call("ListExecutions", executions).await;
    assert_eq!(executions.expect("it is listed").to_string(), "{\"executions\":[]}");
}

#[tokio::test]
async fn to_reveal_secrets_is_a_right_of_its_own() {
    let state = json!({"Type": "Pass", "End": true});
    let body = |reveals: bool| json!({"definition": (state.to_string()), "revealSecrets": reveals, "inspectionLevel": "TRACE"});
    for (actions, reveals, expected) in [
        (vec!["states:TestState"], false, 200),
        (vec!["states:TestState"], true, 400),
        (vec!["states:TestState", "states:RevealSecrets"], true, 200),
        (vec!["states:RevealSecrets"], true, 400),
    ] {
        let server = open(vec![key(&actions, &["*"])], Vec::new()).await;
        let request = Request::operation("TestState", &body(reveals).to_string());
        let answer = server.ask(&request.signed(server.address)).await;
        assert_eq!(answer.status, expected, "{actions:?}: {answer:?}");
        if expected == 400 {
            assert!(answer.body.contains("AccessDeniedException"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn operations_in_tasks_need_the_starters_rights() {
    let victim = arn("victim");
    refused(
        delete(),
        &[],
        &["*"],
        SDK,
        &format!("states:DeleteStateMachine on resource: {victim}"),
    )
    .await;
    refused(delete(), &["states:*"], &[], SDK, "states:DeleteStateMachine").await;
    refused(delete(), &["states:Describe*"], &[&victim], SDK, "states:DeleteStateMachine").await;
    allowed(delete(), &["states:DeleteStateMachine"], &[&victim]).await;
    let list = || task("arn:aws:states:::aws-sdk:sfn:listStateMachines", &json!({}));
    refused(list(), &["states:*"], &[&victim], SDK, "states:ListStateMachines on resource: *")
        .await;
    allowed(list(), &["states:List*"], &["*"]).await;
}

#[tokio::test]
async fn nested_executions_need_the_starters_rights_and_inherit_them() {
    for form in ["", ".sync", ".sync:2", ".waitForTaskToken"] {
        let state = || match form {
            ".waitForTaskToken" => {
                let parameters =
                    json!({"StateMachineArn": (arn("deleter")), "Input": {"t.$": "$$.Task.Token"}});
                task(&format!("arn:aws:states:::states:startExecution{form}"), &parameters)
            }
            _ => start(form, "deleter"),
        };
        let what = format!("states:StartExecution on resource: {PREFIX}deleter");
        refused(state(), &[], &[], NESTED, &what).await;
    }
    // The nested execution may not do more than the one that started it.
    let deleter = arn("deleter");
    refused(
        start(".sync", "deleter"),
        &[],
        &["*"],
        "States.TaskFailed",
        "states:DeleteStateMachine",
    )
    .await;
    refused(
        start(".sync:2", "deleter"),
        &["states:*"],
        &[&deleter],
        "States.TaskFailed",
        "states:DeleteStateMachine",
    )
    .await;
    allowed(start(".sync", "deleter"), &["states:DeleteStateMachine"], &["*"]).await;
}

#[tokio::test]
async fn children_of_map_runs_inherit_the_starters_rights() {
    for kind in ["STANDARD", "EXPRESS"] {
        let (status, why) = run(for_each(kind, delete()), &[], &["*"]).await;
        assert_eq!(status, "FAILED", "{kind}: {why}");
        let list = task("arn:aws:states:::aws-sdk:sfn:listStateMachines", &json!({}));
        allowed(for_each(kind, list), &["states:ListStateMachines"], &["*"]).await;
    }
}

#[tokio::test]
async fn functions_in_tasks_need_the_starters_rights() {
    let states = || {
        [
            task("arn:aws:states:::lambda:invoke", &json!({"FunctionName": "echo", "Payload": {}})),
            task(
                "arn:aws:states:::lambda:invoke",
                &json!({"FunctionName": (format!("{ECHO}:$LATEST"))}),
            ),
            task(ECHO, &json!({})),
        ]
    };
    for state in states() {
        let what = format!("lambda:InvokeFunction on resource: {ECHO}");
        refused(state.clone(), &["states:*"], &["*"], LAMBDA, &what).await;
        refused(state.clone(), &["lambda:*"], &[&format!("{ECHO}es")], LAMBDA, &what).await;
        allowed(state, &["lambda:InvokeFunction"], &[ECHO]).await;
    }
}

#[tokio::test]
async fn express_executions_have_the_starters_rights() {
    let server = open(vec![key(&["states:StartSyncExecution"], &["*"])], Vec::new()).await;
    create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
    create(&server, "m", &machine(delete()), ROLE, "EXPRESS").await;
    let body = json!({"stateMachineArn": (arn("m"))}).to_string();
    let request = Request::operation("StartSyncExecution", &body);
    let answer = server.ask(&request.signed(server.address)).await;
    assert!(
        answer.body.contains("is not authorized to perform: states:DeleteStateMachine"),
        "{answer:?}"
    );
    assert!(exists(&server, "victim").await);
}

#[tokio::test]
async fn a_role_takes_the_place_of_the_starter() {
    let roles = || {
        let victim = arn("victim");
        vec![
            role(
                MIGHTY,
                vec![
                    allow(&["lambda:*"], &["*"]),
                    allow(&["states:DeleteStateMachine"], &[&victim]),
                ],
            ),
            role(ROLE, vec![]),
        ]
    };
    for (credentials, name, role, expected) in [
        // The role may, whoever starts it.
        (key(&["states:StartExecution"], &["*"]), "m", MIGHTY, "SUCCEEDED"),
        // The role may not, although the starter may.
        (master(), "m", ROLE, "FAILED"),
        (master(), "m", "arn:aws:iam::123456789012:role/unlisted", "SUCCEEDED"),
        // A role's right to one machine is none to another.
        (master(), "other", MIGHTY, "FAILED"),
    ] {
        let server = open(vec![credentials], roles()).await;
        create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
        create(&server, "m", &machine(delete()), role, "STANDARD").await;
        create(&server, "other", &machine(start("", "m")), role, "STANDARD").await;
        let execution = start_with_key(&server, name).await;
        let (status, why) = end(&server, &execution).await;
        assert_eq!(status, expected, "{name} {role}: {why}");
        if expected == "FAILED" {
            assert!(why.contains(&format!("User: {role} is not authorized")), "{why}");
        }
    }
}

#[tokio::test]
async fn a_nested_execution_acts_for_the_role_that_started_it() {
    let roles = vec![role(MIGHTY, vec![allow(&["states:StartExecution"], &["*"])])];
    let server = open(vec![master()], roles).await;
    create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
    create(&server, "inner", &machine(delete()), ROLE, "STANDARD").await;
    create(&server, "outer", &machine(start(".sync", "inner")), MIGHTY, "STANDARD").await;
    let execution = start_with_key(&server, "outer").await;
    let (status, why) = end(&server, &execution).await;
    assert_eq!(status, "FAILED");
    assert!(
        why.contains(&format!(
            "User: {MIGHTY} is not authorized to perform: states:DeleteStateMachine"
        )),
        "{why}"
    );
    assert!(exists(&server, "victim").await);
}

#[tokio::test]
async fn only_who_may_pass_a_role_decides_what_it_does() {
    let passes = format!("{MIGHTY}*");
    for (actions, resources, expected) in [
        (vec!["states:*"], vec!["*"], false),
        (vec!["states:*", "iam:PassRole"], vec!["arn:aws:states:*"], false),
        (vec!["states:*", "iam:PassRole"], vec!["arn:aws:states:*", &*passes], true),
        (vec!["*"], vec!["*"], true),
    ] {
        let may_test = resources.contains(&"*");
        let roles = vec![role(MIGHTY, vec![allow(&["*"], &["*"])])];
        let server = open(vec![key(&actions, &resources)], roles).await;
        create(&server, "mighty", &machine(json!({"Type": "Succeed"})), MIGHTY, "STANDARD").await;
        create(&server, "plain", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
        let definition = machine(delete()).to_string();
        for (operation, body, concerns_role) in [
            (
                "CreateStateMachine",
                json!({"name": "x", "definition": (definition.clone()), "roleArn": (MIGHTY)}),
                true,
            ),
            (
                "CreateStateMachine",
                json!({"name": "y", "definition": (definition.clone()), "roleArn": (ROLE)}),
                false,
            ),
            (
                "UpdateStateMachine",
                json!({"stateMachineArn": (arn("plain")), "roleArn": (MIGHTY)}),
                true,
            ),
            (
                "UpdateStateMachine",
                json!({"stateMachineArn": (arn("mighty")), "definition": (definition.clone())}),
                true,
            ),
            (
                "UpdateStateMachine",
                json!({"stateMachineArn": (arn("mighty")), "tracingConfiguration": {"enabled": true}}),
                false,
            ),
            ("TestState", json!({"definition": (delete().to_string()), "roleArn": (MIGHTY)}), true),
        ] {
            if operation == "TestState" && !may_test {
                continue;
            }
            let request = Request::operation(operation, &body.to_string());
            let answer = server.ask(&request.signed(server.address)).await;
            let is_allowed = answer.status == 200;
            assert_eq!(
                is_allowed,
                expected || !concerns_role,
                "{actions:?} {resources:?} {body}: {answer:?}"
            );
            if !is_allowed {
                assert!(
                    answer.body.contains(&format!("iam:PassRole on resource: {MIGHTY}")),
                    "{answer:?}"
                );
            }
        }
    }
}

async fn open_on(data: &Path, credentials: Vec<CredentialConfig>) -> Server {
    let config = ServerConfig { data: Some(data.to_owned()), ..server() };
    open_in(config, credentials, Vec::new()).await
}

#[tokio::test]
async fn a_restart_forgets_no_rights() {
    let wait = json!({
        "StartAt": "W",
        "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "S"}, "S": (delete())}
    });
    for (first, second, expected) in [
        (
            vec![key(&["states:StartExecution"], &["*"])],
            vec![key(&["states:StartExecution"], &["*"])],
            "FAILED",
        ),
        (vec![master()], vec![master()], "SUCCEEDED"),
        // What counts is what the key may do now.
        (vec![master()], vec![key(&["states:StartExecution"], &["*"])], "FAILED"),
        // What was started without a key has no rights once there are keys.
        (vec![], vec![master()], "FAILED"),
        (vec![], vec![], "SUCCEEDED"),
    ] {
        let folder = tempfile::tempdir().expect("a directory can be made");
        let server = open_on(folder.path(), first.clone()).await;
        create(&server, "victim", &machine(json!({"Type": "Succeed"})), ROLE, "STANDARD").await;
        create(&server, "m", &wait, ROLE, "STANDARD").await;
        let request = start_request("m");
        let request = if first.is_empty() { request } else { request.signed(server.address) };
        let answer = server.ask(&request).await;
        let body = stepwright_json::parse(&answer.body).expect("it is JSON");
        let execution =
            body.get("executionArn").and_then(Json::as_str).expect("it started").to_owned();

        // What a server that was killed leaves behind.
        let left = tempfile::tempdir().expect("a directory can be made");
        for entry in std::fs::read_dir(folder.path()).expect("it can be read").flatten() {
            if entry.path().is_file() {
                let copy = left.path().join(entry.file_name());
                std::fs::copy(entry.path(), copy).expect("it can be copied");
            }
        }
        let server = open_on(left.path(), second.clone()).await;
        let (status, why) = end(&server, &execution).await;
        assert_eq!(status, expected, "{why}");
    }
}

#[tokio::test]
async fn objects_need_the_starters_rights() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    std::fs::create_dir_all(folder.path().join("secrets")).expect("it can be made");
    std::fs::write(folder.path().join("secrets/list.json"), "[1,2]").expect("it can be written");
    let read = json!({
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "secrets", "Key": "list.json"}
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": true}}
        },
        "End": true
    });
    for (actions, resource, expected) in [
        ("states:*", "*", "FAILED"),
        ("s3:*", "arn:aws:s3:::other/*", "FAILED"),
        ("s3:GetObject", "arn:aws:s3:::secrets/*", "SUCCEEDED"),
    ] {
        let machine_arn = arn("m");
        let credentials = key(&["states:StartExecution", actions], &[&machine_arn, resource]);
        let mut assembly = assembly(server(), vec![credentials]);
        assembly.objects.folder = Some(folder.path().to_owned());
        let server = Server::serve(assembly.open().await.expect("it opens")).await;
        create(&server, "m", &machine(read.clone()), ROLE, "STANDARD").await;
        let execution = start_with_key(&server, "m").await;
        let (status, why) = end(&server, &execution).await;
        assert_eq!(status, expected, "{actions} {resource}: {why}");
        let is_told = why.contains(
            "not authorized to perform: s3:GetObject on resource: arn:aws:s3:::secrets/list.json",
        );
        assert_eq!(is_told, expected == "FAILED", "{why}");
    }
}
