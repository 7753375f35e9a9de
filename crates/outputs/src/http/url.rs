//! Addresses of web servers and proxies, read as libcurl reads them.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The name, as a URL has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a server whose URL names none.
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A URL in parts. `Debug` shows no user and no password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// User and password, decoded; none if the URL has no `@`.
    pub(super) user: Option<(Vec<u8>, Vec<u8>)>,
    /// Name or address, without the brackets of an IPv6 address.
    pub(super) host: String,
    /// The port that the URL names.
    pub(super) port: Option<u16>,
    /// Path and query, as they go into the request line.
    pub(super) path: String,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme, host, path, ..
        } = self;
        write!(f, "{}://{host}:{}{path}", scheme.name(), self.port())
    }
}

/// Characters that no host name has.
const NOT_IN_HOST: &str = " \r\n\t/:#?!@{}[]\\$'\"^`*<>=;,+&()|%";

impl Url {
    /// Reads a URL: without a scheme it is `http`, and quotes around it do not count, as in Falco.
    ///
    /// # Errors
    /// What is wrong, in words that show neither user nor password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = unquoted(text);
        if let Some(c) = text.chars().find(|c| c.is_ascii_control() || *c == ' ') {
            return Err(format!(
                "{c:?} is not allowed in a URL: write %{:02X}",
                c as u32
            ));
        }
        let (scheme, rest) = scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // libcurl splits at the first `@` and refuses a second one: it is no part of a name.
        let (user, host) = match authority.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let user = user.map(|user| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(user), decoded(password))
        });
        let has_nul = |(user, password): &(Vec<u8>, Vec<u8>)| {
            [user, password].iter().any(|text| text.contains(&0))
        };
        if user.as_ref().is_some_and(has_nul) {
            return Err("%00 is in the user or the password".into());
        }
        let (host, port) = host_and_port(host)?;
        Ok(Self {
            scheme,
            user,
            host,
            port,
            path: target(path),
        })
    }

    /// The port, named or not.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.port())
    }

    /// `host:port` for the header `Host`: without the scheme's own port.
    pub(super) fn authority(&self) -> String {
        match self.port() {
            port if port == self.scheme.port() => self.bracketed(),
            port => format!("{}:{port}", self.bracketed()),
        }
    }

    /// `host:port`, always with the port.
    pub(super) fn with_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port())
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// The value of `Authorization` or `Proxy-Authorization`: user and password in the scheme
    /// *Basic* (RFC 7617). None if the URL has no `@`.
    pub(super) fn credentials(&self) -> Option<HeaderValue> {
        let (user, password) = self.user.as_ref()?;
        let pair = [user, &b":"[..], password].concat();
        let text = format!("Basic {}", STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The text without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// The scheme, and what stands behind its slashes: one to three, as libcurl has it.
fn scheme(text: &str) -> Result<(Scheme, &str), String> {
    let is_name = |name: &str| {
        let letters = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && letters
    };
    let named = text.split_once(':');
    let Some((name, rest)) = named.filter(|(name, rest)| is_name(name) && rest.starts_with('/'))
    else {
        return Ok((Scheme::Http, text));
    };
    let scheme = match name.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => return Err(format!("'{other}' is neither http nor https")),
    };
    let host = rest.trim_start_matches('/');
    if rest.len() - host.len() > 3 {
        return Err("there are too many slashes before the server's name".into());
    }
    Ok((scheme, host))
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest
            .split_once(']')
            .ok_or("the bracket of the address is open")?;
        // The zone of an address means nothing to a server.
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        address
            .parse::<Ipv6Addr>()
            .map_err(|_| format!("'{host}' is no IPv6 address"))?;
        let port = port.strip_prefix(':').or(port.is_empty().then_some(""));
        (address.to_owned(), port)
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        (name(host)?, Some(port))
    };
    let port = port.ok_or("the port is not a number")?;
    let port = match port {
        "" => None,
        digits => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(port),
            _ => return Err(format!("'{digits}' is no port")),
        },
    };
    Ok((host, port))
}

