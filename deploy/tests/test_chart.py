"""The chart, rendered by Helm's own engine (the version is printed by `helm_sdk_version`)."""

import base64
import json
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
# Blocks as Falco's chart has them, and whose keys it takes.
FALCO = yaml.safe_load((HERE / "falco-values.yaml").read_text())
USERS = yaml.safe_load((HERE / "users-values.yaml").read_text())
# A file of values for each major version of Falco's chart, and what the notes name of them.
MAJORS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((HERE / "versions").glob("*.yaml"))}
NAMED = {
    "2": "driver.kind driver.ebpf driver.loader collectors.kubernetes gvisor mounts.enforceProcMount tty image.repository falco.plugins",
    "3": "driver.kind driver.modern_bpf falcoctl scc json_include_output_property log_level",
    "4": "driver.kind driver.ebpf driver.gvisor driver.modernEbpf.cpusForEachBuffer collectors.kubernetes metrics.service.ports serviceMonitor grafana falcotalon",
    "5": "collectors.containerEngine.pluginRef collectors.containerEngine.labelMaxLen",
    "6": "responseActions falco-talon k8s-metacollector metrics.service.ports falcoctl controller.kind controller.deployment",
    "7": "driver.kind driver.sysfsMountPath driver.ebpf driver.modernEbpf.sysfsMount metrics.pluginsMetricsEnabled metrics.jemallocStatsEnabled falcoctl",
    "8": "falcoHostnameEnv collectors.kubernetes",
    "9": "falcoHostnameEnv driver.kind driver.modernEbpf.disableIterators metrics.kernelIterEventCountersEnabled serviceMonitor ourOwnKey",
}


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


def pod(values):
    """What the container is started with: its arguments behind the configuration's, its environment, the configuration."""
    made = objects(values)
    only = container(made)
    return {"args": only["args"][2:], "env": {e["name"]: e.get("value", "node-1") for e in only["env"]}, "configuration": one(made, "ConfigMap", "sensor-config")["data"]["sensor.yaml"]}


def config(items):
    return yaml.safe_load(one(items, "ConfigMap", "sensor-config")["data"]["sensor.yaml"])


