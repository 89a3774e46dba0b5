//! What fields, types, errors and functions mean, in a sentence each.

use stepwright_json::Json;
use stepwright_json::tree::{Node, Value};

/// The fields of the language.
const FIELDS: &[(&str, &str)] = &[
    ("And", "True if every rule in the list is."),
    ("Arguments", "What the task gets: any JSON, in which `{% … %}` is computed."),
    ("Assign", "Variables that get values when the state ends. Later states read them as `$name`."),
    ("BackoffRate", "By how much the wait grows with each attempt; 2.0 unless given."),
    ("BatchInput", "A value that every batch gets as well."),
    ("BooleanEquals", "Compares with `true` or `false`."),
    (
        "Branches",
        "State machines that run at the same time. The result is the list of their outputs.",
    ),
    ("CSVDelimiter", "What stands between the columns: COMMA, PIPE, SEMICOLON, SPACE or TAB."),
    (
        "CSVHeaderLocation",
        "Whether the names of the columns are in the FIRST_ROW or are GIVEN in `CSVHeaders`.",
    ),
    ("CSVHeaders", "The names of the columns."),
    (
        "Catch",
        "What comes after an error that no retry has mended. The first entry that matches decides.",
    ),
    ("Cause", "The text that explains the error to a person."),
    ("CausePath", "A path to the text that explains the error, or an intrinsic function."),
    ("Choices", "Rules. The first that is true decides which state comes next."),
    ("Comment", "A remark for people."),
    ("Condition", "An expression, `{% … %}`, that is true or false."),
    ("Credentials", "The role with which the task is called: `RoleArn`."),
    (
        "Default",
        "The state that comes next if no rule is true. Without it, the execution fails then.",
    ),
    ("End", "`true` if the execution, branch or iteration ends with this state."),
    ("Error", "The name of the error."),
    ("ErrorEquals", "The names of the errors that are meant. `States.ALL` means all of them."),
    ("ErrorPath", "A path to the name of the error, or an intrinsic function."),
    ("ExecutionType", "Whether the items run as STANDARD or EXPRESS executions."),
    (
        "HeartbeatSeconds",
        "How long the task may be silent before it fails with `States.HeartbeatTimeout`.",
    ),
    ("HeartbeatSecondsPath", "A path to the number of seconds that the task may be silent."),
    (
        "InputPath",
        "The part of the input that the state works on; `$` unless given, `null` for nothing.",
    ),
    ("InputType", "The format of the items: CSV, JSON, JSONL, PARQUET or MANIFEST."),
    ("IntervalSeconds", "How long to wait before the first retry; 1 second unless given."),
    ("IsBoolean", "Whether the value is true or false."),
    ("IsNull", "Whether the value is `null`."),
    ("IsNumeric", "Whether the value is a number."),
    ("IsPresent", "Whether there is a value at the path."),
    ("IsString", "Whether the value is a text."),
    ("IsTimestamp", "Whether the value is a timestamp."),
    ("ItemBatcher", "How many items are given to each child execution."),
    ("ItemProcessor", "The state machine that runs for each item."),
    ("ItemReader", "Where the items come from, if they are in S3."),
    ("ItemSelector", "What each iteration gets as its input; the item itself unless given."),
    ("Items", "The list, or an expression that computes it."),
    ("ItemsPath", "A path to the list of items; `$` unless given."),
    ("ItemsPointer", "A JSON pointer to the items in the file."),
    ("Iterator", "The former name of `ItemProcessor`."),
    ("JitterStrategy", "FULL waits for a random part of the interval; NONE for all of it."),
    ("Label", "A short name of the Map, in the ARNs of its child executions."),
    ("MaxAttempts", "How often it is tried again; 3 unless given, 0 for never."),
    ("MaxConcurrency", "How many iterations run at the same time; 0 for as many as there are."),
    ("MaxConcurrencyPath", "A path to the number of iterations that run at the same time."),
    ("MaxDelaySeconds", "The longest wait between two attempts."),
    ("MaxInputBytesPerBatch", "How many bytes a batch has at most."),
    ("MaxInputBytesPerBatchPath", "A path to the number of bytes a batch has at most."),
    ("MaxItems", "How many items are read at most."),
    ("MaxItemsPath", "A path to the number of items that are read at most."),
    ("MaxItemsPerBatch", "How many items a batch has at most."),
    ("MaxItemsPerBatchPath", "A path to the number of items a batch has at most."),
    ("Mode", "INLINE runs iterations in this execution, DISTRIBUTED runs child executions."),
    ("Next", "The state that comes next."),
    ("Not", "True if the rule in it is false."),
    ("NumericEquals", "Compares with a number."),
    ("Or", "True if one of the rules in the list is."),
    ("Output", "What the state puts out: any JSON, in which `{% … %}` is computed."),
    ("OutputPath", "The part of the result that is put out; `$` unless given, `null` for nothing."),
    ("OutputType", "The format of the results: JSON or JSONL."),
    (
        "Parameters",
        "What the state works on. The value of a name that ends in `.$` is a path or a function.",
    ),
    ("ProcessorConfig", "How the iterations run: `Mode` and `ExecutionType`."),
    (
        "QueryLanguage",
        "JSONPath or JSONata. That of the machine holds for every state without one.",
    ),
    ("ReaderConfig", "The format of the items, and which of them are read."),
    ("Resource", "What the task calls: the ARN of a function, an activity or an integration."),
    ("Result", "What a Pass state puts out, as it stands."),
    (
        "ResultPath",
        "Where in the input the result is put; `null` drops the result, `$` keeps nothing else.",
    ),
    ("ResultSelector", "Picks parts of the result before `ResultPath` puts it into the input."),
    ("ResultWriter", "Where in S3 the results of the child executions are written."),
    ("Retry", "When a failure is tried again. The first entry that matches decides."),
    ("RoleArn", "The ARN of the role."),
    ("Seconds", "How many seconds to wait."),
    ("SecondsPath", "A path to the number of seconds to wait."),
    ("StartAt", "The state with which it begins."),
    ("States", "The states, by their names."),
    ("StringEquals", "Compares with a text."),
    ("StringMatches", "Compares with a text in which `*` stands for anything."),
    ("TimeoutSeconds", "How long it may take before it fails with `States.Timeout`."),
    ("TimeoutSecondsPath", "A path to the number of seconds that it may take."),
    ("Timestamp", "The moment to wait for: `2024-08-18T17:33:00Z`."),
    ("TimestampPath", "A path to the moment to wait for."),
    ("ToleratedFailureCount", "How many items may fail before the Map does."),
    ("ToleratedFailureCountPath", "A path to the number of items that may fail."),
    ("ToleratedFailurePercentage", "How many of a hundred items may fail before the Map does."),
    ("ToleratedFailurePercentagePath", "A path to the percentage of items that may fail."),
    ("Transformation", "What is done to the data on its way."),
    ("Type", "What the state does: Task, Pass, Choice, Wait, Parallel, Map, Succeed or Fail."),
    ("Variable", "A path to the value that is compared."),
    ("Version", "The version of the language: 1.0."),
    ("WriterConfig", "The format of the results."),
];

