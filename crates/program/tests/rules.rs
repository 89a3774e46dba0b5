//! What the rules say of small definitions, and that they say something sensible of any.

use stepwright_asl::Definition;
use stepwright_json::{Json, Syntax};
use stepwright_program::{CheckOptions, aws_message, check, check_with, compile};
use stepwright_source::Diagnostic;

fn definition(text: &str) -> Definition {
    Definition::parse(text, Syntax::Strict).unwrap()
}

/// The errors of a machine whose states are `states`.
#[track_caller]
fn check_machine(head: &str, states: &str, expected: &[&str]) {
    let text = format!("{{{head}\"StartAt\": \"A\", \"States\": {{{states}}}}}");
    let definition = definition(&text);
    let found: Vec<String> = check(&definition)
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(|error| format!("{} at {}", error.message, error.location.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(found, expected, "{text}");
    assert!(!found.is_empty() || compile(&definition).is_ok(), "{text}");
}

#[track_caller]
fn json_path(state: &str, expected: &[&str]) {
    check_machine("", &format!("\"A\": {{{state}}}"), expected);
}

#[track_caller]
fn jsonata(state: &str, expected: &[&str]) {
    check_machine("\"QueryLanguage\": \"JSONata\", ", &format!("\"A\": {{{state}}}"), expected);
}

const TASK: &str = r#""Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true"#;

#[test]
fn fields_of_states() {
    json_path(
        r#""Type": "Pass", "End": true, "Retry": []"#,
        &["Field 'Retry' is not supported at /States/A"],
    );
    json_path(r#""Type": "Succeed", "End": true"#, &["Field 'End' is not supported at /States/A"]);
    json_path(
        r#""Type": "Pass""#,
        &[
            "This object should have only one of the following fields: [Next, End] at /States/A",
            "Workflow has no terminal state at -",
        ],
    );
    json_path(
        r#""Type": "Nap", "End": true"#,
        &[
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/A/Type",
        ],
    );
    json_path(
        r#""Type": "Task", "End": true"#,
        &["These fields are required: [Resource] at /States/A"],
    );
    json_path(
        r#""Type": "Pass", "End": 1"#,
        &[
            "Expected value of type [BOOLEAN] at /States/A/End",
            "Workflow has no terminal state at -",
        ],
    );
}

#[test]
fn languages() {
    json_path(
        r#""Type": "Succeed", "Output": 1"#,
        &[
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/A",
        ],
    );
    jsonata(
        r#""Type": "Succeed", "InputPath": "$""#,
        &[
            "The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage at /States/A",
        ],
    );
    json_path(r#""Type": "Succeed", "QueryLanguage": "JSONata", "Output": "{% 1 %}""#, &[]);
    jsonata(
        r#""Type": "Map", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
           "ReaderConfig": {"InputType": "JSON", "MaxItemsPath": "$.n"}, "Arguments": {"Bucket": "b", "Key": "k"}},
           "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
             "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}, "End": true"#,
        &[
            "The QueryLanguage is set to 'JSONata', but field 'MaxItemsPath' is only supported for the 'JSONPath' QueryLanguage at /States/A/ItemReader/ReaderConfig",
        ],
    );
    jsonata(
        r#""Type": "Succeed", "Output": "{% $states.inptu %}""#,
        &["Field '$states.inptu' does not exist. at /States/A/Output"],
    );
    jsonata(
        r#""Type": "Succeed", "Output": ["{% $ %}", {"a": "{% b.c %}"}]"#,
        &[
            "Reference to '$' at the top level is not supported. at /States/A/Output[0]",
            "Reference to 'b' at the top level is not supported. at /States/A/Output[1]/a",
        ],
    );
    jsonata(
        r#""Type": "Wait", "Seconds": "{% $states.result %}", "End": true"#,
        &["Field '$states.result' does not exist. at /States/A/Seconds"],
    );
}

#[test]
fn resources() {
    let resource = |resource: &str, expected: &[&str]| {
        json_path(&format!(r#""Type": "Task", "Resource": "{resource}", "End": true"#), expected);
    };
    resource("arn:aws:lambda:us-east-1:123456789012:function:f", &[]);
    resource("arn:aws:states:::sqs:sendMessage.waitForTaskToken", &[]);
    resource("arn:aws:states:::states:startExecution.sync:2", &[]);
    resource("${Worker.Arn}", &[]);
    resource("worker", &["Value is not a valid resource ARN at /States/A/Resource"]);
    for wrong in [
        "arn:aws:states:::sqs:sendMessage.sync",
        "arn:aws:states:::sqs:sendMesage",
        "arn:aws:states:::aws-sdk:s3:listBuckets.sync",
        "arn:aws:states:::aws-sdk:s3:listBucket",
        "arn:aws:states:::aws-sdk:events:putEvents",
        "arn:aws:states:::nothing:here",
        "arn:aws:states:::aws-sdk:S3:listBuckets",
        "arn:aws:states:::aws-sdk:stepfunctions:startExecution",
        "arn:aws:states:::aws-sdk:dynamodb:PutItem",
        "arn:aws:states:::aws-sdk:dynamodb:putItems",
        "arn:aws:states:::aws-sdk:dynamodb:putItem:more",
        "arn:aws:states:::aws-sdk:lambda:invokeWithResponseStream",
    ] {
        let message = format!(
            "The resource provided {wrong} is not recognized. The value is not a valid resource \
             ARN, or the resource is not available in this region. at /States/A/Resource"
        );
        resource(wrong, &[&message]);
    }
}

#[test]
fn unknown_calls_come_with_advice() {
    let advice = |resource: &str| {
        let text = format!(
            r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Task", "End": true,
                "Resource": "arn:aws:states:::{resource}", "Parameters": {{}}}}}}}}"#
        );
        let found = check(&definition(&text));
        found.into_iter().find(Diagnostic::is_error).unwrap().help.unwrap_or_default()
    };
    assert_eq!(
        advice("aws-sdk:stepfunctions:startExecution"),
        "did you mean `aws-sdk:sfn:startExecution`?"
    );
    assert_eq!(advice("aws-sdk:S3:listBuckets"), "did you mean `aws-sdk:s3:listBuckets`?");
    assert_eq!(advice("aws-sdk:dynamodb:PutItem"), "did you mean `aws-sdk:dynamodb:putItem`?");
    assert_eq!(
        advice("aws-sdk:lambda:invokeWithResponseStream"),
        "Step Functions does not support `lambda:invokeWithResponseStream`"
    );
    assert_eq!(
        advice("aws-sdk:ecs:runTask.sync"),
        "AWS SDK integrations know no pattern but `.waitForTaskToken`, not `.sync`"
    );
    assert_eq!(
        advice("dynamodb:query"),
        "dynamodb has no optimized integration of that name; the AWS SDK integration is \
         `arn:aws:states:::aws-sdk:dynamodb:query`"
    );
    assert_eq!(
        advice("kms:encrypt"),
        "the AWS SDK integration is `arn:aws:states:::aws-sdk:kms:encrypt`"
    );
    assert_eq!(
        advice("states:describeExecution"),
        "states has no optimized integration of that name; the AWS SDK integration is \
         `arn:aws:states:::aws-sdk:sfn:describeExecution`"
    );
}

