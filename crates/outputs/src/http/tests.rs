//! The same URL through this output and through curl: a server on the loopback compares what
//! arrives. Where curl is not installed, the test says so and checks nothing.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config as Runs, TestRunner},
};

use super::*;

/// What one request consists of, but for its body and its user agent.
type Head = Vec<String>;

/// A web server and proxy that keeps the head of each request under its user agent.
struct Server {
    port: u16,
    heads: Arc<Mutex<BTreeMap<String, Vec<Head>>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let listeners = [Some(listener), TcpListener::bind(("::1", port)).ok()];
        for listener in listeners.into_iter().flatten() {
            let heads = Arc::clone(&heads);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let heads = Arc::clone(&heads);
                    thread::spawn(move || serve(stream, &heads));
                }
            });
        }
        Self { port, heads }
    }

    /// The heads of the requests with that user agent.
    fn take(&self, agent: &str) -> Vec<Head> {
        self.heads.lock().unwrap().remove(agent).unwrap_or_default()
    }
}

fn serve(stream: TcpStream, heads: &Mutex<BTreeMap<String, Vec<Head>>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut agent, mut length) = (Head::new(), String::new(), 0);
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let Some((name, value)) = line.split_once(": ").filter(|_| !head.is_empty()) else {
                if line.is_empty() {
                    break;
                }
                head.push(line);
                continue;
            };
            let name = name.to_ascii_lowercase();
            match &*name {
                "user-agent" => value.clone_into(&mut agent),
                "content-length" => length = value.parse().unwrap(),
                _ => head.push(format!("{name}: {value}")),
            }
        }
        head[1..].sort();
        let is_tunnel = head[0].starts_with("CONNECT");
        heads.lock().unwrap().entry(agent).or_default().push(head);
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
        let status = if is_tunnel { "502 No" } else { "200 Yes" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A case: the URL, and variables of the environment.
#[derive(Clone, Debug)]
struct Case {
    url: String,
    variables: Vec<(&'static str, String)>,
    compress: bool,
}

/// What curl sends for each case, by one process. The variables are those of all cases.
fn by_curl(server: &Server, cases: &[Case]) -> Vec<Vec<Head>> {
    let quoted = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
    let mut script = String::new();
    for (number, case) in cases.iter().enumerate() {
        let url = quoted(&case.url);
        let compress = if case.compress { "tr-encoding" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            script,
            "next\nurl = \"{url}\"\nuser-agent = \"curl-{number}\"\ndata-raw = \"x\"\n\
             header = \"Content-Type: application/json\"\noutput = /dev/null\nsilent\ngloboff\n{compress}"
        );
    }
    let mut curl = Command::new("curl");
    curl.args(["--disable", "--config", "-"]).env_clear();
    curl.envs(cases[0].variables.iter().cloned());
    curl.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut curl = curl.spawn().unwrap();
    curl.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    // The exit code is that of the last transfer; the server knows what has arrived.
    curl.wait().unwrap();
    let numbers = 0..cases.len();
    numbers
        .map(|number| server.take(&format!("curl-{number}")))
        .collect()
}

/// What this output sends for a case.
fn by_us(server: &Server, runtime: &Runtime, case: &Case) -> Vec<Head> {
    let mut config = Config::default();
    config.http_output.url.clone_from(&case.url);
    config.http_output.compress_uploads = case.compress;
    "sensor".clone_into(&mut config.http_output.user_agent);
    let variable = |name: &str| {
        let mut variables = case.variables.iter();
        variables
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone())
    };
    let Ok(target) = Target::with(&config, variable) else {
        return Vec::new();
    };
    let _ = runtime.block_on(async {
        let mut connection = target.connect().await?;
        connection
            .send(target.request(Bytes::from_static(b"x"))?)
            .await
    });
    server.take("sensor")
}

/// Compares cases with the same variables; returns how many arrived.
fn compare(server: &Server, cases: &[Case]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (mut arrived, mut differences) = (0, Vec::new());
    for (case, mut curl) in cases.iter().zip(by_curl(server, cases)) {
        // hyper takes all characters but these, and a quote in a query, as they stand.
        for head in &mut curl {
            for (c, escape) in [("<", "%3C"), (">", "%3E"), ("`", "%60")] {
                head[0] = head[0].replace(c, escape);
            }
            if let Some((path, query)) = head[0].split_once('?') {
                head[0] = format!("{path}?{}", query.replace('"', "%22"));
            }
        }
        let ours = by_us(server, &runtime, case);
        if ours != curl {
            differences.push(format!("{case:?}\n ours {ours:?}\n curl {curl:?}"));
        }
        arrived += usize::from(!ours.is_empty());
    }
    let shown = &differences[..differences.len().min(40)];
    assert!(
        shown.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        cases.len(),
        shown.join("\n")
    );
    arrived
}

fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        eprintln!("curl is not installed: nothing is compared");
    }
    found
}

