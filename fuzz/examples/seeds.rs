//! Writes the committed corpus again, after a change of the wire format:
//! `cargo run --package sensor-fuzz --example seeds`.

use std::{fs, io, path::Path};

use sensor::sources::syscall::event::builder::RecordBuilder;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let pod = "pod00000000-0000-0000-0000-000000000000";
    let cgroups = [
        ("cgroupfs", format!("/kubepods/besteffort/{pod}/{ID}")),
        (
            "systemd",
            format!("/kubepods.slice/kubepods-{pod}.slice/cri-containerd-{ID}.scope"),
        ),
        ("crio", format!("/kubepods.slice/crio-{ID}.scope")),
        ("docker", format!("/docker/{ID}")),
        ("podman", format!("/machine.slice/libpod-{ID}.scope")),
        ("ctr", "/default/name".to_owned()),
        ("host", "/system.slice/ssh.service".to_owned()),
    ];
    fs::create_dir_all(corpus.join("cgroup"))?;
    fs::create_dir_all(corpus.join("decode"))?;
    for (name, path) in &cgroups {
        let innermost_first: Vec<_> = path[1..]
            .rsplit('/')
            .map(|name| format!("{name}\0"))
            .collect();
        fs::write(corpus.join("cgroup").join(name), innermost_first.concat())?;
        let record = RecordBuilder::exec("/usr/bin/sh", &["sh", "-c", "id"]).in_cgroup(path);
        fs::write(corpus.join("decode").join(name), record.build())?;
    }
    let connect = RecordBuilder::connect(sensor_ebpf::Connect::default());
    fs::write(corpus.join("decode/connect"), connect.build())
}
