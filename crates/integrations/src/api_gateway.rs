//! `apigateway:invoke`: a call of an API of API Gateway, signed or not.

use crate::http::{
    Exchange, MOST, Unanswered, body, cause, grouped, result, send, too_large, unfit,
};
use crate::services::Place;
use crate::{End, Task};
use reqwest::Url;
use std::time::SystemTime;
use stepwright_aws::codec::Response;
use stepwright_aws::http::{ArrayFormat, form, text_of};
use stepwright_aws::signing::{Unsigned, sign};
use stepwright_history::{Failure, Stage, TaskCall};
use stepwright_json::{Json, Object, json};

/// Runs a task; `action` has its pattern.
pub(crate) async fn run(task: Task, action: &str) -> End {
    let waits = action.ends_with(".waitForTaskToken");
    let stage = if waits { Stage::Submit } else { Stage::Run };
    let answer = tokio::select! {
        answer = invoke(&task) => answer,
        () = task.report.cancelled() => return End::Elsewhere,
    };
    match answer {
        Err(failure) => End::Failed(failure, stage),
        Ok(output) if waits => {
            task.report.submitted(output);
            End::Elsewhere
        }
        Ok(output) => End::Succeeded(output),
    }
}

async fn invoke(task: &Task) -> Result<Json, Failure> {
    let (call, aws) = (&*task.call.call, &task.services.aws);
    let Some(place) = aws.place("apigateway") else {
        return Err(Failure::new("States.Runtime", "Nothing says where API Gateway is called"));
    };
    let api = Api::read(call, place)
        .ok_or_else(|| unfit(call, "The value of the field 'ApiEndpoint' has an invalid format"))?;
    let mut request = request(call, &api).map_err(|why| unfit(call, &why))?;
    let auth = call.parameters.get("AuthType").and_then(Json::as_str).unwrap_or("NO_AUTH");
    if auth != "NO_AUTH" {
        let account = task.call.facts.about.machine.split(':').nth(4).unwrap_or_default();
        let region = &api.region;
        let resource = format!("arn:aws:execute-api:{region}:{account}:{}", api.resource(&request));
        task.authorize("execute-api:Invoke", &resource).map_err(|denied| {
            let cause = json!({"message": (denied.to_string())});
            Failure::new("ApiGateway.403", cause.to_string())
        })?;
        // A resource policy lets Step Functions in; here, whoever runs this signs instead.
        let role = call.credentials.as_deref().filter(|_| auth == "IAM_ROLE");
        let key = aws.key_for(place, &api.region, role).await.map_err(unreachable)?;
        let content: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let unsigned = Unsigned {
            method: &request.method,
            url: request.url.as_str(),
            headers: &content,
            body: request.body.as_deref().unwrap_or_default(),
            service: "execute-api",
            region: &api.region,
        };
        let signature = sign(&unsigned, &key, SystemTime::now()).map_err(unreachable)?;
        request.headers.extend(signature);
    }
    let answered = match place.endpoint() {
        None => send(aws.http().clients().of(&request.url), &request, place.limit(), MOST).await,
        Some(endpoint) => {
            // An emulator knows the API by the host that is asked for.
            request.headers.push(("Host".to_owned(), api.host.clone()));
            let path = request.url[url::Position::BeforePath..].to_owned();
            match Url::parse(&format!("{endpoint}{path}")) {
                Ok(url) => {
                    request.url = url;
                    send(aws.client(), &request, place.limit(), MOST).await
                }
                Err(error) => Err(Unanswered::Unsendable(error.to_string())),
            }
        }
    };
    let response = answered.map_err(|unanswered| match unanswered {
        Unanswered::Unsendable(why) => unfit(call, &why),
        Unanswered::Unreachable(why) => unreachable(why),
        Unanswered::TooLarge(_) => too_large(call),
    })?;
    if (200..300).contains(&response.status) {
        return Ok(shown(&response));
    }
    Err(Failure::new(format!("ApiGateway.{}", response.status), cause(&response)))
}

/// The API that is called.
struct Api {
    /// `ID.execute-api.REGION.amazonaws.com`
    host: String,
    region: String,
}

