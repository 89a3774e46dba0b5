//! The Step Functions API over HTTP.
//!
//! [`Api`] has the operations, one file for each. [`serve`] makes them available on a socket,
//! together with the pages for operators: `/health`, `/ready`, `/metrics`, `/parked`, `/logs` and the console.

mod api;
mod archive;
mod assembly;
mod bodies;
pub mod config;
mod connections;
mod console;
mod door;
pub mod encryption;
mod file_body;
mod fork;
mod http;
mod listener;
mod logs;
mod nodes;
mod oidc;
#[expect(clippy::unused_async, reason = "every operation is called in the same way")]
mod operations;
mod otlp;
mod parked;
mod printed;
mod prometheus;
mod rate;
mod reload;
mod resources;
mod services;
mod tls;
mod wire;
mod world;

pub use api::{Api, Settings};
pub use archive::ArchiveError;
pub use assembly::{Assembled, Assembly, AssemblyError};
pub use door::{Allowance, Credentials, Key};
pub use http::{Serving, is_loopback};
pub use listener::{Answering, serve};
pub use logs::LogFiles;
pub use nodes::NodesError;
pub use oidc::OidcError;
pub use otlp::Otlp;
pub use reload::{ReloadError, Reloader};
pub use resources::Resources;
pub use tls::TlsError;
