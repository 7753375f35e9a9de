//! Configurations of Falco's `container` plugin, and `container_engines` before it.

use super::*;

/// The warnings of a configuration, and which runtimes it allows with which sockets.
fn runtimes(text: &str) -> (usize, [(&'static str, Toggle, Vec<PathBuf>); 4]) {
    let (_dir, inputs) = inputs(text);
    let loaded = load(&inputs).unwrap();
    let Sensor {
        containerd,
        cri,
        docker,
        podman,
        ..
    } = loaded.config.sensor;
    let found = [
        ("docker", docker.enabled, docker.sockets),
        ("podman", podman.enabled, podman.sockets),
        ("containerd", containerd.enabled, containerd.sockets),
        ("cri", cri.enabled, cri.sockets),
    ];
    (loaded.warnings.len(), found)
}

fn sockets(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

const PLUGIN: &str = "load_plugins: [container]\nplugins:\n  - name: container\n    library_path: libcontainer.so\n    init_config:\n";

#[test]
fn the_plugin_as_falco_ships_it_allows_all_runtimes_without_a_warning() {
    let (warnings, found) = runtimes(&format!(
        "{PLUGIN}      label_max_len: 100\n      with_size: false\n      hooks: ['create', 'start']\n"
    ));
    assert_eq!(warnings, 0);
    for (name, enabled, sockets) in found {
        assert_eq!((enabled, sockets), (Toggle::Auto, Vec::new()), "{name}");
    }
}

#[test]
fn engines_and_their_sockets_are_taken() {
    let (warnings, found) = runtimes(&format!(
        "{PLUGIN}      label_max_len: 7
      engines:
        docker: {{enabled: true, sockets: ['/var/run/docker.sock']}}
        podman: {{enabled: false}}
        containerd: {{enabled: true, sockets: [/run/host-containerd/containerd.sock]}}
        cri: {{enabled: true, sockets: [/run/crio/crio.sock, /run/k3s/containerd/containerd.sock]}}
        lxc: {{enabled: false}}
        libvirt_lxc: {{enabled: false}}
        bpm: {{enabled: false}}
"
    ));
    assert_eq!(warnings, 0);
    assert_eq!(
        found,
        [
            ("docker", Toggle::Auto, sockets(&["/var/run/docker.sock"])),
            ("podman", Toggle::Off, Vec::new()),
            (
                "containerd",
                Toggle::Auto,
                sockets(&["/run/host-containerd/containerd.sock"])
            ),
            (
                "cri",
                Toggle::Auto,
                sockets(&["/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock"])
            ),
        ]
    );
    let config = read(&format!("{PLUGIN}      label_max_len: 7\n"));
    assert_eq!(config.sensor.label_max_len, 7);
}

#[test]
fn cri_without_sockets_finds_containerd_too_and_with_sockets_those_alone() {
    let engines = |text: &str| {
        let (_, [_, _, containerd, cri]) = runtimes(&format!("{PLUGIN}      engines: {text}\n"));
        ((containerd.1, containerd.2), (cri.1, cri.2))
    };
    let auto = || (Toggle::Auto, Vec::new());
    let off = || (Toggle::Off, Vec::new());
    assert_eq!(
        engines("{cri: {enabled: true}, containerd: {enabled: false}}"),
        (auto(), auto())
    );
    let crio = (Toggle::Auto, sockets(&["/run/crio/crio.sock"]));
    assert_eq!(
        engines(
            "{cri: {enabled: true, sockets: [/run/crio/crio.sock]}, containerd: {enabled: false}}"
        ),
        (off(), crio)
    );
    assert_eq!(
        engines("{cri: {enabled: false}, containerd: {enabled: false}}"),
        (off(), off())
    );
    assert_eq!(
        engines("{cri: {enabled: false}, containerd: {sockets: [/a]}}"),
        ((Toggle::Auto, sockets(&["/a"])), off())
    );
}

#[test]
fn container_engines_of_older_versions_are_taken() {
    let (warnings, found) = runtimes(
        "container_engines:
  docker: {enabled: false}
  cri: {enabled: true, sockets: [/run/containerd/containerd.sock], disable_async: false}
  podman: {enabled: true}
  lxc: {enabled: true}
",
    );
    assert_eq!(warnings, 0);
    let [docker, podman, containerd, cri] = found;
    assert_eq!((docker.1, podman.1), (Toggle::Off, Toggle::Auto));
    assert_eq!(
        containerd.1,
        Toggle::Off,
        "the socket is among those of cri"
    );
    assert_eq!(cri.2, sockets(&["/run/containerd/containerd.sock"]));
}

#[test]
fn the_sensors_own_keys_count_where_both_are_given() {
    let (_, found) = runtimes(&format!(
        "{PLUGIN}      engines: {{docker: {{enabled: false}}}}\nsensor: {{docker: {{enabled: true}}}}\n"
    ));
    assert_eq!(found[0].1, Toggle::On);
}

#[test]
fn other_plugins_have_no_effect_and_a_wrong_socket_is_an_error() {
    let (warnings, _) = runtimes("plugins:\n  - {name: json}\nload_plugins: [json]\n");
    assert_eq!(warnings, 1);
    let message = fails(&format!(
        "{PLUGIN}      engines: {{docker: {{sockets: [[1]]}}}}\n"
    ));
    assert!(
        message.contains("sensor.docker.sockets: expected"),
        "{message}"
    );
}
