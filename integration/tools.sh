#!/bin/sh
# Installs what the tests need where it may (Debian and its kin, as root) and says what stays missing. Never fails: a
# test whose program is missing is skipped and says so.
set -u
PATH=$PATH:/usr/sbin:/sbin

# program=package
wanted="gcc=gcc sshd=openssh-server ssh=openssh-client dropbear=dropbear-bin autossh=autossh curl=curl
ip=iproute2 nft=nftables tinysshd=tinysshd proxychains4=proxychains4 socat=socat ps=procps debootstrap=debootstrap
systemd-analyze=systemd setpriv=util-linux unshare=util-linux nc=netcat-openbsd openssl=openssl podman=podman runc=runc mandoc=mandoc promtool=prometheus
chromium=chromium git=git rsync=rsync ansible=ansible-core"

# promtool comes out of its package alone: the server that is packed with it would be started.
install_promtool() {
	dir=$(mktemp -d) || return
	(cd "$dir" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool &&
		install -m 755 usr/bin/promtool /usr/local/bin/)
	status=$?
	rm -rf "$dir"
	return $status
}

packages=
for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || packages="$packages ${pair#*=}"
done
[ -e /usr/include/stdlib.h ] || packages="$packages libc6-dev" # for the race detector
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$packages"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "apt-get update failed; trying with the lists that are there"
	for package in $packages; do # one by one: what exists is installed even where another does not
		if [ "$package" = prometheus ]; then
			install_promtool
		else
			RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$package" >/dev/null
		fi || echo "could not install $package"
	done
fi

for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || echo "missing: ${pair%%=*} (Debian package ${pair#*=}); tests that need it are skipped"
done
exit 0
