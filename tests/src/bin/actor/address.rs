//! Socket addresses: the form in steps, and the bytes of the kernel.

use std::{
    io::Error,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use anyhow::{Context as _, Result, bail};

use crate::place::check;

/// The bytes of a `sockaddr`.
#[derive(Clone, Debug)]
pub(crate) struct Address(pub(crate) Vec<u8>);

impl Address {
    /// `IP:PORT`, `[IP]:PORT`, a path, `@` and an abstract name, `netlink`, or `unspec`;
    /// `/N` behind an IP address cuts it to N bytes.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::of(libc::AF_UNIX, &[text.as_bytes(), b"\0"].concat()));
        }
        if let Some(name) = text.strip_prefix('@') {
            return Ok(Self::of(libc::AF_UNIX, &[b"\0", name.as_bytes()].concat()));
        }
        match text {
            "netlink" => return Ok(Self::of(libc::AF_NETLINK, &[0; 10])),
            "unspec" => return Ok(Self::of(libc::AF_UNSPEC, &[0; 14])),
            _ => {}
        }
        let (address, cut) = match text.split_once('/') {
            Some((address, cut)) => (address, Some(cut.parse()?)),
            None => (text, None),
        };
        let mut whole = match address.parse().with_context(|| format!("address {text}"))? {
            SocketAddr::V4(v4) => Self::of(
                libc::AF_INET,
                &[&v4.port().to_be_bytes()[..], &v4.ip().octets(), &[0; 8]].concat(),
            ),
            SocketAddr::V6(v6) => Self::of(
                libc::AF_INET6,
                &[
                    &v6.port().to_be_bytes()[..],
                    &[0; 4],
                    &v6.ip().octets(),
                    &[0; 4],
                ]
                .concat(),
            ),
        };
        whole.0.truncate(cut.unwrap_or(whole.0.len()));
        Ok(whole)
    }

    fn of(family: libc::c_int, rest: &[u8]) -> Self {
        let family = u16::try_from(family).unwrap_or(u16::MAX);
        Self([&family.to_ne_bytes(), rest].concat())
    }

    pub(crate) fn pointer(&self) -> *const libc::sockaddr {
        self.0.as_ptr().cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        libc::socklen_t::try_from(self.0.len()).unwrap_or(libc::socklen_t::MAX)
    }

    /// The address as Falco writes it: without brackets, and an IPv4-mapped IPv6 address as IPv4.
    fn text(&self) -> String {
        match self.0.as_slice() {
            [2, 0, p1, p0, a, b, c, d, ..] => {
                format!("{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([*p1, *p0]))
            }
            [10, 0, p1, p0, _, _, _, _, rest @ ..] if rest.len() >= 16 => {
                let octets: [u8; 16] = rest[..16].try_into().unwrap_or_default();
                let ip: IpAddr = Ipv6Addr::from(octets).to_canonical();
                format!("{ip}:{}", u16::from_be_bytes([*p1, *p0]))
            }
            _ => "-".to_owned(),
        }
    }
}

/// `getsockname` or `getpeername`.
type Ask =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn ask(ask: Ask, fd: libc::c_int) -> Result<String> {
    let mut bytes = vec![0; 128];
    let mut len = 128;
    // SAFETY: there are as many bytes as the length says.
    let answer = unsafe { ask(fd, bytes.as_mut_ptr().cast(), &raw mut len) };
    if answer < 0 && Error::last_os_error().raw_os_error() == Some(libc::ENOTCONN) {
        return Ok("-".to_owned());
    }
    check(answer)?;
    bytes.truncate(len as usize);
    Ok(Address(bytes).text())
}

/// The endpoints from `getsockname` and `getpeername`; `-` where there is none.
pub(crate) fn endpoints(fd: libc::c_int) -> Result<String> {
    let (local, peer) = (ask(libc::getsockname, fd)?, ask(libc::getpeername, fd)?);
    Ok(format!("{local} {peer}"))
}

/// Checks the result of a call: 0 (or more), or -1 and that errno.
pub(crate) fn expect(answer: libc::c_long, errno: u32) -> Result<()> {
    let error = Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (0.., _) if errno == 0 => Ok(()),
        (..0, Some(code)) if u32::try_from(code).is_ok_and(|code| code == errno) => Ok(()),
        (0.., _) => bail!("it succeeded, and should have failed with errno {errno}"),
        _ => bail!("{error}, and not errno {errno}"),
    }
}
