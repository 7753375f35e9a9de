"""The ingest pipelines, over a line of every kind, against the index template."""

import base64
import json
import pathlib
import unittest

import lines
from ingest import Ingest, community_id
from mapping import Index, flatten

ELASTIC = pathlib.Path(__file__).resolve().parent.parent / "elastic"
ALL = lines.KINDS | lines.recorded()
AGENT = {
    "@timestamp": "2026-11-21T04:00:00.000Z", "event": {"dataset": "falco"}, "tags": ["kubernetes"],
    "data_stream": {"type": "logs", "dataset": "falco", "namespace": "default"},
    "input": {"type": "filestream"}, "agent": {"name": "control-plane"}, "ecs": {"version": "8.0.0"},
    "log": {"offset": 4096, "file": {"path": "/mnt/nfs/falco/logs/falco-node-1.log", "fingerprint": "ab" * 32}},
    "host": {"name": "control-plane", "hostname": "control-plane", "ip": ["192.0.2.1"], "os": {"type": "linux"}},
}


def run(text, pipeline="falco", **agent):
    return Ingest(ELASTIC / "pipelines").run(AGENT | agent | {"message": text}, pipeline)


def ecs(kind, pipeline="falco"):
    return dict(flatten_lists(run(ALL[kind], pipeline)))


def flatten_lists(document):
    """As flatten, with the elements of one name in a list again."""
    out = {}
    for name, value in flatten(document):
        out.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in out.items()}


COMMON = {"@timestamp", "message", "event.kind", "event.category", "event.type", "event.action", "event.module",
          "event.provider", "event.severity", "event.ingested", "event.created", "log.level", "rule.name", "host.name",
          "host.hostname", "related.hosts", "falco.time", "_id"}
PROCESS = {"process.pid", "process.name", "process.executable", "process.command_line", "process.parent.pid",
           "process.parent.name", "user.id", "user.name", "group.id", "related.user"}
POD = {"container.id", "container.name", "container.image.name", "container.image.tag",
       "container.security_context.privileged", "orchestrator.type", "orchestrator.namespace",
       "orchestrator.resource.type", "orchestrator.resource.name", "orchestrator.resource.id",
       "orchestrator.resource.label", "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.pod.uid",
       "kubernetes.container.name", "kubernetes.node.name"}
EXEC = COMMON | PROCESS | POD | {"process.working_directory", "process.args", "process.grandparent.name"}
FLOW = {"source.ip", "source.port", "destination.ip", "destination.port", "network.type", "network.transport",
        "network.community_id", "related.ip", "source.address", "destination.address"}
WANTED = {
    "exec": EXEC | {"event.outcome", "event.sequence", "process.interactive", "process.parent.executable",
                    "process.parent.command_line", "process.session_leader.name", "container.runtime",
                    "process.entity_id", "process.parent.entity_id"},
    "exec of the user's rule, nothing appended": EXEC,
    "connect": COMMON | PROCESS | POD | FLOW | {"event.outcome"},
    "connect of the shipped rule": COMMON | PROCESS | POD | FLOW | {"event.outcome"},
    "connect over IPv6": COMMON | PROCESS | POD | FLOW,
    "connect over UDP": COMMON | PROCESS | POD | FLOW,
    "connect with fd.name alone": COMMON | PROCESS | POD | FLOW,
    "connect over IPv6 with fd.name alone": COMMON | PROCESS | POD | FLOW,
    "exec on the host": COMMON | PROCESS,
    "exec before the metadata came": COMMON | PROCESS | {"container.id"},
    "start record": COMMON, "drop record": COMMON, "metrics record": COMMON,
}


