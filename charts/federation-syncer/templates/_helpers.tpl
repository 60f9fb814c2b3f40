{{/* The name of all objects: the release's, which says whose syncer it is if it has the chart's name in it. It is the
name of the Lease too. */}}
{{- define "federation-syncer.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The selector never changes. */}}
{{- define "federation-syncer.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "federation-syncer.labels" -}}
{{ include "federation-syncer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "federation-syncer.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (printf "%s-host" (include "federation-syncer.fullname" .)) -}}
{{- end -}}

{{/* Cluster-scoped names carry the namespace: two releases of one name may be in one cluster. */}}
{{- define "federation-syncer.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "federation-syncer.fullname" .) -}}
{{- end -}}

{{/* Whether a federation has no DNS provider: then the syncer keeps its records in ConfigMaps of the namespace. What an
existing ConfigMap configures is not known here. */}}
{{- define "federation-syncer.keepsRecords" -}}
{{- $keeps := .Values.hostRecords -}}
{{- range (.Values.config | default dict).federations -}}
{{- if hasKey (.provider | default dict) "none" -}}
{{- $keeps = true -}}
{{- end -}}
{{- end -}}
{{- if $keeps -}}true{{- end -}}
{{- end -}}

{{- define "federation-syncer.configMapName" -}}
{{- .Values.existingConfigMap | default (include "federation-syncer.fullname" .) -}}
{{- end -}}

{{- define "federation-syncer.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "federation-syncer.validate" -}}
{{- if .Values.existingConfigMap -}}
{{- if .Values.config -}}
{{- fail "config and existingConfigMap are both set: keep the configuration in one of them" -}}
{{- end -}}
{{- else -}}
{{- if not .Values.config -}}
{{- fail "config is empty: write the configuration of the syncer there, with at least one federation, in a file given by --values:\n\nconfig:\n  federations:\n  - name: myfederation\n    domain: example.com\n    provider: {route53: {}}\n  clusters:\n  - name: gce-us-central1\n    kubeconfig: {path: /etc/federation/secrets/members/gce-us-central1.kubeconfig}\nsecretMounts:\n- secretName: members\n\nThe README of the chart says how to make the Secret, and docs/operations.md has all fields." -}}
{{- end -}}
{{- range $field, $why := dict
  "host" "the chart sets it, to the account and the Lease that it makes"
  "admin" "the chart sets it, to a socket that `federation-syncer status` finds in the pod" -}}
{{- if hasKey $.Values.config $field -}}
{{- fail (printf "config.%s: %s; leave it out" $field $why) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.config "metrics" -}}
{{- fail "config.metrics: the port is the value metrics.port; leave it out of config" -}}
{{- end -}}
{{- if not .Values.config.federations -}}
{{- fail "config.federations is empty: at least one federation is needed, with name, domain and provider" -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.secretMounts -}}
{{- if has .secretName $names -}}
{{- fail (printf "secretMounts: the Secret %s is there twice" .secretName) -}}
{{- end -}}
{{- $names = append $names .secretName -}}
{{- end -}}
{{- end -}}

{{/* The configuration file: what is configured, and what the chart knows better. */}}
{{- define "federation-syncer.config" -}}
{{- $host := dict "inCluster" true "namespace" .Release.Namespace "lease" (include "federation-syncer.fullname" .) -}}
{{- $own := dict "apiVersion" "federation-dns.io/v1alpha1" "kind" "SyncerConfiguration" "host" $host
  "metrics" (dict "address" (printf ":%d" (int .Values.metrics.port))) -}}
{{- toYaml (merge $own .Values.config) -}}
{{- end -}}

{{/* What a pod of the syncer has, with the container's own lines in .lines. */}}
{{- define "federation-syncer.podSpec" -}}
serviceAccountName: {{ include "federation-syncer.serviceAccountName" . }}
automountServiceAccountToken: true
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
volumes:
- name: config
  configMap:
    name: {{ include "federation-syncer.configMapName" . }}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- range $i, $m := .Values.secretMounts }}
- name: secret-{{ $i }}
  secret:
    secretName: {{ $m.secretName }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "federation-syncer.container" -}}
image: {{ include "federation-syncer.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- name: config
  mountPath: /etc/federation/config
  readOnly: true
- name: run
  mountPath: /run/federation-syncer
{{- range $i, $m := .Values.secretMounts }}
- name: secret-{{ $i }}
  mountPath: {{ $m.mountPath | default (printf "/etc/federation/secrets/%s" $m.secretName) }}
  readOnly: true
{{- end }}
{{- end -}}
