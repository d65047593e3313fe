package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"go.yaml.in/yaml/v3"
)

// What people copy from deploy/ asks for metrics that a running tunneld has, in expressions that Prometheus understands.
func TestDashboardAndAlertsFitTheMetrics(t *testing.T) {
	t.Parallel()
	has := runningMetrics(t)
	for file, list := range map[string][]string{
		"grafana/tunneld.json":         dashboardExpressions(t),
		"prometheus/tunneld.rules.yml": alertExpressions(t),
	} {
		if len(list) < 5 {
			t.Errorf("%s: %d expressions", file, len(list))
		}
		for _, expression := range list {
			for _, name := range metricNames(expression) {
				if !has[name] {
					t.Errorf("%s: there is no metric %s: %s", file, name, expression)
				}
			}
		}
	}
}

// notEverywhere are metrics that only some tunnels have, or that Prometheus itself makes.
var notEverywhere = []string{"tunneld_certificate_expiry_timestamp_seconds", "up"}

// runningMetrics returns the names of the metrics of a tunneld that has probed and carried something.
func runningMetrics(t *testing.T) map[string]bool {
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	web := lab.Loopback(lab.FreePort(t))
	l.Open(lab.Tunneld, ways, "--listen", web, "-o", "ServerAliveInterval=1", "-o", "TunneldEchoInterval=1")
	names := make(map[string]bool)
	for _, name := range notEverywhere {
		names[name] = true
	}
	lab.Eventually(t, lab.Patience, "both probes are counted", func() bool {
		answer, err := http.Get("http://" + web + "/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		for line := range strings.Lines(string(text)) {
			if name, _, found := strings.Cut(line, "{"); found || !strings.HasPrefix(line, "#") {
				names[strings.Fields(name)[0]] = true
			}
		}
		return strings.Contains(string(text), `probe="echo"`) && strings.Contains(string(text), `probe="keepalive"`)
	})
	return names
}

// metricName finds names of metrics: words of our prefix or of client_golang's, and a word in front of a brace.
var metricName = regexp.MustCompile(`\b((?:tunneld|go|process)_[a-z_]+|[a-z_]+\{)`)

func metricNames(expression string) []string {
	var names []string
	for _, name := range metricName.FindAllString(expression, -1) {
		names = append(names, strings.TrimSuffix(name, "{"))
	}
	return names
}

// deployed reads a file of deploy/.
func deployed(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// dashboardExpressions returns the queries of the panels and the variables.
func dashboardExpressions(t *testing.T) []string {
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Definition string }
		}
	}
	if err := json.Unmarshal(deployed(t, "grafana/tunneld.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	var list []string
	seen := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if seen[p.ID] || p.Title == "" || len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("panel %d %q: the number is not its own, or it shows nothing", p.ID, p.Title)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	for _, variable := range dashboard.Templating.List {
		list = append(list, variable.Definition)
	}
	return list
}

func alertExpressions(t *testing.T) []string {
	var rules struct {
		Groups []struct {
			Rules []struct{ Expr string }
		}
	}
	if err := yaml.Unmarshal(deployed(t, "prometheus/tunneld.rules.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			list = append(list, rule.Expr)
		}
	}
	return list
}

// promtool's word on the alerts: their syntax, when they fire and when not, and on the dashboard's expressions.
func TestAlertsByPromtool(t *testing.T) {
	t.Parallel()
	lab.Need(t, "promtool")
	directory := filepath.Join("..", "..", "deploy", "prometheus")
	run := func(words ...string) {
		t.Helper()
		check := exec.Command("promtool", words...)
		check.Dir = directory
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	run("check", "rules", "--lint-fatal", "tunneld.rules.yml")
	run("test", "rules", "tunneld.rules.test.yml")

	// A dashboard is not promtool's business, but its expressions are those of recording rules, once Grafana's variables
	// are filled in.
	fill := strings.NewReplacer("$__rate_interval", "1m", "$__range_s", "3600", "$__range", "1h")
	rules := map[string]any{"name": "dashboard"}
	var list []map[string]string
	for i, expression := range dashboardExpressions(t) {
		if strings.HasPrefix(expression, "label_values(") || expression == "" {
			continue
		}
		list = append(list, map[string]string{"record": fmt.Sprint("panel", i), "expr": fill.Replace(expression)})
	}
	rules["rules"] = list
	text, err := yaml.Marshal(map[string]any{"groups": []any{rules}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	lab.WriteFile(t, file, string(text))
	run("check", "rules", file)
}

// The names and types themselves, by Prometheus' conventions.
func TestMetricsByPromtool(t *testing.T) {
	t.Parallel()
	lab.Need(t, "promtool")
	l := lab.New(t)
	web := lab.Loopback(lab.FreePort(t))
	l.Open(lab.Tunneld, lab.Routes(t, lab.StartTarget(t, lab.Echo).Address()), "--listen", web)
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + web + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lint := exec.Command("promtool", "check", "metrics")
	lint.Stdin = answer.Body
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
