//! The measurement: start, quiet, outages.

use std::{
    env,
    io::Read as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tests::{
    cluster::{ControlPlane, Traffic},
    figures::{anonymous_memory, cpu_time},
};

use super::{
    Measure,
    audit::Audit,
    seed,
    table::{Row, table},
};

/// The manifests of the agents' account and rights.
const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes/base");
/// How long all agents may take to watch.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a server may be busy with its own start.
const SETTLE: Duration = Duration::from_secs(15);
/// Agents from which on chance is small enough for the promise about the worst second.
const MANY: u32 = 1000;
/// The metric of LISTs of pods that reach etcd: the server's own, to fill its cache, too.
const FROM_ETCD: [&str; 3] = [
    "etcd_requests_total{",
    "operation=\"list\"",
    "resource=\"pods\"",
];
/// The metric of LISTs of the pods of one node that the server's cache answers.
const FROM_CACHE: [&str; 3] = [
    "apiserver_cache_list_total{",
    "index=\"f:spec.nodeName\"",
    "resource=\"pods\"",
];
/// The metric of the heap at which the server's next garbage collection begins: with the default
/// settings of Go's runtime twice of what was in use at the end of the last one.
const NEXT_COLLECTION: [&str; 1] = ["go_memstats_next_gc_bytes "];

/// Prints the table. Fails if LISTs of the agents reach etcd, or if more than a twentieth of many
/// agents come back in one second.
pub(super) fn run(arguments: &Measure) -> Result<()> {
    let mut rows = Vec::new();
    let mut bed = Bed::start(arguments, &mut rows)?;

    let begin = Span::begin(&bed)?;
    bed.pass(Duration::from_secs(arguments.quiet))?;
    rows.push(begin.end(&bed, "no agent")?);

    let begin = Span::begin(&bed)?;
    let agents = Agents::start(&bed, arguments.agents)?;
    bed.wait_for_agents(begin.mark)?;
    rows.push(begin.end(&bed, "all start at once")?);

    bed.pass(SETTLE)?;
    let begin = Span::begin(&bed)?;
    bed.pass(Duration::from_secs(arguments.quiet))?;
    rows.push(begin.end(&bed, "quiet")?);

    for &seconds in &arguments.away {
        bed.plane.kill_api_server()?;
        thread::sleep(Duration::from_secs(seconds));
        let begin = Span::before_the_server(&bed)?;
        bed.plane.start_api_server(&bed.audit.options())?;
        bed.wait_for_agents(begin.mark)?;
        rows.push(begin.end(&bed, &format!("back after {seconds} s"))?);
        bed.pass(SETTLE)?;
    }
    let pods = agents.end()?;
    println!("\n{}", table(arguments.agents, &rows));
    ensure!(
        pods == arguments.agents * arguments.pods,
        "the agents know {pods} pods"
    );
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let reaches_etcd = |row: &Row| row.from_cache < row.requests.answered as f64;
    ensure!(!rows.iter().any(reaches_etcd), "LISTs of agents reach etcd");
    let outages = &rows[rows.len() - arguments.away.len()..];
    let most = usize::try_from(arguments.agents / 20)?;
    let too_many = |row: &Row| row.requests.worst_second > most;
    ensure!(
        arguments.agents < MANY || !outages.iter().any(too_many),
        "more than a twentieth of the agents come back in one second"
    );
    Ok(())
}

/// The servers.
struct Bed {
    plane: ControlPlane,
    audit: Audit,
    agents: usize,
}

impl Bed {
    /// Starts them, and measures what a start costs by itself.
    fn start(arguments: &Measure, rows: &mut Vec<Row>) -> Result<Self> {
        let plane = ControlPlane::start()?;
        seed::pods(&plane, arguments.agents, arguments.pods)?;
        let audit = Audit::new(&plane)?;
        let mut bed = Self {
            plane,
            audit,
            agents: usize::try_from(arguments.agents)?,
        };
        // The first start makes roles and namespaces, too.
        bed.plane.start_api_server(&bed.audit.options())?;
        let apply = |file: &str| {
            let file = format!("{BASE}/{file}");
            bed.plane
                .kubectl(&["apply", "--namespace=sensor", "-f", &file])
        };
        apply("namespace.yaml")?;
        apply("rbac.yaml")?;
        thread::sleep(SETTLE);
        bed.plane.kill_api_server()?;
        let begin = Span::before_the_server(&bed)?;
        bed.plane.start_api_server(&bed.audit.options())?;
        thread::sleep(SETTLE);
        rows.push(begin.end(&bed, "the server's start, no agent")?);
        Ok(bed)
    }

    /// Lets time pass, in which pods of other nodes change.
    fn pass(&self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            seed::change_elsewhere(&self.plane, begin.elapsed().as_secs())?;
            thread::sleep(Duration::from_secs(1).min(time.saturating_sub(begin.elapsed())));
        }
        Ok(())
    }

    /// Waits until each agent watches.
    fn wait_for_agents(&self, mark: u64) -> Result<()> {
        let begin = Instant::now();
        loop {
            let watching = self.audit.watching(mark)?;
            if watching >= self.agents {
                return Ok(());
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "{watching} of {} agents watch after {PATIENCE:?}",
                self.agents
            );
            self.pass(Duration::from_millis(500))?;
        }
    }

    /// Sum of a metric of the API server: of the lines that have all these texts, the first one at
    /// their beginning.
    fn metric(&self, texts: &[&str]) -> Result<f64> {
        let page = self.plane.kubectl(&["get", "--raw=/metrics"])?;
        let wanted = |line: &&str| {
            line.starts_with(texts[0]) && texts.iter().all(|text| line.contains(text))
        };
        let mut sum = 0.0;
        for line in page.lines().filter(wanted) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            sum += value.parse::<f64>().context(line.to_owned())?;
        }
        Ok(sum)
    }
}

