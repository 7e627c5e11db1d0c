//! Which certificate a client is shown: by the host that it names, exactly, by wildcard, or the default.

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::{Certificate, wildcard};

/// The certificates of one door, replaced as a whole. Connections that are open do not notice.
#[derive(Default)]
pub(crate) struct Choice(ArcSwap<Certificates>);

/// Certificates by the names that they cover.
#[derive(Default)]
pub(crate) struct Certificates {
    by_name: BTreeMap<String, Arc<Certificate>>,
    /// For who names no host, or one that none covers.
    default: Option<Arc<Certificate>>,
}

impl Certificates {
    /// Of two that cover the same name the first one counts.
    pub(crate) fn new(certificates: impl IntoIterator<Item = Arc<Certificate>>) -> Self {
        let mut chosen = Self::default();
        for certificate in certificates {
            for name in &certificate.names {
                let place = chosen.by_name.entry(name.clone());
                place.or_insert_with(|| Arc::clone(&certificate));
            }
            chosen.default.get_or_insert(certificate);
        }
        chosen
    }

    fn find(&self, host: Option<&str>) -> Option<&Arc<Certificate>> {
        let found = host.and_then(|host| {
            let exact = self.by_name.get(host);
            exact.or_else(|| self.by_name.get(&wildcard(host)?))
        });
        found.or(self.default.as_ref())
    }
}

impl Choice {
    pub(crate) fn set(&self, certificates: Certificates) {
        self.0.store(Arc::new(certificates));
    }

    /// What who names this host is shown. Hosts are in lower case, as rustls gives them.
    pub(crate) fn find(&self, host: Option<&str>) -> Option<Arc<Certificate>> {
        self.0.load().find(host).cloned()
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        let found = self.find(host.as_deref())?;
        Some(Arc::clone(&found.key))
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.load().by_name.keys().cloned().collect();
        f.debug_tuple("Choice").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(names: &[&str]) -> Arc<Certificate> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(Certificate::own(&names).unwrap())
    }

    #[test]
    fn the_exact_name_counts_then_the_wildcard_then_the_first() {
        let (first, wild, exact) = (
            own(&["first.example"]),
            own(&["*.example.org"]),
            own(&["shop.example.org"]),
        );
        let choice = Choice::default();
        assert!(choice.find(Some("a")).is_none());
        choice.set(Certificates::new([
            Arc::clone(&first),
            Arc::clone(&wild),
            Arc::clone(&exact),
        ]));
        for (host, expected) in [
            (Some("shop.example.org"), &exact),
            (Some("api.example.org"), &wild),
            (Some("a.b.example.org"), &first),
            (Some("example.org"), &first),
            (None, &first),
        ] {
            let found = choice.find(host).unwrap();
            assert!(Arc::ptr_eq(&found, expected), "{host:?}: {found:?}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let wild = own(&["*.example.org", "example.net"]);
        for (host, covered) in [
            ("a.example.org", true),
            ("A.Example.Org.", true),
            ("example.net", true),
            ("a.b.example.org", false),
            ("example.org", false),
            ("", false),
        ] {
            assert_eq!(wild.covers(host), covered, "{host}");
        }
    }
}
