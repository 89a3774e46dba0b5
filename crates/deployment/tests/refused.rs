//! Attributes that AWS would not accept are refused, with the name of the task, the attribute, and
//! its place.

mod common;

use common::deploy;

/// Deploys a project and compares the complaints: their places and messages.
fn check(source: &str, expected: &[(&str, &str)]) {
    check_as("shop", source, expected);
}

fn check_as(project: &str, source: &str, expected: &[(&str, &str)]) {
    let complaints = match deploy(project, source) {
        Ok(_) => Vec::new(),
        Err(refused) => refused.0,
    };
    let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert_eq!(complaints.len(), expected.len(), "{said:?}");
    for (complaint, (at, text)) in complaints.iter().zip(expected) {
        let shown = complaint.to_string();
        assert!(shown.contains(text), "{shown}");
        let place = complaint.span.map_or("", |span| &source[span.range()]);
        assert_eq!(place, *at, "{shown}");
    }
}

/// A project whose one task has these attributes.
fn task(attributes: &str) -> String {
    let lines: String = attributes.lines().flat_map(|line| ["    ", line.trim(), "\n"]).collect();
    format!(
        "class Foo(Task):\n{lines}\n    async def run(event, context):\n        pass\n\n\n\
         def main(data):\n    Foo(timeout=5)\n"
    )
}

#[test]
fn functions_have_lambdas_bounds() {
    check(&task("memory = 128"), &[]);
    check(&task("memory = 10240"), &[]);
    check(
        &task("memory = 100"),
        &[("100", "the attribute `memory` of the task `Foo`: Lambda takes 128 to 10240, not 100")],
    );
    check(&task("memory = 10241"), &[("10241", "not 10241")]);
    check(&task("memory = '1 GB'"), &[("'1 GB'", "not \"1 GB\"")]);
    check(&task("timeout = 900"), &[]);
    check(&task("timeout = 901"), &[("901", "tasks that take longer run on the service `ecs`")]);
    check(&task("timeout = 1.5"), &[("1.5", "Lambda takes 1 to 900, not 1.5")]);
    check(&task("service = 'lambda:container'\nmemory = 64"), &[("64", "`memory`")]);
    check(
        "class Foo(Task):\n    timeout = 5\n\n\ndef main(data):\n    Foo()\n",
        &[("Foo", "it has no `run` method")],
    );
}

#[test]
fn containers_have_fargates_sizes() {
    let ecs = |attributes: &str| task(&format!("service = 'ecs'\n{attributes}"));
    for (cpu, memory) in [(256, 512), (256, 2048), (512, 4096), (1024, 2048), (4096, 30_720)] {
        check(&ecs(&format!("cpu = {cpu}\nmemory = {memory}")), &[]);
    }
    check(&ecs("cpu = 8192\nmemory = 20480"), &[]);
    check(
        &ecs("cpu = 256\nmemory = 4096"),
        &[("4096", "with a `cpu` of 256, Fargate takes 512, 1024 and 2048, not 4096")],
    );
    check(
        &ecs("cpu = 1024\nmemory = 512"),
        &[("512", "with a `cpu` of 1024, Fargate takes 2048 to 8192 in steps of 1024, not 512")],
    );
    check(&ecs("cpu = 1024\nmemory = 2500"), &[("2500", "in steps of 1024")]);
    check(&ecs("cpu = 8192\nmemory = 17408"), &[("17408", "in steps of 4096")]);
    // The memory is the default, which has no place in the text.
    check(&ecs("cpu = 2048"), &[("Foo", "the attribute `memory` of the task `Foo`")]);
    check(
        &ecs("cpu = 1000"),
        &[("1000", "the attribute `cpu` of the task `Foo`: Fargate takes 256, ")],
    );
}

#[test]
fn workers_have_the_bounds_of_queues() {
    let worker = |attributes: &str| task(&format!("service = 'ecs:worker'\n{attributes}"));
    let spec = "spec = 'package.module:Class'\n";
    let with_spec = |attributes: &str| worker(&format!("{spec}{attributes}"));
    check(&with_spec("timeout = 43200"), &[]);
    check(&with_spec("timeout = 43201\nheartbeat_interval = 60"), &[("43201", "not 43201")]);
    check(&worker("timeout = 60"), &[("Foo", "the attribute `spec` of the task `Foo`")]);
    check(&worker("spec = 'package.module'"), &[("'package.module'", "package.module:Class")]);
    check(
        &with_spec("timeout = 60\nheartbeat_interval = 60"),
        &[("60", "it is below the task's timeout of 60, which 60 is not")],
    );
    check(&with_spec("timeout = 60\nheartbeat_interval = 0"), &[("0", "from 1")]);
    check(
        &with_spec("timeout = 43200\nheartbeat_interval = 30000"),
        &[("30000", "SQS hides a message for 43200 seconds at most")],
    );
    check(
        &with_spec("autoscaling_min = 5\nautoscaling_max = 2"),
        &[("2", "it is 2, below `autoscaling_min`, which is 5")],
    );
    check(&with_spec("autoscaling_max = 0"), &[("0", "`autoscaling_max`")]);
}