fn case(url: impl Into<String>) -> Case {
    Case {
        url: url.into(),
        variables: Vec::new(),
        compress: false,
    }
}

#[test]
fn urls_by_hand_arrive_as_curl_s() {
    if !has_curl() {
        return;
    }
    let server = Server::start();
    let port = server.port;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "localhost",
        "[::1]",
        "%6cocalhost",
        "LOCALHOST",
        "joe@127.0.0.1",
        "joe:pw@127.0.0.1",
        ":pw@127.0.0.1",
        "@127.0.0.1",
        ":@127.0.0.1",
        "a%40b:c%3Ad%2Fe@127.0.0.1",
        "a:b:c@127.0.0.1",
        "a:b@c@127.0.0.1",
        "a%zz:%4@127.0.0.1",
        "a;b:c@127.0.0.1",
        "%C3%A9:\u{e9}@127.0.0.1",
    ];
    let paths = [
        "",
        "/",
        "/a/b?c=d#e",
        "?q",
        "#f",
        "/a/../b",
        "/a/./b/",
        "/..",
        "/a/b/..",
        "/%20%2e%2E/x",
        "/a b",
        "/\u{e9}",
        "/{x}|^[]\"'\\",
        "/<>`",
        "//x",
        "/a;b=c,d",
        "/%",
        "/?a/../b",
        "/.a/..b",
    ];
    let mut cases = Vec::new();
    for scheme in ["http://", "HTTP://", "http:/", "http:///", ""] {
        let hosts = hosts.iter().map(|host| (*host, "/a"));
        let paths = paths.iter().map(|path| ("127.0.0.1", *path));
        let urls = hosts.chain(paths);
        cases.extend(urls.map(|(host, path)| case(format!("{scheme}{host}:{port}{path}"))));
    }
    for url in [
        "http:////127.0.0.1:{}/",
        "http://127.0.0.1:{} /",
        "http://a b@127.0.0.1:{}/",
        "http://:{}/",
        "http://127.0.0.1:{}x/",
        "http://[::1:{}/",
        "http://127.0.0.1:0{}/",
        "http://user:pw%0a@127.0.0.1:{}/",
    ] {
        cases.push(case(url.replace("{}", &port.to_string())));
    }
    cases.push(Case {
        compress: true,
        ..case(format!("http://127.0.0.1:{port}/"))
    });
    let arrived = compare(&server, &cases);
    assert!(arrived * 2 > cases.len(), "{arrived} of {}", cases.len());
    println!("{} URLs by hand, {arrived} arrived", cases.len());
}

