//! What a server of projects shows people.

use crate::report::{self, Failure};
use stepwright_projects::Listener;

/// Lines on standard output, complaints and what tasks print on standard error.
pub(crate) struct Console;

impl Listener for Console {
    fn announce(&self, line: &str) {
        report::announce(line);
    }

    fn complain(&self, line: &str) {
        report::failure(&Failure::new(line));
    }

    fn printed(&self, line: &str) {
        report::function_printed(line);
    }
}
