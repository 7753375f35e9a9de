//! Logs of two nodes on an NFS share: a guest with Debian's kernel and Debian's NFS server, which
//! mounts its own export (`cargo xtask vm --share`).
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod share {
    mod faults;
    mod node;
    mod server;
    mod tail;
    mod ticks;
}
