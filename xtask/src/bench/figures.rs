//! Figures of a process and of a series of measurements.

use anyhow::{Context as _, Result, ensure};
use harness::figures::{anonymous_memory, cpu_time};

/// The median of a series (for an even number of values the mean of the two in the middle).
pub(super) fn median(series: &[f64]) -> f64 {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len.is_multiple_of(2) => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
        len => sorted[len / 2],
    }
}

/// Half the distance between the quartiles, in percent of the median.
pub(super) fn spread(series: &[f64]) -> f64 {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return f64::NAN;
    }
    let quartile = |quarters: usize| sorted[(sorted.len() - 1) * quarters / 4];
    (quartile(3) - quartile(1)) / 2.0 / median(series) * 100.0
}

/// User and system time of a process, in seconds.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let time = cpu_time(pid).with_context(|| format!("CPU time of process {pid}"))?;
    Ok(time.as_secs_f64())
}

/// User and system time of the children that have ended, in seconds.
pub(super) fn cpu_seconds_of_children() -> Result<f64> {
    // SAFETY: zeros are a valid rusage, and the kernel fills it.
    let (result, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (
            libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage),
            usage,
        )
    };
    ensure!(
        result == 0,
        "getrusage: {}",
        std::io::Error::last_os_error()
    );
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 µs")]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// Anonymous resident memory of a process, in MiB.
pub(super) fn anonymous_mib(pid: u32) -> Result<f64> {
    let bytes = anonymous_memory(pid).with_context(|| format!("memory of process {pid}"))?;
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
    Ok(bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::{median, spread};

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn equal_figures_have_no_spread() {
        assert!(spread(&[2.0, 2.0, 2.0]).abs() < 1e-9);
    }
}
