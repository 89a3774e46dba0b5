//! A node whose clock is wrong is refused.

#[path = "../../store/tests/support/cluster.rs"]
mod cluster;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_engine::{Clock, SystemClock};
use stepwright_functions::{Functions, Place};
use stepwright_history::Moment;
use stepwright_server::Assembly;
use stepwright_server::config::ServerConfig;

/// A clock that is ahead of the right time, or behind it.
struct Shifted(i64);

impl Clock for Shifted {
    fn now(&self) -> Moment {
        Moment(SystemClock.now().0 + self.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_an_hour_wrong_is_refused() {
    let Some(url) = cluster::database() else { return };
    let open = async |shift: i64| {
        let place = Place { account: "123456789012".to_owned(), region: "us-east-1".to_owned() };
        let functions = Functions::new(BTreeMap::new(), PathBuf::new(), place);
        let functions = functions.expect("there are none");
        let store = Some(url.clone());
        let server = ServerConfig { store, search: Some(false), ..ServerConfig::default() };
        let clock = Arc::new(Shifted(shift));
        Assembly { server, clock, ..Assembly::new(functions) }.assemble().await
    };
    for (shift, expected) in [
        (3_600_000, "is 3600 seconds ahead of that of the store"),
        (-3_600_000, "is 3600 seconds behind that of the store"),
    ] {
        let Err(error) = open(shift).await else { panic!("a clock {shift} ms wrong is taken") };
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            said = format!("{said}: {cause}");
            source = cause.source();
        }
        // Clocks are read a moment apart.
        let said = said.replace("3599", "3600").replace("3601", "3600");
        assert!(said.contains(expected), "{said}");
    }
    // A minute is nothing that anybody must do something about. Nobody has the store.
    let opened = open(60_000).await.expect("it opens");
    opened.api.engine().shutdown().await;
}
