//! The pages: who sees which, who may do what, and how browsers log in.

use crate::support::{Answer, KEY, Request, SECRET, Server, key, master, reload, server};
use stepwright_console::{Need, ROUTES, Route, View};
use stepwright_server::config::ServerConfig;

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:order";
const OTHER: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:other";

async fn started(credentials: Vec<stepwright_server::config::CredentialConfig>) -> Server {
    let server = Server::start(ServerConfig { answer_seconds: 1, ..server() }, credentials).await;
    for name in ["order", "other"] {
        let definition =
            r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}"#;
        let body = stepwright_json::json!({
            "name": (name),
            "roleArn": "arn:aws:iam::123456789012:role/r",
            "definition": (definition)
        });
        let made = server.serving.api.call("CreateStateMachine", body).await;
        made.expect("it is created");
    }
    for (machine, name) in [(MACHINE, "one"), (OTHER, "two")] {
        let body = stepwright_json::json!({"stateMachineArn": (machine), "name": (name)});
        server.serving.api.call("StartExecution", body).await.expect("it starts");
    }
    server
}

/// The URL of a page about something. The parameters of other pages, which name something else, change
/// nothing.
fn url(route: &Route, about: &str, other: &str) -> String {
    let parameter = match route.need {
        Need::Actions(parameter, _) => parameter,
        _ => "none",
    };
    let others = ["arn", "machine", "executionArn", "stateMachineArn", "resource"];
    let others = others.iter().filter(|name| **name != parameter);
    let others: String = others.map(|name| format!("&{name}={other}")).collect();
    format!("{}?{parameter}={about}{others}", route.path)
}

/// What a page is asked about.
fn about(route: &Route) -> &'static str {
    match route.view {
        View::Machine | View::Test | View::Executions | View::Live => MACHINE,
        View::MapRun => "arn:aws:states:us-east-1:123456789012:mapRun:order/Each:1",
        _ => "arn:aws:states:us-east-1:123456789012:execution:order:one",
    }
}

fn pages() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.method == "GET")
}

/// A login: the cookie, and the text of the forms.
async fn login(server: &Server) -> (String, String) {
    let form = form(&[("key", KEY), ("secret", SECRET), ("next", "/console/services")]);
    let answer = server.ask(&Request::new("POST", "/console/login").with_body(&form)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.headers.get("location").map(String::as_str), Some("/console/services"));
    let set = answer.headers.get("set-cookie").expect("there is a cookie");
    assert!(set.contains("; HttpOnly; SameSite=Strict") && set.contains("Path=/"), "{set}");
    let cookie = set.split(';').next().expect("there is a value").to_owned();
    let page = server.ask(&Request::new("GET", "/console/services").with("cookie", &cookie)).await;
    assert_eq!(page.status, 200, "{page:?}");
    (cookie, token(&page))
}

/// The text of the forms of a page.
fn token(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"token\" value=\"").expect("it has a form");
    rest.split('"').next().expect("the value ends").to_owned()
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn start(token: &str, machine: &str) -> Request {
    let fields = [
        ("operation", "StartExecution"),
        ("token", token),
        ("stateMachineArn", machine),
        ("input", "{}"),
    ];
    Request::new("POST", "/console/act").with_body(&form(&fields))
}

