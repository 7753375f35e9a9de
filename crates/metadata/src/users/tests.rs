use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::Container;

const SECOND: u64 = 1_000_000_000;

/// A container's root in a directory, as the runtime mounts it.
struct Bed {
    dir: tempfile::TempDir,
    users: Users,
    container: Container,
    counters: Arc<Counters>,
}

fn options() -> UsersOptions {
    UsersOptions {
        patience: Duration::from_secs(10),
        ..UsersOptions::default()
    }
}

fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("root/etc")).unwrap();
    let counters = Arc::new(Counters::default());
    let container = Container {
        created: Some(1),
        rootfs: Some(dir.path().join("root").to_str().unwrap().into()),
        ..Container::new(ContainerId::new(&[b'a'; 64]).unwrap(), "containerd")
    };
    Bed {
        users: Users::new(options(), Arc::clone(&counters)),
        dir,
        container,
        counters,
    }
}

impl Bed {
    fn etc(&self, name: &str) -> PathBuf {
        self.dir.path().join("root/etc").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.etc(name), text).unwrap();
    }

    fn user(&mut self, uid: u32, now: u64) -> String {
        self.users
            .prepare(ContainerState::Known(&self.container), u32::MAX, now);
        self.users
            .user_name(Some(&self.container.id), uid)
            .to_owned()
    }
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn a_containers_names_are_its_own_files_and_root_is_always_root() {
    let mut bed = bed();
    bed.write("passwd", "admin:x:0:0:::\napp:x:1000:1000:::\n");
    bed.write("group", "staff:x:50:\n");
    assert_eq!(bed.user(1000, SECOND), "app");
    assert_eq!(bed.user(0, SECOND), "root");
    assert_eq!(bed.user(77, SECOND), "<NA>");
    assert_eq!(bed.users.group_name(Some(&bed.container.id), 50), "staff");
}

#[test]
fn the_hosts_names_are_the_hosts_files() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("etc/passwd"), "me:x:4711:1::/:\n").unwrap();
    let options = UsersOptions {
        host_root: dir.path().into(),
        ..options()
    };
    let users = Users::new(options, Arc::default());
    assert_eq!(users.user_name(None, 4711), "me");
    assert_eq!(users.group_name(None, 4711), "<NA>");
}

