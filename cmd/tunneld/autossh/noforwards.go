package autossh

import (
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// SayNoForwards says what ssh says where it has none of its local ports.
func (l *Log) SayNoForwards(forwards []tunnel.ForwardStatus) {
	local, listening := 0, 0
	for _, f := range forwards {
		if f.Kind != config.Remote {
			local++
			listening += len(f.Bound)
		}
	}
	if local > 0 && listening == 0 {
		l.SSH(Error, NoForwards)
	}
}
