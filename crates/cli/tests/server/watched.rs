//! What `/metrics` has, what the alerts and the dashboard ask of it, and a real Prometheus in an outage.

#![expect(clippy::print_stdout, reason = "a test that skips says so")]

use crate::cluster;
use crate::support::{Answer, Server, text};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

/// How many milliseconds later bytes arrive on a line that is slow.
const DELAY: u64 = 600;

/// From now on, no node gets a shard.
const REFUSES_CLAIMS: &str = "
    CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no node may have it'; END $$;
    CREATE TRIGGER refuses BEFORE UPDATE ON stepwright.shards FOR EACH ROW
        WHEN (NEW.owner IS NOT NULL) EXECUTE FUNCTION refuses()";

/// Levels that only a server has which shares a database.
const OF_NODES: [&str; 5] = [
    "stepwright_nodes",
    "stepwright_shards",
    "stepwright_open_shards",
    "stepwright_free_shards",
    "stepwright_milliseconds_since_beat",
];

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(packaging().join(file)).expect("it can be read")
}

/// A program of Prometheus's: on the PATH, or where `cargo xtask test` unpacks it.
fn tool(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_stepwright")).ancestors().nth(2)?;
    let unpacked = beside.join("tools/prometheus/usr/bin").join(name);
    let is_there = |program: &PathBuf| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    let found = [PathBuf::from(name), unpacked].into_iter().find(is_there);
    if found.is_none() {
        println!("{name} is not there: `cargo xtask test` unpacks it from Debian's package");
    }
    found
}

fn metrics(server: &Server) -> String {
    let mut answer =
        ureq::get(format!("http://{}/metrics", server.address)).call().expect("it answers");
    answer.body_mut().read_to_string().expect("it is text")
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    words.filter(|word| word.starts_with("stepwright_")).map(str::to_owned).collect()
}

#[test]
fn the_alerts_and_the_dashboard_ask_for_what_is_there() {
    let server = Server::start(&["--memory"]);
    let shown = metrics(&server);
    let known = names(&shown);
    let lacks = ["_total", "_bucket", "_sum", "_count"];
    for name in known.iter().filter(|name| !lacks[1..].iter().any(|end| name.ends_with(end))) {
        assert!(shown.contains(&format!("# HELP {name} ")), "{name} has no HELP");
        assert!(shown.contains(&format!("# TYPE {name} ")), "{name} has no TYPE");
    }
    let rules = read("prometheus/stepwright.rules.yml");
    let dashboard = read("grafana/stepwright.json");
    stepwright_json::parse(&dashboard).expect("it is JSON");
    let asked: BTreeSet<String> = names(&rules).union(&names(&dashboard)).cloned().collect();
    assert!(asked.len() > 20, "{asked:?}");
    for name in &asked {
        let is_known = known.contains(name) || OF_NODES.contains(&name.as_str());
        assert!(is_known, "nothing is called {name}");
    }
    // What is measured is shown.
    for name in known.iter().filter(|name| name.ends_with("_seconds_bucket")) {
        assert!(names(&dashboard).contains(name), "the dashboard lacks {name}");
    }
    // Each alert has its line in the manual.
    let manual = std::fs::read_to_string(packaging().join("../docs/src/operations.md"));
    let manual = manual.expect("it can be read");
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = alerts.collect();
    assert!(alerts.len() >= 9, "{alerts:?}");
    for alert in alerts {
        assert!(manual.contains(&format!("### {alert}\n")), "{alert} is not in the manual");
        let place = format!("docs/src/operations.md#{}", alert.to_lowercase());
        assert!(rules.contains(&place), "{alert} does not lead to the manual");
    }
    if let Some(promtool) = tool("promtool") {
        let mut check = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut input = check.stdin.take().expect("it is piped");
        input.write_all(shown.as_bytes()).expect("it reads");
        drop(input);
        let output = check.wait_with_output().expect("it ends");
        let complaints =
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // It would rather have seconds than milliseconds, which other releases have shown.
        let complaints: Vec<&str> =
            complaints.lines().filter(|line| !line.contains("milliseconds")).collect();
        assert_eq!(complaints, Vec::<&str>::new());
        for (what, file) in [("check", "stepwright.rules.yml"), ("test", "stepwright.test.yml")] {
            let mut command = Command::new(&promtool);
            command.args([what, "rules", file]).current_dir(packaging().join("prometheus"));
            let output = command.output().expect("it runs");
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
        }
    }
}

