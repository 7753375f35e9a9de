//! The configuration of Falco's `container` plugin, and `container_engines` before it: both become
//! the sensor's own keys.

use yaml::{Kind, Node, Position, Style};

/// The plugin whose work the sensor does itself.
const PLUGIN: &str = "container";
/// Where Falco's configuration has the engines before there was a plugin.
pub(super) const FORMER: &str = "container_engines";

/// A value of one of the sensor's keys.
type Value = (&'static str, Node);

/// An engine of Falco's configuration, as far as it is given.
#[derive(Default)]
struct Engine<'a> {
    enabled: Option<&'a Node>,
    sockets: Option<&'a Node>,
}

impl<'a> Engine<'a> {
    fn of(engines: Option<&'a Node>, name: &str) -> Self {
        let engine = engines.and_then(|engines| engines.get(name));
        let get = |key| engine.and_then(|engine| engine.get(key));
        Self {
            enabled: get("enabled").filter(|node| !node.is_null()),
            sockets: get("sockets")
                .filter(|node| node.as_sequence().is_some_and(|list| !list.is_empty())),
        }
    }

    fn is_off(&self) -> bool {
        self.enabled.and_then(Node::as_bool) == Some(false)
    }

    /// The values of the sensor's keys for this engine: Falco's `enabled` only allows its use.
    fn values(&self, keys: (&'static str, &'static str)) -> Vec<Value> {
        let mut values = Vec::new();
        if let Some(enabled) = self.enabled {
            values.push((keys.0, toggle(!self.is_off(), enabled.position)));
        }
        values.extend(self.sockets.map(|sockets| (keys.1, sockets.clone())));
        values
    }
}

/// `auto` or `false`, at a position.
fn toggle(is_on: bool, position: Position) -> Node {
    let text = if is_on { "auto" } else { "false" };
    Node {
        kind: Kind::Scalar(text.into(), Style::Plain),
        position,
    }
}

/// The sensor's values for a key of Falco's configuration that says something of container runtimes.
pub(super) fn translate(name: &str, node: &Node) -> Vec<Value> {
    match name {
        "plugins" => {
            let is_own = |plugin: &&Node| plugin.get("name").and_then(Node::as_str) == Some(PLUGIN);
            let plugins = node.as_sequence().unwrap_or_default().iter();
            plugins.filter(is_own).flat_map(of_plugin).collect()
        }
        FORMER => of_engines(Some(node), true),
        _ => Vec::new(),
    }
}

fn of_plugin(plugin: &Node) -> Vec<Value> {
    let config = plugin.get("init_config");
    let engines = config.and_then(|config| config.get("engines"));
    let mut values = of_engines(engines, false);
    let length = config.and_then(|config| config.get("label_max_len"));
    values.extend(length.map(|length| ("sensor.label_max_len", length.clone())));
    values
}

/// `is_former`: there is no engine `containerd`.
fn of_engines(engines: Option<&Node>, is_former: bool) -> Vec<Value> {
    let of = |name| Engine::of(engines, name);
    let (docker, podman) = (of("docker"), of("podman"));
    let (cri, containerd) = (of("cri"), of("containerd"));
    let mut values = docker.values(("sensor.docker.enabled", "sensor.docker.sockets"));
    values.extend(podman.values(("sensor.podman.enabled", "sensor.podman.sockets")));
    values.extend(cri.values(("sensor.cri.enabled", "sensor.cri.sockets")));
    // Falco's engine `cri` also finds containerd, unless it has sockets of its own.
    let finds_containerd = !cri.is_off() && cri.sockets.is_none();
    let is_off = containerd.is_off() || is_former;
    let said = containerd.enabled.or(cri.enabled).or(cri.sockets);
    if let Some(said) = said {
        let is_on = finds_containerd || !is_off;
        values.push(("sensor.containerd.enabled", toggle(is_on, said.position)));
    }
    let sockets = containerd.sockets.filter(|_| !finds_containerd);
    values.extend(sockets.map(|sockets| ("sensor.containerd.sockets", sockets.clone())));
    values
}