/// The types of states.
const TYPES: &[(&str, &str)] = &[
    ("Choice", "Goes on with the first rule that is true."),
    ("Fail", "Ends the execution with an error."),
    ("Map", "Runs states for each item of a list, or of a file."),
    ("Parallel", "Runs branches at the same time."),
    ("Pass", "Passes its input on, or puts out a value."),
    ("Succeed", "Ends the execution well."),
    ("Task", "Calls a function, a service, an activity or an API."),
    ("Wait", "Waits for a time, or until a moment."),
];

/// The errors of the language, and some that tasks often have.
pub(crate) const ERRORS: &[(&str, &str)] = &[
    (
        "States.ALL",
        "Any error, but for `States.DataLimitExceeded` and `States.Runtime`. It stands alone, and last.",
    ),
    ("States.TaskFailed", "Any error of a task, but for a timeout."),
    ("States.Timeout", "The task, or the execution, took longer than `TimeoutSeconds`."),
    ("Lambda.ServiceException", "Lambda could not run the function. It is right to try again."),
    ("Lambda.AWSLambdaException", "Lambda had an internal error. It is right to try again."),
    ("Lambda.SdkClientException", "Lambda could not be reached. It is right to try again."),
    (
        "Lambda.TooManyRequestsException",
        "Lambda runs too many functions already. It is right to try again.",
    ),
    ("Lambda.ClientExecutionTimeoutException", "The call of the function took too long."),
    ("Lambda.Unknown", "The function ended without an answer."),
    ("States.HeartbeatTimeout", "The task was silent for longer than `HeartbeatSeconds`."),
    ("States.Permissions", "The role does not permit the call."),
    (
        "States.DataLimitExceeded",
        "The data is larger than 256 KiB. `States.ALL` does not match it.",
    ),
    ("States.Runtime", "The data does not fit the definition. It always fails the execution."),
    ("States.ResultPathMatchFailure", "`ResultPath` cannot be applied to the input."),
    ("States.ParameterPathFailure", "A path in `Parameters` leads nowhere."),
    ("States.BranchFailed", "A branch of a Parallel failed."),
    ("States.NoChoiceMatched", "No rule was true, and there is no `Default`."),
    ("States.IntrinsicFailure", "An intrinsic function failed."),
    ("States.ExceedToleratedFailureThreshold", "More items failed than the Map tolerates."),
    ("States.ItemReaderFailed", "The items could not be read."),
    ("States.ResultWriterFailed", "The results could not be written."),
    ("States.QueryEvaluationError", "A JSONata expression failed."),
    ("States.Http.Socket", "The HTTP endpoint could not be reached."),
];

