//! Nothing in a project is dropped in silence: what has no meaning is refused at its place, and what
//! AWS would not accept is refused when the project is compiled. An error is reported once.

use stepwright_fluxio::{Mode, Project, compile, read};
use stepwright_json::Json;

const RUN: &str = "    async def run(event, context):\n        return 1\n";

/// Compiles a project and compares the errors: their places and parts of their messages.
fn check(source: &str, expected: &[(&str, &str)]) {
    let errors = read(source).err().unwrap_or_default();
    assert_eq!(errors.len(), expected.len(), "{source}\n{errors:?}");
    for (error, (at, text)) in errors.iter().zip(expected) {
        assert!(error.message.contains(text), "{}: {text}", error.message);
        let place = error.span.map_or("", |span| &source[span.range()]);
        assert_eq!(place, *at, "{}", error.message);
    }
}

fn compiled(source: &str) -> Project {
    compile(source, Mode::Documented).unwrap_or_else(|errors| panic!("{source}\n{errors:?}"))
}

/// A project whose one task has these lines in its class.
fn task(lines: &str) -> String {
    let lines: String = lines.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    format!("class T(Task):\n{lines}{RUN}def main(data):\n    T()\n")
}

/// A project with a task and this body of its machine.
fn main(body: &str) -> String {
    format!("class T(Task):\n{RUN}def part(data):\n    T()\ndef main(data):\n    {body}\n")
}

#[test]
fn annotated_attributes_are_attributes() {
    let project = compiled(&task("service: str = \"ecs\"\ntimeout: int = 900"));
    assert_eq!(project.tasks["T"].service(), "ecs");
    assert_eq!(project.tasks["T"].attributes.get("timeout"), Some(&Json::Int(900)));
    let state = &project.machines["main"].task_states[0];
    assert_eq!(state.service, "ecs");
    check(&task("timeout: int = 901"), &[("901", "Lambda takes 1 to 900")]);
    check(&task("timeout: int"), &[("timeout: int", "a type and no value")]);
    // Each of several targets is one.
    let both = compiled(&task("service = 'ecs'\ncpu = timeout = 512\nmemory = 1024"));
    assert_eq!(both.tasks["T"].attributes.get("timeout"), Some(&Json::Int(512)));
    // The original takes an annotated attribute for nothing.
    let compat = compile(&task("service: str = \"ecs\""), Mode::Compat).expect("it compiles");
    assert_eq!(compat.tasks["T"].service(), "lambda");
}

#[test]
fn other_statements_of_a_class_are_refused() {
    check(&task("memory = 512\nmemory = 1024"), &[("memory", "is set already")]);
    check(&task("memory: int = 512\nmemory = 1024"), &[("memory", "is set already")]);
    check(&task("print(\"hello\")"), &[("print(\"hello\")", "no meaning in a task class")]);
    check(&task("for x in [1]: pass"), &[("for x in [1]: pass", "no meaning")]);
    check(&task("if True: service = 'ecs'"), &[("if True: service = 'ecs'", "no meaning")]);
    check(&task("import json"), &[("import json", "does not reach the task")]);
    check(&task("class Meta: service = 'ecs'"), &[("class Meta: service = 'ecs'", "no meaning")]);
    check(&task("timeout += 5"), &[("timeout += 5", "no meaning")]);
    check(&task("retries = 5"), &[("retries", "no attribute `retries`")]);
    check(&task("def run(event, context): return 2"), &[("run", "a `run` method already")]);
    check(&task("def setup(self): pass"), &[("setup", "a `run` method and no other")]);
    check(
        &task("memory = 1024\nmemory = 512\nprint(1)\nfor x in [1]: pass"),
        &[
            ("memory", "set already"),
            ("print(1)", "no meaning"),
            ("for x in [1]: pass", "no meaning"),
        ],
    );
    check(&task("\"\"\"A docstring.\"\"\"\npass\n..."), &[]);
    check(&format!("@cached\n{}", task("pass")), &[("@cached", "no decorators")]);
    check(&task("pass").replace("(Task)", "(Task, Mixin)"), &[("Mixin", "nothing else")]);
    check(&task("pass").replace("(Task)", "(Task, x=1)"), &[("x=1", "nothing else")]);
}

