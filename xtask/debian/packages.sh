#!/usr/bin/env bash
# What guests and peers are made of, from Debian's packages; each prints where that is.
#
# packages.sh CACHE ARCH list              the kernel series that Debian's suites offer
# packages.sh CACHE ARCH kernel SERIES     the newest kernel of a series (5.10, 6.12, …): a directory
#                                          with vmlinuz, release and lib/modules
# packages.sh CACHE ARCH busybox           busybox, static
# packages.sh CACHE ARCH root PACKAGE...   a directory with these packages and the libraries they need
# packages.sh CACHE ARCH unpack PACKAGE [VERSION]   a directory with that package alone
# packages.sh CACHE ARCH emulator          a directory with a newer QEMU than this machine's suite has,
#                                          from the backports to it
# packages.sh CACHE ARCH bootstrap SUITE PACKAGE...   a system of that suite with these packages, made by
#                                          debootstrap
#
# All is kept below CACHE/ARCH. Packages come by a private apt root: the machine's own sources, lists
# and packages stay as they are.
set -euo pipefail
export LC_ALL=C

base=$1 arch=$2 command=$3
shift 3
cache=$base/$arch
host=$(dpkg --print-architecture)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_root=$cache/apt
# A guest of this machine's own kind takes libraries from the machine, whose suite the other lists lack.
if [ "$command" = root ] && [ "$arch" = "$host" ]; then apt_root=$cache/apt-own; fi
apt=(-q -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
    -o "Dir::Etc::SourceList=$apt_root/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State=$apt_root/state" -o "Dir::State::status=$apt_root/state/status"
    -o "Dir::Cache=$apt_root/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
    -o APT::Sandbox::User=root -o Acquire::Retries=3)

# Where this machine's own programs and libraries are from: what else is taken fits to these.
# shellcheck source=/dev/null
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

