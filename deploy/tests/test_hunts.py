"""Hunts and agent inputs: well-formed, consistent with mappings, pipelines and manifests."""

import fnmatch
import json
import pathlib
import re
import unittest

import lines
import yaml
from ingest import Ingest
from mapping import flatten

ELASTIC = pathlib.Path(__file__).resolve().parent.parent / "elastic"
OBJECTS = [json.loads(text) for text in (ELASTIC / "kibana" / "hunts.ndjson").read_text().splitlines()]
SEARCHES = [item for item in OBJECTS if item["type"] == "search"]


def known_fields():
    """Every name that a document of some kind has."""
    ingest = Ingest(ELASTIC / "pipelines")
    names = set()
    for text in [*lines.KINDS.values(), "not a line"]:
        names |= {name for name, _ in flatten(ingest.run({"@timestamp": "2026-11-21T00:00:00Z", "message": text}, "falco"))}
    return names


class Hunts(unittest.TestCase):
    FIELDS = known_fields()

    def source(self, search):
        return json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])

    def test_ids_are_unique_and_references_lead_somewhere(self):
        ids = [item["id"] for item in OBJECTS]
        self.assertEqual(len(ids), len(set(ids)))
        for item in SEARCHES:
            for reference in item["references"]:
                self.assertIn(reference["id"], ids)
                self.assertEqual(self.source(item)["indexRefName"], reference["name"])

    def test_the_promised_hunts_are_there(self):
        titles = {item["attributes"]["title"] for item in SEARCHES}
        self.assertLessEqual({"Exec tree of a pod", "Shells in containers", "First-seen binaries", "Outbound by pod"}, titles)

    def test_every_field_of_a_query_is_one_that_documents_have(self):
        for item in SEARCHES:
            query = self.source(item)["query"]
            text = query.get("query") or query["esql"]
            text = re.sub(r'"[^"]*"', "", text)
            names = set(re.findall(r"(?<![\w@.-])(?:@timestamp|[a-z_]+(?:\.[a-z_]+)+)", text))
            with self.subTest(item["id"]):
                self.assertTrue(names)
                self.assertEqual(names - self.FIELDS, set())

    def test_every_column_is_a_field_or_is_computed(self):
        for item in SEARCHES:
            query = self.source(item)["query"]
            computed = set(re.findall(r"(\w+) = ", query.get("esql", "")))
            with self.subTest(item["id"]):
                self.assertEqual(set(item["attributes"]["columns"]) - self.FIELDS - computed, set())

    def test_esql_hunts_read_the_data_stream(self):
        for item in SEARCHES:
            if item["attributes"]["isTextBasedQuery"]:
                self.assertTrue(self.source(item)["query"]["esql"].startswith("FROM logs-falco-*\n| "))


class Agent(unittest.TestCase):
    STREAMS = {s["id"]: s for i in yaml.safe_load((ELASTIC / "agent" / "standalone.yml").read_text())["inputs"] for s in i["streams"]}
    POLICY = json.loads((ELASTIC / "agent" / "package-policy.json").read_text())

    def test_the_glob_takes_current_and_rotated_files_and_nothing_else(self):
        [path] = self.STREAMS["k8s-sensor-events"]["paths"]
        glob = path.rsplit("/", 1)[1]
        for name in ("falco-node-1.log", "falco-node-1.log.1", "falco-node-1.log.20261121T000000Z"):
            self.assertTrue(fnmatch.fnmatchcase(name, glob), name)
        for name in ("audit.log", "falco.log", "other.log"):
            self.assertFalse(fnmatch.fnmatchcase(name, glob), name)

    def test_files_are_known_by_their_first_1024_bytes(self):
        stream = self.STREAMS["k8s-sensor-events"]
        self.assertIs(stream["prospector.scanner.fingerprint.enabled"], True)
        self.assertEqual(stream["prospector.scanner.fingerprint.length"], 1024)

    def test_the_longest_line_is_not_cut(self):
        longest = max(len(text.encode()) for text in lines.KINDS.values())
        self.assertLess(longest, self.STREAMS["k8s-sensor-events"]["message_max_bytes"])

    def test_fleet_and_standalone_say_the_same(self):
        fleet = self.POLICY["inputs"]["filestream-filestream"]["streams"]["filestream.generic"]["vars"]
        alone = self.STREAMS["k8s-sensor-events"]
        self.assertEqual(fleet["paths"], alone["paths"])
        self.assertEqual(fleet["data_stream.dataset"], alone["data_stream"]["dataset"])
        self.assertEqual(fleet["fingerprint_length"], alone["prospector.scanner.fingerprint.length"])
        self.assertEqual(fleet["tags"], alone["tags"])

    def test_every_named_pipeline_is_shipped(self):
        for stream in self.STREAMS.values():
            if "pipeline" in stream:
                self.assertTrue((ELASTIC / "pipelines" / f"{stream['pipeline']}.json").exists())

    def test_the_dataset_is_the_one_that_the_template_matches(self):
        [pattern] = json.loads((ELASTIC / "index-template.json").read_text())["index_patterns"]
        self.assertTrue(fnmatch.fnmatchcase("logs-falco-default", pattern))


if __name__ == "__main__":
    unittest.main()
