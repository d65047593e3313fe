#!/bin/sh
# Installs what the tests need where it may (Debian and its kin, as root) and says what stays missing. Never fails: a
# test whose program is missing is skipped and says so.
set -u
PATH=$PATH:/usr/sbin:/sbin

# program=package
wanted="gcc=gcc sshd=openssh-server ssh=openssh-client dropbear=dropbear-bin autossh=autossh curl=curl wget=wget
ip=iproute2 nft=nftables tinysshd=tinysshd proxychains4=proxychains4 socat=socat ps=procps debootstrap=debootstrap
systemd-analyze=systemd setpriv=util-linux unshare=util-linux nc=netcat-openbsd openssl=openssl podman=podman runc=runc mandoc=mandoc promtool=prometheus
chromium=chromium zsh=zsh fish=fish man=man-db git=git rsync=rsync ansible=ansible-core sshfs=sshfs fusermount3=fuse3 sftp-newest=openssh-client-newest
screen=screen tmux=tmux busybox=busybox killall=psmisc softhsm2-util=softhsm2"

# promtool comes out of its package alone: the server that is packed with it would be started.
install_promtool() {
	dir=$(mktemp -d) || return
	(cd "$dir" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool &&
		install -m 755 usr/bin/promtool /usr/local/bin/)
	status=$?
	rm -rf "$dir"
	return $status
}

# The library that OpenSSH's tests have in the place of a FIDO token; the package wants a server's, and regression tests are in it.
dummy_token=/usr/local/lib/tunneld-tests/sk-dummy.so
install_dummy_token() {
	dir=$(mktemp -d) || return
	(cd "$dir" && apt-get download -qq openssh-tests 2>/dev/null && dpkg-deb -x openssh-tests_*.deb . &&
		install -D -m 755 usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so "$dummy_token")
	status=$?
	rm -rf "$dir"
	return $status
}

# The newest ssh that Debian's archive has is installed beside that of the distribution, as ssh-newest, with its scp, sftp and
# ssh-pkcs11-helper:
# unstable's, with the libraries that it wants, or else that of the backports, which runs with those that are here.
install_newest_ssh() {
	fetch_ssh sid openssh-client openssh-common libc6 libedit2 libbsd0 libmd0 libtinfo6 libselinux1 libpcre2-8-0 libssl3t64 libzstd1 zlib1g ||
		fetch_ssh "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports" openssh-client
}

fetch_ssh() {
	suite=$1 root=/usr/local/lib/ssh-newest
	shift
	dir=$(mktemp -d) || return
	mkdir -p "$dir/lists/partial"
	echo "deb http://deb.debian.org/debian $suite main" >"$dir/sources"
	set -- -o "Dir::Etc::SourceList=$dir/sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$dir/lists" -o APT::Sandbox::User=root -- "$@"
	(
		cd "$dir" || exit
		options=
		while [ "$1" != -- ]; do options="$options $1" && shift; done
		shift
		apt-get -qq $options update && for package; do apt-get -qq $options download "$package/$suite" || exit; done || exit
		rm -rf "$root"
		for file in *.deb; do dpkg-deb -x "$file" "$root" || exit; done
		loader=$(find "$root" -name 'ld-linux*.so.*' ! -type d | head -n 1)
		libraries=$(dirname "$(find "$root" -name 'libcrypto.so.*' | head -n 1)")
		for program in ssh-pkcs11-helper ssh scp sftp; do # the last is what is looked for
			path=$(find "$root/usr/bin" "$root/usr/lib/openssh" -name $program)
			[ -n "$path" ] || continue # backports have the helper in no package of these
			printf '#!/bin/sh\nexec %s "$@"\n' "${loader:+$loader --argv0 $program --library-path $libraries }$path" >/usr/local/bin/$program-newest
			chmod 755 /usr/local/bin/$program-newest
		done
		ssh-newest -V
	)
	status=$?
	rm -rf "$dir"
	return $status
}

packages=
for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || packages="$packages ${pair#*=}"
done
[ -e /usr/include/stdlib.h ] || packages="$packages libc6-dev" # for the race detector
[ -e "$dummy_token" ] || packages="$packages openssh-tests"
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$packages"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "apt-get update failed; trying with the lists that are there"
	for package in $packages; do # one by one: what exists is installed even where another does not
		case "$package" in
		prometheus) install_promtool ;;
		openssh-client-newest) install_newest_ssh ;;
		openssh-tests) install_dummy_token ;;
		*) RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$package" >/dev/null ;;
		esac || echo "could not install $package"
	done
fi

for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || echo "missing: ${pair%%=*} (Debian package ${pair#*=}); tests that need it are skipped"
done
[ -e "$dummy_token" ] || echo "missing: sk-dummy.so (Debian package openssh-tests); tests that need it are skipped"
exit 0
