//! Random projects: `compile`, `check`, `run` and `synth` agree on what is legal, and the definition
//! that runs here takes the path that the deployed one takes.

use std::fmt::Write as _;
use stepwright_asl::Definition;
use stepwright_deployment::{Origin, check, synthesize};
use stepwright_fluxio::{Mode, Project, Site, compile, read};
use stepwright_json::{Json, json};
use stepwright_simulator::{Answer, Call, Simulation, Status};

/// How many projects are made.
const PROJECTS: u64 = 1000;

/// Numbers that look random, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % most
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// Whether one of so many times came.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// The text of a project. Most are legal; a rare line is not.
fn project(chance: &mut Chance) -> String {
    let mut text = String::from("\"\"\"A project.\"\"\"\n\n");
    for name in ["A", "B", "C"] {
        let service =
            chance.one(&["lambda", "lambda", "ecs", "ecs:worker", "codebuild", "lambda:container"]);
        let _ = writeln!(text, "class {name}(Task):");
        let annotation = if chance.rarely(3) { ": str" } else { "" };
        let _ = writeln!(text, "    service{annotation} = \"{service}\"");
        if service == "ecs:worker" && !chance.rarely(20) {
            text += "    spec = \"workers.steady:Steady\"\n";
        }
        let legal =
            ["timeout = 60", "timeout = 600", "cpu = 512\n    memory = 1024", "memory: int = 2048"];
        if chance.rarely(2) {
            let _ = writeln!(text, "    {}", chance.one(&legal));
        }
        if chance.rarely(12) {
            let wrong = [
                "memory = 100",
                "cpu = 300",
                "timeout = 0",
                "service = \"ecs\"",
                "import json",
                "print(1)",
                "heartbeat_interval = 5000",
                "concurrency = 0",
                "retries = 3",
            ];
            let _ = writeln!(text, "    {}", chance.one(&wrong));
        }
        if !chance.rarely(25) {
            let run = chance.one(&[
                "return event",
                "return 1",
                "import json; return json.dumps(event)",
                "x: Dict = {}; return x",
            ]);
            let run = if chance.rarely(25) { "return json.dumps(event)" } else { run };
            let head = chance.one(&[
                "async def run(event, context)",
                "def run(event: Dict, context: Any) -> Any",
            ]);
            let _ = writeln!(text, "    {head}:\n        {run}");
        }
        text.push('\n');
    }
    for (number, name) in ["one", "two", "three", "main"].into_iter().enumerate() {
        let above = ["one", "two", "three"].get(..number).unwrap_or_default();
        if chance.rarely(5) {
            let _ = writeln!(
                text,
                "{}",
                chance.one(&[
                    "@export()",
                    "@schedule(expression=\"rate(1 hour)\")",
                    "@process_events()"
                ])
            );
        }
        let name = if chance.rarely(40) { "one" } else { name };
        let _ = writeln!(text, "def {name}(data):");
        for _ in 0..=chance.below(4) {
            block(chance, above, "    ", &mut text);
        }
        text.push('\n');
    }
    text
}

fn block(chance: &mut Chance, above: &[&str], indent: &str, text: &mut String) {
    let task = |chance: &mut Chance| chance.one(&["A", "B", "C"]);
    let line = match chance.below(14) {
        0 => format!("{}()", task(chance)),
        1 => format!("data[\"r\"] = {}(data[\"part\"])", task(chance)),
        2 => "data[\"part\"] = {\"n\": 1, \"of\": data[\"part\"]}".to_owned(),
        3 => "data.update({\"more\": [1, 2]})".to_owned(),
        4 => "wait(seconds=5)".to_owned(),
        5 => {
            let at = chance.one(&["2020-08-18T17:33:00Z", "2020-08-18T17:33:00Z", "tomorrow"]);
            format!("wait(timestamp=\"{at}\")")
        }
        6 if !above.is_empty() => format!("data[\"nested\"] = {}(data)", chance.one(above)),
        7 if !above.is_empty() => {
            format!("data[\"all\"] = map(data[\"list\"], {})", chance.one(above))
        }
        8 if !above.is_empty() => format!("parallel({}, {})", chance.one(above), task(chance)),
        9 => format!("parallel({}, {})", task(chance), task(chance)),
        10 => {
            let errors = chance.one(&["KeyError", "(KeyError, States.Timeout)", "Exception"]);
            let (inner, input) =
                (format!("{indent}    "), chance.one(&["", "data[\"part\"]", "data[\"gone\"]"]));
            let _ = writeln!(
                text,
                "{indent}try:\n{inner}{}({input})\n{indent}except {errors}:\n{inner}data[\"caught\"] = True",
                task(chance)
            );
            return;
        }
        11 => {
            let _ = writeln!(text, "{indent}if data[\"n\"] > 1 and not bool(data[\"flag\"]):");
            let inner = format!("{indent}    ");
            if inner.len() < 12 {
                block(chance, above, &inner, text);
            } else {
                let _ = writeln!(text, "{inner}pass");
            }
            return;
        }
        12 => format!("with retry(max_attempts=2): {}(key=\"again\")", task(chance)),
        13 if chance.rarely(4) => {
            let wrong = [
                "for x in data[\"list\"]: A()",
                "data[\"n\"] += 1",
                "D()",
                "A(timeout=1.5)",
                "B(nonsense=1)",
                "A(key=\"this key is far too long for a state of step functions, which takes eighty characters\")",
                "raise Bad(\"a\", \"b\")",
                "map(data[\"list\"], A)",
            ];
            chance.one(&wrong).to_owned()
        }
        _ => "data[\"n\"] = 2".to_owned(),
    };
    let _ = writeln!(text, "{indent}{line}");
}

