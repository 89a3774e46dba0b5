//! How soon memory that is free goes back to the system.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What the allocator reads once, before `main`: after how many milliseconds it gives back what is free.
const DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// A tenth of what it is otherwise. What large executions leave behind within a second can be as much as
/// all that is in use; what is needed again within a tenth of a second stays.
const MILLISECONDS: &str = "100";

/// Starts this program again with the delay, in the same process, unless the environment has one
/// already. If that is not possible, the program goes on as it is.
pub(crate) fn give_back_early() {
    if std::env::var_os(DELAY).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // This comes back only if it is not possible.
    let _: std::io::Error = again.args(arguments).env(DELAY, MILLISECONDS).exec();
}