/// URLs of servers for which the environment names a proxy.
#[test]
fn requests_through_a_proxy_arrive_as_curl_s() {
    if !has_curl() {
        return;
    }
    let server = Server::start();
    let port = server.port;
    let proxy = format!("http://pr%6fxy:p%40w@127.0.0.1:{port}");
    let bare = format!("127.0.0.1:{port}");
    let urls = [
        "http://a.example/x".into(),
        "http://joe:pw@a.example:8080/x?y".into(),
        "https://a.example/x".into(),
        "https://joe:pw@b.example:444/".into(),
        "http://10.1.2.3/".into(),
        format!("http://localhost:{port}/direct"),
        format!("http://127.0.0.1:{port}/direct"),
    ];
    let environments: [&[(&str, &str)]; 13] = [
        &[("http_proxy", &proxy)],
        &[("http_proxy", &bare)],
        &[("https_proxy", &proxy)],
        &[("HTTPS_PROXY", &proxy)],
        &[("HTTP_PROXY", &proxy), ("no_proxy", "example")],
        &[("all_proxy", &proxy)],
        &[("ALL_PROXY", &bare), ("http_proxy", "")],
        &[("all_proxy", &proxy), ("no_proxy", "localhost,127.0.0.1")],
        &[
            ("all_proxy", &proxy),
            ("no_proxy", ".localhost 127.0.0.0/8"),
        ],
        &[("all_proxy", &proxy), ("NO_PROXY", "localhost, 127.0.0.1")],
        &[
            ("all_proxy", &proxy),
            ("no_proxy", "host,0.0.0.0/0,27.0.0.1"),
        ],
        &[
            ("all_proxy", &proxy),
            ("no_proxy", "LocalHost.,127.0.0.1/32"),
        ],
        &[
            ("http_proxy", &proxy),
            ("all_proxy", "http://127.0.0.1:1"),
            ("no_proxy", "a.example.org"),
        ],
    ];
    let mut arrived = 0;
    for variables in environments {
        // No variable names a proxy for servers that are not on the loopback: leave them out.
        let named = |names: &[&str]| {
            variables
                .iter()
                .any(|(name, value)| names.contains(name) && !value.is_empty())
        };
        let is_reached = |url: &&String| {
            let scheme = if url.starts_with("https") {
                "https_proxy"
            } else {
                "http_proxy"
            };
            let capital = if scheme == "https_proxy" {
                "HTTPS_PROXY"
            } else {
                ""
            };
            url.contains("direct") || named(&[scheme, capital, "all_proxy", "ALL_PROXY"])
        };
        let cases: Vec<_> = urls
            .iter()
            .filter(is_reached)
            .map(|url| Case {
                variables: variables
                    .iter()
                    .map(|(name, value)| (*name, (*value).to_owned()))
                    .collect(),
                ..case(url)
            })
            .collect();
        arrived += compare(&server, &cases);
    }
    println!("{arrived} requests through a proxy, or past it");
    assert!(arrived > 40, "{arrived}");
}

/// URLs from a fresh seed; `SENSOR_CURL_CASES` says how many.
#[test]
fn generated_urls_arrive_as_curl_s() {
    if !has_curl() {
        return;
    }
    let server = Server::start();
    let count = std::env::var("SENSOR_CURL_CASES").map_or(1000, |text| text.parse().unwrap());
    let port = server.port;
    let user = "([a-zA-Z0-9._~!$&()*+,;='\" <>|{}^:@-]|%[0-9a-fA-F]{2}|%){0,12}@";
    let host = "(127\\.0\\.0\\.1|localhost|127\\.[0-9]{1,3}|\\[::1\\]|0x7f000001|127\\.0\\.0\\.01)";
    let path = "(/([a-zA-Z0-9._~!$&'()*+,;=:@\"<>^`{}\\[\\]\\\\ |-]|%[0-9a-fA-F]{2}|\\.\\./|\\./|%|é|/){0,16})?";
    let tail = "(\\?[a-z0-9/?#=%.&\"<> -]{0,12})?(#[a-z/?]{0,5})?";
    let urls = (
        prop_oneof![4 => Just("http://"), 1 => Just(""), 1 => Just("Http:/"), 1 => Just("http:///")],
        proptest::option::of(user),
        host,
        path,
        tail,
    )
        .prop_map(move |(scheme, user, host, path, tail)| {
            format!("{scheme}{}{host}:{port}{path}{tail}", user.unwrap_or_default())
        });
    let mut runner = TestRunner::new(Runs::default());
    let cases: Vec<_> = (0..count)
        .map(|_| case(urls.new_tree(&mut runner).unwrap().current()))
        .collect();
    let arrived = compare(&server, &cases);
    println!("{count} generated URLs, {arrived} arrived");
}
