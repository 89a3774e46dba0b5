//! Lets long work give way to what is short.
//!
//! Work that takes long has a lower priority, and leaves one processor to others altogether. A low
//! priority alone is not enough: whoever wakes up on a processor that is busy waits until the system
//! looks at that processor again, which is some milliseconds each time.
//!
//! ```
//! std::thread::spawn(|| {
//!     stepwright_background::give_way();
//!     for item in 0..1_000_000 {
//!         // Something that takes long.
//!         stepwright_background::breathe();
//!     }
//! });
//! ```

#[cfg(target_os = "linux")]
use rustix::process::Pid;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How much lower the priority is, as `nice` counts: as low as it can be, a seventieth of the share. Linux
/// gives each thread whose turn it is some three milliseconds, whatever its priority, and those of a low
/// one the more rarely.
#[cfg(target_os = "linux")]
const NICER: i32 = 19;

/// How long a thread goes on before it asks whether somebody else waits for its processor.
const BREATH: Duration = Duration::from_micros(500);

thread_local! {
    /// When the thread gave others their turn last, if it does so.
    static BREATHED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Gives others their turn, if the current thread [gives way](give_way), or does so
/// [for a while](giving_turns), and has not done so for half a millisecond; does nothing otherwise. Linux lets a thread that has begun its slice end it, four
/// milliseconds at worst, whatever waits and whatever its priority: hence this, within what takes long.
pub fn breathe() {
    BREATHED.with(|breathed| {
        if breathed.get().is_some_and(|last| last.elapsed() > BREATH) {
            std::thread::yield_now();
            breathed.set(Some(Instant::now()));
        }
    });
}

/// Does something that may take long, and gives others their turn meanwhile whenever it
/// [breathes](breathe). The thread keeps its priority.
pub fn giving_turns<R>(work: impl FnOnce() -> R) -> R {
    /// Also when the work panics, the thread is then as it was.
    struct Before(Option<Instant>);
    impl Drop for Before {
        fn drop(&mut self) {
            BREATHED.set(self.0);
        }
    }
    let _before = Before(BREATHED.replace(Some(Instant::now())));
    work()
}

/// Lets the current thread give way to others from now on. A thread cannot raise its priority again, so
/// it must not be one that others will need. Where the system does not allow it, the thread stays as it is.
pub fn give_way() {
    BREATHED.set(Some(Instant::now()));
    #[cfg(target_os = "linux")]
    lower(None);
}

/// Lets the first thread of a process of ours give way to others from now on, and what it starts after
/// that. The process must not have been waited for, so that no other can have its number.
pub fn process_gives_way(id: u32) {
    #[cfg(target_os = "linux")]
    if let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        lower(Some(process));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = id;
}

/// Lowers the priority of a thread or of a process's first thread, and keeps it from the first of the
/// processors that it may use, if there are more.
#[cfg(target_os = "linux")]
fn lower(whose: Option<Pid>) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    rustix::process::setpriority_process(whose, NICER).ok();
    // What this process may use, as a thread that gives way already has one processor less.
    let Ok(mut processors) = sched_getaffinity(Some(rustix::process::getpid())) else { return };
    if processors.count() < 2 {
        return;
    }
    if let Some(first) = (0..CpuSet::MAX_CPU).find(|at| processors.is_set(*at)) {
        processors.unset(first);
        sched_setaffinity(whose, &processors).ok();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::sched_getaffinity;

    #[test]
    fn a_thread_that_gives_way_leaves_a_processor_to_others() {
        let all = sched_getaffinity(None).expect("the processors are known");
        let (nice, left) = std::thread::spawn(|| {
            super::give_way();
            super::give_way();
            let nice = rustix::process::getpriority_process(None).expect("it has a priority");
            (nice, sched_getaffinity(None).expect("the processors are known"))
        })
        .join()
        .expect("the thread does not panic");
        let before = rustix::process::getpriority_process(None).expect("it has a priority");
        assert!(nice > before || before > 9, "{nice} is lower than {before}");
        assert_eq!(left.count(), (all.count() - 1).max(1));
        assert_eq!(sched_getaffinity(None).expect("the processors are known"), all);
    }
}
