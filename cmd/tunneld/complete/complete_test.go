package complete

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// In bash, "Tunneld" became "Tunnel" by the Tab key: TunnelDevice begins with it as well, in another case.
func TestCompletionTakesNothingAway(t *testing.T) {
	for _, typed := range []string{"Tunneld", "tunneld", "TUNNELD", "Tunnel", "tunnel", "log", "LOG", "p", "GSSAPI", "user"} {
		words, _ := Option(typed, nil)
		if len(words) < 2 {
			t.Errorf("%s: %q", typed, words)
			continue
		}
		common := words[0]
		for _, word := range words {
			for !strings.HasPrefix(word, common) {
				common = common[:len(common)-1]
			}
		}
		if len(common) < len(typed) || !strings.EqualFold(common[:len(typed)], typed) {
			t.Errorf("%q becomes %q", typed, common)
		}
	}
	if words, _ := Option("Tunneld", nil); slices.ContainsFunc(words, func(word string) bool { return !strings.HasPrefix(word, "Tunneld") }) {
		t.Errorf("%q", words)
	}
}

// A name that others have chosen is left out where a shell could take it for more, or a command for an option.
func TestStrangersNamesAreLeftOut(t *testing.T) {
	root := &cobra.Command{Use: "tunneld"}
	root.AddCommand(&cobra.Command{
		Use: "status", Run: func(*cobra.Command, []string) {},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{
				"good\tup `now` \x1b[2J", "bob@host-2", "ssh://bob@host:22", "a,b", "größe",
				"$(reboot)", "`reboot`", "a;b", "a b", "a\nb", "~root", "-oProxyCommand=x", "--standby", "a|b", "a>b", "a*", "a'b", `a"b`, `a\b`, "{a,b}", "!!", "#a", "a\x1b[2J",
			}, cobra.ShellCompDirectiveNoFileComp
		},
	})
	var out bytes.Buffer
	if err := Answer(t.Context(), root, []string{"tunneld", "__complete", "status", ""}, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	var words []string
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		words = append(words, word)
	}
	if got, want := strings.Join(words, " "), "good bob@host-2 ssh://bob@host:22 a,b größe a :4"; got != want {
		t.Errorf("it offers %q, want %q", got, want)
	}
	if strings.ContainsAny(text, "`\x1b") {
		t.Errorf("it shows %q", text)
	}
}

func TestDetach(t *testing.T) {
	for typed, want := range map[string]string{
		"-oLog": "-o Log|-o", "-o": "-o|", "--log-level=de": "--log-level=de|--log-level=", "-v": "-v|", "-vv": "-vv|", "-Fcon": "-F con|-F", "one": "one|", "": "|",
	} {
		words, before := detach([]string{"__complete", "up", typed})
		if got := strings.Join(words[2:], " ") + "|" + before; got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestOptionValues(t *testing.T) {
	jumps := func(string) []string { return []string{"one"} }
	for typed, want := range map[string]string{
		"logl": "LogLevel=", "LogLevel=de": "LogLevel=DEBUG LogLevel=DEBUG1 LogLevel=DEBUG2 LogLevel=DEBUG3", "loglevel=q": "loglevel=QUIET",
		"Compression=": "Compression=yes Compression=no", "ProxyJump=": "ProxyJump=one", "Ciphers=^chacha": "Ciphers=^chacha20-poly1305@openssh.com",
		"Ciphers=aes128-ctr,chacha": "Ciphers=aes128-ctr,chacha20-poly1305@openssh.com", "IdentityFile=": "", "Nonsense=": "", "HostName=": "",
	} {
		words, _ := Option(typed, jumps)
		for i := range words {
			words[i], _, _ = strings.Cut(words[i], "\t")
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
