//! The outputs on real files, pipes and servers, used as a library; and the rights that the
//! lock-down gives up.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod output {
    mod change;
    mod fault;
    mod file;
    mod http;
    mod kill;
    mod lock_down;
    mod log;
    mod mtls;
    mod program;
    mod progress;
    mod server;
    mod stdout;
    mod support;
    mod syslog;
}
