//! A changed configuration for outputs in service.

use std::{net::TcpListener, time::Duration};

use outputs::OutputError;

use super::support::{Bench, eventually, file_config, files, held_up, read};

#[test]
fn where_an_output_cannot_be_started_the_others_are_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let config = file_config(dir.path());
    let mut bench = Bench::start(&config);
    bench.lines(10);
    let mut wrong = config.clone();
    wrong.file_output.enabled = false;
    wrong.http_output.enabled = true;
    wrong.http_output.url = "no server".into();
    let error = bench.change(&wrong).unwrap_err();
    assert!(matches!(error, OutputError::Http { .. }), "{error}");
    bench.lines(10);
    let active = bench.outputs.control().active();
    assert_eq!(
        active.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["file"]
    );
    let counts = bench.stop();
    assert_eq!((counts.offered, counts.written), (20, 20));
    assert_eq!(read(&files(dir.path())).missing(20), 0);
}

#[test]
fn a_file_is_written_by_one_writer_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = file_config(dir.path());
    let mut bench = Bench::start(&config);
    for _ in 0..20 {
        bench.lines(500);
        config.buffered_outputs = !config.buffered_outputs;
        bench.change(&config).unwrap();
        bench.lines(500);
    }
    let counts = bench.stop();
    assert!(counts.balanced());
    assert_eq!((counts.offered, counts.written), (20_000, 20_000));
    assert_eq!(read(&files(dir.path())).missing(20_000), 0);
}

#[test]
fn a_new_file_does_not_wait_for_the_former_one_nor_does_it_lose_lines() {
    let [former, next] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut bench = Bench::start(&file_config(former.path()));
    bench.lines(1000);
    bench.change(&file_config(next.path())).unwrap();
    bench.lines(1000);
    let counts = bench.stop();
    assert_eq!((counts.offered, counts.written), (2000, 2000));
    let both = [files(former.path()), files(next.path())].concat();
    assert_eq!(read(&both).missing(2000), 0);
}

#[test]
fn a_server_that_does_not_answer_delays_no_other_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = file_config(dir.path());
    config.http_output.enabled = true;
    config.http_output.url = format!("http://{}/", silent.local_addr().unwrap());
    let mut bench = Bench::start(&config);
    bench.lines(10);
    let account = |bench: &Bench| {
        let accounts = bench.outputs.control().accounts();
        let http = accounts.into_iter().find(|(name, _)| *name == "http");
        http.unwrap().1
    };
    let http = account(&bench);
    eventually("request", || {
        http.in_call.load(std::sync::atomic::Ordering::Relaxed)
    });
    config.http_output.enabled = false;
    let longest = held_up(|| {
        bench.change(&config).unwrap();
        bench.lines(10);
    });
    assert!(longest < Duration::from_millis(200), "{longest:?}");
    assert_eq!(bench.settle("file").written, 20);
    let _ = bench.stop_within(Duration::from_millis(100));
    let counts = http.counts();
    assert!(counts.balanced());
    assert_eq!((counts.offered, counts.dropped_total()), (10, 10));
}
