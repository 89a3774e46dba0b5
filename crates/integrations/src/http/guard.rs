//! Which addresses HTTP tasks may reach: public ones, and those that `[http]` allows.
//!
//! A name is resolved once, by the client's resolver, and what is not allowed among its addresses is
//! left out before a connection is made. So there is no moment at which a name could get another
//! address than the one that was checked.

use crate::services::CONNECT;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, ClientBuilder, Url};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Hosts and networks that may be called although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guard {
    entries: Arc<[Entry]>,
}

/// One entry of `allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Whether connections need not be encrypted.
    is_plain: bool,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// In small letters.
    Name(String),
    Network(Network),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// A URL that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// Its host is public, or has to turn out to be.
    Checked,
    /// Its host is allowed by name, whatever address it has; except that of a metadata service.
    ByName,
}

/// An address that must not be reached, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Guard {
    /// Reads the entries of `allow`: `HOST`, `HOST:PORT` or `NETWORK/BITS`, with `http://` before
    /// it if connections need not be encrypted.
    pub(crate) fn new(allow: &[String]) -> Result<Self, String> {
        let entries: Result<Vec<Entry>, String> =
            allow.iter().map(|text| Entry::read(text)).collect();
        Ok(Self { entries: entries?.into() })
    }

    /// Decides whether a URL may be called, as far as that is known without resolving its host.
    pub(crate) fn admit(&self, url: &Url) -> Result<Admitted, Refused> {
        let refused = |why: String| Err(Refused(why));
        if !url.username().is_empty() || url.password().is_some() {
            return refused(
                "The URL has a user in it: credentials belong in the connection".to_owned(),
            );
        }
        let shown = match url.host_str() {
            None | Some("") => return refused("The URL has no host".to_owned()),
            Some(host) => host,
        };
        match url.scheme() {
            "https" => {}
            "http" => {
                if !self.entries_for(url).any(|entry| entry.is_plain) {
                    return refused(format!(
                        "{shown} would be called without encryption; use https://, or add \
                         \"http://{shown}\" to `allow` in `[http]` of stepwright.toml"
                    ));
                }
            }
            other => {
                return refused(format!("`{other}` is no scheme that can be called; use https"));
            }
        }
        let is_listed = self.lists(url);
        match address_of(url) {
            None if is_listed => Ok(Admitted::ByName),
            None => Ok(Admitted::Checked),
            Some(address) if is_listed || is_public(address) => Ok(Admitted::Checked),
            Some(address) => refused(not_public(shown, address)),
        }
    }

    /// Whether an entry is for the host of a URL and its port.
    pub(crate) fn lists(&self, url: &Url) -> bool {
        self.entries_for(url).next().is_some()
    }

    fn entries_for<'g>(&'g self, url: &Url) -> impl Iterator<Item = &'g Entry> {
        let port = url.port_or_known_default();
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = address_of(url);
        self.entries.iter().filter(move |entry| {
            entry.port.is_none_or(|own| Some(own) == port)
                && match &entry.host {
                    Host::Name(own) => address.is_none() && *own == host,
                    Host::Network(network) => address.is_some_and(|one| network.contains(one)),
                }
        })
    }

    /// Leaves out the addresses of a host that must not be reached; if none is left, the host is
    /// refused.
    fn filter(
        &self,
        name: &str,
        admitted: Admitted,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let allowed: Vec<SocketAddr> = found
            .filter(|one| {
                let may = is_public(one.ip())
                    || self.has_network(one.ip())
                    || match admitted {
                        Admitted::ByName => !is_link_local(one.ip()),
                        Admitted::Checked => false,
                    };
                if !may {
                    refused = Some(one.ip());
                }
                may
            })
            .collect();
        match (allowed.is_empty(), refused) {
            (true, Some(address)) => Err(Refused(not_public(name, address))),
            _ => Ok(allowed),
        }
    }

    fn has_network(&self, address: IpAddr) -> bool {
        self.entries.iter().any(|entry| match &entry.host {
            // A port is compared when the URL is admitted; a name has none of its own here.
            Host::Network(network) => entry.port.is_none() && network.contains(address),
            Host::Name(_) => false,
        })
    }
}

/// The address that a URL has instead of a name.
fn address_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Domain(_) => None,
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
    }
}

fn not_public(host: &str, address: IpAddr) -> String {
    let is_itself = host.trim_matches(['[', ']']).parse() == Ok(address);
    let what = if is_itself { host.to_owned() } else { format!("{host} is {address}, which") };
    // A name is not enough for an address of a link.
    let entry = if is_link_local(address) { address.to_string() } else { host.to_owned() };
    format!(
        "{what} is no public address and is not called; add \"{entry}\" to `allow` in `[http]` of \
         stepwright.toml if it may be"
    )
}

