package hostkey

import "os"

// giveTo does nothing: a new file belongs to whoever makes it, and has the list of its directory.
func giveTo(*os.File, os.FileInfo) {}

// letGo closes the old file, which cannot be replaced while it is open.
func letGo(old *os.File) error { return old.Close() }
