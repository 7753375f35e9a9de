//! The web server and a plain client.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use config::{Config, Webserver};
use events::EventSource as _;
use sensor::{
    reports::{Server, ServerError},
    sources::syscall::SystemCalls,
};
use telemetry::{Condition, Identity, Telemetry};
use tokio::net::TcpSocket;

fn config() -> Webserver {
    Webserver {
        listen_port: 0,
        listen_address: "127.0.0.1".parse().unwrap(),
        ..Webserver::default()
    }
}

struct Web {
    runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    telemetry: Arc<Telemetry>,
}

impl Web {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(Server::bind(&config(), false)).unwrap();
        let identity = Arc::new(Identity::new(&Config::default()));
        let telemetry = Arc::new(Telemetry::new(identity));
        telemetry.add_source(Arc::new(SystemCalls::ledger()));
        let address = server.address();
        runtime.spawn(server.run(Arc::clone(&telemetry)));
        Self {
            runtime,
            address,
            telemetry,
        }
    }

    /// A connection from one of this machine's own addresses.
    fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(format!("{address}:0").parse().unwrap())
            .unwrap();
        let stream = self.runtime.block_on(socket.connect(self.address)).unwrap();
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }

    /// Status line with headers, and body.
    fn get(&self, path: &str) -> (String, String) {
        Self::ask(TcpStream::connect(self.address).unwrap(), path)
    }

    fn ask(mut stream: TcpStream, path: &str) -> (String, String) {
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

#[test]
fn the_health_check_answers_as_falco_does() {
    let (head, body) = Web::start().get("/healthz");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("application/json"));
    assert_eq!(body, "{\"status\": \"ok\"}");
}

#[test]
fn readiness_names_the_conditions_that_do_not_hold() {
    let web = Web::start();
    web.telemetry.health.require(Condition::ProgramsAttached);
    let (head, body) = web.get("/readyz");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(body.contains("\"programs_attached\":\"not yet\""), "{body}");
    web.telemetry.health.hold(Condition::ProgramsAttached);
    assert!(web.get("/readyz").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn metrics_are_in_prometheus_text_form() {
    let (head, body) = Web::start().get("/metrics");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("# TYPE sensor_events_lost_total counter\n"));
    assert!(body.contains("sensor_build_info{version="));
}

#[test]
fn other_paths_are_not_found() {
    let web = Web::start();
    let (head, body) = web.get("/etc/passwd");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert_eq!(body, "");
    assert!(web.get("/versions").1.contains("\"engine_version\""));
}

#[test]
fn invalid_requests_do_not_keep_other_clients_from_being_served() {
    let web = Web::start();
    let mut idle = Vec::new();
    for junk in [
        &b"\x16\x03\x01\0\0"[..],
        b"GET",
        b"\r\n\r\n\r\n",
        &vec![b'x'; 100_000],
    ] {
        let mut stream = TcpStream::connect(web.address).unwrap();
        let _ = stream.write_all(junk);
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        idle.push(stream);
    }
    assert!(web.get("/healthz").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn open_connections_do_not_keep_other_clients_from_being_served() {
    let web = Web::start();
    let mut kept = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(web.address).unwrap();
        // Some clients send nothing, some half a request, some one request after the other.
        let request = ["", "GET /he", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"];
        let _ = stream.write_all(request[number % 3].as_bytes());
        kept.push(stream);
    }
    assert!(web.get("/healthz").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_connection_serves_one_request() {
    let web = Web::start();
    let mut stream = TcpStream::connect(web.address).unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.repeat(3).as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Unread bytes can make the kernel reset the connection behind the answer.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}

#[test]
fn only_the_client_with_most_connections_loses_some() {
    let web = Web::start();
    let probe = web.connect_from("127.0.0.1");
    let flood: Vec<_> = (0..200).map(|_| web.connect_from("127.0.0.2")).collect();
    assert!(Web::ask(probe, "/healthz").0.starts_with("HTTP/1.1 200"));
    drop(flood);
}

#[test]
fn a_connection_does_not_live_longer_than_its_time_whatever_it_sends() {
    let web = Web::start();
    let mut stream = TcpStream::connect(web.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let began = Instant::now();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // A header every second would keep the connection open if each byte extended the time.
    let closed = |stream: &mut TcpStream| match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    while stream.write_all(b"X: y\r\n").is_ok() && !closed(&mut stream) {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let web = Web::start();
    let config = Webserver {
        listen_port: web.address.port(),
        ..config()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(Server::bind(&config, false)).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }));
    assert!(
        error.to_string().contains("webserver.listen_port"),
        "{error}"
    );
}
