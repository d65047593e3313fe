// Package manual makes tunneld.1 from the commands' own help and from the table of keywords, so that it cannot say anything else.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/config"
)

// Made is what the page says of the program it is for.
type Made struct {
	Version string // empty: none is named
	Date    string // of the last change, as 2006-01-02
}

// Page returns tunneld.1 in the macros of man(7). sshOptions is the part of the commands' help about the options of ssh(1).
func Page(root *cobra.Command, sshOptions string, made Made) string {
	r := roff{shared: sshOptions}
	product := strings.TrimSpace("tunneld " + roffText.Replace(made.Version))
	fmt.Fprintf(&r, `.TH "TUNNELD" "1" "%s" "%s" "tunneld"`+"\n", made.Date, product) // a date is read with its hyphens
	r.macro("SH", "NAME")
	r.paragraph("tunneld - " + root.Short)
	r.macro("SH", "SYNOPSIS")
	r.macro("nf")
	for _, cmd := range upFirst(root) {
		if cmd.IsAvailableCommand() {
			r.macro("BR", root.Name()+" "+cmd.Name(), strings.TrimPrefix(cmd.Use, cmd.Name()))
		}
	}
	r.macro("fi")
	r.macro("SH", "DESCRIPTION")
	r.text(description)
	r.macro("SH", "COMMANDS")
	for _, cmd := range upFirst(root) {
		if cmd.IsAvailableCommand() {
			r.command(cmd)
		}
	}
	r.macro("SH", "OPTIONS OF SSH")
	r.text(strings.TrimSpace(sshOptions))
	r.macro("SH", "SETTINGS")
	r.text(settings)
	for _, s := range config.Settings() {
		r.tagged(s.Keyword+" ("+s.Default+")", sentence(s.Meaning))
	}
	r.keywords()
	for _, section := range sections {
		r.macro("SH", section.title)
		for _, entry := range section.entries {
			r.tagged(entry[0], entry[1])
		}
	}
	r.macro("SH", "SEE ALSO")
	r.paragraph("ssh(1), ssh_config(5), sshd_config(5), systemd.unit(5), autossh(1)")
	r.paragraph("https://github.com/tunneld/tunneld")
	return r.String()
}

// upFirst returns the commands with the one that most read about in front.
func upFirst(root *cobra.Command) []*cobra.Command {
	list := slices.Clone(root.Commands())
	i := slices.IndexFunc(list, func(cmd *cobra.Command) bool { return cmd.Name() == "up" })
	up := list[i]
	return slices.Insert(slices.Delete(list, i, i+1), 0, up)
}

// sentence writes a row's meaning without the quotes that Markdown wants.
func sentence(text string) string {
	text = strings.ReplaceAll(text, "`", "")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// roff is a page in the making.
type roff struct {
	strings.Builder
	shared string // the part of the help that several commands have
}

// keywords says which options of ssh_config(5) are honoured.
func (r *roff) keywords() {
	var honoured []string
	var reasons []string
	without := map[string][]string{} // reason: names
	for _, k := range config.Keywords() {
		switch {
		case k.Meaning != "": // tunneld's own
		case k.Lost == "":
			honoured = append(honoured, k.Name)
		default:
			reason := sentence(k.Lost)
			switch {
			case k.Refused:
				reason = "Nothing is opened where it is set: " + k.Lost + "."
			case k.Warned:
				reason += " It is warned of."
			}
			if without[reason] == nil {
				reasons = append(reasons, reason)
			}
			without[reason] = append(without[reason], k.Name)
		}
	}
	r.macro("SH", "KEYWORDS OF SSH_CONFIG")
	r.text(keywordsHonoured)
	r.macro("PP")
	r.paragraph(strings.Join(honoured, ", ") + ".")
	r.macro("PP")
	r.paragraph(keywordsWithout)
	for _, reason := range reasons {
		r.tagged(strings.Join(without[reason], ", "), reason)
	}
}

// Escape writes text as it stands in the page.
func Escape(text string) string { return roffText.Replace(text) }

// roffText keeps what groff would take for its own: an escape, a hyphen where a minus is meant, quotes that become others.
var roffText = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`)

// macro writes a request with its arguments.
func (r *roff) macro(name string, arguments ...string) {
	r.WriteString("." + name)
	for _, argument := range arguments {
		fmt.Fprintf(r, ` "%s"`, strings.ReplaceAll(roffText.Replace(argument), `"`, `\(dq`))
	}
	r.WriteByte('\n')
}

// paragraph writes text that is filled; an empty one writes nothing.
func (r *roff) paragraph(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = roffText.Replace(strings.TrimSpace(line))
		if strings.HasPrefix(line, ".") {
			line = `\&` + line
		}
		r.WriteString(line + "\n")
	}
}

// text writes paragraphs; one whose lines are indented is left as it is.
func (r *roff) text(text string) {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.macro("PP")
		}
		head, indented, found := strings.Cut(part, "\n  ")
		if found {
			indented = "  " + indented
		}
		if strings.HasPrefix(part, "  ") {
			head, indented, found = "", part, true
		}
		r.paragraph(head)
		if found && head != "" {
			r.macro("PP")
		}
		if found {
			r.macro("nf")
			for line := range strings.Lines(indented) {
				r.WriteString(roffText.Replace(strings.TrimRight(line, "\n")) + "\n")
			}
			r.macro("fi")
		}
	}
}

// tagged writes a term and its meaning.
func (r *roff) tagged(term, meaning string) {
	r.macro("TP")
	r.macro("B", term)
	r.paragraph(meaning)
}

func (r *roff) command(cmd *cobra.Command) {
	r.macro("SS", "tunneld "+cmd.Use)
	long := strings.ReplaceAll(cmd.Long, r.shared, "")
	if strings.TrimSpace(long) == "" {
		long = cmd.Short + "."
	}
	r.text(long)
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		r.tagged(strings.TrimSpace("--"+flag.Name+" "+value), usage)
	})
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			r.tagged(sub.Name(), sub.Short)
		}
	}
}
