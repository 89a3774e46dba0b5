//! The API of a cluster of EKS: calls, jobs, and whom they trust.

use crate::stub::{assembled, ended, outcome, run, start, task, until};
use crate::web::{Web, answer, certificate, configured, json_body};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_integrations::AwsServices;
use stepwright_json::{Json, json};

const CONFIG: &str = "
[services.eks]
endpoint = 'http://127.0.0.1:9'
region = 'eu-west-1'
[http]
allow = ['localhost']
";

fn services(folder: &Path) -> Arc<AwsServices> {
    configured(folder, CONFIG)
}

/// The parameters of a call of a cluster at this port, with the certificate in the folder.
fn cluster(folder: &Path, port: u16, more: Json) -> Json {
    let authority = std::fs::read(folder.join("ca.pem")).expect("it is there");
    let mut given = json!({
        "ClusterName": "blue", "Endpoint": (format!("https://localhost:{port}")),
        "CertificateAuthority": (STANDARD.encode(authority))
    });
    if let (Json::Object(given), Json::Object(more)) = (&mut given, more) {
        for (name, value) in more.iter() {
            given.insert(name.clone(), value.clone());
        }
    }
    given
}

async fn ran(
    services: Arc<AwsServices>,
    resource: &str,
    parameters: Json,
) -> Result<Json, (String, String)> {
    let assembled = assembled(services, None).await;
    let execution = start(&assembled.api, &task(resource, parameters)).await;
    outcome(&ended(&assembled.api, &execution).await)
}

#[tokio::test]
async fn a_cluster_is_called_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let web =
        Web::serve(Some(certificate(folder.path())), |request, _| match request.method.as_str() {
            "GET" => json_body(200, "{\"items\": []}"),
            _ => json_body(409, "{\"reason\": \"AlreadyExists\"}"),
        })
        .await;
    let call = "arn:aws:states:::eks:call";
    let more = json!({"Method": "GET", "Path": "/api/v1/namespaces/default/pods",
                      "QueryParameters": {"labelSelector": ["job-name=example-job"]}});
    let output = ran(services(folder.path()), call, cluster(folder.path(), web.port, more)).await;
    let output = output.unwrap();
    assert_eq!(output.get("ResponseBody"), Some(&json!({"items": []})));
    assert_eq!(output.get("StatusCode"), Some(&json!(200)));
    let request = web.last();
    assert_eq!(request.path, "/api/v1/namespaces/default/pods");
    assert_eq!(request.query, "labelSelector=job-name%3Dexample-job");
    let token =
        request.header("authorization").unwrap().strip_prefix("Bearer k8s-aws-v1.").unwrap();
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
    assert!(
        url.starts_with(
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&"
        ) && url.contains("X-Amz-SignedHeaders=host%3Bx-k8s-aws-id")
            && url.contains("X-Amz-Expires=60"),
        "{url}"
    );
    let more = json!({"Method": "POST", "Path": "x", "RequestBody": {"a": 1}});
    let failure = ran(services(folder.path()), call, cluster(folder.path(), web.port, more)).await;
    assert_eq!(failure, Err(("EKS.409".to_owned(), "{\"reason\": \"AlreadyExists\"}".to_owned())));
    assert_eq!(web.last().body, b"{\"a\":1}");
}