impl Entry {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "`{text}` in `allow` {problem}: write HOST, HOST:PORT or NETWORK/BITS, with http:// \
                     before it if it may be called without encryption"
            )
        };
        let (is_plain, rest) = match text.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("https://").unwrap_or(text)),
        };
        if let Some((address, bits)) = rest.split_once('/')
            && let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>()
        {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
            let bits = bits.ok_or_else(|| wrong("is no network"))?;
            let host = Host::Network(Network { address, bits });
            return Ok(Self { is_plain, host, port: None });
        }
        // An address of version 6 may stand there without brackets.
        let rest = match rest.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => rest.to_owned(),
        };
        let url = Url::parse(&format!("ftp://{rest}")).map_err(|_| wrong("is no host"))?;
        if !matches!(url.path(), "" | "/") || !url.username().is_empty() || url.query().is_some() {
            return Err(wrong("has more than a host"));
        }
        let host = match url.host().ok_or_else(|| wrong("is no host"))? {
            url::Host::Domain(name) => Host::Name(name.trim_end_matches('.').to_ascii_lowercase()),
            url::Host::Ipv4(address) => {
                Host::Network(Network { address: address.into(), bits: 32 })
            }
            url::Host::Ipv6(address) => {
                Host::Network(Network { address: address.into(), bits: 128 })
            }
        };
        let is_empty = matches!(&host, Host::Name(name) if name.is_empty() || name.contains('*'));
        if is_empty {
            return Err(wrong("is no host"));
        }
        Ok(Self { is_plain, host, port: url.port() })
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => (u128::from(address.to_bits()) << 96, true),
                None => (address.to_bits(), false),
            },
        };
        let ((own, own_is_4), (other, other_is_4)) = (bits(self.address), bits(address));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        own_is_4 == other_is_4 && own & mask == other & mask
    }
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_4(address),
        IpAddr::V6(address) => is_public_6(address),
    }
}

fn is_public_4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        // This network, private, loopback, link-local (and metadata), multicast, reserved.
        (0 | 10 | 127 | 224.., ..) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Azure's channel to its hosts has a public address.
        (168, 63, 129) if address.octets()[3] == 16 => true,
        // Shared between carriers, protocols, documentation, 6to4 relays, benchmarks.
        (100, 64..=127, _) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    };
    !is_special
}

fn is_public_6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // An address of version 4 within one of version 6: mapped, compatible, or translated (NAT64).
    let embedded = match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some((high, low))
        }
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        return is_public_4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    }
    match segments {
        // Protocols and Teredo, documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global addresses; what is outside is private, link-local, multicast or reserved.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

/// Whether an address is that of a link, such as a metadata service.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_link_local() || address == Ipv4Addr::new(100, 100, 100, 200)
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_link_local(address.into()),
            None => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0xec2],
        },
    }
}

/// Resolves names for one of the clients, and keeps to the guard.
struct Resolver {
    guard: Guard,
    admitted: Admitted,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, admitted) = (self.guard.clone(), self.admitted);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = guard.filter(name.as_str(), admitted, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// How long a connection is kept open for another request: less than the five seconds after which
/// common servers close it, so that no request meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// The clients for URLs that were admitted in one way or the other.
pub(crate) struct Clients {
    guard: Guard,
    roots: Vec<Certificate>,
    built: Mutex<[Option<reqwest::Client>; 2]>,
}

impl Clients {
    pub(crate) fn new(guard: Guard, roots: Vec<Certificate>) -> Self {
        Self { guard, roots, built: Mutex::default() }
    }

    /// What may be called.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The client for a URL; an error if the URL must not be called.
    pub(crate) fn of(&self, url: &Url) -> Result<reqwest::Client, String> {
        let admitted = self.guard.admit(url).map_err(|refused| refused.to_string())?;
        let mut built = self.built.lock();
        let place = &mut built[usize::from(admitted == Admitted::ByName)];
        if let Some(client) = place {
            return Ok(client.clone());
        }
        let roots = self.roots.iter().cloned();
        let client =
            build(roots.fold(self.builder(admitted), ClientBuilder::add_root_certificate))?;
        *place = Some(client.clone());
        Ok(client)
    }

    /// A client for a URL whose certificate is trusted by these authorities alone.
    pub(crate) fn trusting(
        &self,
        url: &Url,
        authorities: Vec<Certificate>,
    ) -> Result<reqwest::Client, String> {
        let admitted = self.guard.admit(url).map_err(|refused| refused.to_string())?;
        let builder = self.builder(admitted).tls_built_in_root_certs(false);
        build(authorities.into_iter().fold(builder, ClientBuilder::add_root_certificate))
    }

    fn builder(&self, admitted: Admitted) -> ClientBuilder {
        let resolver = Resolver { guard: self.guard.clone(), admitted };
        // A proxy would resolve names by itself, and a redirection leads to another host.
        ClientBuilder::new()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Arc::new(resolver))
    }
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| format!("there is no HTTP client: {error}"))
}

