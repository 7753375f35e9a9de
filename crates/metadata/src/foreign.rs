//! The parsers of bytes that containers and runtimes wrote, exposed for fuzz targets.

use super::{Container, Counters, IdMap, Mount, docker, oci::Spec, users::Table};

/// The parts of a container's OCI specification that the sensor uses.
#[derive(Debug, PartialEq, Eq)]
pub struct SpecFacts {
    /// See `container.privileged`; none if the specification is not for Linux.
    pub privileged: Option<bool>,
    /// Whether it runs in the host's network namespace; none if it joins another's.
    pub host_network: Option<bool>,
    /// Mounts from the host.
    pub mounts: Box<[Mount]>,
    /// Maps of user and of group ids.
    pub id_maps: (Box<[IdMap]>, Box<[IdMap]>),
}

/// Reads an OCI specification; none if the bytes are not one.
#[must_use]
pub fn oci_spec(json: &[u8]) -> Option<SpecFacts> {
    let spec = Spec::parse(json).ok()?;
    Some(SpecFacts {
        privileged: spec.privileged(),
        host_network: spec.host_namespace("network", false),
        mounts: spec.mounts(&Counters::default()),
        id_maps: spec.id_maps(),
    })
}

/// Reads a passwd or group file; returns the name of a number.
#[must_use]
pub fn name_of(text: &[u8], number: u32) -> Option<String> {
    Some(Table::parse(text).get(number)?.name.to_string())
}

/// Reads a container as Docker and Podman describe one; none if the bytes are not one.
#[must_use]
pub fn docker_container(json: &[u8]) -> Option<Container> {
    docker::container(json, &Counters::default())
}

/// Reads an event of Docker or Podman, and the container that the event describes.
#[must_use]
pub fn docker_event(json: &[u8]) -> Option<Container> {
    docker::event(json, &Counters::default())
}