#[test]
fn names_of_parameters() {
    let call = |resource: &str, parameters: &str, expected: &[&str]| {
        let state = format!(
            r#""Type": "Task", "End": true, "Resource": "arn:aws:states:::{resource}", "Parameters": {parameters}"#
        );
        json_path(&state, expected);
    };
    let at = "at /States/A/Parameters";
    let unknown =
        |name: &str| format!("The field \"{name}\" is not supported by Step Functions {at}");
    let missing = |name: &str| format!("The field '{name}' is required but was missing {at}");
    call("aws-sdk:s3:listBuckets", "{}", &[]);
    call("aws-sdk:s3:getObject", r#"{"Bucket": "b", "Key.$": "$.key"}"#, &[]);
    call(
        "aws-sdk:s3:getObject",
        r#"{"bucket": "b", "Kye.$": "$.key"}"#,
        &[&unknown("bucket"), &unknown("Kye"), &missing("Bucket"), &missing("Key")],
    );
    // Names are those of the SDK for Java.
    call("aws-sdk:rds:startDBInstance", r#"{"DbInstanceIdentifier": "d"}"#, &[]);
    call(
        "aws-sdk:rds:startDBInstance",
        r#"{"DBInstanceIdentifier": "d"}"#,
        &[&unknown("DBInstanceIdentifier"), &missing("DbInstanceIdentifier")],
    );
    // A place is that of all parameters, however deep the name is. Keys of maps are anything.
    call(
        "aws-sdk:verifiedpermissions:createPolicy",
        r#"{"PolicyStoreId": "s", "ClientToken": "t", "Definition": {"static": {}}}"#,
        &[&unknown("static")],
    );
    call(
        "aws-sdk:dynamodb:putItem.waitForTaskToken",
        r#"{"TableName": "t", "Item": {"any": {"S": "1"}, "other": {"M": {"deep": {"X": "1"}}}}}"#,
        &[&unknown("X")],
    );
    call("aws-sdk:sts:getCallerIdentity", r#"{"Name": 1}"#, &[&unknown("Name")]);
    call(
        "ecs:runTask.sync",
        r#"{"TaskDefinition": "t", "NetworkConfiguration": {"awsVpcConfiguration": {"Subnets.$": "$.s"}}}"#,
        &[&unknown("awsVpcConfiguration")],
    );
    call("lambda:invoke", r#"{"FunctionName": "f", "Payload": {"any": [1]}}"#, &[]);
    call(
        "lambda:invoke.waitForTaskToken",
        r#"{"FunctionName": "f", "TaskToken.$": "$$.Task.Token"}"#,
        &[&unknown("TaskToken")],
    );
    call("sqs:sendMessage", r#"{"QueueUrl": "q"}"#, &[&missing("MessageBody")]);
    call("dynamodb:getItem", r#"{"TableName": "t", "Key": {"k": {"BOOL": true}}}"#, &[]);
    call("dynamodb:getItem", r#"{"TableName": "t", "Key": {"k": "text"}}"#, &[]);
    call(
        "batch:submitJob",
        r#"{"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "RetryStrategy": {"attempts": 5}}"#,
        &[],
    );
    call(
        "http:invoke",
        r#"{"ApiEndpoint": "https://a.example", "Methd": "GET"}"#,
        &[&unknown("Methd"), &missing("Method"), &missing("InvocationConfig")],
    );
    let not_valid = |name: &str| format!("The value for the '{name}' field is not valid {at}");
    call(
        "http:invoke",
        r#"{"ApiEndpoint": "https://a.example/States.Format('{}', $.a)", "Method": "GET", "Authentication": {"ConnectionArn": "c"}}"#,
        &[&not_valid("ApiEndpoint")],
    );
    let http = |more: &str, expected: &[&str]| {
        let parameters = format!(
            r#"{{"ApiEndpoint.$": "$.url", "InvocationConfig": {{"ConnectionArn": "c"}}, {more}}}"#
        );
        call("http:invoke", &parameters, expected);
    };
    http(r#""Method.$": "$.method", "Headers.$": "$.headers", "QueryParameters": {"a": [1]}"#, &[]);
    http(r#""Method": "get""#, &[&not_valid("Method")]);
    http(r#""Method": 1"#, &[&not_valid("Method")]);
    http(
        r#""Method": "GET", "Headers": {"Authorization.$": "$.a", "X-Amz-Date": "d", "b": "c"}"#,
        &[&format!(
            "The 'Headers' field contains unsupported values: [authorization, x-amz-date] {at}"
        )],
    );
    http(
        r#""Method": "GET", "Authentication": {"ConnectionArn": "c"}"#,
        &[&format!(
            "There should only be one of the following fields: [InvocationConfig, Authentication] {at}"
        )],
    );
    http(
        r#""Method": "POST", "Transform": {"RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": "NONE"}, "X": 1}"#,
        &[&unknown("X"), &not_valid("ArrayFormat")],
    );
    call(
        "http:invoke",
        r#"{"ApiEndpoint": "https://a.example", "Method": "GET", "Authentication": {"Arn": "c"}}"#,
        &[&unknown("Arn"), &missing("ConnectionArn")],
    );
    call(
        "apigateway:invoke",
        r#"{"ApiEndpoint": "a", "Method": "TRACE", "Headers": {"Host": ["h"]}, "AuthType": "IAM"}"#,
        &[
            &not_valid("Method"),
            &format!("The 'Headers' field contains unsupported values: [host] {at}"),
            &not_valid("AuthType"),
        ],
    );
    call(
        "elasticmapreduce:addStep.sync",
        r#"{"ClusterId.$": "$.id", "Steps": []}"#,
        &[&unknown("Steps"), &missing("Step")],
    );
    call(
        "elasticmapreduce:addStep",
        r#"{"ClusterId": "c", "Step": {"Name": "n", "HadoopJarStep": {"Jar": "j", "Arguments": []}}}"#,
        &[&unknown("Arguments")],
    );
    // The id is found by the name.
    call(
        "elasticmapreduce:modifyInstanceFleetByName",
        r#"{"ClusterId": "c", "InstanceFleetName": "n", "InstanceFleet": {"TargetSpotCapacity": 1}}"#,
        &[],
    );
    call(
        "elasticmapreduce:modifyInstanceGroupByName",
        r#"{"ClusterId": "c", "InstanceGroupName": "n", "InstanceGroup": {"InstanceGroupId": "i"}}"#,
        &[&unknown("InstanceGroupId")],
    );
    // What a deployment fills in is not known yet.
    call("aws-sdk:s3:getObject", r#"{"${Field}": "b"}"#, &[]);
    json_path(
        r#""Type": "Task", "End": true, "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets""#,
        &[
            "Parameters field is required for resource ARN: arn:aws:states:::aws-sdk:s3:listBuckets at /States/A",
        ],
    );
    jsonata(
        r#""Type": "Task", "End": true, "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Arguments": {"Bucket": "{% 'b' %}", "Key.$": "k"}"#,
        &[
            "The field \"Key.$\" is not supported by Step Functions at /States/A/Arguments",
            "The field 'Key' is required but was missing at /States/A/Arguments",
        ],
    );
    jsonata(
        r#""Type": "Task", "End": true, "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Arguments": "{% $states.input %}""#,
        &[],
    );
}

#[test]
fn values_of_parameters() {
    let unfit = |resource: &str, parameters: &str| -> Vec<String> {
        let text = format!(
            r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Task", "End": true,
                "Resource": "arn:aws:states:::{resource}", "Parameters": {parameters}}}}}}}"#
        );
        let found = check(&definition(&text));
        assert!(found.iter().all(|found| !found.is_error()), "{found:?}");
        let found = found.into_iter().filter(|found| found.code == "unfit-parameter");
        found.map(|found| found.message).collect()
    };
    assert_eq!(
        unfit(
            "aws-sdk:sqs:receiveMessage",
            r#"{"QueueUrl": "q", "MaxNumberOfMessages": "ten", "WaitTimeSeconds": "20",
                "VisibilityTimeout": 1.5, "AttributeNames": "All"}"#,
        ),
        [
            "`MaxNumberOfMessages` must be an integer",
            "`VisibilityTimeout` must be an integer",
            "`AttributeNames` must be an array",
        ]
    );
    assert_eq!(
        unfit(
            "sqs:sendMessage",
            r#"{"QueueUrl": "q", "MessageBody": {"a": 1}, "MessageAttributes": {"k": {"StringValue": "v"}}}"#,
        ),
        ["`MessageAttributes.k.DataType` is required but was missing"]
    );
    assert_eq!(
        unfit(
            "aws-sdk:ec2:describeInstances",
            r#"{"DryRun": "yes", "Filters": [{"Name": "n", "Values": ["v"]}, 7], "InstanceIds.$": "$.ids"}"#,
        ),
        ["`DryRun` must be a boolean", "`Filters[1]` must be an object"]
    );
    assert!(
        unfit("aws-sdk:s3:putObject", r#"{"Bucket": "b", "Key": "k", "Body": {"a": 1}}"#)
            .is_empty()
    );
}

#[test]
fn values() {
    json_path(
        r#""Type": "Wait", "Seconds": -1, "End": true"#,
        &["Minimum value is 0 at /States/A/Seconds"],
    );
    json_path(
        r#""Type": "Wait", "Seconds": "soon", "End": true"#,
        &["Expected value of type Integer at /States/A/Seconds"],
    );
    json_path(
        r#""Type": "Wait", "Timestamp": "today", "End": true"#,
        &["String does not match RFC3339 timestamp at /States/A/Timestamp"],
    );
    json_path(
        r#""Type": "Pass", "InputPath": "a", "End": true"#,
        &["Value must be a valid JSONPath. at /States/A/InputPath"],
    );
    json_path(
        r#""Type": "Pass", "ResultPath": "a", "End": true"#,
        &[
            "Value is not a Reference Path: Reference path didn't start with '$' at /States/A/ResultPath",
        ],
    );
    json_path(
        r#""Type": "Pass", "InputPath": null, "ResultPath": null, "OutputPath": null, "End": true"#,
        &[],
    );
    json_path(
        r#""Type": "Fail", "ErrorPath": "States.MathAdd(1, 2)""#,
        &[
            "Value must be a valid JSONPath or a valid intrinsic function call at /States/A/ErrorPath",
        ],
    );
    json_path(
        r#""Type": "Pass", "Parameters": {"a.$": "States.Nope()"}, "End": true"#,
        &[
            "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters",
        ],
    );
}

#[test]
fn retriers_and_catchers() {
    let task = |more: &str, expected: &[&str]| json_path(&format!("{TASK}, {more}"), expected);
    task(r#""Retry": [{"ErrorEquals": ["States.ALL"]}]"#, &[]);
    task(
        r#""Retry": [{"ErrorEquals": ["States.ALL", "x"]}]"#,
        &["States.ALL must appear alone and at end of list at /States/A/Retry[0]/ErrorEquals"],
    );
    task(
        r#""Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["x"]}]"#,
        &["States.ALL must appear alone and at end of list at /States/A/Retry[0]/ErrorEquals"],
    );
    task(
        r#""Retry": [{"ErrorEquals": ["x"], "BackoffRate": 0.5, "JitterStrategy": "SOME"}]"#,
        &[
            "Minimum value is 1.0 at /States/A/Retry[0]/BackoffRate",
            "Value should be one of the following: [NONE, FULL] at /States/A/Retry[0]/JitterStrategy",
        ],
    );
    task(
        r#""Catch": [{"ErrorEquals": ["x"], "Next": "B"}]"#,
        &["Missing 'Next' target: B at /States/A/Catch[0]/Next"],
    );
}

/// The comparisons of a choice rule, as AWS lists them.
const COMPARISONS: &str = "StringEquals, StringEqualsPath, StringLessThan, StringLessThanPath, StringGreaterThan, StringGreaterThanPath, StringLessThanEquals, StringLessThanEqualsPath, StringGreaterThanEquals, StringGreaterThanEqualsPath, StringMatches, \
    NumericEquals, NumericEqualsPath, NumericLessThan, NumericLessThanPath, NumericGreaterThan, NumericGreaterThanPath, NumericLessThanEquals, NumericLessThanEqualsPath, NumericGreaterThanEquals, NumericGreaterThanEqualsPath, \
    BooleanEquals, BooleanEqualsPath, TimestampEquals, TimestampEqualsPath, TimestampLessThan, TimestampLessThanPath, TimestampGreaterThan, TimestampGreaterThanPath, TimestampLessThanEquals, TimestampLessThanEqualsPath, TimestampGreaterThanEquals, TimestampGreaterThanEqualsPath, IsNull, IsPresent, IsNumeric, IsString, IsBoolean, IsTimestamp";

#[test]
fn choices() {
    let choice = |rule: &str, expected: &[&str]| {
        let states = format!(
            r#""A": {{"Type": "Choice", "Choices": [{{{rule}, "Next": "B"}}], "Default": "B"}}, "B": {{"Type": "Succeed"}}"#
        );
        check_machine("", &states, expected);
    };
    choice(r#""Variable": "$.a", "NumericEquals": 1"#, &[]);
    choice(r#""Not": {"Variable": "$.a", "IsNull": true}"#, &[]);
    choice(
        r#""Variable": "$.a", "NumericEquals": "1""#,
        &["Expected value of type [NUMBER] at /States/A/Choices[0]/NumericEquals"],
    );
    choice(
        r#""Variable": "$.a", "NumericEqual": 1"#,
        &[
            "Field 'NumericEqual' is not supported at /States/A/Choices[0]",
            &format!(
                "This object should have only one of the following fields: [{COMPARISONS}] at /States/A/Choices[0]"
            ),
        ],
    );
    choice(
        r#""Variable": "$.a", "IsNull": true, "IsPresent": true"#,
        &[&format!(
            "There should only be one of the following fields: [{COMPARISONS}] at /States/A/Choices[0]"
        )],
    );
    choice(
        r#""Variable": "a", "IsNull": true"#,
        &[
            "Value is not a Reference Path: Reference path didn't start with '$' at /States/A/Choices[0]/Variable",
        ],
    );
    choice(r#""And": [], "Comment": "x""#, &["Value cannot be empty at /States/A/Choices[0]/And"]);
    choice(
        r#""IsNull": true"#,
        &[
            "The object must have only one of the following fields, [And, Or, Not, Variable, Condition] at /States/A/Choices[0]",
        ],
    );
}

/// What AWS asks of readers, writers and the numbers of a Map.
#[test]
fn readers_and_numbers_of_maps() {
    const AT: &str = "/States/A/ItemReader/ReaderConfig";
    const PROCESSOR: &str = r#""Type": "Map", "End": true, "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}"#;
    let map = |more: &str, expected: &[&str]| json_path(&format!("{PROCESSOR}, {more}"), expected);
    let reader = |config: &str, expected: &[&str]| {
        let more = format!(
            r#""ItemReader": {{"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {{{config}}}, "Parameters": {{"Bucket": "b", "Key": "k"}}}}"#
        );
        map(&more, expected);
    };
    reader(r#""InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW""#, &[]);
    reader(
        r#""InputType": "CSV", "CSVHeaderLocation": "GIVEN""#,
        &[&format!("These fields are required: [CSVHeaders] at {AT}")],
    );
    for (path, allowed) in [("$.n", true), ("$$.Map.Item", false), ("$.n[*]", false)] {
        let found = check(&definition(&format!(
            r#"{{"StartAt": "A", "States": {{"A": {{{PROCESSOR}, "MaxConcurrencyPath": "{path}"}}}}}}"#
        )));
        assert_eq!(found.iter().all(|found| !found.is_error()), allowed, "{path}: {found:?}");
    }
}

/// A name of a catcher of a Parallel may be that of a variable within it; one of `Assign` may not.
#[test]
fn variables_of_catchers() {
    let parallel = |more: &str| {
        let text = format!(
            r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Parallel", "End": true, {more}, "Branches": [{{"StartAt": "B", "States": {{"B": {{"Type": "Pass", "Assign": {{"x": 1}}, "End": true}}}}}}]}}, "C": {{"Type": "Succeed"}}}}}}"#
        );
        check(&definition(&text)).into_iter().filter(Diagnostic::is_error).count()
    };
    assert_eq!(
        parallel(r#""Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"x": 2}, "Next": "C"}]"#),
        0
    );
    assert_ne!(parallel(r#""Assign": {"x": 2}"#), 0);
}

#[test]
fn express() {
    let text = format!(
        "{{\"StartAt\": \"A\", \"States\": {{\"A\": {{{}}}}}}}",
        TASK.replace("lambda:invoke", "ecs:runTask.sync")
    );
    let found = check_with(&definition(&text), &CheckOptions { express: true, deployed: true });
    let message = aws_message(&found).unwrap();
    assert_eq!(
        message,
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does \
         not support '.sync' service integration at /States/A/Resource'"
    );
    assert_eq!(aws_message(&check(&definition(&text))), None);
}

#[test]
fn places_and_advice() {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Rset"}, "Rest": {"Type": "Succeed", "OutputPath": "$[(1)]"}}}"#;
    let found = check(&definition(text));
    let target = found.iter().find(|found| found.message.contains("Rset")).unwrap();
    assert_eq!(&text[target.span.unwrap().range()], "\"Rset\"");
    assert_eq!(target.help.as_deref(), Some("did you mean `Rest`?"));
    let text = r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{%  \"\" & phone %}"}}}"#;
    let found = check(&definition(text));
    assert_eq!(&text[found[0].span.unwrap().range()], "phone");
}

/// A definition with much in it, to be spoiled.
const RICH: &str = r#"{"Comment": "all", "StartAt": "T", "TimeoutSeconds": 60, "States": {
  "T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "f", "Payload": {"a.$": "$.x", "b": [1, {"c.$": "$$.Execution.Id"}]}},
    "ResultSelector": {"d.$": "States.Format('{}', $.y)"}, "ResultPath": "$.r", "TimeoutSecondsPath": "$.t", "Assign": {"v.$": "$.z"},
    "Credentials": {"RoleArn.$": "$.role"}, "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 2, "BackoffRate": 1.5}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "F"}], "Next": "C"},
  "C": {"Type": "Choice", "Choices": [{"And": [{"Variable": "$.a", "IsPresent": true}, {"Not": {"Variable": "$v", "StringEqualsPath": "$.b"}}], "Next": "W"}], "Default": "M"},
  "W": {"Type": "Wait", "Timestamp": "2024-01-01T00:00:00Z", "Next": "P"},
  "P": {"Type": "Parallel", "Branches": [{"StartAt": "P1", "States": {"P1": {"Type": "Pass", "Result": {"a": 1}, "End": true}}}], "Next": "J"},
  "J": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"o": "{% $states.input.a & $v %}"}, "Assign": {"w": "{% 1 %}"}, "Next": "M"},
  "M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 3, "ItemSelector": {"i.$": "$$.Map.Item.Value"}, "Label": "L",
    "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "Parameters": {"Bucket": "b"}},
    "ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"x": 1}}, "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},
    "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "I", "States": {"I": {"Type": "Succeed"}}}, "Next": "S"},
  "S": {"Type": "Succeed"}, "F": {"Type": "Fail", "Error": "E", "CausePath": "$.e.Cause"}}}"#;

#[test]
fn rich_definition_is_accepted() {
    let definition = definition(RICH);
    let errors: Vec<Diagnostic> =
        check(&definition).into_iter().filter(Diagnostic::is_error).collect();
    assert_eq!(errors, []);
    assert!(compile(&definition).is_ok());
}

/// Puts `spoil` in the place of the value number `at`.
fn spoiled(value: &Json, at: &mut usize, spoil: &Json) -> Json {
    if *at == 0 {
        *at = usize::MAX;
        return spoil.clone();
    }
    *at -= 1;
    match value {
        Json::Array(items) => {
            items.iter().map(|item| spoiled(item, at, spoil)).collect::<Vec<_>>().into()
        }
        Json::Object(object) => Json::Object(
            object.iter().map(|(key, value)| (key.clone(), spoiled(value, at, spoil))).collect(),
        ),
        other => other.clone(),
    }
}

/// One value after another is replaced by one that does not belong: nothing panics, and what is
/// found acceptable compiles.
#[test]
fn spoiled_definitions_are_judged() {
    let whole = stepwright_json::parse(RICH).unwrap();
    let spoils = [
        "null",
        "true",
        "-1",
        "1e300",
        "\"\"",
        "\"$\"",
        "\"{% 1 %}\"",
        "\"{%\"",
        "\"JSONata\"",
        "[]",
        "{}",
        "[[]]",
        "{\"a.$\": 1}",
        "\"States.Format('ä\"",
        "\"$.ä[?(@\"",
        "[{\"Next\": \"T\"}]",
        "\"é:ü\"",
    ];
    let mut judged = 0;
    for spoil in spoils {
        let spoil = stepwright_json::parse(spoil).unwrap();
        for index in 0.. {
            let mut at = index;
            let json = spoiled(&whole, &mut at, &spoil);
            if at < usize::MAX / 2 {
                break;
            }
            let definition = Definition::from_json(&json);
            for express in [false, true] {
                let found = check_with(&definition, &CheckOptions { express, deployed: express });
                if !found.iter().any(Diagnostic::is_error) {
                    assert!(compile(&definition).is_ok(), "{json}");
                }
            }
            judged += 1;
        }
    }
    assert!(judged > 1_000);
}

/// Large and hostile definitions are judged in time.
#[test]
fn large_definitions() {
    let dangling =
        (0..100_000).map(|at| format!("\"s{at}\": {{\"Type\": \"Pass\", \"Next\": \"t{at}\"}}"));
    let text = dangling.collect::<Vec<_>>().join(",");
    let found = check(&definition(&format!("{{\"StartAt\": \"s0\", \"States\": {{{text}}}}}")));
    assert!(found.len() > 50_000);
    let payload = (0..300_000).map(|at| format!("\"k{at}.$\": \"$.a\""));
    let payload = payload.collect::<Vec<_>>().join(",");
    json_path(&format!("\"Type\": \"Pass\", \"Parameters\": {{{payload}}}, \"End\": true"), &[]);
    let names = (0..300_000).map(|at| format!("\"e{at}\"")).collect::<Vec<_>>().join(",");
    json_path(&format!("{TASK}, \"Retry\": [{{\"ErrorEquals\": [{names}]}}]"), &[]);
}

/// Long names within each other are not written out for every item below them.
#[test]
fn payloads_below_long_names_compile_in_time() {
    let name = "n".repeat(10_000);
    let open = format!("{{\"{name}\":").repeat(100);
    let items = vec!["1"; 20_000].join(",");
    let payload = format!("{open}[{items}, \"{{% 1 + %}}\"]{}", "}".repeat(100));
    let text = format!(
        "{{\"QueryLanguage\": \"JSONata\", \"StartAt\": \"a\", \"States\": {{\"a\": \
         {{\"Type\": \"Pass\", \"Output\": {payload}, \"End\": true}}}}}}"
    );
    let complaints = compile(&definition(&text)).unwrap_err();
    let location = complaints[0].location.as_deref().unwrap_or_default();
    assert_eq!(complaints.len(), 1);
    assert!(location.starts_with("/States/a/Output/nnn"));
    assert!(location.ends_with("nnn[20000]"));
}

/// Looking for the name that was meant is not done for every one of many complaints.
#[test]
fn dangling_targets_are_found_in_time() {
    let state = |at: usize| format!("\"s{at}\": {{\"Type\": \"Pass\", \"Next\": \"t{at}\"}}");
    let states = (0..10_000).map(state).collect::<Vec<_>>().join(",");
    let text = format!("{{\"StartAt\": \"s0\", \"States\": {{{states}}}}}");
    let complaints = compile(&definition(&text)).unwrap_err();
    assert_eq!(complaints.len(), 10_000);
    let advised = complaints.iter().filter(|complaint| complaint.help.is_some()).count();
    assert!(advised <= 50, "{advised}");
}

/// Unknown fields, members that come twice and numbers out of range are judged, and what compiles
/// is what would run.
#[test]
fn odd_members_are_judged() {
    let machine = |state: &str| {
        definition(&format!("{{\"StartAt\": \"a\", \"States\": {{\"a\": {{{state}}}}}}}"))
    };
    let fails = |state: &str| check(&machine(state)).iter().any(Diagnostic::is_error);
    assert!(fails("\"Type\": \"Pass\", \"Frobnicate\": 1, \"End\": true"));
    let huge = Definition::parse("{\"TimeoutSeconds\": 1e400}", Syntax::Strict);
    assert_eq!(huge.unwrap_err().message, "this number is too large");
    for number in ["9223372036854775808", "1e308", "-1e308", "1e-400", "-1"] {
        let wait = format!("\"Type\": \"Wait\", \"Seconds\": {number}, \"End\": true");
        let machine = machine(&wait);
        let _ = (check(&machine), compile(&machine));
    }
    let twice = machine("\"Type\": \"Pass\", \"Type\": \"Succeed\", \"End\": true");
    let _ = (check(&twice), compile(&twice));
}
