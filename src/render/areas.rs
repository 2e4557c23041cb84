//! What `gc` found, for people.

use crate::change::shown;
use crate::suite::area::sweep::{Fate, Swept};

const DAY: u64 = 24 * 60 * 60;

/// A line for each work area, the longest unused first, and a sum.
pub fn areas(areas: &[Swept], is_trial: bool) -> String {
    let mut text = String::new();
    let mut freed = 0;
    for area in areas.iter().filter(|area| area.bytes > 0) {
        let fate = match (area.fate, is_trial) {
            (Fate::Kept, _) => "kept",
            (Fate::Busy, _) => "in use",
            (Fate::Removed, false) => "removed",
            (Fate::Removed, true) => "would go",
        };
        if area.fate == Fate::Removed {
            freed += area.bytes;
        }
        let days = area.seconds_unused / DAY;
        let folder = shown(area.folder.as_os_str().as_encoded_bytes());
        text += &format!(
            "{fate:<8}  {:>9}  unused for {days} days  {folder}\n",
            size(area.bytes)
        );
    }
    let verb = if is_trial { "would free" } else { "freed" };
    text + &format!("{verb} {}\n", size(freed))
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        0..MIB => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes / MIB),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn what_went_is_told_from_what_stays() {
        let area = |name: &str, bytes, days: u64, fate| Swept {
            folder: format!("/cache/{name}").into(),
            bytes,
            seconds_unused: days * DAY,
            fate,
        };
        let swept = [
            area("a", 3 << 30, 40, Fate::Removed),
            area("b", 5000, 31, Fate::Busy),
            area("c", 0, 2, Fate::Kept),
            area("d", 7 << 20, 0, Fate::Kept),
        ];
        assert_snapshot!(areas(&swept, false), @"
        removed    3072 MiB  unused for 40 days  /cache/a
        in use        5 KiB  unused for 31 days  /cache/b
        kept          7 MiB  unused for 0 days  /cache/d
        freed 3072 MiB
        ");
        assert!(areas(&swept, true).ends_with("would free 3072 MiB\n"));
    }
}
