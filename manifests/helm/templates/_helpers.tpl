{{/* The longest name that leaves room for "-metrics" in a Service's name and for the hash of a StatefulSet's revision. */}}
{{- define "router.name" -}}
{{- $name := .Values.name | default .Release.Name -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$" $name) -}}
{{- fail (printf "name: %q: expected at most 52 lowercase letters, digits and \"-\", and a letter first" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "router.selector" -}}
app.kubernetes.io/name: egress-{{ .Values.mode }}
app.kubernetes.io/instance: {{ include "router.name" . }}
{{- end -}}

{{/* (list . SUFFIX-OF-THE-NAME COMPONENT) */}}
{{- define "router.metadata" -}}
{{- $ := index . 0 -}}
name: {{ include "router.name" $ }}{{ index . 1 }}
namespace: {{ $.Release.Namespace | quote }}
labels:
  {{- include "router.selector" $ | nindent 2 }}
  app.kubernetes.io/component: {{ index . 2 }}
  app.kubernetes.io/part-of: egress-router
  app.kubernetes.io/managed-by: {{ $.Release.Service }}
  helm.sh/chart: {{ $.Chart.Name }}-{{ $.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* (list . PROGRAM) */}}
{{- define "router.image" -}}
{{- $ := index . 0 -}}
{{- with $.Values.images.registry }}{{ . }}/{{ end }}{{ index . 1 }}:{{ $.Values.images.tag | default $.Chart.AppVersion }}
{{- end -}}

{{/* The file of the table below /etc/egress. */}}
{{- define "router.file" -}}
{{ ternary "rules" "destination" (eq .Values.mode "http-proxy") }}
{{- end -}}

{{- define "router.openshift" -}}
{{- if and .Values.openshift (ne .Values.platform "kubernetes") }}true{{ end -}}
{{- end -}}

{{/* Name of the platform's SecurityContextConstraints, and of the Role that allows their use. */}}
{{- define "router.scc" -}}
egress-router{{ if .Values.live }}-live{{ end }}
{{- end -}}

{{- define "router.resources" -}}
{{- if .Values.resources }}
{{- toYaml .Values.resources }}
{{- else if eq .Values.mode "redirect" -}}
requests: { cpu: 10m, memory: {{ ternary "16Mi" "8Mi" .Values.live }} }
{{- else -}}
requests: { cpu: 50m, memory: 64Mi }
{{- end -}}
{{- end -}}

{{/* Variables that other values set. */}}
{{- define "router.check" -}}
{{- range $variable, $value := dict
  "EGRESS_ROUTER_MODE" "mode"
  "EGRESS_SOURCE" "sources"
  "EGRESS_SOURCE_ASSIGN" "replicas"
  "EGRESS_GATEWAY" "gateway"
  "EGRESS_DESTINATION" "table"
  "EGRESS_DESTINATION_FILE" "table"
  "EGRESS_HTTP_PROXY_DESTINATION" "table"
  "EGRESS_HTTP_PROXY_DESTINATION_FILE" "table"
  "EGRESS_DNS_PROXY_DESTINATION" "table"
  "EGRESS_DNS_PROXY_DESTINATION_FILE" "table" }}
{{- if hasKey $.Values.settings $variable }}
{{- fail (printf "settings: %s is the chart's own: use the value %q" $variable $value) }}
{{- end }}
{{- end }}
{{- range $variable := list "EGRESS_ADMIN_LISTEN" "EGRESS_HTTP_PROXY_LISTEN" "EGRESS_HOST_NETNS" }}
{{- if hasKey $.Values.settings $variable }}
{{- fail (printf "settings: %s is fixed: Services, probes and mounts of the chart depend on it" $variable) }}
{{- end }}
{{- end }}
{{- if gt (int .Values.replicas) (len .Values.sources) }}
{{- fail (printf "replicas: %v need as many addresses, and sources has %d" .Values.replicas (len .Values.sources)) }}
{{- end }}
{{- end -}}
