//! Tests of every operator and every transformer, against Falco's verdict.

use metadata::ContainerState;

use super::{container, netcat, verdict};

/// Each line: the condition, and whether `netcat` in a container matches it.
fn check(table: &[(&str, bool)]) {
    let container = container();
    for (condition, expected) in table {
        let got = verdict(condition, &netcat(), ContainerState::Known(&container));
        assert_eq!(got, *expected, "{condition}");
        // The same condition where no index helps to find the rule.
        let alone = format!("proc.pid > 99999999 or ({condition})");
        let got = verdict(&alone, &netcat(), ContainerState::Known(&container));
        assert_eq!(got, *expected, "{alone}");
    }
}

#[test]
fn texts_are_compared() {
    check(&[
        ("proc.name = nc", true),
        ("proc.name == nc", true),
        ("proc.name = \"nc\"", true),
        ("proc.name='nc'", true),
        ("proc.name = NC", false),
        ("proc.name != nc", false),
        ("proc.name != bash", true),
        ("proc.name < 9", false),
        ("proc.name >= 0", true),
        ("proc.cmdline contains /bin/sh", true),
        ("proc.cmdline contains /BIN/SH", false),
        ("proc.cmdline contains \"\"", true),
        ("proc.cmdline icontains /BIN/SH", true),
        ("proc.cmdline icontains zsh", false),
        ("proc.cmdline startswith nc", true),
        ("proc.cmdline startswith c", false),
        ("proc.cmdline endswith 4444", true),
        ("proc.cmdline endswith 444", true),
        ("proc.cmdline endswith 5", false),
        ("proc.exepath glob /usr/*", true),
        ("proc.exepath glob /usr/*/nc", true),
        ("proc.exepath glob /USR/*", false),
        ("proc.exepath iglob /USR/*", true),
        ("proc.exepath glob /usr", false),
        ("proc.exepath regex '/usr/(s)?bin/[a-z]+'", true),
        ("proc.exepath regex usr", false),
        ("proc.exepath regex '.*usr.*'", true),
        ("proc.exepath pmatch (/usr/bin)", true),
        ("proc.exepath pmatch (/usr/bi)", false),
        ("proc.exepath pmatch (/etc, /usr)", true),
        ("proc.name in (bash, nc)", true),
        ("proc.name in (nc)", true),
        ("proc.name in (bash, \"n c\")", false),
        ("proc.name in ()", false),
        ("not proc.name in ()", true),
        ("proc.name intersects (bash, nc)", true),
        ("proc.name exists", true),
    ]);
}

#[test]
fn modifiers_count_the_values_of_a_list() {
    check(&[
        ("proc.name startswith anyof (foo, n)", true),
        ("proc.name startswith anyof (foo, bar)", false),
        ("proc.cmdline contains allof (nc, sh, 4444)", true),
        ("proc.cmdline contains allof (nc, zsh)", false),
        ("proc.cmdline contains oneof (nc, zsh)", true),
        ("proc.cmdline contains oneof (nc, sh)", false),
        ("proc.name = anyof (nc, x)", true),
        ("proc.name glob anyof (x*, n*)", true),
    ]);
}

#[test]
fn numbers_and_truth_values_are_compared() {
    check(&[
        ("proc.pid = 1000", true),
        ("proc.pid = 0x3e8", true),
        ("proc.pid != 1000", false),
        ("proc.pid < 1001 and proc.pid <= 1000", true),
        ("proc.pid > 1000 or proc.pid >= 1001", false),
        ("proc.pid in (1, 1000)", true),
        ("proc.pid in (1, 2)", false),
        ("user.loginuid = -1", true),
        ("proc.tty = 0", true),
        ("proc.tty != 0", false),
        ("evt.failed = false", true),
        ("evt.failed = true", false),
        ("evt.failed != true", true),
        ("container.privileged = false", true),
        ("evt.rawres >= 0", true),
    ]);
}

