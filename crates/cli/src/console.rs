//! Shows people what the projects on a server do.

use crate::report::{self, Failure};
use stepwright_projects::Listener;

/// Prints announcements on standard output, and complaints and the output of tasks on standard
/// error.
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
