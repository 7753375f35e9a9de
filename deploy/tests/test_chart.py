"""The chart, rendered by Helm's own engine (the version is printed by `helm_sdk_version`)."""

import base64
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import helm_python as helm
import yaml
from cluster import CHART, DEPLOY, KUBERNETES, VERSIONS, container, has_app_armor_field, invalid, kustomize, one, quiet, volumes

HERE = DEPLOY / "tests"
USERS = yaml.safe_load((HERE / "users-values.yaml").read_text())


def render(values):
    """Rendered templates by path."""
    with quiet(), helm.Chart.load(str(CHART)) as chart:
        return chart.render(values, name="sensor", namespace="sensor")


def objects(values):
    """Rendered objects, without the NOTES."""
    found = []
    for path, text in sorted(render(values).items()):
        if not path.endswith(".txt"):
            found += [item for item in yaml.safe_load_all(text) if item]
    return found


def notes(values):
    return render(values)["sensor/templates/NOTES.txt"]


def daemonset(values, version):
    """The DaemonSet that a cluster of that version gets. The engine renders for its own newest version; its lint
    takes one and returns errors alone, so the DaemonSet is the name of a template that an error says is missing."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(CHART, pathlib.Path(folder) / "sensor")
        (copy / "templates" / "zz.yaml").write_text('{{ include (include (print .Template.BasePath "/daemonset.yaml") . | b64enc | printf "<%s>") . }}')
        with quiet():
            messages = str(helm.lint(str(copy), values=values, kube_version=f"v{version}.0"))
    encoded = re.search(r"<([A-Za-z0-9+/=]+)>", messages)
    return yaml.safe_load(base64.b64decode(encoded[1]))


def config(items):
    return yaml.safe_load(one(items, "ConfigMap", "sensor-config")["data"]["sensor.yaml"])


class Chart(unittest.TestCase):
    def test_lint_has_no_error_and_no_warning(self):
        with quiet():
            found = helm.lint(str(CHART))
        self.assertEqual(found["errors"], [])
        self.assertEqual([m for m in found["messages"] if m["severity"] > 1], [])

    def test_every_rendering_fits_the_openapi_schemas(self):
        cases = {"defaults": {}, "user's": USERS,
                 "without": {"metrics": {"service": {"create": False}}, "rbac": {"create": False}, "serviceAccount": {"create": False}, "falco": {"webserver": {"enabled": False}}}}
        for name, values in cases.items():
            for item in objects(values):
                for version in VERSIONS:
                    with self.subTest(f"{name} {version}"):
                        self.assertIsNone(invalid(item, version))

    def test_capabilities_alone_are_possible_on_every_promised_kubernetes(self):
        values = {"driver": {"modernEbpf": {"leastPrivileged": True, "legacyMemlock": True}}}
        for version in VERSIONS:
            with self.subTest(version):
                item = daemonset(values, version)
                self.assertIsNone(invalid(item, version))
                template = item["spec"]["template"]
                self.assertEqual("container.apparmor.security.beta.kubernetes.io/sensor" in template["metadata"]["annotations"], not has_app_armor_field(version))
                self.assertEqual("appArmorProfile" in template["spec"]["containers"][0]["securityContext"], has_app_armor_field(version))

    def test_the_user_s_values_render_to_the_golden_file(self):
        golden = HERE / "golden" / "users-values.yaml"
        text = yaml.safe_dump_all(objects(USERS), sort_keys=True, width=1000)
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(text)
        self.assertEqual(text, golden.read_text(), "UPDATE_GOLDEN=1 writes the file anew")

    def test_the_user_s_values_do_what_they_did_for_falco(self):
        items = objects(USERS)
        self.assertEqual(volumes(items)["containerd"]["hostPath"]["path"], "/var/snap/microk8s/common/run")
        self.assertEqual(config(items)["sensor"]["containerd"]["sockets"], ["/var/snap/microk8s/common/run/containerd.sock"])
        self.assertIn("nfs", volumes(items)["falco-logs"])
        self.assertNotIn("logs", volumes(items))
        self.assertIs(config(items)["json_output"], True)
        rules = yaml.safe_load(one(items, "ConfigMap", "sensor-custom-rules")["data"]["custom-rules.yaml"])
        self.assertEqual(rules[0]["rule"], "Log Execve Syscalls for Elasticsearch")

    def test_what_does_not_apply_is_accepted_with_a_warning(self):
        self.assertIn("falcoctl: rules and plugins are not downloaded", notes(USERS))
        self.assertIn("json_output: taken, but it belongs under falco", notes(USERS))
        more = {"falcosidekick": {"enabled": True}, "driver": {"kind": "modern_ebpf"}, "collectors": {"docker": {"enabled": False}}, "tty": True,
                "falco": {"plugins": [{"name": "k8saudit"}]}, "controller": {"kind": "deployment"}}
        for wanted in ("falcosidekick:", "driver.kind:", "collectors.docker:", "tty:", "falco.plugins:", "controller.kind:"):
            self.assertIn(wanted, notes(more))

    def test_the_default_warns_of_nothing(self):
        self.assertNotIn("WARNING", notes({}))

    def test_a_misspelt_key_is_refused(self):
        for values in ({"falcoctll": {}}, {"mounts": {"volume": []}}, {"customRules": {"a.yaml": 5}}, {"driver": {"modernEbpf": {"bufSizePreset": 11}}}, {"collectors": {"containerd": {"socket": ""}}}):
            with self.subTest(str(values)), self.assertRaises(helm.HelmValuesError):
                render(values)

    def test_falco_keys_become_configuration(self):
        values = {"falco": {"priority": "warning", "http_output": {"enabled": True, "url": "http://sidekick:2801"}}, "driver": {"modernEbpf": {"bufSizePreset": 6}},
                  "sensor": {"hold": {"max_time": "1s"}}}
        made = config(objects(values))
        self.assertEqual(made["priority"], "warning")
        self.assertEqual(made["http_output"]["url"], "http://sidekick:2801")
        self.assertEqual(made["engine"]["modern_ebpf"]["buf_size_preset"], 6)
        self.assertEqual(made["sensor"]["hold"], {"max_time": "1s"})
        self.assertEqual(made["sensor"]["containerd"]["sockets"], ["/run/containerd/containerd.sock"])

    def test_custom_rules_load_whatever_list_of_rules_files_is_given(self):
        shipped, own = "/etc/sensor/rules.d", "/etc/sensor/custom.d"
        falco = ["/etc/falco/falco_rules.yaml", "/etc/falco/falco_rules.local.yaml", "/etc/falco/rules.d"]
        for given, wanted in ((falco, [*falco, shipped, own]), ([], [shipped, own]), ([shipped], [shipped, own]), ([own], [own]), ([shipped, own], [shipped, own])):
            with self.subTest(str(given)):
                self.assertEqual(config(objects({"falco": {"rules_files": given}}))["rules_files"], wanted)

    def test_without_a_web_server_nothing_asks_it(self):
        items = objects({"falco": {"webserver": {"enabled": False}}})
        self.assertFalse([key for key in container(items) if key.endswith("Probe") or key == "ports"])
        self.assertEqual({i["kind"] for i in items}, {"ConfigMap", "DaemonSet", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"})
        self.assertNotIn("prometheus", str(one(items, "DaemonSet")))

    def test_a_web_server_with_tls_is_asked_by_https(self):
        items = objects({"falco": {"webserver": {"ssl_enabled": True, "listen_port": 9000}}})
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(container(items)[probe]["httpGet"]["scheme"], "HTTPS")
        self.assertEqual(one(items, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/scheme"], "https")
        args = one(items, "Pod")["spec"]["containers"][0]["args"]
        self.assertIn("--no-check-certificate", args)
        self.assertEqual(args[-1], "https://sensor.sensor.svc:9000/readyz")

    def test_the_newer_list_of_sockets_is_understood(self):
        values = {"collectors": {"containerEngine": {"engines": {"containerd": {"sockets": ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"]}}}}}
        items = objects(values)
        self.assertEqual(config(items)["sensor"]["containerd"]["sockets"], ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"])
        self.assertIn("containerd-1", volumes(items))

    def test_least_privilege_is_the_overlay_s(self):
        values = {"driver": {"modernEbpf": {"leastPrivileged": True}}}
        overlay = kustomize(KUBERNETES / "overlays" / "least-privilege")
        self.assertEqual(container(objects(values))["securityContext"], container(overlay)["securityContext"])


class OneDeployment(unittest.TestCase):
    """Chart and kustomize base are two ways to the same pod."""

    BASE = kustomize(KUBERNETES / "base")
    CHART = objects({})

    def test_the_pods_are_the_same(self):
        left, right = ({**one(items, "DaemonSet")["spec"]["template"]["spec"]} for items in (self.BASE, self.CHART))
        self.assertEqual(left, right)

    def test_configuration_and_rules_are_the_same(self):
        base = yaml.safe_load(one(self.BASE, "ConfigMap", "sensor-config")["data"]["sensor.yaml"])
        self.assertEqual(base, config(self.CHART))
        for items in (self.BASE, self.CHART):
            rules = one(items, "ConfigMap", "sensor-rules")["data"]
            self.assertEqual([yaml.safe_load(text) for text in rules.values()],
                             [yaml.safe_load(path.read_text()) for path in sorted((KUBERNETES / "base" / "rules").glob("*.yaml"))])

    def test_rights_and_update_strategy_are_the_same(self):
        self.assertEqual(one(self.BASE, "ClusterRole")["rules"], one(self.CHART, "ClusterRole")["rules"])
        left, right = (one(items, "DaemonSet")["spec"]["updateStrategy"] for items in (self.BASE, self.CHART))
        self.assertEqual(left, right)


if __name__ == "__main__":
    unittest.main()
