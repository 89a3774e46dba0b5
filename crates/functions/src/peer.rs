//! Which process or user of this machine a connection comes from.

use rustix::process::Pid;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A socket in the system's tables that a process has open.
#[derive(Debug, PartialEq)]
pub(crate) struct Socket {
    pub(crate) inode: u64,
    pub(crate) user: u32,
}

/// The table of IPv4 sockets; a program may use an IPv6 socket for an IPv4 address.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// Whether the connection between these addresses was made by one of these processes. `peer` is the
/// address of their end. Only Linux tells; elsewhere, every connection is believed.
pub(crate) fn is_of(members: &[Pid], peer: SocketAddr, own: SocketAddr) -> bool {
    if !Path::new(TABLES[0]).exists() {
        return true;
    }
    let socket = socket(peer, own);
    socket.is_some_and(|socket| members.iter().any(|process| has(*process, &socket)))
}

/// Whether a connection on this machine comes from another user than the one that this process runs
/// as. `peer` is the address of the other end, `own` that of ours. The superuser may do everything
/// anyway, and is nobody else. A connection whose other end no process has open any more comes from
/// nobody known. Only Linux tells; elsewhere, no connection is another user's.
pub fn is_of_another_user(peer: SocketAddr, own: SocketAddr) -> bool {
    if !Path::new(TABLES[0]).exists() {
        return false;
    }
    let me = rustix::process::geteuid().as_raw();
    socket(peer, own).is_none_or(|socket| socket.user != me && socket.user != 0)
}

/// The other end of a connection on this machine.
fn socket(peer: SocketAddr, own: SocketAddr) -> Option<Socket> {
    #[cfg(target_os = "linux")]
    if let Ok(found) = crate::sock_diag::find(peer, own) {
        return found;
    }
    TABLES.iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().find_map(|line| read(line, peer, own))
    })
}

/// The socket of a line, if it connects these addresses.
fn read(line: &str, from: SocketAddr, to: SocketAddr) -> Option<Socket> {
    let mut parts = line.split_ascii_whitespace().skip(1);
    let is = |part: Option<&str>, address| part.and_then(read_address) == Some(address);
    if !is(parts.next(), from) || !is(parts.next(), to) {
        return None;
    }
    // The state, the queues, the timer and the retransmits stand before the user.
    let user = parts.nth(4)?.parse().ok()?;
    let inode = parts.nth(1)?.parse().ok()?;
    // No process has it open; the user is not told then.
    (inode != 0).then_some(Socket { inode, user })
}

/// Reads an address as the system writes it: words in the machine's own order, in hexadecimal
/// digits.
fn read_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(8 * at..8 * at + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            // An IPv4 address within IPv6 is that address: `::ffff:127.0.0.1`.
            IpAddr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Whether a process has a socket open.
fn has(process: Pid, socket: &Socket) -> bool {
    let wanted = format!("socket:[{}]", socket.inode);
    match std::fs::read_dir(format!("/proc/{process}/fd")) {
        Ok(open) => open.flatten().any(|one| {
            std::fs::read_link(one.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str())
        }),
        // What a process of another user has open cannot be seen. The user is all there is to go by.
        Err(_) => {
            let process = std::fs::metadata(format!("/proc/{process}")).map(|about| about.uid());
            let own = rustix::process::getuid().as_raw();
            process.is_ok_and(|user| user == socket.user && user != own)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn addresses_are_read_as_the_system_writes_them() {
        if cfg!(target_endian = "big") {
            return;
        }
        let address = |text: &str| read_address(text).map(|address| address.to_string());
        assert_eq!(address("0100007F:1F90").as_deref(), Some("127.0.0.1:8080"));
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert_eq!(address(mapped).as_deref(), Some("127.0.0.1:8080"));
        let own = "00000000000000000000000001000000:1F90";
        assert_eq!(address(own).as_deref(), Some("[::1]:8080"));
        for wrong in ["", ":", "0100007F", "0100007F:G", "000000000000000000000000010000:1"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_connection_is_of_the_process_that_made_it() {
        if !Path::new("/proc/self/net/tcp").exists() {
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let own = listener.local_addr().expect("it has an address");
        let client = TcpStream::connect(own).expect("it listens");
        let peer = client.local_addr().expect("it has an address");
        let mapped = SocketAddr::new(IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()), own.port());
        let other = TcpStream::connect(mapped).expect("it listens");
        let mapped_peer = SocketAddr::new(
            Ipv4Addr::LOCALHOST.into(),
            other.local_addr().expect("it has one").port(),
        );
        let this = rustix::process::getpid();
        let init = Pid::from_raw(1).expect("it is a number");
        for peer in [peer, mapped_peer] {
            assert!(is_of(&[this], peer, own), "{peer}");
            assert!(is_of(&[init, this], peer, own));
            assert!(!is_of(&[], peer, own));
            let parent = rustix::process::getppid().unwrap_or(init);
            assert!(!is_of(&[parent], peer, own));
            assert!(!is_of_another_user(peer, own));
        }
        let nobody = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1);
        assert!(is_of_another_user(nobody, own), "no process has it open");
        assert!(!is_of(&[this], SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1), own));
    }
}
