//! What may be sent to: the check that keeps a subscriber's URL from reaching into the
//! network of the relay (server-side request forgery).
//!
//! Pure: it judges URLs and addresses. Names are resolved by [`super::sender`], which has
//! [`Guard::check`] judge every address and connects only to one that passed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The longest URL of a subscriber, in bytes after normalising.
const MAX_URL: usize = 2048;

/// IPv4 that is not the public internet, by IANA's special-purpose registry; and the one
/// public address at which a cloud serves its metadata.
const IPV4: [(Ipv4Net, &str); 17] = [
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier's NAT"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 169, 254, 32), "cloud metadata"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 88, 99, 0, 24), "reserved"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    // Azure's; see also 100.100.100.200 and 192.0.0.192 of other clouds, covered above.
    (v4(168, 63, 129, 16, 32), "cloud metadata"),
];

/// The rest of IPv4 that may not be sent to; after [`IPV4`], whose reasons are narrower.
const IPV4_RESERVED: Ipv4Net = v4(240, 0, 0, 0, 4);

/// IPv6 that is not the public internet; what is neither here nor in [`IPV6_GLOBAL`] is
/// reserved.
const IPV6: [(Ipv6Net, &str); 13] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    // Where in these the IPv4 address stands is the operator's choice: refused whole.
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discarded"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "for benchmarks"),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "reserved for protocols",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "for documentation",
    ),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// Global unicast: all of IPv6 that has been given out.
const IPV6_GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Forms of IPv6 that carry an IPv4 address, with the octet at which it stands.
const CARRIERS: [(Ipv6Net, usize); 4] = [
    // Compatible (obsolete); `::` and `::1` are distinguished before.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), 12),
    // Translated (SIIT). The mapped form is unwrapped before any check.
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), 12),
    // NAT64's well-known prefix.
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), 12),
    // 6to4.
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), 2),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(s0, s1, s2, s3, s4, s5, s6, s7), prefix)
}

/// Decides what may be sent to; a value of the configuration.
#[derive(Debug, Clone)]
pub struct Guard {
    allow_http: bool,
    allow_networks: Vec<IpNet>,
}

/// An address that may not be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {reason}: if it may be sent to, list its network in forward.allow_networks")]
pub struct BlockedAddress {
    /// The address as it was resolved or written.
    pub address: IpAddr,
    /// What it is, to stand after "is": `loopback`, `private`.
    pub reason: &'static str,
}

/// Why a URL cannot be a subscriber's; says what to do and never repeats a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not an absolute URL with a host.
    #[error("not a URL ({0}): write it in full, as in https://example.com/hook")]
    NotUrl(#[from] url::ParseError),
    /// Another scheme than `http` and `https`.
    #[error("scheme {0} cannot be sent to: use https")]
    Scheme(String),
    /// Plain `http`, which is not allowed by default.
    #[error("http is not encrypted: use https, or set forward.allow_http = true")]
    PlainHttp,
    /// A user name or password before the host.
    #[error("the URL holds a user name or password: remove it and check the signature instead")]
    Userinfo,
    /// A `#…` at the end, which would never be sent.
    #[error("the URL has a fragment: remove the # and what follows it")]
    Fragment,
    /// Longer than 2048 bytes; holds its length.
    #[error("the URL is {0} bytes long: 2048 are allowed")]
    TooLong(usize),
    /// A literal address that may not be sent to.
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
}

/// A subscriber's URL that passed the guard: absolute, `https` or an allowed `http`, without
/// user name and fragment; a literal address in it may be sent to.
///
/// A host name says nothing yet: it is judged by the addresses it resolves to, at each
/// connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// The URL in its normal spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl Guard {
    /// A guard that lets through the public internet and `allow_networks`.
    #[must_use]
    pub const fn new(allow_http: bool, allow_networks: Vec<IpNet>) -> Self {
        Self {
            allow_http,
            allow_networks,
        }
    }

    /// Reads a subscriber's URL.
    ///
    /// Odd spellings of an address (`0x7f.1`, `2130706433`) are seen for what they are, since
    /// the parser writes them out before they are judged.
    pub fn target(&self, url: &str) -> Result<Target, TargetError> {
        let url = Url::parse(url)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(TargetError::PlainHttp),
            other => return Err(TargetError::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Userinfo);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.as_str().len() > MAX_URL {
            return Err(TargetError::TooLong(url.as_str().len()));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into())?,
            Some(Host::Ipv6(address)) => self.check(address.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(url::ParseError::EmptyHost.into()),
        }
        Ok(Target(url))
    }

    /// Whether an address may be connected to.
    ///
    /// An IPv6 address that carries an IPv4 one is judged by that: a mapped one is the IPv4
    /// address (in `allow_networks` too), the others may be allowed by either.
    pub fn check(&self, address: IpAddr) -> Result<(), BlockedAddress> {
        let canonical = address.to_canonical();
        let allowed = |one: IpAddr| self.allow_networks.iter().any(|net| net.contains(&one));
        let reason = match canonical {
            one if allowed(one) => None,
            IpAddr::V4(one) => ipv4_reason(one),
            IpAddr::V6(one) => match carried(one) {
                Some(carried) if allowed(carried.into()) => None,
                Some(carried) => ipv4_reason(carried),
                None => ipv6_reason(one),
            },
        };
        reason.map_or(Ok(()), |reason| Err(BlockedAddress { address, reason }))
    }
}

