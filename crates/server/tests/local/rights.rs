//! The door before the local services: keys, actions, resources.

use crate::python::MOTO;
use crate::server::{key, start};
use crate::wire::Wire;
use std::process::Command;
use std::sync::Arc;
use stepwright_aws::table;
use stepwright_engine::SystemClock;
use stepwright_json::json;
use stepwright_services::{NAMES, Services, Setup};
use stepwright_store::Memory;

/// Runs a script with boto3, which gets the server's URL; returns what it prints.
async fn script(url: &str, text: &str) -> Option<String> {
    let python = MOTO.python()?;
    let head = "import boto3, sys\nfrom botocore.config import Config\nfrom botocore.exceptions import ClientError\n\
         def client(name, key='AKIDEXAMPLE', secret='secret'):\n    \
         return boto3.client(name, endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id=key, \
         aws_secret_access_key=secret, config=Config(retries={'total_max_attempts': 1}))\n\
         def code(call):\n    try:\n        call()\n        return 'ok'\n    except ClientError as e:\n        \
         return e.response['Error']['Code']\n";
    let mut command = Command::new(python);
    command.arg("-c").arg(format!("{head}{text}")).arg(url);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it runs");
    let ran = ran.expect("there is Python");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

/// Nobody gets past the door without a signature, whatever is asked for and however.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused() {
    let server = start(None, vec![key(&["*"], &["*"])]).await;
    let wire = Wire::new(&server.url);
    let services = Services::new(&Setup {
        store: Arc::new(Memory::new()),
        clock: Arc::new(SystemClock),
        account: String::new(),
        region: String::new(),
        buckets: None,
        key: None,
        jobs: None,
        substitutes: stepwright_services::Substitutes::default(),
        url: Arc::default(),
        seat: stepwright_services::Seat::default(),
    });
    let mut count = 0;
    for name in NAMES {
        let service = table::service(name).expect("it is in the table");
        for supported in services.operations(name) {
            let operation = service.operation(supported.operation).expect("it is there");
            let status = if name == "s3" {
                let path = operation.uri.trim_start_matches('/');
                let path = path.replace("{Bucket}", "b").replace("{Key+}", "k");
                let answer = wire.object(operation.method, &path, &[], Vec::new()).await;
                answer.expect("it answers").0
            } else {
                let target = format!("{}.{}", service.target_prefix, operation.name);
                wire.call(&target, json!({})).await.expect("it answers").0
            };
            assert_eq!(status, 403, "{name}:{}", operation.name);
            count += 1;
        }
    }
    assert!(count > 120, "{count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_do_what_it_may_do() {
    let queue = "arn:aws:sqs:us-east-1:123456789012:mine";
    let server = start(None, vec![key(&["sqs:CreateQueue", "sqs:SendMessage"], &[queue])]).await;
    let said = script(
        &server.url,
        "sqs = client('sqs')\n\
         url = sqs.create_queue(QueueName='mine')['QueueUrl']\n\
         print(code(lambda: sqs.send_message(QueueUrl=url, MessageBody='x')),\n\
         code(lambda: sqs.receive_message(QueueUrl=url)),\n\
         code(lambda: sqs.create_queue(QueueName='other')),\n\
         code(lambda: client('sqs', secret='wrong').send_message(QueueUrl=url, MessageBody='x')),\n\
         code(lambda: client('sqs', key='AKNOBODY').send_message(QueueUrl=url, MessageBody='x')),\n\
         code(lambda: client('s3').list_buckets()),\n\
         code(lambda: client('s3', secret='wrong').list_buckets()))\n",
    )
    .await;
    let Some(said) = said else { return };
    assert_eq!(
        said,
        "ok AccessDeniedException AccessDeniedException InvalidSignatureException \
         UnrecognizedClientException AccessDenied SignatureDoesNotMatch"
    );
}
