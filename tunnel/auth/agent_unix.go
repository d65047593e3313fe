//go:build unix

package auth

import (
	"context"
	"io"
)

func dialSocket(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	return dialUnix(ctx, path)
}
