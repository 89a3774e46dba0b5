//! Reading a case.

use super::expect::{self, Expectations};
use super::fields::CODE;
use super::machines::Machine;
use super::{Reader, first_line};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_asl::Complaint;
use stepwright_history::{Failure, Identity, Moment};
use stepwright_json::tree::{Member, Node};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Program, time};
use stepwright_simulator::{DEFAULT_START, MockCase, MockConfig, Mocks};
use stepwright_source::{Diagnostic, Span, did_you_mean};

/// One case of a test file.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The line of the name, from 1.
    pub line: usize,
    /// The input.
    pub input: Json,
    /// Who the execution is.
    pub identity: Identity,
    /// When it starts.
    pub start: Moment,
    /// From which random numbers are made.
    pub seed: Option<u64>,
    /// Whether AWS's limits do not hold.
    pub extended_limits: bool,
    /// What tasks answer.
    pub mocks: Mocks,
    /// What the tasks of other machines answer, by the machine's place in
    /// [`TestFile::machines`](super::TestFile::machines).
    pub machine_mocks: BTreeMap<usize, Mocks>,
    /// The states that the case itself mocks, not the defaults. Those of other machines are written
    /// `Machine.State`.
    pub own_mocks: Vec<Str>,
    /// A test case of a `MockConfigFile.json`.
    pub mock_case: Option<MockCase>,
    /// After how many milliseconds it is stopped, and why.
    pub stop: Option<(i64, Failure)>,
    /// What is expected.
    pub expect: Expectations,
}

/// What stands around cases.
pub(super) struct Around<'p> {
    pub(super) program: &'p Program,
    /// The machines of the file, the tested one first.
    pub(super) machines: &'p [Machine],
}

impl Around<'_> {
    /// The name of the machine that is tested.
    fn machine(&self) -> &str {
        &self.machines[0].name
    }
}

/// A case with holes, or the defaults.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    name: Option<(String, Span)>,
    input: Option<Json>,
    execution_name: Option<Str>,
    execution_arn: Option<Str>,
    role_arn: Option<Str>,
    machine_name: Option<Str>,
    machine_arn: Option<Str>,
    start: Option<Moment>,
    seed: Option<u64>,
    extended_limits: Option<bool>,
    mocks: Option<Mocks>,
    machine_mocks: BTreeMap<usize, Mocks>,
    mock_case: Option<MockCase>,
    stop: Option<(i64, Failure)>,
    expect: Option<Expectations>,
}

const KEYS: [&str; 12] = [
    "name",
    "input",
    "input_file",
    "context",
    "clock",
    "mocks",
    "machine_mocks",
    "mock_config",
    "stop",
    "seed",
    "limits",
    "expect",
];

pub(super) fn draft(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    node: &Node,
    is_default: bool,
) -> Draft {
    let mut draft = Draft::default();
    let (what, known) =
        if is_default { ("`defaults`", &KEYS[1..KEYS.len() - 1]) } else { ("a case", &KEYS[..]) };
    for Member { key, key_span, value } in reader.found.members(node, what, known) {
        match key.as_str() {
            "name" => {
                let name = reader.found.text(value, "`name`");
                draft.name = name.map(|name| (name.to_owned(), value.span));
            }
            "input" | "input_file" if draft.input.is_some() => {
                reader.found.add(*key_span, "a case has either `input` or `input_file`");
            }
            "input" => draft.input = Some(value.to_json()),
            "input_file" => {
                draft.input = reader.data(value, "`input_file`").map(|(_, _, root)| root.to_json());
            }
            "context" => context(reader, value, &mut draft),
            "clock" => draft.start = moment(reader, value, "`clock`"),
            "mocks" => draft.mocks = mocks(reader, around.program, value),
            "machine_mocks" => draft.machine_mocks = machine_mocks(reader, around, value),
            "mock_config" => draft.mock_case = mock_config(reader, around, value),
            "stop" => draft.stop = stop(reader, value),
            "seed" => draft.seed = reader.found.count(value, "`seed`"),
            "limits" => match value.as_str() {
                Some("aws") => draft.extended_limits = Some(false),
                Some("extended") => draft.extended_limits = Some(true),
                _ => reader.found.add(value.span, "`limits` is `aws` or `extended`"),
            },
            "expect" => {
                draft.expect = Some(expect::read(value, around.machines, 0, &mut reader.found));
            }
            _ => unreachable!("only known members are given"),
        }
    }
    draft
}

