//! W7: machines that call AWS's services, against a stub that answers at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_served::{Client, Server, create, load};

/// Runs the workload.
pub(crate) fn run(binary: &Path, folder: &Path, port: u16) {
    let stub = Stub::start();
    let config = format!("[services.default]\nendpoint = \"{}\"\n", stub.url);
    let server = Server::start(binary, folder, port, &config);
    let before = server.memory_mb();
    let services = create(&server.address, "w7s", twenty(), "STANDARD");
    Client::connect(&server.address).start_and_wait(&services, "{}");
    println!(
        "{:<42} {:.1} MB, {:.1} MB before",
        "W7 resident memory, 20 services in use",
        server.memory_mb(),
        before
    );
    let standard = create(&server.address, "w7", sends(), "STANDARD");
    for clients in [1, 16, 64] {
        let figures = load(&server.address, clients, Duration::from_secs(4), |client| {
            client.start_and_wait(&standard, "{}");
        });
        figures.print("W7 ten SQS sends, durable", clients);
    }
    let express = create(&server.address, "w7x", sends(), "EXPRESS");
    for clients in [1, 64] {
        let figures = load(&server.address, clients, Duration::from_secs(4), |client| {
            client.start_sync(&express, "{}");
        });
        figures.print("W7 as Express, synchronous", clients);
    }
    let (requests, connections) = stub.counts();
    println!("{:<42} {requests} over {connections} connections", "W7 requests of the services");
}

/// Ten states that send a message.
fn sends() -> String {
    let states: Vec<String> = (0..10)
        .map(|n| {
            let next =
                if n < 9 { format!("\"Next\":\"T{}\"", n + 1) } else { "\"End\":true".to_owned() };
            format!(
                "\"T{n}\":{{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::sqs:sendMessage\",\"Parameters\":\
                 {{\"QueueUrl\":\"http://queue/123456789012/q\",\"MessageBody\":{{\"n\":{n}}}}},{next}}}"
            )
        })
        .collect();
    format!("{{\"StartAt\":\"T0\",\"States\":{{{}}}}}", states.join(","))
}

const TWENTY: [&str; 20] = [
    "athena:listWorkGroups",
    "batch:describeJobQueues",
    "cloudformation:listStacks",
    "cloudwatch:listMetrics",
    "cloudwatchlogs:describeLogGroups",
    "dynamodb:listTables",
    "ec2:describeVpcs",
    "ecr:describeRepositories",
    "ecs:listClusters",
    "eventbridge:listEventBuses",
    "glue:listJobs",
    "iam:listRoles",
    "kms:listKeys",
    "lambda:listFunctions",
    "rds:describeDBInstances",
    "s3:listBuckets",
    "secretsmanager:listSecrets",
    "sns:listTopics",
    "sqs:listQueues",
    "ssm:describeParameters",
];

/// A state for each of twenty services. What they are answered is not in their protocol.
fn twenty() -> String {
    let states: Vec<String> = TWENTY
        .iter()
        .enumerate()
        .map(|(n, call)| {
            let next = if n < 19 { format!("T{}", n + 1) } else { "End".to_owned() };
            format!(
                "\"T{n}\":{{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::aws-sdk:{call}\",\"Parameters\":{{}},\
                 \"Catch\":[{{\"ErrorEquals\":[\"States.ALL\"],\"Next\":\"{next}\"}}],\"Next\":\"{next}\"}}"
            )
        })
        .collect();
    let states = states.join(",");
    format!("{{\"StartAt\":\"T0\",\"States\":{{{states},\"End\":{{\"Type\":\"Succeed\"}}}}}}")
}

/// A service that answers every request at once with the same.
struct Stub {
    url: String,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

const BODY: &str = r#"{"MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592","MessageId":"2f1e8f5a-0b6e-4b1c-9f0e-6d2a7c3b4e5f"}"#;

impl Stub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let (requests, connections) = (Arc::default(), Arc::default());
        let stub = Self { url, requests, connections };
        let (requests, connections) = (stub.requests.clone(), stub.connections.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let requests = requests.clone();
                std::thread::spawn(move || serve(&connection, &requests));
            }
        });
        stub
    }

    fn counts(&self) -> (usize, usize) {
        (self.requests.load(Ordering::Relaxed), self.connections.load(Ordering::Relaxed))
    }
}

fn serve(connection: &TcpStream, requests: &AtomicUsize) {
    connection.set_nodelay(true).expect("a socket has options");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: r\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        if reader.read_exact(&mut body).is_err() || writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        requests.fetch_add(1, Ordering::Relaxed);
    }
}
