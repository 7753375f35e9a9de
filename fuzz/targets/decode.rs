//! Any bytes are a record or an error, and every part of a record can be read.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use metadata::container_id;
use sensor::sources::syscall::event::Event;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(event) = Event::decode(bytes) else {
        return Corpus::Keep;
    };
    assert!(event.bytes.len() <= bytes.len());
    for ancestor in event.ancestors() {
        std::hint::black_box(ancestor);
    }
    let _ = container_id(event.cgroup, &["default"]);
    let mut path = Vec::new();
    event.cgroup.write_path(&mut path);
    if let Some(exec) = event.exec() {
        exec.exe.write_path(&mut path);
        exec.cwd.write_path(&mut path);
        assert!(exec.argv.iter().map(<[u8]>::len).sum::<usize>() <= bytes.len());
        assert!(exec.argv.rest().iter().count() <= exec.argv.iter().count());
        assert_eq!(exec.argv.first(), exec.argv.iter().next());
        assert!(exec.env.iter().map(<[u8]>::len).sum::<usize>() <= bytes.len());
    }
    if let Some(connect) = event.connect() {
        assert!(connect.path.len() <= bytes.len());
    }
    // The same bytes are the same record.
    assert!(Event::decode(event.bytes).is_ok_and(|again| again.bytes == event.bytes));
    Corpus::Keep
});