/// Fills the holes of a draft with the defaults.
pub(super) fn finish(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    node: &Node,
    draft: Draft,
    defaults: &Draft,
) -> Case {
    let Some((name, name_span)) = draft.name.clone() else {
        if node.is_object() {
            let span = first_line(node, &reader.text);
            reader.found.add_with_help(span, "a case needs a name", "write `name: what it shows`");
        }
        return unnamed(&draft, defaults, around, node.span);
    };
    case(name, name_span, &draft, defaults, around)
}

/// A case that is complained about, so that the others can be read on.
fn unnamed(draft: &Draft, defaults: &Draft, around: &Around<'_>, span: Span) -> Case {
    case(format!("case at {}", span.start), span, draft, defaults, around)
}

fn case(
    name: String,
    name_span: Span,
    draft: &Draft,
    defaults: &Draft,
    around: &Around<'_>,
) -> Case {
    let mut own_mocks: Vec<Str> =
        draft.mocks.iter().flat_map(Mocks::states).map(Str::from).collect();
    for (at, mocks) in &draft.machine_mocks {
        own_mocks.extend(mocks.states().map(|state| around.machines[*at].state(state)));
    }
    let over = |own: Option<Mocks>, defaults: Option<&Mocks>| match (own, defaults) {
        (Some(own), Some(defaults)) => own.over(defaults),
        (Some(own), None) => own,
        (None, defaults) => defaults.cloned().unwrap_or_default(),
    };
    let mocks = over(draft.mocks.clone(), defaults.mocks.as_ref());
    let mocked = draft.machine_mocks.keys().chain(defaults.machine_mocks.keys());
    let machine_mocks = mocked
        .map(|at| {
            let own = draft.machine_mocks.get(at).cloned();
            (*at, over(own, defaults.machine_mocks.get(at)))
        })
        .collect();
    Case {
        name,
        name_span,
        line: 0,
        input: draft
            .input
            .clone()
            .or_else(|| defaults.input.clone())
            .unwrap_or_else(|| Object::new().into()),
        identity: identity(draft, defaults, around),
        start: draft.start.or(defaults.start).unwrap_or(DEFAULT_START),
        seed: draft.seed.or(defaults.seed),
        extended_limits: draft.extended_limits.or(defaults.extended_limits).unwrap_or(false),
        mocks,
        machine_mocks,
        own_mocks,
        mock_case: draft.mock_case.clone().or_else(|| defaults.mock_case.clone()),
        stop: draft.stop.clone().or_else(|| defaults.stop.clone()),
        expect: draft.expect.clone().unwrap_or_default(),
    }
}

fn identity(draft: &Draft, defaults: &Draft, around: &Around<'_>) -> Identity {
    let pick = |of: fn(&Draft) -> &Option<Str>| of(draft).clone().or_else(|| of(defaults).clone());
    let arn = |kind: &str, rest: String| -> Str {
        format!("arn:aws:states:us-east-1:123456789012:{kind}:{rest}").into()
    };
    let machine = pick(|d| &d.machine_name).unwrap_or_else(|| around.machine().into());
    let name = pick(|d| &d.execution_name).unwrap_or_else(|| "test".into());
    Identity {
        execution_arn: pick(|d| &d.execution_arn)
            .unwrap_or_else(|| arn("execution", format!("{machine}:{name}"))),
        role_arn: pick(|d| &d.role_arn)
            .unwrap_or_else(|| "arn:aws:iam::123456789012:role/stepwright".into()),
        state_machine_arn: pick(|d| &d.machine_arn)
            .unwrap_or_else(|| arn("stateMachine", machine.to_string())),
        state_machine_name: machine,
        name,
        region: "us-east-1".into(),
    }
}

fn context(reader: &mut Reader<'_>, node: &Node, draft: &mut Draft) {
    for part in reader.found.members(node, "`context`", &["Execution", "StateMachine"]) {
        let is_execution = part.key == "Execution";
        let known: &[&str] =
            if is_execution { &["Id", "Name", "RoleArn", "StartTime"] } else { &["Id", "Name"] };
        let what = format!("`{}`", part.key);
        for Member { key, value, .. } in reader.found.members(&part.value, &what, known) {
            if key == "StartTime" {
                draft.start = moment(reader, value, "`StartTime`");
                continue;
            }
            let text = reader.found.text(value, &format!("`{key}`")).map(Str::from);
            match (is_execution, key.as_str()) {
                (true, "Id") => draft.execution_arn = text,
                (true, "Name") => draft.execution_name = text,
                (true, _) => draft.role_arn = text,
                (false, "Id") => draft.machine_arn = text,
                (false, _) => draft.machine_name = text,
            }
        }
    }
}

