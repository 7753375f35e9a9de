//! TLS for the HTTP output and for the web server: rustls with ring.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use config::HttpOutput;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;
use tracing::info;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| wrong(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it".into()));
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// TLS for a server, from one PEM file with the certificate and its key.
///
/// # Errors
/// A sentence about the problem, if the file has no valid pair.
pub fn acceptor(path: &Path) -> Result<TlsAcceptor, String> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates(path)?, key(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// TLS for the HTTP output: the certificates to trust, and the client's own certificate.
pub(super) fn client(config: &HttpOutput) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if config.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider())))
    } else {
        builder.with_root_certificates(roots(config, System::load)?)
    };
    if config.mtls {
        let chain = certificates(&config.client_cert)?;
        builder
            .with_client_auth_cert(chain, key(&config.client_key)?)
            .map_err(|error| format!("{}: {error}", config.client_cert.display()))
    } else {
        Ok(builder.with_no_client_auth())
    }
}

/// The default of `ca_path` in falco.yaml: the system's certificates, at whatever path this system
/// has them.
const SYSTEM: &str = "/etc/ssl/certs";

/// The system's certificates.
struct System {
    certificates: Vec<CertificateDer<'static>>,
    /// Whether environment variables name the certificates, so that no other certificate is
    /// trusted.
    named: bool,
}

impl System {
    fn load() -> Self {
        let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(std::env::var_os);
        Self {
            certificates: rustls_native_certs::load_native_certs().certs,
            named: named.iter().any(Option::is_some),
        }
    }
}

/// The certificates to trust: those of `ca_cert`, else those of `ca_bundle`, else those of
/// `ca_path` and the system's, or Mozilla's where the system has none. As in libcurl, a directory
/// is no restriction.
fn roots(config: &HttpOutput, system: fn() -> System) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = config.ca_cert.as_ref().or(config.ca_bundle.as_ref()) {
        add(&mut roots, file)?;
        return Ok(roots);
    }
    let directory = config.ca_path.as_deref();
    if let Some(directory) = directory.filter(|path| *path != Path::new(SYSTEM)) {
        match directory_files(directory) {
            Ok(files) => files.iter().try_for_each(|file| add(&mut roots, file))?,
            // Falco's chart names a directory that is there only with certificates of one's own.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                info!("http_output.ca_path: {}: {error}", directory.display());
            }
            Err(error) => return Err(format!("{}: {error}", directory.display())),
        }
    }
    // The function skips unusable certificates of the system, as other programs do.
    let system = system();
    let (found, _) = roots.add_parsable_certificates(system.certificates);
    if found == 0 && !system.named {
        info!(
            "http_output trusts the authorities that Mozilla trusts: the system has no certificates"
        );
        let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        roots.add_parsable_certificates(built_in.iter().cloned());
    }
    if roots.is_empty() {
        return Err(
            "there is no certificate to trust where ca_*, SSL_CERT_FILE or SSL_CERT_DIR say".into(),
        );
    }
    Ok(roots)
}

/// Adds the certificates of a file.
fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// The files of certificates in a directory: `.pem`, `.crt`, and `.0` as OpenSSL names them by
/// their hash.
fn directory_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?;
    let paths = entries.flatten().map(|entry| entry.path());
    let is_one = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|e| e == "pem" || e == "crt" || e.bytes().all(|b| b.is_ascii_digit()))
    };
    Ok(paths.filter(is_one).collect())
}

/// `insecure: true`: accepts any certificate.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(certificates: &[CertificateDer<'static>], named: bool) -> System {
        System {
            certificates: certificates.to_vec(),
            named,
        }
    }

    #[test]
    fn without_certificates_of_the_system_those_that_are_built_in_are_trusted() {
        let config = HttpOutput::default();
        let built_in = roots(&config, || system(&[], false)).unwrap();
        assert_eq!(
            built_in.len(),
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.len()
        );
    }

    #[test]
    fn certificates_of_the_system_are_the_only_ones() {
        let one = || system(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1], false);
        assert_eq!(roots(&HttpOutput::default(), one).unwrap().len(), 1);
    }

    #[test]
    fn where_certificates_are_named_nobody_else_is_trusted() {
        roots(&HttpOutput::default(), || system(&[], true)).unwrap_err();
    }

    #[test]
    fn a_directory_adds_to_the_certificates_of_the_system_and_may_be_missing() {
        let directory = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        std::fs::write(directory.path().join("0a1b2c3d.0"), own.cert.pem()).unwrap();
        let one = || system(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1], false);
        let trusted = |path: &Path| {
            let config = HttpOutput {
                ca_path: Some(path.to_owned()),
                ..HttpOutput::default()
            };
            roots(&config, one).unwrap().len()
        };
        assert_eq!(trusted(directory.path()), 2);
        assert_eq!(trusted(&directory.path().join("gone")), 1);
    }

    #[test]
    fn a_file_of_an_authority_is_the_only_one_and_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let own = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        std::fs::write(&file, own.cert.pem()).unwrap();
        let config = |file: &Path| HttpOutput {
            ca_cert: Some(file.to_owned()),
            ..HttpOutput::default()
        };
        let one = || system(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1], false);
        assert_eq!(roots(&config(&file), one).unwrap().len(), 1);
        let error = roots(&config(Path::new("/nonexistent")), one).unwrap_err();
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
