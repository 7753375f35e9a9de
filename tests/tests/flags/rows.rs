//! The table of flags.

use super::table::{
    Has::{Json, Nothing, OneLine, Text},
    Row, Try, checks, fails, runs, says,
};

/// The rules of the tries.
pub(crate) const RULES: &str = "\
- rule: Shell
  desc: Somebody starts a shell.
  condition: evt.type = execve and proc.name = sh
  output: a shell
  priority: NOTICE
  tags: [shells]
";

/// Rules with a mistake in line 3.
pub(crate) const WRONG_RULES: &str = "\
- rule: Shell
  desc: Somebody starts a shell.
  condition: evt.type = execve and proc.nam = sh
  output: a shell
  priority: NOTICE
";

/// Cases of the rules, which pass.
pub(crate) const CASES: &str = "\
rules: ../rules.yaml
cases:
  - name: sh
    event: {evt.type: execve, proc.name: sh}
    match: Shell
    output: a shell
  - name: cat
    like: sh
    event: {proc.name: cat}
    no_match: Shell
  - name: a connection
    like: sh
    event: {evt.type: connect}
    no_match: Shell
";

/// A case of the rules that fails.
pub(crate) const FAILING: &str = "\
rules: ../rules.yaml
cases:
  - name: cat
    event: {evt.type: execve, proc.name: cat}
    match: Shell
";

