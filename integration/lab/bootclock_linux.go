package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bootClock answers a program's questions for CLOCK_BOOTTIME in the kernel's place (seccomp_unotify(2)): the machine can be
// put to sleep for this program alone.
type bootClock struct {
	listener int
	slept    atomic.Int64 // nanoseconds that the machine has slept
	quit     atomic.Bool
	done     sync.WaitGroup
}

// bootClockVariable tells a copy of the test program to be launchUnderClock.
const bootClockVariable = "TUNNELD_TEST_BOOT_CLOCK"

// StartWithClock starts tunneld under a bootClock.
func (l *Lab) StartWithClock(flags ...string) (*Child, *bootClock) {
	l.T.Helper()
	self, err := os.Executable()
	if err != nil {
		l.T.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		l.T.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "clock")
	words := l.Words(l.Account.Binary(), "up", Alias, "--log-format", "json", "--log-level", "debug", "-F", l.Account.Path("config"), flags)
	cmd := exec.Command(self, words...)
	cmd.Env, cmd.Dir = append(l.Account.Environment(), bootClockVariable+"=1"), l.Account.Dir
	cmd.ExtraFiles = []*os.File{theirs}
	c := StartChild(l.T, "tunneld", cmd)
	theirs.Close()
	l.Account.noRaces(c)

	data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	n, size, _, _, err := unix.Recvmsg(pair[0], data, control, 0)
	unix.Close(pair[0])
	if err != nil {
		l.T.Fatal(err)
	}
	messages, _ := unix.ParseSocketControlMessage(control[:size])
	if len(messages) == 0 {
		l.T.Skipf("needs seccomp: %s", data[:n])
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		l.T.Fatal(err)
	}
	clock := &bootClock{listener: fds[0]}
	clock.done.Go(clock.answer)
	l.T.Cleanup(func() {
		c.Kill()
		clock.quit.Store(true)
		clock.done.Wait()
		unix.Close(clock.listener)
	})
	return c, clock
}

// Sleep has the machine sleep for d.
func (b *bootClock) Sleep(d time.Duration) { b.slept.Add(int64(d)) }

// Of linux/seccomp.h.
type (
	seccompNotif struct {
		id         uint64
		pid, flags uint32
		number     int32
		arch       uint32
		ip         uint64
		args       [6]uint64
	}
	seccompResponse struct {
		id         uint64
		value      int64
		err, flags int32
	}
)

// answer serves questions until quit.
func (b *bootClock) answer() {
	for !b.quit.Load() {
		waiting := []unix.PollFd{{Fd: int32(b.listener), Events: unix.POLLIN}}
		if n, _ := unix.Poll(waiting, 100); n < 1 || waiting[0].Revents&unix.POLLIN == 0 {
			continue
		}
		var question seccompNotif
		if b.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&question)) != 0 {
			continue // whoever asked has gone
		}
		reply := seccompResponse{id: question.id}
		if b.tell(question) != nil {
			reply.err = -int32(unix.EFAULT)
		}
		b.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&reply))
	}
}

func (b *bootClock) ioctl(request uintptr, argument unsafe.Pointer) unix.Errno {
	_, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(b.listener), request, uintptr(argument))
	return err
}

// tell writes the time to where the question wants it.
func (b *bootClock) tell(question seccompNotif) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return err
	}
	shifted := unix.NsecToTimespec(now.Nano() + b.slept.Load())
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", question.pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	text := binary.NativeEndian.AppendUint64(nil, uint64(shifted.Sec))
	_, err = memory.WriteAt(binary.NativeEndian.AppendUint64(text, uint64(shifted.Nsec)), int64(question.args[1]))
	return err
}

// launchUnderClock becomes the program of the command line, whose questions for CLOCK_BOOTTIME go to the other end of
// descriptor 3. It does not return.
func launchUnderClock() {
	runtime.LockOSThread()
	listener, err := interceptBootClock()
	if err != nil {
		unix.Write(3, []byte(err.Error()))
		os.Exit(1)
	}
	unix.Sendmsg(3, []byte{0}, unix.UnixRights(listener), nil, 0)
	unix.Close(3)
	unix.Close(listener)
	os.Unsetenv(bootClockVariable)
	fmt.Fprintln(os.Stderr, unix.Exec(os.Args[1], os.Args[1:], os.Environ()))
	os.Exit(1)
}

// interceptBootClock returns the descriptor to which the kernel passes clock_gettime(CLOCK_BOOTTIME) of this thread and of
// what it becomes.
func interceptBootClock() (int, error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: unix.SYS_CLOCK_GETTIME},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // the low half of its first argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.CLOCK_BOOTTIME},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}
