//! Where the requests go, and what is in their head.

use std::{io, sync::Arc};

use bytes::Bytes;
use config::{Config, hide_user_info};
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Uri,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
        PROXY_AUTHORIZATION, TE, USER_AGENT,
    },
};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{
    connect::{Connection, Tls, dial},
    proxy,
    url::{Scheme, Url},
};
use crate::{OutputError, tls};

/// Where the requests go.
pub(super) struct Target {
    server: Url,
    proxy: Option<Url>,
    /// TLS for the server or for the proxy; none if neither wants it.
    tls: Option<TlsConnector>,
    /// Whether the kernel probes an idle connection.
    probes: bool,
    uri: Uri,
    headers: HeaderMap,
    /// The head of the request that opens a tunnel through the proxy.
    tunnel: HeaderMap,
}

impl Target {
    /// The target of `http_output`.
    ///
    /// # Errors
    /// If the URL, a proxy's URL, a header or a certificate cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, OutputError> {
        Self::with(config, |name| std::env::var(name).ok())
    }

    /// The same, with these variables in the place of the environment.
    pub(super) fn with(
        config: &Config,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, OutputError> {
        let wrong = |what: String, hint| OutputError::Http { what, hint };
        let output = &config.http_output;
        let shown = hide_user_info(&output.url);
        let hint = "set http_output.url to something like http://falcosidekick:2801/";
        let server =
            Url::parse(&output.url).map_err(|what| wrong(format!("'{shown}': {what}"), hint))?;
        let proxy = proxy::find(&server, variable)
            .map_err(|what| wrong(what, "name an http or https proxy, or none"))?;
        let hops = [Some(&server), proxy.as_ref()];
        let wants_tls = hops
            .into_iter()
            .flatten()
            .any(|hop| hop.scheme == Scheme::Https);
        let tls = wants_tls.then(|| tls::client(output)).transpose();
        let tls = tls.map_err(|what| {
            wrong(
                what,
                "check ca_cert, ca_bundle, ca_path, client_cert and client_key",
            )
        })?;
        let is_forwarded = proxy.is_some() && server.scheme == Scheme::Http;
        let uri = if is_forwarded {
            format!("http://{}{}", server.authority(), server.path)
        } else {
            server.path.clone()
        };
        let uri = uri
            .parse()
            .map_err(|error| wrong(format!("'{shown}': {error}"), hint))?;
        let mut target = Self {
            headers: HeaderMap::new(),
            tunnel: HeaderMap::new(),
            tls: tls.map(|tls| TlsConnector::from(Arc::new(tls))),
            probes: output.keep_alive,
            server,
            proxy,
            uri,
        };
        target
            .fill(config, is_forwarded)
            .map_err(|what| wrong(what, "header values are printable ASCII characters"))?;
        Ok(target)
    }

    /// Fills the heads of the requests.
    fn fill(&mut self, config: &Config, is_forwarded: bool) -> Result<(), String> {
        let output = &config.http_output;
        let value = |name: &str, text: &str| {
            HeaderValue::try_from(text).map_err(|_| format!("the value of {name} is no header"))
        };
        let proxy_credentials = self.proxy.as_ref().and_then(Url::credentials);
        let keep = HeaderName::from_static("proxy-connection");
        let to_proxy = if is_forwarded {
            &mut self.headers
        } else {
            &mut self.tunnel
        };
        if self.proxy.is_some() {
            to_proxy.insert(keep, HeaderValue::from_static("Keep-Alive"));
        }
        if let Some(credentials) = proxy_credentials {
            to_proxy.insert(PROXY_AUTHORIZATION, credentials);
        }
        self.tunnel
            .insert(HOST, value("Host", &self.server.with_port())?);
        let headers = &mut self.headers;
        headers.insert(HOST, value("Host", &self.server.authority())?);
        if let Some(credentials) = self.server.credentials() {
            headers.insert(AUTHORIZATION, credentials);
        }
        if !output.user_agent.is_empty() {
            let agent = value("user_agent", &output.user_agent)?;
            self.tunnel.insert(USER_AGENT, agent.clone());
            headers.insert(USER_AGENT, agent);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if output.compress_uploads {
            headers.insert(CONNECTION, HeaderValue::from_static("TE"));
            headers.insert(TE, HeaderValue::from_static("gzip"));
        }
        let content_type = if config.json_output {
            "application/json"
        } else {
            "text/plain"
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        for (name, text) in &config.sensor.http_output.headers.0 {
            let mut secret = value(name, text)?;
            secret.set_sensitive(true);
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| format!("'{name}' is no name of a header"))?;
            headers.insert(name, secret);
        }
        Ok(())
    }

    /// The request for one line.
    pub(super) fn request(&self, body: Bytes) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.uri.clone())
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }

    /// Connects to the server, through the proxy if there is one.
    pub(super) async fn connect(&self) -> io::Result<Connection> {
        let hop = self.proxy.as_ref().unwrap_or(&self.server);
        let stream = dial(&hop.host, hop.port(), self.probes).await?;
        let connection = Connection::over(stream, self.tls(hop)?).await?;
        let is_tunnel = self.proxy.is_some() && self.server.scheme == Scheme::Https;
        if !is_tunnel {
            return Ok(connection);
        }
        let mut request = Request::connect(self.server.with_port())
            .body(Full::default())
            .map_err(io::Error::other)?;
        request.headers_mut().clone_from(&self.tunnel);
        let stream = connection.tunnel(request).await?;
        Connection::over(stream, self.tls(&self.server)?).await
    }

    /// TLS for a hop, if the hop wants it.
    fn tls(&self, hop: &Url) -> io::Result<Option<Tls<'_>>> {
        let connector = self.tls.as_ref().filter(|_| hop.scheme == Scheme::Https);
        let tls = connector.map(|connector| {
            let name = ServerName::try_from(hop.host.clone()).map_err(io::Error::other)?;
            Ok((connector, name))
        });
        tls.transpose()
    }
}