say() { printf 'vm: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
scratch=$(mktemp -d "$cache/tmp.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# The mirror of one of Debian's archives, as in the machine's own sources.
mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed 's|/*$||' | grep -E "/$1\$" | head -n1
}

# The mirror of the main archive.
main_mirror() {
    local url=${SENSOR_VM_MIRROR:-$(mirror debian)}
    [ -n "$url" ] || die "no Debian mirror in this machine's apt sources: set SENSOR_VM_MIRROR"
    [ -r "$keyring" ] || die "no $keyring: install debian-archive-keyring"
    echo "$url"
}

update() {
    local debian security suite suites sources
    debian=$(main_mirror)
    security=${SENSOR_VM_SECURITY_MIRROR:-$(mirror debian-security)}
    [ -n "$security" ] || security=$debian-security
    suites=("$security bookworm-security" "$security trixie-security" "$debian trixie-backports"
        "$debian experimental")
    if [ "$arch" = amd64 ]; then
        suites+=("$security bullseye-security")
    else
        # The security archive has no packages of bullseye for others any more.
        suites+=("$debian bullseye")
    fi
    if [ "$arch" != "$host" ]; then
        suites+=("$debian $own")
    else
        suites+=("$debian $own-backports")
    fi
    # What fits to the machine's own libraries, and nothing newer.
    if [ "${1:-}" = own ]; then suites=("$debian $own" "$security $own-security"); fi
    sources=$(for suite in "${suites[@]}"; do
        echo "deb [arch=$arch signed-by=$keyring] $suite main"
    done)
    if [ -n "$(find "$apt_root/updated" -mtime -1 2>/dev/null)" ] &&
        [ "$(<"$apt_root/sources.list")" = "$sources" ]; then return; fi
    mkdir -p "$apt_root/state/lists/partial" "$apt_root/cache/archives/partial"
    : >"$apt_root/state/status"
    echo "$sources" >"$apt_root/sources.list"
    say "reading package lists"
    # A suite that is gone costs its kernels only.
    apt-get "${apt[@]}" update >"$apt_root/update.log" 2>&1 || say "some lists failed, see $apt_root/update.log"
    touch "$apt_root/updated"
}

# Packages of cloud kernels, the newest last.
images() {
    local version=${1:-'[0-9]+.[0-9]+'}
    apt-cache "${apt[@]}" search --names-only "^linux-image-${version//./\\.}([.+-][0-9a-z.+-]*)?-cloud-$arch\$" |
        awk '!/meta-package/ {print $1}' | sort -V
}

download() { # into the current directory
    apt-get "${apt[@]}" download "$@" >download.log 2>&1 || { cat download.log >&2; die "cannot download $*"; }
}

busybox() {
    [ -x "$cache/busybox" ] && return
    update
    mkdir "$scratch/busybox"
    (cd "$scratch/busybox" && download busybox-static && dpkg -x busybox-static_*.deb x)
    mv "$(find "$scratch/busybox/x" -path '*bin/busybox' -type f | head -n1)" "$cache/busybox"
}

# The libraries among what packages need; not what sets them up.
libraries() {
    apt-get "${apt[@]}" -t "$own" --no-install-recommends --simulate install "$@" |
        awk '$1 == "Inst" && $2 ~ /^z?lib/ {print $2}'
}

packages_root() {
    local to=$cache/root packages
    packages=$(printf '%s\n' "$@")
    if [ -e "$to.packages" ] && [ "$(<"$to.packages")" = "$packages" ]; then return; fi
    if [ "$arch" = "$host" ]; then update own; else update; fi
    say "fetching $* for $arch"
    mkdir "$scratch/root"
    # shellcheck disable=SC2046
    (cd "$scratch/root" && download -t "$own" "$@" $(libraries "$@") && for deb in *.deb; do dpkg -x "$deb" x; done)
    rm -rf "$to"
    mv "$scratch/root/x" "$to"
    echo "$packages" >"$to.packages"
}

unpack() {
    local package=$1 version=${2:-} to=$cache/unpacked/$1=${2:-newest}
    if [ -d "$to" ]; then return; fi
    update
    say "fetching $package $version for $arch"
    mkdir "$scratch/unpack"
    (cd "$scratch/unpack" && download "$package${version:+=$version}" && dpkg -x ./*.deb x)
    mkdir -p "$cache/unpacked"
    mv "$scratch/unpack/x" "$to"
}

emulator() {
    local to=$cache/emulator
    if [ -d "$to" ]; then return; fi
    update
    say "fetching a newer QEMU"
    mkdir "$scratch/emulator"
    (cd "$scratch/emulator" && download -t "$own-backports" qemu-system-x86 qemu-system-data seabios &&
        for deb in *.deb; do dpkg -x "$deb" x; done)
    mv "$scratch/emulator/x" "$to"
}

bootstrap() {
    local suite=$1 to=$cache/suites/$1 packages debian
    shift
    packages=$(IFS=,; echo "$*")
    if [ -e "$to.packages" ] && [ "$(<"$to.packages")" = "$packages" ]; then return; fi
    debian=$(main_mirror)
    say "making a system of $suite with $*"
    # What it mounts is in a namespace of its own, and gone if it fails.
    unshare --mount --propagation private debootstrap --variant=minbase "--include=$packages" \
        "--keyring=$keyring" "$suite" "$scratch/suite" "$debian" >"$scratch/log" 2>&1 ||
        { tail -n5 "$scratch/log" >&2; die "debootstrap of $suite failed"; }
    mkdir -p "$cache/suites"
    rm -rf "$to"
    mv "$scratch/suite" "$to"
    echo "$packages" >"$to.packages"
}

kernel() {
    local series=$1 tool=$cache/busybox to=$cache/kernels/$1 package release packages deb at
    if [ -e "$to/release" ]; then return; fi
    update
    busybox
    if [ "$arch" != "$host" ]; then tool=$("$0" "$base" "$host" busybox); fi
    package=$(images "$series" | tail -n1)
    [ -n "$package" ] || die "no kernel $series for $arch in Debian's suites (see: cargo xtask vm --list)"
    release=${package#linux-image-}
    # From 7.0 on the package is empty and depends on these.
    packages=$(apt-cache "${apt[@]}" depends "$package" | awk '{print $NF}' |
        grep -xE "linux-(base|binary|modules)-${release//+/\\+}" || true)
    case $packages in *linux-binary*) ;; *) packages=$package ;; esac
    say "fetching $release"
    # shellcheck disable=SC2086
    (cd "$scratch" && download $packages && for deb in *.deb; do dpkg -x "$deb" x; done)
    mkdir -p "$scratch/kernel/lib/modules"
    for at in "$scratch/x/lib/modules/$release" "$scratch/x/usr/lib/modules/$release"; do
        if [ -d "$at" ]; then cp -a --no-target-directory "$at" "$scratch/kernel/lib/modules/$release"; fi
    done
    for at in "$scratch/x/boot/vmlinuz-$release" "$scratch/kernel/lib/modules/$release/vmlinuz"; do
        [ ! -f "$at" ] || mv "$at" "$scratch/kernel/vmlinuz"
    done
    [ -s "$scratch/kernel/vmlinuz" ] || die "no vmlinuz in $packages"
    # Guests load modules as they are.
    find "$scratch/kernel/lib/modules" -name '*.ko.xz' -exec xz -d {} +
    # busybox's depmod takes no release like 7.3-cloud-amd64, so it gets a name of three numbers.
    ln -s "$release" "$scratch/kernel/lib/modules/0.0.0"
    "$tool" depmod -b "$scratch/kernel" 0.0.0
    rm "$scratch/kernel/lib/modules/0.0.0"
    echo "$release" >"$scratch/kernel/release"
    mkdir -p "$cache/kernels"
    mv "$scratch/kernel" "$to"
}

case $command in
list)
    update
    images | sed -E 's/^linux-image-([0-9]+\.[0-9]+).*/\1/' | sort -uV
    ;;
kernel)
    kernel "$1"
    echo "$cache/kernels/$1"
    ;;
busybox)
    busybox
    echo "$cache/busybox"
    ;;
root)
    packages_root "$@"
    echo "$cache/root"
    ;;
unpack)
    unpack "$@"
    echo "$cache/unpacked/$1=${2:-newest}"
    ;;
emulator)
    emulator
    echo "$cache/emulator"
    ;;
bootstrap)
    bootstrap "$@"
    echo "$cache/suites/$1"
    ;;
*) die "usage: packages.sh CACHE ARCH list|kernel|busybox|root|unpack|emulator|bootstrap …" ;;
esac
