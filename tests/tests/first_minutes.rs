//! The first ten minutes of somebody who tries the sensor: what a terminal of 80 columns and 24
//! rows shows, and what a closed pipe and a wrong tree do.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tests::{
    Scene, programs, rights,
    sensor::wait_for,
    terminal::{Screen, Terminal},
};

const WRONG: &str = "\
- rule: Shell
  desc: Somebody starts a shell.
  condition: evt.type = execve and proc.nam = sh
  output: a shell
  priority: NOTICE
";

/// A sensor with nothing of this machine but what a test names; it stops by itself.
fn sensor(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::sensor());
    command.args([
        "-M",
        "60",
        "-o",
        "config_files=[]",
        "-o",
        "webserver.enabled=false",
    ]);
    command.args(["-o", &format!("sensor.instance={}", scene.text("lock"))]);
    command.args(["-o", &format!("sensor.state_dir={}", scene.text("state"))]);
    command.args(["-o", "log_syslog=false", "-o", "sensor.kube.enabled=false"]);
    command.args(arguments);
    command
}

/// Options that let a sensor see the children of this process only.
fn own_tree() -> [String; 4] {
    let root = format!("sensor.capture.tree.root={}", std::process::id());
    ["-o", "sensor.capture.tree.mode=only", "-o", &root].map(str::to_owned)
}

/// The last rows of a screen as they stand when the program has ended.
fn last_rows(screen: &Screen, rows: usize) -> Vec<String> {
    let all = screen.rows();
    all[all.len().saturating_sub(rows)..].to_vec()
}

#[test]
fn a_sensor_without_a_container_says_so_and_how_to_see_the_host() {
    let scene = Scene::new();
    let terminal = Terminal::start(sensor(&scene, &["-o", "sensor.self_test.enabled=true"]));
    terminal.wait_for(": ready");
    let ready = Instant::now();
    terminal.wait_for("events of the host were left out");
    assert!(
        ready.elapsed() < Duration::from_secs(15),
        "a short quiet time"
    );
    terminal.type_in("\x03");
    let (status, screen) = terminal.end();
    let text = screen.text();
    assert!(status.success(), "{text}");
    assert!(
        text.contains("To see the host: sensor -r built-in/host.yaml"),
        "{text}"
    );
    assert!(
        text.contains("the rules ask for containers only")
            || text.contains("they ask for containers only")
    );
    assert!(
        !text.contains("built-in/execve.yaml"),
        "a warning about an own file: {text}"
    );
    assert!(!text.contains("Warning"), "{text}");
    // One summary, in short lines, is the end.
    assert_eq!(text.matches("Events detected: ").count(), 1, "{text}");
    let last = last_rows(&screen, 2).join("\n");
    assert!(
        last.contains("stdout: 0 lines = 0 written + 0 spooled + 0 dropped"),
        "{last}"
    );
    let summary: Vec<_> = text
        .lines()
        .skip_while(|line| !line.ends_with(": stopping"))
        .collect();
    assert!(summary.iter().all(|line| line.len() <= 80), "{summary:?}");
}

/// What a terminal shows of an exec of `tool` in an environment.
fn live(variables: &[(&str, &str)]) -> Screen {
    let scene = Scene::new();
    let tool = scene.program("first-minutes-tool");
    let mut command = sensor(&scene, &["-r", "built-in/host.yaml"]);
    command.args(own_tree()).envs(variables.iter().copied());
    let terminal = Terminal::start(command);
    terminal.wait_for(": ready");
    let status = programs::alone(|| Command::new(&tool).status()).unwrap();
    assert!(status.code().is_some());
    terminal.wait_for("first-minutes-tool");
    terminal.type_in("\x03");
    let (status, screen) = terminal.end();
    assert!(status.success(), "{}", screen.text());
    screen
}

