package auth

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tunneld/tunneld/tunnel/auth/pkcs11"
)

// forgetPINs forgets which PINs have been refused: of other tests.
func forgetPINs() {
	pins.mu.Lock()
	defer pins.mu.Unlock()
	clear(pins.times)
}

// refusingCard makes the helper one whose token takes no PIN, and returns the files of what it is sent and the name of its library.
func refusingCard(t *testing.T) (sent func(pin string) int, library string) {
	t.Helper()
	directory := t.TempDir()
	helper := filepath.Join(directory, "helper")
	text := `#!/bin/sh
set -- $(dd bs=1 count=4 2>/dev/null | od -An -tu1)
dd bs=1 count=$(($3 * 256 + $4)) 2>/dev/null | tr '\0' . >` + directory + `/request.$$
grep -q '\.$' ` + directory + `/request.$$ && echo 'pin required' >&2 || printf 'C_Login failed: 160\r\n' >&2
printf '\0\0\0\5\5\0\0\0\0'
exec cat >/dev/null
`
	if err := os.WriteFile(helper, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_PKCS11_HELPER", helper)
	library = filepath.Join(directory, "lib.so")
	return func(pin string) int {
		requests, _ := filepath.Glob(directory + "/request.*")
		count := 0
		for _, path := range requests {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(string(data), pin) {
				count++
			}
		}
		return count
	}, library
}

// tryCards has so many connections open the token at once, and returns what has come of it.
func tryCards(t *testing.T, library string, memories ...*Credentials) []error {
	t.Helper()
	errs := make([]error, len(memories))
	var all sync.WaitGroup
	for i, c := range memories {
		all.Go(func() {
			o := authOptions(t, "bob", "127.0.0.1:1")
			o.PKCS11Provider = library
			a, err := c.Begin(t.Context(), o, c.log)
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Close()
			_, errs[i] = a.openCard()
		})
	}
	all.Wait()
	return errs
}

// The PIN of a card was changed, and all connections of all tunnels come back at once: the one that they remember goes to the card
// once, and not once for each of them, which would lock it.
func TestPINThatACardHasRefusedIsSentOnce(t *testing.T) {
	noLeaks(t)
	sent, library := refusingCard(t)
	var memories []*Credentials
	for range 2 {
		c, _ := credentials(nil)
		c.rememberAnswer("PIN of "+library, "4711")
		memories = append(memories, c, c, c)
	}
	for _, err := range tryCards(t, library, memories...) {
		if err == nil || err.Error() != errNoCardPIN.Error() {
			t.Errorf("%v", err)
		}
	}
	if got := sent("4711"); got != 1 {
		t.Errorf("the PIN was sent %d times", got)
	}
}

// SSH_ASKPASS may be a program that has the same answer for ever: it locks no card.
func TestAnswerThatIsAlwaysTheSameLocksNoCard(t *testing.T) {
	noLeaks(t)
	sent, library := refusingCard(t)
	var memories []*Credentials
	for range 5 {
		c, _ := credentials(&fakePerson{answers: []string{"4711", "4711"}})
		memories = append(memories, c)
	}
	for range 2 {
		for _, err := range tryCards(t, library, memories...) {
			if err == nil {
				t.Error("the card is open")
			}
		}
	}
	if got := sent("4711"); got != 2 {
		t.Errorf("the PIN was sent %d times", got)
	}
	o := authOptions(t, "bob", "127.0.0.1:1")
	o.PKCS11Provider = library
	c, _ := credentials(&fakePerson{answers: []string{"4711"}})
	err := c.Unlock(t.Context(), o, c.log)
	wantAuthError(t, err, true, "refused before", "lock themselves")
}

// A person who answers slowly for one tunnel does not keep the card from another one.
func TestQuestionForACardHoldsNoOtherTunnelUp(t *testing.T) {
	noLeaks(t)
	_, library := refusingCard(t)
	person := &slowPerson{asked: make(chan struct{}), answer: make(chan struct{})}
	first, _ := credentials(person)
	done := make(chan []error, 1)
	go func() { done <- tryCards(t, library, first) }()
	<-person.asked
	second, _ := credentials(nil)
	tryCards(t, library, second)
	close(person.answer)
	<-done
}

// Two tokens are plugged in, and one has another PIN: ssh-pkcs11-helper shows it to both. A person may do that, but nothing does it by
// itself, which would lock the other one within a few outages.
func TestPINGoesToAnotherTokenByAPersonsHandAlone(t *testing.T) {
	t.Run("helper of the system", testAnotherToken)
	newest, err := exec.LookPath("ssh-pkcs11-helper-newest")
	if err != nil {
		t.Log("the newest helper is not installed; as root, make tools installs it")
		return
	}
	t.Setenv("SSH_PKCS11_HELPER", newest)
	t.Run("newest helper", testAnotherToken)
}

func testAnotherToken(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	held := newPINToken(t)
	server.authorize(t, held.keys[0])
	person := &fakePerson{answers: []string{cardPIN}}
	c, log := credentials(person)
	if _, err := login(t, c, held.options(t, server)); err != nil {
		t.Fatal(err)
	}
	run(t, "SOFTHSM2_CONF="+os.Getenv("SOFTHSM2_CONF"), authTool(t, "softhsm2-util"), "--init-token", "--free", "--label", "other", "--pin", "123459", "--so-pin", "1234567890")
	if _, err := login(t, c, held.options(t, server)); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "another token refuses it") || !strings.Contains(text, "ssh-add -s "+held.library) || strings.Contains(text, cardPIN) {
		t.Errorf("the log says:\n%s", text)
	}
	// Now it is sent no more, unless somebody gives it, once more.
	_, err := login(t, c, held.options(t, server))
	wantAuthError(t, err, true, "it wants a PIN, and there is none")
	person.answers = []string{cardPIN, cardPIN, cardPIN}
	if _, err := login(t, c, held.options(t, server)); err != nil {
		t.Error(err)
	}
	for range 2 {
		_, err = login(t, c, held.options(t, server))
		wantAuthError(t, err, true, "refused before")
	}
	noCardHelperLeft(t)
}

// What a token says is wrong with a PIN has its own words: one that is locked is not asked for its PIN again.
func TestCardThatIsLocked(t *testing.T) {
	noLeaks(t)
	_, library := refusingCard(t)
	helper := os.Getenv("SSH_PKCS11_HELPER")
	text, err := os.ReadFile(helper)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(helper, []byte(strings.Replace(string(text), "160", "164", 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	c, _ := credentials(&fakePerson{answers: []string{"4711", "4712"}})
	o := authOptions(t, "bob", "127.0.0.1:1")
	o.PKCS11Provider = library
	wantAuthError(t, c.Unlock(t.Context(), o, c.log), true, fmt.Sprint(pkcs11.CodePINLocked), "PUK")
}
