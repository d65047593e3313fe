package bind

import (
	"fmt"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// Who answers DNS to everybody has to have said so: GatewayPorts is about ports that lead to one place, and opens none of these.
func TestAddresses(t *testing.T) {
	everywhere := config.Endpoint{Host: "*", HostSet: true, Port: 5300}
	for _, c := range []struct {
		kind    config.Kind
		gateway bool
		listen  config.Endpoint
		want    string
	}{
		{config.Local, false, config.Endpoint{Port: 5300}, "[127.0.0.1:5300 [::1]:5300]"},
		{config.Local, true, config.Endpoint{Port: 5300}, "[0.0.0.0:5300 [::]:5300]"},
		{config.DNS, false, config.Endpoint{Port: 5300}, "[127.0.0.1:5300 127.0.0.1:5300/udp [::1]:5300 [::1]:5300/udp]"},
		{config.DNS, true, config.Endpoint{Port: 5300}, "[127.0.0.1:5300 127.0.0.1:5300/udp [::1]:5300 [::1]:5300/udp]"},
		{config.DNS, false, everywhere, "[0.0.0.0:5300 0.0.0.0:5300/udp [::]:5300 [::]:5300/udp]"},
	} {
		got, err := AddressesOf(t.Context(), &config.Options{GatewayPorts: c.gateway}, config.Forward{Kind: c.kind, Listen: c.listen}, "")
		if fmt.Sprint(got) != c.want || err != nil {
			t.Errorf("%s %s with GatewayPorts %v: got %v, %v, want %s", c.kind.Option(), c.listen, c.gateway, got, err, c.want)
		}
	}
}
