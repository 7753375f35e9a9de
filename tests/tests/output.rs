//! The outputs on real files, pipes and servers, driven directly.

mod output {
    mod file;
    mod support;
}