/// What a guard has to say in the sources of an error.
pub(crate) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.to_string());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        Guard::new(&allow.iter().map(|&one| one.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn admit(guard: &Guard, url: &str) -> Result<Admitted, String> {
        guard.admit(&Url::parse(url).unwrap()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn only_public_addresses_are_called() {
        let none = guard(&[]);
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://10.1.2.3/",
            "https://172.31.0.1/",
            "https://192.168.0.1:8443/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://168.63.129.16/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::10.0.0.1]/",
            "https://[2002:7f00:1::]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[2001:db8::1]/",
            "https://[2001:0:7f00:1::]/",
        ] {
            let refused = admit(&none, url).unwrap_err();
            assert!(refused.contains("no public address"), "{url}: {refused}");
        }
        for url in [
            "https://8.8.8.8/",
            "https://172.32.0.1/",
            "https://[2606:4700::1111]/",
            "https://[64:ff9b::8.8.8.8]/",
            "https://api.example.com:8443/x?y",
        ] {
            assert_eq!(admit(&none, url), Ok(Admitted::Checked), "{url}");
        }
    }

    #[test]
    fn urls_are_encrypted_and_have_no_user() {
        let none = guard(&[]);
        for (url, expected) in [
            ("http://api.example.com/", "without encryption"),
            ("https://me:secret@api.example.com/", "has a user in it"),
            ("ftp://api.example.com/", "no scheme"),
            ("file:///etc/passwd", "no host"),
        ] {
            let refused = admit(&none, url).unwrap_err();
            assert!(refused.contains(expected) && !refused.contains("secret"), "{url}: {refused}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_called() {
        let some =
            guard(&["http://127.0.0.1:8080", "internal.example", "10.1.0.0/16", "fd12::/16"]);
        assert_eq!(admit(&some, "http://127.0.0.1:8080/a"), Ok(Admitted::Checked));
        assert_eq!(admit(&some, "https://INTERNAL.example./"), Ok(Admitted::ByName));
        assert_eq!(admit(&some, "https://10.1.2.3/"), Ok(Admitted::Checked));
        assert_eq!(admit(&some, "https://[fd12::1]/"), Ok(Admitted::Checked));
        for url in [
            "http://127.0.0.1:8081/",
            "https://127.0.0.2:8080/",
            "http://internal.example/",
            "https://10.2.0.1/",
            "https://[fd13::1]/",
        ] {
            assert!(admit(&some, url).is_err(), "{url}");
        }
        for wrong in ["", "http://", "10.0.0.0/33", "a/b", "*.example", "me@host", "a?b"] {
            assert!(Guard::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_have_the_addresses_that_were_checked() {
        let of = |guard: &Guard, admitted: Admitted, addresses: &[&str]| {
            let found = addresses.iter().map(|one| SocketAddr::new(one.parse().unwrap(), 0));
            let allowed = guard.filter("evil.example", admitted, found);
            allowed
                .map(|all| all.iter().map(|one| one.ip().to_string()).collect::<Vec<_>>().join(" "))
                .map_err(|refused| refused.to_string())
        };
        let none = guard(&[]);
        // A name that answers with a public and a private address is rebinding.
        let mixed = ["127.0.0.1", "8.8.8.8", "::ffff:169.254.169.254"];
        assert_eq!(of(&none, Admitted::Checked, &mixed), Ok("8.8.8.8".to_owned()));
        let refused = of(&none, Admitted::Checked, &["169.254.169.254"]).unwrap_err();
        assert!(refused.starts_with("evil.example is 169.254.169.254, which is no public"));
        assert!(refused.contains("add \"169.254.169.254\" to"), "{refused}");
        assert_eq!(of(&none, Admitted::ByName, &["127.0.0.1"]), Ok("127.0.0.1".to_owned()));
        assert!(of(&none, Admitted::ByName, &["169.254.169.254"]).is_err());
        assert!(of(&none, Admitted::ByName, &["::ffff:169.254.169.254"]).is_err());
        let network = guard(&["10.0.0.0/8"]);
        assert_eq!(of(&network, Admitted::Checked, &["10.9.9.9"]), Ok("10.9.9.9".to_owned()));
        assert!(of(&network, Admitted::Checked, &["::ffff:10.9.9.9"]).is_ok());
    }
}
