#!/bin/bash
# A private Docker or Podman, made of distribution packages alone: no registry, no systemd, no service.
#   engine.sh start       starts dockerd, or Podman's service, and makes the image bed/tools:1
#   engine.sh stop        stops the daemon or service alone; its containers go on
#   engine.sh run ARG…    the command line of the engine
#   engine.sh down        ends everything and removes what was made
# Settings: TB_ENGINE docker or podman · TB_DIR files of this bed
# Packages: docker.io containerd, or podman; runc busybox-static
set -euo pipefail
: "${TB_ENGINE:?}" "${TB_DIR:?}"
sock=$TB_DIR/api.sock
pid() { cat "$TB_DIR/pid" 2>/dev/null; }
alive() { [ -n "$(pid)" ] && [ -d "/proc/$(pid)" ] && tr '\0' ' ' < "/proc/$(pid)/cmdline" | grep -q -- "$TB_DIR"; }

run() {
  case $TB_ENGINE in
    docker) /usr/bin/docker -H "unix://$sock" "$@";;
    # Without rights over limits, the default ones cannot be set; crun sets them even so.
    podman) CONTAINERS_CONF=$TB_DIR/containers.conf podman --root "$TB_DIR/root" --runroot "$TB_DIR/run" \
      --cgroup-manager=cgroupfs --runtime runc "$@";;
  esac
}

image() {
  run image inspect bed/tools:1 > /dev/null 2>&1 && return
  local rootfs=$TB_DIR/rootfs applet
  mkdir -p "$rootfs"/{bin,etc,tmp}
  cp /bin/busybox "$rootfs/bin/busybox"
  for applet in sh sleep true cat id; do ln -sf busybox "$rootfs/bin/$applet"; done
  echo 'root:x:0:0:root:/:/bin/sh' > "$rootfs/etc/passwd"
  tar -C "$rootfs" -c . | run import - bed/tools:1 > /dev/null
}

start() {
  mkdir -p "$TB_DIR"
  alive || {
    cd /
    case $TB_ENGINE in
      docker)
        setsid dockerd --iptables=false --ip6tables=false --bridge=none --live-restore -H "unix://$sock" \
          --data-root "$TB_DIR/root" --exec-root "$TB_DIR/run" -p "$TB_DIR/dockerd.pid" \
          >> "$TB_DIR/log" 2>&1 < /dev/null &;;
      podman)
        printf '[containers]\ndefault_ulimits=[]\n[engine]\nevents_logger="file"\n' > "$TB_DIR/containers.conf"
        CONTAINERS_CONF=$TB_DIR/containers.conf setsid podman --root "$TB_DIR/root" --runroot "$TB_DIR/run" \
          --cgroup-manager=cgroupfs --runtime runc system service --time=0 "unix://$sock" \
          >> "$TB_DIR/log" 2>&1 < /dev/null &;;
    esac
    echo $! > "$TB_DIR/pid"
  }
  local i
  for i in $(seq 1200); do
    curl -sf --unix-socket "$sock" http://localhost/version > /dev/null 2>&1 && break
    alive || { tail -5 "$TB_DIR/log" >&2; echo "$TB_ENGINE did not start" >&2; exit 1; }
    sleep 0.05
  done
  image
}

stop() {
  alive || return 0
  local p i; p=$(pid)
  kill "$p"
  for i in $(seq 400); do [ -d "/proc/$p" ] || return 0; sleep 0.05; done
  kill -9 "$p"
}

down() {
  if alive; then timeout 60 bash -c 'ids=$("$0" run ps -aq); [ -z "$ids" ] || "$0" run rm -f $ids' "$0" > /dev/null 2>&1 || true; fi
  stop
  local d m
  # dockerd's containerd and shims, and conmons, of this bed only.
  for d in /proc/[0-9]*; do
    { tr '\0' ' ' < "$d/cmdline"; } 2>/dev/null | grep -qE "^(containerd|/usr/bin/containerd-shim-runc-v2|/usr/bin/conmon) .*$TB_DIR/" && kill "${d#/proc/}" 2>/dev/null || true
  done
  sleep 0.2
  awk -v d="$TB_DIR/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r | while read -r m; do umount "$m" 2>/dev/null || umount -l "$m" || true; done
  rm -rf "$TB_DIR"
}

case "${1:-}" in
  start|stop|down) "$1";;
  run) shift; run "$@";;
  *) sed -n '2,8p' "$0"; exit 2;;
esac
