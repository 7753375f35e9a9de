//! The table of commands.

use super::table::{
    Has::{Nothing, OneLine, Text},
    Row, Try, fails, runs, says,
};

pub(crate) const COMMANDS: &[Row] = &[
    Row {
        flag: "test FILE|DIR… [--coverage] [--junit FILE]",
        does: "A command: tries cases of rules ([rule-tests.md](rule-tests.md)). (Falco has no commands.)",
        tries: &[
            says("test {cases}", Text(&["3 cases passed, 0 failed\n"])),
            says(
                "test --coverage {cases/shell.test.yaml}",
                Text(&["Shell: 2 of 2 checks decided"]),
            ),
            Try {
                line: "test {failing}",
                out: Text(&[
                    "shell.test.yaml:3: cat",
                    "rule 'Shell' does not match: 'proc.name = sh' is false, the value is \"cat\"",
                    "0 cases passed, 1 failed\n",
                ]),
                error: Nothing,
                code: 1,
            },
            fails("test {none}", "has no file of cases"),
            fails("test", "<FILE|DIR>..."),
        ],
    },
    Row {
        flag: "explain RULE [FILE|-]",
        does: "A command: says why a rule matches the events of a file, or does not; without a file what the rule needs ([rule-tests.md](rule-tests.md#explanations)). (Falco has no commands.)",
        tries: &[
            says(
                "explain Shell -r {rules.yaml}",
                Text(&["rule 'Shell' is active\n", "proc.name = sh\n", "Execs of"]),
            ),
            says(
                "explain Shell {lines.json} -r {rules.yaml}",
                Text(&[
                    "line 1: rule 'Shell' does not match: 'proc.name = sh' is false, the value is \"cat\"\n",
                    "line 2: no JSON",
                ]),
            ),
            fails(
                "explain Shel -r {rules.yaml}",
                "no rule is named 'Shel'; did you mean 'Shell'?",
            ),
            fails("explain Shell {gone.json} -r {rules.yaml}", "cannot read /"),
        ],
    },
    Row {
        flag: "watch [CONDITION] [--host] [--pod POD] [-n NAMESPACE] [--tree] [--top] [--json] [FILE|-]",
        does: "A command: shows the events of the running sensor, of this machine, of a recording or of lines of JSON as rows on a terminal; in a pipe and with `--json` a line for each event ([watch.md](watch.md)). (Falco has no commands.)",
        tries: &[
            Try {
                line: "watch proc.name=cat {lines.json}",
                out: Text(&["cat"]),
                error: OneLine("1 lines are no events; the last one: no JSON"),
                code: 0,
            },
            fails("watch proc.name=cat {gone.json}", "cannot read /"),
            fails("watch --pod A+b {lines.json}", "'A b' is no name of a pod"),
        ],
    },
    Row {
        flag: "record FILE|- [--lines]",
        does: "A command: records events, those that the rules of `-r` want or all of the machine ([recordings.md](recordings.md)). (Falco has no commands.)",
        tries: &[
            runs(
                "record {r.rec} -M 1 -o sensor.kube.enabled=false",
                &["r.rec: ", " events in "],
            ),
            Try {
                line: "record {rules.yaml} -M 1 -o sensor.kube.enabled=false",
                out: Nothing,
                error: Text(&["Error: cannot record to /", "File exists"]),
                code: 1,
            },
        ],
    },
    Row {
        flag: "replay FILE|DIR|-…",
        does: "A command: evaluates rules for recorded events, or for lines that a sensor or Falco wrote ([recordings.md](recordings.md)). (Falco has no commands.)",
        tries: &[
            Try {
                line: "replay {lines.json} -r {rules.yaml}",
                out: Nothing,
                error: Text(&["2 lines: 1 events, 1 without JSON"]),
                code: 0,
            },
            fails("replay {gone.json} -r {rules.yaml}", "cannot read /"),
            fails("replay", "<FILE|DIR|->..."),
        ],
    },
];