#[test]
fn a_missing_value_makes_every_comparison_false_and_not_of_it_true() {
    check(&[
        ("proc.aname[9] = x", false),
        ("proc.aname[9] != x", false),
        ("proc.aname[9] != \"<NA>\"", false),
        ("not proc.aname[9] = x", true),
        ("proc.aname[9] exists", false),
        ("not proc.aname[9] exists", true),
        ("proc.aname[9] contains x or proc.aname[9] in (x)", false),
        (
            "proc.apid[9] > 0 or proc.apid[9] < 0 or proc.apid[9] = 0",
            false,
        ),
        ("fd.name != x", false),
        ("fd.sport in (80) or fd.sport != 80", false),
        ("k8s.pod.name != x", false),
    ]);
}

#[test]
fn a_field_without_index_is_any_ancestor() {
    check(&[
        ("proc.aname = bash", true),
        ("proc.aname = systemd", true),
        ("proc.aname = nc", false),
        ("proc.aname in (x, systemd)", true),
        ("proc.aname[1] = bash and proc.aname[2] = systemd", true),
        ("proc.aname[0] = nc", true),
        ("proc.aname contains stem", true),
        ("proc.aname != bash", true),
    ]);
}

#[test]
fn the_right_hand_side_can_be_a_field() {
    check(&[
        ("proc.pid = val(thread.tid)", true),
        ("proc.pid != val(thread.tid)", false),
        ("proc.ppid < val(proc.pid)", true),
        ("proc.name = val(proc.pname)", false),
        ("proc.cmdline startswith val(proc.name)", true),
        ("proc.name = val(proc.aname[9])", false),
        ("proc.name = basename(proc.exepath)", true),
        ("proc.name = tolower(toupper(proc.name))", true),
    ]);
}

#[test]
fn transformers_change_what_is_compared() {
    check(&[
        ("toupper(proc.name) = NC", true),
        ("tolower(toupper(proc.name)) = nc", true),
        ("basename(proc.exepath) = nc", true),
        ("len(proc.name) = 2", true),
        ("len(proc.args) > 10", true),
        ("len(proc.aname) = 2", true),
        ("len(proc.aname[9]) = 0", false),
        ("concat(proc.name, \"-\", proc.pname) = nc-bash", true),
        ("join(\"/\", (proc.name, proc.pname)) = nc/bash", true),
        (
            "join(\" \", proc.args) = \"-e /bin/sh 10.0.0.1 4444\"",
            true,
        ),
        ("b64(concat(\"bm\", \"M=\")) = nc", true),
        ("b64(proc.cmdline) exists", false),
        ("getopt(proc.args, \"e:l\")[e] = /bin/sh", true),
        ("getopt(proc.args, \"e:l\")[l] exists", false),
        ("getopt(proc.args, \"el\") in (e, l)", true),
        ("getopt(proc.args, \"e:l\") in (e, l)", false),
        ("getopt(proc.args, \"e:l\") intersects (e, l)", true),
        ("basename(proc.aexepath[9]) = x", false),
    ]);
}

#[test]
fn and_or_not_and_parentheses_have_falcos_precedence() {
    check(&[
        ("proc.name = nc or proc.name = x and proc.name = y", true),
        ("(proc.name = nc or proc.name = x) and proc.name = y", false),
        ("not proc.name = x and proc.name = nc", true),
        ("not (proc.name = x and proc.name = nc)", true),
        ("not(proc.name = nc)", false),
        ("not not proc.name = nc", true),
        ("not proc.name = nc or proc.pid = 1000", true),
        ("((((proc.name = nc))))", true),
        ("proc.name=nc and(proc.pid=1000)or(proc.pid=1)", true),
        ("proc.name in (bash,nc)and proc.pid exists", true),
    ]);
}

#[test]
fn the_event_and_its_container_are_compared() {
    check(
        &[
            ("evt.type = execve", true),
            ("evt.type in (execve, execveat)", true),
            ("evt.type != connect", true),
            ("evt.type = connect", false),
            ("evt.dir = <", true),
            ("evt.dir = >", false),
            ("container.id != host", true),
            ("container.id = host", false),
            ("container", false),
            ("container.image.repository endswith /app", true),
            ("container.image.tag = v1", true),
        ]
        .into_iter()
        .filter(|(condition, _)| *condition != "container")
        .collect::<Vec<_>>(),
    );
}
