//! Calls of HTTP APIs: `http:invoke` and `apigateway:invoke`. What their parameters may be, and how
//! values become a query or a form.
//!
//! Sources: <https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html> and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html>

use crate::codec::escaped_component;
use crate::integrations::own_parameters;
use std::borrow::Cow;
use stepwright_json::{Json, Object, Str};

/// The methods that both integrations take.
pub const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];

/// The values of `RequestBodyEncoding`.
pub const ENCODINGS: [&str; 2] = ["NONE", "URL_ENCODED"];

/// The values of `AuthType`.
pub const AUTH_TYPES: [&str; 3] = ["NO_AUTH", "IAM_ROLE", "RESOURCE_POLICY"];

/// The parameters that name the connection of an HTTP task; the first is the recommended one.
pub const CONNECTIONS: [&str; 2] = ["InvocationConfig", "Authentication"];

/// The headers that an HTTP task must not set, in small letters.
const HTTP_HEADERS: [&str; 32] = [
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
];

/// The headers that a call of API Gateway must not set, in small letters.
const API_HEADERS: [&str; 14] = [
    "authorization",
    "connection",
    "content-md5",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];

/// Whether a header must not be among the `Headers` of a call.
pub fn is_forbidden(service: &str, header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    match service {
        "http" => {
            HTTP_HEADERS.contains(&name.as_str())
                || ["x-forwarded-", "x-amz-", "x-amzn-"].iter().any(|one| name.starts_with(one))
        }
        _ => {
            API_HEADERS.contains(&name.as_str())
                || ["x-forwarded", "x-amz"].iter().any(|one| name.starts_with(one))
        }
    }
}

/// What AWS says of headers that must not be set; `None` if there are none.
pub fn forbidden_headers<'n>(
    service: &str,
    names: impl Iterator<Item = &'n str>,
) -> Option<String> {
    let found: Vec<String> =
        names.filter(|name| is_forbidden(service, name)).map(str::to_ascii_lowercase).collect();
    let list = found.join(", ");
    (!found.is_empty())
        .then(|| format!("The 'Headers' field contains unsupported values: [{list}]"))
}

/// How arrays are written in a form: `ArrayFormat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrayFormat {
    /// `a[0]=x&a[1]=y`
    #[default]
    Indices,
    /// `a=x&a=y`
    Repeat,
    /// `a=x,y`
    Commas,
    /// `a[]=x&a[]=y`
    Brackets,
}

impl ArrayFormat {
    /// Their names.
    pub const NAMES: [&str; 4] = ["INDICES", "REPEAT", "COMMAS", "BRACKETS"];

    /// The format with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "INDICES" => Self::Indices,
            "REPEAT" => Self::Repeat,
            "COMMAS" => Self::Commas,
            "BRACKETS" => Self::Brackets,
            _ => return None,
        })
    }
}

/// Whether a text can be the URL of an HTTP API: with a host, and without characters that no URL has.
pub fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_wrong = |c: char| c.is_ascii_control() || " \"<>\\^`{|}".contains(c);
    rest.is_some_and(|rest| !rest.starts_with(['/', '?', '#', ':']) && !rest.is_empty())
        && !text.contains(is_wrong)
}

