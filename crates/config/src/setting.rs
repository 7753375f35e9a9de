//! Reads values of each type from YAML, prints them, and names their form.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use falco_rules::Priority;
use yaml::Node;

use super::{
    AppendOutput, BrokenRules, ByteSize, CaptureMode, DropAction, EngineKind, Headers, Hooks,
    LogFormat, LogLevel, Mode, Owner, RuleMatching, RuleSwitch, Span, Strategy, Takeover, Toggle,
    TreeMode, WantedEnv,
};

/// A type of value that a key can have.
pub(super) trait Setting: Sized {
    /// What the value must look like, for messages and for the documentation.
    const TYPE: &'static str;

    /// Whether Falco takes the default for a text that is no such value.
    const FALLS_BACK: bool = false;

    /// The value of a node; none if the node has another type, or nothing for which the default
    /// stands.
    fn read(node: &Node) -> Option<Self>;

    /// The value as YAML, on one line.
    fn show(&self) -> String;
}

/// Text as YAML, without quotes where they are not necessary.
pub(super) fn quote(text: &str) -> String {
    let bare = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-%+".contains(c))
        && !text.starts_with(['-', '%'])
        && text.parse::<f64>().is_err()
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null"
        );
    if bare {
        text.to_owned()
    } else {
        // A JSON string is a YAML string.
        serde_json::Value::from(text).to_string()
    }
}

impl Setting for bool {
    const TYPE: &'static str = "true or false";
    const FALLS_BACK: bool = true;