#[tokio::test]
async fn each_page_needs_its_rights_on_what_it_shows() {
    for route in pages() {
        let (Need::All(actions) | Need::Actions(_, actions)) = route.need else { continue };
        let path = url(route, about(route), OTHER);
        let ask = async |actions: &[&str], resource: &str| {
            let server = started(vec![key(actions, &[resource])]).await;
            let request = Request::new("GET", &path).signed(server.address);
            server.ask(&request).await
        };
        let right = ask(actions, "*").await;
        assert!(matches!(right.status, 200 | 404), "{path}: {right:?}");
        // Nobody gets everything by naming something.
        let other = ask(actions, OTHER).await;
        assert_eq!(other.status, 403, "{path}: {other:?}");
        if let Need::Actions(..) = route.need {
            let only = ask(actions, about(route)).await;
            assert_eq!(only.status, right.status, "{path}: {only:?}");
            assert!(!only.body.contains(":other"), "{path}: {only:?}");
        }
        // Without one of its rights, there is nothing to see.
        for missing in actions {
            let others: Vec<&str> =
                actions.iter().copied().filter(|action| action != missing).collect();
            let refused = ask(&others, "*").await;
            assert_eq!(refused.status, 403, "{path} without {missing}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_browser_gets_the_page_of_the_login_wherever_it_goes() {
    let server = started(vec![master()]).await;
    let mut bodies = Vec::new();
    for path in ["/", "/console/execution?arn=x", "/nowhere", "/metrics", "//evil.example"] {
        let request = Request::new("GET", path).with("accept", "text/html,*/*;q=0.8");
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        let next = if path == "//evil.example" { "/" } else { path };
        let named = format!("name=\"next\" value=\"{next}\"");
        assert!(answer.body.contains(&named), "{answer:?}");
        assert!(!answer.headers.contains_key("www-authenticate"), "{answer:?}");
        let policy = answer.headers.get("content-security-policy").expect("there is a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        bodies.push(answer.body.replace(&named, ""));
    }
    // It does not tell whether there is such a page.
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_login_is_for_pages_only_and_its_forms_are_from_pages() {
    let server = started(vec![master()]).await;
    let (cookie, token) = login(&server).await;
    let with = |request: Request| request.with("cookie", &cookie);
    assert_eq!(server.ask(&with(start(&token, MACHINE))).await.status, 303);
    for (what, request) in [
        ("nothing", with(start("", MACHINE))),
        ("a guess", with(start(&"0".repeat(64), MACHINE))),
        ("no cookie", start(&token, MACHINE)),
        ("another page", with(start(&token, MACHINE)).with("origin", "https://evil.example")),
        ("another host", with(start(&token, MACHINE)).with("host", "evil.example")),
        ("the API", with(Request::operation("ListStateMachines", "{}"))),
        ("a function", with(Request::new("POST", crate::support::FUNCTION).with_body("{}"))),
        ("parked", with(Request::new("POST", "/parked").with_body("{}"))),
        ("a wrong cookie", start(&token, MACHINE).with("cookie", &cookie[..cookie.len() - 1])),
        ("twice", with(with(start(&token, MACHINE)))),
    ] {
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    // What a form may not ask for.
    let delete = form(&[("operation", "DeleteStateMachine"), ("token", &token)]);
    let answer = server.ask(&with(Request::new("POST", "/console/act").with_body(&delete))).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let out = form(&[("token", &token)]);
    let answer = server.ask(&with(Request::new("POST", "/console/logout").with_body(&out))).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(server.ask(&with(Request::new("GET", "/"))).await.status, 401);
    assert_eq!(server.ask(&with(start(&token, MACHINE))).await.status, 403);
}

#[tokio::test]
async fn a_form_needs_the_rights_of_its_operation() {
    let reader = key(&["states:List*", "states:Describe*", "states:Get*"], &["*"]);
    let server = started(vec![reader]).await;
    let (cookie, token) = login(&server).await;
    let execution = "arn:aws:states:us-east-1:123456789012:execution:order:one";
    for (operation, member, value) in [
        ("StartExecution", "stateMachineArn", MACHINE),
        ("StartSyncExecution", "stateMachineArn", MACHINE),
        ("StopExecution", "executionArn", execution),
        ("RedriveExecution", "executionArn", execution),
        ("SendTaskSuccess", "taskToken", "x"),
        ("SendTaskFailure", "taskToken", "x"),
        ("SendTaskHeartbeat", "taskToken", "x"),
        ("UpdateMapRun", "mapRunArn", "x"),
        ("TestState", "definition", "{}"),
        ("RetryParked", "executionArn", execution),
        ("AbortParked", "executionArn", execution),
        ("ForkExecution", "executionArn", execution),
    ] {
        let fields = form(&[("operation", operation), ("token", &token), (member, value)]);
        let request = Request::new("POST", "/console/act").with_body(&fields);
        let answer = server.ask(&request.with("cookie", &cookie)).await;
        assert_eq!(answer.status, 403, "{operation}: {answer:?}");
    }
    // On one machine only.
    let starter = key(&["states:StartExecution"], &[MACHINE]);
    let server = started(vec![starter]).await;
    let (cookie, token) = login(&server).await;
    for (machine, expected) in [(MACHINE, 303), (OTHER, 403)] {
        let answer = server.ask(&start(&token, machine).with("cookie", &cookie)).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_fork_needs_the_rights_to_all_that_it_does() {
    let execution = "arn:aws:states:us-east-1:123456789012:execution:order:one";
    let all = [
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "states:StartExecution",
        "stepwright:ForkExecution",
    ];
    let changed = r#"{"StartAt":"W","States":{"W":{"Type":"Succeed"}}}"#;
    let fork = async |actions: &[&str], resource: &str, definition: &str| {
        let server = started(vec![key(actions, &[resource])]).await;
        let (cookie, token) = login(&server).await;
        let fields = [
            ("operation", "ForkExecution"),
            ("token", &token),
            ("executionArn", execution),
            ("state", "W"),
            ("definition", definition),
        ];
        let request = Request::new("POST", "/console/act").with_body(&form(&fields));
        let by_form = server.ask(&request.with("cookie", &cookie)).await.status;
        let body = stepwright_json::json!({"executionArn": (execution), "state": "W"});
        let mut body = body.as_object().cloned().expect("it is one");
        if !definition.is_empty() {
            body.insert("definition", definition.into());
        }
        let body = stepwright_json::Json::Object(body).to_string();
        let request = Request::new("POST", "/fork").with_body(&body).signed(server.address);
        let by_api = server.ask(&request).await.status;
        (by_form, by_api)
    };
    assert_eq!(fork(&all, "*", "").await, (303, 200));
    for missing in all {
        let others: Vec<&str> = all.into_iter().filter(|action| *action != missing).collect();
        assert_eq!(fork(&others, "*", "").await, (403, 400), "without {missing}");
    }
    assert_eq!(fork(&all, OTHER, "").await, (403, 400), "on another machine");
    // Whoever may not change the machine may not change what its executions do.
    assert_eq!(fork(&all, "*", changed).await, (403, 400));
    let more = [&all[..], &["states:UpdateStateMachine"]].concat();
    assert_eq!(fork(&more, "*", changed).await, (303, 200));
}

#[tokio::test]
async fn without_keys_forms_are_from_pages_too() {
    let server = started(Vec::new()).await;
    let page = server.ask(&Request::new("GET", &format!("/console/machine?arn={MACHINE}"))).await;
    assert_eq!(page.status, 200, "{page:?}");
    let token = token(&page);
    assert_eq!(server.ask(&start(&token, MACHINE)).await.status, 303);
    for wrong in ["", "x", &token[1..]] {
        assert_eq!(server.ask(&start(wrong, MACHINE)).await.status, 403, "{wrong}");
    }
    let foreign = start(&token, MACHINE).with("origin", "https://evil.example");
    assert_eq!(server.ask(&foreign).await.status, 403);
}

#[tokio::test]
async fn a_page_is_told_of_changes_until_the_server_stops() {
    let server = started(Vec::new()).await;
    let path =
        "/console/execution/live?arn=arn:aws:states:us-east-1:123456789012:execution:order:one";
    let told = server.ask(&Request::new("GET", path)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.body.contains("\"status\":\"RUNNING\""), "{told:?}");
    let asking = Request::new("GET", path);
    let waiting = server.ask(&asking);
    let stopping = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let body = stepwright_json::json!({
            "executionArn": "arn:aws:states:us-east-1:123456789012:execution:order:one"
        });
        server.serving.api.call("StopExecution", body).await.expect("it is stopped");
    };
    let (told, ()) = tokio::join!(waiting, stopping);
    assert!(told.body.contains("\"status\":\"ABORTED\""), "{told:?}");
    let missing = server.ask(&Request::new("GET", &path.replace(":one", ":none"))).await;
    assert_eq!(missing.status, 404, "{missing:?}");
    // It does not keep the server from stopping.
    let (begun, asking) = (std::time::Instant::now(), Request::new("GET", "/console/live"));
    let closing = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        server.serving.console.close();
    };
    let (told, ()) = tokio::join!(server.ask(&asking), closing);
    assert_eq!(told.status, 200, "{told:?}");
    assert!(begun.elapsed() < std::time::Duration::from_millis(600));
}

#[tokio::test]
async fn what_is_in_executions_is_found_by_who_may_see_it_and_never_what_is_redacted() {
    let redact = vec!["$.card".to_owned(), "$..pin".to_owned()];
    let actions = [
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "states:DescribeStateMachine",
        "states:DescribeStateMachineForExecution",
    ];
    let of = |machine: &str| format!("{}:*", machine.replace(":stateMachine:", ":execution:"));
    let only = [of(MACHINE), MACHINE.to_owned()];
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    for (resources, expected) in [(&["*"][..], &["three", "four"][..]), (&only, &["three"])] {
        let config = ServerConfig { redact: redact.clone(), ..server() };
        let server = Server::start(config, vec![key(&actions, resources)]).await;
        for (machine, name) in [("order", "three"), ("other", "four")] {
            let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
            let body = stepwright_json::json!({
                "name": machine, "roleArn": "arn:aws:iam::123456789012:role/r", "definition": definition
            });
            let made = server.serving.api.call("CreateStateMachine", body).await;
            let made = made.expect("it is created");
            let arn = made.get("stateMachineArn").expect("it has one").clone();
            let input =
                r#"{"customer": "Lovelace", "card": {"number": 47110815}, "a": {"pin": 1234}}"#;
            let body =
                stepwright_json::json!({"stateMachineArn": arn, "name": name, "input": input});
            server.serving.api.call("StartExecution", body).await.expect("it starts");
        }
        let ask = async |path: &str| {
            let answer = server.ask(&Request::new("GET", path).signed(server.address)).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            answer.body
        };
        let found = |page: &str| {
            let names = ["three", "four"].into_iter();
            names.filter(|name| page.contains(&format!(">{name}</bdi></a>"))).collect::<Vec<_>>()
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while found(&ask("/console/find?q=lovelace").await) != expected {
            assert!(std::time::Instant::now() < end, "they are not found");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for redacted in ["47110815", "1234"] {
            let page = ask(&format!("/console/find?q={redacted}")).await;
            assert_eq!(found(&page), [] as [&str; 0], "{page}");
        }
        let arn = "arn=arn:aws:states:us-east-1:123456789012:execution:order:three";
        for path in ["/console/execution", "/console/execution/events", "/console/execution/event"]
        {
            let page = ask(&format!("{path}?{arn}&row=0")).await;
            assert!(!page.contains("47110815") && !page.contains("1234}"), "{page}");
        }
        let page = ask(&format!("/console/execution/event?{arn}&row=0")).await;
        assert!(page.contains("Lovelace") && page.contains("[redacted]"), "{page}");
    }
}

#[tokio::test]
async fn what_is_redacted_goes_on_in_a_fork_as_it_is() {
    let config = ServerConfig { redact: vec!["$..card".to_owned()], ..server() };
    let server = Server::start(config, Vec::new()).await;
    let definition = r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{
        "A":{"Type":"Pass","Assign":{"secret":{"card":"{% $states.input.card %}"}},"Next":"B"},
        "B":{"Type":"Pass","Output":"{% [$secret, $states.input] %}","End":true}}}"#;
    let call =
        async |name: &str, body| server.serving.api.call(name, body).await.expect("it is done");
    let body = stepwright_json::json!({
        "name": "order", "roleArn": "arn:aws:iam::123456789012:role/r", "definition": definition
    });
    call("CreateStateMachine", body).await;
    let input = r#"{"card": 47110815, "b": 1.5}"#;
    let body =
        stepwright_json::json!({"stateMachineArn": (MACHINE), "name": "one", "input": input});
    call("StartExecution", body).await;
    let execution = "arn:aws:states:us-east-1:123456789012:execution:order:one";
    let path = format!("/console/fork?arn={execution}&state=B");
    let page = server.ask(&Request::new("GET", &path)).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("[redacted]") && !page.body.contains("47110815"), "{page:?}");
    // As a browser sends the form that it was shown.
    let shown = |name: &str| {
        let (_, rest) =
            page.body.split_once(&format!("<textarea name=\"{name}\"")).expect("a field");
        let (_, rest) = rest.split_once(">\n").expect("it begins");
        let text = rest.split("</textarea>").next().expect("it ends");
        text.replace("&quot;", "\"").replace('\n', "\r\n")
    };
    let (input, variables) = (shown("input"), shown("variables"));
    let fork = async |name: &str, input: &str| {
        let fields = [
            ("operation", "ForkExecution"),
            ("token", &token(&page)),
            ("executionArn", execution),
            ("state", "B"),
            ("name", name),
            ("input", input),
            ("variables", &variables),
        ];
        let request = Request::new("POST", "/console/act").with_body(&form(&fields));
        let answer = server.ask(&request).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let arn = execution.replace(":one", &format!(":{name}"));
        let body = stepwright_json::json!({"executionArn": (arn.as_str())});
        let ended = call("DescribeExecution", body).await;
        ended.get("output").and_then(stepwright_json::Json::as_str).unwrap_or_default().to_owned()
    };
    let output = fork("two", &input).await;
    assert_eq!(output, r#"[{"card":47110815},{"card":47110815,"b":1.5}]"#);
    // Of a field that was changed, what is not shown is what it was.
    let output = fork("three", &input.replace("1.5", "2")).await;
    assert_eq!(output, r#"[{"card":47110815},{"card":47110815,"b":2}]"#);
    // What a fork begins with is not shown either.
    let arn = execution.replace(":one", ":two");
    let path = format!("/console/execution/event?arn={arn}&row=1");
    let event = server.ask(&Request::new("GET", &path)).await;
    assert!(event.body.contains("secret") && !event.body.contains("47110815"), "{event:?}");
}

#[tokio::test]
async fn what_is_redacted_starts_as_it_is_and_is_in_no_result() {
    let config = ServerConfig { redact: vec!["$..card".to_owned()], ..server() };
    let server = Server::start(config, Vec::new()).await;
    let definition = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
    let call =
        async |name: &str, body| server.serving.api.call(name, body).await.expect("it is done");
    for (name, kind) in [("order", "STANDARD"), ("quick", "EXPRESS")] {
        let body = stepwright_json::json!({
            "name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "type": kind,
            "definition": definition
        });
        call("CreateStateMachine", body).await;
    }
    let input = r#"{"card": 47110815, "items": [{"card": 1}, {"card": 2}], "b": 1.5}"#;
    let body =
        stepwright_json::json!({"stateMachineArn": (MACHINE), "name": "one", "input": input});
    call("StartExecution", body).await;
    let execution = "arn:aws:states:us-east-1:123456789012:execution:order:one";
    let path = format!("/console/machine?arn={MACHINE}&input_of={execution}");
    let page = server.ask(&Request::new("GET", &path)).await;
    assert!(page.body.contains("[redacted]") && !page.body.contains("47110815"), "{page:?}");
    let hidden = format!("name=\"inputOf\" value=\"{execution}\"");
    assert!(page.body.contains(&hidden), "{page:?}");
    let send = async |operation: &str, machine: &str, name: &str, input: &str| {
        let fields = [
            ("operation", operation),
            ("token", &token(&page)),
            ("stateMachineArn", machine),
            ("name", name),
            ("input", input),
            ("inputOf", execution),
            ("definition", definition),
            ("stateName", "A"),
            ("inspectionLevel", "DEBUG"),
        ];
        server.ask(&Request::new("POST", "/console/act").with_body(&form(&fields))).await
    };
    // As the form was shown, and with something changed that is shown.
    let shown = r#"{"card": "[redacted]", "items": [{"card": "[redacted]"}, {"card": "[redacted]"}], "b": 2}"#;
    let answer = send("StartExecution", MACHINE, "two", shown).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let arn = execution.replace(":one", ":two");
    let body = stepwright_json::json!({"executionArn": (arn.as_str())});
    let started = call("DescribeExecution", body).await;
    let meant = r#"{"card":47110815,"items":[{"card":1},{"card":2}],"b":2}"#;
    assert_eq!(started.get("input").and_then(stepwright_json::Json::as_str), Some(meant));
    // Where it cannot be known what is meant, nothing is started.
    let unclear = r#"{"items": [{"card": "[redacted]"}]}"#;
    let refused = send("StartExecution", MACHINE, "three", unclear).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("write the value itself"), "{refused:?}");
    // Neither what an Express execution returns nor what a test says shows it.
    let quick = MACHINE.replace(":order", ":quick");
    for operation in ["StartSyncExecution", "TestState"] {
        for input in [input, shown] {
            let answer = send(operation, &quick, "", input).await;
            assert_eq!(answer.status, 200, "{operation}: {answer:?}");
            assert!(answer.body.contains("Result"), "{operation}: {answer:?}");
            let results = answer.body.replace("47110815, ", "");
            let is_typed = operation == "TestState" && input.contains("47110815");
            // What somebody has typed stands in the field where they have typed it.
            let count = results.matches("47110815").count();
            assert!(count == 0 || is_typed && count == 1, "{operation}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_login_ends_when_its_secret_is_replaced() {
    let server = started(vec![master()]).await;
    let (cookie, _) = login(&server).await;
    let look = async || {
        let page = Request::new("GET", "/console/services").with("cookie", &cookie);
        server.ask(&page.with("accept", "text/html")).await.status
    };
    assert_eq!(look().await, 200);
    let reloader = server.serving.reloader();
    let plain = crate::support::server();
    reload(&reloader, &plain, &[master()], &[], None).await.expect("it is as it was");
    assert_eq!(look().await, 200);
    let mut other = master();
    other.secret_access_key = Some("another secret".to_owned());
    reload(&reloader, &plain, &[other], &[], None).await.expect("it is valid");
    assert_eq!(look().await, 401);
}

#[tokio::test]
async fn a_list_leaves_no_filter_out_in_silence() {
    let server = started(Vec::new()).await;
    let list = async |query: &str| {
        let path = format!("/console/executions?{query}");
        let answer = server.ask(&Request::new("GET", &path)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    };
    let named = |page: &str| page.contains("execution:order:one") || page.contains("order%3Aone");
    // From the newest, it says before when they started; from the oldest, from when on.
    for (order, before, after) in [("", true, false), ("order=oldest&", false, true)] {
        for (at, is_there) in [("2999-01-01T00:00", before), ("2001-01-01T00:00", after)] {
            let page = list(&format!("{order}until={at}")).await;
            assert_eq!(named(&page), is_there, "{order}until={at}: {page}");
        }
    }
    for query in ["order=ended", &format!("machine={MACHINE}&prefix=o")] {
        let page = list(&format!("{query}&until=2001-01-01T00:00")).await;
        assert!(!named(&page) && page.contains("from the oldest only"), "{page}");
    }
}
