package autossh

import (
	"fmt"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// Level is a level of syslog(3), 0 to 7: the higher, the more is said.
type Level int

// The levels that autossh logs at, and the ends of AUTOSSH_LOGLEVEL.
const (
	LevelEmergency Level = 0
	LevelError     Level = 3
	LevelInfo      Level = 6
	LevelDebug     Level = 7
)

// Entry is one message for autossh's log.
type Entry struct {
	Level Level
	Text  string // one line
}

func info(format string, args ...any) Entry  { return Entry{LevelInfo, fmt.Sprintf(format, args...)} }
func debug(format string, args ...any) Entry { return Entry{LevelDebug, fmt.Sprintf(format, args...)} }
func errorEntry(format string, args ...any) Entry {
	return Entry{LevelError, fmt.Sprintf(format, args...)}
}

// FileLine returns an entry as a line of AUTOSSH_LOGFILE; at is in the zone that people read it in.
func FileLine(at time.Time, name string, pid int, text string) string {
	return fmt.Sprintf("%s %s[%d]: %s\n", at.Format("2006/01/02 15:04:05"), name, pid, oneLine(text))
}

// StderrLine returns an entry as syslog(3) copies it to standard error with AUTOSSH_DEBUG.
func StderrLine(name string, pid int, text string) string {
	return fmt.Sprintf("%s[%d]: %s\n", name, pid, oneLine(text))
}

// SyslogLine returns an entry as syslog(3) writes it to /dev/log, in facility user.
func SyslogLine(at time.Time, name string, pid int, e Entry) string {
	const facilityUser = 1
	return fmt.Sprintf("<%d>%s %s[%d]: %s", facilityUser<<3|int(e.Level), at.Format(time.Stamp), name, pid, oneLine(e.Text))
}

// oneLine keeps a text from being two messages.
func oneLine(text string) string { return foreign.Own(strings.TrimRight(text, "\r\n")).String() }

// The messages of autossh 1.4g, which people grep for and logcheck knows.

// StartingSSH is logged at each start; max is Settings.MaxStart.
func StartingSSH(count, max int) Entry {
	if max < 0 {
		return info("starting ssh (count %d)", count)
	}
	return info("starting ssh (count %d of %d)", count, max)
}

// ChildPID is logged after each start.
func ChildPID(pid int) Entry { return info("ssh child pid is %d", pid) }

// ChildExecuting is the child's own word before it becomes ssh.
func ChildExecuting(parent int, path string) Entry {
	return debug("child of %d execing %s", parent, path)
}

// CheckOnChild is logged at each turn of the loop.
func CheckOnChild(pid int) Entry { return debug("check on child %d", pid) }

// SetAlarm is logged before each wait for the next test.
func SetAlarm(wait time.Duration) Entry { return debug("set alarm for %d secs", wholeSeconds(wait)) }

// ClearAlarm is logged after it.
func ClearAlarm(left time.Duration) Entry {
	return debug("clear alarm timer (%d secs left)", wholeSeconds(left))
}

// ReceivedAlarm is logged where the time of a test has come; ended says that the lifetime is over.
func ReceivedAlarm(ended bool) Entry {
	if ended {
		return debug("received SIGALRM (end-of-life 1)")
	}
	return debug("received SIGALRM (end-of-life 0)")
}

// ConnectionOK is a test that was passed.
func ConnectionOK() Entry { return debug("connection ok") }

// PortDown is a test that was not.
func PortDown() Entry { return info("port down, restarting ssh") }

// AcceptTimeout is a loop that did not come back.
func AcceptTimeout() Entry { return info("timeout polling to accept read connection") }

// IOTimeout is a test line that did not come back in time; another attempt follows.
func IOTimeout() Entry { return debug("timeout on io poll, looping to accept again") }

// NotWhatWasSent is another line than the one that was sent.
func NotWhatWasSent(sent, got string) Entry { return debug(`not what I sent: "%s" : "%s"`, sent, got) }

// TriesFailed is logged where the last attempt of a test has failed.
func TriesFailed(tries int) Entry { return debug("tried connection %d times and failed", tries) }

// PollError is a test whose connections broke.
func PollError(err error) Entry { return debug("error on poll: %v", err) }

// ConnectFailed is a write port where nobody listens.
func ConnectFailed(port int, err error) Entry { return info("%s:%d: %v", monitorHost, port, err) }

// BindFailed is a read port that is taken.
func BindFailed(port int, err error) Entry {
	return errorEntry("bind on %s:%d: %v", monitorHost, port, err)
}

// ReceivedSignal is a signal that ends autossh while ssh runs.
func ReceivedSignal(number int) Entry { return info("received signal to exit (%d)", number) }

// SignalledToExit is the same while no ssh runs.
func SignalledToExit() Entry { return errorEntry("signalled to exit") }

// SignalledToRestart is SIGUSR1.
func SignalledToRestart() Entry { return info("signalled to kill and restart ssh") }

// CannotOpenPIDFile ends autossh.
func CannotOpenPIDFile(path string, err error) Entry {
	return errorEntry(`cannot open pid file "%s": %v`, path, err)
}

// CannotOpenLogFile ends autossh.
func CannotOpenLogFile(path string, err error) Entry { return errorEntry("%s: %v", path, err) }

// DaemonFailed ends autossh.
func DaemonFailed(err error) Entry { return errorEntry("run as daemon failed: %v", err) }

func endedOnSignal(number int) Entry { return info("ssh exited on signal %d, restarting ssh", number) }

func endedEarly(name string, status int) Entry {
	return errorEntry("ssh exited prematurely with status %d; %s exiting", status, name)
}

func endedRestarting(status int) Entry {
	return info("ssh exited with error status %d; restarting ssh", status)
}

func endedExiting(name string, status int) Entry {
	return info("ssh exited with status %d; %s exiting", status, name)
}

func maxStartReached() Entry { return info("max start count reached; exiting") }

func lifetimeOver() Entry { return info("exceeded maximum time to live, shutting down") }

func graceCheck(tries int) Entry { return debug("checking for grace period, tries = %d", tries) }

func graceSleep(wait time.Duration) Entry {
	return debug("sleeping for grace time %d secs", wholeSeconds(wait))
}

func monitoringDisabled() Entry { return info("port set to 0, monitoring disabled") }

func shortPoll(timeout time.Duration) Entry {
	return info("short poll time: adjusting net timeouts to %d", timeout.Milliseconds())
}

func pollLowered(to time.Duration) Entry {
	return info("poll time is greater than lifetime, dropping poll time to %d", wholeSeconds(to))
}

func firstPollLowered(to time.Duration) Entry {
	return info("first poll time is greater than lifetime, dropping first poll time to %d", wholeSeconds(to))
}

func wholeSeconds(d time.Duration) int64 { return int64(d / time.Second) }

// TestLine returns the line that goes through the loop; node is uname(2)'s name of this machine, id a random number that is new
// for each test. It ends in CR LF, and without a message a blank stands before them.
func TestLine(node, name string, pid int, id int64, message string) string {
	return fmt.Sprintf("%s %s %d %d %s\r\n", node, name, pid, id, message)
}
