//! Checks which host a request names and which web page it comes from.
//!
//! A page in a browser can send requests to a server on the same machine. The browser names the
//! page in `Origin`. If the page has made its own name resolve to this machine (DNS rebinding),
//! that name is in `Host`.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::net::{IpAddr, Ipv6Addr};
use stepwright_protocol::{ApiError, OPERATIONS};

/// The names that a server answers to, in addition to those that every server answers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    configured: Vec<String>,
}

impl Hosts {
    /// Creates the list from names; a name may begin with `*.`. The error is the first entry that
    /// is not a name.
    pub(crate) fn new(configured: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            let (star, rest) = match text.strip_prefix("*.") {
                Some(rest) => ("*.", rest),
                None => ("", text.as_str()),
            };
            match Authority::read(rest) {
                Some(Authority { name, port: None }) if star.is_empty() || !is_address(&name) => {
                    Ok(format!("{star}{name}"))
                }
                _ => Err(text.clone()),
            }
        };
        Ok(Self { configured: configured.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Refuses a request that names a foreign host or comes from a foreign page. `local` holds this
    /// server's own addresses.
    pub(crate) fn check(&self, parts: &Parts, local: &[IpAddr]) -> Result<(), ApiError> {
        let host = only(&parts.headers, header::HOST.as_str())
            .ok_or_else(|| refused("a request must have one header Host".to_owned()))?;
        let authority = self.known(host, local)?;
        if let Some(named) = parts.uri.authority()
            && self.known(named.as_str(), local)? != authority
        {
            let what = format!("the request names two hosts, `{host}` and `{named}`");
            return Err(refused(what));
        }
        check_origin(&parts.headers, &authority)
    }

    /// Parses a host and checks that this server answers to it.
    fn known(&self, text: &str, local: &[IpAddr]) -> Result<Authority, ApiError> {
        match Authority::read(text).filter(|authority| self.knows(&authority.name, local)) {
            Some(authority) => Ok(authority),
            None => Err(refused(format!(
                "this server does not answer to the host `{text}`; if it is the server's, add it to \
                 `hosts` in the section [server] of stepwright.toml"
            ))),
        }
    }

    fn knows(&self, name: &str, local: &[IpAddr]) -> bool {
        self.knows_exactly(name, local)
            || without_prefix(name).is_some_and(|name| self.knows(name, local))
    }

    fn knows_exactly(&self, name: &str, local: &[IpAddr]) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            let address = address.to_canonical();
            return address.is_loopback()
                || local.iter().any(|local| address == local.to_canonical())
                || self.configured.iter().any(|configured| configured == name);
        }
        let is_below = |domain: &str| {
            name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some()
        };
        // Nobody else can own a name in `localhost`, and AWS's names belong to AWS.
        name == "localhost"
            || ["localhost", "amazonaws.com", "amazonaws.com.cn"].into_iter().any(is_below)
            || self.configured.iter().any(|configured| match configured.strip_prefix("*.") {
                Some(domain) => is_below(domain),
                None => configured == name,
            })
    }
}

/// Removes what SDKs put before the host of an endpoint: an operation's prefix, or an account.
fn without_prefix(name: &str) -> Option<&str> {
    let prefixes = OPERATIONS.iter().map(|operation| operation.host_prefix);
    let after_prefix =
        prefixes.filter(|prefix| !prefix.is_empty()).find_map(|prefix| name.strip_prefix(prefix));
    let after_account = || {
        let (account, rest) = name.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        is_account.then_some(rest)
    };
    after_prefix.or_else(after_account)
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// The value of a header that occurs exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// A page may send requests only to the server that it was loaded from.
fn check_origin(headers: &HeaderMap, host: &Authority) -> Result<(), ApiError> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN.as_str()).unwrap_or_default();
    let (scheme, rest) = origin.split_once("://").unwrap_or_default();
    let usual = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let is_own = usual.is_some()
        && Authority::read(rest).is_some_and(|page| {
            page.name == host.name && page.port.or(usual) == host.port.or(usual)
        });
    if is_own {
        return Ok(());
    }
    Err(refused(format!("pages of `{origin}` may not call this server")))
}

fn refused(message: String) -> ApiError {
    ApiError { status: 403, ..ApiError::new("AccessDeniedException", message) }
}

/// The host and port in a `Host` header, in an origin, or in the target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    /// In lower case; an address without brackets.
    name: String,
    port: Option<u16>,
}

