//! Whether a web page may talk to this server. Knows the `Origin` of a request (RFC 6454 section 7); never what it asks for.

use crate::handshake::{Refusal, Request};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::from_utf8;

/// Lets a request in or refuses it with 403, by the page that sends it.
///
/// A request without an `Origin` is no page's and is let in. An entry of `allowed` is an origin as
/// browsers write it, whose host may begin with `*.` for whatever is below it, or `*` for every
/// page. Where there are no entries, a page of the request's own host is let in, whatever its port;
/// and on a server that only this machine reaches (`on_loopback`), every page of this machine. O(headers +
/// entries).
///
/// ```
/// use fastws_core::handshake::{Headers, Refusal, read};
/// use fastws_core::origin::admit;
/// let bytes = b"GET /ws HTTP/1.1\r\nHost: ws.example.org\r\nOrigin: https://www.example.org\r\n\r\n";
/// let mut headers = Headers::new();
/// let request = read(bytes, 0, &mut headers)?.expect("the head has ended");
/// assert_eq!(admit(&request, &["https://*.example.org"], false), Ok(()));
/// assert_eq!(admit(&request, &[""; 0], false), Err(Refusal::Forbidden));
/// # Ok::<(), Refusal>(())
/// ```
pub fn admit(
    request: &Request<'_>,
    allowed: &[impl AsRef<str>],
    on_loopback: bool,
) -> Result<(), Refusal> {
    let mut origins = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("origin"));
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some((_, origin)), None)
            if is_let_in(origin, request.header("host"), allowed, on_loopback) =>
        {
            Ok(())
        }
        _ => Err(Refusal::Forbidden),
    }
}

/// Whether `entry` can be one of those that [`admit`] takes; another one lets nobody in.
///
/// ```
/// use fastws_core::origin::is_entry;
/// assert!(is_entry("https://*.example.org") && is_entry("*"));
/// assert!(!is_entry("example.org") && !is_entry("https://example.org/path"));
/// ```
pub fn is_entry(entry: &str) -> bool {
    entry == "*"
        || Origin::read(entry).is_some_and(|origin| {
            !origin.host.strip_prefix("*.").unwrap_or(origin.host).contains('*')
        })
}

fn is_let_in(
    origin: &[u8],
    host: Option<&[u8]>,
    allowed: &[impl AsRef<str>],
    on_loopback: bool,
) -> bool {
    if allowed.iter().any(|entry| entry.as_ref() == "*") {
        return true;
    }
    let Some(origin) = from_utf8(origin).ok().and_then(Origin::read) else { return false };
    if !allowed.is_empty() {
        let mut entries = allowed.iter().filter_map(|entry| Origin::read(entry.as_ref()));
        return entries.any(|entry| entry.covers(&origin));
    }
    if on_loopback && is_this_machine(origin.host) {
        return true;
    }
    let host = host.and_then(|host| from_utf8(host).ok()).and_then(split_port);
    host.is_some_and(|(host, _)| host.eq_ignore_ascii_case(origin.host))
}

/// Scheme, host and port.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split_port(authority)?;
        let of_a_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let usual = match scheme {
            _ if scheme.is_empty() || !scheme.chars().all(of_a_scheme) => return None,
            _ if scheme.eq_ignore_ascii_case("http") => Some(80),
            _ if scheme.eq_ignore_ascii_case("https") => Some(443),
            _ => None,
        };
        Some(Self { scheme, host, port: port.or(usual) })
    }

    /// As an entry of an allowlist.
    fn covers(&self, origin: &Origin<'_>) -> bool {
        let (own, host) = (self.host.as_bytes(), origin.host.as_bytes());
        let covers_host = match own {
            [b'*', parent @ ..] if parent.starts_with(b".") => {
                host.len() > parent.len()
                    && host[host.len() - parent.len()..].eq_ignore_ascii_case(parent)
            }
            _ => own.eq_ignore_ascii_case(host),
        };
        covers_host && self.port == origin.port && self.scheme.eq_ignore_ascii_case(origin.scheme)
    }
}

/// Host and port of an authority; nothing else may be in it. An IPv6 address keeps its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.strip_prefix('[') {
        Some(address) => address.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let of_a_host = |c: char| !c.is_ascii_whitespace() && !c.is_control() && !"/?#@\\,".contains(c);
    if host.is_empty() || !host.chars().all(of_a_host) {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        // `parse` would take a plus.
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        _ => None,
    }
}

