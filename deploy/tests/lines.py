"""Lines as the sensor writes them, one of every kind, by the contract of its output.

A file of real ones is added with SENSOR_LINES=FILE (the integration tests do): every check
that holds for these must hold for those.
"""

import json
import os

USER = dict.fromkeys(
    ["user.name", "user.uid", "group.gid", "proc.pid", "proc.ppid", "proc.name", "proc.cmdline",
     "proc.exepath", "proc.args", "proc.cwd", "container.id", "container.name",
     "container.image.repository", "container.image.tag", "k8s.pod.name", "k8s.pod.uid",
     "k8s.ns.name", "k8s.pod.labels", "container.privileged", "proc.aname[1]", "proc.aname[2]"])

EXEC = USER | {
    "evt.time": 1795233338582871057, "user.name": "root", "user.uid": 0, "group.gid": 0,
    "proc.pid": 4711, "proc.ppid": 4700, "proc.name": "sh", "proc.cmdline": "sh -c id -u",
    "proc.exepath": "/bin/dash", "proc.args": "-c id -u", "proc.cwd": "/srv/app/",
    "container.id": "3ad7b26ded6d", "container.name": "main",
    "container.image.repository": "registry.example.org:5000/team/app",
    "container.image.tag": "v1.2", "k8s.pod.name": "web-6d4b75cb6d-abcde",
    "k8s.pod.uid": "0f6d9d3b-2f1e-4d0c-8c0e-3f6f0f6c1a11", "k8s.ns.name": "shop",
    "k8s.pod.labels": "app:web, empty, tier:back end", "container.privileged": False,
    "proc.aname[1]": "nginx", "proc.aname[2]": "containerd-shim"}

EXTRA = {
    "evt.num": 815, "evt.type": "execve", "evt.res": "SUCCESS", "proc.tty": 34816,
    "proc.entity_id": "bm9kZS0xIDQ3MTE", "proc.parent_entity_id": "bm9kZS0xIDQ3MDA", "proc.args_truncated": False,
    "proc.is_container_runtime": False,
    "community_id": None,
    "proc.sname": "nginx", "proc.pexepath": "/usr/sbin/nginx",
    "proc.pcmdline": "nginx -g daemon off;", "user.loginuid": -1, "container.type": "containerd",
    "container.full_id": "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"}

CONNECT = {key: EXEC[key] for key in EXEC if key not in ("proc.cwd", "proc.args")} | {
    "fd.name": "10.1.2.3:51130->93.184.215.14:443", "fd.type": "ipv4", "fd.l4proto": "tcp",
    "fd.cip": "10.1.2.3", "fd.cport": 51130, "fd.sip": "93.184.215.14", "fd.sport": 443,
    "evt.res": "SUCCESS"}

NO_METADATA = dict.fromkeys(
    ["container.name", "container.image.repository", "container.image.tag", "k8s.pod.name",
     "k8s.pod.uid", "k8s.ns.name", "k8s.pod.labels", "container.privileged",
     "container.full_id", "container.type"])

EXECVE_RULE = "Log Execve Syscalls for Elasticsearch"
CONNECT_RULE = "Log Connect Syscalls for Elasticsearch"


