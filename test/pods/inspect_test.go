package pods

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// inspect looks at a pod of our image as an administrator does, and at its process as the kernel does.
func (s *system) inspect(app, program, version string) {
	s.t.Helper()
	pod, err := only(s.kubectl("", "get", "pods", "--namespace", "kube-system", "--selector", "k8s-app="+app,
		"--field-selector", "status.phase=Running", "--output", "jsonpath={.items[*].metadata.name}"))
	s.must(err)
	in := []string{"--namespace", "kube-system", pod}
	if out := s.kubectl("", append(append([]string{"exec"}, in...), "--", "/"+program, "-version")...); !strings.
		HasPrefix(out, version) {
		s.t.Errorf("kubectl exec: %q, want %s...", out, version)
	}
	if out := s.kubectl("", append([]string{"logs"}, in...)...); !strings.Contains(out, version) {
		s.t.Errorf("kubectl logs does not say %s:\n%s", version, out)
	}
	metrics := s.kubectl("", "get", "--raw", "/api/v1/namespaces/kube-system/pods/"+pod+":9153/proxy/metrics")
	rss := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`).FindStringSubmatch(metrics)
	if rss == nil {
		s.t.Fatal("the metrics have no process_resident_memory_bytes")
	}
	octets, err := strconv.ParseFloat(rss[1], 64)
	s.must(err)
	s.t.Logf("%s: RSS %.0f MB", program, octets/1e6)
	container := s.kubectl("", append(append([]string{"get", "pod"}, in...), "--output",
		"jsonpath={.status.containerStatuses[0].containerID}")...)
	status, err := s.node.ProcessStatus(s.t.Context(), strings.TrimPrefix(container, "containerd://"))
	s.must(err)
	const bindPorts = 1 << 10 // CAP_NET_BIND_SERVICE
	for field, want := range map[string]string{
		"Uid": "65532\t65532\t65532\t65532", "Gid": "65532\t65532\t65532\t65532", "NoNewPrivs": "1", "Seccomp": "2",
		"CapEff": fmt.Sprintf("%016x", bindPorts),
	} {
		if got := status[field]; got != want {
			s.t.Errorf("I1 the kernel says %s %q of the process, want %q", field, got, want)
		}
	}
}
