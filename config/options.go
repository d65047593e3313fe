// Package config turns an alias and ssh's own options into plain data.
//
// It reads files only while it resolves and it never touches the network, with two exceptions that ssh_config(5)
// asks for: CanonicalizeHostname looks names up, and "Match exec" runs commands. `ssh -G` of the installed OpenSSH is
// the oracle for everything in here.
//
// The reader is our own, because people's files rely on OpenSSH's rules for words, quotes, comments, Include and Match. What it
// finds active is kept in the document model of kevinburke/ssh_config, which answers the look-ups.
package config

import (
	"strconv"
	"time"

	"github.com/tunneld/tunneld/config/account"
	"github.com/tunneld/tunneld/config/foreign"
)

// Source is where a value came from.
type Source struct {
	File string // path as read, or "command line", or "default"
	Line int    // 1 is the first line; 0 where there are no lines
}

// String returns "file:line", or the file alone where Line is 0.
func (s Source) String() string {
	if s.Line == 0 {
		return foreign.Own(s.File).String()
	}
	return foreign.Own(s.File).String() + ":" + strconv.Itoa(s.Line)
}

// IsCommandLine reports whether the value was typed as a flag.
func (s Source) IsCommandLine() bool { return s.File == fromFlags }

// Warning is an option that cannot be honoured, or something that a person may want to mend.
type Warning struct {
	Source  Source
	Keyword string // as ssh_config(5) spells it
	Text    string // one line, what and what to do
	Loss    bool   // the option is good for ssh and has no effect here
}

// Options are the effective settings of one destination, with tokens and defaults in place. They are plain data: nobody
// changes them after Resolve, so they may be shared between goroutines.
//
// Algorithm lists are complete: +, - and ^ have been applied to OpenSSH's defaults. They may hold names that the SSH library does
// not have.
type Options struct {
	Account account.Account // whom this process runs as: hints depend on it

	// Destination.
	Alias        string   // host as typed, without user and port; %n
	Matched      bool     // a Host block other than "*", or a Match with a host criterion, matched the alias
	Unread       []*Error // files that are there and could not be read: what they hold is not in here
	HostName     string   // the name or address to connect to; %h
	Port         int      // 1..65535; %p
	User         string   // login name; %r
	HostKeyAlias string   // name used in known_hosts; empty: HostName; %k

	// The way to the server. At most one of Via and ProxyCommand is set.
	AddressFamily      AddressFamily
	BindAddress        string        // source address; empty: the kernel chooses
	BindInterface      string        // source interface; empty: the kernel chooses
	ConnectTimeout     time.Duration // for connecting until authenticated; DefaultConnectTimeout where it is 0 or nobody sets it
	ConnectionAttempts int           // tries, a second apart, that count as one attempt; at least 1
	Via                *Options      // jump host to go through (ProxyJump, the nearest hop); nil: directly
	ProxyCommand       string        // shell command with tokens expanded; empty: none
	TCPKeepAlive       bool
	IPQoS              int    // DSCP byte (TOS) of the connection, the interactive one of the two, as with `ssh -N`; -1: leave the kernel's
	VersionAddendum    string // what is said of us behind our name, with tokens expanded; empty: nothing
	WarnWeakCrypto     WeakCrypto
	RekeyLimit         uint64        // bytes in one direction after which keys are to be renewed; 0: the cipher's default
	RekeyInterval      time.Duration // time after which keys are to be renewed; 0: never

	// Algorithms. Of the first three the default is not OpenSSH's: nil, where nobody sets one, stands for what the SSH library
	// holds to be safe, in the order that is the fastest on this machine.
	Ciphers                  []string
	MACs                     []string
	KexAlgorithms            []string
	HostKeyAlgorithms        []string // in order of preference
	HostKeyAlgorithmsExact   bool     // the list was written out or begins with ^: known_hosts does not reorder it, as it does after + and -
	PubkeyAcceptedAlgorithms []string
	CASignatureAlgorithms    []string
	RequiredRSASize          int // bits; smaller RSA keys are refused

	// Host keys.
	StrictHostKeyChecking  StrictHostKeyChecking
	UserKnownHostsFile     []string // paths, expanded; empty: none
	GlobalKnownHostsFile   []string
	KnownHostsCommand      string   // with %H, %I, %K, %t, %f left in place, all other tokens expanded; empty: none
	RevokedHostKeys        []string // paths of lists or KRLs; empty: none
	VerifyHostKeyDNS       HostKeyDNS
	CheckHostIP            bool
	NoHostAuthForLocalhost bool // the host key of this machine itself is not checked
	HashKnownHosts         bool
	UpdateHostKeys         UpdateHostKeys

	// Authentication.
	IdentityFile                 []IdentityFile // in the order they are tried
	CertificateFile              []string
	IdentityAgent                string // path of the agent's socket; empty: no agent
	PKCS11Provider               string // library whose keys are tried as well; empty: none
	IdentitiesOnly               bool
	SecurityKeyProvider          string   // "internal", or the library by which keys in a FIDO token sign; empty: only an agent can use them
	SecurityKeyHelper            string   // path of ssh-sk-helper, from SSH_SK_HELPER; empty: where it is usually installed
	PreferredAuthentications     []string // methods in the order in which they are tried, also ones that tunneld does not know
	PubkeyAuthentication         bool
	PasswordAuthentication       bool
	KbdInteractiveAuthentication bool
	NumberOfPasswordPrompts      int
	BatchMode                    bool // never ask a person

	// Keeping alive.
	ServerAliveInterval time.Duration // 0: no keepalives (only where somebody wrote 0)
	ServerAliveCountMax int           // unanswered keepalives that make a connection dead; 0: as OpenSSH, the first

	// Forwards.
	Forwards              []Forward // -L, -R and -D in the order of ssh: command line first, duplicates removed; then those of TunneldDNS
	GatewayPorts          bool      // local listeners without a bind address take every address
	ExitOnForwardFailure  bool
	ChannelTimeout        []ChannelTimeout // after which idle connections are closed
	PermitRemoteOpen      []string         // host:port, either may be *, that a remote dynamic forward may reach; brackets as net.JoinHostPort, no service names; nil: any; empty: none
	StreamLocalBindMask   uint32           // umask of Unix sockets that we create
	StreamLocalBindUnlink bool             // remove an existing socket file before binding
	ClearAllForwardings   bool             // Forwards is empty because of it

	Session SessionOptions // of a session on the connection, where one is opened

	Master Master // for ssh and others that want to share the connection

	// tunneld's own.
	Hold           time.Duration // how long a new local connection waits for the tunnel; 0 refuses at once
	Echo           Echo
	EchoInterval   time.Duration // between echo probes; 0: no echo probes
	BackoffMax     time.Duration // longest wait between attempts
	Connections    int           // SSH connections that share the load; at least 1
	Drain          time.Duration // how long open connections may go on when stopping, and after a planned replacement those that carry nothing
	MaxLifetime    time.Duration // the connection is replaced after this long; 0: never
	PassphraseFile string        // where the passphrase of an encrypted key is read, which no server ever sees; empty: none
	PasswordFile   string        // where the password of User at this host, and of no other hop, is read; empty: none
	BeforeConnect  string        // shell command, with tokens expanded, that has to end well before each login here; empty: none
	OnUp           string        // shell command for when the tunnel has come up; empty: none
	OnDown         string        // shell command for when it is down again; empty: none
	PortFile       string        // where the ports that the server chose for -R 0 are written; empty: nowhere
	Lazy           time.Duration // disconnect after this idle time, connect on first use; 0: connect at once, stay

	Warnings []Warning

	document // the look-ups by keyword: what `tunneld config` prints and where each value came from
}

