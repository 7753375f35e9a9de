//! The proxy of a web server, from the environment, as libcurl chooses it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::url::{Scheme, Url};

/// Port of a proxy that names none, as in libcurl.
const PORT: u16 = 1080;

/// The proxy for a server, if the environment names one.
///
/// The variable in small letters comes first (`https_proxy`, `all_proxy`, `no_proxy`); the one in
/// capital letters counts too, except `HTTP_PROXY`, which a web server's CGI program gets from its
/// clients.
///
/// # Errors
/// If the variable has no URL of a proxy: its name, and what is wrong.
pub(super) fn find(
    server: &Url,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Url>, String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let except = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    if except.is_some_and(|except| is_in(&server.host, &except)) {
        return Ok(None);
    }
    let names: &[&str] = match server.scheme {
        Scheme::Http => &["http_proxy", "all_proxy", "ALL_PROXY"],
        Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let found = names.iter().find_map(|name| Some((name, variable(name)?)));
    let Some((name, value)) = found else {
        return Ok(None);
    };
    let mut proxy = Url::parse(&value).map_err(|what| format!("variable {name}: {what}"))?;
    if proxy.scheme == Scheme::Http {
        proxy.port = proxy.port.or(Some(PORT));
    }
    Ok(Some(proxy))
}

/// Whether a server is in the list of `no_proxy`: names with all names below them, addresses,
/// networks, or `*` alone for all.
fn is_in(host: &str, list: &str) -> bool {
    if list == "*" {
        return true;
    }
    let entries = list
        .split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty());
    if let Ok(address) = host.parse::<IpAddr>() {
        return entries.into_iter().any(|entry| has_address(entry, address));
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    entries.into_iter().any(|entry| {
        let entry = entry.strip_suffix('.').unwrap_or(entry);
        let entry = entry
            .strip_prefix('.')
            .unwrap_or(entry)
            .to_ascii_lowercase();
        let rest = host.strip_suffix(&entry);
        !entry.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

fn has_address(entry: &str, address: IpAddr) -> bool {
    let bare = entry.trim_matches(['[', ']']);
    match bare.parse::<IpNet>() {
        // A network of all addresses is the one address, as in libcurl.
        Ok(network) if network.prefix_len() == 0 => network.addr() == address,
        Ok(network) => network.contains(&address),
        Err(_) => bare.parse::<IpAddr>().is_ok_and(|entry| entry == address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let server = Url::parse(server).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        find(&server, variable).map(|proxy| proxy.map(|proxy| format!("{proxy:?}")))
    }

    #[test]
    fn small_letters_come_first_and_http_proxy_has_no_capital_form() {
        let all = [
            ("HTTP_PROXY", "bad"),
            ("HTTPS_PROXY", "s2"),
            ("ALL_PROXY", "a2"),
        ];
        let found = |server: &str, more: &[(&str, &str)]| {
            let variables = [more, &all].concat();
            proxy(server, &variables).unwrap()
        };
        let url = |host: &str| Some(format!("http://{host}:1080/"));
        assert_eq!(found("http://h", &[]), url("a2"));
        assert_eq!(found("http://h", &[("all_proxy", "a1")]), url("a1"));
        assert_eq!(found("http://h", &[("http_proxy", "p")]), url("p"));
        assert_eq!(found("https://h", &[]), url("s2"));
        assert_eq!(found("https://h", &[("https_proxy", "s1")]), url("s1"));
        assert_eq!(found("https://h", &[("https_proxy", "")]), url("s2"));
        let tls = Some("https://p:443/".into());
        assert_eq!(found("http://h", &[("http_proxy", "https://p")]), tls);
    }

    #[test]
    fn no_proxy_has_names_addresses_and_networks() {
        for (list, host, is_excepted) in [
            ("*", "h", true),
            ("a,*", "h", false),
            ("example.org", "www.Example.org", true),
            (".example.org.", "example.org.", true),
            ("example.org", "myexample.org", false),
            ("a b,c", "b", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("0.0.0.0/0", "127.0.0.1", false),
            ("", "h", false),
        ] {
            assert_eq!(is_in(host, list), is_excepted, "{host} in {list}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        let error = proxy("http://h", &[("http_proxy", "socks5://u:secret@p")]).unwrap_err();
        assert_eq!(
            error,
            "variable http_proxy: 'socks5' is neither http nor https"
        );
    }
}
