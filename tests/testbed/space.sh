#!/bin/bash
# The namespaces of one machine of a test cluster. They exist as long as a process in them does, so nothing has to be
# taken away but processes, cgroups and files.
#   space.sh hold CGROUP DIR     makes the cgroup, becomes the process that holds a network and a mount namespace, and
#                                then writes DIR/enter, a script that runs a command in the namespaces and the cgroup
#   space.sh down CGROUP DIR     ends all processes in the cgroup, and removes it and DIR
set -euo pipefail
what=${1:-} name=${2:?} dir=${3:?}

# The roots of all hierarchies: cgroup v1 has several, and hybrid hosts have `unified` among them.
roots() {
  local root
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; return; fi
  for root in /sys/fs/cgroup/*/; do [ -L "${root%/}" ] || echo "${root%/}"; done
}

hold() {
  mount --make-rprivate /
  # mountPropagation needs a shared root, which a machine without systemd lacks.
  mount --make-rshared /
  # containerd's socket, network namespaces, the kubelet's own files: here, not on the machine.
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs -o mode=755 lib /var/lib
  mkdir -p /run/containerd /run/netns /run/lock "$dir/log"
  mount --bind "$dir/log" /var/log
  # The kubelet writes these settings of the machine, unless they already have the values that it wants.
  mkdir -p "$dir/settings"
  local setting
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    [ -e "/proc/sys/${setting%=*}" ] || continue
    local file=$dir/settings/${setting//[\/=]/-}
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
  ip link set lo up
  echo 1 > /proc/sys/net/ipv4/ip_forward
  printf '#!/bin/sh\necho $$ > %s || exit 1\nexec nsenter --target %s --net --mount -- "$@"\n' "$procs" $$ > "$dir/enter.new"
  chmod 755 "$dir/enter.new"; mv "$dir/enter.new" "$dir/enter"
  exec sleep infinity
}

down() {
  local root p tries
  for tries in $(seq 100); do
    local all=()
    for root in $(roots); do
      [ ! -d "$root/$name" ] || while read -r p; do all+=("$p"); done < <(find "$root/$name" -name cgroup.procs -exec cat {} + 2>/dev/null)
    done
    [ ${#all[@]} -gt 0 ] || break
    kill -9 "${all[@]}" 2>/dev/null || true
    sleep 0.05
  done
  for root in $(roots); do
    [ ! -d "$root/$name" ] || find "$root/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf "$dir"
}

case $what in
  hold)
    # The kubelet wants its cgroup in all hierarchies; for what is not a pod, one is enough, the last (`unified`).
    for root in $(roots); do mkdir -p "$root/$name"; procs=$root/$name/parts/cgroup.procs; done
    mkdir -p "${procs%/*}" "$dir"
    echo $$ > "$procs"
    # All controllers for the pods below, on each level (cgroup v2).
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
      path=/sys/fs/cgroup
      for part in "" ${name//\// }; do
        path=$path${part:+/$part}
        for p in $(cat "$path/cgroup.controllers"); do echo "+$p" > "$path/cgroup.subtree_control" || true; done
      done
    fi
    export procs
    exec unshare --net --mount "$0" held "$name" "$dir";;
  held) hold;;
  down) down;;
  *) sed -n '2,7p' "$0"; exit 2;;
esac
