#!/bin/busybox sh
# Process 1 of the guest: mounts what a machine has, loads modules, runs /vm/command, powers off.
# Standard output of the command is the serial port that /vm/output names; its last line is the exit code.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=dumb
if [ "$1" != moved ]; then
    # The kernel's own root cannot be left by pivot_root(2), as runc does: move to a bind mount of it.
    /bin/busybox mount --bind / /mnt && cd /mnt && /bin/busybox mount --move . / &&
        exec /bin/busybox chroot . /init moved
fi
cd /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
chmod 1777 /tmp
exec >/dev/console 2>&1 </dev/null
while read -r module; do
    insmod "/lib/modules/$(uname -r)/$module" || echo "vm: insmod $module failed"
done </vm/modules
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf

controllers() {
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    while read -r name _ _ enabled; do
        case $name in \#*) continue ;; esac
        [ "$enabled" = 1 ] || continue
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" 2>/dev/null || rmdir "/sys/fs/cgroup/$name"
    done </proc/cgroups
}
read -r cgroup </vm/cgroup
case $cgroup in
v2) mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup ;;
hybrid)
    controllers
    mkdir /sys/fs/cgroup/unified
    mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup/unified
    ;;
v1) controllers ;;
esac
hostname vm
ip link set lo up
read -r output </vm/output
stty -F "$output" raw -echo 2>/dev/null
cd /work || echo "vm: no /work"
setsid /vm/command >"$output" 2>&1 </dev/null
code=$?
echo "VM-EXIT $code" >"$output"
sync
poweroff -f