/// The intrinsic functions.
const INTRINSICS: &[(&str, &str, &str)] = &[
    ("States.Array", "value, …", "A list of its arguments."),
    ("States.ArrayContains", "list, value", "Whether the list has the value."),
    ("States.ArrayGetItem", "list, index", "The item at an index, from 0."),
    ("States.ArrayLength", "list", "How many items the list has."),
    ("States.ArrayPartition", "list, size", "Lists of at most so many items each."),
    ("States.ArrayRange", "first, last, step", "The numbers from the first to the last."),
    ("States.ArrayUnique", "list", "The list without items that come again."),
    ("States.Base64Decode", "text", "The text that is encoded."),
    ("States.Base64Encode", "text", "The text in Base64."),
    ("States.Format", "template, value, …", "The template with the values in place of each `{}`."),
    ("States.Hash", "value, algorithm", "The hash: MD5, SHA-1, SHA-256, SHA-384 or SHA-512."),
    (
        "States.JsonMerge",
        "one, other, false",
        "Both objects; of a name that both have, the second counts.",
    ),
    ("States.JsonToString", "value", "The value as a text in JSON."),
    ("States.MathAdd", "number, number", "The sum."),
    ("States.MathRandom", "from, to", "A random number, `to` excluded."),
    ("States.StringSplit", "text, separators", "The parts of the text."),
    ("States.StringToJson", "text", "The value that a text in JSON has."),
    ("States.UUID", "", "A random UUID."),
];

/// The context object, with what is in it.
pub(crate) const CONTEXT: &[&str] = &[
    "Execution.Id",
    "Execution.Input",
    "Execution.Name",
    "Execution.RoleArn",
    "Execution.StartTime",
    "State.EnteredTime",
    "State.Name",
    "State.RetryCount",
    "StateMachine.Id",
    "StateMachine.Name",
    "Task.Token",
    "Map.Item.Index",
    "Map.Item.Value",
];

fn look_up(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What a field means.
pub(crate) fn field(name: &str) -> Option<String> {
    if let Some(text) = look_up(FIELDS, name) {
        return Some(text.to_owned());
    }
    // `NumericGreaterThanEqualsPath`: what is compared, and how.
    let (name, is_path) = match name.strip_suffix("Path") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let kinds = [
        ("String", "a text"),
        ("Numeric", "a number"),
        ("Timestamp", "a timestamp"),
        ("Boolean", "true or false"),
    ];
    let (kind, how) =
        kinds.iter().find_map(|(start, kind)| Some((*kind, name.strip_prefix(start)?)))?;
    let how = match how {
        "Equals" => "is",
        "LessThan" => "is less than",
        "GreaterThan" => "is greater than",
        "LessThanEquals" => "is at most",
        "GreaterThanEquals" => "is at least",
        _ => return None,
    };
    let where_from = if is_path { " at a path" } else { "" };
    Some(format!("Whether the value is {kind} and {how} the one given{where_from}."))
}

/// What a type of states does.
pub(crate) fn state_type(name: &str) -> Option<&'static str> {
    look_up(TYPES, name)
}

/// When an error occurs.
pub(crate) fn error(name: &str) -> Option<&'static str> {
    look_up(ERRORS, name)
}

