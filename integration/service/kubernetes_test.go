package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
	"go.yaml.in/yaml/v3"
)

// manifest is what our manifests say, of any kind. Each field must be known: a misspelt one is an error. (The manifests
// were checked against the types of k8s.io/api as well, which is too much to need for a test.)
type manifest struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   metadata          `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
	Spec       struct {
		pod          `yaml:",inline"`
		Replicas     int            `yaml:"replicas"`
		MinAvailable int            `yaml:"minAvailable"`
		Selector     map[string]any `yaml:"selector"`
		Strategy     map[string]any `yaml:"strategy"`
		Template     struct {
			Metadata metadata `yaml:"metadata"`
			Spec     pod      `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type metadata struct {
	Name        string            `yaml:"name"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type pod struct {
	SecurityContext map[string]any `yaml:"securityContext"`
	Affinity        map[string]any `yaml:"affinity"`
	InitContainers  []container    `yaml:"initContainers"`
	Containers      []container    `yaml:"containers"`
	GracePeriod     int            `yaml:"terminationGracePeriodSeconds"`
	Volumes         []struct {
		Name      string         `yaml:"name"`
		EmptyDir  map[string]any `yaml:"emptyDir"`
		Projected struct {
			DefaultMode int `yaml:"defaultMode"`
			Sources     []map[string]struct {
				Name string `yaml:"name"`
			} `yaml:"sources"`
		} `yaml:"projected"`
	} `yaml:"volumes"`
}

type container struct {
	Name            string           `yaml:"name"`
	Image           string           `yaml:"image"`
	RestartPolicy   string           `yaml:"restartPolicy"`
	Command         []string         `yaml:"command"`
	Args            []string         `yaml:"args"`
	Ports           []map[string]any `yaml:"ports"`
	StartupProbe    *probe           `yaml:"startupProbe"`
	ReadinessProbe  *probe           `yaml:"readinessProbe"`
	LivenessProbe   *probe           `yaml:"livenessProbe"`
	Resources       map[string]any   `yaml:"resources"`
	SecurityContext map[string]any   `yaml:"securityContext"`
	VolumeMounts    []struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"`
	} `yaml:"httpGet"`
	PeriodSeconds    int `yaml:"periodSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
}

// manifests reads a file of deploy/kubernetes.
func manifests(t testing.TB, name string) []manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	in := yaml.NewDecoder(bytes.NewReader(text))
	in.KnownFields(true)
	var all []manifest
	for {
		var m manifest
		if err := in.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, m)
	}
}

// The manifests are run as they stand, but for the server's address: the configuration of the ConfigMap, the arguments and
// the probes of the container.
func TestKubernetesManifests(t *testing.T) {
	for _, name := range []string{"sidecar.yaml", "shared-port.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files map[string]string
			var ours *container
			var grace int
			for _, m := range manifests(t, name) {
				if m.APIVersion == "" || m.Metadata.Name == "" {
					t.Errorf("a %s without version or name", m.Kind)
				}
				switch m.Kind {
				case "ConfigMap":
					files = m.Data
				case "Pod":
					ours, grace = &m.Spec.InitContainers[0], m.Spec.GracePeriod
					if ours.RestartPolicy != "Always" {
						t.Error("the init container is no sidecar")
					}
				case "Deployment":
					ours, grace = &m.Spec.Template.Spec.Containers[0], m.Spec.Template.Spec.GracePeriod
					if m.Spec.Replicas < 2 {
						t.Errorf("%d replicas share a port", m.Spec.Replicas)
					}
				}
			}
			if grace < 15 {
				t.Errorf("killed after %d s: TunneldDrain is 8 s in the image and 10 s elsewhere", grace)
			}
			runContainer(t, files, ours)
		})
	}
}

// listenPort is where a forward of the manifests listens.
var listenPort = regexp.MustCompile(`(LocalForward 127\.0\.0\.1:|RemoteForward )\d+`)

func runContainer(t *testing.T, files map[string]string, c *container) {
	l := lab.New(t)
	for name, text := range files {
		text = listenPort.ReplaceAllString(text, fmt.Sprint("${1}", lab.FreePort(t))) // those of the manifests may be taken here
		lab.WriteFile(t, l.Account.Path("mounted_"+name), text)
	}
	web := lab.Loopback(lab.FreePort(t))
	var words []string
	for _, word := range c.Args {
		words = append(words, strings.Replace(word, ":9100", web, 1))
	}
	words = append(words, "-F", l.Account.Path("mounted_config"), "--log-level", "debug", "-l", l.Account.User)
	for _, option := range []string{
		"HostName=127.0.0.1", fmt.Sprint("Port=", l.Relay.Port), "IdentityFile=" + l.Account.Path("id_ed25519"),
		"UserKnownHostsFile=" + l.Account.Path("known_hosts"), "GlobalKnownHostsFile=" + l.Account.Path("mounted_known_hosts"),
	} {
		words = append(words, "-o", option)
	}
	process := l.Account.Tunneld(words...)
	lab.WaitUp(t, process, 0)
	for name, p := range map[string]*probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if p == nil || p.HTTPGet.Port != "http" {
			t.Errorf("no %s probe of port http", name)
			continue
		}
		lab.Eventually(t, lab.Patience, name+" probe succeeds", func() bool {
			answer, err := http.Get("http://" + web + p.HTTPGet.Path)
			if err != nil {
				return false
			}
			answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		})
	}
	if mode, _ := c.SecurityContext["readOnlyRootFilesystem"].(bool); !mode {
		t.Error("the root file system can be written to")
	}
}
