package config

import (
	"slices"
	"testing"
)

func TestPermittedOpens(t *testing.T) {
	got := permittedOpens([]string{"db:http", "[::1]:*", "*:22", "NONE"})
	if want := []string{"db:80", "[::1]:*", "*:22", "none"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