/// A Prometheus that ends with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prometheus {
    /// Starts one that scrapes servers each second, with the alerts as they are, but for their time.
    fn start(program: &Path, folder: &Path, servers: &[&str]) -> Self {
        let rules = read("prometheus/stepwright.rules.yml").replace("[5m]", "[8s]");
        let rules = rules.replace("[15m]", "[20s]");
        // A minute behind is long for a test.
        let rules = rules.replace("milliseconds_behind > 60000", "milliseconds_behind > 1500");
        let quick: Vec<String> = rules
            .lines()
            .map(|line| {
                if line.trim().starts_with("for:") {
                    "        for: 1s".to_owned()
                } else {
                    line.to_owned()
                }
            })
            .collect();
        std::fs::write(folder.join("rules.yml"), quick.join("\n")).expect("it can be written");
        let servers: Vec<String> = servers.iter().map(|server| format!("'{server}'")).collect();
        let servers = servers.join(", ");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: stepwright\n    static_configs: [{{targets: [{servers}]}}]\n"
        );
        std::fs::write(folder.join("prometheus.yml"), config).expect("it can be written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = free.local_addr().expect("it has an address").to_string();
        drop(free);
        let child = Command::new(program)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let started = Self { child, address };
        let patience = Instant::now();
        while ureq::get(format!("http://{}/-/ready", started.address)).call().is_err() {
            assert!(patience.elapsed() < Duration::from_secs(30), "Prometheus does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        started
    }

    /// The alerts that fire, each with its runbook.
    fn firing(&self) -> BTreeSet<String> {
        self.firing_at().into_iter().map(|(alert, _)| alert).collect()
    }

    /// The alerts that fire, each with the server that it is about.
    fn firing_at(&self) -> BTreeSet<(String, String)> {
        let asked = ureq::get(format!("http://{}/api/v1/alerts", self.address)).call();
        let Ok(mut answer) = asked else { return BTreeSet::new() };
        let body = answer.body_mut().read_to_string().expect("it is text");
        let body = stepwright_json::parse(&body).expect("it is JSON");
        let alerts = body.get("data").and_then(|data| data.get("alerts"));
        let alerts = alerts.and_then(Json::as_array).cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| text(alert, "state") == "firing");
        firing
            .map(|alert| {
                let runbook = alert.get("annotations").map(|one| text(one, "runbook"));
                assert!(runbook.is_some_and(|line| line.contains("operations.md#")), "{alert}");
                let labels = alert.get("labels").expect("it has labels");
                // What is said of all servers together names none.
                let instance = labels.get("instance").map(|_| text(labels, "instance"));
                (text(labels, "alertname"), instance.unwrap_or_default())
            })
            .collect()
    }

    fn waits_for(&self, alert: &str) {
        let patience = Instant::now();
        while !self.firing().contains(alert) {
            assert!(patience.elapsed() < Duration::from_mins(1), "{alert} does not fire");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

#[test]
fn alerts_fire_in_an_outage() {
    let Some(program) = tool("prometheus") else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let data = folder.path().join("data");
    let data = data.to_str().expect("it is text");
    // A function behind an address that nobody answers.
    let config = folder.path().join("stepwright.toml");
    let settings =
        "[functions.down]\nhttp = \"http://127.0.0.1:9/\"\n[archive]\nfolder = \"archive\"\n";
    std::fs::write(&config, settings).expect("it can be written");
    let config = config.to_str().expect("it is text");
    let pass = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    let waits = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":5,"End":true}}}"#;
    let server = Server::start(&["--data", data, "--config", config]);
    let client = server.client();
    let machine = client.create("ends", "STANDARD", pass);
    let old = client.start(&machine, "{}");
    assert_eq!(text(&client.end(&old), "status"), "SUCCEEDED");
    let machine = client.create("waits", "STANDARD", waits);
    client.start(&machine, "{}");
    server.kill();
    // The history of one is damaged, as a disk might do it; the other one ended long ago.
    let database = rusqlite::Connection::open(folder.path().join("data/stepwright.db"));
    let database = database.expect("it opens");
    let damage = "UPDATE chunks SET bytes = x'00' WHERE execution IN \
                  (SELECT id FROM executions WHERE stopped_at IS NULL)";
    let ages = "UPDATE executions SET stopped_at = 0, started_at = 0 WHERE stopped_at IS NOT NULL";
    for change in [damage, ages] {
        assert_eq!(database.execute(change, []).ok(), Some(1), "{change}");
    }
    drop(database);

    let server = Server::start_limited(&["--data", data, "--config", config], 8_192);
    let client = server.client();
    // Somebody has moved the archive, and left a file in its place.
    let archive = folder.path().join("archive");
    std::fs::rename(&archive, folder.path().join("moved")).expect("it is there");
    std::fs::write(&archive, "moved").expect("it can be written");
    let prometheus = Prometheus::start(&program, folder.path(), &[&server.address]);
    // The poisoned execution is due, and is left alone.
    prometheus.waits_for("StepwrightExecutionParked");
    prometheus.waits_for("StepwrightArchiveFails");
    let kept = client.ok("DescribeExecution", &[("executionArn", old.as_str().into())]);
    assert_eq!(text(&kept, "status"), "SUCCEEDED", "what is not archived is not forgotten");
    assert!(!prometheus.firing().contains("StepwrightTasksFail"));

    let calls = r#"{"StartAt":"T","States":{"T":{"Type":"Task","End":true,
        "Resource":"arn:aws:lambda:us-east-1:123456789012:function:down",
        "Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":60,"BackoffRate":1}]}}}"#;
    let machine = client.create("calls", "STANDARD", calls);
    for _ in 0..20 {
        client.start(&machine, "{}");
    }
    prometheus.waits_for("StepwrightTasksFail");
    assert!(!prometheus.firing().contains("StepwrightStoreRefuses"));

    // Somebody else holds the index of the search.
    assert!(!prometheus.firing().contains("StepwrightSearchBehind"));
    let index = rusqlite::Connection::open(folder.path().join("data/search.db"));
    let index = index.expect("it opens");
    index.busy_timeout(Duration::from_secs(20)).expect("it waits");
    index.execute_batch("BEGIN IMMEDIATE").expect("it is held");
    prometheus.waits_for("StepwrightSearchBehind");
    index.execute_batch("ROLLBACK").expect("it is given back");
    drop(index);

    // The disk fills up.
    let machine = client.create("machine", "STANDARD", pass);
    let mut noise = 7_u64;
    let mut refused = 0;
    while refused < 3 {
        let letters = (0..20_000).map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((noise >> 33) % 26) as u8)
        });
        let input = json!({"padding": (letters.collect::<String>())}).to_string();
        let body = json!({"stateMachineArn": (machine.as_str()), "input": (input.as_str())});
        if let Answer::Refused(..) = client.call("StartExecution", &body) {
            refused += 1;
        }
    }
    prometheus.waits_for("StepwrightStoreRefuses");
    server.kill();
    prometheus.waits_for("StepwrightDown");
}

