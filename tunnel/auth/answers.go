package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// errNoAnswer ends a try of keyboard-interactive whose questions nobody answers.
var errNoAnswer = errors.New("nobody to answer")

// errTooManyQuestions ends a try of keyboard-interactive with more questions than a person would answer.
var errTooManyQuestions = errors.New("the server asks too many questions")

// answering keeps count of passwords and of answers to prompts during one attempt.
type answering struct {
	passwordAsked int            // questions put to a person
	rounds        int            // tries of keyboard-interactive
	questioned    bool           // the server has asked something in keyboard-interactive
	asked         int            // questions and sets of questions in keyboard-interactive
	told          int            // lines that the server had a person read
	stored        storedPassword // what became of the password of TunneldPasswordFile
	given         []string       // what of Credentials.answers the last try sent
	fresh         []string       // what of that a person has given to this attempt, and the connection was there then
}

// hungUp forgets answers to which the server ended the connection: where that was a refusal, as sshd's of the last try that it allows,
// all of them, and else those that no server has taken yet, since some refuse in this way, too. What is wrong would be sent for ever,
// and nobody asked for what is right.
func (a *Attempt) hungUp(refused bool) {
	for _, key := range a.answering.given {
		if key != storedAnswer && (refused || slices.Contains(a.answering.fresh, key)) {
			a.credentials.forget(key)
		}
	}
}

// password returns the next password: a remembered one, the stored one, or one that a person types, at most
// NumberOfPasswordPrompts times. A password that the server takes is used for every later connection.
func (a *Attempt) password() (ssh.AuthMethod, error) {
	key := a.answerKey("password")
	if secret, ok := a.credentials.answer(key); ok {
		return a.sendPassword(key, secret), nil
	}
	if secret := a.storedPassword("password"); secret != "" {
		return a.sendPassword("", secret), nil
	}
	if a.answering.passwordAsked >= a.options.NumberOfPasswordPrompts {
		return nil, nil
	}
	a.answering.passwordAsked++
	secret, err := a.askSecret(key, a.options.User+"@"+a.serverName()+"'s password: ")
	if a.ctx.Err() != nil {
		return nil, a.ctx.Err()
	}
	if err != nil {
		if !errors.Is(err, ErrNobody) {
			a.log.Warn("cannot ask for a password", "err", err)
		}
		return nil, nil
	}
	return a.sendPassword(key, secret), nil
}

func (a *Attempt) sendPassword(key, secret string) ssh.AuthMethod {
	a.used = append(a.used, "password")
	if key != "" {
		a.answering.given = append(a.answering.given, key)
	}
	a.response = new(response)
	return a.response.password(secret)
}

// askSecret asks a person and remembers the answer under key.
func (a *Attempt) askSecret(key, prompt string) (string, error) {
	free, err := a.question()
	if err != nil {
		return "", err
	}
	defer free()
	if secret, ok := a.credentials.answer(key); ok { // another session has asked in the meantime
		return secret, nil
	}
	secret, err := a.credentials.ask.Secret(a.ctx, prompt)
	if err != nil {
		return "", err
	}
	a.credentials.rememberAnswer(key, secret)
	if a.Dead == nil || !a.Dead() {
		a.answering.fresh = append(a.answering.fresh, key)
	}
	return secret, nil
}

// keyboardInteractive returns the next try of RFC 4256, or nil where nobody could answer or the server asks nothing
// (userauth_kbdint of OpenSSH's sshconnect2.c).
func (a *Attempt) keyboardInteractive() ssh.AuthMethod {
	s := &a.answering
	if s.rounds >= max(1, a.options.NumberOfPasswordPrompts) || s.rounds > 0 && !s.questioned || !a.canAnswer() {
		return nil
	}
	s.rounds++
	a.used = append(a.used, "keyboard-interactive")
	a.questions = true
	return ssh.KeyboardInteractive(func(name, instruction string, questions []string, echos []bool) ([]string, error) {
		answers, err := a.challenge(name, instruction, questions, echos)
		a.questions = err == nil
		return answers, err
	})
}

