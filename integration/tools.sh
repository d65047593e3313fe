#!/bin/sh
# Installs what the tests need where it may (Debian and its kin, as root) and says what stays missing. Never fails: a
# test whose program is missing is skipped and says so.
set -u
PATH=$PATH:/usr/sbin:/sbin

# program=package
wanted="gcc=gcc gcc=libc6-dev sshd=openssh-server ssh=openssh-client dropbear=dropbear-bin autossh=autossh curl=curl
ip=iproute2 nft=nftables tinysshd=tinysshd proxychains4=proxychains4 socat=socat ps=procps"

packages=
for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || packages="$packages ${pair#*=}"
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:$packages"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "apt-get update failed; trying with the lists that are there"
	for package in $packages; do # one by one: what exists is installed even where another does not
		RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "could not install $package"
	done
fi

for pair in $wanted; do
	command -v "${pair%%=*}" >/dev/null || echo "missing: ${pair%%=*} (Debian package ${pair#*=}); tests that need it are skipped"
done
exit 0
