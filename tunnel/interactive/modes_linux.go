package interactive

import "golang.org/x/sys/unix"

const (
	readTermios  = unix.TCGETS
	writeTermios = unix.TCSETS
	upperToLower = unix.IUCLC
	vDisable     = 0
)

var characters = []character{
	{1, unix.VINTR}, {2, unix.VQUIT}, {3, unix.VERASE}, {4, unix.VKILL}, {5, unix.VEOF}, {6, unix.VEOL}, {7, unix.VEOL2},
	{8, unix.VSTART}, {9, unix.VSTOP}, {10, unix.VSUSP}, {12, unix.VREPRINT}, {13, unix.VWERASE}, {14, unix.VLNEXT}, {18, unix.VDISCARD},
}

var inputModes = []mode{
	{30, unix.IGNPAR}, {31, unix.PARMRK}, {32, unix.INPCK}, {33, unix.ISTRIP}, {34, unix.INLCR}, {35, unix.IGNCR}, {36, unix.ICRNL},
	{37, unix.IUCLC}, {38, unix.IXON}, {39, unix.IXANY}, {40, unix.IXOFF}, {41, unix.IMAXBEL}, {42, unix.IUTF8},
}

var localModes = []mode{
	{50, unix.ISIG}, {51, unix.ICANON}, {52, unix.XCASE}, {53, unix.ECHO}, {54, unix.ECHOE}, {55, unix.ECHOK}, {56, unix.ECHONL},
	{57, unix.NOFLSH}, {58, unix.TOSTOP}, {59, unix.IEXTEN}, {60, unix.ECHOCTL}, {61, unix.ECHOKE}, {62, unix.PENDIN},
}

var outputModes = []mode{
	{70, unix.OPOST}, {71, unix.OLCUC}, {72, unix.ONLCR}, {73, unix.OCRNL}, {74, unix.ONOCR}, {75, unix.ONLRET},
}

// speeds returns the speeds in baud. The kernel has them as a number of their own in the control modes, of which Linux
// terminals have one for both directions as a rule.
func speeds(t *unix.Termios) (in, out uint32) {
	out = baud(t.Cflag & unix.CBAUD)
	if code := t.Cflag & unix.CIBAUD >> 16; code != 0 {
		return baud(code), out
	}
	return out, out
}

func baud(code uint32) uint32 {
	for _, s := range []struct{ code, baud uint32 }{
		{unix.B0, 0}, {unix.B50, 50}, {unix.B75, 75}, {unix.B110, 110}, {unix.B134, 134}, {unix.B150, 150}, {unix.B200, 200},
		{unix.B300, 300}, {unix.B600, 600}, {unix.B1200, 1200}, {unix.B1800, 1800}, {unix.B2400, 2400}, {unix.B4800, 4800},
		{unix.B9600, 9600}, {unix.B19200, 19200}, {unix.B38400, 38400}, {unix.B57600, 57600}, {unix.B115200, 115200},
		{unix.B230400, 230400},
	} {
		if s.code == code {
			return s.baud
		}
	}
	return 9600 // what OpenSSH says of a speed that it does not know (ttymodes.c)
}
