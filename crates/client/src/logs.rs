//! What the executions of a server do.

use crate::find::{self, millis, pages, text};
use crate::follow::{Followed, pause};
use crate::history::screen;
use crate::{Client, Logs};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use stepwright_json::{Json, Object, json};
use stepwright_terminal::Screen;
use stepwright_terminal::report::Failure;

/// So many executions of each machine are looked at.
const MOST: usize = 100;

/// `stepwright logs`
pub fn logs(arguments: &Logs) -> Result<ExitCode, Failure> {
    let back = stepwright_history::parse_duration(&arguments.since).ok_or_else(|| {
        Failure::new(format!("`--since {}` is no duration", arguments.since))
            .help("it looks like 30s, 10m, 1.5h or 3d")
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = now.as_millis() as i64 - back;
    let client = arguments.connection.client(arguments.machines.first().map(String::as_str))?;
    let mut followed: BTreeMap<String, Watched> = BTreeMap::new();
    // Functions belong to no state machine, and other servers do not show what they print.
    let has_functions = arguments.machines.is_empty() && !client.is_aws();
    let mut functions =
        Functions { since, last: 0, nodes: Object::new().into(), is_there: has_functions };
    loop {
        let began = begun(&client, &arguments.machines, since)?;
        for one in began {
            let arn = text(&one, "executionArn");
            if !followed.contains_key(arn) {
                let watched = Watched::new(&client, arn, arguments.verbose);
                followed.insert(arn.to_owned(), watched);
            }
        }
        for watched in followed.values_mut().filter(|watched| !watched.is_over) {
            watched.read(&client)?;
        }
        functions.read(&client);
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(pause(&client));
    }
}

/// The executions that began since then or still run, the earliest first.
fn begun(client: &Client, machines: &[String], since: i64) -> Result<Vec<Json>, Failure> {
    let machines = match machines {
        [] => find::machines(client)?
            .iter()
            .filter(|machine| text(machine, "type") != "EXPRESS")
            .map(|machine| text(machine, "stateMachineArn").to_owned())
            .collect(),
        named => {
            named.iter().map(|name| find::machine(client, name)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let mut found = Vec::new();
    for machine in &machines {
        let request = find::request(&[("stateMachineArn", machine)]);
        let executions = pages(client, "ListExecutions", &request, "executions", MOST)?;
        found.extend(executions.into_iter().filter(|one| {
            millis(one, "startDate").is_some_and(|at| at >= since)
                || text(one, "status") == "RUNNING"
        }));
    }
    found.sort_by_key(|one| millis(one, "startDate"));
    Ok(found)
}

/// What the functions of a server of ours print.
struct Functions {
    since: i64,
    last: i64,
    /// The last line of each node.
    nodes: Json,
    is_there: bool,
}

impl Functions {
    fn read(&mut self, client: &Client) {
        if !self.is_there {
            return;
        }
        let after = json!({"after": (Json::Int(self.last)), "nodes": (self.nodes.clone())});
        let Ok(reply) = client.send("/logs", None, &after) else {
            // Another server, or one that does not let everybody read them.
            self.is_there = false;
            return;
        };
        if let Some(nodes) = reply.get("nodes") {
            self.nodes = nodes.clone();
        }
        let lines = reply.get("lines").and_then(Json::as_array);
        for line in lines.into_iter().flat_map(|lines| lines.iter()) {
            let number = |key: &str| line.get(key).and_then(Json::as_i64).unwrap_or(0);
            self.last = self.last.max(number("number"));
            if number("atMillis") >= self.since {
                let printed = stepwright_timeline::plain(text(line, "text"));
                anstream::println!("{} │ {printed}", text(line, "function"));
            }
        }
    }
}

/// An execution whose lines are printed below its name.
struct Watched {
    followed: Followed,
    screen: Screen,
    is_over: bool,
}

impl Watched {
    fn new(client: &Client, arn: &str, verbose: bool) -> Self {
        let followed = Followed::new(client, arn.to_owned());
        let name = arn.rsplit(':').next().unwrap_or_default();
        let label = format!("{}:{name}", followed.machine_name());
        let screen = screen(verbose).with_label(&label);
        followed.introduce(&screen);
        Self { followed, screen, is_over: false }
    }

    fn read(&mut self, client: &Client) -> Result<(), Failure> {
        let described = self.followed.status(client)?;
        self.followed.read(client, &self.screen, false)?;
        self.is_over = text(&described, "status") != "RUNNING";
        if self.is_over {
            self.screen.finish();
        }
        Ok(())
    }
}
