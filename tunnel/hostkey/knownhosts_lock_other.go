//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package hostkey

import "os"

func tryLock(*os.File) (bool, error) { return true, nil }

func giveTo(*os.File, os.FileInfo) {}
