package lab

import "time"

// statusJSON is what the tests read of `tunneld status --json`.
type statusJSON struct {
	Version int
	Tunnels []struct {
		Name, State string
		Sessions    []struct {
			UpSince  string `json:"up_since"`
			EchoVoid string `json:"echo_unavailable"`
			BytesIn  int    `json:"bytes_in"`
		}
		Replacements int
		Forwards     []struct {
			Kind, Spec, State string
			Bound             []string
			Open, Total       int
			LastError         string    `json:"last_error"`
			LastErrorTime     time.Time `json:"last_error_time"`
			Refused           int64     `json:"refused"`
		}
	}
}
