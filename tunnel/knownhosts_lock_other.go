//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package tunnel

import "os"

func tryLock(*os.File) (bool, error) { return true, nil }

func giveTo(*os.File, os.FileInfo) {}
