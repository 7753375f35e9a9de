//! Any bytes are an object of Docker's API or none; the values of a container are bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metadata::foreign::{docker_container, docker_event};

fuzz_target!(|bytes: &[u8]| {
    for read in [docker_container, docker_event] {
        let container = read(bytes);
        if let Some(container) = &container {
            assert!(container.mounts.len() <= 256 && container.labels.len() <= 256);
        }
        assert_eq!(read(bytes), container);
    }
});
