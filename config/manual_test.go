package config

import (
	"slices"
	"strings"
	"testing"
)

// A keyword that nothing becomes of says why: the manual page and the completion would otherwise promise it.
func TestKeywordsWithoutEffectSayWhy(t *testing.T) {
	byResolver := []string{
		"HostName", "CanonicalizeFallbackLocal", "CanonicalizeHostname", "CanonicalizeMaxDots", "CanonicalDomains", "CanonicalizePermittedCNAMEs",
		"IgnoreUnknown", "DynamicForward", "LocalForward", "RemoteForward", "ProxyJump", "Tag",
	}
	for _, k := range table() {
		if k.fill == nil && k.loss == "" && k.none == "" && !slices.Contains(byResolver, k.name) {
			t.Errorf("%s: it is only printed, and nothing says so", k.name)
		}
		if k.loss != "" && k.none != "" {
			t.Errorf("%s: both a loss and none", k.name)
		}
	}
	for _, k := range Keywords() {
		if strings.ContainsAny(k.Lost, "\n\t") || slices.Contains(k.Values, "") {
			t.Errorf("%+v", k)
		}
	}
}
