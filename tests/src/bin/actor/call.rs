//! Any system call, by its number.

use anyhow::Result;

use crate::{address::expect, steps::Steps};

/// Makes a system call `count` times; each must return the same: 0 or more, or that errno.
pub(crate) fn take(steps: &mut Steps) -> Result<()> {
    let (count, number, errno) = (steps.number()?, steps.number()?, steps.number()?);
    let mut arguments = [0; 4];
    for argument in &mut arguments {
        *argument = steps.text()?.to_str()?.parse::<libc::c_long>()?;
    }
    let [a, b, c, d] = arguments;
    for _ in 0..count {
        // SAFETY: tests choose calls that touch no memory of this process.
        let answer = unsafe { libc::syscall(number.into(), a, b, c, d) };
        expect(answer, errno)?;
    }
    Ok(())
}
