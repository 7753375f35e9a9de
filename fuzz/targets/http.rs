//! The web server answers any bytes by HTTP, or not at all.
#![no_main]

use std::sync::{Arc, LazyLock};

use config::{Config, Webserver};
use libfuzzer_sys::fuzz_target;
use sensor::reports::serve_stream;
use telemetry::Identity;
use telemetry::Telemetry;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime::{Builder, Runtime},
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});
static TELEMETRY: LazyLock<Arc<Telemetry>> =
    LazyLock::new(|| Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default())))));

fuzz_target!(|bytes: &[u8]| {
    let answer = RUNTIME.block_on(async {
        let (mut client, server) = duplex(1 << 20);
        // The pipe has room for all of it.
        client.write_all(bytes).await.expect("it is not read yet");
        client.shutdown().await.expect("it is open");
        let mut answer = Vec::new();
        let served = serve_stream(server, Arc::clone(&TELEMETRY), Webserver::default());
        // Both at once: many requests have more answers than the pipe has room for.
        let ((), read) = tokio::join!(served, client.read_to_end(&mut answer));
        read.expect("memory");
        answer
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
});
