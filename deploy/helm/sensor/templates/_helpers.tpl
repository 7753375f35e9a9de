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

{{- define "sensor.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.registry -}}
{{- printf "%s/%s:%s" .Values.image.registry .Values.image.repository $tag -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
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

{{- /* "yes" if the user mounts something at the log directory. */ -}}
{{- define "sensor.ownLogs" -}}
{{- range .Values.mounts.volumeMounts -}}
{{- if eq (trimSuffix "/" .mountPath) (trimSuffix "/" $.Values.logs.path) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The configuration file, from `falco`, `sensor`, and the chart's own shorthands. */ -}}
{{- define "sensor.config" -}}
{{- $config := omit (deepCopy .Values.falco) "podHostname" -}}
{{- range $key := (list "json_output" "priority" "rule_matching" "file_output" "stdout_output" "http_output") -}}
{{- if hasKey $.Values $key -}}
{{- $value := get $.Values $key -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $config $key (mergeOverwrite (deepCopy (default (dict) (get $config $key))) $value) -}}
{{- else -}}
{{- $_ := set $config $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
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
{{- $_ := set $config "sensor" (mergeOverwrite (dict "containerd" $containerd) (deepCopy .Values.sensor)) -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* The web server as it is configured: what probes and Services ask. */ -}}
{{- define "sensor.webserver" -}}
{{- $usual := dict "enabled" true "listen_port" 8765 "k8s_healthz_endpoint" "/healthz" "ssl_enabled" false -}}
{{- $web := mergeOverwrite $usual (default (dict) (include "sensor.config" . | fromYaml).webserver) -}}
{{- $_ := set $web "scheme" (ternary "HTTPS" "HTTP" $web.ssl_enabled) -}}
{{- toJson $web -}}
{{- end -}}

{{- /* How AppArmor is told to leave the container alone: Kubernetes has a field for it since 1.30. */ -}}
{{- define "sensor.appArmor" -}}
{{- if and .Values.driver.modernEbpf.leastPrivileged (not .Values.containerSecurityContext) -}}
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
{{- else if .Values.driver.modernEbpf.leastPrivileged -}}
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
