package tunnel

import "fmt"

// notePorts brings the port file up to date.
func (t *Tunnel) notePorts() {
	t.ports.Update(t.options.Load().PortFile, t.chosenPorts, t.log)
}

func (t *Tunnel) chosenPorts() []string {
	_, remotes := t.forwards()
	var lines []string
	for _, f := range remotes {
		s := f.status()
		if f.serverChooses() && len(s.Bound) > 0 {
			lines = append(lines, fmt.Sprintf("%s %s\n", s.Spec, s.Bound[0]))
		}
	}
	return lines
}
