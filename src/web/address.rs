//! From which address a request comes: the peer's, or what a proxy that we trust says of it.
//!
//! Anybody can write `X-Forwarded-For`, so it is read from its end, one hop at a time, and only as far
//! as each hop was written by a proxy of `server.trusted_proxies`.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, as far as it can be believed; `None` when the system does not say.
pub(super) fn of(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let lines = request.headers().get_all(FORWARDED_FOR);
    // What is no text is no address either.
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("")).collect();
    Some(believed(peer, &lines, trusted))
}

/// The last address in these lines that is no trusted proxy's; an entry that is no address ends the
/// walk at the proxy that passed it on.
fn believed(peer: IpAddr, lines: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(address) {
            break;
        }
        let Some(next) = parse(hop) else { break };
        address = next;
    }
    address
}

/// An address, with or without brackets and port.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = |hop: &str| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: IpAddr = hop
        .parse()
        .ok()
        .or_else(|| bare(hop))
        .or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_believed_as_far_as_trusted_proxies_passed_it_on() {
        let trusted: Vec<IpNet> = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().unwrap())
            .into();
        let cases: [(&str, &[&str], &str); 17] = [
            ("192.0.2.1", &[], "192.0.2.1"),
            // Who is no proxy of ours says what he likes.
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client wrote stands before what our proxy added.
            ("127.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            (
                "127.0.0.1",
                &["198.51.100.7", "10.1.1.1,10.2.2.2"],
                "198.51.100.7",
            ),
            // All of them are ours: the first.
            ("127.0.0.1", &["10.9.9.9, 10.1.1.1"], "10.9.9.9"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            (
                "127.0.0.1",
                &["198.51.100.7, nonsense, 10.1.1.1"],
                "10.1.1.1",
            ),
            ("127.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &[" [2001:db8::7] "], "2001:db8::7"),
            ("fd00::1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ];
        for (peer, lines, expected) in cases {
            let found = believed(peer.parse().unwrap(), lines, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(believed(peer, &["198.51.100.7"], &[]), peer, "no proxy");
    }
}
