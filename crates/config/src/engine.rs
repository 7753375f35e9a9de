//! Keys of falco.yaml about capture and rules.

use std::path::PathBuf;

use super::Span;

/// Which of the rules that match an event write a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMatching {
    /// The first one.
    #[default]
    First,
    /// All of them.
    All,
}

/// An entry of `append_output`: texts and fields that are added to rule outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutput {
    /// Only rules of this source.
    pub source: Option<String>,
    /// Only rules with all of these tags.
    pub tags: Vec<String>,
    /// Only the rule of this name.
    pub rule: Option<String>,
    /// Template that is appended to the rule output; its fields are in `output_fields` too.
    pub extra_output: Option<String>,
    /// Fields that appear under their own name in `output_fields` only.
    pub extra_fields: Vec<String>,
    /// Keys with a template that appears as text in `output_fields` only.
    pub extra_templates: Vec<(String, String)>,
    /// Falco's `container_id=… k8s_ns_name=…`.
    pub suggested_output: bool,
}

/// An entry of `rules`: enables or disables rules; the entries apply in order after loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSwitch {
    /// Whether the entry enables the rules.
    pub enable: bool,
    /// Rules with that name; `*` stands for any text.
    pub rule: Option<String>,
    /// Rules with that tag.
    pub tag: Option<String>,
}

/// `engine.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Where events come from.
    pub kind: EngineKind,
    /// Keys of the only engine for live events that this sensor has.
    pub modern_ebpf: ModernEbpf,
    /// Keys of recordings.
    pub replay: Replay,
}

/// Falco's engines. All but [`Self::Replay`] stand for the live events of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// eBPF programs.
    #[default]
    ModernEbpf,
    /// Falco's kernel module.
    Kmod,
    /// Falco's former eBPF programs.
    Ebpf,
    /// gVisor.
    Gvisor,
    /// No engine but plugins.
    Nodriver,
    /// A recording.
    Replay,
}

/// `engine.replay.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The recording.
    pub capture_file: Option<PathBuf>,
}

/// `capture.*`: recordings that rules start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCapture {
    /// Whether rules start recordings.
    pub enabled: bool,
    /// The beginning of the paths of recordings.
    pub path_prefix: PathBuf,
    /// Which rules start a recording.
    pub mode: CaptureMode,
    /// How long a recording lasts from the last match on, if the rule does not say.
    pub default_duration: Span,
    /// Megabytes of a recording, about, after which it ends; 0: no limit.
    pub max_file_size_mb: u64,
}

impl Default for RuleCapture {
    fn default() -> Self {
        Self {
            enabled: false,
            path_prefix: PathBuf::from("/tmp/falco"),
            mode: CaptureMode::default(),
            default_duration: Span::from_secs(5),
            max_file_size_mb: 0,
        }
    }
}

/// Which rules start a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureMode {
    /// Those with `capture: true`.
    #[default]
    Rules,
    /// All.
    AllRules,
}

/// `engine.modern_ebpf.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernEbpf {
    /// Size of the ring buffer: 1 to 10 for 1, 2, 4, … 512 MiB.
    pub buf_size_preset: u8,
    /// Whether to leave out failed execs and connects, with their costs.
    pub drop_failed_exit: bool,
}

impl Default for ModernEbpf {
    fn default() -> Self {
        Self {
            buf_size_preset: 4,
            drop_failed_exit: true,
        }
    }
}

impl ModernEbpf {
    /// Size of the ring buffer in bytes: a power of two.
    #[must_use]
    pub fn ring_bytes(&self) -> u32 {
        (1 << 20) << (u32::from(self.buf_size_preset.clamp(1, 10)) - 1)
    }
}
