//! Whether there is room left where everything is kept. Without it nothing that ends can be stored: all of
//! it waits, and nobody else would say so.

use std::{convert::Infallible, time::Duration};

use camino::Utf8Path;
use rustix::{
    fs::{StatVfs, statvfs},
    process::geteuid,
};
use serde_json::json;

use crate::render;

/// No disk says that it has room again; those who wait for it look as often.
const PAUSE: Duration = Duration::from_secs(1);
/// What a single step that ends may need.
const LEAST: u64 = 64 * 1024;

/// Says whenever no room is left, what waits for it and what can be done, and when there is some again.
/// `leaving` is another way than to make room.
pub(crate) async fn tell(data_dir: &Utf8Path, as_json: bool, leaving: &str) -> Infallible {
    let mut was_full = false;
    loop {
        let is_full = room(data_dir).is_some_and(|room| room < LEAST);
        if is_full != was_full {
            let (event, text) = said(data_dir, is_full, leaving);
            if as_json {
                let line = json!({ "event": event, "data_dir": data_dir, "message": text });
                render::json_line(&line);
            }
            render::talk(&text);
            was_full = is_full;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn said(data_dir: &Utf8Path, is_full: bool, leaving: &str) -> (&'static str, String) {
    if is_full {
        let text = format!(
            "the disk of `{data_dir}` is full: what ends is not stored before there is room, and nothing \
             begins; free some{leaving}"
        );
        ("full", text)
    } else {
        let text = format!("the disk of `{data_dir}` has room again: it goes on");
        ("room", text)
    }
}

/// How many bytes we may still write; unknown where nothing can be found out.
fn room(place: &Utf8Path) -> Option<u64> {
    let disk = statvfs(place.as_std_path()).ok()?;
    Some(room_of(&disk, geteuid().is_root()))
}

/// Some of a disk is kept for its owner.
fn room_of(disk: &StatVfs, is_owner: bool) -> u64 {
    // A file system that counts nothing has no end that is known.
    if disk.f_blocks == 0 {
        return u64::MAX;
    }
    let blocks = if is_owner {
        disk.f_bfree
    } else {
        disk.f_bavail
    };
    blocks.saturating_mul(disk.f_frsize)
}

#[cfg(test)]
mod tests {
    use rustix::fs::StatVfsMountFlags;

    use super::*;

    fn disk(blocks: u64, free: u64, available: u64) -> StatVfs {
        StatVfs {
            f_bsize: 4096,
            f_frsize: 4096,
            f_blocks: blocks,
            f_bfree: free,
            f_bavail: available,
            f_files: 0,
            f_ffree: 0,
            f_favail: 0,
            f_fsid: 0,
            f_flag: StatVfsMountFlags::empty(),
            f_namemax: 255,
        }
    }

    #[test]
    fn what_is_kept_for_the_owner_is_room_for_nobody_else() {
        assert_eq!(room_of(&disk(10, 2, 0), true), 8192);
        assert_eq!(room_of(&disk(10, 2, 0), false), 0);
        assert_eq!(room_of(&disk(0, 0, 0), false), u64::MAX);
    }

    #[test]
    fn it_says_where_what_waits_and_how_to_leave() {
        let (event, text) = said("/srv/x".into(), true, "; or leave");
        assert_eq!(event, "full");
        assert!(text.contains("`/srv/x` is full") && text.ends_with("free some; or leave"));
        assert_eq!(said("/srv/x".into(), false, "").0, "room");
    }
}