impl Api {
    /// Reads `ApiEndpoint`, the name of a host. On AWS it has to be one of API Gateway's.
    fn read(call: &TaskCall, place: &Place) -> Option<Self> {
        let host = call.parameters.get("ApiEndpoint")?.as_str()?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        if host.is_empty() || !host.chars().all(is_host) {
            return None;
        }
        let labels: Vec<&str> = host.split('.').collect();
        let own = match labels[..] {
            [id, "execute-api", region, "amazonaws", "com"]
            | [id, "execute-api", region, "amazonaws", "com", "cn"]
                if !id.is_empty() && !host.contains(':') =>
            {
                Some(region)
            }
            _ => None,
        };
        if own.is_none() && place.endpoint().is_none() {
            return None;
        }
        let region = own.or(place.region()).unwrap_or(&call.region);
        Some(Self { host: host.to_owned(), region: region.to_owned() })
    }

    /// What is called, as IAM names it: `ID/STAGE/METHOD/PATH`. It is read off the URL, in which `..`
    /// has been resolved.
    fn resource(&self, request: &Exchange) -> String {
        let id = self.host.split('.').next().unwrap_or_default();
        let path = request.url.path().trim_start_matches('/');
        let (stage, path) = path.split_once('/').unwrap_or((path, ""));
        format!("{id}/{stage}/{}/{path}", request.method)
    }
}

/// The request to the API's own host.
fn request(call: &TaskCall, api: &Api) -> Result<Exchange, String> {
    let get = |name: &str| call.parameters.get(name).filter(|value| !value.is_null());
    let text = |name: &str| get(name).map(text_of).unwrap_or_default().into_owned();
    let mut url =
        Url::parse(&format!("https://{}/", api.host)).map_err(|error| error.to_string())?;
    let (stage, path) = (text("Stage"), text("Path"));
    let parts = [stage.trim_matches('/'), path.trim_start_matches('/')];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    url.set_path(&parts.join("/"));
    if let Some(query) = get("QueryParameters") {
        let query =
            form(query, ArrayFormat::Repeat).ok_or("The field 'QueryParameters' is too large")?;
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    }
    let mut headers = Vec::new();
    let given = get("Headers").and_then(Json::as_object);
    for (name, values) in given.into_iter().flat_map(Object::iter) {
        if name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        let values = values.as_array().into_iter().flatten();
        headers.extend(values.map(|value| (name.to_string(), text_of(value).into_owned())));
    }
    let method = text("Method");
    let has_body = matches!(method.as_str(), "PATCH" | "POST" | "PUT");
    let keeps_nulls = get("AllowNullValues").and_then(Json::as_bool).unwrap_or_default();
    let body = get("RequestBody").filter(|_| has_body).map(|body| {
        let body = if keeps_nulls { body.clone() } else { without_nulls(body) };
        body.to_string().into_bytes()
    });
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if body.is_some() && !has_type {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    Ok(Exchange { method, url, headers, body })
}

/// A value without the members that are null.
fn without_nulls(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect::<Object>()
                .into()
        }
        Json::Array(items) => Json::Array(items.iter().map(without_nulls).collect()),
        value => value.clone(),
    }
}

/// The headers of API Gateway's responses, as they are written in results.
const HEADERS: [&str; 12] = [
    "Connection",
    "Content-Length",
    "Content-Type",
    "Date",
    "Server",
    "Via",
    "x-amz-apigw-id",
    "X-Amz-Cf-Id",
    "X-Amz-Cf-Pop",
    "x-amzn-RequestId",
    "X-Amzn-Trace-Id",
    "X-Cache",
];

/// The result of a task. Headers are sorted, as in recordings.
fn shown(response: &Response) -> Json {
    let headers = response.headers.iter().map(|(name, value)| {
        let known = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name));
        (known.map_or(name.as_str(), |known| *known), value.as_str())
    });
    let mut headers: Vec<(&str, &str)> = headers.collect();
    headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    let body = body(response)
        .unwrap_or_else(|_| Some(String::from_utf8_lossy(&response.body).into_owned().into()));
    result(response, body, grouped(headers.into_iter()))
}

fn unreachable(why: String) -> Failure {
    Failure::new("ApiGateway.SdkClientException", why)
}
