//! Requests to a server with TLS, through proxies with and without TLS.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use config::Config;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::Target;
use crate::tls;

/// The first lines of all heads that arrived.
type Heads = Arc<Mutex<Vec<String>>>;

/// A certificate for localhost with its key in one file, and that of its authority in another.
fn certificates(directory: &Path) -> TlsAcceptor {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let server = directory.join("server.pem");
    std::fs::write(&server, leaf.pem() + &key.serialize_pem()).unwrap();
    std::fs::write(directory.join("ca.pem"), ca.pem()).unwrap();
    tls::acceptor(&server).unwrap()
}

/// Starts a server that answers requests, and opens tunnels; returns its port.
async fn serve(acceptor: Option<TlsAcceptor>, heads: Heads) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heads = Arc::clone(&heads);
            match acceptor.clone() {
                None => drop(tokio::spawn(answer(stream, heads))),
                Some(acceptor) => drop(tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, heads).await;
                    }
                })),
            }
        }
    });
    port
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let first = head.lines().next().unwrap().to_owned();
    heads.lock().unwrap().push(first.clone());
    let Some(authority) = first.strip_prefix("CONNECT ") else {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    };
    let authority = authority
        .split(' ')
        .next()
        .unwrap()
        .replace("localhost", "127.0.0.1");
    let mut server = TcpStream::connect(authority).await.unwrap();
    let _ = stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await;
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

#[tokio::test]
async fn a_server_with_tls_is_reached_through_a_proxy_with_and_without_tls() {
    let directory = tempfile::tempdir().unwrap();
    let acceptor = certificates(directory.path());
    let heads = Heads::default();
    let server = serve(Some(acceptor.clone()), Arc::clone(&heads)).await;
    let plain = serve(None, Arc::clone(&heads)).await;
    let secure = serve(Some(acceptor), Arc::clone(&heads)).await;
    let mut config = Config::default();
    config.http_output.url = format!("https://localhost:{server}/x");
    config.http_output.ca_cert = Some(directory.path().join("ca.pem"));
    for proxy in [
        None,
        Some(format!("http://127.0.0.1:{plain}")),
        Some(format!("https://localhost:{secure}")),
    ] {
        let variable = |name: &str| proxy.clone().filter(|_| name == "https_proxy");
        let target = Target::with(&config, variable).unwrap();
        let mut connection = target.connect().await.unwrap();
        let request = target.request(Bytes::from_static(b"{}")).unwrap();
        let status = connection.send(request).await.unwrap().status();
        assert!(status.is_success(), "{status}");
        let heads = std::mem::take(&mut *heads.lock().unwrap());
        let expected = match proxy {
            None => vec!["POST /x HTTP/1.1".to_owned()],
            Some(_) => vec![
                format!("CONNECT localhost:{server} HTTP/1.1"),
                "POST /x HTTP/1.1".to_owned(),
            ],
        };
        assert_eq!(heads, expected);
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_an_error_that_says_so() {
    let mut config = Config::default();
    config.http_output.url = "https://localhost:1/".into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("u:secret@{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 407 Authentication Required\r\nContent-Length: 0\r\n\r\n";
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        stream.write_all(answer).await.unwrap();
    });
    let variable = |name: &str| (name == "https_proxy").then(|| proxy.clone());
    let target = Target::with(&config, variable).unwrap();
    let error = target.connect().await.map(drop).unwrap_err();
    assert!(
        error.to_string().contains("the proxy answers 407"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
