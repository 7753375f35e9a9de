//! The same texts, read by yaml-cpp.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::LazyLock,
    thread,
};

use super::{generate, random::Random, shapes::SHAPES};
use crate::{
    Diagnostic, Kind, Limits, Node, Position, Source, Style, decode, parse,
    scan::{BEHIND_QUOTED, ZERO},
};

/// Texts that each run makes.
const TEXTS: usize = 12_000;

/// Parts of texts that are values of other types, with commas between them.
const PARTS: &str = "0,1,7,8,9,12,255,256,65536,2147483648,18446744073709551615,9223372036854775807,\
    9223372036854775808,-,-,+,.,.,e,E5,e-3,x,0x,0X,0o,0b1,f,A, ,\t,\n,_,.inf,.NaN,inf,nan,y,Y,n,N,yes,\
    Yes,YES,no,NO,true,True,TRUE,tRue,false,on,On,ON,off,Off,OFF,~,null,é,s,ms,%,";

/// What one of the readers makes of a text.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Documents(String),
    /// The error, and its line.
    Refused(String, u32),
}

#[test]
fn each_text_is_read_as_yaml_cpp_reads_it() {
    let Some(oracle) = oracle() else {
        return;
    };
    let (mut random, seed) = Random::fresh();
    let mut texts: Vec<Vec<u8>> = SHAPES.iter().map(|text| text.as_bytes().to_vec()).collect();
    while texts.len() < TEXTS {
        let text = generate::text(&mut random);
        let changed = generate::mutation(&mut random, &text);
        texts.push(generate::encode(&mut random, &text));
        texts.push(generate::encode(&mut random, &changed));
    }
    let mut found: Vec<String> = Vec::new();
    let (mut read, mut classed, mut refused, mut same_line) = (0, 0, 0, 0);
    for (text, theirs) in texts.iter().zip(readings(oracle, &texts)) {
        let ours = ours(text);
        read += usize::from(matches!(theirs, Reading::Documents(_)));
        if let (Reading::Refused(_, ours), Reading::Refused(_, theirs)) = (&ours, &theirs) {
            refused += 1;
            same_line += usize::from(ours == theirs);
        } else if ours != theirs && known(&decode(text), &ours, &theirs) {
            classed += 1;
        } else if ours != theirs {
            let text = decode(text);
            found.push(format!(
                "{text:?}\n  ours:   {ours:?}\n  theirs: {theirs:?}"
            ));
        }
    }
    println!(
        "{} texts, {read} valid, {classed} differ in a known way; {refused} refused, {same_line} of \
         them at the same line",
        texts.len()
    );
    found.sort_by_key(String::len);
    let shown = found
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        found.is_empty(),
        "YAML_SEED={seed}: {} differ\n{shown}",
        found.len()
    );
    // The place of a bracket that is not closed is where it opens; yaml-cpp's is the end.
    assert!(same_line * 10 > refused * 9, "YAML_SEED={seed}");
    // A generator of nothing but nonsense would find nothing.
    assert!(
        read * 4 > texts.len(),
        "only {read} of {} texts are valid",
        texts.len()
    );
}

