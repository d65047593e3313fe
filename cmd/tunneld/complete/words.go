package complete

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/config"
)

// Words offers those of a fixed list that begin with what is typed.
func Words(list ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return beginning(list, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// beginning returns the words that begin with typed; without any, those that do where case does not matter. What has been typed is
// kept where these have less in common than that: a shell would take letters away.
func beginning(list []string, typed string) []string {
	exact := slices.DeleteFunc(slices.Clone(list), func(word string) bool { return !strings.HasPrefix(word, typed) })
	if len(exact) > 0 {
		return exact
	}
	loose := slices.DeleteFunc(slices.Clone(list), func(word string) bool {
		return len(word) < len(typed) || !strings.EqualFold(word[:len(typed)], typed)
	})
	if slices.ContainsFunc(loose, func(word string) bool { return word[:len(typed)] != loose[0][:len(typed)] }) {
		for i, word := range loose {
			loose[i] = typed + word[len(typed):]
		}
	}
	return loose
}

// Behind offers what offer returns for the part of typed behind the last of any of the characters cut, such as the last name of
// a list, with all that is before it.
func Behind(cut, typed string, offer func(rest string) []string) []string {
	at := strings.LastIndexAny(typed, cut) + 1
	words := offer(typed[at:])
	for i, word := range words {
		words[i] = typed[:at] + word
	}
	return words
}

// Option offers keywords of ssh_config(5) and tunneld's own to -o, and behind the = the values. jumps offers jump hosts.
func Option(typed string, jumps func(typed string) []string) ([]string, cobra.ShellCompDirective) {
	name, value, found := strings.Cut(typed, "=")
	if !found {
		return keywords(typed), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	i := slices.IndexFunc(config.Keywords(), func(k config.Keyword) bool { return strings.EqualFold(k.Name, name) })
	if i < 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	k := config.Keywords()[i]
	if namesFile(k.Name) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	words := values(k, value, jumps)
	for i, word := range words {
		words[i] = name + "=" + word
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func keywords(typed string) []string {
	var names, offered []string
	for _, k := range config.Keywords() {
		names = append(names, k.Name)
	}
	for _, name := range beginning(names, typed) {
		k := config.Keywords()[slices.IndexFunc(names, func(known string) bool { return strings.EqualFold(known, name) })]
		about := k.Meaning
		if k.Lost != "" {
			about = "no effect here: " + k.Lost
		}
		about, _, _ = strings.Cut(about, ";")
		offered = append(offered, name+"=\t"+about)
	}
	return offered
}

// values offers values of a keyword.
func values(k config.Keyword, typed string, jumps func(typed string) []string) []string {
	switch {
	case k.Name == "ProxyJump":
		return jumps(typed)
	case k.List:
		return Algorithms(k.Name, typed)
	}
	return beginning(k.Values, typed)
}

// Algorithms offers names for a list of algorithms, which may begin with +, - or ^.
func Algorithms(keyword, typed string) []string {
	for _, k := range config.Keywords() {
		if k.Name == keyword {
			sign := typed[:len(typed)-len(strings.TrimLeft(typed, "+-^"))]
			words := Behind(",", typed[len(sign):], func(rest string) []string { return beginning(k.Values, rest) })
			for i, word := range words {
				words[i] = sign + word
			}
			return words
		}
	}
	return nil
}

// namesFile reports whether the value is the path of a file.
func namesFile(keyword string) bool {
	return strings.HasSuffix(keyword, "File") || keyword == "RevokedHostKeys" || keyword == "ControlPath" || keyword == "IdentityAgent"
}
