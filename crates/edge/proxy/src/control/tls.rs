//! TLS of a service, in the table and in the status: certificates from files or from an authority.
//!
//! Plain data and what makes it valid. What the balancer makes of it is in `tls` and `acme`.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::{
    routing::Route,
    table::Service,
    validate::{InvalidTable, check},
};

/// The directory of Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Names that one order may have, at the common authorities.
const MOST_HOSTS: usize = 100;

/// Lets a service answer with TLS alone: 1.2 or 1.3, HTTP/2 or HTTP/1.1 as the client chooses. The
/// preview stays plain. Services that share an address have it all or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// From files, read again when they change. The first one answers clients that name no host, or
    /// one that no certificate covers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// From an authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// A plain address where requests are sent on to the one with TLS, and where the authority finds
    /// what it asks for. Services may share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_from: Option<String>,
}

/// A certificate and its key, as PEM. The paths begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The certificate, then its chain.
    pub cert_file: String,
    /// The key. Nobody but its owner and group may be allowed to read it.
    pub key_file: String,
}

/// One certificate from an authority that speaks ACME (RFC 8555), renewed in the last third of its
/// life. The authority asks `http://HOST/.well-known/acme-challenge/…` (HTTP-01), so a plain address
/// of this balancer must be reachable at port 80.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acme {
    /// The hosts that it is for. No wildcards: HTTP-01 cannot show them.
    pub hosts: Vec<String>,
    /// Whom the authority writes to, like `mailto:ops@example.org`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// The directory of the authority. `None`: Let's Encrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// PEM of who vouches for the directory itself. `None`: whom the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

impl Tls {
    /// Where plain requests are sent on from.
    pub(crate) fn redirects(&self) -> Option<SocketAddr> {
        self.redirect_from.as_ref()?.parse().ok()
    }
}

impl Acme {
    /// Where the authority is found.
    pub(crate) fn directory(&self) -> &str {
        self.directory.as_deref().unwrap_or(LETS_ENCRYPT)
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSource {
    /// These files.
    Files(CertificateFiles),
    /// An authority.
    Acme {
        /// Its directory.
        directory: String,
    },
}

/// One certificate of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Where it comes from.
    pub source: CertificateSource,
    /// The hosts that it covers. None: there is no certificate yet.
    pub names: Vec<String>,
    /// When it ends, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// Whether it is one of the balancer's own, until the authority has given one. Clients do not
    /// trust it.
    pub self_signed: bool,
    /// What is wrong with a newer one, or with this one; what was good before stays.
    #[serde(default)]
    pub error: Option<String>,
    /// When the authority is asked next, in milliseconds since 1970.
    #[serde(default)]
    pub next_order_unix_ms: Option<u64>,
}

/// What came of looking at all certificate files anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Certificates that are others now.
    pub changed: u64,
    /// What could not be taken, and why. What was good before stays.
    pub errors: Vec<String>,
}

/// Checks the TLS of one service.
pub(super) fn usable(place: &str, service: &Service) -> Result<(), InvalidTable> {
    let Some(tls) = &service.tls else {
        return Ok(());
    };
    let sources = tls.certificates.len() + usize::from(tls.acme.is_some());
    let some = "a source of certificates; `tls` needs `certificates` or `acme`";
    check(place, "tls", some, |_| sources > 0)?;
    let absolute = "an absolute path";
    for files in &tls.certificates {
        check(place, &files.cert_file, absolute, |path| {
            path.starts_with('/')
        })?;
        check(place, &files.key_file, absolute, |path| {
            path.starts_with('/')
        })?;
    }
    if let Some(from) = &tls.redirect_from {
        check(place, from, "an address like `0.0.0.0:80`", |text| {
            text.parse::<SocketAddr>().is_ok_and(|from| from.port() > 0)
        })?;
    }
    let Some(acme) = &tls.acme else {
        return Ok(());
    };
    let count = acme.hosts.len().to_string();
    check(place, &count, "1 to 100 `hosts` of `acme`", |_| {
        (1..=MOST_HOSTS).contains(&acme.hosts.len())
    })?;
    for host in &acme.hosts {
        check(place, host, "a host that ACME can show by HTTP-01", is_host)?;
    }
    for contact in &acme.contact {
        check(
            place,
            contact,
            "a contact like `mailto:ops@example.org`",
            |text| text.parse::<http::Uri>().is_ok() && text.starts_with("mailto:"),
        )?;
    }
    check(
        place,
        acme.directory(),
        "a URL that begins with `https://`",
        |url| url.starts_with("https://") && url.parse::<http::Uri>().is_ok(),
    )?;
    if let Some(file) = &acme.ca_file {
        check(place, file, absolute, |path| path.starts_with('/'))?;
    }
    Ok(())
}

