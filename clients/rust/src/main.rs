//! A tour of the Step Functions API with `aws-sdk-sfn`: `stepwright-tour ENDPOINT`. One line for
//! each operation; the first wrong answer ends it.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{
    ExecutionStatus, InspectionLevel, RoutingConfigurationListItem, StateMachineType,
    SyncExecutionStatus, Tag, ValidateStateMachineDefinitionResultCode,
};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const ROLE: &str = "arn:aws:iam::123456789012:role/tour";
const PASS: &str = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
const WAIT: &str = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#;
const ITEMS: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
    "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
    "StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$","End":true}}}}}}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let endpoint = std::env::args().nth(1).ok_or("usage: stepwright-tour ENDPOINT")?;
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("tour", "tour", None, None, "tour"))
        .retry_config(RetryConfig::disabled())
        .build();
    let client = Client::from_conf(config);
    let machine = machines(&client).await?;
    versions(&client, &machine).await?;
    executions(&client, &machine).await?;
    express(&client, &endpoint).await?;
    map_runs(&client).await?;
    activities(&client).await?;
    client.delete_state_machine().state_machine_arn(machine).send().await?;
    done("DeleteStateMachine");
    Ok(())
}

fn done(operation: &str) {
    println!("{operation}: answered");
}

async fn create(
    client: &Client,
    name: &str,
    definition: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let call = client.create_state_machine().name(name).definition(definition).role_arn(ROLE);
    Ok(call.send().await?.state_machine_arn)
}

