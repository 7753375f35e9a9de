//! The web server, asked by a plain client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use sensor::{
    config::{Config, Webserver},
    output::Identity,
    telemetry::{Condition, Server, ServerError, Telemetry},
};

fn config() -> Webserver {
    Webserver {
        listen_port: 0,
        listen_address: "127.0.0.1".parse().unwrap(),
        ..Webserver::default()
    }
}

struct Web {
    _runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    telemetry: Arc<Telemetry>,
}

impl Web {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(Server::bind(&config())).unwrap();
        let identity = Arc::new(Identity::new(&Config::default()));
        let telemetry = Arc::new(Telemetry::new(identity));
        let address = server.address();
        runtime.spawn(server.run(Arc::clone(&telemetry)));
        Self {
            _runtime: runtime,
            address,
            telemetry,
        }
    }

    /// Status line with headers, and body.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
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
fn readiness_tells_what_is_missing() {
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
fn nonsense_does_not_keep_others_from_being_served() {
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
fn a_port_that_is_taken_is_an_error() {
    let web = Web::start();
    let config = Webserver {
        listen_port: web.address.port(),
        ..config()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(Server::bind(&config)).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }));
    assert!(
        error.to_string().contains("webserver.listen_port"),
        "{error}"
    );
}