// canAnswer reports whether there is any source of answers left.
func (a *Attempt) canAnswer() bool {
	if !a.options.BatchMode && a.credentials.ask != nil {
		return true
	}
	if a.credentials.hasAnswers(a.answerKey("prompt")) {
		return true
	}
	return a.mayStore("keyboard-interactive")
}

// maxAsked bounds the questions of one attempt, and the sets in which they come, which may be empty.
const maxAsked = 64

// challenge answers one set of questions of the server.
func (a *Attempt) challenge(name, instruction string, questions []string, echos []bool) ([]string, error) {
	a.answering.questioned = true
	if a.answering.asked += 1 + len(questions); a.answering.asked > maxAsked {
		return nil, errTooManyQuestions
	}
	for _, text := range []string{name, instruction} {
		a.tell("the server says", text)
	}
	answers := make([]string, len(questions))
	for i, question := range questions {
		secret := len(questions) == 1 && !echos[i]
		answer, err := a.reply(a.prompt(question), secret)
		if err != nil {
			return nil, err
		}
		answers[i] = answer
	}
	return answers, nil
}

// maxPromptLines is how many lines of a question are shown.
const maxPromptLines = 10

// prompt returns a server's question as a person sees it. Each line says who asks, so that none can pass for somebody else's
// question.
func (a *Attempt) prompt(question string) string {
	var b strings.Builder
	for i, line := range foreign.Lines(question, maxPromptLines) {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "(%s@%s) %s", a.options.User, a.serverName(), line)
	}
	if b.Len() == 0 {
		fmt.Fprintf(&b, "(%s@%s)", a.options.User, a.serverName())
	}
	return b.String() + " "
}

// reply answers one question. With secret, the stored password may be the answer.
func (a *Attempt) reply(prompt string, secret bool) (string, error) {
	key := a.answerKey("prompt") + prompt
	if answer, ok := a.credentials.answer(key); ok {
		a.answering.given = append(a.answering.given, key)
		return answer, nil
	}
	if secret {
		if answer := a.storedPassword("keyboard-interactive"); answer != "" {
			return answer, nil
		}
	}
	answer, err := a.askSecret(key, prompt)
	if errors.Is(err, ErrNobody) {
		return "", errNoAnswer
	}
	if err == nil {
		a.answering.given = append(a.answering.given, key)
	}
	return answer, err
}

// answerKey returns the key under which answers to this server for this user are remembered. The way there is part of it:
// "localhost:22" behind a jump host is not the same server as "localhost:22" here. So is the key of a server that nothing vouches for:
// where another one answers at the next connection, its owner gets nothing unless a person types it once more, as with ssh.
func (a *Attempt) answerKey(kind string) string {
	words := []string{kind, a.options.User, a.serverName()}
	for o := a.options; o != nil; o = o.Via {
		words = append(words, o.Address(), o.ProxyCommand)
	}
	if a.Unchecked != nil {
		words = append(words, a.Unchecked())
	}
	return strings.Join(append(words, ""), "\x00")
}

// serverName is what OpenSSH shows in its prompts.
func (a *Attempt) serverName() string {
	if a.options.HostKeyAlias != "" {
		return a.options.HostKeyAlias
	}
	return a.options.HostName
}

// What is logged of a server's words: lines of one message, and of all messages of one attempt.
const (
	maxToldLines = 40
	maxTold      = 100
)

// tell logs what a server wants a person to read: a record for each line, so that none can pass for a line of ours, and only the
// first time, since it comes again with each reconnect.
func (a *Attempt) tell(message, text string) {
	lines := foreign.Lines(text, maxToldLines)
	if len(lines) == 0 || a.answering.told > maxTold {
		return
	}
	if a.answering.told += len(lines); a.answering.told > maxTold {
		a.log.Warn("the server says more than is shown")
		return
	}
	level := slog.LevelDebug
	if a.credentials.firstTime(a.answerKey(message) + fmt.Sprint(lines)) {
		level = slog.LevelInfo
	}
	for _, line := range lines {
		a.log.Log(a.ctx, level, message, "text", line)
	}
}