def line(fields, rule=EXECVE_RULE, priority="Debug", source="syscall", tags=("elasticsearch", "execve", "system_call"), **top):
    """One alert, as the sensor prints it: keys sorted, no blanks."""
    text = " ".join("<NA>" if v is None else str(v) for v in fields.values())
    alert = {"hostname": "node-1", "output": f"03:55:38.582871057: {priority} {text}", "output_fields": fields,
             "priority": priority, "rule": rule, "source": source, "time": "2026-11-21T03:55:38.582871057Z"}
    if tags is not None:
        alert["tags"] = list(tags)
    return json.dumps(alert | top, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def connect(**fields):
    names = {key.replace("__", "."): value for key, value in fields.items()}
    return line(CONNECT | EXTRA | {"evt.type": "connect", "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg="} | names, rule=CONNECT_RULE)


def internal(rule, fields, priority="Informational"):
    return line(fields, rule=rule, priority=priority, source="internal", tags=None)


def huge(size):
    """An exec with that many bytes of argv, in sixteen long arguments."""
    args = " ".join("x" * (size // 16 - 1) for _ in range(16))
    return line(EXEC | EXTRA | {"proc.args": args, "proc.cmdline": "sh " + args})


KINDS = {
    "exec": line(EXEC | EXTRA),
    "exec of the user's rule, nothing appended": line(EXEC),
    "exec with argv as a list": line(EXEC | EXTRA | {"proc.argv": ["sh", "-c", "id -u"]}),
    "exec without a terminal": line(EXEC | EXTRA | {"proc.tty": 0}),
    "failed exec": line(EXEC | EXTRA | {"evt.res": "ENOENT"}),
    "exec on the host": line(EXEC | EXTRA | NO_METADATA | {"container.id": "host", "container.image.repository": "", "container.image.tag": "", "k8s.pod.labels": "", "container.privileged": False}, rule="Host exec"),
    "exec before the metadata came": line(EXEC | EXTRA | NO_METADATA),
    "exec of an orphan, unknown user": line(EXEC | EXTRA | {"proc.ppid": None, "proc.aname[1]": None, "proc.aname[2]": None, "proc.pexepath": None, "proc.pcmdline": None, "user.name": "<NA>"}),
    "exec with odd bytes": line(EXEC | EXTRA | {"proc.args": "\ufffd\ufffd \"q\" 'q' b\\s", "proc.cmdline": "sh \ufffd\ufffd \"q\" 'q' b\\s"}),
    "exec with 256 KiB of argv": huge(262144),
    "exec with 256 KiB of invalid bytes": line(EXEC | EXTRA | {"proc.args": "\ufffd" * 262144, "proc.cmdline": "sh " + "\ufffd" * 262144, "proc.cwd": "/" + "d" * 4000 + "/"}),
    "connect": connect(),
    "connect of the shipped rule": line(
        {k: v for k, v in (CONNECT | EXTRA).items() if k not in ("fd.cip", "fd.cport", "fd.sip", "fd.sport")}
        | {"evt.type": "connect", "proc.cwd": "/", "proc.args": "-g", "fd.lip": "10.1.2.3", "fd.lport": 51130, "fd.rip": "93.184.215.14", "fd.rport": 443},
        rule=CONNECT_RULE, tags=("connect", "elasticsearch", "system_call")),
    "connect over IPv6": connect(fd__name="fd00::1:51130->2606:2800:21f:cb07::1:443", fd__type="ipv6", fd__cip="fd00::1", fd__sip="2606:2800:21f:cb07::1"),
    "connect over UDP": connect(fd__name="10.1.2.3:40000->10.1.0.10:53", fd__l4proto="udp", fd__cport=40000, fd__sip="10.1.0.10", fd__sport=53),
    "connect under way": connect(evt__res="EINPROGRESS"),
    "refused connect": connect(evt__res="ECONNREFUSED"),
    "raw ICMP socket": connect(fd__name="10.1.2.3->10.1.0.10", fd__l4proto="raw", fd__cport=1, fd__sport=0, fd__sip="10.1.0.10"),
    "connect with fd.name alone": line({k: v for k, v in CONNECT.items() if k not in ("fd.cip", "fd.cport", "fd.sip", "fd.sport")}, rule="Outbound", priority="Notice"),
    "connect over IPv6 with fd.name alone": line({k: v for k, v in CONNECT.items() if k not in ("fd.cip", "fd.cport", "fd.sip", "fd.sport")} | {"fd.name": "fd00::1:51130->2606:2800:21f:cb07::1:443", "fd.type": "ipv6"}, rule="Outbound", priority="Notice"),
    "connect to a unix socket": connect(fd__name="/run/app.sock", fd__type="unix", fd__l4proto="<NA>", fd__cip=None, fd__cport=None, fd__sip=None, fd__sport=None),
    "connect of Falco that failed": connect(fd__name="", fd__l4proto="<NA>", fd__cip=None, fd__cport=None, fd__sip=None, fd__sport=None, evt__res="ECONNREFUSED"),
    "alert of a rule": line({"evt.time": 1, "proc.name": "bash", "proc.tty": 34816, "container.id": "3ad7b26ded6d"}, rule="Terminal shell in container", priority="Warning", tags=["mitre_execution"]),
    "alert whose names begin others": line({"evt.time": 1, "evt.time.iso8601": 2, "proc.name": "bash", "container.id": "3ad7b26ded6d", "container.image": "app:v1", "container.image.repository": "app", "container.image.tag": "v1", "proc.pid": 7, "proc.pid.ts": 8, "k8s.pod.label[app.kubernetes.io/name]": "web", "fd.sip": "10.0.0.1", "fd.sip.name": None}, rule="Prefixes", priority="Notice"),
    "alert without tags and text": json.dumps({k: v for k, v in json.loads(line(EXEC)).items() if k not in ("output", "tags")}),
    "alert without output_fields": json.dumps({k: v for k, v in json.loads(line(EXEC)).items() if k != "output_fields"}),
    "start record": internal("Sensor internal: start", {"evt.time": 1, "boot_id": "5d5e0a1c-6f1a-4f43-8dd5-0c6f1c1f0b8e", "file_number": 1, "version": "0.1.0", "kernel": "6.18.5", "rules_digest": "sha256:" + "0" * 64, "configuration": "x" * 40000}),
    "drop record": internal("Falco internal: syscall event drop", {"ebpf_enabled": "1", "n_drops": "1", "n_evts": "1000"}, priority="Debug"),
    "metrics record": internal("Falco internal: metrics snapshot", {"evt.time": 1, "evt.hostname": "node-1", "evt.source": "syscall", "falco.cpu_usage_perc": 0, "falco.version": "0.1.0", "scap.n_evts": 5, "falco.memory_rss_mb": 12.5}),
    "metrics record with fractions": internal("Falco internal: metrics snapshot", {"evt.time": 2, "falco.cpu_usage_perc": 0.7, "scap.n_evts": 9, "falco.memory_rss_mb": 12}),
}


def recorded():
    """Lines of a real run, if a file was named."""
    path = os.environ.get("SENSOR_LINES")
    if not path:
        return {}
    with open(path, encoding="utf-8") as lines:
        return {f"{path}:{number}": text.rstrip("\n") for number, text in enumerate(lines, 1)}