/// The arguments of an intrinsic function, and what it gives.
pub(crate) fn intrinsic(name: &str) -> Option<(&'static str, &'static str)> {
    let found = INTRINSICS.iter().find(|(known, ..)| *known == name);
    found.map(|(_, arguments, text)| (*arguments, *text))
}

/// Whether a field of a rule compares.
pub(crate) fn is_comparison(name: &str) -> bool {
    let kinds = ["String", "Numeric", "Timestamp", "Boolean"];
    let compares = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty());
    kinds.into_iter().any(compares) && name != "TimestampPath" || is_type_test(name)
}

/// Whether a field of a rule asks for a type: `IsNull`.
pub(crate) fn is_type_test(name: &str) -> bool {
    name.strip_prefix("Is").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The fields of states and their parts, in the order in which they are offered.
const ORDER: &[&str] = &[
    "Type",
    "StartAt",
    "States",
    "Resource",
    "Next",
    "End",
    "Parameters",
    "Arguments",
    "ResultPath",
    "Catch",
    "Retry",
    "ErrorEquals",
    "Variable",
    "Condition",
    "Choices",
    "Default",
    "ItemProcessor",
    "ItemsPath",
    "Items",
    "ItemSelector",
    "Branches",
    "Seconds",
    "Result",
    "Output",
    "Assign",
    "MaxConcurrency",
    "ResultSelector",
    "OutputPath",
    "InputPath",
    "Error",
    "Cause",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "StringEquals",
    "BooleanEquals",
    "NumericEquals",
    "IsPresent",
    "And",
    "Or",
    "Not",
    "NumericGreaterThan",
    "NumericLessThan",
    "NumericGreaterThanEquals",
    "NumericLessThanEquals",
    "StringMatches",
    "IsNull",
    "Comment",
    "TimeoutSeconds",
    "Iterator",
    "HeartbeatSeconds",
    "SecondsPath",
    "Timestamp",
    "TimestampPath",
    "Mode",
    "ExecutionType",
    "ItemReader",
    "ResultWriter",
    "ItemBatcher",
    "ReaderConfig",
    "QueryLanguage",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Label",
    "ToleratedFailurePercentage",
    "ToleratedFailureCount",
];

/// Where a field stands among those that are offered.
pub(crate) fn order(name: &str) -> usize {
    ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
}

/// How badly a value fits a field: 0 if it is just what stands there, 9 if it cannot stand there.
pub(crate) fn misfit(field: &str, value: &Node, is_state: &dyn Fn(&str) -> bool) -> u8 {
    let is_number = matches!(
        field,
        "Seconds"
            | "TimeoutSeconds"
            | "HeartbeatSeconds"
            | "IntervalSeconds"
            | "MaxAttempts"
            | "BackoffRate"
            | "MaxDelaySeconds"
            | "MaxConcurrency"
            | "ToleratedFailureCount"
            | "ToleratedFailurePercentage"
            | "MaxItems"
            | "MaxItemsPerBatch"
            | "MaxInputBytesPerBatch"
    ) || field.starts_with("Numeric") && !field.ends_with("Path");
    let is_flag = field == "End"
        || field == "BooleanEquals"
        || field.len() > 2 && field.starts_with("Is") && field.as_bytes()[2].is_ascii_uppercase();
    let is_path = field.ends_with("Path") || field == "Variable";
    let is_list = matches!(
        field,
        "Retry" | "Catch" | "Choices" | "Branches" | "And" | "Or" | "ErrorEquals" | "CSVHeaders"
    );
    let is_data = matches!(field, "Result" | "Output" | "Arguments" | "Items");
    let is_object = matches!(
        field,
        "States"
            | "Parameters"
            | "Arguments"
            | "Assign"
            | "ItemProcessor"
            | "Iterator"
            | "ItemReader"
            | "ReaderConfig"
            | "ItemBatcher"
            | "ResultWriter"
            | "WriterConfig"
            | "ProcessorConfig"
            | "ItemSelector"
            | "ResultSelector"
            | "Credentials"
            | "BatchInput"
            | "Not"
            | "Output"
            | "Result"
    );
    let only_if = |fits: bool, otherwise: u8| if fits { 0 } else { otherwise };
    match &value.value {
        Value::Scalar(Json::String(text)) => {
            let text = text.as_str();
            let is_computed = text.starts_with("{%");
            let looks_like_path = text.starts_with('$') && !text.starts_with("${");
            match field {
                "Type" => only_if(state_type(text).is_some(), 8),
                "Next" | "Default" | "StartAt" => only_if(is_state(text), 6),
                "Resource" => {
                    only_if(text.starts_with("arn:"), if text.contains("${") { 1 } else { 7 })
                }
                "Condition" => only_if(is_computed, 8),
                "QueryLanguage" => only_if(matches!(text, "JSONata" | "JSONPath"), 9),
                "Version" => only_if(text == "1.0", 9),
                "Mode" => only_if(matches!(text, "INLINE" | "DISTRIBUTED"), 8),
                "ExecutionType" => only_if(matches!(text, "STANDARD" | "EXPRESS"), 8),
                "JitterStrategy" => only_if(matches!(text, "FULL" | "NONE"), 8),
                "Comment" => {
                    if is_computed || looks_like_path {
                        7
                    } else {
                        only_if(text.contains(' '), 4)
                    }
                }
                "StringMatches" => only_if(text.contains('*'), 3),
                "StringEquals" => {
                    if looks_like_path {
                        7
                    } else {
                        1
                    }
                }
                "Timestamp"
                | "TimestampEquals"
                | "TimestampLessThan"
                | "TimestampGreaterThan"
                | "TimestampLessThanEquals"
                | "TimestampGreaterThanEquals" => {
                    let is_moment = stepwright_program::time::parse(text).is_some();
                    only_if(is_moment, if is_computed { 2 } else { 7 })
                }
                "Error" | "Cause" => {
                    if looks_like_path {
                        6
                    } else {
                        1
                    }
                }
                "Result" => 4,
                _ if is_path => {
                    let one_of_two = if field == "Variable" { 1 } else { 2 };
                    if looks_like_path { one_of_two - 1 } else { 9 }
                }
                _ if is_data || is_number => {
                    if is_computed {
                        1
                    } else {
                        8
                    }
                }
                _ if is_object || is_list || is_flag => 9,
                _ => 5,
            }
        }
        Value::Scalar(Json::Bool(_)) => {
            only_if(is_flag, if is_data || field == "Condition" { 4 } else { 9 })
        }
        // What is still to be written may be anything.
        Value::Scalar(Json::Null) => {
            only_if(matches!(field, "ResultPath" | "InputPath" | "OutputPath"), 1)
        }
        Value::Scalar(_) => only_if(is_number, if is_data { 4 } else { 9 }),
        Value::Array(items) => {
            let has = |key: &str| items.first().is_some_and(|item| item.get(key).is_some());
            match field {
                "Catch" => only_if(has("ErrorEquals") && has("Next"), 5),
                "Retry" => only_if(has("ErrorEquals") && !has("Next"), 5),
                "Branches" => only_if(has("StartAt"), 6),
                "Choices" => only_if(has("Next"), 6),
                "And" | "Or" => only_if(has("Variable") && !has("Next"), 6),
                "ErrorEquals" | "CSVHeaders" => {
                    only_if(items.first().is_some_and(|item| item.as_str().is_some()), 6)
                }
                _ => {
                    if is_data {
                        3
                    } else {
                        9
                    }
                }
            }
        }
        Value::Object(members) => {
            let has = |key: &str| value.get(key).is_some();
            let is_states = members.first().is_some_and(|one| one.value.get("Type").is_some());
            match field {
                "States" => only_if(is_states, 5),
                "ItemProcessor" | "Iterator" => only_if(has("StartAt") || has("States"), 7),
                "ProcessorConfig" => only_if(has("Mode"), 7),
                "Credentials" => only_if(has("RoleArn") || has("RoleArn.$"), 7),
                "ItemReader" | "ResultWriter" => only_if(has("Resource") || has("Parameters"), 7),
                "ReaderConfig" => only_if(has("InputType") || has("MaxItems"), 7),
                "ItemBatcher" => {
                    only_if(has("MaxItemsPerBatch") || has("MaxInputBytesPerBatch"), 7)
                }
                "WriterConfig" => only_if(has("OutputType") || has("Transformation"), 7),
                "Not" => only_if(has("Variable"), 5),
                _ if is_object => 1,
                _ if is_data => 2,
                _ => 9,
            }
        }
    }
}
