//! Any bytes are an OCI specification or none; the values of a specification are bounded.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use metadata::foreign::oci_spec;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some(facts) = oci_spec(bytes) else {
        return Corpus::Keep;
    };
    assert!(facts.mounts.len() <= 256);
    assert_eq!(oci_spec(bytes), Some(facts));
    Corpus::Keep
});
