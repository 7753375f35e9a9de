//! `required_engine_version` and `required_plugin_versions`: what rule files can require.

use yaml::{Diagnostic, Node};

use super::reader::Reader;
use crate::Code;

/// Version of Falco's rule language and fields that this engine implements.
pub const ENGINE_VERSION: &str = "0.62.0";

/// What files can require of the source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Provided {
    /// Plugins, with their versions.
    pub plugins: &'static [(&'static str, &'static str)],
    /// Page with the rules that never match.
    pub help: Option<&'static str>,
}

/// Parses `major.minor.patch`; a bare number is a minor version, as before Falco 0.37.
fn parse(text: &str) -> Option<[u64; 3]> {
    let text = text.trim();
    if let Ok(minor) = text.parse() {
        return Some([0, minor, 0]);
    }
    let text = text.split(['-', '+']).next()?;
    let mut parts = text.split('.').map(str::parse);
    let version = [
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    ];
    parts.next().is_none().then_some(version)
}

/// Reads `required_engine_version`.
pub(super) fn engine(reader: &mut Reader<'_>, node: &Node) -> Option<Box<str>> {
    let Some(version) = node.as_str().and_then(parse) else {
        return reader.error(
            Code::YamlValidate,
            node.position,
            "'required_engine_version' must be a version like 0.62.0, or a number",
        );
    };
    if Some(version) > parse(ENGINE_VERSION) {
        let message = format!(
            "rules require engine version {}, provided is {ENGINE_VERSION}",
            node.as_str().unwrap_or_default()
        );
        return reader.error(Code::Extension, node.position, message);
    }
    node.as_str().map(Into::into)
}

/// Reads `required_plugin_versions`. Rules of other plugins are loaded, but can never match here.
pub(super) fn plugins(
    reader: &mut Reader<'_>,
    node: &Node,
    provided: Provided,
) -> Vec<(Box<str>, Box<str>)> {
    let mut plugins = Vec::new();
    let Some(items) = node.as_sequence() else {
        let message = format!(
            "'required_plugin_versions' must be a list, not {}",
            node.describe()
        );
        reader.error::<()>(Code::YamlValidate, node.position, message);
        return plugins;
    };
    for item in items {
        let alternatives = item.get("alternatives").and_then(Node::as_sequence);
        let choices = std::iter::once(item).chain(alternatives.into_iter().flatten());
        let mut good = false;
        let mut other = None;
        let mut names = Vec::new();
        for choice in choices {
            let name = choice.get("name").and_then(Node::as_str);
            let version = choice.get("version").and_then(Node::as_str);
            let (Some(name), Some(version)) = (name, version) else {
                reader.error::<()>(
                    Code::YamlValidate,
                    choice.position,
                    "a required plugin has a 'name' and a 'version'",
                );
                continue;
            };
            let Some(wanted) = parse(version) else {
                let message = format!("'{version}' is not a version like 0.7.1");
                reader.error::<()>(Code::YamlValidate, choice.position, message);
                continue;
            };
            plugins.push((name.into(), version.into()));
            names.push(name);
            if let Some(plugin) = provided.plugins.iter().find(|plugin| plugin.0 == name) {
                let have = parse(plugin.1).unwrap_or_default();
                good |= wanted[0] == have[0] && wanted <= have;
                other = other.or(Some(plugin));
            }
        }
        if good || names.is_empty() {
            continue;
        }
        if let Some((name, version)) = other {
            let message = format!(
                "rules require another version of the plugin '{name}', provided is {version}"
            );
            reader.error::<()>(Code::Extension, item.position, message);
        } else {
            let message = format!("plugin '{}' is not provided", names.join("' or '"));
            let mut hint = "rules that need it are loaded and never match".to_owned();
            if let Some(help) = provided.help {
                hint.push_str(", ");
                hint.push_str(help);
            }
            let diagnostic = Diagnostic::warning(reader.source, item.position, message).hint(hint);
            reader.report(Code::Extension, diagnostic);
        }
    }
    plugins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_a_minor_version() {
        assert_eq!(parse("26"), Some([0, 26, 0]));
        assert_eq!(parse("0.62.0"), Some([0, 62, 0]));
        assert_eq!(parse("0.7.1-rc1"), Some([0, 7, 1]));
        assert_eq!(parse("1.2"), None);
        assert_eq!(parse("x"), None);
    }
}
