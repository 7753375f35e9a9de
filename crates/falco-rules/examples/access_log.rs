//! Rules about the lines of a web server's access log.
//!
//! ```sh
//! cargo run --package falco-rules --example access_log              # rules and log of the example
//! cargo run --package falco-rules --example access_log -- my.yaml < access.log
//! ```

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
};

use bumpalo::Bump;
use falco_rules::{
    Argument, ArgumentKind, Field, Matching, Options, Report, RuleFile, Scratch, Source, Type,
    Value, compile, read, sanitize,
};

/// Rules of the example.
const RULES: &str = r"
- list: internal
  items: [10.0.0.0/8, 192.168.0.0/16]

- macro: outside
  condition: not http.client in (internal)

- rule: Admin pages from outside
  desc: Somebody outside was shown a page that is only for administrators.
  condition: outside and http.path startswith /admin and http.status < 400
  output: '%http.client was shown %http.path (status=%http.status user agent=%http.header[user-agent])'
  priority: WARNING
  source: http

- rule: Scanner
  desc: A tool looks for holes.
  condition: >
    http.path contains anyof (/.git/, /.env, wp-login) or
    tolower(http.header[user-agent]) startswith anyof (sqlmap, nikto)
  output: '%http.client looks for %basename(http.path)'
  priority: NOTICE
  source: http
  exceptions:
    - name: our_own
      fields: [http.client, http.path]
      comps: [in, startswith]
      values: [[internal, /audit]]
";

/// A log of the example: client, path, status, user agent.
const LOG: &str = "\
203.0.113.7 /index.html 200 Mozilla/5.0
203.0.113.7 /admin/users 200 Mozilla/5.0
10.1.2.3 /admin/users 200 curl/8.5
198.51.100.9 /backup/.env 404 SQLMap/1.8
10.1.2.3 /audit/.env 404 curl/8.5
";

/// A line, and memory for what is made for it.
struct Request<'e> {
    client: IpAddr,
    path: &'e str,
    status: u64,
    agent: &'e str,
    arena: &'e Bump,
}

impl<'e> Request<'e> {
    fn parse(line: &'e str, arena: &'e Bump) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        Some(Self {
            client: words.next()?.parse().ok()?,
            path: words.next()?,
            status: words.next()?.parse().ok()?,
            agent: words.next()?,
            arena,
        })
    }
}

/// The source `http`.
#[derive(Clone, Copy, Debug)]
enum Http {}

static FIELDS: &[Field<Http>] = &[
    Field::new("http.client", Type::Net, (), "Who asked.", |r, _| {
        Value::Ip(r.client)
    }),
    Field::new("http.path", Type::String, (), "For what.", |r, _| {
        Value::Str(sanitize(r.path.as_bytes(), r.arena))
    }),
    Field::new("http.status", Type::Number, (), "The answer.", |r, _| {
        Value::Uint(r.status)
    }),
    Field {
        argument: ArgumentKind::Name,
        ..Field::<Http>::new(
            "http.header",
            Type::String,
            (),
            "A header.",
            |r, a| match a {
                Argument::Name(name) if &**name == "user-agent" => {
                    Value::Str(sanitize(r.agent.as_bytes(), r.arena))
                }
                _ => Value::Absent,
            },
        )
    },
];

impl Source for Http {
    const NAME: &'static str = "http";

    type Event<'e> = Request<'e>;
    type Needs = ();

    fn arena<'e>(request: &'e Request<'e>) -> &'e Bump {
        request.arena
    }

    fn fields() -> impl Iterator<Item = &'static Field<Self>> {
        FIELDS.iter()
    }
}

fn main() -> io::Result<ExitCode> {
    let paths: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let files = if paths.is_empty() {
        Ok(vec![RuleFile::new("example.yaml", RULES)])
    } else {
        read(&paths)
    };
    let files = match files {
        Ok(files) => files,
        Err(problems) => {
            eprint!("{}", Report::unreadable(problems).text());
            return Ok(ExitCode::FAILURE);
        }
    };
    let options = Options {
        matching: Matching::All,
        ..Options::default()
    };
    let compilation = compile::<Http>(&files, &options);
    eprint!("{}", compilation.report.text());
    let Some(rules) = compilation.set else {
        return Ok(ExitCode::FAILURE);
    };
    let (mut arena, mut scratch, mut out) = (Bump::new(), Scratch::default(), Vec::new());
    let mut each = |line: &str| {
        arena.reset();
        let Some(request) = Request::parse(line, &arena) else {
            return;
        };
        rules.evaluate(&mut scratch, &request, &mut |rule| {
            out.extend_from_slice(rule.priority.as_str().as_bytes());
            out.extend_from_slice(b": ");
            rule.output.render(&request, &mut out);
            out.push(b'\n');
        });
    };
    if paths.is_empty() {
        LOG.lines().for_each(&mut each);
    } else {
        for line in io::stdin().lock().lines() {
            each(&line?);
        }
    }
    io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}
