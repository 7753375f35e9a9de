//! Any names of a cgroup lead to a container or to the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metadata::{Names, container_id};

fuzz_target!(|bytes: &[u8]| {
    let names = Names(bytes);
    assert_eq!(
        names.innermost_first().count(),
        names.outermost_first().count()
    );
    let Some((_, id)) = container_id(names, &["default"]) else {
        return;
    };
    assert!(id.full().starts_with(id.short()) && !id.short().is_empty());
    // An id is a piece of a name, and never invented.
    let full = id.full().as_bytes();
    assert!(bytes.windows(full.len()).any(|piece| piece == full));
});
