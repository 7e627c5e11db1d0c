use std::{fs, os::unix::fs::PermissionsExt as _};

use tar::{EntryType, Header};

use super::*;

struct Place {
    _kept: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Place {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(kept.path().to_owned()).unwrap();
        fs::create_dir(root.join("source")).unwrap();
        Self { _kept: kept, root }
    }

    fn source(&self) -> Utf8PathBuf {
        self.root.join("source")
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn link(&self, name: &str, points_to: &str) {
        std::os::unix::fs::symlink(points_to, self.source().join(name)).unwrap();
    }

    fn bundles(&self) -> Bundles {
        Bundles::new(self.root.join("store"))
    }

    /// Puts foreign bytes into the store under their right digest, and unpacks them.
    fn unpack_bytes(&self, bytes: &[u8]) -> Result<(), BundleError> {
        let mut hashing = hashing::Hashing::new(io::sink());
        io::Write::write_all(&mut hashing, bytes).unwrap();
        let digest = hashing.finish().0;
        let bundles = self.bundles();
        fs::create_dir_all(bundles.directory()).unwrap();
        fs::write(bundles.path(&digest).unwrap(), bytes).unwrap();
        bundles.unpack(&digest, &self.root.join("out"))
    }

    fn is_clean(&self) -> bool {
        !self.root.join("out").exists()
            && self
                .root
                .read_dir_utf8()
                .unwrap()
                .all(|entry| !entry.unwrap().file_name().starts_with(".unpack-"))
    }
}

/// An archive of raw entries, with names that a decent writer would not write.
fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, content) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let data = match kind {
            EntryType::Symlink | EntryType::Link => {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                ""
            }
            _ => content,
        };
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn the_same_content_gives_the_same_digest() {
    let (one, two) = (Place::new(), Place::new());
    for (place, modes) in [(&one, [0o600, 0o700]), (&two, [0o664, 0o775])] {
        place.write("b/file", "content", modes[0]);
        place.write("a-run", "#!/bin/sh", modes[1]);
        place.link("b/up", "../a-run");
        place.write(".git/HEAD", modes[0].to_string().as_str(), 0o644);
    }
    let digest = one.bundles().pack(&one.source()).unwrap();
    assert_eq!(digest, two.bundles().pack(&two.source()).unwrap());
    assert_eq!(digest, one.bundles().pack(&one.source()).unwrap());
    assert!(one.bundles().exists(&digest).unwrap());

    two.write("b/file", "content", 0o755);
    assert_ne!(digest, two.bundles().pack(&two.source()).unwrap());
    let left = one.bundles().directory().read_dir_utf8().unwrap().count();
    assert_eq!(left, 1, "no temporary file stays");
}

#[test]
fn the_digest_is_that_of_the_file() {
    // Pinned: a change of it would make every release that was ever built unknown.
    let place = Place::new();
    place.write("hello", "hello\n", 0o644);
    let digest = place.bundles().pack(&place.source()).unwrap();
    assert_eq!(
        digest.0,
        "sha256:ea8503667a35d9206b0ee7630e633d117b61689fb2cb8f9f7c0ea3751aab67bf"
    );
}

#[test]
fn what_is_unpacked_is_what_was_packed() {
    let place = Place::new();
    let long = format!("deep/{}/x", "n".repeat(200));
    place.write(&long, "far", 0o644);
    place.write("run", "#!/bin/sh", 0o4755);
    place.link("link", "deep");
    fs::create_dir(place.source().join("empty")).unwrap();
    let bundles = place.bundles();
    let digest = bundles.pack(&place.source()).unwrap();

    let out = place.root.join("made/for/this/out");
    bundles.unpack(&digest, &out).unwrap();
    bundles.unpack(&digest, &out).unwrap();
    assert_eq!(fs::read_to_string(out.join(&long)).unwrap(), "far");
    let mode = fs::metadata(out.join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "no setuid comes through");
    assert_eq!(out.join("link").read_link_utf8().unwrap(), "deep");
    assert!(out.join("empty").is_dir());
    assert_eq!(bundles.pack(&out).unwrap(), digest, "and packs to the same");
}