impl Authority {
    fn read(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                (address.parse::<Ipv6Addr>().ok()?.to_string(), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (name, port) = text.split_at(end);
                let name = name.strip_suffix('.').unwrap_or(name);
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if name.is_empty() || !name.chars().all(is_name) {
                    return None;
                }
                (name.to_ascii_lowercase(), port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            // `parse` would also accept a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn check(headers: &[(&str, &str)], target: &str) -> bool {
        let configured = ["flows.example.com", "*.inner.example", "10.1.2.3", "FD00::1"];
        let configured = configured.map(|name| match name {
            "FD00::1" => "[FD00::1]".to_owned(),
            name => name.to_owned(),
        });
        let hosts = Hosts::new(&configured).expect("they are names");
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("it is a request").into_parts();
        hosts.check(&parts, &[IpAddr::from([192, 168, 1, 5])]).is_ok()
    }

    #[test]
    fn hosts_of_this_server_are_told_from_others() {
        let known = [
            "localhost",
            "LOCALHOST:8083",
            "localhost.:8083",
            "localhost:",
            "127.0.0.1:8083",
            "127.200.3.4",
            "[::1]:8083",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:80",
            "sync-localhost:8083",
            "sync-127.0.0.1:8083",
            "123456789012.localhost:8083",
            "123456789012.127.0.0.1",
            "sync-123456789012.127.0.0.1",
            "123456789012.sync-127.0.0.1",
            "api.localhost",
            "states.us-east-1.amazonaws.com",
            "sync-states.us-east-1.amazonaws.com:443",
            "states.cn-north-1.amazonaws.com.cn",
            "192.168.1.5:8083",
            "sync-192.168.1.5",
            "flows.example.com",
            "Flows.Example.Com:443",
            "sync-flows.example.com",
            "a.inner.example",
            "a.b.inner.example",
            "10.1.2.3:1",
            "[fd00::1]:8083",
        ];
        for host in known {
            assert!(check(&[("host", host)], "/"), "{host}");
        }
        let foreign = [
            "",
            "evil.example",
            "evil.example:8083",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "evillocalhost",
            "sync-evil.example",
            "sync-",
            "123456789012.evil.example",
            "12345678901.127.0.0.1",
            "amazonaws.com",
            "evilamazonaws.com",
            "amazonaws.com.evil.example",
            "x.amazonaws.com.evil",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "0.0.0.0",
            "128.0.0.1",
            "[::2]",
            "[::1",
            "::1",
            "[fe80::1%eth0]",
            "192.168.1.6",
            "inner.example",
            "xinner.example",
            "evil.example@localhost",
            "localhost@evil.example",
            "localhost evil.example",
            "localhost,evil.example",
            "localhost/",
            "localhost:80a",
            "localhost:+80",
            "localhost:99999",
            "localhost:80:80",
        ];
        for host in foreign {
            assert!(!check(&[("host", host)], "/"), "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        assert!(!check(&[], "/"));
        assert!(!check(&[], "http://localhost/"));
        assert!(!check(&[("host", "localhost"), ("host", "localhost")], "/"));
        assert!(!check(&[("host", "localhost"), ("host", "evil.example")], "/"));
        assert!(check(&[("host", "localhost:1")], "http://localhost:1/"));
        assert!(!check(&[("host", "localhost:1")], "http://evil.example/"));
        assert!(!check(&[("host", "localhost:1")], "http://127.0.0.1:1/"));
        assert!(!check(&[("host", "evil.example")], "http://localhost/"));
    }

    #[test]
    fn a_page_calls_the_server_it_came_from() {
        let cases = [
            ("localhost:8083", "http://localhost:8083", true),
            ("localhost:8083", "https://localhost:8083", true),
            ("localhost", "http://localhost", true),
            ("localhost", "http://localhost:80", true),
            ("localhost:443", "https://localhost", true),
            ("flows.example.com", "https://flows.example.com", true),
            ("[::1]:8083", "http://[::1]:8083", true),
            ("localhost:8083", "http://localhost", false),
            ("localhost:8083", "http://localhost:3000", false),
            ("localhost:8083", "http://127.0.0.1:8083", false),
            ("localhost:8083", "http://evil.example", false),
            ("localhost:8083", "null", false),
            ("localhost:8083", "", false),
            ("localhost:8083", "localhost:8083", false),
            ("localhost:8083", "http://localhost:8083/", false),
            ("localhost:8083", "file://", false),
            ("localhost:8083", "chrome-extension://localhost:8083", false),
        ];
        for (host, origin, expected) in cases {
            assert_eq!(check(&[("host", host), ("origin", origin)], "/"), expected, "{origin}");
        }
        let twice = [
            ("host", "localhost:1"),
            ("origin", "http://localhost:1"),
            ("origin", "http://evil.example"),
        ];
        assert!(!check(&twice, "/"));
    }

    #[test]
    fn what_is_no_name_is_not_configured() {
        let cases =
            ["", "*", "a b", "https://a.example", "a.example:80", "*.10.0.0.1", "a.example/"];
        for name in cases {
            assert_eq!(Hosts::new(&[name.to_owned()]).err(), Some(name.to_owned()));
        }
    }
}
