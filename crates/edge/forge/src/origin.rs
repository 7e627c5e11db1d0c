//! What a working tree is called where it comes from: `OWNER/NAME`, by the address of its `origin`.

use camino::Utf8Path;

use crate::working_tree::DOT_GIT;

/// The name of the repository that a working tree was cloned from, when its address has one. Only the
/// plain configuration of the repository is read: no process is worth a name.
pub(crate) fn name(root: &Utf8Path) -> Option<String> {
    let config = std::fs::read_to_string(root.join(DOT_GIT).join("config")).ok()?;
    named(address(&config)?)
}

/// The address in a configuration of git; the last one counts.
fn address(config: &str) -> Option<&str> {
    let mut is_origin = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            is_origin = line == "[remote \"origin\"]";
        } else if is_origin
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
        {
            found = Some(value.trim().trim_matches('"'));
        }
    }
    found
}

/// `OWNER/NAME` of an address of some host; nothing for a directory.
fn named(address: &str) -> Option<String> {
    let path = match address.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?.1,
        None => {
            let (host, path) = address.split_once(':')?;
            (!host.contains('/')).then_some(path)?
        }
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    // Our own server has its repositories below this.
    let path = path.strip_prefix("git/").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    let plain = |text: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !text.is_empty() && text.bytes().all(known) && !matches!(text, "." | "..")
    };
    (plain(owner) && plain(name)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_hosts_have_a_name_in_them() {
        for (address, name) in [
            ("https://forge.example/ada/hello.git", "ada/hello"),
            ("https://me:word@forge.example:8443/ada/hello/", "ada/hello"),
            ("ssh://git@forge.example/ada/.github", "ada/.github"),
            ("git@forge.example:ada/he_l-lo.2.git", "ada/he_l-lo.2"),
            ("http://127.0.0.1:7800/git/demo/hello.git", "demo/hello"),
        ] {
            assert_eq!(named(address).as_deref(), Some(name), "{address}");
        }
        for address in [
            "",
            "../hello",
            "/srv/ada/hello.git",
            "file:///srv/hello.git",
            "./a:b/c",
            "http://127.0.0.1:7800/git/hello.git",
            "https://forge.example/group/deep/hello",
            "https://forge.example/ada/he llo",
            "https://forge.example",
        ] {
            assert_eq!(named(address), None, "{address}");
        }
    }

    #[test]
    fn the_address_is_that_of_the_origin() {
        let config = "[core]\n\turl = no\n[remote \"fork\"]\n\turl = x\n[remote \"origin\"]\n\
                      \tfetch = +refs/heads/*\n\tURL = \"git@h:a/b\"\n[branch \"main\"]\n\turl = y\n";
        assert_eq!(address(config), Some("git@h:a/b"));
        assert_eq!(address("[remote \"fork\"]\nurl = x\n"), None);
    }
}
