//! Shows people what the projects on a server do.

use crate::report::{self, Failure};
use std::sync::Arc;
use stepwright_functions::LogLine;
use stepwright_projects::Listener;
use stepwright_terminal::Screen;

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

/// Shows what the functions and the project of a run print, above the line that says where it stands.
pub(crate) struct OnScreen {
    pub(crate) screen: Arc<Screen>,
    /// Whether the output of functions is shown.
    pub(crate) logs: bool,
}

impl OnScreen {
    pub(crate) fn function(&self, line: &LogLine<'_>) {
        if self.logs {
            self.screen.print(&format!("{:>9}  {} │ {}", "", line.function, line.text));
        }
    }
}

impl Listener for OnScreen {
    fn announce(&self, _line: &str) {}

    fn complain(&self, line: &str) {
        self.screen.print(line);
    }

    fn printed(&self, line: &str) {
        if self.logs {
            self.screen.print(line);
        }
    }
}
