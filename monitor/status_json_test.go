package monitor

import (
	"encoding/json"
	"testing"
)

// Programs of others read this: keys, order and all.
func TestForwardInJSON(t *testing.T) {
	f := ForwardStatus{Kind: "L", Spec: "-L 1:db:2", State: "listening", Bound: []string{"127.0.0.1:1"}, Target: "db:2", RateIn: 7, RateOut: 8, LastError: "refused", Limit: "full"}
	f.Open, f.Total, f.Held, f.Refused, f.BytesIn, f.BytesOut = 1, 2, 3, 4, 5, 6
	got, err := json.Marshal(f)
	const want = `{"kind":"L","spec":"-L 1:db:2","state":"listening","bound":["127.0.0.1:1"],"target":"db:2",` +
		`"open":1,"total":2,"held":3,"refused":4,"bytes_in":5,"bytes_out":6,"rate_in":7,"rate_out":8,"last_error":"refused","limit":"full"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}
