//! The console: the pages of a server.
//!
//! [`Console::answer`] answers a request for one of [`ROUTES`]. It is the server that decides who may ask:
//! each route says what it [needs](Need), and everything that a page does goes through
//! [`Visit::call`], with the rights of whoever visits it. The pages are written here, and work without
//! a script as far as reading and acting go; the script in `assets` adds what moves.

mod act;
mod assets;
mod contents;
mod drawing;
mod event;
mod events;
mod execution;
mod fields;
mod find;
mod fork;
mod home;
mod list;
mod live;
mod login;
mod machine;
mod map_run;
mod map_run_list;
mod order;
#[expect(clippy::unused_async, reason = "every page is asked for in the same way")]
mod others;
mod page;
mod parked;
mod redacted;
mod routes;
mod save;
mod status;
mod story;
mod test;
mod text;
mod why;

pub use act::{Asked, asked};
pub use fields::Fields;
pub use live::Watch;
pub use login::{LoginPage, WRONG_KEY, arrived_page};
pub use page::{Looks, refusal_page, sealed};
pub use routes::{ACT, LOGIN, LOGOUT, Need, OIDC, OIDC_CALLBACK, ROUTES, Route, View};

use axum::response::Response;
use drawing::Drawings;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Engine, Machine};
use stepwright_functions::{Functions, Printed};
use stepwright_json::Json;
use stepwright_protocol::ApiError;
use stepwright_search::{Redaction, Search};
use story::Stories;

/// The future of an answer to a visitor.
pub type Pending<'v, T> = Pin<Box<dyn Future<Output = T> + Send + 'v>>;

/// Somebody who looks at a page, and the server that they look at.
pub trait Visit: Send + Sync {
    /// The engine.
    fn engine(&self) -> &Engine;

    /// The functions.
    fn functions(&self) -> &Functions;

    /// What functions have printed lately at all nodes, all that is remembered or for one request.
    fn printed(&self, request_id: Option<String>) -> Pending<'_, Vec<Printed>>;

    /// The visitor's key; `None` if the server has no keys.
    fn who(&self) -> Option<&str>;

    /// What forms must send along, so that no other page can send them; `None` if the visitor may not
    /// do anything, because the browser would send the login by itself.
    fn token(&self) -> Option<&str>;

    /// Whether the visitor has a right.
    fn may(&self, action: &str, resource: &str) -> bool;

    /// Whether what has this ARN is in the account that the visitor belongs to. Others are not shown.
    fn owns(&self, arn: &str) -> bool;

    /// The state machines of the visitor's account.
    fn machines(&self) -> Vec<Arc<Machine>> {
        let mut machines = self.engine().catalogue().machines();
        machines.retain(|machine| self.owns(&machine.arn));
        machines
    }

    /// Calls an operation of Step Functions in the name of the visitor, if they may.
    fn call(&self, operation: &'static str, body: Json) -> Pending<'_, Result<Json, ApiError>>;

    /// Forks an execution in the name of the visitor, if they may.
    fn fork(&self, body: Json) -> Pending<'_, Result<Json, ApiError>>;

    /// Calls an operation of a local service in the name of the visitor, if they may. The error is for a
    /// person to read.
    fn service(
        &self,
        service: &'static str,
        operation: &'static str,
        input: Json,
    ) -> Pending<'_, Result<Json, String>>;
}

/// A request for a page.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The parameters in its URL.
    pub query: Fields,
    /// How the visitor wants pages to look.
    pub looks: Looks,
    /// What is to be done, if a form was sent.
    pub asked: Option<Asked>,
    /// How long the answer may take to be read, for one that does not end by itself.
    pub longest: Duration,
}

/// The pages, and what they keep from one request to the next.
#[derive(Debug, Default)]
pub struct Console {
    stories: Stories,
    drawings: Drawings,
    watch: Arc<Watch>,
    /// Finds executions by what is in them, if that is not turned off.
    search: Option<Arc<Search>>,
    /// What is not shown.
    redaction: Redaction,
}

impl Console {
    /// A console that finds executions by what is in them, and leaves out what is not to be shown.
    pub fn new(search: Option<Arc<Search>>, redaction: Redaction) -> Self {
        Self { search, redaction, ..Self::default() }
    }

    /// The search, if it is not turned off.
    pub fn search(&self) -> Option<&Arc<Search>> {
        self.search.as_ref()
    }

    /// Tells the pages that are open of every turn. To be put among the engine's observers.
    pub fn watch(&self) -> Arc<Watch> {
        self.watch.clone()
    }

    /// Ends what does not end by itself, because the server stops.
    pub fn close(&self) {
        self.watch.close();
    }

    /// Answers a request whose sender may make it.
    pub async fn answer(&self, visit: &dyn Visit, view: View, ask: Ask) -> Response {
        let answer = match view {
            View::Home => home::page(visit, &ask).await,
            View::Executions => list::page(self, visit, &ask).await,
            View::Machine => machine::page(self, visit, &ask).await,
            View::Execution => execution::page(self, visit, &ask).await,
            View::Parts => execution::parts(self, visit, &ask).await,
            View::Events => events::window(self, visit, &ask).await,
            View::Event => event::details(self, visit, &ask).await,
            View::Save => save::test_file(self, visit, &ask).await,
            View::MapRun => map_run::page(visit, &ask).await,
            View::MapRuns => map_run_list::page(visit, &ask).await,
            View::LiveExecution => live::execution(self, visit, &ask).await,
            View::Live => Ok(live::any(self, visit, &ask)),
            View::Activities => others::activities(visit, &ask).await,
            View::Functions => others::functions(visit, &ask).await,
            View::Services => others::services(visit, &ask).await,
            View::Parked => parked::page(visit, &ask).await,
            View::Test => test::page(self, visit, &ask).await,
            View::Fork => fork::page(self, visit, &ask).await,
            View::Find => find::page(self, visit, &ask).await,
            View::OfAws => Ok(find::of_aws(visit, &ask)),
            View::Act => act::act(self, visit, &ask).await,
            View::Asset(name) => Ok(assets::asset(name)),
            View::Login | View::Provider | View::Callback | View::Logout => {
                Err(page::Refusal::missing("nothing is shown here"))
            }
        };
        let answer = answer.unwrap_or_else(|refusal| page::refused(visit, &ask, &refusal));
        sealed(answer)
    }
}
