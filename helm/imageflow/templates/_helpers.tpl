{{- define "imageflow.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* A list of objects with the given names, as JSON. */ -}}
{{- define "imageflow.named" -}}
{{- $named := list }}
{{- range . }}{{ $named = append $named (dict "name" .) }}{{ end -}}
{{ $named | toJson }}
{{- end }}

{{- /* A value as an environment variable has it: a number from a values file is a float, which prints 1e+08. */ -}}
{{- define "imageflow.variable" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . | quote }}{{ else }}{{ . | toString | quote }}{{ end -}}
{{- end }}

{{- /* Pods of other programs have these labels alone: no version of ImageFlow replaces them. */ -}}
{{- define "imageflow.selector" -}}
app.kubernetes.io/name: imageflow
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "imageflow.labels" -}}
{{ include "imageflow.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "imageflow.podSecurity" -}}
{{- $user := .values.user | default 10001 -}}
runAsNonRoot: true
runAsUser: {{ $user }}
runAsGroup: {{ $user }}
fsGroup: {{ $user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "imageflow.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* A pod that is replaced answers until every node has taken it out of its Service. */ -}}
{{- define "imageflow.leaving" -}}
preStop: {exec: {command: [sleep, "8"]}}
{{- end }}

{{- /* Variables of every process: the settings, and secrets by reference. */ -}}
{{- define "imageflow.envFrom" -}}
- configMapRef: {name: {{ .Release.Name }}-settings}
- secretRef: {name: {{ include "imageflow.databaseSecret" . }}}
- secretRef: {name: {{ include "imageflow.objectStoreSecret" . }}}
{{- range .Values.secrets.more }}
- secretRef: {name: {{ . | quote }}}
{{- end }}
{{- end }}

{{- /* The account of the runs of batches, where they make pods for components. */ -}}
{{- define "imageflow.batchAccount" -}}
{{ .Values.runs.serviceAccount | default (printf "%s-batch" .Release.Name) }}
{{- end }}

{{- /* The release whose Dagster and engine do the work. */ -}}
{{- define "imageflow.dagsterRelease" -}}
{{ .Values.besideRelease | default .Release.Name }}
{{- end }}

{{- define "imageflow.databaseSecret" -}}
{{ ternary (printf "%s-demo-database" .Release.Name) .Values.secrets.database .Values.demo.enabled }}
{{- end }}

{{- define "imageflow.objectStoreSecret" -}}
{{ ternary (printf "%s-demo-object-store" .Release.Name) .Values.secrets.objectStore .Values.demo.enabled }}
{{- end }}

{{- define "imageflow.volumeMounts" -}}
- {name: scratch, mountPath: /tmp, subPath: tmp}
- {name: scratch, mountPath: /var/lib/imageflow, subPath: home}
- {name: dagster, mountPath: /etc/imageflow}
{{- end }}

{{- define "imageflow.volumes" -}}
- name: scratch
  emptyDir: {sizeLimit: 2Gi}
- name: dagster
  configMap: {name: {{ .Release.Name }}-dagster}
{{- end }}

{{- /* Waits until the database has the schema of an image. */ -}}
{{- define "imageflow.awaitSchema" -}}
- name: await-schema
  image: {{ .image }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [imageflow, migrate, --wait-s, "600"]
  envFrom: {{- include "imageflow.envFrom" .root | nindent 4 }}
  securityContext: {{- include "imageflow.containerSecurity" .root | nindent 4 }}
  resources: {requests: {cpu: 50m, memory: 200Mi}, limits: {memory: 500Mi}}
  volumeMounts: {{- include "imageflow.volumeMounts" .root | nindent 4 }}
{{- end }}

{{- /* Waits until the code server answers: Dagster would look for one that it missed only a while later. */ -}}
{{- define "imageflow.awaitCode" -}}
- name: await-code
  image: {{ include "imageflow.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - sh
    - -c
    - until dagster api grpc-health-check --host {{ .Release.Name }}-code --port 4000; do sleep 1; done
  env: [{name: HOME, value: /tmp}]
  securityContext: {{- include "imageflow.containerSecurity" . | nindent 4 }}
  resources: {requests: {cpu: 50m, memory: 200Mi}, limits: {memory: 500Mi}}
  volumeMounts: [{name: scratch, mountPath: /tmp, subPath: tmp}]
{{- end }}

{{- define "imageflow.podSpec" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ include "imageflow.named" . }}
{{- end }}
enableServiceLinks: false
securityContext: {{- include "imageflow.podSecurity" . | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
