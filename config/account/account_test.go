package account

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForbiddenNamesTheFileOrWhatIsAboveIt(t *testing.T) {
	dir := t.TempDir()
	us := Account{UID: os.Getuid(), Name: "me"}
	text, mend := us.Forbidden(filepath.Join(dir, "missing"))
	if !strings.HasPrefix(text, dir+" belongs to ") || mend != "chmod u+rx "+dir {
		t.Errorf("%s; %s", text, mend)
	}
	if _, mend := us.ForbiddenToChange(filepath.Join(dir, "missing")); mend != "chmod u+rwx "+dir {
		t.Errorf("to change it: %s", mend)
	}
	text, mend = Account{UID: 4242, Name: "tunneld", Service: true}.Forbidden(dir)
	if !strings.HasPrefix(text, "it belongs to ") || mend != "as root, for the service runs as tunneld (UID 4242): chown 4242 "+dir {
		t.Errorf("%s; %s", text, mend)
	}
	if got := (Account{UID: 7, Name: "7"}).String(); got != "UID 7" {
		t.Errorf("without a name: %s", got)
	}
}