/// Lines that a sensor wrote, and one that nobody wrote.
pub(crate) const LINES: &str = "\
{\"rule\":\"x\",\"output_fields\":{\"evt.type\":\"execve\",\"proc.name\":\"cat\"}}
{
";

pub(crate) const ROWS: &[Row] = &[
    Row {
        flag: "-h, --help",
        does: "Prints all flags.",
        tries: &[
            says("-h", Text(&["Usage: sensor", "--list-events"])),
            says("--help", Text(&["Usage: sensor", "--list-events"])),
        ],
    },
    Row {
        flag: "-c FILE",
        does: "Reads this configuration in place of `/etc/falco/falco.yaml`.",
        tries: &[
            runs(
                "-c {sensor.yaml} -M 1",
                &["programs attached: ", "ready", "stopping"],
            ),
            fails("-c {gone.yaml}", "configuration /"),
        ],
    },
    Row {
        flag: "-r FILE|DIR",
        does: "Reads these rules in place of `rules_files`; repeatable. `built-in/execve.yaml`, `built-in/connect.yaml` and `built-in/host.yaml` lead to rules in the binary.",
        tries: &[
            says(
                "-r built-in/host.yaml -r {rules.yaml} -L",
                Json(&["/rules/1/info/name"]),
            ),
            fails(
                "-r {gone.yaml}",
                "cannot read rules: No such file or directory",
            ),
        ],
    },
    Row {
        flag: "-o, --option KEY=VALUE",
        does: "Sets a key of the configuration; repeatable.",
        tries: &[
            says(
                "-o priority=critical --print-config",
                Text(&["\npriority: Critical\n"]),
            ),
            Try {
                line: "-o priority=loud",
                out: Nothing,
                error: Text(&["priority: expected emergency", "'loud'"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "-M SECONDS",
        does: "Stops after this time; 0: never.",
        tries: &[
            runs("-c {sensor.yaml} -M 1", &["stopping", "events: received="]),
            fails("-M soon", "invalid value 'soon'"),
        ],
    },
    Row {
        flag: "-P, --pidfile FILE",
        does: "Writes the process id to a file, and removes the file at the end.",
        tries: &[
            runs("-c {sensor.yaml} -P {pid} -M 1", &["ready"]),
            Try {
                line: "-c {sensor.yaml} -P {gone/pid} -M 1",
                out: Nothing,
                error: Text(&["cannot write the pid file /"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "-U, --unbuffered",
        does: "Writes each line at once, also under load.",
        tries: &[
            runs("-c {sensor.yaml} -U -M 1", &["ready"]),
            says(
                "-U -o buffered_outputs=true --print-config",
                Text(&["\nbuffered_outputs: false\n"]),
            ),
        ],
    },
    Row {
        flag: "--profile-rules",
        does: "Measures what each rule costs ([rule-tests.md](rule-tests.md#what-rules-cost)). (Falco has no such flag.)",
        tries: &[
            runs("-c {sensor.yaml} --profile-rules -M 1", &["ready"]),
            says(
                "--profile-rules --print-config",
                Text(&["\n    profile: true\n"]),
            ),
        ],
    },
    Row {
        flag: "-v",
        does: "Logs debug messages, too.",
        tries: &[
            runs("-c {sensor.yaml} -v -M 1", &["ready"]),
            says("-v --print-config", Text(&["\nlog_level: Debug\n"])),
        ],
    },
    Row {
        flag: "-p, --print FORMAT",
        does: "Appends FORMAT to the output of each rule; `-pc`, `-pk`, `-pcontainer` and `-pkubernetes` append what Falco suggests of containers and pods, unless `append_output` does. Deprecated, as in Falco.",
        tries: &[
            says(
                "-r {rules.yaml} -o json_output=true -p on+%evt.hostname -L",
                Json(&["/rules/0/details/output_fields/0"]),
            ),
            says(
                "-pk --print-config",
                Text(&["append_output: [{match: {source: syscall}, suggested_output: true}]"]),
            ),
            Try {
                line: "-r {rules.yaml} -p %no.such -L",
                out: Nothing,
                error: Text(&["Error: ", "no.such"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "--enable-source SOURCE",
        does: "Observes this source of events only. There is one: `syscall`.",
        tries: &[
            runs("-c {sensor.yaml} --enable-source syscall -M 1", &["ready"]),
            fails(
                "--enable-source k8s_audit --dry-run",
                "no source of events is named 'k8s_audit'",
            ),
        ],
    },
    Row {
        flag: "--disable-source SOURCE",
        does: "Does not observe this source of events.",
        tries: &[
            fails(
                "--disable-source syscall --dry-run",
                "no source of events is left",
            ),
            fails(
                "--disable-source k8s_audit --dry-run",
                "no source of events is named 'k8s_audit'",
            ),
            fails(
                "--enable-source syscall --disable-source syscall",
                "cannot be used with",
            ),
        ],
    },
    Row {
        flag: "--dry-run",
        does: "Checks the configuration and the rules.",
        tries: &[
            checks("-c {sensor.yaml} --dry-run", Text(&["rules.yaml: Ok"])),
            Try {
                line: "-o json_output=false -r {wrong.yaml} --dry-run",
                out: Text(&["wrong.yaml: Invalid", "proc.nam"]),
                error: Text(&["Error: ", "LOAD_ERR_COMPILE_CONDITION"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "--strict",
        does: "With `--dry-run`: an unknown key of the configuration is an error. (Falco has no such flag.)",
        tries: &[
            Try {
                line: "--dry-run --strict -o no_such=1",
                out: Nothing,
                error: Text(&["Error: ", "unknown key 'no_such'"]),
                code: 1,
            },
            fails("--strict", "--dry-run"),
        ],
    },
    Row {
        flag: "-V, --validate FILE|DIR",
        does: "Validates rules; repeatable.",
        tries: &[
            checks(
                "-o json_output=false -V {rules.yaml}",
                Text(&["rules.yaml: Ok"]),
            ),
            checks(
                "-V {rules.yaml} -V {rules.yaml}",
                Json(&["/falco_load_results/0/successful"]),
            ),
            Try {
                line: "-V {wrong.yaml}",
                out: Json(&["/falco_load_results/0/errors/0/code"]),
                error: Text(&["Error: ", "wrong.yaml: Invalid"]),
                code: 1,
            },
            Try {
                line: "-o json_output=false -V {gone.yaml}",
                out: Text(&["gone.yaml: Invalid", "LOAD_ERR_FILE_READ"]),
                error: Text(&["Error: ", "gone.yaml: Invalid"]),
                code: 1,
            },
            fails("-V {empty.yaml}", "nothing to validate in /"),
            fails("-V {none}", "nothing to validate in /"),
            fails("-V", "a value is required"),
        ],
    },
    Row {
        flag: "-L",
        does: "Lists the rules, which cannot match and why, and what the sensor derives from them.",
        tries: &[
            says(
                "-r {rules.yaml} -L",
                Json(&["/rules/0/info/name", "/derived/exec"]),
            ),
            says(
                "-r {rules.yaml} -L -o json_output=false",
                Text(&["Shell  ", "Somebody starts a shell.", "Execs of  "]),
            ),
            Try {
                line: "-r {wrong.yaml} -L",
                out: Nothing,
                error: Text(&["Error: ", "wrong.yaml:3:", "proc.nam"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "-l RULE",
        does: "Describes a rule.",
        tries: &[
            says(
                "-r {rules.yaml} -l Shell",
                Json(&["/rules/0/info/description"]),
            ),
            says(
                "-r {rules.yaml} -l Shell -o json_output=false",
                Text(&["Somebody starts a shell."]),
            ),
            fails("-r {rules.yaml} -l Shel", "no rule is named 'Shel'"),
        ],
    },
    Row {
        flag: "--list[=SOURCE|CLASS]",
        does: "Lists the fields, of all classes or of one.",
        tries: &[
            says("--list", Text(&["Field class: proc", "proc.name"])),
            says("--list=syscall", Text(&["Field class: proc", "proc.name"])),
            fails(
                "--list=k8s_audit",
                "no source and no class of fields is named 'k8s_audit'",
            ),
        ],
    },
    Row {
        flag: "-N",
        does: "With `--list`: names only.",
        tries: &[says("--list=proc -N", Text(&["proc.name\n"]))],
    },
    Row {
        flag: "--format FORMAT",
        does: "With `--list` and `--list-events`: `text`, `markdown` or `json`.",
        tries: &[
            says("--list=proc --format json", Json(&["/fields/0/name"])),
            says("--list=proc --format Markdown", Text(&["| `proc.name` |"])),
            says("--list-events --format json", Json(&["/events/0/type"])),
            fails("--list --format xml", "invalid value 'xml'"),
        ],
    },
    Row {
        flag: "--markdown",
        does: "The same as `--format markdown`. Deprecated, as in Falco.",
        tries: &[
            Try {
                line: "--list-events --markdown",
                out: Text(&["| evt.type |"]),
                error: OneLine("Warning: --markdown is deprecated"),
                code: 0,
            },
            fails("--list --markdown --format text", "cannot be used with"),
        ],
    },
    Row {
        flag: "--list-events, --list-syscall-events",
        does: "Lists the kinds of events. The second name is that of older versions of Falco.",
        tries: &[
            says("--list-events", Text(&["execve", "connect"])),
            says("--list-syscall-events", Text(&["execve", "connect"])),
        ],
    },
    Row {
        flag: "-i",
        does: "Lists what the default configuration leaves out because of its cost.",
        tries: &[says("-i", Text(&["Ignored syscall(s):\n- execve"]))],
    },
    Row {
        flag: "--list-plugins",
        does: "Lists the plugins: none. What Falco's container plugin does is built in.",
        tries: &[says("--list-plugins", Text(&["0 Plugins Loaded:"]))],
    },
    Row {
        flag: "--plugin-info PLUGIN",
        does: "Describes a plugin: there are none.",
        tries: &[fails("--plugin-info json", "no plugin is named 'json'")],
    },
    Row {
        flag: "--config-schema",
        does: "Prints the JSON schema of the configuration.",
        tries: &[says(
            "--config-schema",
            Json(&[
                "/properties/json_output/type",
                "/properties/sensor/properties/node",
            ]),
        )],
    },
    Row {
        flag: "--rule-schema",
        does: "Prints the JSON schema of rule files.",
        tries: &[says(
            "--rule-schema",
            Json(&["/items/anyOf/4/properties/condition"]),
        )],
    },
    Row {
        flag: "--print-config",
        does: "Prints the configuration in force, each key with its meaning. (Falco has no such flag.)",
        tries: &[says(
            "--print-config -o priority=warning",
            Text(&["\npriority: Warning\n"]),
        )],
    },
    Row {
        flag: "--print-base-rules",
        does: "Prints the macros and lists that come before the first file of rules. (Falco has no such flag.)",
        tries: &[says(
            "--print-base-rules",
            Text(&["- macro: spawned_process"]),
        )],
    },
    Row {
        flag: "--support",
        does: "Prints what a report of a defect needs. Values of `-o` are only in `config`.",
        tries: &[
            says(
                "-r {rules.yaml} --support",
                Json(&[
                    "/version",
                    "/engine_info/engine_version",
                    "/system_info/release",
                    "/cmdline",
                    "/config/webserver/listen_port",
                    "/rules_files/0/variants/0/content",
                ]),
            ),
            fails("-r {gone.yaml} --support", "cannot read rules"),
        ],
    },
    Row {
        flag: "--page-size",
        does: "Prints the size of a page of memory. (Falco writes this line to its log.)",
        tries: &[says("--page-size", OneLine("Your system page size is: "))],
    },
    Row {
        flag: "--version",
        does: "Prints the versions; as JSON with `-o json_output=true`.",
        tries: &[
            says("--version", Text(&["sensor ", "Engine: "])),
            says(
                "--version -o json_output=true",
                Json(&[
                    "/falco_version",
                    "/engine_version_semver",
                    "/sensor_version",
                ]),
            ),
        ],
    },
];