async fn end(
    client: &Client,
    execution: &str,
) -> Result<DescribeExecutionOutput, Box<dyn std::error::Error>> {
    for _ in 0..400 {
        let described = client.describe_execution().execution_arn(execution).send().await?;
        if described.status != ExecutionStatus::Running {
            return Ok(described);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{execution} does not end").into())
}

async fn machines(client: &Client) -> Result<String, Box<dyn std::error::Error>> {
    let arn = create(client, "rust", PASS).await?;
    let bad = client.create_state_machine().name("bad").definition("{}").role_arn(ROLE);
    let error = bad.send().await.expect_err("it has no states").into_service_error();
    assert!(error.is_invalid_definition(), "{error}");
    done("CreateStateMachine");
    let described = client.describe_state_machine().state_machine_arn(&arn).send().await?;
    assert_eq!((described.name.as_str(), described.definition.as_str()), ("rust", PASS));
    let missing = client.describe_state_machine().state_machine_arn(format!("{arn}x"));
    let error = missing.send().await.expect_err("there is none").into_service_error();
    assert!(error.is_state_machine_does_not_exist(), "{error}");
    done("DescribeStateMachine");
    create(client, "other", PASS).await?;
    let pages = client.list_state_machines().max_results(1).into_paginator().items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await?.len(), 2);
    done("ListStateMachines");
    let verdict = client.validate_state_machine_definition().definition("{}").send().await?;
    assert_eq!(verdict.result, ValidateStateMachineDefinitionResultCode::Fail);
    done("ValidateStateMachineDefinition");
    let tag = |key: &str| Tag::builder().key(key).value("1").build();
    client.tag_resource().resource_arn(&arn).tags(tag("a")).tags(tag("b")).send().await?;
    done("TagResource");
    client.untag_resource().resource_arn(&arn).tag_keys("a").send().await?;
    done("UntagResource");
    let tags = client.list_tags_for_resource().resource_arn(&arn).send().await?;
    assert_eq!(tags.tags(), [tag("b")]);
    done("ListTagsForResource");
    Ok(arn)
}

async fn versions(client: &Client, machine: &str) -> Outcome {
    let published = client.publish_state_machine_version().state_machine_arn(machine);
    let first = published.send().await?.state_machine_version_arn;
    assert_eq!(first, format!("{machine}:1"));
    done("PublishStateMachineVersion");
    let update = client.update_state_machine().state_machine_arn(machine).definition(WAIT);
    let second = update.publish(true).send().await?.state_machine_version_arn;
    let second = second.ok_or("no version was published")?;
    done("UpdateStateMachine");
    let listed = client.list_state_machine_versions().state_machine_arn(machine).send().await?;
    let listed: Vec<_> = listed
        .state_machine_versions()
        .iter()
        .map(|item| &item.state_machine_version_arn)
        .collect();
    assert_eq!(listed, [&second, &first]);
    done("ListStateMachineVersions");
    let route = |version: &str, weight| {
        RoutingConfigurationListItem::builder()
            .state_machine_version_arn(version)
            .weight(weight)
            .build()
    };
    let alias = client.create_state_machine_alias().name("live");
    let alias = alias.routing_configuration(route(&first, 100)?).send().await?;
    let alias = alias.state_machine_alias_arn;
    done("CreateStateMachineAlias");
    let update = client.update_state_machine_alias().state_machine_alias_arn(&alias);
    let routes = [route(&first, 20)?, route(&second, 80)?];
    update.set_routing_configuration(Some(routes.to_vec())).send().await?;
    done("UpdateStateMachineAlias");
    let described = client.describe_state_machine_alias().state_machine_alias_arn(&alias);
    assert_eq!(described.send().await?.routing_configuration(), routes);
    done("DescribeStateMachineAlias");
    let listed = client.list_state_machine_aliases().state_machine_arn(machine).send().await?;
    assert_eq!(listed.state_machine_aliases().len(), 1);
    done("ListStateMachineAliases");
    client.delete_state_machine_alias().state_machine_alias_arn(alias).send().await?;
    done("DeleteStateMachineAlias");
    client.delete_state_machine_version().state_machine_version_arn(first).send().await?;
    done("DeleteStateMachineVersion");
    Ok(())
}

async fn executions(client: &Client, waiting: &str) -> Outcome {
    let machine = format!("{}other", waiting.trim_end_matches("rust"));
    let start = client.start_execution().state_machine_arn(machine).name("one");
    let execution = start.input(r#"{"a":1}"#).send().await?.execution_arn;
    done("StartExecution");
    let ended = end(client, &execution).await?;
    assert_eq!(
        (ended.status, ended.output.as_deref()),
        (ExecutionStatus::Succeeded, Some(r#"{"a":1}"#))
    );
    done("DescribeExecution");
    let described = client.describe_state_machine_for_execution().execution_arn(&execution);
    assert_eq!(described.send().await?.definition, PASS);
    done("DescribeStateMachineForExecution");
    let history = client.get_execution_history().execution_arn(&execution).reverse_order(true);
    let history = history.max_results(3).into_paginator().items().send();
    let history = history.collect::<Result<Vec<_>, _>>().await?;
    assert_eq!(history.iter().map(|event| event.id).collect::<Vec<_>>(), [4, 3, 2, 1]);
    done("GetExecutionHistory");
    let second = client.start_execution().state_machine_arn(waiting).send().await?.execution_arn;
    let listed = client.list_executions().state_machine_arn(waiting);
    let listed = listed.status_filter(ExecutionStatus::Running).send().await?;
    assert_eq!(listed.executions().len(), 1);
    done("ListExecutions");
    client.stop_execution().execution_arn(&second).error("Enough").send().await?;
    assert_eq!(end(client, &second).await?.error.as_deref(), Some("Enough"));
    done("StopExecution");
    client.redrive_execution().execution_arn(&second).send().await?;
    let described = client.describe_execution().execution_arn(&second).send().await?;
    assert_eq!((described.status, described.redrive_count), (ExecutionStatus::Running, Some(1)));
    client.stop_execution().execution_arn(&second).send().await?;
    done("RedriveExecution");
    Ok(())
}

async fn express(client: &Client, endpoint: &str) -> Outcome {
    let made = client.create_state_machine().name("express").definition(PASS).role_arn(ROLE);
    let made = made.r#type(StateMachineType::Express).send().await?;
    let call = client.start_sync_execution().state_machine_arn(made.state_machine_arn);
    // The SDK has put `sync-` before the host, which is no name that resolves here.
    let endpoint = endpoint.to_owned();
    let same_endpoint = endpoint.clone();
    let answer = call
        .input("[1]")
        .customize()
        .mutate_request(move |request| {
            request.set_uri(endpoint.as_str()).expect("it is an address")
        })
        .send()
        .await?;
    assert_eq!(
        (answer.status, answer.output.as_deref()),
        (SyncExecutionStatus::Succeeded, Some("[1]"))
    );
    done("StartSyncExecution");
    let call = client.test_state().definition(r#"{"Type":"Pass","Result":7,"End":true}"#);
    let answer = call
        .inspection_level(InspectionLevel::Debug)
        .customize()
        .mutate_request(move |request| {
            request.set_uri(same_endpoint.as_str()).expect("it is an address")
        })
        .send()
        .await?;
    assert_eq!(answer.output.as_deref(), Some("7"));
    let seen = answer.inspection_data.ok_or("nothing was seen")?;
    assert_eq!(seen.after_result_path.as_deref(), Some("7"));
    done("TestState");
    Ok(())
}

async fn map_runs(client: &Client) -> Outcome {
    let machine = create(client, "items", ITEMS).await?;
    let start = client.start_execution().state_machine_arn(machine).input("[1,1]");
    let execution = start.send().await?.execution_arn;
    let run = loop {
        let runs = client.list_map_runs().execution_arn(&execution).send().await?;
        if let Some(run) = runs.map_runs().first() {
            break run.map_run_arn.clone();
        }
        let described = client.describe_execution().execution_arn(&execution).send().await?;
        assert_eq!(described.status, ExecutionStatus::Running, "it ended without a map run");
    };
    done("ListMapRuns");
    client.update_map_run().map_run_arn(&run).max_concurrency(2).send().await?;
    done("UpdateMapRun");
    assert_eq!(end(client, &execution).await?.output.as_deref(), Some("[1,1]"));
    let described = client.describe_map_run().map_run_arn(&run).send().await?;
    assert_eq!(described.max_concurrency, 2);
    assert_eq!(described.item_counts.map(|counts| counts.succeeded), Some(2));
    done("DescribeMapRun");
    Ok(())
}

async fn activities(client: &Client) -> Outcome {
    let arn = client.create_activity().name("rust").send().await?.activity_arn;
    done("CreateActivity");
    let described = client.describe_activity().activity_arn(&arn).send().await?;
    assert_eq!(described.name, "rust");
    done("DescribeActivity");
    assert_eq!(client.list_activities().send().await?.activities().len(), 1);
    done("ListActivities");
    let definition = format!(
        r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"{arn}","End":true}}}}}}"#
    );
    let machine = create(client, "worker", &definition).await?;
    let good = client.start_execution().state_machine_arn(&machine).send().await?.execution_arn;
    let task = client.get_activity_task().activity_arn(&arn).send().await?;
    let token = task.task_token.ok_or("there is no task")?;
    done("GetActivityTask");
    client.send_task_heartbeat().task_token(&token).send().await?;
    let forged = client.send_task_heartbeat().task_token("forged").send().await;
    let error = forged.expect_err("it is forged").into_service_error();
    assert!(error.is_invalid_token(), "{error}");
    done("SendTaskHeartbeat");
    client.send_task_success().task_token(token).output("7").send().await?;
    assert_eq!(end(client, &good).await?.output.as_deref(), Some("7"));
    done("SendTaskSuccess");
    let broken = client.start_execution().state_machine_arn(machine).send().await?.execution_arn;
    let task = client.get_activity_task().activity_arn(&arn).send().await?;
    let failure = client.send_task_failure().set_task_token(task.task_token);
    failure.error("Broken").send().await?;
    assert_eq!(end(client, &broken).await?.error.as_deref(), Some("Broken"));
    done("SendTaskFailure");
    client.delete_activity().activity_arn(arn).send().await?;
    done("DeleteActivity");
    Ok(())
}
