//! The routes, and what each of them needs.

use axum::http::Method;

/// What a route requires of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it shows nothing of the server.
    Nothing,
    /// That it is known who asks. What is shown depends on their rights.
    Login,
    /// These actions on all resources.
    All(&'static [&'static str]),
    /// These actions on the resource that the URL names in the first parameter given here, or on all if
    /// it names none there. The page shows nothing but what that parameter names.
    Actions(&'static str, &'static [&'static str]),
    /// The rights of the operation that is asked for.
    Operation,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its method; a route for `GET` is one for `HEAD` too.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// What it requires.
    pub need: Need,
    /// What it shows.
    pub view: View,
}

/// What is shown or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The first page.
    Home,
    /// Executions.
    Executions,
    /// A state machine.
    Machine,
    /// An execution.
    Execution,
    /// What changes on the page of an execution, as JSON.
    Parts,
    /// Some lines of a history, as JSON.
    Events,
    /// One line of a history with its data, as JSON.
    Event,
    /// A map run.
    MapRun,
    /// The map runs.
    MapRuns,
    /// Says when an execution has changed.
    LiveExecution,
    /// Says when some execution has changed.
    Live,
    /// The activities.
    Activities,
    /// The functions.
    Functions,
    /// Queues and buckets of the local services.
    Services,
    /// The executions that are left alone.
    Parked,
    /// An execution as a test file.
    Save,
    /// Tries a state.
    Test,
    /// Starts an execution at a state of another one.
    Fork,
    /// Finds what a text names.
    Find,
    /// The page that an address of AWS's console means.
    OfAws,
    /// Does something.
    Act,
    /// Logs in.
    Login,
    /// Sends the browser to the identity provider.
    Provider,
    /// What the identity provider sends the browser back to.
    Callback,
    /// Logs out.
    Logout,
    /// The style sheet, a part of the script, or the icon.
    Asset(&'static str),
}

/// The path of the route that does something.
pub const ACT: &str = "/console/act";
/// The path of the route that logs in.
pub const LOGIN: &str = "/console/login";
/// The path of the route that sends a browser to the identity provider.
pub const OIDC: &str = "/console/login/oidc";
/// The path of the route that a browser comes back to from there.
pub const OIDC_CALLBACK: &str = "/console/login/oidc/callback";
/// The path of the route that logs out.
pub const LOGOUT: &str = "/console/logout";

const EXECUTION: Need = Need::Actions(
    "arn",
    &[
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "states:DescribeStateMachineForExecution",
    ],
);

const fn get(path: &'static str, need: Need, view: View) -> Route {
    Route { method: Method::GET, path, need, view }
}

const fn post(path: &'static str, need: Need, view: View) -> Route {
    Route { method: Method::POST, path, need, view }
}

/// Every route of the console.
pub static ROUTES: [Route; 31] = [
    get("/", Need::All(&["states:ListStateMachines", "states:ListExecutions"]), View::Home),
    get(
        "/console/executions",
        Need::Actions("machine", &["states:ListExecutions"]),
        View::Executions,
    ),
    get("/console/machine", Need::Actions("arn", &["states:DescribeStateMachine"]), View::Machine),
    get("/console/execution", EXECUTION, View::Execution),
    get("/console/execution/parts", EXECUTION, View::Parts),
    get("/console/execution/events", EXECUTION, View::Events),
    get("/console/execution/event", EXECUTION, View::Event),
    get("/console/execution/live", EXECUTION, View::LiveExecution),
    get("/console/execution/test.yaml", EXECUTION, View::Save),
    get("/console/map-run", Need::Actions("arn", &["states:DescribeMapRun"]), View::MapRun),
    get("/console/map-runs", Need::Login, View::MapRuns),
    get("/console/live", Need::Actions("machine", &["states:ListExecutions"]), View::Live),
    get("/console/activities", Need::All(&["states:ListActivities"]), View::Activities),
    get("/console/functions", Need::All(&["lambda:ListFunctions"]), View::Functions),
    get("/console/services", Need::Login, View::Services),
    get("/console/parked", Need::All(&["stepwright:ManageParkedExecutions"]), View::Parked),
    get("/console/test", Need::Actions("arn", &["states:DescribeStateMachine"]), View::Test),
    get("/console/fork", EXECUTION, View::Fork),
    get("/console/find", Need::Login, View::Find),
    get("/states/home", Need::Login, View::OfAws),
    post(ACT, Need::Operation, View::Act),
    post(LOGIN, Need::Nothing, View::Login),
    get(OIDC, Need::Nothing, View::Provider),
    get(OIDC_CALLBACK, Need::Nothing, View::Callback),
    post(LOGOUT, Need::Login, View::Logout),
    get("/console/console.css", Need::Nothing, View::Asset("console.css")),
    get("/console/console.js", Need::Nothing, View::Asset("console.js")),
    get("/console/base.js", Need::Nothing, View::Asset("base.js")),
    get("/console/data.js", Need::Nothing, View::Asset("data.js")),
    get("/console/drawing.js", Need::Nothing, View::Asset("drawing.js")),
    get("/console/icon.svg", Need::Nothing, View::Asset("icon.svg")),
];
