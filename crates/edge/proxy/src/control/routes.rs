//! What makes the routes of a table valid: each usable, and no two for the same requests.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    guards,
    routing::Route,
    table::Service,
    validate::{InvalidTable, check},
};

/// Checks the routes of one service.
pub(super) fn usable(place: &str, service: &Service) -> Result<(), InvalidTable> {
    for route in &service.routes {
        if let Some(host) = &route.host {
            let expected = "a host like `shop.example.org` or `*.example.org`, without port";
            check(place, host, expected, is_host)?;
        }
        let expected = "a path that begins with `/` and has neither `?` nor `#`";
        check(place, &route.path, expected, |path| {
            path.starts_with('/')
                && !path.contains(['?', '#'])
                && path.parse::<http::uri::PathAndQuery>().is_ok()
        })?;
        guards::usable(place, route)?;
    }
    Ok(())
}

/// Checks that every request at an address is for one route at most.
pub(super) fn unambiguous(services: &[Service]) -> Result<(), InvalidTable> {
    let all = [Route::default()];
    let mut seen = BTreeMap::new();
    for service in services {
        previews_alone(service, services)?;
        let address = service.listen.as_deref().and_then(|text| text.parse().ok());
        // Services that ask for any port get one each.
        let shared = address.filter(|address: &SocketAddr| address.port() != 0);
        let own = shared.is_none().then_some(service.name.as_str());
        let routes = if service.routes.is_empty() {
            &all[..]
        } else {
            &service.routes[..]
        };
        for route in routes {
            let key = (shared, own, route.host_key(), route.prefix().to_owned());
            if let Some(first) = seen.insert(key, &service.name) {
                return Err(InvalidTable::Ambiguous {
                    listen: service.listen.clone().unwrap_or_default(),
                    route: described(route),
                    first: first.clone(),
                    second: service.name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Checks that nobody else listens where a preview does.
fn previews_alone(service: &Service, services: &[Service]) -> Result<(), InvalidTable> {
    let preview = |service: &Service| service.preview.as_ref()?.listen.clone();
    let Some(address) = preview(service) else {
        return Ok(());
    };
    let address = address.parse::<SocketAddr>().ok();
    let taken = |other: &Service| {
        let mut theirs = vec![other.listen.clone()];
        if other.name != service.name {
            theirs.push(preview(other));
        }
        theirs.into_iter().flatten().any(|text| {
            let theirs = text.parse::<SocketAddr>().ok();
            theirs == address && address.is_some_and(|address| address.port() != 0)
        })
    };
    let other = services.iter().find(|other| taken(other));
    other.map_or(Ok(()), |other| {
        Err(InvalidTable::Ambiguous {
            listen: preview(service).unwrap_or_default(),
            route: "a preview".to_owned(),
            first: service.name.clone(),
            second: other.name.clone(),
        })
    })
}

fn described(route: &Route) -> String {
    match &route.host {
        Some(host) => format!("`{host}{}`", route.path),
        None => format!("`{}` of any host", route.path),
    }
}

fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let literal = name.starts_with('[') && name.ends_with(']');
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    !name.is_empty() && (literal || plain) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::RouteTable;

    fn service(name: &str, listen: Option<&str>, routes: &[(Option<&str>, &str)]) -> Service {
        let route = |(host, path): &(Option<&str>, &str)| Route {
            host: host.map(str::to_owned),
            path: (*path).to_owned(),
            ..Route::default()
        };
        Service {
            listen: listen.map(str::to_owned),
            routes: routes.iter().map(route).collect(),
            ..Service::new(name)
        }
    }

    fn verdict(services: Vec<Service>) -> Result<(), String> {
        let table = RouteTable {
            generation: 1,
            services,
        };
        table.validate().map_err(|invalid| invalid.to_string())
    }

    const HERE: Option<&str> = Some("127.0.0.1:8080");

    #[test]
    fn services_share_an_address_by_host_and_path() {
        let table = vec![
            service("a", HERE, &[(Some("a.example"), "/"), (None, "/api")]),
            service("b", HERE, &[(Some("*.example"), "/")]),
            service("c", HERE, &[]),
            service("d", Some("127.0.0.1:8081"), &[]),
            service("e", None, &[]),
            service("f", None, &[]),
        ];
        assert_eq!(verdict(table), Ok(()));
    }

    #[test]
    fn two_for_the_same_requests_are_refused_with_both_names() {
        let refused = verdict(vec![service("a", HERE, &[]), service("b", HERE, &[])]);
        let reason = refused.unwrap_err();
        assert!(
            reason.contains("`a` and `b` both have `/` of any host"),
            "{reason}"
        );
        let same = [(Some("A.example."), "/x/"), (Some("a.example"), "/x")];
        let reason = verdict(vec![service("a", None, &same)]).unwrap_err();
        assert!(
            reason.contains("`a` and `a` both have `a.example/x`"),
            "{reason}"
        );
    }

    #[test]
    fn hosts_and_paths_that_cannot_be_met_are_refused() {
        for host in [
            "",
            "*",
            "*.",
            "a.example:80",
            "a*.example",
            "http://a",
            "*.*.example",
        ] {
            let reason = verdict(vec![service("a", HERE, &[(Some(host), "/")])]).unwrap_err();
            assert!(reason.contains("without port"), "{host}: {reason}");
        }
        for path in ["", "api", "/a?b", "/a#b", "/a b"] {
            let reason = verdict(vec![service("a", HERE, &[(None, path)])]).unwrap_err();
            assert!(reason.contains("begins with `/`"), "{path}: {reason}");
        }
    }
}