#[test]
fn a_changed_file_is_read_again_after_some_seconds() {
    let mut bed = bed();
    bed.write("passwd", "one:x:5:5:::\n");
    assert_eq!(bed.user(5, SECOND), "one");
    bed.write("passwd", "second:x:5:5:::\n");
    assert_eq!(bed.user(5, 2 * SECOND), "one");
    bed.user(5, 7 * SECOND);
    let deadline = Instant::now() + Duration::from_secs(5);
    while bed.user(5, 7 * SECOND) != "second" {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn numbers_of_a_user_namespace_are_those_of_the_container() {
    let mut bed = bed();
    bed.write("passwd", "inner:x:0:0:::\napp:x:1000:::\n");
    bed.container.uid_map = Box::new([IdMap {
        container: 0,
        host: 100_000,
        size: 65_536,
    }]);
    assert_eq!(bed.user(100_000, SECOND), "inner");
    assert_eq!(bed.user(101_000, SECOND), "app");
    assert_eq!(bed.user(1000, SECOND), "<NA>");
}

#[test]
fn a_container_that_takes_anothers_id_has_names_of_its_own() {
    let mut bed = bed();
    bed.write("passwd", "first:x:5:5:::\n");
    assert_eq!(bed.user(5, SECOND), "first");
    bed.write("passwd", "other:x:5:5:::\n");
    bed.container.created = Some(2);
    assert_eq!(bed.user(5, SECOND + 1), "other");
}

#[test]
fn a_passwd_of_a_gigabyte_is_read_in_part() {
    let mut bed = bed();
    bed.write("passwd", "app:x:1000:1000:::\n");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(bed.etc("passwd"))
        .unwrap();
    file.set_len(1 << 30).unwrap();
    let begin = Instant::now();
    assert_eq!(bed.user(1000, SECOND), "app");
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(value(&bed.counters.users_oversized_total), 1);
}

#[test]
fn a_passwd_that_is_a_fifo_is_not_waited_for() {
    let mut bed = bed();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bed.etc("passwd"),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    bed.write("group", "staff:x:50:\n");
    let begin = Instant::now();
    assert_eq!(bed.user(1000, SECOND), "<NA>");
    assert!(begin.elapsed() < Duration::from_millis(500));
    assert_eq!(bed.users.group_name(Some(&bed.container.id), 50), "staff");
    assert_eq!(value(&bed.counters.users_refused_total), 1);
}

#[test]
fn links_are_followed_inside_of_the_containers_root_only() {
    let mut bed = bed();
    let secret = bed.dir.path().join("secret");
    fs::write(&secret, "leaked:x:1000:1000:::\n").unwrap();
    symlink(&secret, bed.etc("passwd")).unwrap();
    symlink(
        "../../../../../..".to_owned() + secret.to_str().unwrap(),
        bed.etc("group"),
    )
    .unwrap();
    assert_eq!(bed.user(1000, SECOND), "<NA>");
    assert_eq!(bed.users.group_name(Some(&bed.container.id), 1000), "<NA>");
    fs::write(bed.etc("real"), "inside:x:1000:1000:::\n").unwrap();
    fs::remove_file(bed.etc("passwd")).unwrap();
    symlink("/etc/real", bed.etc("passwd")).unwrap();
    bed.container.created = Some(2);
    assert_eq!(bed.user(1000, SECOND), "inside");
}

#[test]
fn links_of_proc_do_not_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = rustix::fs::openat(
        rustix::fs::CWD,
        Path::new("/"),
        rustix::fs::OFlags::PATH,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let link = dir.path().join("passwd");
    symlink("/proc/self/root/etc/passwd", &link).unwrap();
    let path = link.strip_prefix("/").unwrap();
    let error = open::find(&root, path.to_str().unwrap()).unwrap_err();
    assert!(
        matches!(error, open::Refused::Errno(rustix::io::Errno::LOOP)),
        "{error}"
    );
}

#[test]
fn a_process_of_another_container_is_not_read() {
    let mut bed = bed();
    bed.container.rootfs = None;
    bed.users.prepare(
        ContainerState::Known(&bed.container),
        std::process::id(),
        SECOND,
    );
    let uid = 65_534;
    assert_eq!(bed.users.user_name(Some(&bed.container.id), uid), "<NA>");
    assert_eq!(value(&bed.counters.users_reads_total), 2, "the host's only");
}

#[test]
fn a_process_of_the_runtime_that_still_has_the_hosts_root_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let process = dir.path().join("7");
    fs::create_dir_all(dir.path().join("root/etc")).unwrap();
    fs::write(dir.path().join("root/etc/passwd"), "own:x:2:2:::\n").unwrap();
    fs::create_dir(&process).unwrap();
    let id = ContainerId::new(&[b'a'; 64]).unwrap();
    fs::write(process.join("cgroup"), format!("0::/kubepods/podx/{id}\n")).unwrap();
    symlink("/", process.join("root")).unwrap();
    let proc = dir.path().into();
    let mut users = Users::new(UsersOptions { proc, ..options() }, Arc::default());
    users.prepare(ContainerState::Unknown(id), 7, SECOND);
    assert_eq!(users.user_name(Some(&id), 2), "<NA>", "not the host's");
    fs::remove_file(process.join("root")).unwrap();
    symlink(dir.path().join("root"), process.join("root")).unwrap();
    users.prepare(ContainerState::Unknown(id), 7, 2 * SECOND);
    assert_eq!(users.user_name(Some(&id), 2), "own");
}

/// The container of that number, whose only user is `u<number>`.
fn numbered(dir: &Path, n: u64) -> Container {
    let root = dir.join(n.to_string());
    if !root.exists() {
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), format!("u{n}:x:7:7:::\n")).unwrap();
    }
    Container {
        created: Some(n),
        rootfs: root.to_str().map(Into::into),
        ..Container::new(
            ContainerId::new(format!("{n:064}").as_bytes()).unwrap(),
            "containerd",
        )
    }
}

#[test]
fn a_flood_of_containers_leaves_users_in_use_and_what_made_room_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut users = Users::new(options(), Arc::default());
    let mut name = |n| {
        let container = numbered(dir.path(), n);
        users.prepare(ContainerState::Known(&container), u32::MAX, SECOND);
        let name = users.user_name(Some(&container.id), 7).to_owned();
        (name, users.figures())
    };
    for n in 0..20 {
        assert_eq!(name(n).0, format!("u{n}"));
    }
    for n in 100..100 + CONTAINERS_MAX as u64 {
        assert_eq!(name(n).0, format!("u{n}"));
        for used in 0..10 {
            let before = name(used).1.1.misses;
            assert_eq!(name(used).1.1.misses, before, "{used} after {n}");
        }
    }
    for unused in 10..20 {
        assert_eq!(name(unused).0, format!("u{unused}"));
    }
    let (known, lookups) = name(0).1;
    assert_eq!(known, CONTAINERS_MAX);
    assert_eq!(lookups.evictions, 30);
}

#[test]
fn an_answer_about_names_that_made_room_is_not_taken_for_those_of_a_later_container() {
    let mut users = Users::new(options(), Arc::default());
    let id = ContainerId::new(&[b'a'; 64]).unwrap();
    let first = users
        .containers
        .touch_or_insert_with(id, || Names::unread(&mut users.serial));
    let serial = first.serial;
    users.containers.evict();
    let later = users
        .containers
        .touch_or_insert_with(id, || Names::unread(&mut users.serial));
    assert_ne!(later.serial, serial);
}
