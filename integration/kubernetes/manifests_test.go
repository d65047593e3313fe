package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const manifests = "../../deploy/kubernetes"

// strict decodes what the manifests have.
func strict(t *testing.T) *json.Serializer {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{core.AddToScheme, apps.AddToScheme, policy.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

// decode reads objects as the API's server does with strict validation: a field that is misspelt, of another type or there twice is an
// error.
func decode(t *testing.T, text []byte) (objects []runtime.Object) {
	t.Helper()
	decoder := strict(t)
	for documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v: %v\n%s", kind, err, document)
		}
		objects = append(objects, object)
	}
}

// build renders a directory as `kubectl kustomize` does.
func build(t *testing.T, directory string) []runtime.Object {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		t.Fatal(err)
	}
	text, err := all.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func TestManifests(t *testing.T) {
	for name, want := range map[string]int{"sidecar.yaml": 2, "shared-port.yaml": 3} {
		text, err := os.ReadFile(filepath.Join(manifests, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(decode(t, text)); n != want {
			t.Errorf("%s has %d objects, want %d", name, n, want)
		}
	}
}

// A field that the API does not know is found: else the tests here would say nothing.
func TestStrict(t *testing.T) {
	_, _, err := strict(t).Decode([]byte("apiVersion: v1\nkind: Pod\nspec:\n  conteiners: []\n"), nil, nil)
	if err == nil || !runtime.IsStrictDecodingError(err) {
		t.Errorf("a misspelt field: %v", err)
	}
}

func TestBase(t *testing.T) { check(t, build(t, manifests), 2, "tunneld:latest") }

func TestOverlay(t *testing.T) {
	check(t, build(t, "../../deploy/kustomize"), 3, "ghcr.io/tunneld/tunneld:latest")
}

// check wants the replicas, their image, and that what they mount is there.
func check(t *testing.T, objects []runtime.Object, replicas int32, image string) {
	t.Helper()
	var deployment *apps.Deployment
	configs := make(map[string]*core.ConfigMap)
	for _, object := range objects {
		switch o := object.(type) {
		case *apps.Deployment:
			deployment = o
		case *core.ConfigMap:
			configs[o.Name] = o
		}
	}
	if deployment == nil {
		t.Fatal("no Deployment")
	}
	pod := deployment.Spec.Template.Spec
	if *deployment.Spec.Replicas != replicas || pod.Containers[0].Image != image {
		t.Errorf("%d replicas of %s, want %d of %s", *deployment.Spec.Replicas, pod.Containers[0].Image, replicas, image)
	}
	mounted := 0
	for _, source := range pod.Volumes[0].Projected.Sources {
		if source.ConfigMap == nil {
			continue
		}
		mounted++
		config := configs[source.ConfigMap.Name]
		if config == nil {
			t.Fatalf("%s is mounted, and there are %q", source.ConfigMap.Name, slices.Collect(maps.Keys(configs)))
		}
		if !strings.Contains(config.Data["config"], "RemoteForward") || !strings.Contains(config.Data["known_hosts"], "ssh-ed25519") {
			t.Errorf("the ConfigMap has %q", config.Data)
		}
	}
	if mounted != 1 {
		t.Errorf("%d ConfigMaps are mounted", mounted)
	}
}

// What the page on Kubernetes tells people to send to a cluster is one of these.
func TestPageNamesThese(t *testing.T) {
	page, err := os.ReadFile("../../docs/containers.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^kubectl (?:apply|kustomize) (?:-[fk] )?deploy/(\S+)$`).FindAllSubmatch(page, -1)
	var named []string
	for _, one := range found {
		named = append(named, string(one[1]))
	}
	if want := []string{"kustomize", "kustomize", "kubernetes/sidecar.yaml"}; !slices.Equal(named, want) {
		t.Errorf("the page names %q, and these tests check %q", named, want)
	}
}