class Ecs(unittest.TestCase):
    def test_no_line_fails_in_the_pipeline(self):
        for kind, text in ALL.items():
            with self.subTest(kind):
                document = run(text)
                self.assertNotEqual(document["event"]["kind"], "pipeline_error", document.get("error"))

    def test_no_field_is_missing_in_any_kind_of_event(self):
        for kind, wanted in WANTED.items():
            with self.subTest(kind):
                self.assertEqual(wanted - set(ecs(kind)), set())

    def test_the_index_takes_every_document_and_no_two_disagree_on_a_type(self):
        for order in (list(ALL.items()), list(ALL.items())[::-1]):
            index = Index(ELASTIC)
            for kind, text in order:
                with self.subTest(kind):
                    self.assertEqual(index.index(run(text)), [])

    def test_names_that_begin_other_names_need_flat_mappings(self):
        self.assertIs(Index(ELASTIC).subobjects, False)

    def test_without_the_template_256_kib_of_argv_would_be_refused(self):
        index = Index(ELASTIC)
        index.properties = dict(index.properties) | {"process.command_line": {"type": "keyword"}}
        self.assertIn("immense term", index.index(run(ALL["exec with 256 KiB of argv"]))[0])

    def test_a_command_line_of_256_kib_arrives_whole(self):
        document = ecs("exec with 256 KiB of argv")
        self.assertGreater(len(document["process.command_line"]), 262000)

    def test_the_time_is_the_event_s_and_keeps_its_nanoseconds(self):
        document = ecs("exec")
        self.assertEqual(document["@timestamp"], "2026-11-21T03:55:38.582871057Z")
        self.assertEqual(document["falco.time"], "2026-11-21T03:55:38.582871057Z")
        self.assertEqual(document["event.created"], AGENT["@timestamp"])

    def test_the_host_is_the_node_not_the_reader_of_the_share(self):
        document = ecs("exec")
        self.assertEqual(document["host.name"], "node-1")
        self.assertNotIn("host.ip", document)

    def test_a_line_read_twice_has_one_id_and_two_lines_have_two(self):
        ids = [run(text)["_id"] for text in (ALL["exec"], ALL["exec"], ALL["connect"])]
        self.assertEqual(ids[0], ids[1])
        self.assertNotEqual(ids[0], ids[2])
        self.assertEqual(len(base64.b64decode(ids[0])), 32)

    def test_an_exec_has_its_values(self):
        document = ecs("exec")
        self.assertEqual(document["event.category"], "process")
        self.assertEqual(document["event.type"], "start")
        self.assertEqual(document["event.outcome"], "success")
        self.assertEqual(document["process.args"], ["sh", "-c", "id", "-u"])
        self.assertEqual(document["process.parent.name"], "nginx")
        self.assertEqual(document["process.grandparent.name"], "containerd-shim")
        self.assertIs(document["process.interactive"], True)
        self.assertEqual(document["user.id"], "0")
        self.assertEqual(len(document["container.id"]), 64)
        self.assertEqual(document["orchestrator.resource.label"], ["app:web", "empty", "tier:back end"])
        self.assertEqual(document["tags"], ["kubernetes", "elasticsearch", "execve", "system_call"])
        self.assertEqual(document["event.severity"], 7)
        self.assertEqual(document["event.kind"], "event")

    def test_no_terminal_is_not_interactive(self):
        self.assertIs(ecs("exec without a terminal")["process.interactive"], False)

    def test_failures_say_so(self):
        self.assertEqual(ecs("failed exec")["event.outcome"], "failure")
        self.assertEqual(ecs("failed exec")["error.code"], "ENOENT")
        self.assertEqual(ecs("refused connect")["event.outcome"], "failure")
        self.assertEqual(ecs("connect under way")["event.outcome"], "unknown")

    def test_the_host_is_no_container(self):
        self.assertFalse([name for name in ecs("exec on the host") if name.startswith(("container.", "orchestrator."))])

    def test_unset_names_stay_away(self):
        document = ecs("exec of an orphan, unknown user")
        self.assertNotIn("user.name", document)
        self.assertNotIn("process.parent.name", document)
        self.assertNotIn("process.login_user.id", document)

    def test_flows_are_found_in_the_fields_and_in_the_name(self):
        for kind in ("connect", "connect of the shipped rule", "connect with fd.name alone"):
            document = ecs(kind)
            self.assertEqual((document["source.ip"], document["source.port"]), ("10.1.2.3", 51130))
            self.assertEqual((document["destination.ip"], document["destination.port"]), ("93.184.215.14", 443))
        for kind in ("connect over IPv6", "connect over IPv6 with fd.name alone"):
            document = ecs(kind)
            self.assertEqual(document["source.ip"], "fd00::1")
            self.assertEqual((document["destination.ip"], document["destination.port"]), ("2606:2800:21f:cb07::1", 443))

    def test_the_community_id_is_zeek_s(self):
        # The example of the Community ID specification.
        self.assertEqual(community_id("128.232.110.120", 34855, "66.35.250.204", 80, "tcp"), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
        self.assertEqual(ecs("connect")["network.community_id"], "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
        self.assertEqual(ecs("connect with fd.name alone")["network.community_id"], community_id("10.1.2.3", 51130, "93.184.215.14", 443, "tcp"))
        self.assertNotIn("network.community_id", ecs("exec"))

    def test_an_argv_list_keeps_arguments_with_blanks_whole(self):
        self.assertEqual(ecs("exec with argv as a list")["process.args"], ["sh", "-c", "id -u"])

    def test_rules_of_others_are_alerts_and_keep_their_own_fields(self):
        document = ecs("alert whose names begin others")
        self.assertEqual(document["event.kind"], "alert")
        self.assertEqual(document["falco.output_fields.container.image"], "app:v1")
        self.assertEqual(document["falco.output_fields.evt.time.iso8601"], 2)
        self.assertEqual(document["falco.output_fields.k8s.pod.label[app.kubernetes.io/name]"], "web")
        self.assertEqual(document["container.image.name"], "app")

    def test_what_is_not_a_line_of_the_sensor_is_kept_with_the_reason(self):
        for text in ("", "not json", "5", "[]", "null", '{"output_fields":{"evt.time":1}}{', '{"a":1,"a":2}', '{"output_fields":"x","hostname":"h"}'):
            with self.subTest(text):
                document = run(text)
                self.assertEqual(document["event"]["kind"], "pipeline_error")
                self.assertEqual(document["message"] if text else "", text)
                self.assertTrue(document["error"]["message"][0])
                self.assertEqual(Index(ELASTIC).index(document), [])

    def test_the_line_itself_is_kept_only_on_demand(self):
        self.assertNotIn("original", run(ALL["exec"])["event"])
        document = run(ALL["exec"], tags=["preserve_original_event"])
        self.assertEqual(document["event"]["original"], ALL["exec"])

    def test_the_agent_may_send_nothing_but_the_message(self):
        document = Ingest(ELASTIC / "pipelines").run({"message": ALL["exec"]}, "falco")
        self.assertEqual(document["event"]["kind"], "event")


class TwoBranches(unittest.TestCase):
    """The pipeline of the notes, mended."""

    def test_no_line_fails_and_the_index_takes_every_document(self):
        index = Index(ELASTIC)
        for kind, text in ALL.items():
            with self.subTest(kind):
                document = run(text, "falco-two-branches")
                self.assertNotEqual(document["event"].get("kind"), "pipeline_error", document.get("error"))
                self.assertEqual(index.index(document), [])

    def test_the_syscall_branch_has_every_field_of_the_notes(self):
        document = ecs("exec of the user's rule, nothing appended", "falco-two-branches")
        wanted = {"process.name", "process.executable", "process.command_line", "process.args", "process.pid",
                  "process.working_directory", "process.parent.pid", "process.parent.name", "process.grandparent.name",
                  "user.id", "user.name", "container.image.tag", "container.image.repository",
                  "container.security_context.privileged", "container.name", "container.id", "orchestrator.namespace",
                  "orchestrator.resource.name", "orchestrator.resource.label", "orchestrator.resource.id",
                  "orchestrator.type", "event.reason", "event.type", "group.id", "message"}
        self.assertEqual(wanted - set(document), set())

    def test_the_grandparent_is_the_second_ancestor(self):
        document = ecs("exec", "falco-two-branches")
        self.assertEqual(document["process.parent.name"], "nginx")
        self.assertEqual(document["process.grandparent.name"], "containerd-shim")

    def test_ipv6_addresses_are_found(self):
        document = ecs("connect over IPv6 with fd.name alone", "falco-two-branches")
        self.assertEqual((document["source.ip"], document["destination.ip"]), ("fd00::1", "2606:2800:21f:cb07::1"))

    def test_missing_keys_and_missing_tags_do_no_harm(self):
        document = Ingest(ELASTIC / "pipelines").run({"message": ALL["alert of a rule"]}, "falco-two-branches")
        self.assertEqual(document["tags"], ["mitre_execution"])
        self.assertEqual(document["process"]["name"], "bash")


class Audit(unittest.TestCase):
    LINE = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "b8c9", "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/pods/web-1/exec?command=sh", "verb": "create",
        "user": {"username": "system:serviceaccount:shop:web", "uid": "u-1", "groups": ["system:authenticated"],
                 "extra": {"authentication.kubernetes.io/pod-name": ["web-0"], "authentication.kubernetes.io/pod-uid": ["p-0"]}},
        "sourceIPs": ["10.1.2.3"], "userAgent": "kubectl/v1.32",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web-1", "apiVersion": "v1", "subresource": "exec"},
        "responseStatus": {"code": 101}, "requestReceivedTimestamp": "2026-11-21T03:00:00.000000Z",
        "stageTimestamp": "2026-11-21T03:00:00.100000Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC"}}

    def test_who_did_what_to_which_object(self):
        document = flatten_lists(run(json.dumps(self.LINE), "k8s-audit"))
        self.assertNotEqual(document["event.kind"], "pipeline_error")
        expected = {"user.name": "system:serviceaccount:shop:web", "event.action": "create", "event.outcome": "success",
                    "source.ip": "10.1.2.3", "orchestrator.resource.name": "web-1", "kubernetes.pod.name": "web-1",
                    "kubernetes.audit.subresource": "exec", "kubernetes.audit.decision": "allow", "event.reason": "RBAC",
                    "kubernetes.audit.client_pod.name": "web-0", "@timestamp": "2026-11-21T03:00:00.100000Z"}
        self.assertEqual(expected, {key: document.get(key) for key in expected})

    def test_a_request_for_no_object_by_nobody(self):
        document = run(json.dumps({"auditID": "a", "stage": "ResponseComplete", "verb": "get", "requestURI": "/metrics"}), "k8s-audit")
        self.assertEqual(document["event"]["kind"], "event")


if __name__ == "__main__":
    unittest.main()
