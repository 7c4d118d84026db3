//! What kind of place a project lies in: one that can be written, one across a network.

use std::fs;
use std::io;
use std::path::Path;

/// Why the file or its folder must not be written; `None` when both may. A file that is not there may be made.
///
/// Write protection counts even where the user could break it, as root can.
pub fn write_protection(project: &Path) -> io::Result<Option<String>> {
    let refused =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    let folder = project.parent().unwrap_or(Path::new("/"));
    match fs::metadata(project) {
        Ok(facts) if facts.permissions().readonly() => return Ok(Some("the file is write-protected".to_owned())),
        Ok(_) => match fs::OpenOptions::new().append(true).open(project) {
            Ok(_) => {}
            Err(error) if refused(&error) => return Ok(Some(format!("the file cannot be written ({error})"))),
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if is_protected_folder(folder) {
        return Ok(Some("its folder is write-protected".to_owned()));
    }
    match tempfile::Builder::new().prefix(".labelhub-").tempfile_in(folder) {
        Ok(_) => Ok(None),
        Err(error) if refused(&error) => Ok(Some(format!("its folder cannot be written ({error})"))),
        // A full disk, for example: it will be said when something is written.
        Err(_) => Ok(None),
    }
}

/// Whether nobody may write into a folder. Root could all the same; whoever protected it did not want that.
pub fn is_protected_folder(folder: &Path) -> bool {
    // Windows marks folders it shows in a special way as read-only, which keeps nobody from writing.
    cfg!(unix) && fs::metadata(folder).is_ok_and(|facts| facts.permissions().readonly())
}

/// Whether a path lies on a file system of another computer, or one whose locks and shared memory cannot be trusted.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn is_network(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(name) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut facts = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `name` ends in a zero, `facts` has room for what statfs writes.
    let is_known = unsafe { libc::statfs(name.as_ptr(), facts.as_mut_ptr()) } == 0;
    // SAFETY: statfs succeeded, so it filled `facts`.
    is_known && is_network_magic(unsafe { facts.assume_init() }.f_type as u32)
}

/// Elsewhere nobody tells; SQLite then finds out whether a write-ahead log works.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn is_network(_path: &Path) -> bool {
    false
}

/// The numbers statfs(2) gives for file systems over a network, and for FUSE, behind which one often is.
#[cfg_attr(not(all(target_os = "linux", target_env = "gnu")), allow(dead_code))]
fn is_network_magic(magic: u32) -> bool {
    const NFS: u32 = 0x6969;
    const SMB: u32 = 0x517B;
    const CIFS: u32 = 0xFF53_4D42;
    const SMB2: u32 = 0xFE53_4D42;
    const AFS: u32 = 0x5346_414F;
    const KAFS: u32 = 0x6B41_4653;
    const CODA: u32 = 0x7375_7245;
    const NCP: u32 = 0x564C;
    const V9FS: u32 = 0x0102_1997;
    const CEPH: u32 = 0x00C3_6400;
    const GFS2: u32 = 0x0116_1970;
    const OCFS2: u32 = 0x7461_636F;
    const LUSTRE: u32 = 0x0BD0_0BD0;
    const GPFS: u32 = 0x4750_4653;
    const FUSE: u32 = 0x6573_5546;
    matches!(
        magic,
        NFS | SMB | CIFS | SMB2 | AFS | KAFS | CODA | NCP | V9FS | CEPH | GFS2 | OCFS2 | LUSTRE | GPFS | FUSE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        // From statfs(2): ext4, xfs, btrfs, tmpfs, overlayfs, vfat.
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x4D44] {
            assert!(!is_network_magic(local), "{local:#x}");
        }
        for network in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546] {
            assert!(is_network_magic(network), "{network:#x}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(!is_network(&folder.path().join("no such file")));
    }

    #[test]
    fn write_protection_counts_for_root_too() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("p");
        let protect = |path: &Path, is_on: bool| {
            let mut permissions = fs::metadata(path).expect("it is there").permissions();
            permissions.set_readonly(is_on);
            fs::set_permissions(path, permissions).expect("it is ours");
        };
        assert_eq!(write_protection(&path).expect("a folder"), None);
        fs::write(&path, "x").expect("writable");
        assert_eq!(write_protection(&path).expect("a file"), None);
        protect(&path, true);
        assert!(write_protection(&path).expect("a file").is_some());
        protect(&path, false);
        protect(folder.path(), true);
        assert!(write_protection(&path).expect("a file").is_some());
        protect(folder.path(), false);
    }
}
