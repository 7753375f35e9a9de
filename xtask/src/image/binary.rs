//! Checks of a binary for the image.

use anyhow::{Context as _, Result, bail, ensure};

/// Refuses a binary that cannot start in an image without a loader.
pub(super) fn check_static(elf: &[u8]) -> Result<()> {
    const PT_INTERP: u32 = 3;
    ensure!(
        elf.get(..6) == Some(b"\x7fELF\x02\x01"),
        "not a 64-bit little-endian ELF file"
    );
    let table = usize::try_from(u64::from_le_bytes(field(elf, 32)?))?;
    let size = usize::from(u16::from_le_bytes(field(elf, 54)?));
    let count = usize::from(u16::from_le_bytes(field(elf, 56)?));
    for index in 0..count {
        let header = index
            .checked_mul(size)
            .and_then(|offset| offset.checked_add(table))
            .context("program headers beyond the file")?;
        if u32::from_le_bytes(field(elf, header)?) == PT_INTERP {
            bail!("dynamically linked: build it with -Ctarget-feature=+crt-static");
        }
    }
    Ok(())
}

fn field<const N: usize>(elf: &[u8], offset: usize) -> Result<[u8; N]> {
    elf.get(offset..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .context("truncated ELF file")
}

#[cfg(test)]
mod tests {
    use super::check_static;

    /// A header with one program header of that type.
    fn elf(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file
    }

    #[test]
    fn a_binary_that_asks_for_a_loader_is_refused() {
        assert!(check_static(&elf(1)).is_ok());
        let error = check_static(&elf(3)).expect_err("it has an interpreter");
        assert!(error.to_string().contains("crt-static"), "{error}");
    }

    #[test]
    fn what_is_no_elf_file_or_cut_short_is_an_error() {
        for bytes in [&b""[..], b"#!/bin/sh\n", &elf(1)[..66], &elf(1)[..20]] {
            assert!(check_static(bytes).is_err(), "{} bytes", bytes.len());
        }
    }
}
