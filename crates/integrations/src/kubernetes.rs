//! The API of a cluster of EKS: `eks:call`, and `eks:runJob` with `.sync`.
//!
//! The endpoint and the certificate of the cluster are parameters of the task. A token is made as
//! `aws eks get-token` makes it: a URL of STS, signed for a minute.

use crate::http::{
    Exchange, MOST, Unanswered, body, cause, grouped, result, send, too_large, unfit,
};
use crate::services::{FIRST_PAUSE, LONGEST_PAUSE, MOST_FAULTS, Place, earlier};
use crate::{End, Task};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Certificate, Url};
use std::time::SystemTime;
use stepwright_aws::codec::Response;
use stepwright_aws::endpoint::endpoint;
use stepwright_aws::http::{ArrayFormat, form, text_of};
use stepwright_aws::signing::{Unsigned, presign};
use stepwright_aws::table;
use stepwright_history::{Failure, Stage, TaskCall};
use stepwright_json::{Json, Object};

/// Runs `eks:call` or `eks:runJob`; `action` has its pattern.
pub(crate) async fn run(task: Task, action: &str) -> End {
    let (action, pattern) = action.split_once('.').unwrap_or((action, ""));
    let cluster = match Cluster::of(&task) {
        Ok(cluster) => cluster,
        Err(failure) if pattern.is_empty() => return End::Failed(failure, Stage::Run),
        Err(failure) => return End::Failed(failure, Stage::Submit),
    };
    if pattern == "sync" {
        return cluster.wait(&task).await;
    }
    let made = async {
        match action {
            "call" => cluster.call(&task).await,
            _ => cluster.create(&task).await,
        }
    };
    let answer = tokio::select! {
        answer = made => answer,
        () = task.report.cancelled() => return End::Elsewhere,
    };
    match (answer, pattern) {
        (Err(failure), "") => End::Failed(failure, Stage::Run),
        (Err(failure), _) => End::Failed(failure, Stage::Submit),
        (Ok(output), "") => End::Succeeded(output),
        (Ok(output), _) => {
            task.report.submitted(output);
            End::Elsewhere
        }
    }
}

/// A cluster that is called.
struct Cluster<'t> {
    place: &'t Place,
    client: reqwest::Client,
    endpoint: Url,
    name: String,
    region: String,
}

fn text(call: &TaskCall, name: &str) -> String {
    call.parameters.get(name).map(text_of).unwrap_or_default().into_owned()
}

fn unreachable(why: impl Into<String>) -> Failure {
    Failure::new("EKS.SdkClientException", why.into())
}

fn namespace(task: &Task) -> String {
    let namespace = text(&task.call.call, "Namespace");
    if namespace.is_empty() { "default".to_owned() } else { namespace }
}

fn jobs(task: &Task) -> String {
    format!("/apis/batch/v1/namespaces/{}/jobs", namespace(task))
}

impl<'t> Cluster<'t> {
    fn of(task: &'t Task) -> Result<Self, Failure> {
        let (call, aws) = (&*task.call.call, &task.services.aws);
        let Some(place) = aws.place("eks") else {
            return Err(Failure::new("States.Runtime", "Nothing says where EKS is called"));
        };
        let region = place.region().unwrap_or(&call.region).to_owned();
        let account = task.call.facts.about.machine.split(':').nth(4).unwrap_or_default();
        let name = text(call, "ClusterName");
        let resource = format!("arn:aws:eks:{region}:{account}:cluster/{name}");
        // The cluster decides itself what its callers may do; here, one action stands for it.
        task.authorize("eks:AccessKubernetesApi", &resource)
            .map_err(|denied| Failure::new("EKS.403", denied.to_string()))?;
        let endpoint = Url::parse(&text(call, "Endpoint")).map_err(|error| {
            unfit(call, &format!("The value of the field 'Endpoint' is no URL: {error}"))
        })?;
        // A token is for the API of a cluster, and would be worth something elsewhere.
        let clients = aws.http().clients();
        let host = endpoint.host_str().unwrap_or_default().to_ascii_lowercase();
        let is_of_eks = ["eks.amazonaws.com", "eks.amazonaws.com.cn", "api.aws"]
            .iter()
            .any(|of| host.strip_suffix(of).is_some_and(|rest| rest.ends_with('.')));
        if !is_of_eks && !clients.guard().lists(&endpoint) {
            return Err(unreachable(format!(
                "{host} is no host of a cluster of EKS and is not called; add \"{host}\" to `allow` in \
                 `[http]` of stepwright.toml if it may be"
            )));
        }
        let pem = STANDARD.decode(text(call, "CertificateAuthority").trim());
        let authorities = pem.ok().and_then(|pem| Certificate::from_pem_bundle(&pem).ok());
        let authorities = authorities.filter(|found| !found.is_empty()).ok_or_else(|| {
            let why = "The value of the field 'CertificateAuthority' is no certificate in base64";
            unfit(call, why)
        })?;
        let client = clients.trusting(&endpoint, authorities).map_err(unreachable)?;
        Ok(Self { place, client, endpoint, name, region })
    }

