package bind

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
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

// A port may be that of a connection's near end, which no list of listeners shows: what the hint says to type has to.
func TestHintForATakenPortShowsConnectionsAsWell(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	conn, err := net.Dial("tcp", taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.TCPAddr).Port
	for kind, want := range map[config.Kind]string{config.Local: "`ss -tanp 'sport = :", config.DNS: "`ss -tuanp 'sport = :"} {
		f := config.Forward{Kind: kind, Listen: config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: port}}
		_, err := At(t.Context(), new(config.Options), Address{Network: "tcp", Host: "127.0.0.1", Port: port})
		if failed := Error(f, "", "", err); !errors.Is(err, errno.InUse) || !strings.Contains(failed.Hint, want) {
			t.Errorf("%v; the hint is %q, want %q in it", err, failed.Hint, want)
		}
	}
}
