//! Lines of JSON from standard input as a source of events, with rules about any of their members.
//! ```sh
//! echo '{"user": "eve", "status": 401}' | cargo run --package events --example json_lines
//! ```

use std::{convert::Infallible, io, os::fd::BorrowedFd, sync::Arc, time::Duration};

use bumpalo::Bump;
use config::Config;
use events::{Evaluator, EventSource, Feed, Lines, Next};
use falco_rules::{
    Argument, ArgumentKind, Field, Options, RuleFile, RuleSet, Source, Timed, Type, Value, compile,
};
use outputs::{AlertOptions, Outputs, internal::nanoseconds};
use rustix::{event, stdio::stdin};
use telemetry::{Identity, Kind, Ledger, Telemetry};

const RULES: &str = "- rule: Login refused
  desc: Somebody was refused.
  condition: json.value[/status] = 401
  output: '%json.value[/user] was refused'
  priority: WARNING
  source: json\n";

/// A line, the time when it was read, and memory for values that accessors make.
struct Line<'e> {
    json: serde_json::Value,
    time: u64,
    arena: &'e Bump,
}

/// The source as rules see it: its name and its fields.
#[derive(Clone, Copy, Debug)]
enum Json {}

static FIELDS: &[Field<Json>] = &[Field {
    argument: ArgumentKind::Name,
    ..Field::<Json>::new("json.value", Type::String, (), "A member.", value)
}];

fn value<'e>(line: &Line<'e>, argument: &Argument) -> Value<'e> {
    let Argument::Name(pointer) = argument else {
        return Value::Absent;
    };
    let value = line.json.pointer(pointer);
    let text = value.map(|value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    });
    text.map_or(Value::Absent, |text| {
        Value::Str(line.arena.alloc_str(&text))
    })
}

impl Source for Json {
    const NAME: &'static str = "json";
    type Event<'e> = Line<'e>;
    type Needs = ();
    fn arena<'e>(line: &'e Line<'e>) -> &'e Bump {
        line.arena
    }
    fn fields() -> impl Iterator<Item = &'static Field<Self>> {
        FIELDS.iter()
    }
}

impl Timed for Json {
    fn time(line: &Line<'_>) -> u64 {
        line.time
    }
}

struct JsonLines {
    evaluator: Evaluator<Json>,
    ledger: Arc<Ledger>,
    /// The beginning of a line whose end has not been read yet.
    rest: Vec<u8>,
}

impl JsonLines {
    fn take(&mut self, line: &[u8], lines: &mut impl Lines) {
        self.ledger.received(0);
        let Ok(json) = serde_json::from_slice(line) else {
            return self.ledger.lost(0, 0);
        };
        let (time, arena) = (nanoseconds(std::time::SystemTime::now()), &Bump::new());
        let event = Line { json, time, arena };
        let made = self.evaluator.evaluate(&event, lines);
        self.ledger.evaluated(0, made);
    }
}

impl EventSource for JsonLines {
    type Language = Json;
    type Rules = Arc<RuleSet<Json>>;
    type Demand = ();
    type Error = Infallible;
    type Figures = ();
    const CAUSES: &'static [&'static str] = &["undecodable"];
    fn kinds() -> Vec<Kind> {
        vec![Kind::new("line")]
    }

    fn pass(&mut self, _most: usize, lines: &mut impl Lines) -> io::Result<Next> {
        let mut input = [event::PollFd::from_borrowed_fd(
            stdin(),
            event::PollFlags::IN,
        )];
        if event::poll(&mut input, Some(&event::Timespec::default()))? == 0 {
            return Ok(Next::Wakeup);
        }
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.reserve(1 << 14);
        let read = rustix::io::read(stdin(), rustix::buffer::spare_capacity(&mut buffer))?;
        let end = buffer.iter().rposition(|byte| *byte == b'\n' || read == 0);
        self.rest = buffer.split_off(end.map_or(0, |end| end + 1));
        let whole = buffer.split_inclusive(|byte| *byte == b'\n');
        whole.for_each(|line| self.take(line, lines));
        Ok(if read == 0 { Next::End } else { Next::Now })
    }

    fn wakeups(&self) -> Vec<BorrowedFd<'_>> {
        vec![stdin()]
    }

    fn reload(&mut self, rules: Self::Rules, (): ()) -> Result<(), Infallible> {
        self.evaluator.set_rules(rules, AlertOptions::default());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compilation = compile(&[RuleFile::new("example", RULES)], &Options::default());
    let rules = Arc::new(compilation.set.ok_or("the rules have an error")?);
    let identity = Arc::new(Identity::new(&Config::default()));
    let telemetry = Telemetry::new(Arc::clone(&identity));
    let ledger = Arc::new(JsonLines::ledger());
    let source = JsonLines {
        evaluator: Evaluator::new(rules, AlertOptions::default(), &telemetry.into()),
        ledger: Arc::clone(&ledger),
        rest: Vec::new(),
    };
    let outputs = Outputs::start(&Config::default(), &identity)?;
    let feed = Feed::start("json", source, outputs, identity)?;
    let finished = feed.join().map_err(|_| "the thread panicked")?;
    let written = finished.outputs.stop(Duration::from_secs(1));
    eprintln!("{:?}\n{written:?}", ledger.totals());
    finished.error.map_or(Ok(()), |error| Err(error.into()))
}
