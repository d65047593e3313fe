package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const operating = "docs/operating.md"

// page reads a file of the project.
func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What each line of the log means is written down, for whoever reads it at night.
func TestEachLogLineIsExplained(t *testing.T) {
	explained := page(t, operating)
	for message, at := range logged(t) {
		if !strings.Contains(explained, "\n| `"+message+"` | ") {
			t.Errorf("%s: %s does not say what this line of the log means: %s", at, operating, message)
		}
	}
}

// levels are slog's methods for what people see without asking for more.
var levels = []string{"Info", "Warn", "Error", "Log"}

// logged returns the constant messages of the program's log, each with a place that writes it.
func logged(t *testing.T) map[string]string {
	t.Helper()
	messages := make(map[string]string)
	for _, floor := range floors[1:] {
		err := filepath.WalkDir(filepath.Join("../..", floor), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if message := messageOf(call); message != "" {
						messages[message] = files.Position(call.Pos()).String()
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(messages) < 50 {
		t.Fatalf("only %d messages were found", len(messages))
	}
	return messages
}

// messageOf returns the message of a call that logs something; empty where it is another call, or the message is made.
func messageOf(call *ast.CallExpr) string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(levels, method.Sel.Name) || !isLogger(method.X) {
		return ""
	}
	at := 0
	if method.Sel.Name == "Log" {
		at = 2 // behind context and level
	}
	if len(call.Args) <= at {
		return ""
	}
	text, ok := call.Args[at].(*ast.BasicLit)
	if !ok {
		return ""
	}
	message, _ := strconv.Unquote(text.Value)
	return message
}

// isLogger tells a logger by its name: log, or something.log.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log"
	case *ast.SelectorExpr:
		return x.Sel.Name == "log" || x.Sel.Name == "Logger"
	}
	return false
}

// Each metric is listed with what it counts.
func TestEachMetricIsExplained(t *testing.T) {
	explained := page(t, operating)
	found := regexp.MustCompile(`= describe\("(\w+)", "([^"]+)"`).FindAllStringSubmatch(page(t, "monitor/metrics.go"), -1)
	if len(found) < 15 {
		t.Fatalf("only %d metrics were found", len(found))
	}
	for _, metric := range found {
		row := regexp.MustCompile(`(?m)^\| tunneld_` + metric[1] + ` \| [a-z, ]* \| ` + regexp.QuoteMeta(metric[2]) + ` \|$`)
		if !row.MatchString(explained) {
			t.Errorf("%s has no row for tunneld_%s: %s", operating, metric[1], metric[2])
		}
	}
}

// Each alert comes with what to do.
func TestEachAlertIsExplained(t *testing.T) {
	explained := page(t, operating)
	for _, alert := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(page(t, "deploy/prometheus/tunneld.rules.yml"), -1) {
		if !strings.Contains(explained, "\n| "+alert[1]+" | ") {
			t.Errorf("%s does not say what to do at %s", operating, alert[1])
		}
	}
}
