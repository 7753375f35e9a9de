{{- /* Each template begins with this: a section that values set to nothing is an empty one. */ -}}
{{- define "sensor.whole" -}}
{{- range $path := list "collectors" "controller" "controller.daemonset" "driver" "driver.modernEbpf" "extra" "falco" "falcosidekick" "healthChecks" "image" "logs" "metrics" "metrics.service" "mounts" "nodeSelector" "podAnnotations" "rbac" "sensor" "serviceAccount" "tests" -}}
{{- $keys := splitList "." $path -}}
{{- $section := $.Values -}}
{{- range initial $keys -}}{{- $section = get $section . -}}{{- end -}}
{{- if not (kindIs "map" (get $section (last $keys))) -}}{{- $_ := set $section (last $keys) dict -}}{{- end -}}
{{- end -}}
{{- $_ := set .Values.logs "path" (default "/var/log/falco" .Values.logs.path) -}}
{{- end -}}

{{- define "sensor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sensor.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "sensor.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sensor.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sensor.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "sensor.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sensor.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sensor.labels" -}}
{{ include "sensor.selectorLabels" . }}
app.kubernetes.io/part-of: sensor
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sensor.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sensor.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The image. Falco's own, which whole values files of its chart name, does not hold the sensor. */ -}}
{{- define "sensor.image" -}}
{{- if contains "falcosecurity/" (toString .Values.image.repository) -}}
localhost/sensor:{{ .Chart.AppVersion }}
{{- else -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- $repository := default "sensor" .Values.image.repository -}}
{{- if .Values.image.registry -}}
{{- printf "%s/%s:%v" .Values.image.registry $repository $tag -}}
{{- else -}}
{{- printf "%s:%v" $repository $tag -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Keys of falco.yaml that many values files have at their top, where Falco's chart ignores them; they are taken. */ -}}
{{- define "sensor.misplaced" -}}
{{- $keys := list "append_output" "base_syscalls" "buffer_format_base64" "buffered_outputs" "config_files" "engine" "falco_libs" "file_output" "http_output" "json_include_message_property" "json_include_output_fields_property" "json_include_output_property" "json_include_tags_property" "json_output" "libs_logger" "load_plugins" "log_level" "log_stderr" "log_syslog" "output_timeout" "outputs_queue" "plugins" "priority" "program_output" "rule_matching" "rules" "rules_file" "rules_files" "static_fields" "stdout_output" "syscall_event_drops" "syscall_event_timeouts" "syslog_output" "time_format_iso_8601" "watch_config_files" "webserver" -}}
{{- $found := list -}}
{{- range $keys -}}{{- if hasKey $.Values . -}}{{- $found = append $found . -}}{{- end -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* The environment: a list, or names with values as in examples of older versions of Falco's chart. */ -}}
{{- define "sensor.env" -}}
{{- $own := list -}}
{{- if kindIs "map" .Values.extra.env -}}
{{- range $name, $value := .Values.extra.env -}}{{- $own = append $own (dict "name" $name "value" (toString $value)) -}}{{- end -}}
{{- else -}}
{{- range .Values.extra.env -}}{{- $own = append $own . -}}{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range $own -}}{{- $names = append $names .name -}}{{- end -}}
{{- $env := list -}}
{{- range list (dict "name" "NODE_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "spec.nodeName"))) (dict "name" "HOST_ROOT" "value" "/host") -}}
{{- if not (has .name $names) -}}{{- $env = append $env . -}}{{- end -}}
{{- end -}}
{{- tpl (toYaml (concat $env $own)) . -}}
{{- end -}}

{{- /* Secrets with certificates, where Falco's chart mounts them: of one's own, or made of `certs`. */ -}}
{{- define "sensor.certs" -}}
{{- $certs := default (dict) .Values.certs -}}
{{- $ca := dig "ca" "crt" "" $certs -}}
{{- $found := list -}}
{{- range $part := list (dict "of" "server" "secret" "existingSecret" "name" "certs" "path" "/etc/falco/certs") (dict "of" "client" "secret" "existingClientSecret" "name" "client-certs" "path" "/etc/falco/certs/client") -}}
{{- $key := dig $part.of "key" "" $certs -}}
{{- $crt := dig $part.of "crt" "" $certs -}}
{{- $given := get $certs $part.secret -}}
{{- if or $given (and $key $crt $ca) -}}
{{- $secret := default (printf "%s-%s" (include "sensor.fullname" $) $part.name) $given -}}
{{- $data := dict (printf "%s.key" $part.of) $key (printf "%s.crt" $part.of) $crt "falco.pem" (print $key $crt) "ca.crt" $ca -}}
{{- $found = append $found (dict "name" $part.name "path" $part.path "secret" $secret "data" (ternary dict $data (not (empty $given)))) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* Directories of files that the configuration names and that no volume holds: each gets an empty one. */ -}}
{{- define "sensor.directories" -}}
{{- $config := include "sensor.config" . | fromYaml -}}
{{- $mounted := list .Values.logs.path -}}
{{- range .Values.mounts.volumeMounts -}}{{- $mounted = append $mounted .mountPath -}}{{- end -}}
{{- $files := list -}}
{{- if dig "enabled" false (default (dict) $config.file_output) -}}{{- $files = append $files (dig "filename" "" $config.file_output) -}}{{- end -}}
{{- if dig "enabled" false (default (dict) $config.metrics) -}}{{- $files = append $files (dig "output_file" "" $config.metrics) -}}{{- end -}}
{{- $directories := list -}}
{{- range $file := $files -}}
{{- $directory := dir (toString $file) -}}
{{- $is := or (not (hasPrefix "/" $directory)) (eq $directory "/") -}}
{{- range $mounted -}}{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) (printf "%s/" $directory) -}}{{- $is = true -}}{{- end -}}{{- end -}}
{{- if not $is -}}{{- $directories = append $directories $directory -}}{{- end -}}
{{- end -}}
{{- toJson (uniq $directories) -}}
{{- end -}}

{{- /*
containerd's sockets, in the order in which they are tried (none: nothing is asked), and what its
directories must be. Falco's chart had `collectors.containerd` until 7.0 and has lists in
`collectors.containerEngine`: pods are in those of `cri`. A node has not all that are listed, so
what lacks is made: the pod would wait for it.
*/ -}}
{{- define "sensor.containerd" -}}
{{- $usual := "/run/containerd/containerd.sock" -}}
{{- $one := default (dict) .Values.collectors.containerd -}}
{{- $many := default (dict) .Values.collectors.containerEngine -}}
{{- $engines := default (dict) $many.engines -}}
{{- $listed := list -}}
{{- if dig "enabled" true $many -}}
{{- range $engine := list "cri" "containerd" -}}
{{- if dig $engine "enabled" true $engines -}}
{{- range dig $engine "sockets" (list) $engines -}}
{{- if contains "containerd" (base .) -}}{{- $listed = append $listed (trimPrefix "unix://" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $switches := list -}}
{{- if hasKey $one "enabled" -}}{{- $switches = append $switches $one.enabled -}}{{- end -}}
{{- if or (hasKey $many "enabled") $engines -}}
{{- $switches = append $switches (and (dig "enabled" true $many) (or (gt (len $listed) 0) (dig "cri" "enabled" true $engines))) -}}
{{- end -}}
{{- $sockets := $listed -}}
{{- $socket := trimPrefix "unix://" (default $usual $one.socket) -}}
{{- if or (not $listed) (and (ne $socket $usual) (dig "enabled" true $one)) -}}
{{- $sockets = prepend $listed $socket -}}
{{- end -}}
{{- if or (not (dig "enabled" true .Values.collectors)) (and $switches (not (has true $switches))) -}}
{{- $sockets = list -}}
{{- end -}}
{{- $directories := list -}}
{{- range $sockets -}}{{- $directories = append $directories (dir .) -}}{{- end -}}
{{- dict "sockets" (uniq $sockets) "directories" (uniq $directories) "type" (ternary "DirectoryOrCreate" "Directory" (gt (len $listed) 0)) | toJson -}}
{{- end -}}

{{- /*
The sockets of the other runtimes that the values ask for, by the sensor's name of the runtime. Falco's
chart had `collectors.docker` and `collectors.crio` until 7.0, and has lists in
`collectors.containerEngine`: CRI-O is in that of `cri`. `/var/run` is a link to `/run`.
*/ -}}
{{- define "sensor.runtimes" -}}
{{- $usual := dict "docker" "/run/docker.sock" "podman" "/run/podman/podman.sock" "cri" "/run/crio/crio.sock" -}}
{{- $sockets := dict "docker" (list) "podman" (list) "cri" (list) -}}
{{- $collectors := .Values.collectors -}}
{{- if dig "enabled" true $collectors -}}
{{- range $key, $runtime := dict "docker" "docker" "crio" "cri" -}}
{{- $one := default (dict) (get $collectors $key) -}}
{{- if dig "enabled" false $one -}}
{{- $_ := set $sockets $runtime (list (default (get $usual $runtime) (get $one "socket"))) -}}
{{- end -}}
{{- end -}}
{{- $many := default (dict) $collectors.containerEngine -}}
{{- if dig "enabled" true $many -}}
{{- range $runtime := list "docker" "podman" "cri" -}}
{{- $one := default (dict) (get (default (dict) $many.engines) $runtime) -}}
{{- if dig "enabled" (hasKey $one "sockets") $one -}}
{{- $listed := default (list) (get $one "sockets") -}}
{{- if and (not $listed) (ne $runtime "cri") -}}{{- $listed = list (get $usual $runtime) -}}{{- end -}}
{{- range $listed -}}
{{- if not (contains "containerd" (base .)) -}}
{{- $_ := set $sockets $runtime (append (get $sockets $runtime) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found := dict -}}
{{- range $runtime, $all := $sockets -}}
{{- $paths := list -}}
{{- range $all -}}{{- $paths = append $paths (regexReplaceAll "^/var/run/" (trimPrefix "unix://" .) "/run/") -}}{{- end -}}
{{- if $paths -}}{{- $_ := set $found $runtime (uniq $paths) -}}{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* The directories of those sockets, but for those of containerd. */ -}}
{{- define "sensor.runtimeDirectories" -}}
{{- $containerd := (include "sensor.containerd" . | fromJson).directories -}}
{{- $directories := list -}}
{{- range $sockets := include "sensor.runtimes" . | fromJson -}}
{{- range $sockets -}}
{{- if not (has (dir .) $containerd) -}}{{- $directories = append $directories (dir .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- uniq $directories | sortAlpha | toJson -}}
{{- end -}}

{{- /* "yes" if the user mounts something at the log directory. */ -}}
{{- define "sensor.ownLogs" -}}
{{- range .Values.mounts.volumeMounts -}}
{{- if eq (trimSuffix "/" .mountPath) (trimSuffix "/" $.Values.logs.path) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The configuration file, from `falco`, `sensor`, and the chart's own shorthands. */ -}}
{{- define "sensor.config" -}}
{{- $config := omit (deepCopy (default (dict) .Values.falco)) "podHostname" -}}
{{- range $key := include "sensor.misplaced" . | fromJsonArray -}}
{{- $value := get $.Values $key -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $config $key (mergeOverwrite (deepCopy (default (dict) (get $config $key))) $value) -}}
{{- else -}}
{{- $_ := set $config $key $value -}}
{{- end -}}
{{- end -}}
{{- /* The key's former name, which charts had until 4.5; a text is a list of one. */ -}}
{{- range $key := list "rules_files" "rules_file" -}}
{{- if and (hasKey $config $key) (kindIs "string" (get $config $key)) -}}{{- $_ := set $config $key (list (get $config $key)) -}}{{- end -}}
{{- end -}}
{{- if $config.rules_file -}}
{{- $_ := set $config "rules_files" (concat $config.rules_file (default (list) $config.rules_files)) -}}
{{- end -}}
{{- $_ := unset $config "rules_file" -}}
{{- /* Rules of one's own must load, whatever list was brought along; to leave out the shipped ones, name the second directory alone. */ -}}
{{- $files := default (list) $config.rules_files -}}
{{- if not (has "/etc/sensor/custom.d" $files) -}}
{{- $_ := set $config "rules_files" (uniq (concat $files (list "/etc/sensor/rules.d" "/etc/sensor/custom.d"))) -}}
{{- end -}}
{{- $modern := dict -}}
{{- range $name, $key := dict "bufSizePreset" "buf_size_preset" "dropFailedExit" "drop_failed_exit" -}}
{{- if hasKey $.Values.driver.modernEbpf $name -}}{{- $_ := set $modern $key (get $.Values.driver.modernEbpf $name) -}}{{- end -}}
{{- end -}}
{{- if $modern -}}
{{- $_ := set $config "engine" (mergeOverwrite (deepCopy (default (dict) $config.engine)) (dict "modern_ebpf" $modern)) -}}
{{- end -}}
{{- $metrics := deepCopy (default (dict) $config.metrics) -}}
{{- range $name, $key := dict
  "enabled" "enabled" "interval" "interval" "outputRule" "output_rule"
  "rulesCountersEnabled" "rules_counters_enabled" "resourceUtilizationEnabled" "resource_utilization_enabled"
  "stateCountersEnabled" "state_counters_enabled" "kernelEventCountersEnabled" "kernel_event_counters_enabled"
  "kernelEventCountersPerCPUEnabled" "kernel_event_counters_per_cpu_enabled" "libbpfStatsEnabled" "libbpf_stats_enabled"
  "convertMemoryToMB" "convert_memory_to_mb" "includeEmptyValues" "include_empty_values" -}}
{{- if hasKey $.Values.metrics $name -}}{{- $_ := set $metrics $key (get $.Values.metrics $name) -}}{{- end -}}
{{- end -}}
{{- $_ := set $config "metrics" $metrics -}}
{{- if .Values.metrics.enabled -}}
{{- $_ := set $config "webserver" (mergeOverwrite (deepCopy (default (dict) $config.webserver)) (dict "enabled" true "prometheus_metrics_enabled" true)) -}}
{{- end -}}
{{- if .Values.falcosidekick.enabled -}}
{{- $http := default (dict) $config.http_output -}}
{{- $_ := set $http "enabled" true -}}
{{- $_ := set $http "url" (default (include "sensor.sidekick.url" .) $http.url) -}}
{{- $_ := set $config "http_output" $http -}}
{{- /* What falcosidekick reads. */ -}}
{{- $_ := set $config "json_output" true -}}
{{- $_ := set $config "json_include_output_property" true -}}
{{- end -}}
{{- $runtime := include "sensor.containerd" . | fromJson -}}
{{- /* A socket of one's own must answer; of those in a list a node may have none. */ -}}
{{- $wanted := ternary (dict "enabled" true) (dict) (eq $runtime.type "Directory") -}}
{{- $containerd := ternary (set $wanted "sockets" $runtime.sockets) (dict "enabled" false) (gt (len $runtime.sockets) 0) -}}
{{- $runtimes := dict "containerd" $containerd "takeover" "at_stop" -}}
{{- /* The pods of a release take over from each other, and not from those of another one. */ -}}
{{- $instance := printf "%s-%s" (include "sensor.namespace" .) (include "sensor.fullname" .) -}}
{{- if ne $instance "sensor-sensor" -}}{{- $_ := set $runtimes "instance" (trunc 63 $instance) -}}{{- end -}}
{{- range $runtime, $sockets := include "sensor.runtimes" . | fromJson -}}{{- $_ := set $runtimes $runtime (dict "sockets" $sockets) -}}{{- end -}}
{{- $_ := set $config "sensor" (mergeOverwrite $runtimes (deepCopy .Values.sensor)) -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* The API takes either maxSurge or maxUnavailable: a value of one's own takes the place of the other one here. */ -}}
{{- define "sensor.updateStrategy" -}}
{{- $strategy := deepCopy (default (dict) .Values.controller.daemonset.updateStrategy) -}}
{{- $rolling := default (dict) $strategy.rollingUpdate -}}
{{- $none := list "0" "0%" "" -}}
{{- if not (has (toString (default "" $rolling.maxUnavailable)) $none) -}}
{{- $_ := unset $rolling "maxSurge" -}}
{{- else if has (toString (default "" $rolling.maxSurge)) $none -}}
{{- $_ := unset $rolling "maxSurge" -}}
{{- $_ := unset $rolling "maxUnavailable" -}}
{{- end -}}
{{- toYaml $strategy -}}
{{- end -}}

{{- /* The web server as it is configured: what probes and Services ask. */ -}}
{{- define "sensor.webserver" -}}
{{- $usual := dict "enabled" true "listen_port" 8765 "k8s_healthz_endpoint" "/healthz" "ssl_enabled" false -}}
{{- $web := mergeOverwrite $usual (default (dict) (include "sensor.config" . | fromYaml).webserver) -}}
{{- $_ := set $web "scheme" (ternary "HTTPS" "HTTP" $web.ssl_enabled) -}}
{{- toJson $web -}}
{{- end -}}

{{- /* "yes" where capabilities take the place of `privileged`; the block had another name in 3.x. */ -}}
{{- define "sensor.leastPrivileged" -}}
{{- if or .Values.driver.modernEbpf.leastPrivileged (dig "modern_bpf" "leastPrivileged" false .Values.driver) -}}yes{{- end -}}
{{- end -}}

{{- /* How AppArmor is told to leave the container alone: Kubernetes has a field for it since 1.30. */ -}}
{{- define "sensor.appArmor" -}}
{{- if and (include "sensor.leastPrivileged" .) (not .Values.containerSecurityContext) -}}
{{- ternary "field" "annotation" (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}

{{- define "sensor.podAnnotations" -}}
{{- $web := include "sensor.webserver" . | fromJson -}}
{{- $annotations := dict -}}
{{- if $web.enabled -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/port" (toString $web.listen_port) -}}
{{- $_ := set $annotations "prometheus.io/path" "/metrics" -}}
{{- if $web.ssl_enabled -}}{{- $_ := set $annotations "prometheus.io/scheme" "https" -}}{{- end -}}
{{- end -}}
{{- if eq (include "sensor.appArmor" .) "annotation" -}}
{{- $_ := set $annotations "container.apparmor.security.beta.kubernetes.io/sensor" "unconfined" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $annotations (deepCopy .Values.podAnnotations)) -}}
{{- end -}}

{{- define "sensor.securityContext" -}}
{{- if .Values.containerSecurityContext -}}
{{- toYaml .Values.containerSecurityContext -}}
{{- else if include "sensor.leastPrivileged" . -}}
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 0
capabilities:
  drop: [ALL]
  add: [BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH{{ if .Values.driver.modernEbpf.legacyMemlock }}, SYS_RESOURCE{{ end }}]
seccompProfile:
  type: Unconfined
{{- if eq (include "sensor.appArmor" .) "field" }}
appArmorProfile:
  type: Unconfined
{{- end }}
{{- else -}}
privileged: true
readOnlyRootFilesystem: true
{{- end -}}
{{- end -}}