#[test]
fn a_damaged_bundle_leaves_nothing() {
    let place = Place::new();
    place.write("file", &"x".repeat(10_000), 0o644);
    let bundles = place.bundles();
    let digest = bundles.pack(&place.source()).unwrap();
    let path = bundles.path(&digest).unwrap();
    let whole = fs::read(&path).unwrap();

    let mut flipped = whole.clone();
    flipped[5_000] ^= 1;
    let mut longer = whole.clone();
    longer.extend_from_slice(&[0; 512]);
    for bytes in [&flipped, &longer, &whole[..whole.len() - 512].to_vec()] {
        fs::write(&path, bytes).unwrap();
        let error = bundles.unpack(&digest, &place.root.join("out"));
        assert!(
            matches!(error, Err(BundleError::Corrupt { .. })),
            "{error:?}"
        );
        assert!(place.is_clean());
    }
    for bytes in [
        &whole[..5_000],
        &whole[..100],
        b"not a tar at all, by no means",
    ] {
        fs::write(&path, bytes).unwrap();
        bundles
            .unpack(&digest, &place.root.join("out"))
            .unwrap_err();
        assert!(place.is_clean());
    }
    fs::remove_file(&path).unwrap();
    let error = bundles.unpack(&digest, &place.root.join("out"));
    assert!(
        matches!(error, Err(BundleError::Absent { .. })),
        "{error:?}"
    );
}

#[test]
fn hostile_archives_are_refused() {
    use EntryType::{Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};
    for (entries, why) in [
        (vec![(Regular, "../out-of-here", "x")], "climbs"),
        (vec![(Regular, "a/../../b", "x")], "climbs later"),
        (vec![(Regular, "/tmp/absolute", "x")], "absolute"),
        (vec![(Regular, "./dotted", "x")], "not normal"),
        (vec![(Symlink, "l", "/etc")], "absolute link"),
        (vec![(Symlink, "l", "../x")], "climbing link"),
        (vec![(Symlink, "l", "a/../../x")], "link that climbs later"),
        (vec![(Symlink, "l", "")], "empty link"),
        (vec![(Link, "h", "/etc/passwd")], "hard link"),
        (vec![(Link, "h", "a")], "hard link inside"),
        (vec![(Char, "dev", "")], "device"),
        (vec![(Fifo, "pipe", "")], "pipe"),
        (vec![(GNUSparse, "s", "")], "sparse"),
        (vec![(Regular, "no/parent", "x")], "no directory before"),
        (vec![(Regular, "a", "1"), (Regular, "a", "2")], "twice"),
        (
            vec![(Regular, "a", "1"), (Regular, "a/b", "2")],
            "below a file",
        ),
        (
            vec![
                (Directory, "d", ""),
                (Symlink, "l", "d"),
                (Regular, "l/x", "2"),
            ],
            "through a link",
        ),
        (
            vec![(Symlink, "l", "x"), (Directory, "l", "")],
            "replaces a link",
        ),
    ] {
        let place = Place::new();
        let result = place.unpack_bytes(&archive(&entries));
        assert!(
            matches!(
                result,
                Err(BundleError::Refused { .. } | BundleError::Io { .. })
            ),
            "{why}: {result:?}"
        );
        assert!(place.is_clean(), "{why}");
    }
    let good = archive(&[
        (Directory, "d", ""),
        (Symlink, "d/l", "../a"),
        (Regular, "a", "1"),
    ]);
    Place::new().unpack_bytes(&good).unwrap();
}

#[test]
fn a_link_out_of_a_pile_of_links_is_seen() {
    // `sub/l` is `sub` itself, so `l/l/../..` leaves although its parts add up to nothing.
    for (path, points_to, inside) in [
        ("sub/evil", "l/l/../..", false),
        ("sub/evil", "l/..", false),
        ("a/b/c", "../../x/y", true),
        ("a/b/c", "../../../x", false),
        ("a", "./b", true),
        ("a", ".", true),
        ("a", "/b", false),
    ] {
        let stays = stays_inside(Utf8Path::new(path), Utf8Path::new(points_to));
        assert_eq!(stays, inside, "{path} -> {points_to}");
    }
}

#[test]
fn what_cannot_be_packed_is_named() {
    let place = Place::new();
    place.link("out", "/etc/passwd");
    let error = place.bundles().pack(&place.source()).unwrap_err();
    assert!(error.to_string().contains("`out`"), "{error}");
    fs::remove_file(place.source().join("out")).unwrap();

    let socket = std::os::unix::net::UnixListener::bind(place.source().join("socket")).unwrap();
    let error = place.bundles().pack(&place.source()).unwrap_err();
    assert!(error.to_string().contains("`socket`"), "{error}");
    drop(socket);

    let inside = Bundles::new(place.source().join("store"));
    let error = inside.pack(&place.source()).unwrap_err();
    assert!(error.to_string().contains("lies inside it"), "{error}");
    let error = place
        .bundles()
        .pack(Utf8Path::new("/nonexistent"))
        .unwrap_err();
    assert!(matches!(error, BundleError::Io { .. }), "{error}");
}

#[test]
fn a_text_that_is_no_digest_never_becomes_a_path() {
    let bundles = Place::new().bundles();
    for text in ["", "sha256:", "../../etc/passwd", "sha256:../../etc/passwd"] {
        let error = bundles.exists(&Digest(text.to_owned())).unwrap_err();
        assert!(matches!(error, BundleError::NotADigest { .. }), "{error}");
    }
}
