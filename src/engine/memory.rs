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

/// Memory that programs could still take, in KiB.
pub fn available_kib() -> Option<u64> {
    field_of("/proc/meminfo", "MemAvailable:")
}

fn field(name: &str) -> Option<u64> {
    field_of("/proc/self/status", name)
}

/// A field of one of Linux's files about the system, in KiB; `None` on other systems.
fn field_of(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
