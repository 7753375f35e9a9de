//! The parts of an image's name.

use crate::{Container, text::clean};

/// Most bytes of a name that are kept.
const TEXT_MAX: usize = 1024;

/// An image's name in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageName<'a> {
    /// Without tag and digest: `registry.local:5000/team/app`.
    pub(super) repository: &'a str,
    /// What follows the last `:` behind the last `/`.
    pub(super) tag: Option<&'a str>,
    /// What follows the `@`.
    pub(super) digest: Option<&'a str>,
}

impl Container {
    /// Sets the image by its name, as somebody asked for it.
    pub(super) fn set_image(&mut self, name: &str) {
        if name.is_empty() {
            return;
        }
        if let Some(parts) = split(name) {
            self.repository = Some(clean(parts.repository, TEXT_MAX));
            self.tag = parts.tag.map(|tag| clean(tag, TEXT_MAX));
            self.digest = parts.digest.map(|digest| clean(digest, TEXT_MAX));
        }
        self.image = Some(clean(name, TEXT_MAX));
    }
}

/// Splits a name; none if it is only a digest, which is an image without a name.
pub(super) fn split(name: &str) -> Option<ImageName<'_>> {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest).filter(|d| !d.is_empty())),
        None => (name, None),
    };
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match rest[last..].rfind(':') {
        Some(colon) => (
            &rest[..last + colon],
            Some(&rest[last + colon + 1..]).filter(|tag| !tag.is_empty()),
        ),
        None => (rest, None),
    };
    let only_digest = last == 0 && matches!(repository, "sha256" | "sha384" | "sha512");
    if repository.is_empty() || (only_digest && tag.is_some_and(|tag| tag.len() >= 64)) {
        return None;
    }
    Some(ImageName {
        repository,
        tag,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, repository: &str, tag: Option<&str>, digest: Option<&str>) {
        assert_eq!(
            split(name),
            Some(ImageName {
                repository,
                tag,
                digest
            }),
            "{name}"
        );
    }

    #[test]
    fn a_port_is_no_tag() {
        check(
            "peer.local:5000/team/app",
            "peer.local:5000/team/app",
            None,
            None,
        );
        check(
            "peer.local:5000/team/app:v1.2",
            "peer.local:5000/team/app",
            Some("v1.2"),
            None,
        );
    }

    #[test]
    fn a_digest_stands_behind_name_or_tag() {
        check("a/b@sha256:1", "a/b", None, Some("sha256:1"));
        check("h:5/a/b:t@sha256:1", "h:5/a/b", Some("t"), Some("sha256:1"));
    }

    #[test]
    fn a_name_without_tag_has_none() {
        check("busybox", "busybox", None, None);
        check("busybox:", "busybox", None, None);
    }

    #[test]
    fn a_bare_digest_is_no_name() {
        assert_eq!(split(&format!("sha256:{}", "9".repeat(64))), None);
        assert_eq!(split(""), None);
        assert_eq!(split("@sha256:1"), None);
        check("sha256:latest", "sha256", Some("latest"), None);
    }
}