// DefaultConnectTimeout bounds an attempt where ConnectTimeout is not set. ssh waits for as long as the kernel does, two
// minutes and more for each address, and for ever in the key exchange.
const DefaultConnectTimeout = 30 * time.Second

// Address returns HostName:Port as net.Dial reads it.
func (o *Options) Address() string { return joinHostPort(o.HostName, o.Port) }

// Peer returns user@HostName:Port, the name of the destination in messages.
func (o *Options) Peer() string { return o.User + "@" + o.Address() }

// IdentityFile is a private or public key file to offer.
type IdentityFile struct {
	Path     string // expanded
	Explicit bool   // somebody wrote it; false for the defaults such as ~/.ssh/id_ed25519, which may be missing without a word
}

// StrictHostKeyChecking is what to do with a host key that known_hosts does not hold.
type StrictHostKeyChecking string

// The values of StrictHostKeyChecking. "ask" without a terminal is treated as "yes".
const (
	StrictYes       StrictHostKeyChecking = "true" // as ssh -G prints it
	StrictNo        StrictHostKeyChecking = "false"
	StrictAsk       StrictHostKeyChecking = "ask"
	StrictAcceptNew StrictHostKeyChecking = "accept-new"
)

// HostKeyDNS is VerifyHostKeyDNS: whether host keys are looked up in the DNS.
type HostKeyDNS string

// The values of VerifyHostKeyDNS, as ssh -G prints them.
const (
	DNSYes HostKeyDNS = "true" // what DNSSEC vouches for is trusted, all else is as with ask
	DNSNo  HostKeyDNS = "false"
	DNSAsk HostKeyDNS = "ask" // what is found is told to whom is asked
)

// WeakCrypto is WarnWeakCrypto: whether the log tells of a key exchange that is not post-quantum.
type WeakCrypto string

// The values of WarnWeakCrypto, as ssh -G prints them.
const (
	WeakUnset WeakCrypto = "" // nobody set it: it is told, and is no warning
	WeakWarn  WeakCrypto = "yes"
	WeakQuiet WeakCrypto = "no"
)

// ChannelTimeout is one rule of the keyword of that name.
type ChannelTimeout struct {
	Type string        // a pattern for types of channels (ssh_config(5)), or "global", which is about all together
	Time time.Duration // without a byte, after which such a channel is closed; 0: never
}

// UpdateHostKeys is whether host keys that the server announces after authentication are learned.
type UpdateHostKeys string

// The values of UpdateHostKeys. "ask" is treated as "false": nobody is there to be asked.
const (
	UpdateYes UpdateHostKeys = "true"
	UpdateNo  UpdateHostKeys = "false"
	UpdateAsk UpdateHostKeys = "ask"
)

// EchoMode is how the data path is probed.
type EchoMode int

// The modes of TunneldEcho.
const (
	EchoAuto    EchoMode = iota // loop through a listener whose port the server chooses; quietly off where it is refused
	EchoOff                     // no echo probes
	EchoPort                    // loop through a listener on Echo.Port at the server
	EchoService                 // an echo service (RFC 862) that listens on Echo.Port at the server
)

// Echo is TunneldEcho.
type Echo struct {
	Mode EchoMode
	Port int // of EchoPort and EchoService
}
