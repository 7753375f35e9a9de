//! Lines of JSON that a sensor or Falco wrote: files, compressed or not, folders, standard input.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use falco_rules::Fields;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::zstd::Zstd;
use crate::sources::syscall::{fields::Syscall, recording::MAGIC};

/// The first bytes of a file that gzip has compressed, and of one that zstd has.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Beginnings of the rules of what sensors and Falco say about themselves.
const INTERNAL: [&str; 2] = ["Sensor internal: ", "Falco internal: "];
/// Longest line.
const LINE_MAX: u64 = 16 << 20;

/// What a file has.
pub(super) enum Contents {
    /// A recording.
    Recording(Box<dyn Read + Send>),
    /// Lines of JSON.
    Lines(Box<dyn BufRead + Send>),
}

/// An event of a line.
pub(super) struct LineEvent {
    /// Its fields.
    pub(super) fields: Fields,
    /// `hostname` of the line.
    pub(super) hostname: String,
}

/// The files that a path means: itself, or the files of a folder in the order of their names.
pub(super) fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", path.display());
    if path == Path::new("-") || !fs::metadata(path).with_context(context)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(context)?;
    let entries: Vec<_> = entries.collect::<io::Result<_>>().with_context(context)?;
    let files = entries.iter().map(fs::DirEntry::path);
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    if files.is_empty() {
        bail!("{} has no file", path.display());
    }
    files.sort();
    Ok(files)
}

/// Opens a file; `-` is standard input.
pub(super) fn open(path: &Path) -> anyhow::Result<Contents> {
    let context = || format!("cannot read {}", path.display());
    let mut file: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(context)?)
    };
    let packed = beginning(&mut file).with_context(context)?;
    let (is_gzip, is_zstd) = (packed.starts_with(GZIP), packed.starts_with(ZSTD));
    let packed = io::Cursor::new(packed).chain(file);
    let mut unpacked: Box<dyn Read + Send> = if is_gzip {
        Box::new(MultiGzDecoder::new(packed))
    } else if is_zstd {
        Box::new(Zstd::new(packed))
    } else {
        Box::new(packed)
    };
    let first = beginning(&mut unpacked).with_context(context)?;
    let is_recording = first.starts_with(&MAGIC[..14]);
    let unpacked = BufReader::new(io::Cursor::new(first).chain(unpacked));
    Ok(if is_recording {
        Contents::Recording(Box::new(unpacked))
    } else {
        Contents::Lines(Box::new(unpacked))
    })
}

/// Reads the first bytes of a file, by which the sensor recognizes the form of the file.
fn beginning(file: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut first)?;
    Ok(first)
}

/// Reads the next line without its end; none at the end of the file.
pub(super) fn next_line(file: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = file.take(LINE_MAX).read_until(b'\n', line)?;
    Ok(read > 0)
}

/// The event of a line; an error says why the line has none.
pub(super) fn event(line: &[u8]) -> Result<LineEvent, String> {
    let parsed = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
    let Value::Object(mut object) = parsed else {
        return Err("no JSON object".to_owned());
    };
    let text = |object: &Map<String, Value>, key: &str| {
        let text = object.get(key).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    let rule = object
        .get("rule")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if INTERNAL.iter().any(|begin| rule.starts_with(begin)) {
        return Err("a record of the sensor about itself".to_owned());
    }
    let (hostname, time) = (text(&object, "hostname"), text(&object, "time"));
    let mut fields = match object.remove("output_fields") {
        Some(Value::Object(fields)) => fields,
        _ => object,
    };
    let time = time.and_then(|time| OffsetDateTime::parse(&time, &Rfc3339).ok());
    if let Some(time) = time {
        let nanoseconds = u64::try_from(time.unix_timestamp_nanos()).unwrap_or_default();
        fields.entry("evt.time").or_insert(nanoseconds.into());
    }
    let fields = Fields::new::<Syscall>(&fields, true).map_err(|error| error.to_string())?;
    Ok(LineEvent {
        fields,
        hostname: hostname.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::sources::syscall::recording::Reader;

    #[test]
    fn a_line_has_the_time_and_the_host_of_its_event() {
        let line = br#"{"hostname":"n1","time":"2026-11-21T18:10:12.5Z","output_fields":{"proc.name":"sh"}}"#;
        let event = event(line).unwrap();
        assert_eq!(event.hostname, "n1");
        assert!(event.fields.has("evt.time"));
        assert_eq!(event.fields.text("proc.name"), Some("sh"));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let problem = |line: &str| event(line.as_bytes()).err().unwrap();
        assert!(problem("{").starts_with("no JSON: "));
        assert_eq!(problem("[1]"), "no JSON object");
        assert_eq!(
            problem(r#"{"rule":"Sensor internal: start","output_fields":{"sensor.pid":1}}"#),
            "a record of the sensor about itself"
        );
    }

    #[test]
    fn compressed_files_and_folders_are_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b.json"), "{}\n").unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"first\nsecond").unwrap();
        fs::write(dir.path().join("a.json.1.gz"), gzip.finish().unwrap()).unwrap();
        let files = files(dir.path()).unwrap();
        assert_eq!(files.len(), 2);
        let Ok(Contents::Lines(mut file)) = open(&files[0]) else {
            panic!("no lines");
        };
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while next_line(&mut *file, &mut line).unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(lines, ["first\n", "second"]);
    }

    #[test]
    fn zstd_packs_lines_and_recordings() {
        let dir = tempfile::tempdir().unwrap();
        let packed = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, compress_to_vec(content, CompressionLevel::Fastest)).unwrap();
            open(&path).unwrap()
        };
        let Contents::Lines(lines) = packed("lines", b"first\nsecond\n") else {
            panic!("no lines");
        };
        let lines: Vec<_> = lines.lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["first", "second"]);
        let Contents::Recording(bytes) = packed("recording", MAGIC) else {
            panic!("no recording");
        };
        assert!(Reader::new(bytes).unwrap().block().unwrap().is_none());
    }
}
