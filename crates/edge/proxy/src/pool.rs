//! The less busy of two: which upstream of a side gets a request.

use std::sync::Arc;

use rand::Rng as _;

use crate::upstream::{Claim, Upstream};

/// Claims a place at one of these upstreams that takes requests and was not tried yet.
pub(crate) fn claim(upstreams: &[Arc<Upstream>], tried: &[Arc<Upstream>]) -> Option<Claim> {
    loop {
        // An upstream that refuses the claim was closed meanwhile, and so falls out of the next
        // choice: this ends.
        let chosen = choose(upstreams, tried)?;
        if let Some(claim) = chosen.claim() {
            return Some(claim);
        }
    }
}

fn choose<'a>(
    upstreams: &'a [Arc<Upstream>],
    tried: &[Arc<Upstream>],
) -> Option<&'a Arc<Upstream>> {
    let first = pick(upstreams, tried)?;
    if upstreams.len() == 1 {
        return Some(first);
    }
    let second = pick(upstreams, tried)?;
    Some(if second.in_flight() < first.in_flight() {
        second
    } else {
        first
    })
}

/// The first from a random place on. Slightly favours those behind one that takes no requests;
/// choosing the less busy of two evens that out.
fn pick<'a>(upstreams: &'a [Arc<Upstream>], tried: &[Arc<Upstream>]) -> Option<&'a Arc<Upstream>> {
    let start = match upstreams.len() {
        0 => return None,
        1 => 0,
        len => rand::rng().random_range(0..len),
    };
    let untried =
        |upstream: &Arc<Upstream>| !tried.iter().any(|other| Arc::ptr_eq(other, upstream));
    let (before, after) = upstreams.split_at(start);
    let all = || after.iter().chain(before);
    let may = |upstream: &&Arc<Upstream>| upstream.takes_requests() && untried(upstream);
    // Those that fail users are asked when there is nobody else.
    all()
        .find(|upstream| !upstream.ejection.is_out() && may(upstream))
        .or_else(|| all().find(may))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{control::Passive, upstream::Condition};

    fn upstreams(count: usize) -> Vec<Arc<Upstream>> {
        let upstream = |index| {
            let upstream =
                Upstream::new(&format!("u{index}"), "127.0.0.1:1", watch::Sender::new(0));
            upstream.set_accepting(true);
            upstream.set_condition(Condition::Healthy);
            Arc::new(upstream)
        };
        (0..count).map(upstream).collect()
    }

    #[test]
    fn only_those_that_take_requests() {
        let upstreams = upstreams(3);
        upstreams[0].set_condition(Condition::Unhealthy);
        upstreams[1].set_accepting(false);
        for _ in 0..50 {
            assert_eq!(claim(&upstreams, &[]).unwrap().upstream.id, "u2");
        }
        assert!(claim(&upstreams, &upstreams[2..]).is_none());
        assert!(claim(&[], &[]).is_none());
    }

    #[test]
    fn those_left_out_are_asked_when_nobody_else_is_there() {
        let upstreams = upstreams(2);
        let rule = Passive {
            failures: 1,
            ..Passive::default()
        };
        upstreams[0].ejection.note(&rule, true);
        for _ in 0..50 {
            assert_eq!(claim(&upstreams, &[]).unwrap().upstream.id, "u1");
        }
        assert_eq!(
            claim(&upstreams, &upstreams[1..]).unwrap().upstream.id,
            "u0"
        );
        upstreams[1].ejection.note(&rule, true);
        assert!(claim(&upstreams, &[]).is_some());
    }

    #[test]
    fn the_busy_get_less() {
        let upstreams = upstreams(2);
        let _busy: Vec<_> = (0..1_000).map(|_| upstreams[0].claim()).collect();
        let claims: Vec<_> = (0..200).map(|_| claim(&upstreams, &[]).unwrap()).collect();
        let idle = claims
            .iter()
            .filter(|claim| claim.upstream.id == "u1")
            .count();
        // Only when both looks fall on the busy one does it get the request: one in four.
        assert!((110..190).contains(&idle), "{idle}");
    }

    #[test]
    fn many_claims_spread_evenly() {
        let upstreams = upstreams(4);
        let _claims: Vec<_> = (0..400).map(|_| claim(&upstreams, &[])).collect();
        for upstream in &upstreams {
            assert!(
                (80..120).contains(&upstream.in_flight()),
                "{}",
                upstream.in_flight()
            );
        }
    }
}