/// The name of a server: percent-decoded, an IPv4 address in its usual form.
fn name(text: &str) -> Result<String, String> {
    let decoded = String::from_utf8(decoded(text)).map_err(|_| "the server's name is no text")?;
    if decoded.is_empty() {
        return Err("there is no server in the URL".into());
    }
    let wrong = |c: char| !c.is_ascii() || c.is_ascii_control() || NOT_IN_HOST.contains(c);
    if let Some(c) = decoded.chars().find(|c| wrong(*c)) {
        return Err(format!("{c:?} is in the server's name"));
    }
    Ok(ipv4(&decoded).map_or(decoded, |address| address.to_string()))
}

/// An IPv4 address in one of the C library's forms: one to four numbers, decimal, octal (`0…`) or
/// hexadecimal (`0x…`); the last one fills the rest.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut numbers = Vec::new();
    for part in text.split('.') {
        let number = match part.as_bytes() {
            [b'0', b'x' | b'X', ..] => u32::from_str_radix(&part[2..], 16),
            [b'0', _, ..] => u32::from_str_radix(part, 8),
            [b'0'..=b'9', ..] => part.parse(),
            _ => return None,
        };
        numbers.push(number.ok()?);
    }
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let bits = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >> bits != 0 {
        return None;
    }
    let head = first.iter().enumerate();
    let head: u32 = head.map(|(i, number)| number << (24 - 8 * i)).sum();
    Some(Ipv4Addr::from(head | last))
}

/// Path and query for the request line: without the fragment, and without `.` and `..`.
fn target(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => parts.push(""),
            "." => {}
            ".." => {
                parts.pop();
                if is_last {
                    parts.push("");
                }
            }
            segment => parts.push(segment),
        }
    }
    let mut target = format!("/{}", parts.join("/"));
    if let Some(query) = query {
        target.push('?');
        target += &query.replace('"', "%22");
    }
    let mut out = String::new();
    for c in target.chars() {
        match c {
            // hyper takes all characters but these, and `"` in a query, as they stand.
            '<' => out += "%3C",
            '>' => out += "%3E",
            '`' => out += "%60",
            c if c.is_ascii() => out.push(c),
            c => {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).bytes();
                out.extend(bytes.map(|byte| format!("%{byte:02x}")));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_parts() {
        for (text, authority, path) in [
            ("http://h", "h", "/"),
            ("HTTP://H:80/a", "H", "/a"),
            ("https://h:443?q=1#f", "h", "/?q=1"),
            ("http://h:443/", "h:443", "/"),
            ("h:2801", "h:2801", "/"),
            ("h", "h", "/"),
            ("'http://h/x'", "h", "/x"),
            ("http:/h/x", "h", "/x"),
            ("http:///h/x", "h", "/x"),
            ("http://u:p@[::1]:9/x", "[::1]:9", "/x"),
            ("http://127.1/", "127.0.0.1", "/"),
            ("http://0x7f000001/", "127.0.0.1", "/"),
            ("http://h/a/../b/./c/..", "h", "/b/"),
            ("http://h/%2e%20<", "h", "/%2e%20%3C"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((&*url.authority(), &*url.path), (authority, path), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_an_error_without_secrets() {
        for text in [
            "",
            "http://",
            "ftp://u:secret@h",
            "http://u:secret@",
            "http://u:secret@h:port",
            "http://u:secret@h:70000",
            "http://u:secret@h:0",
            "http://u:secret@x@h",
            "http://u:secret@[::1",
            "http://u:secret@[x]",
            "http://u:secret w@h",
            "http:////h",
            "http://u:secret@a b",
            "http://u:secret@h|",
            "http://u:secret%00@h",
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn user_and_password_are_decoded_and_never_shown() {
        let header = |text: &str| {
            let url = Url::parse(text).unwrap();
            let path = &url.path;
            assert!(path.contains("pw") || !format!("{url:?}").contains("pw"));
            let value = url.credentials()?;
            assert!(value.is_sensitive());
            Some(value.to_str().unwrap().to_owned())
        };
        let basic = |pair: &str| Some(format!("Basic {}", STANDARD.encode(pair)));
        assert_eq!(header("http://joe:pw@h"), basic("joe:pw"));
        assert_eq!(header("http://joe%40x:p%3Apw%zz@h"), basic("joe@x:p:pw%zz"));
        assert_eq!(header("http://joe@h"), basic("joe:"));
        assert_eq!(header("http://:pw@h"), basic(":pw"));
        assert_eq!(header("http://@h"), basic(":"));
        assert_eq!(header("http://h/joe:pw@x"), None);
    }
}
