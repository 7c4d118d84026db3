//! How much memory the process holds, where the system says.

/// Largest resident size so far, in MiB.
pub fn peak_mib() -> Option<u64> {
    field("VmHWM:").map(|kib| kib / 1024)
}

/// Resident size now, in MiB.
pub fn resident_mib() -> Option<u64> {
    field("VmRSS:").map(|kib| kib / 1024)
}

/// A field of Linux's `/proc/self/status`, in KiB; `None` on other systems.
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