/// Checks that who shares an address agrees on whether it has TLS, and where requests are sent on to.
pub(super) fn agree(services: &[Service]) -> Result<(), InvalidTable> {
    let mut used = BTreeMap::<SocketAddr, (Use, &str)>::new();
    let mut hosts = BTreeMap::new();
    for service in services {
        for (address, role) in addresses(service) {
            let (known, first) = *used.entry(address).or_insert((role, &service.name));
            if known != role {
                return Err(InvalidTable::MixedTls {
                    listen: address.to_string(),
                    first: first.to_owned(),
                    second: service.name.clone(),
                });
            }
        }
        let Some(from) = service.tls.as_ref().and_then(Tls::redirects) else {
            continue;
        };
        let named = service.routes.iter().map(Route::host_key);
        let any = service.routes.is_empty().then_some(None);
        for host in named.chain(any) {
            let described = host.clone().unwrap_or_else(|| "any host".to_owned());
            let (to, first) = *hosts
                .entry((from, host))
                .or_insert((&service.listen, &service.name));
            if *to != service.listen || (to.is_none() && *first != service.name) {
                return Err(InvalidTable::Ambiguous {
                    listen: from.to_string(),
                    route: format!("`{described}` to redirect"),
                    first: first.clone(),
                    second: service.name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Plain,
    Tls,
    Redirect,
}

/// The addresses of a service that are not for any free port.
fn addresses(service: &Service) -> impl Iterator<Item = (SocketAddr, Use)> {
    let parsed = |text: &String| text.parse::<SocketAddr>().ok();
    let own = if service.tls.is_some() {
        Use::Tls
    } else {
        Use::Plain
    };
    let preview = service.preview.as_ref().and_then(|own| own.listen.as_ref());
    let redirect = service.tls.as_ref().and_then(Tls::redirects);
    let all = [
        (service.listen.as_ref().and_then(parsed), own),
        (preview.and_then(parsed), Use::Plain),
        (redirect, Use::Redirect),
    ];
    let fixed = |(address, role): (Option<SocketAddr>, Use)| Some((address?, role));
    all.into_iter()
        .filter_map(fixed)
        .filter(|(address, _)| address.port() != 0)
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::RouteTable;

    fn service(name: &str, listen: &str, tls: Option<Tls>) -> Service {
        Service {
            listen: Some(listen.to_owned()),
            tls,
            routes: vec![crate::control::Route {
                host: Some(format!("{name}.example.org")),
                ..crate::control::Route::default()
            }],
            ..Service::new(name)
        }
    }

    fn files() -> Tls {
        Tls {
            certificates: vec![CertificateFiles {
                cert_file: "/c.pem".to_owned(),
                key_file: "/k.pem".to_owned(),
            }],
            ..Tls::default()
        }
    }

    fn refusal(services: Vec<Service>) -> String {
        let table = RouteTable {
            generation: 1,
            services,
        };
        table.validate().unwrap_err().to_string()
    }

    #[test]
    fn who_shares_an_address_agrees_on_tls() {
        let at = "127.0.0.1:8443";
        let both = vec![service("a", at, Some(files())), service("b", at, None)];
        let said = refusal(both);
        assert!(said.contains("`a` and `b`") && said.contains(at), "{said}");
        let mut redirecting = files();
        redirecting.redirect_from = Some("127.0.0.1:8080".to_owned());
        let taken = vec![
            service("a", at, Some(redirecting.clone())),
            service("b", "127.0.0.1:8080", None),
        ];
        assert!(refusal(taken).contains("127.0.0.1:8080"));
        let fine = RouteTable {
            generation: 1,
            services: vec![
                service("a", at, Some(redirecting.clone())),
                service("b", at, Some(redirecting)),
            ],
        };
        assert_eq!(fine.validate(), Ok(()));
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let one = |tls| refusal(vec![service("a", "127.0.0.1:1", Some(tls))]);
        assert!(one(Tls::default()).contains("`certificates` or `acme`"));
        let mut relative = files();
        relative.certificates[0].key_file = "k.pem".to_owned();
        assert!(one(relative).contains("`k.pem` is not an absolute path"));
        let acme = |hosts: &[&str], directory: &str| Tls {
            acme: Some(Acme {
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                contact: Vec::new(),
                directory: Some(directory.to_owned()),
                ca_file: None,
            }),
            ..Tls::default()
        };
        assert!(one(acme(&["*.a.org"], "https://x/")).contains("`*.a.org`"));
        assert!(one(acme(&["a.org"], "http://x/")).contains("`https://`"));
        assert!(one(acme(&[], "https://x/")).contains("`hosts`"));
    }
}
