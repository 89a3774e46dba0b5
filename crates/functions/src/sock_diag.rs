//! Asks Linux for one socket. Its tables under `/proc` list all of them, which takes long where there
//! are many. The structures are those of `linux/inet_diag.h`.

use crate::peer::Socket;
use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 16;
const ADDRESSES: usize = 48;
/// The length of a request: the header, `inet_diag_req_v2` with the addresses at its end.
const REQUEST: usize = HEADER + 8 + ADDRESSES;
/// Where an answer has the user, behind the addresses, a timer and the lengths of two queues. The inode
/// follows.
const USER: usize = HEADER + 4 + ADDRESSES + 12;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const IS_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;

/// The socket of the connection between these addresses that is bound to `peer`; none if there is none,
/// or if no process has it open. An error if the system does not answer such questions.
pub(crate) fn find(peer: SocketAddr, own: SocketAddr) -> Result<Option<Socket>, Errno> {
    let diag = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    sendto(&diag, &request(peer, own), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 1024];
    let (length, _) = recv(&diag, &mut answer, RecvFlags::empty())?;
    read(&answer[..length.min(1024)])
}

fn request(peer: SocketAddr, own: SocketAddr) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| request[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &IS_REQUEST.to_ne_bytes());
    let is_v6 = peer.is_ipv6();
    put(HEADER, &[if is_v6 { AF_INET6 } else { AF_INET }, TCP]);
    // In any state.
    put(HEADER + 4, &[0xFF; 4]);
    let addresses = HEADER + 8;
    put(addresses, &peer.port().to_be_bytes());
    put(addresses + 2, &own.port().to_be_bytes());
    for (at, ip) in [(addresses + 4, peer.ip()), (addresses + 20, own.ip())] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    // No cookie.
    put(addresses + 40, &[0xFF; 8]);
    request
}

fn read(answer: &[u8]) -> Result<Option<Socket>, Errno> {
    let word = |at: usize| {
        let bytes = answer.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let kind = answer.get(4..6).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let socket = word(USER).zip(word(USER + 4));
            let (user, inode) = socket.ok_or(Errno::BADMSG)?;
            // For one that no process has open, the user is not told.
            Ok((inode != 0).then_some(Socket { inode: inode.into(), user }))
        }
        Some(ERROR) => match word(HEADER).map(u32::cast_signed) {
            Some(code) if code == -Errno::NOENT.raw_os_error() => Ok(None),
            Some(code) => Err(Errno::from_raw_os_error(-code)),
            None => Err(Errno::BADMSG),
        },
        _ => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_socket_is_found_by_its_addresses_and_gone_when_it_is_closed() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // There may be no IPv6.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let own = listener.local_addr().expect("it has an address");
            let client = TcpStream::connect(own).expect("it listens");
            let peer = client.local_addr().expect("it has an address");
            // The system may not answer such questions.
            let Ok(found) = find(peer, own) else { return };
            let found = found.expect("it is open");
            assert_eq!(found.user, rustix::process::geteuid().as_raw());
            assert_ne!(find(own, peer).ok().flatten().map(|other| other.inode), Some(found.inode));
            let (accepted, _) = listener.accept().expect("it is connected");
            drop(client);
            assert_eq!(find(peer, own), Ok(None), "{address}: nobody has it open");
            drop(accepted);
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_an_error() {
        for wrong in [&[][..], &[0; 3], &[0; 16], &[1; 200]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
