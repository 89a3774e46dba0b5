//! A process and all that it started.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// The largest number of processes of a function, as on Lambda.
pub(crate) const MOST_MEMBERS: usize = 1_024;

/// How often the tree is looked through for processes that were started while it was.
const MOST_LOOKS: usize = 100;

/// A process of a function with all that it started, directly or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    root: Pid,
    /// Whether the root is a guardian, which belongs to the server and not to the function.
    is_guarded: bool,
}

impl Tree {
    /// The tree of a child that leads a process group. `None` if the child has ended.
    pub(crate) fn of(child: &Child, is_guarded: bool) -> Option<Self> {
        let root = Pid::from_raw(child.id()? as i32)?;
        Some(Self { root, is_guarded })
    }

    /// The processes that belong to the function, the first one first.
    pub(crate) fn members(self) -> Vec<Pid> {
        let mut members = descendants(self.root);
        if !self.is_guarded {
            members.insert(0, self.root);
        }
        members
    }

    /// The memory that these processes use, in bytes. `None` if the system does not tell; only
    /// Linux does.
    pub(crate) fn resident(members: &[Pid]) -> Option<u64> {
        let page = rustix::param::page_size() as u64;
        let pages = members.iter().map(|process| pages(*process));
        // One that has ended in the meantime uses none.
        let known: Vec<u64> = pages.flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<u64>() * page)
    }

    /// Sends a signal to all processes of the function. Those that are killed start no others
    /// meanwhile.
    pub(crate) fn signal(self, signal: Signal) {
        // Processes that have ended need no signal.
        if !self.is_guarded {
            let _ = kill_process_group(self.root, signal);
        }
        signal_descendants(self.root, signal);
    }
}

/// Sends a signal to all processes that a process has started, directly or not. If they are to be
/// killed, this is repeated until there are none.
pub(crate) fn signal_descendants(root: Pid, signal: Signal) {
    let mut told: Vec<Pid> = Vec::new();
    for _ in 0..MOST_LOOKS {
        let mut found = descendants(root);
        found.retain(|process| !told.contains(process));
        if found.is_empty() {
            return;
        }
        for process in &found {
            let _ = kill_process(*process, signal);
        }
        if signal != Signal::KILL {
            return;
        }
        told.extend(found);
    }
}

/// The processes that a process has started, directly or not, and that have not ended.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            // Processes may start others while they are counted, so their number is limited.
            if found.len() > 2 * MOST_MEMBERS {
                return found;
            }
            if !has_ended(child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

/// The processes that the threads of a process have started. Those whose parent has ended are
/// listed with the guardian.
fn children(process: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let mut found = Vec::new();
    for thread in threads {
        let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let ids = text.split_ascii_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?));
        found.extend(ids);
    }
    found
}

/// Whether a process has ended, and only waits for its parent to take notice.
fn has_ended(process: Pid) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name stands in parentheses and may contain any character.
    let state = text.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_none_or(|rest| rest.starts_with(['Z', 'X']))
}

fn pages(process: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
