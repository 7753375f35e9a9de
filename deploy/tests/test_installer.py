"""`install` and `simulate`, against a server that keeps what it is sent."""

import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import lines

ELASTIC = pathlib.Path(__file__).resolve().parent.parent / "elastic"


class Server:
    """A stand-in for Elasticsearch and Kibana on a free port of the loopback."""

    def __init__(self, version="8.14.3", answers=None):
        self.requests, server = [], self
        answers = answers or {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                size = int(self.headers.get("Content-Length") or 0)
                server.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
                body, code = json.dumps({"acknowledged": True}), 200
                if self.path == "/":
                    body = json.dumps({"version": {"number": version}}, indent=2)
                for part, answer in answers.items():
                    if part in self.path:
                        code, body = answer
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_PUT = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def paths(self):
        return [(method, path) for method, path, _, _ in self.requests]

    def body(self, path):
        return next(json.loads(body) for _, p, _, body in self.requests if p == path)


def script(name, *arguments, **environment):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ES_") and "proxy" not in key.lower()}
    return subprocess.run([str(ELASTIC / name), *arguments], capture_output=True, text=True, check=False, env=clean | environment, timeout=60)


class Install(unittest.TestCase):
    def test_everything_is_installed_what_is_used_before_what_uses_it(self):
        with Server() as server:
            done = script("install", "--elasticsearch", server.url, "--kibana", server.url)
            self.assertEqual(done.returncode, 0, done.stderr)
            paths = [path for _, path in server.paths()]
        wanted = [f"/_component_template/{p.stem}" for p in (ELASTIC / "component-templates").glob("*.json")]
        wanted += [f"/_ingest/pipeline/{p.stem}" for p in (ELASTIC / "pipelines").glob("*.json")]
        self.assertLessEqual(set(wanted) | {"/_index_template/logs-falco-sensor"}, set(paths))
        self.assertEqual(paths[-2], "/_index_template/logs-falco-sensor")
        self.assertEqual(paths[-3], "/_ingest/pipeline/falco")
        self.assertTrue(paths[-1].startswith("/api/saved_objects/_import"))

    def test_what_is_sent_is_what_lies_in_the_files(self):
        with Server() as server:
            script("install", "--elasticsearch", server.url)
            for file in (ELASTIC / "pipelines").glob("*.json"):
                self.assertEqual(server.body(f"/_ingest/pipeline/{file.stem}"), json.loads(file.read_text()))
            self.assertEqual(server.body("/_index_template/logs-falco-sensor"), json.loads((ELASTIC / "index-template.json").read_text()))

    def test_the_entry_pipeline_calls_the_chosen_one(self):
        with Server() as server:
            script("install", "--elasticsearch", server.url, "--pipeline", "falco-two-branches")
            self.assertEqual(server.body("/_ingest/pipeline/falco")["processors"], [{"pipeline": {"name": "falco-two-branches"}}])

    def test_credentials_go_in_the_header_and_not_on_the_command_line(self):
        with Server() as server:
            script("install", "--elasticsearch", server.url, ES_API_KEY="abc==")
            self.assertEqual({headers.get("Authorization") for _, _, headers, _ in server.requests}, {"ApiKey abc=="})

    def test_a_refusal_stops_it_with_the_reason(self):
        for answer, wanted in (((403, "{}"), "manage_pipeline"), ((400, '{"error":"broken"}'), "broken")):
            with self.subTest(answer), Server(answers={"/_ingest/pipeline/falco-ecs": answer}) as server:
                done = script("install", "--elasticsearch", server.url)
                self.assertEqual(done.returncode, 1)
                self.assertIn(wanted, done.stderr)
                self.assertNotIn("/_index_template/logs-falco-sensor", [p for _, p in server.paths()])

    def test_an_old_elasticsearch_is_refused_before_anything_is_written(self):
        for version, code in (("7.17.9", 1), ("8.9.2", 1), ("8.10.0", 0), ("9.1.0", 0)):
            with self.subTest(version), Server(version) as server:
                self.assertEqual(script("install", "--elasticsearch", server.url).returncode, code)
                self.assertEqual(len(server.requests) > 1, code == 0)

    def test_nobody_there_is_said(self):
        done = script("install", "--elasticsearch", "http://127.0.0.1:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no answer", done.stderr)

    def test_wrong_options_are_named(self):
        for arguments in (["--elastic", "x"], [], ["--elasticsearch", "http://127.0.0.1:1", "--pipeline", "none"]):
            done = script("install", *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.startswith("install: "))


class Simulate(unittest.TestCase):
    def simulate(self, answer):
        with tempfile.TemporaryDirectory() as folder, Server(answers={"_simulate": answer}) as server:
            file = pathlib.Path(folder) / "falco-node-1.log"
            file.write_text("\n".join(lines.KINDS.values()) + "\n")
            done = script("simulate", "--elasticsearch", server.url, "--lines", "1000", str(file))
            bodies = [json.loads(body) for _, _, _, body in server.requests]
        return done, bodies

    def test_lines_arrive_as_they_are(self):
        done, [body] = self.simulate((200, '{"docs":[]}'))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([doc["_source"]["message"] for doc in body["docs"]], list(lines.KINDS.values()))

    def test_a_line_that_was_not_understood_is_a_failure(self):
        done, _ = self.simulate((200, '{"docs":[{"doc":{"_source":{"event":{"kind":"pipeline_error"}}}}]}'))
        self.assertEqual(done.returncode, 1)

    def test_a_missing_pipeline_is_said(self):
        done, _ = self.simulate((404, '{"error":"missing"}'))
        self.assertEqual(done.returncode, 1)
        self.assertIn("has install been run", done.stderr)


if __name__ == "__main__":
    unittest.main()
