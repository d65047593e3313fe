package sshconn

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// algorithms returns what the options ask for in the SSH library's terms. Names that the library does not have are left
// out; a list with none left is a permanent error. Where a list is not set, our own order holds: the library's without
// what it calls insecure (SHA-1 key exchange, truncated MACs).
func algorithms(o *config.Options, log *slog.Logger) (ssh.Config, error) {
	have, insecure := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	kex := slices.Concat(have.KeyExchanges, insecure.KeyExchanges, []string{"curve25519-sha256@libssh.org"})

	c := ssh.Config{RekeyThreshold: neverRekey}
	var err error
	choose := func(keyword string, asked, ours, possible []string) []string {
		if asked == nil {
			return ours
		}
		chosen := chosen(keyword, asked, possible, log)
		if len(chosen) == 0 && err == nil {
			err = noneLeft(o, keyword, asked, possible)
		}
		return chosen
	}
	c.KeyExchanges = choose("KexAlgorithms", o.KexAlgorithms, have.KeyExchanges, kex)
	c.Ciphers = choose("Ciphers", o.Ciphers, defaultCiphers(fastAES()), slices.Concat(have.Ciphers, insecure.Ciphers))
	c.MACs = choose("MACs", o.MACs, have.MACs, slices.Concat(have.MACs, insecure.MACs))
	return c, err
}

// chosen returns the names of asked that are possible, in the order asked.
func chosen(keyword string, asked, possible []string, log *slog.Logger) []string {
	var chosen, skipped []string
	for _, name := range asked {
		if slices.Contains(possible, name) {
			chosen = append(chosen, name)
		} else {
			skipped = append(skipped, name)
		}
	}
	if len(skipped) > 0 {
		log.Debug("algorithms skipped that are not built in", "keyword", keyword, "skipped", skipped)
	}
	return chosen
}

func noneLeft(o *config.Options, keyword string, asked, possible []string) error {
	return &fault.Error{
		Phase:     fault.PhaseHandshake,
		Permanent: true,
		Where:     o.Peer(),
		Err: fmt.Errorf("%s %s names nothing that tunneld has; it has %s", keyword,
			strings.Join(asked, ","), strings.Join(possible, ",")),
		Hint: fmt.Sprintf("add one of these to %s in ssh_config, or remove the line", keyword),
	}
}

// defaultCiphers returns our order of preference: AES-GCM first where the processor has instructions for it, ChaCha20
// first where it has none and AES in software would be slow.
func defaultCiphers(fastAES bool) []string {
	aes := []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}
	chacha := []string{ssh.CipherChaCha20Poly1305}
	ctr := []string{ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR}
	if fastAES {
		return slices.Concat(aes, chacha, ctr)
	}
	return slices.Concat(chacha, aes, ctr)
}

// fastAES reports whether the processor has instructions for AES and for the multiplication of GCM, as crypto/aes uses
// them.
func fastAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ ||
		cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		cpu.S390X.HasAES && cpu.S390X.HasAESGCM
}
