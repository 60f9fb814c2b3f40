{{/* The name of all objects: the release's, which says whose CoreDNS it is if it has the chart's name in it. */}}
{{- define "federation-dns.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The selector never changes. */}}
{{- define "federation-dns.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "federation-dns.labels" -}}
{{ include "federation-dns.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "federation-dns.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "federation-dns.fullname" .) -}}
{{- end -}}

{{/* Cluster-scoped names carry the namespace: two releases of one name may be in one cluster. */}}
{{- define "federation-dns.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "federation-dns.fullname" .) -}}
{{- end -}}

{{- define "federation-dns.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The ClusterIP: what is set, or else that of the Service which an earlier revision made. */}}
{{- define "federation-dns.clusterIP" -}}
{{- if .Values.service.clusterIP -}}
{{- .Values.service.clusterIP -}}
{{- else -}}
{{- $service := lookup "v1" "Service" .Release.Namespace (include "federation-dns.fullname" .) -}}
{{- if $service -}}
{{- $service.spec.clusterIP -}}
{{- else -}}
{{- fail "service.clusterIP is not set. The cluster's DNS will forward to this address, so it must not change: look at the address of the cluster's DNS (kubectl get service -A -l k8s-app=kube-dns), choose a free one near it at the low end of the same range, such as 10.96.0.53 if that is 10.96.0.10, and say --set service.clusterIP=ADDRESS." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The zones of a stanza: myfederation.svc.cluster.local with the port that the cluster's DNS listens on. */}}
{{- define "federation-dns.zones" -}}
{{- $zones := list -}}
{{- range .root.Values.federations -}}
{{- $zones = append $zones (printf "%s.svc.%s:%v" .name $.root.Values.clusterDomain $.port) -}}
{{- end -}}
{{- join " " $zones -}}
{{- end -}}

{{/* The stanza for a CoreDNS. It has no directive that a stock CoreDNS lacks. */}}
{{- define "federation-dns.stanza" -}}
{{ include "federation-dns.zones" . }} {
    errors
    forward . {{ include "federation-dns.clusterIP" .root }}
}
{{- end -}}

{{- define "federation-dns.validate" -}}
{{- if not .Values.federations -}}
{{- fail "federations is empty: say at least one, for example in a file given by --values:\n\nfederations:\n- name: myfederation\n  domain: example.com\n" -}}
{{- end -}}
{{- $names := list -}}
{{- $ways := dict -}}
{{- range .Values.federations -}}
{{- if has .name $names -}}
{{- fail (printf "federations: %s is there twice" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- $servers := join " " .servers -}}
{{- if and $servers (ne $servers (get $ways .domain | default $servers)) -}}
{{- fail (printf "federations: %s has different servers: CoreDNS asks the same ones for all names of a domain" .domain) -}}
{{- end -}}
{{- $_ := set $ways .domain ($servers | default (get $ways .domain)) -}}
{{- end -}}
{{- if and .Values.topology.zone (not .Values.topology.region) -}}
{{- fail "topology.zone is set and topology.region is not: say both, or leave both out to take them from the labels of the Nodes" -}}
{{- end -}}
{{- end -}}

{{/* Commands that put the stanza into the Corefile of a ConfigMap: what an earlier revision of ours put there is
replaced. */}}
{{- define "federation-dns.edit" -}}
kubectl -n kube-system get configmap {{ .configmap }} -o jsonpath='{.data.Corefile}' |
  sed '/^# begin federation-dns$/,/^# end federation-dns$/d' > Corefile
{{ include "federation-dns.append" . }}
kubectl -n kube-system create configmap {{ .configmap }} --from-file=Corefile --dry-run=client -o yaml |
  kubectl apply --server-side --force-conflicts --field-manager=federation-dns -f -
{{- end -}}

{{- define "federation-dns.append" -}}
cat >> Corefile <<'EOF'

# begin federation-dns
{{ include "federation-dns.stanza" . }}
# end federation-dns
EOF
{{- end -}}

{{/* Server-side apply adds our key to what coredns-custom has, and creates it if there is none. */}}
{{- define "federation-dns.custom" -}}
kubectl apply --server-side --field-manager=federation-dns -f - <<'EOF'
apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns-custom
  namespace: kube-system
data:
  federation-dns.server: |
    {{- include "federation-dns.stanza" . | nindent 4 }}
EOF
{{- end -}}
