//! What makes the choice among the sides of a service valid: matches, cookie, preview, mirror.

use std::{collections::BTreeMap, net::SocketAddr};

use http::{HeaderName, HeaderValue};

use super::{
    routing::Match,
    table::{FULL_WEIGHT, Service},
    validate::{InvalidTable, check},
};

/// Checks everything that chooses a side.
pub(super) fn usable(place: &str, service: &Service) -> Result<(), InvalidTable> {
    matches(place, service)?;
    if let Some(sticky) = &service.sticky {
        check(place, &sticky.cookie, COOKIE, is_token)?;
    }
    let is_side = |name: &str| service.sides.iter().any(|side| side.name == name);
    if let Some(preview) = &service.preview {
        check(
            place,
            &preview.side,
            "a side, which `preview` needs",
            is_side,
        )?;
        if let Some(listen) = &preview.listen {
            check(place, listen, "an address like `127.0.0.1:8081`", |text| {
                text.parse::<SocketAddr>().is_ok()
            })?;
        }
    }
    if let Some(mirror) = &service.mirror {
        check(place, &mirror.side, "a side, which `mirror` needs", is_side)?;
        let share = u32::from(mirror.share);
        check(
            place,
            &share.to_string(),
            "a share from 1 to 10000 basis points",
            |_| (1..=FULL_WEIGHT).contains(&share),
        )?;
        let at_once = mirror.at_once.to_string();
        check(place, &at_once, "at least one copy at once", |_| {
            mirror.at_once > 0
        })?;
    }
    if let Some(hold) = &service.hold {
        let [requests, bytes] = [hold.requests, hold.bytes].map(|bound| bound.to_string());
        check(
            place,
            &requests,
            "at least one request that `hold` lets wait",
            |_| hold.requests > 0,
        )?;
        check(
            place,
            &bytes,
            "at least 8192 bytes that `hold` may take",
            |_| hold.bytes >= 8192,
        )?;
    }
    Ok(())
}

const COOKIE: &str = "the name of a cookie";

fn matches(place: &str, service: &Service) -> Result<(), InvalidTable> {
    let mut seen = BTreeMap::new();
    for side in &service.sides {
        for one in &side.matches {
            let (key, value) = match one {
                Match::Header(property) => {
                    check(
                        place,
                        &property.name,
                        "the name of a header field",
                        |name| name.parse::<HeaderName>().is_ok(),
                    )?;
                    (
                        format!("header {}", property.name.to_ascii_lowercase()),
                        &property.value,
                    )
                }
                Match::Cookie(property) => {
                    check(place, &property.name, COOKIE, is_token)?;
                    (format!("cookie {}", property.name), &property.value)
                }
            };
            if let Some(value) = value {
                check(
                    place,
                    value,
                    "a value that a header field can have",
                    |value| HeaderValue::from_str(value).is_ok(),
                )?;
            }
            let known = seen.insert((key.clone(), value.clone()), &side.name);
            if known.is_some_and(|known| *known != side.name) {
                return Err(InvalidTable::Duplicate {
                    place: format!("the matches in {place}"),
                    name: key,
                });
            }
        }
    }
    Ok(())
}

fn is_token(name: &str) -> bool {
    let mark = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Hold, Mirror, Preview, Property, RouteTable, Side, Sticky};

    fn service() -> Service {
        let side = |(name, weight): (&str, u16)| Side {
            name: name.to_owned(),
            weight,
            matches: Vec::new(),
            upstreams: Vec::new(),
            protocol: crate::control::Protocol::default(),
        };
        Service {
            sides: [("1", 10_000), ("2", 0)].map(side).into(),
            ..Service::new("s")
        }
    }

    fn verdict(service: Service) -> Result<(), String> {
        let table = RouteTable {
            generation: 1,
            services: vec![service],
        };
        table.validate().map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn what_cannot_be_chosen_by_is_refused() {
        let mut good = service();
        let sticky = |cookie: &str| {
            Some(Sticky {
                cookie: cookie.to_owned(),
                max_age_s: None,
                secure: false,
            })
        };
        good.sticky = sticky("side");
        good.hold = Some(Hold::default());
        assert_eq!(verdict(good), Ok(()));

        let mut bad = service();
        bad.sticky = sticky("a b");
        assert!(
            verdict(bad)
                .unwrap_err()
                .contains("`a b` is not the name of a cookie")
        );
        let mut bad = service();
        bad.preview = Some(Preview {
            listen: None,
            side: "3".to_owned(),
        });
        assert!(verdict(bad).unwrap_err().contains("`3` is not a side"));
        let mut bad = service();
        bad.listen = Some("127.0.0.1:80".to_owned());
        bad.preview = Some(Preview {
            listen: bad.listen.clone(),
            side: "2".to_owned(),
        });
        assert!(verdict(bad).unwrap_err().contains("both have a preview"));
        let mut bad = service();
        bad.mirror = Some(Mirror {
            side: "2".to_owned(),
            share: 10_001,
            at_once: 1,
        });
        assert!(verdict(bad).unwrap_err().contains("basis points"));
        let mut bad = service();
        for side in &mut bad.sides {
            side.matches.push(Match::Header(Property {
                name: "X-Side".to_owned(),
                value: None,
            }));
        }
        assert!(
            verdict(bad)
                .unwrap_err()
                .contains("`header x-side` appears twice")
        );
    }

    #[test]
    fn a_match_is_written_as_people_write_it() {
        let text = r#"{"name":"2","weight":0,"upstreams":[],
            "match":[{"header":{"name":"x-a","value":"1"}},{"cookie":{"name":"b"}}]}"#;
        let side: Side = serde_json::from_str(text).unwrap();
        assert_eq!(side.matches.len(), 2);
        assert!(matches!(&side.matches[1], Match::Cookie(one) if one.name == "b"));
    }
}
