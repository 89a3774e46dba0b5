use super::Rule;
use stepwright_source::Severity::{Error, Warning};

/// AWS's own rules.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "INVALID_JSON_DESCRIPTION",
        severity: Error,
        summary: "The text is not JSON.",
        explanation: "AWS reads definitions as strict JSON. The message is that of AWS's parser; \
                      the marked place is where reading stopped.",
        example: r#"{"StartAt": "A" "States": {}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#,
    },
    Rule {
        code: "SCHEMA_VALIDATION_FAILED",
        severity: Error,
        summary: "A field is missing, does not belong here, or has a value that cannot stand there.",
        explanation: "Each type of state has its fields, and each query language its own: \
                      `Parameters` and `ResultPath` in JSONPath, `Arguments` and `Output` in \
                      JSONata. The message names the field and what it may be.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Nxt": "B"}, "B": {"Type": "Succeed"}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}}}"#,
    },
    Rule {
        code: "MISSING_TRANSITION_TARGET",
        severity: Error,
        summary: "A state that does not exist is named, or a state can never be reached.",
        explanation: "`StartAt`, `Next`, `Default` and the `Next` of catchers and choice rules name \
                      states of the same scope: a state inside of a Map or Parallel cannot lead out \
                      of it. A state that nothing leads to is refused as well.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Rset"}, "Rest": {"Type": "Succeed"}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Rest"}, "Rest": {"Type": "Succeed"}}}"#,
    },
    Rule {
        code: "MISSING_END_STATE",
        severity: Error,
        summary: "No state ends the execution.",
        explanation: "At least one state of the top level has `\"End\": true` or is a Succeed or \
                      Fail. Inside of Maps and Parallels AWS does not ask for it.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "Next": "A"}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": true}}}"#,
    },
    Rule {
        code: "DUPLICATE_STATE_NAME",
        severity: Error,
        summary: "Two states have the same name.",
        explanation: "Names are unique over the whole machine, the states inside of Maps and \
                      Parallels included.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "End": true, "ItemProcessor":
  {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "End": true, "ItemProcessor":
  {"StartAt": "One", "States": {"One": {"Type": "Succeed"}}}}}}"#,
    },
    Rule {
        code: "INVALID_STATE_NAME",
        severity: Error,
        summary: "The name of a state is longer than 80 characters.",
        explanation: "Put what the state does into its `Comment`, and a few words into its name.",
        example: "",
        instead: "",
    },
    Rule {
        code: "INVALID_LABEL_NAME",
        severity: Error,
        summary: "The label of a Distributed Map is too long, or has a character that ARNs cannot hold.",
        explanation: "A label becomes a part of the ARN of the map run. It has at most 40 \
                      characters, without spaces, brackets, wildcards and control characters.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "Label": "my items", "End": true, "ItemProcessor":
  {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
   "StartAt": "One", "States": {"One": {"Type": "Succeed"}}}}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "Label": "my-items", "End": true, "ItemProcessor":
  {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
   "StartAt": "One", "States": {"One": {"Type": "Succeed"}}}}}}"#,
    },
    Rule {
        code: "DUPLICATE_LABEL_NAME",
        severity: Error,
        summary: "Two Maps have the same label.",
        explanation: "A label becomes a part of the ARN of the map run, which must be unique.",
        example: "",
        instead: "",
    },
    Rule {
        code: "TOO_DEEPLY_NESTED",
        severity: Error,
        summary: "Maps, Parallels or conditions stand too deep within each other.",
        explanation: "Move a part into a state machine of its own and start it with \
                      `arn:aws:states:::states:startExecution.sync:2`.",
        example: "",
        instead: "",
    },
    Rule {
        code: "INVALID_JSONATA_EXPRESSION",
        severity: Error,
        summary: "A JSONata expression cannot be read.",
        explanation: "The message is JSONata's; the marked place is where reading stopped. A \
                      `${Name}` that a deployment fills in must have a value first.",
        example: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{% [1, 2 %}"}}}"#,
        instead: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{% [1, 2] %}"}}}"#,
    },
    Rule {
        code: "UNSUPPORTED_JSONATA_EXPRESSION",
        severity: Error,
        summary: "A JSONata expression refers to something that does not exist in Step Functions.",
        explanation: "There is no input document: names without `$`, `$` and `$$` at the top level \
                      stand for nothing. The input is `$states.input`; `$states.result` exists \
                      where a Task, Parallel or Map has finished, `$states.errorOutput` where an \
                      error was caught.",
        example: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{% phone %}"}}}"#,
        instead: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{% $states.input.phone %}"}}}"#,
    },
    Rule {
        code: "RESERVED_VARIABLE_NAME",
        severity: Error,
        summary: "A variable is called `states`.",
        explanation: "`$states` holds input, result and context. Choose another name.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"states": 1}, "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"status": 1}, "End": true}}}"#,
    },
    Rule {
        code: "INVALID_VARIABLE_NAME",
        severity: Error,
        summary: "The name of a variable has characters that names cannot have.",
        explanation: "A name has letters, digits and `_`, does not begin with a digit, and has at \
                      most 80 characters.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"order-id": 1}, "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"orderId": 1}, "End": true}}}"#,
    },
    Rule {
        code: "DUPLICATE_VARIABLE_NAME",
        severity: Error,
        summary: "A scope assigns a variable that a scope around it assigns, too.",
        explanation: "Inside of a Map or Parallel the variables of the outside can be read, not \
                      assigned. Choose another name inside.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "Assign": {"x": 1}, "End": true, "ItemProcessor":
  {"StartAt": "One", "States": {"One": {"Type": "Pass", "Assign": {"x": 2}, "End": true}}}}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Map", "Assign": {"x": 1}, "End": true, "ItemProcessor":
  {"StartAt": "One", "States": {"One": {"Type": "Pass", "Assign": {"y": 2}, "End": true}}}}}}"#,
    },
    Rule {
        code: "POSSIBLY_UNDEFINED_VARIABLE",
        severity: Warning,
        summary: "A variable is read that no state of this scope, or of one around it, assigns.",
        explanation: "Reading it fails the state when it runs. A Distributed Map does not see the \
                      variables of the outside: hand them in with `ItemSelector`.",
        example: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "Output": "{% $total %}"}}}"#,
        instead: r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {
  "A": {"Type": "Pass", "Assign": {"total": 1}, "Next": "B"},
  "B": {"Type": "Succeed", "Output": "{% $total %}"}}}"#,
    },
    Rule {
        code: "NO_DOLLAR",
        severity: Warning,
        summary: "A value looks like a path or an intrinsic function, but its name does not end in `.$`.",
        explanation: "Only names that end in `.$` are computed; this value is passed on as text.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"id": "$.id"}, "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"id.$": "$.id"}, "End": true}}}"#,
    },
    Rule {
        code: "NO_PATH",
        severity: Warning,
        summary: "A text to compare with looks like a path, but the name of the operator does not end in `Path`.",
        explanation: "The variable is compared with the text itself. Take the operator that ends in \
                      `Path` to compare with what stands there.",
        example: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Choice", "Default": "B",
  "Choices": [{"Variable": "$.a", "StringEquals": "$.b", "Next": "B"}]}}}"#,
        instead: r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}, "A": {"Type": "Choice", "Default": "B",
  "Choices": [{"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "B"}]}}}"#,
    },
    Rule {
        code: "PASS_RESULT_IS_STATIC",
        severity: Warning,
        summary: "The `Result` of a Pass holds a path, which is not evaluated.",
        explanation: "`Result` is put out as it stands. `Parameters` computes.",
        example: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"id": "$.id"}, "End": true}}}"#,
        instead: r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"id.$": "$.id"}, "End": true}}}"#,
    },
];
