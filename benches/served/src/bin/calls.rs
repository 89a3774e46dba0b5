//! Where the processors are while executions call a function ten times each:
//! `calls STEPWRIGHT [python|noop] [CLIENTS] [SECONDS]` prints executions per second, how long they take, and how many
//! microseconds of processor each call costs the server, the function's processes and the clients here.

use std::path::Path;
use std::time::Duration;
use stepwright_served::{Server, calls, create, functions, load};

const PORT: u16 = 18_940;

/// Calls of an execution.
const CALLS: f64 = 10.0;

/// How many ticks of `/proc/PID/stat` a second has.
const TICKS: f64 = 100.0;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("calls STEPWRIGHT [python|noop] [CLIENTS] [SECONDS]");
    let function = arguments.next().unwrap_or_else(|| "python".to_owned());
    let mut number =
        |default| arguments.next().map_or(default, |text| text.parse().expect("this is no number"));
    let (clients, seconds) = (number(64), number(8));
    let folder = std::env::temp_dir().join(format!("stepwright-calls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let server = Server::start(Path::new(&binary), &folder, PORT, &functions());
    let machine = create(&server.address, "calls", calls(&function), "STANDARD");
    let work = |seconds| {
        load(&server.address, clients, Duration::from_secs(seconds), |client| {
            client.start_and_wait(&machine, "{}");
        })
    };
    // Until there are as many processes as there will be.
    work(3);
    let before = Spent::now(server.id());
    let figures = work(seconds as u64);
    let after = Spent::now(server.id());
    figures.print(&format!("ten calls, {function}"), clients);
    let calls = figures.rate * seconds as f64 * CALLS;
    let each = |before: f64, after: f64| (after - before) / TICKS * 1_000_000.0 / calls;
    println!(
        "microseconds of processor for a call: server {:.0}, {} processes of the function {:.0}, clients {:.0}",
        each(before.server, after.server),
        after.processes,
        each(before.functions, after.functions),
        each(before.clients, after.clients)
    );
    drop(server);
    std::fs::remove_dir_all(folder).ok();
}

/// The ticks of processor that each part has taken so far.
struct Spent {
    server: f64,
    functions: f64,
    processes: usize,
    clients: f64,
}

impl Spent {
    fn now(server: u32) -> Self {
        let all: Vec<(u32, u32, f64)> = std::fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(ticks)
            .collect();
        let of =
            |id: u32| all.iter().find(|(one, ..)| *one == id).map_or(0.0, |(.., ticks)| *ticks);
        // Functions are below the server, some below a guardian.
        let mut below = vec![server];
        let mut found = 1;
        while found > 0 {
            let more: Vec<u32> = all
                .iter()
                .filter(|(id, parent, _)| below.contains(parent) && !below.contains(id))
                .map(|(id, ..)| *id)
                .collect();
            found = more.len();
            below.extend(more);
        }
        let functions = below[1..].iter().map(|id| of(*id)).sum();
        Self {
            server: of(server),
            functions,
            processes: below.len() - 1,
            clients: of(std::process::id()),
        }
    }
}

/// A process, its parent and its ticks.
fn ticks(id: u32) -> Option<(u32, u32, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 2..].split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((id, number(1)? as u32, number(11)? + number(12)?))
}