fn is_this_machine(host: &str) -> bool {
    let bytes = host.as_bytes();
    let name = bytes.rsplit(|byte| *byte == b'.').next().expect("a split has a part");
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    name.eq_ignore_ascii_case(b"localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || address
            .and_then(|address| address.parse().ok())
            .is_some_and(|address: Ipv6Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{Headers, read};
    use proptest::prelude::*;
    use std::format;
    use std::string::String;

    fn admits(origin: &str, host: &str, allowed: &[&str], on_loopback: bool) -> bool {
        let head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\nORIGIN: {origin}\r\n\r\n");
        let mut headers = Headers::new();
        let request = read(head.as_bytes(), 0, &mut headers).unwrap().unwrap();
        admit(&request, allowed, on_loopback).is_ok()
    }

    #[test]
    fn who_is_no_page_is_let_in_and_a_page_that_says_two_things_is_not() {
        let admits = |origins: &str, allowed: &[&str]| {
            let head = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{origins}\r\n");
            let mut headers = Headers::new();
            admit(&read(head.as_bytes(), 0, &mut headers).unwrap().unwrap(), allowed, false)
        };
        assert_eq!(admits("", &[]), Ok(()));
        assert_eq!(admits("", &["https://example.org"]), Ok(()));
        assert_eq!(admits("Origin: http://a\r\n", &[]), Ok(()));
        let twice = "Origin: http://a\r\nOrigin: http://a\r\n";
        assert_eq!(admits(twice, &[]), Err(Refusal::Forbidden));
    }

    #[test]
    fn without_a_list_a_page_of_the_same_host_is_let_in() {
        for (origin, host, expected) in [
            ("https://example.org", "example.org", true),
            ("https://EXAMPLE.org:3000", "example.ORG:8000", true),
            ("http://[::2]:3000", "[::2]:8000", true),
            ("http://[::2]", "[::3]", false),
            ("https://evil.org", "example.org", false),
            ("https://example.org.evil.org", "example.org", false),
            ("https://evil-example.org", "example.org", false),
            ("https://a.example.org", "example.org", false),
            ("https://evil.org/example.org", "example.org", false),
            ("https://example.org@evil.org", "example.org", false),
            ("http://localhost", "example.org", false),
            ("null", "example.org", false),
            ("null", "null", false),
            ("https://", "", false),
            ("", "", false),
            ("example.org", "example.org", false),
        ] {
            assert_eq!(admits(origin, host, &[], false), expected, "{origin} to {host}");
        }
    }

    #[test]
    fn a_server_on_loopback_lets_pages_of_this_machine_in() {
        for (origin, expected) in [
            ("http://localhost:3000", true),
            ("http://app.LocalHost:3000", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:80", true),
            ("http://[::1]:3000", true),
            ("http://192.168.0.1", false),
            ("http://localhost.evil.org", false),
            ("http://notlocalhost", false),
            ("http://127.0.0.1.evil.org", false),
            ("null", false),
        ] {
            assert_eq!(admits(origin, "[::1]:8000", &[], true), expected, "{origin}");
            assert!(!admits(origin, "[::1]:8000", &["https://example.org"], true));
        }
    }

    #[test]
    fn a_list_lets_in_what_it_names_and_nothing_else() {
        let list = ["https://example.org", "http://dev.example.org:3000", "https://*.example.net"];
        for (origin, expected) in [
            ("https://example.org", true),
            ("https://example.org:443", true),
            ("HTTPS://Example.ORG", true),
            ("http://example.org", false),
            ("https://example.org:8443", false),
            ("https://www.example.org", false),
            ("http://dev.example.org:3000", true),
            ("http://dev.example.org", false),
            ("https://a.example.net", true),
            ("https://a.b.EXAMPLE.net", true),
            ("https://example.net", false),
            ("https://.example.net", false),
            ("https://evilexample.net", false),
            ("http://a.example.net", false),
            ("https://server.example", false),
            ("null", false),
        ] {
            assert_eq!(admits(origin, "server.example", &list, true), expected, "{origin}");
            assert!(admits(origin, "server.example", &["*"], false));
        }
    }

    #[test]
    fn an_entry_is_an_origin_or_a_star() {
        let good = ["*", "https://example.org", "http://*.example.org:8080", "http://[::1]:3000"];
        assert!(good.iter().all(|entry| is_entry(entry)));
        for bad in
            ["", "example.org", "https://", "https://example.org/", "https://*", "https://a.*"]
        {
            assert!(!is_entry(bad), "{bad}");
            assert!(!admits("https://a.b", "", &[bad], true));
        }
        for bad in ["https://*.*.org", "https://example.org:port", "https://a b", "://example.org"]
        {
            assert!(!is_entry(bad), "{bad}");
        }
    }

    fn host() -> impl Strategy<Value = String> {
        "[a-c]{1,2}(\\.[a-c]{1,2}){0,3}"
    }

    proptest! {
        #[test]
        fn no_origin_is_let_in_but_by_the_rule(
            (origin, own, entry) in (host(), host(), host()),
            (port, entry_port) in (0..2_u16, 0..2_u16),
            wild: bool,
        ) {
            let star = if wild { "*." } else { "" };
            let listed = format!("https://{star}{entry}:{entry_port}");
            let page = format!("https://{origin}:{port}");
            prop_assert_eq!(admits(&page, &own, &[], false), origin == own);
            let below = origin.strip_suffix(&entry).is_some_and(|labels| labels.ends_with('.'));
            let expected = port == entry_port && if wild { below } else { origin == entry };
            prop_assert_eq!(admits(&page, &own, &[&listed], false), expected);
        }

        #[test]
        fn no_bytes_panic(origin in "[ -~]{0,24}", host in "[ -~]{0,24}", entry in "\\PC{0,24}") {
            admits(&origin, &host, &[], true);
            admits(&format!("http://{origin}"), &host, &[&entry], true);
            is_entry(&entry);
        }
    }
}
