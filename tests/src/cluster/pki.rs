//! The certificates, keys and client configurations of a cluster.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// Who a certificate is for.
pub(super) struct Subject<'a> {
    /// The name of the files.
    pub(super) file: &'a str,
    /// The user's name in the cluster.
    pub(super) name: &'a str,
    /// The user's group, or empty.
    pub(super) group: &'a str,
    /// Names and addresses of a server.
    pub(super) hosts: &'a [&'a str],
}

/// The folder of certificates, with the authority that signs them.
pub(super) struct Pki {
    dir: PathBuf,
    authority: Issuer<'static, KeyPair>,
}

impl Pki {
    /// Makes an authority and the key pair that signs the tokens of service accounts.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "cluster");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let accounts = KeyPair::generate()?;
        let pki = Self {
            dir: dir.to_owned(),
            authority: Issuer::new(params, key),
        };
        pki.write("ca", &certificate, pki.authority.key())?;
        fs::write(pki.file("accounts.key"), accounts.serialize_pem())?;
        fs::write(pki.file("accounts.pub"), accounts.public_key_pem())?;
        Ok(pki)
    }

    /// The path of a file: `NAME.crt`, `NAME.key` or `NAME.conf`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes a certificate and its key, and a `kubectl` configuration for that user.
    pub(super) fn issue(&self, subject: &Subject<'_>, server: &str) -> Result<()> {
        let hosts: Vec<String> = subject
            .hosts
            .iter()
            .map(|host| (*host).to_owned())
            .collect();
        let mut params = CertificateParams::new(hosts)?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.name);
        if !subject.group.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, subject.group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        self.write(subject.file, &certificate, &key)?;
        let path = |name: String| self.file(&name).display().to_string();
        let config = format!(
            "apiVersion: v1\nkind: Config\n\
             clusters: [{{name: c, cluster: {{server: \"{server}\", certificate-authority: {ca}}}}}]\n\
             users: [{{name: u, user: {{client-certificate: {crt}, client-key: {key}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n",
            ca = path("ca.crt".into()),
            crt = path(format!("{}.crt", subject.file)),
            key = path(format!("{}.key", subject.file)),
        );
        fs::write(self.file(&format!("{}.conf", subject.file)), config)?;
        Ok(())
    }

    fn write(&self, name: &str, certificate: &Certificate, key: &KeyPair) -> Result<()> {
        for (ending, text) in [("crt", certificate.pem()), ("key", key.serialize_pem())] {
            let file = self.file(&format!("{name}.{ending}"));
            fs::write(&file, text).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}