#[test]
fn all_commands_agree_on_what_is_legal_and_on_the_path() {
    let (mut legal, mut refused) = (0, 0);
    for seed in 0..PROJECTS {
        let text = project(&mut Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let compiled = read(&text);
        let checked = check(&text, "project.py", "shop");
        let synthesized = compile(&text, Mode::Documented)
            .map(|project| synthesize(&project, &Origin::new("shop")).is_ok())
            .unwrap_or(false);
        let is_legal = compiled.is_ok();
        assert_eq!(
            !checked.has_errors(),
            is_legal,
            "{text}\n{:?}\n{:?}",
            checked.complaints,
            compiled.err()
        );
        assert_eq!(synthesized, is_legal, "{text}\n{:?}", compiled.err());
        for complaint in &checked.complaints {
            let diagnostic = &complaint.diagnostic;
            assert!(
                diagnostic.span.is_some() && diagnostic.location.is_none(),
                "{text}\n{diagnostic:?}"
            );
        }
        match compiled {
            Ok(project) => {
                legal += 1;
                project.names.iter().for_each(|name| runs(&text, &project, name));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(legal > 200 && refused > 200, "{legal} legal, {refused} refused");
}

/// Runs a machine as it is deployed, and as it is run here. Both take the same path to the same end.
fn runs(text: &str, project: &Project, name: &str) {
    let site = Site { region: "us-east-1".into(), account: "1".into(), prefix: "shop-".into() };
    let deployed = project.machines[name].definition.as_ref().expect("it has compiled");
    let here = site.definition(project, name).expect("it has a definition");
    let (status, path) = run(&Definition::from_json(deployed));
    let (status_here, path_here) = run(&here);
    assert_eq!((&status, &path), (&status_here, &path_here), "{text}\n{name}");
    // The data of an iterator lack what these statements use.
    let has_iterators = project.machines.values().any(|machine| machine.is_map_iterator);
    let is_well = has_iterators
        || match &status {
            Status::Succeeded { .. } => true,
            Status::Failed { failure } => !failure.name().starts_with("States."),
            _ => false,
        };
    assert!(is_well, "{text}\n{name}: {status:?}\n{path:?}");
}

/// How an execution ends, and the states that it enters on the way.
fn run(definition: &Definition) -> (Status, Vec<String>) {
    let program = stepwright_program::compile(definition).expect("what is legal compiles");
    let input = json!({
        "n": 1, "flag": false, "part": {"n": 1}, "list": [1, 2], "context_index": 0,
        "source_version": "main", "context_value": 1
    });
    let run = Simulation::new(&program).input(input).most_turns(20_000).run(&mut |call: &Call<
        '_,
    >| {
        answer(call)
    });
    let entered = run.events.iter().filter_map(|event| match &event.kind {
        stepwright_history::EventKind::StateEntered { name, .. } => Some(name.to_string()),
        _ => None,
    });
    (run.status, entered.collect())
}

/// Every task returns an object; a nested machine ends with its input.
fn answer(_: &Call<'_>) -> Answer {
    Answer::returns(json!({"n": 1, "Output": {"n": 1, "__trace": {"id": "x"}}}))
}

#[test]
fn the_result_of_a_nested_machine_is_its_data() {
    let text = "class A(Task):\n    async def run(event, context):\n        return 1\n\
                def nested(data):\n    A()\ndef main(data):\n    data['a']['b'] = nested(data)\n";
    let project = read(text).expect("it is legal");
    let definition = project.machines["main"].definition.as_ref().expect("it has compiled");
    let (status, _) = run(&Definition::from_json(definition));
    let Status::Succeeded { output } = status else { panic!("{status:?}") };
    let nested = output.get("a").and_then(|a| a.get("b"));
    assert_eq!(nested, Some(&json!({"n": 1})), "{output}");
    assert_eq!(output.get("n"), Some(&Json::Int(1)));
}
