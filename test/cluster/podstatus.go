package main

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podStatus is what the kubelet saw of a pod.
type podStatus struct {
	ips        []netip.Addr
	containers []corev1.Container
	ready      []bool
	killed     bool
	waiting    string // why the backend cannot run; "" if it runs
	started    metav1.Time
	since      metav1.Time
}

func (r *podRun) status() podStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := podStatus{
		ips: r.ips, containers: r.pod.Spec.Containers, ready: slices.Clone(r.ready),
		killed: r.killed, started: r.started, since: r.since,
	}
	if r.bindErr != nil {
		s.waiting = r.bindErr.Error()
	}
	return s
}

// apply writes s into the status of the object, and reports whether anything changed.
func (s podStatus) apply(status *corev1.PodStatus) bool {
	before := status.DeepCopy()
	status.Phase = corev1.PodRunning
	if s.waiting != "" {
		status.Phase = corev1.PodPending
	}
	status.HostIP = "127.0.0.1"
	status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	status.PodIP = s.ips[0].String()
	status.PodIPs = nil
	for _, ip := range s.ips {
		status.PodIPs = append(status.PodIPs, corev1.PodIP{IP: ip.String()})
	}
	if status.StartTime == nil {
		status.StartTime = &s.started
	}
	all := !slices.Contains(s.ready, false)
	s.condition(status, corev1.PodScheduled, true, "")
	s.condition(status, corev1.PodInitialized, true, "")
	s.condition(status, corev1.ContainersReady, all, "ContainersNotReady")
	s.condition(status, corev1.PodReady, all, "ContainersNotReady")
	status.ContainerStatuses = make([]corev1.ContainerStatus, 0, len(s.containers))
	for i, c := range s.containers {
		running := s.waiting == ""
		cs := corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: "simulated", Ready: s.ready[i], Started: &running,
		}
		switch {
		case !running:
			cs.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CannotListen", Message: s.waiting}
		case s.killed:
			cs.State.Waiting = &corev1.ContainerStateWaiting{
				Reason: "Killed", Message: "killed; start it with: testcluster backends start",
			}
		default:
			cs.State.Running = &corev1.ContainerStateRunning{StartedAt: s.started}
		}
		status.ContainerStatuses = append(status.ContainerStatuses, cs)
	}
	return !equality.Semantic.DeepEqual(before, status)
}

func (s podStatus) condition(status *corev1.PodStatus, typ corev1.PodConditionType, yes bool, why string) {
	want := corev1.PodCondition{Type: typ, Status: corev1.ConditionTrue, LastTransitionTime: s.since}
	if !yes {
		want.Status, want.Reason = corev1.ConditionFalse, why
	}
	for i, c := range status.Conditions {
		if c.Type == typ {
			if c.Status != want.Status {
				status.Conditions[i] = want
			}
			return
		}
	}
	status.Conditions = append(status.Conditions, want)
}
