package monitor

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing outlives what started it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
