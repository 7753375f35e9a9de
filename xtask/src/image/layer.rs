//! The image's only layer: a tar whose bytes depend only on its contents.

use std::io::Write as _;

use anyhow::Result;
use tar::{Builder, EntryType, Header};

/// A layer, uncompressed and compressed.
pub(super) struct Layer {
    /// The tar itself; its digest is the layer's `diff_id`.
    pub(super) tar: Vec<u8>,
    /// The compressed tar.
    pub(super) gzip: Vec<u8>,
}

/// `/etc/passwd` and `/etc/group`, for programs that look up names.
const PASSWD: &[u8] = b"root:x:0:0:root:/:/sbin/nologin\n";
const GROUP: &[u8] = b"root:x:0:\n";
const NSSWITCH: &[u8] = b"passwd: files\ngroup: files\nhosts: files dns\n";

/// Packs the root file system.
pub(super) fn build(sensor: &[u8], sbom: &[u8], licences: &[u8], time: u64) -> Result<Layer> {
    // Sorted, parents before children.
    let entries: &[(&str, u32, Option<&[u8]>)] = &[
        ("etc/", 0o755, None),
        ("etc/group", 0o644, Some(GROUP)),
        ("etc/nsswitch.conf", 0o644, Some(NSSWITCH)),
        ("etc/passwd", 0o644, Some(PASSWD)),
        ("tmp/", 0o1777, None),
        ("usr/", 0o755, None),
        ("usr/bin/", 0o755, None),
        ("usr/bin/sensor", 0o755, Some(sensor)),
        ("usr/share/", 0o755, None),
        ("usr/share/doc/", 0o755, None),
        ("usr/share/doc/sensor/", 0o755, None),
        ("usr/share/doc/sensor/LICENCES.txt", 0o644, Some(licences)),
        ("usr/share/doc/sensor/sbom.cdx.json", 0o644, Some(sbom)),
        ("var/", 0o755, None),
        ("var/log/", 0o755, None),
        ("var/log/falco/", 0o755, None),
    ];
    let mut builder = Builder::new(Vec::new());
    for (path, mode, contents) in entries {
        append(&mut builder, path, *mode, *contents, time)?;
    }
    let tar = builder.into_inner()?;
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(&tar)?;
    let gzip = encoder.finish()?;
    Ok(Layer { tar, gzip })
}

/// Adds a file, or a directory if there are no contents; owner and group are root.
pub(super) fn append(
    builder: &mut Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    contents: Option<&[u8]>,
    time: u64,
) -> Result<()> {
    let bytes = contents.unwrap_or_default();
    let mut header = Header::new_ustar();
    header.set_entry_type(if contents.is_some() {
        EntryType::Regular
    } else {
        EntryType::Directory
    });
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(bytes.len() as u64);
    builder.append_data(&mut header, path, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::build;

    #[test]
    fn the_same_contents_give_the_same_bytes() {
        let make = || build(b"binary", b"{}", b"MIT", 1_700_000_000).expect("in memory");
        assert_eq!(make().tar, make().tar);
        assert_eq!(make().gzip, make().gzip);
    }

    #[test]
    fn entries_are_sorted_and_belong_to_root() {
        let layer = build(b"binary", b"{}", b"MIT", 7).expect("in memory");
        let mut archive = tar::Archive::new(&layer.tar[..]);
        let mut paths = Vec::new();
        for entry in archive.entries().expect("a tar") {
            let entry = entry.expect("an entry");
            let header = entry.header();
            assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
            assert_eq!(header.mtime().ok(), Some(7));
            paths.push(entry.path().expect("a path").display().to_string());
        }
        let mut sorted = paths.clone();
        sorted.sort();
        assert_eq!(paths, sorted);
        assert!(paths.contains(&"usr/bin/sensor".to_owned()), "{paths:?}");
    }
}
