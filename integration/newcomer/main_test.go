package newcomer

import (
	"os"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