    fn read(node: &Node) -> Option<Self> {
        node.as_bool()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_numbers {
    ($($type:ty: $name:literal),* $(,)?) => {$(
        impl Setting for $type {
            const TYPE: &'static str = $name;
            const FALLS_BACK: bool = true;

            fn read(node: &Node) -> Option<Self> {
                node.as_u64()?.try_into().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers! {
    u8: "a whole number from 0 to 255",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number, 0 or more",
}

impl Setting for f64 {
    const TYPE: &'static str = "a number";
    const FALLS_BACK: bool = true;

    fn read(node: &Node) -> Option<Self> {
        node.as_f64()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const TYPE: &'static str = "a text";

    fn read(node: &Node) -> Option<Self> {
        node.as_str().filter(|_| !node.is_null()).map(str::to_owned)
    }

    fn show(&self) -> String {
        quote(self)
    }
}

impl Setting for PathBuf {
    const TYPE: &'static str = "a path";

    fn read(node: &Node) -> Option<Self> {
        node.as_str()
            .filter(|path| !node.is_null() && !path.contains('\0'))
            .map(Self::from)
    }

    fn show(&self) -> String {
        quote(&self.to_string_lossy())
    }
}

macro_rules! parsed {
    ($($type:ty: $name:expr),* $(,)?) => {$(
        impl Setting for $type {
            const TYPE: &'static str = $name;

            fn read(node: &Node) -> Option<Self> {
                parse(node)
            }

            fn show(&self) -> String {
                quote(&self.to_string())
            }
        }
    )*};
}

fn parse<T: FromStr>(node: &Node) -> Option<T> {
    node.as_str()?.parse().ok()
}

parsed! {
    ByteSize: "a number of bytes like 4096, 32KiB, 100MiB or 1GiB",
    Span: "a span of time like 500ms, 2s, 15m, 1h or 0",
    LogLevel: LogLevel::TYPE,
    IpAddr: "an IP address",
    Mode: "permissions in octal like 0640",
    Owner: "user and group in numbers like 1000:1000",
}

impl Setting for Priority {
    const TYPE: &'static str =
        "emergency, alert, critical, error, warning, notice, informational or debug";

    fn read(node: &Node) -> Option<Self> {
        Self::parse(node.as_str()?)
    }

    fn show(&self) -> String {
        quote(self.as_str())
    }
}

/// Implements [`Setting`] for enums with a fixed set of names.
macro_rules! named {
    ($($type:ty: $what:literal { $($name:literal => $value:expr),* $(,)? })*) => {$(
        impl Setting for $type {
            const TYPE: &'static str = $what;

            fn read(node: &Node) -> Option<Self> {
                match node.as_str()?.to_ascii_lowercase().as_str() {
                    $($name => Some($value),)*
                    _ => None,
                }
            }

            fn show(&self) -> String {
                $(if *self == $value { return $name.to_owned(); })*
                String::new()
            }
        }
    )*};
}

named! {
    EngineKind: "modern_ebpf, auto, kmod, ebpf, gvisor, nodriver or replay" {
        "modern_ebpf" => Self::ModernEbpf, "auto" => Self::ModernEbpf, "kmod" => Self::Kmod, "ebpf" => Self::Ebpf,
        "gvisor" => Self::Gvisor, "nodriver" => Self::Nodriver, "replay" => Self::Replay
    }
    RuleMatching: "first or all" { "first" => Self::First, "all" => Self::All }
    CaptureMode: "rules or all_rules" { "rules" => Self::Rules, "all_rules" => Self::AllRules }
    DropAction: "ignore, log, alert or exit" {
        "ignore" => Self::Ignore, "log" => Self::Log, "alert" => Self::Alert, "exit" => Self::Exit
    }
    Strategy: "append, override or add-only" {
        "append" => Self::Append, "override" => Self::Override, "add-only" => Self::AddOnly
    }
    TreeMode: "all, exclude or only" {
        "all" => Self::All, "exclude" => Self::Exclude, "only" => Self::Only
    }
    Takeover: "off, on or at_stop" {
        "off" => Self::Off, "false" => Self::Off, "on" => Self::On, "true" => Self::On, "at_stop" => Self::AtStop
    }
    BrokenRules: "keep or stop" { "keep" => Self::Keep, "stop" => Self::Stop }
    LogFormat: "text or json" { "text" => Self::Text, "json" => Self::Json }
    Hooks: "auto, fexit, perf or raw" {
        "auto" => Self::Auto, "fexit" => Self::Fexit, "perf" => Self::Perf, "raw" => Self::Raw
    }
}

impl Setting for Toggle {
    const TYPE: &'static str = "auto, true or false";

    fn read(node: &Node) -> Option<Self> {
        match node.as_bool() {
            Some(true) => Some(Self::On),
            Some(false) => Some(Self::Off),
            None => (node.as_str()? == "auto").then_some(Self::Auto),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::On => "true",
            Self::Off => "false",
        }
        .into()
    }
}

impl Setting for WantedEnv {
    const TYPE: &'static str = "true, false or a list of names";

    fn read(node: &Node) -> Option<Self> {
        match node.as_bool() {
            Some(true) => Some(Self::All),
            Some(false) => Some(Self::None),
            None => Vec::read(node).map(|names: Vec<String>| {
                if names.is_empty() {
                    Self::None
                } else {
                    Self::Named(names)
                }
            }),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::None => "false".into(),
            Self::All => "true".into(),
            Self::Named(names) => names.show(),
        }
    }
}

impl<T: Setting> Setting for Option<T> {
    const TYPE: &'static str = T::TYPE;

    fn read(node: &Node) -> Option<Self> {
        if node.is_null() || node.as_str() == Some("") {
            return Some(None);
        }
        T::read(node).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "null".into(), T::show)
    }
}

/// The type of a list's elements.
pub(super) trait Element: Setting {
    /// What the list must look like.
    const LIST: &'static str;
}

impl Element for String {
    const LIST: &'static str = "a list of texts";
}

impl Element for PathBuf {
    const LIST: &'static str = "a list of paths";
}

impl Element for DropAction {
    const LIST: &'static str = "a list of ignore, log, alert or exit";
}

impl Element for AppendOutput {
    const LIST: &'static str =
        "a list of mappings with match, extra_output, extra_fields and suggested_output";
}

impl Element for RuleSwitch {
    const LIST: &'static str = "a list of enable or disable with {rule: NAME} or {tag: TAG}";
}

impl Setting for RuleSwitch {
    const TYPE: &'static str = "enable or disable with {rule: NAME} or {tag: TAG}";

    fn read(node: &Node) -> Option<Self> {
        // Unknown keys have no effect, as in Falco.
        let (enable, which) = match (node.get("enable"), node.get("disable")) {
            (Some(which), _) => (true, which),
            (None, which) => (false, which?),
        };
        let text = |key| which.get(key).map_or(Some(None), Option::read);
        let (rule, tag) = (text("rule")?, text("tag")?);
        (rule.is_some() || tag.is_some()).then_some(Self { enable, rule, tag })
    }

    fn show(&self) -> String {
        let switch = if self.enable { "enable" } else { "disable" };
        let parts: Vec<_> = [("rule", &self.rule), ("tag", &self.tag)]
            .into_iter()
            .filter_map(|(key, text)| Some(format!("{key}: {}", quote(text.as_ref()?))))
            .collect();
        format!("{{{switch}: {{{}}}}}", parts.join(", "))
    }
}

impl Setting for Headers {
    const TYPE: &'static str = "a mapping of names and values";

    fn read(node: &Node) -> Option<Self> {
        let text = |node: &Node| String::read(node);
        let entries = node.as_mapping()?.iter();
        entries
            .map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn show(&self) -> String {
        let entry = |(name, value): &(String, String)| format!("{}: {}", quote(name), quote(value));
        let entries: Vec<String> = self.0.iter().map(entry).collect();
        format!("{{{}}}", entries.join(", "))
    }
}

impl<T: Element> Setting for Vec<T> {
    const TYPE: &'static str = T::LIST;

    fn read(node: &Node) -> Option<Self> {
        if node.is_null() {
            return Some(Self::new());
        }
        let items = node.as_sequence()?.iter();
        items.filter(|item| !item.is_null()).map(T::read).collect()
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(T::show).collect();
        format!("[{}]", items.join(", "))
    }
}

/// The entries of a mapping that have a value.
fn given(node: &Node) -> Option<impl Iterator<Item = &(Node, Node)>> {
    let entries = node.as_mapping()?.iter();
    Some(entries.filter(|(_, value)| !value.is_null()))
}

impl Setting for AppendOutput {
    const TYPE: &'static str = "a mapping";

    fn read(node: &Node) -> Option<Self> {
        let mut entry = Self::default();
        // Unknown keys have no effect, as in Falco.
        for (key, value) in given(node)? {
            match key.as_str()? {
                "match" => {
                    for (key, value) in given(value).into_iter().flatten() {
                        match key.as_str()? {
                            "source" => entry.source = Option::read(value)?,
                            "rule" => entry.rule = Option::read(value)?,
                            "tags" => entry.tags = Vec::read(value)?,
                            _ => {}
                        }
                    }
                }
                "extra_output" => entry.extra_output = Option::read(value)?,
                "suggested_output" => {
                    entry.suggested_output = !value.is_null() && value.as_bool()?;
                }
                "extra_fields" if value.is_null() => {}
                "extra_fields" => {
                    for field in value.as_sequence()? {
                        if let Some(name) = field.as_str() {
                            entry.extra_fields.push(name.to_owned());
                            continue;
                        }
                        for (key, template) in field.as_mapping()? {
                            let pair = (key.as_str()?.to_owned(), template.as_str()?.to_owned());
                            entry.extra_templates.push(pair);
                        }
                    }
                }
                _ => {}
            }
        }
        Some(entry)
    }

    fn show(&self) -> String {
        let mut parts = Vec::new();
        let mut only = Vec::new();
        if let Some(source) = &self.source {
            only.push(format!("source: {}", quote(source)));
        }
        if !self.tags.is_empty() {
            only.push(format!("tags: {}", self.tags.show()));
        }
        if let Some(rule) = &self.rule {
            only.push(format!("rule: {}", quote(rule)));
        }
        if !only.is_empty() {
            parts.push(format!("match: {{{}}}", only.join(", ")));
        }
        if let Some(output) = &self.extra_output {
            parts.push(format!("extra_output: {}", quote(output)));
        }
        let mut fields: Vec<String> = self.extra_fields.iter().map(|f| quote(f)).collect();
        for (key, template) in &self.extra_templates {
            fields.push(format!("{{{}: {}}}", quote(key), quote(template)));
        }
        if !fields.is_empty() {
            parts.push(format!("extra_fields: [{}]", fields.join(", ")));
        }
        parts.push(format!("suggested_output: {}", self.suggested_output));
        format!("{{{}}}", parts.join(", "))
    }
}
