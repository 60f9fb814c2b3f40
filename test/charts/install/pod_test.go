package install

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/world"
)

// accountPath is where a kubelet puts the token of a pod.
const accountPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// pod is a container of a pod, as a process. Its root has the program, the volumes and the account of the pod, and
// belongs to another user; the API server is where the environment says.
type pod struct {
	root   string
	volume map[string]string // the folder of each, by the name of the ConfigMap or Secret
	mode   map[string]int32  // of the files of each Secret
	group  int               // of these files
	host   *world.Member
	cmd    *exec.Cmd
	done   chan struct{}
}

// startPod starts the only container of the pod.
func startPod(t *testing.T, host *world.Member, namespace string, spec corev1.PodSpec) *pod {
	t.Helper()
	if len(spec.Containers) != 1 {
		t.Fatalf("%d containers, want one", len(spec.Containers))
	}
	c := spec.Containers[0]
	p := &pod{
		root: t.TempDir(), volume: map[string]string{}, mode: map[string]int32{},
		group: int(*spec.SecurityContext.FSGroup), host: host, done: make(chan struct{}),
	}
	p.furnish(t)
	user := int(*spec.SecurityContext.RunAsUser)
	for _, m := range c.VolumeMounts {
		p.mount(t, namespace, spec, m)
	}
	if spec.AutomountServiceAccountToken != nil && *spec.AutomountServiceAccountToken {
		token, err := host.Kubectl(t.Context(), "", "-n", namespace, "create", "token", spec.ServiceAccountName)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, filepath.Join(accountPath, "token"), token)
		p.write(t, filepath.Join(accountPath, "ca.crt"), string(host.Cluster.Config().CAData))
		p.write(t, filepath.Join(accountPath, "namespace"), namespace)
	}
	address, port, _ := strings.Cut(strings.TrimPrefix(host.Cluster.Server(), "https://"), ":")
	p.cmd = exec.Command("/federation-syncer", c.Args...)
	p.cmd.Dir = "/"
	p.cmd.Env = []string{"KUBERNETES_SERVICE_HOST=" + address, "KUBERNETES_SERVICE_PORT=" + port}
	for _, e := range c.Env {
		p.cmd.Env = append(p.cmd.Env, e.Name+"="+e.Value)
	}
	log, err := os.Create(p.root + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.root, Setpgid: true}
	if mayChangeUser() {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // stop looks at how it ended
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// mayChangeUser reports whether there are more users than one here: in the user namespace of somebody who is not root
// there is only one.
func mayChangeUser() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(ids)), " ") == "0 0 4294967295"
}

// furnish puts the program into the root, with the libraries that it needs if make has linked it to any.
func (p *pod) furnish(t *testing.T) {
	t.Helper()
	program := programs.Syncer()
	p.copy(t, program, "/federation-syncer")
	out, _ := exec.Command("ldd", program).Output() // an error says that it is static
	for _, library := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
		p.copy(t, library[1], library[1])
	}
	p.write(t, "/etc/resolv.conf", "nameserver "+world.Authority+"\n")
	if err := os.Chmod(p.root, 0o755); err != nil {
		t.Fatal(err)
	}
}

func (p *pod) copy(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, to, string(text))
	if err := os.Chmod(p.root+to, 0o755); err != nil {
		t.Fatal(err)
	}
}

// write writes a file that the pod may read. It is replaced atomically, as a kubelet does.
func (p *pod) write(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(p.root, path)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".new", []byte(text), 0o644),
		os.Rename(path+".new", path))
	if err != nil {
		t.Fatal(err)
	}
}

func (p *pod) mount(t *testing.T, namespace string, spec corev1.PodSpec, m corev1.VolumeMount) {
	t.Helper()
	for _, v := range spec.Volumes {
		switch {
		case v.Name != m.Name:
		case v.EmptyDir != nil:
			path := filepath.Join(p.root, m.MountPath)
			if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, fs.ModeSetgid|0o777)); err != nil {
				t.Fatal(err)
			}
			return
		case v.ConfigMap != nil:
			p.volume["configmap/"+v.ConfigMap.Name] = m.MountPath
			p.sync(t, namespace)
			return
		case v.Secret != nil:
			p.volume["secret/"+v.Secret.SecretName] = m.MountPath
			p.mode["secret/"+v.Secret.SecretName] = *v.Secret.DefaultMode
			p.sync(t, namespace)
			return
		}
	}
	t.Fatalf("there is no volume %s", m.Name)
}

// sync brings the files of all volumes up to date, as a kubelet does within a minute or two.
func (p *pod) sync(t *testing.T, namespace string) {
	t.Helper()
	for object, path := range p.volume {
		out, err := p.host.Kubectl(t.Context(), "", "-n", namespace, "get", object, "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(object, "secret/") {
			var s corev1.Secret
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				t.Fatal(err)
			}
			for key, text := range s.Data {
				p.write(t, filepath.Join(path, key), string(text))
				p.protect(t, object, filepath.Join(path, key))
			}
			continue
		}
		var c corev1.ConfigMap
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatal(err)
		}
		for key, text := range c.Data {
			p.write(t, filepath.Join(path, key), text)
		}
	}
}

// protect gives a file of a Secret the mode of its volume, and the group of the pod.
func (p *pod) protect(t *testing.T, object, path string) {
	t.Helper()
	path = filepath.Join(p.root, path)
	err := os.Chmod(path, os.FileMode(p.mode[object]))
	if err == nil && mayChangeUser() {
		err = os.Chown(path, 0, p.group)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// log is what the pod has logged.
func (p *pod) log() string {
	text, err := os.ReadFile(p.root + ".log")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// logged waits until the pod has logged something.
func (p *pod) logged(t *testing.T, text string) {
	t.Helper()
	p.await(t, text, func() bool { return strings.Contains(p.log(), text) })
}

// await waits for something, while the pod runs.
func (p *pod) await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !f(); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.done:
			if !f() {
				t.Fatalf("the pod has ended, and not: %s; %v\n%s", what, p.cmd.ProcessState, p.log())
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s\n%s", what, p.log())
		}
	}
}

// exec runs the program in the pod again, as kubectl exec does.
func (p *pod) exec(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "/federation-syncer", args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.root, Credential: p.cmd.SysProcAttr.Credential}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// stop ends the pod as a kubelet does.
func (p *pod) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("the pod does not end\n%s", p.log())
	}
}

func (p *pod) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}