/// Passes bytes on between a server and its database, unless it stands still, or after some milliseconds.
struct Line {
    url: String,
    is_still: Arc<AtomicBool>,
    delay: Arc<AtomicU64>,
}

impl Line {
    fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let own = listener.local_addr().expect("it has an address").to_string();
        let place = url.split_once('@').expect("it names the user").1;
        let to = place.split_once('/').expect("it names the database").0.to_owned();
        let is_still = Arc::new(AtomicBool::new(false));
        let delay = Arc::new(AtomicU64::new(0));
        let (still, late) = (is_still.clone(), delay.clone());
        let url = url.replace(&to, &own);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&to) else { continue };
                let (Ok(back), Ok(forth)) = (server.try_clone(), client.try_clone()) else {
                    continue;
                };
                for (from, to) in [(client, server), (back, forth)] {
                    let (still, late) = (still.clone(), late.clone());
                    std::thread::spawn(move || pass(from, to, &still, &late));
                }
            }
        });
        Self { url, is_still, delay }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_still: &AtomicBool, delay: &AtomicU64) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(Duration::from_millis(delay.load(Ordering::SeqCst)));
        while is_still.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

/// A server that shares a database with others.
fn node(folder: &Path, name: &str, url: &str) -> Server {
    let port = cluster::free_port();
    let config = folder.join(format!("{name}.toml"));
    let text = format!(
        "[server]\nstore = \"{url}\"\ndata = \"data-{name}\"\n\
         [server.nodes]\naddress = \"http://127.0.0.1:{port}\"\nkey = \"a key of all the nodes\"\n\
         [functions.slow]\necho = true\nafter = \"300ms\"\n"
    );
    std::fs::write(&config, text).expect("it can be written");
    let config = config.to_str().expect("it is text");
    Server::start_at(&format!("127.0.0.1:{port}"), &["--config", config])
}

