package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// podRun is the running side of a pod: an HTTP server on each of its addresses and container ports, and the readiness
// probes of its containers.
type podRun struct {
	pod     *corev1.Pod // as it was when it started; it belongs to the informer's cache
	cluster string
	ips     []netip.Addr
	changed func()

	mu      sync.Mutex
	started metav1.Time
	servers []*http.Server
	bindErr error
	killed  bool
	ready   []bool // of each container
	since   metav1.Time
	end     context.CancelFunc
	ended   sync.WaitGroup
}

func newPodRun(cluster string, pod *corev1.Pod, ips []netip.Addr, changed func()) *podRun {
	now := metav1.Now().Rfc3339Copy()
	return &podRun{
		pod: pod, cluster: cluster, ips: ips, changed: changed,
		started: now, since: now, ready: make([]bool, len(pod.Spec.Containers)),
	}
}

// key is the key of the pod in the informer's cache.
func (r *podRun) key() string { return r.pod.Namespace + "/" + r.pod.Name }

// start runs the servers and the probes. It does not block.
func (r *podRun) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	r.listen()
	for i := range r.pod.Spec.Containers {
		probe := r.pod.Spec.Containers[i].ReadinessProbe
		if probe == nil || probe.HTTPGet == nil {
			r.setReady(i, r.alive())
			continue
		}
		r.ended.Go(func() { r.probe(ctx, i, probe) })
	}
	if !r.alive() {
		r.ended.Go(func() { r.retryListen(ctx) })
	}
}

// stop ends everything and waits for the probes.
func (r *podRun) stop() {
	r.end()
	r.closeServers()
	r.ended.Wait()
}

// kill ends the servers at once, listeners and connections; they stay dead until revive.
func (r *podRun) kill() {
	r.mu.Lock()
	r.killed = true
	r.mu.Unlock()
	r.closeServers()
	r.followUnprobed()
}

// revive starts the servers of a killed pod again.
func (r *podRun) revive() error {
	r.mu.Lock()
	r.killed = false
	running := len(r.servers) > 0
	r.mu.Unlock()
	if !running {
		r.listen()
	}
	r.followUnprobed()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bindErr
}

// followUnprobed sets the readiness of the containers that have no probe: ready while they run.
func (r *podRun) followUnprobed() {
	for i := range r.pod.Spec.Containers {
		if p := r.pod.Spec.Containers[i].ReadinessProbe; p == nil || p.HTTPGet == nil {
			r.setReady(i, r.alive())
		}
	}
}

func (r *podRun) alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.killed && r.bindErr == nil
}

func (r *podRun) closeServers() {
	r.mu.Lock()
	servers := r.servers
	r.servers = nil
	r.mu.Unlock()
	for _, s := range servers {
		_ = s.Close() // also closes the connections
	}
}

// listen opens all servers, or none: bindErr names the address that is not available.
func (r *podRun) listen() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Cluster", r.cluster)
		fmt.Fprintf(w, "%s pod=%s node=%s\n", r.cluster, r.pod.Name, r.pod.Spec.NodeName)
	})
	var servers []*http.Server
	var failed error
	for _, c := range r.pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
				continue
			}
			for _, ip := range r.ips {
				addr := netip.AddrPortFrom(ip, uint16(port.ContainerPort))
				l, err := net.Listen("tcp", addr.String())
				if err != nil {
					failed = cmp.Or(failed, fmt.Errorf(
						"container %q cannot listen on %s (are pod addresses local here?): %w", c.Name, addr, err))
					continue
				}
				s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
				servers = append(servers, s)
				go func() { _ = s.Serve(l) }() // ends with Close
			}
		}
	}
	if failed != nil {
		for _, s := range servers {
			_ = s.Close()
		}
		servers = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers, r.bindErr = servers, failed
}

// retryListen retries every second until the pod can listen on its addresses.
func (r *podRun) retryListen(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !r.alive() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		killed := r.killed
		r.mu.Unlock()
		if !killed {
			r.listen()
			r.followUnprobed()
			r.changed()
		}
	}
}

// probe performs a container's httpGet readiness probe, as a kubelet does: thresholds count consecutive results, and
// the first result takes effect immediately.
func (r *podRun) probe(ctx context.Context, i int, probe *corev1.Probe) {
	period := seconds(probe.PeriodSeconds, 10)
	client := &http.Client{
		Timeout:   seconds(probe.TimeoutSeconds, 1),
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	server := netip.AddrPortFrom(r.ips[0], r.portOf(i, probe.HTTPGet.Port))
	url := "http://" + server.String() + "/" + trimSlash(probe.HTTPGet.Path)
	tick := time.NewTicker(period)
	defer tick.Stop()
	if probe.InitialDelaySeconds > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(seconds(probe.InitialDelaySeconds, 0)):
		}
	}
	success, failure := int32(0), int32(0)
	for {
		if get(ctx, client, url) {
			success, failure = success+1, 0
		} else {
			success, failure = 0, failure+1
		}
		switch {
		case success >= max(probe.SuccessThreshold, 1):
			r.setReady(i, true)
		case failure >= cmp.Or(probe.FailureThreshold, 3):
			r.setReady(i, false)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode >= 200 && res.StatusCode < 400
}

func (r *podRun) portOf(i int, port intstr.IntOrString) uint16 {
	if port.Type == intstr.Int {
		return uint16(port.IntVal)
	}
	for _, p := range r.pod.Spec.Containers[i].Ports {
		if p.Name == port.StrVal {
			return uint16(p.ContainerPort)
		}
	}
	return 0 // no such port: the probe fails
}

func (r *podRun) setReady(i int, ready bool) {
	r.mu.Lock()
	differs := r.ready[i] != ready
	if differs {
		r.ready[i] = ready
		r.since = metav1.Now().Rfc3339Copy()
	}
	r.mu.Unlock()
	if differs {
		r.changed()
	}
}

// state returns one word, for display.
func (r *podRun) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.killed:
		return "killed"
	case r.bindErr != nil:
		return "waiting"
	}
	return "running"
}

func seconds(n, otherwise int32) time.Duration {
	return time.Duration(cmp.Or(n, otherwise)) * time.Second
}

func trimSlash(path string) string {
	if path != "" && path[0] == '/' {
		return path[1:]
	}
	return path
}