#[test]
fn names_are_given_once() {
    let class = format!("class T(Task):\n{RUN}");
    let machine = "def main(data):\n    T()\n";
    check(&format!("{class}{class}{machine}"), &[("T", "it is defined in line 1")]);
    check(&format!("{class}{machine}def main(data):\n    pass\n"), &[("main", "in line 4")]);
    check(&format!("{class}def T(data):\n    pass\n{machine}"), &[("T", "in line 1")]);
    check(&format!("def T(data):\n    pass\n{class}{machine}"), &[("T", "in line 1")]);
    let processor = "class T(EventProcessor):\n    pass\n";
    check(&format!("{class}{processor}{machine}"), &[("T", "in line 1")]);
    for name in ["map", "wait", "parallel", "retry"] {
        let source = format!("def {name}(data):\n    pass\ndef main(data):\n    pass\n");
        check(&source, &[(name, "a meaning of its own")]);
    }
    // In the original, the last one counts.
    let twice = format!("{class}{machine}{machine}");
    assert!(compile(&twice, Mode::Compat).is_ok());
}

#[test]
fn nothing_else_is_dropped() {
    check("print('hello')\ndef main(data):\n    pass\n", &[("print('hello')", "never be run")]);
    check("\"\"\"A project.\"\"\"\nimport typing\ndef main(data):\n    pass\n", &[]);
    check("def main(data, debug=True):\n    pass\n", &[("debug=True", "no other argument")]);
    check("def main(data=None):\n    pass\n", &[("None", "no other argument")]);
    check("def main(*data):\n    pass\n", &[("*data", "no other argument")]);
    check("def main():\n    pass\n", &[]);
    check("def main(data: dict) -> dict:\n    pass\n", &[]);
    check(&main("raise Bad('a', 'b')"), &[("'b'", "one text")]);
    check(&main("raise Bad(cause='a')"), &[("cause='a'", "one text")]);
    check(&main("with retry(3): T()"), &[("3", "by name")]);
    check(&main("with retry() as r: T()"), &[("r", "gives nothing")]);
    check(&main("with retry(), retry(): T()"), &[("retry()", "one `retry(…)`")]);
    check(&main("T(env={'A': 'b'})"), &[("env={'A': 'b'}", "runs on lambda")]);
    let decorated = |decorator: &str| format!("{decorator}\ndef main(data):\n    pass\n");
    check(&decorated("@export(False)"), &[("False", "by name")]);
    check(&decorated("@process_events(P)"), &[("P", "by name")]);
}

#[test]
fn what_a_deployment_refuses_is_refused() {
    check(
        "class T(Task):\n    timeout = 5\ndef main(data):\n    T()\n",
        &[("T", "no `run` method")],
    );
    check(
        "class W(Task):\n    service = 'ecs:worker'\ndef main(data):\n    W()\n",
        &[("W", "the class of the worker")],
    );
    let worker = |call: &str| {
        format!(
            "class W(Task):\n    service = 'ecs:worker'\n    spec = 'a.b:C'\n    timeout = 60\n    \
             heartbeat_interval = 20\ndef main(data):\n    {call}\n"
        )
    };
    check(&worker("W()"), &[]);
    check(&worker("W()").replace("= 60", "= 20"), &[("20", "below the task's timeout of 20")]);
    check(&task("service = 'ecs'\ncpu = 300\nmemory = 512"), &[("300", "Fargate takes 256")]);
    check(&task("memory = 100"), &[("100", "Lambda takes 128 to 10240")]);
    check(&main("wait(timestamp='tomorrow')"), &[("'tomorrow'", "no point in time")]);
    check(&main("wait(timestamp='2020-08-18')"), &[("'2020-08-18'", "no point in time")]);
    check(&main("wait(timestamp='2020-08-18T17:33:00Z')"), &[]);
    check(&main("wait(seconds=100000000)"), &[("100000000", "from 0 to 99999999")]);
    check(&main("T(timeout=100000000)"), &[("100000000", "whole seconds")]);
    let key = format!("'{}'", "k".repeat(81));
    check(&main(&format!("T(key={key})")), &[(&key, "1 to 80 characters, and this one 81")]);
    check(&main("T(key='')"), &[("''", "1 to 80 characters")]);
}

