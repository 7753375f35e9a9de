//! A server that demands a client certificate.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use config::Config;
use outputs::{Counts, DropCause};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::{http::certificates, support::Bench};

/// Files in PEM: a certificate with its key, and the authority that signed it.
struct Signed {
    pair: PathBuf,
    authority: PathBuf,
}

fn signed(dir: &Path, name: &str) -> Signed {
    let dir = dir.join(name);
    std::fs::create_dir(&dir).unwrap();
    let (pair, authority) = certificates(&dir);
    Signed { pair, authority }
}

fn server_config(own: &Signed, clients: &Path) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(clients).unwrap();
    roots.add(authority).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let chain = CertificateDer::pem_file_iter(&own.pair).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            chain.map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_file(&own.pair).unwrap(),
        )
        .unwrap()
}

/// Serves until the test ends; returns its port, and the count of alerts that it took.
fn serve(config: ServerConfig) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (config, taken) = (Arc::new(config), Arc::<AtomicU64>::default());
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            answer(StreamOwned::new(tls, stream), &count);
        }
    });
    (port, taken)
}

fn answer(stream: StreamOwned<ServerConnection, TcpStream>, taken: &AtomicU64) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if !matches!(stream.read_line(&mut line), Ok(1..)) {
                return;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).unwrap();
        assert!(stream.get_ref().conn.peer_certificates().is_some());
        taken.fetch_add(1, Relaxed);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer).unwrap();
    }
}

/// Sends three lines to a server on that port; returns the final counts.
fn send(port: u16, authority: &Path, client: Option<&Signed>) -> Counts {
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.http_output.enabled = true;
    config.http_output.url = format!("https://localhost:{port}/");
    config.http_output.ca_cert = Some(authority.to_owned());
    config.sensor.http_output.retry_for = "100ms".parse().unwrap();
    if let Some(client) = client {
        config.http_output.mtls = true;
        config.http_output.client_cert.clone_from(&client.pair);
        config.http_output.client_key.clone_from(&client.pair);
    }
    let mut bench = Bench::start(&config);
    bench.lines(3);
    bench.settle("http");
    bench.stop()
}

#[test]
fn a_server_that_wants_a_certificate_is_shown_the_configured_one() {
    let dir = tempfile::tempdir().unwrap();
    let [own, client, stranger] = ["server", "client", "stranger"].map(|n| signed(dir.path(), n));
    let (port, taken) = serve(server_config(&own, &client.authority));
    let counts = send(port, &own.authority, Some(&client));
    assert_eq!((counts.written, taken.load(Relaxed)), (3, 3));
    for other in [None, Some(&stranger)] {
        let counts = send(port, &own.authority, other);
        assert_eq!(counts.dropped[DropCause::Undelivered as usize], 3);
        assert_eq!((counts.written, taken.load(Relaxed)), (0, 3));
    }
}
