//! The watch on the pods of this node, against every behaviour of a server.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metadata::{
    CacheOptions, Counters, Engine, KubeAccess, KubeOptions, Metadata, MetadataOptions,
    MetadataTasks, Notice, Pod, RuntimeOptions, RuntimeSocket, boot_now, start,
};
use tests::{
    apiserver::{ApiServer, NODE, pod},
    enricher::Enricher,
    testbed::{PodSpec, TestBed},
};

/// An API server, and the enrichment that uses it.
struct Bed {
    server: ApiServer,
    dir: tempfile::TempDir,
    metadata: Metadata,
    counters: Arc<Counters>,
    notices: Arc<Mutex<Vec<Notice>>>,
    tasks: MetadataTasks,
    _runtime: tokio::runtime::Runtime,
}

fn kube(server: &ApiServer, dir: &tempfile::TempDir) -> KubeOptions {
    KubeOptions {
        access: KubeAccess::Kubeconfig(server.kubeconfig(dir.path())),
        node: Some(NODE.into()),
        annotations: vec!["note".into()],
        idle_timeout: Duration::from_millis(400),
        list_timeout: Duration::from_millis(800),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(100),
        ..KubeOptions::default()
    }
}

fn bed(prepare: impl FnOnce(&ApiServer)) -> Bed {
    bed_with(prepare, |_| {})
}