#[test]
fn lines_on_a_terminal_are_text_and_only_their_colour_depends_on_the_environment() {
    for (variables, coloured) in [
        (&[][..], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ] {
        let screen = live(variables);
        let text = screen.text();
        let line = text
            .lines()
            .find(|line| line.contains("-> ") && line.contains("first-minutes-tool"));
        let line = line.unwrap_or_else(|| panic!("no line of text: {text}"));
        assert!(line.contains(": Informational "), "{line}");
        assert!(!line.starts_with('{') && !line.contains('\x1b'), "{line}");
        let marked = screen.coloured();
        assert_eq!(
            marked.contains("Informational"),
            coloured,
            "{variables:?}: {marked}"
        );
        assert!(
            text.contains("Triggered rules by rule name:\n   Log every exec: "),
            "{text}"
        );
    }
}

#[test]
fn lists_on_a_terminal_are_text_that_fits() {
    let scene = Scene::new();
    for (arguments, part) in [
        (&["-L"][..], "Capture execve system calls and log them in a"),
        (
            &["-l", "Log Execve Syscalls for Elasticsearch"],
            "Condition",
        ),
        (&["--list"], "Field class: proc"),
        (&["--list-events"], "execve"),
        (&["--help"], "Usage: sensor"),
        (&["--version"], "Engine: "),
    ] {
        let (status, screen) = Terminal::start(sensor(&scene, arguments)).end();
        let text = screen.text();
        // A text may go on below its column.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            status.success() && words.contains(part),
            "{arguments:?}: {text}"
        );
        assert!(!text.contains("{\""), "{arguments:?}: {text}");
        let long = |row: &String| !row.trim().contains(' ');
        let broken: Vec<_> = screen
            .broken()
            .into_iter()
            .filter(|row| !long(row))
            .collect();
        assert!(broken.is_empty(), "{arguments:?}: {broken:#?}");
    }
    let asked = sensor(&scene, &["-L", "-o", "json_output=true"]);
    let (_, screen) = Terminal::start(asked).end();
    assert!(
        screen.text().starts_with("{\"lists\":"),
        "{}",
        screen.text()
    );
}

#[test]
fn a_failed_validation_shows_its_text_once_on_a_terminal() {
    let scene = Scene::new();
    let file = scene.text("wrong.yaml");
    std::fs::write(&file, WRONG).unwrap();
    let (status, screen) = Terminal::start(sensor(&scene, &["-V", &file])).end();
    let text = screen.text();
    assert_eq!(status.code(), Some(1));
    for part in [
        "wrong.yaml: Invalid",
        "LOAD_ERR_COMPILE_CONDITION",
        "proc.nam = sh",
    ] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    // Where only standard error is the terminal, that is where the text is.
    let to_null = Terminal::with_stdout(sensor(&scene, &["-V", &file]), Some(Stdio::null()));
    let (_, screen) = to_null.end();
    assert!(screen.text().starts_with("Error: "), "{}", screen.text());
}

#[test]
fn a_start_without_rights_is_one_line() {
    let scene = Scene::new();
    let mut command = sensor(&scene, &[]);
    rights::keep_only(&mut command, &[]);
    let (status, screen) = Terminal::start(command).end();
    let text = screen.text();
    assert_eq!(status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.ends_with("Error: needs root, or CAP_BPF and CAP_PERFMON: sudo sensor\n"),
        "{text}"
    );
}

#[test]
fn a_tree_that_is_wrong_is_one_error_that_names_the_key_and_the_path() {
    let scene = Scene::new();
    let empty = scene.directory("empty");
    let empty = empty.to_str().unwrap();
    for (key, expected) in [
        ("proc_root", "is no /proc: name the place"),
        ("host_root", "is no root directory"),
    ] {
        let option = format!("sensor.{key}={empty}");
        let (status, screen) = Terminal::start(sensor(&scene, &["-o", &option])).end();
        let text = screen.text();
        assert_eq!(status.code(), Some(1));
        assert_eq!(text.matches("Error: ").count(), 1, "{text}");
        assert_eq!(text.matches(empty).count(), 1, "{text}");
        assert!(text.contains(expected) && text.contains(key), "{text}");
    }
    // HOST_ROOT, as in a pod.
    let mut command = sensor(&scene, &[]);
    command.env("HOST_ROOT", empty);
    let (status, screen) = Terminal::start(command).end();
    assert_eq!(status.code(), Some(1), "{}", screen.text());
}