#[tokio::test]
async fn a_job_is_waited_for_and_its_logs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::serve(Some(certificate(folder.path())), |request, before| {
        let fails = request.path.contains("/bad/");
        let status = if fails { "Failed" } else { "Complete" };
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", _) => json_body(201, "{\"metadata\": {\"name\": \"j\"}, \"status\": {}}"),
            (_, "/api/v1/namespaces/default/pods") => json_body(
                200,
                "{\"items\": [{\"metadata\": {\"name\": \"p\"},
                               \"spec\": {\"containers\": [{\"name\": \"c\"}, {\"name\": \"d\"}]}}]}",
            ),
            (_, "/api/v1/namespaces/default/pods/p/log") if request.query.contains("container=c") => {
                answer(200, "Content-Type: text/plain\r\n", "{ \"pi\": 3.5 }")
            }
            (_, "/api/v1/namespaces/default/pods/p/log") => json_body(500, "no"),
            _ if before < 2 => json_body(200, "{\"metadata\": {\"name\": \"j\"}, \"status\": {\"active\": 1}}"),
            _ => json_body(
                200,
                &format!(
                    "{{\"metadata\": {{\"name\": \"j\"}},
                       \"status\": {{\"conditions\": [{{\"type\": \"{status}\", \"status\": \"True\"}}]}}}}"
                ),
            ),
        }
    })
    .await;
    let run_job = "arn:aws:states:::eks:runJob.sync";
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}});
    let more = json!({"Job": (job.clone()), "LogOptions": {"RetrieveLogs": true,
                                                 "LogParameters": {"tailLines": ["6"]}}});
    let parameters = cluster(folder.path(), web.port, more);
    let output = ran(services(folder.path()), run_job, parameters).await.unwrap();
    let logs = json!({"pods": {"p": {"containers": {
        "c": {"log": {"pi": 3.5}}, "d": {"error": "EKS.500", "cause": "no"}}}}});
    assert_eq!(output.get("logs"), Some(&logs));
    assert!(output.get("status").and_then(|status| status.get("conditions")).is_some());
    let posted = web.requests().into_iter().filter(|request| request.method == "POST");
    assert_eq!(posted.count(), 1);
    assert!(web.last().query.contains("tailLines=6"), "{}", web.last().query);

    let more = json!({"Job": job, "Namespace": "bad"});
    let parameters = cluster(folder.path(), web.port, more);
    let (name, cause) = ran(services(folder.path()), run_job, parameters).await.unwrap_err();
    assert_eq!(name, "States.TaskFailed");
    assert!(cause.contains("\"Failed\""), "{cause}");
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::serve(Some(certificate(folder.path())), |_, _| {
        json_body(200, "{\"metadata\": {\"name\": \"j\"}, \"status\": {}}")
    })
    .await;
    let parameters = cluster(folder.path(), web.port, json!({"Job": {"kind": "Job"}}));
    let assembled = assembled(services(folder.path()), None).await;
    let definition = task("arn:aws:states:::eks:runJob.sync", parameters);
    let execution = start(&assembled.api, &definition).await;
    until(|| web.requests().len() > 1).await;
    assembled.api.call("StopExecution", json!({"executionArn": execution})).await.unwrap();
    let is_delete = |web: &Web| web.requests().iter().any(|request| request.method == "DELETE");
    until(|| is_delete(&web)).await;
    let deleted = web.requests().into_iter().find(|request| request.method == "DELETE").unwrap();
    assert_eq!(deleted.path, "/apis/batch/v1/namespaces/default/jobs/j");
    assert_eq!(deleted.query, "propagationPolicy=Background");
}

#[test]
fn a_job_is_found_again_after_a_restart() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let released = Arc::new(AtomicBool::new(false));
    let is_released = released.clone();
    let stubs = runtime();
    let web = stubs.block_on(Web::serve(Some(certificate(folder.path())), move |_, _| {
        let conditions = if is_released.load(Ordering::SeqCst) {
            json!([{"type": "Complete", "status": "True"}])
        } else {
            json!([])
        };
        let job = json!({"metadata": {"name": "j"}, "status": {"conditions": conditions}});
        json_body(200, &job.to_string())
    }));
    let count =
        |method: &str| web.requests().iter().filter(|request| request.method == method).count();
    let first = runtime();
    let execution = first.block_on(async {
        let assembled = assembled(services(folder.path()), Some(data.path())).await;
        let job = json!({"Job": {"kind": "Job", "metadata": {"generateName": "j-"}}});
        let parameters = cluster(folder.path(), web.port, job);
        let definition = task("arn:aws:states:::eks:runJob.sync", parameters);
        let execution = start(&assembled.api, &definition).await;
        until(|| count("GET") > 0).await;
        execution
    });
    drop(first);
    released.store(true, Ordering::SeqCst);
    runtime().block_on(async {
        let assembled = assembled(services(folder.path()), Some(data.path())).await;
        assert!(outcome(&ended(&assembled.api, &execution).await).is_ok());
    });
    assert_eq!((count("POST"), count("DELETE")), (1, 0));
}

#[tokio::test]
async fn a_cluster_is_trusted_by_its_certificate_alone() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let web = Web::serve(Some(certificate(folder.path())), |_, _| json_body(200, "{}")).await;
    certificate(other.path());
    let call = "arn:aws:states:::eks:call";
    let more = || json!({"Method": "GET", "Path": "/version"});
    let parameters = cluster(other.path(), web.port, more());
    let (name, cause) = ran(services(folder.path()), call, parameters).await.unwrap_err();
    assert_eq!(name, "EKS.SdkClientException");
    assert!(cause.contains("certificate"), "{cause}");
    let parameters = cluster(folder.path(), web.port, more());
    let strict = configured(folder.path(), &CONFIG.replace("'localhost'", ""));
    let (name, cause) = ran(strict, call, parameters.clone()).await.unwrap_err();
    assert_eq!(name, "EKS.SdkClientException");
    assert!(cause.contains("is no host of a cluster of EKS"), "{cause}");
    let mut wrong = parameters.clone();
    if let Json::Object(members) = &mut wrong {
        members.insert("CertificateAuthority", "ANPAJ2UCCR6DPCEXAMPLE".into());
    }
    let (name, cause) = ran(services(folder.path()), call, wrong).await.unwrap_err();
    assert_eq!(name, "States.Runtime");
    assert!(cause.contains("'CertificateAuthority' is no certificate"), "{cause}");
    assert!(web.requests().is_empty());
    let (name, cause) = run(&[], call, parameters).await.unwrap_err();
    assert_eq!(name, "States.Runtime");
    assert!(cause.contains("[services.eks]"), "{cause}");
}