fn bed_with(prepare: impl FnOnce(&ApiServer), change: impl FnOnce(&mut KubeOptions)) -> Bed {
    let server = ApiServer::start();
    prepare(&server);
    let dir = tempfile::tempdir().expect("the test set this up");
    let mut kube = kube(&server, &dir);
    change(&mut kube);
    let options = MetadataOptions {
        runtimes: RuntimeOptions::at([]),
        kube,
        cache: CacheOptions {
            deleted: Duration::from_secs(2),
            ..CacheOptions::default()
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("the test set this up");
    let counters = Arc::new(Counters::default());
    let notices = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&notices);
    let notify =
        Arc::new(move |notice| reported.lock().expect("the test set this up").push(notice));
    let (metadata, tasks) =
        start(options, runtime.handle(), &counters, notify).expect("the test set this up");
    Bed {
        server,
        dir,
        metadata,
        counters,
        notices,
        tasks,
        _runtime: runtime,
    }
}

impl Bed {
    /// Waits until a condition is true.
    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.metadata.apply_updates(boot_now());
            if done(self) {
                return;
            }
            let notices = self.notices.lock().expect("the test set this up");
            assert!(
                Instant::now() < deadline,
                "{what} does not come: {notices:?}"
            );
            drop(notices);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_labels(&mut self, uid: &str, labels: &str) {
        self.wait(labels, |bed| bed.labels(uid) == Some(labels));
    }

    fn labels(&self, uid: &str) -> Option<&str> {
        self.metadata.pod(uid)?.labels_text.as_deref()
    }

    fn pod(&self, uid: &str) -> &Pod {
        self.metadata.pod(uid).expect("the test set this up")
    }

    fn lists(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|r| !r.contains("watch=true"))
            .count()
    }
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn pods_are_listed_from_the_cache_and_then_watched() {
    let mut bed = bed(|server| server.apply(pod("a", "u1", &[("app", "a")])));
    bed.wait_labels("u1", "app:a");
    let a = bed.pod("u1");
    assert_eq!((&*a.name, &*a.namespace), ("a", "shop"));
    assert_eq!(a.ip.as_deref(), Some("10.244.0.9"));
    assert_eq!(a.node.as_deref(), Some(NODE));
    assert_eq!(a.annotations.len(), 1);
    bed.server.apply(pod("b", "u2", &[("app", "b")]));
    bed.wait_labels("u2", "app:b");
    bed.server
        .apply(pod("b", "u2", &[("app", "b"), ("hot", "yes")]));
    bed.wait_labels("u2", "app:b, hot:yes");
    let requests = bed.server.requests();
    assert!(requests[0].ends_with("&resourceVersion=0"), "{requests:?}");
    assert!(requests[1].contains("allowWatchBookmarks=true&resourceVersion=101"));
    assert_eq!(bed.lists(), 1);
    assert_eq!(bed.tasks.health().kube_ready(), Some(true));
}

#[test]
fn a_hundred_labels_arrive() {
    let labels: Vec<_> = (0..100)
        .map(|n| (format!("k{n:03}"), format!("v{n}")))
        .collect();
    let borrowed: Vec<_> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    let mut bed = bed(|server| server.apply(pod("a", "u1", &borrowed)));
    bed.wait("pod", |bed| bed.metadata.pod("u1").is_some());
    assert_eq!(bed.pod("u1").labels.len(), 100);
    assert!(
        bed.labels("u1")
            .expect("the test set this up")
            .ends_with("k099:v99")
    );
}

#[test]
fn hostile_labels_are_made_printable() {
    let mut bed = bed(|server| server.apply(pod("a\nb", "u1", &[("a", "x\"\n{y}\u{7}")])));
    bed.wait_labels("u1", "a:x\"\u{fffd}{y}\u{fffd}");
    assert_eq!(&*bed.pod("u1").name, "a\u{fffd}b");
}

#[test]
fn a_pod_name_used_again_is_another_pod_and_the_old_one_is_known_for_a_while() {
    let mut bed = bed(|server| server.apply(pod("db-0", "u1", &[("v", "1")])));
    bed.wait_labels("u1", "v:1");
    bed.server.delete("u1");
    bed.server.apply(pod("db-0", "u2", &[("v", "2")]));
    bed.wait_labels("u2", "v:2");
    assert_eq!(bed.labels("u1"), Some("v:1"), "late events still find it");
    bed.wait("end", |bed| bed.metadata.pod("u1").is_none());
}

#[test]
fn a_watch_that_the_server_ends_is_continued_without_a_list() {
    let mut bed = bed(|server| {
        server.apply(pod("a", "u1", &[("n", "0")]));
        server.set(|state| state.watch_events = 1);
    });
    bed.wait_labels("u1", "n:0");
    for n in 1..5 {
        let n = n.to_string();
        bed.server.apply(pod("a", "u1", &[("n", &n)]));
        bed.wait_labels("u1", &format!("n:{n}"));
    }
    assert_eq!(bed.lists(), 1);
    assert!(value(&bed.counters.kube_watches_total) >= 4);
}

#[test]
fn bookmarks_move_the_version_on() {
    let mut bed = bed(|server| server.apply(pod("a", "u1", &[("n", "0")])));
    bed.wait_labels("u1", "n:0");
    // No pod of this node changes; pods of other nodes raise the version.
    bed.server
        .set(|state| state.bookmarks = Duration::from_millis(20));
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(
        value(&bed.counters.kube_idle_total),
        0,
        "bookmarks are signs of life"
    );
}

#[test]
fn an_expired_version_is_listed_anew_and_what_is_gone_goes() {
    let mut bed = bed(|server| {
        server.apply(pod("a", "u1", &[("n", "0")]));
        server.apply(pod("b", "u2", &[("n", "0")]));
    });
    bed.wait_labels("u2", "n:0");
    bed.server.delete_unseen("u1");
    bed.server.apply(pod("c", "u3", &[("n", "0")]));
    bed.wait_labels("u3", "n:0");
    assert!(value(&bed.counters.kube_expired_total) >= 1);
    bed.wait("end", |bed| bed.metadata.pod("u1").is_none());
    assert!(bed.metadata.pod("u2").is_some());
    assert!(bed.lists() >= 2);
}

#[test]
fn a_rotated_token_is_read_again() {
    let mut bed = bed(|server| server.apply(pod("a", "u1", &[("n", "0")])));
    bed.wait_labels("u1", "n:0");
    bed.server.set(|state| {
        state.token = "token-2".into();
        state.watch_events = 1;
    });
    bed.server.apply(pod("a", "u1", &[("n", "1")]));
    bed.wait("refusal", |bed| {
        value(&bed.counters.kube_unauthorized_total) > 0
    });
    bed.server.apply(pod("a", "u1", &[("n", "2")]));
    std::fs::write(bed.dir.path().join("token"), "token-2").expect("the test set this up");
    bed.wait_labels("u1", "n:2");
    assert_eq!(bed.tasks.health().kube_ready(), Some(true));
}

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let begin = Instant::now();
    let mut bed = bed_with(
        |server| {
            server.apply(pod("a", "u1", &[("n", "0")]));
            server.set(|state| state.throttle = 1);
        },
        |kube| kube.backoff_max = Duration::from_secs(5),
    );
    bed.wait_labels("u1", "n:0");
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(value(&bed.counters.kube_throttled_total), 1);
    assert_eq!(bed.lists(), 2);
}

#[test]
fn a_watch_that_falls_silent_is_given_up_and_continued() {
    let mut bed = bed(|server| server.apply(pod("a", "u1", &[("n", "0")])));
    bed.wait_labels("u1", "n:0");
    bed.server.set(|state| state.silent = true);
    bed.server.apply(pod("a", "u1", &[("n", "1")]));
    bed.wait("silence", |bed| value(&bed.counters.kube_idle_total) > 0);
    bed.server.set(|state| state.silent = false);
    bed.wait_labels("u1", "n:1");
    assert_eq!(bed.lists(), 1, "nothing was missed, so nothing is listed");
}

#[test]
fn a_slow_list_is_given_up_and_tried_again() {
    let mut bed = bed(|server| {
        server.apply(pod("a", "u1", &[("n", "0")]));
        server.set(|state| state.list_delay = Duration::from_secs(30));
    });
    bed.wait("silence", |bed| value(&bed.counters.kube_idle_total) > 0);
    bed.server
        .set(|state| state.list_delay = Duration::from_millis(300));
    bed.wait_labels("u1", "n:0");
}

