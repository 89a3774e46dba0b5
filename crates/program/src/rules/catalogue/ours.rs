use super::Rule;
use stepwright_source::Severity::{Error, Note, Warning};

/// Rules beyond AWS's, and those about files.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "catcher-never-matches",
        severity: Warning,
        summary: "A catcher names an error it will never see.",
        explanation: "The first catcher that names an error takes it; a later one never does. \
                      `States.Runtime` fails the execution at once and cannot be caught.",
        example: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Catch": [{"ErrorEquals": ["Busy"], "Next": "B"}, {"ErrorEquals": ["Busy"], "Next": "B"}], "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Catch": [{"ErrorEquals": ["Busy"], "Next": "B"}, {"ErrorEquals": ["States.ALL"], "Next": "B"}], "End": true}}}"#,
    },
    Rule {
        code: "retrier-never-matches",
        severity: Warning,
        summary: "A retrier names an error it will never see.",
        explanation: "The first retrier that names an error takes it; a later one never does. \
                      `States.Runtime` fails the execution at once and is never retried.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Retry": [{"ErrorEquals": ["States.Runtime"]}], "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Retry": [{"ErrorEquals": ["States.TaskFailed"]}], "End": true}}}"#,
    },
    Rule {
        code: "choice-without-default",
        severity: Warning,
        summary: "A Choice has no `Default`.",
        explanation: "When no rule applies the execution fails with `States.Runtime`, which nothing \
                      catches. If that is meant, a Fail state as `Default` says so with an error \
                      of your own.",
        example: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Choice",
  "Choices": [{"Variable": "$.a", "IsPresent": true, "Next": "B"}]}}}"#,
        instead: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Choice", "Default": "B",
  "Choices": [{"Variable": "$.a", "IsPresent": true, "Next": "B"}]}}}"#,
    },
    Rule {
        code: "endless-pass-loop",
        severity: Warning,
        summary: "Pass states lead to each other and to nothing else.",
        explanation: "Nothing in the loop waits or decides, so it runs until AWS ends the \
                      execution after 25,000 events. Put a Choice into it.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [
  {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "C"}, "C": {"Type": "Pass", "Next": "B"}}}]}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [
  {"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "C"}, "C": {"Type": "Pass", "End": true}}}]}}}"#,
    },
    Rule {
        code: "unhandled-error",
        severity: Note,
        summary: "A Task has neither `Retry` nor `Catch`.",
        explanation: "Services fail now and then. Without either, one failure fails the execution \
                      or whatever is around the state.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
  "Retry": [{"ErrorEquals": ["States.ALL"]}]}}}"#,
    },
    Rule {
        code: "unused-variable",
        severity: Warning,
        summary: "A variable is assigned and never read.",
        explanation: "It is a leftover, or its name is misspelled where it is read. Variables count \
                      towards the quota of an execution.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"total": 1}, "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"total": 1}, "Next": "B"},
  "B": {"Type": "Pass", "Parameters": {"total.$": "$total"}, "End": true}}}"#,
    },
    Rule {
        code: "unfit-parameter",
        severity: Warning,
        summary: "A parameter of a call is not what the service takes.",
        explanation: "AWS looks at the names of parameters when a state machine is created, and at \
                      their values when the service is called. A value that is written down and has \
                      the wrong type, or an object that lacks a required member, makes that call \
                      fail. Numbers may be written as text, and anything may stand where text is \
                      wanted. AWS calls no HTTP API without HTTPS.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:receiveMessage",
  "Parameters": {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "MaxNumberOfMessages": "all"},
  "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:receiveMessage",
  "Parameters": {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "MaxNumberOfMessages": 10},
  "Retry": [{"ErrorEquals": ["States.ALL"]}], "End": true}}}"#,
    },
    Rule {
        code: "payload-over-256-kib",
        severity: Warning,
        summary: "A payload that is written down is larger than AWS lets pass between states.",
        explanation: "Inputs and outputs have at most 262,144 bytes. Keep large values in S3 and \
                      pass their place.",
        example: "",
        instead: "",
    },
    Rule {
        code: "definition-over-1-mib",
        severity: Warning,
        summary: "The definition is larger than AWS takes.",
        explanation: "AWS takes 1,048,576 bytes. Move a part into a state machine of its own.",
        example: "",
        instead: "",
    },
    Rule {
        code: "duplicate-key",
        severity: Warning,
        summary: "A key comes twice in one object.",
        explanation: "The last one counts, and what the first one said is lost. In a definition \
                      written in YAML it is an error.",
        example: r#"{"StartAt": "A", "StartAt": "B", "States": {"B": {"Type": "Succeed"}}}"#,
        instead: r#"{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}"#,
    },
    Rule {
        code: "json-with-comments",
        severity: Warning,
        summary: "The JSON has comments or trailing commas.",
        explanation: "We read them; AWS does not. End the name of the file in `.jsonc` if a tool \
                      strips them before the deployment, and there is no warning.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, }"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#,
    },
    Rule {
        code: "invalid-yaml",
        severity: Error,
        summary: "The text is not YAML.",
        explanation: "The marked place is where reading stopped. Often a line is indented by one \
                      space too many or too few, or a text with a colon needs quotes.",
        example: "StartAt: A\nStates:\n  A: {Type: Succeed",
        instead: "StartAt: A\nStates:\n  A: {Type: Succeed}",
    },
    Rule {
        code: "no-state-machine",
        severity: Error,
        summary: "A template holds no state machine.",
        explanation: "We look for resources of the types `AWS::StepFunctions::StateMachine` and \
                      `AWS::Serverless::StateMachine`, and for `stepFunctions.stateMachines` of the \
                      Serverless Framework.",
        example: "Resources:\n  Queue:\n    Type: AWS::SQS::Queue",
        instead: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  Definition:\n        StartAt: A\n        States:\n          A: {Type: Succeed}",
    },
    Rule {
        code: "no-definition",
        severity: Warning,
        summary: "A state machine of a template has no definition that can be read here.",
        explanation: "Its definition is in S3, or it is missing. Load the file itself.",
        example: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionUri: s3://bucket/key",
        instead: "",
    },
    Rule {
        code: "unreadable-file",
        severity: Error,
        summary: "A file that a template names cannot be read.",
        explanation: "The path is taken relative to the template.",
        example: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionUri: missing.asl.json",
        instead: "",
    },
    Rule {
        code: "substitution-cycle",
        severity: Error,
        summary: "The value of a `${Name}` leads back to itself.",
        explanation: "Values may hold further names, which are replaced as well, but not for ever.",
        example: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionSubstitutions: {A: '${B}', B: '${A}'}\n      Definition:\n        \
                  StartAt: A\n        Comment: ${A}\n        States:\n          A: {Type: Succeed}",
        instead: "",
    },
    Rule {
        code: "unknown-substitution",
        severity: Warning,
        summary: "A template gives a `${Name}` in its definition no value.",
        explanation: "Only the names in `DefinitionSubstitutions`, and those in a text of `Fn::Sub`, \
                      are replaced. Any other reaches AWS as it is, and where AWS checks the field, \
                      it refuses the machine. In a text of `Fn::Sub`, `${!Name}` says that it is \
                      meant to reach AWS.",
        example: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionSubstitutions: {Name: x}\n      Definition:\n        StartAt: A\n        \
                  Comment: ${Nme} ${Name}\n        States:\n          A: {Type: Succeed}",
        instead: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionSubstitutions: {Name: x}\n      Definition:\n        StartAt: A\n        \
                  Comment: ${Name}\n        States:\n          A: {Type: Succeed}",
    },
    Rule {
        code: "unused-substitution",
        severity: Warning,
        summary: "A name in `DefinitionSubstitutions` stands nowhere in the definition.",
        explanation: "Often the name is misspelt in one of the two places.",
        example: "Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                  DefinitionSubstitutions: {Name: x}\n      Definition:\n        StartAt: A\n        \
                  States:\n          A: {Type: Succeed}",
        instead: "",
    },
    Rule {
        code: "terraform",
        severity: Error,
        summary: "A definition is written in Terraform's own language, which is not read.",
        explanation: "A definition that stands in the configuration as a text (`<<EOF`) is read; \
                      what `jsonencode` or `templatefile` compute is not. Check the file that \
                      `templatefile` names, or the definition that `terraform show -json` prints.",
        example: "",
        instead: "",
    },
];