/// Branches that call a function several times.
fn branches() -> String {
    let branch = |number: usize| {
        let states: Vec<String> = (0..8)
            .map(|at| {
                let then = if at < 7 {
                    format!("\"Next\":\"T{number}{}\"", at + 1)
                } else {
                    "\"End\":true".to_owned()
                };
                let slow = "arn:aws:lambda:us-east-1:123456789012:function:slow";
                format!("\"T{number}{at}\":{{\"Type\":\"Task\",\"Resource\":\"{slow}\",{then}}}")
            })
            .collect();
        format!("{{\"StartAt\":\"T{number}0\",\"States\":{{{}}}}}", states.join(","))
    };
    let branches: Vec<String> = (0..4).map(branch).collect();
    format!(
        "{{\"StartAt\":\"B\",\"States\":{{\"B\":{{\"Type\":\"Parallel\",\"End\":true,\"Branches\":[{}]}}}}}}",
        branches.join(",")
    )
}

#[test]
fn a_node_that_loses_its_database_is_told_of_before_it_is_gone() {
    let (Some(url), Some(program)) = (cluster::database(), tool("prometheus")) else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let line = Line::to(&url);
    let well = node(folder.path(), "well", &url);
    let cut_off = node(folder.path(), "cut-off", &line.url);
    let waits = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":20,"End":true}}}"#;
    let machine = well.client().create("waits", "STANDARD", waits);
    let executions: Vec<String> = (0..8).map(|_| cut_off.client().start(&machine, "{}")).collect();
    let prometheus = Prometheus::start(&program, folder.path(), &[&well.address, &cut_off.address]);
    let fires = |alert: &str, server: &Server| {
        prometheus.firing_at().contains(&(alert.to_owned(), server.address.clone()))
    };
    let waits_for = |alert: &str, server: &Server| {
        let patience = Instant::now();
        while !fires(alert, server) {
            assert!(patience.elapsed() < Duration::from_mins(1), "{alert} does not fire");
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    // Both are scraped and well.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(prometheus.firing(), BTreeSet::new());
    // The way to the database is long, and turns take their time. The answer for one branch comes while that for
    // another is being written down, and waits for that.
    let machine_of_branches = well.client().create("branches", "STANDARD", &branches());
    line.delay.store(DELAY, Ordering::SeqCst);
    for _ in 0..3 {
        cut_off.client().start(&machine, "{}");
        cut_off.client().start(&machine_of_branches, "{}");
    }
    for alert in ["StepwrightAppendSlow", "StepwrightQueueSlow"] {
        waits_for(alert, &cut_off);
        assert!(!fires(alert, &well));
    }
    line.delay.store(0, Ordering::SeqCst);
    // Nobody may take over what the other one has: a trigger stands for rights that were taken away.
    let database = cluster::cluster().expect("there was one");
    database.sql(&url, REFUSES_CLAIMS);
    line.is_still.store(true, Ordering::SeqCst);
    waits_for("StepwrightLeaseLate", &cut_off);
    assert!(!fires("StepwrightLeaseLate", &well));
    assert!(!prometheus.firing().contains("StepwrightShardsFree"));
    prometheus.waits_for("StepwrightShardsFree");
    database.sql(&url, "DROP TRIGGER refuses ON stepwright.shards");
    assert!(!fires("StepwrightDown", &cut_off), "it still answers, and says how late it is");
    // The other one takes over. Once the line is back, the first one learns of it, and ends.
    let client = well.client();
    for execution in &executions {
        assert_eq!(text(&client.end(execution), "status"), "SUCCEEDED");
    }
    line.is_still.store(false, Ordering::SeqCst);
    waits_for("StepwrightDown", &cut_off);
    assert!(!fires("StepwrightDown", &well));
}
