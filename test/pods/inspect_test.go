package pods

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// inspect looks at the pods of our CoreDNS that a selector has, as an administrator does, and at their processes as the
// kernel does.
func (s *system) inspect(namespace, selector string) {
	s.t.Helper()
	pods := strings.Fields(s.kubectl("", "get", "pods", "--namespace", namespace, "--selector", selector,
		"--field-selector", "status.phase=Running", "--output", "jsonpath={.items[*].metadata.name}"))
	if len(pods) == 0 {
		s.t.Fatalf("no pod %s runs", selector)
	}
	for _, pod := range pods {
		s.inspectPod(namespace, pod)
	}
}

func (s *system) inspectPod(namespace, pod string) {
	s.t.Helper()
	const (
		version   = "CoreDNS-"
		bindPorts = 1 << 10 // CAP_NET_BIND_SERVICE
	)
	in := []string{"--namespace", namespace, pod}
	if out := s.kubectl("", append(append([]string{"exec"}, in...), "--", "/coredns", "-version")...); !strings.
		HasPrefix(out, version) {
		s.t.Errorf("kubectl exec: %q, want %s...", out, version)
	}
	if out := s.kubectl("", append([]string{"logs"}, in...)...); !strings.Contains(out, version) {
		s.t.Errorf("kubectl logs does not say %s:\n%s", version, out)
	}
	metrics := s.kubectl("", "get", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+pod+":9153/proxy/metrics")
	rss := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`).FindStringSubmatch(metrics)
	if rss == nil {
		s.t.Fatal("the metrics have no process_resident_memory_bytes")
	}
	octets, err := strconv.ParseFloat(rss[1], 64)
	s.must(err)
	s.t.Logf("%s: RSS %.0f MB", pod, octets/1e6)
	container := s.kubectl("", append(append([]string{"get", "pod"}, in...), "--output",
		"jsonpath={.status.containerStatuses[0].containerID}")...)
	status, err := s.node.ProcessStatus(s.t.Context(), strings.TrimPrefix(container, "containerd://"))
	s.must(err)
	for field, want := range map[string]string{
		"Uid": "65532\t65532\t65532\t65532", "Gid": "65532\t65532\t65532\t65532", "NoNewPrivs": "1", "Seccomp": "2",
		"CapEff": fmt.Sprintf("%016x", bindPorts),
	} {
		if got := status[field]; got != want {
			s.t.Errorf("the kernel says %s %q of the process, want %q", field, got, want)
		}
	}
}
