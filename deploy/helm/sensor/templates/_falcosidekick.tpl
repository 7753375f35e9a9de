{{- define "sensor.sidekick.name" -}}
{{- printf "%s-falcosidekick" (include "sensor.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sensor.sidekick.selector" -}}
app.kubernetes.io/name: falcosidekick
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: core
{{- end -}}

{{- define "sensor.sidekick.labels" -}}
{{ include "sensor.sidekick.selector" . }}
app.kubernetes.io/part-of: sensor
app.kubernetes.io/version: {{ .Values.falcosidekick.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.falcosidekick.customLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sensor.sidekick.port" -}}
{{- default .Values.falcosidekick.service.port .Values.falcosidekick.listenPort | int -}}
{{- end -}}

{{- define "sensor.sidekick.url" -}}
{{- $host := include "sensor.sidekick.name" . -}}
{{- if .Values.falcosidekick.fullfqdn -}}
{{- $host = printf "%s.%s.svc.cluster.local" $host (include "sensor.namespace" .) -}}
{{- end -}}
{{- printf "http://%s:%s" $host (include "sensor.sidekick.port" .) -}}
{{- end -}}

{{- /* The cloud's identity for falcosidekick's service account. */ -}}
{{- define "sensor.sidekick.identity" -}}
{{- $config := default (dict) .Values.falcosidekick.config -}}
{{- $identity := dict -}}
{{- with dig "azure" "workloadIdentityClientID" "" $config -}}{{- $_ := set $identity "azure.workload.identity/client-id" . -}}{{- end -}}
{{- with dig "gcp" "workloadIdentityServiceAccount" "" $config -}}{{- $_ := set $identity "iam.gke.io/gcp-service-account" . -}}{{- end -}}
{{- if dig "aws" "useirsa" true $config -}}
{{- with dig "aws" "rolearn" "" $config -}}{{- $_ := set $identity "eks.amazonaws.com/role-arn" . -}}{{- end -}}
{{- end -}}
{{- with $identity -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{- /* `config.slack.webhookurl` is falcosidekick's variable SLACK_WEBHOOKURL, and so on; what is empty has falcosidekick's own default. */ -}}
{{- define "sensor.sidekick.secret" -}}
{{- $found := dict -}}
{{- $config := deepCopy (default (dict) .Values.falcosidekick.config) -}}
{{- /* These are used elsewhere, or named in NOTES. */ -}}
{{- $config = omit $config "existingSecret" "extraEnv" "extraArgs" "tlsserver" "policyreport" -}}
{{- range $output, $keys := dict "loki" (list "grafanaDashboard") "azure" (list "workloadIdentityClientID" "podIdentityClientID" "podIdentityName") "gcp" (list "workloadIdentityServiceAccount") -}}
{{- with get $config $output -}}{{- range $keys -}}{{- $_ := unset (get $config $output) . -}}{{- end -}}{{- end -}}
{{- end -}}
{{- with $config.aws -}}
{{- if dig "useirsa" true . -}}{{- $_ := unset . "rolearn" -}}{{- $_ := unset . "externalid" -}}{{- end -}}
{{- $_ := unset . "useirsa" -}}
{{- end -}}
{{- include "sensor.sidekick.flat" (dict "values" $config "prefix" "" "to" $found) -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "sensor.sidekick.flat" -}}
{{- $other := dict "ALERTMANAGER_EXPIREAFTER" "ALERTMANAGER_EXPIRESAFTER" "TELEGRAM_MESSAGETHREADID" "TELEGRAM_MESSAGE_THREAD_ID" -}}
{{- range $key, $value := .values -}}
{{- $name := printf "%s%s" $.prefix (upper $key) -}}
{{- $name = default $name (get $other $name) -}}
{{- $text := "" -}}
{{- if and (kindIs "map" $value) (has (lower $key) (list "customfields" "templatedfields" "customheaders" "extralabels" "extraannotations" "extraattributes")) -}}
{{- $pairs := list -}}
{{- range $field, $one := $value -}}{{- $pairs = append $pairs (printf "%s:%s" $field (toString $one)) -}}{{- end -}}
{{- $text = join "," $pairs -}}
{{- else if and (eq $key "extraenvvars") (kindIs "map" $value) -}}
{{- include "sensor.sidekick.flat" (dict "values" $value "prefix" "" "to" $.to) -}}
{{- else if kindIs "map" $value -}}
{{- include "sensor.sidekick.flat" (dict "values" $value "prefix" (printf "%s_" $name) "to" $.to) -}}
{{- else if and (eq $key "extraenvvars") (kindIs "slice" $value) -}}
{{- range $value -}}{{- if .value -}}{{- $_ := set $.to .name (toString .value | b64enc) -}}{{- end -}}{{- end -}}
{{- else if kindIs "slice" $value -}}
{{- $text = join "," $value -}}
{{- else if kindIs "float64" $value -}}
{{- $text = ternary (printf "%d" (int64 $value)) (toString $value) (eq (floor $value) $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $text = toString $value -}}
{{- end -}}
{{- if $text -}}{{- $_ := set $.to $name (b64enc $text) -}}{{- end -}}
{{- end -}}
{{- end -}}
