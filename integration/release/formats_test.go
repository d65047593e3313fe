//go:build snapshot

package release

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// debContents reads a .deb: an ar archive of control.tar.gz and data.tar.gz (deb(5)), or of tars that dpkg-deb has packed with xz.
func debContents(t *testing.T, name string) packed {
	t.Helper()
	p := packed{files: make(map[string]entry), scripts: make(map[string]string)}
	p.add(t, output(t, "dpkg-deb", "--ctrl-tarfile", name), "p")
	p.add(t, output(t, "dpkg-deb", "--fsys-tarfile", name), "")
	p.fields = "\n" + output(t, "dpkg-deb", "--field", name).String()
	return p
}

func output(t *testing.T, words ...string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout = &out
	lab.Check(t, cmd.Run())
	return &out
}

// lint checks a package with Debian's lintian, where that is installed.
func lint(t *testing.T, deb string) {
	t.Helper()
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Log("lintian is not installed")
		return
	}
	if out, err := exec.Command("lintian", "--fail-on", "none", "--tag-display-limit", "0", "--allow-root", deb).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("lintian says of %s (%v)\n%s", deb, err, out)
	}
}

// apkContents reads an .apk: two tars, each compressed by itself, the first of which is cut off at its end.
func apkContents(t *testing.T, name string) packed {
	t.Helper()
	p := packed{files: make(map[string]entry), scripts: make(map[string]string)}
	in := open(t, name).(*bytes.Reader)
	for _, scripts := range []string{".p", ""} {
		z, err := gzip.NewReader(in)
		lab.Check(t, err)
		z.Multistream(false)
		data, err := io.ReadAll(z)
		lab.Check(t, err)
		p.add(t, bytes.NewReader(append(data, make([]byte, 1024)...)), scripts)
	}
	return p
}

// Tags of an rpm's header, as rpmtag.h has them.
const (
	rpmPostIn, rpmPreUn, rpmPostUn             = 1024, 1025, 1026
	rpmPreIn, rpmBuildHost                     = 1023, 1007
	rpmModes, rpmTimes, rpmDigests, rpmLinks   = 1030, 1034, 1035, 1036
	rpmUsers, rpmGroups, rpmObsoletes          = 1039, 1040, 1090
	rpmDirIndexes, rpmBaseNames, rpmDirNames   = 1116, 1117, 1118
	rpmInt16, rpmInt32, rpmString, rpmStrings  = 3, 4, 6, 8
	rpmLead, rpmHeaderIntro, rpmHeaderTagBytes = 96, 16, 16
)

// rpmContents reads the header of an .rpm, which lists the files with all that is of use here.
func rpmContents(t *testing.T, name string) packed {
	t.Helper()
	data, err := io.ReadAll(open(t, name))
	lab.Check(t, err)
	rest := data[rpmLead:]
	_, size := rpmHeader(t, rest)                  // signatures
	header, _ := rpmHeader(t, rest[(size+7)/8*8:]) // what it is
	p := packed{files: make(map[string]entry), scripts: make(map[string]string)}
	for tag, script := range map[int]string{rpmPreIn: "pre", rpmPostIn: "post", rpmPreUn: "preun", rpmPostUn: "postun"} {
		if text := header[tag]; len(text) > 0 {
			p.scripts[script] = text[0]
		}
	}
	if host := header[rpmBuildHost]; len(host) != 1 || host[0] != "tunneld" {
		t.Errorf("%s was built on %q: another machine makes another package", name, host)
	}
	if gone := header[rpmObsoletes]; len(gone) > 0 {
		t.Errorf("%s takes the place of %q in the next upgrade, without being asked", name, gone)
	}
	for i, base := range header[rpmBaseNames] {
		dir, err := strconv.Atoi(header[rpmDirIndexes][i])
		lab.Check(t, err)
		mode, err := strconv.ParseUint(header[rpmModes][i], 10, 16)
		lab.Check(t, err)
		if mode&0o170000 == 0o040000 {
			continue
		}
		e := entry{mode: fs.FileMode(mode & 0o777), owner: header[rpmUsers][i] + ":" + header[rpmGroups][i], sum: header[rpmDigests][i]}
		fmt.Sscan(header[rpmTimes][i], &e.time)
		if mode&0o170000 == 0o120000 {
			e.link, e.mode, e.sum, e.owner = header[rpmLinks][i], 0, "", ""
		}
		p.files[path.Join("/", header[rpmDirNames][dir], base)] = e
	}
	return p
}

// rpmHeader reads one header structure, and returns its values as text by tag, and its size.
func rpmHeader(t *testing.T, data []byte) (values map[int][]string, size int) {
	t.Helper()
	if !bytes.HasPrefix(data, []byte{0x8e, 0xad, 0xe8, 1}) {
		t.Fatalf("no header begins with %x", data[:8])
	}
	number := func(at int) int { return int(binary.BigEndian.Uint32(data[at:])) }
	count, length := number(8), number(12)
	store := data[rpmHeaderIntro+count*rpmHeaderTagBytes:]
	values = make(map[int][]string)
	for i := range count {
		at := rpmHeaderIntro + i*rpmHeaderTagBytes
		tag, kind, offset, n := number(at), number(at+4), number(at+8), number(at+12)
		for j := range n {
			switch kind {
			case rpmInt16:
				values[tag] = append(values[tag], strconv.Itoa(int(binary.BigEndian.Uint16(store[offset+2*j:]))))
			case rpmInt32:
				values[tag] = append(values[tag], strconv.Itoa(int(binary.BigEndian.Uint32(store[offset+4*j:]))))
			case rpmString, rpmStrings:
				text, _, _ := strings.Cut(string(store[offset:]), "\x00")
				values[tag] = append(values[tag], text)
				offset += len(text) + 1
			}
		}
	}
	return values, rpmHeaderIntro + count*rpmHeaderTagBytes + length
}
