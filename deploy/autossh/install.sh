#!/bin/sh
# install.sh install|uninstall PREFIX: autossh's name, the commands that Debian ships around it, and their manual pages. What is not
# tunneld's is never replaced and never removed. Where autossh itself is another's, nothing is installed, and the exit code is 1.
set -e
source=$(dirname "$0")/.. prefix=$2

# For each of them: a link, a file or a manual page; where it stands; what it leads to, or what it is made of.
list() {
	cat <<END
link bin/autossh tunneld
link lib/autossh/autossh ../../bin/tunneld
link bin/rtmux rscreen
link bin/ruscreen rscreen
link share/man/man1/rtmux.1.gz rscreen.1.gz
link share/man/man1/ruscreen.1.gz rscreen.1.gz
file bin/autossh-argv0 autossh/autossh-argv0
file bin/rscreen autossh/rscreen
page share/man/man1/autossh.1.gz man/autossh.1
page share/man/man1/autossh-argv0.1.gz man/autossh-argv0.1
page share/man/man1/rscreen.1.gz man/rscreen.1
END
}

free() { [ ! -e "$1" ] && [ ! -L "$1" ]; }

# Each file of ours, the program among them, has the word.
says_tunneld() {
	case $1 in
	*.gz) gzip -dc "$1" 2>/dev/null | grep -q tunneld ;;
	*) grep -q tunneld "$1" 2>/dev/null ;;
	esac
}

# ours FILE LINK: a link to LINK that leads to something of ours or nowhere, or a file of ours.
ours() {
	if [ -L "$1" ]; then
		[ "$(readlink "$1")" = "$2" ] && { [ ! -e "$1" ] || says_tunneld "$1"; }
	else
		[ -f "$1" ] && says_tunneld "$1"
	fi
}

put() {
	install -d "$(dirname "$2")"
	rm -f "$2"
	case $1 in
	link) ln -s "$3" "$2" ;;
	file) install -m 755 "$source/$3" "$2" ;;
	page) gzip -9nc "$source/$3" >"$2" && chmod 644 "$2" ;;
	esac
}

at=$prefix/bin/autossh
if [ "$1" = install ] && ! free "$at" && ! ours "$at" tunneld; then
	echo "$at is not tunneld's and stays as it is. To have tunneld take its place:"
	echo "  mv $at $at.real && make install-autossh"
	echo "Without that, \`tunneld autossh\` takes the same arguments."
	exit 1
fi
list | while read -r kind path from; do
	at=$prefix/$path
	if ! free "$at" && ! ours "$at" "$from"; then
		echo "$at is not tunneld's and stays"
	elif [ "$1" = install ]; then
		put "$kind" "$at" "$from"
	else
		rm -f "$at"
	fi
done
[ "$1" = install ] || rmdir "$prefix/lib/autossh" 2>/dev/null || :
