//! Tiny static programs, assembled by hand: an exec takes microseconds and needs neither a compiler
//! nor libraries.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

/// Where the kernel loads the file.
const BASE: u32 = 0x0040_0000;

/// `exit(0)` in the code of this machine.
#[cfg(target_arch = "x86_64")]
const EXIT: &[u8] = &[
    0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, 231 (exit_group)
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
];
/// `exit(0)` in the code of this machine.
#[cfg(target_arch = "aarch64")]
const EXIT: &[u8] = &[
    0xc8, 0x0b, 0x80, 0xd2, // mov x8, #94 (exit_group)
    0x00, 0x00, 0x80, 0xd2, // mov x0, #0
    0x01, 0x00, 0x00, 0xd4, // svc #0
];
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// `exit(0)` in 32-bit x86 code.
const EXIT_386: &[u8] = &[
    0xb8, 0xfc, 0x00, 0x00, 0x00, // mov eax, 252 (exit_group)
    0x31, 0xdb, // xor ebx, ebx
    0xcd, 0x80, // int 0x80
];

/// A program of this machine that exits with 0.
#[must_use]
pub fn native() -> Vec<u8> {
    const HEADERS: u16 = 64 + 56;
    let size = u64::from(HEADERS) + EXIT.len() as u64;
    let base = u64::from(BASE);
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut elf, &[2, MACHINE]);
    words(&mut elf, &[1]);
    longs(&mut elf, &[base + u64::from(HEADERS), 64, 0]);
    words(&mut elf, &[0]);
    halves(&mut elf, &[64, 56, 1, 0, 0, 0]);
    words(&mut elf, &[1, 5]); // one segment, read and execute
    longs(&mut elf, &[0, base, base, size, size, 0x1000]);
    elf.extend_from_slice(EXIT);
    elf
}

/// A 32-bit x86 program that exits with 0.
#[must_use]
pub fn i386() -> Vec<u8> {
    i386_after(&[])
}

/// A 32-bit x86 program that runs some code (at address `0x400054`), and exits with 0.
#[must_use]
pub fn i386_after(code: &[u8]) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let size = u32::try_from(code.len() + EXIT_386.len()).map_or(u32::MAX, |len| HEADERS + len);
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    halves(&mut elf, &[2, 3]);
    words(&mut elf, &[1, BASE + HEADERS, 52, 0, 0]);
    halves(&mut elf, &[52, 32, 1, 0, 0, 0]);
    words(&mut elf, &[1, 0, BASE, BASE, size, size, 5, 0x1000]);
    elf.extend_from_slice(code);
    elf.extend_from_slice(EXIT_386);
    elf
}

/// Writes a program that may be executed.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, elf: &[u8]) -> io::Result<()> {
    fs::write(path, elf)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn halves(elf: &mut Vec<u8>, values: &[u16]) {
    for value in values {
        elf.extend(value.to_le_bytes());
    }
}

fn words(elf: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        elf.extend(value.to_le_bytes());
    }
}

fn longs(elf: &mut Vec<u8>, values: &[u64]) {
    for value in values {
        elf.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{i386, native};
    use crate::programs::{alone, write};

    #[test]
    fn the_native_program_exits_with_zero() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("native");
        write(&path, &native());
        assert!(alone(|| Command::new(path).status()).unwrap().success());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_32_bit_program_exits_with_zero_where_the_kernel_runs_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i386");
        write(&path, &i386());
        match alone(|| Command::new(path).status()) {
            Ok(status) => assert!(status.success()),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC)),
        }
    }
}
