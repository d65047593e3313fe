package numeral

import (
	"cmp"
	"os"
	"path/filepath"
)

// servicesFile lists the names of ports.
var servicesFile = filepath.Join(cmp.Or(os.Getenv("SystemRoot"), `C:\Windows`), `System32\drivers\etc\services`)
