//! Memory and CPU time of this process.

/// Memory and CPU time of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Resident memory, bytes.
    pub rss: u64,
    /// Resident memory that no other process shares, bytes.
    pub anonymous: u64,
    /// CPU time in user mode, seconds.
    pub user: f64,
    /// CPU time in the kernel, seconds.
    pub system: f64,
}

impl Resources {
    /// The current values; zero where `/proc` has none.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
                .and_then(|n| n.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in parentheses can contain any byte: count the fields behind it.
        let fields: Vec<&str> = stat
            .rsplit_once(") ")
            .map_or("", |(_, rest)| rest)
            .split(' ')
            .collect();
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let seconds = |i: usize| {
            let n: u32 = fields.get(i).and_then(|n| n.parse().ok()).unwrap_or(0);
            f64::from(n) / f64::from(u32::try_from(ticks).unwrap_or(100))
        };
        Self {
            rss: kib("VmRSS:") << 10,
            anonymous: kib("RssAnon:") << 10,
            user: seconds(11),
            system: seconds(12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        let now = Resources::now();
        assert!(now.rss > 1 << 20 && now.anonymous <= now.rss, "{now:?}");
    }
}