/// Checks the parameters of a call before it is made. The error is what AWS writes in brackets
/// behind `could not be used to start the Task:`.
pub fn check(service: &str, parameters: &Json) -> Result<(), String> {
    let Json::Object(given) = parameters else {
        return Err("The parameters must be an object".to_owned());
    };
    if let Some(own) = own_parameters(service, "invoke") {
        let is_known = |name: &str| own.required.contains(&name) || own.optional.contains(&name);
        if let Some(name) = given.keys().find(|name| !is_known(name)) {
            return Err(format!("The field \"{name}\" is not supported by Step Functions"));
        }
        for name in own.required {
            if given.get(name).is_none_or(Json::is_null) {
                return Err(missing(name));
            }
        }
    }
    let text = |name: &str| match given.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(malformed(name)),
    };
    let endpoint = text("ApiEndpoint")?.unwrap_or_default();
    if service == "http" && !is_url(endpoint) {
        return Err(not_valid("ApiEndpoint"));
    }
    one_of("Method", text("Method")?, &METHODS)?;
    let is_one = match service {
        "http" => is_value,
        _ => is_list,
    };
    for name in ["Headers", "QueryParameters"] {
        let Some(value) = given.get(name).filter(|value| !value.is_null()) else { continue };
        let is_one = if name == "QueryParameters" && service == "http" { is_any } else { is_one };
        if !value.as_object().is_some_and(|members| members.values().all(is_one)) {
            return Err(malformed(name));
        }
    }
    if let Some(headers) = given.get("Headers").and_then(Json::as_object)
        && let Some(problem) = forbidden_headers(service, headers.keys().map(Str::as_str))
    {
        return Err(problem);
    }
    if service == "http" {
        check_connection(given)?;
        return transform(parameters).map(drop);
    }
    for name in ["Stage", "Path"] {
        text(name)?;
    }
    one_of("AuthType", text("AuthType")?, &AUTH_TYPES)?;
    match given.get("AllowNullValues") {
        None | Some(Json::Null | Json::Bool(_)) => Ok(()),
        Some(_) => Err(malformed("AllowNullValues")),
    }
}

fn check_connection(given: &Object) -> Result<(), String> {
    let of = |name: &str| given.get(name).filter(|value| !value.is_null());
    let config = match CONNECTIONS.map(of) {
        [Some(_), Some(_)] => {
            let names = CONNECTIONS.join(", ");
            return Err(format!("There should only be one of the following fields: [{names}]"));
        }
        [Some(config), None] | [None, Some(config)] => config,
        [None, None] => return Err(missing(CONNECTIONS[0])),
    };
    match config.get("ConnectionArn") {
        Some(Json::String(_)) => Ok(()),
        Some(Json::Null) | None => Err(missing("ConnectionArn")),
        Some(_) => Err(malformed("ConnectionArn")),
    }
}

/// The ARN of the connection that an HTTP task uses.
pub fn connection(parameters: &Json) -> Option<&str> {
    CONNECTIONS.iter().find_map(|name| parameters.get(name)?.get("ConnectionArn")?.as_str())
}

/// How the body of an HTTP task is to be written: as a form with this format of arrays, or as it is.
pub fn transform(parameters: &Json) -> Result<Option<ArrayFormat>, String> {
    let Some(transform) = parameters.get("Transform").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    if transform.as_object().is_none() {
        return Err(malformed("Transform"));
    }
    let text = |within: &Json, name: &str| match within.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(malformed(name)),
    };
    let encoding = text(transform, "RequestBodyEncoding")?;
    one_of("RequestBodyEncoding", encoding.as_deref(), &ENCODINGS)?;
    let format = match transform.get("RequestEncodingOptions") {
        None | Some(Json::Null) => None,
        Some(options @ Json::Object(_)) => text(options, "ArrayFormat")?,
        Some(_) => return Err(malformed("RequestEncodingOptions")),
    };
    one_of("ArrayFormat", format.as_deref(), &ArrayFormat::NAMES)?;
    let is_form = encoding.as_deref() == Some("URL_ENCODED");
    Ok(is_form.then(|| format.as_deref().and_then(ArrayFormat::parse).unwrap_or_default()))
}

fn missing(name: &str) -> String {
    format!("The field '{name}' is required but was missing")
}

fn malformed(name: &str) -> String {
    format!("The value of the field '{name}' has an invalid format")
}

/// What AWS says of a value that it does not take.
fn not_valid(name: &str) -> String {
    format!("The value for the '{name}' field is not valid")
}

fn one_of(name: &str, value: Option<&str>, values: &[&str]) -> Result<(), String> {
    match value {
        Some(value) if !values.contains(&value) => {
            Err(format!("{}: it is one of {}", not_valid(name), values.join(", ")))
        }
        _ => Ok(()),
    }
}

fn is_scalar(value: &Json) -> bool {
    !matches!(value, Json::Object(_) | Json::Array(_))
}

/// A value of a header of an HTTP task: one or several.
fn is_value(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.iter().all(is_scalar),
        value => is_scalar(value),
    }
}

fn is_list(value: &Json) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(|item| item.as_str().is_some()))
}

