package config

import "fmt"

// checkSecrets looks for secrets that would reach the wrong server: a file with a key's passphrase that is also named as a
// password, and a password of the destination that is also sent to a jump host.
func (r *resolver) checkSecrets(o *Options) {
	for server := o; server != nil; server = server.Via {
		if server.PasswordFile == "" {
			continue
		}
		for other := o; other != nil; other = other.Via {
			from := r.secretSource(server, o)
			switch {
			case server.PasswordFile == other.PassphraseFile:
				r.unusable(&Error{
					Source: from,
					Text:   fmt.Sprintf("TunneldPasswordFile: %s holds a key's passphrase (TunneldPassphraseFile of %s), which is never sent to a server", server.PasswordFile, other.Alias),
					Hint:   "give the password a file of its own, or take TunneldPassphraseFile out if no key needs it",
				})
			case server != o && other == o && server.PasswordFile == o.PasswordFile:
				r.warn(from, "TunneldPasswordFile", fmt.Sprintf("the jump host %s is sent the same password as %s; "+
					"a Host block for each, or %%h in the name of the file, keeps them apart", server.Alias, o.Alias))
			}
		}
	}
}

// secretSource returns where TunneldPasswordFile of a hop was set; r still holds the document of o.
func (r *resolver) secretSource(server, o *Options) Source {
	if server == o {
		return r.doc.Source("TunneldPasswordFile")
	}
	return server.Source("TunneldPasswordFile")
}