/// A span of time, from its beginning.
struct Span {
    mark: u64,
    begin: Instant,
    traffic: Traffic,
    from_etcd: f64,
    from_cache: f64,
    cpu: f64,
    etcd: f64,
}

impl Span {
    fn begin(bed: &Bed) -> Result<Self> {
        Ok(Self {
            from_etcd: bed.metric(&FROM_ETCD)?,
            from_cache: bed.metric(&FROM_CACHE)?,
            mark: bed.audit.mark(),
            begin: Instant::now(),
            traffic: bed.plane.traffic()?,
            cpu: cpu(bed.plane.api_server()?)?,
            etcd: cpu(bed.plane.etcd())?,
        })
    }

    /// A span that begins with the start of an API server.
    fn before_the_server(bed: &Bed) -> Result<Self> {
        Ok(Self {
            from_etcd: 0.0,
            from_cache: 0.0,
            mark: bed.audit.mark(),
            begin: Instant::now(),
            traffic: bed.plane.traffic()?,
            cpu: 0.0,
            etcd: cpu(bed.plane.etcd())?,
        })
    }

    fn end(self, bed: &Bed, name: &str) -> Result<Row> {
        let seconds = self.begin.elapsed().as_secs_f64();
        let server = bed.plane.api_server()?;
        let cpu = (cpu(server)? - self.cpu, cpu(bed.plane.etcd())? - self.etcd);
        let traffic = bed.plane.traffic()?;
        #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
        let memory = anonymous_memory(server)? as f64 / f64::from(1 << 20);
        let heap = bed.metric(&NEXT_COLLECTION)? / 2.0 / f64::from(1 << 20);
        let row = Row {
            name: name.to_owned(),
            seconds,
            requests: bed.audit.requests(self.mark)?,
            bytes: (
                traffic.received - self.traffic.received,
                traffic.sent - self.traffic.sent,
            ),
            from_etcd: bed.metric(&FROM_ETCD)? - self.from_etcd,
            from_cache: bed.metric(&FROM_CACHE)? - self.from_cache,
            cpu,
            memory,
            heap,
        };
        println!("{name}: {seconds:.1} s, {:?}", row.requests);
        Ok(row)
    }
}

/// CPU time of a process, in seconds.
fn cpu(pid: u32) -> Result<f64> {
    let time = cpu_time(pid).with_context(|| format!("CPU time of process {pid}"))?;
    Ok(time.as_secs_f64())
}

/// The process of the agents, which ends with this one.
struct Agents(Child);

impl Agents {
    fn start(bed: &Bed, agents: u32) -> Result<Self> {
        let create = [
            "create",
            "token",
            "sensor",
            "--namespace=sensor",
            "--duration=12h",
        ];
        let token = bed.plane.kubectl(&create)?;
        let kubeconfig = bed.plane.kubeconfig(token.trim())?;
        let own = env::current_exe()?;
        let mut command = bed.plane.client_command(&own);
        command.arg("agents").arg("--kubeconfig").arg(kubeconfig);
        command.arg(format!("--agents={agents}"));
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the agents")?;
        Ok(Self(child))
    }

    /// Ends the agents; returns how many pods they knew.
    fn end(mut self) -> Result<u32> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        let mut out = self.0.stdout.take().context("the agents' output")?;
        out.read_to_string(&mut text)?;
        ensure!(self.0.wait()?.success(), "the agents failed");
        text.trim().parse().context(text)
    }
}
