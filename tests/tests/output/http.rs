//! A server like falcosidekick, and the lines that reach it although it misbehaves.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use config::Config;
use outputs::{DropCause, OutputError, Outputs};
use telemetry::Identity;

use super::support::{Bench, eventually, file_config, files, read};

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Good,
    Slow,
    Status(u16),
    /// Closes the connection in the middle of the answer.
    Half,
    /// Closes the connection after each good answer, without announcing this.
    Close,
}

pub(crate) struct Sidekick {
    port: u16,
    manner: Arc<Mutex<Manner>>,
    bodies: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Sidekick {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sidekick = Self {
            port: listener.local_addr().unwrap().port(),
            manner: Arc::new(Mutex::new(Manner::Good)),
            bodies: Arc::default(),
            connections: Arc::default(),
            stop: Arc::default(),
        };
        let (manner, bodies) = (Arc::clone(&sidekick.manner), Arc::clone(&sidekick.bodies));
        let (connections, stop) = (
            Arc::clone(&sidekick.connections),
            Arc::clone(&sidekick.stop),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Relaxed) {
                    return;
                }
                connections.fetch_add(1, Relaxed);
                let (manner, bodies) = (Arc::clone(&manner), Arc::clone(&bodies));
                std::thread::spawn(move || serve(stream.unwrap(), &manner, &bodies));
            }
        });
        sidekick
    }

    pub(crate) fn be(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn bodies(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.stdout_output.enabled = false;
        config.http_output.enabled = true;
        config.http_output.url = format!("http://127.0.0.1:{}/events", self.port);
        config.sensor.http_output.retry_min = "10ms".parse().unwrap();
        config.sensor.http_output.retry_max = "50ms".parse().unwrap();
        config
    }
}

impl Drop for Sidekick {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The body of the next request; none at the end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    assert!(head.starts_with("POST /events HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("content-type: application/json"), "{head}");
    assert!(lower.contains("user-agent: falcosecurity/falco"), "{head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn serve(stream: TcpStream, manner: &Mutex<Manner>, bodies: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(body) = request(&mut reader) {
        serde_json::from_str::<serde_json::Value>(&body).expect("one JSON alert");
        let manner = *manner.lock().unwrap();
        let status = match manner {
            Manner::Status(status) => status,
            _ => 200,
        };
        if manner == Manner::Slow {
            std::thread::sleep(Duration::from_millis(100));
        }
        if manner == Manner::Half {
            let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            return;
        }
        if status == 200 {
            bodies.lock().unwrap().push(body);
        }
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok");
        if writer.write_all(answer.as_bytes()).is_err() || manner == Manner::Close {
            return;
        }
    }
}

#[test]
fn each_line_is_one_post_on_one_connection() {
    let sidekick = Sidekick::start();
    let mut bench = Bench::start(&sidekick.config());
    bench.lines(200);
    let counts = bench.stop();
    assert_eq!(counts.written, 200);
    assert_eq!(sidekick.bodies(), 200);
    assert_eq!(sidekick.connections.load(Relaxed), 1);
}

#[test]
fn a_server_that_answers_500_is_tried_again() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(500));
    let mut bench = Bench::start(&sidekick.config());
    bench.lines(20);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(bench.counts("http").spooled, 20);
    sidekick.be(Manner::Good);
    bench.settle("http");
    assert_eq!(bench.stop().written, 20);
    assert_eq!(sidekick.bodies(), 20);
}

#[test]
fn a_server_that_closes_half_way_is_tried_again() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Half);
    let mut bench = Bench::start(&sidekick.config());
    bench.lines(20);
    std::thread::sleep(Duration::from_millis(200));
    sidekick.be(Manner::Close);
    let counts = bench.settle("http");
    assert_eq!(counts.written, 20);
    assert_eq!(sidekick.bodies(), 20);
    bench.stop();
}

#[test]
fn a_line_that_is_refused_is_counted_and_the_next_one_is_sent() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Status(400));
    let mut bench = Bench::start(&sidekick.config());
    bench.lines(5);
    bench.settle("http");
    sidekick.be(Manner::Good);
    bench.lines(5);
    let counts = bench.stop();
    assert_eq!(counts.written, 5);
    assert_eq!(counts.dropped[DropCause::Rejected as usize], 5);
    assert!(counts.balanced());
}

