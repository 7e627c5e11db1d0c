//! Numbers as people read them.

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests stay far below 2^52"
)]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// `34 %`, `0.1 %`, `0 %`.
pub(crate) fn percent(part: u64, all: u64) -> String {
    share(real(part) / real(all.max(1)))
}

/// The same of a share.
pub(crate) fn share(part: f64) -> String {
    let percent = 100.0 * part;
    if part <= 0.0 || percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.1 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.3} %")
    }
}

/// `2.5e31` from its logarithm: a second of a busy service may hold more than a float does.
pub(crate) fn scientific(ln: f64) -> String {
    let tens = ln / std::f64::consts::LN_10;
    if (-2.0..4.0).contains(&tens) {
        let value = ln.exp();
        return if value >= 10.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        };
    }
    let exponent = tens.floor();
    let mantissa = 10_f64.powf(tens - exponent);
    format!("{mantissa:.1}e{exponent:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(scientific(2_000.0), "3.9e868");
        assert_eq!(scientific(0.0), "1.00");
        assert_eq!(scientific(200_f64.ln()), "200");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(1, 10_000), "0.010 %");
        assert_eq!(percent(34, 100), "34 %");
        assert_eq!(share(0.018), "1.8 %");
    }
}
