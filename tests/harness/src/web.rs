//! A plain HTTP client for the sensor's web server.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{Sensor, Setup, sensor::wait_for};

impl Setup {
    /// Enables the web server, at a free port.
    #[must_use]
    pub fn with_web_server(self) -> Self {
        self.option("webserver.enabled", true)
            .option("webserver.listen_address", "127.0.0.1")
            .option("webserver.listen_port", 0)
    }
}

impl Sensor {
    /// Requests a page; returns its status and body.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        let stderr = self.stderr();
        let mut lines = stderr.lines();
        let Some((_, address)) = lines.find_map(|line| line.split_once("webserver listens at "))
        else {
            panic!("no web server:\n{stderr}");
        };
        let mut stream = TcpStream::connect(address.trim()).expect("the web server listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Waits until `/readyz` has that status; returns its last body.
    ///
    /// # Panics
    /// If `/readyz` does not get that status in time.
    #[must_use]
    pub fn wait_for_readiness(&self, status: u16) -> String {
        let mut body = String::new();
        let came = wait_for(|| {
            let (is, text) = self.get("/readyz");
            body = text;
            is == status
        });
        assert!(
            came,
            "/readyz does not become {status}: {body}\n{}",
            self.stderr()
        );
        body
    }

    /// Value of a metric; `name` is everything before the value, labels included.
    ///
    /// # Panics
    /// If there is no such metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let (_, page) = self.get("/metrics");
        page.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no metric {name}:\n{page}"))
    }
}
