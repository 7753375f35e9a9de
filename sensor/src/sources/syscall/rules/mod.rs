//! Rules about this sensor's events: what they need of the kernel side and of the metadata.
//!
//! ```text
//! files ──falco_rules──▶ RuleSet ──evaluate──▶ rules that match
//!                           └────▶ Requirements: what the kernel side must send
//! ```
//!
//! The language, the compiler and the evaluation are [`falco_rules`].

mod names;
mod peers;
mod requirements;
mod set;
#[cfg(test)]
mod tests;

pub use falco_rules::{
    Activity, AppendOutput, Code, FileReport, ItemKind, Matching, Priority, Problem, Report,
    RuleFile, RuleInfo, Scratch, Select, Selection, read,
};
pub use requirements::Requirements;
pub use set::{Compilation, Options, RuleSet, compile};

use crate::sources::syscall::fields::Syscall;

/// A rule about this sensor's events.
pub type Rule = falco_rules::Rule<Syscall>;
/// A key of `output_fields` whose field is not in the text of the output.
pub type ExtraField = falco_rules::ExtraField<Syscall>;

/// The fields that Falco's `container` plugin suggests to append to outputs.
pub const SUGGESTED_OUTPUT: &str = "container_id=%container.id \
    container_name=%container.name container_image_repository=%container.image.repository \
    container_image_tag=%container.image.tag k8s_pod_name=%k8s.pod.name k8s_ns_name=%k8s.ns.name";
