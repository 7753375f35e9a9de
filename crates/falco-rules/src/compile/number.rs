//! Sets of numbers, addresses and networks as sorted ranges.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::condition::Operator;

/// Inclusive ranges of numbers, sorted and disjoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    ranges: Box<[(i128, i128)]>,
    outside: bool,
}

impl Numbers {
    /// The numbers in some ranges.
    #[must_use]
    pub(crate) fn inside(mut ranges: Vec<(i128, i128)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(i128, i128)> = Vec::new();
        for (low, high) in ranges {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Self {
            ranges: merged.into(),
            outside: false,
        }
    }

    /// The numbers that are not in some ranges.
    #[must_use]
    pub(crate) fn outside(ranges: Vec<(i128, i128)>) -> Self {
        Self {
            outside: true,
            ..Self::inside(ranges)
        }
    }

    /// The numbers for which an operator with a constant is true.
    #[must_use]
    pub(crate) fn ordered(operator: Operator, number: i128) -> Self {
        let range = match operator {
            Operator::Lt => (i128::MIN, number.saturating_sub(1)),
            Operator::Le => (i128::MIN, number),
            Operator::Gt => (number.saturating_add(1), i128::MAX),
            Operator::Ge => (number, i128::MAX),
            Operator::Ne => return Self::outside(vec![(number, number)]),
            _ => (number, number),
        };
        Self::inside(vec![range])
    }

    /// Whether a number is in the set.
    #[must_use]
    #[inline]
    pub(crate) fn contains(&self, number: i128) -> bool {
        let behind = self.ranges.partition_point(|&(low, _)| low <= number);
        let inside = behind > 0 && number <= self.ranges[behind - 1].1;
        inside != self.outside
    }

    /// The numbers themselves, if there are at most that many.
    pub(crate) fn few(&self, most: i128) -> Option<impl Iterator<Item = i128> + '_> {
        let mut count = 0_i128;
        for (low, high) in &self.ranges {
            count = count.saturating_add(high.saturating_sub(*low).saturating_add(1));
        }
        let ranges = self.ranges.iter();
        (!self.outside && count <= most).then(|| ranges.flat_map(|&(low, high)| low..=high))
    }

    /// Whether all numbers of a range are in the set (true) or none (false); nothing if some are.
    #[must_use]
    pub(crate) fn decides(&self, low: i128, high: i128) -> Option<bool> {
        let whole = self
            .ranges
            .iter()
            .any(|&(first, last)| first <= low && high <= last);
        let apart = self
            .ranges
            .iter()
            .all(|&(first, last)| high < first || last < low);
        match (whole, apart) {
            (true, _) => Some(!self.outside),
            (_, true) => Some(self.outside),
            _ => None,
        }
    }
}

/// An address as a number: IPv4 as the IPv4-mapped IPv6 address.
#[must_use]
pub(crate) fn ip(ip: IpAddr) -> i128 {
    let v6 = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    // Maps the order of addresses onto signed numbers.
    (u128::from(v6) ^ (1 << 127)).cast_signed()
}

/// The range of an address or a network.
#[must_use]
pub(crate) fn network(text: &str) -> Option<(i128, i128)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let number = ip(address);
        return Some((number, number));
    }
    let net: IpNet = text.parse().ok()?;
    Some((ip(net.network()), ip(net.broadcast())))
}

/// A whole number, decimal or hexadecimal.
#[must_use]
pub(crate) fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => i128::from_str_radix(hex, 16).ok()?,
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Numbers {
        Numbers::inside(list.iter().map(|text| network(text).unwrap()).collect())
    }

    fn has(numbers: &Numbers, address: &str) -> bool {
        numbers.contains(ip(address.parse().unwrap()))
    }

    #[test]
    fn networks_contain_their_addresses() {
        let private = nets(&["10.0.0.0/8", "192.168.0.0/16", "fd00::/8", "127.0.0.1"]);
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.168.3.4",
            "fd12::1",
            "127.0.0.1",
        ] {
            assert!(has(&private, inside), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "127.0.0.2", "fe80::1", "::"] {
            assert!(!has(&private, outside), "{outside}");
        }
        assert!(has(&private, "::ffff:10.1.2.3"));
        assert!(has(&nets(&["::/0"]), "ffff::") && has(&nets(&["0.0.0.0/0"]), "1.2.3.4"));
    }

    #[test]
    fn ranges_decide_what_they_can() {
        let positive = Numbers::ordered(Operator::Ge, 0);
        assert_eq!(positive.decides(-4095, -1), Some(false));
        assert_eq!(positive.decides(0, 10), Some(true));
        assert_eq!(positive.decides(-1, 1), None);
        assert_eq!(
            Numbers::ordered(Operator::Ne, -115).decides(-4095, -1),
            None
        );
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(whole("-0x10"), Some(-16));
        assert_eq!(whole("+7"), Some(7));
        assert_eq!(whole("1.5"), None);
        assert_eq!(whole(""), None);
        assert_eq!(whole("x"), None);
        assert_eq!(whole("99999999999999999999999999999999999999999"), None);
    }
}