#[test]
fn a_server_that_is_away_is_given_up_in_time() {
    let sidekick = Sidekick::start();
    let mut config = sidekick.config();
    drop(sidekick);
    config.sensor.http_output.retry_for = "200ms".parse().unwrap();
    let mut bench = Bench::start(&config);
    bench.lines(3);
    let counts = bench.settle("http");
    assert_eq!(counts.dropped[DropCause::Undelivered as usize], 3);
    bench.stop();
}

#[test]
fn a_slow_server_delays_neither_capture_nor_the_file() {
    let sidekick = Sidekick::start();
    sidekick.be(Manner::Slow);
    let dir = tempfile::tempdir().unwrap();
    let mut config = file_config(dir.path());
    config.http_output = sidekick.config().http_output;
    config.outputs_queue.capacity = 500;
    let mut bench = Bench::start(&config);
    let longest = bench.storm(1000, Duration::from_secs(2));
    assert!(longest < Duration::from_millis(200), "{longest:?}");
    let last = bench.next;
    eventually("file", || bench.counts("file").spooled == 0);
    assert_eq!(bench.counts("file").written, last);
    let http = bench.counts("http");
    assert!(http.spooled <= 1000 && http.dropped_total() > 0, "{http:?}");
    let accounts = bench.outputs.control().accounts();
    let began = Instant::now();
    bench.stop_within(Duration::from_millis(500));
    assert!(began.elapsed() < Duration::from_secs(3));
    for (name, account) in accounts {
        let counts = account.counts();
        assert!(
            counts.balanced() && counts.spooled == 0,
            "{name} {counts:?}"
        );
    }
    assert_eq!(read(&files(dir.path())).missing(last), 0);
}

/// A certificate for localhost in one PEM file, and that of its authority in another.
pub(crate) fn certificates(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let (server, authority) = (dir.join("server.pem"), dir.join("ca.pem"));
    std::fs::write(&server, leaf.pem() + &key.serialize_pem()).unwrap();
    std::fs::write(&authority, ca.pem()).unwrap();
    (server, authority)
}

#[test]
fn https_is_checked_against_the_given_authority() {
    let dir = tempfile::tempdir().unwrap();
    let (server, authority) = certificates(dir.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let web = config::Webserver {
        listen_port: 0,
        listen_address: "127.0.0.1".parse().unwrap(),
        ssl_enabled: true,
        ssl_certificate: server.clone(),
        ..Default::default()
    };
    let web = runtime
        .block_on(sensor::reports::Server::bind(&web, false))
        .unwrap();
    let url = format!("https://localhost:{}/", web.address().port());
    let identity = Arc::new(Identity::new(&Config::default()));
    let telemetry = Arc::new(telemetry::Telemetry::new(identity));
    runtime.spawn(web.run(telemetry));
    let outcome = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        config.stdout_output.enabled = false;
        config.http_output.enabled = true;
        config.http_output.url = url.clone();
        config.sensor.http_output.retry_for = "100ms".parse().unwrap();
        change(&mut config);
        let mut bench = Bench::start(&config);
        bench.lines(1);
        let counts = bench.settle("http");
        bench.stop();
        counts
    };
    // The web server refuses every POST by an answer over TLS, so the client trusted its
    // certificate.
    let trusted = outcome(&|c| c.http_output.ca_cert = Some(authority.clone()));
    assert_eq!(trusted.dropped[DropCause::Rejected as usize], 1);
    let insecure = outcome(&|c| c.http_output.insecure = true);
    assert_eq!(insecure.dropped[DropCause::Rejected as usize], 1);
    let (_, other) = certificates(&{
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        other
    });
    let foreign = outcome(&|c| c.http_output.ca_cert = Some(other.clone()));
    assert_eq!(foreign.dropped[DropCause::Undelivered as usize], 1);
}

#[test]
fn a_wrong_url_or_certificate_is_an_error_at_the_start() {
    let start = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        config.stdout_output.enabled = false;
        config.http_output.enabled = true;
        config.http_output.url = "https://localhost/".into();
        change(&mut config);
        let identity = Arc::new(Identity::new(&config));
        Outputs::start(&config, &identity).map(drop).unwrap_err()
    };
    let error = start(&|c| c.http_output.url = String::new());
    assert!(matches!(error, OutputError::Http { .. }), "{error}");
    let error = start(&|c| c.http_output.ca_cert = Some("/nonexistent.pem".into()));
    assert!(error.to_string().contains("/nonexistent.pem"), "{error}");
}
