//! Writes the committed corpus again, after a change of the wire format:
//! `cargo run --package sensor-fuzz --example seeds`.

use std::{fs, io, path::Path};

use metadata::{Container, ContainerId};
use sensor::sources::syscall::{
    event::builder::RecordBuilder,
    recording::{EventFrame, Frame, MAGIC, Where, append_block},
};

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
    fs::write(corpus.join("decode/connect"), connect.build())?;
    let call = RecordBuilder::call(sensor_ebpf::Kind::Setns, 0, [3, 0]);
    fs::write(corpus.join("decode/setns"), call.build())?;
    fs::create_dir_all(corpus.join("recording"))?;
    let mut frames = Vec::new();
    for place in [Where::Host, Where::Container(1)] {
        let record = RecordBuilder::exec("/usr/bin/sh", &["sh", "-c", "id"]).build();
        let id = ContainerId::new(ID.as_bytes()).ok_or(io::ErrorKind::InvalidData)?;
        let container = Container::new(id, "containerd");
        Frame::Container(1, Box::new(container)).write(&mut frames);
        let event = EventFrame {
            number: 1,
            boot_to_utc: 0,
            place,
            record: &record,
        };
        Frame::Event(event).write(&mut frames);
        Frame::Gap(3).write(&mut frames);
    }
    let mut file = MAGIC.to_vec();
    append_block(&frames, &mut file);
    fs::write(corpus.join("recording/frames"), &frames)?;
    fs::write(corpus.join("recording/file"), file)
}
