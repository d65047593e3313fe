package config

import "fmt"

// checkSecrets looks for a file with a secret that would reach somebody whom it is not meant for: one that holds a key's
// passphrase and is to be sent as a password, or one line that gives a jump host the destination's password.
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

// secretSource is where TunneldPasswordFile of a hop was set; the document of o is still ours.
func (r *resolver) secretSource(server, o *Options) Source {
	if server == o {
		return r.doc.Source("TunneldPasswordFile")
	}
	return server.Source("TunneldPasswordFile")
}
