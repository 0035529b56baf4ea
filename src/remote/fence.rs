//! Which machines may be reached where an address was not chosen by whoever runs this service.
//!
//! An environment that is added over the API brings its own origins. They lead to public addresses
//! alone, unless the configuration allows a network: an administrator of the API is not thereby let
//! into whatever stands beside the service. What a name resolves to is judged, at the moment at which
//! it is connected to, so that a name cannot lead elsewhere later. A proxy of the environment resolves
//! names itself; then the fence is the proxy's.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address beside the public ones may be reached.
pub type Allowed = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// A fence around what is not public.
#[derive(Clone)]
pub struct Fence(Allowed);

/// No address of a name may be reached.
#[derive(Debug, thiserror::Error)]
#[error(
    "the host is at no public address; name its network in server.private_networks if it may be reached"
)]
struct Fenced;

impl Fence {
    /// Lets through public addresses, and what `allowed` says.
    pub fn new(allowed: Allowed) -> Fence {
        Fence(allowed)
    }

    /// Whether this address may be reached.
    pub fn opens(&self, address: IpAddr) -> bool {
        is_public(address) || (self.0)(address.to_canonical())
    }

    /// Whether an address of the web may be reached as far as that can be told without a look-up.
    pub fn may_open(&self, url: &url::Url) -> bool {
        match url.host() {
            Some(url::Host::Ipv4(address)) => self.opens(address.into()),
            Some(url::Host::Ipv6(address)) => self.opens(address.into()),
            Some(url::Host::Domain(_)) => true,
            None => false,
        }
    }
}

impl Resolve for Fence {
    fn resolve(&self, name: Name) -> Resolving {
        let fence = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found.filter(|found| fence.opens(found.ip())).collect();
            match open.is_empty() {
                true => Err(Fenced.into()),
                false => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address is one of the public network (IANA's special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // Only what was given out to the world; of that, the ways that lead back into IPv4.
    let global = parts[0] & 0xe000 == 0x2000;
    let inside = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inside(high, low),
        [0x2002, high, low, ..] => inside(high, low),
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] => false,
        _ => global,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_stands_beside_the_service_is_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.0.2.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(ip(inside)), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(ip(outside)), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_resolved() {
        let nothing = Fence::new(Arc::new(|_| false));
        let name = || "localhost".parse::<Name>().expect("a name");
        let refused = nothing.resolve(name()).await.err().expect("refused");
        assert!(refused.to_string().contains("server.private_networks"));
        let loopback = Fence::new(Arc::new(|address: IpAddr| address.is_loopback()));
        let found: Vec<_> = loopback.resolve(name()).await.expect("allowed").collect();
        assert!(!found.is_empty() && found.iter().all(|one| one.ip().is_loopback()));
    }
}
