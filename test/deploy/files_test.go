package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// What the head of a proxy's file demands of bridge.yaml.
var demanded = regexp.MustCompile(`(?m)# In bridge.yaml:\n((?:#   .*\n)+)`)

func TestProxiesAskForWhatIsThere(t *testing.T) {
	for _, name := range []string{"nginx.conf", "haproxy.cfg", "Caddyfile"} {
		t.Run(name, func(t *testing.T) {
			text := read(t, "deploy/"+name)
			m := demanded.FindStringSubmatch(text)
			if m == nil {
				t.Fatal("it does not say what goes into bridge.yaml")
			}
			c := meant(t, strings.ReplaceAll(m[1], "#   ", "")+"targets: {lab: {address: tcp://127.0.0.1:10809}}\n")
			address := strings.TrimPrefix(string(c.Listen[0]), "unix:")
			if strings.Count(text, address) < 2 {
				t.Errorf("the bridge listens at %s, which is not where the proxy looks", address)
			}
			if len(c.Proxies.Forwarded)+len(c.Proxies.Protocol) != 1 {
				t.Error("the proxy is not believed")
			}
		})
	}
}

// setting returns the last value of a key in a systemd unit.
func setting(t *testing.T, unit, key string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(m) == 0 {
		t.Fatalf("no %s", key)
	}
	return m[len(m)-1][1]
}

func TestUnits(t *testing.T) {
	service, socket := read(t, "deploy/bridge.service"), read(t, "deploy/bridge.socket")
	if start, name := setting(t, service, "ExecStart"), setting(t, socket, "FileDescriptorName"); !strings.HasSuffix(start, " --listen systemd:"+name) {
		t.Errorf("%s does not take the socket named %s", start, name)
	}
	if got := setting(t, service, "Sockets"); got != "bridge.socket" {
		t.Errorf("the service takes %s", got)
	}
	stop, err := time.ParseDuration(setting(t, service, "TimeoutStopSec"))
	if drain := 10 * time.Second; err != nil || stop < drain+10*time.Second { // limits.drain by default
		t.Errorf("stopped after %v (%v) for a drain of %v", stop, err, drain)
	}
}

// An object is a Kubernetes object, as much of it as is judged here.
type object struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
				Containers                    []container
			}
		}
		Ports []struct {
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type container struct {
	Args  []string
	Env   []struct{ Name, Value string }
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	Lifecycle      struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	VolumeMounts []struct {
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// objects reads the manifests, by kind.
func objects(t *testing.T) map[string]object {
	t.Helper()
	found := map[string]object{}
	for _, text := range strings.Split(read(t, "deploy/kubernetes.yaml"), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		found[o.Kind] = o
	}
	return found
}

func TestKubernetes(t *testing.T) {
	all := objects(t)
	pod := all["Deployment"].Spec.Template.Spec
	c := meant(t, all["ConfigMap"].Data["bridge.yaml"])
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	bridge := pod.Containers[0]
	ports := map[string]int{}
	for _, p := range bridge.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if got := fmt.Sprintf("0.0.0.0:%d", ports["http"]); len(c.Listen) != 1 || string(c.Listen[0]) != got {
		t.Errorf("listens at %q, and the port is %q", c.Listen, got)
	}
	if got := fmt.Sprintf("0.0.0.0:%d", ports["admin"]); string(c.Admin.Listen) != got {
		t.Errorf("admin listens at %q, and the port is %q", c.Admin.Listen, got)
	}
	for path, p := range map[string]probe{"/healthz": bridge.LivenessProbe, "/readyz": bridge.ReadinessProbe} {
		if p.HTTPGet.Path != path || p.HTTPGet.Port != "admin" {
			t.Errorf("%s is not asked at the admin port: %+v", path, p)
		}
	}
	if want := fmt.Sprintf("$(POD_IP):%d", ports["admin"]); !slices.ContainsFunc(bridge.Env, func(v struct{ Name, Value string }) bool {
		return v.Name == "BRIDGE_ADMIN_HOST" && v.Value == want
	}) {
		t.Errorf("the probes' Host, %s, is not answered: %+v", want, bridge.Env)
	}
	if service := all["Service"].Spec.Ports; len(service) != 1 || service[0].TargetPort != "http" {
		t.Errorf("the service shows %+v", service)
	}
	if mounts := bridge.VolumeMounts; len(mounts) != 2 || !slices.Contains(bridge.Args, mounts[0].MountPath+"/bridge.yaml") || !strings.HasPrefix(c.Auth.Tickets.Keys, mounts[1].MountPath) {
		t.Errorf("the mounts %+v don't hold the files", mounts)
	}
	needed := time.Duration(c.Limits.Drain) + time.Duration(bridge.Lifecycle.PreStop.Sleep.Seconds)*time.Second
	if grace := time.Duration(pod.TerminationGracePeriodSeconds) * time.Second; grace < needed+10*time.Second {
		t.Errorf("killed after %v, and draining takes %v", grace, needed)
	}
}

func TestContainer(t *testing.T) {
	text := read(t, "deploy/Containerfile")
	for what, want := range map[string]string{
		"what make builds":   "COPY --from=build /src/bin/bridge /bridge",
		"no C library":       "RUN CGO_ENABLED=0 make build",
		"nobody of the host": "USER 65532:65532",
		"the toolchain":      "golang:" + regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1] + " ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q", what, want)
		}
	}
}