#[test]
fn builds_have_specifications() {
    check(
        "class Foo(Task):\n    service = 'codebuild'\n    build_spec = 5\n\n\ndef main(data):\n    Foo()\n",
        &[("5", "a build specification is a dict or a text, not 5")],
    );
}

#[test]
fn names_fit_into_those_of_aws() {
    let run = "    async def run(event, context):\n        pass\n\n\n";
    let long = "A".repeat(60);
    check(
        &format!("class {long}(Task):\n{run}def main(data):\n    {long}()\n"),
        &[(&long, "may have 64 characters, which leaves 0 for the environment")],
    );
    let machine = "m".repeat(70);
    check(
        &format!("def {machine}(data):\n    wait(seconds=1)\n"),
        &[(&machine, "may have 80 characters, which leaves 4 for the environment")],
    );
    check(
        &format!(
            "class Foo(Task):\n{run}class FOO(Task):\n{run}def main(data):\n    Foo()\n    FOO()\n"
        ),
        &[("Foo", "its name is that of `FOO` but for case or `_`")],
    );
    check(
        "def some_one(data):\n    wait(seconds=1)\n\n\ndef someone(data):\n    wait(seconds=1)\n",
        &[("someone", "its name is that of `some_one` but for case or `_`")],
    );
    check(
        "def send_it(data):\n    wait(seconds=1)\n\n\ndef send_It(data):\n    wait(seconds=1)\n",
        &[("send_It", "its name is that of `send_it` but for case or `_`")],
    );
    check(
        &format!("class Größe(Task):\n{run}def main(data):\n    Größe()\n"),
        &[("Größe", "letters of English")],
    );
    let project = "def main(data):\n    wait(seconds=1)\n";
    check_as("my project", project, &[("", "the project's folder `my project`")]);
    check_as("", project, &[("", "rename the folder")]);
    check_as("shop_1-a", project, &[]);
}

#[test]
fn what_stands_around_machines_can_be_deployed() {
    check(
        "@subscribe(project='shop', state_machine='other')\ndef main(data):\n    wait(seconds=1)\n",
        &[("main", "it subscribes to `other` of this project, which is no exported state machine")],
    );
    check(
        "@subscribe(project='not a name')\ndef main(data):\n    wait(seconds=1)\n",
        &[("main", "the project `not a name`, which cannot be a name")],
    );
    let import = |name: &str| {
        format!(
            "@subscribe(topic_arn_import_value='{name}')\ndef main(data):\n    wait(seconds=1)\n"
        )
    };
    check(&import("${Environment}-${AWS::Region}-news"), &[]);
    check(
        &import("${Stage}-news"),
        &[("main", "the state machine `main`: `${Stage}` stands for nothing")],
    );
    check(
        "@process_events()\ndef branch(data):\n    wait(seconds=1)\n\n\ndef main(data):\n    parallel(branch)\n",
        &[("branch", "it is only a branch or iterator")],
    );
    check("", &[("", "it has no state machine to deploy")]);
}

#[test]
fn a_role_can_name_so_many_tasks() {
    let (mut tasks, mut calls) = (String::new(), String::new());
    for number in 0..120 {
        let class = task("").replace("Foo", &format!("Task{number}"));
        tasks += class.split_once("def main").expect("the machine comes last").0;
        calls.extend(["    ", "Task", &number.to_string(), "()\n"]);
    }
    check(&format!("{tasks}def main(data):\n{calls}"), &[("main", "it calls 120 tasks")]);
}

#[test]
fn a_template_has_so_many_resources() {
    let mut project = String::new();
    for number in 0..180 {
        let class = task("").replace("Foo", &format!("Task{number}"));
        project += class.split_once("def main").expect("the machine comes last").0;
    }
    for machine in 0..3 {
        project.extend(["def machine", &machine.to_string(), "(data):\n"]);
        for number in 0..60 {
            project.extend(["    Task", &(machine * 60 + number).to_string(), "()\n"]);
        }
    }
    check(&project, &[("", "the template has 544 resources; CloudFormation takes 500")]);
}

#[test]
fn everything_is_said_at_once() {
    let source = "class Foo(Task):\n    memory = 1\n    timeout = 1000\n\n    async def run(event, context):\n        pass\n\n\n\
                  @subscribe(project='no name')\ndef main(data):\n    Foo(timeout=5)\n";
    check(source, &[("main", "`no name`"), ("1000", "`timeout`"), ("1", "`memory`")]);
}