#[test]
fn tasks_know_only_what_they_import() {
    let method = |head: &str, body: &str| {
        format!(
            "{head}class T(Task):\n    async def run(event, context):\n        {body}\n\
             def part(data):\n    pass\ndef main(data):\n    T()\n"
        )
    };
    check(&method("import json\n", "return json.dumps(1)"), &[("json", "uses `json`")]);
    check(&method("from a import b\n", "return b()"), &[("b", "uses `b`")]);
    check(&method("", "return part(event)"), &[("part", "uses `part`")]);
    check(&method("", "raise NotShipped('why')"), &[("NotShipped", "uses `NotShipped`")]);
    check(&method("", "import json; return json.dumps(1)"), &[]);
    check(&method("", "x: Dict = {}; return x"), &[]);
    let processor = |body: &str| {
        format!(
            "class P(EventProcessor):\n    async def get_custom_tags_ExecutionFailed(message: Dict, \
             input_data: Any, state_data_client):\n        {body}\n\
             @process_events(processor=P)\ndef main(data):\n    pass\n"
        )
    };
    check(&processor("return {'a': Any}"), &[]);
    check(&processor("return json.dumps(1)"), &[("json", "uses `json`")]);
    let other = processor("return {}").replace("ExecutionFailed", "TaskFailed");
    check(&other, &[("get_custom_tags_TaskFailed", "no processor gets the event `TaskFailed`")]);
}

#[test]
fn an_error_is_reported_once() {
    let cascade = format!(
        "class T(Task):\n{RUN}def part(data):\n    T(timeout=2.5)\n\
         def main(data):\n    part(data)\n    map(data['items'], part)\n    parallel(part)\n"
    );
    check(&cascade, &[("2.5", "whole seconds")]);
    let decorated = format!(
        "class T(Task):\n{RUN}@nonsense()\ndef part(data):\n    T()\ndef main(data):\n    part(data)\n"
    );
    check(&decorated, &[("nonsense()", "no decorator `nonsense`")]);
    check(
        "async def part(data):\n    pass\ndef main(data):\n    part(data)\n",
        &[("part", "not asynchronous")],
    );
    check(
        &format!("class T(Tusk):\n{RUN}def main(data):\n    T()\n"),
        &[("T", "neither a task nor an event processor")],
    );
    check(
        "class P(EventProcessor):\n    def other(self): pass\n@process_events(processor=P)\n\
         def main(data):\n    pass\n",
        &[("other", "asynchronous")],
    );
    check(
        "@process_events()\ndef part(data):\n    pass\ndef main(data):\n    parallel(part)\n",
        &[("part", "only a branch or iterator")],
    );
    check(&task("memory = 1\ntimeout = 1000"), &[("1", "`memory`"), ("1000", "`timeout`")]);
}

#[test]
fn names_of_states_fit() {
    let long = "K".repeat(90);
    let source = format!("def main(data):\n    data['{long}'] = 1\n    data['{long}'] = 2\n");
    let project = compiled(&source);
    let definition = project.machines["main"].definition.as_ref().expect("it has compiled");
    let states = definition.get("States").and_then(Json::as_object).expect("it has states");
    let names: Vec<&str> = states.keys().map(|name| name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.chars().count() == 80), "{names:?}");
}

#[test]
fn remarks_point_into_the_project() {
    let source = "class E(Task):\n    service = 'ecs'\n    async def run(event, context):\n        pass\n\
                  def it(data):\n    E()\ndef main(data):\n    map(data['l'], it)\n    data['e'] = E()\n";
    let project = compiled(source);
    let at: Vec<&str> = project
        .remarks
        .iter()
        .map(|remark| &source[remark.span.expect("it has a place").range()])
        .collect();
    // The state of the iterator is in two machines, and is reported once.
    assert_eq!(at, ["E()", "data['e'] = E()"], "{:?}", project.remarks);
    assert!(project.remarks.iter().all(|remark| remark.location.is_none()));
}
