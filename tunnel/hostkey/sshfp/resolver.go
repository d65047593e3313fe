package sshfp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver asks the name servers of this machine. The zero value is ready; it keeps nothing.
type Resolver struct {
	File string // resolv.conf(5); empty: /etc/resolv.conf
	Port string // of the name servers; empty: 53
}

// typeSSHFP is the type of the resource records.
const typeSSHFP dnsmessage.Type = 44

// maxAnswer is the size of an answer over UDP that we ask for, which no network cuts into pieces.
const maxAnswer = 1232

// Lookup returns what the DNS holds for a host. A name that has no records is no error, and neither is an address, for which nobody
// is asked. It blocks until ctx is done at most.
func (r *Resolver) Lookup(ctx context.Context, host string) (Records, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return Records{}, nil
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return Records{}, fmt.Errorf("SSHFP records of %q: %w", host, err)
	}
	s := readSettings(cmp.Or(r.File, "/etc/resolv.conf"))
	var failed error
	for range s.attempts {
		for _, server := range s.servers {
			answer, err := ask(ctx, at(server, cmp.Or(r.Port, "53")), name, s.timeout)
			if err == nil {
				answer.Secure = answer.Secure && s.believed(server)
				return answer, nil
			}
			if ctx.Err() != nil {
				return Records{}, context.Cause(ctx)
			}
			failed = fmt.Errorf("SSHFP records of %s: name server %s: %w", host, server, err)
		}
	}
	return Records{}, failed
}

var (
	errForeign   = errors.New("an answer to another question")
	errTruncated = errors.New("a truncated answer")
)

// ask puts the question to one server, over TCP where the answer is too long for UDP.
func ask(ctx context.Context, server string, name dnsmessage.Name, timeout time.Duration) (Records, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := exchange(ctx, "udp", server, name)
	if errors.Is(err, errTruncated) {
		answer, err = exchange(ctx, "tcp", server, name)
	}
	return answer, err
}

// exchange asks once. It reads on past what is no answer to the question: anybody can send that.
func exchange(ctx context.Context, network, server string, name dnsmessage.Name) (Records, error) {
	id, query, err := question(name)
	if err != nil {
		return Records{}, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return Records{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(query); err != nil {
		return Records{}, err
	}
	for {
		message, err := receive(conn, network)
		if err != nil {
			return Records{}, err
		}
		answer, err := parse(message, id, name)
		if errors.Is(err, errForeign) {
			continue
		}
		if errors.Is(err, errTruncated) && network == "tcp" {
			err = errors.New("truncated over TCP")
		}
		return answer, err
	}
}

// receive reads one message.
func receive(conn net.Conn, network string) ([]byte, error) {
	if network == "udp" {
		buffer := make([]byte, maxAnswer)
		n, err := conn.Read(buffer)
		return buffer[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

// question returns a query with a number that nobody can guess, and the number. AD asks for the bit in the answer, and DO for
// DNSSEC where the server would do it for those alone who ask (RFC 6840 §5.7, RFC 3225).
func question(name dnsmessage.Name) (id uint16, query []byte, err error) {
	var random [2]byte
	rand.Read(random[:])
	id = binary.BigEndian.Uint16(random[:])
	var options dnsmessage.ResourceHeader
	if err := options.SetEDNS0(maxAnswer, dnsmessage.RCodeSuccess, true); err != nil {
		return 0, nil, err
	}
	message := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: id, RecursionDesired: true, AuthenticData: true},
		Questions:   []dnsmessage.Question{{Name: name, Type: typeSSHFP, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: options, Body: &dnsmessage.OPTResource{}}},
	}
	query, err = message.Pack()
	return id, query, err
}

// parse reads an answer. Its signatures, which DO brings, and what else stands in it are not looked at.
func parse(message []byte, id uint16, name dnsmessage.Name) (Records, error) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || header.ID != id || !header.Response {
		return Records{}, errForeign
	}
	asked, err := p.Question()
	if err != nil || asked.Type != typeSSHFP || asked.Class != dnsmessage.ClassINET || !strings.EqualFold(asked.Name.String(), name.String()) {
		return Records{}, errForeign
	}
	switch {
	case header.Truncated:
		return Records{}, errTruncated
	case header.RCode == dnsmessage.RCodeNameError:
		return Records{}, nil
	case header.RCode != dnsmessage.RCodeSuccess:
		return Records{}, fmt.Errorf("it answers %v", header.RCode)
	}
	if err := p.SkipAllQuestions(); err != nil {
		return Records{}, err
	}
	answer := Records{Secure: header.AuthenticData}
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return answer, nil
		}
		if err != nil {
			return Records{}, err
		}
		if h.Type != typeSSHFP || h.Class != dnsmessage.ClassINET {
			if err := p.SkipAnswer(); err != nil {
				return Records{}, err
			}
			continue
		}
		body, err := p.UnknownResource()
		if err != nil {
			return Records{}, err
		}
		if len(body.Data) > 2 {
			answer.list = append(answer.list, record{body.Data[0], body.Data[1], string(body.Data[2:])})
		}
	}
}
