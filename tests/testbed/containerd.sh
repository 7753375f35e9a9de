#!/bin/bash
# A private containerd with CRI, made of distribution packages alone: no registry, no systemd, no service.
#   containerd.sh images         makes the images, once for all test beds
#   containerd.sh start          starts containerd and imports the images (again after `stop`: a new socket)
#   containerd.sh stop           stops containerd alone; its containers go on
#   containerd.sh down           ends everything and removes what was made
# Settings: TB_DIR files of this bed · TB_NETNS network namespace of this bed · TB_CGROUP put before /kubepods/… ·
#   TB_IMAGES where images are kept · TB_CGROUP2=1 cgroup2 alone, in a mount namespace · TB_PATH, TB_RUNC another containerd, runc
# Packages: containerd runc containernetworking-plugins busybox-static python3-grpcio iproute2 gcc libc6-dev
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
: "${TB_DIR:?}" "${TB_NETNS:?}" "${TB_CGROUP:?}" "${TB_IMAGES:?}"
[ -z "${TB_PATH:-}" ] || PATH=$TB_PATH:$PATH
TB_RUNC=${TB_RUNC:-}
sock=$TB_DIR/run/containerd.sock
rpc() { /usr/bin/python3 "$here/rpc.py" "$sock" "$@"; }
client() { ctr -a "$sock" "$@"; }
pid() { cat "$TB_DIR/containerd.pid" 2>/dev/null; }
alive() { [ -n "$(pid)" ] && [ "$(cat "/proc/$(pid)/comm" 2>/dev/null)" = containerd ]; }

images() {
  mkdir -p "$TB_IMAGES"
  exec 9> "$TB_IMAGES/lock"; flock 9
  cd "$TB_IMAGES"
  [ -f done.3 ] && return
  printf '%s\n' '#include <signal.h>' '#include <unistd.h>' '#include <sys/wait.h>' \
    'static void bye(int s){(void)s;_exit(0);}' 'static void reap(int s){(void)s;while(waitpid(-1,0,WNOHANG)>0);}' \
    'int main(void){signal(SIGINT,bye);signal(SIGTERM,bye);signal(SIGCHLD,reap);for(;;)pause();}' > pause.c
  cc -static -Os -s -o pause pause.c
  /usr/bin/python3 "$here/image.py" pause.tar docker.io/testbed/pause:1 --add pause:pause -- /pause
  # This machine's dash and coreutils with their libraries: in busybox an applet runs without an execve of its own.
  local program path library add=()
  declare -A libraries=()
  for program in dash bash id cat ls env sleep echo true head mkdir touch chown; do
    path=$(PATH=/usr/bin:/bin type -P "$program"); path=$(readlink -f "$path")
    add+=(--add "$path:usr/bin/$program")
    while read -r library; do libraries[$library]=1; done < <(ldd "$path" | grep -oE '/[^ ]+')
  done
  for library in "${!libraries[@]}"; do add+=(--add "$(readlink -f "$library"):$library"); done
  for program in sh:dash true:true id:id cat:cat sleep:sleep; do add+=(--add "->/usr/bin/${program#*:}:bin/${program%:*}"); done
  /usr/bin/python3 "$here/image.py" tools.tar docker.io/testbed/tools:1 "${add[@]}" \
    --add $'=root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n:etc/passwd:644' \
    --add $'=root:x:0:\ncrew:x:1000:\n:etc/group:644' -- /bin/sleep 1000000
  /usr/bin/python3 "$here/image.py" busybox.tar docker.io/testbed/busybox:1 --add "$(type -P busybox):bin/busybox" \
    --add '->/bin/busybox:bin/sh' --add '->/bin/busybox:bin/wget' -- /bin/sh
  touch done.3
}