class Chart(unittest.TestCase):
    def test_lint_has_no_error_and_no_warning(self):
        with quiet():
            found = helm.lint(str(CHART))
        self.assertEqual(found["errors"], [])
        self.assertEqual([m for m in found["messages"] if m["severity"] > 1], [])

    def test_every_rendering_fits_the_openapi_schemas(self):
        cases = {"defaults": {}, "user's": USERS, "Falco's": FALCO,
                 **MAJORS, "without": {"metrics": {"service": {"create": False}}, "rbac": {"create": False}, "serviceAccount": {"create": False}, "falco": {"webserver": {"enabled": False}}}}
        for name, values in cases.items():
            for item in objects(values):
                # Helm's engine renders what asks for capabilities for its newest version alone.
                for version in VERSIONS[-1:] if name in MAJORS else VERSIONS:
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

    def test_no_selector_takes_the_pod_of_helm_test(self):
        for values in ({}, {"nameOverride": "n" * 63}, {"falcosidekick": {"enabled": True}}):
            made = objects(values)
            labels = one(made, "Pod")["metadata"]["labels"]
            self.assertLessEqual(len(labels["app.kubernetes.io/name"]), 63)
            for item in made:
                selector = item.get("spec", {}).get("selector", {})
                selector = selector.get("matchLabels", selector)
                if selector:
                    self.assertFalse(selector.items() <= labels.items(), f"{item['kind']} {item['metadata']['name']}")

    def test_the_user_s_values_render_to_the_golden_file(self):
        golden = HERE / "golden" / "users-values.yaml"
        text = yaml.safe_dump_all(objects(USERS), sort_keys=True, width=1000)
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(text)
        self.assertEqual(text, golden.read_text(), "UPDATE_GOLDEN=1 writes the file anew")

    def test_values_for_each_version_of_falco_s_chart_render_to_the_pods_of_the_golden_file(self):
        """`tests/tests/deploy_values.rs` starts the sensor with each of them."""
        cases = {**MAJORS, "the user's": USERS, "with --set falcosidekick.enabled=true": {"falcosidekick": {"enabled": True}}}
        golden = HERE / "golden" / "pods.json"
        text = json.dumps({name: pod(values) for name, values in cases.items()}, indent=1, sort_keys=True) + "\n"
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(text)
        self.assertEqual(text, golden.read_text(), "UPDATE_GOLDEN=1 writes the file anew")

    def test_what_is_not_taken_of_each_version_is_named(self):
        self.assertEqual(list(MAJORS), list(NAMED))
        for version, values in MAJORS.items():
            said = re.findall(r"^  - ([^:]+):", notes(values), re.MULTILINE)
            with self.subTest(version):
                self.assertEqual(set(NAMED[version].split()) - set(said), set())

    def test_keys_of_older_versions_have_their_effect(self):
        made = {version: config(objects(values)) for version, values in MAJORS.items()}
        for version in "23":
            self.assertNotIn("rules_file", made[version])
            self.assertEqual(made[version]["rules_files"][0], "/etc/falco/falco_rules.yaml")
        self.assertEqual(made["3"]["log_level"], "debug")
        for version in "34":
            self.assertIs(container(objects(MAJORS[version]))["securityContext"]["privileged"], False)
        env = {e["name"]: e.get("value") for e in container(objects(MAJORS["3"]))["env"]}
        self.assertEqual(env["TOKEN"], "a")
        names = [e["name"] for e in container(objects(MAJORS["6"]))["env"]]
        self.assertEqual(sorted(names), ["FALCO_HOSTNAME", "HOST_ROOT", "NODE_NAME"])
        env = {e["name"]: e.get("value") for e in container(objects(MAJORS["8"]))["env"]}
        self.assertEqual(env["RELEASE"], "sensor")

    def test_a_file_lies_in_a_directory_that_can_be_written(self):
        self.assertEqual(container(objects(MAJORS["2"]))["workingDir"], "/var/log/falco")
        for version, directory in (("4", "/var/log/events"), ("7", "/var/log/metrics")):
            items = objects(MAJORS[version])
            [name] = [m["name"] for m in container(items)["volumeMounts"] if m["mountPath"] == directory]
            self.assertEqual(volumes(items)[name]["emptyDir"], {})
        self.assertNotIn("workingDir", container(objects({})))

    def test_certificates_are_mounted_where_falco_s_chart_has_them(self):
        given = {"certs": {"existingSecret": "mine", "client": {"key": "k", "crt": "c"}, "ca": {"crt": "a"}}}
        items = objects(given)
        mounts = {m["mountPath"]: m["name"] for m in container(items)["volumeMounts"]}
        self.assertEqual(volumes(items)[mounts["/etc/falco/certs"]]["secret"], {"secretName": "mine"})
        self.assertEqual(volumes(items)[mounts["/etc/falco/certs/client"]]["secret"], {"secretName": "sensor-client-certs"})
        made = {name: base64.b64decode(text).decode() for name, text in one(items, "Secret")["data"].items()}
        self.assertEqual(made, {"client.key": "k", "client.crt": "c", "ca.crt": "a", "falco.pem": "kc"})
        self.assertFalse([i for i in objects({"certs": {"existingSecret": "", "server": {"key": "", "crt": ""}}}) if i["kind"] == "Secret"])

    def test_each_key_can_be_set_to_nothing(self):
        def paths(values, path=()):
            for key, value in values.items():
                yield (*path, key)
                if isinstance(value, dict):
                    yield from paths(value, (*path, key))

        for path in paths(yaml.safe_load((CHART / "values.yaml").read_text())):
            values = None
            for key in reversed(path):
                values = {key: values}
            with self.subTest(".".join(path)):
                self.assertEqual([invalid(item, VERSIONS[-1]) for item in objects(values) if invalid(item, VERSIONS[-1])], [])

    def test_falco_s_own_image_is_not_started(self):
        for values in ({"repository": "falcosecurity/falco", "registry": "docker.io", "tag": "0.44.1"}, {"repository": "mirror/falcosecurity/falco-distroless"}):
            self.assertEqual(container(objects({"image": values}))["image"], container(objects({}))["image"])
        self.assertEqual(container(objects({"image": {"repository": "own", "registry": "r.example", "tag": 0.1}}))["image"], "r.example/own:0.1")

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
        more = {"falcosidekick": {"webui": {"enabled": True}}, "driver": {"kind": "modern_ebpf"}, "collectors": {"kubernetes": {"enabled": False}}, "tty": True,
                "falco": {"plugins": [{"name": "k8saudit"}]}, "controller": {"kind": "deployment"}, "image": {"repository": "falcosecurity/falco"}}
        for wanted in ("image.repository:", "falcosidekick.webui:", "driver.kind:", "collectors.kubernetes:", "tty:", "falco.plugins:", "controller.kind:"):
            self.assertIn(wanted, notes(more))

    def test_the_default_warns_of_nothing(self):
        self.assertNotIn("WARNING", notes({}))

    def test_what_no_template_can_render_is_refused(self):
        for values in ({"mounts": {"volumes": [{"mountPath": "/x"}]}}, {"customRules": {"a.yaml": 5}}, {"falco": 5}, {"driver": {"modernEbpf": {"bufSizePreset": 11}}}, {"collectors": {"containerd": {"socket": ""}}}):
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

    def test_values_of_falco_s_chart_are_taken_or_named(self):
        items = objects(FALCO)
        made = config(items)
        self.assertEqual(made["sensor"]["containerd"]["sockets"],
                         ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/host-containerd/containerd.sock"])
        mounts = {m["mountPath"]: m["name"] for m in container(items)["volumeMounts"]}
        for directory in ("/run/containerd", "/run/k3s/containerd", "/run/host-containerd"):
            # A pod never waits for a directory that its node does not have.
            self.assertEqual(volumes(items)[mounts["/host" + directory]]["hostPath"], {"path": directory, "type": "DirectoryOrCreate"})
        self.assertEqual(made["engine"]["modern_ebpf"], {"buf_size_preset": 4, "drop_failed_exit": False})
        self.assertEqual({key: made["metrics"][key] for key in ("enabled", "interval", "output_rule", "convert_memory_to_mb", "kernel_event_counters_per_cpu_enabled")},
                         {"enabled": True, "interval": "15m", "output_rule": False, "convert_memory_to_mb": True, "kernel_event_counters_per_cpu_enabled": False})
        self.assertEqual(one(items, "ServiceAccount")["imagePullSecrets"], [{"name": "pull"}])
        self.assertEqual([c["name"] for c in one(items, "DaemonSet")["spec"]["template"]["spec"]["initContainers"]], ["first"])
        used = """collectors.enabled collectors.containerEngine.enabled collectors.containerEngine.engines.containerd.enabled
            collectors.containerEngine.engines.containerd.sockets collectors.containerEngine.engines.cri.enabled
            collectors.containerEngine.engines.cri.sockets collectors.containerEngine.engines.docker.enabled
            collectors.containerEngine.engines.docker.sockets collectors.containerEngine.engines.podman.enabled
            collectors.containerEngine.engines.podman.sockets
            driver.modernEbpf.leastPrivileged driver.modernEbpf.bufSizePreset driver.modernEbpf.dropFailedExit
            metrics.enabled metrics.interval metrics.outputRule metrics.rulesCountersEnabled metrics.resourceUtilizationEnabled
            metrics.stateCountersEnabled metrics.kernelEventCountersEnabled metrics.libbpfStatsEnabled metrics.convertMemoryToMB
            metrics.includeEmptyValues metrics.kernelEventCountersPerCPUEnabled metrics.service.create metrics.service.labels
            metrics.service.annotations extra.env extra.args extra.initContainers falco.rules_files
            serviceAccount.create serviceAccount.annotations serviceAccount.name serviceAccount.imagePullSecrets""".split()
        said = re.findall(r"^  - ([^:]+):", notes(FALCO), re.MULTILINE)

        def check(values, path):
            for key, value in values.items():
                here = f"{path}{key}"
                if here in used or here in said or value is None:
                    continue
                self.assertTrue(isinstance(value, dict) and value, f"{here} is neither used nor named")
                check(value, here + ".")

        check(FALCO, "")

    def test_collectors_that_are_off_ask_no_containerd(self):
        for collectors in ({"enabled": False}, {"containerd": {"enabled": False}}, {"containerEngine": {"enabled": False}},
                           {"containerEngine": {"engines": {"cri": {"enabled": False}, "docker": {"enabled": True}}}}):
            with self.subTest(str(collectors)):
                items = objects({"collectors": collectors})
                self.assertEqual(config(items)["sensor"]["containerd"], {"enabled": False})
                self.assertFalse([name for name in volumes(items) if name.startswith("containerd")])
                self.assertFalse([m for m in container(items)["volumeMounts"] if m["name"].startswith("containerd")])

    def test_one_of_falco_s_two_collectors_is_enough(self):
        old, new = {"enabled": True, "socket": "/run/a/containerd.sock"}, {"engines": {"cri": {"sockets": ["unix:///run/b/containerd.sock"]}}}
        for collectors, sockets in (({"containerd": old, "containerEngine": {"enabled": False, **new}}, ["/run/a/containerd.sock"]),
                                    ({"containerd": {"enabled": False}, "containerEngine": {"enabled": True, **new}}, ["/run/b/containerd.sock"]),
                                    ({"containerd": old, "containerEngine": new}, ["/run/a/containerd.sock", "/run/b/containerd.sock"])):
            with self.subTest(str(collectors)):
                self.assertEqual(config(objects({"collectors": collectors}))["sensor"]["containerd"]["sockets"], sockets)

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

    def test_metrics_need_the_web_server(self):
        items = objects({"metrics": {"enabled": True}, "falco": {"webserver": {"enabled": False, "prometheus_metrics_enabled": False}}})
        web = config(items)["webserver"]
        self.assertEqual((web["enabled"], web["prometheus_metrics_enabled"]), (True, True))
        self.assertIn("livenessProbe", container(items))

    def test_the_newer_list_of_sockets_is_understood(self):
        values = {"collectors": {"containerEngine": {"engines": {"containerd": {"sockets": ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"]}}}}}
        items = objects(values)
        self.assertEqual(config(items)["sensor"]["containerd"]["sockets"], ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"])
        self.assertIn("containerd-1", volumes(items))

    def test_sockets_of_other_runtimes_are_mounted_if_the_values_ask_for_them(self):
        docker, crio, podman = "/run/docker.sock", "/run/crio/crio.sock", "/run/podman/podman.sock"
        for collectors, wanted in (({}, {}), ({"docker": {"enabled": False}}, {}), ({"enabled": False, "docker": {"enabled": True}}, {}),
                                   ({"docker": {"enabled": True, "socket": "/var/run/docker.sock"}}, {"docker": [docker]}),
                                   ({"docker": {"enabled": True}, "crio": {"enabled": True}}, {"docker": [docker], "cri": [crio]}),
                                   ({"containerEngine": {"engines": {"docker": {"enabled": True}, "podman": {"sockets": ["unix://" + podman]}}}}, {"docker": [docker], "podman": [podman]}),
                                   ({"containerEngine": {"engines": {"cri": {"sockets": [crio, "/run/containerd/containerd.sock", crio]}}}}, {"cri": [crio]}),
                                   ({"containerEngine": {"enabled": False, "engines": {"docker": {"enabled": True}}}}, {})):
            with self.subTest(str(collectors)):
                items = objects({"collectors": collectors})
                runtimes = {key: value["sockets"] for key, value in config(items)["sensor"].items() if key in ("docker", "podman", "cri")}
                self.assertEqual(runtimes, wanted)
                directories = {str(pathlib.PurePath(socket).parent) for sockets in wanted.values() for socket in sockets}
                mounted = {m["mountPath"]: m for m in container(items)["volumeMounts"] if m["name"].startswith("runtime-")}
                self.assertEqual(set(mounted), {"/host" + directory for directory in directories})
                self.assertTrue(all(mount["readOnly"] for mount in mounted.values()))
                self.assertEqual({v["hostPath"]["path"] for name, v in volumes(items).items() if name.startswith("runtime-")}, directories)

    def test_least_privilege_is_the_overlay_s(self):
        values = {"driver": {"modernEbpf": {"leastPrivileged": True}}}
        overlay = kustomize(KUBERNETES / "overlays" / "least-privilege")
        self.assertEqual(container(objects(values))["securityContext"], container(overlay)["securityContext"])


class Falcosidekick(unittest.TestCase):
    """`falcosidekick.enabled: true`, with the names of falcosidekick's own chart."""

    CONFIG = {
        "existingSecret": "mine", "extraEnv": [{"name": "A", "value": "b"}], "extraArgs": ["--x"], "debug": True,
        "customfields": {"cluster": "one", "team": "sec"}, "tlsserver": {"deploy": False, "notlsport": 2810}, "policyreport": {"enabled": False},
        "slack": {"webhookurl": "https://hooks.example.org/x", "minimumpriority": "warning", "footer": ""},
        "elasticsearch": {"maxconcurrentrequests": 1, "batching": {"enabled": True, "batchsize": 5242880}, "checkcert": False},
        "alertmanager": {"expireafter": "900"}, "telegram": {"messagethreadid": "7"},
        "aws": {"rolearn": "arn:aws:iam::1:role/x", "region": "eu-central-1", "s3": {"bucket": "b"}},
        "otlp": {"traces": {"endpoint": "http://o:4318", "extraenvvars": [{"name": "OTEL_A", "value": "1"}]}, "metrics": {"extraenvvars": {"OTEL_B": "2"}}},
        "loki": {"hostport": "http://loki:3100", "grafanaDashboard": {"enabled": True}},
        "azure": {"workloadIdentityClientID": "id", "eventHub": {"name": "hub"}},
    }

    def objects(self, **values):
        return [item for item in objects({"falcosidekick": {"enabled": True, **values}}) if "sidekick" in item["metadata"]["name"]]

    def test_it_is_deployed_only_where_it_is_wanted(self):
        self.assertFalse([item for item in objects({}) if "sidekick" in str(item)])
        self.assertEqual({item["kind"] for item in self.objects()}, {"ServiceAccount", "Secret", "Service", "Deployment"})

    def test_what_is_deployed_fits_the_openapi_schemas(self):
        every = {"config": self.CONFIG, "imagePullSecrets": ["pull"], "service": {"type": "NodePort", "annotations": {"a": "b"}}, "customAnnotations": {"c": "d"},
                 "customLabels": {"e": "f"}, "podLabels": {"g": "h"}, "podAnnotations": {"i": "j"}, "revisionHistoryLimit": 1, "priorityClassName": "high",
                 "tolerations": [{"operator": "Exists"}], "nodeSelector": {"k": "l"}, "resources": {"limits": {"memory": "64Mi"}},
                 "securityContext": {"readOnlyRootFilesystem": True}, "extraVolumes": [{"name": "v", "emptyDir": {}}], "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}]}
        for values in ({}, every):
            for item in self.objects(**values):
                for version in VERSIONS:
                    self.assertIsNone(invalid(item, version), item)

    def test_the_sensor_s_alerts_go_to_its_service_as_json(self):
        items = objects({"falcosidekick": {"enabled": True}, "falco": {"json_output": False}})
        made = config(items)
        self.assertEqual(made["http_output"], {"enabled": True, "url": "http://sensor-falcosidekick:2801"})
        self.assertEqual((made["json_output"], made["json_include_output_property"]), (True, True))
        service = one([i for i in items if i["metadata"]["name"] == "sensor-falcosidekick"], "Service")
        pods = one(items, "Deployment")["spec"]["template"]
        self.assertEqual(service["spec"]["ports"][0]["port"], 2801)
        self.assertLessEqual(service["spec"]["selector"].items(), pods["metadata"]["labels"].items())
        self.assertEqual(pods["spec"]["containers"][0]["ports"][0], {"name": "http", "containerPort": 2801, "protocol": "TCP"})
        # The DaemonSet and its Service do not take falcosidekick's pods for theirs.
        own = one(items, "DaemonSet")["spec"]["selector"]["matchLabels"]
        self.assertFalse(own.items() <= pods["metadata"]["labels"].items())

    def test_its_address_can_be_another_one(self):
        for values, url in (({"fullfqdn": True}, "http://sensor-falcosidekick.sensor.svc.cluster.local:2801"), ({"listenPort": "2802"}, "http://sensor-falcosidekick:2802")):
            items = objects({"falcosidekick": {"enabled": True, **values}})
            self.assertEqual(config(items)["http_output"]["url"], url)
            service = one([i for i in items if i["metadata"]["name"] == "sensor-falcosidekick"], "Service")
            self.assertTrue(url.endswith(f":{service['spec']['ports'][0]['port']}"))
        given = {"falcosidekick": {"enabled": True}, "falco": {"http_output": {"url": "http://other:1", "user_agent": "x"}}}
        self.assertEqual(config(objects(given))["http_output"], {"enabled": True, "url": "http://other:1", "user_agent": "x"})

    def test_each_key_of_its_configuration_becomes_its_variable(self):
        items = self.objects(config=self.CONFIG)
        variables = {name: base64.b64decode(value).decode() for name, value in one(items, "Secret")["data"].items()}
        self.assertEqual(variables, {
            "DEBUG": "true", "CUSTOMFIELDS": "cluster:one,team:sec", "SLACK_WEBHOOKURL": "https://hooks.example.org/x", "SLACK_MINIMUMPRIORITY": "warning",
            "ELASTICSEARCH_MAXCONCURRENTREQUESTS": "1", "ELASTICSEARCH_BATCHING_ENABLED": "true", "ELASTICSEARCH_BATCHING_BATCHSIZE": "5242880",
            "ELASTICSEARCH_CHECKCERT": "false", "ALERTMANAGER_EXPIRESAFTER": "900", "TELEGRAM_MESSAGE_THREAD_ID": "7", "AWS_REGION": "eu-central-1",
            "AWS_S3_BUCKET": "b", "OTLP_TRACES_ENDPOINT": "http://o:4318", "OTEL_A": "1", "OTEL_B": "2", "LOKI_HOSTPORT": "http://loki:3100", "AZURE_EVENTHUB_NAME": "hub"})
        self.assertEqual(one(items, "ServiceAccount")["metadata"]["annotations"],
                         {"azure.workload.identity/client-id": "id", "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"})
        made = one(items, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual([source["secretRef"]["name"] for source in made["envFrom"]], ["sensor-falcosidekick", "mine"])
        self.assertEqual((made["env"], made["args"]), ([{"name": "A", "value": "b"}], ["--x"]))

    def test_another_configuration_starts_other_pods(self):
        def checksum(url):
            items = self.objects(config={"slack": {"webhookurl": url}})
            return one(items, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

        self.assertEqual(checksum("a"), checksum("a"))
        self.assertNotEqual(checksum("a"), checksum("b"))

    def test_nothing_secret_is_in_the_deployment(self):
        self.assertNotIn("hooks.example.org", str(one(self.objects(config=self.CONFIG), "Deployment")))

    def test_what_is_not_deployed_with_it_is_named(self):
        said = notes({"falcosidekick": {"enabled": True, "webui": {"enabled": True, "replicaCount": 2}, "config": self.CONFIG}})
        self.assertIn("falcosidekick.webui: the user interface is not deployed", said)
        self.assertIn("falcosidekick.config.tlsserver:", said)
        self.assertNotIn("WARNING", notes({"falcosidekick": {"enabled": True, "config": {"slack": {"webhookurl": "x"}}}}))


class Rollout(unittest.TestCase):
    """A pod takes over from the one before it, unless the values want that one to end first."""

    def strategy(self, **rolling):
        strategy = {"rollingUpdate": rolling} if rolling else {}
        return one(objects({"controller": {"daemonset": {"updateStrategy": strategy}}}), "DaemonSet")["spec"]["updateStrategy"]

    def test_the_new_pod_starts_beside_the_old_one(self):
        self.assertEqual(self.strategy(), {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
        self.assertEqual(config(objects({}))["sensor"]["takeover"], "at_stop")

    def test_an_unavailable_pod_of_the_values_leaves_no_surge(self):
        for unavailable in (1, "10%", 3):
            self.assertEqual(self.strategy(maxUnavailable=unavailable)["rollingUpdate"], {"maxUnavailable": unavailable})

    def test_without_a_surge_the_api_chooses(self):
        self.assertEqual(self.strategy(maxSurge=0)["rollingUpdate"], {})

    def test_a_surge_of_the_values_stays(self):
        self.assertEqual(self.strategy(maxSurge="20%")["rollingUpdate"], {"maxSurge": "20%", "maxUnavailable": 0})

    def test_each_release_takes_over_from_itself_alone(self):
        self.assertNotIn("instance", config(objects({}))["sensor"])
        self.assertEqual(config(objects({"namespaceOverride": "other"}))["sensor"]["instance"], "other-sensor")
        self.assertEqual(config(objects({"sensor": {"instance": "mine"}}))["sensor"]["instance"], "mine")

    def test_no_port_of_the_node_stands_in_its_way(self):
        pod = one(objects({}), "DaemonSet")["spec"]["template"]["spec"]
        ports = [port for container in pod["containers"] for port in container.get("ports", [])]
        self.assertFalse(any("hostPort" in port for port in ports))
        self.assertFalse(pod.get("hostNetwork", False))


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
