//! The guardian of a function's process: the same program, started again between the server and the
//! process. It ends the process, and everything that the process has started, when the server is
//! gone, whatever ended the server. It is the parent of all processes that have lost theirs, so
//! that none can leave the tree.
//!
//! A program that wants guardians calls [`guard_if_asked`] first of all in `main`. In a program
//! that does not, functions are process groups, which outlive a server that is killed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getppid, getrlimit,
    kill_process, pidfd_open, set_child_subreaper, set_parent_process_death_signal, setrlimit,
    wait,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tree::signal_descendants;

/// The first argument of a guardian. The next is the number of the server's process, then follows
/// the function's command.
const GUARD: &str = "--guard-function";

/// The first argument of what becomes the function's process. The next is the guardian's number.
const BECOME: &str = "--become-function";

/// The file of this program, also after another has taken its name.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The number of files that a process of a function may have open, as on Lambda.
const MOST_FILES: u64 = 1_024;

/// How often processes are collected that have ended and have no parent.
const ROUND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Whether this program is a guardian when it is started with [`GUARD`].
static GUARDS: AtomicBool = AtomicBool::new(false);

/// Guards a function's process if this process was started for that. To be called first of all in
/// `main`, which ends with the code that is returned.
pub fn guard_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let asked = arguments.next();
    let is = |what: &str| asked.as_deref().is_some_and(|asked| asked == what);
    if !is(GUARD) && !is(BECOME) {
        let has_program = Path::new(THIS_PROGRAM).exists();
        GUARDS.store(
            has_program && pidfd_open(getpid(), PidfdFlags::empty()).is_ok(),
            Ordering::Relaxed,
        );
        return None;
    }
    let parent = arguments.next().and_then(|id| Pid::from_raw(id.to_str()?.parse().ok()?));
    let line: Vec<OsString> = arguments.collect();
    let (Some(parent), false) = (parent, line.is_empty()) else { return Some(ExitCode::FAILURE) };
    let done = if is(GUARD) { guard(parent, &line) } else { become_function(parent, &line) };
    match done {
        Ok(code) => Some(code),
        Err(error) => {
            let program = line[0].display();
            // The log of the function is what is read here.
            let text = format!("`{program}` cannot be started: {error}\n");
            drop(io::Write::write_all(&mut io::stderr(), text.as_bytes()));
            Some(ExitCode::from(127))
        }
    }
}

/// The command line that runs a function's command under a guardian; `None` in a program that has
/// no guardians.
pub(crate) fn guarded(line: &[OsString]) -> Option<Vec<OsString>> {
    if !GUARDS.load(Ordering::Relaxed) {
        return None;
    }
    let own = getpid().as_raw_nonzero().to_string();
    let first = [THIS_PROGRAM.into(), GUARD.into(), own.into()];
    Some(first.into_iter().chain(line.iter().cloned()).collect())
}

/// Starts the process and waits until it ends or the server does. Ends as the process has ended.
fn guard(server: Pid, line: &[OsString]) -> io::Result<ExitCode> {
    set_child_subreaper(Some(getpid()))?;
    let gone = pidfd_open(server, PidfdFlags::empty())?;
    // The server may have ended before it could be watched.
    if getppid() != Some(server) {
        return Ok(ExitCode::FAILURE);
    }
    let mut command = Command::new(THIS_PROGRAM);
    command.arg(BECOME).arg(getpid().as_raw_nonzero().to_string()).args(line).process_group(0);
    let child = command.spawn()?;
    let child = Pid::from_raw(child.id() as i32).expect("a process has a number");
    let ended = pidfd_open(child, PidfdFlags::empty())?;
    close_standard_streams()?;
    let status = watch(child, &gone, &ended);
    // Whatever it left behind ends with it.
    signal_descendants(getpid(), Signal::KILL);
    match status {
        Some(status) => end_like(status),
        None => Ok(ExitCode::FAILURE),
    }
}

/// Waits for the end of the child. Returns `None` if the server ends first.
fn watch(child: Pid, gone: &OwnedFd, ended: &OwnedFd) -> Option<WaitStatus> {
    loop {
        let mut watched = [PollFd::new(gone, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        // An interruption is a reason to look, too.
        let _ = poll(&mut watched, Some(&ROUND));
        let is_gone = !watched[0].revents().is_empty();
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == child {
                return Some(status);
            }
        }
        if is_gone {
            return None;
        }
    }
}

/// The streams belong to the function's process. Whoever reads them sees their end with it.
fn close_standard_streams() -> io::Result<()> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

/// Ends this process as another has ended.
fn end_like(status: WaitStatus) -> io::Result<ExitCode> {
    if let Some(signal) = status.terminating_signal() {
        limit(Resource::Core, 0)?;
        if let Some(signal) = Signal::from_named_raw(signal) {
            kill_process(getpid(), signal)?;
        }
        return Ok(ExitCode::from(128 + signal as u8));
    }
    Ok(ExitCode::from(status.exit_status().unwrap_or(1) as u8))
}

/// Becomes the function's process, which ends with its guardian and has limits of its own.
fn become_function(guardian: Pid, line: &[OsString]) -> io::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The guardian may have ended before the signal was asked for.
    if getppid() != Some(guardian) {
        return Ok(ExitCode::FAILURE);
    }
    limit(Resource::Nofile, MOST_FILES)?;
    limit(Resource::Core, 0)?;
    Err(Command::new(&line[0]).args(&line[1..]).exec())
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
    Ok(())
}