#[test]
fn each_text_is_converted_as_yaml_cpp_converts_it() {
    let Some(mut oracle) = oracle() else {
        return;
    };
    let parts: Vec<&str> = PARTS.split(',').collect();
    let (mut random, seed) = Random::fresh();
    let texts: Vec<Vec<u8>> = (0..TEXTS)
        .map(|_| {
            (0..=random.below(4))
                .map(|_| random.choose(&parts))
                .collect::<String>()
        })
        .map(String::into_bytes)
        .collect();
    oracle.arg("convert");
    let mut converted = 0;
    for (text, theirs) in texts.iter().zip(ask(oracle, &texts)) {
        let text = decode(text);
        let node = Node {
            kind: Kind::Scalar(text.as_ref().into(), Style::Plain),
            position: Position::default(),
        };
        let value = |key: &str| {
            let (_, rest) = theirs.split_once(&format!("\"{key}\":")).unwrap();
            rest.split([',', '}'])
                .next()
                .filter(|value| *value != "null")
        };
        let context = format!("YAML_SEED={seed}: {text:?} is {theirs}");
        assert_eq!(
            node.as_bool(),
            value("bool").map(|v| v == "true"),
            "{context}"
        );
        assert_eq!(
            node.as_i64(),
            value("signed").map(|v| v.parse().unwrap()),
            "{context}"
        );
        assert_eq!(
            node.as_u64(),
            value("unsigned").map(|v| v.parse().unwrap()),
            "{context}"
        );
        let double = value("double").map(|v| v.parse().unwrap());
        assert_eq!(
            node.as_f64(),
            double.filter(|v: &f64| v.is_finite()),
            "{context}"
        );
        converted += usize::from(!theirs.ends_with("\"double\":null}") || value("bool").is_some());
    }
    assert!(converted * 20 > TEXTS, "only {converted} texts are values");
}

/// The differences that are wanted; docs/yaml.md has their reasons.
fn known(text: &str, ours: &Reading, theirs: &Reading) -> bool {
    let ours_says = |word| matches!(ours, Reading::Refused(error, _) if error.contains(word));
    let theirs_says = |word| matches!(theirs, Reading::Refused(error, _) if error.contains(word));
    // Falco's version ends lines at a carriage return alone, and version 0.7 does not.
    let return_alone = text.replace("\r\n", "").contains('\r');
    // Falco's version refuses a text behind a quoted one, and version 0.7 begins a new document.
    let behind_quoted = ours_says(BEHIND_QUOTED);
    // Falco's version refuses a comma at the beginning of a line, and version 0.7 does not.
    let comma_first = theirs_says("cannot start with flow indicator");
    // The escape sequences of two characters give no UTF-8 there.
    let no_utf8 = text.contains("\\N") || text.contains("\\_");
    // A node within itself is no tree.
    let cycle = ours_says("within its own anchor");
    // A zero byte is an escape sign there, and U+0004 is the end of the text.
    let control = ours_says(ZERO) || text.contains('\u{4}');
    // Bytes of which no program that writes text begins a file.
    let second_mark = text.starts_with('\u{feff}');
    return_alone || behind_quoted || comma_first || no_utf8 || cycle || control || second_mark
}

fn ours(bytes: &[u8]) -> Reading {
    let source = Source::new("t", decode(bytes));
    match parse(&source, &Limits::default()) {
        Ok(parsed) => {
            for document in &parsed.documents {
                check_nodes(&source, document);
            }
            let nodes: Vec<String> = parsed.documents.iter().map(json).collect();
            Reading::Documents(nodes.join(","))
        }
        Err(error) => {
            check_place(&error, bytes);
            Reading::Refused(error.to_string(), error.position.line)
        }
    }
}

/// Each error shows its line and a place in that line.
fn check_place(error: &Diagnostic, bytes: &[u8]) {
    let text = decode(bytes);
    assert!(
        error.position.line > 0 && error.position.column > 0,
        "{error} {text:?}"
    );
    assert!(
        error.caret as usize <= error.line.chars().count() + 2,
        "{error} {text:?}"
    );
}

/// Each node knows its place, and each sign of a text is found in the file.
fn check_nodes(source: &Source, node: &Node) {
    let Position { offset, .. } = node.position;
    assert_eq!(source.position(offset as usize), node.position, "{node:?}");
    match &node.kind {
        Kind::Scalar(text, style) => {
            let is_sign = |(_, sign): &(usize, char)| !" \t\r\n".contains(*sign);
            let signs = || text.char_indices().filter(is_sign);
            for (at, sign) in [signs().next(), signs().next_back()].into_iter().flatten() {
                let found = source.position_in(node, at).offset as usize;
                let shown = source.text()[found..].chars().next();
                let is_escape = *style == Style::DoubleQuoted && shown == Some('\\');
                assert!(
                    shown == Some(sign) || is_escape,
                    "{sign} of {node:?} in {source:?}"
                );
            }
        }
        Kind::Sequence(items) => items.iter().for_each(|item| check_nodes(source, item)),
        Kind::Mapping(entries) => entries
            .iter()
            .flat_map(|(key, value)| [key, value])
            .for_each(|node| check_nodes(source, node)),
    }
}