fn moment(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Moment> {
    let found = node.as_str().and_then(time::parse).map(Moment);
    if found.is_none() {
        reader.found.add(node.span, format!("{what} is a moment like `2026-01-05T09:00:00Z`"));
    }
    found
}

fn mocks(reader: &mut Reader<'_>, program: &Program, node: &Node) -> Option<Mocks> {
    let elsewhere;
    let (root, other) = if node.is_object() {
        (node, None)
    } else {
        let (file, text, root) = reader.data(node, "`mocks`")?;
        elsewhere = root;
        (&elsewhere, Some((file, text)))
    };
    let mut say = |error: stepwright_simulator::MocksError| {
        let mut diagnostic = Diagnostic::error(CODE, error.message).span(error.span);
        diagnostic.help = error.help;
        match &other {
            None => reader.found.0.push(diagnostic),
            Some((file, text)) => reader.others.push(Complaint {
                file: file.clone(),
                text: Arc::clone(text),
                diagnostic,
            }),
        }
    };
    let (mocks, errors) = Mocks::parse_all(root);
    let mut errors = [errors, mocks.check(program)].concat();
    errors.sort_by_key(|error| error.span.start);
    errors.into_iter().for_each(&mut say);
    Some(mocks)
}

/// Mocks by the machine whose tasks they answer.
fn machine_mocks(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    node: &Node,
) -> BTreeMap<usize, Mocks> {
    if !node.is_object() {
        let message = "`machine_mocks` is an object: names of state machines and their mocks";
        reader.found.add(node.span, message);
    }
    let mut all = BTreeMap::new();
    for Member { key, key_span, value } in node.members() {
        let at = Reader::machine_named(&mut reader.found, around.machines, key, *key_span);
        let Some(at) = at else { continue };
        if at == 0 {
            let message = format!("`{key}` is the machine that is tested");
            reader.found.add_with_help(*key_span, message, "its mocks stand under `mocks`");
        } else if let Some(mocks) = mocks(reader, &around.machines[at].program, value) {
            all.insert(at, mocks);
        }
    }
    all
}

fn mock_config(reader: &mut Reader<'_>, around: &Around<'_>, node: &Node) -> Option<MockCase> {
    let members = reader.found.members(node, "`mock_config`", &["file", "test_case"]);
    let get = |key: &str| members.iter().find(|member| member.key == key).map(|m| &m.value);
    let (Some(file), Some(case)) = (get("file"), get("test_case")) else {
        if node.is_object() {
            reader.found.add(node.span, "`mock_config` needs `file` and `test_case`");
        }
        return None;
    };
    let (name, _, root) = reader.data(file, "`file`")?;
    let config = match MockConfig::read(&root.to_json()) {
        Ok(config) => config,
        Err(error) => {
            reader.found.add(file.span, format!("{name} cannot be used: {error}"));
            return None;
        }
    };
    let wanted = reader.found.text(case, "`test_case`")?;
    let machines = config.machines();
    let machine = match machines[..] {
        [only] => only,
        _ => around.machine(),
    };
    let found = config.case(machine, wanted);
    if found.is_none() {
        let cases = config.cases(machine);
        let help = match did_you_mean(wanted, cases.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the test cases of `{machine}` are {}", cases.join(", ")),
        };
        let message = format!("{name} has no test case `{wanted}` of `{machine}`");
        reader.found.add_with_help(case.span, message, help);
    }
    found
}

fn stop(reader: &mut Reader<'_>, node: &Node) -> Option<(i64, Failure)> {
    let mut after = None;
    let mut failure = Failure::default();
    for Member { key, value, .. } in
        reader.found.members(node, "`stop`", &["after", "error", "cause"])
    {
        match key.as_str() {
            "after" => after = reader.found.duration(value, "`after`"),
            "error" => failure.error = reader.found.text(value, "`error`").map(Str::from),
            _ => failure.cause = reader.found.text(value, "`cause`").map(Str::from),
        }
    }
    if after.is_none() && node.is_object() && node.get("after").is_none() {
        reader.found.add(node.span, "`stop` needs `after`: how long the execution runs before");
    }
    Some((after?, failure))
}