#[test]
fn missing_rights_are_reported_once_with_the_remedy() {
    let mut bed = bed(|server| server.set(|state| state.forbidden = true));
    bed.wait("refusals", |bed| {
        value(&bed.counters.kube_forbidden_total) >= 3
    });
    let notices = bed.notices.lock().expect("the test set this up").clone();
    assert_eq!(notices.len(), 1, "{notices:?}");
    let text = notices[0].to_string();
    assert!(
        text.contains("forbidden") && text.contains("list and watch on pods"),
        "{text}"
    );
    assert_eq!(bed.tasks.health().kube_ready(), Some(false));
}

#[test]
fn an_absent_server_is_reported_once_and_found_when_it_is_back() {
    let mut bed = bed_with(|_| {}, |kube| kube.backoff_max = Duration::from_millis(50));
    bed.wait("server", |bed| {
        bed.tasks.health().kube_ready() == Some(true)
    });
    bed.server = ApiServer::start();
    bed.wait("loss", |bed| value(&bed.counters.kube_failures_total) >= 5);
    // A connection that ends and one that is refused are two reasons.
    let reported: Vec<String> = {
        let notices = bed.notices.lock().expect("the test set this up");
        let reason = |notice: &Notice| match notice {
            Notice::KubeDown { reason } => Some(reason.clone()),
            _ => None,
        };
        notices.iter().filter_map(reason).collect()
    };
    let reasons: HashSet<&String> = reported.iter().collect();
    assert!(!reported.is_empty());
    assert_eq!(reported.len(), reasons.len(), "{reported:?}");
    bed.server.apply(pod("a", "u1", &[("n", "7")]));
    let _ = bed.server.kubeconfig(bed.dir.path());
    bed.wait_labels("u1", "n:7");
}

#[test]
fn a_list_beyond_its_limit_is_refused_and_counted() {
    let long = "x".repeat(4000);
    let mut bed = bed_with(
        |server| server.apply(pod("a", "u1", &[("n", &long)])),
        |kube| kube.list_bytes = 2000,
    );
    bed.wait("refusal", |bed| {
        value(&bed.counters.kube_failures_total) > 0
    });
    let notices = bed.notices.lock().expect("the test set this up");
    assert!(
        notices[0].to_string().contains("more than 2000 bytes"),
        "{notices:?}"
    );
}

#[test]
fn without_the_name_of_the_node_the_sensor_asks_nothing_and_reports_why() {
    let mut bed = bed_with(|_| {}, |kube| kube.node = None);
    bed.wait("notice", |bed| {
        !bed.notices.lock().expect("the test set this up").is_empty()
    });
    assert!(
        bed.notices.lock().expect("the test set this up")[0]
            .to_string()
            .contains("NODE_NAME")
    );
    assert!(bed.server.requests().is_empty());
}

#[test]
fn a_real_containers_pod_has_what_only_the_server_knows_also_when_it_changes() {
    let containerd = TestBed::start();
    let server = ApiServer::start();
    let dir = tempfile::tempdir().expect("the test set this up");
    let uid = "6a8d9959-b9bc-49a5-9b41-1c2f8c13cf85";
    let mut of = pod(
        "web-7b658bcd76-x",
        uid,
        &[("app", "web"), ("pod-template-hash", "7b658bcd76")],
    );
    of["metadata"]["ownerReferences"] = serde_json::json!([
        { "kind": "ReplicaSet", "name": "web-7b658bcd76", "controller": true }
    ]);
    server.apply(of.clone());
    let options = MetadataOptions {
        runtimes: RuntimeOptions::at([RuntimeSocket::required(
            Engine::Containerd,
            containerd.socket(),
        )]),
        kube: kube(&server, &dir),
        ..MetadataOptions::default()
    };
    let enricher = Enricher::start(options, &containerd.cgroup());
    enricher.wait("server", |e| e.health.kube_ready() == Some(true));
    let spec = |uid: &str| {
        PodSpec::new("web-7b658bcd76-x", "shop")
            .label("app", "old")
            .uid(uid)
    };
    let first = containerd.pod(&spec(uid));
    let known = |id: &str| {
        enricher
            .all_events(id)
            .pop()
            .expect("the test set this up")
            .container
            .expect("the test set this up")
            .pod
            .expect("the test set this up")
    };
    let seen = known(&first.container);
    assert_eq!(
        seen.labels_text.as_deref(),
        Some("app:web, pod-template-hash:7b658bcd76")
    );
    assert_eq!(
        &*seen.owner.as_ref().expect("the test set this up").name,
        "web"
    );
    assert_eq!(seen.service_account.as_deref(), Some("default"));
    let without = containerd.pod(&spec("11111111-b9bc-49a5-9b41-1c2f8c13cf85"));
    let seen = known(&without.container);
    assert_eq!(
        seen.labels_text.as_deref(),
        Some("app:old"),
        "the sandbox's"
    );
    assert_eq!(seen.owner, None, "another pod of the same name");
}