/// A node as the oracle prints it.
fn json(node: &Node) -> String {
    let mut nodes = match &node.kind {
        Kind::Scalar(..) if node.is_null() => return "null".into(),
        Kind::Scalar(text, style) => {
            let style = if *style == Style::Plain {
                "plain"
            } else {
                "quoted"
            };
            return format!("{{\"{style}\":{}}}", quoted(text));
        }
        Kind::Sequence(items) => String::from("{\"list\":[") + &list(items.iter()),
        Kind::Mapping(entries) => {
            String::from("{\"map\":[") + &list(entries.iter().flat_map(|(k, v)| [k, v]))
        }
    };
    nodes += "]}";
    nodes
}

fn list<'n>(nodes: impl Iterator<Item = &'n Node>) -> String {
    nodes.map(json).collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '\0'..'\x20' | '"' | '\\' | '\x7f' => {
                write!(out, "\\u{:04x}", u32::from(c)).unwrap();
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// What yaml-cpp makes of each text.
fn readings(oracle: Command, texts: &[Vec<u8>]) -> Vec<Reading> {
    ask(oracle, texts)
        .into_iter()
        .map(|line| {
            if let Some(rest) = line.strip_prefix("{\"documents\":[") {
                return Reading::Documents(rest.strip_suffix("]}").unwrap().to_owned());
            }
            let (_, place) = line.split_once("\"line\":").unwrap();
            let number = place.split(',').next().unwrap().parse().unwrap();
            Reading::Refused(line, number)
        })
        .collect()
}

/// The oracle's line about each text.
fn ask(mut oracle: Command, texts: &[Vec<u8>]) -> Vec<String> {
    let mut process = oracle
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let lines: Vec<String> = thread::scope(|scope| {
        scope.spawn(move || {
            for text in texts {
                let frame = [format!("{}\n", text.len()).as_bytes(), text].concat();
                // A process that has ended shows below, by what it has not read.
                if input.write_all(&frame).is_err() {
                    return;
                }
            }
        });
        let lines = output.split(b'\n');
        lines
            .map(|line| String::from_utf8_lossy(&line.unwrap()).into_owned())
            .collect()
    });
    process.wait().unwrap();
    let last = texts.get(lines.len()).map(|text| decode(text));
    assert_eq!(
        lines.len(),
        texts.len(),
        "yaml-cpp did not survive {last:?}"
    );
    lines
}

/// The program that reads with yaml-cpp: beside the test, or that of the variable `YAML_CPP`, to
/// compare with another version.
static ORACLE: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    if let Some(program) = env::var_os("YAML_CPP") {
        return Ok(program.into());
    }
    let program = env::current_exe().unwrap().with_file_name("yaml-cpp");
    // Tests of another run can use the program at the same time.
    let fresh = program.with_extension(process::id().to_string());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/yaml_cpp.cpp");
    let built = Command::new("g++")
        .args(["-O1", "-std=c++17", "-o"])
        .args([fresh.as_os_str(), source.as_ref(), "-lyaml-cpp".as_ref()])
        .output();
    match built {
        Ok(output) if output.status.success() => {
            fs::rename(fresh, &program).unwrap();
            Ok(program)
        }
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
});

/// The oracle; none, with a line that says why, where it cannot be built.
fn oracle() -> Option<Command> {
    match &*ORACLE {
        Ok(program) => Some(Command::new(program)),
        Err(why) => {
            let why = why.lines().next().unwrap_or_default();
            let message = format!("not compared: needs g++ and libyaml-cpp-dev: {why}");
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "{message}");
            println!("{message}");
            None
        }
    }
}
