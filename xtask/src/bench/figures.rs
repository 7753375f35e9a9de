//! Figures of a process, and of a series.

use std::fs;

use anyhow::{Context as _, Result};

/// The middle of a series (the mean of the two middle ones, if it is even).
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

/// User and system time of a process, in seconds, in the kernel's finest account.
///
/// `/proc/PID/schedstat` counts nanoseconds for each thread, where `/proc/PID/stat` counts
/// ticks of 10 ms.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let on_cpu = text.split(' ').next().unwrap_or_default();
        nanoseconds += on_cpu
            .parse::<u64>()
            .with_context(|| format!("schedstat: {text}"))?;
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are a hundred days")]
    Ok(nanoseconds as f64 / 1e9)
}

/// Anonymous resident memory of a process, in MiB.
pub(super) fn anonymous_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .context("no RssAnon in /proc/PID/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{anonymous_mib, cpu_seconds, median, spread};

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

    #[test]
    fn a_process_can_be_measured() {
        let own = std::process::id();
        assert!(cpu_seconds(own).unwrap() >= 0.0);
        assert!(anonymous_mib(own).unwrap() > 0.0);
    }
}
