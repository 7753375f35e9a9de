//! Runs a guest in QEMU.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _, stdout},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

use super::kernel::Kernel;
use crate::{
    debian,
    machine::Machine,
    shell::{command, output},
};

/// What differs between guests with different processors.
impl Machine {
    fn qemu(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Whether the host runs the guest's code itself. A `/dev/kvm` on a processor without
    /// virtualization is slower than emulation.
    fn has_kvm(self) -> bool {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut words = processor.split_whitespace();
        let able = self == Self::Arm64 || words.any(|word| word == "vmx" || word == "svm");
        let writable = || File::options().write(true).open("/dev/kvm");
        self == Self::host() && able && writable().is_ok()
    }

    /// QEMU's options for this processor.
    fn hardware(self) -> &'static [&'static str] {
        match (self, self.has_kvm()) {
            (Self::Amd64, true) => &["-machine", "pc", "-accel", "kvm", "-cpu", "host"],
            (Self::Amd64, false) => &[
                "-machine",
                "pc",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max,la57=off",
            ],
            (Self::Arm64, true) => &[
                "-machine",
                "virt,gic-version=max",
                "-accel",
                "kvm",
                "-cpu",
                "host",
            ],
            // The emulator is slow for a feature of newer processors: pointer authentication.
            (Self::Arm64, false) => &[
                "-machine",
                "virt,gic-version=3",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "cortex-a72",
            ],
        }
    }

    /// The kernel's options for this processor.
    fn options(self) -> &'static str {
        match self {
            Self::Amd64 => "console=ttyS0 8250.nr_uarts=4",
            Self::Arm64 => "console=ttyAMA0",
        }
    }

    /// The device for the output of the tests, beside the console: its QEMU options, with `FILE`
    /// for the file, and its name in the guest.
    pub(super) fn output(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Amd64 => (&["-serial", "file:FILE"], "/dev/ttyS1"),
            // The machine `virt` has only one serial port.
            Self::Arm64 => (
                &[
                    "-chardev",
                    "file,id=output,path=FILE",
                    "-device",
                    "pci-serial,chardev=output",
                ],
                "/dev/ttyS0",
            ),
        }
    }
}

/// The result of a guest.
pub(super) struct Run {
    /// Everything that the command printed.
    pub(super) transcript: String,
    /// The command's exit code, or why there is none.
    pub(super) code: Result<i32>,
}

/// The path of QEMU. Kernels change their code while it runs (a static key, with an `int3`
/// meanwhile), and emulation of amd64 in two or more threads before QEMU 8.1 can go on with the old
/// code: the guest dies, or takes for ever a breakpoint that is gone (multipath-tcp/mptcp_net-next
/// issue 471, corrected by QEMU's commit deba78709a). In place of such a version the command
/// downloads a newer one.
fn emulator(machine: Machine) -> Result<Command> {
    let own = Command::new(machine.qemu());
    if machine != Machine::Amd64 || machine.has_kvm() {
        return Ok(own);
    }
    // Without any QEMU the start reports what to do.
    let banner = output(&mut command(machine.qemu(), &["--version"])).unwrap_or_default();
    if version(&banner).is_none_or(|version| version >= [8, 1]) {
        return Ok(own);
    }
    let directory = debian::emulator()?.join("usr");
    let mut newer = Command::new(directory.join("bin").join(machine.qemu()));
    for firmware in ["share/qemu", "share/seabios"] {
        newer.arg("-L").arg(directory.join(firmware));
    }
    Ok(newer)
}

/// The first two numbers of QEMU's version.
fn version(banner: &str) -> Option<[u32; 2]> {
    let numbers = banner.split("version ").nth(1)?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some([number()?, number()?])
}

/// Boots a guest, prints the output of the command meanwhile, and returns the result.
pub(super) fn boot(
    machine: Machine,
    kernel: &Kernel,
    initrd: &[u8],
    directory: &Path,
    limit: Duration,
) -> Result<Run> {
    let path = |name: &str| directory.join(name);
    fs::write(path("initrd"), initrd)?;
    for name in ["console", "output"] {
        fs::write(path(name), "")?;
    }
    // The root is a tmpfs with at most half of the memory, and the image needs memory too while the
    // kernel unpacks it.
    let memory = (initrd.len() >> 20) * 3 + 1024;
    let mut options = format!(
        "{} quiet panic=-1 oops=panic random.trust_cpu=on",
        machine.options()
    );
    if !machine.has_kvm() {
        // A slow guest is not a stuck one, and its timers are late on a busy host.
        options += " no_timer_check nowatchdog rcupdate.rcu_cpu_stall_timeout=300";
    }
    let mut qemu = emulator(machine)?;
    qemu.args(machine.hardware());
    qemu.args(["-smp", "2", "-m", &memory.to_string()]);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-monitor",
        "none",
    ]);
    qemu.arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(path("initrd"));
    qemu.args(["-append", &options]);
    qemu.arg("-serial")
        .arg(format!("file:{}", path("console").display()));
    let (device, _) = machine.output();
    let output = path("output").display().to_string();
    qemu.args(device.iter().map(|option| option.replace("FILE", &output)));
    let errors = File::create(path("qemu.log"))?;
    let mut child = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .with_context(|| {
            let qemu = machine.qemu();
            format!("cannot run {qemu}: `cargo xtask vm` installs it on Debian")
        })?;

    let mut follower = Follower {
        file: File::open(path("output"))?,
        text: String::new(),
    };
    let begin = Instant::now();
    let ended = loop {
        follower.follow()?;
        if child.try_wait()?.is_some() {
            break true;
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break false;
        }
        thread::sleep(Duration::from_millis(100));
    };
    follower.follow()?;
    let code = follower
        .text
        .rsplit_once("VM-EXIT ")
        .and_then(|(_, code)| code.trim().parse().ok());
    let code = match code {
        Some(code) => Ok(code),
        None if ended => Err(anyhow!("the guest died:\n{}", tail(directory))),
        None => Err(anyhow!(
            "the guest was not done after {limit:?}:\n{}",
            tail(directory)
        )),
    };
    Ok(Run {
        transcript: follower.text,
        code,
    })
}

/// The last lines of QEMU and of the guest's console.
fn tail(directory: &Path) -> String {
    let read = |name: &str| fs::read(directory.join(name)).unwrap_or_default();
    let text = [read("qemu.log"), read("console")].concat();
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Prints the bytes that are appended to a file.
struct Follower {
    file: File,
    text: String,
}

impl Follower {
    fn follow(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).replace('\r', "");
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.text.push_str(&text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_found_in_what_qemu_says() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(version(debian), Some([7, 2]));
        assert_eq!(version("QEMU emulator version 10.0.2 (x)"), Some([10, 0]));
        assert_eq!(version("something else"), None);
    }
}
