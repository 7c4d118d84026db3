//! How much memory the process holds, where the system says, and how the allocator treats it. Called by whoever
//! runs the model or shows pictures.

/// Makes glibc keep what is freed instead of handing it back to the system. Every layer of the model and every
/// large picture frees and asks for tens of megabytes; handed back, each page is cleared and mapped anew. Other systems' allocators are left as they are.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets two numbers of the allocator. Where it refuses, everything works as before, slower.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Largest resident size so far, in MiB.
pub fn peak_mib() -> Option<u64> {
    field("VmHWM:").map(|kib| kib / 1024)
}

/// Resident size now, in KiB.
pub fn resident_kib() -> Option<u64> {
    field("VmRSS:")
}

/// A field of Linux's `/proc/self/status`, in KiB; `None` on other systems.
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
