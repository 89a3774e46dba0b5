//! The memory that processes use.

use rustix::process::Pid;

/// The resident memory of a process and of those it started, in bytes. `None` if the system does
/// not tell; only Linux does.
pub(crate) fn resident(process: Pid) -> Option<u64> {
    let page = rustix::param::page_size() as u64;
    let mut sum = pages(process.as_raw_nonzero().get())?;
    let mut open = vec![process.as_raw_nonzero().get()];
    // Processes may start others while they are counted, so their number is limited.
    let mut left = 1_000;
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            left -= 1;
            if left == 0 {
                return Some(sum * page);
            }
            sum += pages(child).unwrap_or(0);
            open.push(child);
        }
    }
    Some(sum * page)
}

fn pages(process: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

fn children(process: i32) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
}