config() {
  mkdir -p "$TB_DIR"/{root,run,cni/net.d,log}
  if [ "${TB_CGROUP2:-}" = 1 ]; then
    # The controllers may belong to v1: runc would fail on cpu.weight, so resources are taken out of the specification.
    cat > "$TB_DIR/runc-v2" <<X
#!/usr/bin/python3
import sys, os, json
a = sys.argv[1:]
if 'create' in a and '--bundle' in a:
    p = a[a.index('--bundle') + 1] + '/config.json'; c = json.load(open(p)); c['linux'].pop('resources', None); json.dump(c, open(p, 'w'))
os.execvp('${TB_RUNC:-runc}', ['${TB_RUNC:-runc}'] + a)
X
    chmod +x "$TB_DIR/runc-v2"; TB_RUNC=$TB_DIR/runc-v2
  fi
  # Version 2 is read by containerd 1.5 - 2.x. Without CAP_SYS_RESOURCE oom_score_adj cannot be lowered.
  cat > "$TB_DIR/config.toml" <<X
version = 2
root = "$TB_DIR/root"
state = "$TB_DIR/run"
oom_score = 0
[grpc]
  address = "$sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/testbed/pause:1"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$TB_DIR/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$TB_RUNC"
        SystemdCgroup = false
        Root = "$TB_DIR/runc"
X
}

import() { # namespace image: an import can fail while another one runs
  local try
  for try in 1 2 3 4 5; do
    [ -n "$(client -n "$1" image ls -q "name==docker.io/testbed/$2:1")" ] && return
    client -n "$1" image import "$TB_IMAGES/$2.tar" > "$TB_DIR/log/import.log" 2>&1 || true
  done
  cat "$TB_DIR/log/import.log" >&2; exit 1
}

start() {
  alive || {
    config
    [ -e "/run/netns/$TB_NETNS" ] || { ip netns add "$TB_NETNS"; ip -n "$TB_NETNS" link set lo up; }
    # Not `ip netns exec`: it mounts a new /sys and so hides /sys/fs/cgroup.
    local run=(setsid nsenter "--net=/run/netns/$TB_NETNS")
    if [ "${TB_CGROUP2:-}" = 1 ]; then
      run+=(unshare --mount --propagation private sh -c 'umount -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh)
    fi
    cd /
    "${run[@]}" containerd -c "$TB_DIR/config.toml" >> "$TB_DIR/log/containerd.log" 2>&1 9>&- < /dev/null &
    echo $! > "$TB_DIR/containerd.pid"
  }
  local i
  for i in $(seq 600); do
    client version > /dev/null 2>&1 && break
    [ -d "/proc/$(pid)" ] || { tail -5 "$TB_DIR/log/containerd.log" >&2; echo "containerd did not start" >&2; exit 1; }
    sleep 0.05
  done
  rpc wait
  local namespace image
  for namespace in k8s.io default; do for image in tools pause; do import "$namespace" "$image"; done; done
}

stop() {
  alive || return 0
  local p i; p=$(pid)
  kill "$p"
  for i in $(seq 200); do [ -d "/proc/$p" ] || return 0; sleep 0.05; done
  kill -9 "$p"
}

down() {
  if alive; then
    timeout 60 /usr/bin/python3 "$here/rpc.py" "$sock" clear || true
    local id
    for id in $(client task ls -q 2>/dev/null); do client task kill -s KILL "$id" > /dev/null 2>&1 || true; sleep 0.2; client task rm -f "$id" > /dev/null 2>&1 || true; done
    for id in $(client container ls -q 2>/dev/null); do client container rm "$id" > /dev/null 2>&1 || true; done
    stop
  fi
  # Shims that outlived it, of this socket only, and what still runs in this bed's cgroups.
  local d p m h
  for d in /proc/[0-9]*; do
    { tr '\0' ' ' < "$d/cmdline"; } 2>/dev/null | grep -q -- "containerd-shim-runc-v2 .*-address $sock" && kill "${d#/proc/}" 2>/dev/null || true
  done
  for h in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -d "$h$TB_CGROUP" ] || continue
    for p in $(find "$h$TB_CGROUP" -name cgroup.procs -exec cat {} + 2>/dev/null); do kill -9 "$p" 2>/dev/null || true; done
  done
  sleep 0.2
  awk -v d="$TB_DIR/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r | while read -r m; do umount "$m" 2>/dev/null || umount -l "$m" || true; done
  for h in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -d "$h$TB_CGROUP" ] && find "$h$TB_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  [ ! -e "/run/netns/$TB_NETNS" ] || ip netns del "$TB_NETNS" || true
  rm -rf "$TB_DIR"
}

case "${1:-}" in
  images|start|stop|down) "$1";;
  ctr) shift; client "$@";;
  *) sed -n '2,9p' "$0"; exit 2;;
esac
