package systemd

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestJournalLinesBeginWithTheirPriority(t *testing.T) {
	for _, c := range []struct {
		handler func(io.Writer, *slog.HandlerOptions) slog.Handler
		want    string
	}{
		{slogText, "<7>msg=d tunnel=db\n<6>msg=i tunnel=db err=\"a\\nb\"\n<4>msg=w tunnel=db\n<3>msg=e tunnel=db\n"},
		{slogJSON, `<7>{"msg":"d","tunnel":"db"}` + "\n" + `<6>{"msg":"i","tunnel":"db","err":"a\nb"}` + "\n" +
			`<4>{"msg":"w","tunnel":"db"}` + "\n" + `<3>{"msg":"e","tunnel":"db"}` + "\n"},
	} {
		var out bytes.Buffer
		log := slog.New(NewJournalHandler(&out, slog.HandlerOptions{Level: slog.LevelDebug}, c.handler)).With("tunnel", "db")
		log.Debug("d")
		log.Info("i", "err", "a\nb")
		log.Warn("w")
		log.Error("e")
		if out.String() != c.want {
			t.Errorf("written\n%swant\n%s", out.String(), c.want)
		}
	}
}

func TestJournalIsRecognisedByItsStream(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ours := streamOf(info)
	if ours == "" {
		t.Skip("files have no inodes here")
	}
	for _, c := range []struct {
		w      io.Writer
		stream string
		want   bool
	}{{file, ours, true}, {file, "", false}, {file, "1:2", false}, {new(bytes.Buffer), ours, false}} {
		if got := OnJournal(c.w, func(string) string { return c.stream }); got != c.want {
			t.Errorf("JOURNAL_STREAM=%s: %v, want %v", c.stream, got, c.want)
		}
	}
}

func slogText(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }
func slogJSON(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) }
