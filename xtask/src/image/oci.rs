//! The OCI image layout, as one tar: `oci-layout`, `index.json`, `blobs/sha256/…`.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::Builder;

use super::layer::{Layer, append};

/// An archive and the digest of its manifest, which identifies the image.
pub(super) struct Image {
    /// The archive.
    pub(super) bytes: Vec<u8>,
    /// `sha256:…` of the manifest.
    pub(super) digest: String,
}

/// A blob and what refers to it.
struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { digest, bytes }
    }

    fn descriptor(&self, kind: &str) -> Value {
        let media = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// Packs a layer as an image of that name.
pub(super) fn archive(name: &str, architecture: &str, layer: &Layer, time: u64) -> Result<Image> {
    let created = timestamp(time);
    let labels = json!({
        "org.opencontainers.image.title": "sensor",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    });
    let config = Blob::new(serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": ["/usr/bin/sensor"],
            "Env": ["PATH=/usr/bin"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer.tar)] },
        "history": [{ "created": created, "created_by": "cargo xtask image" }],
    }))?);
    let packed = Blob::new(layer.gzip.clone());
    let manifest = Blob::new(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor("config.v1+json"),
        "layers": [packed.descriptor("layer.v1.tar+gzip")],
    }))?);
    let mut entry = manifest.descriptor("manifest.v1+json");
    entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
    // containerd reads the image's name from the first annotation, other tools from the second.
    entry["annotations"] = json!({
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rsplit(':').next().unwrap_or(name),
    });
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }))?;

    let mut builder = Builder::new(Vec::new());
    let mut blobs = [&config, &packed, &manifest];
    blobs.sort_by(|left, right| left.digest.cmp(&right.digest));
    append(&mut builder, "blobs/", 0o755, None, time)?;
    append(&mut builder, "blobs/sha256/", 0o755, None, time)?;
    for blob in blobs {
        let path = format!("blobs/{}", blob.digest.replace(':', "/"));
        append(&mut builder, &path, 0o644, Some(&blob.bytes), time)?;
    }
    append(&mut builder, "index.json", 0o644, Some(&index), time)?;
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    append(&mut builder, "oci-layout", 0o644, Some(layout), time)?;
    let digest = manifest.digest;
    Ok(Image {
        bytes: builder.into_inner()?,
        digest,
    })
}

/// `sha256:` and the digest in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// RFC 3339 of seconds since the epoch (civil date from days, after Hinnant's algorithm).
pub(super) fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{archive, digest, timestamp};
    use crate::image::layer;

    #[test]
    fn seconds_become_the_civil_date() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(1_795_233_338), "2026-11-21T03:55:38Z");
    }

    #[test]
    fn every_descriptor_leads_to_a_blob_of_that_digest_and_size() {
        let layer = layer::build(b"binary", b"{}", b"MIT", 1).expect("in memory");
        let image = archive("localhost/sensor:1", "amd64", &layer, 1).expect("in memory");
        let mut files = std::collections::HashMap::new();
        for entry in tar::Archive::new(&image.bytes[..]).entries().expect("tar") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("in memory");
            files.insert(path, bytes);
        }
        let parse =
            |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).expect("JSON") };
        let blob = |descriptor: &serde_json::Value| {
            let name = descriptor["digest"].as_str().expect("a digest");
            let bytes = &files[&format!("blobs/{}", name.replace(':', "/"))];
            assert_eq!(digest(bytes), name);
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };
        let entry = parse(&files["index.json"])["manifests"][0].clone();
        assert_eq!(entry["digest"], image.digest.as_str());
        let manifest = parse(&blob(&entry));
        let config = parse(&blob(&manifest["config"]));
        assert_eq!(blob(&manifest["layers"][0]), layer.gzip);
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer.tar).as_str());
    }
}
