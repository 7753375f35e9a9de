//! Any bytes are a recording, or an error that says what is wrong; any frames are played or refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use config::Config;
use libfuzzer_sys::fuzz_target;
use outputs::AlertOptions;
use sensor::sources::syscall::{
    recording::{Frame, Header, Player, Reader},
    rules::{Options, RuleFile, RuleSet, compile},
};
use telemetry::{Identity, Telemetry};

const RULE: &str = "
- rule: any
  desc: d
  condition: evt.type exists and not proc.aname = x and not user.name = x and not fd.sip.name = x
  output: '%proc.cmdline %container.name %k8s.pod.labels %user.homedir %group.name'
  priority: INFO
";

static TELEMETRY: LazyLock<Arc<Telemetry>> =
    LazyLock::new(|| Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default())))));

static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let compilation = compile(&[RuleFile::new("r", RULE)], &Options::default());
    Arc::new(compilation.set.expect("the rule is valid"))
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut reader) = Reader::new(bytes) {
        while let Ok(Some(block)) = reader.block() {
            play(block);
        }
    }
    play(bytes);
});

fn play(mut frames: &[u8]) {
    let header = Header::default();
    let rules = Arc::clone(&RULES);
    let mut player = Player::new(&header, rules, AlertOptions::default(), &TELEMETRY);
    let mut lines = BytesMut::new();
    while let Ok(Some(frame)) = Frame::read(&mut frames) {
        lines.clear();
        if player.play(frame, &mut lines).is_err() {
            return;
        }
    }
}
