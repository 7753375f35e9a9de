//! Any bytes to the web server are answered by HTTP or not at all.
#![no_main]

use std::sync::{Arc, LazyLock};

use config::{Config, Webserver};
use libfuzzer_sys::fuzz_target;
use sensor::{output::Identity, reports::serve_stream};
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
        // There is room for all of it.
        client.write_all(bytes).await.expect("it is not read yet");
        client.shutdown().await.expect("it is open");
        let mut answer = Vec::new();
        let served = serve_stream(server, Arc::clone(&TELEMETRY), Webserver::default());
        // Side by side: many requests have more answers than there is room for.
        let ((), read) = tokio::join!(served, client.read_to_end(&mut answer));
        read.expect("memory");
        answer
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
});
