use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network as `10.1.0.0/16` or `fd12:3456::/32` writes it; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address belongs to it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                base.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                base.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = "is no network such as 10.1.0.0/16";
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| what)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| what)?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let network = Self {
            base,
            bits: bits.unwrap_or(widest),
        };
        // The whole Internet is no network, and a slip of the pen must not open it.
        let narrowest = if base.is_ipv4() { 8 } else { 16 };
        if !(narrowest..=widest).contains(&network.bits) {
            return Err(what);
        }
        Ok(network)
    }
}

/// Which addresses beside public ones may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// `127.0.0.0/8` and `::1`: development and tests.
    pub loopback: bool,
    /// The site's own network: RFC 1918, carrier-grade NAT (RFC 6598), IPv6 unique local addresses.
    pub private: bool,
    /// More of the site's own, each by name.
    pub networks: Vec<Network>,
}

/// Whether a connection to `ip` may be opened.
///
/// Public unicast addresses always; loopback and private ones as the policy says; what it names, always; link-local (cloud metadata lives
/// there), multicast, unspecified, reserved and documentation addresses never. An IPv6 address that carries an IPv4
/// address (mapped, NAT64, 6to4) counts as that one.
pub fn is_allowed(ip: IpAddr, policy: &AddressPolicy) -> bool {
    let named = |ip| policy.networks.iter().any(|network| network.contains(ip));
    match ip {
        IpAddr::V4(v4) => named(ip) || v4_allowed(v4, policy),
        IpAddr::V6(v6) => {
            named(ip) || carried_v4(v6).is_some_and(|v4| named(v4.into())) || v6_allowed(v6, policy)
        }
    }
}

fn v4_allowed(ip: Ipv4Addr, policy: &AddressPolicy) -> bool {
    if ip.is_loopback() {
        return policy.loopback;
    }
    let [a, b, c, _] = ip.octets();
    if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
        return policy.private;
    }
    let special = a == 0
        || a >= 224 // multicast, reserved, broadcast
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (b == 18 || b == 19)); // benchmarks
    !special
}

fn v6_allowed(ip: Ipv6Addr, policy: &AddressPolicy) -> bool {
    if ip == Ipv6Addr::LOCALHOST {
        return policy.loopback;
    }
    if let Some(v4) = carried_v4(ip) {
        return v4_allowed(v4, policy);
    }
    let s = ip.segments();
    if s[0] & 0xfe00 == 0xfc00 {
        return policy.private;
    }
    let documentation = (s[0] == 0x2001 && s[1] == 0x0db8) || (s[0] == 0x3fff && s[1] < 0x1000);
    // 2001::/23 holds Teredo, ORCHID and benchmarks: nothing that a server lives on.
    let assignments = s[0] == 0x2001 && s[1] < 0x0200;
    s[0] & 0xe000 == 0x2000 && !documentation && !assignments
}

fn carried_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, loopback: bool, private: bool) -> bool {
        let policy = AddressPolicy {
            loopback,
            private,
            networks: Vec::new(),
        };
        is_allowed(text.parse().unwrap(), &policy)
    }

    #[test]
    fn a_network_that_is_named_is_allowed_and_no_other() {
        let policy = AddressPolicy {
            networks: ["10.1.0.0/16", "192.168.7.9", "fd12:3456::/32"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            ..AddressPolicy::default()
        };
        for (ip, expected) in [
            ("10.1.0.1", true),
            ("10.1.255.255", true),
            ("::ffff:10.1.2.3", true),
            ("64:ff9b::a01:203", true),
            ("192.168.7.9", true),
            ("fd12:3456:ffff::1", true),
            ("10.2.0.1", false),
            ("10.0.255.255", false),
            ("192.168.7.8", false),
            ("fd12:3457::1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(is_allowed(ip.parse().unwrap(), &policy), expected, "{ip}");
        }
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "0.0.0.0/0",
            "::/0",
            "x/8",
            "10.0.0/8",
            "fd00::/129",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn public_addresses_are_always_allowed() {
        for ip in [
            "8.8.8.8",
            "96.43.144.26",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(allowed(ip, false, false), "{ip}");
        }
    }

    #[test]
    fn loopback_only_when_the_policy_says_so() {
        for ip in [
            "127.0.0.1",
            "127.255.3.4",
            "::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
        ] {
            assert!(!allowed(ip, false, true), "{ip}");
            assert!(allowed(ip, true, false), "{ip}");
        }
    }

    #[test]
    fn private_only_when_the_policy_says_so() {
        for ip in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
        ] {
            assert!(!allowed(ip, true, false), "{ip}");
            assert!(allowed(ip, false, true), "{ip}");
        }
    }

    #[test]
    fn the_rest_is_never_allowed() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
        ] {
            assert!(!allowed(ip, true, true), "{ip}");
        }
    }
}
