"""The kustomize overlays: valid, complete, and what they promise."""

import contextlib
import pathlib
import shutil
import tempfile
import textwrap
import unittest

import yaml
from cluster import CHART, DEPLOY, KUBERNETES, VERSIONS, container, has_app_armor_field, invalid, kustomize, one, volumes

OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
BUILT = {name: kustomize(KUBERNETES / "overlays" / name) for name in OVERLAYS}
NEED_APP_ARMOR = [name for name, items in BUILT.items() if "appArmorProfile" in container(items)["securityContext"]]


@contextlib.contextmanager
def overlay_of_one_s_own(name, more):
    """A directory that makes an overlay and adds to it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "kubernetes"
        shutil.copytree(KUBERNETES, copy)
        mine = copy / "overlays" / "mine"
        mine.mkdir()
        (mine / "kustomization.yaml").write_text(
            f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../{name}]\n{more}\n")
        yield mine


class Manifests(unittest.TestCase):
    def test_there_is_an_overlay_for_each_promised_platform(self):
        self.assertLessEqual({"microk8s", "k3s", "nfs", "privileged", "least-privilege"}, set(OVERLAYS))

    def test_every_overlay_fits_the_openapi_schemas(self):
        for name, items in BUILT.items():
            for item in items:
                for version in VERSIONS:
                    if name in NEED_APP_ARMOR and not has_app_armor_field(version):
                        continue  # the next test
                    with self.subTest(f"{name} {version}"):
                        self.assertIsNone(invalid(item, version))

    def test_capabilities_alone_are_possible_on_every_promised_kubernetes(self):
        for name in NEED_APP_ARMOR:
            with overlay_of_one_s_own(name, "components: [../../components/kubernetes-1.29]") as mine:
                items = kustomize(mine)
            daemonset = one(items, "DaemonSet")
            annotations = daemonset["spec"]["template"]["metadata"]["annotations"]
            self.assertEqual(annotations["container.apparmor.security.beta.kubernetes.io/sensor"], "unconfined")
            for version in VERSIONS:
                with self.subTest(f"{name} {version}"):
                    self.assertEqual([invalid(item, version) for item in items], [None] * len(items))

    def test_the_oldest_promised_kubernetes_is_the_oldest_that_is_checked(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        self.assertEqual(chart["kubeVersion"], f">={VERSIONS[0]}.0-0")
        self.assertIn(f"| Kubernetes | {VERSIONS[0]} and later", (DEPLOY / "README.md").read_text())

    def test_the_readme_names_every_component(self):
        readme = (DEPLOY / "README.md").read_text()
        for component in (KUBERNETES / "components").iterdir():
            self.assertIn(f"`{component.name}`", readme)

    def test_the_checker_would_see_a_misspelt_field(self):
        item = one(kustomize(KUBERNETES / "base"), "DaemonSet")
        item["spec"]["template"]["spec"]["hostPid"] = True
        self.assertIn("hostPid", invalid(item, "1.37"))

    def test_everything_namespaced_is_in_one_namespace_that_allows_the_pods(self):
        for name, items in BUILT.items():
            with self.subTest(name):
                labels = one(items, "Namespace")["metadata"]["labels"]
                self.assertEqual(labels["pod-security.kubernetes.io/enforce"], "privileged")
                for item in items:
                    if not item["kind"].startswith(("Cluster", "Namespace")):
                        self.assertEqual(item["metadata"]["namespace"], "sensor", item["kind"])

    def test_the_api_server_is_asked_for_pods_alone(self):
        rules = one(BUILT["privileged"], "ClusterRole")["rules"]
        self.assertEqual(rules, [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}])

    def test_every_mount_has_its_volume_and_every_volume_its_mount(self):
        for name, items in BUILT.items():
            with self.subTest(name):
                mounts = [m["name"] for m in container(items)["volumeMounts"]]
                self.assertEqual(sorted(mounts), sorted(volumes(items)))

    def test_no_mount_needs_a_shared_root_of_the_node(self):
        for item in kustomize(KUBERNETES / "base"):
            self.assertNotIn("mountPropagation", str(item))

    def test_the_state_of_a_run_and_the_reason_of_a_crash_outlive_the_pod(self):
        made = kustomize(KUBERNETES / "base")
        self.assertEqual(volumes(made)["state"]["hostPath"], {"path": "/var/lib/sensor", "type": "DirectoryOrCreate"})
        self.assertIn({"name": "state", "mountPath": "/var/lib/sensor"}, container(made)["volumeMounts"])
        self.assertEqual(container(made)["terminationMessagePolicy"], "FallbackToLogsOnError")

    def test_the_socket_s_directory_is_mounted_where_each_distribution_has_it(self):
        expected = {"microk8s": "/var/snap/microk8s/common/run", "k3s": "/run/k3s/containerd", "privileged": "/run/containerd"}
        for name, path in expected.items():
            self.assertEqual(volumes(BUILT[name])["containerd"]["hostPath"], {"path": path, "type": "Directory"})

    def test_the_configured_socket_lies_in_the_mounted_directory(self):
        for name, items in BUILT.items():
            with self.subTest(name):
                config = yaml.safe_load(one(items, "ConfigMap", "sensor-config")["data"]["sensor.yaml"])
                mounts = {m["name"]: m["mountPath"] for m in container(items)["volumeMounts"]}
                [socket] = config["sensor"]["containerd"]["sockets"]
                root = {e["name"]: e.get("value") for e in container(items)["env"]}["HOST_ROOT"]
                self.assertEqual(root + socket.rsplit("/", 1)[0], mounts["containerd"])
                self.assertEqual(root + "/etc", mounts["etc"])
                self.assertTrue(config["file_output"]["filename"].startswith(mounts["logs"] + "/"))
                self.assertIn("{node}", config["file_output"]["filename"])
                self.assertEqual(config["rules_files"], [mounts["rules"], mounts["custom-rules"]])

    def test_nfs_takes_the_place_of_the_host_s_directory(self):
        logs = volumes(BUILT["nfs"])["logs"]
        self.assertEqual(set(logs), {"name", "nfs"})

    def test_least_privilege_is_four_capabilities_and_a_read_only_root(self):
        context = container(BUILT["least-privilege"])["securityContext"]
        self.assertEqual(context["capabilities"], {"drop": ["ALL"], "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]})
        self.assertIs(context["privileged"], False)
        self.assertIs(context["allowPrivilegeEscalation"], False)
        self.assertIs(context["readOnlyRootFilesystem"], True)

    def test_components_combine(self):
        items = BUILT["microk8s-nfs"]
        self.assertIn("nfs", volumes(items)["logs"])
        self.assertIn("microk8s", volumes(items)["containerd"]["hostPath"]["path"])
        self.assertIs(container(items)["securityContext"]["privileged"], False)

    def test_the_overlay_of_one_s_own_in_the_readme_builds(self):
        readme = (DEPLOY / "README.md").read_text()
        block = readme[readme.index("    patches:\n"):].split("\n\n", 1)[0]
        with overlay_of_one_s_own("microk8s-nfs", textwrap.dedent(block)) as mine:
            logs = volumes(kustomize(mine))["logs"]
        self.assertEqual(logs, {"name": "logs", "nfs": {"server": "nas.example.org", "path": "/export/falco/logs"}})

    def test_probes_and_node_name_are_those_of_the_contract(self):
        spec = container(BUILT["privileged"])
        self.assertEqual(spec["livenessProbe"]["httpGet"], {"path": "/healthz", "port": "http"})
        self.assertEqual(spec["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "http"})
        self.assertEqual([p["containerPort"] for p in spec["ports"]], [8765])
        self.assertEqual(spec["env"][:1], [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}])

    def test_rules_in_the_configmap_are_the_project_s_own(self):
        for path in (KUBERNETES / "base" / "rules").glob("*.yaml"):
            own = DEPLOY / "rules" / path.name
            if own.exists():
                self.assertEqual(path.read_text(), own.read_text(), f"{path.name} differs from deploy/rules")

    def test_the_zeek_sidecar_joins_only_what_is_labelled(self):
        items = kustomize(KUBERNETES / "zeek" / "example")
        names = {i["metadata"]["name"]: [c["name"] for c in i["spec"]["template"]["spec"]["containers"]] for i in items}
        self.assertEqual(sorted(names["build-code-deployment"]), ["build-code", "zeek-sidecar"])
        self.assertEqual(names["without-sidecar"], ["main"])
        for item in items:
            self.assertIsNone(invalid(item, VERSIONS[-1]))
        sidecar = next(c for c in items[0]["spec"]["template"]["spec"]["containers"] if c["name"] == "zeek-sidecar")
        self.assertIn("community-id-logging", sidecar["args"][0])


class AuditPolicy(unittest.TestCase):
    """The OpenAPI schemas do not hold audit.k8s.io: its shape is checked by hand."""

    POLICY = yaml.safe_load((KUBERNETES / "audit" / "audit-policy.yaml").read_text())
    KEYS = {"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields"}

    def test_every_rule_has_a_level_and_only_known_keys(self):
        self.assertEqual((self.POLICY["apiVersion"], self.POLICY["kind"]), ("audit.k8s.io/v1", "Policy"))
        for rule in self.POLICY["rules"]:
            self.assertIn(rule["level"], ("None", "Metadata", "Request", "RequestResponse"))
            self.assertLessEqual(set(rule), self.KEYS)
            self.assertFalse("resources" in rule and "nonResourceURLs" in rule, rule)
            for resource in rule.get("resources", []):
                self.assertLessEqual(set(resource), {"group", "resources", "resourceNames"})

    def test_bodies_of_secrets_are_never_logged(self):
        level = next(r["level"] for r in self.POLICY["rules"] if any("secrets" in x.get("resources", []) for x in r.get("resources", [])))
        self.assertEqual(level, "Metadata")

    def test_the_last_rule_takes_all_the_rest(self):
        self.assertEqual(self.POLICY["rules"][-1], {"level": "Metadata"})


if __name__ == "__main__":
    unittest.main()
