//! The event's path through enrichment, with everything cached.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sensor::{
    enrich::{
        Container, ContainerKind, ContainerState, Counters, Hold, HoldOptions, Lookup, Metadata,
        Pod, Users, UsersOptions,
    },
    event::ContainerId,
};

const PODS: usize = 500;

fn id(kind: u8, n: usize) -> ContainerId {
    ContainerId::new(format!("{kind:02x}{n:062x}").as_bytes()).expect("64 digits are an id")
}

fn containers() -> impl Iterator<Item = Container> {
    (0..PODS).flat_map(|n| {
        let view = |labels: Option<&str>| {
            Some(Arc::new(Pod {
                name: format!("web-7b658bcd76-{n:05}").into(),
                namespace: "shop".into(),
                uid: format!("6a8d9959-b9bc-49a5-9b41-{n:012}").into(),
                labels_text: labels.map(Into::into),
                ..Pod::default()
            }))
        };
        let sandbox = Container {
            kind: ContainerKind::Sandbox,
            sandbox: Some(id(1, n)),
            pod: view(Some("app:web, tier:back")),
            ..Container::new(id(1, n), "containerd")
        };
        let container = Container {
            name: Some("main".into()),
            image: Some("registry.local:5000/team/app:v1.2".into()),
            sandbox: Some(id(1, n)),
            pod: view(None),
            ..Container::new(id(2, n), "containerd")
        };
        [sandbox, container]
    })
}

fn enrich(c: &mut Criterion) {
    let mut group = c.benchmark_group("enrich");
    group.throughput(Throughput::Elements(1));
    let ids: Vec<_> = (0..PODS).map(|n| id(2, n)).collect();

    let mut metadata = Metadata::fixed(containers()).expect("an eventfd is made");
    let mut next = 0;
    group.bench_function("lookup, 500 pods", |b| {
        b.iter(|| {
            next = (next + 1) % PODS;
            match metadata.lookup(black_box(&ids[next]), 1) {
                Lookup::Known(container) => container.pod.as_ref().map(|pod| pod.name.len()),
                Lookup::Pending | Lookup::Unknown => unreachable!("all are known"),
            }
        });
    });

    let mut users = Users::new(UsersOptions::default(), Arc::new(Counters::default()));
    group.bench_function("lookup and user name", |b| {
        b.iter(|| {
            next = (next + 1) % PODS;
            if let Lookup::Known(container) = metadata.lookup(black_box(&ids[next]), 1) {
                users.prepare(ContainerState::Known(container), 1, 0);
                black_box(users.user_name(Some(&container.id), 1000));
            }
        });
    });

    let mut hold = Hold::new(HoldOptions::default(), Arc::new(Counters::default()));
    let record = bytes::Bytes::from(vec![0; 1024]);
    group.bench_function("hold and release", |b| {
        b.iter(|| {
            hold.push(ids[0], record.clone(), 1);
            hold.resolve(&ids[0], 2);
            hold.pop()
        });
    });
    group.finish();
}

criterion_group!(benches, enrich);
criterion_main!(benches);