#[test]
fn a_list_into_a_closed_pipe_ends_quietly_with_the_code_of_sigpipe() {
    let scene = Scene::new();
    // A list that is longer than a pipe has room for.
    let rule = |n: usize| {
        format!(
            "- {{rule: R{n}, desc: d, condition: evt.type = execve and proc.name = a{n}, output: o, priority: INFO}}"
        )
    };
    let rules = (0..400).map(rule).collect::<Vec<_>>().join("\n");
    let file = scene.text("many.yaml");
    std::fs::write(&file, rules).unwrap();
    let mut list = sensor(&scene, &["-r", &file, "-L"]);
    list.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = programs::spawn(&mut list);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn live_lines_into_a_closed_pipe_end_the_sensor_quietly() {
    let scene = Scene::new();
    let mut command = sensor(&scene, &["-r", "built-in/host.yaml"]);
    command
        .args(own_tree())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = programs::spawn(&mut command);
    let (errors, log) = std::sync::mpsc::channel();
    let stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = errors.send(line);
        }
    });
    let mut said = Vec::new();
    while !said
        .last()
        .is_some_and(|line: &String| line.ends_with(": ready"))
    {
        said.push(log.recv_timeout(Duration::from_mins(1)).unwrap());
    }
    let tool = scene.program("piped-tool");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    programs::alone(|| Command::new(&tool).status()).unwrap();
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    drop(stdout);
    let status = child.wait().unwrap();
    reader.join().unwrap();
    let rest: Vec<_> = log.try_iter().collect();
    assert_eq!(status.code(), Some(141), "{rest:?}");
    assert!(rest.is_empty(), "{rest:?}");
}

/// The answer of `/readyz`: status and body.
fn readyz(address: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn the_log_and_readyz_agree() {
    for (wanted, status, line) in [
        ("auto", 200, ": ready"),
        ("true", 503, ": Warning: not ready: containerd_answered: "),
    ] {
        let scene = Scene::new();
        let socket = scene.text("no.sock");
        let mut command = sensor(&scene, &[]);
        command.args([
            "-o",
            "webserver.enabled=true",
            "-o",
            "webserver.listen_port=0",
        ]);
        command.args(["-o", "webserver.listen_address=127.0.0.1"]);
        command.args(["-o", &format!("sensor.containerd.sockets=[{socket}]")]);
        command.args(["-o", &format!("sensor.containerd.enabled={wanted}")]);
        let terminal = Terminal::start(command);
        terminal.wait_for(line);
        let text = terminal.look().text();
        let address = text.split("webserver listens at ").nth(1).unwrap();
        let address = address.split_whitespace().next().unwrap();
        let (code, body) = readyz(address).unwrap();
        assert_eq!(code, status, "{wanted}: {body}");
        if wanted == "true" {
            assert!(body.contains("containerd does not answer on"), "{body}");
            assert!(!text.contains(": ready\n"), "{text}");
        }
        terminal.type_in("\x03");
        let (status, screen) = terminal.end();
        assert!(status.success(), "{}", screen.text());
    }
}

#[test]
fn a_sensor_that_loses_its_output_says_that_it_is_not_ready_and_when_it_is_again() {
    let scene = Scene::new();
    let directory = scene.directory("log");
    let log = directory.join("lines.log");
    let mut command = sensor(
        &scene,
        &[
            "-r",
            "built-in/host.yaml",
            "-o",
            "stdout_output.enabled=false",
        ],
    );
    command.args(["-o", "file_output.enabled=true"]);
    command.args(["-o", &format!("file_output.filename={}", log.display())]);
    command.args(own_tree());
    let terminal = Terminal::start(command);
    terminal.wait_for(": ready");
    // A file stands where the directory was.
    let away = scene.path("away");
    std::fs::rename(&directory, &away).unwrap();
    std::fs::write(&directory, "").unwrap();
    let tool = scene.program("lost-tool");
    let act = || programs::alone(|| Command::new(&tool).status()).unwrap();
    let said = |text: &str| terminal.look().text().contains(text);
    assert!(
        wait_for(|| {
            act();
            said("not ready: outputs_writable")
        }),
        "{}",
        terminal.look().text()
    );
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&away, &directory).unwrap();
    let again = || terminal.look().text().matches(": ready\n").count() == 2;
    assert!(
        wait_for(|| {
            act();
            again()
        }),
        "{}",
        terminal.look().text()
    );
    terminal.type_in("\x03");
    let (status, _) = terminal.end();
    assert!(status.success());
    assert!(Path::new(&log).exists());
}
