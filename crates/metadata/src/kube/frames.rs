//! Lines of a chunked body.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use kube::client::Body;

use super::api::Failure;

/// One JSON object a line, as a WATCH sends them; a chunk may end anywhere.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// Bytes of the buffer in which the reader has found no end of line.
    searched: usize,
    max: usize,
}

impl Lines {
    pub(super) fn new(body: Body, max: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            max,
        }
    }

    /// The next line that is not empty; none at the end. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.buffer.split_to(self.searched + end).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > self.max {
                return Err(Failure::Other(format!(
                    "an object of the watch has more than {} bytes",
                    self.max
                )));
            }
            match self.body.frame().await {
                None if self.buffer.is_empty() => return Ok(None),
                // The task ignores half an object: the next WATCH sends the object again.
                None => return Err(Failure::Broken("in the middle of an object".into())),
                Some(Err(error)) => return Err(Failure::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str, max: usize) -> Vec<Result<String, String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(Body::from(text.as_bytes().to_vec()), max);
            let mut all = Vec::new();
            loop {
                match lines.next().await {
                    Ok(None) => return all,
                    Ok(Some(line)) => all.push(Ok(String::from_utf8(line.to_vec()).unwrap())),
                    Err(error) => {
                        all.push(Err(error.to_string()));
                        return all;
                    }
                }
            }
        })
    }

    #[test]
    fn empty_lines_are_skipped() {
        assert_eq!(lines("a\n\n \nb\n", 9), [Ok("a".into()), Ok("b".into())]);
    }

    #[test]
    fn half_a_line_at_the_end_is_an_error() {
        assert!(lines("a\nb", 9)[1].is_err());
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        assert!(
            lines("aaaaaaaaaaaaaaaa", 9)[0]
                .as_ref()
                .unwrap_err()
                .contains("more than 9")
        );
    }
}