    /// A token that proves who calls, for a minute.
    async fn token(&self, task: &Task) -> Result<String, Failure> {
        let (call, aws) = (&*task.call.call, &task.services.aws);
        let role = call.credentials.as_deref();
        let key = aws.key_for(self.place, &self.region, role).await.map_err(unreachable)?;
        let sts = table::service("sts").map_err(|error| unreachable(error.to_string()))?;
        let operation = sts.action("getCallerIdentity");
        let operation = operation.map_err(|error| unreachable(error.to_string()))?;
        let at = endpoint(sts, operation, &self.region);
        let at = at.map_err(|error| unreachable(error.to_string()))?;
        let url = format!("{}/?Action=GetCallerIdentity&Version=2011-06-15", at.url);
        let unsigned = Unsigned {
            method: "GET",
            url: &url,
            headers: &[("x-k8s-aws-id", self.name.as_str())],
            body: b"",
            service: "sts",
            region: &at.signing_region,
        };
        let signed = presign(&unsigned, &key, SystemTime::now()).map_err(unreachable)?;
        Ok(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(signed)))
    }

    /// Sends one request. Another status than 2xx is a failure.
    async fn send(
        &self,
        task: &Task,
        method: &str,
        path: &str,
        query: Option<&Json>,
        body: Option<Vec<u8>>,
    ) -> Result<Response, Failure> {
        let call = &task.call.call;
        let mut url = self.endpoint.clone();
        url.set_path(path);
        if let Some(query) = query {
            let query = form(query, ArrayFormat::Repeat)
                .ok_or_else(|| unfit(call, "The field 'QueryParameters' is too large"))?;
            url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        }
        let mut headers = vec![
            ("Authorization".to_owned(), format!("Bearer {}", self.token(task).await?)),
            ("Accept".to_owned(), "application/json".to_owned()),
        ];
        if body.is_some() {
            // A patch has a type of its own.
            let kind = match method {
                "PATCH" => "application/strategic-merge-patch+json",
                _ => "application/json",
            };
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        let request = Exchange { method: method.to_owned(), url, headers, body };
        let client = Ok(self.client.clone());
        let answered = send(client, &request, self.place.limit(), MOST).await;
        let response = answered.map_err(|unanswered| match unanswered {
            Unanswered::Unsendable(why) => unfit(call, &why),
            Unanswered::Unreachable(why) => unreachable(why),
            Unanswered::TooLarge(_) => too_large(call),
        })?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        Err(Failure::new(format!("EKS.{}", response.status), cause(&response)))
    }

    /// `eks:call`
    async fn call(&self, task: &Task) -> Result<Json, Failure> {
        let call = &task.call.call;
        let given = call.parameters.get("RequestBody").filter(|body| !body.is_null());
        let sent = given.map(|body| match body {
            Json::String(text) => text.as_bytes().to_vec(),
            body => body.to_string().into_bytes(),
        });
        let query = call.parameters.get("QueryParameters").filter(|query| !query.is_null());
        let (method, path) = (text(call, "Method"), text(call, "Path"));
        let response = self.send(task, &method, &path, query, sent).await?;
        let body = body(&response).map_err(|why| Failure::new("States.Runtime", why))?;
        let headers = response.headers.iter();
        let headers = grouped(headers.map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(result(&response, body, headers))
    }

    /// Creates a job: the job as the cluster shows it.
    async fn create(&self, task: &Task) -> Result<Json, Failure> {
        let call = &task.call.call;
        let job = match call.parameters.get("Job") {
            Some(Json::String(text)) => text.as_bytes().to_vec(),
            Some(job @ Json::Object(_)) => job.to_string().into_bytes(),
            _ => return Err(unfit(call, "The value of the field 'Job' has an invalid format")),
        };
        read(&self.send(task, "POST", &jobs(task), None, Some(job)).await?)
    }

    /// `eks:runJob.sync`
    async fn wait(&self, task: &Task) -> End {
        let submitted = match earlier(task).await {
            Some(submitted) => submitted,
            None => match self.create(task).await {
                Ok(submitted) => {
                    task.report.submitted(submitted.clone());
                    submitted
                }
                Err(failure) => return End::Failed(failure, Stage::Submit),
            },
        };
        let name = submitted.get("metadata").and_then(|metadata| metadata.get("name"));
        let Some(name) = name.and_then(Json::as_str) else {
            let failure =
                unreachable(format!("The answer does not name what was started: {submitted}"));
            return End::Failed(failure, Stage::Run);
        };
        let path = format!("{}/{name}", jobs(task));
        tokio::select! {
            ended = self.ended(task, name, &path) => match ended {
                Ok(output) => End::Succeeded(output),
                Err(failure) => End::Failed(failure, Stage::Run),
            },
            () = task.report.cancelled() => {
                let query = [("propagationPolicy", Json::from("Background"))];
                let query = query.into_iter().collect::<Object>().into();
                // The job may have ended meanwhile, and nobody is there to be told.
                drop(self.send(task, "DELETE", &path, Some(&query), None).await);
                End::Elsewhere
            }
        }
    }

    async fn ended(&self, task: &Task, name: &str, path: &str) -> Result<Json, Failure> {
        let (mut pause, mut faults) = (FIRST_PAUSE, 0);
        loop {
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
            let job = match self.send(task, "GET", path, None, None).await {
                Ok(response) => read(&response)?,
                Err(failure) => {
                    faults += 1;
                    if faults == MOST_FAULTS {
                        return Err(failure);
                    }
                    continue;
                }
            };
            faults = 0;
            let Some(has_succeeded) = verdict(&job) else { continue };
            let mut output = job.as_object().cloned().unwrap_or_default();
            let options = task.call.call.parameters.get("LogOptions");
            let is = |name: &str| {
                options.and_then(|it| it.get(name)).and_then(Json::as_bool).unwrap_or_default()
            };
            if is("RetrieveLogs") {
                let given = options.and_then(|it| it.get("LogParameters"));
                output.insert("logs", self.logs(task, name, given, is("RawLogs")).await);
            }
            let output = Json::from(output);
            if has_succeeded {
                return Ok(output);
            }
            return Err(Failure::new("States.TaskFailed", output.to_string()));
        }
    }

    /// The logs of a job's containers, as far as they can be had.
    async fn logs(&self, task: &Task, job: &str, given: Option<&Json>, is_raw: bool) -> Json {
        let pods_path = format!("/api/v1/namespaces/{}/pods", namespace(task));
        let selector = [("labelSelector", Json::from(format!("job-name={job}")))];
        let selector: Json = selector.into_iter().collect::<Object>().into();
        let failed = |failure: &Failure| {
            let mut members = Object::new();
            members.insert("error", failure.name().into());
            members.insert("cause", failure.cause.as_deref().unwrap_or_default().into());
            Json::from(members)
        };
        let found = self.send(task, "GET", &pods_path, Some(&selector), None).await;
        let found = match found.and_then(|response| read(&response)) {
            Ok(found) => found,
            Err(failure) => return failed(&failure),
        };
        let (mut pods, mut bytes) = (Object::new(), 0);
        for pod in
            found.get("items").and_then(Json::as_array).into_iter().flat_map(|all| all.iter())
        {
            let Some(name) =
                pod.get("metadata").and_then(|it| it.get("name")).and_then(Json::as_str)
            else {
                continue;
            };
            let mut containers = Object::new();
            let listed = pod.get("spec").and_then(|spec| spec.get("containers"));
            for container in listed.and_then(Json::as_array).into_iter().flat_map(|all| all.iter())
            {
                let Some(container) = container.get("name").and_then(Json::as_str) else {
                    continue;
                };
                let mut query = given.and_then(Json::as_object).cloned().unwrap_or_default();
                query.insert("container", container.into());
                let path = format!("{pods_path}/{name}/log");
                let log = match self.send(task, "GET", &path, Some(&query.into()), None).await {
                    Ok(response) if bytes + response.body.len() > MOST => {
                        failed(&too_large(&task.call.call))
                    }
                    Ok(response) => {
                        bytes += response.body.len();
                        let text = String::from_utf8_lossy(&response.body).into_owned();
                        let parsed = if is_raw { None } else { stepwright_json::parse(&text).ok() };
                        let log = [("log", parsed.unwrap_or_else(|| text.into()))];
                        log.into_iter().collect::<Object>().into()
                    }
                    Err(failure) => failed(&failure),
                };
                containers.insert(container, log);
            }
            let pod = [("containers", Json::from(containers))].into_iter().collect::<Object>();
            pods.insert(name, pod.into());
        }
        [("pods", Json::from(pods))].into_iter().collect::<Object>().into()
    }
}

fn read(response: &Response) -> Result<Json, Failure> {
    let text = std::str::from_utf8(&response.body).ok();
    text.and_then(|text| stepwright_json::parse(text).ok())
        .filter(|value| value.as_object().is_some())
        .ok_or_else(|| unreachable("The cluster answered no JSON object"))
}

/// Whether a job has succeeded, if it has ended.
fn verdict(job: &Json) -> Option<bool> {
    let conditions = job.get("status")?.get("conditions")?.as_array()?;
    let is = |kind: &str| {
        conditions.iter().any(|one| {
            let text = |name: &str| one.get(name).and_then(Json::as_str).unwrap_or_default();
            text("type") == kind && text("status") == "True"
        })
    };
    match (is("Complete"), is("Failed")) {
        (_, true) => Some(false),
        (true, false) => Some(true),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn conditions_decide() {
        let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status}]}});
        assert_eq!(verdict(&job("Complete", "True")), Some(true));
        assert_eq!(verdict(&job("Complete", "False")), None);
        assert_eq!(verdict(&job("Failed", "True")), Some(false));
        assert_eq!(verdict(&job("Suspended", "True")), None);
        assert_eq!(verdict(&json!({"status": {}})), None);
    }
}