fn is_any(_: &Json) -> bool {
    true
}

/// A value as the text of a header or in a query.
pub fn text_of(value: &Json) -> Cow<'_, str> {
    match value {
        Json::String(text) => Cow::Borrowed(text.as_str()),
        Json::Null => Cow::Borrowed(""),
        value => Cow::Owned(value.to_string()),
    }
}

/// The most bytes of names and values in a form. Names are repeated for every value within them, so
/// a form can be far larger than what it is made from.
const MOST_FORM: usize = 4 << 20;

/// Writes a value as a form or a query, escaped: `a=1&b%5Bc%5D=2`. Returns `None` if that is too
/// large.
pub fn form(value: &Json, format: ArrayFormat) -> Option<String> {
    let Json::Object(members) = value else { return Some(escaped_component(&text_of(value))) };
    let mut form = Form { pairs: Vec::new(), bytes: 0, format };
    for (name, value) in members.iter() {
        form.add(name.to_string(), value)?;
    }
    let pairs = form
        .pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escaped_component(name), escaped_component(value)));
    Some(pairs.collect::<Vec<_>>().join("&"))
}

struct Form {
    pairs: Vec<(String, String)>,
    bytes: usize,
    format: ArrayFormat,
}

impl Form {
    fn add(&mut self, name: String, value: &Json) -> Option<()> {
        // Counted for structures as well, because their names are built.
        self.bytes += name.len() + 2;
        if self.bytes > MOST_FORM {
            return None;
        }
        match value {
            Json::Object(members) => members
                .iter()
                .try_for_each(|(member, one)| self.add(format!("{name}[{member}]"), one)),
            Json::Array(items) if self.format == ArrayFormat::Commas => {
                let items: Vec<Cow<'_, str>> = items.iter().map(text_of).collect();
                self.push(name, items.join(","))
            }
            Json::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
                let name = match self.format {
                    ArrayFormat::Indices => format!("{name}[{at}]"),
                    ArrayFormat::Brackets => format!("{name}[]"),
                    ArrayFormat::Repeat | ArrayFormat::Commas => name.clone(),
                };
                self.add(name, item)
            }),
            value => self.push(name, text_of(value).into_owned()),
        }
    }

    fn push(&mut self, name: String, value: String) -> Option<()> {
        self.bytes += value.len();
        self.pairs.push((name, value));
        (self.bytes <= MOST_FORM).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn forms_are_written_as_documented() {
        let body = json!({"array": ["a", "b c"]});
        for (format, expected) in [
            (ArrayFormat::Indices, "array%5B0%5D=a&array%5B1%5D=b%20c"),
            (ArrayFormat::Repeat, "array=a&array=b%20c"),
            (ArrayFormat::Commas, "array=a%2Cb%20c"),
            (ArrayFormat::Brackets, "array%5B%5D=a&array%5B%5D=b%20c"),
        ] {
            assert_eq!(form(&body, format).unwrap(), expected);
        }
        // The example of the manual.
        let body = json!({"description": "Monthly subscription",
                          "metadata": {"order_details": "monthly report data"},
                          "customer": "1234567890"});
        assert_eq!(
            form(&body, ArrayFormat::Indices).unwrap(),
            "description=Monthly%20subscription&metadata%5Border_details%5D=monthly%20report%20data\
             &customer=1234567890"
        );
        let deep = json!({"a": [{"b": [1, null]}], "c": true, "d": {}, "e&=": "ü"});
        assert_eq!(
            form(&deep, ArrayFormat::Indices).unwrap(),
            "a%5B0%5D%5Bb%5D%5B0%5D=1&a%5B0%5D%5Bb%5D%5B1%5D=&c=true&e%26%3D=%C3%BC"
        );
        assert_eq!(form(&json!("a b"), ArrayFormat::Indices).unwrap(), "a%20b");
        let many: Json = vec![Json::from("x"); 50_000].into();
        let large = [("n".repeat(50_000), many)].into_iter().collect::<Object>().into();
        assert_eq!(form(&large, ArrayFormat::Indices), None);
    }

    fn http(more: Json) -> Json {
        let mut given = json!({
            "ApiEndpoint": "https://a.example", "Method": "GET",
            "InvocationConfig": {"ConnectionArn": "c"}
        });
        if let (Json::Object(given), Json::Object(more)) = (&mut given, more) {
            for (name, value) in more.iter() {
                given.insert(name.clone(), value.clone());
            }
        }
        given
    }

    #[test]
    fn http_tasks_are_checked() {
        let said = |more: Json| check("http", &http(more)).err().unwrap_or_default();
        assert_eq!(said(json!({})), "");
        assert_eq!(said(json!({"Headers": {"a": ["b", 1], "c": "d"}})), "");
        assert_eq!(said(json!({"QueryParameters": {"a": {"b": [1]}}, "RequestBody": [1]})), "");
        assert_eq!(said(json!({"Transform": {"RequestBodyEncoding": "NONE"}})), "");
        assert_eq!(
            said(json!({"Method": "get"})),
            "The value for the 'Method' field is not valid: it is one of GET, POST, PUT, DELETE, \
             PATCH, OPTIONS, HEAD"
        );
        assert_eq!(
            said(json!({"Headers": {"X-Amz-Date": "1", "ok": "2", "HOST": "3"}})),
            "The 'Headers' field contains unsupported values: [x-amz-date, host]"
        );
        for (more, name) in [
            (json!({"Headers": {"a": {}}}), "Headers"),
            (json!({"Headers": "a"}), "Headers"),
            (json!({"QueryParameters": "a=b"}), "QueryParameters"),
            (json!({"ApiEndpoint": 1}), "ApiEndpoint"),
            (json!({"Transform": "URL_ENCODED"}), "Transform"),
            (json!({"InvocationConfig": {"ConnectionArn": 1}}), "ConnectionArn"),
        ] {
            assert_eq!(
                said(more),
                format!("The value of the field '{name}' has an invalid format")
            );
        }
        for url in ["no url", "a.example/b", "https://", "https:///a", "https://a/{b}", "ftp://a"] {
            let expected = "The value for the 'ApiEndpoint' field is not valid";
            assert_eq!(said(json!({"ApiEndpoint": url})), expected, "{url}");
        }
        assert!(said(json!({"InvocationConfig": {}})).contains("'ConnectionArn' is required"));
        assert!(said(json!({"InvocationConfig": null})).contains("'InvocationConfig' is required"));
        assert!(said(json!({"ApiEndpoint": null})).contains("'ApiEndpoint' is required"));
        assert!(said(json!({"Authentication": {"ConnectionArn": "d"}})).contains("only be one of"));
        assert!(said(json!({"Mehtod": 1})).contains("\"Mehtod\" is not supported"));
        let format = json!({"RequestBodyEncoding": "URL_ENCODED",
                            "RequestEncodingOptions": {"ArrayFormat": "NONE"}});
        assert!(
            said(json!({"Transform": format})).contains("one of INDICES, REPEAT, COMMAS, BRACKETS")
        );
    }

    #[test]
    fn calls_of_api_gateway_are_checked() {
        let said = |given: Json| check("apigateway", &given).err().unwrap_or_default();
        let call = |name: &str, value: Json| {
            let mut given = json!({"ApiEndpoint": "a", "Method": "GET"});
            if let Json::Object(members) = &mut given {
                members.insert(name, value);
            }
            said(given)
        };
        assert_eq!(call("Headers", json!({"a": ["b"]})), "");
        assert_eq!(call("AllowNullValues", json!(true)), "");
        assert!(
            call("AllowNullValues", json!("true")).contains("'AllowNullValues' has an invalid")
        );
        assert!(call("Headers", json!({"a": "b"})).contains("'Headers' has an invalid format"));
        assert!(call("QueryParameters", json!({"a": [1]})).contains("'QueryParameters' has an"));
        assert!(
            call("AuthType", json!("IAM")).contains("one of NO_AUTH, IAM_ROLE, RESOURCE_POLICY")
        );
        assert!(call("Stage", json!(1)).contains("'Stage' has an invalid format"));
        assert_eq!(
            call("Headers", json!({"X-Forwarded-For": ["a"], "Authorization": ["b"]})),
            "The 'Headers' field contains unsupported values: [x-forwarded-for, authorization]"
        );
    }
}