fn ipv4_reason(address: Ipv4Addr) -> Option<&'static str> {
    IPV4.iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, reason)| *reason)
        .or_else(|| IPV4_RESERVED.contains(&address).then_some("reserved"))
}

fn ipv6_reason(address: Ipv6Addr) -> Option<&'static str> {
    IPV6.iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, reason)| *reason)
        .or_else(|| (!IPV6_GLOBAL.contains(&address)).then_some("reserved"))
}

/// The IPv4 address that an IPv6 address stands for.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let (_, at) = CARRIERS.iter().find(|(net, _)| net.contains(&address))?;
    let octets = address.octets();
    let octets: [u8; 4] = octets.get(*at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::{Guard, TargetError};

    /// The reason why `address` is refused, or `ok`, when `allow` lists the given networks.
    fn check(allow: &[&str], address: &str) -> &'static str {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        Guard::new(false, allow)
            .check(address.parse().unwrap())
            .map_or_else(|blocked| blocked.reason, |()| "ok")
    }

    #[test]
    fn an_address_outside_the_public_internet_is_refused() {
        let cases = [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.255.255.255", "private"),
            ("100.63.255.255", "ok"),
            ("100.64.0.0", "shared by a carrier's NAT"),
            ("100.100.100.200", "shared by a carrier's NAT"),
            ("100.128.0.0", "ok"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "cloud metadata"),
            ("168.63.129.17", "ok"),
            ("169.254.169.254", "cloud metadata"),
            ("169.254.170.2", "link-local"),
            ("172.15.255.255", "ok"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("172.32.0.0", "ok"),
            ("192.0.0.192", "reserved for protocols"),
            ("192.0.2.1", "for documentation"),
            ("192.88.99.1", "reserved"),
            ("192.168.0.1", "private"),
            ("198.17.255.255", "ok"),
            ("198.19.255.255", "for benchmarks"),
            ("198.51.100.7", "for documentation"),
            ("203.0.113.7", "for documentation"),
            ("223.255.255.255", "ok"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("1.1.1.1", "ok"),
            ("8.8.8.8", "ok"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("100::1", "discarded"),
            ("2001::1", "Teredo"),
            ("2001:0:7f00:1::", "Teredo"),
            ("2001:2::1", "for benchmarks"),
            ("2001:20::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("3fff::1", "for documentation"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("4000::1", "reserved"),
            ("5f00::1", "reserved"),
            ("64:ff9b:2::1", "reserved"),
            ("2606:4700:4700::1111", "ok"),
            ("2a00:1450:4001:800::200e", "ok"),
        ];
        for (address, reason) in cases {
            assert_eq!(check(&[], address), reason, "{address}");
        }
    }

    #[test]
    fn an_ipv6_form_of_an_ipv4_address_is_judged_as_that() {
        let cases = [
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "cloud metadata"),
            ("::ffff:8.8.8.8", "ok"),
            ("::7f00:1", "loopback"),
            ("::10.0.0.1", "private"),
            ("::2", "unspecified"),
            ("::8.8.8.8", "ok"),
            ("::ffff:0:10.0.0.1", "private"),
            ("::ffff:0:8.8.8.8", "ok"),
            ("64:ff9b::192.168.1.1", "private"),
            ("64:ff9b::8.8.8.8", "ok"),
            ("64:ff9b:1::8.8.8.8", "local NAT64"),
            ("2002:7f00:1::", "loopback"),
            ("2002:a9fe:a9fe::1", "cloud metadata"),
            ("2002:808:808::1", "ok"),
        ];
        for (address, reason) in cases {
            assert_eq!(check(&[], address), reason, "{address}");
        }
    }

    #[test]
    fn a_listed_network_is_allowed_in_every_form_and_nothing_else_is() {
        let cases: [(&[&str], &str, &str); 10] = [
            (&["127.0.0.0/8"], "127.0.0.1", "ok"),
            (&["127.0.0.0/8"], "::ffff:127.0.0.1", "ok"),
            (&["127.0.0.0/8"], "::1", "loopback"),
            (&["127.0.0.0/8"], "10.0.0.1", "private"),
            (&["10.1.0.0/16", "::1/128"], "::1", "ok"),
            (&["10.1.0.0/16"], "64:ff9b::10.1.2.3", "ok"),
            (&["10.1.0.0/16"], "64:ff9b::10.2.2.3", "private"),
            (&["64:ff9b::/96"], "64:ff9b::10.2.2.3", "ok"),
            (&["64:ff9b:1::/48"], "64:ff9b:1::1", "ok"),
            (&["::/0"], "::ffff:10.0.0.1", "private"),
        ];
        for (allow, address, reason) in cases {
            assert_eq!(check(allow, address), reason, "{address} with {allow:?}");
        }
    }

    #[test]
    fn a_target_is_an_absolute_https_url_and_nothing_more() {
        let strict = Guard::new(false, vec![]);
        let cases = [
            (
                "https://example.com/hook?a=b",
                Ok("https://example.com/hook?a=b"),
            ),
            (" https://EXAMPLE.com:443 ", Ok("https://example.com/")),
            ("https://8.8.8.8:8443/x", Ok("https://8.8.8.8:8443/x")),
            (
                "https://bücher.example/",
                Ok("https://xn--bcher-kva.example/"),
            ),
            ("/hook", Err("not a URL")),
            ("example.com/hook", Err("not a URL")),
            ("https://", Err("not a URL")),
            ("https://127.0.0.1:99999/", Err("not a URL")),
            ("http://example.com/", Err("http is not encrypted")),
            ("ftp://example.com/", Err("scheme ftp")),
            ("file:///etc/passwd", Err("scheme file")),
            ("https://me@example.com/", Err("the URL holds a user name")),
            ("https://:pw@example.com/", Err("the URL holds a user name")),
            ("https://example.com/#", Err("the URL has a fragment")),
            ("https://127.0.0.1/", Err("127.0.0.1 is loopback")),
            ("https://127.0.0.1./", Err("127.0.0.1 is loopback")),
            ("https://0x7f.1/", Err("127.0.0.1 is loopback")),
            ("https://2130706433/", Err("127.0.0.1 is loopback")),
            ("https://0177.0.0.1/", Err("127.0.0.1 is loopback")),
            ("https://127.1/", Err("127.0.0.1 is loopback")),
            ("https://0/", Err("0.0.0.0 is unspecified")),
            ("https://１２７.0.0.1/", Err("127.0.0.1 is loopback")),
            ("https://%31%32%37.0.0.1/", Err("127.0.0.1 is loopback")),
            ("https://[::1]/", Err("::1 is loopback")),
            (
                "https://[::ffff:127.0.0.1]/",
                Err("::ffff:127.0.0.1 is loopback"),
            ),
            ("https://[fe80::1%25eth0]/", Err("not a URL")),
        ];
        for (url, expected) in cases {
            let got = strict.target(url).map_err(|error| error.to_string());
            match (&got, expected) {
                (Ok(target), Ok(text)) => assert_eq!(target.as_str(), text),
                (Err(error), Err(text)) => assert!(error.starts_with(text), "{url}: {error}"),
                _ => panic!("{url}: {got:?}"),
            }
        }
    }

    #[test]
    fn http_and_length_are_limited() {
        let lax = Guard::new(true, vec!["127.0.0.0/8".parse().unwrap()]);
        lax.target("http://127.0.0.1:8000/").unwrap();
        let url = format!("https://example.com/{}", "a".repeat(2028));
        assert_eq!(lax.target(&url).unwrap().as_str().len(), 2048);
        assert_eq!(
            lax.target(&format!("{url}a")),
            Err(TargetError::TooLong(2049))
        );
    }

    #[test]
    fn an_error_does_not_repeat_a_password() {
        let error = Guard::new(false, vec![]).target("https://me:hunter2@example.com/");
        assert!(!error.unwrap_err().to_string().contains("hunter2"));
    }
}
